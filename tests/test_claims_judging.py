"""Verdicts of claims: what counts as trained, p over trainings, and the rule, on cases worked by hand or by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from claims import claim as claims
from claims import evidence, judging, learnt, verdict
from claims.judging import BY_STATEMENT, HOLDS, NEVER, NOT, UNTOLD, UNTRAINED
from claims.learnt import Course

from earmark.data.manifest import build
from earmark.errors import EarmarkError

PAIR = {"better": "a", "worse": "b", "difference": 0.1, "p_holm": 0.01, "p_trainings_holm": 0.01}


@pytest.mark.parametrize(
    ("changes", "untrained", "limit", "told", "why"),
    [
        ({}, "", None, HOLDS, "both"),
        ({"difference": -0.1}, "", None, NOT, ""),
        ({"p_holm": 0.05}, "", None, UNTOLD, "p over clips is 0.05"),
        ({"p_trainings_holm": 0.22}, "", None, UNTOLD, "p over trainings is 0.22"),
        ({"p_trainings_holm": None}, "", None, UNTOLD, "there is no p over trainings"),
        ({"p_holm": math.nan}, "", None, UNTOLD, "there is no p over clips"),
        ({"difference": 0.0}, "", None, UNTOLD, "there is no difference"),
        ({"difference": None}, "", None, UNTOLD, "there is no difference"),
        ({}, "a: it still rose", None, UNTRAINED, "a: it still rose"),
        ({"p_holm": 0.9}, "a: it still rose", None, UNTRAINED, "a: it still rose"),
        ({}, "a: it still rose", "six speakers", NEVER, "six speakers"),
    ],
)
def test_the_verdict_on_a_pair(changes, untrained, limit, told, why):
    found = judging.verdict(PAIR | changes, untrained, limit)
    assert found[0] == told and why.replace("both", "p over clips and p over trainings are below 0.05") in found[1]


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, UNTOLD], UNTOLD),
        ([HOLDS, NOT], NOT),
        ([UNTOLD, NOT], NOT),
        ([NOT, UNTRAINED], UNTRAINED),
        ([UNTRAINED, NEVER, HOLDS], NEVER),
        ([UNTOLD], UNTOLD),
        ([], UNTOLD),
    ],
)
def test_the_verdict_on_a_statement(pairs, told):
    assert judging.overall(pairs) == told


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 14, 29])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.7, 4.0])
def test_student(t, freedom):
    assert verdict.student(t, freedom) == pytest.approx(2 * scipy.stats.t.sf(abs(t), freedom), abs=1e-12)


def test_p_over_seeds_is_the_paired_t_test():
    # mix-training without fine-tuning, and with it: the three differences that the page of 000-mixing-raw tells
    differences = [0.042, 0.029, 0.029]
    p = verdict.over_trainings(differences)
    assert p == pytest.approx(scipy.stats.ttest_1samp(differences, 0).pvalue) and round(p, 3) == 0.016


def test_p_over_folds_knows_that_they_share_clips():
    """Five folds: the variance of the mean is s² (1/5 + 1/4) in place of s²/5, so that t is two thirds of the plain one."""
    differences = [0.02, 0.05, 0.03, 0.01, 0.06]
    plain = scipy.stats.ttest_1samp(differences, 0).statistic
    assert verdict.over_trainings(differences, 5) == pytest.approx(2 * scipy.stats.t.sf(plain * 2 / 3, 4))
    assert verdict.over_trainings(differences, 5) > verdict.over_trainings(differences)


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, 0.1, 0.1]])
def test_no_spread_gives_no_p_over_trainings(differences):
    assert math.isnan(verdict.over_trainings(differences))


# Trained


def test_a_straight_line_rises_and_has_no_noise():
    """20 epochs, 0.01 each: the last four are 0.04 above the four before."""
    seen = learnt.course([0.01 * k for k in range(20)])
    assert (seen.rise, seen.noise, seen.epochs) == (pytest.approx(0.04), pytest.approx(0, abs=1e-12), 20)
    assert seen.reached == pytest.approx(0.01 * (16 + 17 + 18 + 19) / 4)
    assert "still rose by 0.040 over the last fifth of the epochs, with a noise of 0.000" in learnt.why_not(
        seen, 0.1, "full", "map"
    )


def test_noise_is_that_of_one_epoch():
    """Independent figures of a deviation of 0.02 about a constant: the estimate comes near it, and the rise stays below."""
    figures = 0.9 + np.random.default_rng(0).normal(0, 0.02, 1000)
    seen = learnt.course(figures.tolist())
    assert seen.noise == pytest.approx(0.02, rel=0.1)  # of 400 differences: its relative deviation is about 0.04
    assert abs(seen.rise) < seen.noise and learnt.why_not(seen, None, "full", "map") == ""


def test_a_constant_figure_is_done():
    assert learnt.why_not(learnt.course([0.5] * 10), 0.52, "small", "map") == ""


@pytest.mark.parametrize(
    ("run", "full", "size", "why"),
    [
        (Course(0.001, 0.01, 0.9, 20), 0.94, "small", ""),
        (Course(0.001, 0.01, 0.8, 20), 0.98, "small", "0.800, 0.82 of the 0.980 that the same net reaches"),
        (Course(0.001, 0.01, 0.8, 20), 0.98, "full", ""),
        (Course(0.001, 0.01, 0.8, 20), None, "small", "what the same net reaches at recipe size is not known"),
        (Course(math.nan, math.nan, 0.8, 9), 0.8, "full", "its 9 epochs are too few to show"),
    ],
)
def test_what_counts_as_trained(run, full, size, why):
    found = learnt.why_not(run, full, size, "map")
    assert (why in found) if why else found == ""


def test_what_is_reached_is_compared_on_the_same_clips():
    """Five folds, one of which is harder: that which the log at recipe size is of decides, and not the mean."""
    folds = [Course(0.0, 0.01, reached, 20) for reached in (0.80, 0.70, 0.75, 0.90, 0.95)]
    for alike, fits in ((2, False), (3, True)):
        run = learnt.together(folds, [number == alike for number in range(5)])
        assert run.reached == pytest.approx(0.82) and run.alike == folds[alike].reached
        why = learnt.why_not(run, 0.93, "small", "map")
        assert (why == "") == fits and ("that the same net reaches on the same clips at recipe size" in why) != fits
    assert math.isnan(learnt.together(folds, [False] * 5).alike)
    assert "0.820, 0.88 of the 0.930 that the same net reaches at" in learnt.why_not(
        learnt.together(folds), 0.93, "small", "map"
    )


def test_the_last_phase_of_a_log_counts(tmp_path):
    (tmp_path / "log.csv").write_text(
        "phase,epoch,lr,train_loss,valid_loss,valid_map\na,1,0.1,2,1.9,0.3\nb,1,0.1,1,0.9,0.6\nb,2,0.1,1,0.8,0.7\n"
    )
    assert learnt.validation(tmp_path / "log.csv") == {"loss": [0.9, 0.8], "map": [0.6, 0.7]}
    (tmp_path / "log.csv").write_text("epoch,lr,train_loss\n1,0.1,2\n")
    assert learnt.validation(tmp_path / "log.csv") == {}


@pytest.mark.parametrize("file", claims.shipped().values(), ids=lambda file: file.stem)
def test_the_logs_at_recipe_size_are_there_and_of_long_trainings(file):
    for name, system in claims.load(file).systems.items():
        if system.full:
            told = learnt.validation(learnt.ROOT / system.full)
            assert len(told["map"]) >= learnt.FEWEST, name


# Claims of several statements


def claim_of(**changes) -> claims.Claim:
    told = {
        "id": "x", "statement": "All is better", "paper": "000", "where": "here", "there": "1 and 0", "metric": "map",
        "data": {"folder": "f", "dataset": "esc"}, "recipe": "esc10-cnnspec", "seeds": [0, 1, 2],
        "systems": {"a": {}, "b": {}, "c": {}, "a and b": {"of": ["a", "b"]}},
        "pairs": [("a", "b"), ("b", "c")], "statements": {"A beats b": [("a", "b")], "B beats c": [("b", "c")]},
    }  # fmt: skip
    return claims.Claim(**(told | changes))


TRAINED = {name: {"why": ""} for name in "abc"}


def pair(better: str, worse: str, p: float, trainings: list[float]) -> dict:
    return {"better": better, "worse": worse, "difference": float(np.mean(trainings)), "p": p, "trainings": trainings}


def test_each_statement_has_its_verdict():
    told = {"pairs": [pair("a", "b", 0.001, [0.10, 0.11, 0.12]), pair("b", "c", 0.4, [0.01, -0.02, 0.03])]}
    found = judging.judge(told | {"learnt": TRAINED}, claim_of())
    assert [(each["statement"], each["verdict"]) for each in found["statements"]] == [
        ("A beats b", HOLDS),
        ("B beats c", UNTOLD),
    ]
    assert found["verdict"] == BY_STATEMENT
    raw = [verdict.over_trainings(each["trainings"]) for each in told["pairs"]]
    assert found["pairs"][0]["p_trainings_holm"] == pytest.approx(2 * raw[0])  # over all pairs, not a statement's
    assert found["pairs"][0]["p_holm"] == pytest.approx(0.002)
    one = judging.judge(told | {"learnt": TRAINED}, claim_of(statements={}))
    assert one["verdict"] == UNTOLD == one["statements"][0]["verdict"]


def test_a_net_that_had_not_learnt_decides_nothing():
    told = {"pairs": [pair("a", "b", 0.001, [0.10, 0.11, 0.12]), pair("a and b", "c", 0.001, [0.10, 0.11, 0.12])]}
    claim = claim_of(pairs=[("a", "b"), ("a and b", "c")], statements={})
    found = judging.judge(told | {"learnt": TRAINED | {"b": {"why": "it still rose"}}}, claim)
    assert [each["why"] for each in found["pairs"]] == ["b: it still rose"] * 2
    assert found["verdict"] == UNTRAINED
    assert judging.judge(told | {"learnt": TRAINED}, claim)["verdict"] == HOLDS


@pytest.mark.parametrize(("metric", "sign"), [("map", 1), ("log_loss", -1)])
def test_less_of_a_loss_is_better(metric, sign):
    """The same differences the other way round: what held for one holds for the other."""
    for way, expected in ((1, HOLDS), (-1, NOT)):
        told = {"pairs": [pair("a", "b", 0.001, [sign * way * each for each in (0.10, 0.11, 0.12)])], "learnt": TRAINED}
        claim = claim_of(metric=metric, pairs=[("a", "b")], statements={})
        assert judging.judge(told, claim)["verdict"] == expected


def test_a_committee_of_what_is_made_of_nets_learnt_as_they_did():
    systems = {"a": {}, "b": {}, "c": {}, "a and b": {"of": ["a", "b"]}, "all": {"committee": "a and b"}}
    claim = claim_of(systems=systems, pairs=[("all", "c")], statements={})
    assert claim.learnt_by("all") == ["a", "b"] and claim.learnt_by("c") == ["c"]
    told = {"pairs": [pair("all", "c", 0.001, [0.10, 0.11, 0.12])]}
    found = judging.judge(told | {"learnt": TRAINED | {"b": {"why": "it still rose"}}}, claim)
    assert found["pairs"][0]["why"] == "b: it still rose"


def test_scenes_are_drawn_by_the_sound_that_is_named_first():
    rows = {"id": list("pqrs"), "path": list("pqrs"), "tags": [["x"]] * 4, "source": ["1, 2", "2, 3", "1, 3", "4"]}
    held = build(rows, ".")
    ids = held.ids[::-1]
    scenes = {"folder": "f", "dataset": "esc", "scenes": {"number": 4}}
    found = evidence.drawn(claim_of(draw="sources", data=scenes), held, ids, held.groups)
    assert dict(zip(ids.tolist(), found.tolist(), strict=True)) == {"p": "1", "q": "2", "r": "1", "s": "4"}
    with pytest.raises(
        EarmarkError, match=r"p: names no source, and the claim draws sources: say draw: clips or groups"
    ):
        evidence.drawn(
            claim_of(draw="sources", data=scenes), build(rows | {"source": [None] * 4}, "."), held.ids, held.groups
        )
