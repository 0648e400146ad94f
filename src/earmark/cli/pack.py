"""`earmark pack`: clips → tar shards with an index, to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import written

PLACE = 15  # in `earmark --help`


def pack(
    data: Annotated[Path, typer.Argument(help="A manifest made with `earmark index`, or a data set's folder.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The folder of the pack, or its URI: new, or to be completed."),
        written.OwnFolder(stored=True),
    ],
    dataset: Annotated[str | None, typer.Option(help="The layout of a folder: see `earmark list datasets`.")] = None,
    shard_size: Annotated[float, typer.Option(help="MB after which a shard ends.")] = 256.0,
    flac: Annotated[
        bool, typer.Option("--flac", help="Store as FLAC what is whole numbers: smaller, same samples.")
    ] = False,
    rate: Annotated[int | None, typer.Option(help="Hz: resample, one channel, FLAC of 16 bits.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order within a fold.")] = 0,
    bear: Annotated[
        float, typer.Option(help="The share of clips that may be unreadable, to 1; ten at least; 0: none.")
    ] = 0.01,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
) -> None:
    """Pack clips into tar shards in WebDataset's layout, to train from with --data. Killed, the same command goes on."""
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.packing import told
    from earmark.data import packs
    from earmark.data.datasets import open_data

    clips = open_data(data, dataset, say=say)
    packed = packs.pack(
        clips, out, shard_size=round(shard_size * 1e6), flac=flac, rate=rate, seed=seed, bear=bear, salvage=salvage,
        workers=workers, progress=Bar(),
    )  # fmt: skip
    told(packed, len(clips))
