"""`earmark soundscapes`: clips in each of which one thing is heard → scenes in which it is known what is heard when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options, ours, written
from earmark.errors import counted

PLACE = 140  # in `earmark --help`


def soundscapes(
    manifest: Annotated[Path, typer.Argument(help="Made with `earmark index`.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The folder of the scenes: new, or to be completed."),
        written.OwnFolder(),
    ],
    scenes: Annotated[int, typer.Option(min=1, help="How many of each fold.")] = 100,
    length: Annotated[float, typer.Option(help="Of a scene, in seconds.")] = 10.0,
    events: Annotated[str, typer.Option(help="Fewest:most in a scene.")] = "1:5",
    overlap: Annotated[int, typer.Option(help="Events heard at once, at most.")] = 2,
    snr: Annotated[str, typer.Option(help="Lowest:highest RMS of an event over the background's, in dB.")] = "0:20",
    background: Annotated[str, typer.Option(help="brown, pink, white, none, or a folder of recordings.")] = "brown",
    folds: Annotated[str | None, typer.Option(help="Only these, joined by commas.")] = None,
    trim: Annotated[float, typer.Option(help="Ends of clips so many dB below their loudest 10 ms are cut off.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Another seed, other scenes.")] = 0,
    sample_rate: Annotated[int, typer.Option(help="Hz.")] = 16_000,
    workers: Annotated[int, typer.Option(min=1, help="Threads; the scenes are the same with any number.")] = 2,
    errors: Annotated[
        Path | None,
        typer.Option(help="CSV of the recordings that could not be used."),
        written.Writes(ours.errors),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first recording that cannot be used.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Mix scenes with known events from single-event clips, each fold from its own clips; `--dataset soundscapes` reads them."""
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import say, say_notes
    from earmark.cli.terminal.scenes import leave_with, pair, print_scenes, told_of_unread
    from earmark.data.soundscapes import make_scenes

    with told_of_unread(errors):
        made = make_scenes(
            manifest, out, scenes, length=length, events=pair("--events", events, int), overlap=overlap,
            snr=pair("--snr", snr, float), background=background,
            folds=None if folds is None else [name.strip() for name in folds.split(",") if name.strip()],
            trim=trim, seed=seed, sample_rate=sample_rate, workers=workers, strict=strict, progress=Bar(),
        )  # fmt: skip
    say_notes(made.notes)
    print_scenes(made, as_json)
    for sentence in made.warnings():
        say(sentence)
    say(
        f"{out}: {counted(len(made.scenes), 'scene')}; read them with `earmark index soundscapes {out} -o scenes.parquet`"
    )
    leave_with(made, errors)
