"""HEAD, refusals of what is still coming, and requests that a stopped service cuts off: by real connections where these matter."""

from __future__ import annotations

import contextlib
import json
import signal
import socket

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.process import Program, serving

from earmark.serve.app import build
from earmark.serve.settings import Settings


def line(program: Program) -> socket.socket:
    host, port = program.url.removeprefix("http://").rstrip("/").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def answer(told: socket.socket) -> tuple[bytes, dict]:
    """The head of an answer, in small letters, and its JSON."""
    got = b""
    while piece := told.recv(65_536):
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    assert body, got
    return head.lower(), json.loads(body)


def test_head_is_answered_wherever_get_is(esc10, tone, tmp_path):
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "tone.wav").write_bytes(tone.read_bytes())
    settings = Settings(recordings=tmp_path / "sounds", state=tmp_path / "state")
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        known = client.get("/v1/recordings").json()["recordings"][0]["id"]
        paths = [
            path.format(id=known, job=1, number=1, event=1)
            for path, told in client.get("/openapi.json").json()["paths"].items()
            if "get" in told
        ]
        assert len(paths) > 20
        for path in [*paths, "/", "/page/main.js", "/openapi.json", "/nowhere"]:
            asked, headed = client.get(path), client.head(path)
            assert (headed.status_code, headed.content) == (asked.status_code, b""), path
            assert headed.headers.get("content-type") == asked.headers["content-type"], (path, headed.headers)
        assert client.head("/v1/tags").status_code == 405
        counted = client.get("/metrics").text
        assert 'earmark_requests_total{method="HEAD",path="/healthz",status="200"} 1.0' in counted


def pieces(told: socket.socket, count: int) -> None:
    for _ in range(count):
        told.sendall(b"%x\r\n" % 100_000 + bytes(100_000) + b"\r\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [("POST /v1/tags HTTP/1.1\r\n", b"413"), ("POST /v1/tags HTTP/1.1\r\nContent-Type: text/plain\r\n", b"415"),
     ("POST /v1/tags?tagger=none HTTP/1.1\r\nConnection: close\r\n", b"404"),
     ("POST /v1/nowhere HTTP/1.1\r\nConnection: close\r\n", b"404"),
     ("POST /v1/tags HTTP/1.1\r\nConnection: close\r\nOrigin: http://evil.example\r\n", b"403")],
)  # fmt: skip
def test_a_refusal_arrives_though_the_request_is_still_coming(head, status):
    """A client that reads nothing before it has sent all; without the rest being read the system would reset the line."""
    with serving("--most-megabytes", "1") as program, line(program) as told:
        told.sendall(f"{head}Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        pieces(told, 300)
        told.sendall(b"0\r\n\r\n")
        got, problem = answer(told)
        assert got.startswith(b"http/1.1 " + status) and "error" in problem, got


def test_who_never_stops_sending_is_left(monkeypatch, esc10):
    """The rest is read for a while, not for ever."""
    from earmark.serve import exchange

    monkeypatch.setattr(exchange, "LINGER", 0.0)
    asked = 0

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"too much"})

    async def receive():
        nonlocal asked
        asked += 1
        assert asked < 1000
        return {"type": "http.request", "body": b"more", "more_body": True}

    sent = []

    async def send(message):
        sent.append(message)

    import asyncio

    scope = {"type": "http", "http_version": "1.1", "headers": [(b"transfer-encoding", b"chunked")]}
    asyncio.run(exchange.Lingering(app)(scope, receive, send))
    assert [(each.get("body"), each.get("more_body")) for each in sent[1:]] == [(b"too much", True), (b"", None)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_who_is_cut_off_is_told_so(tmp_path, how):
    """`serving` sees to it that there is no traceback in the log."""
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 44_100 * 1800), 44_100)
    with serving("--workers", "1", "--stop-seconds", "0") as program, contextlib.ExitStack() as lines:
        asked = []
        for path_, body in (("/v1/tags", path.read_bytes()), ("/v1/tags?heard=true", path.read_bytes())):
            asked.append(lines.enter_context(line(program)))
            head = f"POST {path_} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            asked[-1].sendall(head.encode() + body)
        asked.append(lines.enter_context(line(program)))  # whose body never ends
        asked[-1].sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nRIFF")
        while program.client.get("/readyz").json()["taken"] != 2:
            pass
        for _ in range(3):  # answered after what was sent before has begun
            assert program.client.get("/healthz").status_code == 200
        program.process.send_signal(how)
        for each in asked:
            head, problem = answer(each)
            assert head.startswith(b"http/1.1 503") and b"\r\nretry-after: 10" in head
            assert problem == {"error": "the service is stopping. Try again in 10 s"}
        program.process.wait(60)
