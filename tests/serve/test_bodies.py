"""Bodies that are too large, or stop coming, in every operation that takes one: each is refused before it is held or waited for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE

from earmark.serve import exchange, uploads
from earmark.serve.app import build
from earmark.serve.settings import Settings

TOKEN = "of sixteen or more"
MOST = 100_000  # of a recording
VALUES = {"job": 1, "number": 1, "id": "x"}


@pytest.fixture(scope="module")
def app(esc10, tmp_path_factory):
    root = tmp_path_factory.mktemp("bodies")
    (root / "sounds").mkdir()
    settings = Settings(
        recordings=root / "sounds", state=root / "state", token=TOKEN, most_bytes=MOST, patience=0.2, workers=2
    )
    made = build(settings, {"esc10": esc10})
    yield made
    made.state.service.close()


def operations(app) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(method, path, type, what is told of it) of each that takes a body, of each type."""
    return [
        (method, path, kind.replace("*", "wav"), told)
        for path, methods in app.openapi()["paths"].items()
        for method, told in methods.items()
        for kind in told.get("requestBody", {}).get("content", {})
    ]


def asked(app, method: str, path: str, headers: dict[str, str], pieces: list[bytes]) -> tuple[int, str, int]:
    """(status, what is told, how many pieces were taken before it) of a body whose pieces come one after the other, and then nothing."""
    taken, told = [], []

    async def receive() -> dict[str, Any]:
        if len(taken) == len(pieces):
            await asyncio.sleep(60)
        taken.append(pieces[len(taken)])
        return {"type": "http.request", "body": taken[-1], "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        told.append((message, len(taken)))

    everything = {"host": "localhost", "authorization": f"Bearer {TOKEN}"} | headers
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method.upper(), "path": path.format(**VALUES),
        "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"", "server": ("localhost", 80),
        "client": ("127.0.0.1", 5), "headers": [(name.encode(), value.encode()) for name, value in everything.items()],
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 60))
    (start, count), *bodies = told
    text = b"".join(each["body"] for each, _ in bodies).decode()
    assert dict(start["headers"]).get(b"connection") == b"close"
    return start["status"], json.loads(text)["error"], count


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What still comes of what was refused is not waited for."""
    monkeypatch.setattr(exchange, "IDLE", 0.01)


def test_every_body_is_told_of(app):
    kinds = {(method, path) for method, path, *_ in operations(app)}
    assert {("post", "/v1/session"), ("post", "/v1/jobs"), ("post", "/v1/tags"), ("post", "/v1/training")} < kinds
    for method, path, kind, told in operations(app):
        assert {"408", "413"} <= set(told["responses"]), (method, path)
        assert kind == "application/json" or "octet-stream" in str(told["requestBody"]), (method, path, kind)


def test_bodies_that_are_too_large(app):
    """By what is told of their length, and else by what has come: of ten times too much no more than is needed to see it."""
    for method, path, kind, _ in operations(app):
        most = uploads.JSON_BYTES if kind == "application/json" else MOST
        piece, more = b" " * (most // 4), ("; boundary=x" if "multipart" in kind else "")
        status, told, count = asked(
            app, method, path, {"content-type": kind + more, "content-length": str(10 * most)}, [piece] * 40
        )
        assert (status, count) == (413, 0) and f"{10 * most:,} bytes or more" in told and f"{most:,}" in told, (
            path,
            told,
        )
        status, told, count = asked(
            app, method, path, {"content-type": kind + more, "transfer-encoding": "chunked"}, [piece] * 40
        )
        if "multipart" in kind:  # nothing that begins so is a form
            assert status in (413, 422) and count <= 5, (path, told)
        else:
            assert status == 413 and count == 5 and "bytes or more" in told, (path, told, count)


def test_bodies_that_stop_coming(app):
    for method, path, kind, _ in operations(app):
        more = "; boundary=x" if "multipart" in kind else ""
        for pieces in ([], [b"--x\r\n" if more else b'{"tok']):
            status, told, _ = asked(app, method, path, {"content-type": kind + more, "content-length": "100"}, pieces)
            assert (status, told) == (408, "no byte came for 0.2 s: send it again"), (path, kind, pieces)


def test_who_has_no_token_sends_no_more(app):
    """Where the page asks for it, which anybody may."""
    headers = {"authorization": "", "content-type": "application/json", "transfer-encoding": "chunked"}
    status, _, count = asked(app, "post", "/v1/session", headers, [b" " * 10_000] * 100)
    assert (status, count) == (413, 7)


def test_a_body_of_json_that_is_as_large_as_may_be(esc10):
    with TestClient(build(Settings(token=TOKEN), {"esc10": esc10}), base_url=HERE) as client:
        body = json.dumps({"token": TOKEN}).encode()
        for length, status in ((uploads.JSON_BYTES, 200), (uploads.JSON_BYTES + 1, 413)):
            full = body + b" " * (length - len(body))
            answer = client.post("/v1/session", content=full, headers={"Content-Type": "application/json"})
            assert answer.status_code == status, answer.text
