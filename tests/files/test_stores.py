"""Places that are URIs: recordings and tables in an S3 server on loopback are those of the disk; what goes wrong is told a row."""

from __future__ import annotations

import gc
import http.server
import pickle
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tests.program import earmark

from earmark import audio
from earmark.data import listed
from earmark.errors import AudioError, EarmarkError, ManifestError
from earmark.files import stores
from earmark.files.journal import Journal
from earmark.files.stores import Stored, place
from earmark.inference.channels import Channels

RATE = 8_000


def test_a_uri_is_a_path():
    sound = place("s3://bucket/site 1/dawn?.flac")
    assert str(sound) == "s3://bucket/site 1/dawn?.flac" and sound.name == "dawn?.flac" and sound.suffix == ".flac"
    assert str(sound.parent / "b" / "c.wav") == "s3://bucket/site 1/b/c.wav"
    # a command line makes a path of it first, which takes a slash away; a journal and another process bring it back
    assert (
        place(Path(str(sound))) == sound
        and pickle.loads(pickle.dumps(sound)) == sound
        and hash(sound) == hash(place(sound))
    )
    assert place("file:///data/a%20b.wav") == Path("/data/a b.wav") and place("file:/data/a.wav") == Path("/data/a.wav")
    assert not isinstance(place("s3/bucket/a.wav"), Stored) and not isinstance(place("a:b.wav"), Stored)
    with pytest.raises(EarmarkError, match=r"^s3://…: holds a name or a password before @.*by the environment"):
        place("s3://me:secret@bucket/a.wav")


def test_recordings_of_a_store_are_those_of_the_disk(there, disk):
    for name in ("a/one.wav", "a/two.ogg", "long.flac", "three.mp3"):
        assert np.array_equal(audio.load(there / name, 16_000), audio.load(disk / name, 16_000))
        told, known = audio.info(there / name), audio.info(disk / name)
        assert (told.duration, told.codec) == (known.duration, known.codec)
        assert (there / name).stat().st_size == (disk / name).stat().st_size and (there / name).stat().st_mtime_ns > 0


def test_a_part_takes_a_part_of_the_requests(there, disk, monkeypatch):
    files = []
    monkeypatch.setattr(stores, "BLOCK", 1 << 16)
    monkeypatch.setattr(stores.Stored, "ranged", lambda self: files.append(stores.Ranged(self)) or files[-1])
    audio.load(there / "long.flac", RATE)
    audio.info(there / "long.flac")
    audio.load(there / "long.flac", RATE, 200.0, 1.0)
    whole, header, part = (file.requests for file in files)
    blocks = -(-(disk / "long.flac").stat().st_size >> 16)
    assert blocks <= whole <= 1.3 * blocks and header <= 4 and part <= 20 < whole


def test_a_folder_is_walked_as_on_the_disk(there, disk):
    said, known = [], []
    found = audio.find([there], said.append)
    assert [str(path).removeprefix(f"{there}/") for path in found] == [
        str(path.relative_to(disk)) for path in audio.find([disk], known.append)
    ]
    assert said[0].removeprefix(str(there)) == known[0].removeprefix(str(disk))


def test_a_folder_of_a_store_is_listed_without_holding_its_names(there, disk):
    said, known = [], []
    found, held = audio.listing([there], said.append), audio.find([there], known.append)
    assert (
        list(found) == held
        and said == known
        and len(found) == 5
        and found[-1] == held[-1]
        and list(found[1::2]) == held[1::2]
    )
    assert [path.stat().st_size for path in found] == [path.stat().st_size for path in held]
    assert list(audio.listing([there, there / "a"])) == held and list(audio.listing([disk])) == audio.find([disk])
    assert list(listed.listing([there / "clips.csv"])) == listed.of_table(there / "clips.csv")
    with pytest.raises(IndexError):
        found[5]


