"""Jobs over a folder: each is computed in one way, and tells what it heard; none is lost by what happens to disks and settings."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.test_folder import ended, run

from earmark.errors import EarmarkError
from earmark.models import loading
from earmark.serve.app import build
from earmark.serve.settings import Settings


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
    assert {name: (each["notes"], each["silent"]) for name, each in kept.items()} == {
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
