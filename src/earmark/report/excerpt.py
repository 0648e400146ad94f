"""What a page lets people hear and see of a clip: a few seconds around its loudest part, and their spectrogram.

Sound is one channel at 16 kHz as MP3, which all browsers play, is a fourth of FLAC and the same bytes each time (Ogg
holds a number by chance); where libsndfile was built without it, as FLAC. Pictures are PNG. Both are data URIs, so that
a page needs neither the network nor the recordings. A page has a budget of bytes for them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError
from earmark.files.sound import encoded
from earmark.report import pictures

Wave = NDArray[np.float32]

BUDGET = 8_000_000  # bytes of all excerpts of a page, as written
RATE = 16_000  # Hz
SECONDS = 5.0  # of an excerpt
BLOCK = 60.0  # seconds held of a long recording; a loudest part across two blocks is cut in two
STEP = 0.1  # seconds between the places where the loudest part may begin
QUIET, AUDIBLE = 0.1, 0.5  # an excerpt whose peak is below the one is raised so that its peak is the other
LOUDEST = 0.9  # the peak of one that went beyond full scale: MP3 rings over it a little
WINDOW, HOP, BANDS, RANGE = 512, 320, 96, 70.0  # samples, samples, mel bands, dB below the loudest


@dataclass(frozen=True)
class Place:
    """Where a clip is: a recording, and seconds from its start; None: from the beginning, to the end."""

    path: Path
    start: float | None = None
    end: float | None = None


Find = Callable[[str], Place | None]


@dataclass(frozen=True)
class Excerpt:
    """sound, picture: data URIs. start: seconds from the start of the clip. told: what was done to it, in sentences."""

    sound: str
    picture: str
    start: float
    seconds: float
    told: list[str] = field(default_factory=list)


def places(manifest: Manifest) -> Find:
    """Finds the clips of a manifest by id."""
    by_id = {
        id_: Place(path, None if np.isnan(start) else float(start), None if np.isnan(end) else float(end))
        for id_, path, start, end in zip(
            manifest.ids.tolist(), manifest.paths(), manifest.start, manifest.end, strict=True
        )
    }
    return by_id.get


class Excerpts:
    """The excerpts of one page, until its budget is spent. full: whether it was."""

    def __init__(self, find: Find, budget: int = BUDGET):
        self.find, self.budget, self.left, self.full = find, budget, budget, False

    def of(self, clip: str) -> Excerpt | str:
        """The excerpt of a clip, or a sentence that says why there is none."""
        place = self.find(clip)
        if place is None:
            return "No recording is known for this clip."
        if self.full:
            return "Not in this page, which holds as much sound as it may."
        try:
            cut = excerpt(place)
        except EarmarkError as error:
            return f"Cannot be heard: {error}"
        size = len(cut.sound) + len(cut.picture)
        if size > self.left:
            self.full = True
            return self.of(clip)
        self.left -= size
        return cut


def excerpt(place: Place) -> Excerpt:
    """The loudest seconds of a clip. Raises AudioError where it cannot be read."""
    notes: list[str] = []
    start, wave = _loudest(_pieces(place, notes))
    sentences = [note.removeprefix(f"{place.path}: ") for note in notes]
    peak = float(np.abs(wave).max())
    if peak == 0:
        sentences.append("silent")
    elif peak < QUIET or peak > 1:
        gain = (AUDIBLE if peak < QUIET else LOUDEST) / peak
        sentences.append(f"{'raised' if gain > 1 else 'lowered'} by {abs(20 * np.log10(gain)):.1f} dB")
        wave = wave * np.float32(gain)
    picture = _uri("image/png", pictures.shaded(spectrogram(wave)))
    return Excerpt(_sound(wave), picture, start, len(wave) / RATE, sentences)


def _pieces(place: Place, notes: list[str]) -> Iterator[Wave]:
    """The clip in blocks, so that a recording of hours takes no more memory than one of a minute."""
    if place.start is None and place.end is None:
        yield from audio.blocks(place.path, RATE, BLOCK, salvage=True, report=notes.append)
        return
    first = place.start or 0.0
    last = first + BLOCK if place.end is None else place.end
    for start in np.arange(first, max(last, first + STEP), BLOCK).tolist():
        seconds = None if place.end is None else max(STEP, min(BLOCK, last - start))
        try:
            yield audio.load(place.path, RATE, start, seconds, salvage=True, report=notes.append)
        except AudioError:
            if start == first:
                raise
            return  # the recording ends earlier than the manifest says


def _loudest(pieces: Iterator[Wave]) -> tuple[float, Wave]:
    """(seconds from the start, samples) of the part with the most energy."""
    length, step = round(SECONDS * RATE), round(STEP * RATE)
    best, start, loudest, passed = -1.0, 0.0, np.zeros(0, np.float32), 0
    for piece in pieces:
        energy = np.concatenate([[0.0], np.cumsum(np.square(piece, dtype=float))])
        last = max(0, len(piece) - length)
        begins = np.unique(np.append(np.arange(0, last + 1, step), last))
        inside = energy[np.minimum(begins + length, len(piece))] - energy[begins]
        place = int(inside.argmax())
        if inside[place] > best:
            begin = int(begins[place])
            best, start = float(inside[place]), (passed + begin) / RATE
            loudest = piece[begin : begin + length].copy()
        passed += len(piece)
    return start, loudest


def spectrogram(wave: Wave) -> NDArray[np.float32]:
    """(samples,) at 16 kHz → (bands, frames) in 0 … 1: decibels up to the loudest, on the mel scale 2595·log10(1 + f/700).

    Frames are Hann-windowed. A band is the mean power between its edges, so that no line falls between two bands.
    """
    padded = np.pad(wave, (WINDOW // 2, WINDOW // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window)) ** 2  # (frames, bins)
    below = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, 1)], 1)  # power below the edges of the bins
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 1) / 2595) - 1) / (RATE / 2) * power.shape[1]
    edges[-1] = power.shape[1]
    whole = np.minimum(edges.astype(int), power.shape[1] - 1)
    at = below[:, whole] + power[:, whole] * (edges - whole)
    mean = np.maximum(np.diff(at, axis=1), 0) / np.diff(edges)  # a difference of sums may round to below nought
    level = 10 * np.log10(mean + 1e-10).T  # (bands, frames)
    shown: Wave = np.clip(1 + (level - level.max()) / RANGE, 0, 1).astype(np.float32)
    return shown


def _sound(wave: Wave) -> str:
    import soundfile

    mp3 = "MP3" in soundfile.available_formats()
    kind, subtype = ("MP3", "MPEG_LAYER_III") if mp3 else ("FLAC", "PCM_16")
    return _uri("audio/mpeg" if mp3 else "audio/flac", encoded(wave, RATE, subtype, kind))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
