"""Taggers that were trained again, taken and rejected, in any order: by a name answers the one that should, also after a start anew."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.process import serving
from tests.serve.test_browser import READY
from tests.serve.test_trainings import answered, names, state

from earmark.events import EventRules
from earmark.models import loading
from earmark.scores import Event
from earmark.serve import judging, trainings
from earmark.serve.app import build
from earmark.serve.settings import Settings
from earmark.serve.store import Store

# stands for the training: training N makes what lies beside the state as N.safetensors
PUPIL = """
import json, pathlib, shutil, sys
folder = pathlib.Path(sys.argv[1])
(folder / "run").mkdir(exist_ok=True)
shutil.copy(pathlib.Path(__file__).parent / f"{folder.name}.safetensors", folder / "run" / "tagger.safetensors")
(folder / "result.json").write_text(json.dumps({"file": "run/tagger.safetensors", "changed": []}))
"""
HOPS = {1: 1.0, 2: 0.5, 3: 0.25}


@pytest.fixture
def place(esc10, clips, tmp_path, monkeypatch):
    (tmp_path / "sounds").mkdir()
    for path in clips[:2]:
        shutil.copy(path, tmp_path / "sounds")
    (tmp_path / "clips.csv").write_text(f"path,tags\n{clips[0].absolute()},dog\n")
    (tmp_path / "pupil.py").write_text(PUPIL)
    for number, hop in HOPS.items():
        esc10.every(hop).save(tmp_path / f"{number}.safetensors")
    monkeypatch.setattr(trainings, "PROGRAM", (sys.executable, str(tmp_path / "pupil.py")))
    return tmp_path


def service(place: Path, taggers, state="state") -> TestClient:
    settings = Settings(recordings=place / "sounds", state=place / state, clips=place / "clips.csv")
    return TestClient(build(settings, taggers), base_url=HERE)


def trained(client: TestClient, tagger: str = "esc10") -> int:
    begun = client.post("/v1/training", json={"tagger": tagger})
    assert begun.status_code == 202, begun.text
    assert state(client, begun.json()["id"]) == "done"
    return begun.json()["id"]


def told(client: TestClient) -> dict[int, str]:
    return {each["id"]: each["state"] for each in client.get("/v1/training").json()["trainings"]}


# what is done one after the other: a tagger is trained again and taken, or a training is rejected; then which name has which
ORDERS = [
    [
        (("esc10", 1), {"esc10": 1, "esc10-before-1": 0}),
        (("esc10-before-1", 2), {"esc10": 1, "esc10-before-1": 2, "esc10-before-1-before-2": 0}),
        ((1, "training 2 was taken since, in the place of esc10-before-1: reject that first"), None),
        ((2, ""), {"esc10": 1, "esc10-before-1": 0}),
        ((1, ""), {"esc10": 0}),
    ],
    [
        (("esc10", 1), {"esc10": 1, "esc10-before-1": 0}),
        (("esc10", 2), {"esc10": 2, "esc10-before-2": 1, "esc10-before-1": 0}),
        ((1, "training 2 was taken since, in the place of esc10: reject that first"), None),
        (("esc10-before-2", 3), {"esc10": 2, "esc10-before-2": 3, "esc10-before-2-before-3": 1, "esc10-before-1": 0}),
        ((2, "training 3 was taken since, in the place of esc10-before-2"), None),
        ((3, ""), {"esc10": 2, "esc10-before-2": 1, "esc10-before-1": 0}),
        ((2, ""), {"esc10": 1, "esc10-before-1": 0}),
        ((1, ""), {"esc10": 0}),
    ],
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("clock", ["goes on", "was set back"])
def test_what_answers_is_what_was_taken_last_and_not_rejected(place, esc10, clips, order, clock):
    known = [esc10.identity(), *(loading.load(place / f"{number}.safetensors").identity() for number in HOPS)]
    wanted: dict[str, int] = {"esc10": 0}
    for number, ((what, more), after) in enumerate(order):
        with service(place, {"esc10": esc10}) as client:
            assert names(client) == {name: known[which] for name, which in wanted.items()}, number
            if number == 0:
                answered(client, clips)
            if isinstance(what, str):
                assert trained(client, what) == more
                assert client.post(f"/v1/training/{more}/take", json={}).json()["state"] == "taken"
            else:
                answer = client.post(f"/v1/training/{what}/reject", json={})
                if more:
                    assert answer.status_code == 422 and more in answer.json()["error"]
                else:
                    assert answer.json()["state"] == "rejected"
            wanted = wanted if after is None else after
            assert names(client) == {name: known[which] for name, which in wanted.items()}, number
            assert {each.split(":")[0] for each in told(client).values()} <= {"taken", "rejected"}
            if clock == "was set back":  # a station without a battery for it
                with client.app.state.service.store.writing() as line:
                    line.execute("UPDATE trainings SET decided = 2000 - id WHERE decided IS NOT NULL")


def other_of_the_name(place, esc10):
    return {
        "esc10": esc10.every(0.125)
    }, "another tagger is called esc10 now than the one that training 1 stands on: start the"


def none_of_the_name(place, esc10):
    return {"mine": esc10}, "no tagger is called esc10 now, in whose place that of training 1 would stand"


def name_that_is_needed(place, esc10):
    return {"esc10": esc10, "esc10-before-1": esc10.every(0.125)}, "a tagger is called esc10-before-1 already"


def folder_taken_away(place, esc10):
    shutil.rmtree(place / "state" / "trainings" / "1")
    return {"esc10": esc10}, "training 1 has no result any more: "


def file_taken_away(place, esc10):
    (place / "state" / "trainings" / "1" / "run" / "tagger.safetensors").unlink()
    return {"esc10": esc10}, "tagger.safetensors: "


def damaged(place, esc10):
    (place / "state" / "trainings" / "1" / "run" / "tagger.safetensors").write_bytes(b"earmark")
    return {"esc10": esc10}, "tagger.safetensors: "


@pytest.mark.parametrize(
    "how",
    [other_of_the_name, none_of_the_name, name_that_is_needed, folder_taken_away, file_taken_away, damaged],
)
def test_one_that_was_taken_and_is_not_served_is_told_as_that(place, esc10, clips, how, caplog):
    with service(place, {"esc10": esc10}) as client:
        answered(client, clips)
        client.post(f"/v1/training/{trained(client)}/take", json={})
        before = names(client)
    shutil.copytree(place / "state", place / "kept")
    taggers, why = how(place, esc10)
    given = {name: tagger.identity() for name, tagger in taggers.items()}
    with service(place, taggers) as client:
        assert names(client) == given
        assert client.get("/v1/training/1").json()["state"].startswith("taken, but not served: ")
        assert why in client.get("/v1/training/1").json()["state"] and why in caplog.text
        refused = client.post("/v1/training/1/take", json={})
        assert refused.status_code == 422
        assert client.post("/v1/training/1/reject", json={}).json()["state"] == "rejected"
        assert names(client) == given
    with service(place, {"esc10": esc10}, "kept") as client:  # what was not rejected is served once all is as it was
        assert names(client) == before and told(client) == {1: "taken"}


@pytest.mark.parametrize("of", ["now", "an earlier version"])
def test_a_state_that_was_moved_serves_what_was_taken(place, esc10, clips, of):
    with service(place, {"esc10": esc10}) as client:
        answered(client, clips)
        client.post(f"/v1/training/{trained(client)}/take", json={})
        before = names(client)
    if of == "an earlier version":
        result = place / "state" / "trainings" / "1" / "result.json"
        kept = json.loads(result.read_text())
        result.write_text(json.dumps(kept | {"file": str(result.parent / kept["file"])}))
    (place / "state").rename(place / "moved")
    with service(place, {"esc10": esc10}, "moved") as client:
        assert names(client) == before and told(client) == {1: "taken"}
        client.post("/v1/training/1/reject", json={})
        assert client.post("/v1/training/1/take", json={}).json()["state"] == "taken"
        assert names(client) == before


def test_the_page_trains_the_one_that_answers_by_the_name(place, esc10, clips, other):
    """Also from events that the one before it found."""
    esc10.save(place / "esc10.safetensors")
    store = Store(place / "state", place / "sounds")
    told_of = {"tagger": esc10.identity(), "name": "esc10", "rules": EventRules.alike(esc10.vocabulary).as_dict()}
    job = store.job(told_of, "esc10")
    for path in clips[:2]:
        status = (place / "sounds" / path.name).stat()
        events = [Event(1.0, 2.0, "dog", 0.9), Event(3.0, 4.0, "dog", 0.8)]
        store.heard(job, path.name, 5.0, events, state=(status.st_size, status.st_mtime_ns))
    store.state(job, "stopped")
    event, _ = judging.following(store, job, None, "mixed")
    judging.answer(store, event, "right", "", "surest")
    with store.writing() as line:
        taken = (esc10.identity(), "2026-05-14T05:30:00+00:00")
        line.execute("INSERT INTO trainings VALUES (1, 'esc10', ?1, 'taken', ?2, 1, ?2)", taken)
    store.close()
    (place / "state" / "trainings" / "1").mkdir(parents=True)
    result = {"file": str(place / "1.safetensors"), "changed": []}
    (place / "state" / "trainings" / "1" / "result.json").write_text(json.dumps(result))
    words = ["--recordings", place / "sounds", "--state", place / "state", "--clips", place / "clips.csv"]
    with serving(place / "esc10.safetensors", *words) as program:
        assert program.client.get(f"/v1/jobs/{job}").json()["served"] == "esc10-before-1"
        other.open(program.url)
        other.wait(READY)
        other.run("location.hash = 'review'")
        told = "document.querySelector('#train-told').textContent"
        other.wait(f"{told}.length > 0")
        assert other.run(told).startswith("esc10 would learn from its clips and from 1 answer,")
        other.run("document.querySelector('#train').click()")
        other.wait("document.querySelectorAll('#trainings article').length === 2")
        assert program.client.get("/v1/training").json()["trainings"][0]["tagger"] == "esc10"
        program.client.post("/v1/training/2/stop", json={})
    with serving(place / "2.safetensors", *words) as program:  # of another name
        other.open(program.url)
        other.wait(READY)
        other.run("location.hash = 'review'")
        told = "[...document.querySelectorAll('#trainings article')].at(-1).textContent"
        other.wait(
            f"document.querySelectorAll('#trainings article').length === 2 && {told}.includes('It was taken, but')"
        )
        assert "It was taken, but not served: no tagger is called esc10 now" in other.run(told)
        assert (
            other.run("[...document.querySelectorAll('#trainings article')].at(-1).querySelectorAll('button').length")
            == 1
        )
