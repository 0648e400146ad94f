"""What identifies a set of clips, as files tell it: how many, which folds, digests.

Apart from the tables of clips themselves, so that who reads a tagger's facts need not load what reads tables.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.data import sampled

MANY = 50_000  # lines at a time


class Clips(Protocol):
    """What a set is told by of a manifest: see `earmark.data.manifest.Manifest`."""

    @property
    def table(self) -> Any: ...

    @property
    def ids(self) -> NDArray[np.str_]: ...

    def fold_names(self) -> list[str]: ...

    def __len__(self) -> int: ...


def natural(name: str) -> list[Any]:
    # split on a captured pattern alternates text and digits, so that like is compared with like
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))]


@dataclass(frozen=True)
class ClipSet:
    """What identifies a set of clips: how many there are, their folds, and digests of their ids and of what is told of them.

    counted: "at least" or "at most" where only a limit of their number is known. labels: of their tags, events and places in
    their recordings; empty in files that do not tell it. unread: how many of them could not be read, which were left out.
    sample: of the ids, by which clips of another manifest are told to be of this set or not (`earmark.data.sampled`); ""
    where the file does not tell one. sounds: likewise of the clips' sounds (`earmark.data.sounds`), whatever they are called.
    """

    clips: int = 0
    folds: tuple[str, ...] = ()
    sha256: str = ""
    counted: str | None = None
    labels: str = ""
    unread: int = field(default=0, compare=False)
    sample: str = field(default="", compare=False)
    sounds: str = field(default="", compare=False)

    @staticmethod
    def of(manifest: Clips) -> ClipSet:
        folds, labels = tuple(manifest.fold_names()), sorted_digest(_labels(manifest))
        return ClipSet(
            len(manifest),
            folds,
            sorted_digest(names_of(manifest)),
            labels=labels,
            sample=sampled.sample(names_of(manifest)),
        )

    @staticmethod
    def read(plain: Mapping[str, Any]) -> ClipSet:
        """Of a file, which may tell part of it."""
        folds = tuple(str(fold) for fold in plain.get("folds", ()))
        digest, labels = (str(plain.get(name, "")) for name in ("sha256", "labels"))
        samples = [str(plain.get(name, "")) for name in ("sample", "sounds")]
        for each in samples:
            sampled.known(each, ())  # refuses what is none
        return ClipSet(
            int(plain.get("clips", 0)),
            folds,
            digest,
            plain.get("counted"),
            labels,
            int(plain.get("unread", 0)),
            *samples,
        )

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"clips": self.clips, "folds": list(self.folds), "sha256": self.sha256}
        plain |= {"labels": self.labels} if self.labels else {}
        plain |= {} if self.counted is None else {"counted": self.counted}
        return plain | ({"unread": self.unread} if self.unread else {})

    def as_facts(self) -> dict[str, Any]:
        """As a tagger file tells it: with the samples."""
        samples = {"sample": self.sample, "sounds": self.sounds}
        return self.as_dict() | {name: value for name, value in samples.items() if value}

    def is_of(self, ids: Iterable[str]) -> bool:
        """Whether this may be a part of the data set with these clips: half of it is among them, or nothing is told of it."""
        if not self.sample:
            return self.clips > 0 or not self.sha256  # a digest of no clips tells that there were none
        return sampled.share(self.sample, ids) >= 0.5

    def known(self, ids: Iterable[str]) -> NDArray[np.bool_]:
        """(ids,): which clips are surely of this set."""
        return sampled.known(self.sample, ids)

    def heard(self, keys: Iterable[str]) -> NDArray[np.bool_]:
        """(keys,): which sounds are surely of this set. keys: of `earmark.data.sounds`."""
        return sampled.known(self.sounds, keys)

    @property
    def told(self) -> bool:
        """Whether the sample is of all clips, so that what is not known to be of this set is not."""
        return self.counted is None and (self.clips <= sampled.KEPT if self.sample else self.clips == 0)


def facts(manifest: Clips) -> dict[str, Any]:
    """What identifies a set of clips, as files tell it."""
    return ClipSet.of(manifest).as_dict()


def sorted_digest(lines: Iterable[str]) -> str:
    """A digest of lines in order of their code points, in which of millions none is an object of its own for long."""
    first = list(itertools.islice(lines := iter(lines), MANY))
    if len(first) < MANY:
        return _digest(sorted(first))
    import pyarrow as pa
    import pyarrow.compute as pc

    blocks = []
    while first:
        # bytes of UTF-8 are in order of the code points
        blocks.append(pa.array([line.encode("utf-8", "surrogateescape") for line in first], pa.large_binary()))
        first = list(itertools.islice(lines, MANY))
    whole = pa.concat_arrays(blocks)
    order, digest = pc.array_sort_indices(whole), hashlib.sha256()
    for at in range(0, len(order), MANY):
        part = b"\n".join(whole.take(order.slice(at, MANY)).to_pylist())
        digest.update(part if at == 0 else b"\n" + part)
    return digest.hexdigest()[:16]


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def names_of(manifest: Clips) -> Iterator[str]:
    """The ids, of which few are objects at a time."""
    for first in range(0, len(manifest), MANY):
        yield from manifest.table["id"].slice(first, MANY).to_pylist()


def _labels(manifest: Clips) -> Iterator[str]:
    """What is told of each clip, whose order and that of its tags do not count."""
    for first in range(0, len(manifest), MANY):
        block = manifest.table.slice(first, MANY)
        columns = [block[name].to_pylist() for name in ("id", "start", "end", "tags", "events", "unknown")]
        for name, start, end, tags, events, unknown in zip(*columns, strict=True):
            told = [name, start, end, sorted(tags or []), events, *([sorted(unknown)] if unknown else [])]
            yield json.dumps(told, ensure_ascii=True, default=str)
