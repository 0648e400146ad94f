"""An S3 server on loopback, and recordings that lie in it and on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.s3 import bucket_of, endpoint, served

from earmark.files.stores import Stored, place

__all__ = ["endpoint", "served"]
RATE = 8_000


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    (folder / "a").mkdir()
    rng = np.random.default_rng(0)
    for name, seconds in (("a/one.wav", 3), ("a/two.ogg", 3), ("long.flac", 400), ("three.mp3", 3)):
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, seconds * RATE), RATE)
    (folder / "bad.wav").write_bytes(b"no audio")
    (folder / "notes.txt").write_text("wind")
    (folder / "clips.csv").write_text(f"path\na/one.wav\nnot there.wav\n{folder / 'a/two.ogg'}\n")
    return folder


@pytest.fixture(scope="module")
def store(served, disk):
    """A bucket that holds what the disk does."""
    system = bucket_of(served[1])
    for path in disk.rglob("*.*"):
        with system.open_output_stream(f"bucket/field/{path.relative_to(disk).as_posix()}") as file:
            file.write(path.read_bytes())
    return "s3://bucket/field"


@pytest.fixture
def there(served, endpoint, store) -> Stored:
    endpoint(served[1])
    found = place(store)
    assert isinstance(found, Stored)
    return found
