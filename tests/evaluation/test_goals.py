"""Thresholds for a goal: worked by hand, and by the command on made recordings."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.cli.terminal.reaching import _say_unmet
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.goals import reach_by_reviews
from earmark.evaluation.reviews.answers import Review
from earmark.evaluation.reviews.choosing import Picked
from earmark.evaluation.thresholds.goals import Goal, choose, parse_rate
from earmark.events import EventRules
from earmark.models import loading
from earmark.models.facts import EventTuning
from earmark.models.testfacts import Alarms
from earmark.scores import Event, Scores

PEAKS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # of six sounds, one a ten seconds


def scores(tag="dog") -> dict[str, Scores]:
    values = np.full((60, 1), 0.05, np.float32)
    values[5::10, 0] = PEAKS
    start = np.arange(60.0)
    return {"a.wav": Scores(values, np.full(60, "a.wav"), start, start + 1, (tag,))}


def reached(known, goal, hours=1.0):
    """known: which of the six are there."""
    reference = {"a.wav": [("dog", 10.0 * n + 5, 10.0 * n + 6) for n in known]}
    rules, (told,) = choose(scores(), reference, {"a.wav": 3600 * hours}, goal, tolerance=0.0)
    assert rules.thresholds["dog"] == told.threshold
    return told


def test_a_precision():
    """Right, right, false, right, false, false: of the three best two are right, of the four best three, 0.75."""
    told = reached((0, 1, 3), Goal(precision=0.75))
    assert (told.threshold, told.found, told.told, told.right, told.met) == (0.6, 3, 4, 3, True)
    told = reached((0, 1, 3), Goal(precision=0.8))
    assert (told.threshold, told.found, told.told, told.met) == (0.8, 2, 2, True)
    told = reached((2,), Goal(precision=0.5))  # the best is one of three
    assert (told.threshold, told.right, told.told, told.met) == (0.7, 1, 3, False)


def test_false_alarms():
    told = reached((0, 1, 3), Goal(false_alarms=1.0))
    assert (told.threshold, told.found, told.told - told.right) == (0.6, 3, 1)
    assert told.false_alarms.value == 1.0 and told.recall == 1.0
    assert reached((0, 1, 3), Goal(false_alarms=1.0), hours=0.5).threshold == 0.8  # one in half an hour is too many
    assert reached((), Goal(false_alarms=2.0)).threshold == 0.71  # no sound is known: two at 0.9 and 0.8, and none more
    unmet = choose(
        scores(), {"a.wav": []}, {"a.wav": 3600.0}, Goal(false_alarms=0.0), tolerance=0.0, thresholds=(0.3, 0.85)
    )
    assert unmet[1][0].threshold == 0.85 and not unmet[1][0].met


def test_of_a_goal_that_is_not_reached_a_threshold_is_not_told_as_a_precision(capsys):
    """The best threshold is 0.7 and its precision a third: which number is which, the sentence says."""
    for which, goal, sentence in (
        (
            (2,),
            Goal(precision=0.5),
            "the best precision is 0.333, 1 right of 3 told, with the threshold 0.7, which is taken",
        ),
        ((0, 1, 3), Goal(false_alarms=0.0), None),
        (
            (),
            Goal(precision=0.5),
            "no event of it is known here, and with the threshold 0.5 5 are told, all false: choose with",
        ),
    ):
        told = reached(which, goal)
        _say_unmet(SimpleNamespace(reached=[told], goal=goal, curves=None, met=None))
        said = capsys.readouterr().err
        assert (said == "") if sentence is None else sentence in said
        assert told.met == (sentence is None)
    goal = Goal(false_alarms=0.0)
    _, told = choose(scores(), {"a.wav": []}, {"a.wav": 3600.0}, goal, tolerance=0.0, thresholds=(0.3, 0.85))
    _say_unmet(SimpleNamespace(reached=told, goal=goal, curves=None, met=None))
    assert (
        "reaches at most 0 false alarms an hour; the fewest are 1 an hour, with the threshold 0.85"
        in capsys.readouterr().err
    )


def test_one_event_over_everything_is_not_right():
    """At a threshold that all scores reach there is one event, which touches each of the known ones."""
    told = reached((0, 1), Goal(precision=0.9))
    assert told.threshold == 0.8
    assert reached((0, 1, 2, 3, 4, 5), Goal(precision=0.9)).threshold == 0.4


def test_edges_within_the_tolerance_are_right():
    reference = {"a.wav": [("dog", 7.0, 7.2)]}  # told from 5 to 6 s
    off = choose(scores(), reference, {"a.wav": 60.0}, Goal(precision=0.5), tolerance=0.5)[1][0]
    near = choose(scores(), reference, {"a.wav": 60.0}, Goal(precision=0.5), tolerance=1.5)[1][0]
    assert (off.right, near.right, near.found) == (0, 1, 1)


def test_a_tag_that_is_nowhere_keeps_its_threshold():
    rules, (told,) = choose(scores(), {"a.wav": []}, {"a.wav": 60.0}, Goal(precision=0.9), tolerance=0.0)
    assert (rules.thresholds["dog"], told.told, told.met) == (0.5, 5, False)


@pytest.mark.parametrize(
    ("told", "rate"), [("2/hour", 2), ("2", 2), ("12/day", 0.5), ("0.5/h", 0.5), (" 1 / min ", 60)]
)
def test_rates_are_read(told, rate):
    assert parse_rate(told) == pytest.approx(rate)


@pytest.mark.parametrize("told", ["", "two", "2/year", "1.2.3", "/hour"])
def test_other_rates_are_refused(told):
    with pytest.raises(ScoresError, match="give a number an hour or a day, such as 2/hour"):
        parse_rate(told)


def test_goals_that_are_none():
    for wrong in (
        {},
        {"precision": 0.5, "false_alarms": 1.0},
        {"precision": 1.0},
        {"false_alarms": -1.0},
        {"false_alarms": math.inf},
    ):
        with pytest.raises(ScoresError):
            Goal(**wrong)


def reviewed(tag="dog", count=60, seed=0) -> list[Review]:
    chance = np.random.default_rng(seed)
    made = []
    for n in range(count):
        score = round(float(chance.uniform(0.3, 0.99)), 6)
        answer = "right" if chance.random() < score**2 else "wrong"
        made.append(Review(Picked("a.wav", Event(n, n + 1, tag, score), "random", 0.5, 200), answer, None, n))
    return made


def test_reviews_choose_a_threshold(tmp_path):
    tagger = loading.load("esc10")
    told = reach_by_reviews(tagger, reviewed() + reviewed("rain", 5), Goal(precision=0.7))
    curve = told.curves["dog"]
    assert set(told.curves) == {"dog"} and told.met == {"dog": True}
    assert curve.at(told.rules.thresholds["dog"]).value == pytest.approx(0.7)
    assert "rain: 5 reviews, fewer than 20: its threshold stays 0.5" in told.notes
    told.store(tmp_path / "t.safetensors")
    stored = loading.load(tmp_path / "t.safetensors").facts.events
    assert stored.rules.thresholds["dog"] == told.rules.thresholds["dog"]
    assert stored.goal["tags"]["dog"]["reviews"] == 60
    with pytest.raises(ScoresError, match="20 of a tag are needed, and there are dog 5"):
        reach_by_reviews(tagger, reviewed(count=5), Goal(precision=0.7))
    with pytest.raises(EarmarkError, match="False alarms an hour need whole recordings"):
        reach_by_reviews(tagger, reviewed(), Goal(false_alarms=1.0))


def test_where_all_reviews_are_right_all_of_them_stay_events():
    every = [replace(each, answer="right") for each in reviewed()]
    told = reach_by_reviews(loading.load("esc10"), every, Goal(precision=0.9))
    assert told.met == {"dog": True} and told.rules.thresholds["dog"] == min(each.picked.event.score for each in every)


def test_where_no_score_reaches_the_goal_and_higher_ones_are_no_better_the_threshold_stays(tmp_path):
    """Half are right, the lower ones: what a threshold at the highest score would leave is no better."""
    table = tmp_path / "answers.csv"
    score = "recording,onset,offset,tag,score,answer,right_tag,chosen,probability,of_tag\n"
    rows = [
        f"a.wav,{n},{n + 1},dog,{0.3 + n / 100:g},{'right' if n < 30 else 'wrong'},,random,0.5,200" for n in range(60)
    ]
    table.write_text(score + "\n".join(rows) + "\n")
    out = tmp_path / "t.safetensors"
    done = earmark("calibrate", "esc10", "--reviews", table, "--precision", "0.9", "--out", out)
    assert "dog: no score reaches a precision of 0.9; 0.500 are right at any of 0.300 to 0.890, and higher ones no more often: its " \
        "threshold stays 0.5" in " ".join(done.stderr.split())  # fmt: skip
    assert loading.load(out).facts.events.rules.thresholds["dog"] == 0.5


@pytest.mark.parametrize("scores", [np.linspace(0.05, 0.4, 30), np.linspace(0.55, 0.95, 30)], ids=["low", "high"])
def test_where_none_was_right_the_threshold_falls_nowhere(tmp_path, scores):
    """Whatever the scores are: no slope is known then."""
    table = tmp_path / "answers.csv"
    rows = [f"a.wav,{n},{n + 1},dog,{score:.3f},wrong,,random,0.5,200" for n, score in enumerate(scores)]
    head = "recording,onset,offset,tag,score,answer,right_tag,chosen,probability,of_tag"
    table.write_text("\n".join([head, *rows]) + "\n")
    out, wanted = tmp_path / "t.safetensors", max(0.5, round(float(scores[-1]), 3))
    done = earmark("calibrate", "esc10", "--reviews", table, "--precision", "0.9", "--out", out)
    told = " ".join(done.stderr.split())
    assert (
        f"dog: no score reaches a precision of 0.9; none of 30 reviews was right: its threshold is {wanted:g}" in told
    )
    assert loading.load(out).facts.events.rules.thresholds["dog"] == wanted


def test_false_alarms_of_other_rules_go_with_them(tmp_path):
    """Those of its own rules, and of files that do not tell by which; not those of one threshold for all tags."""
    tagger = loading.load("esc10")
    stays = Alarms("cars", 1, 1.0, {"dog": 1}, "threshold 0.5 for all tags")
    kept = (Alarms("wind", 1, 1.0, {"dog": 2}, "its own rules"), Alarms("rain", 1, 1.0, {"dog": 3}), stays)
    told = reach_by_reviews(tagger, reviewed(), Goal(precision=0.7))
    told.store(tmp_path / "first.safetensors")
    tagger = loading.load(tmp_path / "first.safetensors")
    tagger.facts = replace(tagger.facts, alarms=kept)
    tagger.save(tmp_path / "first.safetensors")
    same = reach_by_reviews(tmp_path / "first.safetensors", reviewed(), Goal(precision=0.7))
    same.store(tmp_path / "same.safetensors")
    assert loading.load(tmp_path / "same.safetensors").facts.alarms == kept  # the same rules
    table = tmp_path / "answers.csv"
    head = "recording,onset,offset,tag,score,answer,right_tag,chosen,probability,of_tag\n"
    table.write_text(head + "".join(f"a.wav,{n},{n + 1},dog,0.6,right,,random,0.5,200\n" for n in range(30)))
    out = tmp_path / "other.safetensors"
    done = earmark("calibrate", tmp_path / "first.safetensors", "--reviews", table, "--precision", "0.9", "--out", out)
    assert "false alarms of wind, rain were counted by the rules of before and are left out" in done.stderr
    assert loading.load(out).facts.alarms == (stays,)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """A recording of 40 s with two bursts that are known, and a table of them."""
    folder = tmp_path_factory.mktemp("known")
    wave = np.random.default_rng(0).normal(0, 0.003, 40 * 16_000)
    for at in (5, 25):
        wave[at * 16_000 : (at + 3) * 16_000] *= 60
    soundfile.write(folder / "a.wav", wave, 16_000)
    events = json.dumps([["rain", 5.0, 8.0], ["rain", 25.0, 28.0]]).replace('"', '""')
    (folder / "clips.csv").write_text(f'id,path,tags,fold,events\na,a.wav,rain,9,"{events}"\n')
    return folder


def test_the_command(recordings, tmp_path):
    words = ["calibrate", "esc10", "--data", recordings / "clips.csv", "--fold", "9", "--dataset", "table"]
    told = earmark(*words, "--precision", "0.9", "--out", tmp_path / "t.safetensors")
    assert told.returncode == 0, told.stderr
    rain = told.stdout.splitlines()[1].split("\t")
    assert rain[0] == "rain" and rain[2] == "2 of 2" and rain[3] == "0"
    assert "known events an hour: rain 180" in told.stderr
    facts = loading.load(tmp_path / "t.safetensors").facts.events
    assert facts.rates == {"rain": 180.0} and facts.goal["tags"]["rain"]["met"] is True
    assert facts.metric == "a precision of 0.9, events that lie by half within known ones, 2 s wider"
    short = earmark(*words, "--false-alarms", "2/hour", "--json", "--out", tmp_path / "t.safetensors")
    assert short.returncode == 0 and "can hardly tell 2 false alarms an hour: give some 1.5 h or more" in short.stderr
    assert json.loads(short.stdout)["goal"]["goal"] == {"precision": None, "false_alarms": 2.0}


def test_hours_in_which_nothing_can_be_heard_count_in_no_rate(recordings, tmp_path):
    """A dead microphone has no false alarms, and would let as many more be told as it was left to run."""
    soundfile.write(recordings / "dead.wav", np.zeros(80 * 16_000), 16_000)
    both = (recordings / "clips.csv").read_text() + "dead,dead.wav,,9,[]\n"
    (recordings / "both.csv").write_text(both)
    (recordings / "dead.csv").write_text("id,path,tags,fold,events\ndead,dead.wav,,9,[]\n")
    words = ("--fold", "9", "--dataset", "table", "--false-alarms", "100/hour", "--json", "--out")
    alone, told = (
        earmark("calibrate", "esc10", "--data", recordings / f"{name}.csv", *words, tmp_path / f"{name}.safetensors")
        for name in ("clips", "both")
    )
    assert (alone.returncode, told.returncode) == (0, 0), (alone.stderr, told.stderr)
    assert "0.022 h of the recordings hold nothing that can be heard, and count in no rate" in told.stderr
    one, other = (loading.load(tmp_path / f"{name}.safetensors").facts.events for name in ("clips", "both"))
    assert other.rates == one.rates == {"rain": 180.0} and other.goal == one.goal
    assert other.rules.thresholds == one.rules.thresholds
    dead = earmark("calibrate", "esc10", "--data", recordings / "dead.csv", *words, tmp_path / "dead.safetensors")
    assert dead.returncode == 2 and "nothing can be heard in these 0.022 h of recordings" in dead.stderr, dead
    assert not (tmp_path / "dead.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --data with clips or recordings to choose on, or --reviews"),
        (["--data", "{data}", "--precision", "2"], "a precision of 2: give a share above 0 and below 1"),
        (["--data", "{data}", "--precision", "0.9", "--false-alarms", "2"], "give one of them"),
        (["--data", "{data}", "--precision", "0.9", "--tried", "x.csv"], "--tried x.csv: is of the best F1"),
        (["--reviews", "{data}"], "say with --precision how many of what is told are to be right"),
    ],
)
def test_what_does_not_go_together_is_refused(words, said, recordings, tmp_path):
    words = [word.format(data=recordings / "clips.csv") for word in words]
    told = earmark("calibrate", "esc10", "--out", tmp_path / "t.safetensors", *words)
    assert told.returncode == 2 and said in told.stderr


def test_rarer_sounds_than_those_it_was_tuned_on_are_told(make, tmp_path):
    """180 an hour where thresholds were chosen, and two in eleven minutes here."""
    tagger, rate = make(), 8000
    wave = np.random.default_rng(0).normal(0, 0.003, 640 * rate).astype(np.float32)
    for at in (5, 25):
        wave[at * rate : (at + 3) * rate] *= 60
    soundfile.write(tmp_path / "long.wav", wave, rate)
    quiet, loud = tagger.score_windows(np.stack([wave[: rate // 2], wave[6 * rate : 6 * rate + rate // 2]]))
    tag = tagger.vocabulary[int(np.argmax(loud - quiet))]
    between = float((loud + quiet)[np.argmax(loud - quiet)]) / 2
    assert between > quiet.max() + 0.001
    rules = EventRules.alike(tagger.vocabulary, threshold=1.0)
    rules = replace(rules, thresholds=rules.thresholds | {tag: between})
    tagger.facts = replace(tagger.facts, events=EventTuning(rules, rates={tag: 180.0}))
    tagger.save(tmp_path / "t.safetensors")
    words = ("events", tmp_path / "long.wav", "--tagger", tmp_path / "t.safetensors")
    told = earmark(*words)
    assert told.returncode == 0 and len(told.stdout.splitlines()) == 2, told.stdout
    denser = f"its thresholds were chosen where sounds are much denser: {tag} (180 an hour there, 11 here)"
    assert denser in told.stderr
    assert "denser" not in earmark(*words, "--threshold", "0.3").stderr
