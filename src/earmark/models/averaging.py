"""A soup: one tagger whose weights are the mean of several taggers' weights, such as the epochs of one run.

It costs at work what one of them costs. It is no mean of what they say: nets that were trained apart from different
starts have nothing in common weight by weight, and their mean is of no use (Wortsman et al., "Model soups", ICML 2022,
average nets that were tuned from one start). For such taggers take an `Ensemble`.

Weights are added in float64. Running means and variances of batch normalisation are averaged like weights, which leaves
out how the members' means differ; `renew` measures them anew on recordings (`earmark.models.layers.statistics`). Whole numbers,
such as counts of batches, are those of the first.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors import ScoresError, TaggerError, counted
from earmark.models.anytagger import AnyTagger
from earmark.models.ensemble import joined
from earmark.models.facts import Soup
from earmark.models.layers.statistics import measured_anew
from earmark.models.tagger import Tagger
from earmark.scores.ensemble import shares


def average(members: Sequence[AnyTagger], weights: Sequence[float] | None = None) -> Tagger:
    """The tagger in the middle, in evaluation mode. weights: one a tagger, in any proportion; default: all the same.

    Its facts say of which taggers it is and what they learnt from; figures of theirs are not its own. Raises TaggerError
    for taggers with different nets, features, windows or tags.
    """
    if len(members) < 2:
        raise TaggerError(f"a mean of weights needs two taggers at least, and this has {len(members)}")
    taggers = [_alone(member, number) for number, member in enumerate(members, 1)]
    for number, tagger in enumerate(taggers, 1):
        _check_alike(taggers[0], tagger, number)
    try:
        counts = shares(weights, len(taggers)).tolist()
    except ScoresError as error:
        raise TaggerError(f"a mean of the weights of {counted(len(taggers), 'tagger')}: {error}") from error
    states = [tagger.state_dict() for tagger in taggers]
    mixed = copy.deepcopy(taggers[0])
    mixed.load_state_dict({name: _mean([state[name] for state in states], counts) for name in states[0]})
    soup = Soup(tuple(tagger.identity() for tagger in taggers), tuple(counts))
    mixed.facts = replace(joined([tagger.facts for tagger in taggers]), soup=soup)
    return mixed.eval()


def renew(tagger: Tagger, batches: Iterable[NDArray[np.float32]]) -> None:
    """Measure the running statistics anew, in place: the plain mean over batches of windows (n, samples).

    All else is in evaluation mode. The windows should be of training clips. Raises TaggerError where there are none, or
    a batch has one alone; after any error the statistics are what they were.
    """
    mode, seen = tagger.training, 0
    try:
        with measured_anew(tagger), torch.no_grad():
            for waves in batches:
                if len(waves) < 2:
                    raise TaggerError(
                        f"a batch of {counted(len(waves), 'window')}: batch normalisation needs two at least"
                    )
                tagger(torch.from_numpy(np.require(waves, np.float32, ["C", "W"])).to(tagger.device))
                seen += len(waves)
            if not seen:
                raise TaggerError("no windows to renew the running statistics on")
    finally:
        tagger.train(mode)


def _mean(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    first = values[0]
    if not first.is_floating_point():
        return first
    total = torch.zeros(first.shape, dtype=torch.float64, device=first.device)
    for value, weight in zip(values, weights, strict=True):
        total += weight * value.to(first.device, torch.float64)
    return total.to(first.dtype)


def _alone(member: AnyTagger, number: int) -> Tagger:
    try:
        return member.alone
    except TaggerError as error:
        raise TaggerError(f"tagger {number}: {error}. An ensemble's weights have no mean") from error


def _check_alike(first: Tagger, other: Tagger, number: int) -> None:
    if other.vocabulary != first.vocabulary:
        raise TaggerError(
            f"taggers 1 and {number} have different tags or another order of them: their weights mean different things. "
            "Combine what they say instead (an ensemble without --mean-weights)"
        )
    for key in ("task", "sample_rate", "windows", "normalise", "features", "resize", "net"):
        mine, theirs = _told(getattr(first.recipe, key)), _told(getattr(other.recipe, key))
        if mine != theirs:
            raise TaggerError(
                f"taggers 1 and {number} differ in {key} ({mine}; {theirs}): the mean of their weights is no tagger. "
                "Combine what they say instead (an ensemble without --mean-weights)"
            )


def _told(value: Any) -> str:
    if not hasattr(value, "model_dump"):
        return str(value)
    return ", ".join(f"{key}: {told}" for key, told in value.model_dump().items())
