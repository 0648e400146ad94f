"""`earmark events`: recordings → when each thing is heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.eventresults import JSON, TABLE, Format
from earmark.cli.terminal.written import WritesFolder

PLACE = 80  # in `earmark --help`


def events(
    paths: o.Recordings = None,
    tagger: o.Tagger = "esc10",
    form: Annotated[Format, typer.Option("--format", help="Of the results.")] = TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for a file of all events or, by format, one a recording; default: stdout."),
        WritesFolder(),
    ] = None,
    job: o.Job = None,
    retry: o.Retry = False,
    threshold: Annotated[float | None, typer.Option(help="For all tags; default: the tagger's own, or 0.5.")] = None,
    median: Annotated[float | None, typer.Option(help="Seconds of the median filter; default: its own.")] = None,
    gap: Annotated[float | None, typer.Option(help="Join events less than this many seconds apart.")] = None,
    shortest: Annotated[float | None, typer.Option(help="Drop events of fewer seconds.")] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="A folder for a PNG a recording: spectrogram, scores, events found."),
        WritesFolder(),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Known events, drawn too: a table of filename, onset, offset, event_label, or any --format."),
    ] = None,
    strongest: Annotated[int | None, typer.Option(min=1, help="Of pictures: draw so many tags, the strongest.")] = None,
    merge: o.InMerged = None,
    merge_by: o.MergeBy = "highest",
    errors: o.Errors = None,
    salvage: o.Salvage = False,
    gain: o.Gain = 0.0,
    strict: o.Strict = False,
    live: o.Live = False,
    rate: o.Rate = None,
    channels: o.Channels = None,
    encoding: o.Encoding = None,
    batch: o.Batch = None,
    workers: o.Workers = 2,
    device: o.Device = "auto",
    engine: o.Engine = "auto",
    precision: o.Precision = "auto",
) -> None:
    """Say when each thing is heard: onset, offset, tag and score of every event.

    Scores of frames where the tagger's net has them, else of its windows; the rules that `earmark calibrate` stored.
    """
    from earmark.cli.terminal import detecting
    from earmark.cli.terminal.drawing import Artist
    from earmark.cli.terminal.live import source
    from earmark.models import loading

    detecting.check_form(form := JSON if as_json else form, out)
    coming = source(paths, live, rate, channels, encoding, errors, strict)
    detecting.check_job(job, retry, out, pictures, coming)
    loaded = loading.load(tagger, device, engine=engine, precision=precision)
    found = detecting.find(paths or [], coming, form, out, pictures, job)
    merged = detecting.vocabulary(merge, merge_by)
    rules = detecting.rules_of(loaded, threshold, median, gap, shortest, device, merged)
    artist = Artist.of(pictures, reference, loaded.sample_rate, strongest)
    asked = detecting.Asked(loaded, rules, form, out, artist, batch, workers, salvage, gain, merged)
    if coming is not None:
        return detecting.events_live(coming, asked)
    if detecting.events_of_files(paths or [], found, asked, job=job, retry=retry, errors=errors, strict=strict):
        raise typer.Exit(1)
