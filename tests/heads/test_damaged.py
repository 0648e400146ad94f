"""Damaged clips and recordings with --salvage: whatever reads them for a head takes what can be read, also the mixing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from tests import small
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data.soundscapes.within import Within, mixed_within
from earmark.errors import AudioError

pytest.importorskip("torch")
RATE = 8000


def tone(frequency, seconds, loud=0.3, seed=0):
    noise = 0.01 * np.random.default_rng(seed).normal(size=round(seconds * RATE))
    return loud * np.sin(2 * np.pi * frequency * np.arange(len(noise)) / RATE) + noise


def nan(path):
    wave, rate = soundfile.read(path)
    wave[100:110] = np.nan
    soundfile.write(path, wave, rate, "FLOAT", format="WAV")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def cut_flac(path):
    """Whose header states the length of before."""
    wave, rate = soundfile.read(path)
    held = io.BytesIO()
    soundfile.write(held, wave, rate, format="FLAC")
    path.write_bytes(held.getvalue()[: len(held.getvalue()) * 6 // 10])


DAMAGES = [nan, cut, cut_flac]


@pytest.fixture
def place(tmp_path):
    """Clips of three tones, two recordings, a net by chance with the clips' tags."""
    names, tags = [], []
    for number in range(4):
        for tag, frequency in zip(small.TAGS, (300, 1200, 2500), strict=True):
            names.append(f"{tag}-{number}.wav")
            tags.append(tag)
            soundfile.write(tmp_path / names[-1], tone(frequency, 1.0, seed=number), RATE)
    manifests.write(manifests.build({"id": names, "path": names, "tags": tags}, tmp_path), tmp_path / "own.csv")
    (tmp_path / "recordings").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "recordings" / f"{name}.wav", tone(900, 30.0, 0.02, seed=7), RATE)
    small.tagger("resnet_b_att", 0.5, 0.25).save(tmp_path / "base.safetensors")
    return tmp_path


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("what", ["a-1.wav", "recordings/a.wav"])
def test_what_can_be_read_is_mixed(place, what, damage):
    damage(place / what)
    clips = manifests.read(place / "own.csv")
    wanted = {"copies": 2, "length": 4.0, "sample_rate": RATE}
    without = list(mixed_within(clips, [place / "recordings"], **wanted))
    if what == "a-1.wav" or damage is not cut_flac:  # of a long FLAC stretches far before the cut are read as ever
        assert any(isinstance(each, AudioError) and "--salvage" in str(each) for each in without)
    made = list(mixed_within(clips, [place / "recordings"], salvage=True, **wanted))
    assert [each.clip for each in made if isinstance(each, Within)] == sorted(2 * clips.ids.tolist())
    assert all(np.isfinite(each.wave).all() and each.wave.any() for each in made)
    heard_in = {each.recording for each in made}
    assert "a.wav" in heard_in


REVIEWS = """recording,onset,offset,tag,score,answer,right_tag,right_onset,right_offset,chosen,probability,of_tag
a.wav,0,1,a,0.9,right,,,,highest,1.0,9
a.wav,3,4,a,0.9,wrong,,,,highest,1.0,9
b.wav,3,4,b,0.9,wrong,,,,highest,1.0,9
b.wav,8,9,b,0.9,right,,,,highest,1.0,9
"""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("verb", ["train", "retrain"])
def test_a_head_learns_from_what_can_be_read(place, verb, damage):
    """A damaged clip, and a damaged recording that was reviewed."""
    damage(place / "a-1.wav")
    damage(place / "recordings" / "a.wav")
    (place / "reviews.csv").write_text(REVIEWS)
    of = place / "recordings"
    words = {
        "train": ["train", place / "own.csv", "--from", place / "base.safetensors", "--recordings", of, "--copies", 2],
        "retrain": ["retrain", place / "base.safetensors", "--reviews", place / "reviews.csv", "--recordings", of, "--data",
                    place / "own.csv"],
    }[verb]  # fmt: skip
    made = earmark(*words, "--out", place / "run", "--salvage")
    assert made.returncode == 0, made.stderr
    for told in ("could not be mixed", "clips could not be read", "use --salvage"):
        assert told not in made.stderr
    assert (place / "run" / "tagger.safetensors").is_file() and not (place / "run" / "errors.csv").exists()
