"""Files that are adopted: a small made-up net everywhere, and YAMNet where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tflites import Tiny, tiny


@pytest.fixture(scope="session")
def made() -> Tiny:
    return tiny()


@pytest.fixture
def files(tmp_path: Path, made: Tiny) -> tuple[Path, Path]:
    """(net, labels) of the small one."""
    net, labels = tmp_path / "net.tflite", tmp_path / "labels.csv"
    net.write_bytes(made.data)
    labels.write_text('index,mid,display_name\n0,/m/1,Dog\n1,/m/2,"Rain, heavy"\n2,/m/3,Wind\n')
    return net, labels


@pytest.fixture(scope="session")
def yamnet(data: Path) -> Path:
    folder = data / "pretrained/yamnet"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: YAMNet is no part of the project, its users bring it")
    return folder
