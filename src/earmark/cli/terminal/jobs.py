"""What becomes of a run over recordings; `--job FOLDER`: it goes on where it was after it was stopped or killed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from earmark.errors import AudioError, EarmarkError, agreed, counted
from earmark.files import is_of_the_name, tally
from earmark.files.intact import Damaged, Looks
from earmark.files.journal import PIECES, RESULTS, SHARDS, Journal
from earmark.files.mirror import mirror_of, mirrored
from earmark.files.names import Some
from earmark.files.shards import Shard

if TYPE_CHECKING:
    from earmark.cli.terminal.console import Meter
    from earmark.events.cells import UnfitName
    from earmark.files.pieces import Frame
    from earmark.inference import Failure, Scored
    from earmark.inference.cluster.machines import Machines
    from earmark.models.anytagger import AnyTagger


class Results(Protocol):
    """Where the results of a run go."""

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        """What is left to do."""
        ...

    def add(self, heard: Scored, events: Any) -> None: ...

    def fail(self, failure: Failure) -> None: ...

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        """What is to be said of the audio of all. now: of those that were heard this time."""
        ...

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        """Write what is written at the end; (path, reason) of what could not be read."""
        ...


def gather(
    results: Iterable[tuple[Scored | Failure, Any]],
    into: Results,
    meter: Meter,
    strict: bool,
    also: Callable[[Scored, Any], None] | None = None,
    first: Callable[[Scored, Any], Sequence[str]] | None = None,
) -> list[str]:
    """Take in results as they come; the notes on their audio. strict: raise the first failure. first: what must be done before a
    recording counts as done, and what else is to be noted on it then.
    """
    from earmark.cli.terminal.console import say_notes

    notes: list[str] = []
    try:
        _take_in(results, into, meter, strict, also, first, notes)
    except BaseException:  # Ctrl-C too: what was printed so far would stand without them
        say_notes(notes)
        raise
    return notes


def _take_in(
    results: Iterable[tuple[Scored | Failure, Any]],
    into: Results,
    meter: Meter,
    strict: bool,
    also: Callable[[Scored, Any], None] | None,
    first: Callable[[Scored, Any], Sequence[str]] | None,
    notes: list[str],
) -> None:
    """The same; notes: they are added here as they come."""
    from earmark.events.cells import UnfitName
    from earmark.inference import Failure

    for heard, events in results:
        meter.done(heard.recording.path)
        if isinstance(heard, Failure):
            if strict:
                raise heard.error
            into.fail(heard)
            continue
        notes += heard.notes
        try:
            if first is not None and (more := first(heard, events)):
                heard = replace(heard, notes=(*heard.notes, *more))
                notes += more
            into.add(heard, events)
        except AudioError as error:
            into.fail(Failure(heard.recording, error))
            continue
        except UnfitName as error:
            into.fail(Failure(heard.recording, unfit(heard.recording.path, error)))
            continue
        except OSError as error:
            if not is_of_the_name(error):
                raise
            into.fail(Failure(heard.recording, unwritten(heard.recording.path, error)))
        if also is not None:
            also(heard, events)


def unwritten(recording: Path, error: OSError) -> AudioError:
    """A recording whose result the system does not take under its name, though it takes others."""
    return AudioError(
        recording, f"was heard, and its result cannot be written as {error.filename} ({error.strerror})",
        "Rename the recording, or move away what stands there",
    )  # fmt: skip


def unfit(recording: Path, error: UnfitName) -> AudioError:
    """The same where a format of files cannot hold its name, though it holds others."""
    return AudioError(recording, f"was heard, and its result cannot be written: {error}")


def done(
    into: Results, found: Sequence[Path], retry: bool, hear: Callable[[Sequence[Path]], list[str]]
) -> tuple[list[str], list[tuple[str, str]]]:
    """What is to be said of the audio, and (path, reason) of what could not be read. hear: takes in results of recordings; what is to be
    said of them. What turns out to be damaged as a job's results are joined is heard again, once.
    """
    from earmark.cli.terminal.console import say

    notes = hear(into.todo(found, retry))
    try:
        failures = into.finish(found)
    except Damaged as error:
        say(_damaged(error.files))
        notes += hear(into.todo(found, False))
        failures = into.finish(found)
    return into.notes(found, notes), failures


def _damaged(files: Sequence[Path]) -> str:
    return (
        f"{counted(len(files), 'result is', 'results are')} not what the job wrote, such as {files[0]}, cut off or damaged as by a copy "
        f"or a disk: {agreed(len(files), 'its recording counts', 'their recordings count')} as not heard"
    )


class Form(Protocol):
    """How a job keeps results: a file for each recording, then one of all."""

    @property
    def looks(self) -> Looks:
        """Of a recording's."""
        ...

    def keep(self, journal: Journal, heard: Scored, found: Any) -> None:
        """A recording's, in the journal."""
        ...

    def join(self, journal: Journal, found: Sequence[Path]) -> Path | None:
        """All in one file, in the order of the recordings; None for forms that have no such file."""
        ...


