"""One training as a process of its own: `python -m earmark.serve.learning FOLDER`, begun and watched by `earmark.serve.trainings`.

asked.json      what it is to do, with reviews.csv and base/: see `earmark.serve.assignments`
embeddings/     beside all trainings: of clips that were heard once
mixed/          clips in the recordings, until there is a tagger: what it goes on with
run/            the run folder of `earmark retrain`
progress.json   how far it is, written anew at each step that shows
said.jsonl      sentences that a user should read
result.json     the new tagger's file, in this folder, and what changed, at last
log.txt         what else was printed

Why it failed is its last word on the standard output: {"error": a sentence}. It ends when its standard input does, so that it never
outlives the service, however that ended. Begun again it goes on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.errors.words import message
from earmark.files import notation, write_text
from earmark.files.lock import locked
from earmark.progress import Quiet
from earmark.serve.assignments import REVIEWS, Assignment
from earmark.serve.lessons import opened

PROGRESS, SAID, RESULT, LOG = "progress.json", "said.jsonl", "result.json", "log.txt"
RUN, TAGGER = "run", "tagger.safetensors"
OFTEN = 0.3  # s between two tellings of progress
PATIENCE = 30.0  # s for the process before, which ends when its service has
NICE = 10  # requests come first


class Told(Quiet):
    """Progress as files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.what, self.total, self.done, self.last = "", 0, 0, 0.0

    def begin(self, what: str, total: int) -> None:
        self.what, self.total, self.done, self.last = what, total, 0, 0.0
        self._tell()

    def advance(self) -> None:
        self.done += 1
        self._tell()

    def end(self) -> None:
        self.last = 0.0
        self._tell()

    def say(self, sentence: str) -> None:
        with (self.folder / SAID).open("a", encoding="utf-8", errors="surrogateescape") as out:
            out.write(json.dumps(sentence) + "\n")

    def _tell(self) -> None:
        if time.monotonic() - self.last > OFTEN:
            self.last = time.monotonic()
            write_text(
                self.folder / PROGRESS, json.dumps({"what": self.what, "done": self.done, "total": self.total}) + "\n"
            )


def learn(folder: Path) -> dict[str, Any]:
    """What `result.json` tells. Raises EarmarkError."""
    asked = Assignment.read(folder)
    with asked.unchanged():
        return _learnt(asked, folder)


def _learnt(asked: Assignment, folder: Path) -> dict[str, Any]:
    from earmark.evaluation.reviews.answers import read
    from earmark.train.heads import retraining, run

    progress = Told(folder)
    for sentence in asked.said:
        progress.say(sentence)
    begun = folder / RUN
    resume = (begun / TAGGER).is_file()
    if begun.is_dir() and not resume:
        for left in begun.iterdir():  # all that it goes on with is kept elsewhere; places may be others by now
            left.unlink()
    file, changed = retraining.retrain(
        str(asked.tagger(folder)),
        opened(asked.clips, asked.dataset, progress.say),
        read(folder / REVIEWS),
        asked.recordings,
        begun,
        asked=run.Asked(embeddings=folder.parent / "embeddings", mixed=folder / "mixed"),
        how=run.How(workers=1, salvage=True, resume=resume),
        progress=progress,
    )
    rows = [asdict(each) | {"difference": each.difference.as_dict()} for each in changed]
    return {"file": str(file.relative_to(folder)), "changed": rows}


def main(folder: Path) -> None:
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    os.nice(NICE)
    tell = _line_to_the_service()
    try:
        with _alone(folder):
            told = learn(folder)
            write_text(folder / RESULT, notation.text(told, None) + "\n")
    except Exception as error:
        if (why := message(error)) is None:
            raise
        tell(why)
        if not isinstance(error, EarmarkError):
            with suppress(OSError):  # the disk of the log may be full, too
                traceback.print_exc()
        sys.exit(1)


def _line_to_the_service() -> Callable[[str], None]:
    """Tells why it failed, as its last word on the standard output: a file for that might find no room. What else is printed there goes
    to the log.
    """
    line = os.dup(1)
    os.dup2(2, 1)
    return lambda why: _write_all(line, (json.dumps({"error": why}) + "\n").encode())


def _write_all(line: int, text: bytes) -> None:
    with suppress(OSError):  # the service is gone
        while text:
            text = text[os.write(line, text) :]


def last_word(said: bytes) -> str | None:
    """Why a process failed, by all that it said on its standard output; None where it did not say it."""
    try:
        told = json.loads(said.decode("utf-8").strip().rpartition("\n")[2])
    except ValueError:
        return None
    return str(told["error"]) if isinstance(told, dict) and "error" in told else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Once the process before has ended, whose service was killed. Raises EarmarkError where it does not."""
    until = time.monotonic() + PATIENCE
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(folder, "training"))
                break
            except EarmarkError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield


def _end_with_the_service() -> None:
    while os.read(0, 1):  # not through `sys.stdin`, whose lock an ending interpreter would wait for
        continue
    os._exit(3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
