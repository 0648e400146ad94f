"""Jobs over a folder: each is computed in one way, and tells what it heard; none is lost by what happens to disks and settings."""

from __future__ import annotations

import json
import sqlite3

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.test_folder import ended, run

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
