"""`earmark adopt`: a net that others trained becomes a tagger like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.ours import adopted
from earmark.cli.terminal.written import Writes

PLACE = 92  # in `earmark --help`
BOX = "An ONNX file"  # a group in --help


def adopt(
    net: Annotated[
        str,
        typer.Argument(help="A file of TensorFlow Lite, ONNX or PyTorch, or yamnet, which is fetched from its home."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.safetensors, the tagger."), Writes(adopted)],
    labels: Annotated[
        Path | None, typer.Option(help="A table with the tags' names in order, such as yamnet_class_map.csv.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights, such as Apache-2.0; kept in the tagger.")] = None,
    origin: Annotated[str | None, typer.Option(help="Where the file is from; kept in the tagger.")] = None,
    rate: Annotated[int | None, typer.Option("--sample-rate", help="Hz.", rich_help_panel=BOX)] = None,
    window: Annotated[
        str | None, typer.Option(help="Seconds that it hears at once: 5, or 15600/16000.", rich_help_panel=BOX)
    ] = None,
    hop: Annotated[
        str | None, typer.Option(help="Seconds from a window to the next; default --window.", rich_help_panel=BOX)
    ] = None,
    hears: Annotated[
        str | None,
        typer.Option("--input", help="waves (default), or a recipe whose features it hears.", rich_help_panel=BOX),
    ] = None,
    scores: Annotated[str | None, typer.Option(help="The output with the tags' scores.", rich_help_panel=BOX)] = None,
    embedding: Annotated[str | None, typer.Option(help="The output with embeddings.", rich_help_panel=BOX)] = None,
    logits: Annotated[
        bool | None, typer.Option("--logits/--probabilities", help="What the scores are.", rich_help_panel=BOX)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="one tag a clip, or many; of logits nobody sees it.", rich_help_panel=BOX)
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Its input's axes, if asked for: 'windows frames bands'.", rich_help_panel=BOX)
    ] = None,
    combine: Annotated[
        str | None, typer.Option(help="Windows by mean (default), geometric or max.", rich_help_panel=BOX)
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Make a tagger of a net that others trained: YAMNet, PANNs' nets, EfficientAT's mn, CED, or any ONNX file as a box.

    No code of the file is run. Licence, origin and digest stay with the tagger; `earmark show` and reports tell them.
    """
    from earmark.cli.terminal import adopting
    from earmark.cli.terminal.console import print_json

    values = None if logits is None else "logits" if logits else "probabilities"
    box = adopting.Box(rate, window, hop, hears, scores, embedding, values, task, layout, combine)
    told = adopting.adopt(net, out, labels, licence, origin, box)
    print_json(told.as_dict()) if as_json else print(told.text())
