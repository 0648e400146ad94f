"""Synthesised sounds with known onsets: a data set for a first run and for tests, made on the spot.

Chance is drawn apart from being rendered: `_plan` says what happens when, and needs no audio, so that a folder which is
already there is indexed at once. A clip depends on the seed and its number alone, not on how many clips there are.
Seconds and Hz; waves are (samples,) float64 at RATE.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.data.datasets import SHOWN, Layout, dataset
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError
from earmark.files import write_text
from earmark.files.sound import write as write_sound

LAYOUT: Layout = {}  # an empty folder will do

Wave = NDArray[np.float64]
RATE = 16_000
VERSION = 1  # of the sounds: raise it when the same seed would give other bytes
MARK = "synth.json"
FOLDS = 5
FADE = 0.005  # s at both ends of a sound, against clicks
DECAY = float(np.log(10))  # a struck sound has fallen by 20 dB at its end: less would be lost in the noise before
HEADER = 44  # bytes of a WAV before its samples


# The sounds: (seconds, chance) → wave (samples,) that begins at once and is heard to its end, so that onset and offset
# are known before it is rendered. The kinds differ for the ear and in a spectrogram; pitch, rate and colour vary.


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE)) / RATE


def _phase(frequency: Wave) -> Wave:
    """Radians of an oscillator whose frequency, Hz, changes."""
    return 2 * np.pi * np.cumsum(frequency) / RATE


def _log_uniform(low: float, high: float, chance: np.random.Generator) -> float:
    return float(np.exp(chance.uniform(np.log(low), np.log(high))))


def _struck(t: Wave, at: float, until: float) -> Wave:
    """An envelope that jumps to 1 and has fallen by 20 dB at `until`."""
    return np.where(t >= at, np.exp(-DECAY * np.maximum(t - at, 0) / (until - at)), 0.0)


def _beep(seconds: float, chance: np.random.Generator) -> Wave:
    """One steady sine."""
    return np.sin(2 * np.pi * _log_uniform(400, 2500, chance) * _time(seconds))


def _bell(seconds: float, chance: np.random.Generator) -> Wave:
    """Partials that are no multiples of each other; the high ones die first."""
    t, base = _time(seconds), _log_uniform(250, 700, chance)
    ratios = np.array([0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0, 3.76, 4.07])  # Risset's bell
    decay = DECAY * np.sqrt(ratios / ratios[0]) / seconds
    phase = 2 * np.pi * base * ratios * t[:, None] + chance.uniform(0, 6, len(ratios))  # (samples, partials)
    return np.asarray((np.sin(phase) * np.exp(-decay * t[:, None])).sum(1))


def _chirp(seconds: float, chance: np.random.Generator) -> Wave:
    """One sine that rises by two to four octaves."""
    t, low = _time(seconds), _log_uniform(150, 450, chance)
    return np.sin(_phase(low * 2 ** (chance.uniform(2, 4) * t / seconds)))


def _clicks(seconds: float, chance: np.random.Generator) -> Wave:
    """Short clicks in an even beat, 6 to 16 a second."""
    wave, t = np.zeros(round(seconds * RATE)), _time(0.004)
    click = np.sin(2 * np.pi * _log_uniform(2000, 5000, chance) * t) * np.exp(-t / 0.001)
    for at in np.linspace(0, len(wave) - len(click), max(2, round(seconds * chance.uniform(6, 16)))):
        wave[int(at) : int(at) + len(click)] += click
    return wave


def _crackle(seconds: float, chance: np.random.Generator) -> Wave:
    """Ticks of any strength and colour at any time, as of a fire."""
    wave, count = np.zeros(round(seconds * RATE)), max(4, round(seconds * chance.uniform(25, 60)))
    at = np.concatenate(
        [[0, 1], chance.uniform(0, 1, count - 2)]
    )  # ticks at both ends, so that it lasts as long as said
    for place in at:
        tick = chance.standard_normal(round(RATE * chance.uniform(0.001, 0.006))) * (0.2 + chance.pareto(3))
        first = int(place * (len(wave) - len(tick)))
        wave[first : first + len(tick)] += tick * np.linspace(1, 0, len(tick)) ** 2
    return wave


def _engine(seconds: float, chance: np.random.Generator) -> Wave:
    """A rough low harmonic sound that throbs."""
    t, base = _time(seconds), _log_uniform(45, 110, chance)
    phase = _phase(base * (1 + 0.05 * np.sin(2 * np.pi * chance.uniform(0.2, 0.8) * t)))
    tone: Wave = np.sum([np.sin(k * phase) / k**0.8 for k in range(1, 25)], axis=0)
    throb = 0.55 + 0.45 * np.sin(phase / 4)
    return (tone + 0.5 * chance.standard_normal(len(t))) * throb


def _hiss(seconds: float, chance: np.random.Generator) -> Wave:
    """A burst of noise in a band about an octave and a half wide."""
    noise = np.fft.rfft(chance.standard_normal(round(seconds * RATE)))
    frequency = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    octaves = np.log2(np.maximum(frequency, 1) / _log_uniform(1500, 5000, chance))
    return np.fft.irfft(noise * np.exp(-((octaves / 0.75) ** 4)), round(seconds * RATE))


def _knock(seconds: float, chance: np.random.Generator) -> Wave:
    """Two to five dull thuds, the last of which rings to the end."""
    t, base, count = _time(seconds), _log_uniform(90, 220, chance), int(chance.integers(2, 6))
    ring = min(0.12, seconds / count)
    wave = np.zeros(len(t))
    for at in np.linspace(0, seconds - ring, count):
        thud = np.sin(2 * np.pi * base * (t - at)) + 0.6 * np.sin(2 * np.pi * 2.3 * base * (t - at))
        wave += (thud + 0.15 * chance.standard_normal(len(t))) * _struck(t, at, at + ring) * (t < at + ring)
    return wave


def _pluck(seconds: float, chance: np.random.Generator) -> Wave:
    """A plucked string after Karplus and Strong (1983): a delay line of noise, averaged at every turn."""
    samples, period = round(seconds * RATE), round(RATE / _log_uniform(110, 500, chance))
    wave = np.zeros(samples + period)
    wave[:period] = chance.uniform(-1, 1, period)
    for first in range(period, len(wave), period):  # a whole turn depends on the turns before it alone
        turn = wave[first - period : first]
        before = np.concatenate([[wave[first - period - 1] if first > period else 0.0], turn[:-1]])
        wave[first : first + period] = (0.5 * (turn + before))[: len(wave) - first]
    return wave[:samples] * _struck(_time(seconds), 0, seconds)[:samples]


def _siren(seconds: float, chance: np.random.Generator) -> Wave:
    """A harmonic tone that wails up and down."""
    t, low = _time(seconds), _log_uniform(450, 800, chance)
    wail = 0.5 - 0.5 * np.cos(2 * np.pi * chance.uniform(1.2, 3) * t + chance.uniform(0, 2 * np.pi))
    phase = _phase(low * (1 + wail))
    return np.sin(phase) + np.sin(2 * phase) / 2 + np.sin(3 * phase) / 3


def _trill(seconds: float, chance: np.random.Generator) -> Wave:
    """A bird's: short falling syllables, 8 to 16 a second, high up."""
    t, high = _time(seconds), _log_uniform(3500, 6000, chance)
    count = max(2, round(seconds * chance.uniform(8, 16)))
    inside = t * (count - 0.4) / seconds % 1  # how far through its syllable; the last has no rest after it
    voice = np.sin(np.pi * np.minimum(inside / 0.6, 1))
    return np.asarray(np.sin(_phase(high * (1 - 0.35 * inside))) * voice)


