"""A disk that is full, cannot be written or fails: it is told in words, and nothing of the service is dead once it is well again."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.process import serving
from tests.serve.test_folder import ended, run

from earmark.serve import disks, jobs, uploads
from earmark.serve.app import build
from earmark.serve.left import LOCK
from earmark.serve.settings import Settings
from earmark.serve.store import Store


def of_store(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(errno.ENOSPC, "No space left"), "is full: make room"), (OSError(errno.EDQUOT, "Quota"), "is full: make room"),
     (OSError(errno.EROFS, "Read-only"), "cannot be written (Read-only)"), (OSError(errno.EIO, "I/O"), "fails (I/O)"),
     (OSError(errno.EMFILE, "Too many"), "too many files open"), (OSError(errno.ENOENT, "No such file"), None),
     (of_store(sqlite3.SQLITE_FULL), "is full: make room"), (of_store(sqlite3.SQLITE_READONLY_DBMOVED), "cannot be written"),
     (of_store(sqlite3.SQLITE_IOERR_WRITE), "fails (database"), (of_store(sqlite3.SQLITE_BUSY_SNAPSHOT), "another program holds"),
     (of_store(sqlite3.SQLITE_CORRUPT), "is damaged"), (of_store(sqlite3.SQLITE_ERROR), None), (sqlite3.ProgrammingError("x"), None)],
)  # fmt: skip
def test_what_is_told_of_a_disk(error, words):
    told = disks.told(error, "the disk")
    assert told is None if words is None else words in told


@pytest.fixture
def client(esc10, place, tmp_path):
    settings = Settings(recordings=place, state=tmp_path / "state")
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE, raise_server_exceptions=False) as line:
        yield line


@contextmanager
def unwritten(client: TestClient):
    """While the disk takes nothing that the store writes."""
    line = client.app.state.service.store._line
    line.execute("PRAGMA query_only = ON")
    yield
    line.execute("PRAGMA query_only = OFF")


def test_requests_while_nothing_can_be_kept(client):
    """Whatever is asked, and that it is not a mistake of the service."""
    job = run(client, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    events = [each["id"] for each in client.get(f"{at}/events").json()["events"]]
    right = {"event": events[0], "answer": "right"}
    assert client.post(f"{at}/reviews", json=right).status_code == 201
    values = {"job": job["id"], "id": client.get("/v1/recordings").json()["recordings"][0]["id"], "number": 1}
    seen = {}
    with unwritten(client):
        for path, told in client.get("/openapi.json").json()["paths"].items():
            for method in told:
                body = {"event": events[-1], "answer": "right"} if path.endswith("/reviews") else {"threshold": 0.2}
                kinds = told[method].get("requestBody", {}).get("content", {})
                more = {"json": body if "Said" in str(kinds) or "JobAsked" in str(kinds) else {}} if kinds else {}
                answer = client.request(method.upper(), path.format(**values), **more)
                seen[f"{method} {path}"] = answer.status_code
                assert answer.status_code != 500, (method, path, answer.text)
                if answer.status_code == 503:
                    assert answer.json()["error"].startswith(f"{disks.STATE} cannot be written"), answer.text
                    assert answer.headers["retry-after"] == "30"
        assert client.get(at).json() == job
    refused = {path for path, status in seen.items() if status == 503}
    assert refused == {
        "post /v1/jobs", "post /v1/jobs/{job}/resume", "post /v1/jobs/{job}/retry",
        "post /v1/jobs/{job}/reviews", "delete /v1/jobs/{job}/reviews/last",
    }  # fmt: skip
    assert client.post(f"{at}/reviews", json=right).status_code == 201
    assert run(client, threshold=0.1) == job


@pytest.mark.parametrize("what", ["heard", "journal"])
def test_jobs_outlive_a_full_disk(client, monkeypatch, what):
    """The state that a job came to is told though it cannot be kept, is kept once it can, and jobs go on."""
    monkeypatch.setattr(jobs, "AGAIN", 0.02)
    service, full = client.app.state.service, threading.Event()
    full.set()

    def none_while_full(plain, error):
        def write(*values, **options):
            if full.is_set():
                raise error
            return plain(*values, **options)

        return write

    missing = OSError(errno.ENOSPC, "No space left on device", str(service.jobs.folder / "1" / "journal.jsonl"))
    monkeypatch.setattr(service.store, "state", none_while_full(service.store.state, of_store(sqlite3.SQLITE_FULL)))
    if what == "heard":
        write = none_while_full(service.store.heard, of_store(sqlite3.SQLITE_FULL))
        monkeypatch.setattr(service.store, "heard", write)
    else:
        monkeypatch.setattr(jobs.Journal, "_append", none_while_full(jobs.Journal._append, missing))
    for threshold in (0.3, 0.4):  # the thread goes on with the next
        job = run(client, threshold=threshold)
        assert job["state"] == f"failed: {disks.STATE} is full: make room there, then ask again"
        assert client.post(f"/v1/jobs/{job['id']}/stop").json() == job  # the reason stays
    assert client.get("/readyz").json()["status"] == "ok"
    kept = [row["state"] for row in service.store.rows("SELECT state FROM jobs ORDER BY id")]
    assert kept == ["running", "running"]
    full.clear()
    until = time.monotonic() + 60
    while "running" in kept:
        assert time.monotonic() < until
        time.sleep(0.02)
        kept = [row["state"] for row in service.store.rows("SELECT state FROM jobs ORDER BY id")]
    assert kept == [job["state"]] * 2
    again = run(client, threshold=0.4)
    assert (again["id"], again["state"], again["done"]) == (job["id"], "done", job["total"])


def test_a_job_that_is_stopped_while_nothing_can_be_kept(client, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(client.app.state.service.jobs, "_run", lambda job, task: go.wait(60) and task.look())
    job = client.post("/v1/jobs", json={}).json()["id"]
    with unwritten(client):
        assert client.post(f"/v1/jobs/{job}/stop").json()["state"] == "stopped"
        go.set()
    monkeypatch.undo()
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "stopped"
    assert run(client)["state"] == "done"


@pytest.mark.parametrize("state", ["done", "stopped", "failed: a reason that nobody should lose"])
def test_a_job_that_does_not_run_is_not_stopped(client, state):
    job = run(client)
    client.app.state.service.store.state(job["id"], state)
    told = client.post(f"/v1/jobs/{job['id']}/stop")
    assert told.status_code == 200 and told.json() == job | {"state": state}
    assert client.get(f"/v1/jobs/{job['id']}").json() == told.json()


def test_a_store_that_took_no_write_is_tried_again_and_only_then(tmp_path):
    """Not written where nothing failed; told as long as it fails; and well again without a request that writes."""
    store = Store(tmp_path)
    places = disks.Places({disks.STATE: tmp_path}, store.try_again)
    changes = store._line.total_changes
    assert places.look() is None and store._line.total_changes == changes
    store._line.execute("PRAGMA query_only = ON")
    assert places.look() is None  # which nobody knows yet
    with pytest.raises(sqlite3.OperationalError):
        store.state(1, "done")
    for _ in range(2):
        assert places.look().startswith(f"{disks.STATE} cannot be written")
    store._line.execute("PRAGMA query_only = OFF")
    assert places.look() is None and store._line.total_changes == changes + 1
    assert places.look() is None and store._line.total_changes == changes + 1
    store.close()


@pytest.mark.parametrize(
    ("free", "access", "told"),
    [(disks.ROOM - 1, True, "is full: make room"), (disks.ROOM, False, "cannot be written"), (disks.ROOM, True, None)],
)
def test_a_disk_that_would_take_nothing_is_told_before_anybody_asks(free, access, told, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2 * free, free, free))
    monkeypatch.setattr(os, "access", lambda *_: access)
    settings = Settings(recordings=tmp_path, state=tmp_path / "state")
    with TestClient(build(settings, {"t": None}), base_url=HERE) as client:
        ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == ((200, "ok") if told is None else (503, "failing"))
    assert told is None or ready.json()["told"].startswith(f"{disks.STATE} {told}"), ready.text


def test_a_disk_that_hangs_is_told_and_holds_one_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(disks, "PATIENCE", 0.01)
    go, looks = threading.Event(), []
    places = disks.Places({disks.STATE: tmp_path}, lambda: looks.append(go.wait(60)))

    async def asked() -> list[str | None]:
        told = [await places.wrong(), await places.wrong()]
        go.set()
        while looks == []:
            await asyncio.sleep(0.001)
        monkeypatch.setattr(disks, "PATIENCE", 60)
        return [*told, await places.wrong()]

    hung, still, well = asyncio.run(asked())
    assert hung == still == f"{disks.STATE} does not answer: see that it is there and sound"
    assert well is None and len(looks) in (1, 2)


def test_a_thread_that_ended_is_told(client):
    service = client.app.state.service
    assert client.get("/readyz").status_code == 200
    service.jobs._todo.put(None)
    service.jobs._thread.join(30)
    told = client.get("/readyz")
    assert told.status_code == 503 and told.json()["status"] == "failing"
    assert "the thread of jobs over the folder has ended" in told.json()["told"]


def test_what_could_not_be_written_leaves_the_store_open(tmp_path):
    """Also where that shows at its very end only."""
    store = Store(tmp_path)
    store._line.execute("PRAGMA foreign_keys = ON")

    def late() -> None:
        with store.writing() as line:
            line.execute("PRAGMA defer_foreign_keys = ON")
            line.execute("INSERT INTO done (job, recording) VALUES (99, 'a.wav')")

    def taken_back() -> None:
        with store.writing() as line:
            line.execute("ROLLBACK")  # as SQLite does by itself where the disk is full
            raise of_store(sqlite3.SQLITE_FULL)

    with pytest.raises(sqlite3.IntegrityError):
        late()
    with pytest.raises(sqlite3.OperationalError, match="is full"):
        taken_back()
    assert store.job({}, "t") == 1 and store.rows("SELECT * FROM done") == []
    store.close()


def test_an_upload_for_which_there_is_no_room(client, tone, monkeypatch):
    """Nothing of it stays, and what is held is counted as before."""
    plain = uploads.tempfile.NamedTemporaryFile

    def full(**options):
        file = plain(**options)
        monkeypatch.setattr(file, "flush", lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")), False)
        return file

    monkeypatch.setattr(uploads.tempfile, "NamedTemporaryFile", full)
    answer = client.post("/v1/tags", content=tone.read_bytes()[:4000])
    assert answer.status_code == 503
    assert answer.json() == {"error": "a disk of the service is full: make room there, then ask again"}
    spool = client.app.state.service.spool
    assert spool.bytes == 0 and [file.name for file in spool.folder.iterdir()] == [LOCK]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="limits of another process are Linux's")
def test_a_process_whose_disk_takes_nothing(place, tmp_path):
    """As the system says it, in files and database alike, until it takes something again."""
    import resource

    with serving("--recordings", place, "--state", tmp_path / "state") as service:
        job = run(service.client, threshold=0.1)
        before = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, before[1]))
        event = service.client.get(f"/v1/jobs/{job['id']}/events").json()["events"][0]["id"]
        said = {"event": event, "answer": "right"}
        refused = service.client.post(f"/v1/jobs/{job['id']}/reviews", json=said)
        assert refused.status_code == 503 and refused.json()["error"].startswith(f"{disks.STATE} "), refused.text
        assert service.client.post("/v1/jobs", json={"threshold": 0.2}).status_code == 503
        ready = service.client.get("/readyz")
        assert ready.status_code == 503 and ready.json()["told"].startswith(f"{disks.STATE} "), ready.text
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, before)
        assert service.client.get("/readyz").status_code == 200
        assert service.client.post(f"/v1/jobs/{job['id']}/reviews", json=said).status_code == 201
        shutil.copy(next(place.rglob("*.ogg")), place / "new.ogg")
        told = service.client.post("/v1/jobs", json={"threshold": 0.1}).json()
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, before[1]))
        failed = ended(service.client, told["id"])
        if failed["state"] != "done":  # it may have been faster
            assert failed["state"].startswith(f"failed: {disks.STATE} "), failed
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, before)
        assert service.client.get("/readyz").status_code == 200
        again = run(service.client, threshold=0.1)
        assert (again["id"], again["state"], again["done"]) == (job["id"], "done", job["done"] + 1)
