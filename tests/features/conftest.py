"""Real clips that features are compared on."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def clips(data):
    """Seven clips of ESC-10, each (220500,) float32 at 44.1 kHz."""
    soundfile = pytest.importorskip("soundfile")
    paths = sorted((data / "esc10" / "audio").glob("*.ogg"))[::57]
    assert len(paths) >= 7
    return [soundfile.read(path, dtype="float32")[0] for path in paths]


@pytest.fixture(scope="session")
def seconds(clips):
    """The first two seconds of three of the clips, (3, 88200) float32."""
    return np.stack([clip[:88200] for clip in clips[:3]])