class Large:
    """A store with so many files, a thousand to a folder."""

    def __init__(self, count: int):
        self.count = count

    def get_file_info(self, what):
        from pyarrow import fs

        if isinstance(what, str):
            return fs.FileInfo(what, fs.FileType.Directory)
        folder, kind = what.base_dir, fs.FileType
        if folder.endswith("field"):
            return [fs.FileInfo(f"{folder}/site-{n:04}", kind.Directory) for n in reversed(range(self.count // 1000))]
        return [fs.FileInfo(f"{folder}/{n:06}.flac", kind.File, size=n, mtime_ns=n) for n in reversed(range(1000))]


def test_a_name_of_millions_takes_some_bytes(monkeypatch, tmp_path):
    """By what Python itself holds, which `tracemalloc` counts: no clock, no other process."""
    count = 20_000
    monkeypatch.setattr(stores, "_system", lambda scheme: Large(count))
    monkeypatch.setattr(stores, "LISTED", {})
    with Journal(tmp_path / "first", {}) as journal:  # what is imported on the way is no name
        list(Channels().recordings(journal.todo(audio.listing(["s3://bucket/field"])))[:1])
    monkeypatch.setattr(stores, "LISTED", {})
    tracemalloc.start()
    try:
        found = audio.listing(["s3://bucket/field"])
        with Journal(tmp_path / "job", {}) as journal:
            todo = Channels().recordings(journal.todo(found))
            gc.collect()
            lines = tracemalloc.take_snapshot().statistics("lineno")
            # pathlib interns parts of names, and Python's one table of these grows when it will
            held = sum(each.size for each in lines if each.count > 1 or "earmark" in each.traceback[0].filename)
            assert len(todo) == count and [str(each.path)[-23:] for each in (todo[0], todo[-1])] == [
                "field/site-0000/000000.flac"[-23:], "field/site-0019/000999.flac"[-23:],
            ]  # fmt: skip
    finally:
        tracemalloc.stop()
    assert (
        held / count < 64 and not stores.LISTED
    )  # 24 of the list, 8 of what is left to do, and what is held of the file


def test_a_table_lists_recordings_of_its_store_and_of_the_disk(there, disk):
    found = listed.find([there / "clips.csv"])
    assert list(map(str, found)) == [f"{there}/a/one.wav", f"{there}/not there.wav", str(disk / "a/two.ogg")]
    with pytest.raises(ManifestError, match=rf"{there}/notes.csv: cannot be read .does not exist in its store"):
        listed.of_table(there / "notes.csv")


def test_a_job_over_a_store_is_that_over_the_disk(there, disk, tmp_path):
    words = ("--tagger", "digits", "--format", "csv", "--batch", "1")
    one = earmark("tag", there, *words, "--job", tmp_path / "one")
    other = earmark("tag", disk, *words, "--job", tmp_path / "other")
    assert one.returncode == other.returncode == 1
    assert (tmp_path / "one" / "tags.csv").read_text().replace(str(there), str(disk)) == (
        tmp_path / "other" / "tags.csv"
    ).read_text()
    assert f"{there}/bad.wav: is no recording" in one.stderr
    again = earmark("tag", there, *words, "--job", tmp_path / "one")
    assert "5 of 5 recordings are done already" in again.stderr
    missing = earmark("tag", there / "clips.csv", "--tagger", "digits")
    assert f"{there}/not there.wav: does not exist" in missing.stderr and "1 of 3 recordings" in missing.stderr


class Refusing(http.server.BaseHTTPRequestHandler):
    """A store that knows nobody."""

    def do_GET(self):
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_what_a_store_refuses_is_told_and_the_rest_goes_on(endpoint, disk):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint(f"http://127.0.0.1:{server.server_port}")
        made = earmark("tag", "s3://bucket/x.wav", disk / "a/one.wav", "--tagger", "digits")
        server.shutdown()
    assert (
        "s3://bucket/x.wav: cannot be opened (its store refuses: the environment's credentials may not read it)"
        in made.stderr
    )
    assert "one.wav" in made.stdout and "1 of 2 recordings could not be read" in made.stderr


def test_a_store_that_is_not_there_is_a_row(endpoint, disk, monkeypatch):
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    stores._of.cache_clear()
    endpoint("http://127.0.0.1:9")
    made = earmark("tag", "s3://bucket/x.wav", disk / "a/one.wav", "--tagger", "digits")
    stores._of.cache_clear()
    assert "s3://bucket/x.wav: cannot be opened (its store does not give it, asked 2 times" in made.stderr
    assert "one.wav" in made.stdout and "1 of 2 recordings could not be read" in made.stderr


def test_a_store_that_vanishes_in_the_midst_is_told_and_not_taken_for_damage(there, monkeypatch):
    monkeypatch.setattr(stores, "BLOCK", 1 << 16)

    def gone(self, number):
        if number >= 5:
            raise OSError(5, "its store does not give it, asked 4 times: no route", str(self.path))
        return whole(self, number)

    whole = stores.Ranged._block
    monkeypatch.setattr(stores.Ranged, "_block", gone)
    for salvage in (False, True):
        with pytest.raises(
            AudioError, match=r"long.flac: cannot be read \(its store does not give it, asked 4 times: no route\)"
        ):
            audio.load(there / "long.flac", RATE, salvage=salvage)
