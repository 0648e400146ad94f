"""Results and jobs in a store: the bytes are those of the disk, whatever is killed, refused or done by two at once."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.program import earmark

from earmark.cli.terminal.jobs import Job
from earmark.files import intact, mirror, progressed, putting, stores
from earmark.files.stores import Stored, place

WORDS = ("--tagger", "digits", "--format", "csv", "--batch", "1")


@pytest.fixture
def clips(disk) -> Path:
    return disk / "a"


@pytest.fixture
def bucket(there, monkeypatch, tmp_path) -> str:
    """A folder of the store for a test, and one of this machine for its jobs."""
    monkeypatch.setenv("EARMARK_JOBS", str(tmp_path / "here"))
    digest = hashlib.sha256(os.environ["PYTEST_CURRENT_TEST"].encode()).hexdigest()[:8]
    return f"s3://bucket/{digest}"


def on_another_machine(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("EARMARK_JOBS", str(tmp_path / f"other-{time.monotonic_ns()}"))


def held(uri: str) -> dict[str, bytes]:
    stores.LISTED.clear()
    found = place(uri)
    assert isinstance(found, Stored)
    return {name: (found / name).read_bytes() for name, _ in found.walk_files()} if found.exists() else {}


def test_what_options_write_is_that_of_the_disk(bucket, clips, tmp_path):
    told = []
    for root in (tmp_path / "disk", bucket):
        made = earmark("tag", clips, *WORDS, "--out", f"{root}/tags.csv", "--windows", f"{root}/windows.parquet")
        assert made.returncode == 0, made.stderr
        made = earmark("events", clips, "--tagger", "digits", "--out", f"{root}/heard.csv")
        assert made.returncode == 0, made.stderr
        made = earmark("events", clips, "--tagger", "digits", "--format", "raven", "--out", f"{root}/heard",
                       "--store", f"{root}/store", "--summary", f"{root}/counts.csv")  # fmt: skip
        assert made.returncode == 0, made.stderr
        made = earmark("embed", clips, "--tagger", "digits", "--batch", "1", "-o", f"{root}/e.parquet")
        assert made.returncode == 0, made.stderr
        told.append(root)
    disk = {str(path.relative_to(told[0])): path.read_bytes() for path in told[0].rglob("*") if path.is_file()}
    assert (
        held(bucket) == disk and "store/store.json" in disk and any(name.startswith("heard/one.wav") for name in disk)
    )
    again = earmark("tag", clips, *WORDS, "--out", f"{bucket}/tags.csv")
    assert again.returncode == 0 and held(bucket)["tags.csv"] == disk["tags.csv"]


def test_nothing_in_a_store_is_overwritten_by_a_slip(bucket, clips):
    uri = place(f"{bucket}/mine.csv")
    putting.put_bytes(b"what a user has", uri)
    made = earmark("tag", clips, *WORDS, "--out", uri)
    assert made.returncode == 2 and f"--out {uri}: is there already and holds something else" in made.stderr
    made = earmark("tag", clips / "one.wav", *WORDS, "--out", f"{bucket}/new.csv", "--errors", f"{bucket}/new.csv")
    assert made.returncode == 2 and "is where --out writes" in made.stderr
    made = earmark("events", clips, "--tagger", "digits", "--store", bucket)
    assert made.returncode == 2 and f"{bucket}: holds what is no store of events" in made.stderr
    assert held(bucket) == {"mine.csv": b"what a user has"} and not Path("s3:").exists()


def test_a_folder_that_is_worked_in_is_on_a_disk(bucket, clips):
    made = earmark("events", clips, "--tagger", "digits", "--format", "csv", "--clips", f"{bucket}/cut")
    assert (
        made.returncode == 2 and f"--clips {bucket}/cut: this folder is worked in, as no store lets one" in made.stderr
    )


def test_a_large_file_is_looked_at_by_its_ends(bucket, clips, monkeypatch):
    monkeypatch.setattr(putting, "WHOLE", 1000)
    for _ in range(2):
        made = earmark("embed", clips, "--tagger", "digits", "-o", f"{bucket}/e.parquet")
        assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("form", ["csv", "raven"])
def test_a_job_in_a_store_is_that_of_the_disk(bucket, there, clips, tmp_path, monkeypatch, form):
    words = ("events", there, "--tagger", "digits", "--batch", "1", "--format", form)
    disk = earmark(*words, "--job", tmp_path / "job", "--store", tmp_path / "store")
    stored = earmark(*words, "--job", f"{bucket}/job", "--store", f"{bucket}/store")
    assert disk.returncode == stored.returncode == 1, stored.stderr  # one of them is no recording
    assert stored.stdout == disk.stdout and f"results: {bucket}/job" in stored.stderr
    names = (
        ["events.csv"] if form == "csv" else [f"results/{path.name}" for path in (tmp_path / "job/results").iterdir()]
    )
    there_now = held(f"{bucket}/job")
    assert names and all(there_now[name] == (tmp_path / "job" / name).read_bytes() for name in names)
    on_another_machine(monkeypatch, tmp_path)
    told = json.loads(earmark("job", f"{bucket}/job", "--json").stdout)
    assert (told["recordings"], told["done"], told["left"], told["at_work"]) == (5, 4, 0, False)
    assert [each["path"] for each in told["failed"]] == [f"{there}/bad.wav"]
    again = earmark(*words, "--job", f"{bucket}/job", "--store", f"{bucket}/again")
    assert "5 of 5 recordings are done already" in again.stderr
    assert held(f"{bucket}/job").keys() - {"job.json"} == there_now.keys() - {"job.json"}, "nothing was put twice"
    assert held(f"{bucket}/again") == held(f"{bucket}/store") == {
        str(path.relative_to(tmp_path / "store")): path.read_bytes()
        for path in (tmp_path / "store").rglob("*") if path.is_file()
    }  # fmt: skip


def test_shards_of_machines_that_share_a_store_alone(bucket, there, tmp_path, monkeypatch):
    words = ("tag", there, *WORDS)
    earmark(*words, "--job", tmp_path / "job")
    for shard in ("1/2", "2/2"):
        on_another_machine(monkeypatch, tmp_path)
        earmark(*words, "--job", f"{bucket}/job", "--shard", shard)
    on_another_machine(monkeypatch, tmp_path)
    told = json.loads(earmark("job", f"{bucket}/job", "--json").stdout)
    assert [(each["name"], each["recordings"], each["left"]) for each in told["shards"]] == [
        ("1-of-2", 3, 0),
        ("2-of-2", 2, 0),
    ]
    joined = earmark(*words, "--job", f"{bucket}/job")
    assert "5 recordings were done by shards" in joined.stderr and "5 of 5 recordings are done already" in joined.stderr
    assert held(f"{bucket}/job")["tags.csv"] == (tmp_path / "job" / "tags.csv").read_bytes()


def test_a_job_of_other_settings_and_one_at_work_elsewhere_are_refused(bucket, clips, tmp_path, monkeypatch):
    uri = f"{bucket}/job"
    earmark("tag", clips, *WORDS, "--job", uri)
    on_another_machine(monkeypatch, tmp_path)
    made = earmark("tag", clips, *WORDS, "--job", uri, "--top", "1")
    assert made.returncode == 2 and f"{uri}: this job was begun otherwise (top: " in made.stderr, made.stderr
    told = json.loads((head := place(f"{uri}/job.json")).read_bytes())
    putting.put_bytes(json.dumps(told | {"at_work": True, "at": time.time() - 5}).encode(), head)
    made = earmark("tag", clips, *WORDS, "--job", uri)
    assert (
        made.returncode == 2
        and f"--job {uri}: a process on {told['machine']} is at work on it, or was 5 s ago" in made.stderr
    )
    assert "180 s after its last word the same command goes on here" in made.stderr
    putting.put_bytes(json.dumps(told | {"at_work": True, "at": time.time() - 200}).encode(), head)
    assert earmark("tag", clips, *WORDS, "--job", uri).returncode == 0
    putting.put_bytes(b"[1]", head)
    assert "job.json: tells of no job" in earmark("tag", clips, *WORDS, "--job", uri).stderr


SLOW = """
import sys, time
from earmark import cli
from earmark.files import journal, mirror
mirror.EVERY = 0.05
done = journal.Journal.done
def slowly(self, *given):
    done(self, *given)
    time.sleep(0.3)
