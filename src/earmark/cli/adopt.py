"""`earmark adopt`: a net that others trained becomes a tagger like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.written import Writes, adopted

PLACE = 92  # in `earmark --help`


def adopt(
    net: Annotated[
        str, typer.Argument(help="A TensorFlow Lite file, or yamnet, which is fetched from its public home.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.safetensors, the tagger."), Writes(adopted)],
    labels: Annotated[
        Path | None, typer.Option(help="A table with the tags' names in order, such as yamnet_class_map.csv.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights, such as Apache-2.0; kept in the tagger.")] = None,
    origin: Annotated[str | None, typer.Option(help="Where the file is from; kept in the tagger.")] = None,
    as_json: o.AsJson = False,
) -> None:
    """Make a tagger of a net that others trained. Known: YAMNet, 521 tags of AudioSet.

    Nothing of the file is run. Licence, origin and digest stay with the tagger; `earmark show` and reports tell them.
    """
    from earmark.cli.terminal import adopting

    told = adopting.adopt(net, out, labels, licence, origin)
    print(json.dumps(told.as_dict(), indent=1, ensure_ascii=False) if as_json else told.text())
