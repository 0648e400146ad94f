"""The filter bank and the nets behind it, against closed forms and a mel spectrogram; the contract tests look at the rest."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from earmark import audio
from earmark.engines.features.mel import hz_to_mel, mel_to_hz
from earmark.models.layers.filterbank import FilterBank, gabor_filters
from earmark.models.nets.bankresnet import bankresnet
from earmark.models.nets.banktexture import banktexture
from earmark.registry import FEATURES

RATE, LOW, BANDS = 16_000, 50.0, 64
NETS = {
    "bankresnet": partial(bankresnet, widths=[4, 4], blocks=[1, 1]),
    "banktexture": partial(banktexture, widths=[4]),
}


def bank():
    return FilterBank(RATE, BANDS, LOW, None, window=0.025, hop=0.010, stride=0.002, floor=1e-7, learn=True)


def edges():
    """Hz, evenly apart in mel: (BANDS + 2,)."""
    lowest, highest = hz_to_mel(np.array([LOW, RATE / 2]), "slaney")
    return mel_to_hz(np.linspace(lowest, highest, BANDS + 2), "slaney")


def energies(waves):
    """Waves (batch, samples) → (batch, bands, frames): what the bank takes the logarithm of."""
    with torch.no_grad():
        return bank().energies(waves).numpy()


def tone(frequency, level=0.5):
    return level * torch.sin(2 * torch.pi * frequency * torch.arange(RATE) / RATE)


def test_a_tone_at_the_centre_of_a_band_gives_its_power():
    """sin² + cos² = 1: at the centre of a band the energy is the square of the amplitude, all the time."""
    for band in (20, 40, 60):
        inside = energies(tone(edges()[band + 1])[None])[0, :, 5:-5]
        assert inside.mean(1).argmax() == band
        np.testing.assert_allclose(inside[band], 0.25, rtol=0.01)


def test_a_band_is_half_as_high_on_the_way_to_its_neighbour():
    """As a triangle of mel is; above some 2 kHz, where a filter of 25 ms is long enough for it."""
    weights = gabor_filters(RATE, 401, BANDS, LOW, RATE / 2).reshape(BANDS, 2, 401)
    times = np.arange(401) / RATE
    for band in (45, 53, 60):
        below, centre, above = edges()[band : band + 3]
        for off in (-(above - below) / 4, (above - below) / 4):
            gain = abs(np.exp(-2j * np.pi * (centre + off) * times) @ (weights[band, 0] + 1j * weights[band, 1])) / 2
            assert gain == pytest.approx(0.5, abs=0.01)


def test_frame_k_is_centred_on_sample_k_times_hop():
    wave = torch.zeros(1, RATE)
    wave[0, 37 * 160] = 1.0
    assert set(energies(wave)[0, 40:].argmax(-1)) == {37}


def test_it_begins_as_a_mel_spectrogram(data):
    """On a real recording the maps go with those of an independent way to the same bands: Fourier, triangles, logarithm."""
    wave = torch.from_numpy(audio.load(data / "esc10" / "audio" / "1-17150-A-12.ogg", RATE, 0.0, 2.0))[None]  # fire
    logmel = FEATURES["logmel"].function(
        RATE,
        window=0.025,
        hop=0.010,
        fft=960,
        bands=BANDS,
        low=LOW,
        high=RATE / 2,
        mel_scale="slaney",
        equal_area=False,
    )
    theirs = logmel(wave)[0, 0].numpy()
    # its first frame is centred on sample 480, ours on sample 0
    ours = 10 * np.log10(energies(wave)[0, :, 3 : 3 + theirs.shape[1]] + 1e-10)
    together = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)]
    assert np.median(together) > 0.95
    assert np.corrcoef(ours.mean(1), theirs.mean(1))[0, 1] > 0.95


@pytest.mark.parametrize("learn", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_filters_move_where_they_are_learnt(name, learn):
    torch.manual_seed(0)
    net = NETS[name](learn=learn)
    before = net.bank.conv.weight.detach().clone()
    net(torch.randn(2, 8_000)).levels.square().sum().backward()
    torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 1e-2).step()
    assert torch.equal(before, net.bank.conv.weight) != learn


def test_float32_under_autocast():
    """A quiet tone beside a loud one keeps its level: bfloat16 would bury it 50 dB below."""
    own = bankresnet().bank
    waves = (tone(edges()[11]) + tone(edges()[61], 5e-4))[None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        inside = own.eval()(waves)
    with torch.no_grad():
        assert torch.equal(inside, own(waves))


def test_adam_leaves_the_filters_filters():
    """It moves each weight by about the learning rate, however small the weight is."""
    own = bankresnet().bank.train()
    before = own.conv.weight.detach().clone()
    optimiser = torch.optim.Adam(own.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        optimiser.zero_grad()
        maps = own(torch.randn(2, RATE // 2, generator=generator))
        (maps * torch.randn(maps.shape, generator=generator)).mean().backward()
        optimiser.step()
    moved = (own.conv.weight.detach() - before).norm(dim=2) / before.norm(dim=2)
    assert moved.min() > 0
    assert moved.max() < 0.3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"high": 9000.0}, "do not fit below half the sample rate, 8000 Hz"),
        ({"hop": 0.001}, "at most a hop"),
        ({"stride": 1e-9}, "at least one sample"),
        ({"floor": 0.0}, "above 0"),
        ({"floor": 1e-60}, "floor is 1e-60: it lies between 1e-37 and 1e"),
        ({"filters": 0}, "filters is 0"),
        ({"dropout": 1.0}, "dropout is 1"),
    ],
)
@pytest.mark.parametrize("name", NETS)
def test_what_cannot_be_is_refused(name, arguments, told):
    with pytest.raises(ValueError, match=told):
        NETS[name](**arguments)


def test_texture_hears_the_bank_in_units_of_ten_decibels():
    """Its maps are those of the bank in place of a spectrogram's: the same statistics, the same answer."""
    torch.manual_seed(0)
    net = banktexture().eval()
    waves = 0.1 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = 0.1 * (10 * torch.log10(net.bank.energies(waves) + 1e-7))[:, None]
        torch.testing.assert_close(net(waves).levels, net.texture(maps).levels, atol=1e-4, rtol=1e-4)
