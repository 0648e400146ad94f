"""A GPU computes while its last answers are fetched and the next windows are copied. None is here: the order is what is tested."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tests.small import tagger

from earmark.inference import Failure, Recording, score
from earmark.inference.scorer import ahead
from earmark.windows import Windows

torch = pytest.importorskip("torch")

from earmark.models import copies  # noqa: E402 (after the skip)

RATE = 8000


class Loudest:
    """Scores windows by their highest sample; told to be ahead, it writes down when it begins and when it is asked."""

    sample_rate, vocabulary, task = RATE, ("loud",), "many"
    windows = Windows(length=0.1, hop=0.1)

    def __init__(self, is_ahead: bool, bad: float | None = None):
        self.ahead, self.bad, self.told = is_ahead, bad, []

    def score(self, waves):
        values = waves.max(1, keepdims=True)
        return np.where(values == self.bad, np.nan, values).astype(np.float32)

    def begin(self, waves):
        number = sum(what == "begin" for what, _ in self.told)
        self.told.append(("begin", number))
        values = self.score(waves)

        def answer():
            self.told.append(("answer", number))
            return values

        return answer

    def begin_overlapping(self, wave, hop, count):
        raise AssertionError("nothing overlaps")


@pytest.fixture
def recordings(tmp_path):
    """Of 1 to 7 s, and one that is none."""
    chance = np.random.default_rng(0)
    for number in range(5):
        soundfile.write(tmp_path / f"{number}.wav", chance.uniform(-0.9, 0.9, round((1 + 1.5 * number) * RATE)), RATE)
    (tmp_path / "2b.wav").write_bytes(b"RIFF")
    return [Recording(path) for path in sorted(tmp_path.glob("*.wav"))]


def scored(scorer, recordings, **how):
    return [
        str(result.error) if isinstance(result, Failure) else (result.values.tolist(), result.windows.values.tolist())
        for result in score(scorer, recordings, keep_windows=True, batch=8, **how)
    ]


def test_a_batch_is_begun_before_the_one_before_is_asked_for(recordings):
    scorer = Loudest(True)
    assert ahead(scorer) and not ahead(Loudest(False))
    assert scored(scorer, recordings) == scored(Loudest(False), recordings)
    batches = sum(what == "begin" for what, _ in scorer.told)
    assert batches > 3
    # one is in flight while the next is begun, never two
    order = [("begin", 0)]
    for number in range(1, batches):
        order += [("begin", number), ("answer", number - 1)]
    assert scorer.told == [*order, ("answer", batches - 1)]


def test_what_is_heard_while_it_comes_does_not_wait_for_the_next(recordings):
    scorer = Loudest(True)
    assert scored(scorer, recordings[:1], prompt=True) == scored(Loudest(False), recordings[:1], prompt=True)
    kinds = [what for what, _ in scorer.told]
    assert kinds == ["begin", "answer"] * (len(kinds) // 2)


def test_a_score_that_is_no_number_fails_its_recording_alone(recordings):
    worst = max(float(soundfile.read(each.path, dtype="float32")[0].max()) for each in recordings[1:2])
    both = [scored(Loudest(is_ahead, bad=np.float32(worst)), recordings) for is_ahead in (False, True)]
    assert both[0] == both[1] and "are no finite numbers" in both[0][1] and not isinstance(both[0][0], str)


def test_a_tagger_begins_as_it_scores():
    made = tagger("convnet1d", 0.512, 0.256)
    waves = np.random.default_rng(0).normal(0, 0.1, (4, 4096)).astype(np.float32)
    assert not made.ahead and not ahead(made)  # on a processor
    assert np.array_equal(made.begin(waves)(), made.score_windows(waves))
    wave = np.concatenate(list(waves))
    assert np.array_equal(made.begin_overlapping(wave, 2048, 6)(), made.score_overlapping(wave, 2048, 6))


@pytest.fixture
def gpu(monkeypatch):
    """A processor that is copied to as a GPU is, and what was done, in order."""
    done = []
    main = SimpleNamespace(wait_stream=lambda other: done.append(f"main waits for {other}"))

    class Own:
        def __enter__(self):
            done.append("in the stream of copies")

        def __exit__(self, *_):
            done.append("out of it")

    class Event:
        def record(self, stream):
            assert stream is main
            done.append("mark")

        def synchronize(self):
            done.append("wait for the mark")

    plain = torch.empty
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: "copies")
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: Own())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: done.append("pin") or self.clone())
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: done.append("keep it until main is done"))
    monkeypatch.setattr(
        torch,
        "empty",
        lambda *told, pin_memory=False, **more: (done.append("pinned") if pin_memory else 0) or plain(*told, **more),
    )
    made = copies.Copies(torch.device("cuda"))
    assert made.apart
    made.device = torch.device("cpu")
    return made, done


def test_copies_to_a_gpu_go_on_beside_what_is_computed(gpu, monkeypatch):
    made, done = gpu
    given = np.arange(6, dtype=np.float32).reshape(2, 3)
    sent = made.there(given)
    assert np.array_equal(sent.numpy(), given)
    assert done == [
        "in the stream of copies",
        "pin",
        "out of it",
        "main waits for copies",
        "keep it until main is done",
    ]
    done.clear()
    answer = made.back(sent * 2)
    assert done == ["pinned", "mark"]  # and nobody has waited
    assert np.array_equal(answer(), 2 * given) and done[-1] == "wait for the mark"


def test_a_tagger_on_it_gives_the_same(gpu, monkeypatch, recordings):
    made, done = gpu
    listener = tagger("convnet1d", 0.512, 0.256)
    wanted = scored(listener, recordings)
    monkeypatch.setattr(copies, "of", lambda device: made)
    assert listener.ahead
    assert scored(listener, recordings) == wanted
    assert (
        done.index("wait for the mark") > [n for n, what in enumerate(done) if what == "mark"][1]
    )  # two were begun first


def test_a_processor_is_copied_to_at_once(monkeypatch):
    here = copies.of(torch.device("cpu"))
    assert not here.apart and here is copies.of(torch.device("cpu"))
    given = np.arange(3, dtype=np.float32)
    assert here.there(given).data_ptr() == given.ctypes.data  # not even that
    assert np.array_equal(here.back(torch.ones(2, dtype=torch.float64))(), np.ones(2, np.float32))
