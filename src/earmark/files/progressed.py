"""How far jobs are, told from their folders: while processes work on them, too, on whatever machines."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from earmark.errors import EarmarkError
from earmark.files import journal, mirror, tally
from earmark.files.journallines import Line, lines_of
from earmark.files.lock import lock
from earmark.files.shards import Shard
from earmark.files.shown import written
from earmark.files.stores import Stored, place
from earmark.files.tally import Tally


@dataclass(frozen=True)
class Progress:
    """name: of the folder. listed: recordings that it is about; None: not known. done, left, failures: of these, the last as
    (path, reason); of a job of before, which does not tell which it is about, of all that its journal has. others: that the journal
    tells of besides, or tells as they are no more.

    at_work: whether a process has it now, as far as the disk tells. changed: when its journal last grew. shards: the same of
    its parts, and whether they have done what nobody has joined yet. As long as nothing was, what is told of the job is the sum of
    its shards; later what they did is counted once it was taken over. pieces: that a cluster heard of recordings that are not
    done. tally: of all pieces, as far as is known. joins: of a shard, the {"words", "folder"} of the command that joins it.
    """

    name: str
    begun: dict[str, Any]
    listed: int | None
    done: int
    left: int | None
    failures: tuple[tuple[str, str], ...]
    at_work: bool
    changed: datetime
    shards: tuple[Progress, ...] = ()
    pieces: int = 0
    tally: Tally = field(default_factory=Tally)
    unjoined: bool = False
    joins: Mapping[str, Any] | None = None
    others: int = 0

    @property
    def shard(self) -> Shard | None:
        """Which part it is, by its folder's name."""
        return Shard.of_folder(self.name)

    @property
    def missing(self) -> list[Shard]:
        """Of its parts, those that have not begun."""
        begun = [shard.shard for shard in self.shards if shard.shard is not None]
        most = max((shard.of for shard in begun), default=0)
        return [part for number in range(1, most + 1) if (part := Shard(number, most)) not in begun]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told: dict[str, Any] = {"name": self.name, "recordings": self.listed, "done": self.done, "left": self.left}
        told |= {"pieces": self.pieces} if self.pieces else {}
        told |= {"cluster": asdict(self.tally)} if self.tally.pieces else {}
        told |= {
            "failed": [{"path": written(path), "reason": written(reason)} for path, reason in self.failures],
            "at_work": self.at_work,
        }
        told |= {"others": self.others} if self.others else {}
        told |= {"unjoined": True} if self.unjoined else {}
        told |= {"changed": self.changed.isoformat(timespec="seconds"), "begun": self.begun}
        return told | {"shards": [shard.to_dict() for shard in self.shards]}


def of(folder: Path) -> Progress:
    """Of a job's folder. One that has only shards yet has done nothing by itself. Raises EarmarkError where there is no job."""
    folder = place(folder)
    if isinstance(folder, Stored):
        return _of_store(folder)
    shards = tuple(_one(shard) for shard in journal.shards(folder))
    if not (folder / journal.NAME).is_file() and shards:
        return _sum(folder.name, shards)
    job = _one(folder)
    later = [journal.read(folder / journal.SHARDS / shard.name) for shard in shards if shard.changed > job.changed]
    own = journal.read(folder) if later else {}
    news = any(_is_news(line, own.get(path)) for lines in later for path, line in lines.items())
    return replace(job, shards=shards, unjoined=news)


def _is_news(line: Line, known: Line | None) -> bool:
    return known is None or (line.error is None and known.error is not None)


def _sum(name: str, shards: tuple[Progress, ...]) -> Progress:
    """Of a job whose shards nobody has joined yet."""
    told = Progress(
        name,
        shards[0].begun,
        sum(shard.listed or 0 for shard in shards),
        sum(shard.done for shard in shards),
        sum(shard.left or 0 for shard in shards),
        tuple(failure for shard in shards for failure in shard.failures),
        False,
        max(shard.changed for shard in shards),
        shards,
        unjoined=True,
        others=sum(shard.others for shard in shards),
    )
    if told.missing or any(shard.listed is None for shard in shards):
        return replace(told, listed=None, left=None)
    return told if all(shard.left is not None for shard in shards) else replace(told, left=None)


