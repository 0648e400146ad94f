"""Trainings behind the page: each a process of its own (`earmark.serve.learning`), whose tagger is then taken or rejected.

A training learns from all that people said of events of the tagger's tags, in any job over the folder, and from the clips that the
service was given. What it learns from is kept as it was when it was begun. A tagger that is taken answers under the name of the
one that it stands on, which stays on the shelf as NAME-before-N; rejected, also later, it is put back. No file is deleted.

state   running, stopped, failed: why, done (nobody has decided), taken, rejected; told of one that was taken for a tagger that is not
        there, or whose folder is not: taken, but not served: why
"""

from __future__ import annotations

import csv
import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError, agreed, counted
from earmark.errors.words import reason
from earmark.files.tables import Rows
from earmark.models.anytagger import AnyTagger
from earmark.serve import judging, learning
from earmark.serve.assignments import Assignment, Bytes
from earmark.serve.register import Register
from earmark.serve.settings import Settings
from earmark.serve.shelf import Shelf
from earmark.serve.store import Store, now
from earmark.serve.succession import Succession
from earmark.serve.wording import over_http

log = logging.getLogger("earmark")
PATIENCE = 10.0  # s for a process to end by itself
PROGRAM = (sys.executable, "-m", learning.__name__)
Load = Callable[[Path], AnyTagger]


