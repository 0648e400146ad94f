"""Embeddings of recordings, from a loaded tagger to their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.inference import Failure, Part, Scored
    from earmark.models.anytagger import AnyTagger
    from earmark.scores import Embeddings
    from earmark.scores.embeddings import Writer


@dataclass(frozen=True)
class Asked:
    """What the user asked for. out: the file."""

    tagger: AnyTagger
    out: Path
    batch: int | None
    workers: int
    salvage: bool
    gain: float = 0.0


class Kept:
    """Windows that are written as they come, recording by recording: see `earmark.cli.terminal.jobs.Results`.

    One batch may hold windows of several recordings: those of a later one wait until the one before is done.
    """

    def __init__(self, writer: Writer):
        self.writer = writer
        self.number, self.recordings = 0, 0
        self.waiting: dict[int, list[Embeddings]] = {}
        self.failures: list[tuple[str, str]] = []

    def part(self, part: Part) -> None:
        from earmark.inference.embedding import of_part

        if part.number == self.number:
            self.writer.add(of_part(part))
        else:
            self.waiting.setdefault(part.number, []).append(of_part(part))

    def todo(self, found: Sequence[Path], retry: bool) -> list[Path]:
        return list(found)

    def add(self, heard: Scored, _: Any) -> None:
        self.writer.commit()
        self.recordings += 1
        self._next()

    def fail(self, failure: Failure) -> None:
        self.failures.append((failure.error.path, str(failure.error)))
        self.writer.drop()
        self._next()

    def _next(self) -> None:
        self.number += 1
        for each in self.waiting.pop(self.number, []):
            self.writer.add(each)

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        return self.failures


def check_places(out: Path, errors: Path | None) -> None:
    """Make folders for what is written after the work. Raises EarmarkError for what could not be written."""
    from earmark.scores.embeddings import Writer

    Writer(out, {})  # the name
    for path in (out, errors):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def embed_files(paths: Sequence[Path], asked: Asked, *, errors: Path | None, strict: bool, as_json: bool) -> bool:
    """Embed recordings, or those in folders; whether some could not be read."""
    from earmark.cli.terminal import jobs
    from earmark.cli.terminal.console import Meter, say, say_failures, say_notes
    from earmark.cli.terminal.found import recordings
    from earmark.inference import Recording, score
    from earmark.inference.allocator import keep_freed_memory
    from earmark.scores.embeddings import Writer

    keep_freed_memory()
    embedder = asked.tagger.embedder()
    found = recordings(paths)
    with Writer(asked.out, asked.tagger.embedding_facts()) as writer:
        into = Kept(writer)
        with Meter(found) as meter:
            results = score(
                embedder, [Recording(path) for path in found], batch=asked.batch, workers=asked.workers, salvage=asked.salvage,
                gain=asked.gain, hear_silence=True, on_part=into.part, on_audio=meter.heard,
            )  # fmt: skip
            with closing(results):  # whatever happens: threads that decode wait for it
                notes = jobs.gather(((heard, None) for heard in results), into, meter, strict)
        writer.width = writer.width or len(embedder.vocabulary)
    say_notes(notes)
    failures = into.finish(found)
    told = {"out": str(asked.out), "recordings": into.recordings, "windows": writer.rows, "width": writer.width}
    if as_json:
        facts = {("window_settings" if name == "windows" else name): value for name, value in writer.facts.items()}
        unread = [{"path": path, "reason": reason} for path, reason in failures]
        print(json.dumps({**told, **facts, "unread": unread}, indent=1, ensure_ascii=False))
    else:
        say(f"{asked.out}: {writer.rows:,} windows of {into.recordings:,} recordings, {writer.width} numbers each")
    return say_failures(failures, found, paths, errors)
