"""Frames of waves, their windows, and their power spectra in NumPy.

Windows and hops are samples here. Power is |X|² of a frame times its window, neither divided by the window's sum nor by
its length, as librosa has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.engines.features.constants import check_known

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Window = Literal["hann", "hamming"]
Frame = Literal["fft", "window"]
Edges = Literal["zeros", "reflect"]

COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}  # a window is the first, less the second times a cosine
# Samples that are transformed at once: 1 MiB in float64, which fits the second-level cache of one core
BLOCK_SAMPLES = 1 << 17
# Samples of a frame: six seconds at 44.1 kHz. What a file asks for beyond that is an accident, or meant to eat the machine
LONGEST_FFT = 1 << 18


def check_fft(fft: int) -> None:
    """Refuse a transform of more samples than any feature needs, before anything of its size is made."""
    if fft > LONGEST_FFT:
        raise ValueError(f"an FFT of {fft:,} samples is longer than {LONGEST_FFT:,}: take a shorter window or fft")


class Framing:
    """Where the frames of a wave lie, and what their power spectra are.

    window_samples, hop_samples, fft: samples. centre: frames are centred on multiples of the hop, with zeros beyond the
    ends or, with `edges` "reflect", the wave mirrored at its first and last sample; otherwise frame k covers samples
    k·hop … k·hop + fft. A window shorter than the FFT lies in its middle, as in librosa; with `frame` "window" it is a
    frame by itself, k·hop … k·hop + window, with zeros behind it for the FFT, as in VGGish: the same spectra earlier by
    half the difference, and one frame more where that makes room.

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
    ):
        check_known("window_kind", kind, Window)
        check_known("edges", edges, Edges)
        if edges == "reflect" and not centre:
            raise ValueError("edges: reflect is of centred frames, which reach beyond the wave: set centre: true")
        check_known("frame", frame, Frame)
        if centre and frame == "window":
            raise ValueError("centred frames are as long as the FFT: leave out frame: window, or centre")
        check_fft(fft)
        if not 1 <= window_samples <= fft:
            raise ValueError(f"a window of {window_samples} samples does not fit an FFT of {fft}")
        if hop_samples < 1:
            raise ValueError(f"a hop of {hop_samples} samples: it must be at least one")
        self.window_samples, self.hop_samples, self.fft = window_samples, hop_samples, fft
        self.kind, self.centre, self.edges = kind, centre, edges
        self.span = window_samples if frame == "window" else fft  # of a frame

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
            return 1 if self.edges == "zeros" else self.fft - self.fft // 2 + 1
        return self.span

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give."""
        return samples // self.hop_samples + 1 if self.centre else (samples - self.span) // self.hop_samples + 1

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return max(self.shortest, (frames - 1) * self.hop_samples + (0 if self.centre else self.span))

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: the middle of a frame is that of its samples."""
        return places * self.hop_samples + (0 if self.centre else (self.span - 1) / 2)

    def step(self, hop: int) -> int | None:
        """Frames from a window to the next where these, `hop` samples apart, have frames in common; None where they have none."""
        return None if self.centre or hop % self.hop_samples else hop // self.hop_samples

    def check_samples(self, samples: int) -> None:
        """Refuse a wave of so many samples, where that is not one frame."""
        if samples < self.shortest:
            raise ValueError(
                f"{samples} samples are fewer than one frame of {self.span}: pad the wave, or take a shorter window"
            )

    def window(self) -> Floats:
        """(span,): the periodic window, and the zeros around it."""
        mean, swing = COSINES[self.kind]
        turns = np.arange(self.window_samples) * (2 * np.pi / self.window_samples)
        window = mean - swing * np.cos(turns) if self.window_samples > 1 else np.ones(1)  # torch's of one sample is 1
        return np.pad(window, self.around)

    def over(self, waves: Singles, bands: int, bins: int, function: Callable[[Singles, Singles], object]) -> Singles:
        """Waves (n, samples) → (n, bands, frames). Buffers are this call's own, so that threads may share the feature.

        function: writes what it makes of the power of some frames (frames, bins), which it may change, to its second
        argument (frames, bands). bins: how many of the lowest it wants.
        """
        self.check_samples(waves.shape[-1])
        count, block = self.frames(waves.shape[-1]), min(self.block, self.frames(waves.shape[-1]))
        maps = np.empty((len(waves), bands, count), np.float32)
        framed = np.zeros((block, self.fft))  # what lies behind the span stays nought
        spectra = np.empty((block, self.bins), np.complex128)
        power, made = np.empty((block, bins), np.float32), np.empty((block, bands), np.float32)
        window = self.window()
        mode: Literal["constant", "reflect"] = "reflect" if self.edges == "reflect" else "constant"
        for wave, rows in zip(waves, maps, strict=True):
            padded = np.pad(wave.astype(np.float64), self.sides, mode=mode)
            frames = np.lib.stride_tricks.sliding_window_view(padded, self.span)[:: self.hop_samples]
            for first in range(0, count, block):
                part = frames[first : first + block]
                here = len(part)
                np.multiply(part, window, out=framed[:here, : self.span])
                np.fft.rfft(framed[:here], out=spectra[:here])
                _power(spectra[:here, :bins], power[:here])
                function(power[:here], made[:here])
                rows[:, first : first + here] = made[:here].T
        return maps


def _power(spectra: NDArray[np.complex128], power: Singles) -> None:
    """|X|² of spectra, which are used up, into `power`."""
    real, imag = spectra.real, spectra.imag
    np.multiply(real, real, out=real)
    np.multiply(imag, imag, out=imag)
    np.add(real, imag, out=power, casting="same_kind")
