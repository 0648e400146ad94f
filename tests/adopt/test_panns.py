"""State dicts of PANNs: names and shapes as theirs, against their layers written plainly, and against their own code where it is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import earmark
from earmark.engines.features import LogMel
from earmark.errors import TaggerError
from earmark.models.adopted import adopting, states
from earmark.models.adopted.asked import Asked

WIDTHS = {"cnn6": [64, 128, 256, 512], "cnn10": [64, 128, 256, 512]}
TAGS = 4


def norm(name: str, width: int, chance: np.random.Generator) -> dict[str, np.ndarray]:
    told = {"weight": chance.uniform(0.5, 1.5, width), "bias": chance.normal(0, 0.1, width)}
    told |= {"running_mean": chance.normal(0, 0.1, width), "running_var": chance.uniform(0.5, 1.5, width)}
    return {f"{name}.{kind}": value.astype("f4") for kind, value in told.items()}


def state(kind: str, seed: int = 0) -> dict[str, np.ndarray]:
    """By chance, with PANNs' names and shapes: kernels are (out, in, frames, bands)."""
    chance = np.random.default_rng(seed)
    told: dict[str, np.ndarray] = norm("bn0", 64, chance)
    told["bn0.running_mean"] -= 30
    kernel, depth = (5, 1) if kind == "cnn6" else (3, 2)
    wide = 1
    for block, width in enumerate(WIDTHS[kind], 1):
        for number in range(1, depth + 1):
            size = (width, wide, kernel, kernel)
            told[f"conv_block{block}.conv{number}.weight"] = chance.normal(
                0, (2 / np.prod(size[1:])) ** 0.5, size
            ).astype("f4")
            told |= norm(f"conv_block{block}.bn{number}", width, chance)
            told[f"conv_block{block}.bn{number}.num_batches_tracked"] = np.array(7)
            wide = width
    for name, sides in (("fc1", (512, 512)), ("fc_audioset", (TAGS, 512))):
        told[f"{name}.weight"] = chance.normal(0, 0.05, sides).astype("f4")
        told[f"{name}.bias"] = chance.normal(0, 0.1, sides[0]).astype("f4")
    told["logmel_extractor.melW"] = LogMel(32_000, window=0.032, hop=0.01, bands=64, low=50, high=14_000).filters
    return told


