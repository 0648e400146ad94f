"""What a training's folder holds is looked at before anything is trained: of which kind, of which recipe, and each place in it."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from tests.program import earmark
from tests.test_cli_folds import RECIPE

from earmark.data import manifest as manifests
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train import places, seeds  # noqa: E402 (after the skip)

pytestmark = pytest.mark.usefixtures("sketched")

PLAN = RECIPE | {"train": RECIPE["train"] | {"epochs": 1}}
BASE = ("train", "clips.parquet", "--from", "t.safetensors", "--head", "prototypes")
DISTIL = (
    "distil",
    "t.safetensors",
    "--into",
    "plan.yaml",
    "--data",
    "clips.parquet",
    "--set",
    "data.shared_groups=report",
)
PLAIN = ("train", "plan.yaml", "--data", "clips.parquet")
FOLDS = ("--fold", "1", "--fold", "5")
# every way to train into a folder: words, and the kinds of folder that it makes
WAYS = {
    "once": (PLAIN, {"one", "stopped"}),
    "folds": ((*PLAIN, *FOLDS), {"folds"}),
    "seeds": ((*PLAIN, "--seeds", "1,2"), {"seeds"}),
    "seeds over folds": ((*PLAIN, "--seeds", "1,2", *FOLDS), {"seeds over folds"}),
    "head": (BASE, {"one", "stopped"}),
    "head over folds": ((*BASE, *FOLDS), {"folds"}),
    "unfrozen": ((*BASE, "--unfreeze"), {"unfrozen"}),
    "unfrozen over folds": ((*BASE, "--unfreeze", *FOLDS), {"unfrozen over folds"}),
    "distil": (DISTIL, {"one", "stopped"}),
    "distil over folds": ((*DISTIL, *FOLDS), {"folds"}),
}  # fmt: skip
# what may lie there; the last of them is the fold's or seed's that comes last
THERE = {
    "one": "tagger.safetensors",
    "stopped": "recipe.yaml",
    "unfrozen": "head/recipe.yaml",
    "folds": "fold-5/recipe.yaml",
    "unfrozen over folds": "fold-5/head/recipe.yaml",
    "seeds": "seed-2/recipe.yaml",
    "seeds over folds": "seed-2/fold-5/recipe.yaml",
}


@pytest.fixture(scope="module")
def tagger(clips, tmp_path_factory):
    return training.train(parse(PLAN | {"name": "plan"}), clips, tmp_path_factory.mktemp("tagger"))


@pytest.fixture
def place(clips, tagger, tmp_path, monkeypatch):
    """Where nothing can be trained."""
    monkeypatch.chdir(tmp_path)
    manifests.write(clips, tmp_path / "clips.parquet")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    shutil.copy(tagger, tmp_path / "t.safetensors")
    # first, as what imports it later would keep it under another name
    monkeypatch.setattr("earmark.train.heads.unfreezing.learn_head", trained)
    for home in ("earmark.train.run", "earmark.train.heads.run", "earmark.train.heads.unfreezing.runs"):
        monkeypatch.setattr(f"{home}.train", trained)
    return tmp_path


def trained(*args, **told):
    raise AssertionError("was trained")


def tree(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def put(file, seed=7):
    """A run's recipe, or its tagger."""
    file.parent.mkdir(parents=True)
    if file.name == "recipe.yaml":
        file.write_text(yaml.safe_dump(parse(PLAN | {"name": "plan", "seed": seed}).as_dict()))
    else:
        file.write_bytes(b"a tagger")


@pytest.mark.parametrize("resume", [(), ("--resume",)], ids=["anew", "resume"])
@pytest.mark.parametrize("there", THERE)
@pytest.mark.parametrize("way", WAYS)
def test_a_training_of_another_kind_is_left_alone(way, there, resume, place):
    words, kinds = WAYS[way]
    if there in kinds:
        pytest.skip("is of this kind")
    inner = "out/student" if way.startswith("distil") else "out"
    put(place / inner / THERE[there], seed=2 if there.startswith("seeds") else 7)
    before = tree(place / "out")
    done = earmark(*words, "--out", "out", *resume)
    assert done.returncode == 2 and f"earmark: {inner}" in done.stderr and "take another --out" in done.stderr, (
        done.stderr
    )
    assert tree(place / "out") == before


