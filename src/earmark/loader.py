"""Clips of a manifest → batches of windows and targets.

Every random choice comes from a generator seeded by (seed, epoch, clip), so a batch is the same whatever the number of
workers, and an epoch can be run again alone. Waves are float32 (samples,); targets float32 (tags,).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark import audio
from earmark.augment import ClipAugmentation
from earmark.errors import AudioError
from earmark.manifest import Manifest
from earmark.windows import Cutter, Windows

Wave = NDArray[np.float32]
ORDER, CROP, BATCH, NET = 1, 2, 3, 4  # what a generator is for: part of its seed, so that no two are alike
MEMORY = 4 << 30  # bytes of decoded audio that are kept


class Waves:
    """The decoded clips of a manifest, in memory as far as `memory` bytes go; the rest is decoded when asked for.

    All are decoded once here, so that what cannot be read is known before training and whatever the memory.
    failures: (row, error) of the clips that could not be read; `readable` are the rows of the others. notes: what was
    done to the audio (channels mixed, …), one line each.
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
        with self._lock:
            if wave.nbytes <= self._room:
                self._room -= wave.nbytes
                self._held[row] = wave
        return None, notes


def training_batches(
    waves: Waves,
    targets: NDArray[np.float32],
    augmentations: Sequence[ClipAugmentation],
    length: int,
    batch: int,
    seed: int,
    epoch: int,
) -> torch.utils.data.DataLoader[tuple[Tensor, Tensor]]:
    """One epoch: every readable clip once, in an order of its own, as (batch, samples) and (batch, tags).

    A last batch of a single clip is joined to the one before it: batch normalisation needs two.
    """
    order = waves.readable[np.random.default_rng([seed, epoch, ORDER]).permutation(len(waves.readable))]
    cuts = list(range(0, len(order), batch))
    if len(cuts) > 1 and len(order) - cuts[-1] == 1:
        cuts.pop()
    groups = [order[a:b].tolist() for a, b in zip(cuts, [*cuts[1:], len(order)], strict=True)]
    dataset = _Crops(waves, targets, augmentations, length, seed, epoch)
    return torch.utils.data.DataLoader(dataset, batch_sampler=groups)


class _Crops(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    def __init__(
        self,
        waves: Waves,
        targets: NDArray[np.float32],
        augmentations: Sequence[ClipAugmentation],
        length: int,
        seed: int,
        epoch: int,
    ):
        self.waves, self.targets, self.augmentations = waves, targets, augmentations
        self.length, self.seed, self.epoch = length, seed, epoch

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        generator = np.random.default_rng([self.seed, self.epoch, CROP, row])
        wave = self.waves[row]
        for augmentation in self.augmentations:
            wave = augmentation.apply(augmentation.draw(generator, wave, self.length), wave)
        return torch.from_numpy(np.ascontiguousarray(wave, np.float32)), torch.from_numpy(self.targets[row])


def validation_batches(waves: Waves, windows: Windows, batch: int) -> Iterator[tuple[Wave, NDArray[np.int64]]]:
    """All windows of all readable clips, in order: (n, samples) with n ≤ batch, and the rows (n,) of their clips."""
    length, hop = windows.samples(waves.sample_rate)
    held: list[tuple[Wave, NDArray[np.int64]]] = []
    waiting = 0
    for row in waves.readable.tolist():
        cutter = Cutter(length, hop, windows.last, windows.short)
        cut = np.concatenate([cutter.push(waves[row])[0], cutter.finish()[0]])
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
