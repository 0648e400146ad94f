"""What a search looks for: the embeddings of the windows in which an example, a recording or a part of one, is to be heard.

shorter than a window   the window around it is heard, as much as the recording has on both sides: a part that is filled up
                        with silence is like sounds that are, whatever they are
longer                  the windows that lie within it, where `last` is "pad" the last one as far as the recording goes on
silent                  what `tag` calls so is refused: its embedding is like that of any silence, and tells of nothing else
ending in silence       windows QUIET of the loudest sample (40 dB below it) are left out
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import EarmarkError
from earmark.inference.embedding import of_recording
from earmark.inference.engine import score
from earmark.inference.recordings import Failure, Recording
from earmark.inference.silence import FLOORLESS
from earmark.windows import Short, Windows

QUIET = 0.01  # of an example's loudest sample, 40 dB
FILLED: dict[Short, str] = {
    "pad": "filled up with silence", "centre": "filled up with silence", "slide": "filled up with silence", "repeat": "repeated",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sought:
    """vectors: (windows, width) float32, of an example. notes: what is to be known of it, "path: what"."""

    vectors: NDArray[np.float32]
    notes: tuple[str, ...]


def sought(tagger: Any, path: Path, begin: float | None = None, end: float | None = None, gain: float = 0.0) -> Sought:
    """The windows of an example. begin, end: seconds of the recording, default all of it. gain: dB, as what is searched was made.

    Raises EarmarkError for an example in which nothing is heard, AudioError, TaggerError of a tagger without embeddings.
    """
    rate, windows = tagger.sample_rate, tagger.windows
    part, notes = _heard(tagger, Recording(path, begin, end), gain)
    marked = audio.load(path, rate, begin, None if end is None else end - (begin or 0.0), report=_nothing)
    first = round((begin or 0.0) * rate)
    around = first, first + len(marked)
    if begin is not None or end is not None:
        around = widened(around, _samples(path, rate), rate, windows)
    length, _ = windows.samples(rate)
    if (lasts := around[1] - around[0]) < length:
        notes += (
            f"{path}: lasts {lasts / rate:.2f} s, less than the window of {windows.length:g} s that the tagger hears: it is "
            f"{FILLED[windows.short]}, and sounds that last as long may be found for that alone. Trust the answers less",
        )
    if around != (first, first + len(marked)):
        part, more = _heard(tagger, Recording(path, around[0] / rate, around[1] / rate), gain, silence=True)
        notes += more
    size = np.abs(marked)
    edges = np.rint(np.stack([part.start, part.end]) * rate).astype(int).clip(first, first + len(marked)) - first
    loudest = np.array([size[a:b].max(initial=0.0) for a, b in edges.T])
    sounding = part.vectors.any(1)  # of silence there is no vector
    kept = sounding & (loudest >= QUIET * loudest[sounding].max(initial=0.0))
    return Sought(np.asarray(part.vectors[kept], np.float32), tuple(dict.fromkeys(notes)))


def widened(part: tuple[int, int], total: int, sample_rate: int, windows: Windows) -> tuple[int, int]:
    """The samples, from one to another, of whole windows around a part of a recording of `total` samples.

    >>> widened((6, 8), 20, 1, Windows(length=6.0, hop=6.0)), widened((0, 2), 20, 1, Windows(length=6.0, hop=6.0))
    ((4, 10), (0, 6))
    >>> widened((18, 20), 20, 1, Windows(length=6.0, hop=6.0)), widened((1, 3), 5, 1, Windows(length=6.0, hop=6.0))
    ((14, 20), (0, 5))
    >>> widened((2, 10), 20, 1, Windows(length=6.0, hop=6.0, last="pad")), widened((2, 10), 20, 1, Windows(length=6.0, hop=6.0))
    ((2, 14), (2, 10))
    """
    (first, end), (length, hop) = part, windows.samples(sample_rate)
    if end - first < length:
        begin = max(0, min(first - (length - (end - first)) // 2, total - length))
        return begin, min(begin + length, max(total, end))
    more = -(end - first - length) % hop if windows.last == "pad" else 0
    return first, min(end + more, max(total, end))


def _heard(tagger: Any, recording: Recording, gain: float, *, silence: bool = False) -> tuple[Any, tuple[str, ...]]:
    """The embeddings of its windows, 0 of silence, and what is to be said of it. silence: take that, too."""
    floor = None if silence else float(getattr(tagger, "floor", FLOORLESS))
    found = score(tagger.embedder(), [recording], gain=gain, keep_windows=True, hear_silence=silence, floor=floor)
    with closing(found) as results:
        heard = next(results)
    if isinstance(heard, Failure):
        raise heard.error
    if heard.silent and not silence:
        said = (
            heard.notes[-1].removeprefix(f"{recording.path}: ").partition(". ")[0]
        )  # behind it: what one may do to tag it
        raise EarmarkError(
            f"{recording.path}: is silent, and so an example of nothing ({said.removeprefix('is silent: ')}). Take another, or "
            "another part of it"
        )
    return of_recording(heard, {}), heard.notes


def _samples(path: Path, rate: int) -> int:
    """How long a recording is, decoded where its header does not tell."""
    told = audio.info(path)
    if told.frames is not None:
        return audio.length_at(told.frames, told.sample_rate, rate)
    return sum(map(len, audio.blocks(path, rate, 10.0, report=_nothing)))


def _nothing(_: str) -> None:
    """What was said of a recording the first time need not be said again."""
