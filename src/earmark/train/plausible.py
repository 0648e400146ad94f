"""What would come up only after hours of training, refused before: tags that cannot be learnt, plans that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from torch import nn

from earmark import recipe as recipes
from earmark.data.manifest import Manifest, tag_codes
from earmark.data.splits import Parts
from earmark.errors import EarmarkError, ManifestError, agreed, counted
from earmark.models.layers.statistics import norms_of
from earmark.recipe import Recipe
from earmark.registry import NETS, did_you_mean
from earmark.scores.reserved import RESERVED
from earmark.train import processes
from earmark.train.folder import Say
from earmark.train.packed import is_packed
from earmark.train.sources import WaveSource
from earmark.train.targets import targets_of

SHOWN = 8  # tags that a line names


def check_vocabulary(
    parts: Parts, vocabulary: tuple[str, ...], recipe: Recipe, say: Say, besides: Collection[str] = ()
) -> None:
    """besides: tags that something else than clips teaches. Raises ManifestError for what cannot be learnt."""
    if len(vocabulary) < 2 and recipe.task == "one":
        raise ManifestError(
            f"the manifest has {len(vocabulary)} tag: with one tag a clip there is nothing to tell apart"
        )
    if unheard := [tag for tag in _without(parts.train.tag_counts(vocabulary), vocabulary) if tag not in besides]:
        say(f"{counted(len(unheard), 'tag has', 'tags have')} no training clip and cannot be learnt: {_few(unheard)}")
    if _nothing_known(parts.train, vocabulary, recipe) and not besides and recipe.distil is None:
        raise ManifestError(
            f"of none of the {counted(len(parts.train), 'training clip')} is it known whether it has any of the "
            f"{counted(len(vocabulary), 'tag')}: nothing can be learnt. Say of some clips which tags they lack, by taking "
            "these out of `unknown`"
        )
    say_unknown(parts.train, vocabulary, recipe, say)
    say_untagged(parts.train, vocabulary, recipe, say)
    if recipe.task == "one":
        for part in (parts.train, parts.validation):
            wrong = np.flatnonzero(pc.list_value_length(part.table["tags"]).to_numpy() != 1)
            if len(wrong):
                raise ManifestError(
                    f"{counted(len(wrong), 'clip does', 'clips do')} not have exactly one tag, such as {str(part.ids[wrong[0]])!r}: "
                    f"with task: one {agreed(len(wrong), 'it', 'they')} cannot be used. Take task: many, or mend the manifest"
                )


def say_unknown(train: Manifest, vocabulary: tuple[str, ...], recipe: Recipe, say: Say) -> None:
    """What of the training clips' tags is not known, and what that means."""
    if train.knows_all:
        return
    _, codes = tag_codes(train.table["unknown"], vocabulary)
    unknown = np.bincount(codes[codes >= 0], minlength=len(vocabulary))
    if (codes < 0).any():
        names = set(pc.unique(pc.list_flatten(train.table["unknown"])).to_pylist()) - set(vocabulary)
        say(
            f"{counted(len(names), 'tag is', 'tags are')} unknown of training clips, and no clip has "
            f"{agreed(len(names), 'it, so that it is', 'them, so that they are')} not learnt: {_few(sorted(names))}"
        )
    if not unknown.any():
        return
    told = (
        f"{unknown.sum():,} of {counted(len(train) * len(vocabulary), 'pair')} of a training clip and a tag "
        f"{agreed(unknown.sum(), 'is', 'are')} not known"
    )
    if recipe.task == "one":
        say(f"{told}: with one tag a clip (task: one) {agreed(unknown.sum(), 'it is', 'they are')} taken as absent")
        return
    say(f"{told}: the loss leaves {agreed(unknown.sum(), 'it', 'them')} out")
    # no tag of a clip is both there and unknown
    lacking = len(train) - train.tag_counts(vocabulary) - unknown
    if always := [tag for tag, count in zip(vocabulary, lacking.tolist(), strict=True) if not count]:
        say(
            f"{counted(len(always), 'tag has', 'tags have')} no training clip that is known to lack "
            f"{agreed(len(always), 'it, so that it is', 'them, so that they are')} learnt to be everywhere: {_few(always)}"
        )


