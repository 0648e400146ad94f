"""What clips and background recordings have to give: where in them there is sound, before anything is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError, counted

FRAME = 0.01  # s over which power is measured
BACKGROUND = "background/"  # before the names of background recordings among the sources


@dataclass(frozen=True)
class Sound:
    """One thing that can be heard. group: what must stay together. first: its first sample, counted in the recording.

    heard: (frames,), which frames of 10 ms from there on are no quiet ones; of a background, which is one piece, none.
    """

    id: str
    tag: str
    group: str
    first: int
    samples: int
    heard: NDArray[np.bool_] = field(default_factory=lambda: np.ones(0, bool), repr=False, compare=False)


@dataclass(frozen=True)
class Single:
    """A clip with one event. start, end: where to look, in seconds of its recording; None: from the beginning, to the end.

    sure: the event is known to run from start to end.
    """

    id: str
    tag: str
    group: str
    fold: str
    path: Path
    start: float | None
    end: float | None
    sure: bool


def single(clips: Manifest) -> tuple[list[Single], Counter[str]]:
    """The clips with one tag, and with one event if events are known, by id; and why others are left out, counted."""
    table, paths, folds = clips.table, clips.paths(), clips.folds
    names, rows, why = clips.fold_names(), [], Counter[str]()
    columns = zip(*(table[name].to_pylist() for name in ("id", "tags", "events", "start", "end")), strict=True)
    for row, (id, tags, events, start, end) in enumerate(columns):
        if len(tags) != 1:
            why["no tag" if not tags else "several tags"] += 1
        elif events is not None and len(events) != 1:
            why["a tag but no event" if not events else "several events"] += 1
        elif names and not folds[row]:
            why["no fold"] += 1
        else:
            if events is not None:
                start, end = events[0]["onset"], events[0]["offset"]
            sure = events is not None
            rows.append(Single(id, tags[0], str(clips.groups[row]), str(folds[row]), paths[row], start, end, sure))
    return sorted(rows, key=lambda each: each.id), why


def locate(
    clip: Single, sample_rate: int, trim: float, report: Callable[[str], None] | None = None, salvage: bool = False
) -> Sound:
    """Where in a clip there is sound, its quiet ends left out. salvage: as of `earmark.audio.load`. Raises AudioError for what is
    unreadable or silent.
    """
    length = None if clip.end is None else clip.end - (clip.start or 0.0)
    wave = audio.load(clip.path, sample_rate, clip.start, length, salvage=salvage, report=report)
    frame, begin = frame_length(sample_rate), round((clip.start or 0.0) * sample_rate)
    if not wave.any():
        raise AudioError(clip.path, "is silent: every sample is 0", "Take the clip out of the manifest")
    heard = loud(wave, frame, np.inf if clip.sure else trim)
    first, end = int(np.argmax(heard)), len(heard) - int(np.argmax(heard[::-1]))
    samples = min(end * frame, len(wave)) - first * frame
    return Sound(clip.id, clip.tag, clip.group, begin + first * frame, samples, heard[first:end])


def locate_all(
    clips: Sequence[Single], sample_rate: int, trim: float, workers: int, salvage: bool = False
) -> Generator[tuple[Sound | AudioError, list[str]]]:
    """`locate` for each clip in order, on so many threads, and what was done to its audio. What fails is given out.

    Who stops before the end closes it: left over, it may be found by one of its own threads, which cannot wait for itself.
    """

    def one(clip: Single) -> tuple[Sound | AudioError, list[str]]:
        notes: list[str] = []
        try:
            return locate(clip, sample_rate, trim, notes.append, salvage), notes
        except AudioError as error:
            return error, notes

    with threads(workers) as pool:
        yield from pool.map(one, clips)


@contextmanager
def threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that do not go on with what is waiting once nobody wants it."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def loud(wave: NDArray[np.float32], frame: int, trim: float) -> NDArray[np.bool_]:
    """(samples,) → (frames,): whose mean power is no more than `trim` dB below the highest; the last may be shorter."""
    power = np.square(wave, dtype=np.float64)
    starts = np.arange(0, len(wave), frame)
    mean = np.add.reduceat(power, starts) / np.minimum(frame, len(wave) - starts)
    return np.asarray(mean >= mean.max() * 10 ** (-trim / 10))


def frame_length(sample_rate: int) -> int:
    """Samples of a frame."""
    return max(1, round(FRAME * sample_rate))


def backgrounds(
    folder: Path,
    folds: list[str],
    least: int,
    sample_rate: int,
    found: Sequence[Path] | None = None,
    salvage: bool = False,
) -> tuple[dict[str, list[Sound]], list[AudioError]]:
    """The recordings of a folder with `least` samples or more, dealt in turn to the folds; and what is wrong with others.

    found: these in place of all that the folder has. salvage: those that are damaged, too. Raises EarmarkError where a fold gets none.
    """
    found = audio.find([folder]) if found is None else found
    dealt: dict[str, list[Sound]] = {fold: [] for fold in folds}
    failures = []
    for place, path in enumerate(found):
        name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path.absolute())
        try:
            samples = _samples(path, sample_rate, salvage)
            if samples < least:
                problem = f"is {samples / sample_rate:.2f} s long, shorter than a scene of {least / sample_rate:g} s"
                raise AudioError(path, problem, "Give longer backgrounds, or mix shorter scenes with --length")
            # the header was taken at its word: what is cut off or damaged would fail in every scene that has it
            audio.load(path, sample_rate, 0.0, FRAME, salvage=salvage, report=lambda _: None)
        except AudioError as error:
            failures.append(error)
            continue
        dealt[folds[place % len(folds)]].append(Sound(name, "", BACKGROUND + name, 0, samples))
    empty = [fold for fold in folds if not dealt[fold]]
    if empty:
        whose = f" to fold {empty[0]!r}" if empty[0] else ""
        reasons = f"; {len(failures)} cannot be used, the first: {failures[0]}" if failures else ""
        raise EarmarkError(
            f"{folder}: no background recording falls{whose}: {counted(len(found), 'recording was', 'recordings were')} dealt in turn to "
            f"{counted(len(folds), 'fold')}, so that none is heard in two{reasons}. Put more recordings there, or take --background brown"
        )
    return dealt, failures


def _samples(path: Path, sample_rate: int, salvage: bool) -> int:
    header = audio.info(path)
    if header.frames is not None:
        return audio.length_at(header.frames, header.sample_rate, sample_rate)
    return sum(len(block) for block in audio.blocks(path, sample_rate, 10.0, salvage=salvage, report=lambda _: None))
