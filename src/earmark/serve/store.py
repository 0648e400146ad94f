"""What is kept of a folder of recordings: jobs, what they found, and what people said of it. One SQLite file, `serve.sqlite`.

Every answer is on the disk before the service says that it is (WAL, synchronous=FULL): a kill loses nothing that was said. An
answer is never changed: one that is taken back is marked so, and of two to one event the newer one counts. Times are UTC.

What was found and said is of a recording's bytes, told by size and time of change. Where other bytes have its name now, or none, it
is kept and counts for nothing, until the same bytes are there again: `there`, by the last look at the folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files.lock import lock
from earmark.scores import Event

NAME = "serve.sqlite"
# 1: without candidates (`below`), moved edges (`right_…`) and trainings; 2: numbers of events were given again, and nothing told of
# which bytes of a recording (`size`, `mtime`) events and answers are; 3: nothing told what was done to the sound (`notes`, `silent`)
VERSION = 4
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
  id INTEGER PRIMARY KEY, told TEXT NOT NULL UNIQUE, tagger TEXT NOT NULL, state TEXT NOT NULL, begun TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS done (
  job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, seconds REAL, error TEXT, size INTEGER, mtime INTEGER,
  there INTEGER NOT NULL DEFAULT 1, notes TEXT, silent INTEGER, PRIMARY KEY (job, recording));
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, onset REAL NOT NULL,
  offset REAL NOT NULL, tag TEXT NOT NULL, score REAL NOT NULL, draw REAL NOT NULL, clock INTEGER, hour INTEGER NOT NULL,
  below INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS events_by_tag ON events (job, tag, score);
CREATE INDEX IF NOT EXISTS events_by_draw ON events (job, draw);
CREATE INDEX IF NOT EXISTS events_by_recording ON events (job, recording);
CREATE TABLE IF NOT EXISTS reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, onset REAL NOT NULL,
  offset REAL NOT NULL, tag TEXT NOT NULL, score REAL NOT NULL, answer TEXT NOT NULL, other TEXT NOT NULL, drawn TEXT NOT NULL,
  draw REAL NOT NULL, time TEXT NOT NULL, undone TEXT, right_onset REAL, right_offset REAL, below INTEGER NOT NULL DEFAULT 0,
  size INTEGER, mtime INTEGER);
CREATE INDEX IF NOT EXISTS reviews_by_event ON reviews (job, recording, onset, tag);
CREATE TABLE IF NOT EXISTS trainings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tagger TEXT NOT NULL, base TEXT NOT NULL, state TEXT NOT NULL, begun TEXT NOT NULL,
  answers INTEGER NOT NULL, decided TEXT);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# found: events of recordings that are there. latest: of two answers to one event the newer one; taken back, the one before counts
# again. said: those of them that count
VIEWS = """
CREATE TEMP VIEW found AS SELECT e.* FROM events e JOIN done d ON d.job = e.job AND d.recording = e.recording WHERE d.there;
CREATE TEMP VIEW latest AS SELECT r.* FROM reviews r WHERE r.undone IS NULL AND NOT EXISTS (
  SELECT 1 FROM reviews n WHERE n.job = r.job AND n.recording = r.recording AND n.onset = r.onset AND n.tag = r.tag
    AND n.size IS r.size AND n.mtime IS r.mtime AND n.undone IS NULL AND n.id > r.id);
CREATE TEMP VIEW said AS SELECT r.* FROM latest r JOIN done d ON d.job = r.job AND d.recording = r.recording
  WHERE d.there AND r.size IS d.size AND r.mtime IS d.mtime AND EXISTS (
    SELECT 1 FROM events e WHERE e.job = r.job AND e.recording = r.recording AND e.onset = r.onset AND e.tag = r.tag);
