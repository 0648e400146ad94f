"""Events → files to listen to: FOLDER/TAG/RECORDING_SECONDS.wav, with a margin on both sides, at the recording's sample rate.

Names sort by recording and time and hold no sign that a file system minds. What the tagger heard is written: the mix, or one
channel. A recording is read once, in constant memory. Files that are there already are left as they are.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from earmark import audio
from earmark.errors import EarmarkError
from earmark.files import sound
from earmark.files.apart import Apart
from earmark.files.parts import DEVICES
from earmark.files.whole import shortened
from earmark.scores import Event

LONGEST = 60.0  # s of a clip; of a longer event its beginning is enough to judge it
BLOCK = 10.0  # s that are read at once
NAME = 120  # bytes of a name's part


@dataclass(frozen=True)
class Settings:
    """margin: seconds before and after each event. most: clips of a tag in a recording, those of the highest scores. form: of the
    files. Raises EarmarkError.
    """

    margin: float = 1.0
    most: int = 50
    form: Literal["wav", "flac"] = "wav"

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= LONGEST / 2:
            raise EarmarkError(f"a margin of {self.margin} s: give from 0 to {LONGEST / 2:g} s")
        if self.most < 1:
            raise EarmarkError(f"{self.most} clips of a tag in a recording: give 1 or more")


@dataclass(eq=False)
class _Open:
    """A clip that is being read: native frames from `first` to `end`."""

    path: Path
    first: int
    end: int
    parts: list[audio.Wave] = field(default_factory=list)


def write(
    recording: Path,
    events: Sequence[Event],
    folder: Path,
    settings: Settings | None = None,
    *,
    name: str | None = None,
    salvage: bool = False,
) -> tuple[dict[Event, Path], int]:
    """Write the clips of a recording's events; (the file of each, how many events were left out for `most`).

    name: of the recording in the files' names; default: its own without the ending. Raises AudioError, OSError.
    """
    settings = settings or Settings()
    kept = chosen(events, settings.most)
    files = {event: folder / file_of(name or recording.stem, event, settings.form) for event in kept}
    for channel in {event.channel for event in kept}:
        mine = {event: file for event, file in files.items() if event.channel == channel and not file.exists()}
        if mine:
            _cut(recording, mine, settings, channel, salvage)
    return files, len(events) - len(kept)


def chosen(events: Sequence[Event], most: int) -> list[Event]:
    """Of each tag the `most` events with the highest scores, by onset."""
    by_tag: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (-e.score, e.onset)):
        by_tag[event.tag].append(event)
    return sorted(event for found in by_tag.values() for event in found[:most])


def file_of(recording: str, event: Event, form: str) -> Path:
    """The name of a clip: seconds with zeros before them sort as times do.

    >>> file_of("SITE_20210423", Event(12.5, 13.0, "dog: big"), "wav").as_posix()
    'dog_ big/SITE_20210423_00012.500s.wav'
    """
    channel = "" if event.channel is None else f"_channel{event.channel}"
    return Path(safe(event.tag)) / f"{safe(recording)}_{event.onset:09.3f}s{channel}.{form}"


def safe(name: str) -> str:
    """A name that every file system takes: no separators, no signs that Windows refuses, none that are not seen."""
    told = unicodedata.normalize("NFC", name)
    told = "".join("_" if sign in '<>:"/\\|?*' or not sign.isprintable() else sign for sign in told).strip(" .")
    told = shortened(told, NAME) or "_"
    return f"_{told}" if DEVICES.fullmatch(told.partition(".")[0]) else told


def names_of(recordings: Iterable[Path]) -> dict[Path, str]:
    """A name for each recording in the names of its clips: with folders where two are called alike, and a number at last."""
    recordings = list(recordings)
    apart = Apart(recordings, lambda path: path.stem, lambda name: safe(name).casefold())
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in recordings:
        name = apart.name(path)
        free = next(
            each
            for n in range(1, len(taken) + 3)
            if safe(each := name if n == 1 else f"{name}-{n}").casefold() not in taken
        )
        taken.add(safe(free).casefold())
        names[path] = free
    return names


def _cut(recording: Path, files: dict[Event, Path], settings: Settings, channel: int | None, salvage: bool) -> None:
    """Read a recording once and write what is asked for as it passes."""
    about = audio.info(recording)
    rate = about.sample_rate
    waiting = []
    for event, file in files.items():
        first = max(0, round((event.onset - settings.margin) * rate))
        end = min(round((event.offset + settings.margin) * rate), first + round(LONGEST * rate))
        waiting.append(_Open(file, first, end))
    waiting.sort(key=lambda clip: clip.first)
    at, last = 0, max(clip.end for clip in waiting)
    blocks = audio.blocks(recording, rate, BLOCK, salvage=salvage, report=lambda _: None, channel=channel)
    for block in blocks:
        for clip in [clip for clip in waiting if clip.first < at + len(block)]:
            clip.parts.append(block[max(0, clip.first - at) : clip.end - at].copy())
            if clip.end <= at + len(block):
                _save(clip, about, settings)
                waiting.remove(clip)
        at += len(block)
        if at >= last:
            break
    for clip in waiting:  # whose margin reaches past the end
        _save(clip, about, settings)


def _save(clip: _Open, about: audio.Info, settings: Settings) -> None:
    wave = np.concatenate(clip.parts) if clip.parts else np.zeros(0, np.float32)
    if not len(wave):
        return
    fine = about.codec in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")  # of more than 16 bits
    clip.path.parent.mkdir(parents=True, exist_ok=True)
    subtype = "PCM_24" if fine else "PCM_16"
    sound.write(clip.path, np.clip(wave, -1, 1), about.sample_rate, subtype, settings.form.upper(), sync=False)
