"""Windows of clips that were mixed into recordings, kept while a head is made: one that was stopped does not mix them again.

    MIXED/3f09c2a7d1e45b60.parquet    of some clips; as `earmark.scores.embeddings` tells

The id of a row is that of its mix: a digest of all that decides what is heard (the clip, the recordings, how they are mixed, the tagger),
the number of the copy, from when to when the clip is heard. A file is told by its size and time of change, which costs nothing. A clip is
kept once all of its copies are. The folder goes when the head is there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.data.soundscapes.sound import Single
from earmark.errors import ScoresError
from earmark.errors.words import reason
from earmark.scores import embeddings as tables
from earmark.scores.embeddings import Embeddings
from earmark.train.heads.store import DIGITS

MANY = 128  # mixes of a file: what is lost by a kill at most, half a minute's work


@dataclass(frozen=True, eq=False)
class Mix:
    """A copy of a clip, heard from onset to offset. vectors: (windows, width), of the windows in which it is heard, if only the edge of
    it; start, end: (windows,). All in seconds of the mix.
    """

    clip: str
    onset: float
    offset: float
    vectors: NDArray[np.float32]
    start: NDArray[np.float64]
    end: NDArray[np.float64]


class Mixes:
    """By clip. folder: where they are kept; None: nowhere. keys: what decides the mixes of each clip, by its id; clips without one are
    not kept. copies: of each clip.
    """

    def __init__(self, folder: Path | None, keys: Mapping[str, str], copies: int, say: Callable[[str], None]):
        self.folder, self.keys, self.copies, self.say = folder, keys, copies, say
        self.of: dict[str, list[Mix]] = {}
        self._waiting: list[str] = []
        self._full = False
        whose = {key: clip for clip, key in keys.items()}
        found: dict[str, dict[int, Mix]] = {}
        for file in sorted(folder.glob("*.parquet")) if folder is not None else ():
            with suppress(ScoresError):  # made by another earmark, or spoilt: it is mixed again
                for block in tables.blocks(file):
                    for key, copy, mix in _mixes(block, whose):
                        found.setdefault(whose[key], {})[copy] = mix
        for clip, each in found.items():
            if len(each) == copies:
                self.of[clip] = [each[copy] for copy in sorted(each)]

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))

    def add(self, mix: Mix) -> None:
        """One that was made; those of a clip come in order."""
        self.of.setdefault(mix.clip, []).append(mix)
        if len(self.of[mix.clip]) == self.copies and mix.clip in self.keys:
            self._waiting.append(mix.clip)
        if len(self._waiting) * self.copies >= MANY:
            self.keep()

    def keep(self) -> None:
        """What was added since. Where there is no room it is said, and nothing more is kept."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._full or self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256("\n".join(self.keys[clip] for clip in waiting).encode()).hexdigest()[:16]
            with tables.Writer(self.folder / f"{name}.parquet", {"mixes": self.copies}) as writer:
                for clip in waiting:
                    for copy, mix in enumerate(self.of[clip]):
                        writer.add(_rows(f"{self.keys[clip]} {copy} {mix.onset!r} {mix.offset!r}", mix))
                    writer.commit()
        except OSError as error:
            self._full = True
            self.say(f"what is mixed cannot be kept, and is mixed again where this is stopped: {reason(error)}")


def keys_of(clips: Sequence[Single], recordings: Sequence[Path], told: Mapping[str, Any]) -> dict[str, str]:
    """For `Mixes`. told: plain JSON values of how they are mixed, and by which tagger they are heard. Of files whose state cannot be told
    nothing is kept.
    """
    heard = [(path.name, _state(path)) for path in recordings]
    if any(state is None for _, state in heard):
        return {}
    keys = {}
    for clip in clips:
        if (state := _state(clip.path)) is not None:
            text = json.dumps([dict(told), heard, asdict(clip) | {"path": state}], sort_keys=True)
            keys[clip.id] = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
    return keys


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # one in an archive or a store
        return None
    return status.st_size, status.st_mtime_ns


def _rows(name: str, mix: Mix) -> Embeddings:
    return Embeddings(mix.vectors, np.full(len(mix.vectors), name), mix.start, mix.end)


def _mixes(block: Embeddings, whose: Mapping[str, str]) -> Iterator[tuple[str, int, Mix]]:
    """(key, number of the copy, mix), of keys that are known."""
    cuts = [0, *(np.flatnonzero(block.ids[1:] != block.ids[:-1]) + 1).tolist(), len(block)]
    for first, end in pairwise(cuts):
        key, _, rest = str(block.ids[first]).partition(" ") if end > first else ("", "", "")
        if key in whose:
            copy, onset, offset = rest.split(" ")
            rows = slice(first, end)
            yield key, int(copy), Mix(
                whose[key], float(onset), float(offset), block.vectors[rows], block.start[rows], block.end[rows]
            )  # fmt: skip
