"""`earmark show`: what a tagger file tells of itself."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.telling import combines, graphs, listens, put, show_members, told_rows

PLACE = 100  # in `earmark --help`


def show(
    tagger: o.TaggerFile,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Say what a tagger knows: its tags, its recipe, what chose its epoch, and its figures. The weights are not read."""
    from earmark.models import loading
    from earmark.models.facts import Facts
    from earmark.models.file import read_head

    path = loading.find(tagger)
    head = read_head(path)
    if as_json:
        print(json.dumps(head, indent=1, ensure_ascii=False))
        return
    facts = Facts.read(head.get("facts"), str(path))
    if "members" in head:
        show_members(path.stem, head)
    else:
        recipe = head["recipe"]
        put(f"{path.stem}: {recipe['summary'] or recipe['name']}")
        put(f"  tags        {len(head['vocabulary'])}: {', '.join(head['vocabulary'])}")
        put(f"  listens     {listens(recipe)}")
        put(f"  combines    {combines(recipe)}")
        put(f"  graphs      {graphs(head)}")
    for name, told in told_rows(facts):
        put(f"  {name:11} {told}")
