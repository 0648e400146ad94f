"""Training again behind the page: a process that may be killed, whose tagger is taken or rejected; nothing that was said is lost."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.process import serving

from earmark.errors import EarmarkError
from earmark.evaluation.reviews import answers
from earmark.events import EventRules
from earmark.models import loading
from earmark.scores import Event
from earmark.serve import learning, trainings
from earmark.serve.app import build
from earmark.serve.assignments import Assignment
from earmark.serve.settings import Settings

# stands for the training: it tells that it runs, waits for the file `go`, and tells a tagger that lies beside
PUPIL = """
import json, pathlib, sys, threading, os, time
folder = pathlib.Path(sys.argv[1])
threading.Thread(target=lambda: (os.read(0, 1), os._exit(3)), daemon=True).start()
(folder / "progress.json").write_text(json.dumps({"what": "learning", "done": 1, "total": 3}))
with (folder / "begun.txt").open("a") as out:
    out.write("x")
while not (folder.parent / "go").exists():
    time.sleep(0.02)
if (folder.parent / "wrong").exists():
    print(json.dumps({"error": "the clips are gone"}))
    sys.exit(1)
row = {"tag": "dog", "events": 20, "before": 15, "after": 18, "gained": 4, "lost": 1,
       "difference": {"value": 0.15, "low": -0.076, "high": 0.349}}
