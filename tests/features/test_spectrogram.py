"""Linear spectrogram against librosa on real clips."""

import numpy as np
import pytest
import torch

from earmark.models.features.spectrogram import Spectrogram

librosa = pytest.importorskip("librosa")


@pytest.mark.parametrize(
    ("arguments", "window", "fft", "bins"),
    [({}, 1024, 1024, 513), ({"window": 2048 / 44100, "window_kind": "hamming", "centre": True}, 2048, 2048, 1025),
     ({"window": 1024 / 44100, "fft": 4096}, 1024, 4096, 2049)],
)  # fmt: skip
def test_decibels_equal_librosas(clips, arguments, window, fft, bins):
    feature = Spectrogram(44100, **arguments)
    assert feature.bands == bins
    for clip in clips[:4]:
        bins_of = librosa.stft(
            clip.astype(np.float64),
            n_fft=fft,
            hop_length=512,
            win_length=window,
            window=arguments.get("window_kind", "hann"),
            center=arguments.get("centre", False),
        )
        expected = librosa.power_to_db(np.abs(bins_of) ** 2, ref=1.0, amin=1e-10, top_db=None)
        got = feature(torch.from_numpy(clip)[None])[0, 0].numpy()
        assert got.shape == expected.shape == (bins, feature.frames(len(clip)))
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_natural_logarithm_of_magnitudes(seconds):
    got = Spectrogram(44100, magnitude=True, log="ln", floor=0.01)(torch.from_numpy(seconds))[:, 0].numpy()
    bins = librosa.stft(seconds.astype(np.float64), n_fft=1024, hop_length=512, center=False)
    np.testing.assert_allclose(got, np.log(np.abs(bins) + 0.01), atol=1e-4)


def test_a_tone_has_the_level_of_its_bin():
    """A closed form: amplitude a at bin 16 has the power (a · window sum / 2)², the window's sum being half its length."""
    feature = Spectrogram(16000, 512 / 16000, 128 / 16000)
    wave = 0.5 * torch.cos(2 * torch.pi * 16 / 512 * torch.arange(4096, dtype=torch.float64)).float()
    level = feature(wave[None])[0, 0]
    assert (level.argmax(0) == 16).all()
    np.testing.assert_allclose(level[16], 20 * np.log10(0.5 * 256 / 2), atol=1e-3)


def test_a_window_longer_than_the_fft_is_refused():
    with pytest.raises(ValueError, match="a window of 2,048 samples does not fit an FFT of 1024"):
        Spectrogram(44100, 2048 / 44100, fft=1024)


def test_the_papers_window_and_the_papers_size():
    """Paper 002 has a window of 2048 and 513 bins: the lower half of 1025, the last at 512 · 44100 / 2048 = 11,025 Hz."""
    feature = Spectrogram(44100, 2048 / 44100, window_kind="hamming", centre=True, bins=513)
    assert feature.bands == 513
    times = np.arange(44_100) / 44_100
    wave = np.sin(2 * np.pi * 11_025 * times) + np.sin(2 * np.pi * 15_000 * times)
    got = feature(torch.from_numpy(wave.astype(np.float32))[None])[0, 0]
    assert got.shape == (513, 44_100 // 512 + 1)
    assert (got[:, 5:-5].argmax(0) == 512).all()
    whole = Spectrogram(44100, 2048 / 44100, window_kind="hamming", centre=True)
    assert torch.equal(got, whole(torch.from_numpy(wave.astype(np.float32))[None])[0, 0, :513])


@pytest.mark.parametrize("bins", [0, 514])
def test_more_bins_than_there_are_are_refused(bins):
    with pytest.raises(ValueError, match=f"bins is {bins}: an FFT of 1024 has from 1 to 513"):
        Spectrogram(44100, bins=bins)
