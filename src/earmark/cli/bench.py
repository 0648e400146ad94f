"""`earmark bench`: how fast a tagger is on this machine."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from earmark.evaluation.speed import Shared, Speed


BLOCK = 10.0  # seconds of a recording that are read at once


class _Files(TyperGroup):
    """`earmark bench TAGGER FILE…` without a word between."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["files", *args]
        return super().resolve_command(ctx, args)


bench = typer.Typer(
    cls=_Files,
    no_args_is_help=True,
    help="Say how fast a tagger is here: `bench TAGGER FILE…` from file to tags, `bench windows` for overlapping windows.",
)


@bench.command()
def files(
    tagger: Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")],
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders that are walked for some.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Hours of audio a minute on this machine, where the time goes, and the peak of memory."""
    from earmark import audio
    from earmark.cli.console import say
    from earmark.errors import EarmarkError
    from earmark.evaluation import speed as measure
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    keep_freed_memory()
    listener = loading.load(tagger, device).alone
    found = audio.find(paths)
    if not found:
        raise EarmarkError(f"no recordings in {', '.join(map(str, paths))}")
    speed, failures = measure.files(listener, found, batch, workers)
    print(json.dumps(_plain(speed), indent=1)) if as_json else _tell(speed, listener)
    for line in failures[:20]:
        say(line)
    if failures:
        say(f"{len(failures)} of {len(found)} recordings could not be read")
        raise typer.Exit(1)


@bench.command()
def windows(
    name: Annotated[str, typer.Argument(metavar="NET|TAGGER", help="A net with random weights, or a tagger.")],
    window: Annotated[float | None, typer.Option(help="Seconds of a window; default: the recipe's.")] = None,
    hop_samples: Annotated[int | None, typer.Option(min=1, help="Samples from window to window.")] = None,
    seconds: Annotated[float, typer.Option(help="Of audio.")] = 60.0,
    audio: Annotated[Path | None, typer.Option(help="A recording instead of noise; its first `seconds`.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each way runs; the median counts.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once, one by one.")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Overlapping windows one by one and with what they share computed once: both on the same audio, in turns."""
    from earmark.cli.console import say
    from earmark.evaluation import speed as measure
    from earmark.inference.allocator import keep_freed_memory

    keep_freed_memory()
    listener = _listener(name, window, hop_samples, device)
    wave = _wave(audio, seconds, listener.sample_rate)
    told = measure.shared(name, listener, wave, rounds, batch)
    if as_json:
        print(json.dumps(told.as_dict(), indent=1))
    else:
        _compare(told)
    if not told.together:
        say(f"scored one by one: {told.why[-1]}")


def _listener(name: str, window: float | None, hop_samples: int | None, device: str) -> Any:
    from earmark.evaluation import speed as measure
    from earmark.models import loading

    if not Path(name).exists() and name not in loading.shipped():
        return measure.untrained(name, window, hop_samples).to(device)
    listener = loading.load(name, device).alone
    listener.recipe = measure.rewindowed(listener.recipe, window, hop_samples)
    return listener


def _wave(path: Path | None, seconds: float, sample_rate: int) -> Any:
    import numpy as np

    from earmark import audio
    from earmark.cli.console import say
    from earmark.errors import EarmarkError
    from earmark.evaluation import speed as measure

    if path is None:
        return measure.noise(seconds, sample_rate)
    wanted = round(seconds * sample_rate) if math.isfinite(seconds) else 0
    if wanted < 1:
        raise EarmarkError(f"--seconds {seconds:g}: holds no sample at {sample_rate} Hz: give seconds above 0")
    parts, count = [], 0
    for block in audio.blocks(path, sample_rate, BLOCK):  # no further than is asked for
        parts.append(block)
        count += len(block)
        if count >= wanted:
            break
    if count < wanted:
        say(f"{path}: lasts {count / sample_rate:g} s: all of it is taken, not {seconds:g} s")
    return np.concatenate(parts)[:wanted]


def _compare(told: Shared) -> None:
    from earmark.cli.console import print_table

    rows = [
        ("one by one", f"{told.one_by_one_s:.3f}", f"{told.seconds / told.one_by_one_s:.1f}", "1.0", ""),
        (
            "shared",
            f"{told.shared_s:.3f}",
            f"{told.seconds / told.shared_s:.1f}",
            f"{told.speedup:.1f}",
            f"{told.bound:.1f}",
        ),
    ]
    title = (
        f"{told.net}: {told.windows} windows of {told.window:g} s every {told.hop:,} samples at {told.sample_rate:,} Hz"
    )
    print_table(("", "seconds", "times real time", "speed-up", "bound"), rows, title)
    print(f"largest difference of a score: {told.max_abs_difference:.1e}")
    if told.together:
        print(f"{told.together} windows at once; not shared: {'; '.join(told.why) or 'nothing'}")


def _tell(speed: Speed, listener: Any) -> None:
    from earmark.cli.console import print_table

    told = listener.windows
    rows = [
        (name, f"{seconds:.2f}", f"{seconds / speed.wall:.0%}")
        for name, seconds in (("features", speed.features), ("net", speed.net), ("rest", speed.rest))
    ]
    print(
        f"{speed.audio:.0f} s of audio in {speed.wall:.2f} s: {speed.hours_per_minute:.2f} hours a minute, "
        f"{speed.audio / speed.wall:.0f} times real time"
    )
    together = f"{speed.windows_together} at once" if speed.windows_together else "one by one"
    print(f"windows of {told.length:g} s every {told.hop:g} s, {together}; memory {_megabytes(speed)}")
    print_table(("", "seconds", "of the whole"), [*rows, ("whole", f"{speed.wall:.2f}", "")])
    print(f"decoding takes a thread {speed.decoding:.2f} s; {speed.workers} of them run beside the net")


def _megabytes(speed: Speed) -> str:
    if speed.memory is None or speed.before is None:
        return "unknown: this system does not tell"
    return f"{speed.memory / 1e6:.0f} MB at its peak, {speed.before / 1e6:.0f} MB of them before"


def _plain(speed: Speed) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(speed)
