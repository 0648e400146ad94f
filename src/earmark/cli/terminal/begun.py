"""What a job was begun with, and how far its shards are, in words."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import agreed, counted
from earmark.files import notation
from earmark.files.journallines import engine_words
from earmark.files.stores import place

if TYPE_CHECKING:
    from earmark.files.progressed import Progress

SHOWN = 6  # shards, or tags, that a line names


def words(told: Mapping[str, Any]) -> str:
    """Of plain values.

    >>> words({"command": "tag", "salvage": False, "top": 3, "thresholds": {"dog": 0.5, "rain": 0.5}})
    'tag, salvage no, top 3, thresholds 0.5 for each of 2'
    """
    rest = [f"{name} {_value(value)}" for name, value in told.items() if name != "command"]
    return ", ".join([str(told["command"])] * ("command" in told) + rest)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and value:
        first, *others = value.values()
        if others and all(other == first for other in others):
            return f"{_value(first)} for each of {len(value)}"
        return _few([f"{name} {_value(each)}" for name, each in value.items()])
    if isinstance(value, list):
        return _few([_value(each) for each in value])
    return engine_words(value) if isinstance(value, str) else notation.text(value, None)


def _few(told: Sequence[str]) -> str:
    more = f", … {len(told)} in all" if len(told) > SHOWN else ""
    return f"({', '.join(told[:SHOWN])}{more})"


def of_shards(job: Progress, folder: Path) -> list[str]:
    """Which of a job's shards are done, which are not, and what joins them; nothing of a job that has none."""
    if not job.shards:
        return []
    done = [shard for shard in job.shards if shard.left == 0 and not shard.at_work]
    told = [
        f"{len(done):,} of {counted(len(job.shards) + len(job.missing), 'shard')} {agreed(len(done), 'is', 'are')} done"
        + _named([_name(s) for s in done])
    ]
    for shard in job.shards:
        if shard not in done:
            left = "nobody knows how many" if shard.left is None else f"{shard.left:,}"
            at = "is worked on" if shard.at_work else "was stopped; its command goes on where it was"
            told.append(f"{_name(shard)}: {left} of {_count(shard.listed)} left, and {at}")
    if job.missing:
        told.append(f"not begun{_named([str(shard) for shard in job.missing])}")
    if not job.unjoined:
        return [*told, "what its shards have done is joined"]
    if all(shard in done for shard in job.shards) and not job.missing:
        return [*told, f"join what they have done: {_command(job, folder)}"]
    return [*told, f"join what they have done, and do what is left here: {_command(job, folder)}"]


def _name(shard: Progress) -> str:
    return shard.name if shard.shard is None else str(shard.shard)


def _count(recordings: int | None) -> str:
    return "its recordings" if recordings is None else f"{recordings:,}"


def _named(names: Sequence[str]) -> str:
    more = f", … {names[-1]}" if len(names) > SHOWN else ""
    return f": {', '.join(names[:SHOWN])}{more}" if names else ""


def _command(job: Progress, folder: Path) -> str:
    """As it was typed for a shard, where that is known, and where."""
    for shard in reversed(job.shards):
        told = shard.joins
        if isinstance(told, Mapping) and isinstance(told.get("words"), list):
            typed = shlex.join(["earmark", *map(str, told["words"])])
            there = str(told.get("folder", ""))
            return typed if there == os.getcwd() else f"{typed} (in {there})"
    where = shlex.quote(str(place(folder)))
    return (
        f"earmark {job.begun['told'].get('command', 'tag')} … --job {where}, the command of the shards without --shard"
    )
