"""The command line over seeds: a run each, mean and spread; going on; and judging them."""

from __future__ import annotations

import json
import shutil
from statistics import fmean, stdev

import pytest
import yaml
from tests.program import earmark
from tests.test_cli_folds import RECIPE

import earmark as library
from earmark.data import manifest as manifests
from earmark.errors import EarmarkError
from earmark.evaluation import seeds
from earmark.models.file import read_head
from earmark.train import seeds as training

pytestmark = pytest.mark.usefixtures("sketched")

PLAN = RECIPE | {"train": RECIPE["train"] | {"epochs": 3}}
COMMAND = ("train", "plan.yaml", "--data", "clips.parquet", "--out", "run")


@pytest.fixture(scope="module")
def place(clips, tmp_path_factory):
    """A folder with a manifest, a recipe, a run with the seeds 2 and 10, and what was printed."""
    folder = tmp_path_factory.mktemp("seeds")
    manifests.write(clips, folder / "clips.parquet")
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    done = earmark(*COMMAND, "--seeds", "2,10", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


def table(text: str) -> dict[str, dict[str, str]]:
    head, *rows = [line.split("\t") for line in text.splitlines()]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def test_each_seed_has_its_run_and_they_differ(place):
    weights = [(place / "run" / f"seed-{seed}" / "tagger.safetensors").read_bytes() for seed in (2, 10)]
    assert weights[0] != weights[1]
    for seed in (2, 10):
        assert read_head(place / "run" / f"seed-{seed}" / "tagger.safetensors")["recipe"]["seed"] == seed


def test_mean_and_spread_are_those_of_the_taggers(place):
    heads = {seed: read_head(place / "run" / f"seed-{seed}" / "tagger.safetensors")["facts"] for seed in (2, 10)}
    told = json.loads((place / "run" / "seeds.json").read_text())
    rows = table((place / "printed").read_text())
    assert list(rows) == ["2", "10", "mean", "deviation", "lowest", "highest"]
    for key in ("loss", "map", "accuracy", "map@3"):
        values = [heads[seed]["validation"][key] for seed in (2, 10)]
        expected = {"mean": fmean(values), "deviation": stdev(values), "lowest": min(values), "highest": max(values)}
        assert told["over seeds"][key] == pytest.approx(expected)
        for what, value in expected.items():
            assert rows[what][f"validation {key}"] == f"{value:.4f}"
    assert told["seeds"]["10"]["epoch"] == heads[10]["chosen"]["epoch"]


def test_more_seeds_are_added_and_what_has_ended_stays(place, tmp_path):
    place = shutil.copytree(place, tmp_path / "place")
    before = (place / "run" / "seed-2" / "tagger.safetensors").read_bytes()
    refused = earmark(*COMMAND, "--seeds", "2,10,3", cwd=place)
    assert refused.returncode == 2 and "seed-2: holds a run already: --resume goes on with it" in refused.stderr
    other = earmark(*COMMAND, "--seeds", "3,4", cwd=place)
    assert other.returncode == 2 and "holds runs of the seeds 2, 10 already: --resume adds to them" in other.stderr
    assert not (place / "run" / "seed-3").exists()
    done = earmark(*COMMAND, "--seeds", "3", "--resume", cwd=place)  # one is enough beside others
    assert done.returncode == 0, done.stderr
    assert list(table(done.stdout)) == ["2", "10", "3", "mean", "deviation", "lowest", "highest"]
    done = earmark(*COMMAND, "--seeds", "2,10,3", "--resume", cwd=place)
    assert done.returncode == 0, done.stderr
    assert list(table(done.stdout)) == ["2", "10", "3", "mean", "deviation", "lowest", "highest"]
    assert (place / "run" / "seed-2" / "tagger.safetensors").read_bytes() == before
    assert list(json.loads((place / "run" / "seeds.json").read_text())["seeds"]) == ["2", "10", "3"]


def test_seeds_over_folds(place, tmp_path):
    done = earmark(
        *COMMAND[:-1],
        tmp_path / "both",
        "--seeds",
        "1,2",
        "--fold",
        "1",
        "--fold",
        "2",
        "--set",
        "train.epochs=1",
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "both" / "seeds.json").read_text())
    for each in told["seeds"].values():
        folds = [fold["validation"]["loss"] for fold in each["folds"].values()]
        assert each["validation"]["loss"] == pytest.approx(fmean(folds)) and list(each["folds"]) == ["1", "2"]
    judged = earmark("evaluate", tmp_path / "both", "--data", "clips.parquet", "--resamples", 5, "--json", cwd=place)
    assert judged.returncode == 0, judged.stderr
    assert [each["clips"] for each in json.loads(judged.stdout)["seeds"].values()] == [24, 24]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--seeds", "1"), "--seeds 1: give two whole numbers from 0 at least"),
        (("--seeds", "1,1"), "none twice"),
        (("--seeds", "1,-2"), "--seeds 1,-2: give two whole numbers"),
        (("--seeds", "one,two"), "--seeds one,two: give two whole numbers"),
        (("--seeds", "1,2", "--set", "data.folds=5"), "data.folds: 5 folds are dealt by the seed"),
    ],
)
def test_what_is_no_run_of_seeds_is_refused(place, tmp_path, more, said):
    done = earmark(*COMMAND[:-1], tmp_path / "new", *more, cwd=place)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "new").exists()


