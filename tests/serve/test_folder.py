"""A folder of recordings: only what is below it can be reached; jobs and answers outlive the service, however it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.program import earmark
from tests.serve.conftest import HERE

from earmark.errors import EarmarkError
from earmark.evaluation.reviews import answers
from earmark.events import EventRules
from earmark.scores import Event
from earmark.serve import judging
from earmark.serve.app import build
from earmark.serve.listing import id_of
from earmark.serve.settings import Settings
from earmark.serve.store import Store, started


def run(client, **asked) -> dict:
    """A job's end."""
    told = client.post("/v1/jobs", json=asked)
    assert told.status_code == 202, told.text
    return ended(client, told.json()["id"])


def ended(client, number: int) -> dict:
    """A job once it runs no more."""
    until = time.monotonic() + 120
    while (job := client.get(f"/v1/jobs/{number}").json())["state"] == "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    return job


def test_a_name_that_is_no_text_is_one_that_cannot_be_read(esc10, clips, tmp_path):
    """No answer and no database could tell it: the others are heard, and whoever asks is told the way out."""
    root = tmp_path / "recordings"
    root.mkdir()
    for name in ("A.ogg", os.fsdecode(b"M\xfccke.ogg"), "z.ogg"):
        shutil.copy(clips[0], root / name)
    shown, way_out = (
        r"M\xfccke.ogg",
        "its name is not UTF-8 (byte 0xFC), so that no file of results could tell it. Rename it",
    )
    with TestClient(
        build(Settings(recordings=root, state=tmp_path / "state"), {"esc10": esc10}), base_url=HERE
    ) as client:
        assert [each["name"] for each in client.get("/v1/recordings").json()["recordings"]] == ["A.ogg", shown, "z.ogg"]
        for _ in range(2):  # the same job again goes on
            job = run(client, threshold=0.01)
            assert (job["state"], job["total"], job["done"], job["unread"]) == ("done", 3, 3, 1) and job["events"]
        told = client.get("/v1/recordings", params={"job": job["id"]}).json()["recordings"]
        assert [(each["name"], each["state"]) for each in told] == [
            ("A.ogg", "heard"),
            (shown, "unread"),
            ("z.ogg", "heard"),
        ]
        assert told[1]["error"] == f"{shown}: {way_out}"
        asked = (*(f"/v1/recordings/{told[1]['id']}{what}" for what in ("", "/peaks", "/events", "/scores", "/audio")),)
        for place in asked:
            refused = client.get(place)
            assert refused.status_code == 422 and refused.json()["error"] == f"{shown}: {way_out}", place
        found = client.get(f"/v1/jobs/{job['id']}/events", params={"recording": told[1]["id"]}).json()
        assert found == {"total": 0, "events": []}
        assert client.get(f"/v1/jobs/{job['id']}/table").content.decode().startswith("filename,")


def test_only_what_is_below_the_folder(folder, place, clips):
    told = folder.get("/v1/recordings").json()
    names = {each["name"]: each for each in told["recordings"]}
    assert set(names) == {"broken.wav", *(f"site 1/A_20260514_{4 + n:02}3000{p.suffix}" for n, p in enumerate(clips))}
    assert "1 hidden" in told["passed_over"]
    assert (
        "2 recordings behind links that lead out of the folder or nowhere, such as out.ogg: put" in told["passed_over"]
    )
    for name in (
        "out.ogg",
        "away/deep.ogg",
        "../secret.ogg",
        "notes.txt",
        ".hidden.wav",
        str(place.parent / "secret.ogg"),
    ):
        assert folder.get(f"/v1/recordings/{id_of(name)}").status_code == 404, name
    for path in ("..%2fsecret.ogg", "%2fetc%2fpasswd", "..", "%00", "site 1"):
        assert folder.get(f"/v1/recordings/{path}/audio").status_code in (404, 422), path


