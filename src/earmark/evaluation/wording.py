"""How figures are worded: names of metrics, numbers, lists that are cut where they are long."""

from __future__ import annotations

import math
from collections.abc import Sequence

TITLES = {"accuracy": "accuracy", "map": "mAP", "auc": "AUC", "dprime": "d′", "map@3": "mAP@3", "lwlrap": "lwlrap"}
TITLES |= {"f1_micro": "F1, all decisions", "f1_macro": "F1, mean over tags", "f1_clips": "F1, mean over clips"}
TITLES |= {"log_loss": "log loss", "brier": "Brier score"}
TITLES |= {"log_loss_tags": "log loss of tags", "brier_tags": "Brier score of tags"}
TITLES["f1_instance"] = TITLES["f1_clips"]  # as files tell it that were written before


def number(value: float | None, digits: int = 3) -> str:
    """What has no value is a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def title(metric: str) -> str:
    return TITLES.get(metric, metric)


def position(metric: str) -> tuple[int, str]:
    """Known metrics in the order of TITLES, then the others."""
    return (list(TITLES).index(metric) if metric in TITLES else len(TITLES)), metric


def percent(share: float, digits: int = 0) -> str:
    return f"{share:.{digits}%}".replace("%", " %")


def names(names: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{name}'" for name in names[:shown]) + more


def row(items: Sequence[str]) -> str:
    """'1, 2 and 3'."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))
