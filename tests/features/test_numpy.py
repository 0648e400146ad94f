"""Each feature in NumPy against the same in torch: whatever is registered, every option, in decibels."""

from __future__ import annotations

import math
import typing
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch

from earmark.engines.features import Resized as NumpyResized
from earmark.engines.features.framing import Framing
from earmark.models.features import Resized
from earmark.registry import FEATURES, NUMPY_FEATURES

RATE = 44_100
SAMPLES = 16_000
DECIBELS = 1e-4  # how far the power ratios of both may lie apart
# A value other than the default of each argument that is no choice by name; of each choice all are tried
OTHER: dict[str, Any] = {
    "window": 0.03, "hop": 0.0071, "bands": 90, "low": 200.0, "high": 9000.0, "fft": 4096, "floor": 1e-6, "mean": -3.5,
    "deviation": 20.0, "bins": 77, "coefficients": 13, "mel_bands": 57, "windows": [0.03, 0.1],
    "preemphasis": 0.97,
}  # fmt: skip
# What an option needs beside it. Magnitudes have a floor at the level of the default for power: at 1e-10 of a magnitude,
# 300 dB below a full scale of 1e5, lies what both transforms round off, and no two of them agree
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("edges", "reflect"): {"centre": True},
    ("frame", "window"): {"window": 0.02, "fft": 1024, "bands": 40},
    ("magnitude", "True"): {"floor": 1e-5},
    ("preemphasis", "0.97"): {"centre": True},
}
# Both sum the bins of a mel band in float32, in their own order: n bins may be off by n / 2 · 6e-8, which is 1e-4 dB from about
# 770 on. No band here is so wide
TOGETHER = {
    "logmel": [
        {
            "window": 0.025, "hop": 0.01, "bands": 64, "low": 125.0, "high": 7500.0, "fft": 2048, "mel_scale": "htk", "log": "ln",
            "equal_area": False, "magnitude": True, "floor": 0.01, "frame": "window", "triangles": "mel",
        },
        {"window": 1323 / RATE, "fft": 1323, "centre": True, "edges": "reflect", "bands": 30},  # an odd FFT
        {  # EfficientAT's, whose windows, bands and rate are others
            "window": 0.025, "hop": 0.01, "bands": 64, "high": 15_000.0, "fft": 2048, "window_kind": "hann_symmetric", "centre": True,
            "edges": "reflect", "preemphasis": 0.97, "mel_scale": "htk", "triangles": "mel", "equal_area": False, "log": "ln",
            "floor": 1e-5, "mean": -4.5, "deviation": 5.0,
        },
        {"window": 1 / RATE, "fft": 256, "hop": 100 / RATE, "bands": 8, "frame": "window"},  # a window of one sample
    ],
    "spectrogram": [{"window": 0.02, "fft": 1024, "bins": 200, "log": "ln", "centre": True, "window_kind": "hamming"}],
    "mfcc": [{"coefficients": 3, "mean": [-900.0, 1.0, 2.0], "deviation": [300.0, 30.0, 10.0]}],
    "multires": [{"windows": [0.03, 0.05, 0.2], "mean": [-30.0, -20.0, -10.0], "join": "bands", "bands": 60, "log": "ln"}],
}  # fmt: skip


def options(name):
    """Arguments of a feature: the defaults, and each option by itself."""
    hints = get_type_hints(NUMPY_FEATURES[name].function.__init__)
    yield {}
    for key, told in NUMPY_FEATURES[name].arguments().items():
        if key == "sample_rate":
            continue
        choices = (True, False) if hints[key] is bool else typing.get_args(hints[key])
        named = hints[key] is bool or typing.get_origin(hints[key]) is typing.Literal
        for value in choices if named else (OTHER[key],):
            if value != told.default:
                yield {**BESIDE.get((key, str(value)), {}), key: value}
    yield from TOGETHER.get(name, [])


CASES = [(name, arguments) for name in FEATURES.names() for arguments in options(name)]


