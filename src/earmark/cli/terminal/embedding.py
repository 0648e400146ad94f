"""Embeddings of recordings, from a loaded tagger to their file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from earmark.errors import counted

if TYPE_CHECKING:
    from earmark.cli.terminal.jobs import Kept, Results
    from earmark.files.intact import Looks
    from earmark.files.journal import Journal
    from earmark.inference import Failure, Part, Scored
    from earmark.models.anytagger import AnyTagger
    from earmark.scores import Embeddings
    from earmark.scores.embeddings import Waiting, Writer

NAME = "embeddings.parquet"  # of a job's file of all


@dataclass(frozen=True)
class Asked:
    """What the user asked for. out: the file; None: of a job."""

    tagger: AnyTagger
    out: Path | None
    batch: int | None
    workers: int
    salvage: bool
    gain: float = 0.0


class Sink(Protocol):
    """What takes the windows of the recording in work."""

    def add(self, part: Embeddings) -> None: ...


class InTurn:
    """Windows as they come → a sink, recording by recording.

    One batch may hold windows of several recordings: those of a later one wait until the one before is done.
    """

    def __init__(self, sink: Sink):
        self.sink, self.number = sink, 0
        self.waiting: dict[int, list[Embeddings]] = {}

    def part(self, part: Part) -> None:
        from earmark.inference.embedding import of_part

        if part.number == self.number:
            self.sink.add(of_part(part))
        else:
            self.waiting.setdefault(part.number, []).append(of_part(part))

    def begin(self) -> None:
        """Recordings are counted from the first again."""
        self.number = 0
        self.waiting.clear()

    def next(self) -> None:
        """The recording is done with, and the sink is ready for another."""
        self.number += 1
        for each in self.waiting.pop(self.number, []):
            self.sink.add(each)


class File:
    """All into one file; see `earmark.cli.terminal.jobs.Results`."""

    def __init__(self, writer: Writer):
        self.writer, self.recordings = writer, 0
        self.turns = InTurn(writer)
        self.failures: list[tuple[str, str]] = []

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        return found

    def add(self, heard: Scored, _: Any) -> None:
        self.writer.commit()
        self.recordings += 1
        self.turns.next()

    def fail(self, failure: Failure) -> None:
        self.failures.append((failure.error.path, str(failure.error)))
        self.writer.drop()
        self.turns.next()

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        return now

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        return self.failures


class Files:
    """A file for each recording of a job, then one of all: see `earmark.cli.terminal.jobs.Form`.

    width: numbers in a vector, for files without rows.
    """

    def __init__(self, waiting: Waiting, facts: dict[str, Any], width: int):
        self.waiting, self.facts, self.width = waiting, facts, width
        self.recordings, self.rows = 0, 0  # of the file of all

    @property
    def looks(self) -> Looks:
        from earmark.files.intact import PARQUET

        return PARQUET

    def keep(self, journal: Journal, heard: Scored, _: Any) -> None:
        from earmark.scores.embeddings import Writer

        with (
            journal.writing(heard.recording.path, ".parquet", heard.notes) as place,
            Writer(place, self.facts, self.width) as writer,
        ):
            for block in self.waiting.blocks():
                writer.write(block)

    def join(self, journal: Journal, found: Sequence[Path]) -> Path:
        """The same file as without a job: a recording's groups of rows, one after the other."""
        from earmark.scores.embeddings import Writer, blocks

        path = journal.folder / NAME
        with Writer(path, self.facts, self.width) as writer:
            for self.recordings, file in enumerate(journal.files(found), 1):
                for block in blocks(file):
                    writer.write(block)
        self.rows = writer.rows
        return path


