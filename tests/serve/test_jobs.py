"""Jobs over a folder: each is computed in one way, and tells what it heard; none is lost by what happens to disks and settings."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.test_folder import ended, run

from earmark.errors import EarmarkError
from earmark.models import loading
from earmark.serve.app import build
from earmark.serve.settings import Settings
from earmark.serve.wording import over_http


@pytest.fixture(scope="session")
def ways(esc10) -> dict[str, object]:
    """The same tagger as other engines and precisions compute it."""
    pytest.importorskip("torch")
    return {
        "onnxruntime, float32, cpu": esc10,
        "torch, float32, cpu": loading.load("esc10", engine="torch"),
        "torch, bf16, cpu": loading.load("esc10", engine="torch", precision="bf16"),
    }


def test_a_job_is_computed_in_one_way(ways, place, tmp_path):
    """By whatever the service runs when it is asked again: tables of two would lie in one."""
    settings = Settings(recordings=place, state=tmp_path / "state")
    seen = {}
    for turn in range(2):
        for engine, tagger in ways.items():
            with TestClient(build(settings, {"esc10": tagger}), base_url=HERE) as client:
                known = {job["id"]: job for job in client.get("/v1/jobs").json()["jobs"]}
                for number, job in known.items():  # the others stay as they are, and nothing of them goes on
                    assert job["goes_on"] is (seen.get(engine) == number) and job["served"] == "esc10"
                    if not job["goes_on"]:
                        refused = client.post(f"/v1/jobs/{number}/retry")
                        assert refused.status_code == 422, refused.text
                        assert refused.json()["error"].startswith(
                            f"job {number}: it was begun with esc10 in {job['engine']}, and it computes in {engine} here now"
                        )
                        assert client.get(f"/v1/jobs/{number}").json() == job
                job = run(client)
                assert (job["engine"], job["state"], job["goes_on"]) == (engine, "done", True)
                assert job["id"] not in known if turn == 0 else job["id"] == seen[engine]
                seen[engine] = job["id"]
    assert len(set(seen.values())) == 3


def test_a_job_that_runs_in_another_way_when_the_service_starts_again(ways, place, tmp_path):
    """It was killed, and started with another precision."""
    settings = Settings(recordings=place, state=tmp_path / "state")
    first, *_, last = ways.values()
    with TestClient(build(settings, {"esc10": first}), base_url=HERE) as client:
        job = run(client)
        client.app.state.service.store.state(job["id"], "running")
    with TestClient(build(settings, {"esc10": last}), base_url=HERE) as client:
        told = ended(client, job["id"])
        assert told["state"].startswith("failed: it was begun with esc10 in onnxruntime, float32, cpu, and it computes")
        assert "--engine and --precision" in told["state"] and told["done"] == job["done"]


def test_a_job_of_before_tells_no_engine(ways, place, tmp_path):
    """It goes on in any that computes in float32, which agree to 1e-5, and in no other precision."""
    settings = Settings(recordings=place, state=tmp_path / "state")
    exact, also, coarse = ways.values()
    with TestClient(build(settings, {"esc10": exact}), base_url=HERE) as client:
        job = run(client)
    line = sqlite3.connect(tmp_path / "state" / "serve.sqlite")
    with line:
        told = json.loads(line.execute("SELECT told FROM jobs").fetchone()[0])
        told.pop("engine")
        line.execute("UPDATE jobs SET told = ?", (json.dumps(told, sort_keys=True),))
    line.close()
    journal = tmp_path / "state" / "jobs" / str(job["id"]) / "journal.jsonl"
    head, *lines = journal.read_text().splitlines(keepends=True)
    journal.write_text(json.dumps(json.loads(head) | {"told": told}) + "\n" + "".join(lines))
    for tagger, same in ((exact, True), (also, True), (coarse, False)):
        with TestClient(build(settings, {"esc10": tagger}), base_url=HERE) as client:
            assert client.get(f"/v1/jobs/{job['id']}").json() == job | {"engine": None, "goes_on": same}
            assert (run(client)["id"] == job["id"]) is same


# ------------------------------------------------------------------------------------------------------------ notes


def listed(client: TestClient, job: int) -> dict[str, dict]:
    return {each["name"]: each for each in client.get("/v1/recordings", params={"job": job}).json()["recordings"]}


def test_what_was_done_to_the_sound_is_told_of_a_job_as_of_one_recording(esc10, doubtful, tmp_path):
    """A dead microphone is not a quiet forest: in the list, in the job's counts, in its files, also after a kill."""
    settings = Settings(recordings=doubtful, state=tmp_path / "state")
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        job = run(client)
        told = listed(client, job["id"])
        for name, each in told.items():
            answer = client.post("/v1/events", files={"file": (name, (doubtful / name).read_bytes())})
            for same in (answer, client.get(f"/v1/recordings/{each['id']}/events")):
                assert each["notes"] == json.loads(same.headers.get("Earmark-Notes", "[]")), name
        for only, wanted in {
            "silent": [name for name, each in told.items() if each["silent"]],
            "noted": [name for name, each in told.items() if each["notes"]], "heard": list(told), "waits": [], "unread": [],
        }.items():  # fmt: skip
            found = client.get("/v1/recordings", params={"job": job["id"], "only": only, "most": 1}).json()
            assert found["total"] == len(wanted) and [each["name"] for each in found["recordings"]] == wanted[:1], only
            assert "say which with job=" in client.get("/v1/recordings", params={"only": only}).json()["error"]
    for name, words in (
        ("zero", "is silent"),
        ("opposite", "cancel"),
        ("beyond", "times full scale"),
        ("dead", "channel"),
    ):
        assert any(words in note for note in told[f"{name}.wav"]["notes"]), told[f"{name}.wav"]
    assert {name: each["silent"] for name, each in told.items()} == {
        name: name in ("zero.wav", "opposite.wav") for name in told
    }
    assert told["good.wav"]["notes"] == []
    assert (job["done"], job["silent"], job["noted"]) == (5, 2, 4)
    kept = {
        each["path"]: each
        for path in (tmp_path / "state" / "jobs" / "1" / "results").iterdir()
        for each in json.loads(path.read_text())
    }
    # files are told as the library tells it, answers in the words of HTTP
    assert {name: (list(map(over_http, each["notes"])), each["silent"]) for name, each in kept.items()} == {
        name: (each["notes"], each["silent"]) for name, each in told.items()
    }
    line = sqlite3.connect(tmp_path / "state" / "serve.sqlite")
    with line:  # written down before a kill, and not yet in the store
        line.execute("DELETE FROM done")
    line.close()
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        again = run(client)
        assert again | {"seconds": 0} == job | {"seconds": 0}
        for name, each in listed(client, job["id"]).items():
            assert each | {"seconds": 0} == told[name] | {"seconds": 0}