journal.Journal.done = slowly
sys.argv = ["earmark", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize("same", [True, False], ids=["on the same machine", "on another"])
def test_a_killed_job_goes_on_from_what_the_store_has(bucket, disk, tmp_path, monkeypatch, same):
    words = ("tag", *[disk / name for name in ("a/one.wav", "a/two.ogg", "three.mp3", "bad.wav", "long.flac")], *WORDS)
    earmark(*words, "--job", tmp_path / "job")
    uri = f"{bucket}/job"
    work = subprocess.Popen([sys.executable, "-c", SLOW, *map(str, words), "--job", uri], stderr=subprocess.PIPE)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and work.poll() is None and len(mirror.parts_of(place(uri))) < 2:
        time.sleep(0.02)
    work.send_signal(signal.SIGKILL)
    work.communicate()
    parts = mirror.parts_of(place(uri))
    assert len(parts) >= 2 and "tags.csv" not in held(uri)
    if not same:
        on_another_machine(monkeypatch, tmp_path)
        monkeypatch.setattr(mirror, "LOST", 0.0)
    again = earmark(*words, "--job", uri)
    assert again.returncode == 1 and re.search("of 5 recordings (is|are) done already", again.stderr), again.stderr
    assert held(uri)["tags.csv"] == (tmp_path / "job" / "tags.csv").read_bytes()


def test_a_store_that_takes_nothing_costs_no_work(bucket, clips, tmp_path, monkeypatch):
    whole = putting.put

    def refuse(file, to):
        if to.name == "job.json":
            return whole(file, to)
        raise OSError(5, "its store does not take it, asked 4 times: no route", str(to))

    uri = f"{bucket}/job"
    earmark("tag", clips, *WORDS, "--job", tmp_path / "job")
    with monkeypatch.context() as patch:
        patch.setattr(putting, "put", refuse)
        alone = earmark("tag", clips, *WORDS, "--out", f"{bucket}/tags.csv")
        assert (
            alone.returncode == 2
            and f"{bucket}/tags.csv" in alone.stderr
            and "What was written is kept as" in alone.stderr
        )
        kept = Path(alone.stderr.split("is kept as ")[1].split(".part")[0] + ".part")
        assert kept.read_bytes() == (tmp_path / "job" / "tags.csv").read_bytes()
        kept.unlink()
        made = earmark("tag", clips, *WORDS, "--job", uri)
        assert made.returncode == 2 and "its store does not take it" in made.stderr, made.stderr
        assert f"The work goes on in {tmp_path}/here/job-" in made.stderr
    assert held(bucket).keys() == {"job/job.json"}
    made = earmark("tag", clips, *WORDS, "--job", uri)
    assert "2 of 2 recordings are done already" in made.stderr
    assert held(uri)["tags.csv"] == (tmp_path / "job" / "tags.csv").read_bytes()


def chunks(file):
    while size := int(file.readline().split(b";")[0], 16):
        yield file.read(size)
        file.readline()
    file.readline()


class Failing(http.server.BaseHTTPRequestHandler):
    """A store in which there is nothing, and which takes nothing: it refuses, is slow, vanishes, or only fails at first."""

    way, asked, kept = "", 0, b""

    def do_HEAD(self):
        self.answer(200 if Failing.kept else 404)

    def do_GET(self):
        self.answer(200, b'<?xml version="1.0"?><ListBucketResult><Name>bucket</Name></ListBucketResult>')

    def do_PUT(self):
        data = self.body()
        Failing.asked += 1
        if Failing.way == "slow":
            time.sleep(3)
        elif Failing.way == "vanishing":
            self.connection.close()
        elif Failing.way == "failing once" and Failing.asked > 1:
            Failing.kept = data
            self.answer(200)
        else:
            self.answer(403 if Failing.way == "refusing" else 503)

    def body(self) -> bytes:
        """In chunks, or in one; and these in chunks with digests, as AWS has them."""
        data = (
            self.rfile.read(int(self.headers["Content-Length"]))
            if "Content-Length" in self.headers
            else b"".join(chunks(self.rfile))
        )
        return b"".join(chunks(io.BytesIO(data))) if "aws" in self.headers.get("Content-Encoding", "") else data

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.close_connection = True
        self.send_header("Content-Length", str(len(body if self.command != "HEAD" else Failing.kept)))
        self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("way", ["refusing", "slow", "vanishing", "failing", "failing once"])
def test_a_put_that_fails_is_tried_with_bounds_and_told(endpoint, clips, tmp_path, monkeypatch, way):
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    monkeypatch.setattr(stores, "PATIENCE", 1.0)
    stores._of.cache_clear()
    Failing.way, Failing.asked, Failing.kept = way, 0, b""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint(f"http://127.0.0.1:{server.server_port}")
        made = earmark("tag", clips, *WORDS, "--out", "s3://bucket/tags.csv")
        server.shutdown()
    stores._of.cache_clear()
    if way == "failing once":
        assert made.returncode == 0 and Failing.kept.startswith(b"path,duration"), made.stderr
        return
    assert made.returncode == 2 and "s3://bucket/tags.csv" in made.stderr and Failing.asked <= 2, made.stderr
    told = "its store refuses: the environment's credentials may not write it" if way == "refusing" else "asked 2 times"
    assert told in made.stderr
    kept = Path(made.stderr.split("is kept as ")[1].split(".part")[0] + ".part")
    assert kept.read_bytes().startswith(b"path,duration")
    kept.unlink()


def test_a_job_whose_store_was_emptied_is_put_again(bucket, clips):
    uri = f"{bucket}/job"
    earmark("tag", clips, *WORDS, "--job", uri)
    before = held(uri)
    for name in before:
        putting.remove(place(f"{uri}/{name}"))
    made = earmark("tag", clips, *WORDS, "--job", uri)
    assert "2 of 2 recordings are done already" in made.stderr and held(uri)["tags.csv"] == before["tags.csv"]
    assert len(mirror.parts_of(place(uri))) == 1


def test_credentials_that_may_not_write_are_told(endpoint, served, clips, tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_JOBS", str(tmp_path / "here"))
    endpoint(served[1])
    made = earmark("tag", clips, *WORDS, "--job", "s3://no-such-bucket/job")
    assert made.returncode == 2 and "s3://no-such-bucket/job" in made.stderr, made.stderr
    shutil.rmtree(tmp_path / "here", ignore_errors=True)


def test_the_page_does_what_it_says(bucket, there, clips, tmp_path, monkeypatch):
    """The commands of `On a cluster` that name a store, with the bucket of the tests."""
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    lines = [line.partition("  #")[0] for line in page.splitlines() if line.startswith("earmark ") and "s3://" in line]
    lines = [line for line in lines if "--on ray" not in line and "$" not in line]
    assert len(lines) == 7
    monkeypatch.chdir(tmp_path)
    for line in lines:
        words = [word.replace("s3://bucket/field-2026/dawn.flac", f"{there}/a/one.wav") for word in line.split()[1:]]
        words = [
            word.replace("s3://bucket/field-2026", f"{there}/a").replace("s3://bucket/clips", f"{there}/clips")
            for word in words
        ]
        words = [word.replace("s3://bucket/", f"{bucket}/") if "field" not in word else word for word in words]
        words = [word.replace("clips.parquet", "clips.csv") for word in words]
        done = earmark(*words, *([] if words[0] == "job" else ["--tagger", "digits"]))
        assert done.returncode == ("clips.csv" in line.replace("clips.parquet", "clips.csv")), (words, done.stderr)
    names = held(bucket).keys()
    assert {"results/tags.csv", "results/events/events.csv", "results/store/store.json", "tagged/tags.csv"} <= names


def test_how_far_a_job_in_a_store_is_with_what_is_asked_for_now(bucket, tmp_path, monkeypatch):
    """The parts of before are of recordings that are not asked for any more; what is done since is, on whatever machine."""
    uri, told = place(f"{bucket}/job"), {"command": "tag"}
    first, now = ([tmp_path / f"{name}{number}.wav" for number in range(3)] for name in ("before", "now"))
    for path in (*first, *now):
        path.write_bytes(b"sound")

    def work(asked: list[Path], count: int) -> progressed.Progress:
        stores.LISTED.clear()
        with Job(mirror.mirrored(uri), told, SimpleNamespace(looks=intact.TEXT)) as job:
            for path in job.todo(asked, False)[:count]:
                job.journal.done(path, path.name, ".txt", [f"{path}: is silent"])
        stores.LISTED.clear()
        return progressed.of(uri)

    for asked, count, expected in (
        (first, 3, (3, 3, 0, 0)),
        (now, 1, (3, 1, 2, 3)),
        (now, 0, (3, 1, 2, 3)),
        (now, 1, (3, 2, 1, 3)),
    ):
        told_of = work(asked, count)
        assert (told_of.listed, told_of.done, told_of.left, told_of.others) == expected
        on_another_machine(monkeypatch, tmp_path)
    with Job(mirror.mirrored(uri), told, SimpleNamespace(looks=intact.TEXT)) as job:
        assert job.notes([*first, *now], []) == [f"{path}: is silent" for path in (*first, *now[:2])]
