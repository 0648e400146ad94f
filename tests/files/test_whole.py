"""A file is the old one or the new one, whatever happens while it is written, and nothing lies beside it."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import earmark
from earmark.files import clear_up, free_name, whole, whole_folder, whole_text, write_bytes, write_text
from earmark.files.journal import Journal

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


def test_two_that_write_one_file_have_one_each(tmp_path):
    with whole(tmp_path / "a") as first:
        with whole(tmp_path / "a") as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first" and os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill on the spot")
def test_what_a_kill_leaves_is_cleared_up(tmp_path):
    """Else states of training, a file each epoch, would pile up with every kill."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a").write_text("old")
    program = (
        "import os, signal\nfrom earmark.files import whole\n"
        f"with whole({str(tmp_path / 'run' / 'a')!r}) as part:\n"
        "    part.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "a").read_text() == "old" and len(os.listdir(tmp_path / "run")) == 2
    theirs = ["theirs.part", ".a.part", ".0123abcd.part", ".a.0123ABCD.part", ".a.0123abcd.part.wav"]
    for name in theirs:
        (tmp_path / name).touch()
    clear_up(tmp_path)
    assert os.listdir(tmp_path / "run") == ["a"] and sorted(os.listdir(tmp_path)) == sorted(["run", *theirs])


def test_a_job_clears_up_what_a_kill_left(tmp_path):
    with Journal(tmp_path / "job", {}) as job:
        job.done(Path("a.wav"), "x", ".txt")
        left = job.folder / "results" / ".b.wav.txt.0123abcd.part"
        left.touch()
    with Journal(tmp_path / "job", {}) as job:
        assert [path.name for path in left.parent.iterdir()] == ["a.wav.txt"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no /proc")
def test_what_is_open_is_written_to(tmp_path):
    """A file must not take the place of a name such as /dev/stdout, though a file may be behind it."""
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    program = f"from earmark.files import write_text\nwrite_text({str(tmp_path / 'stdout')!r}, 'all of it')"
    with (tmp_path / "out").open("w") as file:
        subprocess.run([sys.executable, "-c", program], check=True, stdout=file)
    assert (tmp_path / "out").read_text() == "all of it"
    assert os.readlink(tmp_path / "stdout") == "/proc/self/fd/1" and sorted(os.listdir(tmp_path)) == ["out", "stdout"]


def test_a_link_is_replaced_and_what_it_leads_to_is_left(tmp_path):
    """Stores of large files leave links in their place; what they keep must not change."""
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "a").symlink_to(tmp_path / "kept")
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "kept").read_text() == "kept" and (tmp_path / "a").read_text() == "new"


def test_threads_that_write_one_file_do_not_disturb_each_other(tmp_path):
    texts = [str(number) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in texts and os.listdir(tmp_path) == ["a"]


def test_a_folder_takes_the_place_of_the_old_one_or_that_stays(tmp_path, monkeypatch):
    place = tmp_path / "a"
    place.mkdir()
    (place / "old").touch()

    def fill(folder, error=None):
        with whole_folder(folder) as part:
            (part / "new").touch()
            if error is not None:
                raise error

    with pytest.raises(ValueError):
        fill(place, ValueError())
    with pytest.raises(KeyError), whole_folder(place, lambda folder: {}[folder]) as part:  # came there meanwhile
        (part / "new").touch()
    assert os.listdir(tmp_path) == ["a"] and os.listdir(place) == ["old"]
    moved = Path.rename

    def fails(path, to):
        if os.path.exists(path / "new"):
            raise OSError(28, "full")
        return moved(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails)
        with pytest.raises(OSError):
            fill(place)
    assert os.listdir(tmp_path) == ["a"] and os.listdir(place) == ["old"]
    fill(place)
    assert os.listdir(tmp_path) == ["a"] and os.listdir(place) == ["new"]


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


def test_there_is_one_way_to_write():
    """`os.replace` and files that are written under another name stand in one place."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"os\.replace|\.rename\(|\.write_text\(|\.write_bytes\(", path.read_text(encoding="utf-8"))
    }
    # within `whole`
    assert found <= {"files/whole.py", "files/putting.py", "data/soundscapes/folder.py"}
