"""How a training's process ends: why is told in words, whatever is full; and where no word can be kept, until it can."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from tests.serve.test_assignments import answered, begun
from tests.serve.test_trainings import place, served, state  # noqa: F401

from earmark.serve import learning, register, trainings

# the training itself, in which something happens
FAILING = """
import contextlib, errno, os, pathlib, sys
from earmark.errors import EarmarkError
from earmark.serve import learning
print("a library says something", flush=True)
def learn(folder):
    with contextlib.suppress(OSError):  # the log's disk may be full
        print('{"error": "not this"}', flush=True)
    {happens}
learning.learn = learn
learning.main(pathlib.Path(sys.argv[1]))
"""
FULL = "raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/state/trainings/embeddings')"
ENDS = [
    (FULL, "failed: /state/trainings/embeddings: No space left on device"),
    ("raise OSError(errno.EIO, os.strerror(errno.EIO))", "failed: Input/output error. The disk cannot be read or written there"),
    ("(folder / 'none' / 'x').write_text('')", "none/x: No such file or directory"),
    ("raise MemoryError", "failed: the memory is not enough"),
    ("raise EarmarkError('the clips have none')", "failed: the clips have none"),
    ("raise ModuleNotFoundError('no torch', name='torch')", "failed: this needs torch, which is not installed"),
    ("raise RuntimeError('a mistake')", "failed: its process ended with 1; see "),
    ("os._exit(9)", "failed: its process ended with 9; see "),
    ("os.kill(os.getpid(), 9)", "failed: its process ended with -9; see "),
]  # fmt: skip


@pytest.mark.parametrize("log", ["log.txt", "/dev/full"])
@pytest.mark.parametrize(("happens", "told"), ENDS)
def test_why_it_failed_is_told(served, place, monkeypatch, happens, told, log):  # noqa: F811
    code = FAILING.replace("{happens}", happens)
    monkeypatch.setattr(trainings, "PROGRAM", (sys.executable, "-c", code))
    monkeypatch.setattr(learning, "LOG", log)
    with served() as client:
        answered(client, place)
        begun(client)
        assert told in state(client)
        assert log == "/dev/full" or "not this" in (place / "state" / "trainings" / "1" / log).read_text()
        assert begun(client) == 1  # the next one is let in


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", None),
        (b"noise\n", None),
        (b'noise\n{"error": "full"}\n', "full"),
        (b'{"error": "full"}\nnoise\n', None),
        (b'{"error": "cut of', None),
        (b"[]\n", None),
        (b"\xff\n", None),
    ],
)
def test_the_last_word(said, told):
    assert learning.last_word(said) == told


def broken(monkeypatch, store) -> threading.Event:
    """The store takes nothing until the event is set."""
    writing, mended = store.writing, threading.Event()

    def refuse():
        if not mended.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        return writing()

    monkeypatch.setattr(store, "writing", refuse)
    monkeypatch.setattr(register, "AGAIN", 0.02)
    return mended


def kept(place) -> str:  # noqa: F811
    """The state as it is on the disk."""
    with closing(sqlite3.connect(place / "state" / "serve.sqlite")) as line:
        return line.execute("SELECT state FROM trainings WHERE id = 1").fetchone()[0]


@pytest.mark.parametrize("end", ["killed", "failed", "done", "stopped"])
@pytest.mark.parametrize("mended", ["while it serves", "once it starts anew"])
def test_an_end_that_cannot_be_kept_is_told_and_kept_later(served, place, monkeypatch, end, mended):  # noqa: F811
    folder = place / "state" / "trainings"
    told = {"killed": "failed: its process ended with -9", "failed": "failed: the clips are gone"}.get(end, end)
    with served() as client:
        answered(client, place)
        begun(client)
        here = client.app.state.service
        room = broken(monkeypatch, here.store)
        match end:
            case "killed":
                here.trainings._process.kill()
            case "stopped":
                client.post("/v1/training/1/stop", json={})
            case _:
                if end == "failed":
                    (folder / "wrong").touch()
                (folder / "go").touch()
        assert state(client).startswith(told)
        assert client.post("/v1/training/1/stop", json={}).json()["state"].startswith(told)
        assert client.get("/v1/training").json()["trainings"][0]["state"].startswith(told)
        assert kept(place) == "running"
        if mended == "while it serves":
            room.set()
            until = time.monotonic() + 60
            while not kept(place).startswith(told):
                assert time.monotonic() < until
                time.sleep(0.02)
            assert here.trainings.register._unkept == {}
            (folder / "wrong").unlink(missing_ok=True)
            if end != "done":
                assert begun(client) == 1
    monkeypatch.undo()
    monkeypatch.setattr(trainings, "PROGRAM", served.program)
    (folder / "wrong").unlink(missing_ok=True)
    (folder / "go").touch()
    with served() as client:
        assert state(client) == "done"


def test_one_that_nobody_runs_can_be_stopped(served, place):  # noqa: F811
    with served() as client:
        answered(client, place)
        begun(client)
        client.post("/v1/training/1/stop", json={})
        client.app.state.service.trainings.register.put(1, "running")
        assert client.post("/v1/training/1/stop", json={}).json()["state"] == "stopped"


def test_a_process_that_does_not_end_is_ended(served, place, monkeypatch):  # noqa: F811
    """As one that waits for a disk: the service closes all the same."""
    deaf = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1] + '/deaf', 'w'); time.sleep(600)"
    monkeypatch.setattr(trainings, "PROGRAM", (sys.executable, "-c", deaf))
    monkeypatch.setattr(trainings, "PATIENCE", 0.1)
    for how in ("stopped", "closed"):
        with served() as client:
            if how == "stopped":
                answered(client, place)
                begun(client)
            while not (place / "state" / "trainings" / "1" / "deaf").exists():
                time.sleep(0.02)
            process = client.app.state.service.trainings._process
            assert isinstance(process, subprocess.Popen)
            if how == "stopped":
                assert client.post("/v1/training/1/stop", json={}).json()["state"] == "stopped"
                assert process.wait(60) == -9
                begun(client)
                (place / "state" / "trainings" / "1" / "deaf").unlink()
        assert client.app.state.service.trainings._process.wait(60) in (-9, -15)
