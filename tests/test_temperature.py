"""Temperatures of ensembles: closed forms, chosen on other folds, told in files, kept by taggers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.program import earmark
from tests.test_committee import made

from earmark import metrics
from earmark.data.manifest import build, write
from earmark.errors import ScoresError, TaggerError
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.file import read_head
from earmark.scores import Scores
from earmark.scores.ensemble.search import search_across
from earmark.scores.ensemble.temperature import LEAST, MOST, across, at_edge, fit, tempered


def drawn(temperature: float, clips: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Clips whose tags are drawn from softmax(z), with scores softmax(z · temperature): too sure by that factor."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (clips, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.eye(4, dtype=bool)[(p.cumsum(1) < rng.random((clips, 1))).sum(1).clip(0, 3)]
    scores = np.exp(logits * temperature)
    return scores / scores.sum(1, keepdims=True), truth


def test_two_tags_by_hand():
    """Odds of 9 everywhere, 3 of 4 answers right: the best odds are 3, and 9^(1/T) = 3 where T = 2."""
    values = np.tile([[0.9, 0.1]], (8, 1))
    truth = np.tile([[True, False]], (8, 1))
    truth[:2] = [False, True]
    assert fit(values, truth) == pytest.approx(2, rel=1e-6)
    assert tempered(values, 2.0)[0].tolist() == pytest.approx([0.75, 0.25], rel=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_scores_that_are_too_sure_are_found_out(temperature):
    values, truth = drawn(temperature)
    # of 40,000 clips the slope over 1/T is known to about 1 %
    assert fit(values, truth) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_has_a_smaller_loss():
    values, truth = drawn(1.7, 300)
    best = fit(values, truth)
    losses = [metrics.log_loss(tempered(values, best * factor), truth) for factor in (0.98, 1.0, 1.02)]
    assert losses[1] < min(losses[0], losses[2])


def test_answers_and_order_stay():
    values, _ = drawn(1.0, 200)
    for temperature in (LEAST * 4, 0.7, 3.0):
        assert (tempered(values, temperature).argsort(1) == values.argsort(1)).all()
        assert tempered(values, temperature).sum(1) == pytest.approx(1, abs=1e-5)
    assert tempered(values, 1.0) == pytest.approx(values, abs=1e-6)


def test_limits():
    right = np.eye(3)[[0, 1, 2]] * 0.97 + 0.01
    assert fit(right, np.eye(3, dtype=bool)) == pytest.approx(LEAST)
    assert fit(right, np.eye(3, dtype=bool)[[1, 2, 0]]) == pytest.approx(MOST)
    for wrong in (0.0, math.nan, 21.0):
        with pytest.raises(ScoresError, match=r"it lies from 0.05 to 20, and 1 changes nothing"):
            tempered(right, wrong)
    with pytest.raises(ScoresError, match="sum to one in each, and these do not"):
        fit(right / 2, np.eye(3, dtype=bool))
    with pytest.raises(ScoresError, match="several or none"):
        fit(right, np.ones((3, 3), bool))
    with pytest.raises(ScoresError, match="1 fold for .* need a fold for each clip, two folds at least"):
        across(right, np.eye(3, dtype=bool), ["1"] * 3)


def test_what_ends_at_a_limit_is_no_choice():
    """All right: the surer the better. All wrong: the less sure. Of thousands of clips one that is answered wrongly tells more."""
    generator = np.random.default_rng(3)
    for clips in (1, 7, 5000):
        truth = np.eye(3, dtype=bool)[generator.integers(0, 3, clips)]
        values = np.where(truth, generator.uniform(0.4, 0.98, (clips, 1)), 0)
        values[~truth] = ((1 - values.sum(1)) / 2).repeat(2)
        assert (fit(values, truth), fit(values, np.roll(truth, 1, 1))) == pytest.approx((LEAST, MOST))
    one_wrong = truth.copy()
    one_wrong[0] = np.roll(one_wrong[0], 1)
    for chosen, edge in (
        (fit(values, truth), True),
        (fit(values, np.roll(truth, 1, 1)), True),
        (fit(values, one_wrong), False),
    ):
        assert at_edge(chosen) is edge


def test_each_fold_has_the_temperature_of_the_others():
    values, truth = drawn(2.0, 600)
    folds = np.array(["a", "b", "c"])[np.arange(600) % 3]
    result, chosen = across(values, truth, folds)
    for fold, temperature in chosen.items():
        assert temperature == fit(values[folds != fold], truth[folds != fold])
        assert np.array_equal(result[folds == fold], tempered(values[folds == fold], temperature))


# As a user has it


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Two files of scores of 60 clips of three folds, and their manifest."""
    folder = tmp_path_factory.mktemp("warm")
    values, truth = drawn(1.8, 60)
    ids = [f"c{i:02d}" for i in range(60)]
    tags = ("a", "b", "c", "d")
    rows = {"id": ids, "path": [f"{i}.wav" for i in ids], "tags": [[tags[k]] for k in truth.argmax(1)]}
    write(build(rows | {"fold": [str(i % 3 + 1) for i in range(60)]}, folder), folder / "clips.csv")
    for name, mixed in (("one", values), ("two", 0.7 * values + 0.3 * np.roll(values, 1, 1))):
        Scores(mixed.astype(np.float32), np.array(ids), np.zeros(60), np.ones(60), tags).save(
            folder / f"{name}.parquet"
        )
    return folder


