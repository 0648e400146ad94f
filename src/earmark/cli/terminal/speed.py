"""What `earmark bench` measures with, and how it tells it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import counted

if TYPE_CHECKING:
    from earmark.evaluation.engines import Way
    from earmark.evaluation.filespeed import Speed
    from earmark.evaluation.speed import Shared, Wave
    from earmark.models.anytagger import AnyTagger
    from earmark.models.tagger import Tagger

BLOCK = 10.0  # seconds of a recording that are read at once


def of_files(
    tagger: str, paths: Sequence[Path], batch: int | None, workers: int, device: str, engine: str, precision: str
) -> tuple[Speed, AnyTagger, list[str], int]:
    """(speed, whose it is, why recordings could not be read, how many there are).

    Raises EarmarkError where there are none, TaggerError for an ensemble.
    """
    from earmark.cli.terminal.console import none_in, say
    from earmark.cli.terminal.found import recordings
    from earmark.errors import EarmarkError
    from earmark.evaluation import filespeed as measure
    from earmark.inference import process
    from earmark.models import devices, loading

    process.take()
    loaded = loading.load(tagger, device, engine=engine, precision=precision)
    if told := devices.unused(loaded, device):
        say(told)
    if len(loaded.members) > 1:
        raise EarmarkError(
            f"{tagger}: is an ensemble of {len(loaded.members)}: measure its members' files one by one, or all with bench engines"
        )
    listener = loaded.members[0]
    found = recordings(paths)
    if not found:
        raise EarmarkError(none_in(paths))
    speed, reasons = measure.files(listener, found, batch, workers)
    return speed, listener, reasons, len(found)


def tell_files(
    tagger: str, paths: Sequence[Path], batch: int | None, workers: int, device: str, engine: str, precision: str, as_json: bool
) -> None:  # fmt: skip
    """The speed of the whole way, and then why recordings could not be read."""
    from earmark.cli.terminal.bar import leave_with_reasons

    speed, listener, reasons, found = of_files(tagger, paths, batch, workers, device, engine, precision)
    tell(speed, listener, as_json)
    leave_with_reasons(reasons, found)


def of_windows(
    name: str, window: float | None, hop_samples: int | None, path: Path | None, seconds: float, rounds: int, batch: int,
    device: str,
) -> Shared:  # fmt: skip
    """Overlapping windows of a net or tagger, one by one and shared, on a recording's beginning or on noise."""
    from earmark.evaluation import speed as measure
    from earmark.inference import process

    process.take()
    listener = tagger_of(name, window, hop_samples, device)
    return measure.shared(name, listener, wave_of(path, seconds, listener.sample_rate), rounds, batch)


def tagger_of(name: str, window: float | None, hop_samples: int | None, device: str) -> Tagger:
    """A tagger by its file or name, or a net by name with random weights."""
    from earmark.evaluation import speed as measure
    from earmark.models import devices, loading

    if not Path(name).exists() and name not in loading.shipped():
        return measure.untrained(name, window, hop_samples).to(devices.taken(device))
    listener = loading.load(name, device, engine="torch").alone
    listener.recipe = measure.rewindowed(listener.recipe, window, hop_samples)
    return listener


def wave_of(path: Path | None, seconds: float, sample_rate: int) -> Wave:
    """The first `seconds` of a recording, or noise. Raises EarmarkError for less than a sample."""
    import numpy as np

    from earmark import audio
    from earmark.cli.terminal.console import say
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


def compare(told: Shared, as_json: bool) -> None:
    """Both ways, as a table or as JSON, and why windows were not shared."""
    from earmark.cli.terminal.console import print_json, print_table, say

    if not told.together:
        say(f"scored one by one: {told.why[-1]}")
    if as_json:
        return print_json(told.as_dict())

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
        f"{told.net}: {counted(told.windows, 'window')} of {told.window:g} s every {counted(told.hop, 'sample')} at "
        f"{told.sample_rate:,} Hz"
    )
    print_table(("", "seconds", "times real time", "speed-up", "bound"), rows, title)
    print(f"largest difference of a score: {told.max_abs_difference:.1e}")
    if told.together:
        print(f"{counted(told.together, 'window')} at once; not shared: {'; '.join(told.why) or 'nothing'}")


def tell(speed: Speed, listener: AnyTagger, as_json: bool) -> None:
    """How fast, where the time goes, and the memory, in lines or as JSON."""
    from earmark.cli.terminal.console import print_json, print_table

    if as_json:
        return print_json(asdict(speed))
    told = listener.windows
    rows = [
        (name, f"{seconds:.2f}", f"{seconds / speed.wall:.0%}")
        for name, seconds in (("features", speed.features), ("net", speed.net), ("rest", speed.rest))
    ]
    print(
        f"{speed.audio:.0f} s of audio in {speed.wall:.2f} s: {speed.hours_per_minute:.2f} hours a minute, "
        f"{speed.audio / speed.wall:.0f} times real time"
    )
    print(f"run by {speed.engine}")
    together = f"{speed.windows_together} at once" if speed.windows_together else "one by one"
    print(f"windows of {told.length:g} s every {told.hop:g} s, {together}; memory {megabytes(speed)}")
    print_table(("", "seconds", "of the whole"), [*rows, ("whole", f"{speed.wall:.2f}", "")])
    print(f"decoding takes a thread {speed.decoding:.2f} s; {speed.workers} of them run beside the net")


def megabytes(speed: Speed) -> str:
    if speed.memory is None or speed.before is None:
        return "unknown: this system does not tell"
    return f"{speed.memory / 1e6:.0f} MB at its peak, {speed.before / 1e6:.0f} MB of them before"


def tell_engines(tagger: str, paths: Sequence[Path], rounds: int, batch: int | None, as_json: bool) -> None:
    """A line a way to run a tagger that is here, or JSON, on stdout; why others are not on stderr."""
    from earmark.cli.terminal.console import none_in, print_json, say
    from earmark.cli.terminal.found import recordings
    from earmark.errors import EarmarkError
    from earmark.evaluation.engines import measure

    found = recordings(paths) if paths else []
    if paths and not found:  # noise in the place of what was given would be taken for it
        raise EarmarkError(none_in(paths))
    ways, left_out = measure(tagger, found, rounds, batch, say)
    if as_json:
        print_json([way.as_dict() for way in ways])
    else:
        for way in ways:
            print(_line(way, ways[0]))
    for line in left_out:
        say(f"left out: {line}")


def _line(way: Way, first: Way) -> str:
    differs = (
        "" if way is first else f", scores differ by {way.max_abs_difference:.1e} at most, {counted(way.flips, 'flip')}"
    )
    return (
        f"{way.engine} {way.precision}: {way.audio_seconds_per_second:.0f} s of audio a second, {way.ratio:.2f} times"
        f" {first.engine} {first.precision}{differs} ({counted(way.windows, 'window')})"
    )