def say_untagged(train: Manifest, vocabulary: tuple[str, ...], recipe: Recipe, say: Say) -> None:
    """What balanced draws make of clips without any of the tags: they take turns as one tag more, but for those of which nothing is
    known.
    """
    if recipe.task == "one" or all(plan.balance == "none" for plan in _plans(recipe)):
        return
    none, nothing = targets_of(train, vocabulary, recipe.task).without_tags(np.arange(len(train)))
    if len(none):
        say(
            f"{len(none):,} of {counted(len(train), 'training clip')} {agreed(len(none), 'has', 'have')} none of the "
            f"{counted(len(vocabulary), 'tag')}, such as {str(train.ids[none[0]])!r}: "
            f"{agreed(len(none), 'it is', 'they are')} drawn as often as the clips of a tag, taking turns with the tags "
            "(train.balance: classes)"
        )
    if len(nothing):
        taught = (
            f". So that the teachers' answers for {agreed(len(nothing), 'it', 'them')} are learnt, take none"
            if recipe.distil
            else ""
        )
        say(
            f"{len(nothing):,} of {counted(len(train), 'training clip')}, of whose tags nothing is known, "
            f"{agreed(len(nothing), 'is', 'are')} never drawn, such as "
            f"{str(train.ids[nothing[0]])!r} (train.balance: classes){taught}"
        )


def reserved(recipe: Recipe, vocabulary: tuple[str, ...], say: Say) -> tuple[str, ...] | None:
    """The tags that are learnt and never told; None: none, by their names. Raises ManifestError for names of no tag."""
    named = recipe.data.reserved
    if strange := [tag for tag in named or () if tag not in vocabulary]:
        raise ManifestError(
            f"data.reserved: no clip has {', '.join(map(repr, strange))}{did_you_mean(strange[0], vocabulary)} "
            f"The tags are {_few(list(vocabulary))}"
        )
    names = RESERVED if named is None else named
    found = tuple(tag for tag in vocabulary if tag in names)
    if found:
        say(f"learnt and never told: {_few(list(found))} (data.reserved)")
    if len(found) == len(vocabulary):
        raise ManifestError(f"all tags are reserved ({_few(list(found))}), so that nothing would ever be told")
    if alike := [
        tag for tag in vocabulary if tag not in names and tag.strip("_ ").casefold() in RESERVED and named is None
    ]:
        say(
            f"{_few(alike)} is called nearly as tags are that are learnt and never told, and is told: name it in data.reserved"
        )
    return None if named is None and not found else found


def check_heard(train: WaveSource, validation: WaveSource, vocabulary: tuple[str, ...], say: Say) -> None:
    """Say which tags are left without a clip where some could not be read, or where validation has none of them."""
    heard = train.manifest if not train.failures else train.manifest.select(train.readable)
    lost = set(_without(heard.tag_counts(vocabulary), vocabulary)) - set(
        _without(train.manifest.tag_counts(vocabulary), vocabulary)
    )
    if lost:
        names = [tag for tag in vocabulary if tag in lost]
        say(
            f"{counted(len(names), 'tag')} cannot be learnt, as none of {agreed(len(names), 'its', 'their')} training clips "
            f"can be read: {_few(names)}"
        )
    if not len(validation.readable):
        return
    unseen = _without(validation.manifest.select(validation.readable).tag_counts(vocabulary), vocabulary)
    if len(unseen) == len(vocabulary):
        say("no validation clip has a tag: valid_map has no value (nan)")
    elif unseen:
        say(
            f"{len(unseen):,} of {counted(len(vocabulary), 'tag')} {agreed(len(unseen), 'has', 'have')} no validation clip "
            f"that can be read, so that the epoch is chosen without {agreed(len(unseen), 'it', 'them')} and valid_map is the "
            f"mean over the others: {_few(unseen)}"
        )


