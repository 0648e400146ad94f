"""Which trainings there are, and the state of each: a table of the store.

The end of one comes when it comes. Where the store does not take it then, as on a full disk, it is told from here until it does; where
the service ends before, the training is looked at again when it starts.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
from pathlib import Path
from typing import Any

from earmark.errors import UnknownName
from earmark.serve.store import Store, now

AGAIN = 2.0  # s until the store is tried again
NUMBER = re.compile(r"[1-9][0-9]{0,14}")  # the name of a training's folder
Row = dict[str, Any]
log = logging.getLogger("earmark")


class Register:
    """See above."""

    def __init__(self, store: Store):
        self.store = store
        self._lock = threading.RLock()
        self._unkept: dict[int, str] = {}
        self._closed = threading.Event()

    def rows(self) -> list[Row]:
        """All, in the order of their numbers."""
        with self._lock:
            rows = self.store.rows("SELECT * FROM trainings ORDER BY id")
            return [row | {"state": self._unkept.get(row["id"], row["state"])} for row in rows]

    def row(self, number: int) -> Row:
        """Raises UnknownName."""
        for row in self.rows():
            if row["id"] == number:
                return row
        raise UnknownName(f"training {number}: there is none of this number")

    def begin(self, tagger: str, base: str, count: int, folder: Path) -> int:
        """The number of a new one, which is being prepared: above all that were given, and above what lies in the folder of trainings,
        which may be of a store that was moved away. Raises sqlite3.Error, OSError.
        """
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        lying = [int(name) for name in names if NUMBER.fullmatch(name)]
        with self.store.writing() as line:
            question = "SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'trainings'"
            number = max(int(line.execute(question).fetchone()["seq"]), *lying, 0) + 1
            line.execute(
                "INSERT INTO trainings (id, tagger, base, state, begun, answers) VALUES (?, ?, ?, 'preparing', ?, ?)",
                (number, tagger, base, now(), count),
            )
        return number

    def give_up_unprepared(self) -> None:
        """What is being prepared while nobody is at it never began. Raises sqlite3.Error."""
        why = "failed: it was never begun: the service ended, or its disk was full, while it was prepared. Train again"
        for row in self.rows():
            if row["state"] == "preparing":
                self.put(row["id"], why)

    def put(self, number: int, state: str, decided: str | None = None) -> None:
        """A new state, kept when this returns. Raises sqlite3.Error."""
        with self._lock:
            with self.store.writing() as line:
                line.execute(
                    "UPDATE trainings SET state = ?, decided = coalesce(?, decided) WHERE id = ?",
                    (state, decided, number),
                )
            self._unkept.pop(number, None)

    def end(self, number: int, state: str) -> None:
        """The state that one ended with, kept as soon as it can be; never raises."""
        with self._lock:
            waited_for = bool(self._unkept)
            self._unkept[number] = state
            if (why := self._keep()) is not None:
                log.warning("training %d: its end cannot be kept yet (%s): %s", number, why, state)
                if not waited_for:
                    threading.Thread(target=self._keep_on, name="register", daemon=True).start()

    def _keep(self) -> sqlite3.Error | None:
        """Why it cannot be kept."""
        with self._lock:
            try:
                for number, state in list(self._unkept.items()):
                    self.put(number, state)
            except sqlite3.Error as error:
                return error
            return None

    def _keep_on(self) -> None:
        while not self._closed.wait(AGAIN):
            with self._lock:
                if self._keep() is None:
                    return  # the next one that cannot be kept begins this anew

    def close(self) -> None:
        self._closed.set()
