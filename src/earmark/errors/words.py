"""What ended a piece of work, in words and with the way out: of a command, and of work that goes on behind a service."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from earmark.errors import EarmarkError

OUTPUT = "standard output"
ELSEWHERE = "Name another place for what is written, and see that its disk is connected"
REMEDIES = {
    errno.ENOSPC: "The disk is full: make room, or write to another",
    errno.EDQUOT: "The quota is used up: make room, or write to another disk",
    errno.EACCES: "Take a folder in which you may write, or get its permission",
    errno.EPERM: "Take a folder in which you may write, or get its permission",
    errno.EROFS: "This disk can only be read: write to another",
    errno.EISDIR: "A folder is there: name a file",
    errno.EEXIST: "A file is there: name a folder, or remove it",
    errno.ENOTDIR: "A file is there: name a folder, or remove it",
    errno.EMFILE: "Too many files are open: raise the limit with `ulimit -n`, or take fewer --workers",
    errno.ENAMETOOLONG: "The name is too long for the disk: take a shorter one",
    errno.EIO: "The disk cannot be read or written there: see that it is connected, and copy what is on it elsewhere",
    errno.ECONNABORTED: "See that it answers and that the network does, then run the same command again",
    errno.EOPNOTSUPP: "Name a place on a disk, and copy what is written when it is done",
    errno.ENOMEM: "Give the program more memory, or take fewer --workers or a smaller --batch",
}
MEMORY = "the memory is not enough. Take a smaller --batch, fewer --workers or smaller files, or give the program more"
NO_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "CUDA error: out of memory",
    "bad_alloc",
)  # of torch's RuntimeError
# what the core does without → the extra that brings it
EXTRAS = {
    "torch": "train",
    "matplotlib": "pictures",
    "onnx": "export",
    "onnxscript": "export",
    "openvino": "openvino",
    "av": "media",
    "sounddevice": "live",
    "fastapi": "serve",
    "uvicorn": "serve",
}
# of the core, what somebody may have taken out where room is short
TAKEN_OUT = ("pyarrow", "onnxruntime")


def message(error: BaseException) -> str | None:
    """What an error says to the user; None for a mistake in the program."""
    if isinstance(error, EarmarkError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in (*EXTRAS, *TAKEN_OUT):
        return f"this needs {lacking(error.name or '')}"
    if isinstance(error, OSError) and error.errno is not None:
        return system_failure(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in NO_MEMORY)):
        return MEMORY
    if isinstance(error, RecursionError):
        return "something in a file is nested too deeply to be read. Name the files one by one to find it"
    return None


def lacking(package: str) -> str:
    """Of one that earmark can do without and that is not here: that it is not, and what brings it."""
    extra = EXTRAS.get(package.partition(".")[0])
    brings = f"'earmark[{extra}]'" if extra else package
    return f"{package}, which is not installed: `pip install {brings}` brings it"


def reason(error: Exception) -> str:
    """What an error says that ends a part of the work only."""
    return message(error) or str(error)


def system_failure(error: OSError) -> str:
    """What the system refused, where, and the way out."""
    place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    other = f" → {error.filename2}" if error.filename2 else ""
    what = f"{place}{other}: " if place else ""
    room = (
        f" ({disk})"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        and place not in ("", OUTPUT)
        and (disk := disk_of(place))
        else ""
    )
    return f"{what}{error.strerror or error}{room}. {REMEDIES.get(error.errno or 0, ELSEWHERE)}"


def disk_of(place: str) -> str:
    """The disk that a file is on, and the room there: 'on /media/disk, 0 MB free'; nothing where it cannot be told."""
    try:
        path = Path(os.path.realpath(place))
        while not path.exists() and path != path.parent:
            path = path.parent
        free = shutil.disk_usage(path).free
        while not path.is_mount() and path != path.parent:
            path = path.parent
    except (OSError, ValueError):
        return ""
    return f"on {path}, {free // 1_000_000:,} MB free"