def _nothing_known(clips: Manifest, vocabulary: tuple[str, ...], recipe: Recipe) -> bool:
    """Whether every tag of every clip is unknown, so that there is no loss."""
    if recipe.task == "one" or clips.knows_all:
        return False
    _, codes = tag_codes(clips.table["unknown"], vocabulary)
    return int((codes >= 0).sum()) == len(clips) * len(vocabulary)


def _plans(recipe: Recipe) -> list[recipes.Train]:
    """How each phase that runs is trained."""
    return [recipes.during(recipe, name).train for name in recipe.running()] or [recipe.train]


def _without(counts: NDArray[np.int64], vocabulary: tuple[str, ...]) -> list[str]:
    """The tags that no clip has. counts: (tags,) of clips."""
    return [tag for tag, count in zip(vocabulary, counts, strict=True) if not count]


def _few(tags: list[str]) -> str:
    return ", ".join(tags[:SHOWN]) + (f" and {len(tags) - SHOWN} more" if len(tags) > SHOWN else "")


def check_plans(recipe: Recipe, validation: Manifest, vocabulary: tuple[str, ...]) -> None:
    """What would come up only at the end of an epoch, or in a later phase. validation: those that choose, all or those that were read.

    Raises ManifestError and EarmarkError.
    """
    plans = _plans(recipe)
    smallest = min(plan.batch for plan in plans)
    if smallest < processes.world():
        raise EarmarkError(
            f"train.batch: {counted(smallest, 'clip is', 'clips are')} too few for {counted(processes.world(), 'process')}: "
            "take a larger batch or fewer"
        )
    buffered = [plan for plan in plans if plan.buffer is not None]
    if buffered and not is_packed(validation):
        raise EarmarkError(
            f"train.buffer: {counted(buffered[0].buffer or 0, 'clip is', 'clips are')} mixed where a pack's shards are read "
            "in order, and these clips are files: leave it out, or pack them (`earmark pack`)"
        )
    if odd := [plan.batch for plan in buffered if plan.batch % processes.world()]:
        raise EarmarkError(
            f"train.batch: {counted(odd[0], 'clip')} cannot be shared out evenly between "
            f"{counted(processes.world(), 'process')}, so that each would "
            "read all shards: take a multiple, or leave train.buffer out"
        )
    count = len(validation)
    if count and _nothing_known(validation, vocabulary, recipe):
        raise ManifestError(
            f"of none of the {counted(count, 'validation clip')} is it known whether it has any of the "
            f"{counted(len(vocabulary), 'tag')}, so that they have no "
            "loss and choose no epoch: take other validation clips, or none (data.validation=[] and train.keep=last)"
        )
    mapped = any(plan.choose == "map" for plan in plans)
    if mapped and count and not validation.tag_counts(vocabulary).any():
        raise ManifestError(
            f"train.choose: map has no value on validation clips without tags, and none of the {count} has one: "
            "take loss, or other validation clips"
        )


def without_norms(recipe: Recipe, net: nn.Module, frozen: Sequence[nn.Module] = ()) -> list[str]:
    """A line for each key of a recipe that is about batch normalisation, of which the net has none, or none that is not frozen."""
    lines = []
    if recipe.train.renew_statistics and not norms_of(net, frozen):
        where = " that is not frozen" if norms_of(net) else ""
        lines.append(f"train.renew_statistics does nothing: {recipe.net.name} has no batch normalisation here{where}")
    told, argument = recipe.net.arguments.get("momentum"), NETS[recipe.net.name].arguments().get("momentum")
    if told is not None and argument is not None and told != argument.default and not norms_of(net):
        lines.append(f"net.momentum: {told} does nothing: {recipe.net.name} has no batch normalisation here")
    return lines