@dataclass(frozen=True)
class Texts:
    """As `Frame` puts pieces together. piece: the text for a recording. ending: of the files' names; name: of the file of all."""

    frame: Frame
    piece: Callable[[Scored, Any], str]
    ending: str
    name: str | None

    @property
    def looks(self) -> Looks:
        frame = self.frame
        opening, closing, empty = (
            text.encode(errors="surrogateescape") for text in (frame.opening, frame.closing or "\n", frame.empty)
        )
        # labels of a recording in which nothing was heard are an empty file; what is joined tells something of each
        return Looks(opening, closing, empty if empty or self.name is None else None, by_hand=self.name is None)

    def keep(self, journal: Journal, heard: Scored, found: Any) -> None:
        journal.done(heard.recording.path, self.frame.around(self.piece(heard, found)), self.ending, heard.notes)

    def join(self, journal: Journal, found: Sequence[Path]) -> Path | None:
        from earmark.cli.terminal import written
        from earmark.cli.terminal.console import output

        if self.name is None:
            for _ in journal.files(found):  # whether they are what was written
                pass
            return None
        path = journal.folder / f"{self.name}{self.ending}"
        with output(path) as file:
            self.frame.write(map(self.frame.inner, journal.results(found)), file)
        written.formulas.look_at(path)
        return path


class Job:
    """Results in a folder, as their form keeps them. told: what they depend on. lacks: whether what is kept beside the result of a
    recording is not there. Raises EarmarkError.
    """

    def __init__(
        self, folder: Path, told: Mapping[str, Any], form: Form, lacks: Callable[[Path], bool] = lambda path: False
    ):
        self.mirror, self.form, self.lacks = mirror_of(folder), form, lacks
        self.shown = folder if self.mirror is None else self.mirror.uri
        with ExitStack() as stack:
            if self.mirror is not None:
                stack.callback(self.mirror.close)
            self.journal = stack.enter_context(
                Journal(folder, told, None if self.mirror is None else self.mirror.fetched, form.looks)
            )
            if self.mirror is not None:
                self.mirror.begin()
            self._opened = stack.pop_all()

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from earmark.cli.terminal.console import say

        self._opened.close()
        if kind is KeyboardInterrupt:
            say(
                f"{counted(len(self.journal.entries), 'recording is', 'recordings are')} done; the same command goes on from here"
            )

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        from earmark.cli.terminal.console import say
        from earmark.cli.terminal.values import without

        of_shard = self.shown.parent.name == SHARDS
        joins = {"words": without("--shard"), "folder": os.getcwd()} if of_shard else None
        left = self.journal.todo(found, retry, joins, self.lacks)
        if self.journal.damaged:
            say(_damaged(self.journal.damaged))
            self.journal.damaged = []
        if self.journal.taken_over:
            say(f"{counted(self.journal.taken_over, 'recording was', 'recordings were')} done by shards")
        if len(left) < len(found):
            say(
                f"{len(found) - len(left):,} of {counted(len(found), 'recording')} "
                f"{agreed(len(found) - len(left), 'is', 'are')} done already"
            )
        return left

    def add(self, heard: Scored, events: Any) -> None:
        self.form.keep(self.journal, heard, events)

    def fail(self, failure: Failure) -> None:
        self.journal.failed(failure.recording.path, str(failure.error))

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        """Of this time and before, by shards too."""
        from earmark.cli.terminal.console import say

        if unknown := self.journal.unnoted(found):
            say(
                f"{counted(unknown, 'recording was', 'recordings were')} done by an earmark that did not keep in the job what "
                f"is to be said of {agreed(unknown, 'its', 'their')} audio, such as silence or a file that is cut off: it was "
                "said then"
            )
        return list(dict.fromkeys([*self.journal.notes(found), *now]))

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        """All results in one file; failures of this time and before."""
        from earmark.cli.terminal.console import say

        self.journal.changed = []
        self.journal.settle(found)
        told = tally.settle(self.journal.folder)
        if (self.journal.folder / PIECES).is_dir() and told.pieces:
            say(str(told))
        self.journal.drop_pieces()
        # a shard's part changes with the recordings that there are, and the job that joins it tells of all
        besides = [] if self.shown.parent.name == SHARDS else self.journal.besides(found)
        path = self.form.join(self.journal, found)
        if changed := self.journal.changed:
            many = agreed(len(changed), "it stays so: delete it", "they stay so: delete them")
            say(
                f"{counted(len(changed), 'result was', 'results were')} changed since, such as {changed[0]}, and {many} to hear again"
            )
        if self.mirror is not None:
            path = self.mirror.finish(path)
        if path is not None:
            say(f"results: {path}")
        if besides:
            say(
                f"{counted(len(besides), 'recording')} that this job heard before {agreed(len(besides), 'is', 'are')} not "
                f"among those of now, such as {besides[0]}: what was heard in {agreed(len(besides), 'it', 'them')} stays in "
                f"{self.shown / RESULTS}, and is not in the results of all. Name "
                f"{agreed(len(besides), 'it too, where it is', 'them too, where they are')}, or take a --job for each disk"
            )
        return self.journal.failures(found)