def _one(folder: Path) -> Progress:
    begun = journal.head(folder)
    told: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):  # one of before, or not yet written
        told = dict(json.loads((folder / journal.LISTED).read_text(encoding="utf-8")))
    since = journal.since(folder, told["bytes"]) if "bytes" in told else {}
    entries = journal.read(folder)
    counts, others = _counts(told, entries, since)
    changed = datetime.fromtimestamp((folder / journal.NAME).stat().st_mtime, UTC)
    return Progress(
        folder.name,
        begun,
        *counts,
        _at_work(folder),
        changed,
        pieces=_pieces(folder),
        tally=tally.of(folder),
        joins=told.get("joins"),
        others=others,
    )


def _of_store(uri: Stored) -> Progress:
    """The same, as far as it was put there."""
    try:
        shards = tuple(_one_of_store(shard) for shard in mirror.shards(uri))
        if mirror.told_of(uri) is not None or not shards:
            job = _one_of_store(uri)
            return replace(job, shards=shards, unjoined=any(shard.changed > job.changed for shard in shards))
    except OSError as error:
        raise EarmarkError(
            f"{error.filename}: {error.strerror}. Correct the store's name or AWS_ENDPOINT_URL"
        ) from error
    return _sum(uri.name, shards)


def _one_of_store(uri: Stored) -> Progress:
    told = mirror.told_of(uri)
    if told is None:
        raise EarmarkError(f"{uri}: holds no job ({mirror.HEAD}: does not exist). Give the folder of --job")
    entries: dict[str, Line] = {}
    since: dict[str, Line] = {}
    for part in mirror.parts_of(uri):
        lines = lines_of(Stored(f"{part}.jsonl"))
        entries |= lines
        since |= lines if mirror.number(part) > told.get("seen", 0) else {}
    changed = datetime.fromtimestamp(told["at"], UTC)
    counts, others = _counts(told, entries, since if "bytes" in told else {})
    return Progress(
        uri.name, told["begun"], *counts, mirror.alive(told), changed, joins=told.get("joins"), others=others
    )


class Counts(NamedTuple):
    """Of `Progress`."""

    listed: int | None
    done: int
    left: int | None
    failures: tuple[tuple[str, str], ...]


def _counts(
    told: Mapping[str, Any], entries: Mapping[str, Line], since: Mapping[str, Line] | None
) -> tuple[Counts, int]:
    """And how many others the journal tells of. told: of what it is about, with how many were left then. since: of the lines that came
    after that; None where they are not known.
    """
    listed = None if told.get("recordings") is None else int(told["recordings"])
    if listed is None or "left" not in told or since is None:
        failures = tuple((path, line.error) for path, line in entries.items() if line.error is not None)
        # with more lines than recordings some are of others, and nobody knows how many are left; nor where a line was taken out
        known = listed is not None and listed >= len(entries) and since is not None
        left = listed - len(entries) if listed is not None and known else None
        return Counts(listed, len(entries) - len(failures), left, failures), 0
    failed = dict.fromkeys([*told["failed"], *(path for path, line in since.items() if line.error is not None)])
    lines = ((path, entries[path].error) for path in failed if path in entries)
    failures = tuple((path, error) for path, error in lines if error is not None)
    left = max(0, told["left"] - len(since))
    done = max(0, listed - left - len(failures))
    return Counts(listed, done, left, failures), max(0, len(entries) - done - len(failures))


def _pieces(folder: Path) -> int:
    try:
        return sum(1 for name in os.listdir(folder / journal.PIECES) if name.endswith(".arrow"))
    except OSError:
        return 0


def _at_work(folder: Path) -> bool:
    try:
        with (folder / journal.NAME).open("rb") as file:
            lock(file.fileno(), folder, "job")
    except EarmarkError:
        return True
    return False
