"""Events: F1 by edges and by segments against sed_eval, on made-up and real events and on cases worked by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from tests.metrics.conftest import perturbed, real_events, scenes

from earmark import metrics as m
from earmark.data import matching
from earmark.data.manifest import build
from earmark.errors import ScoresError
from earmark.metrics.events import _pairs
from earmark.scores import Event

Pair = tuple[float, float]
REAL = ("birdsong_strong", "esc10_soundscapes")


def listed(events: list[m.Timed]) -> list[dict[str, object]]:
    return [{"event_label": t, "onset": on, "offset": off, "file": "x"} for t, on, off in events]


def agrees(ours: m.DetectionF1, oracle) -> None:
    """sed_eval's overall and class-wise figures, with tags without reference events left out."""
    overall = oracle.overall_f_measure()
    assert ours.micro.value == pytest.approx(overall["f_measure"], abs=1e-9)
    assert ours.precision.value == pytest.approx(overall["precision"], abs=1e-9)
    assert ours.recall.value == pytest.approx(overall["recall"], abs=1e-9)
    each = []
    for tag, interval in ours.tags.items():
        theirs = oracle.class_wise_f_measure(tag)["f_measure"]
        if interval.value == 0:  # it has nan where a tag was never said
            theirs = np.nan_to_num(theirs)
        if math.isnan(interval.value):
            assert math.isnan(theirs)
        else:
            assert interval.value == pytest.approx(theirs, abs=1e-9)
            each.append(theirs)
    assert ours.macro.value == pytest.approx(np.mean(each), abs=1e-9)


def by_edges(sed_eval: ModuleType, true, found, tags, collars: m.Collars):
    oracle = sed_eval.sound_event.EventBasedMetrics(
        event_label_list=list(tags),
        t_collar=collars.onset,
        percentage_of_length=collars.share,
        evaluate_offset=collars.offset is not None,
        event_matching_type="optimal",
        empty_system_output_handling="zero_score",
    )
    for clip in true:
        oracle.evaluate(listed(true[clip]), listed(found[clip]))
    return oracle


def by_segments(sed_eval: ModuleType, true, found, tags, durations, length: float):
    oracle = sed_eval.sound_event.SegmentBasedMetrics(event_label_list=list(tags), time_resolution=length)
    for clip in true:
        oracle.evaluate(listed(true[clip]), listed(found[clip]), durations[clip])
    return oracle


@pytest.mark.parametrize("seed", range(8))
def test_made_up_events_agree_with_sed_eval(sed_eval: ModuleType, seed: int) -> None:
    true, durations = scenes(seed)
    found = perturbed(true, durations, seed, spread=0.05 * (seed + 1))
    tags = ("bell", "cat", "dog")
    for collars in (m.Collars(), m.Collars(0.5, 0.5, 0.5), m.Collars(offset=None)):
        ours = m.detection_f1(m.match_events(true, found, collars=collars), resamples=0)
        agrees(ours, by_edges(sed_eval, true, found, tags, collars))
    for length in (1.0, 0.25):
        ours = m.detection_f1(m.match_segments(true, found, durations, length=length), resamples=0)
        agrees(ours, by_segments(sed_eval, true, found, tags, durations, length))


@pytest.mark.parametrize("name", REAL)
def test_real_events_agree_with_sed_eval(sed_eval: ModuleType, data: Path, name: str) -> None:
    true, durations = real_events(data, name)
    true = {clip: true[clip] for clip in list(true)[:8]}
    tags = sorted({tag for events in true.values() for tag, *_ in events})
    found = perturbed(true, durations, 1, spread=0.05)
    collars = m.Collars(0.07, 0.07)
    ours = m.detection_f1(m.match_events(true, found, collars=collars), resamples=0)
    assert 0.2 < ours.micro.value < 0.9
    agrees(ours, by_edges(sed_eval, true, found, tags, collars))
    ours = m.detection_f1(m.match_segments(true, found, durations), resamples=0)
    agrees(ours, by_segments(sed_eval, true, found, tags, durations, 1.0))
    itself = m.detection_f1(m.match_events(true, true), resamples=0)
    assert itself.micro.value == itself.macro.value == 1


def test_event_f1_worked_by_hand() -> None:
    true = {"a": [("dog", 1.0, 2.0), ("dog", 5.0, 10.0), ("cat", 3.0, 3.5)], "b": [("cat", 0.0, 1.0)]}
    found = {
        # onset 0.2 late to the decimal; offset 0.9 early of 5 s, within a fifth; cat's offset 0.21 late of 0.5 s
        "a": [("dog", 1.2, 2.2), ("dog", 4.9, 9.1), ("cat", 3.0, 3.71)],
        "b": [("cat", 0.1, 0.9), ("dog", 0.1, 0.9)],
    }
    counts = m.match_events(true, found)
    assert counts.tags == ("cat", "dog")
    assert counts.hits.tolist() == [[0, 2], [1, 0]]
    assert counts.false.tolist() == [[1, 0], [0, 1]]
    assert counts.missed.tolist() == [[1, 0], [0, 0]]
    result = m.detection_f1(counts, resamples=0)
    assert result.micro.value == pytest.approx(2 * 3 / (5 + 4))
    assert result.tags["cat"].value == pytest.approx(1 / 2)
    assert result.tags["dog"].value == pytest.approx(4 / 5)
    assert result.macro.value == pytest.approx((1 / 2 + 4 / 5) / 2)
    assert (result.precision.value, result.recall.value) == pytest.approx((3 / 5, 3 / 4))


