"""Where a command writes: nothing that a user has is overwritten by a slip of an option.

A command names what it reads, then claims each file that it is about to write, before the work. Refused are a file that it
reads, one that it writes for another purpose too, and one that holds what earmark did not write there for that purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

from earmark.errors import EarmarkError
from earmark.files.stores import Stored, place
from earmark.files.whole import is_open

Ours = Callable[[Path], bool]  # whether what a file holds was written by earmark for this purpose


class Places:
    """The files of one command."""

    def __init__(self) -> None:
        # the option, by each name of a file that `_names` gives
        self._read: dict[Hashable, str] = {}
        self._written: dict[Hashable, str] = {}
        self._before: dict[Path, object] = {}  # how each file was when it was claimed

    def reads(self, option: str, path: Path) -> None:
        """What a command reads, a file or a folder, and by which of its options."""
        self._read |= dict.fromkeys(_names(path), option)

    def claim(self, option: str, path: Path, ours: Ours) -> None:
        """A file that is to be written for this purpose alone. ours: whether one that is there may be replaced.

        Raises EarmarkError. A pipe or a device is written to as it is, and an empty file holds nothing that could be lost.
        """
        if isinstance(path, Stored):
            self._claim_stored(option, path, ours)
            return
        if is_open(path):
            return
        if path.is_dir():
            raise EarmarkError(f"{option} {path}: is a folder. Name a file in it, such as {path / 'results'}")
        if (file := _file_above(path)) is not None:
            raise EarmarkError(f"{option} {path}: {file} is a file, not a folder. Name another place")
        self.check_names(option, path)
        if path.exists() and path.stat().st_size and not ours(path):
            raise _holds_more(option, path)
        self._written |= dict.fromkeys(_names(path), option)
        self._before[path] = _state(path)

    def _claim_stored(self, option: str, path: Stored, ours: Ours) -> None:
        """Of a store, where nothing is locked: what comes there from elsewhere in the meantime is replaced."""
        from earmark.files.putting import copied

        self.check_names(option, path)
        try:
            if path.is_dir():
                raise EarmarkError(f"{option} {path}: is a folder. Name a file in it, such as {path / 'results'}")
            if path.exists() and path.stat().st_size:
                with copied(path) as copy:
                    if not ours(copy):
                        raise _holds_more(option, path)
        except OSError as error:
            raise EarmarkError(
                f"{option} {path}: cannot be looked at ({error.strerror}). Correct the store's name or AWS_ENDPOINT_URL, or name a "
                "place on a disk"
            ) from error
        self._written |= dict.fromkeys(_names(path), option)

    def check_names(self, option: str, path: Path) -> None:
        """Raises EarmarkError for a file that is read, or written for another purpose."""
        for name in _names(path):
            if name in self._read:
                raise EarmarkError(
                    f"{option} {path}: is what {self._read[name]} reads, and would be lost. Name another file for what is "
                    "written"
                )
            if name in self._written:
                raise EarmarkError(
                    f"{option} {path}: is where {self._written[name]} writes, so that one would replace the other. Name "
                    "another file"
                )

    def written(self) -> list[Path]:
        """The claimed files that are there now and were written since."""
        return [path for path, before in self._before.items() if (now := _state(path)) is not None and now != before]

    def folder(self, option: str, path: Path) -> None:
        """A folder for files that are claimed by their names. Raises EarmarkError where a file is there."""
        if isinstance(path, Stored):
            self.check_names(option, path)
            return
        file = path if path.exists() and not path.is_dir() else _file_above(path)
        if file is not None:
            what = "is a file" if file == path else f"{file} is a file"
            raise EarmarkError(f"{option} {path}: {what}. Name a folder, new or old, for what is written")
        for name in _names(path):
            if name in self._written:
                raise EarmarkError(
                    f"{option} {path}: is the file that {self._written[name]} writes. Name another folder"
                )


def _holds_more(option: str, path: Path) -> EarmarkError:
    return EarmarkError(
        f"{option} {path}: is there already and holds something else than {option} writes, which would be lost. Name "
        "another file, or move this one away"
    )


def _state(path: Path) -> object:
    """What changes when a file is written; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _names(path: Path) -> list[Hashable]:
    """By what two paths are known to be one file: where they lead, and what the system counts it as, for a second hard link.

    Case does not count, as on many disks: nobody means two files that differ in that alone.
    """
    path = place(path)
    names: list[Hashable] = [str(led_to(path)).casefold()]
    if isinstance(path, Stored):
        return names
    try:
        status = path.stat()
    except OSError:
        return names
    return [*names, (status.st_dev, status.st_ino)]


def led_to(path: Path) -> Path:
    """Where a path leads, by all links; of links that lead in a circle as far as they do, which reading then says."""
    return path.resolve() if isinstance(path, Stored) else Path(os.path.realpath(path))


def named_again(files: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Those that lead where one before them does, and that one."""
    first: dict[Path, Path] = {}
    pairs = [(file, first.setdefault(led_to(file), file)) for file in files]
    kept = set(map(id, first.values()))
    return [(file, known) for file, known in pairs if id(file) not in kept]


def _file_above(path: Path) -> Path | None:
    """A file among the folders that a path names."""
    there = next((each for each in path.parents if each.exists()), None)
    return there if there is not None and not there.is_dir() else None