def combined(place: Path, *more: str, out: str = "both.parquet"):
    return earmark(
        "ensemble", "one.parquet", "two.parquet", "--rule", "geometric", "--task", "one", "-o", out, *more, cwd=place
    )


def test_a_file_tells_its_temperature_and_what_chose_it(place):
    assert combined(place, out="plain.parquet").returncode == 0
    done = combined(place, "--temperature", "fit", "--data", "clips.csv")
    assert done.returncode == 0, done.stderr
    plain, both = (Scores.load(place / f"{name}.parquet") for name in ("plain", "both"))
    facts = both.facts["ensemble"]
    assert np.allclose(both.values, tempered(plain.values, facts["temperature"]), atol=1e-6)
    chosen = facts["temperature chosen"]
    assert (chosen["by"], chosen["across folds"], chosen["clips"]) == ("log_loss", False, 60)
    assert f"temperature {facts['temperature']:.3f}, chosen on these very 60 clips" in done.stderr
    again = combined(place, "--temperature", str(facts["temperature"]), out="given.parquet")
    assert again.returncode == 0
    given = Scores.load(place / "given.parquet")
    assert np.array_equal(given.values, both.values) and "temperature chosen" not in given.facts["ensemble"]


@pytest.mark.parametrize(("truth", "limit"), [("right", 0.05), ("wrong", 20.0)])
def test_an_edge_of_the_search_is_told_as_one(tmp_path, truth, limit):
    ids, own = [f"c{i:02d}" for i in range(12)], np.arange(12) % 2
    values = np.where(np.eye(2, dtype=bool)[own], 0.7, 0.3).astype(np.float32)
    for name in ("one.parquet", "two.parquet"):
        Scores(values, np.array(ids), np.zeros(12), np.ones(12), ("a", "b")).save(tmp_path / name)
    tags = [["ab"[k if truth == "right" else 1 - k]] for k in own]
    rows = {"id": ids, "path": [f"{i}.wav" for i in ids], "tags": tags, "fold": [str(i % 3) for i in range(12)]}
    write(build(rows, tmp_path), tmp_path / "clips.csv")
    done = combined(tmp_path, "--temperature", "fit", "--data", "clips.csv")
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("temperature")]
    assert line.startswith(f"temperature {limit:.3f} is an edge of the search (0.05 to 20)") and "chosen" not in line
    assert "up to which the log loss of these very 12 clips falls: they do not tell where it would end" in line
    assert Scores.load(tmp_path / "both.parquet").facts["ensemble"]["temperature"] == pytest.approx(limit)
    done = combined(tmp_path, "--temperature", "fit", "--cross", "--data", "clips.csv")
    assert "the temperature of fold 0, 1, 2 is an edge of the search" in done.stderr
    assert "up to which the log loss of the other folds' clips falls" in done.stderr


