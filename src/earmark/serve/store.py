"""What is kept of a folder of recordings: jobs, what they found, and what people said of it. One SQLite file, `serve.sqlite`.

Every answer is on the disk before the service says that it is (WAL, synchronous=FULL): a kill loses nothing that was said. An
answer is never changed: one that is taken back is marked so, and of two to one event the newer one counts. Times are UTC.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files.lock import lock
from earmark.scores import Event

NAME = "serve.sqlite"
# 1: without candidates (`below`), moved edges (`right_…`) and trainings; 2: numbers of events were given again
VERSION = 3
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
  id INTEGER PRIMARY KEY, told TEXT NOT NULL UNIQUE, tagger TEXT NOT NULL, state TEXT NOT NULL, begun TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS done (
  job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, seconds REAL, error TEXT, PRIMARY KEY (job, recording));
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, onset REAL NOT NULL, offset REAL NOT NULL,
  tag TEXT NOT NULL, score REAL NOT NULL, draw REAL NOT NULL, clock INTEGER, hour INTEGER NOT NULL,
  below INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS events_by_tag ON events (job, tag, score);
CREATE INDEX IF NOT EXISTS events_by_draw ON events (job, draw);
CREATE INDEX IF NOT EXISTS events_by_recording ON events (job, recording);
CREATE TABLE IF NOT EXISTS reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, onset REAL NOT NULL,
  offset REAL NOT NULL, tag TEXT NOT NULL, score REAL NOT NULL, answer TEXT NOT NULL, other TEXT NOT NULL, drawn TEXT NOT NULL,
  draw REAL NOT NULL, time TEXT NOT NULL, undone TEXT, right_onset REAL, right_offset REAL, below INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS reviews_by_event ON reviews (job, recording, onset, tag);
CREATE TABLE IF NOT EXISTS trainings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tagger TEXT NOT NULL, base TEXT NOT NULL, state TEXT NOT NULL, begun TEXT NOT NULL,
  answers INTEGER NOT NULL, decided TEXT);
"""
# of two answers to one event the newer one counts; taken back, the one before counts again
VIEWS = """
CREATE TEMP VIEW said AS SELECT r.* FROM reviews r WHERE r.undone IS NULL AND NOT EXISTS (
  SELECT 1 FROM reviews n WHERE n.job = r.job AND n.recording = r.recording AND n.onset = r.onset AND n.tag = r.tag
    AND n.undone IS NULL AND n.id > r.id);
"""
SINCE_1 = (
    "ALTER TABLE events ADD COLUMN below INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE reviews ADD COLUMN right_onset REAL",
    "ALTER TABLE reviews ADD COLUMN right_offset REAL",
    "ALTER TABLE reviews ADD COLUMN below INTEGER NOT NULL DEFAULT 0",
)
SINCE_2 = (
    "ALTER TABLE events RENAME TO former",
    *(f"DROP INDEX IF EXISTS events_by_{name}" for name in ("tag", "draw", "recording")),
)  # before the tables are made
FLOOR = 2**32  # above all numbers that events ever had before: a page that is still open may know one that is gone
FOUND = "job, recording, onset, offset, tag, score, draw, clock, hour, below"
TAKEN_OVER = (
    f"INSERT INTO events (id, {FOUND}) SELECT id, {FOUND} FROM former",
    "DROP TABLE former",
    "DELETE FROM sqlite_sequence WHERE name = 'events'",
    f"INSERT INTO sqlite_sequence VALUES ('events', {FLOOR})",
)
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


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """The open file. Raises EarmarkError where another service has it, or it was made by a newer earmark."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self._lock = threading.RLock()
        with ExitStack() as stack:
            held = stack.enter_context((folder / "serve.lock").open("a+b"))
            lock(held.fileno(), folder, "state of a service")
            self._line = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            stack.callback(self._line.close)
            try:
                self._begin()
            except sqlite3.DatabaseError as error:
                raise EarmarkError(
                    f"{self.path}: cannot be read as the state of a service ({error}). Move it away"
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
            *(SINCE_1 if version == 1 else ()), *(SINCE_2 if former else ()), *TABLES.split(";"), *(TAKEN_OVER if former else ()),
            f"PRAGMA user_version = {VERSION}",
        ]  # fmt: skip
        with self.writing() as line:
            for change in changes:
                line.execute(change)
        self._line.executescript(VIEWS)

    def close(self) -> None:
        with self._lock:
            self._open.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing."""
        with self._lock:
            self._line.execute("BEGIN IMMEDIATE")
            try:
                yield self._line
            except BaseException:
                self._line.execute("ROLLBACK")
                raise
            self._line.execute("COMMIT")

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._line.execute(question, values)]

    # ------------------------------------------------------------------------------------------------------ jobs

    def job(self, told: Mapping[str, Any], tagger: str) -> int:
        """The job of these settings: a new one, or the one that was begun with them."""
        text = json.dumps(told, sort_keys=True)
        with self.writing() as line:
            line.execute(
                "INSERT OR IGNORE INTO jobs (told, tagger, state, begun) VALUES (?, ?, 'running', ?)",
                (text, tagger, now()),
            )
            line.execute("UPDATE jobs SET state = 'running' WHERE told = ?", (text,))
            return int(line.execute("SELECT id FROM jobs WHERE told = ?", (text,)).fetchone()[0])

    def state(self, job: int, state: str) -> None:
        with self.writing() as line:
            line.execute("UPDATE jobs SET state = ? WHERE id = ?", (state, job))

    def heard(
        self, job: int, recording: str, seconds: float, events: Iterable[Event], candidates: Iterable[Event] = ()
    ) -> None:
        """What was found in a recording, in place of what was found before; candidates: what was not sure enough.

        What is found as it was before stays as it is: the same sound was heard. Other events never get a number that one had before.
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
            if not _alike(
                rows, line.execute(f"SELECT {FOUND} FROM events WHERE job = ? AND recording = ?", (job, recording))
            ):
                line.execute("DELETE FROM events WHERE job = ? AND recording = ?", (job, recording))
                line.executemany(f"INSERT INTO events ({FOUND}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            line.execute("INSERT OR REPLACE INTO done VALUES (?, ?, ?, NULL)", (job, recording, seconds))

    def failed(self, job: int, recording: str, error: str) -> None:
        with self.writing() as line:
            line.execute("DELETE FROM events WHERE job = ? AND recording = ?", (job, recording))
            line.execute("INSERT OR REPLACE INTO done VALUES (?, ?, NULL, ?)", (job, recording, error))

    def told(self, job: int) -> set[str]:
        """The recordings of which something is known."""
        return {row["recording"] for row in self.rows("SELECT recording FROM done WHERE job = ?", (job,))}
