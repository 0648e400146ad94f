"""What a terminal is told of packs."""

from __future__ import annotations

from pathlib import Path

import typer

from earmark.cli.terminal.bar import Bar
from earmark.cli.terminal.console import SHOWN, say, say_notes
from earmark.data import packs
from earmark.errors import agreed, counted


def check_pack(folder: Path) -> None:
    """Read all of a pack, and say what is wrong with it; with status 1 where something is."""
    bar = Bar()
    pack = packs.describe(folder)
    bar.begin("checking", len(pack.shards))
    try:
        found = packs.check(folder, lambda shard: bar.advance())
    finally:
        bar.end()
    for name, path, reason in found.broken[:SHOWN]:
        say(f"{folder / path} ({name}): {reason}")
    for note in found.notes:
        say(f"{folder}: {note}")
    if found.remembered:
        say(
            f"{counted(found.remembered, 'clip')} could not be read in a training and {agreed(found.remembered, 'is', 'are')} "
            f"left out: {folder / packs.UNREADABLE}"
        )
    if found.damaged:
        names = ", ".join(found.damaged[:SHOWN])
        say(
            f"{folder}: {len(found.damaged):,} of {counted(len(pack.shards), 'shard')} "
            f"{agreed(len(found.damaged), 'is', 'are')} not as {agreed(len(found.damaged), 'it was', 'they were')} written "
            f"({names}), and {counted(len(found.broken), 'clip')} in "
            f"{agreed(len(found.damaged), 'it: fetch this shard', 'them: fetch these shards')} again, or pack anew"
        )
        raise typer.Exit(1)
    say(f"{folder}: nothing is wrong with it. {pack.told()}")


def told(packed: packs.Packed, clips: int) -> None:
    """What was packed, now or before; with status 1 where clips could not be read."""
    say_notes([f"{path}: {note}" for _, path, note in packed.notes])
    if packed.notes:
        changed, clipped = (len({name for name, _, note in packed.notes if what in note}) for what in ("", "clipped"))
        loud = (
            f", of which {clipped:,} {agreed(clipped, 'exceeds full scale and is', 'exceed full scale and are')} clipped"
            if clipped
            else ""
        )
        say(
            f"there is something to know of the sound of {counted(changed, 'clip')}{loud}: {packed.folder / packs.NOTES}"
        )
    for _, path, reason in packed.failures[:SHOWN]:
        say(f"{path}: {reason}")
    if packed.done_before:
        say(
            f"{packed.done_before:,} of {counted(len(packed.shards), 'shard')} {agreed(packed.done_before, 'was', 'were')} there already"
        )
    size = sum(shard.size for shard in packed.shards)
    say(
        f"{packed.folder}: {counted(packed.clips, 'clip')} in {counted(len(packed.shards), 'shard')}, {size / 1e6:,.1f} MB"
    )
    if packed.failures:
        say(
            f"{len(packed.failures):,} of {counted(clips, 'clip')} could not be read and "
            f"{agreed(len(packed.failures), 'is', 'are')} left out: {packed.folder / packs.ERRORS}"
        )
        raise typer.Exit(1)