def test_what_becomes_a_link_later_is_not_followed(folder, place):
    (known,) = [each for each in folder.get("/v1/recordings").json()["recordings"] if "043000" in each["name"]]
    assert folder.get(f"/v1/recordings/{known['id']}/peaks").status_code == 200
    (place / known["name"]).unlink()
    (place / known["name"]).symlink_to(place.parent / "secret.ogg")
    assert folder.get(f"/v1/recordings/{known['id']}/peaks").status_code == 404


def test_a_recording_of_the_folder_is_never_deleted(folder, place):
    known = folder.get("/v1/recordings").json()["recordings"][-1]
    answer = folder.delete(f"/v1/recordings/{known['id']}")
    assert answer.status_code == 404 and (place / known["name"]).is_file()


def test_a_job_finds_what_the_command_finds(folder, place, clips):
    job = run(folder, threshold=0.3)
    assert (job["state"], job["done"], job["unread"], job["total"]) == ("done", len(clips) + 1, 1, len(clips) + 1)
    at = f"/v1/jobs/{job['id']}"
    names = [each["name"] for each in folder.get("/v1/recordings").json()["recordings"] if each["name"] != "broken.wav"]
    printed = earmark("events", *names, "--threshold", "0.3", "--json", cwd=place)
    by_command = {each["path"]: each["events"] for each in json.loads(printed.stdout)}
    by_service = {
        Path(each["path"]).name: each["events"] for each in folder.get(f"{at}/table", params={"format": "json"}).json()
    }
    assert by_service == by_command
    all_of_them = folder.get(f"{at}/events", params={"most": 1000}).json()
    assert all_of_them["total"] == job["events"] == sum(map(len, by_command.values())) > 0
    counts = folder.get(f"{at}/counts").json()
    assert counts["by"] == "clock" and counts["hours"] == list(range(24))
    wanted: dict[tuple[str, int], int] = {}
    for name, events in by_command.items():
        for event in events:
            key = event["label"], int(name.split("_")[2][:2])
            wanted[key] = wanted.get(key, 0) + 1
    assert {(row["tag"], hour): n for row in counts["rows"] for hour, n in enumerate(row["counts"]) if n} == wanted
    (tag, hour), many = next(iter(wanted.items()))
    cell = folder.get(f"{at}/events", params={"tag": tag, "hour": hour}).json()
    assert cell["total"] == many and {event["tag"] for event in cell["events"]} == {tag}
    files = folder.get("/v1/recordings", params={"job": job["id"], "name": "BROKEN"}).json()["recordings"]
    assert [(each["state"], each["error"][:12]) for each in files] == [("unread", "broken.wav: ")]


def test_the_same_settings_go_on_with_what_is_new(folder, place, clips):
    job = run(folder)
    shutil.copy(clips[0], place / "new.ogg")
    again = run(folder)
    assert (again["id"], again["done"]) == (job["id"], job["done"] + 1)
    assert run(folder, threshold=0.9)["id"] != job["id"]


def test_a_job_that_was_killed_goes_on(esc10, place, tmp_path, clips):
    """What the journal has and the store has not, as after a kill between the two, is taken in; the rest is heard."""
    settings = Settings(recordings=place, state=tmp_path / "state")
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        job = run(client)
        events = client.get(f"/v1/jobs/{job['id']}/events").json()
    line = sqlite3.connect(tmp_path / "state" / "serve.sqlite")
    with line:
        line.execute("DELETE FROM done WHERE recording LIKE '%043000%' OR recording LIKE '%broken%'")
        line.execute("DELETE FROM events WHERE recording LIKE '%043000%'")
        line.execute("UPDATE jobs SET state = 'running'")
    line.close()
    journal = tmp_path / "state" / "jobs" / str(job["id"]) / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(clips) + 2
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # its last line was being written
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        until = time.monotonic() + 60
        while client.get(f"/v1/jobs/{job['id']}").json()["state"] == "running":
            assert time.monotonic() < until
            time.sleep(0.05)
        after = client.get(f"/v1/jobs/{job['id']}/events").json()
        told = client.get(f"/v1/jobs/{job['id']}").json()
    for each in (*events["events"], *after["events"]):
        each.pop("id")
    assert after == events and (told["done"], told["unread"]) == (job["done"], 1)


