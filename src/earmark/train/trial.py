"""The plug-ins of a recipe tried on a small batch of noise, before anything is written: its net, its feature, its augmentations.

What earmark's own must do the contract tests look at; of what comes from elsewhere nobody knows until it has run, and hours later
is too late. Two windows on the CPU are less work than a step of training. No random number of the caller's is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import recipe as recipes
from earmark.errors import EarmarkError, RecipeError
from earmark.models import tagger as taggers
from earmark.models.prediction import Grid, Prediction
from earmark.recipe import Recipe
from earmark.registry import AUGMENTATIONS, FEATURES, NETS, Entry
from earmark.train import augment, tried
from earmark.train.augment import ClipPool

Values = NDArray[Any]
CLIPS = 4
# Of the largest value. A clip alone and in a batch may be summed in another order: float32 rounds by 6e-8, a sum of a million terms
# by a thousand times that at random, and tens of layers add up; what depends on the other clips of a batch is far beyond
ROUNDING = 1e-3
# times that weights are changed: logits of one tag of two sounds that are alike lie between 0 and 1 in fewer than half
DISTURBED = 16

LACKING = {
    "shortest": "the fewest inputs that it takes: samples or, where it hears maps alone, frames of the feature",
    "shortest_frames": "the fewest frames of the feature that it takes; one that hears waves and maps has both",
    "parameters": "as an nn.Module has",
}


def check_plugins(recipe: Recipe, vocabulary: Sequence[str]) -> None:
    """Raises RecipeError for a net, feature or augmentation of a plug-in that does not do what all of its kind do, in any phase."""
    for name in recipe.running() or [""]:
        plan = recipes.during(recipe, name) if name else recipe
        net, feature = _entries(plan)
        changes = [AUGMENTATIONS[part.name] for part in plan.augment]
        if all(each is None or each.own for each in (net, feature, *changes)):
            continue
        where = f"phases.{name}." if name else ""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                tagger = None
                if not net.own or not (feature is None or feature.own):
                    tagger = _built(plan, vocabulary)
                    _check_tagger(tagger, len(vocabulary))
                if not all(each.own for each in changes):
                    _check_augmentations(plan, vocabulary, tagger)
            except RecipeError:
                raise
            except EarmarkError as error:
                raise RecipeError(recipe.name, [f"{where}{error}"]) from error


def _entries(plan: Recipe) -> tuple[Entry, Entry | None]:
    return NETS[plan.net.name], FEATURES[plan.features.name] if plan.features else None


def _noise(count: int, samples: int) -> Tensor:
    """(count, samples), each half as loud as the one before."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (count, samples)).astype(np.float32)
    return torch.from_numpy(noise * np.float32(0.5) ** np.arange(count, dtype=np.float32)[:, None])


def _built(plan: Recipe, vocabulary: Sequence[str]) -> taggers.Tagger:
    net, feature = _entries(plan)
    foreign = [each for each in (net, feature) if each is not None and not each.own]
    try:
        return taggers.build(plan, vocabulary)
    except EarmarkError:
        raise
    except StopIteration as error:
        raise _wrong(net, "what it makes has no parameters, so that nothing would be learnt") from error
    except Exception as error:
        own_line = next((each for each in foreign if each.line(error)), None)
        lacking = next((each for each in foreign if _lacks(each, error)), None)
        if own_line is None and lacking is not None and isinstance(error, AttributeError):
            what = LACKING.get(str(error.name), "which all of its kind have: see earmark.models.features.Feature")
            raise _wrong(lacking, f"what it makes has no `{error.name}`, {what}") from error
        with (own_line or foreign[0]).at_work("making"):
            raise


def _lacks(entry: Entry, error: Exception) -> bool:
    """Whether what a function made was asked for something that it has not."""
    if not isinstance(error, AttributeError):
        return False
    return type(error.obj).__module__ == entry.function.__module__ or not isinstance(error.obj, nn.Module)


def _check_tagger(tagger: taggers.Tagger, tags: int) -> None:
    net, feature = _entries(tagger.recipe)
    waves = _noise(2, tagger.windows.samples(tagger.sample_rate)[0])
    tagger.eval()
    with torch.no_grad():
        maps = waves
        if feature is not None:
            maps = _heard(feature, tagger.features, waves)
            _check_alone(feature, "maps", maps, lambda few: tagger.features(few), waves)
        if net.own:
            return
        together = _predicted(net, tagger, waves, maps, tags)
        again = _predicted(net, tagger, waves, maps, tags)
        if not torch.equal(together.levels, again.levels):
            raise _wrong(
                net,
                "answers the same windows differently the second time, in evaluation: is chance drawn, as by F.dropout without "
                "training=self.training?",
            )
        for what in ("levels", "embedding"):
            both = getattr(together, what)
            _check_alone(net, f"values of `{what}`", both, lambda few, w=what: getattr(tagger(few), w), waves)  # type: ignore[misc]
        _check_levels(net, tagger, waves, maps, together.levels)
    _check_learns(net, tagger, waves, maps, tags)


