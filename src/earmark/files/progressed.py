"""How far jobs are, told from their folders: while processes work on them, too, on whatever machines."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files import journal, mirror, tally
from earmark.files.lock import lock
from earmark.files.shards import Shard
from earmark.files.shown import written
from earmark.files.stores import Stored, place
from earmark.files.tally import Tally


@dataclass(frozen=True)
class Progress:
    """name: of the folder. listed: recordings that it is about; None: not known. failures: (path, reason).

    at_work: whether a process has it now, as far as the disk tells. changed: when its journal last grew. shards: the same of
    its parts, and whether they have done what nobody has joined yet. As long as nothing was, what is told of the job is the sum of
    its shards; later what they did is counted once it was taken over. pieces: that a cluster heard of recordings that are not
    done. tally: of all pieces, as far as is known. joins: of a shard, the {"words", "folder"} of the command that joins it.
    """

    name: str
    begun: dict[str, Any]
    listed: int | None
    done: int
    failures: tuple[tuple[str, str], ...]
    at_work: bool
    changed: datetime
    shards: tuple[Progress, ...] = ()
    pieces: int = 0
    tally: Tally = field(default_factory=Tally)
    unjoined: bool = False
    joins: Mapping[str, Any] | None = None

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

    @property
    def left(self) -> int | None:
        return None if self.listed is None else max(0, self.listed - self.done - len(self.failures))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told: dict[str, Any] = {"name": self.name, "recordings": self.listed, "done": self.done, "left": self.left}
        told |= {"pieces": self.pieces} if self.pieces else {}
        told |= {"cluster": asdict(self.tally)} if self.tally.pieces else {}
        told |= {
            "failed": [{"path": written(path), "reason": written(reason)} for path, reason in self.failures],
            "at_work": self.at_work,
        }
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


def _is_news(line: journal.Line, known: journal.Line | None) -> bool:
    return known is None or (line.error is None and known.error is not None)


def _sum(name: str, shards: tuple[Progress, ...]) -> Progress:
    """Of a job whose shards nobody has joined yet."""
    told = Progress(
        name,
        shards[0].begun,
        sum(shard.listed or 0 for shard in shards),
        sum(shard.done for shard in shards),
        tuple(failure for shard in shards for failure in shard.failures),
        False,
        max(shard.changed for shard in shards),
        shards,
        unjoined=True,
    )
    known = not told.missing and all(shard.listed is not None for shard in shards)
    return told if known else replace(told, listed=None)


def _one(folder: Path) -> Progress:
    begun = journal.head(folder)
    entries = journal.read(folder)
    failures = tuple((path, line.error) for path, line in entries.items() if line.error is not None)
    listed = joins = None
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # one of before, or not yet written
        told = json.loads((folder / journal.LISTED).read_text(encoding="utf-8"))
        listed, joins = int(told["recordings"]), told.get("joins")
    changed = datetime.fromtimestamp((folder / journal.NAME).stat().st_mtime, UTC)
    return Progress(
        folder.name,
        begun,
        listed,
        len(entries) - len(failures),
        failures,
        _at_work(folder),
        changed,
        pieces=_pieces(folder),
        tally=tally.of(folder),
        joins=joins,
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
    entries: dict[str, journal.Line] = {}
    for part in mirror.parts_of(uri):
        entries |= journal.lines_of(Stored(f"{part}.jsonl"))
    failures = tuple((path, line.error) for path, line in entries.items() if line.error is not None)
    changed = datetime.fromtimestamp(told["at"], UTC)
    done = len(entries) - len(failures)
    return Progress(
        uri.name, told["begun"], told.get("recordings"), done, failures, mirror.alive(told), changed, joins=told.get("joins"),
    )  # fmt: skip


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
