"""The list of the folder's recordings: no walk through it holds up who asks for anything else, or for what an older list tells."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE

from earmark.errors import EarmarkError
from earmark.serve import listing
from earmark.serve.app import build
from earmark.serve.listing import Listing, id_of
from earmark.serve.settings import Settings

KNOWN = id_of("known.wav")


class Walks:
    """Walks that come to their end when they may: `free`, or by themselves after a time in which no test waits for one."""

    def __init__(self) -> None:
        self.begun, self.free, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, root: Path, *more):
        self.begun.set()
        self.free.wait(20)
        self.ended.set()
        return walk_folder(root, *more)


walk_folder = listing.walk_folder


@pytest.fixture
def walks(monkeypatch):
    made = Walks()
    made.free.set()
    monkeypatch.setattr(listing, "walk_folder", made)
    monkeypatch.setattr(listing, "MOMENT", 0.01)
    yield made
    made.free.set()


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "sounds"
    root.mkdir()
    soundfile.write(root / "known.wav", np.zeros(16_000), 16_000)
    return root


@pytest.fixture
def client(esc10, folder, tmp_path, walks):
    with TestClient(
        build(Settings(recordings=folder, state=tmp_path / "state"), {"esc10": esc10}), base_url=HERE
    ) as line:
        yield line


def lately(made: Listing, whole: bool = False):
    return asyncio.run(made.lately(whole))


def hold(walks: Walks) -> None:
    """The next walks take long."""
    walks.begun.clear(), walks.free.clear(), walks.ended.clear()


def test_no_question_waits_for_a_walk_where_an_older_list_will_do(client, walks, monkeypatch):
    job = client.post("/v1/jobs", json={}).json()["id"]
    while client.get(f"/v1/jobs/{job}").json()["state"] == "running":
        time.sleep(0.02)
    hold(walks)
    monkeypatch.setattr(listing, "FRESH", -1.0)  # no list is new enough
    asked = 0
    for path, told in client.get("/openapi.json").json()["paths"].items():
        if "get" in told:
            client.get(
                path.format(id=KNOWN, job=job, number=1, event=1), params={"tag": "dog"} if "cause" in path else {}
            )
            asked += 1
    assert client.post(f"/v1/jobs/{job}/stop").status_code == 200
    assert client.get("/v1/recordings").json()["total"] == 1
    assert asked > 20 and walks.begun.is_set() and not walks.ended.is_set()


def test_who_waits_for_the_first_walk_holds_nobody_up(client, walks):
    """More than there are threads for requests."""
    hold(walks)
    paths = ["/v1/recordings", "/v1/jobs", f"/v1/recordings/{KNOWN}", f"/v1/recordings/{KNOWN}/peaks"]
    with ThreadPoolExecutor(120) as threads:
        waiting = [threads.submit(client.get, paths[number % len(paths)]) for number in range(120)]
        try:
            assert walks.begun.wait(20)
            time.sleep(0.3)  # until all of them have come; fewer would only make the test weaker
            assert client.get("/healthz").status_code == client.get("/v1/taggers").status_code == 200
            assert client.get("/readyz").status_code == client.get("/").status_code == 200
            assert not walks.ended.is_set() and not any(each.done() for each in waiting)
        finally:
            walks.free.set()
        assert {each.result().status_code for each in waiting} == {200}


def test_a_recording_that_the_older_list_does_not_hold_is_looked_for(folder, walks, monkeypatch):
    made = Listing(folder)
    assert list((lately(made)).names.values()) == ["known.wav"]
    (folder / "new.wav").touch()
    assert list((lately(made, whole=True)).names.values()) == ["known.wav"]  # half a minute counts
    monkeypatch.setattr(listing, "FRESH", -1.0)
    hold(walks)
    assert list((lately(made)).names.values()) == ["known.wav"]
    threading.Timer(0.1, walks.free.set).start()
    assert list((lately(made, whole=True)).names.values()) == ["known.wav", "new.wav"]


def test_a_folder_that_cannot_be_listed_is_told_of_though_there_is_an_older_list(folder, walks, monkeypatch, caplog):
    made = Listing(folder)
    lately(made)
    monkeypatch.setattr(listing, "FRESH", -1.0)

    def refuse(*_):
        raise EarmarkError("cannot be listed")

    monkeypatch.setattr(listing, "walk_folder", refuse)
    with pytest.raises(EarmarkError, match="cannot be listed"):
        lately(made, whole=True)
    monkeypatch.setattr(listing, "FRESH", 30.0)
    monkeypatch.setattr(listing, "MOMENT", 0.0)
    with pytest.raises(EarmarkError, match="cannot be listed"):
        lately(made)
    assert made.name(KNOWN) == "known.wav"
    gc.collect()
    assert not caplog.records  # of exceptions that nobody asked for


def test_files_are_resolved_only_where_a_link_may_lead_out(folder, monkeypatch):
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(50):
            (folder / name / f"{number}.wav").touch()
    asked: list[str] = []
    real = Listing._real
    monkeypatch.setattr(Listing, "_real", lambda self, name: asked.append(name) or real(self, name))
    assert len(Listing(folder).now().names) == 101
    assert asked == ["", "a", "b"]
    (folder / "b" / "link.wav").symlink_to(folder / "known.wav")
    asked.clear()
    assert len(Listing(folder).now().names) == 102
    assert asked == ["", "a", "b", "b/link.wav"]


@pytest.mark.parametrize(
    ("target", "told"), [("../away.wav", True), ("nowhere.wav", True), ("known.wav", False), ("link.wav", True)]
)
def test_a_recording_behind_a_link_is_taken_or_told(folder, target, told):
    """Whether it leads out, nowhere or round; one that leads to a recording of the folder is one."""
    (folder.parent / "away.wav").touch()
    (folder / "link.wav").symlink_to(target)
    made = Listing(folder).now()
    assert ("link.wav" in made.names.values()) is not told
    line = "passed over: 1 recording behind links that lead out of the folder or nowhere, such as link.wav: put the recording itself"
    assert made.passed_over == (f"{line} there" if told else None)
