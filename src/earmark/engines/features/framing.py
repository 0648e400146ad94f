"""Frames of waves, their windows, and their power spectra in NumPy.

Windows and hops are samples here. Power is |X|² of a frame times its window, neither divided by the window's sum nor by
its length, as librosa has it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.engines.features.constants import check_known
from earmark.errors import counted
from earmark.errors.refusals import Refused, refuse, stop

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Window = Literal["hann", "hamming", "hann_symmetric"]
Frame = Literal["fft", "window"]
Edges = Literal["zeros", "reflect"]

COSINES = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "hann_symmetric": (0.5, 0.5),
}  # a window is the first, less the second times a cosine
# Samples that are transformed at once: 1 MiB in float64, which fits the second-level cache of one core
BLOCK_SAMPLES = 1 << 17
# Samples of a frame: six seconds at 44.1 kHz. What a file asks for beyond that is an accident, or meant to eat the machine
LONGEST_FFT = 1 << 18
KEPT = threading.local()


def check_fft(fft: int) -> None:
    """Refuse a transform of more samples than any feature needs, before anything of its size is made."""
    if fft > LONGEST_FFT:
        stop(f"an FFT of {counted(fft, 'sample')} is longer than {LONGEST_FFT:,}: take a shorter window or fft")


class Framing:
    """Where the frames of a wave lie, and what their power spectra are.

    window_samples, hop_samples, fft: samples. centre: frames are centred on multiples of the hop, with zeros beyond the
    ends or, with `edges` "reflect", the wave mirrored at its first and last sample; otherwise frame k covers samples
    k·hop … k·hop + fft. A window shorter than the FFT lies in its middle, as in librosa; with `frame` "window" it is a
    frame by itself, k·hop … k·hop + window, with zeros behind it for the FFT, as in VGGish: the same spectra earlier by
    half the difference, and one frame more where that makes room.
    kind: windows are periodic, as for an FFT; "hann_symmetric" ends with the nought that it begins with.
    preemphasis: of centred frames, each sample less so much of the one before it, which the first has not: a wave of n samples
    becomes one of n − 1, before anything is padded or mirrored.

    The transform runs in float64: in float32 its rounding noise drowns what lies 120 dB below the loudest bin, which
    shows after the logarithm. Blocks that stay in the cache make up for it.
    """

    def __init__(
        self,
        window_samples: int,
        hop_samples: int,
        fft: int,
        kind: Window = "hann",
        centre: bool = False,
        frame: Frame = "fft",
        edges: Edges = "zeros",
        preemphasis: float = 0.0,
    ):
        check_known("window_kind", kind, Window)
        check_known("edges", edges, Edges)
        if edges == "reflect" and not centre:
            refuse("edges: reflect is of centred frames, which reach beyond the wave: set centre: true")
        check_known("frame", frame, Frame)
        if centre and frame == "window":
            refuse("centred frames are as long as the FFT: leave out frame: window, or centre")
        if not 0 <= preemphasis < 1:
            refuse(f"preemphasis is {preemphasis:g}: give the share of the sample before, from 0 (none) to less than 1")
        if preemphasis and not centre:
            refuse("preemphasis is of centred frames, in waves one sample shorter: set centre: true")
        check_fft(fft)
        if not 1 <= window_samples <= fft:  # of one that is far too long nothing may be made
            fit = stop if window_samples > LONGEST_FFT else refuse
            fit(f"a window of {counted(window_samples, 'sample')} does not fit an FFT of {fft}")
        if hop_samples < 1:
            refuse(f"a hop of {counted(hop_samples, 'sample')}: it must be at least one")
        if hop_samples > LONGEST_FFT:
            refuse(f"a hop of {counted(hop_samples, 'sample')} is longer than {LONGEST_FFT:,}: take a shorter one")
        self.window_samples, self.hop_samples, self.fft = window_samples, hop_samples, fft
        self.kind, self.centre, self.edges = kind, centre, edges
        self.preemphasis, self.lost = preemphasis, int(preemphasis > 0)  # samples that a wave loses at its start
        self.span = window_samples if frame == "window" else fft  # of a frame
        self.window = self._window()

    @property
    def bins(self) -> int:
        return self.fft // 2 + 1

    @property
    def block(self) -> int:
        """Frames that are transformed at once on the CPU."""
        return max(1, BLOCK_SAMPLES // self.fft)

    @property
    def around(self) -> tuple[int, int]:
        """Zeros of a frame before its window and behind it."""
        before = (self.span - self.window_samples) // 2
        return before, self.span - self.window_samples - before

    @property
    def sides(self) -> tuple[int, int]:
        """Samples that a wave is given before its start and behind its end."""
        # an odd FFT has one sample more behind its middle than librosa pads: without it the last frame is missing
        return (self.fft // 2, self.fft - self.fft // 2) if self.centre else (0, 0)

    @property
    def shortest(self) -> int:
        """The fewest samples that give a frame."""
        if self.centre:  # a wave is mirrored at its ends without these
            return self.lost + (1 if self.edges == "zeros" else self.fft - self.fft // 2 + 1)
        return self.span

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give."""
        if samples < self.shortest:
            return 0
        return (samples - (self.lost if self.centre else self.span)) // self.hop_samples + 1

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return max(self.shortest, (frames - 1) * self.hop_samples + (self.lost if self.centre else self.span))

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: the middle of a frame is that of its samples."""
        return places * self.hop_samples + (self.lost if self.centre else (self.span - 1) / 2)

    def step(self, hop: int) -> int | None:
        """Frames from a window to the next where these, `hop` samples apart, have frames in common; None where they have none."""
        return None if self.centre or hop % self.hop_samples else hop // self.hop_samples

    def check_samples(self, samples: int) -> None:
        """Refuse a wave of so many samples, where that is not one frame."""
        if samples < self.shortest:
            raise Refused(
                f"{counted(samples, 'sample is', 'samples are')} fewer than one frame of {self.span}: pad the wave, or take a "
                "shorter window"
            )

    def _window(self) -> Floats:
        """(span,): the window, and the zeros around it."""
        mean, swing = COSINES[self.kind]
        turn = self.window_samples - (self.kind == "hann_symmetric")
        turns = np.arange(self.window_samples) * (2 * np.pi / max(turn, 1))
        window = mean - swing * np.cos(turns) if self.window_samples > 1 else np.ones(1)  # torch's of one sample is 1
        return np.pad(window, self.around)

    def over(self, waves: Singles, bands: int, bins: int, function: Callable[[Singles, Singles], Singles]) -> Singles:
        """Waves (n, samples) → (n, bands, frames). Threads may share the feature: buffers are a thread's own.

        function: the power of some frames (frames, bins), which it may change, and memory → values (frames, bands) in the
        one or the other. bins: how many of the lowest it wants.
        """
        self.check_samples(waves.shape[-1])
        count, block = self.frames(waves.shape[-1]), min(self.block, self.frames(waves.shape[-1]))
        maps = np.empty((len(waves), bands, count), np.float32)
        framed, spectra, power, made = _buffers(block, self.fft, bins, bands)
        framed[:, self.span :] = 0
        mode: Literal["constant", "reflect"] = "reflect" if self.edges == "reflect" else "constant"
        for wave, rows in zip(waves, maps, strict=True):
            padded = np.pad(self._emphasised(wave.astype(np.float64)), self.sides, mode=mode)
            frames = np.lib.stride_tricks.sliding_window_view(padded, self.span)[:: self.hop_samples]
            for first in range(0, count, block):
                part = frames[first : first + block]
                here = len(part)
                np.multiply(part, self.window, out=framed[:here, : self.span])
                np.fft.rfft(framed[:here], out=spectra[:here])
                with np.errstate(over="ignore"):  # infinite power of waves beyond any level, as in torch
                    _power(spectra[:here, :bins], power[:here])
                rows[:, first : first + here] = function(power[:here], made[:here]).T
        return maps

    def _emphasised(self, wave: Floats) -> Floats:
        return wave[1:] - self.preemphasis * wave[:-1] if self.preemphasis else wave


def _buffers(frames: int, fft: int, bins: int, bands: int) -> tuple[Floats, NDArray[np.complex128], Singles, Singles]:
    """Frames, their spectra, power and bands, not cleared: parts of one piece of memory that this thread keeps.

    New memory for each call would be cleared by the system, page by page, which can take a quarter of the time.
    """
    sizes = [8 * frames * fft, 16 * frames * (fft // 2 + 1), 4 * frames * bins, 4 * frames * bands]
    begins = list(itertools.accumulate((-(-size // 64) * 64 for size in sizes), initial=0))  # whole lines of the cache
    kept: NDArray[np.uint8] | None = getattr(KEPT, "bytes", None)
    if kept is None or len(kept) < begins[-1]:
        KEPT.bytes = kept = np.empty(begins[-1], np.uint8)
    framed, spectra, power, made = (kept[begin : begin + size] for begin, size in zip(begins, sizes, strict=False))
    return (
        framed.view(np.float64).reshape(frames, fft),
        spectra.view(np.complex128).reshape(frames, fft // 2 + 1),
        power.view(np.float32).reshape(frames, bins),
        made.view(np.float32).reshape(frames, bands),
    )


class Framed:
    """A feature whose maps have a column for each frame."""

    framing: Framing

    @property
    def hop_samples(self) -> int:
        return self.framing.hop_samples

    @property
    def shortest(self) -> int:
        """The fewest samples that give a frame."""
        return self.framing.shortest

    def frames(self, samples: int) -> int:
        return self.framing.frames(samples)

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return self.framing.samples(frames)

    def step(self, hop: int) -> int | None:
        return self.framing.step(hop)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        return self.framing.middles(places, samples)


def _power(spectra: NDArray[np.complex128], power: Singles) -> None:
    """|X|² of spectra, which are used up, into `power`."""
    parts = spectra.view(
        np.float64
    )  # (frames, 2 · bins): real, imaginary, real, …, which squares twice as fast as apart
    np.multiply(parts, parts, out=parts)
    np.add(parts[:, ::2], parts[:, 1::2], out=power, casting="same_kind")
