"""A plan → its sound. What is drawn here is the noise alone, from a generator that the plan names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.soundscapes.plan import COLOURS, NOISE, PlacedEvent, ScenePlan, generator
from earmark.errors import AudioError, counted

Wave = NDArray[np.float64]

FLOOR = -40.0  # dB of full scale: RMS of the background
PEAK = 0.95  # of full scale; beyond, the scene is scaled down
FADE = 0.005  # s at both ends of an event, against clicks
LOWEST = 20.0  # Hz of the noise: brown noise would be rumble that no loudspeaker gives


def render(plan: ScenePlan, paths: Mapping[str, Path], folder: Path | None = None) -> tuple[Wave, float]:
    """(samples,) and the scale that keeps its peak below full scale, 1 where nothing had to be scaled.

    paths: the recordings by the ids of their clips. folder: where background recordings lie. Raises AudioError.
    """
    scene, events = parts(plan, paths, folder)
    scene = scene.copy()
    for event, wave in zip(plan.events, events, strict=True):
        first = round(event.onset * plan.sample_rate)
        scene[first : first + len(wave)] += wave
    peak = float(np.abs(scene).max())
    scale = min(1.0, PEAK / peak) if peak else 1.0
    return scene * scale, scale


def parts(
    plan: ScenePlan, paths: Mapping[str, Path], folder: Path | None = None, salvage: bool = False
) -> tuple[Wave, list[Wave]]:
    """The background (samples,) and what is heard of each event, (samples from onset to offset,), before scaling.

    salvage: as of `earmark.audio.load`, where the plan was drawn with it.
    """
    events = [_sound(event, plan.sample_rate, paths[event.clip], salvage) for event in plan.events]
    return _background(plan, folder or Path(), salvage), events


def _sound(event: PlacedEvent, rate: int, path: Path, salvage: bool) -> Wave:
    samples = round((event.offset - event.onset) * rate)
    wave = audio.load(path, rate, event.at, samples / rate, salvage=salvage, report=_silently).astype(np.float64)
    if len(wave) != samples:
        raise AudioError(path, "has become shorter since it was read", "Mix again once nobody writes to it")
    edge = min(round(FADE * rate), samples // 2)
    wave[:edge] *= np.arange(1, edge + 1) / (edge + 1)
    wave[samples - edge :] *= np.arange(edge, 0, -1) / (edge + 1)
    return _levelled(wave, FLOOR + event.snr, path, event.at)


def _background(plan: ScenePlan, folder: Path, salvage: bool) -> Wave:
    if plan.background_at is not None:
        path = folder / plan.background
        wave = audio.load(path, plan.sample_rate, plan.background_at, plan.seconds, salvage=salvage, report=_silently)
        if len(wave) != plan.samples:
            raise AudioError(path, "has become shorter since it was read", "Mix again once nobody writes to it")
        return _levelled(wave.astype(np.float64), FLOOR, path, plan.background_at)
    if plan.background == "none":
        return np.zeros(plan.samples)
    chance = generator(NOISE, plan.seed, plan.fold, plan.scene)
    return noise(plan.samples, plan.sample_rate, COLOURS[plan.background], chance) * 10 ** (FLOOR / 20)


def noise(samples: int, rate: int, colour: float, chance: np.random.Generator) -> Wave:
    """Gaussian noise whose power falls by 3·colour dB an octave, from 20 Hz on; RMS 1."""
    size = 1 << (samples - 1).bit_length()  # a length with large prime factors is ten times as slow to transform
    frequency = np.fft.rfftfreq(size, 1 / rate)
    shape = np.where(frequency < LOWEST, 0.0, np.maximum(frequency, LOWEST) ** (-colour / 2))
    wave = np.fft.irfft(np.fft.rfft(chance.standard_normal(size)) * shape, size)[:samples]
    return np.asarray(wave / np.sqrt(np.mean(wave**2)))


def _levelled(wave: Wave, level: float, path: Path, at: float) -> Wave:
    """The wave with an RMS of `level` dB of full scale."""
    rms = float(np.sqrt(np.mean(wave**2)))
    if not rms:
        problem = f"is silent for {counted(len(wave), 'sample')} from {at:.2f} s on: it cannot be brought to a level"
        raise AudioError(path, problem, "Take it out of the manifest or of the folder of backgrounds")
    return np.asarray(wave * (10 ** (level / 20) / rms))


def _silently(_: str) -> None:
    """What is done to the audio was said when it was first read."""
