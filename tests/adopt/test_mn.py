"""State dicts of EfficientAT's mn: names and shapes as theirs, against their layers written plainly."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import earmark
from earmark import audio
from earmark.errors import TaggerError
from earmark.models.adopted import adopting
from earmark.models.adopted.asked import Asked
from earmark.models.layers.blocks import count
from earmark.registry import NETS

TAGS = 4
# Howard and others: Searching for MobileNetV3, 2019, Table 1: kernel, expanded, out, squeeze and excitation, hard swish, stride
TABLE = [
    (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2), (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1),
    (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1),
    (3, 672, 112, 1, 1, 1), (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1),
]  # fmt: skip
NARROW = [(k, max(8, wide // 32 * 8), max(8, out // 32 * 8), se, hs, s) for k, wide, out, se, hs, s in TABLE]


def state(table=NARROW, stem=8, last=48, hidden=24, seed=0):
    """By chance, with EfficientAT's names and shapes."""
    chance = np.random.default_rng(seed)
    told = {}

    def conv(name, width, wide, kernel):
        size = (width, wide, kernel, kernel)
        told[f"{name}.0.weight"] = chance.normal(0, (2 / np.prod(size[1:])) ** 0.5, size)
        for kind in ("weight", "running_var"):
            told[f"{name}.1.{kind}"] = chance.uniform(0.5, 1.5, width)
        for kind in ("bias", "running_mean"):
            told[f"{name}.1.{kind}"] = chance.normal(0, 0.1, width)
        told[f"{name}.1.num_batches_tracked"] = np.array(9)

    def dense(name, width, wide):
        told[f"{name}.weight"], told[f"{name}.bias"] = (
            chance.normal(0, 0.3, (width, wide)),
            chance.normal(0, 0.1, width),
        )

    conv("features.0", stem, 1, 3)
    wide = stem
    for number, (kernel, inner, out, excited, _, _) in enumerate(table, 1):
        layers = ["deep", "narrow"]
        layers[1:1] = ["se"] if excited else []
        layers[0:0] = ["widen"] if inner != wide else []
        for place, what in enumerate(layers):
            name = f"features.{number}.block.{place}"
            if what == "se":
                middle = max(8, int(inner // 4 + 4) // 8 * 8)
                middle += 8 * (middle < 0.9 * (inner // 4))
                dense(f"{name}.conc_se_layers.0.fc1", middle, inner)
                dense(f"{name}.conc_se_layers.0.fc2", inner, middle)
            else:
                conv(name, *{"widen": (inner, wide, 1), "deep": (inner, 1, kernel), "narrow": (out, inner, 1)}[what])
        wide = out
    conv("features.16", last, wide, 1)
    dense("classifier.2", hidden, last)
    dense("classifier.5", TAGS, hidden)
    return {name: np.asarray(value, "f4" if value.ndim else "i8") for name, value in told.items()}


def plainly(told, maps, table=NARROW):
    """Scores of maps (batch, 1, bands, frames) and the mean of the last layer, as their layers have it in evaluation."""
    t = {name: torch.from_numpy(value) for name, value in told.items()}

    def layer(x, name, stride=1, groups=1):
        weight = t[f"{name}.0.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=(weight.shape[-1] - 1) // 2, groups=groups)
        norm = [t[f"{name}.1.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *norm, eps=0.001)

    def dense(x, name):
        return F.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    x = F.hardswish(layer(torch.from_numpy(maps), "features.0", 2))
    for number, (_, inner, _, excited, hard, stride) in enumerate(table, 1):
        activation, name, before, place = F.hardswish if hard else F.relu, f"features.{number}.block", x, 0
        if inner != x.shape[1]:
            x, place = activation(layer(x, f"{name}.0")), 1
        x = activation(layer(x, f"{name}.{place}", stride, inner))
        if excited:
            place += 1
            shares = F.relu(dense(x.mean((2, 3)), f"{name}.{place}.conc_se_layers.0.fc1"))
            x = x * torch.sigmoid(dense(shares, f"{name}.{place}.conc_se_layers.0.fc2"))[:, :, None, None]
        x = layer(x, f"{name}.{place + 1}")
        x = x + before if stride == 1 and x.shape[1] == before.shape[1] else x
    x = F.hardswish(layer(x, "features.16")).mean((2, 3))
    return torch.sigmoid(dense(F.hardswish(dense(x, "classifier.2")), "classifier.5")).numpy(), x.numpy()


@pytest.fixture
def adopt(tmp_path):
    labels = tmp_path / "names.csv"
    labels.write_text("index,mid,display_name\n0,a,Dog\n1,b,Rain\n2,c,Wind\n3,d,Sea\n")

    def adopted(told):
        torch.save({name: torch.from_numpy(value) for name, value in told.items()}, tmp_path / "mn.pt")
        return adopting.adopt(Asked(tmp_path / "mn.pt", labels, "MIT", "made up"))

    return adopted


def test_it_scores_as_their_layers_written_plainly(adopt, tmp_path):
    told = state()
    tagger = adopt(told)
    assert tagger.recipe.net.name == "mn10" and tagger.vocabulary == ("Dog", "Rain", "Wind", "Sea")
    maps = np.random.default_rng(1).normal(0, 1, (2, 1, 128, 75)).astype("f4")
    with torch.inference_mode():
        got = tagger.net(torch.from_numpy(maps))
    scores, embedding = plainly(told, maps)
    assert scores.std() > 0.01  # it does say something
    np.testing.assert_allclose(got.levels[:, 0].sigmoid().numpy(), scores, rtol=0, atol=1e-5)
    # of a lesser machine each layer's last bits are others (tests/rounding.py), which is more of a small sum than of its terms
    bounds = (
        {"rtol": 0, "atol": 2e-4 * np.abs(embedding).max()}
        if os.environ.get("LESSER")
        else {"rtol": 1e-4, "atol": 1e-5}
    )
    np.testing.assert_allclose(got.embedding.numpy(), embedding, **bounds)
    tagger.save(tmp_path / "t.safetensors")
    again = earmark.load(tmp_path / "t.safetensors", engine="torch")
    assert again.facts.adopted.layout == "a state dict of EfficientAT"
    waves = np.random.default_rng(2).normal(0, 0.1, (1, 320_000)).astype("f4")
    np.testing.assert_array_equal(again.score_windows(waves), tagger.score_windows(waves))


def front(wave):
    """EfficientAT's maps (128, frames) of a wave (samples,) at 32 kHz, by torch's own transform and with bands written anew."""
    x = torch.from_numpy(wave).double()
    x = x[1:] - 0.97 * x[:-1]
    window = torch.hann_window(800, periodic=False, dtype=torch.float64)
    power = torch.stft(x, 1024, 320, 800, window, center=True, pad_mode="reflect", return_complex=True).abs() ** 2
    mel = 1127 * np.log(1 + np.arange(513) * 31.25 / 700)
    top = 1127 * np.log(1 + 15_000 / 700)
    places = np.arange(130) * top / 129
    filters = np.array([np.interp(mel, places[n : n + 3], [0, 1, 0], 0, 0) for n in range(128)])
    return (np.log(filters @ power.numpy() + 1e-5) + 4.5) / 5


def test_the_front_end_is_theirs(adopt, data):
    """In their own convention: 319,999 emphasised samples make 1,000 frames of ten seconds."""
    tagger = adopt(state())
    file = next(iter(sorted((data / "esc10" / "audio").iterdir())))
    wave = np.tile(audio.load(file, 32_000), 2)[:320_000]
    with torch.inference_mode():
        got = tagger.features(torch.from_numpy(wave)[None])[0, 0].numpy()
    assert got.shape == (128, 1000)
    np.testing.assert_allclose(got, front(wave), rtol=0, atol=1e-5)


def test_published_counts():
    """torchvision tells 5,483,032 parameters of MobileNetV3-Large with 1,000 classes and three channels."""
    with torch.device("meta"):
        (wide, _), (slim, _) = (count(NETS[name].function()) for name in ("mn10", "mn04"))
    assert wide == 5_483_032 - (1000 - 527) * (1280 + 1) - (3 - 1) * 16 * 9
    assert round(wide / 1e6, 2) == 4.88 and round(slim / 1e6, 2) == 0.98


def test_mn04_is_known_by_its_widths(adopt):
    with torch.device("meta"):
        arguments = NETS["mn04"].arguments()
    told = {key: arguments[key].default for key in ("inner_widths", "widths", "stem_width", "last_width", "hidden")}
    table = [
        (k, wide, out, *rest)
        for (k, _, _, *rest), wide, out in zip(TABLE, told["inner_widths"], told["widths"], strict=True)
    ]
    tagger = adopt(state(table, told["stem_width"], told["last_width"], told["hidden"]))
    assert tagger.recipe.net.name == "mn04"


def without(name):
    return {key: value for key, value in state().items() if key != name}


@pytest.mark.parametrize(("told", "words"), [
    (lambda: without("features.3.block.1.1.bias"), "it has no features.3.block.1.1.bias, which mn10 has"),
    (lambda: without("classifier.5.bias"), "its head is not the dense one: it has no classifier.5.bias, but classifier.2.bias"),
    (lambda: {k: v for k, v in state().items() if not k.startswith("features.7.")}, "it has no features.7.block.0.0.weight"),
    (lambda: state() | {"more": np.ones(2, "f4")}, "1 tensor that is none of mn10's, first more"),
    (lambda: state() | {"classifier.5.weight": np.ones((4, 7), "f4")}, "its classifier.5.weight is 4 × 7, and mn10's is 4 × 24"),
    (lambda: state() | {"features.4.block.1.0.weight": np.ones((16, 1, 3, 3), "f4")}, r"is 16 × 1 × 3 × 3, and mn10's is 16 × 1 × 5 × 5"),
])  # fmt: skip
def test_what_is_none_of_them_is_refused(adopt, told, words):
    with pytest.raises(TaggerError, match=words):
        adopt(told())
