"""MFCC against librosa and SciPy on real clips."""

import numpy as np
import pytest
import torch

from earmark.models.features.mfcc import Mfcc, cosines

librosa = pytest.importorskip("librosa")


@pytest.mark.parametrize(
    ("arguments", "coefficients", "kind"),
    [
        ({}, 40, "hann"),
        ({"centre": True, "window_kind": "hamming"}, 40, "hamming"),  # paper 002's window
        ({"coefficients": 13, "mel_bands": 64, "low": 50.0, "high": 16000.0}, 13, "hann"),
    ],
)
def test_coefficients_equal_librosas(clips, arguments, coefficients, kind):
    feature = Mfcc(44100, **arguments)
    for clip in clips:
        power = librosa.feature.melspectrogram(
            y=clip.astype(np.float64),
            sr=44100,
            n_fft=2048,
            hop_length=512,
            n_mels=arguments.get("mel_bands", 128),
            fmin=arguments.get("low", 0.0),
            fmax=arguments.get("high", 22050.0),
            center=arguments.get("centre", False),
            window=kind,
        )
        expected = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=None), n_mfcc=coefficients)
        got = feature(torch.from_numpy(clip)[None])[0, 0].numpy()
        assert got.shape == expected.shape == (coefficients, feature.frames(len(clip)))
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_cosines_equal_scipys():
    fft = pytest.importorskip("scipy.fft")
    for bands in (1, 5, 128):
        np.testing.assert_allclose(cosines(bands, bands), fft.dct(np.eye(bands), axis=0, norm="ortho"), atol=1e-12)
        np.testing.assert_allclose(cosines(bands, bands) @ cosines(bands, bands).T, np.eye(bands), atol=1e-12)


def test_constants_for_each_coefficient():
    waves = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    plain = Mfcc(16000, coefficients=3)(waves)
    scaled = Mfcc(16000, coefficients=3, mean=[-500.0, 10.0, 0.0], deviation=[100.0, 2.0, 1.0])(waves)
    for i, (mean, deviation) in enumerate([(-500, 100), (10, 2), (0, 1)]):
        torch.testing.assert_close(scaled[:, :, i], (plain[:, :, i] - mean) / deviation, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coefficients": 0}, "0 coefficients of 128 mel bands: there are from 1 to 128"),
        ({"mel_bands": 20}, "40 coefficients of 20 mel bands: there are from 1 to 20"),
        ({"mean": [1.0, 2.0]}, "mean has 2 constants for 40 coefficients: give one for all or one for each"),
        ({"deviation": [1.0] * 39 + [0.0]}, "deviation is 0: it must be above 0"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mfcc(16000, **arguments)
