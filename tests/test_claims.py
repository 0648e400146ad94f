"""Claims: every file is valid, verdicts follow from figures worked by hand, and a small claim runs from clips to a verdict."""

from __future__ import annotations

import json
import math
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import yaml
from claims import claim as claims
from claims import data, evidence, trainings, verdict, writing
from claims.judging import HOLDS, LEVEL, NEVER, NOT, UNTOLD, UNTRAINED
from claims.run import main
from claims.verdict import FoundEvents, ScoredClips

from earmark import metrics
from earmark import recipe as recipes
from earmark.data import manifest as manifests
from earmark.errors import EarmarkError, ScoresError
from earmark.metrics import Clips, Counts
from earmark.models import loading
from earmark.registry import NETS
from earmark.scores import Scores
from earmark.train import precision

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))  # as MkDocs does for a hook
FILES = claims.shipped()
KEPT = sorted((ROOT / "results" / "claims" / "trainings").iterdir())
pytestmark = pytest.mark.usefixtures("sketched")

RECIPE = {
    "task": "one",
    "sample_rate": 4000,
    "data": {"dataset": "table", "test": ["5"], "validation": ["4"]},
    "windows": {"length": 0.5, "hop": 0.25},
    "net": {"name": "convnet1d", "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "momentum": 0.1},
    "augment": ["crop"],
    "train": {
        "epochs": 1, "batch": 8, "keep": "every", "optimiser": {"lr": 5e-3}, "renew_statistics": True,
        "precision": "float32",
    },
}  # fmt: skip
CLAIM = {
    "statement": "Training helps", "paper": "003", "where": "Table 2", "there": "0.1 and 0.9", "metric": "accuracy",
    "data": {"folder": "tones", "dataset": "table", "options": {"file": "clips.csv"}}, "seeds": [0, 1, 2],
    "systems": {
        "trained": {"small": ["train.epochs=2"]},
        "hardly trained": {"settings": ["train.optimiser.lr=1e-9", "train.schedule.name=constant"]},
        "mean over epochs": {"epochs": "trained"},
        "both": {"of": ["trained", "hardly trained"], "rule": "geometric"},
    },
    "pairs": [["trained", "hardly trained"], ["both", "hardly trained"]],
    "remarks": ["Tones stand for sounds."], "small_remarks": ["Two epochs are few."],
}  # fmt: skip


OWN = {"paper": "own", "where": "", "there": "", "small_remarks": []}  # of our own


def write(folder: Path, name: str = "tones", **changes) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"recipe": "fsdd-samplecnn", **CLAIM, **changes}, sort_keys=False))
    return file


@pytest.mark.parametrize("name", FILES)
def test_every_claim_is_valid_and_its_recipes_too(name):
    claim = claims.load(FILES[name])
    assert claim.metric == claims.EVENT_F1 or claim.metric in ("accuracy", "map", "map@3", "auc", "log_loss")
    assert claim.own() == name.startswith("own-") and claim.own() == (claim.sized("small") == "full")
    for system in claim.trained():
        for size in ("small", "full"):
            recipe = claim.recipe_of(system, size, 7)
            assert (recipe.seed, recipe.data.dataset, recipe.data.folds) == (7, claim.data.layout(), None)
            assert recipe.data.test or claim.folds == "all"
    if claim.metric == claims.EVENT_F1:
        assert {system.way for system in claim.systems.values()} - {None} == {"half", "swept", "medians"}


def test_systems_of_a_claim_differ_in_what_they_are_compared_by():
    """Two systems that are the same by mistake would never be told apart."""
    for file in FILES.values():
        claim = claims.load(file)
        for size in ("small", "full"):
            told = [
                json.dumps([claim.recipe_of(name, size, 0).as_dict(), claim.systems[name].taught_by])
                for name in claim.trained()
            ]
            assert len(set(told)) == len(told), (claim.id, size)


