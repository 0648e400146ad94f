"""What a recipe has before its net, in NumPy: against the tagger of torch, without torch, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from earmark import recipe as recipes
from earmark.engines.features import build
from earmark.errors import RecipeError
from earmark.models import tagger as taggers

RATE = 8000
LOGMEL = {"name": "logmel", "window": 0.032, "hop": 0.008, "bands": 64}
NETS = {
    "waves": {"name": "convnet1d", "widths": [2, 2], "blocks": [1, 1]},
    "maps": {"name": "resnet_b", "widths": [4, 4, 4, 4], "blocks": [1, 1, 1, 1]},
    "both": {"name": "cnncomb", "audio": {"widths": [4, 4, 4, 4]}, "spec": {"widths": [4] * 6}, "hidden": [4]},
}
CUT = "import sys; sys.modules['torch'] = None\n"  # as if it were not installed


def told(hears, **changes):
    features = {} if hears == "waves" else {"features": LOGMEL}
    raw = {
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 2.0, "hop": 0.5},
        "net": {"name": "cnncomb"} if hears == "both" else NETS[hears], "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    return raw | features | changes


def waves(count=3):
    loud = np.array([[1.0], [0.01], [0.0]])[:count]
    return (np.random.default_rng(0).uniform(-0.5, 0.5, (count, 2 * RATE)) * loud).astype(np.float32)


@pytest.mark.parametrize("resize", [None, {"bands": 40, "frames": 50, "channels": 3}])
@pytest.mark.parametrize("how", ["none", "peak", "rms"])
@pytest.mark.parametrize("hears", ["waves", "maps", "both"])
def test_it_is_what_the_tagger_of_torch_has(hears, how, resize):
    changes = {"normalise": how} | ({"resize": resize} if resize and hears == "maps" else {})
    recipe = recipes.parse(told(hears, **changes))
    made, feature, heard = taggers.build(recipe, ["a", "b"]).eval(), build(recipe), waves()
    with torch.inference_mode():
        loud = made.normalised(torch.from_numpy(heard))
        maps = made.features(loud).numpy()
    np.testing.assert_allclose(feature.normalised(heard), loud.numpy(), rtol=1e-6, atol=0)
    np.testing.assert_allclose(feature(heard), maps, rtol=1e-6 if hears == "waves" else 0, atol=1e-4)
    given = feature.inputs(heard, hears)
    expected = {"waves": (loud.numpy(),), "maps": (maps,), "both": (loud.numpy(), maps)}[hears]
    assert len(given) == len(expected)
    for got, want in zip(given, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-4)
    places = np.array([0.0, 1.5])
    np.testing.assert_array_equal(feature.middles(places, 2 * RATE), made.features.middles(places, 2 * RATE))
    if hears != "waves":
        assert (feature.channels, feature.bands, feature.shortest) == (
            made.features.channels,
            made.features.bands,
            made.features.shortest,
        )
        assert feature.frames(2 * RATE) == maps.shape[-1]
    else:
        assert feature.frames(2 * RATE) == 2 * RATE


def test_loudness_by_hand():
    feature = build(recipes.parse(told("waves", normalise="rms")))
    # the root of 25 / 4 is 2.5; silence stays silent
    got = feature(np.array([[3.0, -4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], np.float32))
    np.testing.assert_allclose(got, [[1.2, -1.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], rtol=1e-6)
    peak = build(recipes.parse(told("waves", normalise="peak")))
    assert peak(np.array([[3.0, -4.0]], np.float32)).tolist() == [[0.75, -1.0]]


@pytest.mark.parametrize("name", sorted(recipes.shipped()))
def test_every_shipped_recipe_has_one(name):
    recipe = recipes.load(name)
    feature = build(recipe)
    assert recipes.parse_hearing(recipe.as_dict()) == recipe
    samples, _ = recipe.windows.build().samples(recipe.sample_rate)
    maps = feature(np.zeros((1, samples), np.float32))
    if recipe.features is not None:
        assert maps.shape == (1, feature.channels, feature.bands, feature.frames(samples))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": {"name": "logmel", "window": 0.001, "fft": 1000, "bands": 900}}, "features: .*narrower than an FFT bin"),
        ({"features": {"name": "logmel", "hop": 0.0}}, "features: a hop of 0 samples: it must be at least one"),
        (
            {"features": {**LOGMEL, "window": 3.0}},
            r"windows.length: 2 s are 16,000 samples; logmel needs at least 24000: make it longer",
        ),
        (
            {"features": {"name": "spectrogram", "window": 0.25, "hop": 1 / RATE}, "windows": {"length": 10.0, "hop": 1.0}},
            r"windows.length: 1 × 1,001 bands × 78,001 frames are 78,079,001 values a window, more than 33,554,432: make it",
        ),
        (
            {
                "features": {"name": "spectrogram", "window": 0.25, "hop": 1 / RATE}, "windows": {"length": 10.0, "hop": 1.0},
                "resize": {"bands": 64, "frames": 64},
            },
            "78,079,001 values a window",
        ),
        ({"features": {"name": "multires"}, "resize": {"bands": 8, "frames": 8}}, "resize: maps of 3 channels cannot become 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(changes, message):
    recipe = recipes.parse_hearing(told("maps", **changes))
    with pytest.raises(RecipeError, match=message):
        build(recipe)
    with pytest.raises(RecipeError, match=message.partition(":")[0]):  # so does the tagger of torch, of the same key
        taggers.build(recipe, ["a", "b"])


def test_a_feature_that_only_torch_has():
    recipe = recipes.parse(told("maps")).model_copy(update={"features": recipes.schema.Component(name="bark")})
    with pytest.raises(RecipeError, match="features: bark is not there in NumPy, which engines need, but logmel, mfcc"):
        build(recipe)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((1, 8000)), r"waves are float64 of the shape \(1, 8000\): give float32 \(windows, samples\)"),
        (np.zeros(8000, np.float32), r"of the shape \(8000,\): give float32 \(windows, samples\)"),
        (np.zeros((1, 100), np.float32), "100 samples are fewer than one frame of 256: pad the wave"),
    ],
)
def test_waves_that_are_no_windows(wrong, message):
    with pytest.raises(ValueError, match=message):
        build(recipes.parse(told("maps")))(wrong)


def test_a_file_s_recipe_is_checked_without_its_net():
    """The net is a plug-in that is not here; what is computed by the recipe is checked all the same."""
    raw = told("maps", net={"name": "of_somebody", "depth": 3}, augment=["theirs"], data={"dataset": "secret"})
    assert recipes.parse_hearing(raw).net.name == "of_somebody"
    with pytest.raises(RecipeError, match="no net is called 'of_somebody'"):
        recipes.parse(raw)
    wrong = {**raw, "features": {**LOGMEL, "bands": "64", "wide": 1}, "windows": {"length": 1e9, "hop": 1.0}, "taks": 1}
    with pytest.raises(RecipeError) as caught:
        recipes.parse_hearing(wrong)
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == [
        "features.bands",
        "features.wide",
        "taks",
    ]
    with pytest.raises(RecipeError, match="longer than a window may be"):
        recipes.parse_hearing({**raw, "windows": {"length": 1e9, "hop": 1.0}})
    with pytest.raises(RecipeError, match="resize: there are no maps to resize"):
        recipes.parse_hearing({**told("waves"), "resize": {"bands": 8, "frames": 8}})
    with pytest.raises(RecipeError, match=r"features.name: no feature is called 'logmle', did you mean 'logmel'\?"):
        recipes.parse_hearing({**raw, "features": "logmle"})


def run(code):
    """Standard output of Python code in a process of its own, which must succeed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


