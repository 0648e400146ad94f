"""What makes a comparison's figures doubtful, in sentences: what a report tells of the same clips, and p-values beside their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.data.matching import Matched
from earmark.errors import counted
from earmark.evaluation import wording
from earmark.evaluation.clips import BEYOND, SUMS, notes_on_figures, notes_on_groups, notes_on_tags
from earmark.metrics import Difference, Interval
from earmark.registry import METRICS
from earmark.scores import Task
from earmark.scores.probabilities import probable

LEVEL = 0.05  # p-values below it tell two systems apart
SHOWN = 3  # pairs that a note tells


def of_figures(
    values: Mapping[str, NDArray[Any]],
    figures: Mapping[str, Mapping[str, Interval]],
    clips: Matched,
    tags: Sequence[str],
    task: Task,
    resamples: int,
) -> list[str]:
    """What `earmark.evaluation.clips.measure` tells of figures: of the clips once, of systems with their names unless it is of all.

    values: of each system (clips, tags); figures: its metrics. clips: with the truth of all.
    """
    groups = len(np.unique(clips.groups))
    by_line: dict[str, list[str]] = {}
    for name, told in figures.items():
        shown = {metric: told[metric] for metric in sorted(told, key=wording.position)}
        lines = []
        if not probable(values[name], alone=task == "one"):
            # these have no value for that, not for what the clips lack
            shown = {metric: each for metric, each in shown.items() if not METRICS[metric].facts.get("least")}
            beyond = not probable(values[name], alone=False)
            lines.append(BEYOND.format("log loss, no Brier score") if beyond else SUMS)
        for line in (*lines, *notes_on_figures(shown, groups)):
            by_line.setdefault(line, []).append(name)
    return [
        *notes_on_tags(clips.judged_as(task), tags),
        *(line if len(of) == len(figures) else f"{', '.join(of)}: {line}" for line, of in by_line.items()),
        *notes_on_groups(groups, resamples, "No intervals and no p"),
    ]


def at_odds(pairs: Sequence[Difference]) -> list[str]:
    """Where the interval and the p-value of a difference say different things, and why that can be: a sentence for each way."""
    found: dict[tuple[bool, bool], list[str]] = {}
    for pair in pairs:
        low, high = pair.difference.low, pair.difference.high
        several = not math.isnan(pair.p_holm) and pair.p_holm != pair.p  # of one pair alone both are the same
        p = pair.p_holm if several else pair.p
        excludes = low > 0 or high < 0
        if math.isnan(p) or not (math.isfinite(low) and math.isfinite(high)) or excludes == (p < LEVEL):
            continue
        found.setdefault((excludes, several), []).append(
            f"{pair.a} less {pair.b} in {wording.title(pair.metric)} ({p:.3f})"
        )
    notes = []
    for (excludes, several), told in found.items():
        of = "p after Holm's correction for several pairs" if several else "p"
        more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        notes.append(
            f"Of {counted(len(told), 'difference')} the interval {'excludes' if excludes else 'includes'} 0 and {of} is "
            f"{'not ' if excludes else ''}below {LEVEL:g}: {'; '.join(told[:SHOWN])}{more}. They answer different questions, the interval "
            "how far a difference moves with other groups, p how often swapped systems differ as much; with few groups the interval is "
            "too narrow and p can hardly be small. p decides whether two are told apart."
        )
    return notes
