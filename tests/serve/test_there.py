"""What was found and said is of a recording's bytes: of others that have its name by now, or of none, it counts for nothing.

It is kept, its number is told, and it counts again where the same bytes are there again.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.test_folder import run

from earmark.errors import EarmarkError
from earmark.scores import Event
from earmark.serve import judging, listing
from earmark.serve.app import build
from earmark.serve.settings import Settings
from earmark.serve.store import Store


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Each question looks at the folder."""
    monkeypatch.setattr(listing, "FRESH", -1.0)
    monkeypatch.setattr(listing, "MOMENT", 60.0)


@pytest.fixture
def card(tmp_path, clips) -> Path:
    root = tmp_path / "card"
    root.mkdir()
    for name, path in zip(("REC0001.ogg", "REC0002.ogg"), clips, strict=False):
        shutil.copy(path, root / name)
    return root


def serving(esc10, card: Path, state: Path) -> TestClient:
    return TestClient(build(Settings(recordings=card, state=state), {"esc10": esc10}), base_url=HERE)


@pytest.fixture
def client(esc10, card, tmp_path):
    with serving(esc10, card, tmp_path / "state") as line:
        yield line


def answered(client: TestClient) -> int:
    """A job all of whose events are said to be right; their number."""
    job = run(client, threshold=0.1)
    events = client.get(f"/v1/jobs/{job['id']}/events", params={"most": 1000}).json()["events"]
    assert {each["name"] for each in events} == {"REC0001.ogg", "REC0002.ogg"}
    for event in events:
        said = {"event": event["id"], "answer": "right"}
        assert client.post(f"/v1/jobs/{job['id']}/reviews", json=said).status_code == 201
    return len(events)


def told(client: TestClient) -> dict:
    """By what asks for it, what counts of each recording."""

    def names(rows, key="name") -> dict[str, int]:
        found = [Path(row[key]).name for row in rows]
        return {name: found.count(name) for name in sorted(set(found))}

    at = "/v1/jobs/1"
    job, figures = client.get(at).json(), client.get(f"{at}/figures").json()
    listed = client.get("/v1/recordings", params={"job": 1}).json()["recordings"]
    table = client.get(f"{at}/table", params={"format": "json"}).json()
    service = client.app.state.service
    reviews = list(csv.DictReader(io.StringIO(client.get(f"{at}/reviews").text)))
    _, count = service.trainings._table("esc10")
    assert count == client.get("/v1/training").json()["answers"]["esc10"] == len(reviews) == figures["asked"]
    assert client.get("/v1/training").json()["gone"]["esc10"] == figures["gone"]
    events = names(client.get(f"{at}/events", params={"most": 1000}).json()["events"])
    assert sum(row["all"] for row in client.get(f"{at}/counts").json()["rows"]) == job["events"] == sum(events.values())
    assert {row["name"]: row["events"] for row in listed if row["events"]} == events
    assert {Path(row["path"]).name: len(row["events"]) for row in table if row["events"]} == events
    tags = {row["tag"] for row in client.get(f"{at}/counts").json()["rows"]}
    examples = [
        e for tag in tags for e in client.get(f"{at}/examples", params={"tag": tag, "most": 20}).json()["examples"]
    ]
    assert set(names(examples)) == set(names(reviews, "recording"))
    return {
        "states": {row["name"]: row["state"] for row in listed}, "events": events, "reviews": names(reviews, "recording"),
        "gone": (job["gone"], figures["gone"]), "done": (job["done"], job["total"]),
        "left": client.get(f"{at}/next").json()["left"],
    }  # fmt: skip