COMPUTE = """
import sys
import numpy as np
from earmark import recipe
from earmark.engines.features import build
for features in ("logmel", "mfcc", "multires", "spectrogram", None):
    raw = {raw} | ({{"features": features}} if features else {{}})
    feature = build(recipe.parse_hearing(raw))
    print(feature(np.zeros((2, 32000), np.float32)).shape)
assert not sys.modules.get("torch"), "torch was imported"
print([name for name in sys.modules if name.partition(".")[0] in ("scipy", "librosa", "safetensors")])
"""
RAW = {
    "task": "one", "sample_rate": 16_000, "data": {"dataset": "folder"}, "windows": {"length": 2.0, "hop": 0.5},
    "net": "resnet_b", "normalise": "rms", "augment": ["crop"], "train": {"epochs": 1},
}  # fmt: skip


@pytest.mark.parametrize("before", ["", CUT], ids=["with torch", "without torch"])
def test_features_are_computed_without_torch(before):
    lines = run(before + COMPUTE.format(raw=RAW)).splitlines()
    assert lines == ["(2, 1, 128, 169)", "(2, 1, 40, 169)", "(2, 3, 128, 173)", "(2, 1, 187, 171)", "(2, 32000)", "[]"]


def test_what_needs_torch_says_how_to_install_it():
    code = CUT + f"from earmark import recipe\nrecipe.parse({RAW!r} | {{'features': 'logmel'}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode
    told = done.stderr.strip().splitlines()[-1]
    assert told == "earmark.errors.EarmarkError: nets need torch, which is not installed: pip install 'earmark[train]'"


def test_features_are_listed_without_torch():
    code = "from earmark.cli.terminal import listing\nprint([row['name'] for row in listing.registered(listing.Kind.features)])"
    assert run(CUT + code) == run(code) == "['logmel', 'mfcc', 'multires', 'spectrogram']\n"