def test_narrow_nets_are_equally_wide():
    """What is compared must not differ in more than the claim is about."""
    for name in (name for name in FILES if name.startswith("001")):
        claim = claims.load(FILES[name])
        for size in ("small", "full"):
            first, second = (claim.recipe_of(system, size, 0) for system in ("SampleCNN", "ReSE-2-Multi"))
            for key in ("widths", "sizes"):
                assert first.net.arguments.get(key) == second.net.arguments.get(key)
            assert first.train == second.train and first.windows == second.windows and first.augment == second.augment


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": [0, 1]}, "seeds are [0, 1]: give 3 different ones"),
        ({"pairs": [["trained", "trainde"]]}, "there is no system 'trainde', did you mean 'trained'?"),
        ({"pairs": [["trained", "trained"]]}, "'trained' is compared with itself"),
        ({"paper": "007"}, "paper: Input should be '000'"),
        (
            {"statements": {"a": [["both", "trained"]]}},
            "each of [('trained', 'hardly trained'), ('both', 'hardly trained')]",
        ),
        ({"draw": "sources"}, "draw: sources is of scenes: say groups"),
        ({"paper": "own"}, "where and there are what a paper says: a claim of our own has neither"),
        ({"there": ""}, "where and there are what a paper says: a claim of our own has neither, any other both"),
        (OWN, "systems.trained: small is of a paper's claim: one of our own is about recipes as they are"),
        (
            OWN | {"systems": {}, "small_remarks": ["Brief."]},
            "small_remarks: are of a paper's claim: one of our own is",
        ),
        ({"metric": "event_f1", "also": ["map"]}, "also: is of metrics of scores, and event_f1 is of events"),
        (
            {"systems": CLAIM["systems"] | {"all": {"committee": "mean over epochs"}}},
            "systems.all: is made of 'mean over epochs', which is made of others itself",
        ),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        (
            {"systems": CLAIM["systems"] | {"taught": {"taught_by": ["trainde"]}}},
            "systems.taught: there is no system 'trainde', did you mean 'trained'?",
        ),
        (
            {"systems": CLAIM["systems"] | {"taught": {"taught_by": ["both"]}}},
            "systems.taught: 'both' does not learn from labels alone, and cannot teach",
        ),
        (
            {"systems": CLAIM["systems"] | {"a": {"taught_by": ["trained"]}, "b": {"taught_by": ["a"]}}},
            "systems.b: 'a' does not learn from labels alone, and cannot teach",
        ),
        (
            {"systems": CLAIM["systems"] | {"taught": {"of": ["trained"], "taught_by": ["trained"]}}},
            "systems.taught: is not trained, and taught_by is of what is",
        ),
        ({"metric": "event_f1"}, "the metric event_f1 is of systems with a way"),
        ({"systems": CLAIM["systems"] | {"all": {"of": ["both", "trained"]}}}, "is made of 'both', which is made of"),
    ],
)
def test_a_wrong_claim_is_refused(tmp_path, changes, said):
    with pytest.raises(EarmarkError) as error:
        claims.load(write(tmp_path, **changes))
    assert said in str(error.value)


# Figures worked by hand


def scored(right: list[int]) -> ScoredClips:
    """Answers of two tags: 1 where the clip is answered rightly."""
    truth = np.zeros((len(right), 2), bool)
    truth[:, 0] = True
    values = np.where(np.array(right)[:, None] == 1, [0.9, 0.1], [0.2, 0.8])
    return ScoredClips(Clips(values, truth), "accuracy")


A = [[1, 1, 1, 0, 1, 1], [1, 1, 0, 1, 1, 1]]
B = [[0, 1, 0, 0, 1, 0], [0, 1, 0, 1, 0, 1]]
GROUPS = np.array(["p", "p", "q", "r", "s", "t"])


def test_the_mean_over_runs_and_p_over_every_swap():
    """Two runs, five groups, 32 swaps: all of them made by hand, both runs swapped together."""
    runs = {"a": [scored(run) for run in A], "b": [scored(run) for run in B]}
    (pair,) = verdict.compare(runs, [("a", "b")], GROUPS, "accuracy", permutations=1000)
    d = np.mean(np.array(A) - np.array(B), axis=0)  # of each clip, mean over runs
    assert pair.difference.value == pytest.approx(d.mean())
    assert pair.runs == pytest.approx([(np.array(a) - np.array(b)).mean() for a, b in zip(A, B, strict=True)])
    far = 0
    for signs in product((1, -1), repeat=5):
        swapped = np.array(signs)[[0, 0, 1, 2, 3, 4]] * d
        far += abs(swapped.mean()) >= abs(d.mean()) - 1e-12
    assert pair.p == pytest.approx(far / 32)
    assert pair.trainings == pair.runs


def test_the_trainings_of_a_run_over_folds_are_told_on_the_clips_of_their_folds():
    runs = {"a": [scored(A[0])], "b": [scored(B[0])]}
    folds = np.array(["1", "1", "1", "2", "2", "2"])
    (pair,) = verdict.compare(runs, [("a", "b")], GROUPS, "accuracy", turns=folds, permutations=10)
    assert pair.runs == pytest.approx([(5 - 2) / 6])
    assert pair.trainings == pytest.approx([3 / 3 - 1 / 3, 2 / 3 - 1 / 3])


@pytest.mark.parametrize("metric", ["accuracy", "map"])
def test_one_run_is_what_earmark_compare_says(metric):
    generator = np.random.default_rng(1)
    truth = np.eye(3, dtype=bool)[generator.integers(3, size=60)]
    values = {
        name: (truth + generator.normal(0, noise, truth.shape)).clip(0) for name, noise in (("a", 0.5), ("b", 0.9))
    }
    groups = np.array([f"g{i % 12}" for i in range(60)])
    (theirs,) = metrics.compare(values, truth, groups, "one", metrics=[metric], permutations=500, resamples=300)
    runs = {name: [ScoredClips(Clips(own, truth), metric)] for name, own in values.items()}
    (ours,) = verdict.compare(runs, [("a", "b")], groups, metric, permutations=500, resamples=300)
    assert (ours.difference, ours.p) == (theirs.difference, theirs.p)
    own = metrics.evaluate(values["a"], truth, groups, "one", metrics=[metric], resamples=300)
    assert verdict.figures(runs, groups, metric, resamples=300)["a"].value == own[metric]


