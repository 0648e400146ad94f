"""Metrics of decisions: accuracy and F1, and the tables of tags."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.metrics.clips import Clips, Draw, answers, checked, over_tags, single
from earmark.metrics.naming import warn_of_former
from earmark.metrics.ranking import Floats
from earmark.registry import METRICS
from earmark.scores import Task


def _accuracy(draw: Draw) -> Floats:
    return draw.mean(draw.clips.right)


def f1_of(hits: Floats, answered: Floats, positives: Floats) -> Floats:
    """2 · hits / (answered + positives); NaN where nothing was there and nothing was answered."""
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * hits / (answered + positives))


def _f1_micro(draw: Draw) -> Floats:
    truth, decided = draw.clips.truth, draw.clips.decided
    return f1_of(*(draw.total(cells.sum(1)) for cells in (truth & decided, decided, truth)))


def _f1_macro(draw: Draw) -> Floats:
    truth, decided = draw.clips.truth, draw.clips.decided
    positives = draw.totals(truth)
    by_tag = f1_of(draw.totals(truth & decided), draw.totals(decided), positives)
    return over_tags(np.where(positives > 0, by_tag, np.nan))


def _f1_clips(draw: Draw) -> Floats:
    truth, decided = draw.clips.truth, draw.clips.decided
    rows = f1_of(*(cells.sum(1).astype(float) for cells in (truth & decided, decided, truth)))
    rows = np.nan_to_num(rows, nan=1.0)
    known = draw.clips.known
    return draw.mean(rows if known is None else np.where(known.any(1), rows, np.nan))


@METRICS.register("accuracy", tasks=("one",), weighted=_accuracy)
def accuracy(values: ArrayLike, truth: ArrayLike) -> float:
    """Share of the clips whose own tag has the highest score, alone. Equal highest scores count as wrong."""
    return float(_accuracy(Draw(Clips(values, truth)))[0])


@METRICS.register("f1_micro", tasks=("many",), weighted=_f1_micro)
def f1_micro(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """F1 of all decisions together: DCASE 2017 task 4's, which calls it instance-based, and so paper 001's.

    A tag is decided where its score reaches the threshold, one or (tags,). The official program counts the right answers
    of all clips and divides once: with no rest, precision is right / answered and recall right / true, over all clips.
    """
    return float(_f1_micro(Draw(Clips(values, truth, threshold)))[0])


@METRICS.register("f1_macro", tasks=("many",), weighted=_f1_macro, centred=True)
def f1_macro(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """Mean over tags of their F1; tags without clips are left out, so their false alarms show in f1_micro only."""
    return float(_f1_macro(Draw(Clips(values, truth, threshold)))[0])


@METRICS.register("f1_clips", tasks=("many",), weighted=_f1_clips, formerly="f1_instance")
def f1_clips(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """Mean over clips of their F1; a clip without tags that is answered with none counts as 1, a wholly unknown one not at all."""
    return float(_f1_clips(Draw(Clips(values, truth, threshold)))[0])


def f1_instance(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """`f1_clips` under the name that it had. The F that challenges call instance-based is `f1_micro`."""
    warn_of_former(["f1_instance"])
    return f1_clips(values, truth, threshold)


def confusion(values: ArrayLike, truth: ArrayLike) -> NDArray[np.int64]:
    """(tags, tags): clips by their own tag (row) and the tag answered (column). Task one; its diagonal is accuracy."""
    values, truth = checked(values, truth)
    tags = values.shape[1]
    cells = single(truth) * tags + answers(values, truth)
    return np.bincount(cells, minlength=tags * tags).reshape(tags, tags)


def per_tag(
    values: ArrayLike, truth: ArrayLike, task: Task, threshold: float | Floats = 0.5
) -> dict[str, NDArray[Any]]:
    """Columns of (tags,) each: clips (positives), average_precision, auc, precision, recall, f1, map_at_3; NaN where undefined.

    precision, recall and f1 are of the answers in task one and of the scores that reach the threshold in task many.
    map_at_3 is `map@3` of the clips that have the tag: with one tag a clip, the mean of 1 / rank of that tag.
    """
    clips = Clips(values, truth, threshold, alone=task == "one")
    if task == "one":
        single(clips.truth)
        decided = np.zeros_like(clips.truth)
        decided[np.arange(len(decided)), answers(clips.values, clips.truth)] = True
    else:
        decided = clips.decided
    average, auc = (column[:, 0] for column in Draw(clips).by_tag)
    positives, answered = clips.truth.sum(0), decided.sum(0)
    hits = (clips.truth & decided).sum(0)
    with np.errstate(invalid="ignore"):
        return {
            "clips": positives,
            "average_precision": average,
            "auc": auc,
            "precision": hits / answered,
            "recall": hits / positives,
            "f1": np.where(positives > 0, f1_of(hits, answered, positives), np.nan),
            "map_at_3": clips.truth.T @ np.nan_to_num(clips.top) / positives,
        }
