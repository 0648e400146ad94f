"""`earmark schema`: what programs can rely on in the JSON of the commands, and the form of a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

PLACE = 155  # in `earmark --help`


def schema(
    what: Annotated[str | None, typer.Argument(help="Whose schema; default: a list of what there is.")] = None,
) -> None:
    """Print the JSON schema (draft 2020-12) of a command's output, or of recipes."""
    from earmark.cli.terminal import schemas
    from earmark.cli.terminal.console import print_json, print_table

    if what is None:
        print_table(("name", "schema of"), [(name, told) for name, (told, _) in schemas.SCHEMAS.items()])
    else:
        print_json(schemas.schema(what))
