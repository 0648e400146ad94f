"""Two machines learn from one pack: each is a network namespace of its own, joined to the other by a cable of the system's (Linux,
root); where these cannot be had, two starters on loopback with folders of their own.

torchrun starts each machine's process; the processes meet over the network alone and have the run's folder in common.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml
from tests.packs.test_learning import recipe, state_of
from tests.program import alone

from earmark.data import packs

pytest.importorskip("earmark.train")
pytestmark = [pytest.mark.usefixtures("sketched"), pytest.mark.slow]


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False).returncode == 0


@pytest.fixture
def machines():
    """For each: what its commands begin with, its network device, and the address of the first."""
    names = [f"em{os.getpid()}{letter}" for letter in "ab"]
    try:
        if shutil.which("ip") and all(ip("netns", "add", name) for name in names):
            made = ip(
                "link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1]
            )
            for number, name in enumerate(names, 1):
                made = made and ip("-n", name, "addr", "add", f"10.79.31.{number}/24", "dev", name)
                made = made and ip("-n", name, "link", "set", name, "up") and ip("-n", name, "link", "set", "lo", "up")
            if made:
                yield [(["ip", "netns", "exec", name], name, "10.79.31.1") for name in names]
                return
        yield [([], "lo", "127.0.0.1")] * 2
    finally:
        if shutil.which("ip"):
            for name in names:
                ip("netns", "del", name)


@pytest.fixture
def pack(clips, tmp_path):
    packs.pack(clips, tmp_path / "pack", flac=True, shard_size=1_000_000)
    return tmp_path / "pack"


@contextlib.contextmanager
def started(machines, pack, tmp_path, out, *words):
    """The same command on both machines, each in a folder and with a copy of the pack of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    try:
        for number, (inside, device, first) in enumerate(machines):
            place = tmp_path / f"machine {number}"
            if not place.exists():
                shutil.copytree(pack, place / "packed")
            command = [
                *inside, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(number),
                "--nproc-per-node", "1", "--master-addr", first, "--master-port", str(port), "-m", "earmark",
                "train", str(tmp_path / "plan.yaml"), "--data", "packed", "--out", str(out), "--save-every", "1", *words,
            ]  # fmt: skip
            with (place / "said").open("w") as said:
                running.append(
                    subprocess.Popen(
                        command, cwd=place, stdout=said, stderr=said, text=True, start_new_session=True,
                        env={**os.environ, "GLOO_SOCKET_IFNAME": device, "OMP_NUM_THREADS": "1"},
                    )
                )  # fmt: skip
        yield running
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def said(tmp_path, number):
    return (tmp_path / f"machine {number}" / "said").read_text()


def of_earmark(starter):
    """The process that a starter started."""
    found = subprocess.run(
        ["ps", "--ppid", str(starter.pid), "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if " -m earmark " in line]


def test_two_machines_learn_from_shards_of_their_own_and_go_on(machines, pack, tmp_path):
    plan = recipe(buffer=5, epochs=3)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    with started(machines, pack, tmp_path, tmp_path / "whole") as both:
        assert [process.wait(timeout=300) for process in both] == [0, 0], said(tmp_path, 0) + said(tmp_path, 1)
    assert len(state_of(tmp_path / "whole")["history"]) == 3
    together = alone("train", tmp_path / "plan.yaml", "--data", pack, "--out", tmp_path / "one", "--processes", "2")
    assert together.returncode == 0, together.stderr
    assert (tmp_path / "one/tagger.safetensors").read_bytes() == (tmp_path / "whole/tagger.safetensors").read_bytes()

    with started(machines, pack, tmp_path, tmp_path / "run") as (first, second):
        deadline = time.monotonic() + 300
        while not (tmp_path / "run" / "state.safetensors").is_file():
            assert first.poll() is None and second.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        (worker,) = of_earmark(second)
        os.kill(worker, signal.SIGKILL)
        assert first.wait(timeout=300) != 0 and second.wait(timeout=300) != 0
    assert "process 1 of 2 cannot go on: another one ended, or its machine cannot be reached" in said(
        tmp_path, 0
    ).replace("\n", " ")
    assert len(state_of(tmp_path / "run")["history"]) < 3

    with started(machines, pack, tmp_path, tmp_path / "run", "--resume") as both:
        assert [process.wait(timeout=300) for process in both] == [0, 0], said(tmp_path, 0) + said(tmp_path, 1)
    for name in ("tagger.safetensors", "log.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
