"""Tagging: the scores follow from the recording alone, and one bad file does not stop the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark import audio
from earmark.errors import AudioError, EarmarkError
from earmark.inference import Failure, Recording, Scored, score
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.windows import Windows, starts

RATE = 8000


class Listener:
    """A scorer whose answers can be worked out by hand: the mean and the peak of a window, and what is left of one."""

    sample_rate = RATE
    vocabulary = ("mean", "peak", "rest")
    task = "many"

    def __init__(self, windows: Windows):
        self.windows = windows
        self.batches: list[int] = []

    def score(self, waves):
        self.batches.append(len(waves))
        mean, peak = np.abs(waves).mean(1), np.abs(waves).max(1)
        return np.stack([mean, peak, 1 - peak], 1).astype(np.float32)


def write(path: Path, seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    wave = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)
    soundfile.write(path, wave, rate, subtype="FLOAT")
    return wave


@pytest.fixture
def files(tmp_path):
    lengths = [0.3, 5.0, 1.0, 2.6, 31.0, 0.9, 12.34]
    paths = [tmp_path / f"{i}.wav" for i in range(len(lengths))]
    return {path: write(path, seconds, i) for i, (path, seconds) in enumerate(zip(paths, lengths, strict=True))}


def by_hand(wave, windows: Windows):
    length, hop = windows.samples(RATE)
    padded = np.pad(wave, (0, max(0, length - len(wave))))
    cut = np.stack([padded[s : s + length] for s in starts(len(wave), length, hop, windows.last)])
    return Listener(windows).score(cut)


@pytest.mark.parametrize("batch", [1, 3, 32, 1000])
@pytest.mark.parametrize("workers", [1, 4])
def test_scores_are_those_of_the_whole_recording(files, batch, workers):
    windows = Windows(1.0, 0.4)
    recordings = [Recording(path) for path in files]
    heard = list(score(Listener(windows), recordings, batch=batch, workers=workers, keep_windows=True))
    assert [h.recording.path for h in heard] == list(files)  # in order
    for result, wave in zip(heard, files.values(), strict=True):
        expected = by_hand(wave, windows)
        assert result.duration == pytest.approx(len(wave) / RATE)
        np.testing.assert_allclose(result.windows.values, expected, atol=1e-6)
        np.testing.assert_allclose(result.values, expected.mean(0), atol=1e-6)
        assert result.windows.start[-1] + 1.0 == pytest.approx(max(1.0, len(wave) / RATE))


def test_batches_are_filled_across_recordings(files):
    listener = Listener(Windows(1.0, 0.4))
    list(score(listener, [Recording(path) for path in files], batch=8))
    assert set(listener.batches[:-1]) == {8}


def test_order_of_files_does_not_matter(files):
    listener = Listener(Windows(1.0, 0.4, combine="max"))
    forward = {h.recording.path: h.values for h in score(listener, map(Recording, files))}
    backward = {h.recording.path: h.values for h in score(listener, map(Recording, reversed(files)))}
    for path, values in forward.items():
        np.testing.assert_array_equal(values, backward[path])


def test_parts_of_recordings(files):
    path, wave = list(files.items())[4]
    (heard,) = score(Listener(Windows(1.0, 1.0)), [Recording(path, 2.0, 4.5, "a part")], keep_windows=True)
    assert heard.duration == pytest.approx(2.5)
    assert heard.windows.start.tolist() == pytest.approx([2.0, 3.0, 3.5])
    assert set(heard.windows.ids) == {"a part"}
    np.testing.assert_allclose(
        heard.windows.values, by_hand(wave[2 * RATE : 36 * RATE // 8], Windows(1.0, 1.0)), atol=1e-6
    )


def test_a_bad_file_is_a_failure_in_its_place(files, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is no recording")
    cut = tmp_path / "cut.wav"
    whole = next(iter(files)).with_name("4.wav").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    paths = list(files)
    order = [paths[0], broken, paths[1], tmp_path / "missing.wav", cut, paths[2]]
    results = list(score(Listener(Windows(1.0, 0.4)), map(Recording, order), batch=4))
    assert [type(r) for r in results] == [Scored, Failure, Scored, Failure, Failure, Scored]
    for result, path in zip(results, order, strict=True):
        if isinstance(result, Failure):
            assert str(path) in str(result.error)
    salvaged = list(score(Listener(Windows(1.0, 0.4)), [Recording(cut)], salvage=True))
    assert isinstance(salvaged[0], Scored)
    assert salvaged[0].duration == pytest.approx(15.5, abs=0.1)
    assert salvaged[0].notes


@pytest.mark.parametrize(("weigh", "power"), [("level", 1), ("energy", 2)])
def test_windows_can_count_by_their_level_or_energy(tmp_path, weigh, power):
    path = tmp_path / "half.wav"
    wave = np.concatenate([np.full(RATE, 0.25), np.full(RATE, 0.05), np.zeros(2 * RATE)]).astype(np.float32)
    wave[1::2] *= -1  # a constant would be silence
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    (plain,) = score(Listener(Windows(1.0, 1.0)), [Recording(path)], hear_silence=True)
    (weighed,) = score(Listener(Windows(1.0, 1.0, weigh=weigh)), [Recording(path)])
    np.testing.assert_allclose(plain.values, [0.075, 0.075, 0.925], rtol=1e-6)
    peak = (0.25**power * 0.25 + 0.05**power * 0.05) / (0.25**power + 0.05**power)
    np.testing.assert_allclose(weighed.values, [peak, peak, 1 - peak], rtol=1e-6)


def test_nothing_to_do():
    assert list(score(Listener(Windows(1.0, 1.0)), [])) == []


def test_an_error_in_the_net_comes_out_and_ends_the_threads(files):
    class Broken(Listener):
        def score(self, waves):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(score(Broken(Windows(0.5, 0.01)), [Recording(path) for path in files], workers=3))


def test_an_error_in_a_decoder_comes_out(files, monkeypatch):
    def fail(*arguments, **more):
        raise MemoryError("no room")

    monkeypatch.setattr(audio, "blocks", fail)
    with pytest.raises(MemoryError, match="no room"):
        list(score(Listener(Windows(1.0, 1.0)), [Recording(next(iter(files)))]))


def test_stopping_early_ends_the_threads(files):
    results = score(Listener(Windows(0.5, 0.05)), [Recording(path) for path in files] * 3, workers=3, batch=2)
    assert isinstance(next(results), Scored)
    results.close()


@pytest.fixture(scope="module")
def tagger():
    torch.manual_seed(0)
    recipe = parse(
        {
            "task": "one",
            "sample_rate": RATE,
            "data": {"dataset": "folder"},
            "windows": {"length": 0.5, "hop": 0.2, "combine": "geometric"},
            "net": {"name": "convnet1d", "widths": [4, 8, 8, 8], "blocks": [1, 1, 1, 1]},
            "augment": ["crop"],
            "train": {"epochs": 1},
        }
    )
    return taggers.build(recipe, ("a", "b", "c")).eval()


def test_a_real_net_scores_the_same_however_it_is_batched(files, tagger):
    once = [h.values for h in score(tagger, map(Recording, files), batch=1, workers=1)]
    for batch, workers in ((7, 2), (64, 4)):
        again = [h.values for h in score(tagger, map(Recording, files), batch=batch, workers=workers)]
        np.testing.assert_allclose(again, once, atol=1e-5)
    np.testing.assert_allclose(np.sum(once, 1), 1, atol=1e-5)  # the geometric means are probabilities again


def test_tagging_one_file(files, tagger, tmp_path):
    path = list(files)[4]
    tags = tagger.tag(path, top=None)
    assert sorted(t.label for t in tags) == ["a", "b", "c"]
    assert [t.score for t in tags] == sorted((t.score for t in tags), reverse=True)
    assert tagger.tag(path, top=1) == tags[:1]
    with pytest.raises(AudioError, match="missing"):
        tagger.tag(tmp_path / "missing.wav")


def test_other_sample_rates_are_resampled(tagger, tmp_path):
    t = np.arange(3 * 48000) / 48000
    wave = 0.3 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "high.wav", wave, 48000, subtype="FLOAT")
    soundfile.write(
        tmp_path / "low.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE), RATE, subtype="FLOAT"
    )
    high, low = (next(iter(score(tagger, [Recording(tmp_path / name)]))) for name in ("high.wav", "low.wav"))
    assert high.duration == low.duration == 3.0
    np.testing.assert_allclose(high.values, low.values, atol=0.01)


def test_a_loop_that_is_left_by_an_error_does_not_hold_up_the_program(files):
    """As `--strict` leaves it: the error keeps the generator alive until the end of the program."""
    lines = [
        "import sys",
        "import torch",
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})",
        "from test_tag import Listener, Recording, Windows, score",
        "for result in score(Listener(Windows(0.5, 0.05)), [Recording(p) for p in sys.argv[1:]] * 50, workers=3, batch=2):",
        "    raise SystemExit('left')",
    ]
    order = [sys.executable, "-c", "\n".join(lines), *map(str, files)]
    done = subprocess.run(order, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "left"


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_window_ends_in_samples_whether_or_not_the_end_of_the_recording_is_known(tmp_path, batch):
    """1.00003 s are 8,000 samples: a last window that ends with the recording must not reach past it."""
    write(tmp_path / "a.wav", 5.2)
    scorer = Listener(Windows(1.00003, 0.7))
    (heard,) = score(scorer, [Recording(tmp_path / "a.wav")], batch=batch, keep_windows=True)
    assert heard.windows.start.tolist() == [0.0, 0.7, 1.4, 2.1, 2.8, 3.5, 4.2]
    assert heard.windows.end.tolist() == [1.0, 1.7, 2.4, 3.1, 3.8, 4.5, 5.2]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_a_failure_in_its_place(tmp_path, batch, keep, value):
    """As sound far beyond full scale gives them, whose squares overflow."""

    class Overflowing(Listener):
        def score(self, waves):
            return np.where(np.abs(waves).max(1, keepdims=True) > 1e20, value, super().score(waves)).astype(np.float32)

    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for path in paths:
        wave = write(path, 40.0)
    wave[8 * RATE + 100] = 1e25
    soundfile.write(paths[1], wave, RATE, subtype="FLOAT")
    scorer = Overflowing(Windows(1.0, 0.5))
    results = list(score(scorer, map(Recording, paths), batch=batch, keep_windows=keep, workers=1))
    assert [type(result) for result in results] == [Scored, Failure, Scored]
    assert "1.wav: the tagger's scores of the window at 7.50 s are no finite numbers" in str(results[1].error)
    np.testing.assert_array_equal(results[0].values, results[2].values)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"workers": 0}, {"workers": -1}])
def test_nothing_to_work_with_is_refused(files, wrong):
    """Not an endless loop, nor a run over no recordings."""
    with pytest.raises(EarmarkError, match=r"(batch|workers) is (0|-1): give 1 or more"):
        next(score(Listener(Windows(1.0, 1.0)), map(Recording, files), **wrong))
