"""Answers that are no numbers: of no engine, on no path, does anybody get them, nor a sure answer of sound that no number can hold."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile

from earmark import audio, inference
from earmark.engines import sessions
from earmark.errors import EarmarkError, TaggerError
from earmark.inference.finite import NoNumbers
from earmark.models import loading
from earmark.models.ensemble import Ensemble

pytest.importorskip("torch")

ENGINES = ("torch", *sessions.installed())
HUGE = 1e25  # whose square is beyond float32
SOUNDS = {"HUGE": HUGE, "the largest there is": 1e38}


@pytest.fixture(scope="module", params=ENGINES)
def tagger(request):
    return loading.load("esc10-small", engine=request.param)


def waves_of(tagger, level=HUGE):
    """Three windows, of which the second is beyond all bounds."""
    length, _ = tagger.windows.samples(tagger.sample_rate)
    waves = np.random.default_rng(0).uniform(-0.3, 0.3, (3, length)).astype(np.float32)
    waves[1] *= np.float32(level)
    return waves


ASKED = {
    "score_windows": lambda tagger, waves: tagger.score_windows(waves),
    "score": lambda tagger, waves: tagger.score(waves),
    "embed_windows": lambda tagger, waves: tagger.embed_windows(waves),
    "score_overlapping": lambda tagger, waves: tagger.score_overlapping(*stretch(tagger, waves)),
    "embed_overlapping": lambda tagger, waves: tagger.embed_overlapping(*stretch(tagger, waves)),
}


def stretch(tagger, waves):
    length, hop = tagger.windows.samples(tagger.sample_rate)
    wave = np.random.default_rng(0).uniform(-0.3, 0.3, length + 2 * hop).astype(np.float32)
    wave[hop : hop + 100] *= waves[1].max() * 3  # which the first window hears at its end, and the third does not
    wave[hop + length - 100 : hop + length] = wave[hop : hop + 100]
    return wave, hop, 3


@pytest.mark.parametrize("level", SOUNDS)
@pytest.mark.parametrize("asked", ASKED)
def test_windows_are_refused(asked, level, tagger):
    waves = waves_of(tagger, SOUNDS[level])
    with pytest.raises(TaggerError) as told:
        ASKED[asked](tagger, waves)
    said = str(told.value)
    what = "embeddings" if asked.startswith("embed") else "scores"
    assert f"the tagger's {what} of " in said and "of 3 windows are no finite numbers, first of window " in said
    assert "and full scale is 1: bring the samples to -1 to 1" in said
    if "overlapping" not in asked:
        assert f"{what} of 1 of 3 windows are no finite numbers, first of window 1, counted from 0" in said
        assert np.isfinite(ASKED[asked](tagger, waves[[0, 2]])).all()
        rest = told.value.values[[0, 2]]
        assert np.allclose(rest, ASKED[asked](tagger, waves[[0, 2]]), atol=1e-4)
    again = pickle.loads(pickle.dumps(told.value))
    assert isinstance(again, NoNumbers) and str(again) == said


def test_an_ensemble_refuses_them_too(tagger):
    with pytest.raises(TaggerError, match="scores of 1 of 3 windows are no finite numbers"):
        Ensemble([tagger, tagger]).score_windows(waves_of(tagger))


@pytest.mark.parametrize("kind", ["tags", "frames", "embeddings"])
def test_one_recording_fails_and_the_others_are_heard(kind, tagger, tmp_path):
    chance = np.random.default_rng(0)
    for name, level in (("a", 0.3), ("b", HUGE), ("c", 0.3)):
        wave = chance.uniform(-level, level, 5 * tagger.sample_rate).astype(np.float32)
        soundfile.write(tmp_path / f"{name}.wav", wave, tagger.sample_rate, "FLOAT")
    scorer = {"tags": tagger, "frames": tagger.framewise(), "embeddings": tagger.embedder()}[kind]
    if scorer is None:
        pytest.skip("it says nothing of moments")
    paths = [inference.Recording(str(tmp_path / f"{name}.wav")) for name in "abc"]
    first, second, third = inference.score(scorer, paths, keep_windows=True)
    assert isinstance(second, inference.Failure) and "of the window at 0.00 s are no finite numbers" in str(
        second.error
    )
    for heard in (first, third):
        assert np.isfinite(heard.values).all() and np.isfinite(heard.windows.values).all()


@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
def test_resampling_refuses_samples_that_are_none(what):
    wave = np.zeros(44_100, np.float32)
    wave[[7, 9]] = what
    for rate in (16_000, 44_100):
        with pytest.raises(
            EarmarkError,
            match=r"^2 of 44,100 samples are no numbers \(NaN, or infinite\), the first is \[7\]: mend them",
        ):
            audio.resample(wave, 44_100, rate)