@pytest.mark.parametrize(
    "way", ["folds", "seeds", "seeds over folds", "head over folds", "unfrozen over folds", "distil over folds"]
)
def test_all_places_are_looked_at_before_the_first_is_trained(way, place):
    """A run is there of what comes last: without --resume it is not gone on with, and with it only as it began."""
    words, (kind,) = WAYS[way]
    for inner in ("student", "alone") if way.startswith("distil") else (".",):
        file = place / f"out-{inner}" / inner / THERE[kind]
        put(file)
        before = tree(place)
        done = earmark(*words, "--out", f"out-{inner}")
        assert done.returncode == 2 and "holds a run already: --resume goes on with it" in done.stderr, done.stderr
        done = earmark(*words, "--out", f"out-{inner}", "--resume")
        assert done.returncode == 2 and "was started with another recipe or other settings" in done.stderr, done.stderr
        assert tree(place) == before


@pytest.mark.parametrize("way", ["folds", "seeds", "seeds over folds", "head over folds", "unfrozen over folds"])
def test_what_lies_beside_is_of_the_same_recipe(way, place):
    """Runs that are not trained now, and would be told of together with those that are."""
    words, (kind,) = WAYS[way]
    asked = ["1,3" if word == "1,2" else word for word in words if word != "5"]
    asked = asked[:-1] if asked[-1] == "--fold" else asked  # of two folds one is left
    put(place / "out" / THERE[kind])
    done = earmark(*asked, "--out", "out")
    assert done.returncode == 2 and "was started with another recipe or other settings" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("otherwise", "told", "more"),
    [({"salvage": True}, "was started with --salvage", ("--salvage",)), ({"vocabulary": ["high", "none", "low"]}, "'none' was one", None)],
    ids=["salvage", "tags"],
)  # fmt: skip
@pytest.mark.parametrize(
    "way", ["folds", "seeds", "seeds over folds", "head over folds", "unfrozen over folds", "distil over folds"]
)
def test_what_lies_beside_began_with_the_same(way, otherwise, told, more, place, clips, tagger, monkeypatch):
    words, (kind,) = WAYS[way]
    asked = ["1,3" if word == "1,2" else word for word in words if word != "5"]
    asked = asked[:-1] if asked[-1] == "--fold" else asked
    inner = "student/" if way.startswith("distil") else ""
    run = (place / "out" / inner / THERE[kind]).parent
    put(run / "recipe.yaml")
    for home in ("places", "seeds"):  # recipes are looked at above
        monkeypatch.setattr(f"earmark.train.{home}.check_alike", lambda folder, recipe: None)
    shutil.copy(tagger, run)
    (run / "began.json").write_text(json.dumps({"vocabulary": list(clips.vocabulary), "salvage": False} | otherwise))
    before = tree(place)
    done = earmark(*asked, "--out", "out")
    assert done.returncode == 2 and told in done.stderr and "take another --out" in done.stderr, done.stderr
    assert tree(place) == before
    if more:
        with pytest.raises(AssertionError, match="was trained"):
            earmark(*asked, "--out", "out", "--resume", *more)


def test_teachers_are_looked_at_for_all_folds_before_the_first_is_trained(place, clips, tagger):
    words = ("distil", "big", "--into", "plan.yaml", "--data", "clips.parquet", "--out", "out", *FOLDS)
    for fold in "1":
        (place / "big" / f"fold-{fold}").mkdir(parents=True)
    shutil.copy(tagger, place / "big" / "fold-1" / "tagger.safetensors")  # of which fold 5 is tested
    bear = ("--set", "data.shared_groups=report")
    lacking = earmark(*words, *bear)
    assert lacking.returncode == 2 and "big: has no tagger of fold 5, but of 1" in lacking.stderr
    shutil.copytree(place / "big" / "fold-1", place / "big" / "fold-5")
    heard = earmark(*words)
    assert heard.returncode == 2 and "learnt from 12 of the 12 test clips" in heard.stderr, heard.stderr
    tags = place / "tags.csv"
    tags.write_text("tag,merged\nhigh,tall\n")
    named = earmark(*words, *bear, "--merge", "tags.csv")
    assert named.returncode == 2 and "does not know 1 of the student's 3 tags, such as 'high'" in named.stderr, (
        named.stderr
    )
    assert not (place / "out").exists()


