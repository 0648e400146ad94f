"""A job over many recordings that survives being killed: what is done, in a file that is only ever added to.

    FOLDER/journal.jsonl   one object a line. The first says what the job is: {"job": 1, "earmark": version, "told": {…}};
                           others a recording each: path, size (bytes), mtime (ns), and result (a file in results/) or error;
                           beside a result its bytes and crc32, and notes, what is to be said of its audio; lines of before do not tell
    FOLDER/results/        a file for each recording, which appears whole or not at all
    FOLDER/listed.json     how many recordings it is about, how many of these were left and which had failed when the journal had
                           `bytes`; of a shard also the words of the command that joins it
    FOLDER/pieces/         of recordings that a cluster works on; see `earmark.inference.cluster.kept`
    FOLDER/shards/3-of-50  a job like this one over a part of the recordings, worked on by itself, on another machine perhaps

A line is on the disk before the next recording's; a last line that was cut off is taken for not written. A recording whose
size or time of change differs from what the journal says is done again, and so is one whose result is not what was written: its size
is looked at as a job goes on, its bytes as results are joined or taken over. Times and sizes are those from before it was read.
Opened again, a job takes over what its shards have done: then what they did is its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import EarmarkError
from earmark.files import intact
from earmark.files.apart import Apart
from earmark.files.intact import TEXT, Damaged, Looks, State
from earmark.files.journallines import FORMAT, Line, check_told, entry_of, lines_of, row_of, rows
from earmark.files.lock import lock
from earmark.files.names import Some, among
from earmark.files.stores import place
from earmark.files.whole import clear_up, free_name, whole, write_text

NAME = "journal.jsonl"
RESULTS = "results"
LISTED = "listed.json"
SHARDS = "shards"
KEPT = "heard.jsonl"  # of events: what their counts are made of when a job goes on
PIECES = "pieces"  # of recordings that are heard in pieces by several processes, until they are joined


class Journal:
    """An open job. told: the tagger and the options that its results depend on, plain values.

    taken_over: how many recordings shards had done that were not known yet. Raises EarmarkError where the folder holds another
    job, one that another process works on, or something else; and where a process works on one of its shards. also: folders like its
    shards', of work that was done elsewhere, and what each is called. looks: of its results. damaged: those, the shards' too, that are not
    what was written; changed: those that were changed by hand.
    """

    def __init__(
        self,
        folder: Path,
        told: Mapping[str, Any],
        also: Mapping[Path, Path] | None = None,
        looks: Looks = TEXT,
    ):
        self.folder, self.looks = folder, looks
        self.damaged: list[Path] = []
        self.changed: list[Path] = []
        self._again: set[str] = set()  # recordings whose results were found damaged as they were read
        self.entries: dict[str, Line] = {}
        self._taken: set[str] = set()
        self._apart = Apart(())  # names of results, once it is known of which recordings
        self._listed: dict[str, Any] = {}
        self._seen: dict[str, tuple[int | None, int | None]] = {}
        path = folder / NAME
        if folder.exists() and not folder.is_dir():
            raise EarmarkError(f"{folder}: is a file. Give a folder for the job")
        if folder.is_dir() and not path.exists() and any(entry.name != SHARDS for entry in folder.iterdir()):
            raise EarmarkError(f"{folder}: holds files, but no job to go on with ({NAME}). Give a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        # before anything else is in the folder: killed in between, it could not be told from somebody else's
        self._file: BinaryIO = path.open("a+b")
        try:
            lock(self._file.fileno(), folder, "job")
            (folder / RESULTS).mkdir(exist_ok=True)
            with contextlib.ExitStack() as held:
                names = also or {}
                begun = [*shards(folder), *names]
                for shard in begun:  # all of them before anything is written, or cleared up in them
                    file = held.enter_context((shard / NAME).open("rb"))
                    lock(file.fileno(), shard, "shard of the job")
                    check_told(head(shard), dict(told), names.get(shard, shard))
                clear_up(folder)
                self._read(dict(told), path)
                self.taken_over = sum(self._take_over(shard, dict(told)) for shard in begun)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written was told when it was
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def todo(
        self,
        paths: Sequence[Path],
        retry: bool = False,
        joins: Mapping[str, Any] | None = None,
        lacks: Callable[[Path], bool] = lambda path: False,
    ) -> Sequence[Path]:
        """Those that are new or have changed, or whose result is gone or damaged; retry: and those that could not be read.

        joins: of a shard, the {"words": …, "folder": …} of the command that joins it and its like. lacks: whether something that is kept
        beside the result of a recording is not there.
        """
        left = array("Q")
        failed: list[str] = []
        self._apart = Apart(among(paths))
        for number, path in enumerate(paths):
            now, entry = _state(path), self.entries.get(str(path))
            if self._is_done(path, entry, now, retry, lacks):
                failed += [str(path)] if entry is not None and entry.result is None else []
            else:
                left.append(number)
                if not hasattr(path, "known"):  # it tells so by itself, as its store did
                    self._seen[str(path)] = now
        self._listed = {"recordings": len(paths)} | ({} if joins is None else {"joins": joins})
        self._list(left=len(left), failed=failed, bytes=os.fstat(self._file.fileno()).st_size)
        return [paths[number] for number in left] if isinstance(paths, list) else Some(paths, left)

    def settle(self, paths: Iterable[Path]) -> None:
        """Nothing of what `todo` gave for these is left."""
        self._list(left=0, failed=[path for path, _ in self.failures(paths)])

    def _list(self, **told: Any) -> None:
        write_text(self.folder / LISTED, json.dumps(self._listed | told) + "\n")

    def _is_done(
        self,
        path: Path,
        entry: Line | None,
        now: tuple[int | None, int | None],
        retry: bool,
        lacks: Callable[[Path], bool],
    ) -> bool:
        if entry is None or (entry.size, entry.mtime) != now:
            return False
        if entry.result is None:
            return not retry
        file = self.folder / RESULTS / entry.result
        if str(path) in self._again or (size := intact.bytes_of(file)) is None:
            return False
        if not self.looks.fits_size(size, entry.mark):
            self.damaged.append(file)
            return False
        if lacks(path):
            self.damaged.append(self.folder / KEPT)
            return False
        return True

    def done(self, path: Path, text: str, ending: str, notes: Sequence[str] | None = None) -> None:
        """Keep a recording's result, then write it down. notes: on its audio, "path: what"; None: they are told elsewhere."""
        with self.writing(path, ending, notes) as place:
            write_text(place, text, newline="")

    @contextlib.contextmanager
    def writing(self, path: Path, ending: str, notes: Sequence[str] | None = None) -> Iterator[Path]:
        """Where a recording's result goes, whole, in the block; what became of it is written down once the block ends. notes: as of
        `done`.
        """
        known = self.entries.get(str(path))
        name = known.result if known and known.result else free_name(self._apart.name(path), self._taken, ending)
        yield self.folder / RESULTS / name
        told = None if notes is None else tuple(sys.intern(note.removeprefix(f"{path}: ")) for note in notes)
        self._note(path, name, None, told, intact.mark_of(self.folder / RESULTS / name))

    def failed(self, path: Path, reason: str) -> None:
        self._note(path, None, reason)

    def files(self, paths: Iterable[Path]) -> Iterator[Path]:
        """The files of the results of these that have one, in their order. Raises Damaged after the last where not all are what was
        written, or not there: those are left out, and `todo` has their recordings.
        """
        damaged = []
        for path in paths:
            entry = self.entries.get(str(path))
            if entry is None or entry.result is None:
                continue
            file = self.folder / RESULTS / entry.result
            state = self.looks.state(file, entry.mark)
            if state is State.DAMAGED:
                damaged.append(file)
                self._again.add(str(path))
                continue
            if state is State.CHANGED:
                self.changed.append(file)
            yield file
        if damaged:
            raise Damaged(damaged)

    def results(self, paths: Iterable[Path]) -> Iterator[str]:
        """The results of these that have one, in their order. Raises Damaged, as `files`."""
        for result in self.files(paths):
            with result.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                yield file.read()

    def besides(self, paths: Sequence[Path]) -> list[str]:
        """Recordings that have a result and are not among these: they were asked for before."""
        left = sum(entry.result is not None for entry in self.entries.values())
        for path in paths:
            entry = self.entries.get(str(path))
            left -= entry is not None and entry.result is not None
        if not left:  # as nearly always: then no set of a million names is made
            return []
        asked = set(map(str, paths))
        return [path for path, entry in self.entries.items() if entry.result is not None and path not in asked]

    def drop_pieces(self) -> None:
        """All recordings are done: pieces are of what is not asked for any more."""
        shutil.rmtree(self.folder / PIECES, ignore_errors=True)

    def failures(self, paths: Iterable[Path]) -> list[tuple[str, str]]:
        """(path, reason) of these that could not be read."""
        entries = ((str(path), self.entries.get(str(path))) for path in paths)
        return [(path, entry.error) for path, entry in entries if entry is not None and entry.error is not None]

    def notes(self, paths: Iterable[Path]) -> Iterator[str]:
        """What is to be said of the audio of these that have a result, "path: what", in their order."""
        for path in paths:
            entry = self.entries.get(str(path))
            yield from (f"{path}: {note}" for note in (entry.notes or () if entry is not None else ()))

    def unnoted(self, paths: Iterable[Path]) -> int:
        """How many of these have a result of which the journal does not know whether anything is to be said of the audio."""
        entries = (self.entries.get(str(path)) for path in paths)
        return sum(entry is not None and entry.result is not None and entry.notes is None for entry in entries)

    def _note(
        self,
        path: Path,
        result: str | None,
        error: str | None,
        notes: tuple[str, ...] | None = None,
        mark: int | None = None,
    ) -> None:
        size, mtime = self._seen.get(str(path)) or _state(path)
        line = Line(size, mtime, result, error, notes, mark)
        self._again.discard(str(path))
        self._append(row_of(str(path), line))
        self._remember(str(path), line)

    def _remember(self, path: str, entry: Line) -> None:
        self.entries[path] = entry
        if entry.result is not None:
            self._taken.add(entry.result.casefold())

    def _take_over(self, shard: Path, told: dict[str, Any]) -> int:
        """Make what a shard has done one's own: results by links where the disk knows them, lines all at once."""
        lines = []
        for path, entry in read(shard, told).items():
            known, name = self.entries.get(path), None
            if known is not None and not _better(entry, known, _state(place(path))):
                continue
            if entry.result is not None:
                theirs = shard / RESULTS / entry.result
                if not theirs.is_file():
                    continue
                if self.looks.state(theirs, entry.mark) is State.DAMAGED:
                    self.damaged.append(theirs)
                    continue
                # names of a shard are its own: another shard may have a recording of the same name
                stem = Path(path).name
                known_name = known.result if known is not None else None
                called, ending = _parted(entry.result, stem)
                name = known_name or free_name(called, self._taken, ending)
                _link(theirs, self.folder / RESULTS / name)
            taken = replace(entry, result=name)
            lines.append(row_of(path, taken))
            self._remember(path, taken)
        self._append(*lines)
        return len(lines)

    def _append(self, *lines: dict[str, Any]) -> None:
        # names that are no Unicode come back from escapes only
        try:
            self._file.write(b"".join(json.dumps(line, ensure_ascii=True).encode() + b"\n" for line in lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = error.filename or str(self.folder / NAME)  # the system names no file that is open
            raise

    def _read(self, told: dict[str, Any], path: Path) -> None:
        """What is written down; a new journal gets its first line. A last line without its end is taken away."""
        self._file.seek(0)
        end = 0
        for number, line in rows(self._file, path):
            end = self._file.tell()
            if number == 1:
                check_told(line, told, self.folder)
            else:
                self._remember(*entry_of(line, number, path))
        self._file.truncate(end)
        if not end:
            from importlib.metadata import version  # which takes longer to import than a short job to begin

            self._append({"job": FORMAT, "earmark": version("earmark"), "told": told})


def shards(folder: Path) -> list[Path]:
    """The folders of a job's shards that have begun, in their order."""
    place = folder / SHARDS
    begun = [entry for entry in place.iterdir() if (entry / NAME).is_file()] if place.is_dir() else []
    return sorted(begun, key=lambda entry: (len(entry.name), entry.name))


def head(folder: Path) -> dict[str, Any]:
    """What a job was begun with: {"job": format, "earmark": version, "told": {…}}. Raises EarmarkError where there is none."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            for _, line in rows(file, path):
                return line
    except OSError as error:
        raise EarmarkError(f"{folder}: holds no job ({NAME}: {error.strerror}). Give the folder of --job") from error
    raise EarmarkError(f"{folder}: its job was stopped before it had begun. Run its command again")


def read(folder: Path, told: Mapping[str, Any] | None = None) -> dict[str, Line]:
    """What became of each recording of a job, by path, its last line; while another process works on it, too.

    told: what it must have been begun with; default: anything. Raises EarmarkError.
    """
    return lines_of(folder / NAME, told)


def since(folder: Path, at: int) -> dict[str, Line] | None:
    """The same of the lines that came after the journal had `at` bytes; None where no line ends there, as of a file that was edited."""
    path = folder / NAME
    found: dict[str, Line] = {}
    with path.open("rb") as file:
        file.seek(max(0, at - 1))
        if file.read(1) != b"\n":
            return None
        for number, line in rows(file, path, 2):
            name, entry = entry_of(line, number, path)
            found[name] = entry
    return found


def _better(one: Line, other: Line, now: tuple[int | None, int | None]) -> bool:
    """Whether a line tells more of a recording as it is now: that it was heard so, and then that it could be read."""

    def told(line: Line) -> tuple[bool, bool]:
        return (line.size, line.mtime) == now, line.error is None

    return told(one) > told(other)


def _parted(result: str, recording: str) -> tuple[str, str]:
    """What `free_name` was given for a result's name: the recording's, perhaps with folders before it, and the ending."""
    at = 0 if result.startswith(recording) else result.find(f"_{recording}") + 1
    if at or result.startswith(recording):
        end = at + len(recording)
        return result[:end], re.sub(r"^-\d+(?=\.|$)", "", result[end:])
    return recording, Path(result).suffix  # of a name that was cut


def _link(theirs: Path, place: Path) -> None:
    """A second name of a file, or a copy, which appears whole."""
    with whole(place, sync=False) as part:
        try:
            os.link(theirs, part)
        except OSError:  # a disk without links, or another one
            shutil.copyfile(theirs, part)


def _state(path: Path) -> tuple[int | None, int | None]:
    """(bytes, time of change in ns) of a file; None for one that is not there."""
    if (known := getattr(path, "known", None)) is not None:
        return known.size, known.mtime_ns
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns
