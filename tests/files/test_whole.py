"""A file is the old one or the new one, whatever happens while it is written, and nothing lies beside it."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import earmark
from earmark.data import manifest
from earmark.events import formats
from earmark.files import free_name, whole, whole_text, write_bytes, write_text
from earmark.files.journal import Journal
from earmark.report import pictures
from earmark.scores import Event, Scores
from earmark.train.state import State, save_state, write_log

SOURCE = Path(earmark.__file__).parent


def test_it_is_there_when_the_block_ends(tmp_path):
    with whole(tmp_path / "a") as part:
        part.write_text("x")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "x" and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    write_text(tmp_path / "a", "old")

    def stop(file) -> None:
        file.write("half")
        raise error

    with pytest.raises(type(error)), whole_text(tmp_path / "a") as file:
        stop(file)
    assert (tmp_path / "a").read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_an_error_of_the_system_names_the_file_that_the_user_knows(tmp_path):
    with pytest.raises(OSError) as caught, whole(tmp_path / "absent" / "a") as part:
        part.write_text("x")
    assert caught.value.filename == str(tmp_path / "absent" / "a")


def test_text_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "a", "ä\n\udcff", newline="\n")
    assert (tmp_path / "a").read_bytes() == "ä\n".encode() + b"\xff"
    with whole_text(tmp_path / "b") as file:
        file.write("x\r\ny\n")
    assert (tmp_path / "b").read_bytes() == b"x\r\ny\n"


@pytest.mark.parametrize("name", ["x" * 255, "ä" * 127, ".hidden", "a b\tc"])
def test_any_name_that_the_file_system_takes(tmp_path, name):
    write_bytes(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == [name]


def test_threads_that_write_one_file_do_not_disturb_each_other(tmp_path):
    texts = [str(number) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in texts and os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_text(tmp_path / "pipe", "x")
    reader.join()
    assert read == [b"x"] and (tmp_path / "pipe").is_fifo()


def test_free_names():
    taken: set[str] = set()
    assert [free_name(name, taken, ".png") for name in ("a.wav", "A.wav", "a.wav", "b")] == [
        "a.wav.png", "A.wav-2.png", "a.wav-3.png", "b.png",
    ]  # fmt: skip
    long = [free_name("ä" * 200, taken, ".txt") for _ in range(2)]
    assert len(set(long)) == 2 and all(len(name.encode()) <= 255 - len(".part") for name in long)


def table() -> Scores:
    return Scores(np.ones((1, 2), np.float32), np.array(["x"]), np.zeros(1), np.ones(1), ("dog", "rain"))


def log_of(path: Path) -> None:
    write_log(path, [{"epoch": 1, "train_loss": 0.5}])


def state_of(path: Path) -> None:
    net = torch.nn.Linear(2, 2)
    save_state(path, net, torch.optim.SGD(net.parameters(), 0.1), State())


def clips_of(path: Path) -> None:
    manifest.write(manifest.build({"id": ["x"], "path": ["x.wav"], "tags": [["dog"]]}, path.parent), path)


def job_of(path: Path) -> None:
    with Journal(path.parent / "job", {"command": "tag"}) as job:
        job.todo([path])
        job.done(path, "new", "")


WRITERS = {
    "scores.parquet": lambda path: table().save(path),
    "scores.csv": lambda path: table().save(path),
    "clips.parquet": clips_of,
    "clips.csv": clips_of,
    "t.safetensors": lambda path: earmark.load("digits").save(path),
    "state.safetensors": state_of,
    "log.csv": log_of,
    "picture.png": lambda path: pictures.save(pictures.blank(2, 2), path),
    "events.tsv": lambda path: formats.write({"x": [Event(0.0, 1.0, "dog")]}, path, "tsv"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError):
            WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_text() == "old" and os.listdir(tmp_path) == [name]
    WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_bytes() != b"old" and os.listdir(tmp_path) == [name]


def test_a_jobs_result_too(tmp_path, monkeypatch):
    (tmp_path / "x.wav").write_text("x")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError):
        job_of(tmp_path / "x.wav")
    assert list((tmp_path / "job" / "results").iterdir()) == []


def test_there_is_one_way_to_write():
    """`os.replace` and files that are written under another name stand in one place."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"os\.replace|\.rename\(|\.write_text\(|\.write_bytes\(", path.read_text(encoding="utf-8"))
    }
    # within `whole`
    assert found <= {"files/whole.py", "data/soundscapes/folder.py"}
