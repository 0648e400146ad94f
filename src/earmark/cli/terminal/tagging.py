"""Tags of recordings and of live sound, from a loaded tagger to what is printed, kept and drawn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal import forms
from earmark.inference.channels import MIX, Channels

if TYPE_CHECKING:
    from earmark.cli.terminal.jobs import Kept, Results
    from earmark.evaluation.vocabulary import Vocabulary
    from earmark.inference import Failure, Part, Recording, Scored
    from earmark.inference.outputs import Choice, Format
    from earmark.models.anytagger import AnyTagger
    from earmark.scores import Scores


@dataclass(frozen=True)
class Asked:
    """What the user asked for. out: of the results; windows: of the windows' scores; pictures: a folder.

    merge: the tags' names in another vocabulary, whose `choice` is of merged tags.
    """

    tagger: AnyTagger
    choice: Choice
    form: Format
    out: Path | None
    windows: Path | None
    pictures: Path | None
    batch: int | None
    workers: int
    salvage: bool
    gain: float = 0.0
    merge: Vocabulary | None = None
    floor: float | None = None
    channels: Channels = MIX

    @property
    def tags(self) -> tuple[str, ...]:
        return self.tagger.vocabulary if self.merge is None else tuple(self.merge.names(self.tagger.vocabulary))

    def merged(self, scores: Scores) -> Scores:
        return scores if self.merge is None else self.merge.scores(scores)

    def drawn(self, heard: Scored) -> Scored:
        """Without the tags that are never told."""
        from dataclasses import replace

        from earmark.inference.detection import without

        return heard if heard.windows is None else replace(heard, windows=without(heard.windows, self.choice.reserved))

    def named(self, heard: Scored | Failure) -> Any:
        """What was heard in the tags that were asked for: as `evaluate --merge`, once a recording's windows are combined."""
        from earmark.inference import Failure

        if self.merge is None or isinstance(heard, Failure):
            return heard
        return self.merge.scored(heard, self.tagger.vocabulary)


def vocabulary(table: Path, rule: Any) -> Vocabulary:
    """Raises EarmarkError for no such table."""
    from earmark.evaluation.vocabulary import Vocabulary

    return Vocabulary.load(table, rule)


def choose(tagger: AnyTagger, top: int | None, heard: bool, merge: Vocabulary | None) -> Choice:
    """Which tags are told, those of `merge` where it is given. Raises EarmarkError where thresholds are lacking."""
    from dataclasses import replace

    from earmark.errors import EarmarkError
    from earmark.evaluation import wording
    from earmark.inference.outputs import Choice

    choice = Choice.asked(tagger, top, heard)
    if merge is None:
        return choice
    limits = None
    if choice.thresholds is not None:
        limits, lost = merge.thresholds(choice.thresholds, tagger.vocabulary)
        if lost:
            raise EarmarkError(
                f"--heard and --merge: the thresholds of tags that are one in {merge.name} differ, or they are merged by sum: "
                f"{wording.names(lost)}. Choose thresholds of merged tags with `earmark calibrate --merge`"
            )
    names = merge.names(tagger.vocabulary)
    return replace(
        choice, vocabulary=names, thresholds=limits, reserved=merge.reserved(tagger.vocabulary, choice.reserved)
    )


def form_of(asked: str | None, out: Path | None) -> Format:
    """What --format says, or how the file's name ends. Raises EarmarkError where they contradict each other."""
    from earmark.inference.outputs import ENDINGS, Format

    return Format(forms.of_file(asked, out, ENDINGS, "table"))


def tag_files(paths: Sequence[Path], asked: Asked, kept: Kept, *, errors: Path | None, strict: bool) -> bool:
    """Tag recordings, or those in folders; whether some could not be read, or a picture not be drawn."""
    from earmark import scores
    from earmark.cli.terminal import jobs, ours, written
    from earmark.cli.terminal.console import Meter, say_failures, say_notes
    from earmark.cli.terminal.found import recordings
    from earmark.files.apart import Apart
    from earmark.files.names import among
    from earmark.inference import process
    from earmark.inference.channels import by_file
    from earmark.inference.outputs import check_form

    process.take()
    found, job = kept.part(recordings(paths))
    written.claim("--pictures", asked.pictures, written.names_for(found, ".png"), ours.drawn)
    check_form(asked.form, found, asked.tags)
    windows: list[scores.Scores] = []
    drawn: set[str] = set()
    missing: list[Path] = []
    apart = Apart(() if asked.pictures is None else among(found))

    def also(heard: Scored, _: object) -> None:
        if asked.windows is not None and heard.windows is not None:
            windows.append(heard.windows)
        if asked.pictures is not None:
            path = picture_path(asked.pictures, apart.name(heard.recording.path), drawn)
            if not _draw(asked.drawn(heard), asked.tagger.sample_rate, path, asked.salvage):
                missing.append(path)

    def hear(todo: Sequence[Path]) -> list[str]:
        sounds = asked.channels.recordings(todo)
        with Meter(todo) as meter:
            results = kept.scored_by()(
                asked.tagger, sounds, batch=asked.batch, workers=asked.workers,
                salvage=asked.salvage, gain=asked.gain, floor=asked.floor, on_audio=meter.heard,
                keep_windows=asked.windows is not None or asked.pictures is not None,
            )  # fmt: skip
            with closing(results):  # whatever happens: threads that decode wait for it
                return jobs.gather(
                    by_file((asked.named(heard) for heard in results), sounds), into, meter, strict, also
                )

    with ExitStack() as stack:
        into = _results(asked, job, stack)
        notes, failures = jobs.done(into, found, kept.retry, hear)
    say_notes(notes)
    if asked.windows is not None and windows:
        scores.concat(windows).save(asked.windows)
    return say_failures(failures, found, paths, errors) or bool(missing)


