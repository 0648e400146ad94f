"""A recipe's nets before anything is written: built without values, with weights passed on between them; plug-ins are tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from earmark import recipe as recipes
from earmark.errors import RecipeError
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.anytagger import AnyTagger
from earmark.models.size import on_shapes
from earmark.recipe import Recipe
from earmark.train.phase import part_of
from earmark.train.transfer import copy_part, first_words, same_net
from earmark.train.trial import check_plugins


def rehearse(
    recipe: Recipe, vocabulary: Sequence[str], start: taggers.Tagger | None = None, *, begun: bool = False
) -> None:
    """Build the net of each phase, and pass on weights between them: what does not fit is told before a folder is made, and before
    hours of training. A folder with a recipe in it takes no other, so that a recipe which cannot be trained must not come there.

    start: whose weights the first phase goes on from. begun: a training without phases has weights of its own already, so that
    those which it began with may be gone. Raises RecipeError, and TaggerError for a tagger file that cannot be read.
    """
    check_plugins(recipe, vocabulary)
    built: dict[str, taggers.Tagger] = {}
    before: Recipe | None = None
    for name in recipe.running() or [""]:
        plan = recipes.during(recipe, name) if name else recipe
        with on_shapes():
            tagger = build(recipe, plan, name, vocabulary)
        source = built[list(built)[-1]] if same_net(before, plan) else None
        if name or not begun:
            fill(
                recipe,
                tagger,
                name,
                source if built else start,
                lambda place: built.get(place) or loading.load(place, engine="torch"),
                assign=True,
            )
        if name:
            for part in recipe.phases[name].freeze:
                part_of(tagger, part, recipe.name, f"phases.{name}.freeze").requires_grad_(False)
            if not any(parameter.requires_grad for parameter in tagger.parameters()):
                raise RecipeError(recipe.name, [f"phases.{name}.freeze: leaves nothing to train"])
        built[name], before = tagger, plan


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
    find: Callable[[str], AnyTagger],
    *,
    assign: bool = False,
) -> None:
    """Weights from the phase before (`start`), or from where the recipe says, which `find` turns into a tagger.

    assign: put the source's own tensors in, as nets without values need. Raises RecipeError where they do not fit.
    """
    where = f"phases.{name}." if name else ""
    if start is not None:
        try:
            tagger.load_state_dict(start.state_dict(), assign=assign)
        except RuntimeError as error:
            told = f"the weights of the phase before do not fit ({first_words(error)}): was the map resized?"
            raise RecipeError(recipe.name, [f"{where}net: {told}"]) from error
    load = recipe.phases[name].load if name else recipe.load
    for part, place in load.items():
        source, _, inner = place.rpartition(":")
        source, inner = (source, inner) if source else (place, part)
        try:
            copy_part(tagger, part, find(source), inner, assign=assign)
        except ValueError as error:
            raise RecipeError(recipe.name, [f"{where}load.{part}: {error}"]) from error