def _check_levels(entry: Entry, tagger: taggers.Tagger, waves: Tensor, maps: Tensor, levels: Tensor) -> None:
    """Of levels, or of what has other weights: that they are no probabilities, and not the same of all sounds.

    By chance the levels of a net that has learnt nothing may be either. So, only where they are, its weights are changed at random.
    """
    kept = [each.detach().clone() for each in tagger.parameters()]
    inside = deaf = shares = True
    try:
        for _ in range(DISTURBED):
            levels = levels.float()
            inside &= bool(((levels >= -1e-6) & (levels <= 1 + 1e-6)).all())
            shares &= levels.shape[-1] > 1 and bool(((levels.sum(-1) - 1).abs() < 1e-3).all())
            deaf &= bool((levels[0] - levels[1]).abs().max() <= 1e-6 * levels.abs().max())
            if not inside and not deaf:
                return
            for each, old in zip(tagger.parameters(), kept, strict=True):
                size = max(float(old.float().square().mean().sqrt()), 0.1)
                each.copy_(old + size * torch.randn_like(old))
            with entry.at_work("forward"):
                levels = tagger.predict(waves, maps).levels
    finally:
        for each, old in zip(tagger.parameters(), kept, strict=True):
            each.copy_(old)
    if inside and not deaf:
        told = "add up to 1 over the tags, as after a softmax" if shares else "lie between 0 and 1, as after a sigmoid"
        raise _wrong(
            entry,
            f"its levels {told}, whatever its weights are: these are probabilities, and levels are logits. Leave it out: the loss and the "
            "tagger make probabilities of them",
        )
    raise _wrong(
        entry,
        "its levels are the same of two different sounds, whatever its weights are, so that it would tell nothing of what it hears: do "
        "they come from what its forward is given?",
    )


def _check_learns(entry: Entry, tagger: taggers.Tagger, waves: Tensor, maps: Tensor, tags: int) -> None:
    """That a step of training would change something."""
    weights = [each for each in tagger.parameters() if each.requires_grad]
    if not weights:
        raise _wrong(
            entry,
            "all its weights are frozen (requires_grad is False), so that nothing would be learnt: leave those free that are to learn, its "
            "last layer at least",
        )
    tagger.train()
    levels = _predicted(entry, tagger, waves, maps, tags).levels
    if not levels.requires_grad:
        raise _wrong(
            entry, "its levels have no gradient, so that nothing would be learnt: is detach, no_grad or NumPy between?"
        )
    with entry.at_work("gradient"):  # of a sum by chance: the plain one of probabilities is always the same
        found = torch.autograd.grad((levels * torch.randn_like(levels)).sum(), weights, allow_unused=True)
    if not any(each is not None and bool((each != 0).any()) for each in found):
        raise _wrong(
            entry,
            "the gradient of its levels is 0 for each of its weights, so that nothing would be learnt: are they rounded, or times 0?",
        )


def _heard(entry: Entry, feature: Any, waves: Tensor) -> Tensor:
    """What a feature makes of waves."""
    maps: Tensor
    before = waves._version
    with entry.at_work("forward"):
        maps = feature(waves)
        frames = feature.frames(waves.shape[1])
    wanted = (len(waves), feature.channels, feature.bands, frames)
    if not isinstance(maps, Tensor) or tuple(maps.shape) != wanted or not maps.is_floating_point():
        raise _wrong(
            entry,
            f"its forward gives {augment.shown(maps)}, and maps are floats (batch, channels, bands, frames): {wanted} by its own "
            "channels, bands and frames()",
        )
    if waves._version != before:
        raise _wrong(entry, "its forward writes into the waves that it is given: make new ones")
    if not bool(maps.isfinite().all()):
        raise _wrong(entry, "its forward gives values of noise that are no finite numbers")
    return maps


def _predicted(entry: Entry, tagger: taggers.Tagger, waves: Tensor, maps: Tensor, tags: int) -> Prediction:
    """What a net says, held against what all say."""
    before = waves._version, maps._version
    with entry.at_work("forward"):
        got: Any = tagger.predict(waves, maps)
    if (waves._version, maps._version) != before:
        raise _wrong(entry, "its forward writes into what it is given: make new tensors")
    if not isinstance(got, Prediction):
        raise _wrong(
            entry,
            f"its forward gives {augment.shown(got)}, not a Prediction of earmark.models.prediction: "
            "Prediction(logits[:, None], embedding)",
        )
    batch = len(waves)
    _check_shape(entry, "levels", got.levels, "(batch, levels, tags)", (batch, 0, tags))
    _check_shape(entry, "embedding", got.embedding, "(batch, width)", (batch, 0))
    if got.frames is not None:
        _check_shape(entry, "frames", got.frames, "(batch, frames, tags)", (batch, 0, tags))
        if not isinstance(tagger.grid, Grid):
            raise _wrong(
                entry, "gives frames, and has no `grid`, an earmark.models.prediction.Grid that says where they lie"
            )
    return got