def _whistle(seconds: float, chance: np.random.Generator) -> Wave:
    """A breathy sine with vibrato."""
    t, base = _time(seconds), _log_uniform(900, 2200, chance)
    phase = _phase(base * (1 + 0.05 * np.sin(2 * np.pi * chance.uniform(4.5, 7.5) * t)))
    return np.sin(phase) + 0.1 * chance.standard_normal(len(t))


KINDS: dict[str, Callable[[float, np.random.Generator], Wave]] = {
    "beep": _beep,
    "bell": _bell,
    "chirp": _chirp,
    "clicks": _clicks,
    "crackle": _crackle,
    "engine": _engine,
    "hiss": _hiss,
    "knock": _knock,
    "pluck": _pluck,
    "siren": _siren,
    "trill": _trill,
    "whistle": _whistle,
}


@dataclass(frozen=True)
class PlacedSound:
    """onset, seconds: whole samples. level: dB of its root mean square over that of the background."""

    kind: str
    onset: float
    seconds: float
    level: float


@dataclass(frozen=True)
class ClipPlan:
    """What a clip will be. colour: the noise falls by 3·colour dB an octave. floor: its level, dB of full scale."""

    seconds: float
    colour: float
    floor: float
    sounds: tuple[PlacedSound, ...]


@dataclass(frozen=True)
class Form:
    """What the clips of a data set have in common. Pairs are lowest and highest values."""

    name: str
    number: int  # tells the chance of one form from that of another with the same seed
    seconds: tuple[float, float]
    sound: tuple[float, float]
    count: tuple[int, int]
    level: tuple[float, float]


