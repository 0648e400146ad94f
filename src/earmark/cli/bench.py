"""`earmark bench`: how fast a tagger is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from earmark.cli.terminal import options as o

PLACE = 160  # in `earmark --help`
Rounds = Annotated[int, typer.Option(min=1, help="Times that each way runs; the median counts.")]


class _Files(TyperGroup):
    """`earmark bench TAGGER FILE…` without a word between."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["files", *args]
        return super().resolve_command(ctx, args)


bench = typer.Typer(
    cls=_Files,
    no_args_is_help=True,
    help="How fast a tagger is here: `bench TAGGER FILE…`, `bench windows` overlapping, `bench engines` in each engine.",
)


@bench.command()
def files(
    tagger: o.TaggerFile,
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders that are walked for some.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    batch: o.Batch = None,
    workers: o.Workers = 2,
    device: o.Device = "auto",
    engine: o.Engine = "auto",
    precision: o.Precision = "auto",
) -> None:
    """Hours of audio a minute on this machine, where the time goes, and the peak of memory."""
    from earmark.cli.terminal.speed import tell_files

    tell_files(tagger, paths, batch, workers, device, engine, precision, as_json)


@bench.command()
def windows(
    name: Annotated[str, typer.Argument(metavar="NET|TAGGER", help="A net with random weights, or a tagger.")],
    window: Annotated[float | None, typer.Option(help="Seconds of a window; default: the recipe's.")] = None,
    hop_samples: Annotated[int | None, typer.Option(min=1, help="Samples from window to window.")] = None,
    seconds: Annotated[float, typer.Option(help="Of audio.")] = 60.0,
    audio: Annotated[Path | None, typer.Option(help="A recording instead of noise; its first `seconds`.")] = None,
    rounds: Rounds = 3,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once, one by one.")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    device: o.Device = "auto",
) -> None:
    """Overlapping windows one by one and with what they share computed once: both on the same audio, in turns."""
    from earmark.cli.terminal.speed import compare, of_windows

    compare(of_windows(name, window, hop_samples, audio, seconds, rounds, batch, device), as_json)


@bench.command()
def engines(
    tagger: o.TaggerFile,
    paths: Annotated[list[Path] | None, typer.Argument(help="Recordings, or folders of some; default: noise.")] = None,
    rounds: Rounds = 3,
    batch: o.Batch = None,
    as_json: o.AsJson = False,
) -> None:
    """Each engine and precision that is here, on the same sound, in turns: seconds of audio a second, and how scores differ."""
    from earmark.cli.terminal.speed import tell_engines

    tell_engines(tagger, paths or [], rounds, batch, as_json)
