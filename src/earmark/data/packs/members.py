"""What a pack keeps of a clip: its bytes, or the same samples as FLAC; and its facts.

    a whole recording       its own bytes; with `flac` FLAC of its samples, where that is exact and it is not packed already
    a part of one           FLAC, since bytes cannot be cut: exact for whole numbers of up to 24 bits, else rounded to 24
    a damaged one           with `salvage` FLAC of what can be read of it, as of a part: its bytes are refused where they are learnt from
    with `rate`             one channel, resampled, FLAC of 16 bits; what exceeds full scale is clipped, and said

FLAC holds the mix of the channels at the recording's rate: what `audio.load` makes of the recording first, whatever rate is
asked for. So the waves are the same bit for bit but for a part that is resampled later, whose edges have no neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark import audio
from earmark.audio import Wave, members
from earmark.errors import AudioError, agreed, counted
from earmark.files import sound

STEPS = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}  # of full scale
CODED = {"VORBIS", "OPUS", "ALAC", "ADPCM"}  # no smaller as FLAC, or no longer the same
LONGEST = 1 << 31  # bytes of a clip


@dataclass(frozen=True)
class Clip:
    """One that is to be packed. start, end: seconds; None where the recording itself begins or ends."""

    path: Path
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Stored:
    """What is kept of it. frames: per channel, at `rate` Hz. level: dBFS. notes: what was done to it.

    source: SHA-256 of the recording that it was made from, None where these are its bytes.
    """

    data: bytes
    ending: str
    frames: int
    rate: int
    level: float
    notes: tuple[str, ...]
    source: bytes | None = None


def stored(clip: Clip, *, flac: bool = False, rate: int | None = None, salvage: bool = False) -> Stored:
    """Decode a clip, so that what cannot be read is known; then keep it. Raises AudioError."""
    notes: list[str] = []
    header = audio.info(clip.path)
    at = header.sample_rate if rate is None else rate
    part = clip.start is not None or clip.end is not None
    seconds = None if clip.end is None else clip.end - (clip.start or 0.0)
    wave, salvaged = _heard(clip.path, at, clip.start, seconds, salvage, notes)
    level = _level(wave)
    if rate is not None:
        data, changed = _sixteen(wave, at)
        return Stored(data, "flac", len(wave), at, level, (*notes, *([f"{clip.path}: {changed}"] if changed else [])))
    exact = next((kind for kind, steps in STEPS.items() if _fits(wave, steps)), None)
    lossy = any(header.codec.upper().startswith(name) for name in (*CODED, "MPEG", "MP3", "AAC", "WMA"))
    smaller = flac and exact is not None and not lossy and header.container != "FLAC"
    if part or smaller or salvaged:
        if exact is None:
            over = float(np.abs(wave).max(initial=0))
            how = f"{clip.path}: {'salvaged' if salvaged else 'cut out'}, its samples are rounded to 24 bits"
            notes.append(how if over < 1 else f"{how} and clipped at full scale, of which they reach {over:.3g}")
        return Stored(_flac(wave, at, exact or "PCM_24"), "flac", len(wave), at, level, tuple(notes))
    return Stored(_bytes(clip.path), _ending(clip.path), len(wave), at, level, tuple(notes))


def _heard(
    path: Path, rate: int, start: float | None, seconds: float | None, salvage: bool, notes: list[str]
) -> tuple[Wave, bool]:
    """The wave, and whether it is what could be read of a damaged recording. Raises AudioError. notes: that are added to."""
    said: list[str] = []
    try:
        wave, salvaged = audio.load(path, rate, start, seconds, report=said.append), False
    except AudioError:
        if not salvage:
            raise
        said.clear()
        wave, salvaged = audio.load(path, rate, start, seconds, salvage=True, report=said.append), True
    notes += said
    return wave, salvaged


def _level(wave: Wave) -> float:
    """dBFS of half of what lies between the largest and the smallest sample: as `earmark.inference.silence.Level` tells it."""
    half = (float(wave.max()) - float(wave.min())) / 2
    return 20 * math.log10(half) if half > 0 else -math.inf


def _sixteen(wave: Wave, rate: int) -> tuple[bytes, str]:
    size = np.abs(wave)
    over = int(np.count_nonzero(size > 1))
    if not over:
        return _flac(wave, rate, "PCM_16"), ""
    share = f"{over / len(wave):.1%} of all, the largest at {size.max():.3g} times full scale"
    return (
        _flac(wave, rate, "PCM_16"),
        f"{counted(over, 'sample exceeds', 'samples exceed')} full scale and {agreed(over, 'is', 'are')} clipped: {share}",
    )


def _fits(wave: Wave, steps: int) -> bool:
    """Whether all samples are whole steps within full scale."""
    scaled = wave.astype(np.float64) * steps
    return bool((scaled == np.rint(scaled)).all() and (scaled >= -steps).all() and (scaled < steps).all())


def _flac(wave: Wave, rate: int, kind: str) -> bytes:
    """Whole numbers are given, so that rounding is ours: libsndfile's of floats differs by version."""
    steps = STEPS[kind]
    values = np.clip(np.rint(wave.astype(np.float64) * steps), -steps, steps - 1).astype(np.int64)
    # of 32 bits libsndfile keeps the upper 16 or 24
    return sound.encoded((values << (32 - int(math.log2(steps)) - 1)).astype(np.int32), rate, kind, "FLAC")


def _bytes(path: Path) -> bytes:
    try:
        if (member := members.within(path)) is not None:
            return members.fetch(member)
        size = path.stat().st_size
        if size > LONGEST:
            problem = f"has {counted(size, 'byte')}; a clip of a pack has {LONGEST:,} at most"
            raise AudioError(path, problem, "Cut it into clips: give start and end")
        return path.read_bytes()
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})", "Check its disk or card") from error


def _ending(path: Path) -> str:
    """Of the member's name, as readers of WebDataset's layout choose the decoder by it."""
    ending = path.suffix.removeprefix(".").lower()
    return ending if ending.isascii() and ending.isalnum() and len(ending) <= 8 and ending != "json" else "audio"
