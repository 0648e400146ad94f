"""`earmark tag`: recordings → tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.written import Writes, WritesFolder, scores_of_windows, tags

PLACE = 70  # in `earmark --help`


def tag(
    paths: o.Recordings = None,
    tagger: o.Tagger = "esc10",
    top: Annotated[
        int | None, typer.Option(min=1, help="How many tags for each recording; default: 3, with --heard all of them.")
    ] = None,
    only_heard: Annotated[
        bool, typer.Option("--heard", help="Only tags that reach the thresholds that earmark calibrate chose.")
    ] = False,
    form: Annotated[
        Literal["table", "json", "jsonl", "csv", "submission"],
        typer.Option("--format", help="Of the results; submission: fname,label, as DCASE 2018 task 2 wants them."),
    ] = "table",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[Path | None, typer.Option(help="A file for the results; default: stdout."), Writes(tags)] = None,
    job: o.Job = None,
    shard: o.Shard = None,
    retry: o.Retry = False,
    windows: Annotated[
        Path | None, typer.Option(help="Also write each window's scores: .parquet or .csv."), Writes(scores_of_windows)
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="A folder for a picture of each recording over time."), WritesFolder()
    ] = None,
    errors: o.Errors = None,
    salvage: o.Salvage = False,
    gain: o.Gain = 0.0,
    floor: o.Floor = None,
    strict: o.Strict = False,
    live: o.Live = False,
    rate: o.Rate = None,
    channels: o.Channels = None,
    encoding: o.Encoding = None,
    merge: o.InMerged = None,
    merge_by: o.MergeBy = "highest",
    hop: o.Hop = None,
    batch: o.Batch = None,
    workers: o.Workers = 2,
    device: o.Device = "auto",
    engine: o.Engine = "auto",
    precision: o.Precision = "auto",
) -> None:
    """Say what is heard in each recording, however long it is; of sound that is heard while it comes, in each window."""
    from earmark.cli.terminal import tagging
    from earmark.cli.terminal.jobs import Kept
    from earmark.cli.terminal.live import source
    from earmark.inference.outputs import Format
    from earmark.models import loading

    tagging.check_places(out, windows, errors)
    coming = source(paths, live, rate, channels, encoding, errors, strict)
    (kept := Kept(job, shard, retry)).check(out=out, windows=windows, pictures=pictures, live=coming)
    loaded = loading.load(tagger, device, engine=engine, precision=precision)
    loaded = loaded if hop is None else loaded.every(hop)
    tagging.say_unheard(loaded, device)
    merged = None if merge is None else tagging.vocabulary(merge, merge_by)
    asked = tagging.Asked(
        loaded,
        tagging.choose(loaded, top, only_heard, merged),
        Format.json if as_json else Format(form),
        *(out, windows, pictures, batch, workers, salvage, gain, merged, floor),
    )
    if coming is not None:
        return tagging.tag_live(coming, asked)
    if tagging.tag_files(paths or [], asked, kept, errors=errors, strict=strict):
        raise typer.Exit(1)