def plainly(told: dict[str, np.ndarray], maps: np.ndarray) -> np.ndarray:
    """Scores of maps (batch, 1, frames, bands), as PANNs' forward has it."""
    t = {name: torch.from_numpy(value) for name, value in told.items()}

    def normed(x, name):
        return F.batch_norm(x, *(t[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))

    x = normed(torch.from_numpy(maps).transpose(1, 3), "bn0").transpose(1, 3)
    for block in range(1, 5):
        for number in (1, 2):
            if f"conv_block{block}.conv{number}.weight" in t:
                weight = t[f"conv_block{block}.conv{number}.weight"]
                x = F.conv2d(x, weight, padding=weight.shape[2] // 2)
                x = F.relu(normed(x, f"conv_block{block}.bn{number}"))
        x = F.avg_pool2d(x, 2)
    x = x.mean(3)
    x = F.relu(F.linear(x.max(2).values + x.mean(2), t["fc1.weight"], t["fc1.bias"]))
    return torch.sigmoid(F.linear(x, t["fc_audioset.weight"], t["fc_audioset.bias"])).numpy()


@pytest.fixture
def adopt(tmp_path):
    labels = tmp_path / "names.csv"
    labels.write_text("index,mid,display_name\n0,a,Dog\n1,b,Rain\n2,c,Wind\n3,d,Sea\n")

    def adopted(told, name="net.pth"):
        file = tmp_path / name
        if isinstance(told, bytes):
            file.write_bytes(told)
        elif name.endswith(".safetensors"):
            from safetensors.numpy import save_file

            save_file({key: np.ascontiguousarray(value) for key, value in told.items()}, file)
        else:
            torch.save(told, file)
        return adopting.adopt(Asked(file, labels, "CC BY 4.0", "made up"))

    return adopted


def tensors(told):
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in told.items()}


@pytest.mark.parametrize("kind", ["cnn6", "cnn10"])
def test_it_scores_as_their_layers_written_plainly(adopt, tmp_path, kind):
    """Maps that are no square, so that a kernel that was not turned would tell."""
    told = state(kind)
    tagger = adopt({"iteration": 3, "model": tensors(told), "sampler": {"indexes": np.arange(5)}})
    assert tagger.recipe.net.name == kind and tagger.vocabulary == ("Dog", "Rain", "Wind", "Sea")
    maps = np.random.default_rng(1).normal(-30, 10, (2, 1, 40, 64)).astype("f4")
    with torch.inference_mode():
        got = tagger.net(torch.from_numpy(maps.transpose(0, 1, 3, 2).copy())).levels[:, 0].sigmoid().numpy()
    np.testing.assert_allclose(got, plainly(told, maps), rtol=0, atol=1e-5)
    tagger.save(tmp_path / "t.safetensors")
    assert earmark.load(tmp_path / "t.safetensors", engine="torch").facts.adopted.layout == "a state dict of PANNs"


def test_the_same_from_safetensors_and_behind_data_parallel(adopt):
    told = state("cnn6")
    waves = np.random.default_rng(2).normal(0, 0.1, (1, 320_000)).astype("f4")
    one = adopt(tensors({f"module.{name}": value for name, value in told.items()})).score_windows(waves)
    np.testing.assert_array_equal(adopt(told, "net.safetensors").score_windows(waves), one)


def conv(wide, width, kernel, groups=1):
    return nn.Conv2d(wide, width, kernel, padding=kernel // 2, groups=groups, bias=False)


class Theirs(nn.Module):
    """MobileNetV2 as PANNs number its layers: frames × bands, a mean of squares for each stride."""

    class Block(nn.Module):
        def __init__(self, wide, width, stride, grown):
            super().__init__()
            inner = wide * grown
            first = [conv(wide, inner, 1), nn.BatchNorm2d(inner), nn.ReLU6()] if grown > 1 else []
            rest = [conv(inner, inner, 3, inner), nn.AvgPool2d(stride), nn.BatchNorm2d(inner), nn.ReLU6()]
            self.conv = nn.Sequential(*first, *rest, conv(inner, width, 1), nn.BatchNorm2d(width))
            self.adds = stride == 1 and wide == width

        def forward(self, x):
            return x + self.conv(x) if self.adds else self.conv(x)

    def __init__(self):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(64)
        parts, wide = [nn.Sequential(conv(1, 32, 3), nn.AvgPool2d(2), nn.BatchNorm2d(32), nn.ReLU6())], 32
        for grown, width, count, stride in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 2), (6, 160, 3, 1), (6, 320, 1, 1),
        ):  # fmt: skip
            for number in range(count):
                parts.append(self.Block(wide, width, stride if number == 0 else 1, grown))
                wide = width
        parts.append(nn.Sequential(conv(320, 1280, 1), nn.BatchNorm2d(1280), nn.ReLU6()))
        self.features = nn.Sequential(*parts)
        self.fc1, self.fc_audioset = nn.Linear(1280, 1024), nn.Linear(1024, TAGS)

    def forward(self, x):
        x = self.features(self.bn0(x.transpose(1, 3)).transpose(1, 3)).mean(3)
        return torch.sigmoid(self.fc_audioset(F.relu(self.fc1(x.max(2).values + x.mean(2)))))