def test_a_job_can_be_stopped(folder):
    job = folder.post("/v1/jobs", json={}).json()
    assert folder.post(f"/v1/jobs/{job['id']}/stop").json()["state"] == "stopped"
    assert run(folder)["state"] == "done"


def test_one_service_has_the_state(esc10, place, folder, tmp_path):
    with pytest.raises(EarmarkError, match="another process is at work on this state of a service"):
        Store(tmp_path / "state")


def test_a_service_without_a_folder(service):
    for path in ("/v1/recordings", "/v1/jobs", "/v1/jobs/1/counts"):
        answer = service.get(path)
        assert answer.status_code == 404 and "start it with --recordings FOLDER" in answer.json()["error"]


@pytest.mark.parametrize(
    ("name", "hour"),
    [("20260514_053000.wav", 5), ("x/AM01_20260514T235959Z.flac", 23), ("S4A01-20260514-000000.wav", 0), ("dog.ogg", None),
     ("20261399_053000.wav", None), ("120260514_053000.wav", None), ("20260514_250000.wav", None), ("20260514_053000/dog.ogg", None)],
)  # fmt: skip
def test_times_in_names(name, hour):
    assert getattr(started(name), "hour", None) == hour


# ------------------------------------------------------------------------------------------------------------ review


def test_answers_are_kept_and_taken_back(folder, tmp_path):
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    seen = []
    for said in ("right", "wrong", "other", "unsure"):
        told = folder.get(f"{at}/next").json()
        assert told["left"] == job["events"] - len(seen)
        seen.append(told["event"])
        answer = {"event": told["event"]["id"], "answer": said, "drawn": told["drawn"]} | (
            {"other": "wren"} if said == "other" else {}
        )
        assert folder.post(f"{at}/reviews", json=answer).status_code == 201
    assert len({event["id"] for event in seen}) == 4
    table = list(csv.DictReader(io.StringIO(folder.get(f"{at}/reviews").text)))
    assert [(row["answer"], row["right_tag"], row["tag"]) for row in table] == [
        (said, "wren" if said == "other" else "", event["tag"])
        for said, event in zip(("right", "wrong", "other", "unsure"), seen, strict=True)
    ]
    (tmp_path / "answers.csv").write_text(folder.get(f"{at}/reviews").text)
    read = answers.read(tmp_path / "answers.csv")  # as `earmark review` and trainings read it
    assert [each.answer for each in read] == ["right", "wrong", "other", None] and read[2].truth.tag == "wren"
    assert [each.picked.event.onset for each in read] == [event["onset"] for event in seen]
    figures = folder.get(f"{at}/figures").json()
    assert (figures["asked"], figures["right"], figures["judged"]) == (4, 1, 3)
    back = folder.delete(f"{at}/reviews/last").json()
    assert back["event"] == seen[-1]
    assert folder.get(f"{at}/figures").json()["asked"] == 3
    for _ in range(3):
        folder.delete(f"{at}/reviews/last")
    assert folder.delete(f"{at}/reviews/last").json() == dict.fromkeys(("event", "drawn", "onset", "offset"))


def test_answers_that_are_none(folder):
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    event = folder.get(f"{at}/next").json()["event"]["id"]
    for said, status in (
        ({"event": event, "answer": "other"}, 422), ({"event": event, "answer": "right", "other": "x"}, 422),
        ({"event": 10**9, "answer": "right"}, 404), ({"event": event, "answer": "maybe"}, 422), ({"event": event}, 422),
    ):  # fmt: skip
        assert folder.post(f"{at}/reviews", json=said).status_code == status
    assert folder.post("/v1/jobs/99/reviews", json={"event": 1, "answer": "right"}).status_code == 404
    assert folder.get("/v1/jobs/99/next").status_code == 404


@pytest.fixture
def many(tmp_path):
    """A thousand events of which those with a score above 0.7 are right."""
    store = Store(tmp_path)
    store._line.execute("PRAGMA synchronous=OFF")  # nothing is lost here if the power is
    job = store.job({"x": 1}, "t")
    for number in range(250):
        store.heard(
            job, f"{number}.wav", 60.0, [Event(i, i + 1, "dog", (number * 4 + i + 0.5) / 1000) for i in range(4)]
        )
    yield store, job
    store.close()


