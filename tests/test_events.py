"""Events: cases worked by hand, the median against scipy's, and properties over any rows and rules."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import medfilt

from earmark.errors import ScoresError
from earmark.events import EventRules, find, hear, track
from earmark.events.detection import smoothed
from earmark.scores import Event, Scores


def rows(values, start, end, tags=("dog",), name="a") -> Scores:
    values = np.asarray(values, np.float32).reshape(len(start), len(tags))
    ids = np.array([name] * len(start), str)
    return Scores(values, ids, np.array(start, float), np.array(end, float), tuple(tags))


def frames(values, step=0.1, tags=("dog",)) -> Scores:
    edges = np.arange(len(values) + 1) * step
    return rows(values, edges[:-1], edges[1:], tags)


def rules(tags=("dog",), **changes) -> EventRules:
    return EventRules.alike(tags, **changes)


def spans(scores, **changes) -> list[tuple[float, float]]:
    return [(e.onset, e.offset) for e in hear(track(scores), rules(scores.tags, **changes))]


def test_frames_by_hand():
    scores = frames([0.1, 0.5, 0.9, 0.4, 0.6, 0.2])
    assert hear(track(scores), rules()) == [Event(0.1, 0.3, "dog", 0.9), Event(0.4, 0.5, "dog", 0.6)]


def test_a_float32_score_reaches_the_threshold_that_it_is_written_as():
    assert spans(frames([0.35, 0.349]), threshold=0.35) == [(0.0, 0.1)]


def test_overlapping_windows_by_hand():
    # 0–1: 0.9; 1–2: (0.9 + 0.3) / 2 = 0.6; 2–3: 0.3, and the last window ends with the recording at 2.5
    heard = track(rows([0.9, 0.3, 0.9], [0, 1, 0.5], [2, 3, 2.5]))
    assert heard.edges.tolist() == [0, 0.5, 1, 2, 2.5, 3]
    np.testing.assert_allclose(heard.values[:, 0], [0.9, 0.9, 0.7, 0.6, 0.3], atol=1e-7)


def test_a_time_that_no_row_covers_is_silent_and_parts_events():
    scores = rows([0.9, 0.8], [0, 2], [1, 3])
    assert np.isnan(track(scores).values).tolist() == [[False], [True], [False]]
    assert spans(scores) == [(0, 1), (2, 3)]
    assert spans(scores, gap=1.0) == [(0, 1), (2, 3)]  # 1 s apart is not less than 1 s
    assert hear(track(scores), rules(gap=1.1)) == [Event(0, 3, "dog", 0.9)]


def test_edges_that_differ_by_rounding_are_one():
    scores = rows([0.9, 0.9], [0.0, 0.1 + 0.2], [0.3, 0.6])  # 0.1 + 0.2 is more than 0.3 in floating point
    assert track(scores).edges.tolist() == [0, 0.3, 0.6]
    assert spans(scores) == [(0, 0.6)]


def test_gaps_are_joined_before_blips_are_dropped():
    scores = frames([1, 0, 1, 0, 0, 0, 1, 0])
    assert spans(scores, gap=0.15) == [(0, 0.3), (0.6, 0.7)]
    assert spans(scores, gap=0.15, shortest=0.2) == [(0, 0.3)]
    assert spans(scores, shortest=0.1) == [(0, 0.1), (0.2, 0.3), (0.6, 0.7)]  # as long as the shortest: kept
    assert spans(scores, shortest=0.2) == []


def test_a_dip_does_not_part_an_event():
    scores = frames([0.8, 0.3, 0.9, 0.2, 0.6])
    assert spans(scores) == [(0, 0.1), (0.2, 0.3), (0.4, 0.5)]
    assert spans(scores, low=0.6) == [(0, 0.3), (0.4, 0.5)]  # the lower threshold is 0.3
    assert spans(scores, low=0.3) == [(0, 0.5)]
    assert spans(scores, low=0.61) == spans(scores)
    assert hear(track(scores), rules(low=0.6))[0].score == 0.9


def test_low_moves_no_edge():
    """What is above the lower threshold before an event and behind it is not the event's, as it is of the usual double threshold."""
    assert spans(frames([0.4, 0.4, 0.9, 0.4, 0.7, 0.4]), low=0.5) == [(0.2, 0.5)]
    assert spans(frames([0.4, 0.4, 0.4]), low=0.5) == []


