"""`earmark embed`: recordings → what the net makes of each window before it names tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.ours import embeddings
from earmark.cli.terminal.written import Writes

PLACE = 85  # in `earmark --help`


def embed(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Recordings, folders that are walked for some, tables with a column path."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file for the embeddings: .parquet."), Writes(embeddings)
    ] = None,
    tagger: o.Tagger = "esc10",
    as_json: o.AsJson = False,
    job: o.Job = None,
    shard: o.Shard = None,
    retry: o.Retry = False,
    on: o.On = None,
    address: o.Address = None,
    cluster: o.Cluster = None,
    errors: o.Errors = None,
    salvage: o.Salvage = False,
    gain: o.Gain = 0.0,
    strict: o.Strict = False,
    hop: o.Hop = None,
    batch: o.Batch = None,
    workers: o.Workers = 2,
    device: o.Device = "auto",
    engine: o.Engine = "auto",
    precision: o.Precision = "auto",
) -> None:
    """Write the embedding of each window, a vector: for search, clusters, and classifiers of one's own.

    A table of id, start, end and vector, of all recordings, however long. Of one that cannot be read to its end nothing is in it.
    """
    from earmark.cli.terminal import embedding, needing, tagging
    from earmark.cli.terminal.jobs import Kept

    needing.require(*o.TABLES.names)
    kept = Kept.of(job, shard, retry, on, address, cluster)
    embedding.check_places(out, kept, errors)
    loaded, kept = kept.loaded(tagger, device, engine, precision, hop)
    tagging.say_unheard(loaded, device)
    asked = embedding.Asked(loaded, out, batch, workers, salvage, gain)
    if embedding.embed_files(paths, asked, kept, errors=errors, strict=strict, as_json=as_json):
        raise typer.Exit(1)