def judge(store, job, count: int) -> dict[str, int]:
    drawn: dict[str, int] = {}
    for _ in range(count):
        event, _ = judging.following(store, job, "dog", "mixed")
        judging.answer(store, event, "right" if event["score"] > 0.7 else "wrong", "", event["drawn"])
        drawn[event["drawn"]] = drawn.get(event["drawn"], 0) + 1
    return drawn


def test_precision_is_of_those_drawn_by_chance(many):
    """Half of those that are asked of are the surest, all right: the precision must not be theirs, but 0.3."""
    store, job = many
    assert judge(store, job, 400) == {"surest": 200, "random": 100, "doubtful": 100}
    told = judging.figures(store, job, "dog")
    assert told["right"] / told["judged"] > 0.5
    # by their scores some 330 to 370 are chosen, and 30 to 70 of the 630 to 670 others were drawn, a tenth of which is right: a
    # deviation of 0.65 · sqrt(0.1 · 0.9 / 30) = 0.036 of the whole; five of them. Of all answers more than half are right
    assert 20 < told["sample"] < 80 and abs(told["precision"] - 0.3) < 0.18
    assert told["low"] < 0.3 < told["high"]
    judge(store, job, 600)
    told = judging.figures(store, job, "dog")
    assert (told["judged"], told["precision"]) == (1000, 0.3)  # all of them
    assert judging.following(store, job, "dog", "mixed") == (None, 0)


def test_orders(many):
    store, job = many
    assert judging.following(store, job, None, "surest")[0]["score"] == 0.9995
    assert judging.following(store, job, None, "doubtful")[0]["score"] == 0.0005
    first = judging.following(store, job, None, "surest")[0]
    judging.answer(store, first, "right", "", "surest")
    assert judging.following(store, job, None, "surest")[0]["recording"] != first["recording"]


def test_hours_are_of_the_event_not_of_its_recording(tmp_path):
    store = Store(tmp_path)
    job = store.job({}, "t")
    store.heard(
        job,
        "A_20260514_233000.wav",
        7200.0,
        [Event(0, 1, "owl", 0.9), Event(1800, 1801, "owl", 0.9), Event(5400, 5401, "owl", 0.9)],
    )
    assert [(row["clock"], row["hour"]) for row in store.rows("SELECT * FROM events ORDER BY onset")] == [
        (23, 0),
        (0, 0),
        (1, 1),
    ]
    store.close()


def test_a_state_that_is_none(tmp_path):
    (tmp_path / "serve.sqlite").write_bytes(os.urandom(8192))
    with pytest.raises(EarmarkError, match="cannot be read as the state of a service"):
        Store(tmp_path)


def test_a_name_that_nothing_has_is_told(folder):
    """Wherever a job, a tag or a recording is named; a tag that the tagger knows and never told is no such name."""
    job = run(folder, threshold=0.3)
    at, many = f"/v1/jobs/{job['id']}", {"most": 1000}
    silent = next(
        iter({*job["rules"]["thresholds"]} - {row["tag"] for row in folder.get(f"{at}/counts").json()["rows"]})
    )
    seen = 0
    for path, told in folder.get("/openapi.json").json()["paths"].items():
        names = {each["name"] for each in told.get("get", {}).get("parameters", ())}
        if not path.startswith(("/v1/jobs", "/v1/recordings")) or path.startswith("/v1/recordings/{id}"):
            continue
        here, needed = path.format(job=job["id"]), {"tag": "dog"} if path.endswith("examples") else {}
        for name, value, way_out in (
            ("job", 999, "job 999: there is none of this number"),
            ("tag", "dgo", f"dgo: job {job['id']} knows no such tag, did you mean 'dog'? Known: "),
            ("recording", "zzz", "zzz: no such recording here"),
        ):
            if name in names and "{" + name + "}" in path:
                answer = folder.get(path.format(job=value), params=needed)
            elif name in names:
                answer = folder.get(here, params=needed | {name: value})
                if name == "tag":
                    assert folder.get(here, params={"tag": silent}).status_code == 200, path
            else:
                continue
            assert answer.status_code == 404 and answer.json()["error"].startswith(way_out), (path, name, answer.text)
            seen += 1
    assert seen >= 11
    event = folder.get(f"{at}/events", params=many).json()["events"][0]
    assert folder.get(f"{at}/events", params=many | {"recording": event["recording"]}).json()["total"] > 0
    folder.post(f"{at}/reviews", json={"event": event["id"], "answer": "other", "other": "wren"})
    assert folder.get(f"{at}/examples", params={"tag": "wren"}).json()["examples"][0]["name"] == event["name"]