def test_across_folds(place):
    done = combined(place, "--temperature", "fit", "--cross", "--data", "clips.csv", "--json", out="crossed.parquet")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["ensemble"]
    assert list(told["temperature by fold"]) == ["1", "2", "3"] and told["temperature chosen"]["across folds"]
    assert "log loss" in done.stderr and "over folds" in done.stderr and "edge" not in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--temperature", "warm"), "--temperature warm: is a number, such as 0.7, or `fit`"),
        (("--temperature", "fit"), "--temperature fit need the clips' tags with --data"),
        (("--temperature", "0"), "a temperature is 0: it lies from 0.05 to 20"),
        (("--cross",), "--cross says how --search or --temperature fit is done"),
        (("--temperature", "0.5", "--rule", "rank"), "not of ranks"),
    ],
)
def test_what_cannot_be_is_refused(place, more, said):
    done = combined(place, *more, out="refused.parquet")
    assert done.returncode == 2 and said in done.stderr and not (place / "refused.parquet").exists()


def test_a_tagger_of_many_keeps_its_temperature(tmp_path):
    """Fifteen members: their geometric mean at 0.5, in a file that earlier versions refuse, and as surely when moved."""
    members = [made(seed) for seed in range(15)]
    ensemble = Ensemble(members, "geometric", temperature=0.5)
    plain = Ensemble(members, "geometric")
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 4000)).astype(np.float32)
    assert np.allclose(ensemble.score_windows(waves), tempered(plain.score_windows(waves), 0.5), atol=1e-6)
    ensemble.save(tmp_path / "e.safetensors")
    plain.save(tmp_path / "p.safetensors")
    assert [read_head(tmp_path / f"{name}.safetensors")["version"] for name in "ep"] == [2, 1]
    assert "temperature" not in read_head(tmp_path / "p.safetensors")
    loaded = loading.load(tmp_path / "e.safetensors")
    assert loaded.identity() == ensemble.identity() != plain.identity()
    assert np.allclose(loaded.score_windows(waves), ensemble.score_windows(waves), atol=1e-6)
    assert np.allclose(
        loaded.every(0.2).combine([m.score_windows(waves) for m in members]), ensemble.score_windows(waves)
    )
    shown = earmark("show", tmp_path / "e.safetensors")
    assert "temperature 0.5" in shown.stdout and "an ensemble of 15 taggers" in shown.stdout


def test_a_temperature_is_of_one_tag_a_clip():
    with pytest.raises(TaggerError, match="means of scores of one tag a clip, not of task many"):
        Ensemble([made(0, task="many"), made(1, task="many")], "geometric", temperature=0.5)


def test_from_taggers_files(tmp_path):
    for seed in (0, 1):
        made(seed).save(tmp_path / f"{seed}.safetensors")
    asked = ("ensemble", "0.safetensors", "1.safetensors", "--rule", "geometric", "-o", "e.safetensors")
    done = earmark(*asked, "--temperature", "0.7", "--json", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["temperature"] == 0.7
    assert read_head(tmp_path / "e.safetensors")["temperature"] == 0.7
    done = earmark(*asked, "--temperature", "fit", cwd=tmp_path)
    assert done.returncode == 2 and "need the clips' tags" in done.stderr


@pytest.mark.parametrize("lacking", [1, 2])
def test_clips_without_a_fold_are_no_fold(lacking):
    """Neither of what weights, nor of what temperatures are chosen on; how many there are is told."""
    values = np.full((6, 2), 0.5, np.float32)
    truth = np.eye(2, dtype=bool)[[0, 1, 0, 1, 0, 1]]
    folds = ["1", "1", "2", "2", "3", "3"][: 6 - lacking] + [""] * lacking
    one = Scores(values, np.arange(6).astype(str), np.zeros(6), np.ones(6), ("a", "b"))
    said = rf"^{lacking} of 6 clips ha(s|ve) no fold, and (weights|temperatures) that are chosen on other folds need one for each clip"
    with pytest.raises(ScoresError, match=said):
        across(values, truth, folds)
    with pytest.raises(ScoresError, match=said):
        search_across([one, one], truth, folds, lambda values, truth: 0.0)