def test_clips_are_looked_at_for_all_folds_before_the_first_is_trained(place, clips):
    """Those of the last fold have no tag, and are to choose the epoch."""
    tags = [
        [] if fold == "5" else [f"{tag}"]
        for fold, (tag,) in zip(clips.folds, clips.table["tags"].to_pylist(), strict=True)
    ]
    columns = {name: clips.table[name].to_pylist() for name in ("id", "path", "fold", "group")}
    manifests.write(manifests.build({**columns, "tags": tags}, clips.root), place / "clips.parquet")
    done = earmark(
        *PLAIN, "--out", "out", "--fold", "3", "--fold", "1", "--set", "task=many", "--set", "train.choose=map"
    )
    assert done.returncode == 2 and "train.choose: map has no value on validation clips without tags" in done.stderr
    assert not (place / "out").exists()


@pytest.fixture
def runs(clips, tagger, tmp_path, monkeypatch):
    """A folder with a run of seed 1, over folds and not, as trainings of before left it: all seeds' figures are those of one tagger."""
    monkeypatch.chdir(tmp_path)

    def make(*names):
        for name in names:
            seed = int(name.partition("/")[0].removeprefix("seed-"))
            shutil.copytree(tagger.parent, tmp_path / "out" / name)
            kept = tmp_path / "out" / name / "recipe.yaml"
            kept.write_text(yaml.safe_dump(parse(PLAN | {"name": "plan", "seed": seed}).as_dict()))
        return tmp_path / "out"

    return make


def plans(*numbers):
    return {seed: parse(PLAN | {"name": "plan", "seed": seed}) for seed in numbers}


def test_seeds_that_were_trained_before_stay_in_the_figures(runs):
    said: list[str] = []
    out = runs("seed-1", "seed-2", "seed-10")
    told = seeds.write(out, plans(2), said.append)
    assert list(told["seeds"]) == ["1", "10", "2"] and said == []
    assert set(told["over seeds"]) == set(told["seeds"]["2"]["validation"]) > {"loss"}
    assert json.loads((out / "seeds.json").read_text()) == told


def test_a_seed_that_was_stopped_is_left_out_and_said(runs):
    out, said = runs("seed-1", "seed-2"), []
    plan = parse(PLAN | {"name": "plan", "seed": 1, "train": PLAN["train"] | {"epochs": 2}})
    (out / "seed-1" / "recipe.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    assert list(seeds.write(out, plans(2), said.append)["seeds"]) == ["2"]
    assert said == [
        f"{out}/seed-1: was stopped before its end, and is left out of seeds.json: go on with it too, with --resume"
    ]
    assert places.finished(out / "seed-2") and not places.finished(out / "seed-1")
    (out / "seed-1" / "state.safetensors").unlink()
    assert places.finished(out / "seed-1")
    (out / "seed-1" / "tagger.safetensors").unlink()
    assert not places.finished(out / "seed-1")


def test_a_seed_whose_epoch_was_chosen_on_other_clips_is_left_out_and_said(runs, clips):
    out, said = runs("seed-1", "seed-2"), []
    shutil.rmtree(out / "seed-1")
    own = parse(PLAN | {"name": "plan", "seed": 1})
    training.train(own, clips.select([row for row in range(len(clips)) if row != 40]), out / "seed-1")
    assert list(seeds.write(out, plans(2), said.append)["seeds"]) == ["2"]
    assert len(said) == 1 and "seed-1: its epoch was chosen on other clips than that of seed 2" in said[0]
    drawn = {2: own.model_copy(update={"data": own.data.model_copy(update={"validation": 0.2})})}
    assert list(seeds.write(out, drawn, said.append)["seeds"]) == ["1", "2"] and len(said) == 1


def test_over_folds_the_mean_is_of_those_that_all_seeds_have(runs):
    out, said = runs("seed-1/fold-1", "seed-1/fold-2", "seed-2/fold-2"), []
    told = seeds.write(out, plans(2), said.append)["seeds"]
    assert list(told["1"]["folds"]) == ["1", "2"] and list(told["2"]["folds"]) == ["2"]
    assert told["1"]["validation"] == told["1"]["folds"]["2"]["validation"]
    assert said == [f"{out}: not all seeds were trained on fold 1, over which no mean is taken"]