def test_what_could_not_be_read_is_tried_again_when_asked(folder, place, clips, monkeypatch):
    """A recording that is as it was is not heard again by itself, though it could be read by now."""
    from earmark.inference import candidates

    hear, asked = candidates.hear, []
    monkeypatch.setattr(candidates, "hear", lambda tagger, sounds, *more, **options: (
        asked.append([str(each.path) for each in sounds]), hear(tagger, sounds, *more, **options))[1])  # fmt: skip
    job = run(folder, threshold=0.3)
    assert job["unread"] == 1
    status = (place / "broken.wav").stat()
    sound = (place / "site 1" / f"A_20260514_043000{clips[0].suffix}").read_bytes()
    (place / "broken.wav").write_bytes(b"RIFF" + bytes(9))
    os.utime(place / "broken.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run(folder, threshold=0.3) == job and asked[1:] == [[]]
    assert run(folder, threshold=0.3, retry=True) == job and asked[2:] == [["broken.wav"]]
    assert run(folder, threshold=0.3) == job and asked[3:] == [[]]  # once
    told = folder.post(f"/v1/jobs/{job['id']}/retry")
    assert told.status_code == 202 and told.json()["id"] == job["id"]  # with its own rules
    assert ended(folder, job["id"]) == job and asked[4:] == [["broken.wav"]]
    assert folder.post("/v1/jobs/99/retry").status_code == 404
    (place / "broken.wav").write_bytes(sound)
    os.utime(place / "broken.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run(folder, threshold=0.3, retry=True)["unread"] == 0
    assert folder.post("/v1/jobs", json={"retry": "perhaps"}).status_code == 422


def test_a_job_that_runs_is_not_asked_to_try_again(folder, monkeypatch):
    go = threading.Event()
    jobs = folder.app.state.service.jobs
    monkeypatch.setattr(jobs, "_run", lambda job, task: go.wait(60))
    try:
        job = folder.post("/v1/jobs", json={}).json()["id"]
        told = folder.post("/v1/jobs", json={"retry": True})
        assert told.status_code == 422 and f"job {job} runs: wait for it, or stop it" in told.json()["error"]
        assert folder.post(f"/v1/jobs/{job}/retry").json()["error"] == told.json()["error"]
        assert folder.post("/v1/jobs", json={}).json()["id"] == job
    finally:
        go.set()


def test_a_job_that_is_begun_again_at_its_very_end_is_run_again(folder, monkeypatch):
    """Whoever sees that it is done may begin it at once: it is not left as one that runs for ever."""
    service = folder.app.state.service
    state, begun, runs = service.store.state, [], []
    rules = EventRules.alike(service.taggers["esc10"].vocabulary)

    def told(job: int, now: str) -> None:
        state(job, now)
        if now == "done" and not begun:
            begun.append(threading.Thread(target=service.jobs.begin, args=("esc10", rules)))
            begun[0].start()
            begun[0].join(0.3)  # at most; where it waits for what comes after this, it need not

    monkeypatch.setattr(service.store, "state", told)
    monkeypatch.setattr(service.jobs, "_run", lambda job, task: runs.append(job))
    job = service.jobs.begin("esc10", rules)
    until = time.monotonic() + 30
    while len(runs) < 2 or folder.get(f"/v1/jobs/{job}").json()["state"] != "done":
        assert time.monotonic() < until
        time.sleep(0.02)
    begun[0].join()
