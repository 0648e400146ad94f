"""`earmark tag`: recordings → tags."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.inference.outputs import Format

if TYPE_CHECKING:
    from earmark.inference import Heard
    from earmark.scores import Scores


def tag(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, or folders that are walked for some; - for raw samples on standard input."),
    ] = None,
    tagger: Annotated[str, typer.Option(help="A tagger file, or the name of a shipped one.")] = "esc10",
    top: Annotated[
        int | None, typer.Option(min=1, help="How many tags for each recording; default: 3, with --heard all of them.")
    ] = None,
    only_heard: Annotated[
        bool, typer.Option("--heard", help="Only tags that reach the thresholds that earmark calibrate chose.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="Of the results.")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="A file for the results; default: stdout.")] = None,
    job: Annotated[
        Path | None, typer.Option(help="A folder for the results; after a kill the same command goes on where it was.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Of a job: try again what could not be read.")] = False,
    windows: Annotated[Path | None, typer.Option(help="Also write each window's scores: .parquet or .csv.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder for a picture of each recording over time.")] = None,
    errors: Annotated[Path | None, typer.Option(help="CSV of the recordings that could not be read.")] = None,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged recordings.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first recording that cannot be read.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Listen to a microphone until Ctrl-C.")] = False,
    rate: Annotated[int | None, typer.Option(help="Hz, of raw samples, or of the microphone.")] = None,
    channels: Annotated[int | None, typer.Option(help="Of raw samples; default: 1.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of raw samples: u8, s16le (the default), s16be, s24le, s32le, f32le or f64le.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Say what is heard in each recording, however long it is; of sound that is heard while it comes, in each window."""
    from earmark import audio, scores
    from earmark.cli import jobs
    from earmark.cli.console import Meter, output, say_failures, say_notes
    from earmark.cli.live import source, tag_live
    from earmark.inference import Recording, score
    from earmark.inference.allocator import keep_freed_memory
    from earmark.inference.outputs import ENDINGS, FRAMES, Choice, Printed, Writer, piece
    from earmark.models import loading

    _check_places(out, windows, pictures, errors)
    coming = source(paths, live, rate, channels, encoding, errors, strict)
    jobs.check(job, retry, out=out, windows=windows, pictures=pictures, live=coming)
    keep_freed_memory()
    listener = loading.load(tagger, device)
    choice = Choice.asked(listener, top, only_heard)
    if coming is not None:
        return tag_live(coming, listener, form, choice, out, windows, pictures, batch=batch, salvage=salvage)
    found = audio.find(paths or [])
    kept: list[Scores] = []
    drawn: set[str] = set()

    def text(heard: Heard, _: object) -> str:
        return piece(heard, choice.of(heard.values), form)

    def also(heard: Heard, _: object) -> None:
        if windows is not None and heard.windows is not None:
            kept.append(heard.windows)
        if pictures is not None:
            _draw(heard, listener.sample_rate, picture_path(pictures, heard, drawn), salvage)

    with ExitStack() as stack:
        into: jobs.Results
        if job is not None:
            told = {"tagger": listener.identity(), "format": form.value, "salvage": salvage, **choice.as_dict()}
            into = stack.enter_context(
                jobs.Job(job, {"command": "tag", **told}, FRAMES[form], text, ENDINGS[form], "tags")
            )
        else:
            into = Printed(Writer(FRAMES[form], stack.enter_context(output(out))), text)
        todo = into.todo(found, retry)
        recordings = [Recording(path) for path in todo]
        options: dict[str, Any] = {"batch": batch, "workers": workers, "salvage": salvage}
        options["keep_windows"] = windows is not None or pictures is not None
        # closed whatever happens: threads that decode wait for it
        with Meter(todo) as meter, closing(score(listener, recordings, on_audio=meter.heard, **options)) as results:
            notes = jobs.gather(((heard, None) for heard in results), into, meter, strict, also)
        failures = into.finish(found)
    say_notes(notes)
    if windows is not None and kept:
        scores.concat(kept).save(windows)
    if say_failures(failures, found, paths or [], errors):
        raise typer.Exit(1)


def _check_places(out: Path | None, windows: Path | None, pictures: Path | None, errors: Path | None) -> None:
    """Make folders for what is written after the work. Raises EarmarkError for what could not be written."""
    from earmark.cli.console import check_file, check_folder
    from earmark.errors import EarmarkError

    check_folder("--pictures", pictures)
    if windows is not None and windows.suffix not in (".parquet", ".csv"):
        raise EarmarkError(f"--windows {windows}: name it .parquet, which is exact, or .csv")
    for option, path in (("--out", out), ("--windows", windows), ("--errors", errors)):
        check_file(option, path)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def _draw(heard: Heard, sample_rate: int, path: Path, salvage: bool) -> None:
    from earmark.cli.console import say
    from earmark.errors import EarmarkError
    from earmark.report.pictures import recording as timeline

    try:
        timeline.draw(heard, sample_rate, path, salvage=salvage)
    except EarmarkError as error:  # the tags are found: they must not be lost with their picture
        say(f"no picture of {heard.recording.path}: {error}")


def picture_path(folder: Path, heard: Heard, taken: set[str]) -> Path:
    """folder/name.png, numbered where recordings of different folders have one name."""
    from earmark.files import free_name

    folder.mkdir(parents=True, exist_ok=True)
    return folder / free_name(heard.recording.path.name, taken, ".png")
