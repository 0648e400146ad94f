"""Options of `earmark events` beside those that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal.eventresults import FormatName
from earmark.cli.terminal.needing import Needs, Packages
from earmark.cli.terminal.options import DRAWN, FORM, TABLES
from earmark.cli.terminal.ours import counted
from earmark.cli.terminal.written import OwnFolder, Writes, WritesEither, WritesFolder

OF_CLIPS = Needs("--clips", of="files of sound of events")
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Form = Annotated[FormatName, FORM]
Threshold = Annotated[float | None, typer.Option(help="For all tags; default: the tagger's own, or 0.5.")]
Median = Annotated[float | None, typer.Option(help="Seconds of the median filter; default: the tagger's own.")]
Gap = Annotated[float | None, typer.Option(help="Join events less than this many seconds apart.")]
Low = Annotated[
    float | None,
    typer.Option(help="Join events between which the score stays at this share of the threshold, such as 0.5."),
]
Shortest = Annotated[float | None, typer.Option(help="Drop events of fewer seconds.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A file, such as events.csv, or a folder for it or, by format, for one a recording; default: stdout."
    ),
    WritesEither(),
]
Pictures = Annotated[
    Path | None,
    typer.Option(help="A folder for a PNG a recording: spectrogram, scores, events found."),
    WritesFolder(),
    DRAWN,
]
Reference = Annotated[
    Path | None,
    typer.Option(help="Known events, drawn too: a table of filename, onset, offset, event_label, or any --format."),
]
Strongest = Annotated[int | None, typer.Option(min=1, help="Of pictures: draw so many tags, the strongest.")]
Clock = Annotated[
    bool, typer.Option("--clock", help="Also tell the time of day, where names or chunks tell when recordings began.")
]
Start = Annotated[
    str | None, typer.Option(help="When the one recording began, such as 2021-04-23T19:00:00+02:00; implies --clock.")
]
Names = Annotated[
    str | None, typer.Option("--names", help="How names tell it, such as %Y%m%d_%H%M%S; default: as recorders do.")
]
Zone = Annotated[
    str | None,
    typer.Option(
        help="Of clocks that do not tell theirs: Europe/Berlin or +02:00; times are told in it. Implies --clock."
    ),
]
Clips = Annotated[
    Path | None, typer.Option(help="A new folder for a file of sound an event, in folders by tag."), OwnFolder()
]
ClipsAs = Annotated[Literal["wav", "flac"], typer.Option("--clips-as", help="Their format."), OF_CLIPS]
Margin = Annotated[float, typer.Option(help="Seconds of them before and after each event."), OF_CLIPS]
ClipsEach = Annotated[
    int,
    typer.Option("--clips-each", min=1, help="At most so many of a tag in a recording, of the highest scores."),
    OF_CLIPS,
]
Summary = Annotated[
    list[Path] | None,
    typer.Option(help="Counts by site, day, hour and tag: a .csv, a .json or a picture .png; may be given again."),
    Writes(counted),
    Packages(*DRAWN.names, ending=".png"),
]
Store = Annotated[
    Path | None,
    typer.Option(help="A folder of Parquet tables of all events, by site and month, for DuckDB and the like."),
    OwnFolder(stored=True),
    TABLES,
]
