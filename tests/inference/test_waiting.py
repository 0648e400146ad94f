"""Threads give way for as long as that is faster, and no bit of a result depends on it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from earmark.inference import waiting
from earmark.inference.waiting import KEPT, SHARE, Waiting


class Machine:
    """A clock, and computations that take as long as a way of waiting has them take."""

    def __init__(self, spinning: float, giving_way: float):
        self.now, self.told, self.seconds = 1000.0, [], {False: spinning, True: giving_way}
        self.waiting = Waiting(self.told.append, lambda: self.now)

    def compute(self, times: int, key: object = "step", seconds: float | None = None) -> None:
        for _ in range(times):
            with self.waiting.measured(key):
                self.now += self.seconds[self.waiting.gives_way] if seconds is None else seconds


@pytest.mark.parametrize(
    ("spinning", "giving_way", "way"),
    [(0.04, 0.07, False), (1.4, 0.09, True), (0.09, 0.09, True), (30.0, 2.0, True)],
)
def test_the_faster_way_is_found_and_kept(spinning, giving_way, way):
    machine = Machine(spinning, giving_way)
    machine.compute(60)
    assert machine.waiting.gives_way is way and machine.told[:2] == [True, False]
    changes = len(machine.told)
    until = machine.now + KEPT / 2
    while machine.now < until:
        machine.compute(1)
    assert len(machine.told) == changes


@pytest.mark.parametrize(("spinning", "giving_way"), [(0.04, 0.07), (1.4, 0.09), (30.0, 2.0)])
def test_trying_the_slower_way_costs_little(spinning, giving_way):
    """Of an hour, a trial takes a share that does not grow with a computation."""
    machine = Machine(spinning, giving_way)
    machine.compute(20)
    begun, steps, best = machine.now, 0, min(spinning, giving_way)
    while machine.now < begun + 3600:
        machine.compute(1)
        steps += 1
    assert steps * best > 0.95 * (machine.now - begun)


def test_a_way_without_hope_is_left_after_one_computation():
    machine = Machine(30, 2)
    machine.compute(1 + 3 + 1)
    assert machine.told == [True, False, True] and machine.waiting._due > machine.now


def test_what_becomes_slow_is_tried_again_at_once():
    machine = Machine(0.04, 0.07)
    machine.compute(60)
    assert not machine.waiting.gives_way
    machine.seconds = {False: 1.4, True: 0.07}  # somebody else came
    machine.compute(20)
    assert machine.waiting.gives_way and machine.waiting._first is None  # decided, not still being tried
    machine.seconds = {False: 0.04, True: 0.07}  # and left, which shows when it is tried again
    machine.now += KEPT + SHARE * 10
    machine.compute(60)
    assert not machine.waiting.gives_way


def test_one_slow_computation_and_one_of_another_size_change_nothing():
    machine = Machine(0.04, 0.07)
    machine.compute(60)
    changes = len(machine.told)
    machine.compute(1, seconds=0.2)
    machine.compute(2, "the last batch of an epoch", seconds=5)
    machine.compute(20)
    assert len(machine.told) == changes
    machine.compute(60, "validation", seconds=0.1)  # as fast either way: what is computed now is tried by itself
    assert len(machine.told) > changes


def test_computations_that_fail_or_overlap_do_not_count():
    machine = Machine(0.04, 0.07)
    machine.compute(2)

    def fail() -> None:
        with machine.waiting.measured("step"):
            machine.now += 1
            raise ValueError("no sound")

    for _ in range(30):
        with pytest.raises(ValueError, match="no sound"):
            fail()
    with machine.waiting.measured("step"):
        machine.compute(100)
    with machine.waiting.unchanged():
        machine.compute(100)
    assert machine.told == [True]
    machine.compute(30)
    assert machine.told == [True, False]


@pytest.mark.parametrize(
    ("threads", "processors", "count"), [(1, 8, 0), (2, 2, 1), (8, 8, 1), (16, 8, 1), (8, 16, 2), (2, 64, 0)]
)
def test_as_many_idle_threads_as_make_more_than_there_are_processors(threads, processors, count):
    assert waiting._needed(threads, processors) == count
    if count:
        assert threads + count * (threads - 1) > processors


def test_idle_threads_have_teams_that_come_and_go_and_leave_the_bits():
    """In a process of its own: no other test's threads come and go meanwhile."""
    code = """
import os, sys, time, torch
from earmark.inference.waiting import Idle, _gnu
if not _gnu():
    sys.exit(77)
torch.set_num_threads(2)
given = torch.linspace(-1, 1, 1 << 18).reshape(4, 8, 64, 128)
kernel = torch.linspace(-1, 1, 8 * 8 * 9).reshape(8, 8, 3, 3)
compute = lambda: torch.nn.functional.conv2d(given, kernel).sum((0, 2, 3))
count = lambda: len(os.listdir("/proc/self/task"))
before, idle = compute(), Idle(1)
threads = count()
idle(True)
assert count() == threads + 2, (count(), threads)
assert torch.equal(compute(), before)
idle(False)
until = time.monotonic() + 10
while count() != threads:  # the system lists a thread a moment longer than it runs
    assert time.monotonic() < until, (count(), threads)
    time.sleep(0.02)
assert torch.equal(compute(), before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    if done.returncode == 77:
        pytest.skip("threads wait in another OpenMP here")
    assert done.returncode == 0


@pytest.mark.parametrize(("took", "made"), [("", 0), ("process.take()", 1)])
def test_only_a_process_that_was_taken_is_watched(took, made):
    code = f"""
import numpy as np, torch, earmark
from earmark.inference import process, waiting
torch.set_num_threads(2)
waiting._gnu = lambda: True
waiting.os.sched_getaffinity = lambda _: {{0, 1}}
{took}
tagger = earmark.load("digits", engine="torch")
length, _ = tagger.windows.samples(tagger.sample_rate)
tagger.score(np.random.default_rng(0).normal(size=(2, length)).astype(np.float32) / 9)
assert [kept is not None for kept in waiting._made] == [True] * {made}, waiting._made
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_that_compute_first_at_once_are_watched_together():
    code = """
import threading, time, torch
from earmark.inference import waiting
torch.set_num_threads(2)
waiting._gnu = lambda: time.sleep(0.2) or True
waiting.os.sched_getaffinity = lambda _: {0, 1}
waiting.watch()
together = threading.Barrier(4)

def compute():
    together.wait()
    with waiting.measured("a"):
        pass

threads = [threading.Thread(target=compute) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(waiting._made) == 1 and sum(thread.daemon for thread in threading.enumerate()) == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_engines_do_not_wait_for_torch():
    pytest.importorskip("onnxruntime")
    code = """
import sys, numpy as np, earmark
from earmark.inference import process, pace
process.take()
tagger = earmark.load("esc10", engine="onnxruntime")
length, _ = tagger.windows.samples(tagger.sample_rate)
pace.apart(tagger, np.random.default_rng(0).normal(size=(16, length)).astype(np.float32) / 9)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
