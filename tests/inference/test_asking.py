"""Processes that are asked, without a cluster: some die, machines come and go, and what comes is what one process makes of it."""

from __future__ import annotations

import itertools
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.errors import EarmarkError, TaggerError
from earmark.inference import Failure, Recording, score
from earmark.inference.cluster import asking, ways
from earmark.inference.cluster.machines import Machines
from earmark.inference.cluster.scoring import Cluster
from earmark.windows import Windows

RATE = 8_000


class Loud:
    windows, task, sample_rate, vocabulary, floor = Windows(1.0, 0.5), "many", RATE, ("loud", "rising"), -60.0

    def score(self, waves):
        return np.stack([np.abs(waves).max(1), (np.diff(waves, axis=1) > 0).mean(1)], 1).astype(np.float32)


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


@dataclass(eq=False)
class Ref:
    actor: Any
    call: Any


@dataclass
class Pretended:
    """As much of Ray as is used, in this process. deaths: how often, of all calls, an actor dies before it answers."""

    nodes_of: list[float]
    deaths: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    made: list[Any] = field(default_factory=list)
    died: set[int] = field(default_factory=set)
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": cores}} for cores in self.nodes_of]

    def cluster_resources(self):
        return {"CPU": sum(self.nodes_of)}

    available_resources = cluster_resources
    put = staticmethod(lambda value: value)

    def remote(self, kind):
        def make(*arguments):
            number, inner = len(self.made), kind(*arguments)
            self.made.append(inner)
            calls = {
                name: SimpleNamespace(remote=lambda *told, name=name: Ref(number, lambda: getattr(inner, name)(*told)))
                for name in ("begin", "hear")
            }
            return SimpleNamespace(number=number, **calls)

        return SimpleNamespace(options=lambda **wanted: SimpleNamespace(remote=make))

    def wait(self, refs, num_returns, timeout):
        # of each actor the first call is done first
        first = {ref.actor: ref for ref in reversed(refs)}
        return [self.rng.choice(list(first.values()))], []

    def get(self, ref):
        if not isinstance(ref, Ref):
            return ref
        if ref.actor in self.died or self.rng.random() < self.deaths:
            self.died.add(ref.actor)
            raise RayError("the actor died")
        try:
            return ref.call()
        except Exception as error:
            raise RayTaskError("in a task") from error

    def kill(self, actor):
        self.died.add(actor.number)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[Recording]:
    folder = tmp_path_factory.mktemp("asking")
    rng = np.random.default_rng(0)
    for name, seconds in (("a.wav", 2), ("long.flac", 70), ("b.wav", 1), ("far.flac", 45), ("c.wav", 3)):
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, seconds * 11_025), 11_025)
    data = (folder / "long.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])
    return [
        Recording(folder / name) for name in ("a.wav", "long.flac", "no.wav", "b.wav", "far.flac", "cut.flac", "c.wav")
    ]


def heard_by(ray: Pretended, monkeypatch, folder: Path, recordings, load=lambda: [Loud()], **machines):
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(ways, "connected", lambda machines: __import__("contextlib").nullcontext(ray))
    monkeypatch.setattr(asking, "TICK", 0.0)
    cluster = Cluster(Machines(piece=0.05, **machines), lambda of: load, folder)
    return list(cluster.score(Loud(), recordings, batch=1))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("deaths", [0.0, 0.1])
def test_whoever_dies_what_comes_is_what_one_process_makes(recordings, monkeypatch, tmp_path, deaths, seed):
    ray = Pretended([2.0, 1.0], deaths, random.Random(seed))
    made = heard_by(ray, monkeypatch, tmp_path / "pieces", recordings)
    for one, other in zip(made, score(Loud(), recordings, batch=1), strict=True):
        if isinstance(other, Failure):
            assert isinstance(one, Failure)
            assert str(one.error) == str(other.error)
        else:
            assert one.values.tobytes() == other.values.tobytes()
    assert len(ray.made) == 3 if not deaths else len(ray.made) > 3
    assert ray.died == set(range(len(ray.made)))  # none is left


def test_a_machine_that_comes_is_used_and_one_that_is_gone_is_not_waited_for(recordings, monkeypatch, tmp_path):
    ray = Pretended([1.0])
    counts = itertools.count()
    wait = ray.wait

    def waits(refs, num_returns, timeout):
        if next(counts) == 5:
            ray.nodes_of.append(2.0)
        return wait(refs, num_returns, timeout)

    ray.wait = waits
    assert len(heard_by(ray, monkeypatch, tmp_path / "pieces", recordings)) == len(recordings)
    assert len(ray.made) == 3


def test_what_a_net_raises_is_told_and_processes_that_always_die_are_no_endless_work(recordings, monkeypatch, tmp_path):
    def none():
        raise TaggerError("digits: another tagger has this name")

    with pytest.raises(TaggerError, match="another tagger has this name"):
        heard_by(Pretended([1.0]), monkeypatch, tmp_path / "a", recordings, none)
    with pytest.raises(EarmarkError, match="the cluster failed .RayError: the actor died.*the same command goes on"):
        heard_by(Pretended([1.0], deaths=1.0), monkeypatch, tmp_path / "b", recordings)
    silent = Pretended([1.0])
    silent.wait = lambda refs, num_returns, timeout: ([], refs)
    with pytest.raises(EarmarkError, match="nothing came for 0.001 s"):
        heard_by(silent, monkeypatch, tmp_path / "c", recordings, patience=0.001)
