"""Events told while recordings are scored are those of all their scores.

Other batches give other last bits, as matrices of other shapes are multiplied in another order: scores are equal to 1e-5,
and events are the same where no score lies within that of its threshold. So thresholds lie between scores here.
"""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from earmark.events import EventRules, hear, track
from earmark.inference import Failure, Recording, Scored, score
from earmark.inference.detection import listen
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.models.prediction import Grid, Prediction
from earmark.recipe import parse

RATE, STEP = 1000, 50
TAGS = ("dog", "rain")


class Loudness(nn.Module):
    """Frames of 50 samples: tag 0 the louder, tag 1 the quieter they are."""

    grid = Grid(STEP, STEP / 2)

    def __init__(self):
        super().__init__()
        self.none = nn.Parameter(torch.zeros(1))  # `device` asks for one

    def forward(self, waves):
        loud = 10 * (waves.unfold(1, STEP, STEP).abs().mean(2) - 0.25)  # (batch, frames)
        logits = torch.stack([loud, -loud], 2)
        return Prediction(logits.mean(1)[:, None], loud, logits)


def build(framed: bool, **windows) -> taggers.Tagger:
    torch.manual_seed(0)
    recipe = {
        "task": "many", "sample_rate": RATE, "data": {"dataset": "folder"},
        "windows": {"length": 1.0, "hop": 0.35, **windows},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    tagger = taggers.build(parse(recipe), TAGS).eval()
    if framed:
        tagger.net = Loudness()
    return tagger


def write(path, seconds: float, seed: int):
    """Noise whose level changes every tenth of a second or so."""
    chance = np.random.default_rng(seed)
    count = round(seconds * RATE)
    level = np.repeat(chance.uniform(0, 1, count // 130 + 1), 130)[:count]
    soundfile.write(path, (level * chance.uniform(-1, 1, count)).astype(np.float32), RATE, "FLOAT")
    return Recording(path)


@pytest.fixture
def recordings(tmp_path):
    lengths = (0.4, 0.95, 1.0, 1.01, 1.35, 3.33, 12.0)
    return [write(tmp_path / f"{i}.wav", seconds, i) for i, seconds in enumerate(lengths)]


ROUNDING = 1e-5  # of scores in other batches


def between(values) -> float:
    """A threshold in the widest gap between scores, among the middle half of them."""
    inside = np.sort(values)[len(values) // 4 : -(len(values) // 4)]
    at = np.diff(inside).argmax()
    assert inside[at + 1] - inside[at] > 20 * ROUNDING
    return float(inside[at : at + 2].mean())


def alike(found, expected) -> bool:
    """Whether the events are the same, and their scores but for rounding."""
    edges = [[(event.onset, event.offset, event.tag) for event in events] for events in (found, expected)]
    return edges[0] == edges[1] and np.allclose(*([e.score for e in each] for each in (found, expected)), 0, ROUNDING)


RULES = EventRules(dict.fromkeys(TAGS, 0.5), {"dog": 0.3, "rain": 0.0}, 0.12, 0.1)


@pytest.mark.parametrize("short", ["pad", "centre", "repeat", "slide"])
@pytest.mark.parametrize("last", ["align", "pad", "drop"])
@pytest.mark.parametrize("framed", [True, False])
def test_events_are_those_of_all_scores(recordings, framed, last, short):
    tagger = build(framed, last=last, short=short, **({"hop": 0.1} if short == "slide" else {}))
    scorer = tagger.framewise()
    middle = RULES
    if not framed:
        (first,) = score(tagger, recordings[-1:], keep_windows=True)
        thresholds = {tag: between(column) for tag, column in zip(TAGS, first.windows.values.T, strict=True)}
        middle = EventRules(thresholds, RULES.medians, RULES.gap, RULES.shortest)
    parts = [Recording(recordings[-1].path, 2.05, end, f"part to {end}") for end in (2.4, 3.05, 9.0)]
    expected = {}
    for heard in score(scorer or tagger, [*recordings, *parts], keep_windows=True):
        moments = scorer.scores(heard) if scorer else heard.windows
        limits = np.array([middle.thresholds[tag] for tag in moments.tags])
        assert np.abs(moments.values - limits).min() > 2 * ROUNDING
        expected[heard.recording.name] = hear(track(moments), middle)
    assert sum(map(len, expected.values())) > (40 if framed else 8)
    for batch in (1, 7, 100):
        told: dict[str, list] = {}
        found = {}

        def show(recording, events, told=told):
            told.setdefault(recording.name, []).extend(events)

        for heard, events in listen(tagger, scorer, [*recordings, *parts], middle, batch=batch, on_events=show):
            assert isinstance(heard, Scored)
            found[heard.recording.name] = events
        assert found.keys() == expected.keys()
        assert all(alike(found[name], expected[name]) for name in expected)
        assert told == {name: events for name, events in found.items() if events}  # by onset over all parts


def test_events_of_one_recording_come_while_it_is_scored(recordings):
    tagger = build(True)
    come = []
    arguments = (tagger, tagger.framewise(), recordings[-1:], RULES)
    show = lambda _, events: come.append(list(events))  # noqa: E731
    ((_, kept),) = listen(*arguments, batch=1, on_events=show, ordered=False, keep=False)
    assert kept == [] and len(come) > 5
    ((_, whole),) = listen(*arguments)
    assert alike(sorted(event for events in come for event in events), whole)
    # each as soon as it is final: within two windows and what the rules look ahead
    ends = [max(event.offset for event in events) for events in come[:-1]]
    assert ends == sorted(ends)


def test_what_fails_has_no_events_and_the_rest_goes_on(recordings, tmp_path):
    data = recordings[-1].path.read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    (tmp_path / "none.wav").write_bytes(b"no audio")
    todo = [Recording(tmp_path / "cut.wav"), Recording(tmp_path / "none.wav"), recordings[-1]]
    tagger = build(True)
    results = list(listen(tagger, tagger.framewise(), todo, RULES))
    assert [type(heard) for heard, _ in results] == [Failure, Failure, Scored]
    assert results[0][1] == results[1][1] == [] and results[2][1]


def test_an_ensemble_is_heard_in_windows(recordings):
    committee = Ensemble([build(False), build(False)])
    (heard,) = score(committee, recordings[-1:], keep_windows=True)
    rules = EventRules.alike(TAGS, between(heard.windows.values.ravel()))
    ((_, found),) = listen(committee, None, recordings[-1:], rules)
    assert found == hear(track(heard.windows), rules) and found


def test_recordings_of_one_name_are_heard_each_by_itself(recordings):
    """Two parts of one file, and a file that is named twice; the second fits into the batch of the first."""
    path = recordings[-1].path
    todo = [Recording(path, 0.0, 4.0), Recording(path, 6.0, 11.0), recordings[-2], recordings[-2]]
    tagger = build(True)
    scorer = tagger.framewise()
    expected = [hear(track(scorer.scores(heard)), RULES) for heard in score(scorer, todo, keep_windows=True)]
    told = []
    found = listen(tagger, scorer, todo, RULES, batch=100, on_events=lambda _, events: told.extend(events))
    found = [events for _, events in found]
    assert all(alike(*each) for each in zip(found, expected, strict=True))
    assert sorted(told) == sorted(event for events in found for event in events) and expected[2] != []
