"""`earmark show`: what a tagger file tells of itself."""

from __future__ import annotations

from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.telling import lines, put

PLACE = 100  # in `earmark --help`


def show(
    tagger: o.TaggerFile,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Say what a tagger knows: its tags, its recipe, what chose its epoch, and its figures.

    The file is held against its checksum first, as by `tag`; its net is not run.
    """
    from earmark.cli.terminal.console import print_json
    from earmark.models import loading

    described = loading.describe(tagger)
    if as_json:
        return print_json(described.head)
    for line in lines(described):
        put(line)
