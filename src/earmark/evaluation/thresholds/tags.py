"""Thresholds for the tags of clips, chosen on clips that nothing is reported on: of each tag the one of the highest F1.

A threshold between two neighbouring scores decides as any other between them does. Tried are 0.5, the middles between
neighbouring scores, and half of the lowest score, which answers every clip. Of equals it is the one nearest to 0.5, the
lower of two. A tag without a clip keeps 0.5, and so does one whose best F1 is no better than that of 0.5.

The F1 of the chosen thresholds on the clips that they were chosen on is too good, the more so the fewer clips a tag has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, counted
from earmark.evaluation.thresholds.chosen import Chosen, plain, rounded
from earmark.metrics import Floats, evaluate, per_tag
from earmark.metrics.clips import cells_of, known_of
from earmark.models.facts import TagTuning

DEFAULT = 0.5  # of a tag for which none was chosen
FIGURES = ("f1_micro", "f1_macro", "f1_clips")


def as_facts(chosen: Chosen) -> TagTuning:
    """As a tagger file tells it."""
    f1 = {tag: [rounded(value) for value in pair] for tag, pair in chosen.f1.items()}
    figures = {name: {metric: plain(figure) for metric, figure in row.items()} for name, row in chosen.figures.items()}
    return TagTuning(chosen.thresholds, chosen.without, f1, figures)


def choose(
    values: ArrayLike,
    truth: ArrayLike,
    tags: Sequence[str],
    groups: Sequence[str] | NDArray[np.str_],
    *,
    resamples: int = 1000,
) -> Chosen:
    """values, truth: (clips, tags), the truth masked where it is not known.

    groups: (clips,), for the intervals of the figures. Raises ScoresError.
    """
    judged, known = truth, known_of(truth)
    values, truth = np.asarray(values, np.float64), np.asarray(cells_of(truth), np.bool_)
    truth = truth if known is None else truth & known
    if values.ndim != 2 or values.shape != truth.shape or values.shape[1] != len(tags):
        raise ScoresError(
            f"values {values.shape}, truth {truth.shape} and {counted(len(tags), 'tag does', 'tags do')} not fit together"
        )
    if not truth.any():
        raise ScoresError(
            f"none of the {counted(len(values), 'clip')} has a tag, so there is nothing to choose thresholds by"
        )
    rows = [slice(None) if known is None else known[:, i] for i in range(len(tags))]
    best = np.array([best_threshold(values[rows[i], i], truth[rows[i], i]) for i in range(len(tags))])
    figures, by_tag = {}, []
    for name, threshold in (("0.5", np.full(len(tags), DEFAULT)), ("thresholds", best)):
        figures[name] = evaluate(
            values, judged, groups, "many", resamples=resamples, metrics=FIGURES, threshold=threshold
        )
        by_tag.append(np.asarray(per_tag(values, judged, "many", threshold)["f1"], float))
    there = np.asarray(truth.any(0), bool)
    pairs = np.where(there[:, None], np.nan_to_num(np.stack(by_tag, 1)), np.nan).tolist()
    return Chosen(
        dict(zip(tags, best.tolist(), strict=True)),
        tuple(tag for tag, present in zip(tags, there, strict=True) if not present),
        {tag: (pair[0], pair[1]) for tag, pair in zip(tags, pairs, strict=True)},
        figures,
    )


def best_threshold(values: Floats, truth: NDArray[np.bool_]) -> float:
    """Scores (clips,) of a tag and which clips have it → its threshold, as the module's docstring says.

    >>> best_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]))
    0.25
    """
    if not truth.any():
        return DEFAULT
    known = np.unique(values)
    tried = np.concatenate([[DEFAULT], (known[1:] + known[:-1]) / 2, known[:1] / 2])
    # numbers of clips and of the tag's clips from each score up
    order = np.sort(values), np.sort(values[truth])
    answered, hits = (len(scores) - np.searchsorted(scores, tried, "left") for scores in order)
    f1 = 2 * hits / (answered + truth.sum())
    equals = tried[f1 >= f1.max() - 1e-12]
    return float(min(equals, key=lambda value: (round(abs(value - DEFAULT), 12), value)))
