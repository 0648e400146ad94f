"""What a decoder gives, whichever it is: blocks of a recording's mix, and where the sound breaks off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.audio.containers import Fault
from earmark.errors import counted

Wave = NDArray[np.float32]  # (samples,)
Report = Callable[[str], None]

BLOCK = 2**18  # frames decoded at a time: 6 s at 44.1 kHz, so that most clips take one call
CANCELLED = 0.1  # of the energy that channels leave that have nothing in common: 10 dB less; two of equal level correlate by -0.9
MEDIA = "m4a/AAC, WMA, WebM and video need: pip install 'earmark[media]'"


@dataclass(frozen=True)
class Info:
    """What the header of a recording says. frames: per channel; duration: seconds; both None where it does not say."""

    path: Path
    sample_rate: int
    channels: int
    frames: int | None
    duration: float | None
    container: str
    codec: str
    decoder: Literal["libsndfile", "ffmpeg"]


class Damaged(Exception):
    """The sound breaks off. frames: how many can be read, from the beginning of the file."""

    def __init__(self, frames: int, problem: str, remedy: str):
        super().__init__(problem)
        self.frames, self.problem, self.remedy = frames, problem, remedy


class Source(Protocol):
    """An open recording.

    exact: whether `mono` may begin anywhere and still give the samples of the whole. floats: whether the file stores
    floats. fault: what shows before anything is decoded. mix: what makes one channel of all.
    """

    info: Info
    exact: bool
    floats: bool
    fault: Fault | None
    mix: Mixer

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        """Blocks of the mix from the native frame `begin` to `end` or later, or to the end of the sound.

        Raises Damaged where the sound breaks off.
        """

    def close(self) -> None: ...


def mixed(frames: Wave) -> Wave:
    """(frames, channels) → (frames,), the mean; channel by channel, as BLAS would round by the place in the block."""
    channels = frames.shape[1]
    if channels == 1:
        return frames[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values are found later
        total: Wave = frames[:, 0] + frames[:, 1]
        for channel in range(2, channels):
            total += frames[:, channel]
    total *= np.float32(1 / channels)
    return total


class Mixer:
    """(frames, channels) → (frames,): the mean, or one channel, counted from 1; and how much of the sound is left by it."""

    def __init__(self, channel: int | None = None):
        self.channel = channel
        self.before = self.after = 0.0  # energy: mean of the channels, and of their mix
        self.channels = 1

    def __call__(self, frames: Wave) -> Wave:
        if self.channel is not None:
            return np.ascontiguousarray(frames[:, self.channel - 1])
        wave = mixed(frames)
        self.channels = frames.shape[1]
        if self.channels > 1:
            with np.errstate(over="ignore", invalid="ignore"):
                self.before += float(np.vdot(frames, frames)) / self.channels
                self.after += float(np.vdot(wave, wave))
        return wave

    def cancelled(self) -> str | None:
        """What is to be said where channels cancel: their mix is far weaker than that of channels that have nothing in common,
        which has 1/channels of their energy.
        """
        if not (
            self.channels > 1 and math.isfinite(self.before) and self.after * self.channels < CANCELLED * self.before
        ):
            return None
        lost = (
            "nothing is left"
            if not self.after
            else f"it is {10 * math.log10(self.before / self.after):.0f} dB weaker than they are"
        )
        return (
            f"its {counted(self.channels, 'channel')} cancel in their mix: {lost}. One may be wired the other way round: choose one with "
            "--channel (channel=)"
        )


def joined(parts: Iterable[Wave]) -> Wave:
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def reason(error: Exception) -> str:
    """What a decoder says, without its decoration."""
    said = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    if "possibly a pipe" in said:  # libsndfile's words for an MP3 of tags only
        return "no sound in it"
    return str(said).removeprefix("Error : ").rstrip(".")
