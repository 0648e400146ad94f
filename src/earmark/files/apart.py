"""Names of files that are made for recordings: a recording's own, with as much of its path before it as tells it from others.

Recorders call their files by the clock, so that those of one night have the same names on every card; what stands in a folder with a
file for each must say which is which.

    >>> cards = [Path("A/2300.wav"), Path("B/2300.wav"), Path("B/2330.wav")]
    >>> list(map(Apart(cards).name, cards))
    ['A_2300.wav', 'B_2300.wav', '2330.wav']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, pairwise
from pathlib import Path


class Apart:
    """paths: of the recordings, gone through several times where names are shared; only hashes of them are kept. own: a recording's own
    name. alike: what two names have in common that a disk may not tell apart.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        own: Callable[[Path], str] = lambda path: path.name,
        alike: Callable[[str], str] = str.casefold,
    ):
        self._own, self._alike = own, alike
        self._shared: list[
            frozenset[int]
        ] = []  # of names with so many folders before them, those of several recordings
        for folders in count():
            shared = frozenset(_shared(self._pairs(paths, folders)))
            if not shared:
                break
            self._shared.append(shared)

    def name(self, path: Path) -> str:
        """Its own name, `folder_name` where others are called so, and so on. Two that differ in what disks do not tell apart share one."""
        folders = 0
        while folders < len(self._shared) and self._hash(path, folders) in self._shared[folders]:
            folders += 1
        return joined(path, folders, self._own)

    def _pairs(self, paths: Iterable[Path], folders: int) -> Iterator[tuple[int, int]]:
        """(name with so many folders, what another one that shares it must differ in)."""
        for number, path in enumerate(paths):
            if folders == 0:
                yield self._hash(path, 0), number
            elif all(self._hash(path, n) in shared for n, shared in enumerate(self._shared)):
                yield self._hash(path, folders), self._hash(path, None)

    def _hash(self, path: Path, folders: int | None) -> int:
        return hash(self._alike(joined(path, folders, self._own)))


def joined(path: Path, folders: int | None, own: Callable[[Path], str] = lambda path: path.name) -> str:
    """A name with so many of the last folders before it; None: with all.

    >>> joined(Path("/cards/A/2300.wav"), 1)
    'A_2300.wav'
    """
    if folders == 0:
        return own(path)
    above = path.absolute().parent
    before = [part for part in above.parts if part != above.anchor]
    return "_".join([*(before if folders is None else before[-folders:]), own(path)])


def _shared(pairs: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The first of pairs that stand with several seconds."""
    for (one, _), (other, _) in pairwise(sorted(set(pairs))):
        if one == other:
            yield one
