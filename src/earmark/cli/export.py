"""`earmark export`: a tagger for engines without PyTorch, and for programs that know nothing of earmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.needing import Needs
from earmark.cli.terminal.ours import exported
from earmark.cli.terminal.written import Writes

PLACE = 95  # in `earmark --help`
OF_DATA = Needs("--data", of="clips that the exported is judged on")


def export(
    tagger: o.TaggerFile,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, or folders of some, to compare on; default: sounds made on the spot."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="FILE.safetensors, a tagger with its graphs, or FILE.onnx; default: into the tagger's own file.",
        ),
        Writes(exported),
    ] = None,
    part: Annotated[
        Literal["whole", "body"],
        typer.Option(help="Of an ONNX file: whole, from waves to scores, or body, from what the net hears to logits."),
    ] = "whole",
    precision: Annotated[
        Literal["float32", "int8"], typer.Option(help="int8: beside float32 in a tagger, in its place in an ONNX body.")
    ] = "float32",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(help="For int8: recordings, or folders of some, that show the ranges; best those it learnt from."),
    ] = None,
    windows: Annotated[int, typer.Option(min=3, help="To compare on, and to show the ranges.")] = 96,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A data set's folder, or a manifest: judge what is exported beside torch on its clips, in pairs."
        ),
    ] = None,
    fold: Annotated[
        list[str] | None, typer.Option(help="Of the data; default: those the recipe tests on."), OF_DATA
    ] = None,
    dataset: Annotated[o.Dataset, OF_DATA] = None,
    seen: Annotated[o.Seen, OF_DATA] = False,
    as_json: o.AsJson = False,
) -> None:
    """Write a tagger's net as ONNX, load it again, and tell how its scores differ from those of PyTorch on real windows.

    Nothing is written where ONNX Runtime differs in float32 by more than 0.0001; where another engine does, that is told.
    """
    from earmark.cli.terminal import exporting
    from earmark.cli.terminal.console import print_json

    wanted = exporting.Wanted(exporting.place(tagger, out), part, precision, calibrate or [], windows)
    clips = None if data is None else exporting.Clips(data, fold or [], dataset, seen)
    told = exporting.export(tagger, paths or [], wanted, clips)
    print_json(told.as_dict()) if as_json else print(told.text())
    exporting.leave(told)
