"""Options of `earmark ensemble` beside those that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal.needing import Needs

Over = Annotated[
    Literal["clips", "tags"] | None,
    typer.Option(help="What --rule rank ranks. Default: clips within each tag; of taggers: tags within each clip."),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="A manifest, or the data set's folder: the clips' tags; with --mean-weights the clips that the taggers learnt "
        "from, on which running statistics are measured anew."
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(help="The layout of --data where it is a folder."),
    Needs("--data", of="the folder of a data set"),
]
Metric = Annotated[
    str | None,
    typer.Option(help="For --search and --agreement. Default: accuracy; in task many: map."),
    Needs("--search", "--agreement", of="a search of weights and figures of score files"),
]
Rounds = Annotated[int, typer.Option(min=1, help="Of --search."), Needs("--search", of="a search of weights")]
