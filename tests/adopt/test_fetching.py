"""Fetching: from a server on this machine, whose answers are right, wrong, long, short and elsewhere."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path

import pytest

from earmark.cli.terminal import adopting
from earmark.errors import EarmarkError
from earmark.models.adopted import fetching
from earmark.models.adopted.fetching import KNOWN, Home, fetch

CONTENT = bytes(range(256)) * 300
PAGES = {"/net": CONTENT, "/long": CONTENT + b"x", "/short": CONTENT[:-1], "/other": CONTENT[::-1]}
MOVED = {"/moved": "/net", "/away": "http://example.org/net", "/file": "file:///etc/hostname", "/round": "/round"}


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[self.path])
            self.end_headers()
            return
        found = PAGES.get(self.path)
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def home(*addresses: str) -> Home:
    return Home("net.tflite", addresses, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.mark.parametrize("page", ["/net", "/moved"])
def test_the_file_is_fetched(server, tmp_path, page):
    assert fetch(home(server + page), tmp_path).read_bytes() == CONTENT


def test_the_next_address_is_tried(server, tmp_path):
    assert fetch(home(server + "/absent", server + "/net"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(("page", "told"), [
    ("/absent", "Not Found"),
    ("/long", "is longer than the 76,800 bytes of net.tflite"),
    ("/short", "sent 76,799 of 76,800 bytes"),
    ("/other", "is another file: its sha256 is"),
    ("/away", "leads to http://example.org, and nets are fetched over https alone"),
    ("/file", "Redirection to url 'file:///etc/hostname' is not allowed"),
    ("/round", "redirect"),
])  # fmt: skip
def test_anything_else_is_refused_and_nothing_is_left(server, tmp_path, page, told):
    with pytest.raises(EarmarkError, match=told) as refused:
        fetch(home(server + page), tmp_path)
    assert "Fetch it by other means, and give its path: its sha256 is" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there(tmp_path):
    """A port that nothing listens on."""
    with HTTPServer(("127.0.0.1", 0), Pages) as made:
        port = made.server_port
    with pytest.raises(EarmarkError, match="net.tflite could not be fetched: http://127.0.0.1"):
        fetch(home(f"http://127.0.0.1:{port}/net"), tmp_path)


def test_a_server_that_dawdles_is_given_up(server, tmp_path):
    """By a clock that runs ten minutes with each look."""
    ticks = count(0, fetching.WHOLE)
    with pytest.raises(EarmarkError, match="within 600 s, and is given up"):
        fetch(home(server + "/net"), tmp_path, clock=lambda: next(ticks))


def test_http_is_for_this_machine_alone(tmp_path):
    with pytest.raises(EarmarkError, match="leads to http://example.org, and nets are fetched over https alone"):
        fetch(home("http://example.org/net"), tmp_path)


def test_public_homes_are_pinned():
    for known in KNOWN.values():
        for each in (known.net, known.labels):
            assert all(address.startswith("https://") for address in each.addresses)
            assert len(each.sha256) == 64 and 0 < each.bytes < 64 << 20


def test_the_pinned_files_are_those_at_hand(yamnet):
    for each in (KNOWN["yamnet"].net, KNOWN["yamnet"].labels):
        data = (yamnet / each.name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (each.sha256, each.bytes)


def test_a_name_is_enough(server, files, tmp_path, monkeypatch, capsys):
    """The licence is said before anything is fetched, and the tagger tells it."""
    net, labels = files
    homes = []
    for file in (net, labels):
        PAGES[f"/{file.name}"] = data = file.read_bytes()
        homes.append(Home(file.name, (f"{server}/{file.name}",), hashlib.sha256(data).hexdigest(), len(data)))
    monkeypatch.setitem(fetching.KNOWN, "yamnet", replace(KNOWN["yamnet"], net=homes[0], labels=homes[1]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adopting, "_add_graphs", lambda *_: False)
    told = adopting.adopt("yamnet", Path("t.safetensors"), None, None, None)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Apache-2.0: weights and class names are Google's")
    assert said[1].startswith("fetching net.tflite")
    assert told.tagger.facts.adopted.licence == "Apache-2.0" and (tmp_path / "t.safetensors").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "net.tflite", "t.safetensors"]
