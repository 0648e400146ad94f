"""A recipe's nets before anything is written: built without values, with weights passed on between them; plug-ins are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from earmark import recipe as recipes
from earmark.errors import RecipeError
from earmark.files import stores as paths
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.anytagger import AnyTagger
from earmark.models.size import on_shapes
from earmark.recipe import Recipe
from earmark.recipe.schema import loaded
from earmark.train.bases import sources
from earmark.train.phase import part_of
from earmark.train.transfer import copy_part, first_words, same_net
from earmark.train.trial import check_plugins

OF_NETS = {"net", "features", "resize"}  # keys that a phase may have in place of the recipe's
MADE_OF = {
    "features": {"features"},
    "resize": {"features", "resize"},
}  # what makes a thing right or wrong; of others all of them do


def rehearse(
    recipe: Recipe,
    vocabulary: Sequence[str],
    start: taggers.Tagger | None = None,
    *,
    begun: bool = False,
    absent: Callable[[str], object] | None = None,
) -> taggers.Tagger:
    """Build the net of each phase, and pass on weights between them: what does not fit is told before a folder is made, and before
    hours of training. A folder with a recipe in it takes no other, so that a recipe which cannot be trained must not come there.

    start: whose weights the first phase goes on from. begun: a training without phases has weights of its own already, so that
    those which it began with may be gone. absent: told the files of weights that are not here, which then fit; default: they must be
    here. Gives the last net, on shapes. Raises RecipeError with all mistakes of all phases, and TaggerError for a tagger file that
    cannot be read.
    """
    check_plugins(recipe, vocabulary)
    plans = {name: recipes.during(recipe, name) if name else recipe for name in recipe.running() or [""]}
    built = _all_built(recipe, plans, vocabulary)
    mistakes: list[str] = []
    filled: dict[str, taggers.Tagger] = {}

    def find(place: str) -> AnyTagger | None:
        if place in filled:
            return filled[place]
        if absent is not None and place.endswith(".safetensors") and not paths.place(place).is_file():
            absent(place)
            return None
        return loading.load(place, engine="torch")

    before: Recipe | None = None
    for name, plan in plans.items():
        source = filled[list(filled)[-1]] if same_net(before, plan) else None
        try:
            if name or not begun:
                fill(recipe, built[name], name, source if filled else start, find, assign=True)
            if name:
                _check_frozen(recipe, built[name], name)
        except RecipeError as error:
            mistakes += error.mistakes
        filled[name], before = built[name], plan
    if mistakes:
        raise RecipeError(recipe.name, mistakes)
    return filled[list(filled)[-1]]


def _all_built(recipe: Recipe, plans: Mapping[str, Recipe], vocabulary: Sequence[str]) -> dict[str, taggers.Tagger]:
    """The net of each phase on shapes, by its name. Raises RecipeError with all that is wrong with them."""
    built, mistakes = {}, []
    for name, plan in plans.items():
        own = recipe.phases[name].model_fields_set & OF_NETS if name else set()
        try:
            with on_shapes():
                built[name] = build(recipe, plan, name, vocabulary)
            if plan.head is not None:
                _check_head(plan, built[name], vocabulary)
        except RecipeError as error:
            for mistake in error.mistakes:
                key = mistake.partition(":")[0].partition(".")[0]
                of_phase = own & MADE_OF.get(key, OF_NETS)  # else it is the recipe's own net or feature that is wrong
                mistakes.append(f"phases.{name}.{mistake}" if of_phase else mistake)
    if mistakes:
        raise RecipeError(recipe.name, list(dict.fromkeys(mistakes)))
    return built


def _check_head(recipe: Recipe, tagger: taggers.Tagger, vocabulary: Sequence[str]) -> None:
    """Raises RecipeError for a head on another number than the net's embedding has."""
    try:
        with on_shapes():
            width = _embedding(tagger, "meta")
    except NotImplementedError:  # it asks for values, which shapes do not have
        width = _embedding(taggers.build(recipe, vocabulary), "cpu")
    assert recipe.head is not None
    if recipe.head.width != width:
        told = f"head.width: {recipe.head.width} is not the width of {recipe.net.name}'s embedding, {width}: take that, or leave head out"
        raise RecipeError(recipe.name, [told])


