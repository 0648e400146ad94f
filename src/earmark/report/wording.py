"""How a report words things: names of metrics, numbers, counts with their nouns, lists that are cut where they are long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {"accuracy": "accuracy", "map": "mAP", "auc": "AUC", "dprime": "d′", "map@3": "mAP@3", "lwlrap": "lwlrap"}
TITLES |= {"f1_micro": "F1, all decisions", "f1_macro": "F1, mean over tags", "f1_instance": "F1, mean over clips"}


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def between(figure: Mapping[str, Any]) -> str:
    """The limits of an interval."""
    if figure["low"] is None and figure["high"] is None:
        return "–"
    return f"{number(figure['low'])} to {number(figure['high'])}"


def with_limits(figure: Mapping[str, Any]) -> str:
    """'0.512 (0.430 to 0.601)'."""
    limits = between(figure)
    return number(figure["value"]) + (f" ({limits})" if limits != "–" else "")


def title(metric: str) -> str:
    return TITLES.get(metric, metric)


def position(metric: str) -> tuple[int, str]:
    """Known metrics in the order of TITLES, then the others."""
    return (list(TITLES).index(metric) if metric in TITLES else len(TITLES)), metric


def percent(share: float, digits: int = 0) -> str:
    return f"{share:.{digits}%}".replace("%", " %")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clips(number: int, has: str, have: str) -> str:
    return f"{count(number, 'clip')} {has if number == 1 else have}"


def at(tags: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [tags[i] for i in columns]


def names(names: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{name}'" for name in names[:shown]) + more


def row(items: Sequence[str]) -> str:
    """'1, 2 and 3'."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def head(report: Mapping[str, Any]) -> str:
    """What a report is on, in one line."""
    told = f"{count(report['clips'], 'clip')}, {count(len(report['tags']), 'tag')}, "
    return told + ("one tag a clip." if report["task"] == "one" else "any number of tags a clip.")


def intervals(interval: Mapping[str, Any]) -> str:
    """Where the intervals come from, and what they hold for."""
    drawn = f"{interval['resamples']} resamples of {count(interval['groups'], 'group')}"
    centred = " and ".join(title(name) for name in interval["centred"])
    told = f"Intervals: {interval['kind']}, {drawn}" + (f", for {centred} centred on the value" if centred else "")
    return told + ". They hold for this tagger, not for another training run."


def decisions(threshold: float | Sequence[float]) -> str:
    """What counts as an answer in task many."""
    told = f"{threshold:g}" if isinstance(threshold, int | float) else "the threshold of their tag"
    return f"Precision, recall and F1: tags count as answered where their score reaches {told}."


def headline(report: Mapping[str, Any], metric: str) -> str:
    figure = report["metrics"][metric]
    limits = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{title(metric)} {number(figure['value'])}{limits}, {count(report['clips'], 'clip')}"
