"""Log-mel and its parts against librosa on real clips, closed forms, and both ways of going through a batch."""

import math

import numpy as np
import pytest
import torch

from earmark.engines.features.mel import hz_to_mel, mel_filters, mel_to_hz
from earmark.models.features import LogMel
from earmark.models.features.spectrum import LARGEST_BLOCK, Spectrum

librosa = pytest.importorskip("librosa")


@pytest.mark.parametrize(
    ("window", "hop", "bands", "centre", "kind"),
    [(2048, 256, 128, False, "hann"), (2048, 512, 128, True, "hamming"), (1024, 441, 64, True, "hann")],
)
def test_decibels_equal_librosas(clips, window, hop, bands, centre, kind):
    feature = LogMel(44100, window / 44100, hop / 44100, bands, centre=centre, window_kind=kind)
    for clip in clips:
        # double precision there: what is compared is our error, not the sum of both
        power = librosa.feature.melspectrogram(
            y=clip.astype(np.float64), sr=44100, n_fft=window, hop_length=hop, n_mels=bands, center=centre, window=kind
        )
        expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
        got = feature(torch.from_numpy(clip)[None])[0, 0].numpy()
        assert got.shape == expected.shape == (bands, feature.frames(len(clip)))
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_the_vggish_front_end(clips):
    """Paper 003's: magnitudes, HTK mel of height one, natural logarithm with an offset, an FFT longer than the window."""
    feature = LogMel(
        16000,
        0.025,
        0.01,
        64,
        125,
        7500,
        fft=512,
        mel_scale="htk",
        equal_area=False,
        magnitude=True,
        log="ln",
        floor=0.01,
    )
    wave = librosa.resample(clips[0].astype(np.float64), orig_sr=44100, target_sr=16000)
    stft = librosa.stft(wave, n_fft=512, hop_length=160, win_length=400, center=False)
    mel = librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None) @ np.abs(stft)
    got = feature(torch.from_numpy(wave.astype(np.float32))[None])[0, 0].numpy()
    np.testing.assert_allclose(got, np.log(mel + 0.01), atol=1e-4)


def test_filters_equal_librosas():
    for scale, htk in (("slaney", False), ("htk", True)):
        ours = mel_filters(44100, 2048, 128, 0, 22050, scale)
        np.testing.assert_allclose(ours, librosa.filters.mel(sr=44100, n_fft=2048, n_mels=128, htk=htk), atol=1e-7)


def test_triangles_straight_over_mel_are_vggish_s():
    """Hershey and others: 64 bands from 125 to 7500 Hz, mel = 1127 · ln(1 + f / 700), sides straight over mel."""
    ours = mel_filters(16000, 512, 64, 125, 7500, "htk", equal_area=False, triangles="mel")
    first, last = (1127 * math.log(1 + hz / 700) for hz in (125, 7500))
    for band in range(64):
        lower, centre, upper = (first + (last - first) * (band + i) / 65 for i in range(3))
        for bin_ in range(257):
            mel = 1127 * math.log(1 + bin_ * 16000 / 512 / 700)
            expected = max(0.0, min((mel - lower) / (centre - lower), (upper - mel) / (upper - centre)))
            assert ours[band, bin_] == pytest.approx(expected, abs=1e-6)


def test_the_two_kinds_of_triangles_by_hand():
    """One band from 0 to 6300 Hz in HTK's mel, 700 · (10 ** x - 1): 10 is reached at 6300 Hz, its root at the top.

    At 1400 Hz, 3 in units of 700 Hz + 1, log10(3) / log10(sqrt(10)) = 0.954 of the way in mel, 1400 / 1513.6 = 0.925 in Hz.
    """
    fft, rate = 18, 12600  # bins of 700 Hz
    hz, mel = (mel_filters(rate, fft, 1, 0, 6300, "htk", False, kind)[0, 2] for kind in ("hz", "mel"))
    assert hz == pytest.approx(2 / (math.sqrt(10) - 1), abs=1e-6)
    assert mel == pytest.approx(2 * math.log10(3), abs=1e-6)


def test_triangles_are_an_option_of_logmel_and_hz_the_default():
    told = {"bands": 64, "low": 125, "high": 7500, "mel_scale": "htk", "equal_area": False}
    plain, hz, mel = (
        LogMel(16000, 0.025, 0.01, fft=512, **told, **more) for more in ({}, {"triangles": "hz"}, {"triangles": "mel"})
    )
    assert torch.equal(plain.filters, hz.filters) and not torch.equal(plain.filters, mel.filters)
    with pytest.raises(ValueError, match="triangles"):
        LogMel(16000, triangles="bark")


