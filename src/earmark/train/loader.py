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
from earmark.inference.silence import Level
from earmark.train.augment import ClipAugmentation, ClipPool, PairAugmentation
from earmark.windows import Cutter, Windows

Wave = NDArray[np.float32]
# what a generator is for: part of its seed, so that no two are alike
ORDER, CROP, BATCH, NET, MAPS, VIEW = 1, 2, 3, 4, 5, 6
QUIETEST = 0.01  # of the clips: one that is next to silent by mistake must not tell what level is heard
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

    def __getitem__(self, row: int) -> Wave:
        """(samples,) of the clip in a row of the manifest. Raises AudioError."""
        held = self._held.get(row)
        return held if held is not None else self._decode(row, lambda note: None)  # it was said at the first look

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
                self._held[row] = wave
        return None, notes


def targets_of(manifest: Manifest, vocabulary: Sequence[str], task: str) -> NDArray[np.float32]:
    """(rows, tags): 1 where a clip has a tag, 0 where not and, in task many, NaN where it is not known.

    A mixture with what is not known is not known. Where a clip has one tag, that excludes the others.
    """
    targets = manifest.truth(vocabulary).astype(np.float32)
    if task == "many" and not manifest.knows_all:
        targets[~manifest.known(vocabulary)] = np.nan
    return targets


def segment_counts(waves: Waves, windows: Windows) -> NDArray[np.int64]:
    """How many windows tagging cuts of each readable clip, (clips,)."""
    length, hop = windows.samples(waves.sample_rate)
    samples = waves.samples[waves.readable]
    known = {n: len(_segments(np.zeros(n, np.float32), length, hop, windows)) for n in np.unique(samples).tolist()}
    return np.array([known[n] for n in samples.tolist()], np.int64)


