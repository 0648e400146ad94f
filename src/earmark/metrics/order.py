"""Metrics of order: how high the true tags stand, whatever the scores' scale."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from earmark.metrics.clips import Clips, Draw, checked_number, over_tags, precision_at
from earmark.metrics.ranking import Floats
from earmark.registry import METRICS


def _map(draw: Draw) -> Floats:
    # a tag that every clip has is 1 whatever the scores are: where it has no AUC, it has no part in the mean either
    average, auc = draw.by_tag
    return over_tags(np.where(np.isnan(auc), np.nan, average))


def _auc(draw: Draw) -> Floats:
    return over_tags(draw.by_tag[1])


def _dprime(draw: Draw) -> Floats:
    return np.array([_sensitivity(area) for area in _auc(draw)])


def _sensitivity(area: float) -> float:
    if math.isnan(area):
        return math.nan
    if area <= 0 or area >= 1:
        return math.copysign(math.inf, area - 0.5)
    return math.sqrt(2) * NormalDist().inv_cdf(area)


def _top(draw: Draw) -> Floats:
    return draw.mean(draw.clips.top)


def _lwlrap(draw: Draw) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(draw.total(draw.clips.ranked) / draw.total(draw.clips.truth.sum(1)))


@METRICS.register("map", tasks=("one", "many"), weighted=_map, centred=True)
def mean_average_precision(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over tags of the average precision: the area under the stepwise precision-recall curve, not interpolated."""
    return float(_map(Draw(Clips(values, truth)))[0])


@METRICS.register("auc", tasks=("one", "many"), weighted=_auc)
def mean_auc(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over tags of the area under the ROC curve: how often a positive clip is scored above a negative one."""
    return float(_auc(Draw(Clips(values, truth)))[0])


@METRICS.register("dprime", tasks=("one", "many"), weighted=_dprime)
def dprime(values: ArrayLike, truth: ArrayLike) -> float:
    """√2 · Φ⁻¹(mean AUC), as in the AudioSet papers; infinite where the mean AUC is 1."""
    return float(_dprime(Draw(Clips(values, truth)))[0])


@METRICS.register("map@3", tasks=("one", "many"), weighted=_top)
def map_at_k(values: ArrayLike, truth: ArrayLike, k: int = 3) -> float:
    """Mean over clips of Σ precision(i) · [tag i is true] / min(k, tags of the clip), i = 1 … k (Kaggle).

    Clips without tags are left out. With one tag a clip this is the mean of 1 / rank, 0 beyond rank k.
    """
    k = checked_number("k of map@k", k, 1)
    clips = Clips(values, truth)
    return float(Draw(clips).mean(precision_at(clips.standing, clips.truth, k))[0])


@METRICS.register("lwlrap", tasks=("many",), weighted=_lwlrap)
def lwlrap(values: ArrayLike, truth: ArrayLike) -> float:
    """Label-weighted label-ranking average precision: mean over all true tags of all clips of the precision down to each.

    As in the DCASE 2019 challenge, task 2 (FSDKaggle2019). The precision of a true tag is the share of true ones among
    the clip's tags with at least its score; equal scores so share the lowest of their ranks, as in scikit-learn.
    """
    return float(_lwlrap(Draw(Clips(values, truth)))[0])
