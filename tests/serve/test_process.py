"""The program as it is started and ended: real connections, who hangs up, kill -9 in the midst of a review."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from tests.program import earmark
from tests.serve.process import serving
from websockets.sync.client import connect


def test_a_day_in_the_life(clips, tmp_path):
    """Tags as the command's, live sound, a review that a kill loses nothing of, and an end with Ctrl-C."""
    root = tmp_path / "sounds"
    root.mkdir()
    for path in clips:
        shutil.copy(path, root)
    words = ["--recordings", root, "--state", tmp_path / "state", "--workers", "1"]
    with serving(*words) as program:
        ask = program.client
        told = ask.post("/v1/tags", files={"file": (clips[0].name, clips[0].read_bytes())})
        assert told.text == earmark("tag", clips[0].name, "--json", cwd=clips[0].parent).stdout
        with connect(program.url.replace("http", "ws") + "v1/live") as line:
            line.send(json.dumps({"rate": 16_000}))
            line.send(bytes(4 * 48_000))
            line.send("end")
            *_, last = [json.loads(text) for text in line]
        assert (last["duration"], last["silent"]) == (3.0, True)
        job = ask.post("/v1/jobs", json={"threshold": 0.05}).json()["id"]
        while ask.get(f"/v1/jobs/{job}").json()["state"] == "running":
            time.sleep(0.05)
        said = []
        for number in range(7):
            event = ask.get(f"/v1/jobs/{job}/next").json()["event"]
            answer = "right" if number % 2 else "wrong"
            kept = ask.post(f"/v1/jobs/{job}/reviews", json={"event": event["id"], "answer": answer})
            assert kept.status_code == 201
            said.append((event["name"], answer))
        assert program.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(*words) as program:
        rows = program.client.get(f"/v1/jobs/{job}/reviews").text.splitlines()[1:]
        assert [(row.split(",")[1], row.split(",")[6]) for row in rows] == said
        assert program.end() == 130  # as every command that Ctrl-C ends


def test_a_job_goes_on_after_a_kill(clips, tmp_path):
    root = tmp_path / "sounds"
    root.mkdir()
    for number in range(12):
        shutil.copy(clips[number % len(clips)], root / f"{number}{clips[number % len(clips)].suffix}")
    words = ["--recordings", root, "--state", tmp_path / "state"]
    with serving(*words) as program:
        job = program.client.post("/v1/jobs", json={}).json()["id"]
        while (done := program.client.get(f"/v1/jobs/{job}").json()["done"]) < 2:
            time.sleep(0.02)
        program.end(signal.SIGKILL)
    with serving(*words) as program:
        told = program.client.get(f"/v1/jobs/{job}").json()
        assert told["done"] >= done
        while (told := program.client.get(f"/v1/jobs/{job}").json())["state"] == "running":
            time.sleep(0.05)
        assert (told["state"], told["done"], told["unread"]) == ("done", 12, 0)
        journal = (tmp_path / "state" / "jobs" / str(job) / "journal.jsonl").read_text().splitlines()
        assert len(journal) == 13  # each was heard once


def test_who_hangs_up_is_worked_for_no_more(tmp_path, esc10):
    import numpy as np
    import soundfile

    path = tmp_path / "long.wav"
    soundfile.write(
        path, np.random.default_rng(0).uniform(-0.5, 0.5, 44_100 * 1800), 44_100
    )  # half a minute of work or more
    with serving("--workers", "1") as program:
        host, port = program.url.removeprefix("http://").rstrip("/").split(":")
        with socket.create_connection((host, int(port))) as line:
            head = f"POST /v1/tags HTTP/1.1\r\nHost: {host}\r\nContent-Length: {path.stat().st_size}\r\n\r\n"
            line.sendall(head.encode() + path.read_bytes())
            while program.client.get("/readyz").json()["taken"] != 1:
                time.sleep(0.02)
        began = time.monotonic()
        while program.client.get("/readyz").json()["taken"]:
            time.sleep(0.02)
            assert time.monotonic() - began < 25, "the whole was heard for nobody"


def test_many_slow_clients_hold_nobody_up(clips):
    body = clips[0].read_bytes()
    with serving("--workers", "1") as program:
        host, port = program.url.removeprefix("http://").rstrip("/").split(":")
        head = f"POST /v1/tags HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        slow = [socket.create_connection((host, int(port))) for _ in range(200)]
        try:
            for line in slow:
                line.sendall(head + body[:1000])
            assert program.client.post("/v1/tags", content=body).status_code == 200
            slow[0].sendall(body[1000:])
            assert slow[0].recv(100).startswith(b"HTTP/1.1 200")
        finally:
            for line in slow:
                line.close()
        assert program.client.get("/readyz").status_code == 200


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = earmark("serve", "--port", taken.getsockname()[1])
    assert (
        done.returncode == 2
        and "cannot listen at 127.0.0.1, port" in done.stderr
        and "--port, such as 0" in done.stderr
    )


@pytest.mark.parametrize(("words", "told"), [
    (["--host", "0.0.0.0"], "can be reached from other machines: set a token"), (["--token", "short"], "the token has 5 characters"),
    (["absent"], "absent: no such file, and no shipped tagger"), (["--recordings", "absent"], "absent: is no folder"),
    (["esc10", "esc10"], "two taggers are called esc10"),
])  # fmt: skip
def test_what_it_does_not_begin_with(words, told):
    done = earmark("serve", *words)
    assert done.returncode == 2 and told in done.stderr, done.stderr


def test_requests_at_once(clips):
    """Sixteen at once over two workers: each gets its own answer."""
    wanted = {path.name: earmark("tag", path.name, "--json", cwd=path.parent).stdout for path in clips}
    seen: list[tuple[str, str]] = []
    with serving("--workers", "2") as program:

        def ask(path):
            seen.append(
                (path.name, program.client.post("/v1/tags", files={"file": (path.name, path.read_bytes())}).text)
            )

        threads = [threading.Thread(target=ask, args=(clips[n % len(clips)],)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == 16 and all(wanted[name] == text for name, text in seen)


@pytest.mark.parametrize(("workers", "threads"), [(2, 1), (1, 2)])
def test_torch_shares_the_cores_among_the_workers(workers, threads):
    code = f"""
import torch
torch.set_num_threads(2)
from earmark.cli.terminal import serving
from earmark.inference import process
from earmark.serve import app
from earmark.serve.settings import Settings
process.cores = lambda: 2
app.run = lambda *_: None
serving.serve(Settings(workers={workers}), ["digits"], "cpu", "torch", "float32")
assert torch.get_num_threads() == {threads}
"""
    subprocess.run([sys.executable, "-c", code], check=True)
