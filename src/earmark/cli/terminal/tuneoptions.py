"""Options of `earmark calibrate` beside those that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import ours, written

Data = Annotated[
    Path | None, typer.Option(help="The data set's folder, or a manifest; with tags or events of its clips.")
]
Precise = Annotated[
    float | None, typer.Option("--precision", help="Choose for so many of what is told to be right, such as 0.9.")
]
FalseAlarms = Annotated[str | None, typer.Option(help="Choose for no more of these, such as 2/hour or 10/day.")]
Reviews = Annotated[Path | None, typer.Option(help="In place of --data: a table of earmark review that was filled in.")]
Fold = Annotated[
    list[str] | None, typer.Option(help="Folds to choose on; default: those that chose the tagger's epoch.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="The new tagger file; default: the old one is replaced."),
    written.Writes(ours.calibrated),
]
Collar = Annotated[float, typer.Option(help="Seconds that an edge may be off.")]
Gap = Annotated[float, typer.Option(help="Join events less than this many seconds apart.")]
Shortest = Annotated[float, typer.Option(help="Drop events of fewer seconds.")]
Tried = Annotated[Path | None, typer.Option(help="CSV of all that was tried."), written.Writes(ours.tried)]
AsJson = Annotated[bool, typer.Option("--json", help="Rules, figures and all that was tried, on stdout.")]
Windows = Annotated[
    bool, typer.Option("--windows", help="Choose hop, weights and mean of windows instead, on validation folds.")
]
Metric = Annotated[str | None, typer.Option(help="For --windows. Default: the log loss.")]
OnTest = Annotated[bool, typer.Option("--on-test", help="Allow the folds that the tagger is tested on.")]
