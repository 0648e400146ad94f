"""What several tests share: the place of the real recordings, and tones with known content."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is absent."""
    place = Path(os.environ.get("EARMARK_DATA", ROOT.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"no recordings at {place}: set EARMARK_DATA to their folder")
    return place


def tone(frequency: float, seconds: float, sample_rate: int, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine of `frequency` Hz, (samples,) float32."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32)
