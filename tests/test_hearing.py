"""Events told while rows come are those of all rows at once, and what is remembered does not grow."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import ScoresError
from earmark.events import EventRules, hear, track
from earmark.events.streaming import Stream
from earmark.scores import Event, Scores

TAGS = ("dog", "rain")
LOW = st.sampled_from([None, None, 0.4, 0.6, 1.0])


def rows(values, start, end, tags=TAGS) -> Scores:
    values = np.asarray(values, np.float32).reshape(len(start), len(tags))
    return Scores(values, np.full(len(start), "a"), np.asarray(start, float), np.asarray(end, float), tags)


def part(scores: Scores, first: int, end: int) -> Scores:
    return Scores(
        scores.values[first:end], scores.ids[first:end], scores.start[first:end], scores.end[first:end], scores.tags
    )


def told(scores: Scores, rules: EventRules, cuts, ordered: bool = False, aligned: bool = False) -> list[list[Event]]:
    """What `push` gave after each part, and what `finish` gave. aligned: of what comes later no more is known than that it does not
    begin before the last row, as where the last window is moved back to the end."""
    stream = Stream(scores.tags, rules, ordered)
    places = [0, *sorted(cuts), len(scores)]
    found = []
    for first, end in pairwise(places):
        before = float(scores.start[end]) if end < len(scores) else float(scores.start[-1]) if end else 0.0
        before = float(scores.start[max(0, end - 1)]) if aligned and len(scores) else before
        found.append(stream.push(part(scores, first, end), before))
    return [*found, stream.finish()]


@st.composite
def cases(draw):
    """Rows by start on a grid, moved by rounding or by nothing that can be told apart; rules; cuts."""
    step = draw(st.sampled_from([0.25, 0.1, 1 / 3, 0.0437]))
    count = draw(st.integers(0, 40))
    jitter = st.sampled_from([0.0, 0.0, 1e-7, -1e-7, 9e-7, 2e-6])
    start = sorted(max(0.0, draw(st.integers(0, 60)) * step + draw(jitter)) for _ in range(count))
    end = [at + max(2e-6, draw(st.integers(0, 6)) * step + draw(jitter)) for at in start]
    level = st.one_of(st.sampled_from([0.0, 0.3, 0.5, 0.7]), st.floats(0, 1, width=32))
    values = [[draw(level) for _ in TAGS] for _ in range(count)]
    lengths = st.one_of(st.integers(0, 12).map(lambda n: n * step), st.floats(0, 4))
    rules = EventRules(
        {tag: draw(st.sampled_from([0.3, 0.5, 0.7])) for tag in TAGS}, {tag: draw(lengths) for tag in TAGS},
        draw(lengths), draw(lengths), {tag: low for tag in TAGS if (low := draw(LOW))},
    )  # fmt: skip
    cuts = draw(st.lists(st.integers(0, count), max_size=count))
    return rows(values, start, end), rules, cuts


@st.composite
def misfits(draw):
    """Windows that overlap without fitting their hop, the last one moved back; or any rows, near to each other by parts of the first
    hop. Rules; cuts."""
    hop = draw(st.sampled_from([0.48, 1.0, 0.01]))
    count = draw(st.integers(1, 30))
    small = st.sampled_from([0.0, 0.0, 0.01, -0.01, 0.03, 0.05, -0.05, 0.0625, 0.07, 0.12, 0.3])
    if draw(st.booleans()):
        length = (draw(st.integers(1, 4)) + draw(small)) * hop
        start = [hop * number for number in range(count)]
        start += [start[-1] + hop * draw(st.floats(0.001, 0.999))] if draw(st.booleans()) else []
        end = [at + length for at in start]
    else:
        start = sorted(max(0.0, (draw(st.integers(0, 20)) + draw(small)) * hop) for _ in range(count))
        end = [at + max(2e-6, (draw(st.integers(0, 3)) + draw(small)) * hop) for at in start]
    level = st.one_of(st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9]), st.floats(0, 1, width=32))
    values = [[draw(level) for _ in TAGS] for _ in start]
    lengths = st.one_of(st.just(0.0), st.integers(0, 6).map(lambda n: n * hop), st.floats(0, 4 * hop))
    rules = EventRules(
        {tag: draw(st.sampled_from([0.3, 0.5, 0.7])) for tag in TAGS}, {tag: draw(lengths) for tag in TAGS},
        draw(lengths), draw(lengths), {tag: low for tag in TAGS if (low := draw(LOW))},
    )  # fmt: skip
    cuts = draw(
        st.one_of(st.just(list(range(1, len(start)))), st.lists(st.integers(0, len(start)), max_size=len(start)))
    )
    return rows(values, start, end), rules, cuts


@settings(deadline=None, max_examples=60)
@given(cases())
def test_any_parts_give_the_events_of_the_whole(case):
    check_parts(*case)


@pytest.mark.slow
@settings(deadline=None, max_examples=500)
@given(cases())
def test_any_parts_of_many_more_cases_give_the_events_of_the_whole(case):
    check_parts(*case)


@settings(deadline=None, max_examples=150)
@given(misfits())
def test_any_parts_of_windows_that_do_not_fit_their_hop_give_the_events_of_the_whole(case):
    check_parts(*case)


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(misfits())
def test_any_parts_of_many_more_misfits_give_the_events_of_the_whole(case):
    check_parts(*case)


def check_parts(scores, rules, cuts):
    wanted = hear(track(scores), rules)
    for aligned in (False, True):
        found = told(scores, rules, cuts, aligned=aligned)
        assert sorted(event for each in found for event in each) == wanted
        assert all(each == sorted(each) for each in found)
        in_order = told(scores, rules, cuts, ordered=True, aligned=aligned)
        assert [event for each in in_order for event in each] == wanted


@pytest.mark.parametrize("overlap", [1.0, 3.5])
@pytest.mark.parametrize("smooth", [1, 3])
def test_frames_one_by_one_under_every_median(overlap, smooth):
    chance = np.random.default_rng(0)
    for median in (0.0, 0.1, 0.3, 0.5, 0.77, 1.1, 2.0):
        start = 0.1 * np.arange(90)
        values = np.repeat(chance.uniform(0, 1, (90 // smooth, 2)), smooth, 0)
        scores = rows(values, start, start + 0.1 * overlap)
        rules = EventRules(
            {"dog": 0.5, "rain": 0.45}, {"dog": median, "rain": median / 2}, *chance.choice([0, 0.2, 0.35], 2)
        )
        wanted = hear(track(scores), rules)
        for cuts in (range(1, 90), range(7, 90, 7)):
            found = told(scores, rules, cuts, ordered=True)
            assert [event for each in found for event in each] == wanted


def test_an_event_is_told_once_nothing_can_change_it():
    # heard from 1 to 2 s and from 3 to 4 s, in rows of 1 s; a gap of less than 1.5 s joins, one of 1 s does not
    scores = rows([[0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 0]], np.arange(7.0), np.arange(1.0, 8.0))
    first, second = Event(1, 2, "dog", 1), Event(3, 4, "dog", 1)
    by_row = told(scores, EventRules.alike(TAGS), range(1, 7))
    # the row from 2 s on shows that it ended there
    assert by_row == [[], [], [first], [], [second], [], [], []]
    by_row = told(scores, EventRules.alike(TAGS, gap=1.5), range(1, 7))
    assert by_row == [[], [], [], [], [], [Event(1, 4, "dog", 1)], [], []]
    # a median over 1 s asks for half a second more
    by_row = told(scores, EventRules.alike(TAGS, median=1.0), range(1, 7))
    assert [len(each) for each in by_row] == [0, 0, 1, 0, 1, 0, 0, 0]


def test_an_event_of_windows_that_do_not_fit_is_told_as_soon_as_no_edge_can_be_drawn_to_another():
    """YAMNet's windows: the third shows that it ended at 0.96, and that this is an edge once nothing can come within 30 ms behind."""
    scores = rows([[0.9, 0], [0.9, 0], *[[0, 0]] * 4], 0.48 * np.arange(6), 0.48 * np.arange(6) + 0.975)
    by_row = told(scores, EventRules.alike(TAGS), range(1, 6))
    assert by_row == [[], [], [], [Event(0, 0.96, "dog", 0.9)], [], [], []]