def test_a_single_run_meets_all_of_the_others():
    runs = {"many": [scored(run) for run in A], "one": [scored(B[0])]}
    (pair,) = verdict.compare(runs, [("many", "one")], GROUPS, "accuracy", permutations=10)
    assert pair.runs == pytest.approx([3 / 6, 3 / 6]) and pair.trainings == ()  # they share the one training
    with pytest.raises(ScoresError, match=r"many has 2 runs and three has 3: they cannot be paired"):
        verdict.compare(runs | {"three": [scored(A[0])] * 3}, [("many", "three")], GROUPS, "accuracy")


def test_p_over_clips_of_several_pairs():
    runs = {name: [scored(run)] for name, run in (("a", [1] * 8), ("b", [0] * 8), ("c", [0] * 7 + [1]))}
    groups = np.array(list("pqrstuvw"))
    pairs = verdict.compare(runs, [("a", "b"), ("a", "c"), ("b", "c")], groups, "accuracy", permutations=10_000)
    # of 256 swaps 2 are as far for a and b; of a and c one clip does not matter, so 4 of 256
    assert [pair.p for pair in pairs] == pytest.approx([2 / 256, 4 / 256, 1])


def test_one_group_tells_nothing():
    runs = {"a": [scored(A[0])], "b": [scored(B[0])]}
    (pair,) = verdict.compare(runs, [("a", "b")], np.array(["p"] * 6), "accuracy")
    assert math.isnan(pair.p) and math.isnan(pair.difference.low)


def test_f1_of_events_is_that_of_the_counts():
    generator = np.random.default_rng(0)
    ids, tags = tuple("abcdefgh"), ("dog", "rain", "never")
    parts = [generator.integers(0, 4, (8, 3)) for _ in range(3)]
    parts[0][:, 2] = parts[2][:, 2] = 0  # no event of the last tag is known: it is left out, as in the reports
    counts = Counts(ids, tags, *parts)
    groups = np.array(list("ppqqrrst"))
    theirs = metrics.detection_f1(counts, dict(zip(ids, groups.tolist(), strict=True)), resamples=200).macro
    ours = verdict.figures({"net": [FoundEvents(counts)]}, groups, claims.EVENT_F1, resamples=200)["net"].value
    assert ours.value == pytest.approx(theirs.value)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


# From clips to a verdict


