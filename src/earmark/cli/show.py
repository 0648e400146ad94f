"""`earmark show`: what a tagger file tells of itself."""

from __future__ import annotations

import json
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
    from earmark.models import loading

    described = loading.describe(tagger)
    told = json.dumps(described.head, indent=1, ensure_ascii=False).splitlines() if as_json else lines(described)
    for line in told:
        print(line) if as_json else put(line)
