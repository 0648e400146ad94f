"""What exporting costs in figures: the exported net beside the one in PyTorch, on the same labelled clips, in pairs.

The figures, their differences and the intervals are those of `earmark.evaluation.comparison`: this only asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.data.manifest import Manifest
from earmark.errors import counted
from earmark.evaluation import wording
from earmark.evaluation.comparison import compare
from earmark.evaluation.figures import plain
from earmark.metrics import Interval
from earmark.progress import QUIET, Progress

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

TORCH = "torch float32"
METRIC = {"one": "accuracy", "many": "map"}  # the figure that decides, by task


@dataclass(frozen=True)
class Judged:
    """One way of running what was exported. way: engine and precision. value, torch: the metric of both, with 95 % intervals.

    difference: value less torch, of the paired bootstrap; NaN limits where there is one group of clips alone. p: of the
    permutation test. flips: clips whose highest tag is another. max_abs_difference: of a clip's score.
    """

    way: str
    metric: str
    clips: int
    value: Interval
    torch: Interval
    difference: Interval
    p: float
    flips: int
    max_abs_difference: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON, null for what has no value."""
        told: dict[str, Any] = plain(
            {
                "way": self.way,
                "metric": self.metric,
                "clips": self.clips,
                "value": self.value.as_dict(),
                "torch": self.torch.as_dict(),
                "difference": self.difference.as_dict(),
                "p": self.p,
                "flips": self.flips,
                "max_abs_difference": self.max_abs_difference,
            }
        )
        return told

    def text(self) -> str:
        """A line."""
        low, high = (_signed(limit) for limit in (self.difference.low, self.difference.high))
        between = "no interval of one group of clips" if low == "–" else f"95 % interval {low} to {high}"
        return (
            f"{self.way}: {wording.title(self.metric)} {wording.number(self.value.value)} and "
            f"{wording.number(self.torch.value)} in torch on {counted(self.clips, 'clip')}, a difference of "
            f"{_signed(self.difference.value)} ({between}); {counted(self.flips, 'of them has', 'of them have')} another first "
            "tag, scores differ by "
            f"{self.max_abs_difference:.1e} at most"
        )


def judge(
    tagger: AnyTagger,
    ways: Mapping[str, AnyTagger],
    data: str | Path | Manifest,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    seen: bool = False,
    workers: int = 2,
    progress: Progress = QUIET,
) -> list[Judged]:
    """Each way beside the tagger in PyTorch, on clips that it has not learnt from.

    data, folds, dataset, seen: as `earmark.evaluate` takes them, and what it raises.
    """
    metric = METRIC[tagger.task]
    found = compare(
        {**ways, TORCH: tagger}, data, folds=folds, dataset=dataset, seen=seen, metrics=[metric], workers=workers,
        progress=progress,
    )  # fmt: skip
    for note in dict.fromkeys(found.notes):
        progress.say(note)
    figures = {system.name: system.metrics[metric] for system in found.systems}
    truth = found.matched[TORCH].values
    told = []
    for pair in found.pairs:
        if pair.b != TORCH:
            continue
        values = found.matched[pair.a].values
        flips = int((values.argmax(1) != truth.argmax(1)).sum())
        far = float(np.abs(values - truth).max())
        told.append(
            Judged(pair.a, metric, len(truth), figures[pair.a], figures[TORCH], pair.difference, pair.p, flips, far)
        )
    return told


def _signed(value: float) -> str:
    return wording.number(value) if not np.isfinite(value) else f"{value:+.3f}"
