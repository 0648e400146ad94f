"""Events → files to listen to: FOLDER/TAG/RECORDING_SECONDS.wav, with a margin on both sides, at the recording's sample rate.

Names sort by recording and time and hold no sign that a file system minds. What the tagger heard is written: the mix, or one
channel; where that is beyond full scale, which not every form of files holds and no loudspeaker plays, the clip is quieter as a whole.
A recording is read once, in constant memory. Files that are there already are left as they are.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from earmark import audio
from earmark.errors import EarmarkError, agreed, counted
from earmark.files import sound
from earmark.files.apart import Apart
from earmark.files.parts import DEVICES
from earmark.files.whole import shortened
from earmark.scores import Event

LONGEST = 60.0  # s of an event in its clip, beside the margins; of a longer one its beginning is enough to judge it
BLOCK = 10.0  # s that are read at once
NAME = 120  # bytes of a name's part
MADE = re.compile(
    r"(.+)_\d{5,}\.\d{3}s(?:_channel\d+)?(?:-\d+)?\.(?:wav|flac)", re.DOTALL
)  # the names that `write` gives


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
            raise EarmarkError(f"{counted(self.most, 'clip')} of a tag in a recording: give 1 or more")


@dataclass(eq=False)
class _Open:
    """A clip that is being read: native frames from `first` to `end`. peak: of what was written, 0 before."""

    path: Path
    first: int
    end: int
    parts: list[audio.Wave] = field(default_factory=list)
    peak: float = 0.0


def write(
    recording: Path,
    events: Sequence[Event],
    folder: Path,
    settings: Settings | None = None,
    *,
    name: str | None = None,
    salvage: bool = False,
    folders: Mapping[str, str] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[dict[Event, Path], int]:
    """Write the clips of a recording's events; (the file of each that has one, how many events were left out for `most`).

    name: of the recording in the files' names; default: its own without the ending. folders: of each tag, by `folders_of` all that one
    folder is for; default: of those of these events. report: takes what is to be said of the clips. Raises AudioError, OSError.
    """
    settings = settings or Settings()
    kept = chosen(events, settings.most)
    folders = folders_of(sorted({event.tag for event in kept})) if folders is None else folders
    files: dict[Event, Path] = {}
    taken: set[str] = set()
    for event in kept:  # two of one tag may begin in one millisecond, where people or other programs say so
        file = file_of(name or recording.stem, event, settings.form, folders[event.tag])
        own = (file.with_stem(file.stem + (f"-{n}" if n > 1 else "")) for n in range(1, len(kept) + 1))
        files[event] = folder / next(each for each in own if str(each).casefold() not in taken)
        taken.add(str(files[event].relative_to(folder)).casefold())
    peaks: list[float] = []
    for channel in {event.channel for event in kept}:
        mine = {event: file for event, file in files.items() if event.channel == channel and not file.exists()}
        if mine:
            peaks += _cut(recording, mine, settings, channel, salvage)
    if loud := [peak for peak in peaks if peak > 1]:
        report(
            f"{counted(len(loud), 'clip')} would reach beyond full scale, and {agreed(len(loud), 'is', 'are')} quieter as a "
            f"whole than what was heard, by up to {20 * math.log10(max(loud)):.1f} dB"
        )
    there = {event: file for event, file in files.items() if file.exists()}
    if none := next((event for event in kept if event not in there), None):
        report(
            f"{counted(len(kept) - len(there), 'event has', 'events have')} no clip, as "
            f"{agreed(len(kept) - len(there), 'it begins', 'they begin')} after the end of what can be read, such as "
            f"{none.tag!r} from {none.onset:g} s"
        )
    return there, len(events) - len(kept)


def written(folder: Path, names: Collection[str], folders: Iterable[str]) -> dict[str, list[Path]]:
    """The clips that are there of recordings, by their `names` in those of clips. folders: of the tags. Raises OSError."""
    called = {safe(name): name for name in names}
    found: dict[str, list[Path]] = defaultdict(list)
    for place in (folder / each for each in folders):
        for path in place.iterdir() if place.is_dir() else ():
            made = MADE.fullmatch(path.name)
            if made is not None and made[1] in called:
                found[called[made[1]]].append(path)
    return dict(found)


def chosen(events: Sequence[Event], most: int) -> list[Event]:
    """Of each tag the `most` events with the highest scores, by onset."""
    by_tag: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (-e.score, e.onset)):
        by_tag[event.tag].append(event)
    return sorted(event for found in by_tag.values() for event in found[:most])


def file_of(recording: str, event: Event, form: str, folder: str | None = None) -> Path:
    """The name of a clip: seconds with zeros before them sort as times do. folder: of its tag; default: as it is called.

    >>> file_of("SITE_20210423", Event(12.5, 13.0, "dog: big"), "wav").as_posix()
    'dog_ big/SITE_20210423_00012.500s.wav'
    """
    channel = "" if event.channel is None else f"_channel{event.channel}"
    return Path(folder or safe(event.tag)) / f"{safe(recording)}_{event.onset:09.3f}s{channel}.{form}"


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
    taken: set[str] = set()
    return {path: _free(apart.name(path), taken) for path in recordings}


def folders_of(tags: Iterable[str]) -> dict[str, str]:
    """The folder of each tag: as it is called, with a number where another is called so but for signs that file systems mind.

    >>> folders_of(["a/b", "a:b", "dog"])
    {'a/b': 'a_b', 'a:b': 'a_b-2', 'dog': 'dog'}
    """
    taken: set[str] = set()
    return {tag: safe(_free(tag, taken)) for tag in dict.fromkeys(tags)}


def _free(name: str, taken: set[str]) -> str:
    """A name, with a number where what is safe of it is taken; it is added there. A long one is cut first, so that there is room."""
    for n in range(1, len(taken) + 3):
        free = name if n == 1 else f"{shortened(safe(name), NAME - len(f'-{n}'))}-{n}"
        if safe(free).casefold() not in taken:
            break
    taken.add(safe(free).casefold())
    return free


def _cut(
    recording: Path, files: dict[Event, Path], settings: Settings, channel: int | None, salvage: bool
) -> list[float]:
    """Read a recording once and write what is asked for as it passes; how far each clip reached, 1 is full scale."""
    about = audio.info(recording)
    rate = about.sample_rate
    waiting = []
    for event, file in files.items():
        first = max(0, round((event.onset - settings.margin) * rate))
        whole = event.offset - event.onset <= LONGEST
        end = round((event.offset + settings.margin if whole else event.onset + LONGEST) * rate)
        waiting.append(_Open(file, first, end))
    waiting.sort(key=lambda clip: clip.first)
    every = list(waiting)
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
    return [clip.peak for clip in every]


def _save(clip: _Open, about: audio.Info, settings: Settings) -> None:
    wave = np.concatenate(clip.parts) if clip.parts else np.zeros(0, np.float32)
    if not len(wave):
        return
    fine = about.codec in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")  # of more than 16 bits
    clip.path.parent.mkdir(parents=True, exist_ok=True)
    subtype = "PCM_24" if fine else "PCM_16"
    clip.parts.clear()
    clip.peak = float(np.abs(wave).max())
    if clip.peak > 1:
        wave = wave / np.float32(clip.peak)
    # of a quotient that was rounded up
    sound.write(clip.path, np.clip(wave, -1, 1), about.sample_rate, subtype, settings.form.upper(), sync=False)