CLIPS = Form("clips", 1, seconds=(2.5, 3.5), sound=(0.7, 2.2), count=(1, 1), level=(-12, 15))
SCENES = Form("scenes", 2, seconds=(6, 10), sound=(0.7, 2.5), count=(1, 4), level=(0, 20))


@dataset(licence="none needed: made on the spot", clips=360, tags=len(KINDS), generated=True)
def synth(root: Path, clips: int = 360, seed: int = 0) -> Manifest:
    """Synthesised sounds, one a clip: 360 clips of 2.5 to 3.5 s at 16 kHz, 12 tags, with onsets and offsets.

    Made in `root` if it is empty or absent; a folder left half-made is completed. Nobody's recordings, so no licence.
    Every clip has one sound of 0.7 to 2.2 s (beep, bell, chirp, clicks, crackle, engine, hiss, knock, pluck, siren,
    trill or whistle) of random pitch and loudness, somewhere in coloured noise, which may well be louder. Folds: "1" to
    "5", the tags evenly spread where clips is a multiple of 60. A clip depends on seed and number alone: more clips are
    the same ones and then some.
    For a first run and for tests; figures on it say nothing about recordings.
    """
    return _make(root, CLIPS, clips, seed)


@dataset(licence="none needed: made on the spot", clips=200, tags=len(KINDS), generated=True)
def synth_scenes(root: Path, clips: int = 200, seed: int = 0) -> Manifest:
    """Synthesised scenes, several tags a clip: 200 clips of 6 to 10 s at 16 kHz, 12 tags, with onsets and offsets.

    As `synth` (no licence needed), but with one to four sounds of different kinds a clip, which may overlap, and which
    are no fainter than the noise.
    """
    return _make(root, SCENES, clips, seed)


def _plan(form: Form, seed: int, index: int) -> ClipPlan:
    chance = np.random.default_rng([seed, form.number, index])
    seconds = _whole(chance.uniform(*form.seconds))
    count = int(chance.integers(form.count[0], form.count[1] + 1))
    kinds = list(KINDS)
    first = kinds[index % len(kinds)]  # every kind equally often, whatever chance does
    others = chance.permutation([kind for kind in kinds if kind != first])[: count - 1]
    sounds = []
    for kind in (first, *others.tolist()):
        length = _whole(chance.uniform(*form.sound))
        sounds.append(
            PlacedSound(kind, _whole(chance.uniform(0, seconds - length)), length, chance.uniform(*form.level))
        )
    return ClipPlan(seconds, chance.uniform(0, 2), chance.uniform(-50, -30), tuple(sounds))


def _whole(seconds: float) -> float:
    """Rounded to a whole sample."""
    return round(seconds * RATE) / RATE


