"""Files of a disk → a store, each whole or not at all; what is there before stays until then.

A file appears under its name once all of it has arrived: a store shows no half of one. What goes wrong is tried again as reading is,
see `earmark.files.stores`; then it is an OSError, and whoever wrote the file still has it. A kill in the midst leaves nothing
that is seen, but of large files parts that stores keep, and count, until a rule of the bucket takes them away
(AbortIncompleteMultipartUpload in S3).
"""

from __future__ import annotations

import ctypes
import errno
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from earmark.errors import counted
from earmark.files import stores
from earmark.files.stores import Stored

AT_ONCE = 8  # files that are on their way
WHOLE = 64 << 20  # bytes of a file of which a copy is made to look at; of a larger one its two ends
ENDS = 1 << 20
PART = 8 << 20  # bytes that are read at once


def put(file: Path, to: Stored) -> None:
    """Raises OSError of `to`.

    In a thread of its own, which Ctrl-C waits for: a stream that is left half written is closed by its library, and what had been
    written would be taken for whole. (`pyarrow.fs.copy_files` is no way: it swallows what goes wrong as it closes.)
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_put, file, to).result()


def _put(file: Path, to: Stored) -> None:
    system, inside = to._inside
    sent = 0
    with file.open("rb") as data, stores.named(to, "does not take it"):
        stream = system.open_output_stream(inside)
        while part := _read(data, stream):
            stream.write(part)
            sent += len(part)
        stream.close()
        stores.LISTED.pop(str(to), None)
        arrived = system.get_file_info(inside).size
    if arrived != sent:
        raise OSError(errno.ECONNABORTED, f"{arrived} of {counted(sent, 'byte')} arrived in its store", str(to))


def _read(file: BinaryIO, stream: object) -> bytes:
    """Some of a file. Where its disk fails, the stream is kept from ever being closed: see `put`."""
    try:
        return file.read(PART)
    except OSError:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))
        raise


def put_bytes(data: bytes, to: Stored) -> None:
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        file = Path(folder, "part")
        file.write_bytes(data)
        put(file, to)


def put_all(files: Iterable[tuple[Path, Stored]]) -> None:
    """Several at once. Raises the first OSError."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda pair: put(*pair), files))


def put_folder(folder: Path, to: Stored, check: Callable[[Path], None]) -> None:
    """All that is in a folder, in place of what is there: what lies in it by itself last, so that what tells of the whole comes once
    the whole is there. check: of `to`; see `earmark.files.whole.whole_folder`.
    """
    check(to)
    new = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    old = {name for name, _ in to.walk_files()} if to.exists() else set()
    for name in sorted(name for name in old if "/" not in name):
        remove(to / name)
    put_all((path, to / name) for name, path in new.items() if "/" in name)
    for name in sorted(name for name in old - set(new) if "/" in name):
        remove(to / name)
    put_all((path, to / name) for name, path in new.items() if "/" not in name)


def remove(path: Path) -> None:
    """A file of a store; one that is not there is no error. Raises OSError."""
    assert isinstance(path, Stored)
    system, inside = path._inside
    stores.LISTED.pop(str(path), None)
    try:
        with stores.named(path, "does not take it away"):
            system.delete_file(inside)
    except FileNotFoundError:
        return


def fetch(path: Stored, to: Path) -> None:
    """A copy on the disk. Raises OSError of `path`, or of the disk."""
    system, inside = path._inside
    with to.open("wb") as out:
        with stores.named(path):
            file = system.open_input_stream(inside)
        with file:
            while True:
                with stores.named(path):
                    part = file.read(PART)
                if not part:
                    return
                out.write(part)


@contextmanager
def copied(path: Stored) -> Iterator[Path]:
    """A copy to look at, of the same name: of a large file its two ends, with nothing but zeros between them. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        copy = Path(folder, path.name)
        size = path.stat().st_size
        if size <= WHOLE:
            fetch(path, copy)
        else:
            with path.ranged() as file, copy.open("wb") as out:
                out.write(file.read(ENDS))
                for to in (file, out):
                    to.seek(max(0, size - ENDS))
                out.write(file.read(ENDS))
        yield copy