def test_low_is_a_share_of_each_tags_own_threshold():
    scores = frames([[0.9, 0.9], [0.3, 0.3], [0.9, 0.9]], tags=("dog", "rain"))
    told = EventRules({"dog": 0.8, "rain": 0.6}, {"dog": 0.0, "rain": 0.0}, lows={"dog": 0.5, "rain": 0.5})
    assert [(e.tag, e.onset, e.offset) for e in hear(track(scores), told)] == [
        ("dog", 0.0, 0.1), ("rain", 0.0, 0.3), ("dog", 0.2, 0.3),
    ]  # fmt: skip
    assert len(hear(track(scores), EventRules(told.thresholds, told.medians, lows={"dog": 0.3}))) == 3  # rain has none
    assert EventRules.from_dict(told.as_dict()) == told and "lows" not in rules().as_dict()


def test_nothing_joins_over_a_time_without_scores():
    assert spans(rows([0.9, 0.8], [0, 2], [1, 3]), low=0.1) == [(0, 1), (2, 3)]


def test_the_median_drops_blips_fills_holes_and_keeps_edges():
    assert spans(frames([0, 1, 0, 0, 1, 1, 0, 1, 1, 0]), median=0.3) == [(0.4, 0.9)]
    # beyond the edges nothing is heard: one frame of three is dropped there, two are kept
    assert spans(frames([1, 0, 0, 0, 1, 1]), median=0.3) == [(0.4, 0.6)]


def test_an_event_may_have_a_score_below_the_threshold_where_the_median_filled_it():
    assert hear(track(frames([0.9, 0.2, 0.9])), rules(median=0.3)) == [Event(0.1, 0.2, "dog", 0.2)]


values_of_frames = st.lists(st.sampled_from([0.05, 0.2, 0.45, 0.5, 0.55, 0.8]), min_size=1, max_size=40)


