"""Recordings in clips: which clips, and which of their events."""

from __future__ import annotations

import pytest

from earmark.data.manifest import build
from earmark.data.segments import clips, cut, within
from earmark.errors import ManifestError


@pytest.mark.parametrize(
    ("duration", "spans", "rest"),
    [
        (3.0, [(0, 1), (1, 2), (2, 3)], 0),
        (2.5, [(0, 1), (1, 2), (2, 2.5)], 0),  # the end lasts half of a clip
        (2.4, [(0, 1), (1, 2)], 0.4),
        (0.6, [(0, 0.6)], 0),
        (0.4, [], 0.4),
    ],
)
def test_clips(duration, spans, rest):
    found, left = clips(duration, 1.0)
    assert found == spans and left == pytest.approx(rest)


@pytest.mark.parametrize(
    ("event", "first", "second"),
    [
        ((0.2, 0.5), (0.2, 0.5), None),  # in the first
        ((0.9, 1.1), (0.9, 1.0), (1.0, 1.1)),  # half of it in either
        ((0.95, 1.1), None, (1.0, 1.1)),  # a third in the first
        ((0.7, 1.9), (0.7, 1.0), (1.0, 1.9)),  # a fourth of the event, but more than 0.25 s
        ((0.8, 1.9), None, (1.0, 1.9)),  # less than that
        ((0.5, 1.0), (0.5, 1.0), None),  # touches the second only
    ],
)
def test_events_that_an_edge_divides(event, first, second):
    for span, wanted in (((0.0, 1.0), first), ((1.0, 2.0), second)):
        found = within([("dog", *event)], *span, 1.0)
        assert found == ([("dog", *wanted)] if wanted else [])


def recordings(**changes):
    columns = {
        "id": ["a", "b"],
        "path": ["a.wav", "b.wav"],
        "tags": [["dog", "rain"], []],
        "events": [[("dog", 0.2, 0.6), ("rain", 0.9, 2.2)], []],
        "fold": ["1", "2"],
        "group": ["yard", None],
    }
    return build(columns | changes, "/recordings")


def test_tags_folds_and_groups():
    parts = cut(recordings(), 1.0, [2.7, 1.2])
    assert parts.ids.tolist() == ["a@0", "a@1", "a@2", "b@0"]
    assert parts.table["tags"].to_pylist() == [["dog"], ["rain"], [], []]
    rain = parts.table["events"].to_pylist()[1]
    assert rain == [{"tag": "rain", "onset": 1.0, "offset": 2.0}]
    assert parts.folds.tolist() == ["1", "1", "1", "2"] and parts.groups.tolist() == ["yard", "yard", "yard", "b"]
    assert parts.end.tolist() == pytest.approx([1, 2, 2.7, 1]) and parts.vocabulary == ("dog", "rain")
    assert (parts.facts["recordings cut"], parts.facts["seconds left out"]) == (2, 0.2)


def test_refused():
    with pytest.raises(ManifestError, match="of 1 of 2 recordings it is not known when .*: 'b'"):
        cut(recordings(events=[[("dog", 0.2, 0.6)], None]), 1.0, [2.7, 1.2])
    with pytest.raises(ManifestError, match="cut whole recordings"):
        cut(recordings(end=[2.5, None]), 1.0, [2.7, 1.2])
    for wrong in (0, -1.0, "abc", float("inf")):
        with pytest.raises(ManifestError, match=f"cut={wrong}: give the seconds of a clip"):
            cut(recordings(), wrong, [2.7, 1.2])
    with pytest.raises(ManifestError, match=r"the longest recording has 2\.7 s, so no clip is left"):
        cut(recordings(), 9.0, [2.7, 1.2])


def test_neighbours_far_into_a_recording_have_ids_of_their_own():
    """Six digits in all, as :g has them, are the same for 10000.05 and 10000.1 s."""
    told = [[("dog", 10_000.0, 10_000.2)]]
    whole = build({"id": ["a"], "path": ["a.wav"], "tags": [["dog"]], "events": told}, "/nowhere")
    ids = cut(whole, 0.05, [10_000.2]).ids.tolist()
    assert ids[:2] + ids[-4:] == ["a@0", "a@0.05", "a@10000", "a@10000.05", "a@10000.1", "a@10000.15"]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -3.0, 0.0])
def test_durations_that_are_none(seconds):
    whole = build({"id": ["a"], "path": ["a.wav"], "tags": [["dog"]], "events": [[("dog", 0.0, 0.2)]]}, "/nowhere")
    with pytest.raises(
        ManifestError, match="cut: 1 of 1 recording does not last a number of seconds above 0: 'a'. Corr"
    ):
        cut(whole, 1.0, [seconds])


def test_yes_is_no_length():
    whole = build({"id": ["a"], "path": ["a.wav"], "tags": [["dog"]], "events": [[("dog", 0.0, 0.2)]]}, "/nowhere")
    with pytest.raises(ManifestError, match="cut=True: give the seconds of a clip"):
        cut(whole, True, [3.0])