@pytest.mark.parametrize(
    ("true", "found", "by_sed_eval", "by_length"),
    [
        ((0.0, 10.0), (0.0, 8.1), True, False),  # the offset is off by 1.9 s: within 20 % of 10 s, beyond 0.2 s
        ((1.0, 1.5), (1.19, 1.31), True, False),  # both edges within 0.2 s, but 0.12 s of 0.5 s are 24 %
        ((1.0, 2.0), (1.1, 1.9), True, True),  # 0.8 s of 1 s are just 80 %
        ((1.0, 2.0), (1.1, 1.89), True, False),  # 79 %
        ((1.0, 2.0), (0.8, 2.2), True, True),  # longer than it is, within the collars
        ((1.0, 2.0), (0.79, 2.0), False, False),  # an onset 0.21 s early
        ((0.0, 10.0), (0.2, 9.8), True, True),
        ((0.0, 10.0), (0.0, 9.79), True, False),
    ],
)
def test_the_two_rules_of_a_hit_by_hand(true: Pair, found: Pair, by_sed_eval: bool, by_length: bool) -> None:
    """sed_eval's rule, and paper 003's: both edges within 200 ms, and no less than 80 % of the true duration."""
    for hit, expected in (("sed_eval", by_sed_eval), ("length", by_length)):
        counts = m.match_events({"a": [("dog", *true)]}, {"a": [("dog", *found)]}, collars=m.Collars.by(hit, 0.2))
        assert int(counts.hits.sum()) == expected, hit


def test_an_unknown_rule_of_a_hit_is_refused() -> None:
    with pytest.raises(ScoresError, match="a hit is judged by 'sed_eval' or 'length', not 'paper'"):
        m.Collars.by("paper", 0.2)
    with pytest.raises(ScoresError, match=r"least is 1\.2; a found event lasts at least a share"):
        m.Collars(least=1.2)
    assert m.Collars.by("sed_eval", 0.2) == m.Collars()


def test_a_distance_that_equals_the_collar_is_within_it_at_any_place() -> None:
    for second in range(60):
        true, found = {"a": [("dog", second, second + 0.5)]}, {"a": [("dog", second + 0.2, second + 0.7)]}
        assert m.match_events(true, found).hits.sum() == 1
        far = {"a": [("dog", second + 0.2001, second + 0.7)]}
        assert m.match_events(true, far).hits.sum() == 0


def test_a_tag_never_said_counts_and_a_tag_never_there_does_not() -> None:
    true = {"a": [("dog", 0.0, 1.0), ("cat", 0.0, 1.0)]}
    found = {"a": [("dog", 0.0, 1.0), ("bell", 0.0, 1.0)]}
    result = m.detection_f1(m.match_events(true, found, tags=("bell", "cat", "dog")), resamples=0)
    assert result.tags["cat"].value == 0
    assert math.isnan(result.tags["bell"].value)
    assert result.macro.value == 1 / 2
    assert result.micro.value == 1 / 2
    silent = m.detection_f1(m.match_events(true, {"a": []}), resamples=0)
    assert silent.micro.value == silent.macro.value == silent.recall.value == 0
    assert math.isnan(silent.precision.value)


def test_the_matching_is_the_largest() -> None:
    """The first predicted event hits both, the second only the first: taking the first that fits would find one pair."""
    true = {"a": [("dog", 1.0, 2.0), ("dog", 1.1, 2.4)]}
    found = {"a": [("dog", 1.05, 2.2), ("dog", 1.1, 1.9)]}
    assert m.match_events(true, found).hits.sum() == 2
    rng = np.random.default_rng(0)
    for _ in range(300):
        hit = rng.random(rng.integers(1, 9, 2)) < 0.3
        most = (maximum_bipartite_matching(csr_array(hit)) >= 0).sum()
        assert _pairs([np.flatnonzero(row).tolist() for row in hit], hit.shape[1]) == most


def test_a_long_chain_needs_no_recursion() -> None:
    true = {"a": [("dog", 0.15 * i, 0.15 * i + 1) for i in range(3000)]}
    found = {"a": [("dog", 0.15 * i + 0.15, 0.15 * i + 1.15) for i in range(3000)]}
    assert m.match_events(true, found).hits.sum() == 3000


