"""One training as a process of its own: `python -m earmark.serve.learning FOLDER`, begun and watched by `earmark.serve.trainings`.

asked.json      what it is to do, with reviews.csv and base/: see `earmark.serve.assignments`
embeddings/     beside all trainings: of clips that were heard once
run/            the run folder of `earmark retrain`
progress.json   how far it is, written anew at each step that shows
said.jsonl      sentences that a user should read
result.json     the new tagger's file, in this folder, and what changed, at last; or error.json

It ends when its standard input does, so that it never outlives the service, however that ended. Begun again it goes on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files import notation, write_text
from earmark.files.lock import locked
from earmark.progress import Quiet
from earmark.serve.assignments import REVIEWS, Assignment
from earmark.serve.lessons import opened

PROGRESS, SAID, RESULT, ERROR = "progress.json", "said.jsonl", "result.json", "error.json"
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
    begun = folder / RUN
    resume = (begun / TAGGER).is_file()
    if begun.is_dir() and not resume:
        for left in begun.iterdir():  # all that it would go on with is kept elsewhere; places may be others by now
            left.unlink()
    file, changed = retraining.retrain(
        str(asked.tagger(folder)),
        opened(asked.clips, asked.dataset, progress.say),
        read(folder / REVIEWS),
        asked.recordings,
        begun,
        asked=run.Asked(embeddings=folder.parent / "embeddings"),
        how=run.How(workers=1, salvage=True, resume=resume),
        progress=progress,
    )
    rows = [asdict(each) | {"difference": each.difference.as_dict()} for each in changed]
    return {"file": str(file.relative_to(folder)), "changed": rows}


def main(folder: Path) -> None:
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    os.nice(NICE)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with locked(folder, "training"):
                try:
                    told = learn(folder)
                except EarmarkError as error:
                    write_text(folder / ERROR, json.dumps({"error": str(error)}) + "\n")
                    sys.exit(1)
                write_text(folder / RESULT, notation.text(told, None) + "\n")
                return
        except EarmarkError:  # the lock: the process before has not ended yet
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _end_with_the_service() -> None:
    while os.read(0, 1):  # not through `sys.stdin`, whose lock an ending interpreter would wait for
        continue
    os._exit(3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