@pytest.mark.parametrize("length", [0.35, 0.303])  # the latter's ends are all within reach of a start
@pytest.mark.parametrize("kind", ["silence", "one long event", "flicker"])
@pytest.mark.parametrize("low", [None, 0.9])
def test_what_is_remembered_does_not_grow(kind, length, low):
    rules = EventRules.alike(TAGS, median=1.5, gap=0.8, shortest=0.2, low=low)
    stream = Stream(TAGS, rules)
    chance = np.random.default_rng(0)
    sizes, found = [], []
    for block in range(40):
        start = block * 10 + 0.1 * np.arange(100)
        values = np.full((100, 2), {"silence": 0.1, "one long event": 0.9, "flicker": 0.0}[kind])
        if kind == "flicker":
            values = chance.uniform(0, 1, (100, 2))
        found += stream.push(rows(values, start, start + length), start[-1])
        sizes.append(size(stream))
    assert max(sizes[20:]) <= 1.2 * max(sizes[:20]) and max(sizes) < 20_000
    found += stream.finish()
    if kind == "one long event":
        assert [(event.onset, event.offset) for event in found] == [(0.0, round(399.9 + length, 3))] * 2
    assert (len(found) > 0) == (kind != "silence")


def test_nor_does_it_where_an_event_may_yet_go_on_for_long():
    """Above the threshold for a second, then for an hour between it and the lower one."""
    stream = Stream(TAGS, EventRules.alike(TAGS, low=0.5))
    sizes = []
    for block in range(60):
        start = block * 60 + np.arange(60.0)
        values = np.where(np.arange(60) + 60 * block == 0, 0.9, 0.3)
        assert stream.push(rows(np.stack([values, values], 1), start, start + 1), start[-1]) == []
        sizes.append(size(stream))
    assert max(sizes) <= 1.2 * sizes[0]
    start = np.array([3600.0, 3601.0, 3602.0])
    assert stream.push(rows([[0.7, 0.1]] * 2 + [[0.1, 0.1]], start, start + 1), 3603.0) == [
        Event(0, 1, "rain", 0.9), Event(0, 3602, "dog", 0.9),
    ]  # fmt: skip


def size(thing) -> int:
    """Bytes of what an object holds."""
    if isinstance(thing, np.ndarray):
        assert thing.base is None or thing.base.nbytes <= 2 * thing.nbytes + 1000  # no view of something large
        return thing.nbytes
    if isinstance(thing, list | tuple | set):
        return sum(map(size, thing))
    if hasattr(thing, "__dict__"):
        return sum(map(size, vars(thing).values()))
    return sys.getsizeof(thing)


def test_rows_that_come_too_late_are_refused():
    stream = Stream(TAGS, EventRules.alike(TAGS))
    stream.push(rows([[1, 0]], [5.0], [6.0]), 5.0)
    with pytest.raises(ScoresError, match=r"a row of a begins at 4\.0 s, though none was to begin before 5\.0 s"):
        stream.push(rows([[1, 0]], [4.0], [6.0]), 6.0)
    with pytest.raises(ScoresError, match="rows of the tags cat"):
        stream.push(rows([[1]], [5.0], [6.0], ("cat",)), 6.0)


def test_no_rows_no_events():
    assert Stream(TAGS, EventRules.alike(TAGS)).finish() == []
    with pytest.raises(ScoresError, match="no threshold"):
        Stream(TAGS, EventRules.alike(("dog",)))