def engine_of(tagger: AnyTagger) -> dict[str, str]:
    """What a job's settings tell of what runs its tagger, whose last bits are its own; nothing of torch in float32, as ever.

    Without its version: one that is upgraded need not begin anew.
    """
    each = tagger.engine.split("; ")
    if all(re.match(r"torch [\w.]+, float32,", told) for told in each):
        return {}
    if all(", float32," in told for told in each):
        return {
            "engine": re.sub(r" [\w.]+,", ",", tagger.engine)
        }  # without its precision: so jobs tell it that were begun before
    from earmark.models.anytagger import way

    return {"engine": way(tagger)}


@dataclass(frozen=True)
class Kept:
    """Where a run's results are kept, as the user asked: --job, --shard and --retry; folder None: nowhere."""

    folder: Path | None
    shard: str | None = None
    retry: bool = False
    machines: Machines | None = None
    load: Callable[[Any], Callable[[], Any]] | None = None  # of the tagger, in other processes

    def scored_by(self) -> Callable[..., Generator[Scored | Failure]]:
        """What scores recordings: this process, or a cluster's."""
        from earmark.inference import score

        folder = self.part([])[1]
        if self.machines is None or folder is None or self.load is None:
            return score
        from earmark.cli.terminal.console import say
        from earmark.inference.cluster.scoring import Cluster

        return Cluster(self.machines, self.load, folder / PIECES, say).score

    @staticmethod
    def of(
        job: Path | None, shard: str | None, retry: bool, on: str | None, address: str | None, cluster: list[str] | None
    ) -> Kept:
        """For the options of these names. Raises EarmarkError."""
        from earmark.inference.cluster.machines import Machines

        return Kept(job, shard, retry, Machines.of(on, address, cluster))

    def loaded(
        self, name: str, device: str, engine: str, precision: str, hop: str | None = None
    ) -> tuple[AnyTagger, Kept]:
        """The tagger, and the same that knows how other processes come by it. hop: seconds, in place of its own."""
        from earmark.models import loading

        tagger = loading.load(name, device, engine=engine, precision=precision)
        tagger = tagger if hop is None else tagger.every(hop)
        if self.machines is None:
            return tagger, self
        from earmark.models.elsewhere import Elsewhere

        there = Elsewhere.of(tagger, name, device, engine, precision, hop, self.machines.cores)
        return tagger, replace(self, load=there.scorers)

    def check(self, **options: Any) -> None:
        """Raises EarmarkError for an option that does not go with --job, or goes with it only."""
        if self.folder is None:
            for name, told in (("--retry", self.retry), ("--shard", self.shard is not None)):
                if told:
                    raise EarmarkError(f"{name} is of a job: say which with --job FOLDER")
            if self.machines is not None:
                raise EarmarkError(
                    "--on ray: results of a cluster are kept in a job's folder, so that a kill costs little: name it with --job FOLDER"
                )
            return
        if self.shard is not None:
            Shard.parse(self.shard)
        for name, value in options.items():
            if value is not None:
                what = "sound that is heard while it comes" if name == "live" else f"--{name}"
                raise EarmarkError(
                    f"{what} does not go with --job, whose folder holds the results: leave one of them out"
                )

    def part(self, found: Sequence[Path]) -> tuple[Sequence[Path], Path | None]:
        """The recordings that are to be heard here, and the folder of what is done: a shard's are its own, those of a job
        in a store are of this machine.
        """
        from earmark.cli.terminal.console import say

        if self.folder is None or self.shard is None:
            return found, None if self.folder is None else mirrored(self.folder, say)
        chosen = Shard.parse(self.shard)
        part = Some(found, range(len(found))[chosen.number - 1 :: chosen.of])  # which knows whose part it is
        return part, mirrored(chosen.folder(self.folder), say)