def test_a_recording_that_was_replaced(client, card, clips):
    count = answered(client)
    before = told(client)
    assert before["reviews"] == before["events"] and (before["gone"], before["done"]) == ((0, 0), (2, 2))
    old = client.get("/v1/jobs/1/events", params={"most": 1000}).json()["events"]
    first, second = before["events"].values()
    shutil.copy2(card / "REC0001.ogg", card.parent / "kept.ogg")
    shutil.copy(clips[2], card / "REC0001.ogg")
    gone = told(client)  # before it is heard, and after
    assert gone["states"] == {"REC0001.ogg": "waits", "REC0002.ogg": "heard"}
    assert gone["events"] == gone["reviews"] == {"REC0002.ogg": second}
    assert (gone["gone"], gone["done"], gone["left"]) == ((1, first), (1, 2), 0)
    run(client, threshold=0.1)
    heard = told(client)
    assert heard["states"] == dict.fromkeys(before["states"], "heard") and heard["reviews"] == {"REC0002.ogg": second}
    assert (heard["gone"], heard["done"]) == ((0, first), (2, 2))
    assert heard["left"] == heard["events"].get("REC0001.ogg", 0)
    for event in old:
        refused = client.post("/v1/jobs/1/reviews", json={"event": event["id"], "answer": "right"})
        assert refused.status_code == (404 if event["name"] == "REC0001.ogg" else 201)
    shutil.copy2(card.parent / "kept.ogg", card / "REC0001.ogg")  # the first card again
    run(client, threshold=0.1)
    again = told(client)
    assert again == before and sum(again["reviews"].values()) == count


def test_a_recording_that_was_copied_anew_is_the_same(client, card):
    """Its time of change is another, and what is found in it is not: answers stay, and events keep their numbers."""
    answered(client)
    before, events = told(client), client.get("/v1/jobs/1/events").json()
    for number, path in enumerate(sorted(card.iterdir())):
        os.utime(path, (1e9, 1e9 + number))
    assert told(client)["reviews"] == {}
    run(client, threshold=0.1)
    assert told(client) == before and client.get("/v1/jobs/1/events").json() == events


def test_recordings_that_are_gone(client, card, clips):
    """The job is of what is there, not of as many; an empty folder is none, and all of it comes back."""
    answered(client)
    before = told(client)
    first, second = before["events"].values()
    shutil.move(card / "REC0002.ogg", card.parent / "kept.ogg")
    shutil.copy(clips[2], card / "new.ogg")
    gone = told(client)
    assert gone["states"] == {"REC0001.ogg": "heard", "new.ogg": "waits"} and gone["events"] == {"REC0001.ogg": first}
    assert (gone["gone"], gone["done"]) == ((1, second), (1, 2))
    for name in ("new.ogg", "REC0001.ogg"):
        (card / name).rename(card.parent / name)
    none = told(client)
    assert none["states"] == none["events"] == none["reviews"] == {} and none["done"] == (0, 0)
    assert none["gone"] == (2, first + second)
    shutil.move(card.parent / "kept.ogg", card / "REC0002.ogg")
    shutil.move(card.parent / "REC0001.ogg", card / "REC0001.ogg")
    assert told(client) == before


def test_a_question_of_what_was_replaced_a_moment_ago(client, card, clips, monkeypatch):
    """Where the list is not looked at again yet: nobody is asked of an event whose sound is another, and no answer to it is taken."""
    job = run(client, threshold=0.1)
    asked = {
        each["id"]: each["name"] for each in client.get("/v1/jobs/1/events", params={"most": 1000}).json()["events"]
    }
    monkeypatch.setattr(listing, "FRESH", 3600.0)
    client.get("/v1/jobs")
    shutil.copy(clips[2], card / "REC0001.ogg")
    gone = next(known for known, name in asked.items() if name == "REC0001.ogg")
    refused = client.post("/v1/jobs/1/reviews", json={"event": gone, "answer": "right"})
    assert refused.status_code == 404 and "its recording was replaced or taken away" in refused.json()["error"]
    shutil.copy(clips[2], card / "REC0002.ogg")
    assert client.get("/v1/jobs/1/next").json() == {"event": None, "drawn": None, "left": 0}
    assert job["events"] == len(asked) > 1


def test_a_folder_that_is_gone_leaves_what_is_kept(client, card):
    answered(client)
    paths = ("", *(f"/1{what}" for what in ("", "/figures", "/reviews", "/events", "/counts", "/table", "/next")))
    before = {path: client.get(f"/v1/jobs{path}").text for path in paths}
    card.rename(card.parent / "elsewhere")
    for path, wanted in before.items():
        answer = client.get(f"/v1/jobs{path}")
        assert (answer.status_code, answer.text) == (200, wanted), path
    for answer in (client.get("/v1/recordings"), client.post("/v1/jobs", json={})):
        assert answer.status_code == 422 and "this folder cannot be listed" in answer.json()["error"]