@pytest.fixture(scope="module")
def place(clips, tmp_path_factory) -> Path:
    """Recordings with a table, a claim and a recipe."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "recordings").mkdir()
    (folder / "recordings" / "tones").symlink_to(clips.root)
    manifests.write(clips, clips.root / "clips.csv")
    (folder / "plan.yaml").write_text(yaml.safe_dump(RECIPE))
    write(folder / "files", recipe=str(folder / "plan.yaml"))
    return folder


def run(place: Path, *more: str, files: str = "files") -> int:
    told = {"--data": "recordings", "--out": "out", "--results": "results", "--claims": files}
    return main([part for key, name in told.items() for part in (key, str(place / name))] + ["--workers", "1", *more])


@pytest.fixture(scope="module")
def result(place) -> dict:
    assert run(place) == 0
    return json.loads((place / "results" / "tones.json").read_text())


def test_trainings_of_one_recipe_compute_alike(clips, tmp_path, monkeypatch):
    """The first measures, whatever its seed and fold; one that measured beside it, and ended later, does as it did."""
    choose = iter([("32-true", "is faster"), ("bf16-mixed", "is faster")])
    monkeypatch.setattr(precision, "choose", lambda *given: next(choose))
    manifests.write(clips, tmp_path / "clips.parquet")
    auto = RECIPE | {"train": RECIPE["train"] | {"precision": "auto"}}

    def made(raw: dict) -> trainings.Training:
        return trainings.training(recipes.parse(raw), tmp_path / "clips.parquet", tmp_path / "out" / "trainings")

    first = made(auto)
    second = made(auto | {"seed": 3, "data": auto["data"] | {"test": ["1"], "validation": ["2"]}})
    other = made(auto | {"windows": {"length": 0.5, "hop": 0.5}})
    assert first.folder != second.folder and first.alike == second.alike != other.alike
    for one in (first, second):
        trainings.run(one, workers=1)
    told = [json.loads((one.folder / "done.json").read_text())["precision"] for one in (first, second)]
    assert told == ["float32", "float32"] and next(choose)
    assert precision.keep(first.alike, "", ("bf16-mixed", "is faster"))[0] == "32-true"


def test_a_claim_from_clips_to_a_verdict(clips, place, result):
    """Every figure again, from the scores that the trainings left."""
    assert (result["clips"], result["groups"], result["size"]) == (12, 12, "small")
    assert result["cost"]["trainings"] == 6 and result["cost"]["device"] == "cpu"
    spent = [json.loads(file.read_text()) for file in (place / "out" / "trainings").glob("*/done.json")]
    assert result["cost"]["processor seconds"] == round(sum(each["processor seconds"] for each in spent)) > 0
    assert result["cost"]["precision"] == "float32"
    assert result["remarks"] == ["Tones stand for sounds.", "Two epochs are few."]
    assert " of the processor, computed in float32." in (place / "results" / "tones.md").read_text(encoding="utf-8")
    systems = {system["name"]: system for system in result["systems"]}
    assert systems["trained"]["settings"] == ["train.epochs=2"]
    found: dict[str, dict[int, float]] = {}
    for folder in (place / "out" / "trainings").iterdir():
        plan = yaml.safe_load((folder / "recipe.yaml").read_text())
        assert not json.loads((folder / "done.json").read_text())["gone on"]
        name = "trained" if plan["train"]["epochs"] == 2 else "hardly trained"
        found.setdefault(name, {})[plan["seed"]] = accuracy(folder, clips)
    for name, runs in found.items():
        assert systems[name]["runs"] == pytest.approx([runs[seed] for seed in (0, 1, 2)])
        assert systems[name]["value"] == pytest.approx(np.mean(list(runs.values())))
    first = result["pairs"][0]
    assert first["difference"] == pytest.approx(systems["trained"]["value"] - systems["hardly trained"]["value"])
    assert first["trainings"] == first["runs"]
    differences = [found["trained"][seed] - found["hardly trained"][seed] for seed in (0, 1, 2)]
    expected = scipy.stats.ttest_1samp(differences, 0).pvalue if np.std(differences) else None
    assert first["p_trainings"] == (pytest.approx(expected) if expected is not None else None)
    # two epochs cannot show that a net was done learning
    assert first["verdict"] == result["verdict"] == UNTRAINED
    assert first["why"] == "trained: its 2 epochs are too few to show whether it was done rising (10 at least)"
    assert [run["epochs"] for run in result["learnt"]["trained"]["runs"]] == [2, 2, 2]


def test_the_list_tells_what_is_known_of_each(place, result, capsys):
    assert run(place, "--list") == 0
    minutes = f"{result['cost']['seconds'] / 60:.0f}"
    told = f"tones: Training helps ({result['verdict']}; 6 trainings, {minutes} minutes on cpu)"
    assert capsys.readouterr().out.splitlines() == [told]
    assert run(place, "--list", "--full") == 0
    assert "(not run yet at this size, cost not measured)" in capsys.readouterr().out


def accuracy(folder: Path, clips) -> float:
    scores = Scores.load(folder / "scores.parquet")
    tags = dict(zip(clips.ids.tolist(), clips.table["tags"].to_pylist(), strict=True))
    assert sorted(scores.ids) == sorted(clips.in_folds(["5"]).ids)
    right = []
    for id_, row in zip(scores.ids.tolist(), scores.values, strict=True):
        best = np.flatnonzero(row == row.max())  # several where nothing was learnt: no answer
        right.append([scores.tags[i] for i in best] == tags[id_])
    return float(np.mean(right))


def test_the_page_tells_the_figures(place, result):
    text = (place / "results" / "tones.md").read_text()
    assert text.startswith("# Training helps\n\nPaper 003, Table 2. 0.1 and 0.9.\n\n**Here: ")
    for system in result["systems"]:
        assert f"| {system['name']} | {system['value']:.3f} (" in text
    assert "its 2 epochs are too few to show" in text
    assert "3 trainings of each system, with the seeds 0, 1, 2. Nets are narrower, or trainings shorter" in text


def never(*_, **__):
    raise AssertionError("trained again")


def test_what_ended_elsewhere_is_told_from_its_files(place, result, tmp_path, capsys, monkeypatch):
    """The same result, without a net: from what stands beside the results. Half a training is none."""
    kept = place / "results" / "trainings"
    assert sorted(path.name for path in kept.iterdir()) == sorted(
        path.name for path in (place / "out" / "trainings").iterdir()
    )
    here = tmp_path / "place"
    here.mkdir()
    for name in ("recordings", "files", "plan.yaml"):
        (here / name).symlink_to(place / name)
    shutil.copytree(kept, here / "results" / "trainings")
    monkeypatch.setattr(trainings, "run", never)
    assert run(here) == 0
    assert "6 trainings ended elsewhere" in capsys.readouterr().err
    assert json.loads((here / "results" / "tones.json").read_text()) == result
    shutil.rmtree(here / "out")
    next((here / "results" / "trainings").iterdir()).joinpath("done.json").unlink()
    assert run(here) == 1
    assert "5 trainings ended elsewhere" in (said := capsys.readouterr().err) and "trained again" in said


def test_what_has_ended_is_not_done_again(place, result, capsys, monkeypatch):
    monkeypatch.setattr(trainings, "run", never)
    assert run(place) == 0
    assert "6 trainings, 6 of them done already" in capsys.readouterr().err
    assert json.loads((place / "results" / "tones.json").read_text()) == result


def test_a_training_that_was_stopped_goes_on(place, result, tmp_path):
    """One that has neither its mark nor its scores is taken up where it was, and ends with the same scores."""
    place = shutil.copytree(place, tmp_path / "place", symlinks=True)
    folder = sorted((place / "out" / "trainings").iterdir())[0]
    before = (folder / "scores.parquet").read_bytes()
    for name in ("done.json", "scores.parquet"):
        (folder / name).unlink()
        (place / "results" / "trainings" / folder.name / name).unlink()
    assert run(place) == 0
    assert (folder / "scores.parquet").read_bytes() == before
    assert json.loads((folder / "done.json").read_text())["gone on"]


def test_a_claim_over_folds_tells_each_training(place):
    """Five folds, of which each is tested by a training of its own: five differences on their clips."""
    systems = {name: CLAIM["systems"][name] for name in ("trained", "hardly trained")}
    told = {"recipe": str(place / "plan.yaml"), "folds": "all", "seeds": [0], "settings": ["data.test=[]"]}
    write(place / "folded", "folded", systems=systems, pairs=[["trained", "hardly trained"]], **told)
    assert run(place, files="folded") == 0
    found = json.loads((place / "results" / "folded.json").read_text())
    (pair,) = found["pairs"]
    assert len(pair["trainings"]) == found["folds"] == 5 and len(pair["runs"]) == 1
    # all folds have twelve clips, so that the figure of all is the mean over them
    assert np.mean(pair["trainings"]) == pytest.approx(pair["difference"])
    expected = verdict.over_trainings(pair["trainings"], 5)
    assert pair["p_trainings"] == (None if math.isnan(expected) else pytest.approx(expected))
    assert f"{pair['why']}" in (place / "results" / "folded.md").read_text()


def test_a_claim_of_our_own_is_about_recipes_as_they_are(place, capsys):
    """No fold validates and the last epoch is kept: no more is asked of its trainings. Less of a loss is better; folds that are not
    asked for are as if they were not there; and a committee may be of what is made of several systems."""
    systems = {
        name: {key: CLAIM["systems"][name][key] for key in ("settings",) if key in CLAIM["systems"][name]}
        for name in ("trained", "hardly trained")
    }
    systems |= {
        "all": {"committee": "one of each", "rule": "geometric"},
        "one of each": {"of": list(systems), "rule": "geometric"},
    }
    told = OWN | {
        "recipe": str(place / "plan.yaml"), "folds": "all", "systems": systems, "metric": "log_loss", "also": ["accuracy"],
        "settings": ["data.test=[]", "data.validation=[]", "train.keep=last", "train.epochs=3",
            "train.schedule.name=constant"],
        "data": CLAIM["data"] | {"only": ["1", "2", "3"]}, "pairs": [["trained", "hardly trained"], ["all", "hardly trained"]],
    }  # fmt: skip
    write(place / "own", "own-tones", **told)
    assert run(place, files="own") == 0
    assert "own-tones: not run: it is about recipes at their own size" in capsys.readouterr().err
    assert run(place, "--only", "own-tones", files="own") == 0
    found = json.loads((place / "results" / "own-tones.json").read_text())
    assert (found["size"], found["clips"], found["cost"]["trainings"], found["folds"]) == ("full", 36, 18, 3)
    by_name = {each["name"]: each for each in found["systems"]}
    runs: dict[tuple[bool, int], list[Scores]] = {}
    held = manifests.read(next((place / "out" / "data").glob("*.parquet")))
    for folder in (place / "out" / "trainings").iterdir():
        plan = yaml.safe_load((folder / "recipe.yaml").read_text())
        if plan["data"]["validation"] == [] and plan["train"]["epochs"] == 3:
            assert not (set(plan["data"]["train"] or []) | set(plan["data"]["test"])) - {"1", "2", "3"}
            of = (plan["train"]["optimiser"]["lr"] < 1e-8, plan["seed"])
            runs.setdefault(of, []).append(Scores.load(folder / "scores.parquet"))
    assert sorted(runs) == [(hardly, seed) for hardly in (False, True) for seed in (0, 1, 2)]
    assert {len(parts) for parts in runs.values()} == {3}
    truths = dict(zip(held.ids.tolist(), (tags[0] for tags in held.table["tags"].to_pylist()), strict=True))

    def losses(members: list[list[Scores]]) -> dict[str, float]:
        """−ln of the right tag's score by clip, of the geometric mean of members."""
        told: dict[str, list[np.ndarray]] = {}
        for parts in members:
            for part in parts:
                for id_, row in zip(part.ids.tolist(), part.values, strict=True):
                    told.setdefault(id_, []).append(np.log(np.maximum(row, 1e-12)))
        tags = members[0][0].tags
        means = {id_: np.exp(np.mean(rows, axis=0)) for id_, rows in told.items()}
        return {id_: -math.log(row[tags.index(truths[id_])] / row.sum()) for id_, row in means.items()}

    for name, hardly in (("trained", False), ("hardly trained", True)):
        single = [np.mean(list(losses([runs[hardly, seed]]).values())) for seed in (0, 1, 2)]
        assert by_name[name]["runs"] == pytest.approx(single, rel=1e-4)
    whole = np.mean(list(losses(list(runs.values())).values()))
    assert by_name["all"]["value"] == pytest.approx(whole, rel=1e-4) and len(by_name["all"]["runs"]) == 1
    assert 0 <= by_name["trained"]["also"]["accuracy"]["value"] <= 1
    assert [each["why"] for each in found["learnt"].values()] == ["", ""]
    page = (place / "results" / "own-tones.md").read_text()
    assert "trained: the last of 3 epochs, as its recipe says: nothing validates." in page
    assert "| trained < hardly trained | " in page and "No paper's" in page and "| accuracy |" in page
    first = found["pairs"][0]
    assert first["difference"] == pytest.approx(by_name["trained"]["value"] - by_name["hardly trained"]["value"])
    both = first["p_holm"] < LEVEL and first["p_trainings_holm"] < LEVEL
    assert first["verdict"] == ({True: HOLDS, False: NOT}[first["difference"] < 0] if both else UNTOLD)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_system_is_taught_by_others_of_its_fold_and_seed(place, tmp_path, monkeypatch, jobs):
    """Students come after their teachers, wherever they stand; and where scores alone are kept of these, they learn again to teach."""
    here = tmp_path / "place"
    here.mkdir()
    for name in ("recordings", "plan.yaml"):
        (here / name).symlink_to(place / name)
    other = {"settings": ["train.optimiser.lr=4e-3"]}
    systems = {"taught": {"taught_by": ["trained"]}, "trained": {}, "other": other}
    told = OWN | {
        "recipe": str(here / "plan.yaml"), "folds": "all", "seeds": [0, 1], "systems": systems, "pairs": [["taught", "trained"]],
        "settings": ["data.test=[]", "data.validation=[]", "train.keep=last", "train.schedule.name=constant"],
        "data": CLAIM["data"] | {"only": ["1", "2"]},
    }  # fmt: skip
    write(here / "files", "own-taught", **told)
    asked = ("--only", "own-taught", "--jobs", jobs)
    assert run(here, *asked) == 0
    found = json.loads((here / "results" / "own-taught.json").read_text())
    assert found["cost"]["trainings"] == 12
    assert next(each for each in found["systems"] if each["name"] == "taught")["taught by"] == ["trained"]
    assert ", taught by trained of its fold and seed" in (here / "results" / "own-taught.md").read_text()
    plans = {
        folder: yaml.safe_load((folder / "recipe.yaml").read_text())
        for folder in (here / "out" / "trainings").iterdir()
    }
    students = {folder: plan for folder, plan in plans.items() if plan.get("distil")}
    assert len(students) == 4
    for folder, plan in students.items():
        (teacher,) = [
            other for other, its in plans.items() if its | {"distil": plan["distil"]} == plan and other != folder
        ]
        assert plan["distil"]["teachers"] == [loading.load(teacher / "tagger.safetensors").identity()]
        assert (folder / "done.json").stat().st_mtime_ns > (teacher / "done.json").stat().st_mtime_ns
        assert (
            Scores.load(folder / "scores.parquet").ids.tolist() == Scores.load(teacher / "scores.parquet").ids.tolist()
        )
    # elsewhere, where one student had not ended: its teacher alone learns again, and what was kept of it stays
    shutil.rmtree(here / "out")
    folder, plan = next(iter(students.items()))
    kept = here / "results" / "trainings"
    shutil.rmtree(kept / folder.name)
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    learnt: list[str] = []
    train = trainings.run
    monkeypatch.setattr(trainings, "run", lambda one, *more: (learnt.append(one.folder.name), train(one, *more)))
    assert run(here, "--only", "own-taught") == 0
    teacher = next(
        other for other, its in plans.items() if its | {"distil": plan["distil"]} == plan and other != folder
    )
    assert learnt == [teacher.name, folder.name]
    assert before.items() <= {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}.items()
    again = json.loads((here / "results" / "own-taught.json").read_text())
    assert {key: again[key] for key in ("systems", "pairs")} == {key: found[key] for key in ("systems", "pairs")}