def draw_segments(
    readable: NDArray[np.int64], counts: NDArray[np.int64], segments: int | None, seed: int, epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of an epoch of every segment, each once, in a random order, and which segment of its clip each is.

    counts: of each readable clip's segments. segments: so many make an epoch, and go on in the next where it ends.
    """
    rows = np.repeat(readable, counts)
    places = np.concatenate([np.arange(count) for count in counts.tolist()])
    order = draw_order(np.arange(len(rows)), np.zeros((0, 0), np.float32), False, segments, seed, epoch)
    return rows[order], places[order]


def _segments(wave: Wave, length: int, hop: int, windows: Windows) -> Wave:
    """(windows, samples), as tagging cuts them."""
    cutter = Cutter(length, hop, windows.last, windows.short)
    return np.concatenate([stretch.windows() for stretch in (*cutter.push(wave), *cutter.finish())])


def draw_order(
    readable: NDArray[np.int64], targets: NDArray[np.float32], balance: bool, clips: int | None, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The rows of an epoch (clips,), in order. targets: (rows of the manifest, tags).

    Without balance every readable clip comes once, or `clips` of them, which go on in the next epoch where this one
    ends. With balance the tags take turns, in an order drawn anew for each turn, and each gives the next of its clips.
    """
    count = clips or len(readable)
    if balance:
        return _balanced(readable, targets, count, np.random.default_rng([seed, epoch, ORDER]))
    first = (epoch - 1) * count
    turns = range(first // len(readable), -(-(first + count) // len(readable)))
    rows = np.concatenate(
        [readable[np.random.default_rng([seed, turn + 1, ORDER]).permutation(len(readable))] for turn in turns]
    )
    start = first - turns[0] * len(readable)
    return rows[start : start + count]


def _balanced(
    readable: NDArray[np.int64], targets: NDArray[np.float32], count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    present = np.flatnonzero((targets[readable] > 0).any(0))
    tags = np.concatenate([generator.permutation(present) for _ in range(-(-count // len(present)))])[:count]
    rows = np.zeros(count, np.int64)
    for tag in present.tolist():
        having, places = readable[targets[readable, tag] > 0], np.flatnonzero(tags == tag)
        turns = [generator.permutation(having) for _ in range(-(-len(places) // len(having)))]
        rows[places] = np.concatenate(turns)[: len(places)] if turns else rows[places]
    return rows


class Batches:
    """One epoch of training: own windows (n, samples), own targets (n, tags), and how many the whole batch has.

    rows: of the manifest, in order. segments, places: the windows of clips, and which of its clip each row is; without
    them a row is a clip of any length. Of several processes each takes every `world`-th clip of a batch. Threads cut the
    next windows while the net is at work. A last batch too small for the processes, or of a single clip, is joined to
    the one before it: batch normalisation needs two. views: with 2, a second window of each clip, drawn by itself and summed
    with the same others: (n, 2, samples).
    """

    AHEAD = 2  # batches that are cut ahead

    def __init__(
        self,
        waves: Waves,
        targets: NDArray[np.float32],
        rows: NDArray[np.int64],
        batch: int,
        length: int,
        *,
        seed: int,
        epoch: int,
        clips: Sequence[ClipAugmentation],
        pairs: Sequence[PairAugmentation] = (),
        segments: Windows | None = None,
        places: NDArray[np.int64] | None = None,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        views: int = 1,
    ):
        self.waves, self.targets, self.length, self.views = waves, targets, length, views
        self.seed, self.epoch = seed, epoch
        self.clips, self.pairs, self.segments = clips, pairs, segments
        self.rank, self.world, self.workers = rank, world, workers
        self._pool = ClipPool(targets[waves.readable]) if pairs else None
        self._place = {row: place for place, row in enumerate(waves.readable.tolist())} if pairs else {}
        cuts = list(range(0, len(rows), batch))
        if len(cuts) > 1 and len(rows) - cuts[-1] < max(2, world):
            cuts.pop()
        turns = _turns(rows)
        drawn = list(zip(rows.tolist(), turns, turns if places is None else places.tolist(), strict=True))
        self._groups = [drawn[a:b] for a, b in zip(cuts, [*cuts[1:], len(rows)], strict=True)]

    def __len__(self) -> int:
        return len(self._groups)

    def rows(self, index: int) -> NDArray[np.int64]:
        """The rows of a whole batch, of all processes."""
        return np.array([row for row, *_ in self._groups[index]], np.int64)

    def __iter__(self) -> Generator[tuple[Tensor, Tensor, int]]:
        with ThreadPoolExecutor(max_workers=max(1, self.workers)) as pool:
            waiting: deque[tuple[int, list[Future[tuple[Wave, NDArray[np.float32]]]]]] = deque()
            try:
                for group in self._groups:
                    share = group[self.rank :: self.world]
                    waiting.append((len(group), [pool.submit(self._clip, *each) for each in share]))
                    if len(waiting) > self.AHEAD:
                        yield _collate(*waiting.popleft())
                while waiting:
                    yield _collate(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _clip(self, row: int, turn: int, place: int) -> tuple[Wave, NDArray[np.float32]]:
        own = [row, *([turn] if turn else [])]
        generator = np.random.default_rng([self.seed, self.epoch, CROP, *own])
        wave, target = self._window(row, generator, place), self.targets[row]
        # another one, so that the first view is the same whether there is a second or not
        other = np.random.default_rng([self.seed, self.epoch, VIEW, *own]) if self.views > 1 else None
        second = None if other is None else self._window(row, other, place)
        for pair in self.pairs:
            assert self._pool is not None
            plan = pair.draw(generator, self._place[row], self._pool)
            rows = [int(self.waves.readable[at]) for at in plan.rows[1:]]
            targets = [target, *(self.targets[each] for each in rows)]
            waves = [wave, *(self._window(each, generator) for each in rows)]
            if other is not None and second is not None:
                second, _ = pair.apply(plan, [second, *(self._window(each, other) for each in rows)], targets)
            wave, target = pair.apply(plan, waves, targets)
        return wave if second is None else np.stack([wave, second]), target

    def _window(self, row: int, generator: np.random.Generator, segment: int | None = None) -> Wave:
        """segment: of the clip, counted from 0; None: one that is drawn, where there are segments."""
        wave = self.waves[row]
        if self.segments is not None:
            cut = _segments(wave, self.length, self.segments.samples(self.waves.sample_rate)[1], self.segments)
            wave = cut[int(generator.integers(len(cut))) if segment is None else segment]
        for augmentation in self.clips:
            wave = augmentation.apply(augmentation.draw(generator, wave, self.length), wave)
        return wave


def _turns(rows: NDArray[np.int64]) -> list[int]:
    """How often each of the rows came before it."""
    seen: dict[int, int] = {}
    turns = []
    for row in rows.tolist():
        turns.append(seen.get(row, 0))
        seen[row] = turns[-1] + 1
    return turns


def _collate(whole: int, clips: list[Future[tuple[Wave, NDArray[np.float32]]]]) -> tuple[Tensor, Tensor, int]:
    waves, targets = zip(*(future.result() for future in clips), strict=True)
    return (
        torch.from_numpy(np.stack(waves).astype(np.float32, copy=False)),
        torch.from_numpy(np.stack(targets).astype(np.float32, copy=False)),
        whole,
    )


def validation_batches(
    waves: Waves, windows: Windows, batch: int, rank: int = 0, world: int = 1
) -> Iterator[tuple[Wave, NDArray[np.int64]]]:
    """All windows of all readable clips, in order: (n, samples) with n ≤ batch, and the rows (n,) of their clips.

    Of several processes each takes every `world`-th clip.
    """
    length, hop = windows.samples(waves.sample_rate)
    held: list[tuple[Wave, NDArray[np.int64]]] = []
    waiting = 0
    for row in waves.readable[rank::world].tolist():
        cut = _segments(waves[row], length, hop, windows)
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