@pytest.fixture(scope="module")
def heard(clips):
    """Waves (n, samples) by what they are."""
    time = np.arange(SAMPLES) / RATE
    chance = np.random.default_rng(0)
    return {
        "recordings": np.stack([clip[20_000 : 20_000 + SAMPLES] for clip in clips]),
        "silence": np.zeros((1, SAMPLES), np.float32),
        "noise": chance.uniform(-1, 1, (2, SAMPLES)).astype(np.float32),
        # on a bin and between two: far from the tone lies next to nothing
        "tones": np.sin(2 * np.pi * np.array([[RATE * 100 / 2048], [440.3]]) * time).astype(np.float32),
        "constant": np.ones((1, SAMPLES), np.float32),
        "one sample": np.eye(1, SAMPLES, SAMPLES // 2, dtype=np.float32),
        "hardly anything": (1e-5 * chance.normal(size=(1, SAMPLES))).astype(np.float32),
    }


def bound(feature):
    """What 1e-4 dB are in the feature's values."""
    plan = getattr(
        feature, "logmel", feature
    )  # the cosines of cepstra are orthonormal: n bands' errors add up to sqrt(n)
    plan = getattr(plan, "resolutions", [plan])[0]
    of_log = 1.0 if plan.log == "db" else math.log(10) / (20 if plan.magnitude else 10)
    spread = math.sqrt(feature.logmel.bands) if hasattr(feature, "logmel") else 1.0
    return DECIBELS * of_log * spread / np.min(getattr(feature, "deviation", plan.deviation))


def maps_of(module, waves):
    with torch.inference_mode():
        return module(torch.from_numpy(waves)).numpy()


def test_every_feature_is_there_in_numpy():
    assert NUMPY_FEATURES.names() == FEATURES.names()
    for name in FEATURES.names():
        torchs, numpys = FEATURES[name], NUMPY_FEATURES[name]
        assert torchs.arguments() == numpys.arguments()
        assert torchs.facts == numpys.facts and torchs.summary == numpys.summary
        assert get_type_hints(torchs.function.__init__) == get_type_hints(numpys.function.__init__)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[f"{name} {told}" for name, told in CASES])
def test_maps_are_those_of_torch(name, arguments, heard):
    module, feature = (registry[name].function(RATE, **arguments) for registry in (FEATURES, NUMPY_FEATURES))
    for what, waves in heard.items():
        expected, got = maps_of(module, waves), feature(waves)
        assert got.shape == expected.shape == (len(waves), feature.channels, feature.bands, feature.frames(SAMPLES))
        assert got.dtype == np.float32 and got.flags.c_contiguous
        np.testing.assert_allclose(got, expected, rtol=0, atol=bound(feature), err_msg=what)


def slack(maps: np.ndarray) -> float:
    """Where torch has no fused multiply and add it rounds the places of cells twice: by a float32's spacing, times the jump there."""
    if torch.backends.cpu.get_cpu_capability() != "DEFAULT":
        return 0.0
    jumps = [np.abs(np.diff(maps, axis=axis)).max(initial=0.0) for axis in (2, 3)]
    return sum(float(np.spacing(np.float32(size)) * jump) for size, jump in zip(maps.shape[2:], jumps, strict=True))


@pytest.mark.parametrize("size", [(64, 99, 3), (299, 299, 3), (17, 1, 3), (128, 76, 3)])
@pytest.mark.parametrize("name", FEATURES.names())
def test_resized_maps_are_those_of_torch(name, size, heard):
    module, feature = (registry[name].function(RATE) for registry in (FEATURES, NUMPY_FEATURES))
    resized, expected = NumpyResized(feature, *size), Resized(module, *size)
    for what, waves in heard.items():
        got = resized(waves)
        assert got.shape == (len(waves), size[2], size[0], size[1]) and got.flags.c_contiguous
        most = bound(feature) + slack(feature(waves))
        np.testing.assert_allclose(got, maps_of(expected, waves), rtol=0, atol=most, err_msg=what)
    places = np.array([-0.5, 0.0, 1.25, size[1] - 1.0])
    np.testing.assert_array_equal(resized.middles(places, SAMPLES), expected.middles(places, SAMPLES))
    assert resized.frames(resized.shortest) == size[1] and resized.frames(resized.shortest - 1) == 0


@pytest.mark.parametrize("name", FEATURES.names())
def test_lengths_and_places_are_those_of_torch(name):
    for arguments in options(name):
        module, feature = (registry[name].function(RATE, **arguments) for registry in (FEATURES, NUMPY_FEATURES))
        assert feature.shortest == module.shortest and feature.hop_samples == module.hop_samples
        wave = np.random.default_rng(0).normal(0, 0.1, (1, feature.shortest)).astype(np.float32)
        got = feature(wave)
        assert got.shape[-1] == feature.frames(feature.shortest) == module.frames(module.shortest) > 0
        np.testing.assert_allclose(got, maps_of(module, wave), rtol=0, atol=bound(feature))
        with pytest.raises(ValueError, match="samples? (is|are) fewer than one frame"):
            feature(wave[:, : feature.shortest - 1])
        places = np.array([0.0, 0.5, 7.0])
        np.testing.assert_array_equal(feature.middles(places, SAMPLES), module.middles(places, SAMPLES))