class Trainings:
    """Those of one folder of recordings, one at a time."""

    def __init__(self, store: Store, shelf: Shelf, taggers: dict[str, AnyTagger], settings: Settings, load: Load):
        self.store, self.shelf, self.taggers, self.settings = store, shelf, taggers, settings
        self.folder = (settings.kept / "trainings").absolute()
        self.succession = Succession(taggers, load)
        self.register = Register(store)
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._closed = False
        self.register.give_up_unprepared()
        taken = sorted(self._in("taken"), key=lambda row: (row["decided"] or "", row["id"]))
        self.succession.restore(taken, self._file)
        for number, why in self.succession.unserved.items():
            log.warning("training %d was taken, and its tagger is not served: %s", number, why)
        self._go_on()

    # ------------------------------------------------------------------------------------------------------ to learn

    def lacks(self) -> str | None:
        """Why nothing can be learnt here, in words."""
        if self.settings.clips is None:
            return (
                "The service does not know the clips that the tagger learnt from: start it with `--clips DATA` (a manifest, or a folder "
                "with `--dataset`). From answers alone it would forget the tags that nobody answered"
            )
        return None

    def answers(self, tagger: str) -> list[tuple[int, int]]:
        """(job, answers that are none but unsure) of events of its tags in recordings that are there."""
        return self._counted(tagger, "said")

    def gone(self, tagger: str) -> int:
        """How many there are beside those, to recordings that are not there any more."""
        return sum(count for _, count in self._counted(tagger, "latest")) - sum(
            count for _, count in self.answers(tagger)
        )

    def _counted(self, tagger: str, view: str) -> list[tuple[int, int]]:
        known = set(self.taggers[tagger].vocabulary)
        counts: dict[int, int] = {}
        for row in self.store.rows(f"SELECT job, tag FROM {view} WHERE answer <> 'unsure'"):
            if row["tag"] in known:
                counts[row["job"]] = counts.get(row["job"], 0) + 1
        return sorted(counts.items())

    def begin(self, tagger: str) -> int:
        """The number of a training: a new one, or one that stopped or failed and was of the same answers. Raises EarmarkError."""
        with self._lock:
            if (why := self.lacks()) is not None:
                raise EarmarkError(why)
            if self._process is not None:
                raise EarmarkError(f"training {self._number} runs: wait for it, or stop it")
            self.register.give_up_unprepared()
            looked = self._look()
            text, count = self._table(tagger)
            if not count and self.gone(tagger):
                names = [
                    row["recording"] for row in self.store.rows("SELECT DISTINCT recording FROM latest ORDER BY 1")
                ]
                raise EarmarkError(
                    f"{names[0]}: was reviewed and is not in the folder any more, or is another recording by now (so it is with "
                    f"{agreed(len(names), 'the one that was', f'all {len(names):,} that were')} reviewed). Put it back to learn from it"
                )
            if not count:
                raise EarmarkError("nobody has answered yet: review some events first")
            asked = self._assignment(tagger, text, looked)
            base = self.taggers[tagger].identity()
            number = self._to_go_on_with(tagger, base, asked)
            new = number is None
            number = self.register.begin(tagger, base, count, self.folder) if number is None else number
            try:
                asked.write(self.place(number), self.taggers[tagger] if new else None)
                self._start(number)
            except Exception as error:
                self.register.end(number, f"failed: {reason(error)}")
                raise
            return number

    def _look(self) -> dict[str, Bytes | None]:
        """See which recordings that were reviewed are as they were heard, since the last list may be half a minute old; what they are."""
        found: dict[str, Bytes | None] = {}

        def state_of(name: str) -> Bytes | None:
            found[name] = self.shelf.listing.state(name)
            return found[name]

        for row in self.store.rows("SELECT DISTINCT recording FROM latest"):
            self.store.look(state_of, row["recording"])
        return found

    def _assignment(self, tagger: str, text: str, looked: Mapping[str, Bytes | None]) -> Assignment:
        """Raises EarmarkError where a recording that was reviewed is not there any more."""
        files = self._recordings(text)
        states = {name: looked.get(name) or self.shelf.listing.state(name) for name in files}
        clips = self.settings.clips
        assert clips is not None
        there = {name: state for name, state in states.items() if state is not None}
        return Assignment(tagger, text, clips.absolute(), self.settings.dataset, files, there, self._louder(tagger))

    def _to_go_on_with(self, tagger: str, base: str, asked: Assignment) -> int | None:
        """The last training of a tagger, where it stopped or failed, learns from the very same and can be begun again."""
        for row in [row for row in self.register.rows() if (row["tagger"], row["base"]) == (tagger, base)][-1:]:
            place, failed = self.place(row["id"]), row["state"].startswith("failed")
            # one that failed with its tagger made has a run that does not go on any more
            if failed and (place / learning.RUN / learning.TAGGER).is_file():
                return None
            if (failed or row["state"] == "stopped") and asked.is_that_of(place):
                return int(row["id"])
        return None

    def _table(self, tagger: str) -> tuple[str, int]:
        """(what was said as one table, how many answers it has); of an event that was judged in two jobs the newer answer."""
        known = set(self.taggers[tagger].vocabulary)
        rows: dict[tuple[str, ...], list[str]] = {}
        head: list[str] = []
        for job, _ in self.answers(tagger):
            head, *told = csv.reader(io.StringIO(judging.table(self.store, job), newline=""))
            for row in told:
                each = dict(zip(head, row, strict=True))
                if each["tag"] in known and each["answer"] != "unsure":
                    key = tuple(each[name] for name in ("recording", "onset", "offset", "tag"))
                    if key not in rows or dict(zip(head, rows[key], strict=True))["time"] <= each["time"]:
                        rows[key] = row
        out = io.StringIO()
        Rows(out).writerows([head, *rows.values()] if rows else [])
        return out.getvalue(), len(rows)

    def _louder(self, tagger: str) -> tuple[str, ...]:
        """What is to be known of answers to events of jobs that made recordings louder or softer, which no training does."""
        counts = dict(self.answers(tagger))
        told = self.store.rows("SELECT id, told FROM jobs")
        gains = {row["id"]: json.loads(row["told"]).get("gain", 0.0) for row in told if row["id"] in counts}
        if not any(gains.values()):
            return ()
        listed = ", ".join(f"{gain:+g} dB" for gain in sorted({gain for gain in gains.values() if gain}))
        some = sum(counts[job] for job, gain in gains.items() if gain)
        return (
            f"{some:,} of {counted(sum(counts.values()), 'answer')} {agreed(some, 'is', 'are')} to events of jobs that heard "
            f"the recordings with a gain ({listed}): a training hears them as they are",
        )

    def place(self, number: int) -> Path:
        return self.folder / str(number)

    def _recordings(self, text: str) -> dict[str, Path]:
        """The file of each recording that was reviewed. Raises EarmarkError."""
        names = sorted({row["recording"] for row in csv.DictReader(io.StringIO(text, newline=""))})
        files = {name: file for name in names if (file := self.shelf.listing.inside(name)) is not None}
        if gone := [name for name in names if name not in files]:
            raise EarmarkError(
                f"{gone[0]}: was reviewed and is not in the folder any more ({counted(len(gone), 'recording')} of "
                f"{len(names):,} {agreed(len(gone), 'is', 'are')} not). Put it "
                "back to learn from it"
            )
        return files

    # ------------------------------------------------------------------------------------------------------ the process

    def _go_on(self) -> None:
        """What ran when the service ended, however that was: what came to its end is done, and the newest of what did not goes on."""
        running = [row["id"] for row in self._in("running")]
        for number in running:
            if self._ended(number):
                self.register.end(number, "done")
            elif number != running[-1]:
                self.register.end(number, "stopped")
            else:
                self._begin_again(number)

    def _begin_again(self, number: int) -> None:
        """Where it cannot, that is told of it, and not of the whole service."""
        try:
            place = self.place(number)
            Assignment.read(place).found(self.shelf.listing.inside).write(place)
            self._start(number)
        except (EarmarkError, OSError) as error:
            log.warning("training %d does not go on: %s", number, reason(error))
            self.register.end(number, f"failed: {reason(error)}")

    def _in(self, state: str) -> list[dict[str, Any]]:
        return [row for row in self.register.rows() if row["state"] == state]

    def _start(self, number: int) -> None:
        """Raises OSError, and sqlite3.Error where no word of it can be kept."""
        with self._lock:
            place = self.place(number)
            for name in (learning.RESULT, learning.PROGRESS, learning.SAID):
                (place / name).unlink(missing_ok=True)
            self.register.put(number, "running")
            with (place / learning.LOG).open("ab") as out:
                self._process = subprocess.Popen(
                    [*PROGRAM, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out
                )
            self._number = number
            threading.Thread(target=self._watch, args=(number, self._process), name="training", daemon=True).start()

    def _watch(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process:  # closes its standard input once it has ended
            said = process.stdout.read()  # until it ends
            ended = process.wait()
        with self._lock:
            if self._closed or self._process is not process:
                return  # it goes on when the service starts again, or was stopped
            self._process = None
            why = learning.last_word(said) or f"its process ended with {ended}; see {self.place(number) / learning.LOG}"
            self.register.end(number, "done" if self._ended(number) else f"failed: {why}")

    def _ended(self, number: int) -> bool:
        """Whether it came to its end."""
        return (self.place(number) / learning.RESULT).is_file()

    def stop(self, number: int) -> None:
        """It can go on."""
        with self._lock:
            process = self._process
            if self.register.row(number)["state"] != "running":
                return
            if process is not None and number == self._number:
                _end(process)
                self._process = None
            self.register.end(number, "done" if self._ended(number) else "stopped")

    def close(self) -> None:
        """What runs goes on when the service starts again."""
        self._closed = True
        self.register.close()
        if self._process is not None:
            _end(self._process)

    # ------------------------------------------------------------------------------------------------------ what came of it

    def take(self, number: int) -> None:
        """Its tagger answers in the place of the one that it stands on. Raises EarmarkError."""
        with self._lock:
            row = self.register.row(number)
            if row["state"] not in ("done", "rejected"):
                raise EarmarkError(f"training {number} is {row['state']}: only one that is done can be taken")
            tagger = self.succession.opened(row, self._file)
            self.register.put(number, "taken", decided=now())
            self.succession.take(row, tagger)

    def reject(self, number: int) -> None:
        """The tagger that it stands on answers, as before. Raises EarmarkError."""
        with self._lock:
            row = self.register.row(number)
            if row["state"] not in ("done", "taken"):
                raise EarmarkError(
                    f"training {number} is {row['state']}: only one that is done or taken can be rejected"
                )
            if row["state"] == "taken":
                self.succession.check_last(row)
            self.register.put(number, "rejected", decided=now())
            if row["state"] == "taken":
                self.succession.put_back(row)

    def _file(self, row: dict[str, Any]) -> Path:
        """Of what came of a training, wherever its folder lies by now. Raises EarmarkError."""
        place = self.place(row["id"])
        told = _read(place / learning.RESULT)
        if told is None:
            raise EarmarkError(f"training {row['id']} has no result any more: {place} was taken away. Train again")
        file = Path(told["file"])
        own = place / learning.RUN / file.name
        return own if own.is_file() else place / file

    # ------------------------------------------------------------------------------------------------------ told

    def told(self, number: int) -> dict[str, Any]:
        """What `earmark.serve.shapes.OneTraining` tells."""
        row, place = self.register.row(number), self.place(number)
        result, progress = _read(place / learning.RESULT), _read(place / learning.PROGRESS)
        said = [over_http(json.loads(line)) for line in _lines(place / learning.SAID)]
        return {
            **{name: row[name] for name in ("id", "tagger", "begun", "answers")}, "state": over_http(self._told_state(row)),
            "progress": progress if row["state"] == "running" else None, "said": said,
            "changed": None if result is None else [_changed(each) for each in result["changed"]],
        }  # fmt: skip

    def _told_state(self, row: dict[str, Any]) -> str:
        why = self.succession.unserved.get(row["id"])
        return str(row["state"]) if why is None else f"{row['state']}, but not served: {why}"

    def all(self) -> list[dict[str, Any]]:
        return [self.told(row["id"]) for row in reversed(self.register.rows())]

    def wait(self, seconds: float) -> None:
        """Until none runs."""
        until = time.monotonic() + seconds
        while self._process is not None and time.monotonic() < until:
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:  # it waits for a disk that does not answer
        process.kill()


def _changed(each: dict[str, Any]) -> dict[str, Any]:
    return {name: each[name] for name in ("tag", "events", "before", "after", "gained", "lost")} | {
        name: each["difference"][key] for name, key in (("difference", "value"), ("low", "low"), ("high", "high"))
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _lines(path: Path) -> list[str]:
    """Whole ones."""
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    except OSError:
        return []