def test_of_what_was_heard_before_notes_were_kept_nobody_says_that_there_were_none(esc10, doubtful, tmp_path):
    settings = Settings(recordings=doubtful, state=tmp_path / "state")
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        job = run(client)
    line = sqlite3.connect(tmp_path / "state" / "serve.sqlite")
    with line:
        for column in ("notes", "silent"):
            line.execute(f"ALTER TABLE done DROP COLUMN {column}")
        line.execute("PRAGMA user_version = 3")
    line.close()
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        assert client.get(f"/v1/jobs/{job['id']}").json() == job | {"silent": 0, "noted": 0}
        assert all(each["notes"] is each["silent"] is None for each in listed(client, job["id"]).values())
        shutil.copy(doubtful / "zero.wav", doubtful / "new.wav")
        again = run(client)
        assert (again["id"], again["silent"], again["noted"]) == (job["id"], 1, 1)


# --------------------------------------------------------------------------------------------------- what lies there


def test_a_state_that_was_moved_away_leaves_its_jobs(esc10, place, tmp_path):
    """Jobs that lie there are taken up by the same settings, and stand in nobody's way."""
    state = tmp_path / "state"
    settings = Settings(recordings=place, state=state)
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        first, second = (run(client, threshold=threshold) for threshold in (0.2, 0.3))
        found = client.get("/v1/jobs/2/events", params={"most": 1000}).json()["events"]
    (state / "jobs" / "7").mkdir()
    (state / "jobs" / "notes").mkdir()
    (state / "serve.sqlite").write_bytes(b"no database, of any kind")
    with pytest.raises(EarmarkError, match="Move it away: answers of reviews are in it alone"):
        build(settings, {"esc10": esc10})
    for left in state.glob("serve.sqlite*"):
        left.unlink()
    before = {path: path.read_bytes() for path in (state / "jobs" / "1").rglob("*") if path.is_file()}
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        for threshold, number in ((0.4, 8), (0.3, 2), (0.5, 9), (0.4, 8)):
            job = run(client, threshold=threshold)
            assert (job["id"], job["state"]) == (number, "done"), job
        again = client.get("/v1/jobs/2").json()
        assert (again["events"], again["done"], again["unread"]) == (second["events"], second["done"], second["unread"])
        told = client.get("/v1/jobs/2/events", params={"most": 1000}).json()["events"]
        assert [each | {"id": 0} for each in told] == [each | {"id": 0} for each in found]
    assert {path: path.read_bytes() for path in before} == before and first["id"] == 1