def test_folds_that_validate_in_turn_teach_nobody(place, tmp_path, clips):
    systems = {"trained": {}, "taught": {"taught_by": ["trained"]}}
    told = {"folds": "all", "settings": ["data.rotate=validation"], "pairs": [["taught", "trained"]]}
    claim = claims.load(write(tmp_path, recipe=str(place / "plan.yaml"), systems=systems, **told))
    manifests.write(clips, tmp_path / "clips.parquet")
    with pytest.raises(EarmarkError, match=r"taught: folds that validate in turn .* say data\.rotate=test"):
        evidence.plan(claim, "small", tmp_path / "clips.parquet", tmp_path / "out")


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_what_is_kept_is_of_nets_that_are_there(folder):
    """A training of a net that was dropped tells nothing that anyone could make again."""
    plan = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert plan["net"]["name"] in NETS.names() and folder.name.startswith(f"{plan['net']['name']}-")
    assert (folder / "done.json").is_file() and (folder / "scores.parquet").is_file()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes where Linux tells them")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_trainings_end_with_the_program_that_started_them(place, tmp_path, end):
    here = tmp_path / "place"
    here.mkdir()
    for name in ("recordings", "plan.yaml"):
        (here / name).symlink_to(place / name)
    systems = {"one": {}, "other": {"settings": ["train.optimiser.lr=4e-3"]}}
    told = {"systems": systems, "pairs": [["one", "other"]], "settings": ["train.epochs=100000", "train.keep=best"]}
    write(here / "files", "long", recipe=str(here / "plan.yaml"), **told)
    paths = (
        part
        for key, name in {"data": "recordings", "out": "out", "results": "results", "claims": "files"}.items()
        for part in (f"--{key}", str(here / name))
    )
    command = [sys.executable, "-m", "claims.run", *paths, "--workers", "1", "--jobs", "2"]
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: len(list((here / "out").glob("trainings/*/log.csv"))) == 2)
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        assert len(children) > 2  # and who keeps account of what they share
    finally:
        program.send_signal(end)
        program.wait()
    until(lambda: not any(running(child) for child in children))


