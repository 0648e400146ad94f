"""Weights of one tagger put into another: between phases, and from taggers that were trained before."""

from __future__ import annotations

from torch import Tensor

from earmark.errors import TaggerError
from earmark.models import tagger as taggers
from earmark.models.anytagger import AnyTagger
from earmark.recipe import Recipe


def same_net(before: Recipe | None, plan: Recipe) -> bool:
    """Whether a phase goes on from the weights of the one before it."""
    return before is not None and (before.net, before.features) == (plan.net, plan.features)


def copy_part(tagger: taggers.Tagger, part: str, source: AnyTagger, inner: str, *, assign: bool) -> None:
    """Put the weights of a part of one tagger into a part of another. Raises ValueError where they do not fit."""
    try:
        net = source.alone
    except TaggerError as error:
        raise ValueError(f"the source: {error}") from error
    for owner, name in ((tagger, part), (net, inner)):
        try:
            owner.get_submodule(name)
        except AttributeError as error:
            known = ", ".join(f"net.{child}" for child, _ in owner.net.named_children())
            raise ValueError(f"there is no part {name!r} in {owner.recipe.net.name}: {known}") from error
    weights: dict[str, Tensor] = net.get_submodule(inner).state_dict()
    try:
        tagger.get_submodule(part).load_state_dict(weights, assign=assign)
    except RuntimeError as error:
        raise ValueError(f"{net.recipe.net.name}'s {inner} does not fit: {first_words(error)}") from error


def first_words(error: Exception) -> str:
    """The beginning of a message of torch's, on one line."""
    return " ".join(str(error).split())[:300]