# ------------------------------------------------------------------------------------------------------------ damaged


@pytest.fixture
def damaged(place, clips) -> Path:
    """One that was cut off, among others; and one that is too quiet."""
    wave, rate = soundfile.read(clips[0], dtype="float32")
    soundfile.write(place / "cut.wav", wave, rate, subtype="PCM_16")
    whole = (place / "cut.wav").read_bytes()
    (place / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(place / "quiet.wav", 0.003 * wave / abs(wave).max(), rate, subtype="FLOAT")
    return place


def test_a_job_uses_what_can_be_read_and_makes_sound_louder(folder, damaged):
    """As requests of one recording do; each way is a job of its own, which goes on as it was begun."""
    names = {each["name"]: each["id"] for each in folder.get("/v1/recordings").json()["recordings"]}
    seen = {}
    for asked in ({}, {"salvage": True}, {"gain": 20}, {"gain": 20.0, "salvage": True}, {"gain": 0, "salvage": False}):
        job = run(folder, threshold=0.1, **asked)
        how = (float(asked.get("gain", 0)), asked.get("salvage", False))
        assert (job["gain"], job["salvage"]) == how and seen.setdefault(how, job["id"]) == job["id"]
        assert job["unread"] == 1 + (not how[1])
        told = listed(folder, job["id"])
        assert told["broken.wav"]["state"] == "unread"  # of which nothing can be read
        for name in ("cut.wav", "quiet.wav"):
            answer = folder.get(f"/v1/recordings/{names[name]}/events", params={"threshold": 0.1, **asked})
            if answer.status_code == 422:
                assert told[name]["error"] == answer.json()["error"], told[name]
                assert told[name]["error"].endswith("to work with the part that is there, ask with salvage=true")
                continue
            assert told[name]["notes"] == json.loads(answer.headers.get("Earmark-Notes", "[]"))
            found = folder.get(f"/v1/jobs/{job['id']}/events", params={"recording": names[name], "most": 1000}).json()
            found = sorted(found["events"], key=lambda each: (each["onset"], each["tag"]))
            wanted = sorted(answer.json()[0]["events"], key=lambda each: (each["onset"], each["label"]))
            assert [each["tag"] for each in found] == [each["label"] for each in wanted]
            assert [each["score"] for each in found] == pytest.approx([each["score"] for each in wanted], abs=1e-5)
    assert len(set(seen.values())) == len(seen) == 4
    again = folder.post(f"/v1/jobs/{seen[20.0, True]}/retry").json()
    assert ended(folder, again["id"])["unread"] == 1  # with its own salvage
    for asked in ({"gain": 201}, {"gain": "loud"}, {"salvage": 3}):
        assert folder.post("/v1/jobs", json=asked).status_code == 422


def test_a_job_goes_on_by_its_own_rules(folder, clips, place):
    """With what is new, and no more: what could not be read waits for a retry. Without rules the tagger's own are asked for, of another."""
    own, usual = run(folder, threshold=0.1), run(folder)
    assert own["usual"] is False and usual["usual"] is True and own["id"] != usual["id"]
    assert run(folder, threshold=0.5)["usual"] is (set(usual["rules"]["thresholds"].values()) == {0.5})
    shutil.copy(clips[0], place / "new.ogg")
    went_on = ended(folder, folder.post(f"/v1/jobs/{own['id']}/resume").json()["id"])
    assert (went_on["id"], went_on["done"], went_on["unread"]) == (own["id"], own["done"] + 1, own["unread"])
    assert went_on["rules"] == own["rules"] and went_on["usual"] is False
    assert folder.get(f"/v1/jobs/{usual['id']}").json()["done"] == usual["done"]  # which nobody asked for
    assert listed(folder, own["id"])["new.ogg"]["state"] == "heard"
    assert folder.post("/v1/jobs/99/resume").status_code == 404


def test_what_is_said_over_http_names_no_option_of_the_command_line(folder, damaged, doubtful):
    """In refusals, notes, lists and live lines alike, of every kind of recording about which there is something to say."""
    for path in doubtful.iterdir():
        shutil.copy(path, damaged)
    soundfile.write(damaged / "nan.wav", np.full(32_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    job = run(folder, threshold=0.1)
    said = {name: [each["error"], *(each["notes"] or [])] for name, each in listed(folder, job["id"]).items()}
    for each in folder.get("/v1/recordings").json()["recordings"]:
        scores = folder.get(f"/v1/recordings/{each['id']}/scores").json()
        said[each["name"]] += [scores.get("error"), *scores.get("notes", [])]
        path = damaged / each["name"]
        sent = folder.post("/v1/tags", files={"file": (each["name"], path.read_bytes())})
        said[each["name"]] += [sent.headers.get("Earmark-Notes"), sent.text]
    for sound in (np.full(8000, np.nan), np.zeros(8000), np.full(8000, 3e4), 1e-3 * np.sin(np.arange(8000) / 5)):
        with folder.websocket_connect("ws://localhost/v1/live") as line:
            line.send_text(json.dumps({"rate": 16_000}))
            line.send_bytes(sound.astype("<f4").tobytes() + b"x")
            line.send_text("end")
            while "notes" not in (told := json.loads(line.receive_text())) and "error" not in told:
                continue
            said.setdefault("live", []).append(json.dumps(told))
    texts = [text for each in said.values() for text in each if text]
    assert len(texts) > 30
    for text in texts:
        assert not re.search(r"(?<!\w)--[a-z]|True|\w+=\)", text), text
    every = " ".join(texts).lower()
    for words in ("ask with salvage=true", "or ask with a gain", "raise it (gain=", "send one of them alone"):
        assert words in every, words


def test_live_sound_takes_what_recordings_take(service):
    heard = []
    for query, wanted in (("", "error"), ("?salvage=true", "notes"), ("?salvage=true&gain=6", "notes")):
        with service.websocket_connect(f"ws://localhost/v1/live{query}") as line:
            line.send_text(json.dumps({"rate": 16_000}))
            line.send_bytes(np.array([np.nan, *(0.1 * np.sin(np.arange(8000)))], "<f4").tobytes())
            line.send_text("end")
            while not {"notes", "error"} & set(told := json.loads(line.receive_text())):
                continue
            assert wanted in told, (query, told)
            heard.append(told.get("tags"))
    assert heard[0] is None and heard[1] != heard[2]