def running(process: str) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not there():
        assert time.monotonic() < end, "still not"
        time.sleep(0.1)


def test_the_list_tells_where_settings_have_changed(place, result, capsys):
    write(place / "changed", recipe=str(place / "plan.yaml"), settings=["train.epochs=3"])
    assert run(place, "--list", files="changed") == 0
    assert "run with other settings than today's; cost not measured" in capsys.readouterr().out


def test_a_small_result_does_not_replace_a_full_one(tmp_path, result):
    assert len(writing.write(result | {"size": "full"}, tmp_path)) == 2
    assert writing.write(result, tmp_path) == []
    assert json.loads((tmp_path / "tones.json").read_text())["size"] == "full"


def test_stored_results_are_judged_without_training(place, result, tmp_path, capsys, monkeypatch):
    """One of before, that kept neither logs nor figures of trainings, and one that stays as it is."""
    place = shutil.copytree(place, tmp_path / "place", symlinks=True)
    file = place / "results" / "tones.json"
    monkeypatch.setattr(trainings, "run_all", None)
    assert run(place, "--judge") == 0
    assert json.loads(file.read_text()) == result
    for pair in result["pairs"]:
        assert pair.pop("trainings") == pair["runs"]
    old = {key: each for key, each in result.items() if key not in ("learnt", "statements", "verdict", "folds")}
    file.write_text(json.dumps(old))
    assert run(place, "--judge") == 0
    told = json.loads(file.read_text())
    assert told["verdict"] == UNTRAINED and "the logs of its trainings were not kept" in told["pairs"][0]["why"]
    assert [pair["p_trainings"] for pair in told["pairs"]] == [pair["p_trainings"] for pair in result["pairs"]]
    assert file.with_suffix(".md").read_text() == writing.markdown(told)
    file.unlink()
    capsys.readouterr()
    assert run(place, "--judge") == 0
    assert capsys.readouterr().out == "tones: not run yet\n" and not file.exists()


