"""State dicts of CED: names and shapes as theirs, against torch's own transformer layers and its own transform of waves."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import earmark
from earmark import audio
from earmark.errors import TaggerError
from earmark.models.adopted import adopting
from earmark.models.adopted.asked import Asked
from earmark.models.layers.blocks import count
from earmark.registry import NETS

TAGS, WIDTH, HEADS, DEPTH = 4, 192, 3, 12


class Theirs(nn.Module):
    """CED in evaluation, its blocks as torch has them: normalised before each part, GELU between the dense layers."""

    def __init__(self):
        super().__init__()
        self.init_bn = nn.BatchNorm2d(64)
        self.proj = nn.Conv2d(1, WIDTH, 16, 16)
        self.times, self.heights = nn.Parameter(torch.randn(WIDTH, 1, 63)), nn.Parameter(torch.randn(WIDTH, 4, 1))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
            for _ in range(DEPTH)
        )
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.outputlayer = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TAGS))

    def forward(self, maps):
        x = self.proj(self.init_bn(maps.transpose(1, 2)).transpose(1, 2))
        x = (x + self.times[..., : x.shape[-1]] + self.heights).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return torch.sigmoid(self.outputlayer(self.norm(x).mean(1)))

    def told(self, under="", norm="init_bn.1"):
        """By the names of the published files."""
        own = {name: value.numpy() for name, value in self.state_dict().items()}
        told = {}
        for name, value in own.items():
            for ours, theirs in (
                ("^init_bn", norm), ("^proj", "patch_embed.proj"), ("self_attn.in_proj_", "attn.qkv."), ("self_attn.out_proj", "attn.proj"),
                ("linear1", "mlp.fc1"), ("linear2", "mlp.fc2"),
            ):  # fmt: skip
                name = re.sub(ours, theirs, name)
            if name in ("times", "heights"):
                name, value = {"times": "time_pos_embed", "heights": "freq_pos_embed"}[name], value[None]
            told[name if name.startswith("outputlayer") else under + name] = value
        return told


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    net = Theirs().eval().requires_grad_(False)
    net.init_bn.running_mean.normal_(-20, 3)
    net.init_bn.running_var.uniform_(50, 200)
    for name, value in net.named_parameters():
        if value.ndim == 1:
            value.add_(torch.randn_like(value) * 0.1)
        elif "linear" in name or "attn" in name or "outputlayer" in name:
            value.mul_(2)
    return net


@pytest.fixture
def adopt(tmp_path):
    labels = tmp_path / "names.csv"
    labels.write_text("index,mid,display_name\n0,a,Dog\n1,b,Rain\n2,c,Wind\n3,d,Sea\n")

    def adopted(told):
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(value) for name, value in told.items()}, tmp_path / "model.safetensors")
        return adopting.adopt(Asked(tmp_path / "model.safetensors", labels, "Apache-2.0", "made up"))

    return adopted


@pytest.mark.parametrize(
    ("under", "norm"), [("", "init_bn.1"), ("encoder.", "init_bn")], ids=["the authors'", "Hugging Face's"]
)
def test_it_scores_as_torch_s_own_layers(adopt, theirs, tmp_path, under, norm):
    tagger = adopt(theirs.told(under, norm))
    assert tagger.recipe.net.name == "ced_tiny" and tagger.vocabulary == ("Dog", "Rain", "Wind", "Sea")
    maps = torch.from_numpy(np.random.default_rng(1).normal(-20, 10, (2, 1, 64, 250)).astype("f4"))
    with torch.inference_mode():
        got, expected = tagger.net(maps).levels[:, 0].sigmoid().numpy(), theirs(maps).numpy()
    assert expected.std() > 0.01  # it does say something
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    tagger.save(tmp_path / "t.safetensors")
    assert earmark.load(tmp_path / "t.safetensors", engine="torch").facts.adopted.layout == "a state dict of CED"


def test_the_front_end_is_theirs(adopt, theirs, data):
    """Ten seconds make 1,001 frames; decibels of power in 64 bands on HTK's scale, by torch's own transform."""
    tagger = adopt(theirs.told())
    file = next(iter(sorted((data / "esc10" / "audio").iterdir())))
    wave = np.tile(audio.load(file, 16_000), 2)[:160_000]
    spectra = torch.stft(
        torch.from_numpy(wave).double(),
        512,
        160,
        window=torch.hann_window(512, dtype=torch.float64),
        return_complex=True,
    )
    hz = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    filters = np.array([np.interp(np.arange(257) * 31.25, hz[n : n + 3], [0, 1, 0], 0, 0) for n in range(64)])
    expected = 10 * np.log10(np.maximum(filters @ (spectra.abs() ** 2).numpy(), 1e-10))
    with torch.inference_mode():
        got = tagger.features(torch.from_numpy(wave)[None])[0, 0].numpy()
    assert got.shape == (64, 1001)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "width", "published"), [("tiny", 192, 5.5), ("mini", 256, 9.7), ("small", 384, 21.6), ("base", 768, 85.7)]
)
def test_counts_by_hand(name, width, published):
    """A block has 12 w² + 13 w; before them patches, 63 times and four heights, behind them two norms and 527 tags.

    Published are 5.5, 9.6, 22 and 86 million.
    """
    with torch.device("meta"):
        got, _ = count(NETS[f"ced_{name}"].function())
    assert got == 12 * (12 * width**2 + 13 * width) + (256 + 1) * width + (
        63 + 4
    ) * width + 2 * 2 * width + 128 + 527 * (width + 1)
    assert round(got / 1e6, 1) == published


def test_longer_maps_than_it_knows_times_for_are_refused():
    net = NETS["ced_tiny"].function(tags=3, width=12, depth=1)
    assert net(torch.zeros(1, 1, 64, 1012)).levels.shape == (1, 1, 3)
    with pytest.raises(ValueError, match=r"1,013 frames are too many: this net knows times up to 1,012"):
        net(torch.zeros(1, 1, 64, 1013))
    with pytest.raises(ValueError, match="15 bands are too few: this net needs at least 16"):
        NETS["ced_tiny"].function(bands=15)
    with pytest.raises(ValueError, match="width is 10, which 3 heads cannot share"):
        NETS["ced_tiny"].function(width=10)


@pytest.mark.parametrize(("change", "words"), [
    ({"blocks.3.attn.qkv.bias": None}, "it has no blocks.3.attn.qkv.bias, which ced_tiny has"),
    ({"more": np.ones(2, "f4")}, "1 tensor that is none of ced_tiny's, first more"),
    ({"time_pos_embed": np.ones((1, 100, 1, 63), "f4")}, "its patches have 100 numbers, and CED's 192, 256, 384, 768"),
    ({"time_pos_embed": np.ones((1, 192, 1, 31), "f4")}, "its time_pos_embed is 1 × 192 × 1 × 31, and ced_tiny's is 1 × 192 × 1 × 63"),
    ({"outputlayer.1.bias": None}, "it has no outputlayer.1.bias: a net without tags can be adopted as a box alone"),
    ({"front_end.0.mel_scale.fb": np.ones((257, 64), "f4")}, "its mel bands, 257 × 64, are not those of 16 kHz"),
])  # fmt: skip
def test_what_is_none_of_them_is_refused(adopt, theirs, change, words):
    told = {name: value for name, value in (theirs.told() | change).items() if value is not None}
    with pytest.raises(TaggerError, match=words):
        adopt(told)
