"""A file is written whole or not at all: beside its place under another name, then put there in one step.

Until then the old file stays as it is, and nothing is left behind by an error, a full disk or Ctrl-C; a kill may leave
the file beside, whose name opens with a dot and ends with `.part`. It reaches the disk before it takes its place, so that
a power cut leaves the old file or the new one. Two that write one file at once do not disturb each other, on whatever
machines they run: the later wins.

A place in a store gets the file once it is whole, from this machine's folder for what is temporary; there it stays where the store
does not take it, and the error says so: see `earmark.files.putting`.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from earmark.files.stores import Stored, place

PART = ".part"
OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)  # what is met in the midst of writing
LONGEST = 255  # bytes of a name, of most file systems
_OF_NAMES = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST}
_LEFT = re.compile(r"\..+\.[0-9a-f]{8}\.part", re.DOTALL)  # the names that `_beside` gives


@contextmanager
def whole(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends without an error. Raises OSError of `path`.

    sync: wait until it is on the disk; without it a power cut may leave an empty file, which suits what is made anew in a
    moment. A pipe, a device or what is open under a name such as /dev/stdout is written to as it is: no file must take its place.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with whole(f"{folder}/tags.csv") as part:
        ...         _ = part.write_text("dog")
        ...     os.listdir(folder)
        ['tags.csv']
    """
    path = place(path)
    if isinstance(path, Stored):
        with _sent(path) as part:
            yield part
        return
    if is_open(path):
        try:
            yield path
        except BrokenPipeError as error:
            error.filename = error.filename or str(path)  # whose reader has seen enough
            raise
        return
    part = _beside(path)
    try:
        yield part
        if sync:
            with part.open("r+b") as file:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and str(error.filename) == str(part):
            error.filename = str(path)  # the user knows no other name
            del error.filename2
        elif isinstance(error, OSError) and error.filename is None and error.errno in OF_DISKS:
            error.filename = str(path)  # what is written to does not know its name
        raise


@contextmanager
def whole_text(path: str | Path, *, newline: str = "") -> Iterator[TextIO]:
    """The same, open for text in UTF-8, in which names that are no Unicode keep their bytes. newline: as of `open`."""
    with whole(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape", newline=newline) as file:
        yield file


def write_text(path: str | Path, text: str, *, newline: str = "\n") -> None:
    """Write a whole text. newline: what stands for the end of a line."""
    with whole_text(path, newline=newline) as file:
        file.write(text)


def write_bytes(path: str | Path, data: bytes, *, sync: bool = True) -> None:
    """Write whole bytes. sync: see `whole`."""
    with whole(path, sync=sync) as part:
        part.write_bytes(data)


@contextmanager
def whole_folder(folder: Path, check: Callable[[Path], None] = lambda folder: None) -> Iterator[Path]:
    """A new folder to write into, which becomes `folder` when the block ends without an error.

    One that is there stays until then, and comes back where the new one cannot take its place. check: is given `folder` before it is
    replaced, and raises where what came there meanwhile is not to be lost.
    """
    if isinstance(folder, Stored):
        with _sent_folder(folder, check) as part:
            yield part
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    part, old = _beside(folder), _beside(folder)
    try:
        part.mkdir()
        yield part
        check(folder)
        if folder.exists():
            folder.rename(old)
        try:
            part.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _sent(path: Stored) -> Iterator[Path]:
    """A file of this machine, which is put into a store when the block ends without an error."""
    from earmark.files.putting import put

    part = _beside(Path(tempfile.gettempdir(), path.name))
    try:
        yield part
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and str(error.filename) == str(part):
            error.filename = str(path)
        raise
    try:
        put(part, path)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}. What was written is kept as {part}", str(path)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.unlink(missing_ok=True)


@contextmanager
def _sent_folder(folder: Stored, check: Callable[[Path], None]) -> Iterator[Path]:
    """The same of a folder; what lies in the old one and is not in the new one is taken away."""
    from earmark.files.putting import put_folder

    part = Path(tempfile.mkdtemp(prefix="earmark-"))
    try:
        yield part
        put_folder(part, folder, check)
    except OSError as error:
        if str(error.filename).startswith(str(folder)):
            raise OSError(error.errno, f"{error.strerror}. The folder is kept as {part}", error.filename) from error
        shutil.rmtree(part, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(part, ignore_errors=True)


def clear_up(folder: Path) -> None:
    """Remove what kills have left in a folder, and in those below it, by the names that only `whole` gives.

    For folders that are locked: what another process writes at this moment would go as well.
    """
    for path in folder.rglob(f".*{PART}"):
        if _LEFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


def left_of(path: Path) -> str:
    """The name of the file beside which a kill left this one; '' of any other.

    >>> left_of(Path("run/.recipe.yaml.0123abcd.part")), left_of(Path("run/recipe.yaml"))
    ('recipe.yaml', '')
    """
    return path.name.rsplit(".", 2)[0].removeprefix(".") if _LEFT.fullmatch(path.name) else ""


def free_name(name: str, taken: set[str], ending: str = "") -> str:
    """`name` and `ending`, with a number between them where that is taken: the first of name, name-2, name-3, …

    taken: names, folded in case, since some disks do not tell A from a; the new one is added. A name that is too long for
    file systems is cut.

        >>> taken: set[str] = set()
        >>> [free_name("dog.ogg", taken, ".png") for _ in range(2)]
        ['dog.ogg.png', 'dog.ogg-2.png']
    """
    tails = (ending if number == 1 else f"-{number}{ending}" for number in itertools.count(1))
    names = (shortened(name, LONGEST - len(os.fsencode(tail + PART))) + tail for tail in tails)
    found = next(free for free in names if free.casefold() not in taken)
    taken.add(found.casefold())
    return found


def shortened(name: str, longest: int) -> str:
    """The beginning of a name that is not longer than so many bytes, in whole letters."""
    while len(os.fsencode(name)) > longest:
        name = name[:-1]
    return name


def is_of_the_name(error: OSError) -> bool:
    """Whether a file could not be written for its name, or for what stands there: others can be."""
    return error.errno in _OF_NAMES


def missing_place(path: str | Path) -> str:
    """What is wrong with the place of a file that is to be written, with the way out; '' where a file can be."""
    path = place(path)
    if isinstance(path, Stored):
        return ""
    if path.is_dir():
        return f"{path}: is a folder. Name a file in it"
    if not path.parent.is_dir():
        what = "is a file, and no folder" if path.parent.exists() else "is not there"
        return f"{path}: its folder {path.parent} {what}. Make it first, or name a file in one that is there"
    return ""


def is_open(path: Path) -> bool:
    """A pipe or a device, or a link to what a process has open, whatever that is."""
    if not path.exists() or path.is_dir():
        return False
    link = os.readlink(path) if path.is_symlink() else ""
    return not path.is_file() or any(place.startswith("/proc/") for place in (link, os.path.realpath(path.parent)))


def _beside(path: Path) -> Path:
    """A name that nobody else has: processes of two machines, or in two containers, may have one number."""
    tail = f".{os.urandom(4).hex()}{PART}"
    return path.with_name(f".{shortened(path.name, LONGEST - 1 - len(tail))}{tail}")
