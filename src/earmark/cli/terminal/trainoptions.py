"""Options of `earmark train` beside those that verbs share and those of heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal.written import OwnFolder

Out = Annotated[Path, typer.Option(help="The run folder."), OwnFolder()]
Plan = Annotated[
    str | None, typer.Argument(help="A recipe's name or file: see `earmark list recipes`. With --from: the clips.")
]
Data = Annotated[Path | None, typer.Option(help="The data set's folder, a manifest, or a pack.")]
Fold = Annotated[
    list[str] | None, typer.Option(help="Let these folds take turns, as data.rotate says; `all` for every one.")
]
Seeds = Annotated[
    str | None, typer.Option(help="Train once with each, such as 1,2,3: a run in seed-1, …; mean and spread.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")]
Decoders = Annotated[int, typer.Option(help="Threads that decode and cut.")]
Processes = Annotated[int, typer.Option(help="That train together, one a GPU.", min=1)]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")]
Salvage = Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")]
SaveEvery = Annotated[
    str | None,
    typer.Option(help="Keep the state within epochs too: every 500 (steps), 90s, 10min, 1h. --resume goes on there."),
]
