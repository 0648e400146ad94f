"""Metrics of probabilities: log loss and Brier score. Less is better, and the order of scores is not all that counts.

They need scores that are probabilities (`earmark.scores.probabilities`): within 0 … 1 and, for one tag a clip, with a sum of 1
in each clip, both but for rounding. Other scores (ranks, logits, a sigmoid's for one tag a clip) have none of them: NaN, for all
clips alike, and where no metric is named they are left out. Whether they are, the scores alone say, not what is known of the clips.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from earmark.metrics.clips import Clips, Draw, single
from earmark.metrics.ranking import Bools, Floats
from earmark.registry import METRICS
from earmark.scores.probabilities import bounded

TINY = 1e-12  # the smallest probability whose logarithm is taken, as in the validation loss of training


def _rows(clips: Clips, losses: Any) -> Floats:
    """(rows,): of each clip, with one tag; NaN where scores are no probabilities."""
    values = bounded(clips.values, alone=True)
    if values is None:
        return np.full(len(clips.values), np.nan)
    return np.asarray(losses(values.astype(float), clips.truth), float)


def _logarithm(values: Floats, truth: Bools) -> Floats:
    return np.asarray(-np.log(np.maximum(values[np.arange(len(values)), single(truth)], TINY)))


def _squares(values: Floats, truth: Bools) -> Floats:
    return np.asarray(((values - truth) ** 2).sum(1))


def _over_cells(draw: Draw, losses: Any) -> Floats:
    """(draws,): the mean over the cells that are known; NaN where scores are no probabilities."""
    clips = draw.clips
    values = bounded(clips.values)
    if values is None:
        return draw.mean(np.full(len(clips.values), np.nan))
    cells = losses(values.astype(float), clips.truth)
    known = np.ones(cells.shape, bool) if clips.known is None else clips.known
    with np.errstate(invalid="ignore"):
        return np.asarray(draw.total(np.where(known, cells, 0.0).sum(1)) / draw.total(known.sum(1)))


def _logarithms(values: Floats, truth: Bools) -> Floats:
    return np.asarray(-np.log(np.maximum(np.where(truth, values, 1 - values), TINY)))


def _squares_of_tags(values: Floats, truth: Bools) -> Floats:
    return np.asarray((values - truth) ** 2)


def _log_loss(draw: Draw) -> Floats:
    return draw.mean(_rows(draw.clips, _logarithm))


def _log_loss_tags(draw: Draw) -> Floats:
    return _over_cells(draw, _logarithms)


def _brier(draw: Draw) -> Floats:
    return draw.mean(_rows(draw.clips, _squares))


def _brier_tags(draw: Draw) -> Floats:
    return _over_cells(draw, _squares_of_tags)


@METRICS.register("log_loss", tasks=("one",), weighted=_log_loss, least=True)
def log_loss(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over clips of −ln of the probability of the clip's own tag; probabilities below 1e-12 count as that."""
    return float(_log_loss(Draw(Clips(values, truth)))[0])


@METRICS.register("brier", tasks=("one",), weighted=_brier, least=True)
def brier(values: ArrayLike, truth: ArrayLike) -> float:
    """Brier score: mean over clips of Σ over tags of (probability − [the clip has the tag])²; 0 … 2 (Brier 1950)."""
    return float(_brier(Draw(Clips(values, truth)))[0])


@METRICS.register("log_loss_tags", tasks=("many",), weighted=_log_loss_tags, least=True)
def log_loss_tags(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over clips and tags, where these are known, of −ln of the probability given to whether the clip has the tag."""
    return float(_log_loss_tags(Draw(Clips(values, truth)))[0])


@METRICS.register("brier_tags", tasks=("many",), weighted=_brier_tags, least=True)
def brier_tags(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over clips and tags, where these are known, of (probability − [the clip has the tag])²; 0 … 1."""
    return float(_brier_tags(Draw(Clips(values, truth)))[0])
