"""Events judged: the table of three rules by hand, clips that start later, and the figures of metrics alone."""

from __future__ import annotations

import numpy as np
import pytest

from earmark import metrics
from earmark.errors import ScoresError
from earmark.evaluation.events import HALF, MEDIANS, THRESHOLDS, TrackedClip, measure, shifted, ways
from earmark.events import EventRules, Track

STEP = 0.1
RULES = EventRules({"dog": 0.3, "rain": 0.5}, {"dog": 0.3, "rain": 0.0}, 0.0, 0.0)


def heard(dog, rules=None, start=0.0, rain=None) -> TrackedClip:
    values = np.array([dog, rain or [0.1] * len(dog)]).T
    edges = start + np.arange(len(dog) + 1) * STEP
    return TrackedClip(Track(edges, values, ("dog", "rain")), len(dog) * STEP, start, rules)


# a dog of 0.4 from 0.5 to 1.5 s with a gap of a frame, and a spike: swept thresholds find three events, medians one
DOG = [0.1, 0.4, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4, 0.4, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1]


def test_three_rows_by_hand():
    section = measure({"a": heard(DOG, RULES)}, {"a": [("dog", 0.5, 1.5)]}, resamples=5)
    rows = {row.rules: row for row in section.rows}
    assert list(rows) == [HALF, THRESHOLDS, MEDIANS]
    assert [row.found for row in rows.values()] == [0, 3, 1]
    # pieces end at 0.9 s and begin at 1.0 s: within neither collar of both edges
    assert [row.events[0.2].value for row in rows.values()] == [0, 0, 1]
    # seconds: 0 to 1 and 1 to 2, both with dog; the spike lies in the first
    assert [row.segments.value for row in rows.values()] == [0, 1, 1]
    assert section.clips_f1 == {"a": 1.0} and section.events == 1
    assert section.without == ("rain",)
    (dog,) = section.tags
    assert dog.f1[THRESHOLDS].events[0.4] == 0 and dog.psds["PSDS 1"] == section.psds["PSDS 1"].value
    assert dog.as_dict()["event_f1_0.4, swept thresholds"] == 0
    assert np.isnan(section.rows[0].segments.low)  # one clip has no interval


def test_without_rules_there_is_one_row():
    section = measure({"a": heard(DOG), "b": heard(DOG, RULES)}, {"a": [("dog", 0.5, 1.5)], "b": []}, resamples=5)
    assert [row.rules for row in section.rows] == [HALF]


def test_a_clip_that_starts_later_counts_from_its_start():
    early = measure({"a": heard(DOG, RULES)}, {"a": [("dog", 0.5, 1.5)]}, resamples=0)
    late = measure({"a": heard(DOG, RULES, start=7.3)}, {"a": [("dog", 7.8, 8.8)]}, resamples=0)
    assert str(early.rows) == str(late.rows) and str(early.psds) == str(late.psds)


def test_collars_change_the_columns():
    # found 0.5 to 1.5 s: 0.3 s early and 0.3 s late
    reference = {"a": [("dog", 0.8, 1.2)]}
    row = measure({"a": heard(DOG, RULES)}, reference, collars=(0.2, 0.4), resamples=0).rows[-1]
    assert (row.events[0.2].value, row.events[0.4].value) == (0, 1)


def test_figures_are_those_of_the_metrics():
    generator = np.random.default_rng(3)
    clips = {str(i): heard(generator.random(30), RULES, rain=list(generator.random(30))) for i in range(6)}
    reference = {clip: [("dog", 0.4, 1.1), ("rain", 1.0, 2.5)] for clip in clips}
    groups = {clip: str(int(clip) // 2) for clip in clips}
    section = measure(clips, reference, groups, scores="windows", resamples=30)
    frames = {clip: metrics.FrameScores(each.track.values, each.track.edges) for clip, each in clips.items()}
    alone = metrics.psds(
        frames, reference, dict.fromkeys(clips, 3.0), ("dog", "rain"), metrics.PSDS2, groups, resamples=30
    )
    assert section.psds["PSDS 2"] == alone.value
    assert section.scores == "windows" and section.hours == pytest.approx(18 / 3600)


def test_gap_and_shortest_of_stored_rules_are_in_every_row():
    rules = EventRules(RULES.thresholds, RULES.medians, 0.2, 0.5)
    told = ways({"a": heard(DOG, rules)}, ("dog", "rain"))
    assert [(row["a"].gap, row["a"].shortest) for row in told.values()] == [(0.2, 0.5)] * 3
    assert told[HALF]["a"].thresholds == {"dog": 0.5, "rain": 0.5}


def test_reference_events_that_touch_are_one():
    events = [("dog", 1.0, 2.0), ("dog", 2.0, 3.0), ("rain", 0.5, 1.5)]
    assert sorted(shifted(events, 0.5)) == [("dog", 0.5, 2.5), ("rain", 0.0, 1.0)]
    assert shifted(events, 0.5, ["rain"]) == [("rain", 0.0, 1.0)]


def test_refused():
    with pytest.raises(ScoresError, match="events of 'cat', which is none of the tagger's 2 tags"):
        measure({"a": heard(DOG)}, {"a": [("cat", 0.5, 1.5)]})
    with pytest.raises(ScoresError, match="give one at least, each once"):
        measure({"a": heard(DOG)}, {"a": [("dog", 0.5, 1.5)]}, collars=())
    with pytest.raises(ScoresError, match="no clips to judge"):
        measure({}, {})


def test_events_beyond_the_end_are_counted_not_judged():
    """As of a recording that was cut off, or of times in milliseconds; what only reaches over the end is judged."""
    known = {"a": [("dog", 0.5, 1.5), ("rain", 1.9, 2.3), ("dog", 2.0, 2.5), ("dog", 500.0, 1500.0)]}
    section = measure({"a": heard(DOG, RULES)}, known, resamples=0)
    assert (section.events, section.outside) == (2, 2)
    assert measure({"a": heard(DOG, RULES)}, {"a": known["a"][:2]}, resamples=0).outside == 0


def test_clips_and_reference_must_be_of_the_same_clips():
    with pytest.raises(ScoresError, match="1 of 2 clips has no scores, first: 'b'"):
        measure({"a": heard(DOG)}, {"a": [("dog", 0.5, 1.5)], "b": []}, resamples=0)
