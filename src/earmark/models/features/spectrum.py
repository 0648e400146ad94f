"""Power spectra of frames, and their logarithms, in torch.

Windows and hops are samples here. Where frames lie, and the conventions: `earmark.engines.features.framing`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from earmark.engines.features.framing import Edges, Floats, Frame, Framing, Window, check_fft
from earmark.engines.features.levels import TINY, Log, check_level
from earmark.models.autocast import full_precision
from earmark.windows.overlap import framed

__all__ = ["LARGEST_BLOCK", "Floats", "Spectrum", "amplitude", "check_fft", "check_level", "level"]

# Elsewhere than on the CPU whole batches at once keep the device busy; this bound, 1 GiB in float64, only keeps them
# inside its memory
LARGEST_BLOCK = 1 << 27


class Spectrum(nn.Module):
    """Waves (batch, samples) → power spectrum (batch, bins, frames), float32. Its arguments are those of `Framing`.

    Of batches its blocks are faster than torch.stft, though they are transformed in float64.
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
        preemphasis: float = 0.0,
    ):
        super().__init__()
        self._take(Framing(window_samples, hop_samples, fft, kind, centre, frame, edges, preemphasis))

    @classmethod
    def of(cls, framing: Framing) -> Spectrum:
        """The spectra of frames that lie so."""
        spectrum = cls.__new__(cls)
        nn.Module.__init__(spectrum)
        spectrum._take(framing)
        return spectrum

    def _take(self, framing: Framing) -> None:
        self.framing = framing
        self.hop_samples, self.fft, self.span = framing.hop_samples, framing.fft, framing.span
        # torch's own cosines, the last bit of which is not NumPy's, so that the scores of taggers stay what they were
        shape = torch.hamming_window if framing.kind == "hamming" else torch.hann_window
        window = shape(framing.window_samples, periodic=framing.kind != "hann_symmetric", dtype=torch.float64)
        self.register_buffer("window", nn.functional.pad(window, framing.around), persistent=False)

    @property
    def bins(self) -> int:
        return self.framing.bins

    @property
    def block(self) -> int:
        """Frames that are transformed at once on the CPU."""
        return self.framing.block

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give."""
        return self.framing.frames(samples)

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return self.framing.samples(frames)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: the middle of a frame is that of its samples."""
        return self.framing.middles(places, samples)

    @property
    def shortest(self) -> int:
        """The fewest samples that give a frame."""
        return self.framing.shortest

    def over(self, waves: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """`function` of waves (batch, samples), padded if frames are centred; it makes frames of them by `blocks`."""
        with full_precision(waves.device):
            return framed(self.padded(waves), function, self.span, self.hop_samples)

    def padded(self, waves: Tensor) -> Tensor:
        """Waves (batch, samples), emphasised and with zeros, or mirrored, at both ends where frames are centred."""
        self.framing.check_samples(waves.shape[-1])
        if not self.framing.centre:
            return waves
        if self.framing.preemphasis:
            waves = waves.double()
            waves = waves[:, 1:] - self.framing.preemphasis * waves[:, :-1]
        mode = "reflect" if self.framing.edges == "reflect" else "constant"
        return nn.functional.pad(waves, self.framing.sides, mode=mode)

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
        return torch.cat(rows).view(waves.shape[0], -1, self.bins).transpose(1, 2)  # (batch, bins, frames)


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
