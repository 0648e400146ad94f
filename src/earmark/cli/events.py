"""`earmark events`: recordings → when each thing is heard."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli.eventresults import JSON, TABLE, Format, names_of

if TYPE_CHECKING:
    from earmark.cli.drawing import Artist
    from earmark.cli.jobs import Results
    from earmark.events import EventRules
    from earmark.inference import Heard
    from earmark.models.frames import Framewise
    from earmark.scores import Event


def events(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, or folders that are walked for some; - for raw samples on standard input."),
    ] = None,
    tagger: Annotated[str, typer.Option(help="A tagger file, or the name of a shipped one.")] = "esc10",
    form: Annotated[Format, typer.Option("--format", help="Of the results.")] = TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for events.tsv, .csv or .json, or a file a recording; default: stdout."),
    ] = None,
    job: Annotated[
        Path | None, typer.Option(help="A folder for the results; after a kill the same command goes on where it was.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Of a job: try again what could not be read.")] = False,
    threshold: Annotated[float | None, typer.Option(help="For all tags; default: the tagger's own, or 0.5.")] = None,
    median: Annotated[
        float | None, typer.Option(help="Seconds of the median filter; default: the tagger's own.")
    ] = None,
    gap: Annotated[float | None, typer.Option(help="Join events less than this many seconds apart.")] = None,
    shortest: Annotated[float | None, typer.Option(help="Drop events of fewer seconds.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="A folder for a PNG a recording: spectrogram, scores, events found.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A table of known events, drawn too: filename, onset, offset, event_label.")
    ] = None,
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
    """Say when each thing is heard: onset, offset, tag and score of every event.

    Scores of frames where the tagger's net has them, else of its windows; the rules that `earmark calibrate` stored.
    """
    from earmark import audio
    from earmark.cli import eventresults, jobs
    from earmark.cli.console import check_file, check_folder, say_failures, say_notes
    from earmark.cli.drawing import Artist
    from earmark.cli.live import events_live, source
    from earmark.errors import EarmarkError
    from earmark.events import formats as eventfile
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    form = JSON if as_json else form
    if form is TABLE and out is not None:
        raise EarmarkError(
            f"{out}: a table is for reading on stdout. Choose --format tsv, csv, json, audacity or raven"
        )
    check_folder("--out", out)
    check_file("--errors", errors)
    coming = source(paths, live, rate, channels, encoding, errors, strict)
    jobs.check(job, retry, out=out, pictures=pictures, live=coming)
    keep_freed_memory()
    listener = loading.load(tagger, device)
    found = audio.find(paths or []) if coming is None else []
    if form is not TABLE and eventfile.each(form) and out is None and job is None and len(found) > 1:
        raise EarmarkError(f"{form.value} has a file for each of the {len(found)} recordings: name a folder with --out")
    scorer = listener.framewise()
    rules = _rules(listener, scorer is None, threshold, median, gap, shortest)
    artist = Artist.of(pictures, reference, listener.sample_rate)
    if coming is not None:
        return events_live(coming, listener, scorer, rules, form, out, artist, batch=batch, salvage=salvage)
    names, highest = names_of(found), listener.sample_rate / 2
    with ExitStack() as stack:
        into: jobs.Results
        if job is not None:
            facts = {"command": "events", "tagger": listener.identity(), "format": form.value, "salvage": salvage}
            into = stack.enter_context(eventresults.job(job, facts | rules.as_dict(), form, highest))
        elif form is TABLE:
            into = eventresults.Table(names)
        else:
            into = eventresults.Collected(names, form, out, highest)
        options = {"batch": batch, "workers": workers, "salvage": salvage}
        notes = _hear(listener, scorer, rules, into, into.todo(found, retry), artist, names, strict, options)
        failures = into.finish(found)
    say_notes(notes)
    if say_failures(failures, found, paths or [], errors):
        raise typer.Exit(1)


def _hear(
    listener: Any,
    scorer: Framewise | None,
    rules: EventRules,
    into: Results,
    todo: Sequence[Path],
    artist: Artist | None,
    names: dict[Path, str],
    strict: bool,
    options: dict[str, Any],
) -> list[str]:
    """Take in the events of recordings, with a bar; what is to be said of their audio. options: of `earmark.inference.score`."""
    from earmark.cli import eventresults, jobs
    from earmark.cli.console import Meter
    from earmark.inference import Recording
    from earmark.inference import detection as listening

    def also(heard: Heard, events: list[Event]) -> None:
        if artist is not None:
            moments = scorer.scores(heard) if scorer else heard.windows
            artist.draw(names[heard.recording.path], heard, moments, rules, events, options["salvage"])

    show = into.show if isinstance(into, eventresults.Table) else None
    recordings = [Recording(path) for path in todo]
    with Meter(todo) as meter:
        told = listening.listen(
            listener, scorer, recordings, rules,
            on_events=show, on_audio=meter.heard, keep_windows=artist is not None, **options,
        )  # fmt: skip
        with closing(told):  # whatever happens: threads that decode wait for it
            return jobs.gather(told, into, meter, strict, also)


def _rules(
    listener: Any,
    windows: bool,
    threshold: float | None,
    median: float | None,
    gap: float | None,
    shortest: float | None,
) -> EventRules:
    """The tagger's own rules, or 0.5 for all tags, with what the user wants otherwise."""
    from dataclasses import replace

    from earmark.cli.console import say
    from earmark.events import DEFAULT, EventRules

    tags = listener.vocabulary
    stored = listener.facts.rules
    rules = stored or EventRules.alike(tags)
    if not stored and threshold is None:
        say(
            f"this tagger has no rules for events: threshold {DEFAULT} for all tags. Choose some with earmark calibrate"
        )
    if windows:
        told = listener.windows
        say(f"this tagger scores windows, not moments: edges are no finer than {told.length:g} s every {told.hop:g} s")
    changes: dict[str, Any] = {}
    if threshold is not None:
        changes["thresholds"] = dict.fromkeys(tags, threshold)
    if median is not None:
        changes["medians"] = dict.fromkeys(tags, median)
    changes |= {name: value for name, value in (("gap", gap), ("shortest", shortest)) if value is not None}
    return replace(rules, **changes)
