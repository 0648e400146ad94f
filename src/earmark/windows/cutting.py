"""A recording, whole or as a stream of blocks, cut into windows; settings and words are those of `earmark.windows`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.windows.settings import Last, Short


def starts(total: int, length: int, hop: int, last: Last = "align") -> NDArray[np.int64]:
    """First samples of the windows over `total` samples; one window at 0 where total ≤ length.

    >>> starts(total=10, length=4, hop=4)  # the last one ends with the recording
    array([0, 4, 6])
    >>> starts(total=10, length=4, hop=4, last="drop")
    array([0, 4])
    """
    if total <= length:
        return np.zeros(1, np.int64)
    regular = np.arange(0, total - length + 1, hop, dtype=np.int64)
    end = int(regular[-1]) + length
    if end == total or last == "drop":
        return regular
    extra = total - length if last == "align" else int(regular[-1]) + hop
    # a hop longer than the window may step over the end: then there is nothing left to pad
    return np.append(regular, extra) if extra < total else regular


def fit(wave: NDArray[np.float32], length: int, short: Short = "pad") -> NDArray[np.float32]:
    """A recording of at most `length` samples → exactly `length` samples.

    >>> wave = np.array([1, 2, 3], np.float32)
    >>> fit(wave, 5), fit(wave, 5, "repeat")
    (array([1., 2., 3., 0., 0.], dtype=float32), array([1., 2., 3., 1., 2.], dtype=float32))
    """
    missing = length - len(wave)
    if missing <= 0:
        return wave[:length]
    if short == "repeat" and len(wave):
        return np.resize(wave, length)
    before = missing // 2 if short == "centre" else 0
    return np.pad(wave, (before, missing - before))


def slides(wave: NDArray[np.float32], length: int, hop: int) -> NDArray[np.float32]:
    """A recording of at most `length` samples → (n, length): behind 0, hop, 2·hop, … zeros.

    >>> slides(np.array([1, 2], np.float32), length=4, hop=1)
    array([[1., 2., 0., 0.],
           [0., 1., 2., 0.],
           [0., 0., 1., 2.]], dtype=float32)
    """
    return np.stack([np.pad(wave, (at, length - at - len(wave))) for at in range(0, length - len(wave) + 1, hop)])


@dataclass(frozen=True, eq=False)
class Stretch:
    """Neighbouring windows of a recording, which overlap in one array: window i is wave[i · hop : i · hop + length].

    wave: (samples,) float32. starts: (n,), the first sample of each window in the recording.
    """

    wave: NDArray[np.float32]
    starts: NDArray[np.int64]
    length: int
    hop: int

    def __len__(self) -> int:
        return len(self.starts)

    def windows(self) -> NDArray[np.float32]:
        """(n, length), a view that cannot be written to."""
        return np.lib.stride_tricks.sliding_window_view(self.wave, self.length)[:: self.hop][: len(self)]

    def part(self, first: int, end: int) -> Stretch:
        """Some of its windows."""
        end = min(end, len(self))
        wave = self.wave[first * self.hop : (end - 1) * self.hop + self.length]
        return Stretch(wave, self.starts[first:end], self.length, self.hop)


class Cutter:
    """Cuts a stream into windows, `together` at a time: the same however the stream is divided into blocks.

    Feed blocks with `push`, then call `finish`. Holds no more samples than `together` windows have, and a block.

        >>> cutter = Cutter(length=4, hop=2)
        >>> stretches = cutter.push(np.zeros(5, np.float32)) + cutter.push(np.zeros(2, np.float32)) + cutter.finish()
        >>> [stretch.starts.tolist() for stretch in stretches]
        [[0], [2], [3]]
    """

    def __init__(self, length: int, hop: int, last: Last = "align", short: Short = "pad", together: int = 1):
        self.length, self.hop, self.last, self.short, self.together = length, hop, last, short, together
        self._held = np.zeros(0, np.float32)
        self._at = 0  # the sample of the recording that _held[0] is
        self._next = 0  # the start of the next window
        self._ended_at = 0  # the end of the last window given out
        self.total = 0

    def push(self, block: NDArray[np.float32]) -> list[Stretch]:
        """Whole stretches of `together` windows."""
        self.total += len(block)
        # what is given out is copied: a block that nothing is held before need not be
        self._held = np.concatenate([self._held, block]) if len(self._held) else block
        stretches = []
        while self._next + (self.together - 1) * self.hop + self.length <= self.total:
            stretches.append(self._stretch(self.together))
        # `align` may yet ask for the last `length` samples; anything older than the next window and those can go
        keep_from = max(self._at, min(self._next, self.total - self.length))
        self._held = self._held[keep_from - self._at :]
        self._at = keep_from
        return stretches

    @property
    def short_recording(self) -> NDArray[np.float32]:
        """The whole recording so far, where it is shorter than a window; else what is held of it."""
        return self._held

    def finish(self) -> list[Stretch]:
        """What is left: fewer than `together` windows, and what becomes of the rest or of a short recording."""
        rest = self._last_regular()
        if self._ended_at == 0:  # shorter than one window
            cut = slides if self.short == "slide" else lambda wave, length, _: fit(wave, length, self.short)[None]
            return [self._single(window, 0) for window in cut(self._held, self.length, self.hop)]
        if self._ended_at >= self.total or self.last == "drop":
            return rest
        start = self.total - self.length if self.last == "align" else self._next
        if start >= self.total:
            return rest
        return [*rest, self._single(fit(self._held[start - self._at :], self.length), start)]

    def _last_regular(self) -> list[Stretch]:
        left = (self.total - self._next - self.length) // self.hop + 1
        return [self._stretch(left)] if left > 0 else []

    def _stretch(self, count: int) -> Stretch:
        first = self._next - self._at
        end = first + (count - 1) * self.hop + self.length
        starts = self._next + self.hop * np.arange(count, dtype=np.int64)
        self._next += count * self.hop
        self._ended_at = int(starts[-1]) + self.length
        return Stretch(self._held[first:end].copy(), starts, self.length, self.hop)

    def _single(self, window: NDArray[np.float32], start: int) -> Stretch:
        return Stretch(window, np.array([start], np.int64), self.length, self.hop)
