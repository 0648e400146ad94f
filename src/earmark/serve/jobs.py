"""Whole folders in the background: the journaled jobs of `earmark.files.journal`, one after the other in a thread of its own.

Each recording's events go to the job's folder, as `earmark events --job` keeps them, and into the store, of which counts and
lists are asked. A job that was running when the service ended, however it did, goes on when it starts again. Requests come
first: between two batches a job waits a moment while any is worked on.

Where the disk is full a job fails, and its state is told from memory until there is room to keep it.
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.events import EventRules
from earmark.events import formats as eventfile
from earmark.files import journal as journals
from earmark.files.intact import JSON, Damaged
from earmark.files.journal import Journal
from earmark.inference import candidates
from earmark.inference.asked import rules_of
from earmark.inference.recordings import Failure
from earmark.models.anytagger import AnyTagger, way
from earmark.scores import Event
from earmark.serve import disks
from earmark.serve.answers import AS_IT_IS, How
from earmark.serve.shelf import Shelf
from earmark.serve.sounds import Sent
from earmark.serve.store import State, Store
from earmark.serve.work import Desk, Left, Task

PATIENCE = 0.5  # s that a batch waits for requests, at most
AGAIN = 5.0  # s until a state that could not be kept is tried to be kept once more
log = logging.getLogger("earmark")


class Jobs:
    """The jobs of one folder of recordings."""

    def __init__(self, store: Store, shelf: Shelf, taggers: Mapping[str, AnyTagger], desk: Desk, folder: Path):
        self.store, self.shelf, self.taggers, self.desk, self.folder = store, shelf, taggers, desk, folder
        self._todo: queue.SimpleQueue[tuple[int, Task] | None] = queue.SimpleQueue()
        self._tasks: dict[int, Task] = {}
        self._lock = threading.Lock()
        self._retried: set[int] = set()
        self._unkept: dict[int, str] = {}  # states that the disk did not take
        self._identities: dict[int, tuple[AnyTagger, str]] = {}
        for job, recordings in store.unknown().items():
            self._recall(job, recordings)
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()
        for row in store.rows("SELECT id FROM jobs WHERE state = 'running' ORDER BY id"):
            self._put(row["id"])

    def _recall(self, job: int, recordings: list[str]) -> None:
        """Which bytes were heard, of a state that does not tell it: the job's journal does."""
        root = self.shelf.listing.root
        try:
            told = journals.read(self.folder / str(job))
            place = Path() if root is None else root.resolve()
        except (OSError, EarmarkError) as error:
            log.warning("job %d: its journal does not tell which files it heard (%s)", job, error)
            return
        lines = {name: told.get(str(place / name)) for name in recordings}
        self.store.know(job, {name: (line.size, line.mtime) for name, line in lines.items() if line is not None})

    def begin(self, tagger: str, rules: EventRules, retry: bool = False, how: How = AS_IT_IS) -> int:
        """A job's number; of one with the same settings, that goes on. retry: it tries again what could not be read. how: it hears.

        Raises EarmarkError for a retry of one that runs.
        """
        asked = self.taggers[tagger]
        told: dict[str, Any] = {
            "tagger": asked.identity(),
            "name": tagger,
            "rules": rules.as_dict(),
            "engine": way(asked),
        }
        told |= ({"gain": how.gain} if how.gain else {}) | ({"salvage": True} if how.salvage else {})
        with self._lock:
            job = self.store.job(*self._as_begun(told, tagger))
            self._unkept.pop(job, None)
            if retry:
                self._try_again(job)
            self._put(job)
        return job

    def resume(self, job: int, retry: bool = False) -> None:
        """Let a job that is there go on, with its own tagger and rules. retry: it tries again what could not be read.

        Raises EarmarkError for a retry of one that runs, and where it cannot go on here as it was begun.
        """
        try:
            self._begun_with(job)
        except EarmarkError as error:
            raise EarmarkError(f"job {job}: {error}") from error
        with self._lock:
            if retry:
                self._try_again(job)
            self.store.state(job, "running")
            self._unkept.pop(job, None)
            self._put(job)

    def _as_begun(self, told: dict[str, Any], tagger: str) -> tuple[dict[str, Any], str, int]:
        """(the settings, as they were told where a job was begun with them, the tagger's name, the job's number).

        A job of before tells no engine. One that lies in the folder though the store does not know it, as after that was moved away,
        is taken up where it is of these settings, and its number is nobody else's.
        """
        before = {name: value for name, value in told.items() if name != "engine"}
        same = [before, told] if _alike_before(told["engine"]) else [told]
        for each in same:
            if (job := self.store.known(each)) is not None:
                return each, tagger, job
        known = {row["id"] for row in self.store.rows("SELECT id FROM jobs")}
        lying = self._lying()
        for number in sorted(lying - known, reverse=True):
            try:
                if (begun := journals.head(self.folder / str(number))["told"]) in same:
                    return begun, tagger, number
            except EarmarkError:  # no job, or none that can be read
                continue
        return told, tagger, max(known | lying, default=0) + 1

    def _lying(self) -> set[int]:
        """The numbers that are taken in the folder of jobs."""
        found = self.folder.iterdir() if self.folder.is_dir() else iter(())
        return {int(entry.name) for entry in found if entry.name.isdecimal() and entry.name.isascii()}

    def _begun_with(self, job: int) -> tuple[dict[str, Any], AnyTagger]:
        """What a job was begun with, and the tagger that it goes on with. Raises EarmarkError where none here would do."""
        (row,) = self.store.rows("SELECT told, tagger FROM jobs WHERE id = ?", (job,))
        told = json.loads(row["told"])
        name = self.served(told["tagger"], row["tagger"])
        if name is None:
            raise EarmarkError(
                f"it was begun with another tagger called {row['tagger']}: start the service with that one"
            )
        if not self._computed_alike(told, name):
            raise EarmarkError(
                f"it was begun with {name} in {told.get('engine', 'float32')}, and it computes in {way(self.taggers[name])} "
                "here now: results would be mixed. Start the service with the --engine and --precision that it was begun with, or let "
                "the folder be heard anew, which is a job of its own"
            )
        return told, self.taggers[name]

    def _computed_alike(self, told: Mapping[str, Any], name: str) -> bool:
        now = way(self.taggers[name])
        return bool(told["engine"] == now) if "engine" in told else _alike_before(now)

    def goes_on(self, told: Mapping[str, Any], usual: str) -> bool:
        """Whether a job that was begun with these settings goes on here: with the same tagger, computed in the same way."""
        name = self.served(told.get("tagger", ""), usual)
        return name is not None and self._computed_alike(told, name)

    def usual(self, told: Mapping[str, Any], usual: str) -> bool:
        """Whether a job's rules are those that its tagger has, so that one which is begun without others is this one again."""
        name = self.served(told.get("tagger", ""), usual)
        return name is not None and bool(told["rules"] == rules_of(self.taggers[name]).as_dict())

    def _try_again(self, job: int) -> None:
        if job in self._tasks and not self._tasks[job].left:
            raise EarmarkError(f"job {job} runs: wait for it, or stop it, and then try again what could not be read")
        self._retried.add(job)

    def served(self, identity: str, usual: str) -> str | None:
        """The name that a tagger has now: the usual one, or another since a training of it was taken."""
        names = [usual, *list(self.taggers)]
        return next(
            (name for name in names if name in self.taggers and self.taggers[name].identity() == identity), None
        )

    def stop(self, job: int) -> None:
        """A job that runs; another stays what it is."""
        with self._lock:
            (row,) = self.store.rows("SELECT state FROM jobs WHERE id = ?", (job,))
            if self.state(job, row["state"]) != "running":
                return
            if job in self._tasks:
                self._tasks[job].leave()
            self._keep(job, "stopped")

    def state(self, job: int, kept: str) -> str:
        """Of a job, in whose place the disk has one that may be older."""
        return self._unkept.get(job, kept)

    @property
    def alive(self) -> bool:
        """Whether jobs are worked on, now or once there are any."""
        return self._thread.is_alive()

    def _keep(self, job: int, state: str) -> None:
        """At once where the disk takes it. Called with the lock."""
        self._unkept[job] = state
        self._keep_all()
        if job in self._unkept:
            log.warning("job %d: the disk does not take its state, which is kept once it does: %s", job, state)

    def _keep_all(self) -> None:
        for job, state in list(self._unkept.items()):
            try:
                self.store.state(job, state)
            except sqlite3.Error:
                return
            del self._unkept[job]

    def close(self) -> None:
        """Those that run go on when the service starts again."""
        for task in self._tasks.values():
            task.leave()
        self._todo.put(None)
        self._thread.join(30)

    def _put(self, job: int) -> None:
        if job not in self._tasks or self._tasks[job].left:
            self._tasks[job] = Task()
            self._todo.put((job, self._tasks[job]))

    def _work(self) -> None:
        while True:
            try:
                asked = self._todo.get(timeout=AGAIN)
            except queue.Empty:
                with self._lock:
                    self._keep_all()
                continue
            if asked is None:
                return
            job, task = asked
            try:
                task.look()
                self._run(job, task)
                self._end(job, task, "done")
            except Left:
                self._end(job, task, None)
            except EarmarkError as error:
                log.warning("job %d: %s", job, error)
                self._end(job, task, f"failed: {error}")
            except Exception as error:
                self._end(job, task, f"failed: {self._why(job, error)}")

    def _why(self, job: int, error: Exception) -> str:
        """In words for who asks for the job; the log has more of what is a mistake."""
        told = None
        if isinstance(error, OSError | sqlite3.Error):
            name = getattr(error, "filename", None)
            ours = not isinstance(name, str) or Path(name).is_relative_to(self.folder)
            told = disks.told(error, disks.STATE if ours else f"the disk of {name}")
        if told is None:
            log.error("job %d", job, exc_info=error)
            return f"{type(error).__name__}, see the service's log"
        log.warning("job %d: %s (%s)", job, told, error)
        return told

    def _end(self, job: int, task: Task, state: str | None) -> None:
        """At once for whoever begins it again: one that is told to be done is none that runs."""
        with self._lock:
            if self._tasks.get(job) is task:
                self._tasks.pop(job)
                if state is not None:
                    self._keep(job, state)

    def _run(self, job: int, task: Task) -> None:
        retry = job in self._retried
        self._retried.discard(job)
        told, tagger = self._begun_with(job)
        listed = self.shelf.listing.now()
        names = [name for name in listed.names.values() if name not in listed.unnamed]
        files = {name: file for name in names if (file := self.shelf.listing.inside(name)) is not None}
        for name, error in listed.unnamed.items():
            self.store.failed(job, name, str(error))
        with Journal(self.folder / str(job), told, looks=JSON) as journal:
            todo = set(journal.todo(list(files.values()), retry))
            known = self.store.told(job)
            for damaged in journal.damaged:
                log.warning("job %d: %s is not what was written: its recording is heard again", job, damaged)
            for name, file in files.items():  # written down before a kill, and not yet in the store
                line = journal.entries.get(str(file))
                if file not in todo and line is not None and known.get(name) != (line.size, line.mtime):
                    try:
                        self._take_in(job, name, file, journal)
                    except Damaged as error:
                        log.warning("job %d: %s", job, error)
                        todo.add(file)
            left = [name for name, file in files.items() if file in todo]
            self._hear(job, told, tagger, {name: files[name] for name in left}, journal, task)

    def _hear(
        self,
        job: int,
        told: Mapping[str, Any],
        tagger: AnyTagger,
        files: Mapping[str, Path],
        journal: Journal,
        task: Task,
    ) -> None:
        rules, how = EventRules.from_dict(told["rules"]), How(told.get("gain", 0.0), told.get("salvage", False))
        sounds = [Sent(Path(name), file=file, look=task.look) for name, file in files.items()]
        options = how.options(task) | {"on_audio": lambda _: self._give_way(task)}
        with closing(candidates.hear(tagger, sounds, rules, **options)) as results:
            for result, events, rejected in results:
                name = str(result.recording.path)
                if isinstance(result, Failure):
                    journal.failed(files[name], str(result.error))
                    self.store.failed(job, name, str(result.error), _bytes(journal, files[name]))
                    continue
                kept, low = (json.loads(eventfile.text({name: each}, "json"))[0] for each in (events, rejected))
                kept |= {"duration": round(result.duration, 6), "candidates": low["events"]}
                kept |= {"notes": list(result.notes), "silent": result.silent}
                journal.done(files[name], json.dumps([kept], ensure_ascii=False, indent=1) + "\n", ".json")
                state = _bytes(journal, files[name])
                self.store.heard(job, name, result.duration, events, rejected, state, result.notes, result.silent)

    def _take_in(self, job: int, name: str, file: Path, journal: Journal) -> None:
        for _, reason in journal.failures([file]):
            self.store.failed(job, name, reason, _bytes(journal, file))
        for text in journal.results([file]):
            (told,) = json.loads(text)
            events, rejected = (_events(told.get(key, ())) for key in ("events", "candidates"))
            self.store.heard(
                job,
                name,
                told["duration"],
                events,
                rejected,
                _bytes(journal, file),
                told.get("notes"),
                told.get("silent"),
            )

    def _give_way(self, task: Task) -> None:
        until = time.monotonic() + PATIENCE
        while self.desk.taken and time.monotonic() < until:
            time.sleep(0.02)
        task.look()


def _alike_before(engine: str) -> bool:
    """Whether a job that does not tell its engine, as of before, may go on in this way: engines agree to 1e-5 in float32 alone."""
    return all(", float32," in each for each in engine.split("; "))


def _bytes(journal: Journal, file: Path) -> State:
    """Which ones of a file the journal's last line of it is of."""
    line = journal.entries[str(file)]
    return line.size, line.mtime


def _events(told: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    for each in told:
        yield Event(each["onset"], each["offset"], each["label"], each["score"])
