"""Rules for events chosen: rules that can be worked out, against an exhaustive search, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from earmark.errors import ScoresError
from earmark.evaluation.events import TrackedClip, measure
from earmark.evaluation.thresholds.events import METRIC, THRESHOLDS, as_facts, choose
from earmark.events import EventRules, find, track
from earmark.metrics import Collars, detection_f1, match_events
from earmark.scores import Scores

STEP = 0.1


def scene(*columns, tags=("dog", "rain"), name="a") -> Scores:
    values = np.array(columns, np.float32).T
    edges = np.arange(len(values) + 1) * STEP
    return Scores(values, np.array([name] * len(values)), edges[:-1], edges[1:], tags)


def noisy(seed: int, clips: int = 8, frames: int = 60) -> tuple[dict[str, Scores], dict[str, list]]:
    """Two tags, each heard once a clip at its own level, in noise with spikes."""
    generator = np.random.default_rng(seed)
    scores, reference = {}, {}
    for number in range(clips):
        name = f"clip {number}"
        values, events = generator.uniform(0.0, 0.2, (2, frames)), []
        for row, (tag, level) in enumerate((("dog", 0.35), ("rain", 0.8))):
            first = int(generator.integers(5, 30))
            last = first + int(generator.integers(10, 25))
            values[row, first:last] += level - 0.1
            events.append((tag, first * STEP, last * STEP))
        values[1, generator.integers(0, frames, 4)] = 0.99
        scores[name], reference[name] = scene(*values, name=name), events
    return scores, reference


def test_a_quiet_tag_gets_a_low_threshold_and_the_nearest_to_a_half_among_equals():
    # every threshold from 0.15 to 0.3 finds just the event
    values = [0.1] * 5 + [0.3] * 10 + [0.1] * 5
    chosen = choose({"a": scene(values, [0.1] * 20)}, {"a": [("dog", 0.5, 1.5)]})
    assert chosen.rules.thresholds == {"dog": 0.3, "rain": 0.5}
    assert chosen.rules.medians == {"dog": 0.0, "rain": 0.0}
    assert chosen.without == ("rain",)
    assert (chosen.figures["0.5"][METRIC].value, chosen.figures["thresholds"][METRIC].value) == (0, 1)


def test_spikes_need_a_median_of_three_frames():
    values = [0.1, 0.9, 0.1, 0.1] + [0.9] * 4 + [0.1] + [0.9] * 4 + [0.1] * 4
    chosen = choose({"a": scene(values, [0.1] * 17)}, {"a": [("dog", 0.4, 1.3)]})
    assert chosen.rules.thresholds["dog"] == 0.5 and chosen.rules.medians["dog"] == pytest.approx(3 * STEP)
    assert chosen.figures["thresholds"][METRIC].value < chosen.figures["thresholds and medians"][METRIC].value == 1


def test_figures_are_those_of_the_rules_and_no_point_of_the_sweep_is_better():
    scores, reference = noisy(0)
    chosen = choose(scores, reference, collars=Collars(0.2, 0.2), resamples=20)
    predicted = {clip: find(scores[clip], chosen.rules)[clip] for clip in scores}
    again = detection_f1(match_events(reference, predicted), resamples=20)
    assert chosen.figures["thresholds and medians"][METRIC] == again.macro
    figures = [chosen.figures[name][METRIC].value for name in ("0.5", "thresholds", "thresholds and medians")]
    assert figures == sorted(figures) and figures[0] < figures[2]
    for tag in ("dog", "rain"):
        points = [point for point in chosen.tried if point.tag == tag]
        assert max(point.f1 for point in points) == pytest.approx(again.tags[tag].value)
        assert chosen.f1[tag][1] == again.tags[tag].value
        assert [point.threshold for point in points[: len(THRESHOLDS)]] == list(THRESHOLDS)
        assert {point.threshold for point in points[len(THRESHOLDS) :]} == {chosen.rules.thresholds[tag]}


def test_the_threshold_is_the_best_of_an_exhaustive_search():
    scores, reference = noisy(1, clips=4)
    chosen = choose(scores, reference, medians=[], resamples=20)

    def f1(tag, value):
        rules = EventRules.alike(("dog", "rain"), threshold=value)
        predicted = {clip: [e for e in find(s, rules)[clip] if e.tag == tag] for clip, s in scores.items()}
        true = {clip: [e for e in events if e[0] == tag] for clip, events in reference.items()}
        return detection_f1(match_events(true, predicted), resamples=1).micro.value

    for tag in ("dog", "rain"):
        assert f1(tag, chosen.rules.thresholds[tag]) == max(f1(tag, value) for value in THRESHOLDS)


def test_the_order_of_clips_and_thresholds_changes_nothing():
    scores, reference = noisy(2, clips=4)
    turned = choose(
        dict(reversed(scores.items())), dict(reversed(reference.items())), thresholds=THRESHOLDS[::-1], resamples=20
    )
    chosen = choose(scores, reference, resamples=20)
    assert chosen.rules == turned.rules and chosen.tried == turned.tried
    json.dumps(as_facts(chosen).as_dict(), allow_nan=False)


def test_gap_and_shortest_are_kept_and_used():
    values = [0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1]
    chosen = choose({"a": scene(values, values)}, {"a": [("dog", 0.1, 0.6)]}, gap=0.15, shortest=0.05, medians=[])
    assert (chosen.rules.gap, chosen.rules.shortest) == (0.15, 0.05)
    assert chosen.figures["thresholds"][METRIC].value == 1


def test_low_is_kept_and_used():
    values = [0.1, 0.9, 0.9, 0.4, 0.9, 0.9, 0.1, 0.1]
    truth = {"a": [("dog", 0.1, 0.6)]}
    parted, joined = (
        choose({"a": scene(values, values)}, truth, thresholds=[0.5], medians=[], low=low) for low in (None, 0.7)
    )
    assert not parted.rules.lows and set(joined.rules.lows.values()) == {0.7}
    assert (parted.figures["thresholds"][METRIC].value, joined.figures["thresholds"][METRIC].value) == (0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": {"b": [("dog", 0, 1)]}}, "1 of 1 clip has no scores"),
        ({"reference": {"a": []}}, "events need at least one tag"),
        ({"reference": {"a": [("dogs", 0, 1)]}}, "unknown tag 'dogs', did you mean 'dog'"),
        ({"reference": {}}, "no clips"),
        ({"thresholds": []}, "no thresholds to choose from"),
        ({"thresholds": [0.0]}, "threshold of 'dog' is 0.0"),
        ({"medians": [-1.0]}, "median length of 'dog' is -1"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(change, message):
    arguments = {"scores": {"a": scene([0.5], [0.5])}, "reference": {"a": [("dog", 0.0, 0.1)]}, **change}
    with pytest.raises(ScoresError, match=message):
        choose(arguments.pop("scores"), arguments.pop("reference"), **arguments)


def test_known_events_that_overlap_are_one_as_where_the_rules_are_judged():
    values = [0.1] * 5 + [0.8] * 20 + [0.1] * 5
    scores, reference = {"a": scene(values, [0.1] * 30)}, {"a": [("dog", 0.5, 2.0), ("dog", 1.5, 2.5)]}
    chosen = choose(scores, reference, resamples=0)
    judged = measure({"a": TrackedClip(track(scores["a"]), 3.0, 0.0, chosen.rules)}, reference, resamples=0)
    assert [row[METRIC].value for row in chosen.figures.values()] == [1, 1, 1]
    assert [row.events[0.2].value for row in judged.rows] == [1, 1, 1]
