"""What cannot be trained is told by `check` as by `train`, of every phase, with its name, and before anything is written."""

from __future__ import annotations

import pytest
import yaml
from tests.program import earmark
from tests.small import SMALL, TAGS
from tests.small import tagger as small
from tests.test_train import recipe

from earmark import recipe as recipes
from earmark import train as training
from earmark.data import manifest as manifests
from earmark.errors import RecipeError
from earmark.registry import NETS
from earmark.train.rehearsal import rehearse

MAPS = {
    "features": {"name": "logmel", "window": 0.064, "hop": 0.016, "bands": 16},
    "net": {"name": "cnnspec", "widths": [4, 4], "kernels": [3, 3], "band_pools": [2, 2], "frame_pools": [2, 2], "hidden": 8},
}  # fmt: skip
DEEP = {**MAPS["net"], "widths": []}
WIDE = {**MAPS["net"], "widths": [6, 4]}
PLAIN = {"augment": ["crop"]}
FIRST = {"one": {"train": {"epochs": 1}}}
# changes → lines: of a recipe in phases, of which only one is wrong; and of one without phases
MISTAKES = {
    "a net": ({"phases": {"one": {"net": DEEP}, "two": {}}}, ["phases.one.net: widths is []"]),
    "two nets": (
        {"phases": {"one": {"net": DEEP}, "two": {"net": DEEP}, "three": {}}},
        ["phases.one.net: widths", "phases.two.net: widths"],
    ),
    "the last net": ({"net": DEEP, "phases": {"one": {}, "two": {}}}, ["net: widths is []"]),
    "a feature": (
        {"phases": {"one": {"features": {"name": "logmel", "bands": 2000}}, "two": {}}},
        ["phases.one.features: "],
    ),
    "the feature of all": (
        {"features": {**MAPS["features"], "floor": 1e-60}, "phases": {"one": {"net": WIDE}, "two": {}}},
        ["features: floor is 1e-60"],
    ),
    "a window for one": (
        {"phases": {"one": {"features": {**MAPS["features"], "window": 0.5}}, "two": {}}},
        ["phases.one.windows.length: 0.5 s are"],
    ),
    "a resized map": (
        {"phases": {"one": {"resize": {"bands": 1, "frames": 1}}, "two": {}}},
        ["phases.one.net: 1 band is pooled"],
    ),
    "channels": (
        {"phases": {"one": {"resize": {"bands": 16, "frames": 16, "channels": 100}}, "two": {}}},
        ["phases.two.net: the weights of the phase before do not fit"],
    ),
    "a part to load": (
        {"phases": {**FIRST, "two": {"load": {"net.branch": "one:net.nope"}}}},
        ["phases.two.load.net.branch: there is no part"],
    ),
    "two parts to load": (
        {"phases": {**FIRST, "two": {"load": {"net.nope": "one", "net.neither": "one"}}}},
        ["phases.two.load.net.neither: there is no part", "phases.two.load.net.nope: there is no part"],
    ),
    "weights": (
        {"phases": {"one": {"net": WIDE}, "two": {"load": {"net.branch": "one"}}}},
        ["phases.two.load.net.branch: cnnspec's net.branch does"],
    ),
    "parts to freeze": (
        {"phases": {**FIRST, "two": {"freeze": ["net.nope", "net.no"]}}},
        ["phases.two.freeze: the tagger has no part 'net.no'", "phases.two.freeze: the tagger has no part 'net.nope'"],
    ),
    "all frozen": ({"phases": {**FIRST, "two": {"freeze": ["net"]}}}, ["phases.two.freeze: leaves nothing to train"]),
    "two phases": (
        {"phases": {"one": {"freeze": ["net"]}, "two": {"freeze": ["net.no"]}}},
        ["phases.one.freeze: leaves", "phases.two.freeze: the tagger"],
    ),
    "a head": ({"head": {"width": 7}}, ["head.width: 7 is not the width of cnnspec's embedding, 8"]),
    "a fold": (
        {"data__folds": 3, "data__deal": "all", "data__validation": ["2", "4"], "data__test": ["9"]},
        ["data.test: there is no fold '9'", "data.validation: there is no fold '4'"],
    ),
}


