"""Synthesised sounds: the same bytes for the same seed, and heard when it is said that they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from earmark.data.datasets import index, synth
from earmark.data.datasets.synth import KINDS, RATE, ClipPlan, PlacedSound
from earmark.errors import ManifestError


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "audio").iterdir())}


@pytest.mark.parametrize("name", ["synth", "synth_scenes"])
def test_same_bytes_however_many(tmp_path, name):
    index(name, tmp_path / "a", clips=5)
    index(name, tmp_path / "b", clips=8)
    few, more = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    assert few == {key: more[key] for key in few}
    assert len(more) == len(set(more.values())) == 8
    index(name, tmp_path / "c", clips=5, seed=1)
    assert not set(bytes_of(tmp_path / "c").values()) & set(more.values())


def test_a_half_made_folder_is_completed(tmp_path):
    whole = index("synth", tmp_path, clips=6)
    before = bytes_of(tmp_path)
    (tmp_path / "audio" / "00004.wav").unlink()
    cut = tmp_path / "audio" / "00002.wav"
    cut.write_bytes(cut.read_bytes()[:1000])
    kept = (tmp_path / "audio" / "00000.wav").stat().st_mtime_ns
    again = index("synth", tmp_path, clips=6)
    assert bytes_of(tmp_path) == before
    assert (tmp_path / "audio" / "00000.wav").stat().st_mtime_ns == kept  # not made anew
    assert again.table.equals(whole.table)
    # killed before the first clip: only the half-written mark is there
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "synth.json.123.part").touch()
    assert len(index("synth", tmp_path / "new", clips=2)) == 2


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").touch()
    with pytest.raises(
        ManifestError, match=r"holds other things: thesis\.tex. Sounds are synthesised into a folder of"
    ):
        index("synth", tmp_path / "a")
    index("synth", tmp_path / "b", clips=1)
    for name, options in (("synth", {"seed": 2}), ("synth_scenes", {})):
        with pytest.raises(ManifestError, match=r"holds other synthesised sounds: .*'form': 'clips'.*'seed': 0"):
            index(name, tmp_path / "b", clips=1, **options)
    (tmp_path / "b" / "synth.json").write_text("{")
    with pytest.raises(ManifestError, match=r"synth\.json: is damaged"):
        index("synth", tmp_path / "b", clips=1)
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError, match="is a file"):
        index("synth", tmp_path / "file", clips=1)


@pytest.mark.parametrize("options", [{"clips": 0}, {"seed": -1}])
def test_options(tmp_path, options):
    with pytest.raises(ManifestError, match="there must be 1 clip or more, and a seed of 0 or more"):
        index("synth", tmp_path, **options)


def test_folds_and_tags(tmp_path, monkeypatch):
    monkeypatch.setattr(synth, "_save", lambda *arguments: None)  # what is heard is known without rendering
    manifest = index("synth", tmp_path / "clips")
    assert manifest.truth().sum(0).tolist() == [30] * 12
    assert [manifest.in_folds(fold).truth().sum(0).tolist() for fold in "12345"] == [[6] * 12] * 5
    scenes = index("synth_scenes", tmp_path / "scenes")
    several = scenes.truth().sum(1)
    assert several.min() == 1
    assert several.max() == 4
    lengths = [len(row) for row in scenes.table["events"].to_pylist()]
    assert lengths == several.tolist()  # kinds do not repeat in a scene
    assert scenes.fold_names() == ["1", "2", "3", "4", "5"]


def test_recordings_are_what_the_manifest_says(tmp_path):
    for name, shortest, longest in (("synth", 2.5, 3.5), ("synth_scenes", 6, 10)):
        manifest = index(name, tmp_path / name, clips=12)
        for path, events in zip(manifest.paths(), manifest.table["events"].to_pylist(), strict=True):
            wave, rate = soundfile.read(path)
            assert (rate, wave.ndim) == (RATE, 1)
            assert shortest <= len(wave) / rate <= longest
            assert 0.001 < np.abs(wave).max() < 0.96  # heard, and not clipped
            assert all(event["offset"] <= len(wave) / rate + 1e-9 for event in events)
    assert json.loads((tmp_path / "synth" / "synth.json").read_text())["form"] == "clips"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_heard_from_onset_to_offset(kind, seed):
    """In almost no noise, the sound is above it from the onset to within 0.2 s of the offset, and not outside."""
    onset, seconds = 0.5, 1.25
    plan = ClipPlan(2.5, 1.0, -80, (PlacedSound(kind, onset, seconds, 60.0),))
    wave = synth._render(plan, np.random.default_rng(seed))
    frames = np.abs(wave).reshape(-1, RATE // 100).max(1)  # (250,) peaks of 10 ms
    background = frames[:50].max()
    heard = np.flatnonzero(frames > 4 * background)
    assert heard[0] == 50
    assert 155 <= heard[-1] <= 174


def peak_hertz(wave):
    return np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * RATE / len(wave)


def test_the_kinds_are_what_they_are_called():
    rng = np.random.default_rng(0)
    rise = KINDS["chirp"](1.0, rng)
    assert peak_hertz(rise[12_000:]) > 2 * peak_hertz(rise[:4_000])
    beep = KINDS["beep"](1.0, rng)
    assert peak_hertz(beep[12_000:]) == pytest.approx(peak_hertz(beep[:4_000]), abs=4)
    struck = KINDS["bell"](1.0, rng)
    assert np.abs(struck[:1600]).max() > 5 * np.abs(struck[-1600:]).max()
    clicks = KINDS["clicks"](1.0, rng)
    starts = np.flatnonzero((np.abs(clicks[1:]) > 0) & (clicks[:-1] == 0))
    gaps = np.diff(starts)[np.diff(starts) > 100]
    assert gaps.max() - gaps.min() <= 2  # an even beat
    assert 6 <= RATE / gaps.mean() <= 17


def test_the_level_is_that_over_the_background():
    quiet = ClipPlan(2.0, 0.0, -40, ())
    noise = synth._render(quiet, np.random.default_rng(5))
    assert 10 * np.log10(np.mean(noise**2)) == pytest.approx(-40, abs=0.01)
    both = synth._render(ClipPlan(2.0, 0.0, -40, (PlacedSound("siren", 0.5, 1.0, 12.0),)), np.random.default_rng(5))
    siren = (both - noise)[RATE // 2 : RATE * 3 // 2]
    assert 10 * np.log10(np.mean(siren**2)) == pytest.approx(-28, abs=0.01)


def test_colour_is_three_decibels_an_octave():
    def slope(colour):
        power = np.abs(np.fft.rfft(synth._noise(1 << 17, colour, np.random.default_rng(0)))) ** 2
        hertz = np.fft.rfftfreq(1 << 17, 1 / RATE)
        bands = [10 * np.log10(power[(hertz >= f) & (hertz < 1.2 * f)].mean()) for f in (200, 400, 800, 1600, 3200)]
        return np.polyfit(range(5), bands, 1)[0]

    assert slope(0.0) == pytest.approx(0, abs=0.2)
    assert slope(2.0) == pytest.approx(-6.02, abs=0.2)
