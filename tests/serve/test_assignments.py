"""What a training learns from is what it was begun with, to the byte; what is lost of one is told of it, and stands in nobody's way."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.serve.test_trainings import place, served, state  # noqa: F401

from earmark.errors import EarmarkError
from earmark.events import EventRules
from earmark.scores import Event
from earmark.serve import assignments, learning, trainings
from earmark.serve.assignments import Assignment

REAL = trainings.PROGRAM


def heard(client: TestClient, place: Path) -> None:  # noqa: F811
    """A job that heard the recordings as they are."""
    here = client.app.state.service
    store, _ = here.folder
    job = store.job({"tagger": here.taggers["esc10"].identity(), "rules": EventRules.alike(["dog"]).as_dict()}, "esc10")
    for path in sorted((place / "sounds").iterdir()):
        status = path.stat()
        store.heard(job, path.name, 5.0, [Event(1.0, 2.0, "dog", 0.9)], state=(status.st_size, status.st_mtime_ns))
    store.state(job, "done")


def answered(client: TestClient, place: Path) -> None:  # noqa: F811
    heard(client, place)
    for event in client.get("/v1/jobs/1/events").json()["events"]:
        assert client.post("/v1/jobs/1/reviews", json={"event": event["id"], "answer": "right"}).status_code == 201


def begun(client: TestClient, **asked: str) -> int:
    answer = client.post("/v1/training", json=asked)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ended(place: Path, client: TestClient, number: int) -> None:  # noqa: F811
    """It comes to its end once it may."""
    (place / "state" / "trainings" / "go").touch()
    assert state(client, number) == "done"


def other_bytes(path: Path) -> None:
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(
        path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1)
    )  # a clock may be as coarse as the test is fast


def longer(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def gone(path: Path) -> None:
    path.unlink()


OTHERS = "was reviewed, and is another recording by now, by its size or time of change (1 recording of 2 is)"
GONE = "was reviewed and is not in the folder any more (1 recording of 2 is not)"
CHANGES = [(other_bytes, OTHERS), (longer, OTHERS), (gone, GONE)]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_a_training_does_not_go_on_with_other_bytes(served, place, monkeypatch, change, why):  # noqa: F811
    with served() as client:
        answered(client, place)
        assert begun(client) == 1
    monkeypatch.setattr(trainings, "PROGRAM", REAL)
    name = min(os.listdir(place / "sounds"))
    change(place / "sounds" / name)
    with served() as client:
        assert state(client).startswith(f"failed: {name}: {why}. Put ")
        told = client.get("/v1/training").json()
        assert (told["answers"], told["gone"]) == ({"esc10": 1}, {"esc10": 1})
        monkeypatch.undo()
        monkeypatch.setattr(trainings, "PROGRAM", served.program)
        assert begun(client) == 2 and client.get("/v1/training/2").json()["answers"] == 1
        assert set(json.loads((place / "state/trainings/2/asked.json").read_text())["states"]) != {name}
        ended(place, client, 2)


@pytest.mark.parametrize("fares", ["well", "badly"])
@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_nothing_is_told_of_recordings_that_were_replaced_meanwhile(served, place, monkeypatch, change, why, fares):  # noqa: F811
    with served() as client:
        answered(client, place)
        begun(client)
    name = min(os.listdir(place / "sounds"))

    def learnt(*_):
        change(place / "sounds" / name)
        if fares == "badly":
            raise EarmarkError("an event begins behind the end")
        return {}

    monkeypatch.setattr(learning, "_learnt", learnt)
    with pytest.raises(EarmarkError) as told:
        learning.learn(place / "state" / "trainings" / "1")
    assert str(told.value).startswith(f"{name}: {why}")


def test_the_same_sound_copied_anew_is_learnt_from(served, place):  # noqa: F811
    """Once it was heard: as all that was answered of it."""
    with served() as client:
        answered(client, place)
        begun(client)
        client.post("/v1/training/1/stop", json={})
        for path in (place / "sounds").iterdir():
            os.utime(path, ns=(1, 1))
        heard(client, place)
        assert begun(client) == 1
        asked = Assignment.read(place / "state" / "trainings" / "1")
        assert {time for _, time in asked.states.values()} == {1}
        ended(place, client, 1)


def test_recordings_and_state_that_were_moved(served, place):  # noqa: F811
    with served() as client:
        answered(client, place)
        begun(client)
    (place / "sounds").rename(place / "card")
    (place / "state").rename(place / "kept")
    with served(recordings=place / "card", state=place / "kept") as client:
        assert state(client, of="?") == "running"
        told = json.loads((place / "kept" / "trainings" / "1" / "asked.json").read_text())
        assert Path(told["tagger"]).is_file() and all(Path(file).is_file() for file in told["recordings"].values())
        Assignment.read(place / "kept" / "trainings" / "1")._check()
        client.post("/v1/training/1/stop", json={})


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/state")


@pytest.mark.parametrize("again", ["at once", "after a start anew"])
@pytest.mark.parametrize("where", ["save", "reviews.csv", "asked.json", "log.txt", "process"])
def test_one_that_could_not_be_prepared_stands_in_nobodys_way(served, place, esc10, monkeypatch, where, again):  # noqa: F811
    write, opened = assignments.write_text, Path.open
    with monkeypatch.context() as patched:
        match where:
            case "save":
                patched.setattr(type(esc10), "save", full)
            case "log.txt":
                patched.setattr(
                    Path, "open", lambda path, *more, **of: (full if path.name == where else opened)(path, *more, **of)
                )
            case "process":
                patched.setattr(trainings.subprocess, "Popen", full)
            case _:
                patched.setattr(
                    assignments, "write_text", lambda path, text: (full if path.name == where else write)(path, text)
                )
        with served() as client:
            answered(client, place)
            answer = client.post("/v1/training", json={})
            assert answer.status_code == 503
            told = client.get("/v1/training/1").json()["state"]
            assert told.startswith("failed: /state: No space left on device") and "make room" in told
            patched.undo()
            patched.setattr(trainings, "PROGRAM", served.program)
            if again == "at once":
                ended(place, client, begun(client))
    if again != "at once":
        monkeypatch.setattr(trainings, "PROGRAM", served.program)
        with served() as client:
            assert client.get("/v1/training/1").json()["state"] == told
            ended(place, client, begun(client))


def test_a_kill_while_one_is_prepared(served, place):  # noqa: F811
    with served() as client:
        answered(client, place)
        base = client.app.state.service.taggers["esc10"].identity()
        with client.app.state.service.store.writing() as line:
            line.execute(
                "INSERT INTO trainings VALUES (1, 'esc10', ?, 'preparing', '2026-05-14T05:30:00', 2, NULL)", (base,)
            )
        (place / "state" / "trainings" / "1" / "base").mkdir(parents=True)
    with served() as client:
        told = client.get("/v1/training/1").json()["state"]
        assert told.startswith(
            "failed: it was never begun: the service ended, or its disk was full, while it was prepared"
        )
        number = begun(client)
        assert number == 2
        ended(place, client, number)


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def without(name: str):
    def lost(folder: Path) -> None:
        (folder / name).unlink()

    lost.__name__ = f"without {name}"
    return lost


def garbled(folder: Path) -> None:
    (folder / "asked.json").write_text("{")


def of_before(folder: Path) -> None:
    """As an earlier earmark wrote it."""
    told = json.loads((folder / "asked.json").read_text())
    del told["states"]
    (folder / "asked.json").write_text(json.dumps(told))


LOSSES = [no_folder, a_file, without("reviews.csv"), without("asked.json"), garbled, of_before]


@pytest.mark.parametrize("was", ["running", "stopped", "failed"])
@pytest.mark.parametrize("lose", LOSSES)
def test_one_whose_folder_is_lost_stands_in_nobodys_way(served, place, lose, was):  # noqa: F811
    folder = place / "state" / "trainings" / "1"
    with served() as client:
        answered(client, place)
        begun(client)
        if was != "running":
            client.post("/v1/training/1/stop", json={})
        if was == "failed":
            with client.app.state.service.store.writing() as line:
                line.execute("UPDATE trainings SET state = 'failed: for a test'")
    lose(folder)
    with served() as client:  # it starts
        told = client.get("/v1/training/1").json()
        if was == "running":
            assert (
                told["state"].startswith("failed: ") and "Train again" in told["state"] and str(folder) in told["state"]
            )
        number = begun(client)
        assert number == (1 if lose is of_before else 2)  # the answers, told by their bytes, are those of before
        ended(place, client, number)


def test_without_its_base_it_is_a_new_one(served, place):  # noqa: F811
    with served() as client:
        answered(client, place)
        begun(client)
        client.post("/v1/training/1/stop", json={})
        shutil.rmtree(place / "state" / "trainings" / "1" / "base")
        number = begun(client)
        assert number == 2
        ended(place, client, number)


@pytest.mark.parametrize(("more", "number"), [({"clips": "other.csv"}, 2), ({"dataset": "table"}, 2), ({}, 1)])
def test_other_clips_make_another_training(served, place, more, number):  # noqa: F811
    """Whose fault lay in the clips is not tried with them again; a table that was mended is another at the same place."""
    shutil.copy(place / "clips.csv", place / "other.csv")
    (place / "state" / "trainings").mkdir()
    for name in ("go", "wrong"):
        (place / "state" / "trainings" / name).touch()
    with served() as client:
        answered(client, place)
        assert begun(client) == 1 and state(client) == "failed: the clips are gone"
    (place / "state" / "trainings" / "wrong").unlink()
    told = {name: place / value if name == "clips" else value for name, value in more.items()}
    with served(**told) as client:
        assert begun(client) == number and state(client, number) == "done"
    asked = Assignment.read(place / "state" / "trainings" / str(number))
    assert (asked.clips, asked.dataset) == (told.get("clips", place / "clips.csv"), told.get("dataset"))


def test_a_run_that_was_made_and_is_refused_is_not_tried_again(served, place):  # noqa: F811
    (place / "state" / "trainings").mkdir()
    for name in ("go", "wrong"):
        (place / "state" / "trainings" / name).touch()
    with served() as client:
        answered(client, place)
        assert begun(client) == 1 and state(client).startswith("failed")
        (place / "state" / "trainings" / "1" / "run").mkdir()
        (place / "state" / "trainings" / "1" / "run" / "tagger.safetensors").touch()
        assert begun(client) == 2


@pytest.mark.parametrize("lying", [{"1", "2", "3"}, {"7", "embeddings", "007", "9" * 30}, set()])
def test_numbers_are_above_what_lies_in_the_folder(served, place, lying):  # noqa: F811
    """As of a store that was damaged, and moved away as was told."""
    for name in lying:
        (place / "state" / "trainings" / name).mkdir(parents=True)
        (place / "state" / "trainings" / name / "said.jsonl").write_text('"of another"\n')
    numbers = [int(name) for name in lying if name in {"1", "2", "3", "7"}]
    with served() as client:
        answered(client, place)
        number = begun(client)
        assert number == max(numbers, default=0) + 1
        assert client.get(f"/v1/training/{number}").json()["said"] == []
        ended(place, client, number)


def test_what_ended_with_the_service_is_not_begun_again(served, place):  # noqa: F811
    """What came to its end is done; of two that ran, as where a full disk kept no word of one's end, the newer goes on."""
    with served() as client:
        answered(client, place)
        for number in (1, 2, 3):
            assert begun(client) == number
            client.post(f"/v1/training/{number}/stop", json={})
            (place / "state" / "trainings" / str(number) / "reviews.csv").write_text("of others")
        with client.app.state.service.store.writing() as line:
            line.execute("UPDATE trainings SET state = 'running'")
        result = {"file": "run/tagger.safetensors", "changed": []}
        (place / "state" / "trainings" / "1" / "result.json").write_text(json.dumps(result))
    with served() as client:
        states = {each["id"]: each["state"] for each in client.get("/v1/training").json()["trainings"]}
        assert states == {1: "done", 2: "stopped", 3: "running"}
        ended(place, client, 3)