"""
SINCE_1 = (
    "ALTER TABLE events ADD COLUMN below INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE reviews ADD COLUMN right_onset REAL",
    "ALTER TABLE reviews ADD COLUMN right_offset REAL",
    "ALTER TABLE reviews ADD COLUMN below INTEGER NOT NULL DEFAULT 0",
)
SINCE_2 = (
    *(f"ALTER TABLE {table} ADD COLUMN {name} INTEGER" for table in ("done", "reviews") for name in ("size", "mtime")),
    "ALTER TABLE done ADD COLUMN there INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE events RENAME TO former",
    *(f"DROP INDEX IF EXISTS events_by_{name}" for name in ("tag", "draw", "recording")),
)  # before the tables are made
SINCE_3 = ("ALTER TABLE done ADD COLUMN notes TEXT", "ALTER TABLE done ADD COLUMN silent INTEGER")
FLOOR = 2**32  # above all numbers that events ever had before: a page that is still open may know one that is gone
DONE = "job, recording, seconds, error, size, mtime, notes, silent"
FOUND = "job, recording, onset, offset, tag, score, draw, clock, hour, below"
TAKEN_OVER = (
    f"INSERT INTO events (id, {FOUND}) SELECT id, {FOUND} FROM former",
    "DROP TABLE former",
    "DELETE FROM sqlite_sequence WHERE name = 'events'",
    f"INSERT INTO sqlite_sequence VALUES ('events', {FLOOR})",
)
State = tuple[int | None, int | None]  # of a file: bytes, time of change in ns, as `earmark.files.journal` keeps it
UNKNOWN: State = (None, None)
log = logging.getLogger("earmark")
STARTED = re.compile(r"(?<!\d)((?:19|20)\d{6})[_T-]?(\d{6})(?!\d)")  # of recorders' file names: 20260514_053000


def started(name: str) -> datetime | None:
    """When a recording began, where its file's name tells.

    >>> started("site 3/S4A01234_20260514_053000.wav").hour, started("dog.ogg")
    (5, None)
    """
    found = STARTED.search(name.rpartition("/")[2])
    try:
        return None if found is None else datetime.strptime(found[1] + found[2], "%Y%m%d%H%M%S")
    except ValueError:
        return None


def lot(job: int, recording: str, event: Event) -> float:
    """A number from 0 to 1 that stands for chance: in the order of these, events are drawn. The same whenever it is asked."""
    text = f"{job}\0{recording}\0{event.onset}\0{event.tag}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


def _alike(rows: Iterable[Sequence[Any]], others: Iterable[Sequence[Any]]) -> bool:
    """Whether both are the same events, of the same sound: their times and scores are, which journals tell rounded."""

    def told(row: Sequence[Any]) -> tuple[Any, ...]:
        onset, offset, tag, score, *_, below = row[2:]
        return tag, below, *(round(value, 4) for value in (onset, offset, score))

    return sorted(map(told, rows)) == sorted(map(told, others))


def _holds(folder: Path) -> bool:
    """Whether it is a folder with something in it: where a card was, an empty one may be left."""
    try:
        return any(True for _ in folder.iterdir())
    except OSError:
        return False


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """The open file. recordings: the folder that it is of.

    Raises EarmarkError where another service has it, it is of another folder, or it was made by a newer earmark.
    """

    def __init__(self, folder: Path, recordings: Path | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self._lock = threading.RLock()
        self._failed = False  # the last write
        with ExitStack() as stack:
            held = stack.enter_context((folder / "serve.lock").open("a+b"))
            lock(held.fileno(), folder, "state of a service")
            self._line = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            stack.callback(self._line.close)
            try:
                self._begin()
                if recordings is not None:
                    self._belong(recordings.resolve())
            except sqlite3.DatabaseError as error:
                raise EarmarkError(
                    f"{self.path}: cannot be read as the state of a service ({error}). Move it away: answers of reviews are in it alone; "
                    "what jobs found is taken up from the folder jobs beside it, where the same are asked for again"
                ) from error
            self._open = stack.pop_all()

    def _begin(self) -> None:
        self._line.row_factory = sqlite3.Row
        self._line.execute("PRAGMA journal_mode=WAL")
        self._line.execute("PRAGMA synchronous=FULL")
        version = self._line.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise EarmarkError(
                f"{self.path}: was written by a newer earmark (version {version}, this one knows {VERSION}). Upgrade"
            )
        former = version in (1, 2)
        changes = [
            *(SINCE_1 if version == 1 else ()), *(SINCE_2 if former else ()), *(SINCE_3 if version in (1, 2, 3) else ()),
            *TABLES.split(";"), *(TAKEN_OVER if former else ()), f"PRAGMA user_version = {VERSION}",
        ]  # fmt: skip
        with self.writing() as line:
            for change in changes:
                line.execute(change)
        self._line.executescript(VIEWS)

    def _belong(self, recordings: Path) -> None:
        """To this folder from now on. Raises EarmarkError where it belongs to another one that is there."""
        for row in self.rows("SELECT value FROM about WHERE name = 'recordings'"):
            former = Path(json.loads(row["value"]))
            if former == recordings:
                return
            if _holds(former) and not former.samefile(recordings):
                raise EarmarkError(
                    f"{self.path}: keeps the jobs and reviews of {former}, and the recordings given now are those in {recordings}: both "
                    "would be mixed. Give another --state, or leave it out: each folder of recordings has one of its own then"
                )
            log.warning(
                "%s: keeps the jobs and reviews of %s, where no recordings are any more; those in %s are taken for them as far as they "
                "are the same", self.path, former, recordings,
            )  # fmt: skip
        with self.writing() as line:
            line.execute("INSERT OR REPLACE INTO about VALUES ('recordings', ?)", (json.dumps(str(recordings)),))

    def close(self) -> None:
        with self._lock:
            self._open.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing."""
        with self._lock:
            try:
                self._line.execute("BEGIN IMMEDIATE")
                yield self._line
                self._line.execute("COMMIT")
                self._failed = False
            except BaseException as error:
                self._failed = self._failed or isinstance(error, sqlite3.Error)
                if self._line.in_transaction:  # where the disk is full, SQLite may have taken it back itself
                    self._line.execute("ROLLBACK")
                raise

    def try_again(self) -> None:
        """Write a few bytes where the last write failed, and nothing where it did not. Raises sqlite3.Error."""
        if self._failed:
            with self.writing() as line:
                line.execute("INSERT OR REPLACE INTO about VALUES ('tried', ?)", (json.dumps(now()),))

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._line.execute(question, values)]

    # ------------------------------------------------------------------------------------------------------ jobs

    def known(self, told: Mapping[str, Any]) -> int | None:
        """The job that was begun with these settings; None: there is none."""
        rows = self.rows("SELECT id FROM jobs WHERE told = ?", (json.dumps(told, sort_keys=True),))
        return int(rows[0]["id"]) if rows else None

    def job(self, told: Mapping[str, Any], tagger: str, number: int | None = None) -> int:
        """The job of these settings: a new one, of this number, or the one that was begun with them."""
        text = json.dumps(told, sort_keys=True)
        with self.writing() as line:
            line.execute(
                "INSERT OR IGNORE INTO jobs (id, told, tagger, state, begun) VALUES (?, ?, ?, 'running', ?)",
                (number, text, tagger, now()),
            )
            line.execute("UPDATE jobs SET state = 'running' WHERE told = ?", (text,))
            return int(line.execute("SELECT id FROM jobs WHERE told = ?", (text,)).fetchone()[0])

    def state(self, job: int, state: str) -> None:
        with self.writing() as line:
            line.execute("UPDATE jobs SET state = ? WHERE id = ?", (state, job))

    def heard(
        self, job: int, recording: str, seconds: float, events: Iterable[Event], candidates: Iterable[Event] = (),
        state: State = UNKNOWN, notes: Sequence[str] | None = None, silent: bool | None = None,
    ) -> None:  # fmt: skip
        """What was found in a recording, in place of what was found before; candidates: what was not sure enough; state: of its file,
        as it was heard; notes: what was done to its sound; silent: whether there is nothing to be heard in it. None: nobody knows.

        What is found as it was before stays as it is, with its answers: the same sound was heard, though its file may have been
        copied anew. Other events never get a number that one had before.
        """
        began = started(recording)

        def hours(event: Event) -> tuple[int | None, int]:
            clock = None if began is None else (began + timedelta(seconds=event.onset)).hour
            return clock, int(event.onset // 3600)

        rows = [
            (job, recording, e.onset, e.offset, e.tag, e.score, lot(job, recording, e), *hours(e), below)
            for below, found in enumerate((events, candidates))
            for e in found
        ]
        with self.writing() as line:
            here = (job, recording)
            before = line.execute("SELECT size, mtime FROM done WHERE job = ? AND recording = ?", here).fetchone()
            if not _alike(rows, line.execute(f"SELECT {FOUND} FROM events WHERE job = ? AND recording = ?", here)):
                line.execute("DELETE FROM events WHERE job = ? AND recording = ?", here)
                line.executemany(f"INSERT INTO events ({FOUND}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            elif before is not None:
                line.execute(
                    "UPDATE reviews SET size = ?, mtime = ? WHERE job = ? AND recording = ? AND size IS ? AND mtime IS ?",
                    (*state, *here, *before),
                )
            told = None if notes is None else json.dumps(list(notes)), silent
            line.execute(
                f"INSERT OR REPLACE INTO done ({DONE}) VALUES (?, ?, ?, NULL, ?, ?, ?, ?)",
                (*here, seconds, *state, *told),
            )

    def failed(self, job: int, recording: str, error: str, state: State = UNKNOWN) -> None:
        with self.writing() as line:
            line.execute("DELETE FROM events WHERE job = ? AND recording = ?", (job, recording))
            line.execute(
                f"INSERT OR REPLACE INTO done ({DONE}) VALUES (?, ?, NULL, ?, ?, ?, NULL, NULL)",
                (job, recording, error, *state),
            )

    def told(self, job: int) -> dict[str, State]:
        """The recordings of which something is known, and of which bytes it is."""
        rows = self.rows("SELECT recording, size, mtime FROM done WHERE job = ?", (job,))
        return {row["recording"]: (row["size"], row["mtime"]) for row in rows}

    # ------------------------------------------------------------------------------------------------- which bytes

    def look(self, state_of: Callable[[str], State | None], recording: str | None = None) -> None:
        """See which recordings, or whether one, are as they were heard. state_of: of a name's file as it is; None: there is none."""
        question = "SELECT job, recording, size, mtime, there FROM done WHERE ?1 IS NULL OR recording = ?1"
        rows = self.rows(question, (recording,))
        states = {name: state_of(name) for name in dict.fromkeys(row["recording"] for row in rows)}
        changed = []
        for row in rows:
            heard, as_it_is = (row["size"], row["mtime"]), states[row["recording"]]
            there = as_it_is is not None and heard in (as_it_is, UNKNOWN)
            if there != bool(row["there"]):
                changed.append((there, row["job"], row["recording"], *heard))
        if changed:
            with self.writing() as line:  # but not of what was heard meanwhile
                line.executemany(
                    "UPDATE done SET there = ? WHERE job = ? AND recording = ? AND size IS ? AND mtime IS ?", changed
                )

    def unknown(self) -> dict[int, list[str]]:
        """By job the recordings of which nothing tells which bytes were heard, as of a state of before."""
        found: dict[int, list[str]] = {}
        for row in self.rows("SELECT job, recording FROM done WHERE size IS NULL"):
            found.setdefault(row["job"], []).append(row["recording"])
        return found

    def know(self, job: int, states: Mapping[str, State]) -> None:
        """Which bytes of recordings a state of before is of, and the answers to what is found in them still."""
        with self.writing() as line:
            for recording, state in states.items():
                line.execute(
                    "UPDATE done SET size = ?, mtime = ? WHERE job = ? AND recording = ? AND size IS NULL",
                    (*state, job, recording),
                )
                line.execute(
                    "UPDATE reviews SET size = ?, mtime = ? WHERE job = ? AND recording = ? AND size IS NULL AND EXISTS (SELECT 1 "
                    "FROM events e WHERE e.job = reviews.job AND e.recording = reviews.recording AND e.tag = reviews.tag AND "
                    "e.onset = reviews.onset AND abs(e.offset - reviews.offset) < 1e-3 AND abs(e.score - reviews.score) < 1e-3)",
                    (*state, job, recording),
                )