def test_a_training_is_of_what_is_there(client, card, clips):
    count = answered(client)
    trainings = client.app.state.service.trainings
    shutil.copy(clips[2], card / "REC0001.ogg")
    client.get("/v1/jobs")
    text, left = trainings._table("esc10")
    assert 0 < left < count and set(trainings._recordings(text)) == {"REC0002.ogg"}


def test_the_state_of_another_folder(esc10, client, card, tmp_path, caplog):
    """It is not mixed with that of this one; a folder that was moved is the same one."""
    answered(client)
    before = told(client)
    client.__exit__(None, None, None)
    other = tmp_path / "other"
    shutil.copytree(card, other)
    with pytest.raises(EarmarkError, match="both would be mixed. Give another --state, or leave it out"):
        build(Settings(recordings=other, state=tmp_path / "state"), {"esc10": esc10})
    (tmp_path / "link").symlink_to(card)
    with serving(esc10, tmp_path / "link", tmp_path / "state") as line:
        assert told(line) == before and "where no recordings are any more" not in caplog.text
    card.rename(tmp_path / "moved")
    card.mkdir()
    with serving(esc10, tmp_path / "moved", tmp_path / "state") as line:
        assert f"keeps the jobs and reviews of {card}, where no recordings are any more" in caplog.text
        assert told(line) == before
        run(line, threshold=0.1)
        assert told(line) == before
    client.__enter__()


def test_a_state_that_does_not_tell_which_bytes_it_is_of(esc10, card, tmp_path, clips):
    """As of before: the job's journal does. Of an answer whose event is not found any more nobody knows it."""
    state = tmp_path / "state"
    with serving(esc10, card, state) as line:
        answered(line)
        before = told(line)
    made = sqlite3.connect(state / "serve.sqlite")
    with made:
        made.execute("UPDATE done SET size = NULL, mtime = NULL")
        made.execute("UPDATE reviews SET size = NULL, mtime = NULL")
        made.execute("INSERT INTO reviews SELECT NULL, job, recording, onset + 0.1, offset, tag, score, answer, other, drawn, draw, time, "
                     "undone, right_onset, right_offset, below, size, mtime FROM reviews WHERE id = 1")  # fmt: skip
    made.close()
    with serving(esc10, card, state) as line:
        assert told(line) == before | {"gone": (0, 1)}
        shutil.copy(clips[2], card / "REC0001.ogg")
        assert told(line)["reviews"] == {"REC0002.ogg": before["reviews"]["REC0002.ogg"]}


def test_a_journal_that_is_newer_than_what_is_kept(esc10, card, tmp_path, clips):
    """A kill between the two, of a recording that was replaced: what the journal tells is taken in."""
    state = tmp_path / "state"
    with serving(esc10, card, state) as line:
        job = run(line, threshold=0.1)
        store = line.app.state.service.store
        store._line.execute(f"VACUUM INTO '{tmp_path / 'old.sqlite'}'")
        shutil.copy(clips[2], card / "REC0001.ogg")
        run(line, threshold=0.1)
        wanted = told(line)
    for left in state.glob("serve.sqlite*"):
        left.unlink()
    shutil.copy(tmp_path / "old.sqlite", state / "serve.sqlite")
    with serving(esc10, card, state) as line:
        assert told(line)["states"]["REC0001.ogg"] == "waits"
        assert run(line, threshold=0.1)["id"] == job["id"]
        assert told(line) == wanted


def test_an_event_of_another_sound_at_the_same_time(tmp_path):
    """That it begins as the other's did makes no answer to that one an answer to it."""
    store = Store(tmp_path)
    job = store.job({}, "t")
    store.heard(job, "a.wav", 9.0, [Event(0, 1, "dog", 0.9)], state=(10, 1))
    judging.answer(store, judging.following(store, job, None, "surest")[0], "right", "", "surest")
    told = []
    for state, score in (((10, 2), 0.8), ((11, 1), 0.7), ((10, 1), 0.9)):
        store.heard(job, "a.wav", 9.0, [Event(0, 1, "dog", score)], state=state)
        figures = judging.figures(store, job, None)
        event, left = judging.following(store, job, None, "surest")
        told.append((figures["asked"], figures["right"], figures["gone"], left))
        if state == (10, 2):
            judging.answer(store, event, "wrong", "", "surest")
    assert told == [(0, 0, 1, 1), (0, 0, 2, 1), (1, 1, 1, 0)]
    store.close()
