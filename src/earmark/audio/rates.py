"""Sample rates: which there may be, how long a wave is at another, and waves and streams at another (soxr, HQ, float32)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr

from earmark.audio.decoders import Wave, joined
from earmark.errors import EarmarkError
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
    if wave.ndim != 1 or wave.dtype != np.float32:
        raise EarmarkError(f"a wave is (samples,) float32, this one is {wave.shape} {wave.dtype}")
    return joined(rate_changed(iter([wave]), from_rate, to_rate))


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