def test_a_folder_with_something_else_is_left_alone(place, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = earmark(*COMMAND[:-1], tmp_path, "--seeds", "1,2", cwd=place)
    assert done.returncode == 2 and "holds notes.txt, which is no run of a seed: take another --out" in done.stderr
    (tmp_path / "notes.txt").rename(tmp_path / "seeds.json")
    done = earmark(*COMMAND[:-1], tmp_path, "--seeds", "1,2", cwd=place)
    assert done.returncode == 2 and "holds seeds.json, which is no run of a seed" in done.stderr


def test_a_fraction_that_validates_is_told(place, tmp_path):
    said: list[str] = []
    plan = library.recipe.parse(PLAN | {"data": {"dataset": "folder", "validation": 0.2}})
    assert [one.seed for one in training.seeded(plan, [4, 5], said.append).values()] == [4, 5]
    assert said == ["recipe : each seed draws its own 0.2 of the clips for validation"]


def test_evaluate_judges_each_and_tells_mean_and_spread(place):
    done = earmark("evaluate", "run", "--data", "clips.parquet", "--resamples", 20, cwd=place)
    assert done.returncode == 0, done.stderr
    rows = table(done.stdout)
    assert list(rows) == ["2", "10", "mean", "deviation", "lowest", "highest"] and "log loss" in rows["mean"]
    told = json.loads((place / "run" / "evaluation" / "seeds.json").read_text())
    for seed in ("2", "10"):
        report = json.loads((place / "run" / f"seed-{seed}" / "evaluation-fold-5" / "report.json").read_text())
        assert told["seeds"][seed]["metrics"] == report["metrics"]
    values = [told["seeds"][seed]["metrics"]["log_loss"]["value"] for seed in ("2", "10")]
    assert told["over seeds"]["log_loss"] == pytest.approx(
        {"mean": fmean(values), "deviation": stdev(values), "lowest": min(values), "highest": max(values)}
    )
    again = earmark("evaluate", "run", "--data", "clips.parquet", "--resamples", 20, "--json", cwd=place)
    assert again.returncode == 0 and json.loads(again.stdout) == told  # and its own report is written anew


def test_what_is_of_one_tagger_is_refused_of_several(place, tmp_path):
    for more, said in (
        (("--record",), "--record and --fold are for one tagger"),
        (("--submission", tmp_path / "s.csv"), "--submission and --errors are for one tagger"),
    ):
        done = earmark("evaluate", "run", "--data", "clips.parquet", "--resamples", 5, *more, cwd=place)
        assert done.returncode == 2 and said in done.stderr
    (tmp_path / "seeds.json").write_text("mine")
    done = earmark("evaluate", "run", "--data", "clips.parquet", "--resamples", 5, "--out", tmp_path, cwd=place)
    assert done.returncode == 2 and (tmp_path / "seeds.json").read_text() == "mine" and "seeds.json" in done.stderr
    with pytest.raises(EarmarkError, match=r"holds runs of 2 seeds, all tested on the same clips: judge one"):
        library.evaluate(str(place / "run"), place / "clips.parquet")
    told = seeds.evaluate(place / "run", lambda run: library.evaluate(run, place / "clips.parquet", resamples=5))
    assert set(told.seeds) == {"2", "10"} and told.over()["map"]["mean"] > 0


def test_the_seeds_of_a_run_are_members(place, tmp_path):
    done = earmark("ensemble", "run", "--rule", "geometric", "-o", tmp_path / "both.safetensors", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["members"] == [f"run/seed-{seed}/tagger.safetensors" for seed in (2, 10)]
