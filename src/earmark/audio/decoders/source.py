"""What a decoder gives, whichever it is: blocks of a recording's mix, and where the sound breaks off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.audio.containers import Fault

Wave = NDArray[np.float32]  # (samples,)
Report = Callable[[str], None]

BLOCK = 2**18  # frames decoded at a time: 6 s at 44.1 kHz, so that most clips take one call
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
    floats. fault: what shows before anything is decoded.
    """

    info: Info
    exact: bool
    floats: bool
    fault: Fault | None

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
