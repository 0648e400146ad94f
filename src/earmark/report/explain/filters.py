"""What the filters of a raw layer listen for: inputs that excite them most, their spectra, and the mel scale beside them.

Activation maximisation (Erhan, Bengio, Courville, Vincent: Visualizing higher-layer features of a deep network, 2009) as
paper 001, section 4, uses it: gradient ascent from noise of 729 samples on a filter's mean activation over time, and the
log spectrum of what comes out, sorted by the frequency at which the magnitude is largest. The paper does not say how the
ascent is kept within bounds, nor how much noise it tried. Here inputs keep the mean 0 and one level, as a louder input
excites any filter more; steps are as long as a share of that level, and shrink. Before each the input is turned round by a
random number of samples: else a layer with a stride of three would be excited most by the third of the sample rate, which
always meets it in one phase. From white noise alone the ascent to a filter of a deep layer often ends on a low hill, below
what ordinary recordings reach. So it begins with that of NOISES which excites the filter most: white, or in bands about an
octave wide, every second one in bursts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from earmark.engines.features.mel import hz_to_mel, mel_to_hz
from earmark.report.explain.layers import SAMPLES, Layer, activations, outputs, samples_for, still

if TYPE_CHECKING:
    from earmark.models.tagger import Tagger

Floats = NDArray[np.float64]

LEVEL = 0.1  # root-mean-square of the inputs
STEPS = 400
FIRST_STEP, LAST_STEP = 0.2, 0.005  # shares of the level
NOISES = 64  # that the ascent can begin with; the first is white
BANDS = 0.01, 0.48  # cycles per sample: the middles of the bands
WIDTH = 0.35  # octaves: the standard deviation of a band
BURSTS = 8  # in an input, at most
PIECES = 256  # of recordings, that are held against what is found
SHIFTS = 9  # beginnings of a wave over which its activation is measured
LEAK = 0.1  # of what is below 0, so that a filter that noise leaves silent has a gradient too
AT_ONCE = 1 << 18  # samples of a batch: 64 filters at 4,096 samples, below a gigabyte in the widest net
SMOOTH = np.convolve(np.ones(5), np.ones(5)) / 25  # over bins: what is left of the noise must not make the peak
RESPONSE = 4096  # points of a kernel's frequency response over the whole sample rate


@dataclass(frozen=True, eq=False)
class Maximised:
    """What excites the filters of a layer most.

    chosen: (n,) which filters. waves: (n, samples) at LEVEL. before, after: (n,) activation by the noise that the
    ascent began with and by `waves`. power: (n, 365) mean power spectrum over frames of 729 samples. centres: (n,) Hz at
    which it is largest. by_recordings: (n,) the highest activation by a piece of the recordings at LEVEL, or None.
    """

    layer: Layer
    chosen: NDArray[np.int64]
    waves: NDArray[np.float32]
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    power: Floats
    centres: Floats
    by_recordings: NDArray[np.float32] | None = None


def choose(filters: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the filters, evenly spread over them."""
    return np.arange(filters) if most >= filters else np.arange(most) * filters // most


def maximise(
    tagger: Tagger, layer: Layer, *, most: int = 10**9, steps: int = STEPS, seed: int = 0,
    recordings: Sequence[NDArray[np.float32]] = (),
) -> Maximised:  # fmt: skip
    """Ascend from noise for at most `most` filters of a layer. The noise depends on the seed and the layer alone.

    recordings: waves (samples,) at the tagger's rate, to hold against what is found.
    """
    chosen = choose(layer.filters, most)
    length = samples_for(tagger, layer)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + layer.number)
    candidates = noises(length, generator)
    roused = _excitations(tagger, layer, candidates)  # (noises, filters)
    strongest = roused.argmax(0).cpu()
    parts = []
    with still(tagger):
        for places in _batches(chosen, length):
            begin = candidates[strongest[places]].to(tagger.device)
            parts.append(_climb(tagger, layer, places, begin, roused.amax(0)[places], steps, generator))
    waves, after = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    before = roused.amax(0).cpu().numpy()[chosen]
    power = power_of(waves)
    centres = frequencies(tagger.sample_rate)[power.argmax(-1)]
    sounds = levelled(torch.from_numpy(pieces(recordings, length)))
    by_recordings = _excitations(tagger, layer, sounds).amax(0).cpu().numpy()[chosen] if len(sounds) else None
    return Maximised(layer, chosen, waves, before, after, power, centres, by_recordings)


