"""From a recipe to a feature and an untrained net that fit together, within the bounds of what may be built."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from earmark.errors import RecipeError
from earmark.errors.refusals import Mistakes, every
from earmark.models import size
from earmark.models.features import NoFeature, Resized
from earmark.models.headed import Headed
from earmark.models.nets import Input
from earmark.recipe import Recipe, bounds
from earmark.registry import FEATURES, NETS

# what a layer says of a width of 0 or a list too short is anyone's guess, but it is the recipe's mistake
WRONG = (ValueError, RuntimeError, ArithmeticError, LookupError)


def make(recipe: Recipe, tags: int, held: size.Shapes | None = None) -> tuple[Any, Any]:
    """(feature, net) for so many tags. held, and what is raised: see `earmark.models.tagger.build`."""
    hears: Input = NETS[recipe.net.name].facts["input"]
    features: Any = NoFeature()
    arguments = recipe.net.arguments
    where = "features"
    try:
        if recipe.features is not None:
            features = _with_all(
                partial(FEATURES[recipe.features.name].function, recipe.sample_rate, **recipe.features.arguments)
            )
        if recipe.resize is not None:
            where = "resize"
            features = _with_all(partial(Resized, features, **recipe.resize.model_dump()))
        if hears != "waves":
            arguments = {**arguments, "channels": features.channels, "bands": features.bands}
        if "sample_rate" in NETS[recipe.net.name].arguments():
            arguments = {**arguments, "sample_rate": recipe.sample_rate}
        where = "net"
        building = _building(recipe, arguments, tags)
        net: Any = _with_all(partial(size.planned, building))
    except WRONG as error:
        sentences = error.sentences if isinstance(error, Mistakes) else [str(error)]
        raise RecipeError(recipe.name, [f"{where}: {sentence}" for sentence in sentences]) from error
    samples, _ = recipe.windows.build().samples(recipe.sample_rate)
    needs = [(net.shortest, samples, "samples")] if hears != "maps" else []
    if hears != "waves":
        shortest = net.shortest if hears == "maps" else net.shortest_frames
        needs.append((shortest, features.frames(samples), "frames"))
    for need, got, what in needs:
        if got < need:
            told = (
                f"{recipe.windows.length:g} s are {got} {what}; {recipe.net.name} needs at least {need}: make it longer"
            )
            raise RecipeError(recipe.name, [f"windows.length: {told}"])
    made = [] if hears == "waves" else [features, features.feature] if recipe.resize else [features]
    too_large = [
        mistake
        for each in made
        for mistake in bounds.maps(recipe.windows.length, each.channels, each.bands, each.frames(samples))
    ]
    if too_large:
        raise RecipeError(recipe.name, too_large)
    if held is not None:
        size.check_held(net, held)
    return features, building() if next(net.parameters()).is_meta else net


def _with_all(make: Callable[[], Any]) -> Any:
    """What is made. Raises Mistakes with all that it says of its arguments."""
    try:
        return make()
    except WRONG:
        every(make)
        raise


def _building(recipe: Recipe, arguments: dict[str, Any], tags: int) -> Callable[[], Any]:
    """What makes the net of a recipe. One under a head of its own has one tag of its own, of which nobody asks."""
    make = NETS[recipe.net.name].function
    if recipe.head is None:
        return partial(make, tags=tags, **arguments)
    width, hidden = recipe.head.width, recipe.head.hidden
    return lambda: Headed(make(tags=1, **arguments), width, hidden, tags)
