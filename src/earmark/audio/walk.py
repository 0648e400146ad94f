"""Which files of a folder are recordings: found by their endings, in sorted order; and what was passed over.

Every walk of earmark's is this one. Links are followed, to files and to folders, each folder once: folders that lie in the
tree come before links to them, so that a link changes no recording's name, and a link that leads round is not followed
for ever. Hidden files and folders are passed over.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NoReturn

from earmark.errors import EarmarkError, agreed, counted
from earmark.errors.kinds import checked
from earmark.files.names import Names
from earmark.files.stores import Stored, opened, place

ENDINGS = """
    3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi bwf caf flac m4a m4b mka mkv mov mp1 mp2 mp3 mp4 nist oga ogg opus
    rf64 snd sph spx tta w64 wav wave webm wma wv
"""
EXTENSIONS = frozenset(f".{ending}" for ending in ENDINGS.split())  # what a folder walk takes for a recording
# what files of sound begin with, at which byte
BEGINNINGS = (
    (0, b"RIFF"), (0, b"RF64"), (0, b"fLaC"), (0, b"OggS"), (0, b"FORM"), (0, b"caff"), (0, b"ID3"), (0, b"wvPk"), (0, b"riff"),
    (0, b"\xff\xfb"), (0, b"\xff\xf3"), (0, b"\xff\xf2"), (4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (0, b".snd"), (0, b"MAC "),
)  # fmt: skip
LOOKED_AT = 1000  # files without an ending whose beginning is read
SHOWN = 5  # endings that a line names
COMPARED = 100_000  # recordings that are looked at for being one file: a second or two


@dataclass
class Walk:
    """What is in a folder. files: relative paths with "/", in order: a folder's files before the folders in it.

    hidden: files and folders. again: links to folders that are walked anyway. special: pipes, sockets, devices. links: whether
    links are among the files.
    """

    root: Path
    files: list[str] = field(default_factory=list)
    hidden: int = 0
    again: int = 0
    special: int = 0
    links: bool = False

    @property
    def recordings(self) -> list[str]:
        return [name for name in self.files if _ending(name) in EXTENSIONS]

    @property
    def others(self) -> list[str]:
        """Files with other endings, or none."""
        return [name for name in self.files if _ending(name) not in EXTENSIONS]

    def passed_over(self) -> str | None:
        """What is not taken for a recording, in a line; None: nothing."""
        others = self.others
        counts = Counter(_ending(name) or "without an ending" for name in others)
        return self._line(counts, [name for name in others if not _ending(name)])

    def _line(self, counts: Counter[str], nameless: Sequence[str]) -> str | None:
        """counts: of other endings. nameless: files without one."""
        others = counts.total()
        first = sorted(counts.items(), key=lambda ending: (-ending[1], ending[0]))[:SHOWN]
        rest = others - sum(count for _, count in first)
        told = []
        if others:
            endings = [f"{count} {ending}" for ending, count in first] + [counted(rest, "other")] * bool(rest)
            told.append(f"{counted(others, 'file')} with no ending of sound ({', '.join(endings)})")
        if sound := self._sound(nameless):
            begins = f"{len(sound):,} of them {agreed(len(sound), 'begins', 'begin')} as sound does, such as {sound[0]}"
            told.append(f"{begins}: give it its ending, or name it by itself")
        told += [f"{self.hidden} hidden"] if self.hidden else []
        told += [f"{self.again} linked again"] if self.again else []
        told += (
            [f"{counted(self.special, 'that is no file', 'that are no files')} (pipes, devices)"]
            if self.special
            else []
        )
        return f"passed over: {'; '.join(told)}" if told else None

    def _sound(self, names: Sequence[str]) -> list[str]:
        return [name for name in names[:LOOKED_AT] if _begins_as_sound(self.root / name)]


@checked
def find(paths: Iterable[str | Path], report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Files and folders → recordings, each once; what is named again, or by two names, `report` is told.

    A folder is walked in sorted order for EXTENSIONS, through links, without hidden files and folders; `report` is told
    what was passed over there, in one line. What is no folder is kept, whatever its name and even if it does not exist:
    `load` then says so.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("rain.WAV", "dog.flac", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in find([folder], lambda line: print(line.removeprefix(folder)))]
    : passed over: 1 file with no ending of sound (1 .txt)
    ['dog.flac', 'rain.WAV']
    """
    recordings: dict[Path, None] = {}
    named = Named()
    for path in map(place, paths):
        named.take(*below(path, report), recordings)
    for line in named.told(recordings):
        report(line)
    return list(recordings)


def below(path: Path, report: Callable[[str], None]) -> tuple[list[Path], bool]:
    """The recordings that one path names, and whether links are among those of a folder. report: told what was passed over."""
    if not path.is_dir():
        return [path], False
    walked = walk_folder(path)
    if line := walked.passed_over():
        report(f"{path}: {line}")
    return [path / name for name in walked.recordings], walked.links


