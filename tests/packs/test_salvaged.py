"""Damaged recordings in packs: what is salvaged when they are packed is learnt from without a word, and what is not can be later."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.data import manifest as manifests
from earmark.data import packs
from earmark.errors import AudioError

pytest.importorskip("earmark.train")
from earmark.train import unread
from earmark.train.packed import PackedWaves

RATE = 8000
KINDS = {"cut.wav": "PCM_16", "float.wav": "FLOAT", "broken.flac": "PCM_24", "broken.ogg": "VORBIS"}
PARTS = {"whole": None, "part": 0.1}  # s, where a clip begins


@pytest.fixture
def damaged(tmp_path):
    """A recording of each kind of which less is there than its header says, and two that are whole."""
    chance, folder = np.random.default_rng(0), tmp_path / "sounds"
    folder.mkdir()
    for name, subtype in {**KINDS, "1.wav": "PCM_16", "2.wav": "PCM_16"}.items():
        soundfile.write(folder / name, chance.uniform(-0.5, 0.5, 3 * RATE), RATE, subtype)
        if name in KINDS:
            data = (folder / name).read_bytes()
            (folder / name).write_bytes(data[: len(data) * 2 // 3])
    return folder


def listed(folder, names, start):
    columns = {
        "id": names,
        "path": names,
        "tags": [["owl"]] * len(names),
        "fold": ["1"] * len(names),
        "start": [start] * len(names),
    }
    return manifests.build(columns, folder)


@pytest.mark.parametrize("flac", [False, True], ids=["bytes", "flac"])
@pytest.mark.parametrize("part", PARTS)
def test_what_was_salvaged_is_as_from_the_files(part, flac, damaged, tmp_path):
    names, start = [*KINDS, "1.wav", "2.wav"], PARTS[part]
    packs.pack(listed(damaged, names, start), tmp_path / "p", salvage=True, flac=flac)
    clips = packs.read(tmp_path / "p")
    waves = PackedWaves(clips, RATE, strict=True)  # which salvages nothing
    assert clips.ids.tolist() == names
    for row, name in enumerate(names):
        wanted = audio.load(damaged / name, RATE, start, salvage=True, report=lambda note: None)
        heard, taken = waves.heard(row)
        assert taken == row and len(heard) == waves.samples[row]
        np.testing.assert_allclose(heard, wanted, atol=2**-23)
    assert packs.unreadable(tmp_path / "p") == {}
    found = packs.check(tmp_path / "p")
    assert not found.damaged and not found.broken


@pytest.mark.parametrize("kind", KINDS)
def test_without_salvage_they_are_not_packed(kind, damaged, tmp_path):
    made = packs.pack(listed(damaged, [kind, "1.wav"], None), tmp_path / "p")
    assert [name for name, *_ in made.failures] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_could_not_read_is_tried_again_with_salvage(kind, damaged, tmp_path, monkeypatch):
    """In packs of an earlier version, which hold the damaged bytes."""
    monkeypatch.setattr("earmark.data.packs.members._heard", lambda path, rate, *told: (as_before(path, rate), False))
    packs.pack(listed(damaged, [kind, "1.wav", "2.wav"], None), tmp_path / "p", salvage=True)
    clips = packs.read(tmp_path / "p")
    path = clips.table["path"][0].as_py()
    with pytest.raises(AudioError):
        audio.load(clips.root / path, RATE)
    packs.remember(tmp_path / "p", kind, path, "is cut off")
    for name in ("plain", "salvaged"):
        (tmp_path / name).mkdir()
    assert unread.left_out(tmp_path / "plain", clips, RATE) == {path: "is cut off"}
    assert unread.left_out(tmp_path / "salvaged", clips, RATE, salvage=True) == {}
    assert unread.left_out(tmp_path / "salvaged", clips, RATE, salvage=True) == {}


def as_before(path, rate):
    return audio.load(path, rate, salvage=True, report=lambda note: None)
