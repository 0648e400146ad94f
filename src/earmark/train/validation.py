"""The figures of an epoch: whole validation clips, heard as the tagger hears them at work."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray

from earmark import metrics
from earmark.models.prediction import probabilities
from earmark.models.tagger import Tagger
from earmark.train import loader, processes
from earmark.train.sources import WaveSource
from earmark.windows import Pool, weights

TINY = 1e-12  # the smallest probability whose logarithm is taken


def clip_scores(
    tagger: Tagger,
    waves: WaveSource,
    batch: int,
    precision: AbstractContextManager[object],
    truth: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], float | None]:
    """The readable clips' rows, in order, and their probabilities (clips, tags), their windows combined as in tagging.

    Each process hears its share of the clips and gets the scores of all. batch: windows at a time. precision: what the
    tagger runs in. The tagger must be in evaluation mode. truth: (rows, tags); with it the mean loss of the windows, each
    for itself with the tags of its clip, comes third: NaN where no tag is known.
    """
    losses: list[NDArray[np.float64]] = []
    windows, task = tagger.windows, tagger.recipe.task
    pools: dict[int, Pool] = {}
    with torch.no_grad(), precision:
        for cut, rows in loader.validation_batches(waves, windows, batch, processes.rank(), processes.world()):
            counts = weights(cut, windows.weigh)
            values = probabilities(tagger(torch.from_numpy(cut).to(tagger.device)), task).cpu().numpy()
            if truth is not None:
                losses.append(losses_of(values, truth[rows], task))
            for row, value, weight in zip(rows.tolist(), values, counts, strict=True):
                pool = pools.setdefault(row, Pool(windows.combine, normalise=task == "one"))
                pool.add(value[None], weight[None])
    scores: dict[int, NDArray[np.float32]] = {}
    for part in processes.gathered({row: pool.result() for row, pool in pools.items()}):
        scores |= part
    readable = np.array(sorted(scores), np.int64)
    whole = np.stack([scores[row] for row in readable.tolist()])
    if truth is None:
        return readable, whole, None
    sums = [(sum(np.nansum(each) for each in losses), sum(int(np.isfinite(each).sum()) for each in losses))]
    told = [part for share in processes.gathered(sums) for part in share]
    total, count = (sum(part[place] for part in told) for place in (0, 1))
    return readable, whole, float(total / count) if count else float("nan")


def figures(scores: NDArray[np.float32], truth: NDArray[np.bool_], task: str) -> dict[str, float]:
    """Loss, mAP and, for one tag a clip, accuracy and mAP@3 of clip probabilities (clips, tags), under the names of the log."""
    row = {"valid_loss": clip_loss(scores, truth, task)}
    row["valid_map"] = metrics.mean_average_precision(scores, truth)
    if task == "one":
        row["valid_accuracy"] = metrics.accuracy(scores, truth)
        row["valid_map@3"] = metrics.map_at_k(scores, truth)
    return row


def clip_loss(values: NDArray[np.float32], truth: NDArray[np.bool_], task: str) -> float:
    """Cross-entropy of clip probabilities (clips, tags), as in training but after the windows are combined. NaN where no tag of any
    clip is known.
    """
    losses = losses_of(values, truth, task)
    return float("nan") if np.isnan(losses).all() else float(np.nanmean(losses))


def losses_of(values: NDArray[np.float32], truth: NDArray[np.bool_], task: str) -> NDArray[np.float64]:
    """(rows,): the cross-entropy of each row of probabilities (rows, tags), in task many a mean over tags.

    truth: masked where it is not known, which is left out; a row of which nothing is known is NaN.
    """
    p = np.clip(values.astype(np.float64), TINY, 1 - TINY)
    if task == "one":
        return np.asarray(-np.log(p[truth]), np.float64)
    losses = -np.where(np.ma.getdata(truth), np.log(p), np.log1p(-p))
    if np.ma.getmask(truth) is np.ma.nomask:
        return np.asarray(losses.mean(1), np.float64)
    means = np.ma.masked_array(losses, np.ma.getmask(truth)).mean(1)
    return np.asarray(np.ma.filled(means, np.nan), np.float64)
