"""From a recipe to what stands before its net, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from earmark import audio
from earmark.engines.features.framing import Floats, Singles
from earmark.engines.features.loudness import normalised
from earmark.engines.features.resize import Feature, Resized
from earmark.errors import RecipeError, agreed, counted
from earmark.errors.kinds import checked
from earmark.errors.refusals import Refused, all_of
from earmark.recipe import bounds
from earmark.recipe.hearing import Known, Normalise
from earmark.registry import NUMPY_FEATURES

if TYPE_CHECKING:
    from earmark.recipe.schema import Recipe

Input = Literal["waves", "maps", "both"]  # what a net hears


class NoFeature:
    """No feature: the net hears the waves (batch, samples) as they are, and places in its input are samples."""

    channels = bands = shortest = 1

    def frames(self, samples: int) -> int:
        return samples

    def step(self, hop: int) -> int | None:
        return hop

    def middles(self, places: Floats, samples: int) -> Floats:
        return places

    def __call__(self, waves: Singles) -> Singles:
        return waves


class NumpyFeature:
    """What a recipe has before its net: waves (n, samples) float32 → what the net hears, float32.

    feature: of the recipe, resized if it says so. normalise: how loud each window is made before it. Calls keep nothing, so
    that threads may share one. Raises EarmarkError for waves that are no windows, hold what is no number, or are shorter than `shortest`.
    """

    def __init__(self, feature: Feature, normalise: Normalise = "none"):
        self.feature, self.normalise = feature, normalise
        self.channels, self.bands, self.shortest = feature.channels, feature.bands, feature.shortest

    def frames(self, samples: int) -> int:
        """How many frames a wave of `samples` gives; samples, where there is no feature."""
        return self.feature.frames(samples)

    def step(self, hop: int) -> int | None:
        """Inputs of the net from a window to the next, where windows `hop` samples apart have theirs in common; else None."""
        return None if self.normalise != "none" else self.feature.step(hop)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames, not only whole ones → samples into a wave of `samples`."""
        return np.asarray(self.feature.middles(places, samples), np.float64)

    def normalised(self, waves: Singles) -> Singles:
        """Waves as loud as feature and net hear them."""
        return normalised(_windows(waves), self.normalise)

    def __call__(self, waves: Singles) -> Singles:
        """Waves (n, samples) → maps (n, channels, bands, frames); without a feature the waves, as loud as they are heard."""
        return self.feature(self.normalised(waves))

    def inputs(self, waves: Singles, hears: Input) -> tuple[Singles, ...]:
        """What a net is given, in order: the waves, the maps, or both, of the same loudness. Raises EarmarkError."""
        if hears not in get_args(Input):
            raise Refused(f"hears is {hears!r}: a net hears {', '.join(get_args(Input))}")
        heard = self.normalised(waves)
        if hears == "waves":
            return (heard,)
        maps = self.feature(heard)
        return (maps,) if hears == "maps" else (heard, maps)


def _windows(waves: Singles) -> Singles:
    if told := audio.masked(waves):
        raise Refused(f"{told}. {audio.FILLED}")
    if waves.ndim != 2 or waves.dtype != np.float32:
        raise Refused(f"waves are {waves.dtype} of the shape {waves.shape}: give float32 (windows, samples)")
    if not np.isfinite(waves.min(initial=0) + waves.max(initial=0)):
        row, place = np.argwhere(~np.isfinite(waves))[0]
        raise Refused(f"waves hold {waves[row, place]} in window {row + 1}, sample {place + 1}: give finite numbers")
    return waves


@checked
def build(recipe: Recipe | Known) -> NumpyFeature:
    """What a recipe has before its net.

    Raises RecipeError: no feature is called so, its arguments cannot be, or the recipe's windows are too short or too long for it.
    """
    feature: Feature = NoFeature()
    if (told := recipe.features) is not None:
        feature = _made(recipe, "features", lambda: _named(told.name)(recipe.sample_rate, **told.arguments))
    if recipe.resize is not None:
        feature = _made(recipe, "resize", partial(Resized, feature, **dict(recipe.resize)))
    if mistakes := _window_mistakes(feature, recipe):
        raise RecipeError(recipe.name, mistakes)
    return NumpyFeature(feature, recipe.normalise)


def _made(recipe: Recipe | Known, where: str, make: Callable[[], Feature]) -> Feature:
    """Raises RecipeError with all that it says of its arguments."""
    try:
        return make()
    except (ValueError, ArithmeticError, LookupError) as error:
        raise RecipeError(recipe.name, [f"{where}: {sentence}" for sentence in all_of(make, error)]) from error


def _named(name: str) -> Callable[..., Feature]:
    if name not in NUMPY_FEATURES:
        known = ", ".join(NUMPY_FEATURES.names())
        raise LookupError(f"{name} is not there in NumPy, which engines need, but {known} are: take the engine torch")
    return NUMPY_FEATURES[name].function


def _window_mistakes(feature: Feature, recipe: Recipe | Known) -> list[str]:
    if recipe.features is None:
        return []
    length = recipe.windows.length
    samples, _ = recipe.windows.build().samples(recipe.sample_rate)
    if samples < feature.shortest:
        return [
            f"windows.length: {length:g} s {agreed(samples, 'is', 'are')} {counted(samples, 'sample')}; "
            f"{recipe.features.name} needs at least {feature.shortest}: make it longer"
        ]
    made = [feature, feature.feature] if isinstance(feature, Resized) else [feature]
    return [told for each in made for told in bounds.maps(length, each.channels, each.bands, each.frames(samples))]
