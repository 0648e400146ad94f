"""Sample rates: which there may be, how long a wave is at another, and waves and streams at another (soxr, HQ, float32)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.audio.decoders import Wave, joined
from earmark.errors import EarmarkError, agreed, counted
from earmark.errors.kinds import checked

LOWEST, HIGHEST = 1_000, 384_000  # Hz


@checked
def resample(wave: Wave, from_rate: int, to_rate: int) -> Wave:
    """(samples,) float32 at `from_rate` Hz → (samples,) float32 at `to_rate` Hz, as `load` does it.

    >>> len(resample(np.zeros(44_100, np.float32), 44_100, 16_000))
    16000
    """
    check_rate(from_rate)
    check_rate(to_rate)
    if told := masked(wave):
        raise EarmarkError(f"{told}. {FILLED}")
    if wave.ndim != 1 or wave.dtype != np.float32:
        raise EarmarkError(f"a wave is (samples,) float32, this one is {wave.shape} {wave.dtype}")
    if not (usable := np.isfinite(wave)).all():  # one would spoil all samples near it
        raise EarmarkError(
            f"{int((~usable).sum()):,} of {counted(wave.size, 'sample')} "
            f"{agreed(int((~usable).sum()), 'is no number', 'are no numbers')} (NaN, or infinite), the first is "
            f"[{int(usable.argmin())}]: mend them, or put 0 in their place"
        )
    return joined(rate_changed(iter([wave]), from_rate, to_rate))


FILLED = "Say what should stand there: numpy.ma.filled(x, 0), or another number"


def masked(wave: NDArray[Any]) -> str:
    """What is to be said of samples that are masked, whose numbers would be heard as if they were not; nothing where none is."""
    if not isinstance(wave, np.ma.MaskedArray) or not (hidden := np.ma.getmaskarray(wave)).any():
        return ""
    first = ", ".join(map(str, np.unravel_index(int(hidden.argmax()), hidden.shape)))
    return (
        f"{int(hidden.sum()):,} of {counted(wave.size, 'sample')} {agreed(int(hidden.sum()), 'is', 'are')} masked, the first "
        f"is [{first}]"
    )


def check_rate(sample_rate: int) -> None:
    """Raises EarmarkError for a sample rate that earmark does not work at."""
    if not (LOWEST <= sample_rate <= HIGHEST and sample_rate == int(sample_rate)):
        raise EarmarkError(
            f"{sample_rate} Hz is no sample rate to work at: give a whole number from {LOWEST} to {HIGHEST}"
        )


def length_at(frames: int, from_rate: int, to_rate: int) -> int:
    """How many samples `frames` become: floor(frames · to_rate / from_rate + 1/2).

    >>> length_at(44_100, 44_100, 16_000)
    16000
    """
    return (2 * frames * to_rate + from_rate) // (2 * from_rate)


def rate_changed(parts: Iterator[Wave], from_rate: int, to_rate: int) -> Iterator[Wave]:
    """A stream at one rate → a stream at another; the same samples however the stream is divided."""
    if from_rate == to_rate:
        yield from parts
        return
    stream = soxr.ResampleStream(from_rate, to_rate, 1, "float32", "HQ")
    held: Wave | None = None
    for part in parts:  # one behind: soxr is quicker where it knows which is the last
        if held is not None:
            yield stream.resample_chunk(held)
        held = part
    if held is not None:
        yield stream.resample_chunk(held, last=True)