def noises(length: int, generator: torch.Generator) -> Tensor:
    """(NOISES, length) at LEVEL: the first white, the others in bands about an octave wide, every second one in bursts."""
    spectra = torch.fft.rfft(torch.randn(NOISES, length, generator=generator))
    low, high = np.log2(BANDS)
    middles = low + (high - low) * torch.rand(NOISES, 1, generator=generator)
    away = torch.log2(torch.fft.rfftfreq(length).clamp_min(1e-9)) - middles
    gains = torch.exp(-0.5 * (away / WIDTH) ** 2)
    gains[0] = 1
    noise = torch.fft.irfft(spectra * gains, length)
    bursts = torch.randint(1, BURSTS + 1, (NOISES, 1), generator=generator)
    turns = torch.arange(length) / length * bursts + torch.rand(NOISES, 1, generator=generator)
    noise[1::2] *= ((0.5 - 0.5 * torch.cos(2 * np.pi * turns)) ** 3)[1::2]
    return levelled(noise)


def pieces(recordings: Sequence[NDArray[np.float32]], length: int) -> NDArray[np.float32]:
    """(n, length): pieces of the recordings, evenly spread, at most PIECES or one of each; silent ones are left out.

    Recordings that are shorter are followed by zeros.
    """
    per_recording = max(1, PIECES // max(1, len(recordings)))
    cut = []
    for wave in recordings:
        wave = np.pad(wave, (0, max(0, length - len(wave))))
        for first in np.unique(np.linspace(0, len(wave) - length, per_recording).astype(int)):
            piece = wave[first : first + length]
            if piece.std() > 0:
                cut.append(piece)
    return np.stack(cut) if cut else np.zeros((0, length), np.float32)


def _excitations(tagger: Tagger, layer: Layer, waves: Tensor) -> Tensor:
    """`excitation` of waves on the CPU, a batch at a time."""
    at_once = max(1, AT_ONCE // waves.shape[-1])
    return torch.cat([excitation(tagger, layer, part.to(tagger.device)) for part in torch.split(waves, at_once)])


def _batches(chosen: NDArray[np.int64], length: int) -> list[NDArray[np.int64]]:
    at_once = max(1, AT_ONCE // length)
    return [chosen[first : first + at_once] for first in range(0, len(chosen), at_once)]


def excitation(tagger: Tagger, layer: Layer, waves: Tensor) -> Tensor:
    """(n, filters): how much each wave (n, samples) excites each filter, the mean over SHIFTS places where it may begin."""
    length = waves.shape[-1]
    # one more sample each time, so that steps of any length meet the wave in all their phases
    shifts = [i * (length // SHIFTS) + i for i in range(SHIFTS)]
    return torch.stack([activations(tagger, layer, waves.roll(shift, -1)) for shift in shifts]).mean(0)


def levelled(waves: Tensor) -> Tensor:
    """Waves (n, samples) → with the mean 0 and the root-mean-square LEVEL; silence stays silence."""
    waves = waves - waves.mean(-1, keepdim=True)
    rms = waves.square().mean(-1, keepdim=True).sqrt()
    return LEVEL * waves / rms.clamp_min(1e-12)


def _climb(
    tagger: Tagger, layer: Layer, chosen: NDArray[np.int64], begin: Tensor, before: Tensor, steps: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What the ascent comes to, (n, samples), and its activation (n,). Where it has lost the hill that it began on,
    below the activation before, it begins again with smaller steps.
    """
    waves = begin
    after = torch.full_like(before, -torch.inf)
    for first in (FIRST_STEP, FIRST_STEP / 4):
        (lost,) = torch.nonzero(after <= before, as_tuple=True)
        if steps and len(lost):
            again = chosen[lost.cpu().numpy()]
            ascended = _ascend(tagger, layer, again, begin[lost], steps, generator, first)
            reached = excitation(tagger, layer, ascended)[torch.arange(len(again)), torch.from_numpy(again)]
            higher = reached > after[lost]
            waves = waves.index_copy(0, lost[higher], ascended[higher])
            after = after.index_copy(0, lost[higher], reached[higher])
    return waves, after if steps else before


def _ascend(
    tagger: Tagger, layer: Layer, chosen: NDArray[np.int64], noise: Tensor, steps: int, generator: torch.Generator,
    first: float,
) -> Tensor:  # fmt: skip
    """The waves (n, samples) that the ascent comes to. first: its first step, a share of the level."""
    own_filter = torch.arange(len(chosen)), torch.from_numpy(chosen)
    waves = levelled(noise)
    for step in range(steps):
        shift = int(torch.randint(waves.shape[-1], (), generator=generator))
        waves = waves.roll(shift, -1).requires_grad_(True)
        out = outputs(tagger, layer, waves)[own_filter]  # (n, time)
        (slope,) = torch.autograd.grad(F.leaky_relu(out, LEAK).mean(-1).sum(), waves)
        share = first * (LAST_STEP / FIRST_STEP) ** (step / max(1, steps - 1))
        waves = levelled(waves.detach() + share * levelled(slope))
    return waves


def frequencies(sample_rate: int) -> Floats:
    """(365,) Hz of the bins of `power_of`."""
    return np.asarray(np.fft.rfftfreq(SAMPLES, 1 / sample_rate), np.float64)


def power_of(waves: NDArray[np.float32]) -> Floats:
    """Waves (n, samples) → (n, 365): the mean power spectrum of frames of 729 samples, half overlapping, smoothed.

    Window: Hann. Smoothing: over 9 bins, by weights that rise and fall evenly.
    """
    frames = np.lib.stride_tricks.sliding_window_view(waves, SAMPLES, axis=-1)[:, :: SAMPLES // 2]
    window = np.sin(np.pi * np.arange(SAMPLES) / SAMPLES) ** 2
    # one wave at a time: the frames of all are twice the waves, in float64
    power = np.stack([np.square(np.abs(np.fft.rfft(of_wave * window))).mean(0) for of_wave in frames])
    padded = np.pad(power, ((0, 0), (len(SMOOTH) // 2, len(SMOOTH) // 2)), mode="reflect")
    return np.stack([np.convolve(row, SMOOTH, "valid") for row in padded])


def responses(tagger: Tagger, layer: Layer) -> tuple[Floats, Floats, Floats]:
    """Of a layer on the waveform itself: (Hz (bins,), gains of the kernels (filters, bins), centre frequencies (filters,)).

    A gain is the magnitude of the kernel's Fourier transform, without the batch norm.
    """
    conv: Any = tagger.net.get_submodule(layer.name)
    kernels = conv.weight.detach().cpu().double().flatten(1).numpy()
    gains = np.abs(np.fft.rfft(kernels, max(RESPONSE, kernels.shape[1]), axis=-1))
    hz: Floats = np.fft.rfftfreq(max(RESPONSE, kernels.shape[1]), 1 / tagger.sample_rate).astype(np.float64)
    return hz, gains, hz[gains.argmax(-1)]


def mel_curve(count: int, sample_rate: int) -> Floats:
    """(count,) Hz: the middles of as many bands of equal width in mel, up to half the sample rate."""
    top = hz_to_mel(np.array(sample_rate / 2))
    return mel_to_hz((np.arange(count) + 0.5) / count * top)


def mel_distance(centres: Sequence[float] | Floats, curve: Floats, sample_rate: int) -> float:
    """How far sorted centre frequencies lie from a curve of as many: mean distance in mel, as a share of all mels."""
    top = hz_to_mel(np.array(sample_rate / 2))
    return float(np.abs(hz_to_mel(np.sort(centres)) - hz_to_mel(curve)).mean() / top)