def test_what_no_size_can_tell_is_not_run_again(place, result, tmp_path, capsys):
    place = shutil.copytree(place, tmp_path / "place", symlinks=True)
    write(place / "files", recipe=str(place / "plan.yaml"), limit="twelve clips are too few")
    assert run(place) == 0
    said = capsys.readouterr()
    assert said.err == "tones: not run again: twelve clips are too few\n" and said.out == ""
    assert run(place, "--only", "tones") == 0
    assert capsys.readouterr().out == f"tones: {NEVER}\n"


def test_what_cannot_be_run_is_said_and_does_not_stop_the_rest(place, result, capsys):
    write(place / "others", "absent", data={"folder": "nowhere", "dataset": "table"})
    write(place / "others", "dealt", recipe=str(place / "plan.yaml"), settings=["data.folds=5"])
    write(place / "others", "digits")
    write(place / "others", "other", metric="map_at_all")
    write(place / "others", "tones", recipe=str(place / "plan.yaml"))
    assert run(place, files="others") == 1
    said = capsys.readouterr()
    assert "nowhere: is not there. Name the folder that holds 'nowhere' with --data or EARMARK_DATA" in said.err
    assert "the recipe of trained is for fsdd, the claim's data are table" in said.err
    assert "the recipe of trained deals folds by its seed, and systems are compared on the same clips" in said.err
    assert "no metric is called 'map_at_all'. Known: accuracy, auc" in said.err
    assert said.err.endswith("4 of 5 claims could not be run: absent, dealt, digits, other\n")
    assert said.out == f"tones: {result['verdict']}\n"
    for more, told in (
        (("--only", "tnoes"), "there is no claim 'tnoes'"),
        (("--device", "gpu"), "device 'gpu': is not known"),
    ):
        assert run(place, *more) == 2
        assert told in capsys.readouterr().err


