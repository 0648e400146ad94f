"""`earmark tag`: recordings → tags."""

from __future__ import annotations

from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal import tagoptions as t

PLACE = 70  # in `earmark --help`


def tag(
    paths: o.Recordings = None,
    tagger: o.Tagger = "esc10",
    top: t.Top = None,
    only_heard: t.Heard = False,
    form: t.Form = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: t.Out = None,
    job: o.Job = None,
    shard: o.Shard = None,
    retry: o.Retry = False,
    on: o.On = None,
    address: o.Address = None,
    cluster: o.Cluster = None,
    windows: t.Windows = None,
    pictures: t.Pictures = None,
    channel: o.Channel = None,
    each_channel: o.EachChannel = False,
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
    from earmark.inference.channels import Channels

    told = tagging.form_of("json" if as_json else form, out)
    tagging.check_places(out, windows, errors)
    coming = source(paths, live, rate, channels, encoding, errors, strict)
    heard = Channels(channel, each_channel)
    tagging.check_channels(heard, coming, told, windows, pictures)
    (kept := Kept.of(job, shard, retry, on, address, cluster)).check(
        out=out, windows=windows, pictures=pictures, live=coming
    )
    loaded, kept = kept.loaded(tagger, device, engine, precision, hop)
    tagging.say_unheard(loaded, device)
    merged = None if merge is None else tagging.vocabulary(merge, merge_by)
    asked = tagging.Asked(
        loaded,
        tagging.choose(loaded, top, only_heard, merged),
        told,
        *(out, windows, pictures, batch, workers, salvage, gain, merged, floor, heard),
    )
    if coming is not None:
        return tagging.tag_live(coming, asked)
    if tagging.tag_files(paths or [], asked, kept, errors=errors, strict=strict):
        raise typer.Exit(1)
