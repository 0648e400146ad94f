"""The figures of an evaluation: what a report is made of.

Numbers are plain; one that has no value is NaN here and null in `Figures.as_dict`, which is the JSON of a report, and a
note says why it has none:

    {"clips": n, "task": "one" | "many",
     "metrics": {"accuracy": {"value", "low", "high"}, "map": …, "auc": …, "dprime": …, "map@3": …, "log_loss": …, "brier": …},
     "tags": [{"tag", "clips", "average_precision", "auc", "precision", "recall", "f1", "map_at_3"}],
     "undefined": [tags left out of a mean], "confusion": [[rows = truth, columns = answered]] or null,
     "calibration": {"of", "error", "bins": [{"low", "high", "count", "confidence", "right"}]} or null,
     "worst": [{"id", "path", "truth", "answered", "score", "answered_score"}],
     "threshold": of the decisions in task many, one or one a tag, or null,
     "decisions": F1s with the thresholds that the tagger stores beside those at 0.5, or null,
     "events": `earmark.evaluation.events.EventFigures.as_dict`, or null,
     "protocol": {facts}, "interval": {"kind", "level", "resamples", "groups", "centred"},
     "notes": [sentences]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.evaluation.events import EventFigures
from earmark.metrics import Interval
from earmark.metrics.calibration import Calibration
from earmark.scores import Task


@dataclass(frozen=True)
class TagFigures:
    """Of one tag. clips: that have it. precision, recall, f1: of the answers, or of scores that reach the threshold.

    map_at_3: mAP@3 of the clips that have it.
    """

    tag: str
    clips: int
    average_precision: float
    auc: float
    precision: float
    recall: float
    f1: float
    map_at_3: float = math.nan


@dataclass(frozen=True)
class Miss:
    """A clip whose own tag `truth` was missed with `score`, and the tag that scored highest."""

    id: str
    path: str
    truth: str
    answered: str
    score: float
    answered_score: float


@dataclass(frozen=True)
class Bootstrap:
    """Where the intervals come from. groups: that are drawn. centred: metrics whose draws are moved to the value."""

    kind: str
    level: float
    resamples: int
    groups: int
    centred: tuple[str, ...]


@dataclass(frozen=True)
class Decided:
    """F1s of all clips by name of the metric. thresholds: "0.5" or "stored", which the tagger file tells."""

    thresholds: str
    f1: dict[str, Interval]

    def as_dict(self) -> dict[str, Any]:
        return {"thresholds": self.thresholds, **{name: figure.as_dict() for name, figure in self.f1.items()}}


@dataclass(frozen=True)
class TagDecided:
    """Of one tag: its stored threshold, F1 at 0.5, and what is reached with the stored one."""

    tag: str
    clips: int
    threshold: float
    f1_half: float
    f1: float
    precision: float
    recall: float

    def as_dict(self) -> dict[str, Any]:
        return {"f1_0.5" if name == "f1_half" else name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Decisions:
    """Decisions with the thresholds that a tagger file stores, beside those with 0.5."""

    rows: tuple[Decided, ...]
    tags: tuple[TagDecided, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"rows": [row.as_dict() for row in self.rows], "tags": [tag.as_dict() for tag in self.tags]}


@dataclass(frozen=True, eq=False)
class Figures:
    """All figures of one evaluation.

    metrics: by name, in the order of reports. undefined: tags left out of a mean. confusion: (tags, tags) counts, rows
    are the truth, columns the answers; task one alone. calibration: None where scores are no probabilities. worst: up
    to 20 clips. threshold: of the decisions in task many, one or (tags,). protocol: how the figures came about.
    """

    clips: int
    task: Task
    metrics: dict[str, Interval]
    tags: tuple[TagFigures, ...]
    undefined: tuple[str, ...]
    confusion: NDArray[np.int64] | None
    calibration: Calibration | None
    worst: tuple[Miss, ...]
    threshold: float | NDArray[np.float64] | None
    decisions: Decisions | None
    events: EventFigures | None
    protocol: Mapping[str, Any]
    interval: Bootstrap
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as in the module's docstring."""
        report = {
            "clips": self.clips,
            "task": self.task,
            "metrics": {name: figure.as_dict() for name, figure in self.metrics.items()},
            "tags": [asdict(tag) for tag in self.tags],
            "undefined": self.undefined,
            "confusion": self.confusion,
            "calibration": None if self.calibration is None else self.calibration.as_dict(),
            "worst": [asdict(miss) for miss in self.worst],
            "threshold": self.threshold,
            "decisions": None if self.decisions is None else self.decisions.as_dict(),
            "events": None if self.events is None else self.events.as_dict(),
            "protocol": self.protocol,
            "interval": asdict(self.interval),
            "notes": self.notes,
        }
        return {key: plain(value) for key, value in report.items()}


def plain(value: Any, place: str = "", lost: list[str] | None = None) -> Any:
    """The same as JSON values, with null for what is not a finite number; the places of these are added to `lost`."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{place}.{key}", lost) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(item, f"{place}[{i}]", lost) for i, item in enumerate(items)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        if lost is not None:
            lost.append(place)
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
