"""`earmark check`: all that is wrong with a recipe, at once; nothing is run."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="key.path=value, over the recipe's.")] = None,
) -> None:
    """Say all that is wrong with a recipe, at once. Nothing is run and no data is needed."""
    import torch

    from earmark import augment, tagger
    from earmark import recipe as recipes
    from earmark.cli.console import say
    from earmark.errors import RecipeError
    from earmark.nets.blocks import count

    checked = recipes.load(recipe, settings or [])
    with torch.device("meta"):
        built = tagger.build(checked, [str(i) for i in range(10)])
    for i, part in enumerate(checked.augment):
        try:
            augment.build(part.name, part.arguments, checked.sample_rate)
        except ValueError as error:
            raise RecipeError(recipe, [f"augment.{i}: {error}"]) from error
    parameters, _ = count(built.net)
    say(f"recipe {checked.name}: nothing is wrong with it. {checked.net.name}, {parameters:,} parameters for 10 tags")