@dataclass
class Named:
    """What several paths name: recordings by one name again, which are heard once, and by two names, which are heard for each."""

    again: set[Path] = field(default_factory=set)
    first: Path | None = None  # of these
    taken: int = 0
    links: bool = False

    def take(self, paths: Iterable[Path], links: bool, into: dict[Path, None]) -> None:
        """What one of the paths names. links: whether these may be other names of others."""
        self.taken += 1
        self.links |= links
        for path in paths:
            if path in into:
                self.first = self.first or path
                self.again.add(path)
            into[path] = None

    def told(self, recordings: Iterable[Path]) -> list[str]:
        """A line for each of both."""
        lines = []
        if self.again:
            rest = (
                f", and so {agreed(len(self.again) - 1, 'is', 'are')} {counted(len(self.again) - 1, 'other')}"
                if len(self.again) > 1
                else ""
            )
            lines.append(f"{self.first}: is named more than once{rest}; each is heard once")
        if (self.links or self.taken > 1) and (same := _same(recordings)):
            (path, other), *more = same.items()
            rest = f", and {counted(len(more), 'other is', 'others are')} again" if more else ""
            lines.append(f"{path}: is {other} by another name{rest}; each name has its results")
        return lines


def _same(recordings: Iterable[Path]) -> dict[Path, Path]:
    """Those that are the file of one before them, by a link or another way to it, and that one; of files on disks."""
    known: dict[tuple[int, int], Path] = {}
    same: dict[Path, Path] = {}
    for path in islice(recordings, COMPARED):
        if isinstance(path, Stored):
            continue
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        if status.st_ino:  # some disks have no such number
            first = known.setdefault((status.st_dev, status.st_ino), path)
            same |= {} if first is path else {path: first}
    return same


@checked
def listing(paths: Iterable[str | Path], report: Callable[[str], None] = lambda line: None) -> Sequence[Path]:
    """The same as `find`; of one folder in a store without holding the names of all its files, see `earmark.files.names`.

    Raises EarmarkError for a folder that cannot be listed.
    """
    places = [place(path) for path in paths]
    if len(places) != 1 or not isinstance(root := places[0], Stored) or not root.is_dir():
        return find(places, report)
    walked = Walk(root)
    others: Counter[str] = Counter()
    try:
        found = Names(_rows(walked, root, others))
    except OSError as problem:
        _refuse(root, problem, EarmarkError)
    if line := walked._line(others, walked.files):
        report(f"{root}: {line}")
    return found


def _rows(walked: Walk, root: Stored, others: Counter[str]) -> Iterator[tuple[str, int, int]]:
    """The recordings below, for `Names`; of what else is there `walked` keeps the first files without an ending."""
    for name, known in root.walk_in_order():
        ending = _ending(name)
        if any(part.startswith(".") for part in name.split("/")):
            walked.hidden += 1
        elif ending in EXTENSIONS:
            yield f"{root}/{name}", known.size, known.mtime_ns
        else:
            others[ending or "without an ending"] += 1
            walked.files += [name] if not ending and len(walked.files) < LOOKED_AT else []


def walk_folder(root: Path, error: type[EarmarkError] = EarmarkError) -> Walk:
    """All that is in a folder and those below it. Raises `error` for one that cannot be listed."""
    result = Walk(root)
    if isinstance(root, Stored):
        return _walk_store(result, root, error)
    seen: set[str] = set()
    links = [""]
    while links:
        # links wait until all that lies in the tree has been seen
        waiting, links = links, []
        for start in waiting:
            links += _tree(result, start, seen, error)
    result.files.sort(key=_order)
    return result


def _walk_store(result: Walk, root: Stored, error: type[EarmarkError]) -> Walk:
    """The same of a store, folder by folder; only the names of its files are kept."""
    try:
        for name, _ in root.walk_files():
            if any(part.startswith(".") for part in name.split("/")):
                result.hidden += 1
            else:
                result.files.append(name)
    except OSError as problem:
        _refuse(root, problem, error)
    result.files.sort(key=_order)
    return result


def _tree(result: Walk, start: str, seen: set[str], error: type[EarmarkError]) -> list[str]:
    """Take in the files below a folder; the links to folders that were met."""
    links = []
    folders = [start]
    while folders:
        inner = folders.pop()
        place = result.root / inner
        real = os.path.realpath(place)
        if real in seen:
            result.again += 1
            continue
        seen.add(real)
        prefix = f"{inner}/" if inner else ""
        for entry in _listed(place, error):
            name = prefix + entry.name
            if entry.name.startswith("."):
                result.hidden += 1
            elif entry.is_dir(follow_symlinks=False):
                folders.append(name)
            elif _leads_to_folder(entry):
                links.append(name)
            elif entry.is_symlink() or entry.is_file():  # of a link that leads nowhere, reading says so
                result.files.append(name)
                result.links |= entry.is_symlink()
            else:
                result.special += 1
    return sorted(links)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """False of a link that cannot be followed, in a circle or where nobody may look."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _listed(place: Path, error: type[EarmarkError]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as problem:
        _refuse(place, problem, error)


def _refuse(place: Path, problem: OSError, error: type[EarmarkError]) -> NoReturn:
    raise error(
        f"{problem.filename or place}: this folder cannot be listed ({problem.strerror}). Correct its permissions, or take it out"
    ) from problem


def _order(name: str) -> list[tuple[bool, str]]:
    """A folder's files first, then what is in its folders."""
    *folders, last = name.split("/")
    return [*((True, folder) for folder in folders), (False, last)]


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _begins_as_sound(path: Path) -> bool:
    try:
        with opened(path) as file:
            head = file.read(16)
    except OSError:
        return False
    return any(head[at:].startswith(sign) for at, sign in BEGINNINGS)
