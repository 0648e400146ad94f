"""Recordings within a larger file, such as the members of a tar shard: a path tells which bytes.

    FOLDER/00012.tar/1536+80432/000000123.flac      80,432 bytes from the byte 1,536 on of FOLDER/00012.tar

No such file is there, and none is made: what opens recordings finds that the folder above is a file, and reads its part.
So whatever takes a path takes a member. `fetch` is the one place at which their bytes are read.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from earmark.audio.layout import View
from earmark.errors import AudioError, counted
from earmark.files import ranges
from earmark.files.stores import is_stored

PART = re.compile(r"(\d{1,15})\+(\d{1,15})")
WHOLE = 1 << 26  # bytes of a member that is read at once; of a larger one the decoder asks for what it needs
_given = threading.local()  # see `given`
AGAIN = "Check the disk that it lies on, and the file itself with `earmark check`; or pack it again"


@dataclass(frozen=True)
class Member:
    """`size` bytes of `file` from the byte `offset` on."""

    file: Path
    offset: int
    size: int


def member_of(path: Path) -> Member | None:
    """What a path names as a part of another file; None where it names a file of its own.

    >>> member_of(Path("packed/00012.tar/1536+80432/000000123.flac"))
    Member(file=PosixPath('packed/00012.tar'), offset=1536, size=80432)
    >>> member_of(Path("recordings/dog.flac")) is None
    True
    """
    match = PART.fullmatch(path.parent.name)
    return None if match is None else Member(path.parent.parent, int(match[1]), int(match[2]))


def within(path: Path) -> Member | None:
    """What a path names as a part of another file, where no file of that name is there.

    In a store what looks like a part of a tar file is taken for one: to ask for each would take as long as reading it.
    """
    found = member_of(path)
    if found is None or (not (is_stored(path) and found.file.suffix == ".tar") and path.exists()):
        return None
    return found


def place(file: str, offset: int, size: int, name: str) -> str:
    """The path of a member."""
    return f"{file}/{offset}+{size}/{name}"


def fetch(member: Member) -> bytes:
    """The bytes of a member. Raises OSError, and ValueError where the file ends before."""
    if getattr(_given, "member", None) == member:
        return cast(bytes, _given.data)
    if is_stored(member.file):
        return checked(member, ranges.read(member.file, member.offset, member.size))
    with open(member.file, "rb", buffering=0) as file:
        _check(member, os.fstat(file.fileno()))
        return _read(file, member)


def checked(member: Member, data: bytes) -> bytes:
    """What a store gave of a member. Raises ValueError where its file ends before."""
    if len(data) < member.size:
        _check_end(member, ranges.length(member.file))
    return data


@contextmanager
def given(member: Member, data: bytes) -> Iterator[None]:
    """While the block lasts, this thread has the bytes of a member already, and asks for them no more."""
    _given.member, _given.data = member, data
    try:
        yield
    finally:
        del _given.member, _given.data


def opened(path: Path, member: Member) -> BinaryIO:
    """A member as a file. Raises AudioError."""
    try:
        if not member.size:
            raise AudioError(path, "is empty (0 bytes)", AGAIN, 0.0)
        if member.size <= WHOLE or is_stored(member.file):
            return cast(BinaryIO, Within(io.BytesIO(fetch(member)), 0, member.size))
        file = member.file.open("rb", buffering=0)
        try:
            _check(member, os.fstat(file.fileno()))
        except BaseException:
            file.close()
            raise
        return cast(BinaryIO, Within(file, member.offset, member.offset + member.size))
    except FileNotFoundError as error:
        raise AudioError(path, f"does not exist: there is no {member.file}", "Check the path and its disk") from error
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror})", "Check its permissions and its disk") from error
    except ValueError as error:
        raise AudioError(path, str(error), AGAIN, 0.0) from error


class Within(View):
    """A part of a file that goes with it."""

    def __init__(self, file: BinaryIO, begin: int, end: int):
        super().__init__(file, begin, end)
        self._whole = file

    def close(self) -> None:
        self._whole.close()

    def __enter__(self) -> Within:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(member: Member, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"lies in {member.file}, which is no file")
    _check_end(member, status.st_size)


def _check_end(member: Member, size: int) -> None:
    if member.offset + member.size > size:
        raise ValueError(
            f"should end at the byte {member.offset + member.size} of {member.file}, which has {counted(size, 'byte')}: that file "
            "is cut off, or another one"
        )


def _read(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.offset)
    data = file.read(member.size)
    while len(data) < member.size and (more := file.read(member.size - len(data))):  # one call gives 2 GiB at most
        data += more
    return data