def _check_shape(entry: Entry, what: str, value: Any, words: str, wanted: tuple[int, ...]) -> None:
    """wanted: the sides; 0 where any number does."""
    told = str(wanted).replace(" 0", " …")
    fits = isinstance(value, Tensor) and value.is_floating_point() and value.dim() == len(wanted) and value.numel() > 0
    if not fits or any(side not in (0, got) for side, got in zip(wanted, value.shape, strict=True)):
        raise _wrong(entry, f"its `{what}` is {augment.shown(value)}, where floats {words} are due: {told}")
    if not bool(value.isfinite().all()):
        raise _wrong(entry, f"its `{what}` of noise has values that are no finite numbers, before anything is learnt")


def _check_alone(entry: Entry, what: str, together: Tensor, make: Callable[[Tensor], Tensor], waves: Tensor) -> None:
    if entry.own:
        return
    with entry.at_work("forward of one window"):
        alone = make(waves[:1])
    scale = float(together.abs().max())
    apart = float((alone[0] - together[0]).abs().max()) if alone.shape[1:] == together.shape[1:] else float("inf")
    if not apart <= ROUNDING * scale:
        raise _wrong(
            entry,
            f"its {what} for a window differ by {apart:g} alone and in a batch of two, in evaluation (the largest is {scale:g}): what "
            "it says of a window must not depend on those beside it, as it does where a mean goes over the batch",
        )


def _check_augmentations(plan: Recipe, vocabulary: Sequence[str], tagger: taggers.Tagger | None) -> None:
    """All stages, as a step of training goes through them."""
    length = plan.windows.build().samples(plan.sample_rate)[0]
    staged = augment.staged(plan.augment, plan.sample_rate)
    generator = np.random.default_rng(0)
    clips = [clip[: length + length // (2 + at)] for at, clip in enumerate(_sounds(2 * length))]
    known = list(np.eye(len(vocabulary), dtype=np.float32)[np.arange(CLIPS) % len(vocabulary)])
    pool = ClipPool(np.stack(known))
    for each in staged["clip"]:
        _try(each, clips, lambda chance, a=each, given=clips: [a.to_clip(chance, clip, length) for clip in given])  # type: ignore[misc]
        clips = [each.to_clip(generator, clip, length) for clip in clips]
    waves, targets = clips, known
    for each in staged["pair"]:

        def summed(chance: np.random.Generator, pair: augment.Applied = each) -> list[Values]:
            drawn = [pair.draw_pair(chance, row, pool) for row in range(CLIPS)]
            pairs = [pair.to_pair(plan, [clips[r] for r in plan.rows], [known[r] for r in plan.rows]) for plan in drawn]
            return [wave for wave, _ in pairs] + [target for _, target in pairs]

        _try(each, clips, summed, known)
        made = summed(generator)
        waves, targets = made[:CLIPS], made[CLIPS:]
    waves, targets = _tensors(staged["batch"], generator, waves, targets)
    if all(each.entry.own for each in staged["maps"]):
        return
    with torch.no_grad():
        tagger = tagger or taggers.build(plan, vocabulary)
        maps = tagger.features(tagger.normalised(torch.from_numpy(np.stack(waves))))
    _tensors(staged["maps"], generator, list(maps.numpy()), targets)


def _tensors(
    stage: Sequence[augment.Applied], generator: np.random.Generator, values: list[Values], targets: list[Values]
) -> tuple[list[Values], list[Values]]:
    """What the augmentations of batches, or of maps, make of these clips and their targets, one after the other."""
    for each in stage:

        def run(
            chance: np.random.Generator,
            change: augment.Applied = each,
            given: tuple[list[Values], list[Values]] = (values, targets),
        ) -> list[Values]:
            batch, wanted = (torch.from_numpy(np.stack(rows)) for rows in given)
            shape = () if change.entry.facts["stage"] == "batch" else (tuple(batch.shape),)
            plan = change.draw(chance, *shape, np.stack(given[1]), clips=np.arange(len(given[0])))
            return [row for made in change.to_batch(plan, batch, wanted) for row in made.detach().numpy()]

        _try(each, values, run, targets)
        made = run(generator)
        values, targets = made[: len(values)], made[len(values) :]
    return values, targets


def _try(
    each: augment.Applied,
    given: Sequence[Values],
    run: Callable[[np.random.Generator], Sequence[Values]],
    known: Sequence[Values] = (),
) -> None:
    if not each.entry.own:
        tried.check(each, given, run, known)


def _sounds(samples: int) -> list[Values]:
    """CLIPS of them (samples,): noise and a tone that comes and goes, in turn, so that what takes either away leaves the other."""
    noise = np.random.default_rng(0).uniform(-1, 1, (CLIPS, samples))
    time = np.arange(samples)
    tone = np.sin(0.3 * time) * (np.sin(2 * np.pi * 8 * time / samples) > 0)
    return [(0.5 ** (1 + at // 2) * (tone if at % 2 else noise[at])).astype(np.float32) for at in range(CLIPS)]


def _wrong(entry: Entry, what: str) -> EarmarkError:
    return EarmarkError(f"{entry.told}: {what}")