def test_segments_worked_by_hand() -> None:
    true = {"a": [("dog", 0.5, 2.5)]}  # segments 0, 1, 2
    found = {"a": [("dog", 2.0, 4.7), ("dog", 2.2, 2.4)]}  # segments 2, 3, and 4, which lies beyond the end
    counts = m.match_segments(true, found, {"a": 3.5})
    assert (counts.hits.sum(), counts.false.sum(), counts.missed.sum()) == (1, 1, 2)
    # 0.7 / 0.1 is less than 7 in floating point, and would be in segment 6 too
    tenths = m.match_segments({"a": [("dog", 0.7, 0.8)]}, {"a": [("dog", 0.6, 0.7)]}, {"a": 1.0}, length=0.1)
    assert (tenths.hits.sum(), tenths.false.sum(), tenths.missed.sum()) == (0, 1, 1)


def test_intervals_are_those_of_repeated_clips() -> None:
    true, durations = scenes(3, number=20)
    counts = m.match_events(true, perturbed(true, durations, 3))
    groups = {clip: f"g{i // 2}" for i, clip in enumerate(true)}
    names = np.array([groups[clip] for clip in counts.ids])
    result = m.detection_f1(counts, groups, resamples=300, seed=4)
    draws = []
    for weights in np.concatenate(list(m.resample(names, 300, 4)), 1).T:
        repeated = [np.repeat(part, weights, 0) for part in (counts.hits, counts.false, counts.missed)]
        again = m.Counts(tuple(f"{i}" for i in range(len(repeated[0]))), counts.tags, *repeated)
        draws.append(m.detection_f1(again, resamples=0))
    micro = sorted(draw.micro.value for draw in draws)
    assert (result.micro.low, result.micro.high) == pytest.approx((micro[7], micro[-8]))
    bell = sorted(draw.tags["bell"].value for draw in draws)
    assert (result.tags["bell"].low, result.tags["bell"].high) == pytest.approx((bell[7], bell[-8]))
    macro = [draw.macro.value for draw in draws]
    assert result.macro.high - result.macro.low == pytest.approx(sorted(macro)[-8] - sorted(macro)[7])
    assert result.macro.low < result.macro.value < result.macro.high
    assert m.detection_f1(counts, dict.fromkeys(true, "same")).micro.low != result.micro.low
    assert math.isnan(m.detection_f1(counts, dict.fromkeys(true, "same")).micro.low)
    assert set(result.as_dict()) == {"micro", "macro", "precision", "recall", "tags"}


def test_events_of_a_manifest_and_of_a_tagger() -> None:
    columns = {"id": ["a", "b"], "path": ["a.wav", "b.wav"], "tags": [["dog"], []]}
    manifest = build({**columns, "events": [[("dog", 1.0, 2.0)], []]}, ".")
    true = matching.events_of(manifest)
    assert true == {"a": [("dog", 1.0, 2.0)], "b": []}
    assert m.match_events(true, {"a": [Event(1.1, 2.0, "dog", 0.7)], "b": []}).hits.tolist() == [[1], [0]]
    with pytest.raises(ScoresError, match="events of 1 of 2 clips are not known, first: b"):
        matching.events_of(build({**columns, "events": [[("dog", 1.0, 2.0)], None]}, "."))


def test_errors_say_what_is_wrong() -> None:
    true = {"a": [("dog", 1.0, 2.0)]}

    def refused(message: str, function, *arguments, **options) -> None:
        with pytest.raises(ScoresError, match=re.escape(message)):
            function(*arguments, **options)

    refused("1 of 1 clip has no predicted events, first: 'a'", m.match_events, true, {})
    refused("not in the reference, first: 'b'", m.match_events, true, {"a": [], "b": []})
    refused("the reference has no clips", m.match_events, {}, {})
    refused("the tags are: none", m.match_events, {"a": []}, {"a": []})
    refused("unknown tag 'dgo', did you mean 'dog'?", m.match_events, true, {"a": [("dgo", 0, 1)]})
    refused("(tag, onset, offset), times in seconds, not (1, 2, 'dog')", m.match_events, true, {"a": [(1, 2, "dog")]})
    refused("times in seconds, not ('dog', 1)", m.match_events, {"a": [("dog", 1)]}, true)
    refused("'dog' goes from 2.0 to 1.0 s", m.match_events, true, {"a": [("dog", 2, 1)]})
    refused("goes from nan to 1.0 s", m.match_events, true, {"a": [("dog", math.nan, 1)]})
    refused("onset collar is -1", m.Collars, onset=-1)
    refused("above 0 s, not 0", m.match_segments, true, true, {"a": 3.0}, length=0)
    refused("1 of 1 clip has no duration", m.match_segments, true, true, {})
    refused("duration of clip 'a' is 0", m.match_segments, true, true, {"a": 0})
    refused("0.5 s long, but a reference event of 'dog' begins at 1.0", m.match_segments, true, true, {"a": 0.5})
    refused("has no group, first: 'a'", m.detection_f1, m.match_events(true, true), {})
    refused("resamples must be at least 0, not -1", m.detection_f1, m.match_events(true, true), resamples=-1)
