"""Clips of a manifest → batches of windows and targets.

Every random choice comes from a generator seeded by (seed, epoch, clip), so a batch is the same whatever the number of
workers, and an epoch can be run again alone. Waves are float32 (samples,); targets float32 (tags,).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.errors import AudioError
from earmark.inference.silence import SILENT, Level
from earmark.train.augment import Applied, ClipPool
from earmark.train.order import ORDER, draw_order, draw_segments, turns_of
from earmark.train.sources import Wave, WaveSource
from earmark.train.targets import Dense, Targets, targets_of
from earmark.windows import Cutter, Windows

__all__ = [
    "BATCH", "CROP", "MAPS", "MEMORY", "NET", "ORDER", "QUIETEST", "VIEW", "Batches", "Waves", "draw_order", "draw_segments",
    "segment_counts", "targets_of", "validation_batches",
]  # fmt: skip
# what a generator is for: part of its seed, so that no two are alike; 1 is ORDER
CROP, BATCH, NET, MAPS, VIEW = 2, 3, 4, 5, 6
QUIETEST = 0.01  # of the clips: one that is next to silent by mistake must not tell what level is heard
ROOM = 4  # windows around one whose length is changed: as much as `speed` shortens by at most
MEMORY = 4 << 30  # bytes of decoded audio that are kept


class Waves:
    """The decoded clips of a manifest, in memory as far as `memory` bytes go; the rest is decoded when asked for.

    All are decoded once here, so that what cannot be read is known before training and whatever the memory.
    failures: (row, error) of the clips that could not be read; `readable` are the rows of the others, and `samples` (rows,)
    tells how long they are. notes: what was done to the audio (channels mixed, …), one line each.
    """

    def __init__(
        self,
        manifest: Manifest,
        sample_rate: int,
        *,
        workers: int = 2,
        memory: int = MEMORY,
        salvage: bool = False,
        strict: bool = False,
        on_clip: Callable[[], None] | None = None,
    ):
        self.manifest, self.sample_rate, self.salvage = manifest, sample_rate, salvage
        self.notes: list[str] = []
        self.failures: list[tuple[int, AudioError]] = []
        self._paths = manifest.paths()
        self._held: dict[int, Wave] = {}
        self._room = memory
        self._lock = threading.Lock()
        self.samples = np.zeros(len(manifest), np.int64)
        self._peaks = np.full(len(manifest), -np.inf)  # dBFS
        with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
            for row, (outcome, notes) in enumerate(pool.map(self._first_look, range(len(manifest)))):
                self.notes += notes
                if on_clip:
                    on_clip()
                if outcome is None:
                    continue
                if strict:
                    pool.shutdown(cancel_futures=True)
                    raise outcome
                self.failures.append((row, outcome))
        broken = {row for row, _ in self.failures}
        self.readable = np.array([row for row in range(len(manifest)) if row not in broken], np.int64)

    @property
    def held(self) -> int:
        """How many clips are in memory."""
        return len(self._held)

    def level(self) -> float | None:
        """dBFS of the quietest clips: of those that are not silent, a hundredth is quieter. None where all are silent."""
        sounding = self._peaks[np.isfinite(self._peaks)]
        return round(float(np.quantile(sounding, QUIETEST, method="lower")), 1) if len(sounding) else None

    def silent(self) -> NDArray[np.int64]:
        """See `earmark.train.sources.WaveSource`."""
        return self.readable[self._peaks[self.readable] <= SILENT]

    def __getitem__(self, row: int) -> Wave:
        """(samples,) of the clip in a row of the manifest; one that is held is read-only. Raises AudioError."""
        held = self._held.get(row)
        return held if held is not None else self._decode(row, lambda note: None)  # it was said at the first look

    def heard(self, row: int) -> tuple[Wave, int]:
        """The clip in a row, and the row: see `earmark.train.sources`."""
        return self[row], row

    def _decode(self, row: int, report: Callable[[str], None]) -> Wave:
        start, end = float(self.manifest.start[row]), float(self.manifest.end[row])
        first = None if np.isnan(start) else start
        seconds = None if np.isnan(end) else end - (first or 0.0)
        wave: Wave = audio.load(self._paths[row], self.sample_rate, first, seconds, salvage=self.salvage, report=report)
        return wave

    def _first_look(self, row: int) -> tuple[AudioError | None, list[str]]:
        notes: list[str] = []
        try:
            wave = self._decode(row, notes.append)
        except AudioError as error:
            return error, notes
        self.samples[row] = len(wave)
        level = Level(self.sample_rate)
        level.push(wave)
        self._peaks[row] = level.peak
        with self._lock:
            if wave.nbytes <= self._room:
                self._room -= wave.nbytes
                wave.flags.writeable = False  # it is heard again in every epoch, and must be as it was
                self._held[row] = wave
        return None, notes


def segment_counts(waves: WaveSource, windows: Windows) -> NDArray[np.int64]:
    """How many windows tagging cuts of each readable clip, (clips,)."""
    length, hop = windows.samples(waves.sample_rate)
    samples = waves.samples[waves.readable]
    known = {n: len(_segments(np.zeros(n, np.float32), length, hop, windows)) for n in np.unique(samples).tolist()}
    return np.array([known[n] for n in samples.tolist()], np.int64)


def _segments(wave: Wave, length: int, hop: int, windows: Windows) -> Wave:
    """(windows, samples), as tagging cuts them."""
    cutter = Cutter(length, hop, windows.last, windows.short)
    return np.concatenate([stretch.windows() for stretch in (*cutter.push(wave), *cutter.finish())])


class Batches:
    """One epoch of training: own windows (n, samples), own targets (n, tags), and how many the whole batch has.

    rows: of the manifest, in order. segments, places: the windows of clips, and which of its clip each row is; without
    them a row is a clip of any length. Of several processes each takes every `world`-th clip of a batch. Threads cut the
    next windows while the net is at work. A last batch too small for the processes, or of a single clip, is joined to
    the one before it: batch normalisation needs two. views: with 2, a second window of each clip, drawn by itself and summed
    with the same others: (n, 2, samples). done: batches of the epoch that were learnt before; the others are as they would be.
    """

    AHEAD = 2  # batches that are cut ahead

    def __init__(
        self,
        waves: WaveSource,
        targets: Targets | Dense,
        rows: NDArray[np.int64],
        batch: int,
        length: int,
        *,
        seed: int,
        epoch: int,
        clips: Sequence[Applied],
        pairs: Sequence[Applied] = (),
        segments: Windows | None = None,
        places: NDArray[np.int64] | None = None,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        views: int = 1,
        done: int = 0,
    ):
        self.waves, self.targets, self.length, self.views = waves, targets, length, views
        self.seed, self.epoch = seed, epoch
        self.clips, self.pairs, self.segments = clips, pairs, segments
        self.rank, self.world, self.workers = rank, world, workers
        self._resized = any(each.entry.facts.get("resizes") for each in clips)
        self._pool = ClipPool(targets, waves.readable) if pairs else None
        cuts = list(range(0, len(rows), batch))
        if len(cuts) > 1 and len(rows) - cuts[-1] < max(2, world):
            cuts.pop()
        turns = turns_of(rows)
        self.done = done
        self._rows, self._turns, self._places = rows, turns, turns if places is None else places
        self._cuts = [*cuts, len(rows)]

    def __len__(self) -> int:
        """Of the whole epoch."""
        return len(self._cuts) - 1

    def rows(self, index: int) -> NDArray[np.int64]:
        """The rows of a whole batch, of all processes."""
        return self._rows[self._cuts[index] : self._cuts[index + 1]]

    def __iter__(self) -> Generator[tuple[Tensor, Tensor, int]]:
        with ThreadPoolExecutor(max_workers=max(1, self.workers)) as pool:
            waiting: deque[tuple[int, list[Future[tuple[Wave, NDArray[np.float32]]]]]] = deque()
            try:
                for index in range(self.done, len(self)):
                    first, end = self._cuts[index], self._cuts[index + 1]
                    share = slice(first + self.rank, end, self.world)
                    drawn = zip(
                        *(each[share].tolist() for each in (self._rows, self._turns, self._places)), strict=True
                    )
                    waiting.append((end - first, [pool.submit(self._clip, *each) for each in drawn]))
                    if len(waiting) > self.AHEAD:
                        yield _collate(*waiting.popleft())
                while waiting:
                    yield _collate(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _clip(self, row: int, turn: int, place: int) -> tuple[Wave, NDArray[np.float32]]:
        own = [row, *([turn] if turn else [])]
        generator = np.random.default_rng([self.seed, self.epoch, CROP, *own])
        wave, heard = self._window(row, generator, place)
        target = self.targets[heard]
        # another one, so that the first view is the same whether there is a second or not
        other = np.random.default_rng([self.seed, self.epoch, VIEW, *own]) if self.views > 1 else None
        second = None if other is None else self._window(row, other, place)[0]
        for pair in self.pairs:
            assert self._pool is not None
            plan = pair.draw_pair(generator, int(np.searchsorted(self.waves.readable, row)), self._pool)
            rows = [int(self.waves.readable[at]) for at in plan.rows[1:]]
            summed = [self._window(each, generator) for each in rows]
            targets = [target, *(self.targets[each] for _, each in summed)]
            waves = [wave, *(each for each, _ in summed)]
            if other is not None and second is not None:
                second, _ = pair.to_pair(plan, [second, *(self._window(each, other)[0] for each in rows)], targets)
            wave, target = pair.to_pair(plan, waves, targets)
        return wave if second is None else np.stack([wave, second]), target

    def _window(self, row: int, generator: np.random.Generator, segment: int | None = None) -> tuple[Wave, int]:
        """And the row that is heard in it. segment: of the clip, counted from 0; None: one that is drawn, where there are segments."""
        wave, heard = self.waves.heard(row)
        place = 0.0
        if self.segments is not None:
            hop = self.segments.samples(self.waves.sample_rate)[1]
            cut = _segments(wave, self.length, hop, self.segments)
            # one that stands in for a clip that cannot be read may have fewer
            which = int(generator.integers(len(cut))) if segment is None else min(segment, len(cut) - 1)
            wave, place = (cut[which], 0.0) if not self._resized else _around(wave, which, len(cut), self.length, hop)
        for augmentation in self.clips:
            if self.segments is not None and self._resized and augmentation.entry.facts.get("crops"):
                wave = _placed(wave, place, self.length, hop, self.segments)
            wave = augmentation.to_clip(generator, wave, self.length)
        return wave, heard


def _around(wave: Wave, which: int, count: int, length: int, hop: int) -> tuple[Wave, float]:
    """A clip as far as `ROOM` windows around one of its `count` windows, and where in it that lies: from 0, at its beginning, to 1.

    What changes lengths would leave a gap in a window that was cut before, which is filled with zeros where the clip goes on.
    """
    if len(wave) <= length:
        return wave, which / max(1, count - 1)
    start = min(which * hop, len(wave) - length)  # the last one may reach over the end
    first = max(0, min(start - (ROOM - 1) * length // 2, len(wave) - ROOM * length))
    part = wave[first : first + ROOM * length]
    return part, (start - first) / max(1, len(part) - length)


def _placed(wave: Wave, place: float, length: int, hop: int, windows: Windows) -> Wave:
    """The window at a place from 0 to 1 of a part that was made longer or shorter; of less than a window, as tagging cuts it."""
    if len(wave) > length:
        start = round(place * (len(wave) - length))
        return wave[start : start + length]
    cut = _segments(wave, length, hop, windows)
    at: Wave = cut[round(place * (len(cut) - 1))]
    return at


def _collate(whole: int, clips: list[Future[tuple[Wave, NDArray[np.float32]]]]) -> tuple[Tensor, Tensor, int]:
    waves, targets = zip(*(future.result() for future in clips), strict=True)
    return (
        torch.from_numpy(np.stack(waves).astype(np.float32, copy=False)),
        torch.from_numpy(np.stack(targets).astype(np.float32, copy=False)),
        whole,
    )


def validation_batches(
    waves: WaveSource, windows: Windows, batch: int, rank: int = 0, world: int = 1
) -> Iterator[tuple[Wave, NDArray[np.int64]]]:
    """All windows of all readable clips, in order: (n, samples) with n ≤ batch, and the rows (n,) of their clips.

    Of several processes each takes every `world`-th clip.
    """
    length, hop = windows.samples(waves.sample_rate)
    held: list[tuple[Wave, NDArray[np.int64]]] = []
    waiting = 0
    for row in waves.readable[rank::world].tolist():
        wave, heard = waves.heard(row)
        if heard != row:  # it cannot be read, and another must not count twice
            continue
        cut = _segments(wave, length, hop, windows)
        held.append((cut, np.full(len(cut), row)))
        waiting += len(cut)
        if waiting >= batch:
            yield from _slices(held, batch)
            held, waiting = [], 0
    yield from _slices(held, batch)


def _slices(held: list[tuple[Wave, NDArray[np.int64]]], batch: int) -> Iterator[tuple[Wave, NDArray[np.int64]]]:
    if held:
        cut, rows = (np.concatenate(parts) for parts in zip(*held, strict=True))
        for at in range(0, len(cut), batch):
            yield cut[at : at + batch], rows[at : at + batch]
