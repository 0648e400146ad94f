"""`earmark alarms`: false alarms an hour of a tagger, on recordings without its sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import eventoptions as e
from earmark.cli.terminal import options as o

PLACE = 95  # in `earmark --help`


def alarms(
    tagger: o.TaggerFile,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Recordings without its sounds, or folders of them; each is told by itself."),
    ],
    of: Annotated[str | None, typer.Option(help="What they are, in words: told as one.")] = None,
    threshold: e.Threshold = None,
    median: e.Median = None,
    gap: e.Gap = None,
    low: e.Low = None,
    shortest: e.Shortest = None,
    merge: o.InMerged = None,
    merge_by: o.MergeBy = "highest",
    record: Annotated[bool, typer.Option("--record", help="Write the figures into the tagger file.")] = False,
    as_json: o.AsJson = False,
    errors: o.Errors = None,
    salvage: o.Salvage = False,
    gain: o.Gain = 0.0,
    floor: o.Floor = None,
    channel: o.Channel = None,
    each_channel: o.EachChannel = False,
    strict: o.Strict = False,
    batch: o.Batch = None,
    workers: o.Workers = 2,
    device: o.Device = "auto",
    engine: o.Engine = "auto",
    precision: o.Precision = "auto",
) -> None:
    """Count the events that a tagger tells of recordings in which none of its sounds is heard: false alarms an hour.

    By the rules of `earmark events`: the tagger's own, or 0.5 for all tags. Which recordings these are, you say."""
    from earmark.cli.terminal import alarming, detecting
    from earmark.cli.terminal.bar import Bar
    from earmark.evaluation.alarms import Hearing, false_alarms
    from earmark.evaluation.alarms import record as stored
    from earmark.evaluation.scoring import Settings
    from earmark.inference import process
    from earmark.inference.channels import Channels
    from earmark.models import loading

    changes = {"threshold": threshold, "median": median, "gap": gap, "shortest": shortest, "low": low}
    apart = {"channel": channel, "each_channel": each_channel or None}
    alarming.check(record, precision, **changes, gain=gain or None, floor=floor, **apart, merge=merge)
    hearing = Hearing(gain, floor, Channels(channel, each_channel), detecting.vocabulary(merge, merge_by))
    process.take()
    kinds = alarming.kinds(paths, of)
    loaded = loading.load(tagger, device, engine=engine, precision=precision)
    rules, by = alarming.rules(loaded, changes, device, hearing.merge)
    found = false_alarms(loaded, kinds, rules, Settings(batch, workers, salvage, strict), Bar(), hearing, by)
    alarming.tell(found, as_json, errors)
    if record:
        stored(tagger, loaded, found.alarms)
    alarming.leave(found)