@pytest.fixture
def place(tmp_path, clips):
    manifests.write(clips, tmp_path / "clips.parquet")
    return tmp_path


@pytest.mark.parametrize("what", MISTAKES)
def test_check_and_train_tell_the_same_and_write_nothing(place, what):
    changes, lines = MISTAKES[what]
    raw = recipe(**MAPS, **PLAIN).as_dict()
    for path, value in changes.items():
        section, _, key = path.partition("__")
        raw |= {section: raw[section] | {key: value} if key else value}
    (place / "plan.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    told = []
    for command in (["check"], ["train", "--data", "clips.parquet", "--out", "run"]):
        done = earmark(command[0], "plan.yaml", *command[1:], cwd=place)
        assert done.returncode == 2, done.stderr
        told.append([line.strip() for line in done.stderr.split("mistake")[1].splitlines()[1:]])
        assert "Traceback" not in done.stderr and not (place / "run").exists()
    assert told[0] == told[1]
    assert len(told[0]) == len(lines)
    for got, expected in zip(sorted(told[0]), lines, strict=True):
        assert got.startswith(expected)


def test_what_is_right_is_taken_and_counted(place):
    raw = recipe(
        **MAPS, **PLAIN, phases={**FIRST, "two": {"load": {"net.branch": "one"}, "freeze": ["net.branch"]}}
    ).as_dict()
    (place / "plan.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    done = earmark("check", "plan.yaml", "--set", "data.tags=3", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "nothing is wrong with it. cnnspec, " in done.stderr + done.stdout


def test_weights_that_are_not_here_are_told_by_check_and_wanted_by_train(place, clips):
    (place / "plan.yaml").write_text(yaml.safe_dump(recipe(load={"net": "of-before.safetensors"}).as_dict()))
    done = earmark("check", "plan.yaml", cwd=place)
    assert done.returncode == 0 and "of-before.safetensors: is not here, so whether" in done.stderr, done.stderr
    refused = earmark("train", "plan.yaml", "--data", "clips.parquet", "--out", "run", cwd=place)
    assert refused.returncode == 2 and "of-before.safetensors: no such file" in refused.stderr
    for source in ("x.pt", "a:b"):
        odd = earmark("check", "plan.yaml", "--set", f"load={{net: {source!r}}}", cwd=place)
        assert odd.returncode == 2 and "no such file, and no shipped tagger of that name" in odd.stderr, odd.stderr
    # how many tags there are is told by none but the file whose whole net is taken
    training.train(recipe(train__epochs=1), clips, place / "first")
    done = earmark("check", "plan.yaml", "--set", "load={net: first/tagger.safetensors}", cwd=place)
    assert done.returncode == 0 and "parameters for 3 tags" in done.stderr, done.stderr
    done = earmark(
        "check", "plan.yaml", "--set", "load={net: first/tagger.safetensors}", "--set", "data.tags=4", cwd=place
    )
    assert done.returncode == 2 and "load.net: convnet1d's net does not fit" in done.stderr, done.stderr


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_width_of_every_nets_embedding_is_known(name):
    plain = small(name, 1.5, 0.5).recipe.as_dict()
    with pytest.raises(RecipeError) as caught:
        rehearse(recipes.parse(plain | {"head": {"width": 9999}}), TAGS)
    (line,) = caught.value.mistakes
    assert line.startswith("head.width: 9999 is not the width of ")
    width = int(line.split("embedding, ")[1].split(":")[0])
    built = rehearse(recipes.parse(plain | {"head": {"width": width}}), TAGS)
    assert built.net.head[0].in_features == width
    assert name in NETS
