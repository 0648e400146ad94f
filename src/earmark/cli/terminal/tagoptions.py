"""Options of `earmark tag` beside those that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal.options import DRAWN, FORM, TABLES
from earmark.cli.terminal.ours import scores_of_windows, tags
from earmark.cli.terminal.written import Writes, WritesFolder

Top = Annotated[
    int | None, typer.Option(min=1, help="How many tags for each recording; default: 3, with --heard all of them.")
]
Heard = Annotated[
    bool, typer.Option("--heard", help="Only tags that reach the thresholds that earmark calibrate chose.")
]
Form = Annotated[
    Literal["table", "json", "jsonl", "csv", "submission"] | None,
    typer.Option(
        "--format",
        help="Of the results; default: as --out ends, or table. submission: fname,label, as DCASE 2018 task 2 wants them.",
    ),
    FORM,
]
Out = Annotated[
    Path | None, typer.Option(help="A file for the results, such as tags.csv; default: stdout."), Writes(tags)
]
Windows = Annotated[
    Path | None,
    typer.Option(help="Also write each window's scores: .parquet or .csv."),
    Writes(scores_of_windows),
    TABLES,
]
Pictures = Annotated[
    Path | None, typer.Option(help="A folder for a picture of each recording over time."), WritesFolder(), DRAWN
]
