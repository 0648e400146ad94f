"""What clips are like: how long they are, how loud, how much of them is silent, and up to which frequency something is heard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError, counted
from earmark.inference.silence import NOTHING
from earmark.progress import QUIET, Progress

Wave = NDArray[np.float32]
MOST = 300  # clips that are heard, evenly over the manifest
BLOCK = 0.02  # s, within which the level is taken
LOUD = 30.0  # dB below a clip's loudest block: what belongs to its sound
SHARE = 0.95  # of the energy of a clip's loud parts that lies below the frequency told of it
LONGEST = 60.0  # s of a clip that are heard


@dataclass(frozen=True, eq=False)
class Look:
    """Of `heard` clips, (clips,) each: seconds, and of these from the first loud block to the last (`loud`); peak, dBFS; silent, the
    share of digital silence; highest, Hz. rate: Hz, that most files have. tags: clips of each, the commonest first.
    """

    clips: int
    heard: int
    tags: dict[str, int]
    rate: int
    seconds: NDArray[np.float64]
    loud: NDArray[np.float64]
    peak: NDArray[np.float64]
    silent: NDArray[np.float64]
    highest: NDArray[np.float64]

    @property
    def silent_clips(self) -> int:
        """Clips of which a tenth or more is digital silence."""
        return int((self.silent >= 0.1).sum())


def look(clips: Manifest, progress: Progress = QUIET) -> Look:
    """Hear some of the clips. Raises EarmarkError where none can be read."""
    rows = np.unique(np.linspace(0, len(clips) - 1, min(MOST, len(clips))).round().astype(int)).tolist()
    paths = clips.paths()
    rates, told = Counter[int](), []
    for row in rows:
        try:
            rate = audio.info(paths[row]).sample_rate
            start = float(np.nan_to_num(clips.start[row]))
            end = float(clips.end[row])
            seconds = None if np.isnan(end) else min(end - start, LONGEST)
            wave = audio.load(paths[row], rate, start or None, seconds, report=lambda _: None)
        except AudioError as error:
            progress.say(str(error))
            continue
        rates[rate] += 1
        told.append(measure(wave, rate))
    if not told:
        raise EarmarkError(
            f"none of the {counted(len(rows), 'clip that was', 'clips that were')} to be heard can be read"
        )
    columns = [np.array(column) for column in zip(*told, strict=True)]
    return Look(len(clips), len(told), _tags(clips), rates.most_common(1)[0][0], *columns)


def of(look: Look, clips: Manifest) -> Look:
    """What was heard, beside the numbers of other clips of the same recordings."""
    return replace(look, clips=len(clips), tags=_tags(clips))


def _tags(clips: Manifest) -> dict[str, int]:
    counts = dict(zip(clips.vocabulary, clips.truth().sum(0).tolist(), strict=True))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def measure(wave: Wave, rate: int) -> tuple[float, float, float, float, float]:
    """(seconds, seconds from the first loud block to the last, peak in dBFS, share of digital silence, highest Hz) of a wave.

    >>> half = np.zeros(8_000, np.float32)
    >>> half[2_000:4_000] = np.sin(2 * np.pi * 1_000 * np.arange(2_000) / 8_000)
    >>> [round(value, 2) for value in measure(half, 8_000)[:4]]
    [1.0, 0.26, 0.0, 0.74]
    """
    size = max(1, round(BLOCK * rate))
    blocks = np.pad(wave, (0, -len(wave) % size)).reshape(-1, size)
    peaks = np.abs(blocks).max(1)
    peak = float(peaks.max(initial=0.0))
    if peak <= NOTHING:
        return len(wave) / rate, 0.0, -np.inf, 1.0, 0.0
    loud = np.flatnonzero(peaks >= peak * 10 ** (-LOUD / 20))
    span = (int(loud[-1]) - int(loud[0]) + 1) * size / rate
    silent = float((peaks <= NOTHING).mean())
    return len(wave) / rate, span, 20 * float(np.log10(peak)), silent, _highest(blocks[loud], rate)


def _highest(blocks: Wave, rate: int) -> float:
    """Hz below which SHARE of the energy lies."""
    energy = np.square(np.abs(np.fft.rfft(blocks * np.hanning(blocks.shape[1]), axis=1))).sum(0)
    reached = int(np.searchsorted(np.cumsum(energy), SHARE * energy.sum()))
    return float(min(reached + 1, len(energy) - 1) * rate / blocks.shape[1])
