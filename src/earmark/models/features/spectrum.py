"""Power spectra of frames, and their logarithms.

Windows and hops are samples here. Power is |X|² of a frame times its window, neither divided by the window's sum nor by
its length, as librosa has it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.models.features.constants import check_known
from earmark.windows.overlap import framed

Floats = NDArray[np.float64]
Window = Literal["hann", "hamming"]
Log = Literal["db", "ln"]
Frame = Literal["fft", "window"]
Edges = Literal["zeros", "reflect"]

# Samples that are transformed at once on the CPU: 1 MiB in float64, which fits the second-level cache of one core
BLOCK_SAMPLES = 1 << 17
# Elsewhere whole batches at once keep the device busy; this bound, 1 GiB in float64, only keeps them inside its memory
LARGEST_BLOCK = 1 << 27
# Samples of a frame: six seconds at 44.1 kHz. What a file asks for beyond that is an accident, or meant to eat the machine
LONGEST_FFT = 1 << 18
# Power under which the root is that of this: its slope at 0 is infinite, and gradients through silence would be NaN
TINY = 1e-30


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """No autocast, whatever surrounds it: features are float32."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()  # shapes alone, without a device


def check_fft(fft: int) -> None:
    """Refuse a transform of more samples than any feature needs, before anything of its size is made."""
    if fft > LONGEST_FFT:
        raise ValueError(f"an FFT of {fft:,} samples is longer than {LONGEST_FFT:,}: take a shorter window or fft")


class Spectrum(nn.Module):
    """Waves (batch, samples) → power spectrum (batch, bins, frames), float32.

    window_samples, hop_samples, fft: samples. centre: frames are centred on multiples of the hop, with zeros beyond the
    ends or, with `edges` "reflect", the wave mirrored at its first and last sample; otherwise frame k covers samples
    k·hop … k·hop + fft. A window shorter than the FFT lies in its middle, as in librosa; with `frame` "window" it is a
    frame by itself, k·hop … k·hop + window, with zeros behind it for the FFT, as in VGGish: the same spectra earlier by
    half the difference, and one frame more where that makes room.

    The transform runs in float64: in float32 its rounding noise drowns what lies 120 dB below the loudest bin, which
    shows after the logarithm. Blocks that stay in the cache make up for it: of batches it is faster than torch.stft.
    """

    window: Tensor

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
        super().__init__()
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
        self.hop_samples, self.fft, self.centre, self.edges = hop_samples, fft, centre, edges
        self.span = window_samples if frame == "window" else fft  # of a frame
        shape = torch.hann_window if kind == "hann" else torch.hamming_window
        before = (self.span - window_samples) // 2
        window = shape(window_samples, periodic=True, dtype=torch.float64)
        window = nn.functional.pad(window, (before, self.span - window_samples - before))
        self.register_buffer("window", window, persistent=False)

    @property
    def bins(self) -> int:
        return self.fft // 2 + 1

    @property
    def block(self) -> int:
        """Frames that are transformed at once on the CPU."""
        return max(1, BLOCK_SAMPLES // self.fft)

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give."""
        return samples // self.hop_samples + 1 if self.centre else (samples - self.span) // self.hop_samples + 1

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return max(self.shortest, (frames - 1) * self.hop_samples + (0 if self.centre else self.span))

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: the middle of a frame is that of its samples."""
        return places * self.hop_samples + (0 if self.centre else (self.span - 1) / 2)

    @property
    def shortest(self) -> int:
        """The fewest samples that give a frame."""
        if self.centre:  # a wave is mirrored at its ends without these
            return 1 if self.edges == "zeros" else self.fft - self.fft // 2 + 1
        return self.span

    def over(self, waves: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """`function` of waves (batch, samples), padded if frames are centred; it makes frames of them by `blocks`."""
        with full_precision(waves.device):
            return framed(self.padded(waves), function, self.span, self.hop_samples)

    def padded(self, waves: Tensor) -> Tensor:
        """Waves (batch, samples), with zeros at both ends where frames are centred."""
        if waves.shape[-1] < self.shortest:
            raise ValueError(
                f"{waves.shape[-1]} samples are fewer than one frame of {self.span}: pad the wave, or take a shorter window"
            )
        if not self.centre:
            return waves
        # an odd FFT has one sample more behind its middle than librosa pads: without it the last frame is missing
        sides = (self.fft // 2, self.fft - self.fft // 2)
        if self.edges == "reflect":
            return nn.functional.pad(waves, sides, mode="reflect")
        return nn.functional.pad(waves, sides)

    def cut(self, waves: Tensor) -> Tensor:
        """Waves (batch, samples), padded if need be, → frames (batch, frames, span) in float64, a view."""
        return waves.double().unfold(-1, self.span, self.hop_samples)

    def blocks(self, waves: Tensor) -> list[Tensor]:
        """Frames (…, span) to be transformed at once: parts of a wave on the CPU, whole waves (waves, frames, span) elsewhere."""
        frames = self.cut(waves)
        if waves.device.type == "cpu":
            return [block for wave in frames for block in wave.split(self.block)]
        return self.batched(frames)

    def batched(self, frames: Tensor) -> list[Tensor]:
        """Frames (batch, frames, span) in as few parts (waves, frames, span) as memory bears: one, for most batches."""
        waves = max(1, LARGEST_BLOCK // (frames.shape[1] * self.fft))
        return [frames[first : first + waves] for first in range(0, len(frames), waves)]

    def power(self, frames: Tensor) -> Tensor:
        """Frames (…, span) → power (…, bins), float32."""
        bins = torch.fft.rfft(frames * self.window, self.fft)
        imag = bins.imag.float()
        power: Tensor = bins.real.float().square_().addcmul_(imag, imag)
        return power

    def forward(self, waves: Tensor) -> Tensor:
        return self.over(waves, self.spectra)

    def spectra(self, waves: Tensor) -> Tensor:
        """Waves (batch, samples), padded if need be, → power (batch, bins, frames)."""
        rows = [self.power(block) for block in self.blocks(waves)]
        return torch.cat(rows).view(len(waves), -1, self.bins).transpose(1, 2)  # (batch, bins, frames)


def amplitude(power: Tensor) -> Tensor:
    """The root of the power."""
    return power.clamp(min=TINY).sqrt()


def level(power: Tensor, log: Log, floor: float, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    """Power, or magnitude, → its logarithm less `mean`, divided by `deviation`.

    log: "db" for 10·log10 with a floor of `floor` under the power, "ln" for ln(power + floor).
    """
    logs = torch.log10(power.clamp(min=floor)) if log == "db" else torch.log(power + floor)
    logs.mul_((10.0 if log == "db" else 1.0) / deviation)
    return logs.sub_(mean / deviation) if mean else logs


def check_level(floor: float, deviation: float, log: Log = "db") -> None:
    """Refuse arguments that `level` cannot work with."""
    check_known("log", log, Log)
    if not floor > 0:
        raise ValueError(f"floor is {floor:g}: it must be above 0, or silence has no logarithm")
    if not deviation > 0:
        raise ValueError(f"deviation is {deviation:g}: it must be above 0, because values are divided by it")