@pytest.mark.parametrize("kind", ["hann", "hamming"])
@pytest.mark.parametrize("samples", [1, 2, 3, 400, 882, 2048, 16384])
def test_windows_are_those_of_torch(kind, samples):
    shape = {"hann": torch.hann_window, "hamming": torch.hamming_window}[kind]
    expected = shape(samples, periodic=True, dtype=torch.float64).numpy()
    # the cosines of both are right to their last bit, at most 1.1e-16 below 1
    np.testing.assert_allclose(Framing(samples, 1, samples, kind).window, expected, rtol=0, atol=2.3e-16)


def test_a_symmetric_window_is_torch_s():
    for samples in (1, 2, 3, 800):
        expected = torch.hann_window(samples, periodic=False, dtype=torch.float64).numpy()
        np.testing.assert_allclose(
            Framing(samples, 1, samples, "hann_symmetric").window, expected, rtol=0, atol=2.3e-16
        )


def test_preemphasis_has_its_closed_form():
    """|1 − 0.97 e^(−iω)|² is what the power of a tone is multiplied by."""
    wave = np.cos(2 * np.pi * 64 / 512 * np.arange(4097)).astype(np.float32)[None]
    arguments = {"window": 512 / 16_000, "hop": 128 / 16_000, "bands": 40, "centre": True}
    flat, steep = (NUMPY_FEATURES["logmel"].function(16_000, **arguments, preemphasis=share) for share in (0.0, 0.97))
    band = int(flat(wave)[0, 0, :, 10].argmax())  # of the tone; the frames at the ends hear zeros too
    got = (steep(wave) - flat(wave))[0, 0, band, 4:-4]
    expected = 10 * math.log10(abs(1 - 0.97 * np.exp(-2j * np.pi * 64 / 512)) ** 2)
    np.testing.assert_allclose(got, expected, atol=1e-3)
    assert steep.frames(4097) == 4096 // 128 + 1 == steep(wave).shape[-1]
    with pytest.raises(ValueError, match="preemphasis is of centred frames.*set centre: true"):
        NUMPY_FEATURES["logmel"].function(16_000, preemphasis=0.97)
    with pytest.raises(ValueError, match="preemphasis is 1: give the share"):
        NUMPY_FEATURES["logmel"].function(16_000, preemphasis=1.0)


def test_a_sine_has_its_power():
    """A closed form: a sine of amplitude 1 at bin 32 has the power (sum of the window / 2)² there, 10·log10(128²) dB."""
    wave = np.cos(2 * np.pi * 32 / 512 * np.arange(4096)).astype(np.float32)
    maps = NUMPY_FEATURES["spectrogram"].function(16_000, window=512 / 16_000, hop=128 / 16_000)(wave[None])
    assert (maps[0, 0].argmax(0) == 32).all()
    np.testing.assert_allclose(maps[0, 0, 32], 20 * math.log10(128), atol=1e-4)


@pytest.mark.parametrize("name", FEATURES.names())
def test_threads_share_a_feature(name):
    feature = NUMPY_FEATURES[name].function(16_000)
    chance = np.random.default_rng(0)
    waves = [chance.normal(0, 0.1, (1 + i % 3, 12_000 + 500 * (i % 5))).astype(np.float32) for i in range(8)]
    before = [feature(each) for each in waves]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(feature, waves * 2))
    for alone, among in zip(before * 2, together, strict=True):
        np.testing.assert_array_equal(among, alone)


@pytest.mark.parametrize("name", FEATURES.names())
def test_maps_are_their_callers_own(name):
    """What the next call computes in the same thread leaves them as they are, and waves stay as they were."""
    feature = NUMPY_FEATURES[name].function(16_000)
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 12_000)).astype(np.float32)
    before, first = waves.copy(), feature(waves)
    kept = first.copy()
    feature(-3 * waves)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(waves, before)
    np.testing.assert_array_equal(feature(waves[1:]), kept[1:])  # a batch is its members
