"""Intersection criteria and PSDS against sed_scores_eval, against counting at single thresholds, and by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.metrics.conftest import TAGS, framed, perturbed, real_events, scenes

from earmark import metrics as m
from earmark.errors import ScoresError
from earmark.metrics.intersection import runs
from earmark.metrics.polyphonic import prepare

FREE = m.Criteria(dtc=0.4, gtc=0.6, cttc=0.2, alpha_ct=1.5, alpha_st=0.3, max_efpr=900)
CROSS = m.Criteria(dtc=0.3, gtc=0.3, cttc=0.3, alpha_ct=0.5, max_efpr=3000)


def oracle_scores(sed_scores_eval: ModuleType, scores: dict[str, m.FrameScores], tags) -> dict:
    from sed_scores_eval.base_modules.scores import create_score_dataframe

    return {clip: create_score_dataframe(s.values, s.edges, list(tags)) for clip, s in scores.items()}


def oracle_truth(true: dict[str, list[m.Timed]]) -> dict[str, list[tuple[float, float, str]]]:
    return {clip: [(on, off, tag) for tag, on, off in events] for clip, events in true.items()}


def theirs(sed_scores_eval: ModuleType, scores, true, durations, tags, criteria: m.Criteria):
    value, by_tag, *_ = sed_scores_eval.intersection_based.psds(
        oracle_scores(sed_scores_eval, scores, tags),
        oracle_truth(true),
        durations,
        dtc_threshold=criteria.dtc,
        gtc_threshold=criteria.gtc,
        cttc_threshold=criteria.cttc,
        alpha_ct=criteria.alpha_ct,
        alpha_st=criteria.alpha_st,
        max_efpr=criteria.max_efpr,
    )
    return value, by_tag


@pytest.mark.parametrize("criteria", [m.PSDS1, m.PSDS2, FREE, CROSS], ids=["psds1", "psds2", "free", "cross"])
@pytest.mark.parametrize("steps", [0, 8])
def test_made_up_scores_agree_with_sed_scores_eval(
    sed_scores_eval: ModuleType, criteria: m.Criteria, steps: int
) -> None:
    values = []
    for seed in range(4):
        true, durations = scenes(seed)
        scores = framed(true, durations, TAGS, seed, steps, lift=1.2 + seed)
        ours = m.psds(scores, true, durations, TAGS, criteria, resamples=0)
        value, by_tag = theirs(sed_scores_eval, scores, true, durations, TAGS, criteria)
        assert ours.value.value == pytest.approx(value, abs=1e-9)
        assert {tag: interval.value for tag, interval in ours.tags.items()} == pytest.approx(by_tag, abs=1e-9)
        values.append(value)
    assert max(values) > 0.02  # not nothing against nothing


@pytest.mark.parametrize("name", ["birdsong_strong", "esc10_soundscapes"])
def test_real_events_agree_with_sed_scores_eval(sed_scores_eval: ModuleType, data: Path, name: str) -> None:
    true, durations = real_events(data, name)
    true = {clip: true[clip] for clip in list(true)[:10]}
    durations = {clip: durations[clip] for clip in true}
    tags = tuple(sorted({tag for events in true.values() for tag, *_ in events}))
    scores = framed(perturbed(true, durations, 2), durations, tags, 5)
    for criteria in (m.PSDS1, m.PSDS2, FREE):
        ours = m.psds(scores, true, durations, tags, criteria, resamples=0)
        value, by_tag = theirs(sed_scores_eval, scores, true, durations, tags, criteria)
        assert ours.value.value == pytest.approx(value, abs=1e-9)
        assert {tag: interval.value for tag, interval in ours.tags.items()} == pytest.approx(by_tag, abs=1e-9)


def detected(scores: m.FrameScores, tags, threshold: float) -> list[m.Timed]:
    """Events at one threshold, frame by frame."""
    events = []
    for column, tag in enumerate(tags):
        onset = None
        for frame, value in enumerate([*scores.values[:, column], -math.inf]):
            if value >= threshold and onset is None:
                onset = scores.edges[frame]
            elif value < threshold and onset is not None:
                events.append((tag, float(onset), float(scores.edges[frame])))
                onset = None
    return events


def test_counts_at_all_thresholds_are_those_of_the_events_at_each() -> None:
    true, durations = scenes(7)
    scores = framed(true, durations, TAGS, 7, steps=12)
    roc = prepare(scores, true, durations, TAGS, m.Criteria(0.4, 0.5, max_efpr=1e9))
    for threshold in np.unique(np.concatenate([s.values.ravel() for s in scores.values()])):
        found = {clip: detected(s, TAGS, threshold) for clip, s in scores.items()}
        counts = m.match_intersections(true, found, tags=TAGS, dtc=0.4, gtc=0.5)
        for column, curve in enumerate(roc.curves):
            hits, false = curve.counts(np.ones(len(true)))
            place = np.flatnonzero(curve.level >= threshold - 1e-12)
            last = (hits[place[-1]], false[place[-1]]) if len(place) else (0, 0)
            assert last == (counts.hits[:, column].sum(), counts.false[:, column].sum())


def test_runs_are_the_connected_frames_of_all_thresholds() -> None:
    rng = np.random.default_rng(0)
    for frames in (1, 2, 3, 17, 40):
        for steps in (2, 5, 1000):
            values = np.round(rng.random((frames, 2)) * steps) / steps
            scores = m.FrameScores(values, np.arange(frames + 1.0))
            for column, found in enumerate(runs(scores)):
                assert len(found.level) <= frames
                for threshold in np.unique(values):
                    active = (found.parent < threshold) & (threshold <= found.level)
                    pairs = sorted(zip(found.onset[active], found.offset[active], strict=True))
                    expected = detected(m.FrameScores(values[:, [column]], scores.edges), ("x",), threshold)
                    assert pairs == [(on, off) for _, on, off in expected]


def test_monotone_scores_of_a_long_recording_are_fast_and_right() -> None:
    frames = 50_000
    for values in (np.arange(frames), -np.arange(frames), np.zeros(frames)):
        found = runs(m.FrameScores(values[:, None].astype(float), np.arange(frames + 1.0)))[0]
        assert len(found.level) == (1 if not values.any() else frames)
        assert (found.offset - found.onset).max() == frames


def test_psds_worked_by_hand() -> None:
    """One hour in two clips; a dog from 0 to 10 s. Frames of 10 s."""
    true = {"a": [("dog", 0.0, 10.0)], "b": [("cat", 0.0, 20.0)]}
    durations = {"a": 1800.0, "b": 1800.0}
    edges = np.arange(0, 1801, 10.0)
    values = {clip: np.zeros((180, 2)) for clip in true}
    values["a"][0, 1] = 0.9  # the dog, at threshold 0.9
    values["b"][0:2, 0] = 0.5  # the cat, at threshold 0.5
    values["a"][50, 0] = 0.8  # a false cat before that
    values["b"][1, 1] = 0.95  # and a false dog, where the cat is: also a cross trigger of the cat
    scores = {clip: m.FrameScores(values[clip], edges) for clip in true}
    tags = ("cat", "dog")

    plain = m.psds(scores, true, durations, tags, m.Criteria(0.7, 0.7, max_efpr=10), resamples=0)
    # each is found at one false alarm an hour: 9 of 10
    assert {tag: i.value for tag, i in plain.tags.items()} == pytest.approx({"cat": 0.9, "dog": 0.9})
    assert plain.value.value == pytest.approx(0.9)

    crossed = m.Criteria(0.7, 0.7, cttc=0.3, alpha_ct=0.01, alpha_st=1.0, max_efpr=10)
    costly = m.psds(scores, true, durations, tags, crossed, resamples=0)
    # 1 cross trigger on 20 s of cats are 180 an hour: 0.01 of it makes the dog's rate 2.8
    assert {tag: i.value for tag, i in costly.tags.items()} == pytest.approx({"cat": 0.9, "dog": 0.72})
    # from 1 to 2.8 the shares are 1 and 0: mean 1/2 less deviation 1/2
    assert costly.value.value == pytest.approx(0.72)


def test_a_tag_without_events_is_left_out() -> None:
    true, durations = scenes(5)
    scores = framed(true, durations, TAGS, 5)
    wider = {c: m.FrameScores(np.concatenate([s.values, s.values[:, :1]], 1), s.edges) for c, s in scores.items()}
    for criteria in (m.PSDS1, CROSS):
        narrow = m.psds(scores, true, durations, TAGS, criteria, resamples=0)
        wide = m.psds(wider, true, durations, (*TAGS, "never"), criteria, resamples=0)
        assert wide.value == narrow.value or math.isclose(wide.value.value, narrow.value.value, abs_tol=1e-12)
        assert math.isnan(wide.tags["never"].value)
    nothing = m.psds(wider, {clip: [] for clip in true}, durations, (*TAGS, "never"), m.PSDS1, resamples=5)
    assert math.isnan(nothing.value.value)
    assert math.isnan(nothing.value.low)


@pytest.mark.parametrize("criteria", [CROSS, m.PSDS1], ids=["cross", "psds1"])
def test_draws_are_those_of_repeated_clips(criteria: m.Criteria) -> None:
    true, durations = scenes(6, number=10)
    scores = framed(true, durations, TAGS, 6)
    roc = prepare(scores, true, durations, TAGS, criteria)
    for times in np.random.default_rng(3).integers(0, 3, (12, 10)):
        again = [(f"{clip}-{i}", clip) for clip, count in zip(true, times, strict=True) for i in range(count)]
        repeated = [{new: part[old] for new, old in again} for part in (scores, true, durations)]
        value, by_tag = roc.measure(times.astype(float))
        expected = m.psds(*repeated, TAGS, criteria, resamples=0)
        assert value == pytest.approx(expected.value.value, abs=1e-12)
        assert by_tag == pytest.approx([i.value for i in expected.tags.values()], abs=1e-12, nan_ok=True)
    result = m.psds(scores, true, durations, TAGS, criteria, {clip: clip[-1] for clip in true}, resamples=40)
    assert result.value.low < result.value.value < result.value.high
    assert result == m.psds(scores, true, durations, TAGS, criteria, resamples=40)  # each clip was its own group
    assert set(result.as_dict()) == {"value", "tags"}


def test_intersection_f1_agrees_with_sed_scores_eval(sed_scores_eval: ModuleType) -> None:
    true, durations = scenes(9)
    scores = framed(true, durations, TAGS, 9)
    for dtc, gtc in ((0.5, 0.5), (0.1, 0.8)):
        found = {clip: detected(s, TAGS, 0.6) for clip, s in scores.items()}
        ours = m.detection_f1(m.match_intersections(true, found, tags=TAGS, dtc=dtc, gtc=gtc), resamples=0)
        f, *_ = sed_scores_eval.intersection_based.fscore(
            oracle_scores(sed_scores_eval, scores, TAGS),
            oracle_truth(true),
            threshold=0.6,
            dtc_threshold=dtc,
            gtc_threshold=gtc,
        )
        assert {tag: i.value for tag, i in ours.tags.items()} == pytest.approx({t: f[t] for t in TAGS}, abs=1e-9)
        assert ours.macro.value == pytest.approx(f["macro_average"], abs=1e-9)
        assert ours.micro.value == pytest.approx(f["micro_average"], abs=1e-9)


def test_joined() -> None:
    events = [("dog", 1.0, 2.0), ("dog", 1.5, 1.7), ("cat", 1.0, 3.0), ("dog", 2.0, 2.5), ("dog", 4.0, 5.0)]
    assert sorted(m.joined(events)) == [("cat", 1.0, 3.0), ("dog", 1.0, 2.5), ("dog", 4.0, 5.0)]
    assert m.joined([]) == []


def test_errors_say_what_is_wrong() -> None:
    true, durations = {"a": [("dog", 1.0, 2.0)]}, {"a": 3.0}
    scores = {"a": m.FrameScores(np.zeros((3, 1)), np.arange(4.0))}

    def refused(message: str, function, *arguments, **options) -> None:
        with pytest.raises(ScoresError, match=re.escape(message)):
            function(*arguments, **options)

    refused("shape (3, 1) and edges (3,)", m.FrameScores, np.zeros((3, 1)), np.arange(3.0))
    refused("frame 0, column 0 is nan", m.FrameScores, np.full((1, 1), np.nan), np.arange(2.0))
    refused("must be finite and rise", m.FrameScores, np.zeros((2, 1)), np.array([0.0, 2.0, 1.0]))
    refused("dtc is a share above 0 and up to 1, not 0", m.Criteria, 0, 0.5)
    refused("cttc is None and alpha_ct 0.5", m.Criteria, 0.5, 0.5, alpha_ct=0.5)
    refused("cttc is 0.3 and alpha_ct 0", m.Criteria, 0.5, 0.5, cttc=0.3)
    refused("alpha_st is a weight of 0 or more, not -1", m.Criteria, 0.5, 0.5, alpha_st=-1)
    refused("above 0, not 0", m.Criteria, 0.5, 0.5, max_efpr=0)
    refused("no scores, first: 'a'", m.psds, {}, true, durations, ("dog",), m.PSDS1)
    refused("scores of 1 tag, not 2", m.psds, scores, true, durations, ("dog", "cat"), m.PSDS1)
    refused("unknown tag 'dog'", m.psds, scores, true, durations, ("cat",), m.PSDS1)
    refused("clip has no duration", m.psds, scores, true, {}, ("dog",), m.PSDS1)
    twice = {"a": [("dog", 1.0, 2.0), ("dog", 2.0, 2.5)]}
    refused("reference events of 'dog' overlap or touch", m.psds, scores, twice, durations, ("dog",), m.PSDS1)
    refused("predicted events of 'dog' overlap or touch", m.match_intersections, true, twice)
