"""Multi-resolution log-mel against three calls of librosa on real clips."""

import numpy as np
import pytest
import torch

from earmark.models.features import LogMel
from earmark.models.features.multires import MultiRes

librosa = pytest.importorskip("librosa")


def test_channels_equal_librosas(clips):
    feature = MultiRes(44100)
    assert (feature.channels, feature.bands) == (3, 128)
    for clip in clips[:4]:
        got = feature(torch.from_numpy(clip)[None])[0].numpy()
        for channel, window in enumerate((2048, 8192, 16384)):
            power = librosa.feature.melspectrogram(
                y=clip.astype(np.float64), sr=44100, n_fft=window, hop_length=512, n_mels=128, center=True
            )
            expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
            assert got[channel].shape == expected.shape == (128, feature.frames(len(clip)))
            np.testing.assert_allclose(got[channel], expected, atol=1e-4)


def test_the_papers_frames():
    """299 frames of 512 samples at 44.1 kHz are 3.46 s (paper 002, section 2.2: about 3.5 s)."""
    feature = MultiRes(44100)
    assert feature.samples(299) == 298 * 512 == 152_576
    assert feature.frames(152_576) == 299


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 48000])
def test_all_windows_have_as_many_frames_at_any_rate(rate):
    """Windows of an odd number of samples too: 2048 / 44100 s are 743 samples at 16 kHz."""
    feature = MultiRes(rate, bands=20)
    for samples in (1, feature.hop_samples, 10 * feature.hop_samples, 10 * feature.hop_samples + 1, rate):
        assert feature(torch.zeros(1, samples)).shape == (1, 3, 20, feature.frames(samples))


def test_constants_for_each_window():
    waves = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    feature = MultiRes(16000, [0.064, 0.128], 0.016, 20, mean=[-30.0, -20.0], deviation=[10.0, 5.0])
    for i, (window, mean, deviation) in enumerate([(0.064, -30, 10), (0.128, -20, 5)]):
        alone = LogMel(16000, window, 0.016, 20, centre=True, mean=mean, deviation=deviation)
        assert torch.equal(feature(waves)[:, i], alone(waves)[:, 0])


def test_one_map_of_all_bands(seconds):
    """Paper 002's T × (128 · 3): the bands of the first window below, as librosa has each."""
    waves = torch.from_numpy(seconds[:1])
    feature = MultiRes(44100, window_kind="hamming", join="bands")
    assert (feature.channels, feature.bands) == (1, 384)
    got = feature(waves)
    assert got.shape == (1, 1, 384, feature.frames(88_200))
    for place, window in enumerate((2048, 8192, 16384)):
        power = librosa.feature.melspectrogram(
            y=seconds[0].astype(np.float64), sr=44100, n_fft=window, hop_length=512, n_mels=128, window="hamming"
        )
        expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
        np.testing.assert_allclose(got[0, 0, 128 * place : 128 * (place + 1)], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"windows": []}, "windows is empty"),
        ({"windows": [0.1, 0.0]}, "a window of 0 samples"),
        ({"mean": [1.0]}, "mean has 1 constant for 3 windows: give one for all or one for each"),
        ({"bands": 0}, "bands is 0"),
        ({"join": "frames"}, "join is 'frames': take one of channels, bands"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiRes(16000, **arguments)