def test_mobilenetv2_scores_as_their_layers(adopt):
    torch.manual_seed(1)
    theirs = Theirs().eval()
    for part in theirs.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    tagger = adopt(theirs.state_dict())
    assert tagger.recipe.net.name == "mobilenetv2"
    maps = torch.randn(2, 1, 70, 64)
    with torch.inference_mode():
        got = tagger.net(maps.transpose(2, 3).contiguous()).levels[:, 0].sigmoid()
        np.testing.assert_allclose(got.numpy(), theirs(maps).numpy(), rtol=0, atol=1e-5)


class Sly:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/earmark-was-here"),))


def without(name):
    return {key: value for key, value in state("cnn6").items() if key != name}


@pytest.mark.parametrize(("told", "words"), [
    (lambda: tensors(without("conv_block2.bn1.bias")), "it has no conv_block2.bn1.bias"),
    (lambda: tensors(without("fc_audioset.weight")), "it has no fc_audioset.weight, but bn0.weight"),
    (lambda: tensors(state("cnn6") | {"more": np.ones(2)}), "1 tensor that is none of cnn6's, first more"),
    (lambda: tensors(state("cnn6") | {"logmel_extractor.melW": np.ones((257, 64))}), "its mel bands, 257 × 64, are not those"),
    (lambda: tensors(state("cnn6") | {"fc1.weight": np.ones((512, 500), "f4")}), "its weights do not fit its net"),
    (lambda: tensors(state("cnn6") | {"bn0.weight": np.ones(40, "f4")}), "its bn0.weight has 40 numbers, and there are 64 bands"),
    (lambda: {"model": tensors(state("cnn6")), "more": Sly()}, "would run code of its own .* it was not opened further"),
    (lambda: [1, 2], "holds a list, and tensors by name are wanted"),
    (lambda: {"a": 1}, "holds 0 tensors"),
    (lambda: b"PK nothing", "cannot be read|would run code"),
])  # fmt: skip
def test_what_is_none_of_them_is_refused(adopt, told, words):
    with pytest.raises(TaggerError, match=words):
        adopt(told())
    assert not Path("/tmp/earmark-was-here").exists()


def test_sizes_are_bounded_before_anything_is_read(adopt, monkeypatch):
    monkeypatch.setattr(states, "LARGEST", 1000)
    with pytest.raises(TaggerError, match="more than the 1,000 that are taken in"):
        adopt(tensors(state("cnn6")))


def test_cnn14_scores_as_panns_own_code(tmp_path, monkeypatch):
    """Their class with weights by chance, from waves to scores: 320,000 samples, four of 527 tags compared by all."""
    home = tmp_path / "home"
    (home / "panns_data").mkdir(parents=True)
    rows = [f"{number},m{number},tag {number}" for number in range(527)]
    (home / "panns_data/class_labels_indices.csv").write_text("\n".join(["index,mid,display_name", *rows]) + "\n")
    monkeypatch.setenv(
        "HOME", str(home)
    )  # where panns_inference looks for labels, and fetches them if they are not there
    theirs = pytest.importorskip("panns_inference.models", reason="panns_inference is not installed")
    torch.manual_seed(0)
    net = theirs.Cnn14(
        sample_rate=32_000, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=14_000, classes_num=527
    ).eval()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    net.bn0.running_mean.sub_(30)
    torch.save({"model": net.state_dict()}, tmp_path / "Cnn14.pth")
    asked = Asked(tmp_path / "Cnn14.pth", home / "panns_data/class_labels_indices.csv", "CC BY 4.0", "by chance")
    tagger = adopting.adopt(asked)
    waves = np.random.default_rng(3).normal(0, 0.1, (1, 320_000)).astype("f4")
    waves[0, 100_000:200_000] *= 0.01
    with torch.inference_mode():
        told = net(torch.from_numpy(waves))
    np.testing.assert_allclose(tagger.score_windows(waves), told["clipwise_output"].numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(tagger.embed_windows(waves), told["embedding"].numpy(), rtol=0, atol=1e-3)
    assert "panns_inference" in sys.modules