(folder / "result.json").write_text(json.dumps({"file": str(folder.parent.parent / "new.safetensors"), "changed": [row]}))
"""


@pytest.fixture
def place(esc10, clips, tmp_path, monkeypatch):
    """A state with what was heard and a tagger that will have been learnt."""
    (tmp_path / "sounds").mkdir()
    for path in clips[:2]:
        shutil.copy(path, tmp_path / "sounds")
    (tmp_path / "clips.csv").write_text(f"path,tags\n{clips[0].absolute()},dog\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "pupil.py").write_text(PUPIL)
    esc10.every(1.0).save(tmp_path / "state" / "new.safetensors")
    monkeypatch.setattr(trainings, "PROGRAM", (sys.executable, str(tmp_path / "pupil.py")))
    return tmp_path


@pytest.fixture
def served(esc10, place):
    def begin(**more) -> TestClient:
        told = {"recordings": place / "sounds", "state": place / "state", "clips": place / "clips.csv"}
        return TestClient(build(Settings(**(told | more)), {"esc10": esc10}), base_url=HERE)

    begin.program = trainings.PROGRAM
    return begin


def answered(client: TestClient, clips: list[Path], count: int = 2, **how: object) -> None:
    """Events of a job, and answers to them."""
    here = client.app.state.service
    store, _ = here.folder
    told = {"tagger": here.taggers["esc10"].identity(), "rules": EventRules.alike(["dog"]).as_dict()}
    job = store.job(told | how, "esc10")
    for path in clips[:2]:
        store.heard(job, path.name, 5.0, [Event(1.0, 2.0, "dog", 0.9)], [Event(3.0, 4.0, "rain", 0.3)])
    for event in client.get(f"/v1/jobs/{job}/events").json()["events"][:count]:
        said = {"event": event["id"], "answer": "right", "offset": 2.5}
        assert client.post(f"/v1/jobs/{job}/reviews", json=said).status_code == 201
    (low, *_) = client.get(f"/v1/jobs/{job}/events", params={"below": True}).json()["events"]
    assert client.post(f"/v1/jobs/{job}/reviews", json={"event": low["id"], "answer": "wrong"}).status_code == 201


def state(client: TestClient, number: int = 1, of: str = "running") -> str:
    """The state, once it is another."""
    until = time.monotonic() + 60
    while (told := client.get(f"/v1/training/{number}").json())["state"] == of:
        assert time.monotonic() < until
        time.sleep(0.02)
    return told["state"]


def names(client: TestClient) -> dict[str, str]:
    return {each["name"]: each["identity"] for each in client.get("/v1/taggers").json()["taggers"]}


def test_trained_taken_and_put_back(served, place, clips, esc10):
    new = loading.load(place / "state" / "new.safetensors").identity()
    with served() as client:
        answered(client, clips)
        assert client.get("/v1/training").json() == {
            "lacks": None, "answers": {"esc10": 3}, "gone": {"esc10": 0}, "trainings": [],
        }  # fmt: skip
        begun = client.post("/v1/training", json={})
        assert (begun.status_code, begun.json()["state"], begun.json()["answers"]) == (202, "running", 3)
        again = client.post("/v1/training", json={})
        assert again.status_code == 422 and "training 1 runs: wait for it, or stop it" in again.json()["error"]
        early = client.post("/v1/training/1/take", json={})
        assert early.status_code == 422 and "training 1 is running: only one that is done" in early.json()["error"]
        read = answers.read(place / "state" / "trainings" / "1" / "reviews.csv")
        assert [(each.answer, each.picked.chosen != "below the threshold") for each in read] == [
            ("moved", True),
            ("moved", True),
            ("wrong", False),
        ]
        asked = json.loads((place / "state" / "trainings" / "1" / "asked.json").read_text())
        assert loading.load(asked["tagger"]).identity() == esc10.identity()
        assert set(asked["recordings"]) == {path.name for path in clips[:2]}
        (place / "state" / "trainings" / "go").touch()
        assert state(client) == "done"
        (row,) = client.get("/v1/training/1").json()["changed"]
        assert row == {"tag": "dog", "events": 20, "before": 15, "after": 18, "gained": 4, "lost": 1, "difference": 0.15,
                       "low": -0.076, "high": 0.349}  # fmt: skip
        assert names(client) == {"esc10": esc10.identity()}
        before = client.post("/v1/recordings", params={"name": "a"}, content=clips[-1].read_bytes()).json()["id"]
        ask = f"/v1/recordings/{before}/scores"
        old = client.get(ask).json()
        assert client.post("/v1/training/1/take", json={}).json()["state"] == "taken"
        assert names(client) == {"esc10": new, "esc10-before-1": esc10.identity()}
        assert client.get("/v1/jobs/1").json()["served"] == "esc10-before-1"  # the job was that one's
        assert client.get(ask).json()["times"] != old["times"]  # nothing of the old one is remembered
        assert client.get(ask, params={"tagger": "esc10-before-1"}).json()["times"] == old["times"]
    with served() as client:  # the service starts again
        assert names(client) == {"esc10": new, "esc10-before-1": esc10.identity()}
        assert client.post("/v1/training/1/reject", json={}).json()["state"] == "rejected"
        assert names(client) == {"esc10": esc10.identity()}
        assert client.get(ask.replace(before, "x")).status_code == 404
    with served() as client:
        assert names(client) == {"esc10": esc10.identity()}
        assert client.post("/v1/training/1/take", json={}).json()["state"] == "taken"
    assert (place / "state" / "new.safetensors").is_file()


def test_of_jobs_with_a_gain_it_is_told_that_a_training_has_none(served, place, clips):
    with served() as client:
        answered(client, clips)
        client.post("/v1/training", json={})
        (place / "state" / "trainings" / "go").touch()
        assert state(client) == "done"
        answered(client, clips, gain=20.0)
        client.post("/v1/training", json={})
        assert state(client, 2) == "done"
    heard, louder = (place / "state" / "trainings" / number for number in "12")
    assert Assignment.read(heard).said == ()
    assert Assignment.read(louder).said == (
        "3 of 6 answers are to events of jobs that heard the recordings with a gain (+20 dB): a training hears them as they are",
    )
    with pytest.raises(EarmarkError):  # whatever comes of it: the clip is no data set to learn from
        learning.learn(louder)
    first, *_ = (louder / learning.SAID).read_text().splitlines()
    assert json.loads(first) == Assignment.read(louder).said[0]


def test_a_process_that_is_killed_goes_on(served, place, clips):
    with served() as client:
        answered(client, clips)
        client.post("/v1/training", json={})
        begun = place / "state" / "trainings" / "1" / "begun.txt"
        while not begun.exists():
            time.sleep(0.02)
        os.kill(client.app.state.service.trainings._process.pid, signal.SIGKILL)
        assert state(client).startswith("failed: its process ended with -9; see ")
        assert client.post("/v1/training", json={}).json()["id"] == 1  # the same answers go on with it
        assert client.post("/v1/training/1/stop", json={}).json()["state"] == "stopped"
        assert client.post("/v1/training", json={}).json()["id"] == 1
        while len(begun.read_text()) < 2:
            time.sleep(0.02)
        before = len(begun.read_text())
        # and so it does when the service itself ended
    with served() as client:
        assert client.get("/v1/training/1").json()["state"] == "running"
        (place / "state" / "trainings" / "go").touch()
        assert state(client) == "done"
        assert len(begun.read_text()) == before + 1


def test_one_that_fails_says_why_and_more_answers_are_a_new_one(served, place, clips):
    with served() as client:
        answered(client, clips, 1)
        (place / "state" / "trainings").mkdir(exist_ok=True)
        for name in ("go", "wrong"):
            (place / "state" / "trainings" / name).touch()
        client.post("/v1/training", json={})
        assert state(client) == "failed: the clips are gone"
        (place / "state" / "trainings" / "wrong").unlink()
        event = client.get("/v1/jobs/1/events").json()["events"][-1]["id"]
        client.post("/v1/jobs/1/reviews", json={"event": event, "answer": "wrong"})
        assert client.post("/v1/training", json={}).json()["id"] == 2
        assert state(client, 2) == "done"


def test_what_cannot_be_learnt(served, service, place, clips):
    assert service.get("/v1/training").status_code == 404
    with served(clips=None) as client:
        told = client.post("/v1/training", json={})
        assert told.status_code == 422 and "start it with `--clips DATA`" in told.json()["error"]
        assert "start it with `--clips DATA`" in client.get("/v1/training").json()["lacks"]
    with served() as client:
        told = client.post("/v1/training", json={})
        assert told.status_code == 422 and "nobody has answered yet" in told.json()["error"]
        answered(client, clips)
        for path in clips[:2]:
            (place / "sounds" / path.name).unlink()
        told = client.post("/v1/training", json={})
        assert told.status_code == 422 and "was reviewed and is not in the folder any more" in told.json()["error"]
        assert client.get("/v1/training").json()["trainings"] == []


def test_the_process_ends_with_the_service(tmp_path):
    """Its standard input ends when the service does, however that was."""
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "asked.json")  # nobody writes it: the process waits
    command = [sys.executable, "-m", "earmark.serve.learning", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.stdin.close()
        assert process.wait(60) == 3


@pytest.mark.slow
def test_a_training_survives_the_kill_of_its_service(clips, data, tmp_path):
    """Real clips, real answers by the annotation of soundscapes: killed in the midst, it ends as if it had not been, and is taken."""
    with (data / "esc10" / "meta" / "esc10.csv").open(newline="") as table:
        by_tag: dict[str, list[str]] = {}
        for row in csv.DictReader(table):
            by_tag.setdefault(row["category"], []).append(Path(row["filename"]).stem)
    lines = [f"{data.absolute()}/esc10/audio/{stem}.ogg,{tag}" for tag, stems in by_tag.items() for stem in stems[:1]]
    (tmp_path / "clips.csv").write_text("path,tags\n" + "\n".join(lines) + "\n")
    (tmp_path / "sounds").mkdir()
    # some of which hold parts without any event: background
    for path in sorted((data / "esc10_soundscapes").rglob("*.flac"))[:6]:
        shutil.copy(path, tmp_path / "sounds")
    words = ["--recordings", tmp_path / "sounds", "--state", tmp_path / "state", "--clips", tmp_path / "clips.csv"]
    with serving(*words) as program:
        ask = program.client
        ask.post("/v1/jobs", json={"threshold": 0.3})
        while ask.get("/v1/jobs/1").json()["state"] == "running":
            time.sleep(0.05)
        for number in range(12):
            event = ask.get("/v1/jobs/1/next").json()["event"]
            ask.post("/v1/jobs/1/reviews", json={"event": event["id"], "answer": "wrong" if number % 3 else "right"})
        said = ask.get("/v1/jobs/1/reviews").text
        assert ask.post("/v1/training", json={}).status_code == 202
        while (ask.get("/v1/training/1").json()["progress"] or {"done": 0})["done"] < 5:
            time.sleep(0.05)
        program.end(signal.SIGKILL)
    with serving(*words) as program:
        ask = program.client
        assert ask.get("/v1/jobs/1/reviews").text == said
        while (told := ask.get("/v1/training/1").json())["state"] == "running":
            time.sleep(0.5)
        assert told["state"] == "done", told
        assert sum(row["events"] for row in told["changed"]) >= 10
        assert ask.post("/v1/training/1/take", json={}).json()["state"] == "taken"
        known = ask.get("/v1/taggers").json()["taggers"]
        assert [each["name"] for each in known] == ["esc10", "esc10-before-1"]
        answer = ask.post("/v1/events", files={"file": (clips[-1].name, clips[-1].read_bytes())})
        assert answer.status_code == 200