class Job:
    """Into a job's folder, as `earmark.cli.terminal.jobs.Job` does; windows wait until their recording is read to its end."""

    def __init__(self, folder: Path, asked: Asked, width: int, stack: ExitStack):
        from earmark.cli.terminal import jobs
        from earmark.scores.embeddings import Waiting

        facts = asked.tagger.embedding_facts(asked.gain)
        told = {"command": "embed", **facts, "salvage": asked.salvage}
        self.waiting = stack.enter_context(closing(Waiting()))
        self.turns = InTurn(self.waiting)
        self.form = Files(self.waiting, facts, width)
        self.job = stack.enter_context(jobs.Job(folder, told | jobs.engine_of(asked.tagger), self.form))

    @property
    def out(self) -> Path:
        """The file of all, as the user knows it."""
        return self.job.shown / NAME

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        return self.job.todo(found, retry)

    def add(self, heard: Scored, _: Any) -> None:
        self.job.add(heard, None)
        self._next()

    def fail(self, failure: Failure) -> None:
        self.job.fail(failure)
        self._next()

    def _next(self) -> None:
        self.waiting.clear()
        self.turns.next()

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        return self.job.notes(found, now)

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        return self.job.finish(found)


def check_places(out: Path | None, kept: Kept, errors: Path | None) -> None:
    """Make folders for what is written after the work. Raises EarmarkError for what could not be written."""
    from earmark.errors import EarmarkError
    from earmark.scores.embeddings import Writer

    kept.check(out=out)
    if out is not None:
        Writer(out, {})  # the name
    elif kept.folder is None:
        raise EarmarkError(
            "give a file for the embeddings, --out NAME.parquet, or a folder that survives a kill, --job"
        )
    for path in (out, errors):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def embed_files(
    paths: Sequence[Path], asked: Asked, kept: Kept, *, errors: Path | None, strict: bool, as_json: bool
) -> bool:
    """Embed recordings, or those in folders; whether some could not be read."""
    from earmark.cli.terminal.console import print_json, say, say_failures, say_notes
    from earmark.cli.terminal.found import recordings
    from earmark.files.shown import written
    from earmark.inference import process
    from earmark.scores.embeddings import Writer

    process.take()
    embedder = asked.tagger.embedder()
    width = len(embedder.vocabulary)
    found, folder = kept.part(recordings(paths))
    told: dict[str, Any] = {}
    if asked.out is not None:
        with Writer(asked.out, asked.tagger.embedding_facts(asked.gain), width) as writer:
            file = File(writer)
            notes, failures = _embed(embedder, found, asked, file, file.turns, kept, strict)
        told = {"out": str(asked.out), "recordings": file.recordings, "windows": writer.rows, "width": width}
    else:
        assert folder is not None  # one of them was given
        with ExitStack() as stack:
            job = Job(folder, asked, width, stack)
            notes, failures = _embed(embedder, found, asked, job, job.turns, kept, strict)
        form = job.form
        told = {"out": str(job.out), "recordings": form.recordings, "windows": form.rows, "width": width}
    say_notes(notes)
    if as_json:
        facts = asked.tagger.embedding_facts(asked.gain)
        facts = {("window_settings" if name == "windows" else name): value for name, value in facts.items()}
        unread = [{"path": written(path), "reason": written(reason)} for path, reason in failures]
        print_json({**told, **facts, "unread": unread})
    else:
        say(
            f"{told['out']}: {counted(told['windows'], 'window')} of {counted(told['recordings'], 'recording')}, "
            f"{counted(width, 'number')} each"
        )
    return say_failures(failures, found, paths, errors)


def _embed(
    embedder: Any, found: Sequence[Path], asked: Asked, into: Results, turns: InTurn, kept: Kept, strict: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """Score what is left to do, with a bar; what is to be said of the audio, and failures."""
    from earmark.cli.terminal import jobs
    from earmark.cli.terminal.console import Meter
    from earmark.inference import Recording

    def hear(todo: Sequence[Path]) -> list[str]:
        turns.begin()
        with Meter(todo) as meter:
            results = kept.scored_by()(
                embedder, [Recording(path) for path in todo], batch=asked.batch, workers=asked.workers,
                salvage=asked.salvage, gain=asked.gain, hear_silence=True, on_part=turns.part, on_audio=meter.heard,
            )  # fmt: skip
            with closing(results):  # whatever happens: threads that decode wait for it
                return jobs.gather(((heard, None) for heard in results), into, meter, strict)

    return jobs.done(into, found, kept.retry, hear)
