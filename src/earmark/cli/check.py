"""`earmark check`: all that is wrong with a recipe, at once; nothing is run."""

from __future__ import annotations

from typing import Annotated

import typer

from earmark.cli.terminal import options as o

PLACE = 120  # in `earmark --help`


def check(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file.")],
    settings: o.RecipeSettings = None,
) -> None:
    """Say all that is wrong with a recipe, at once. Nothing is run and no data is needed."""
    import torch

    from earmark import recipe as recipes
    from earmark.cli.terminal.console import say
    from earmark.models import tagger
    from earmark.models.layers.blocks import count

    checked = recipes.load(recipe, settings or [], say)
    with torch.device("meta"):
        built = tagger.build(checked, [str(i) for i in range(10)])
    parameters, _ = count(built.net)
    say(f"recipe {checked.name}: nothing is wrong with it. {checked.net.name}, {parameters:,} parameters for 10 tags")
