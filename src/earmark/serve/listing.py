"""The recordings of the folder as a walk through it found them; nobody waits for a walk where the list of an earlier one will do.

A walk takes seconds where there are many files, or the disk is far away, and goes on in a thread of its own. What is asked
meanwhile is answered from the list before. Only where there is none yet, or a recording is asked for that it does not hold, a
request waits: on the event loop, where that holds up nobody else, and never with a lock that others want.

What lies in the folder through a link that leads out of it is passed over, which is told, and looked at again each time that it is
opened.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from earmark.audio.walk import Walk, walk_folder
from earmark.errors import AudioError, agreed, counted
from earmark.files.shown import written
from earmark.files.texts import check_name

FRESH = 30.0  # s for which a walk counts
MOMENT = 0.5  # s that a request waits for a new walk, which most folders need less for, before the older list will do


@dataclass(frozen=True)
class Listed:
    """names: by id, in order, relative to the folder; those that are no text, as no answer and no database could tell them, stand there
    escaped. unnamed: what is wrong with these. passed_over: what is no recording there, in a line.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    passed_over: str | None = None
    unnamed: Mapping[str, AudioError] = field(default_factory=dict)


class Listing:
    """See above. root: the folder; None: there is none, and nothing in it."""

    def __init__(self, root: Path | None):
        self.root = root
        self._lock = threading.Lock()  # never held while the disk is asked
        self._last = Listed()
        self._looked = float("-inf")  # when the walk began that it is of
        self._known = False  # whether the last walk that ended made a list
        self._walk: Future[Listed] | None = None  # that is under way
        self.noticed: Callable[[Listed], None] = lambda _: (
            None
        )  # told of each new list, before anybody who waits for it

    def name(self, known: str) -> str | None:
        """Of an id, by the last list, however old."""
        return self._last.names.get(known)

    def unnamed(self, name: str) -> AudioError | None:
        """What is wrong with a name of the last list, if it is one that is no text."""
        return self._last.unnamed.get(name)

    async def lately(self, whole: bool = False) -> Listed:
        """As they were half a minute ago or since; where that takes longer than a moment, as they were before.

        whole: wait for the walk however long it takes. Raises EarmarkError for a folder that cannot be listed.
        """
        if self.root is None:
            return Listed()
        with self._lock:
            if self._known and time.monotonic() - self._looked <= FRESH:
                return self._last
            walk = self._walk or self._begin(self.root)
            older = self._known
        ended = asyncio.wrap_future(walk)
        # looked at though who asked has left or took the older list: else the log tells of it with a traceback
        ended.add_done_callback(lambda each: each.cancelled() or each.exception())
        await asyncio.wait([ended], timeout=MOMENT if older and not whole else None)
        return walk.result() if walk.done() else self._last

    def now(self) -> Listed:
        """As they are now: for work that can wait, in a thread. Raises EarmarkError."""
        return Listed() if self.root is None else self._take(time.monotonic(), self.root)

    def inside(self, name: str) -> Path | None:
        """The file of a name, or None for one that lies elsewhere in truth."""
        place = self._real(name)
        return place if place is not None and place.is_file() else None

    def state(self, name: str) -> tuple[int, int] | None:
        """(bytes, time of change in ns) of a recording's file; None where there is none."""
        if self.root is None:
            return None
        try:
            status = os.stat(self.root / name)
        except (OSError, ValueError):
            return None
        return status.st_size, status.st_mtime_ns

    def _begin(self, root: Path) -> Future[Listed]:
        walk: Future[Listed] = Future()
        walk.set_running_or_notify_cancel()  # so that nobody who leaves takes it from others who wait

        def work() -> None:
            told: Listed | BaseException
            try:
                told = self._take(time.monotonic(), root)
            except BaseException as error:
                told = error
            with self._lock:
                self._walk = None  # before anybody is told: who asks next is told of what comes next
            if isinstance(told, Listed):
                walk.set_result(told)
            else:
                walk.set_exception(told)

        self._walk = walk
        threading.Thread(target=work, name="walk", daemon=True).start()
        return walk

    def _take(self, began: float, root: Path) -> Listed:
        try:
            walked = walk_folder(root)
            within = self._within(walked)
            shown = {id_of(written(name)): written(name) for name in within}
            listed = Listed(shown, _passed_over(walked, within), _unnamed(within))
        except BaseException:
            with self._lock:
                self._known = False  # ids are still found; who asks for the list is told why there is none
            raise
        with self._lock:
            newer = began >= self._looked
            if newer:
                self._last, self._looked, self._known = listed, began, True
        if newer:
            self.noticed(listed)
        return listed

    def _within(self, walked: Walk) -> list[str]:
        """The recordings that lie below the folder in truth. Only of folders and links that is asked: a file is where its folder is."""
        folders: dict[str, bool] = {}
        found = []
        for name in walked.recordings:
            folder = name.rpartition("/")[0]
            if folder not in folders:
                folders[folder] = self._real(folder) is not None
            linked = walked.links and os.path.islink(walked.root / name)
            if folders[folder] and (not linked or self.inside(name) is not None):
                found.append(name)
        return found

    def _real(self, name: str) -> Path | None:
        """Where a file or folder lies in truth, or None where that is not below the root."""
        if self.root is None:
            return None
        try:
            place = (self.root / name).resolve(strict=True)
            return place if place.is_relative_to(self.root.resolve(strict=True)) else None
        except (OSError, ValueError, RuntimeError):  # the last of a link in a circle, before Python 3.13
            return None


def _passed_over(walked: Walk, within: Sequence[str]) -> str | None:
    """What is no recording there, and which are behind links: nothing is left out without a word."""
    told, taken = walked.passed_over(), frozenset(within)
    left = [name for name in walked.recordings if name not in taken]
    if not left:
        return told
    line = (
        f"{counted(len(left), 'recording')} behind links that lead out of the folder or nowhere, such as {written(left[0])}: put the "
        f"{agreed(len(left), 'recording itself', 'recordings themselves')} there"
    )
    return f"{told}; {line}" if told else f"passed over: {line}"


def _unnamed(names: Iterable[str]) -> dict[str, AudioError]:
    found: dict[str, AudioError] = {}
    texts = set()
    for name in names:
        try:
            check_name(name)
            texts.add(name)
        except AudioError as error:
            shown = written(name)
            found[shown] = AudioError(shown, written(error.problem), written(error.remedy))
    # one that is really called as another is shown is heard
    return {shown: error for shown, error in found.items() if shown not in texts}


def id_of(name: str) -> str:
    """Of a recording in the folder."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
