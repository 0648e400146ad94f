"""Which edges of rows are one: YAMNet's windows worked by hand, and properties over windows that fit their hop and that do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.events import EventRules, hear, track
from earmark.events.edges import SHARE, cells_of, hop_of
from earmark.scores import Event, Scores
from earmark.windows import starts


def rows(start, length, values=None) -> Scores:
    start = np.asarray(start, float)
    values = 0.1 * np.arange(len(start)) if values is None else values
    made = np.asarray(values, np.float32).reshape(len(start), 1)
    return Scores(made, np.full(len(start), "a"), start, start + np.asarray(length, float), ("dog",))


def spans(scores: Scores, threshold: float) -> list[tuple[float, float]]:
    return [(each.onset, each.offset) for each in hear(track(scores), EventRules.alike(("dog",), threshold))]


def test_windows_of_yamnet_by_hand():
    """0.975 s every 0.48 s: the third begins at 0.96, 15 ms before the first ends at 0.975, and so on.

    One window covers the time to 0.48, two all other time but the last 0.48 s. Of windows with 0.9 and 0.2 in turn two have
    0.55; three would have 0.667 or 0.433 for 15 ms, above and below 0.6 and 0.5.
    """
    scores = rows(0.48 * np.arange(6), 0.975, [0.9, 0.2] * 3)
    heard = track(scores)
    # the last two ends have no start beside them, and stay where they are
    assert heard.edges == pytest.approx([0, 0.48, 0.96, 1.44, 1.92, 2.4, 2.895, 3.375])
    assert heard.values[:, 0] == pytest.approx([0.9, 0.55, 0.55, 0.55, 0.55, 0.55, 0.2])
    assert heard.step == pytest.approx(0.48)
    assert spans(scores, 0.5) == [(0, 2.895)]
    assert spans(scores, 0.6) == [(0, 0.48)]


def test_ends_just_before_the_next_start_are_that_start():
    """0.945 s every 0.48 s: for 15 ms one window alone would be heard."""
    scores = rows(0.48 * np.arange(6), 0.945, [0.9, 0.2] * 3)
    assert track(scores).edges == pytest.approx([0, 0.48, 0.96, 1.44, 1.92, 2.4, 2.865, 3.345])
    assert track(scores).values[:, 0] == pytest.approx([0.9, 0.55, 0.55, 0.55, 0.55, 0.55, 0.2])


@pytest.mark.parametrize(("last", "edges"), [
    (1.445, [0, 0.48, 0.96, 1.44, 1.935, 2.42]),   # 5 ms behind the fourth, and so is its end, which is the recording's
    (1.46, [0, 0.48, 0.96, 1.44, 1.935, 2.435]),   # the end at 1.455 is the start at 1.44
    (1.48, [0, 0.48, 0.96, 1.44, 1.48, 1.935, 2.415, 2.455]),
    (1.92 - 0.01, [0, 0.48, 0.96, 1.44, 1.91, 2.415, 2.885]),  # the end at 1.935 is the start at 1.91
])  # fmt: skip
def test_a_last_window_that_is_moved_back_ends_with_the_recording(last, edges):
    assert track(rows([0, 0.48, 0.96, 1.44, last], 0.975)).edges == pytest.approx(edges)


def test_of_two_windows_the_second_may_be_moved_back():
    """Of a recording of 1 s: the windows are 25 ms apart, and nothing tells of the hop but that they overlap."""
    scores = rows([0, 0.025], 0.975, [0.2, 0.8])
    assert track(scores).edges.tolist() == [0, 1] and track(scores).values[:, 0] == pytest.approx([0.5])
    assert track(rows([0, 0.04], 0.975)).edges.tolist() == [0, 0.04, 0.975, 1.015]
    assert track(rows([0, 0.48], 0.975)).edges.tolist() == [0, 0.48, 0.975, 1.455]
    assert track(rows([0, 10, 10.3], 10)).edges.tolist() == [0, 10, 20.3]


def test_windows_of_a_second_every_10_ms_keep_their_edges():
    heard = track(rows(0.01 * np.arange(300), 1.0))
    assert len(heard.edges) == 400 and np.diff(heard.edges) == pytest.approx(0.01)
    # 1.0005 s: each end is the start next to it, and none of them is drawn to another
    ends = track(rows(0.01 * np.arange(300), 1.0005))
    assert np.diff(ends.edges[:300]) == pytest.approx(0.01) and ends.edges[-1] == pytest.approx(3.9905)


def test_no_chain_of_edges_becomes_one():
    """Rows every second, then every 20 ms, less than a sixteenth of a second: the edge that stays takes those up to 0.06 s behind."""
    start = np.concatenate([np.arange(3.0), 2.02 + 0.02 * np.arange(50)])
    heard = track(rows(start, 2.0))
    within = heard.edges[(heard.edges >= 2) & (heard.edges <= 3)]
    assert within == pytest.approx(2 + 0.08 * np.arange(13))  # 3.0, a start and an end, is within reach of 2.96


def test_what_no_row_reaches_over_stays_apart():
    """A gap of 15 ms is one; a row of 15 ms by itself, too. Where overlapping rows come to an end, the last of their ends is theirs."""
    assert track(rows([0, 0.48, 0.96], 0.465)).edges == pytest.approx([0, 0.465, 0.48, 0.945, 0.96, 1.425])
    mixed = rows([0, 0.48, 0.49, 2.0, 2.015], [0.975, 0.975, 0.975, 0.015, 1.0])
    assert track(mixed).edges == pytest.approx([0, 0.48, 0.975, 1.465, 2.0, 2.015, 3.015])
    assert hear(track(mixed), EventRules.alike(("dog",), 0.3)) == [Event(2.0, 3.015, "dog", 0.4)]


@st.composite
def windows(draw, *, fit: bool = False) -> tuple[Scores, float]:
    """(the windows of a recording that begins anywhere, their hop): as `earmark.windows` cuts them. fit: into the hop, and it ends
    with one of them."""
    hop = draw(st.sampled_from([480, 160, 1000, 33]))
    deep = draw(st.integers(1, 5))
    misfit = 0 if fit else draw(st.integers(-hop // 8, hop // 8))
    length = max(1, deep * hop + misfit)
    count = draw(st.integers(1, 14))
    total = length + (count - 1) * hop + (0 if fit else draw(st.integers(0, hop - 1)))
    rate = draw(st.sampled_from([1000, 16_000, 44_100]))
    first = draw(st.sampled_from([0.0, 0.0, 12.34]))
    start = first + starts(total, length, hop) / rate
    levels = draw(st.lists(st.floats(0, 1, width=32), min_size=len(start), max_size=len(start)))
    return rows(start, length / rate, levels), hop / rate


def uncut(scores: Scores):
    return cells_of(scores.values, scores.start, scores.end)


@settings(deadline=None, max_examples=150)
@given(windows())
def test_of_any_windows_no_cell_is_a_sliver_and_what_is_heard_is_what_covers_the_time(case):
    scores, hop = case
    heard = track(scores)
    assert heard.edges[0] == scores.start.min() and heard.edges[-1] == scores.end.max()
    near = SHARE * hop_of(scores.start, scores.end)
    overlap = bool((scores.end[:-1] > scores.start[1:] + 1e-9).all())
    if overlap and len(scores) > 2:
        assert near == pytest.approx(SHARE * hop)
        assert np.diff(heard.edges).min() >= near - 1e-9
    times = np.concatenate([scores.start, scores.end])
    assert np.abs(times[:, None] - heard.edges).min(1).max() <= near + 1e-9  # no edge was drawn further
    for t in np.linspace(heard.edges[0], heard.edges[-1], 200)[1:-1]:
        if np.abs(times - t).min() > near:
            covers = (scores.start <= t) & (t < scores.end)
            value = heard.values[np.searchsorted(heard.edges, t, "right") - 1, 0]
            if covers.any():
                assert value == pytest.approx(scores.values[covers, 0].astype(float).mean())
            else:
                assert np.isnan(value)


@settings(deadline=None, max_examples=100)
@given(windows(fit=True))
def test_windows_that_fit_their_hop_have_the_cells_that_they_had(case):
    check_untouched(case[0])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(1e-5, 3), st.sampled_from([0.0, 0.0, 1e-4, 0.01, 2.0])), min_size=1, max_size=20))
def test_rows_that_do_not_overlap_have_the_cells_that_they_had(told):
    """Of any lengths, and with gaps of any."""
    start = [0.0]
    for length, gap in told:
        start.append(start[-1] + length + gap)
    check_untouched(rows(start[:-1], [length for length, _ in told]))


def test_frames_of_10_ms_and_one_row_have_the_cells_that_they_had():
    check_untouched(rows(0.01 * np.arange(500), 0.01))
    check_untouched(rows([3.0], 0.015))


def check_untouched(scores: Scores) -> None:
    heard, cells = track(scores), uncut(scores)
    assert np.array_equal(heard.edges, cells.edges)
    assert np.array_equal(heard.values, cells.values, equal_nan=True)