def test_recordings_in_no_folder_are_not_looked_for_in_the_working_one(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EARMARK_DATA", "")
    monkeypatch.chdir(place / "recordings")
    told = ("--claims", place / "files", "--out", tmp_path, "--results", tmp_path)
    assert main([str(part) for part in told]) == 1
    assert f"{os.devnull}/tones: is not there. Name the folder that holds 'tones'" in capsys.readouterr().err


def test_folds_are_dealt_or_made_of_names(clips, place, tmp_path):
    told = {"folder": "tones", "dataset": "table", "options": {"file": "clips.csv"}}
    whole = manifests.read(
        data.prepare(data.Source(**told, parts={"late": r"-5-[23]\."}), place / "recordings", tmp_path)
    )
    assert sorted(whole.ids[whole.folds == "late"]) == sorted(n for n in clips.ids if n[-7:] in ("5-2.wav", "5-3.wav"))
    assert (whole.folds == "5").sum() == 6
    dealt = manifests.read(data.prepare(data.Source(**told, deal=3), place / "recordings", tmp_path))
    assert dealt.fold_names() == ["1", "2", "3"] and len(dealt) == 60
    with pytest.raises(EarmarkError, match=r"parts.late: 'nothing' matches no id"):
        data.prepare(data.Source(**told, parts={"late": "nothing"}), place / "recordings", tmp_path)


def test_folds_that_validate_in_turn_are_runs_and_those_that_test_are_one(place, tmp_path):
    clips = data.prepare(claims.load(place / "files" / "tones.yaml").data, place / "recordings", tmp_path)
    common = {"recipe": str(place / "plan.yaml"), "seeds": [0], "folds": "all"}
    tested = claims.load(write(tmp_path / "a", **common))
    shapes = [[len(run) for run in runs] for runs in evidence.plan(tested, "small", clips, tmp_path).values()]
    assert shapes == [[5], [5]]
    validating = claims.load(write(tmp_path / "b", **common, settings=["data.rotate=validation"]))
    planned = evidence.plan(validating, "small", clips, tmp_path)
    assert [[len(run) for run in runs] for runs in planned.values()] == [[1] * 4, [1] * 4]
    assert writing.runs_of(validating, planned).startswith("4 trainings of each system, for each of which another fold")


# What is told of it


@pytest.fixture(scope="module")
def generated():
    return runpy.run_path(str(ROOT / "docs" / "generated.py"))


@pytest.mark.parametrize("name", FILES)
def test_the_documentation_has_every_claim_with_its_figures(name, generated):
    page = generated["fill"]((ROOT / "docs" / "claims.md").read_text(encoding="utf-8"))
    claim = claims.load(FILES[name])
    said = claim.statement if claim.own() else f"{claim.statement} ({claim.where})"
    (row,) = [line for line in page.partition("## 000")[2].splitlines() if line.startswith("|") and said in line]
    result = ROOT / "results" / "claims" / f"{name}.json"
    if not result.is_file():
        assert "| not run yet |" in row
        return
    told = json.loads(result.read_text(encoding="utf-8"))
    assert f"| **{told['verdict']}**" in row and f"results/claims/{name}.md" in row
    for system in told["systems"]:
        assert f"{system['name']} {system['value']:.3f}" in row
    assert ("small nets" in row) == (told["size"] == "small" and told["cost"]["trainings"] > 0)


@pytest.mark.parametrize("file", sorted((ROOT / "results" / "claims").glob("*.json")), ids=lambda file: file.stem)
def test_results_are_of_these_claims_and_follow_the_rule(file):
    told, claim = json.loads(file.read_text(encoding="utf-8")), claims.load(FILES[file.stem])
    assert [[pair["better"], pair["worse"]] for pair in told["pairs"]] == [list(pair) for pair in claim.pairs]
    assert writing.judged(told, claim) == told
    assert [each["statement"] for each in told["statements"]] == list(claim.statements or [claim.statement])
    assert [told[key] for key in ("statement", "there", "metric")] == [claim.statement, claim.there, claim.metric]
    assert file.with_suffix(".md").read_text(encoding="utf-8") == writing.markdown(told)
    assert set(claim.trained()) <= {system["name"] for system in [*told["systems"], *told["sources"]]}
    # what is said of small trainings stands beside no others
    small = {" ".join(remark.split()) for remark in claim.small_remarks}
    told_too = small & {" ".join(remark.split()) for remark in told["remarks"]}
    assert told_too == (small if told["size"] == "small" else set())
