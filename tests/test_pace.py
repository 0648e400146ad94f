"""How many windows at once: the fastest by a clock that the test holds, once, remembered by what it depends on."""

from types import SimpleNamespace

import numpy as np
import pytest

from earmark.files import remembered
from earmark.inference import Embedder, Recording, pace, score
from earmark.inference.scorer import score_stretches
from earmark.windows import Stretch, Windows

RATE, LENGTH, HOP = 8000, 8000, 4000


class Clocked:
    """A scorer of which a batch of n costs `costs[n]` seconds a window, on the clock that it moves."""

    sample_rate, vocabulary, task = RATE, ("a",), "many"
    windows = Windows(length=1.0, hop=0.5)

    def __init__(self, clock, costs, name="a net by an engine"):
        self.clock, self.costs, self.calls, self.pace, self.together = clock, costs, [], name, 0

    def score(self, waves):
        self.calls.append(len(waves))
        self.clock.now += self.costs.get(len(waves), 1.0) * len(waves)
        return waves.max(1, keepdims=True)

    def score_overlapping(self, wave, hop, count):
        return self.score(np.stack([wave[k * hop : k * hop + LENGTH] for k in range(count)]))


@pytest.fixture
def clock(monkeypatch, tmp_path):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pace, "KNOWN", {})
    held = SimpleNamespace(now=0.0)
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: held.now))
    return held


def another_process(monkeypatch):
    monkeypatch.setattr(pace, "KNOWN", {})


WAVES = np.random.default_rng(0).uniform(-1, 1, (40, LENGTH)).astype(np.float32)


def stretch(count):
    wave = np.random.default_rng(1).uniform(-1, 1, (count - 1) * HOP + LENGTH).astype(np.float32)
    return Stretch(wave, HOP * np.arange(count), LENGTH, HOP)


@pytest.mark.parametrize("fastest", pace.SIZES)
def test_the_fastest_is_taken_and_remembered(clock, monkeypatch, fastest):
    scorer = Clocked(clock, {size: 0.5 if size == fastest else 0.9 for size in pace.SIZES})
    assert pace.apart(scorer, WAVES) == fastest
    # once to warm up, then twice: size 1 on four windows, 4 and 16 on as many
    assert scorer.calls == [1] + 2 * [1, 1, 1, 1, 4, 16]
    scorer.calls.clear()
    assert pace.apart(scorer, WAVES) == fastest
    another_process(monkeypatch)
    assert pace.apart(scorer, WAVES) == fastest
    assert scorer.calls == []
    assert remembered.recall("a net by an engine, one by one") == fastest


def test_the_lesser_of_two_times_counts(clock):
    """What a neighbour on the machine takes once makes no size slow."""
    scorer = Clocked(clock, {1: 0.9, 4: 0.5, 16: 0.9})
    plain = scorer.score

    def disturbed(waves):
        if len(waves) == 4 and 4 not in scorer.calls:
            clock.now += 100.0
        return plain(waves)

    scorer.score = disturbed
    assert pace.apart(scorer, WAVES) == 4


def test_another_net_engine_or_processor_is_measured_for_itself(clock):
    pace.apart(Clocked(clock, {16: 0.1}), WAVES)
    other = Clocked(clock, {1: 0.1}, "another")
    assert pace.apart(other, WAVES) == 1
    assert other.calls


def test_what_is_remembered_but_is_no_size_is_measured_again(clock):
    for wrong in (0, -4, 5, "16", None, [4], 1e9):
        remembered.remember("a net by an engine, one by one", wrong)
        pace.KNOWN.clear()
        assert pace.apart(Clocked(clock, {4: 0.1}), WAVES) == 4


def test_few_windows_are_not_worth_measuring(clock):
    scorer = Clocked(clock, {1: 0.1})
    assert pace.apart(scorer, WAVES[: pace.GATHERED - 1]) == pace.FEW
    assert scorer.calls == []


def test_whoever_tells_nothing_of_its_speed_is_asked_as_before(clock):
    scorer = Clocked(clock, {1: 0.1}, "")
    assert pace.apart(scorer, WAVES) == pace.GATHERED
    assert pace.shared(scorer, stretch(33), 33) == 33
    assert scorer.calls == []


@pytest.mark.parametrize(("fastest", "most"), [(4, 33), (8, 33), (33, 33), (4, 8), (8, 8), (4, 16)])
def test_windows_that_share(clock, fastest, most):
    scorer = Clocked(clock, {fastest: 0.1})
    assert pace.shared(scorer, stretch(40), most) == fastest
    scorer.calls.clear()
    assert pace.shared(scorer, stretch(most - 1), most) == most  # a short recording: as its graphs and its plan have it
    assert scorer.calls == []


def test_where_nothing_can_be_written_it_holds_for_the_process(clock, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", "/dev/null/nowhere")
    scorer = Clocked(clock, {4: 0.1})
    assert [pace.apart(scorer, WAVES) for _ in range(2)] == [4, 4]
    assert scorer.calls.count(16) == 2


def test_an_answer_does_not_depend_on_whether_it_was_measured(clock):
    """The first run, which measures, scores in the same batches as the second."""
    scorer = Clocked(clock, {4: 0.1})
    first = score_stretches(scorer, [stretch(20)], None)
    measured, scorer.calls = scorer.calls, []
    second = score_stretches(scorer, [stretch(20)], None)
    assert scorer.calls == [4] * 5 == measured[-5:]
    np.testing.assert_array_equal(first[0], second[0])


@pytest.mark.parametrize("batch", [1, 7, 16])
def test_a_batch_that_is_asked_for_is_taken(clock, batch):
    scorer = Clocked(clock, {4: 0.1})
    scorer.together = 33
    score_stretches(scorer, [stretch(1)] * 20, batch)
    assert max(scorer.calls) == batch
    scorer.calls.clear()
    score_stretches(scorer, [stretch(66)], batch)
    assert scorer.calls == [33, 33]  # as they are planned
    assert not pace.KNOWN


def test_recordings(clock, tmp_path):
    import soundfile

    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE), RATE)
    fast = Clocked(clock, {4: 0.1})
    (heard,) = score(fast, [Recording(path)])
    assert set(fast.calls[13:]) <= {4, 3, 2, 1}  # behind what was measured
    slow = Clocked(clock, {}, "")
    (wanted,) = score(slow, [Recording(path)])
    np.testing.assert_allclose(heard.values, wanted.values, atol=1e-6)


def test_live_sound_does_not_wait_for_a_measurement(clock, tmp_path):
    import soundfile

    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE), RATE)
    scorer = Clocked(clock, {4: 0.1})
    list(score(scorer, [Recording(path)], prompt=True))
    assert not pace.KNOWN


def test_what_the_speed_of_a_tagger_depends_on():
    pytest.importorskip("torch")
    import earmark

    by_torch, by_engine = earmark.load("esc10", engine="torch"), earmark.load("esc10")
    told = [by_torch.pace, by_engine.pace, by_torch.every(1.0).pace, earmark.load("digits", engine="torch").pace]
    assert len(set(told)) == 4 and all(told)
    assert earmark.load("esc10", engine="torch").pace == by_torch.pace
    assert Embedder(by_torch).pace == by_torch.pace
    assert "torch" in by_torch.pace and "threads" in by_torch.pace