def _embedding(tagger: taggers.Tagger, device: str) -> int:
    """The width of that of the net under a head."""
    samples, _ = tagger.windows.samples(tagger.sample_rate)
    waves, features = torch.zeros(1, samples, device=device), cast(Any, tagger.features)
    maps = waves
    if tagger.input != "waves":
        maps = torch.zeros(1, features.channels, features.bands, features.frames(samples), device=device)
    body = cast(nn.Module, tagger.net.body)
    training = body.training
    with torch.no_grad():
        embedding: Tensor = (body.eval()(waves, maps) if tagger.input == "both" else body.eval()(maps)).embedding
    body.train(training)
    return embedding.shape[-1]


def tags_for(recipe: Recipe) -> int | None:
    """How many tags the taggers have whose weights a recipe takes, of files that are here; None where there are none."""
    loads = [recipe.phases[name].load for name in recipe.running()] or [recipe.load]
    files = [path for load in loads for source in sources(load) if (path := paths.place(source)).is_file()]
    return len(loading.load(files[0], engine="torch").vocabulary) if files else None


def _check_frozen(recipe: Recipe, tagger: taggers.Tagger, name: str) -> None:
    """Raises RecipeError with all parts that are not there, and where nothing is left to train."""
    mistakes: list[str] = []
    trained = [parameter for parameter in tagger.parameters() if parameter.requires_grad]
    for part in recipe.phases[name].freeze:
        try:
            part_of(tagger, part, recipe.name, f"phases.{name}.freeze").requires_grad_(False)
        except RecipeError as error:
            mistakes += error.mistakes
    if not mistakes and not any(parameter.requires_grad for parameter in tagger.parameters()):
        mistakes = [f"phases.{name}.freeze: leaves nothing to train"]
    for parameter in trained:  # those of the net are counted, whatever a phase leaves as it is
        parameter.requires_grad_(True)
    if mistakes:
        raise RecipeError(recipe.name, mistakes)


def rehearse_head(recipe: Recipe, vocabulary: Sequence[str]) -> None:
    """Build the net of a tagger on a base under a head of any size, as `rehearse` does. Raises RecipeError."""
    headed = recipes.parse(recipe.as_dict() | {"head": {"width": 1, "hidden": 0}}, recipe.name)
    with on_shapes():
        build(headed, headed, "", vocabulary)


def build(recipe: Recipe, plan: Recipe, name: str, vocabulary: Sequence[str]) -> taggers.Tagger:
    """The untrained tagger of a phase, whose recipe is `plan`; the last one's tells the whole recipe."""
    last = not name or name == recipe.running()[-1]
    return taggers.build(recipe if last else plan, vocabulary)


def fill(
    recipe: Recipe,
    tagger: taggers.Tagger,
    name: str,
    start: taggers.Tagger | None,
    find: Callable[[str], AnyTagger | None],
    *,
    assign: bool = False,
) -> None:
    """Weights from the phase before (`start`), or from where the recipe says, which `find` turns into a tagger; None: it is not here,
    and nothing is taken from it.

    assign: put the source's own tensors in, as nets without values need. Raises RecipeError with all that do not fit.
    """
    where = f"phases.{name}." if name else ""
    if start is not None:
        try:
            tagger.load_state_dict(start.state_dict(), assign=assign)
        except RuntimeError as error:
            told = f"the weights of the phase before do not fit ({first_words(error)}): was the map resized?"
            raise RecipeError(recipe.name, [f"{where}net: {told}"]) from error
    load, mistakes = recipe.phases[name].load if name else recipe.load, []
    for part, place in load.items():
        source, inner = loaded(part, place)
        if (tagger_of := find(source)) is None:
            continue
        try:
            copy_part(tagger, part, tagger_of, inner, assign=assign)
        except ValueError as error:
            mistakes.append(f"{where}load.{part}: {error}")
    if mistakes:
        raise RecipeError(recipe.name, mistakes)