def _results(asked: Asked, job: Path | None, stack: ExitStack) -> Results:
    """Where the results go: into a job's folder, or out at once."""
    from earmark.cli.terminal import jobs, written
    from earmark.cli.terminal.console import output
    from earmark.cli.terminal.jobs import Job, Texts
    from earmark.files.pieces import Writer
    from earmark.inference.outputs import ENDINGS, Printed, frame_of, piece

    form = asked.form
    frame = frame_of(form, asked.channels.apart)

    def text(_: Scored, channels: Sequence[Scored]) -> str:
        made = frame.between.join(
            piece(each, asked.choice.of(each.values), form, asked.choice.nothing) for each in channels
        )
        return written.formulas.look(made, ENDINGS[form]) if asked.out is None else made

    if job is None:
        return Printed(Writer(frame, stack.enter_context(output(asked.out))), text)
    settings: dict[str, Any] = {
        "command": "tag",
        "tagger": asked.tagger.identity(),
        "format": form.value,
        "salvage": asked.salvage,
    }
    settings |= (
        ({"gain": asked.gain} if asked.gain else {})
        | ({} if asked.floor is None else {"floor": asked.floor})
        | jobs.engine_of(asked.tagger)
        | asked.channels.as_dict()
    )
    settings |= {} if asked.merge is None else {"merge": asked.merge.as_dict()}
    kept = Texts(frame, text, ENDINGS[form], "tags")
    return stack.enter_context(Job(job, settings | asked.choice.as_dict(), kept))


def tag_live(recording: Recording, asked: Asked) -> None:
    """Print the tags of each window as it comes, at the end those of the whole."""
    from earmark.cli.terminal.console import output, say_notes
    from earmark.cli.terminal.live import until_stopped
    from earmark.errors import EarmarkError
    from earmark.files.pieces import Writer
    from earmark.inference import Failure, process, score
    from earmark.inference.outputs import FRAMES, check_form, piece, window_pieces

    check_form(asked.form, None, asked.tags)
    if asked.pictures is not None:
        raise EarmarkError("--pictures are of files: sound that is heard while it comes is not kept")
    process.take()
    with output(asked.out) as file:
        writer = Writer(FRAMES[asked.form], file)

        def on_part(part: Part) -> None:
            for line in window_pieces(asked.merged(part.windows), asked.choice, asked.form):
                writer.add(line)

        with until_stopped(recording):
            (heard,) = score(
                asked.tagger, [recording], workers=1, prompt=True, on_part=on_part, keep_windows=asked.windows is not None,
                batch=asked.batch, salvage=asked.salvage, gain=asked.gain, floor=asked.floor,
            )  # fmt: skip
        if isinstance(heard, Failure):
            raise heard.error
        heard = asked.named(heard)
        writer.add(piece(heard, asked.choice.of(heard.values), asked.form, asked.choice.nothing))
        writer.close()
    say_notes(heard.notes)
    if asked.windows is not None and heard.windows is not None:
        heard.windows.save(asked.windows)


def check_channels(
    channels: Channels, coming: Recording | None, form: str, windows: Path | None, pictures: Path | None
) -> None:
    """Raises EarmarkError for what does not go with channels apart."""
    from earmark.errors import EarmarkError

    if channels.apart and coming is not None:
        raise EarmarkError("--channel and --each-channel are of files, not of sound that is heard while it comes")
    if channels.apart and pictures is not None:
        raise EarmarkError("--pictures draw the mix of all channels: leave them, or --channel and --each-channel, out")
    if channels.each and (windows is not None or form == "submission"):
        what = f"--windows {windows}" if windows is not None else "--format submission"
        raise EarmarkError(f"{what} has no place for channels: choose one with --channel")


def say_unheard(tagger: AnyTagger, device: str) -> None:
    """A line where its windows leave gaps between them, and where a GPU lies idle. device: what was asked for."""
    from earmark.cli.terminal.console import say
    from earmark.models import devices
    from earmark.models.anytagger import unheard

    if told := devices.unused(tagger, device):
        say(told)
    for line in unheard(tagger):
        say(line)
    if sys.stderr.isatty():  # a person looks on
        say(f"engine: {tagger.engine}")


def check_places(out: Path | None, windows: Path | None, errors: Path | None) -> None:
    """Make folders for what is written after the work. Raises EarmarkError for what could not be written."""
    from earmark.errors import EarmarkError

    if windows is not None and windows.suffix not in (".parquet", ".csv"):
        raise EarmarkError(f"--windows {windows}: name it .parquet, which is exact, or .csv")
    for path in (out, windows, errors):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def _draw(heard: Scored, sample_rate: int, path: Path, salvage: bool) -> bool:
    from earmark.cli.terminal.drawing import drawn
    from earmark.report.pictures import recording as timeline

    return drawn(str(heard.recording.path), lambda: timeline.draw(heard, sample_rate, path, salvage=salvage))


def picture_path(folder: Path, name: str, taken: set[str]) -> Path:
    """folder/name.png, numbered where that is taken."""
    from earmark.files import free_name

    folder.mkdir(parents=True, exist_ok=True)
    return folder / free_name(name, taken, ".png")
