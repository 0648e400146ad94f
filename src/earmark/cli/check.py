"""`earmark check`: all that is wrong with a recipe, at once, or with a pack; of plug-ins a small batch is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.errors import counted

PLACE = 120  # in `earmark --help`
TAGS = 10  # where nothing tells how many there are


def check(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file, or a pack's folder.")],
    settings: o.RecipeSettings = None,
) -> None:
    """Say all that is wrong with a recipe and its phases, at once, and count its parameters. No data is needed.

    Nothing is run but nets, features and augmentations of plug-ins, which are tried on two windows of noise.

    Parameters are counted for as many tags as the recipe's data set has. Of a pack every byte is read, and held against what was
    written.
    """
    from earmark import recipe as recipes
    from earmark.cli.terminal import needing
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.packing import check_pack
    from earmark.data.packs import check_not_left, is_pack
    from earmark.models.layers.blocks import count
    from earmark.train.plausible import without_norms
    from earmark.train.rehearsal import rehearse, tags_for

    if is_pack(Path(recipe)):
        needing.refuse({"settings"}, f"recipes, and {recipe} is a pack", "name a recipe")
        check_pack(Path(recipe))
        return
    check_not_left(Path(recipe))
    checked, left = recipes.load(recipe, settings or [], say), set[str]()
    known = recipes.tags(checked)
    tags = known or tags_for(checked) or TAGS
    if gaps := checked.windows.build().unheard(checked.sample_rate):
        say(f"recipe {checked.name}: {gaps}")
    built = rehearse(checked, [str(i) for i in range(tags)], absent=lambda file: left.add(file))
    for file in sorted(left):
        say(f"{file}: is not here, so whether what `load` takes of it fits is not looked at")
    for line in without_norms(checked, built):
        say(f"recipe {checked.name}: {line}")
    parameters, statistics = count(built.net)
    how = "" if known else " (how many its data have is not told: --set data.tags=…)"
    more = f", {parameters + statistics:,} with the batch normalisation's running statistics" if statistics else ""
    told = f"{checked.net.name}, {counted(parameters, 'parameter')} for {counted(tags, 'tag')}{how}{more}"
    say(f"recipe {checked.name}: nothing is wrong with it. {told}")
