"""`earmark list`: what there is to choose from."""

from __future__ import annotations

from typing import Annotated

import typer

from earmark.cli.terminal.listing import Kind, cell, nets, plugins, recipes, registered, taggers

PLACE = 150  # in `earmark --help`


def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List nets, features, data sets, augmentations, metrics, recipes, shipped taggers or plug-ins."""
    from earmark.cli.terminal.console import print_json, print_table

    ways = {Kind.nets: nets, Kind.recipes: recipes, Kind.taggers: taggers, Kind.plugins: plugins}
    rows = ways.get(kind, lambda: registered(kind))()
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[cell(value) for value in row.values()] for row in rows])
