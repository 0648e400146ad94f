"""Sound → a file, whole or not at all: encoded in memory first, since libsndfile tells of a full disk only that there was an error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from earmark.files.whole import write_bytes


def encoded(wave: NDArray[Any], rate: int, subtype: str, kind: str) -> bytes:
    """The bytes of a file. wave: (samples,), floating or whole numbers. rate: Hz. subtype, kind: as libsndfile names them."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave, rate, subtype, format=kind)
    return file.getvalue()


def write(path: Path, wave: NDArray[Any], rate: int, subtype: str, kind: str, *, sync: bool = True) -> None:
    """Write a file of sound. Raises OSError, which names it. sync: see `earmark.files.whole`."""
    write_bytes(path, encoded(wave, rate, subtype, kind), sync=sync)
