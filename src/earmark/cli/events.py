"""`earmark events`: recordings → when each thing is heard."""

from __future__ import annotations

import typer

from earmark.cli.terminal import eventoptions as e
from earmark.cli.terminal import options as o
from earmark.cli.terminal.eventresults import Format

PLACE = 80  # in `earmark --help`


def events(
    paths: o.Recordings = None,
    tagger: o.Tagger = "esc10",
    form: e.Form = None,
    as_json: e.AsJson = False,
    out: e.Out = None,
    job: o.Job = None,
    shard: o.Shard = None,
    retry: o.Retry = False,
    on: o.On = None,
    address: o.Address = None,
    cluster: o.Cluster = None,
    threshold: e.Threshold = None,
    median: e.Median = None,
    gap: e.Gap = None,
    low: e.Low = None,
    shortest: e.Shortest = None,
    clock: e.Clock = False,
    start: e.Start = None,
    names: e.Names = None,
    zone: e.Zone = None,
    clips: e.Clips = None,
    clips_as: e.ClipsAs = "wav",
    margin: e.Margin = 1.0,
    clips_each: e.ClipsEach = 50,
    summary: e.Summary = None,
    store: e.Store = None,
    channel: o.Channel = None,
    each_channel: o.EachChannel = False,
    pictures: e.Pictures = None,
    reference: e.Reference = None,
    strongest: e.Strongest = None,
    merge: o.InMerged = None,
    merge_by: o.MergeBy = "highest",
    errors: o.Errors = None,
    salvage: o.Salvage = False,
    gain: o.Gain = 0.0,
    floor: o.Floor = None,
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
    Scores of frames where the tagger's net has them, else of its windows; the rules that `earmark calibrate` stored."""
    from earmark.cli.terminal import detecting, drawing, eventextras, jobs
    from earmark.cli.terminal.live import source

    detecting.check_form(told := Format.of("json" if as_json else form, out), out)
    coming = source(paths, live, rate, channels, encoding, errors, strict)
    (kept := jobs.Kept.of(job, shard, retry, on, address, cluster)).check(out=out, pictures=pictures, live=coming)
    times, cut = (clock, start, names, zone), (clips, margin, clips_each, clips_as)
    extras = eventextras.wanted(times, cut, summary, channel, each_channel, told, job, pictures, coming, store)
    loaded, kept = kept.loaded(tagger, device, engine, precision)
    found = eventextras.one(start, detecting.find(paths or [], coming, told, out, pictures, job))
    merged = detecting.vocabulary(merge, merge_by)
    rules = detecting.rules_of(loaded, (threshold, median, gap, shortest, low), device, merged)
    artist = drawing.Artist.of(pictures, reference, loaded.sample_rate, strongest, found)
    asked = detecting.Asked(loaded, rules, told, out, artist, batch, workers, salvage, gain, floor, extras, merged)
    if detecting.events_of(coming, paths or [], found, asked, kept, errors=errors, strict=strict):
        raise typer.Exit(1)
