"""The service in this process, with the shipped tagger; real recordings where they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.browser import SILENT_MICROPHONE, Browser, Chromium, installed, started

from earmark.models import loading
from earmark.serve.app import build
from earmark.serve.settings import Settings

HERE = "http://localhost"


@pytest.fixture(scope="session")
def esc10():
    return loading.load("esc10")


@pytest.fixture(scope="module")
def service(esc10) -> Iterator[TestClient]:
    with TestClient(build(Settings(workers=2), {"esc10": esc10}), base_url=HERE) as client:
        yield client


@pytest.fixture(scope="session")
def clips(data) -> list[Path]:
    """A few real recordings, of several formats."""
    found = sorted((data / "esc10").rglob("*.ogg"))[::80][:4]
    found += sorted((data / "esc10_soundscapes").rglob("*.flac"))[:2]
    return found


@pytest.fixture(scope="session")
def tone(tmp_path_factory) -> Path:
    """Two seconds of 1 kHz, then two of nothing, in two channels of 24 bits at 32 kHz."""
    path = tmp_path_factory.mktemp("sounds") / "tone.wav"
    seconds = np.arange(64_000) / 32_000
    wave = np.concatenate([0.5 * np.sin(2 * np.pi * 1000 * seconds), np.zeros(64_000)])
    soundfile.write(path, np.stack([wave, wave], 1), 32_000, subtype="PCM_24")
    return path


@pytest.fixture
def place(tmp_path, clips) -> Path:
    """Recordings by the clock, one that is none, and links."""
    root = tmp_path / "recordings"
    (root / "site 1").mkdir(parents=True)
    for number, path in enumerate(clips):
        shutil.copy(path, root / "site 1" / f"A_20260514_{4 + number:02}3000{path.suffix}")
    (root / "broken.wav").write_bytes(b"RIFF" + bytes(9))
    (root / "notes.txt").write_text("no sound")
    (root / ".hidden.wav").write_bytes(b"RIFF")
    shutil.copy(clips[0], tmp_path / "secret.ogg")
    (root / "out.ogg").symlink_to(tmp_path / "secret.ogg")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(clips[0], tmp_path / "elsewhere" / "deep.ogg")
    (root / "away").symlink_to(tmp_path / "elsewhere")
    return root


@pytest.fixture
def folder(esc10, place, tmp_path):
    with TestClient(
        build(Settings(recordings=place, state=tmp_path / "state"), {"esc10": esc10}), base_url=HERE
    ) as client:
        yield client


@pytest.fixture
def doubtful(tmp_path, clips) -> Path:
    """One recording each that is silent, whose channels cancel out or of which one is dead, that was never scaled; and a good one."""
    root = tmp_path / "doubtful"
    root.mkdir()
    wave, rate = soundfile.read(clips[0], dtype="float32", always_2d=True)
    noise = np.random.default_rng(0).normal(0, 1e-3, len(wave))
    wave = 0.5 * wave[:, 0] / abs(wave).max() + noise
    for name, made in {
        "zero.wav": np.zeros(len(wave)), "opposite.wav": np.stack([wave, -wave], 1), "beyond.wav": 30_000 * wave,
        "dead.wav": np.stack([wave, 0 * wave], 1), "good.wav": wave,
    }.items():  # fmt: skip
        soundfile.write(root / name, made.astype(np.float32), rate, subtype="FLOAT")
    return root


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Started once: a start takes longer than most tests of the page."""
    if installed() is None:
        pytest.skip("no chromium here: install it to test pages in a browser")
    with started(*SILENT_MICROPHONE) as browser:
        yield browser


@pytest.fixture
def other(chromium) -> Iterator[Browser]:
    """A page for a service of a test's own; what it complains of a service that is gone is its own business."""
    with chromium.page() as browser:
        browser.size(1400)
        yield browser
