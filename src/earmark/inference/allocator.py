"""Memory that is freed is kept for the next batch.

By default glibc gives large blocks back to the system as soon as they are freed and asks for them again a moment later.
A net frees and takes hundreds of megabytes at every step, so the system clears the same pages over and over: here up to
half of the time of a training step went there. The price: the process keeps its peak memory until it ends.
"""

from __future__ import annotations

import ctypes
import sys

# From malloc.h; the values are C ints
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
NEVER = 2**31 - 1
STEP = 64 << 20  # bytes asked for at once when memory runs out


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory, for the whole process; whether it could be told (glibc only).

    The commands and `train` call this; a program that uses the library decides for itself.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has none
        return False
    return bool(mallopt(TRIM_THRESHOLD, NEVER) and mallopt(TOP_PAD, STEP) and mallopt(MMAP_MAX, 0))
