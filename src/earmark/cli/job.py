"""`earmark job`: how far a job is, and its shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.errors import agreed, counted

PLACE = 85  # in `earmark --help`


def job(
    folder: Annotated[Path, typer.Argument(help="Of a job: what --job was given.")],
    errors: o.Errors = None,
    as_json: o.AsJson = False,
) -> None:
    """Say how far a job is, and each of its shards: what is done, left, could not be read, and whether it is worked on."""
    from earmark.cli.terminal import begun
    from earmark.cli.terminal.console import print_json, print_table, say, unnamed, write_errors
    from earmark.files import progressed

    found = progressed.of(folder)
    parts = [found, *found.shards]
    failures = {path: reason for part in parts for path, reason in part.failures}  # a shard's may have been taken over
    write_errors(errors, [(path, unnamed(path, reason)) for path, reason in failures.items()])
    if as_json:
        return print_json(found.to_dict())
    print_table(
        ("job", "recordings", "done", "left", "failed", "at work", "last"),
        [
            (part.name, *("?" if n is None else n for n in (part.listed, part.done, part.left)), len(part.failures),
             "yes" if part.at_work else "no", part.changed.astimezone().strftime("%Y-%m-%d %H:%M:%S"))
            for part in parts
        ],
    )  # fmt: skip
    for part in parts:
        if part.others:
            say(
                f"{part.name}: keeps what was heard of {counted(part.others, 'other')} before: "
                f"{agreed(part.others, 'it is', 'they are')} not asked for now, or {agreed(part.others, 'has', 'have')} changed"
            )
        if part.pieces:
            say(f"{part.name}: a cluster has heard {counted(part.pieces, 'piece')} of recordings that are not done yet")
        if part.tally.pieces:
            say(f"{part.name}: {part.tally}")
    say(f"begun with: {begun.words(found.begun['told'])}")
    for line in begun.of_shards(found, folder):
        say(line)
