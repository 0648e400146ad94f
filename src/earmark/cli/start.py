"""`earmark start`: sounds of one's own → a manifest and a recipe that suit them, and the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import ours, written
from earmark.errors import counted

PLACE = 5  # in `earmark --help`


def start(
    sounds: Annotated[
        Path,
        typer.Argument(help="A folder with a folder of clips for each tag, or recordings with labels beside them."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The folder for clips.csv and own.yaml."),
        written.WritesFolder(("own.yaml",), ours.started),
    ] = Path("own"),
    complete: Annotated[
        bool, typer.Option("--complete", help="Of recordings with labels: all that is heard in them is labelled.")
    ] = False,
) -> None:
    """Begin with sounds of your own: look at them, write their manifest and a recipe with its reasons, say what comes next.

    Labels are read as Audacity, Raven and BirdNET write them, and tables of events. Nothing is trained yet.
    """
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import say
    from earmark.train import starting

    written.claim("--out", out, [starting.CLIPS], ours.manifest)
    told = starting.start(sounds, out, complete=complete, progress=Bar())
    for line in told.said:
        say(line)
    tags = ", ".join(f"{name} {count}" for name, count in list(told.look.tags.items())[:8])
    print(
        f"{counted(len(told.clips), 'clip')} of {counted(len(told.clips.vocabulary), 'tag')}: {tags}{' …' * (len(told.look.tags) > 8)}"
    )
    print(
        f"{out / starting.CLIPS}: the clips. {out / starting.RECIPE}: the recipe, with the reasons of each choice. Read both"
    )
    for command, why in told.next:
        print(f"\nnext, {why}:\n  {command}")