def test_mel_and_back():
    hz = np.array([0.0, 440.0, 999.9, 1000.0, 8000.0, 20000.0])
    for scale in ("slaney", "htk"):
        np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, rtol=1e-12, atol=1e-9)


def test_a_sine_lands_in_its_bin():
    """A closed form: a sine of amplitude 1 at bin 32 has the power (sum of the window / 2)² there."""
    spectrum = Spectrum(512, 128, 512)
    wave = torch.cos(2 * torch.pi * 32 / 512 * torch.arange(4096, dtype=torch.float64)).float()
    power = spectrum(wave[None])[0]
    assert power.shape == (257, spectrum.frames(4096))
    assert (power.argmax(0) == 32).all()
    np.testing.assert_allclose(power[32].numpy(), (256 / 2) ** 2, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"high": 9000}, "do not fit below half the sample rate, 8000 Hz"),
        ({"bands": 400, "window": 0.01}, "narrower than an FFT bin"),
        ({"window": 0.1, "fft": 512}, "1,600 samples does not fit an FFT of 512"),
        ({"hop": 0.0}, "a hop of 0 samples"),
        ({"bands": 0}, "bands is 0: there must be at least one"),
        ({"deviation": 0.0}, "deviation is 0: it must be above 0"),
        ({"floor": 0.0}, "floor is 0: it must be above 0"),
        ({"window_kind": "blackman"}, "window_kind is 'blackman': take one of hann, hamming"),
        ({"mel_scale": "bark"}, "mel_scale is 'bark': take one of slaney, htk"),
        ({"log": "log10"}, "log is 'log10': take one of db, ln"),
        ({"frame": "hop"}, "frame is 'hop': take one of fft, window"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogMel(16000, **arguments)


def test_levels_are_centred_and_scaled():
    waves = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    plain, scaled = LogMel(16000, 0.025, 0.01, 40)(waves), LogMel(16000, 0.025, 0.01, 40, mean=-30, deviation=20)(waves)
    torch.testing.assert_close(scaled, (plain + 30) / 20)


@pytest.mark.parametrize("largest", [1 << 27, 3 * 48 * 400, 1])
def test_whole_batches_at_once_give_what_blocks_give(largest, monkeypatch):
    """The way of other devices than the CPU: all waves, three, or one at once, through the same functions."""
    feature = LogMel(16000, 0.025, 0.01, 40, log="ln", magnitude=True, floor=0.01)
    spectrum = feature.spectrum
    waves = torch.randn(5, 8000, generator=torch.Generator().manual_seed(0))
    in_blocks, power = feature(waves), spectrum(waves)
    assert largest <= LARGEST_BLOCK
    monkeypatch.setattr("earmark.models.features.spectrum.LARGEST_BLOCK", largest)
    monkeypatch.setattr(spectrum, "blocks", lambda waves: spectrum.batched(spectrum.cut(waves)))
    assert [len(block) for block in spectrum.blocks(waves)] == {1 << 27: [5], 3 * 48 * 400: [3, 2], 1: [1] * 5}[largest]
    torch.testing.assert_close(spectrum(waves), power, rtol=1e-6, atol=0)
    torch.testing.assert_close(feature(waves), in_blocks, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fft", [15, 16])
@pytest.mark.parametrize("samples", [1, 7, 8, 40, 41])
def test_centred_frames_lie_on_multiples_of_the_hop(fft, samples):
    """An impulse at a multiple of the hop stands in the middle of that frame, where the window is one."""
    spectrum = Spectrum(fft, 8, fft, centre=True)
    for at in range(0, samples, 8):
        wave = torch.zeros(1, samples)
        wave[0, at] = 1
        frames = spectrum.cut(spectrum.padded(wave))[0]
        assert len(frames) == spectrum.frames(samples)
        assert frames[at // 8, fft // 2] == 1
    assert samples // 8 == 0 or spectrum.samples(spectrum.frames(samples)) == samples // 8 * 8


def test_frames_as_long_as_the_window():
    """VGGish's framing: 10 s at 16 kHz are 998 frames of 400 samples, each the spectrum of its samples and 112 zeros."""
    told = {"window": 400 / 16000, "hop": 160 / 16000, "fft": 512, "bands": 64, "low": 125.0, "high": 7500.0}
    feature = LogMel(16_000, frame="window", **told)
    assert feature.frames(160_000) == 998
    assert feature.shortest == 400
    assert feature.samples(998) == 400 + 997 * 160
    wave = np.random.default_rng(0).normal(0, 0.1, 2000).astype(np.float32)
    made = feature.spectrum(torch.from_numpy(wave)[None])[0].numpy()
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    for frame in range(made.shape[1]):
        expected = np.abs(np.fft.rfft(wave[160 * frame : 160 * frame + 400] * hann, 512)) ** 2
        np.testing.assert_allclose(made[:, frame], expected, rtol=1e-5, atol=1e-9)
    # the same spectra as frames of the FFT's length have, whose window lies in their middle, 56 samples later
    later = LogMel(16_000, **told).spectrum(torch.from_numpy(np.pad(wave, (56, 56)))[None])[0].numpy()
    np.testing.assert_allclose(later[:, : made.shape[1]], made, rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match="centred frames are as long as the FFT"):
        LogMel(16_000, frame="window", centre=True, **told)


def by_hand(wave, rate, fft, hop, bands, mode):
    """Centred frames as librosa has them, from its formulas alone: pad, periodic Hann, |X|², Slaney's triangles, decibels."""
    padded = np.pad(wave.astype(np.float64), fft // 2, mode=mode)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)
    starts = range(0, len(padded) - fft + 1, hop)
    power = np.abs(np.fft.rfft(np.stack([padded[s : s + fft] * window for s in starts]), axis=1)) ** 2

    def hz(mel):  # linear to 1 kHz, which is mel 15, then by a factor of 6.4 in 27 steps
        return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27))

    edges = hz(np.linspace(0, 15 + 27 * np.log(rate / 2 / 1000) / np.log(6.4), bands + 2))
    bins = np.arange(fft // 2 + 1) * rate / fft
    filters = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        triangle = np.interp(bins, [low, middle, high], [0, 1, 0], left=0, right=0)
        filters.append(triangle * 2 / (high - low))
    return 10 * np.log10(np.maximum(power @ np.array(filters).T, 1e-10)).T


@pytest.mark.parametrize(("edges", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_centred_frames_by_hand(edges, mode):
    """Paper 004's spectrogram: librosa's defaults with a hop of 256; librosa of its time mirrored the wave at its ends."""
    wave = np.random.default_rng(0).normal(0, 0.1, 88_200).astype(np.float32)
    feature = LogMel(44100, hop=256 / 44100, centre=True, edges=edges)
    got = feature(torch.from_numpy(wave)[None])[0, 0].numpy()
    expected = by_hand(wave, 44_100, 2048, 256, 128, mode)
    assert got.shape == expected.shape == (128, 88_200 // 256 + 1) == (128, feature.frames(88_200))
    np.testing.assert_allclose(got, expected, atol=1e-4)
    middles = feature.middles(np.arange(3.0), 88_200)
    assert middles.tolist() == [0, 256, 512]


def test_edges_make_a_difference_at_the_ends_alone():
    waves = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0))
    zeros, mirrored = (
        LogMel(16_000, 0.064, 0.016, 40, centre=True, edges=edges)(waves) for edges in ("zeros", "reflect")
    )
    reach = 512 // 256 + 1  # frames whose window of 1024 samples reaches beyond an end
    assert torch.equal(zeros[..., reach:-reach], mirrored[..., reach:-reach])
    assert not torch.allclose(zeros[..., 0], mirrored[..., 0], atol=0.1)


def test_what_cannot_be_mirrored():
    feature = LogMel(16_000, 0.064, 0.016, 40, centre=True, edges="reflect")
    assert feature.shortest == 513
    assert feature(torch.randn(1, 513)).shape[-1] == feature.frames(513)
    with pytest.raises(ValueError, match="512 samples are fewer than"):
        feature(torch.randn(1, 512))
    with pytest.raises(ValueError, match="edges: reflect is of centred frames"):
        LogMel(16_000, edges="reflect")
    with pytest.raises(ValueError, match="edges is 'wrap': take one of zeros, reflect"):
        LogMel(16_000, centre=True, edges="wrap")