@settings(deadline=None)
@given(values_of_frames, st.integers(0, 6), st.sampled_from([0.2, 0.5, 0.7]), st.sampled_from([0.02, 0.1, 0.32]))
def test_the_median_over_frames_is_scipys_of_the_scores(values, half, threshold, step):
    """Filtered before the threshold there, after it here."""
    length = 2 * half + 1
    beyond = np.zeros(half)  # what scipy takes there too, but with a warning for short inputs
    padded = np.concatenate([beyond, values, beyond])
    filtered = medfilt(padded, length)[half : half + len(values)] >= threshold
    found = spans(frames(values, step), threshold=threshold, median=length * step if half else 0.0)
    middles = (np.arange(len(values)) + 0.5) * step
    heard = [any(on < t < off for on, off in found) for t in middles]
    assert heard == filtered.tolist()
    edges = np.arange(len(values) + 1) * step
    assert all(np.abs(edges - t).min() < 1e-6 for span in found for t in span)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.01, 3), min_size=2, max_size=12).map(lambda gaps: np.cumsum(gaps[: len(gaps) // 2 * 2])),
    st.floats(0.05, 5),
    st.integers(0, 2**32 - 1),
)
def test_the_median_is_a_majority_around_every_time(edges, length, seed):
    given_spans = edges.reshape(-1, 2)
    found = smoothed(given_spans, length)
    for t in np.random.default_rng(seed).uniform(edges[0] - length, edges[-1] + length, 50):
        low, high = np.maximum(given_spans[:, 0], t - length / 2), np.minimum(given_spans[:, 1], t + length / 2)
        within = np.maximum(high - low, 0).sum()
        if abs(within - length / 2) > 1e-6:
            assert ((found[:, 0] < t) & (t < found[:, 1])).any() == (within > length / 2)


@st.composite
def any_rows(draw) -> Scores:
    count = draw(st.integers(0, 12))
    start = [draw(st.integers(0, 40)) * 0.25 for _ in range(count)]
    end = [at + draw(st.integers(1, 12)) * 0.25 for at in start]
    values = [[draw(st.floats(0, 1, width=32)) for _ in range(2)] for _ in range(count)]
    return rows(values, start, end, ("dog", "rain"))


@settings(deadline=None)
@given(any_rows())
def test_a_score_over_time_is_the_mean_of_the_rows_there(scores):
    heard = track(scores)
    for low, high, got in zip(heard.edges[:-1], heard.edges[1:], heard.values, strict=True):
        t = (low + high) / 2
        there = [
            row.astype(float) for row, a, b in zip(scores.values, scores.start, scores.end, strict=True) if a <= t < b
        ]
        expected = np.mean(there, axis=0) if there else np.full(2, np.nan)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@settings(deadline=None)
@given(
    any_rows(), st.randoms(use_true_random=False), st.floats(0.05, 1), st.floats(0, 2), st.floats(0, 2), st.floats(0, 2),
    st.none() | st.floats(0.05, 1),
)  # fmt: skip
def test_events_lie_apart_within_the_recording_whatever_the_order_of_rows(
    scores, random, threshold, median, gap, shortest, low
):
    told = rules(scores.tags, threshold=threshold, median=median, gap=gap, shortest=shortest, low=low)
    found = hear(track(scores), told)
    assert found == sorted(found)
    for tag in scores.tags:
        own = [event for event in found if event.tag == tag]
        assert all(e.offset - e.onset >= shortest - 2e-6 for e in own)
        assert all(b.onset - a.offset >= gap - 2e-6 and b.onset > a.offset for a, b in pairwise(own))
        if low is not None and not median:
            assert all(lowest(scores, tag, a.offset, b.onset) < low * threshold + 1e-6 for a, b in pairwise(own))
    if found:
        assert found[0].onset >= scores.start.min() and max(e.offset for e in found) <= scores.end.max()
    order = random.sample(range(len(scores)), len(scores))
    shuffled = Scores(scores.values[order], scores.ids, scores.start[order], scores.end[order], scores.tags)
    assert [(e.onset, e.offset, e.tag) for e in hear(track(shuffled), told)] == [
        (e.onset, e.offset, e.tag) for e in found
    ]


def lowest(scores, tag, begin, end) -> float:
    """The lowest score of a tag between two times, at the middle of each cell; 0 where no row covers it."""
    edges = np.unique(np.concatenate([scores.start, scores.end, [begin, end]]))
    middles = [t for t in (edges[1:] + edges[:-1]) / 2 if begin < t < end]
    column = scores.values[:, scores.tags.index(tag)].astype(float)
    there = [column[(scores.start <= t) & (t < scores.end)] for t in middles]
    return min(float(each.mean()) if len(each) else 0.0 for each in there)


def test_several_recordings_each_by_themselves():
    both = Scores(
        np.array([[0.9], [0.1], [0.8]], np.float32),
        np.array(["b", "a", "b"]),
        np.array([0.0, 0.0, 1.0]),
        np.array([1.0, 1.0, 2.0]),
        ("dog",),
    )
    assert find(both, rules()) == {"b": [Event(0, 2, "dog", 0.9)], "a": []}
    with pytest.raises(ScoresError, match="scores are of 2 recordings"):
        track(both)


def test_tags_have_their_own_rules():
    scores = frames([[0.6, 0.6], [0.2, 0.2], [0.6, 0.6]], tags=("dog", "rain"))
    told = EventRules({"dog": 0.5, "rain": 0.1}, {"dog": 0.0, "rain": 0.5})
    assert hear(track(scores), told) == [
        Event(0, 0.1, "dog", 0.6), Event(0, 0.3, "rain", 0.6), Event(0.2, 0.3, "dog", 0.6),
    ]  # fmt: skip


def test_no_rows_no_events():
    assert hear(track(rows([], [], [])), rules()) == []
    assert find(rows([], [], []), rules()) == {}


@pytest.mark.parametrize(("start", "end"), [(0.0, np.nan), (1.0, 1.0), (-1.0, 1.0), (0.0, np.inf)])
def test_rows_without_times_are_refused(start, end):
    with pytest.raises(ScoresError, match=r"row 2 \(a\) goes from .* end after their start"):
        track(rows([0.5, 0.5], [0, start], [1, end]))


def test_rules_survive_json():
    told = EventRules({"dog": 0.35, "rain": 1.0}, {"dog": 0.0, "rain": 0.96}, 0.2, 0.1)
    assert EventRules.from_dict(json.loads(json.dumps(told.as_dict()))) == told


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rules(threshold=0.0), "threshold of 'dog' is 0.0: give a score above 0"),
        (lambda: rules(threshold=float("nan")), "threshold of 'dog' is nan"),
        (lambda: rules(median=-1), "median length of 'dog' is -1: give seconds"),
        (lambda: rules(gap=float("inf")), "gap is inf"),
        (lambda: rules(shortest=-0.1), "shortest is -0.1"),
        (lambda: rules(low=0.0), "low of 'dog' is 0.0: give a share of its threshold above 0, up to 1"),
        (lambda: rules(low=1.5), "low of 'dog' is 1.5: give a share"),
        (
            lambda: EventRules({"dog": 0.5}, {"dog": 0.0}, lows={"cat": 0.5}),
            "low is a share of a threshold, and 'cat' has none",
        ),
        (lambda: EventRules({"dog": 0.5}, {}), "'dog' has one of them only"),
        (lambda: EventRules.from_dict({"thresholds": {"dog": 0.5}}), "KeyError: 'medians'"),
        (
            lambda: EventRules.from_dict({"thresholds": 3, "medians": {}, "gap": 0, "shortest": 0}),
            "a number for each tag",
        ),
        (
            lambda: find(frames([0.5]), rules(("dogs",))),
            "no threshold for 1 of 1 tag, first: 'dog', did you mean 'dogs'",
        ),
    ],
)
def test_wrong_rules_are_refused(make, message):
    with pytest.raises(ScoresError, match=message):
        make()