def _render(plan: ClipPlan, chance: np.random.Generator) -> Wave:
    wave = _noise(round(plan.seconds * RATE), plan.colour, chance) * 10 ** (plan.floor / 20)
    for sound in plan.sounds:
        part = KINDS[sound.kind](sound.seconds, chance)
        edge = np.linspace(0, 1, round(FADE * RATE))
        if sound.kind not in ("bell", "clicks", "crackle", "knock", "pluck"):  # these begin with a blow
            part[: len(edge)] *= edge
        part[-len(edge) :] *= edge[::-1]
        part *= 10 ** ((plan.floor + sound.level) / 20) / np.sqrt(np.mean(part**2))
        first = round(sound.onset * RATE)
        wave[first : first + len(part)] += part
    return wave * min(1.0, 0.95 / float(np.abs(wave).max()))


def _noise(samples: int, colour: float, chance: np.random.Generator) -> Wave:
    """Root mean square 1; nothing below 30 Hz."""
    size = 1 << (samples - 1).bit_length()  # a length with large prime factors is ten times as slow to transform
    spectrum = np.fft.rfft(chance.standard_normal(size))
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    shape = np.where(frequency < 30, 0.0, np.maximum(frequency, 30) ** (-colour / 2))
    noise = np.fft.irfft(spectrum * shape, size)[:samples]
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _make(root: Path, form: Form, clips: int, seed: int) -> Manifest:
    """Render what is not there yet, and index it."""
    if clips < 1 or seed < 0:
        raise ManifestError(
            f"clips is {clips} and seed is {seed}; there must be 1 clip or more, and a seed of 0 or more"
        )
    _claim(root, {"format": "earmark-synth", "version": VERSION, "form": form.name, "seed": seed})
    plans = [_plan(form, seed, index) for index in range(clips)]
    paths = [f"audio/{index:05d}.wav" for index in range(clips)]
    for index, (plan, path) in enumerate(zip(plans, paths, strict=True)):
        _save(root / path, plan, np.random.default_rng([seed, form.number, index, 1]))
    events = [[(s.kind, s.onset, _whole(s.onset + s.seconds)) for s in plan.sounds] for plan in plans]
    columns: dict[str, Any] = {
        "id": [f"{form.name[:-1]}_{index:05d}" for index in range(clips)],
        "path": paths,
        "tags": [sorted(s.kind for s in plan.sounds) for plan in plans],
        "events": events,
        "fold": [str(index // len(KINDS) % FOLDS + 1) for index in range(clips)],
        "source": [f"synthesised, seed {seed}"] * clips,
    }
    return build(columns, root, vocabulary=tuple(KINDS), name=str(root))


def _claim(root: Path, mark: dict[str, Any]) -> None:
    """Write down whose folder it is, or raise ManifestError where it is somebody else's."""
    there = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
    way_out = "Name an empty or new folder"
    if MARK in there:
        text = (root / MARK).read_text(encoding="utf-8")
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ManifestError(f"{root / MARK}: is damaged. {way_out}") from error
        if found != mark:
            raise ManifestError(f"{root}: holds other synthesised sounds: {found}, not {mark}. {way_out}")
        return
    others = [name for name in there if not name.endswith(".part")]
    if others or (root.exists() and not root.is_dir()):
        found = (
            f"holds other things: {', '.join(others[:SHOWN])}{' …' if len(others) > SHOWN else ''}"
            if others
            else "is a file"
        )
        raise ManifestError(f"{root}: {found}. Sounds are synthesised into a folder of their own. {way_out}")
    (root / "audio").mkdir(parents=True, exist_ok=True)
    write_text(root / MARK, json.dumps(mark))


def _save(path: Path, plan: ClipPlan, chance: np.random.Generator) -> None:
    """Render and write a clip, whole or not at all, unless it is there."""
    samples = round(plan.seconds * RATE)
    if path.is_file() and path.stat().st_size == HEADER + 2 * samples:
        return
    write_sound(path, _render(plan, chance), RATE, "PCM_16", "WAV", sync=False)
