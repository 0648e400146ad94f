"""Exit statuses, each as the docs' table has them: what a shell sees, with a message and without a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from tests.program import alone, earmark

import earmark as earmark_package
from earmark.cli.terminal import failures, tagging

TAGGER = "digits"  # whose file carries a graph: a program that imports torch takes two seconds longer
WORDS = [sys.executable, "-m", "earmark"]
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def many(place, tmp_path_factory) -> Path:
    """Recordings whose results are more than a pipe holds, 64 KiB, and a buffer of 8 KiB."""
    folder = tmp_path_factory.mktemp("many")
    sound, rate = soundfile.read(place / "sound.wav")
    for number in range(400):
        soundfile.write(folder / f"{'long' * 55}{number:03d}.wav", sound[: rate // 2], rate)
    return folder


def tag_all(folder: Path) -> list[str]:
    return [*WORDS, "tag", str(folder), "--tagger", TAGGER, "--format", "jsonl"]


def test_the_table_of_the_docs_has_the_programs_statuses():
    text = (Path(__file__).parents[2] / "docs" / "bounds.md").read_text(encoding="utf-8")
    table = text.partition("## Exit statuses\n")[2].partition("\n## ")[0]
    told = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert told == [failures.DONE, failures.UNREADABLE, failures.REFUSED, failures.STOPPED]


def test_0_all_done_and_an_empty_folder_is_said(place, tmp_path):
    assert alone("tag", place / "sound.wav", "--tagger", TAGGER).returncode == 0
    done = earmark("tag", tmp_path, "--tagger", place / "t.safetensors", "--json")
    assert done.returncode == 0 and done.stdout == "[]\n"
    assert done.stderr.startswith(f"no recordings in {tmp_path}")


NONE = ": files with other endings are tried when given by name"
EMPTY = [
    (("tag",), 0), (("events",), 0), (("embed", "-o", "e.parquet"), 0),
    (("explain", "t.safetensors", "--out", "x", "--filters", "1", "--steps", "1"), 0),
    (("alarms", "t.safetensors"), 2), (("alarms", "t.safetensors", "sound.wav"), 2), (("bench", "engines", "t.safetensors"), 2),
    (("bench", "t.safetensors"), 2),
]  # fmt: skip


@pytest.mark.parametrize(("words", "status"), EMPTY, ids=lambda told: " ".join(told) if isinstance(told, tuple) else "")
def test_a_folder_without_recordings_is_said_by_every_verb(words, status, place, tmp_path, monkeypatch):
    """Where figures are asked for nothing is heard before it is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    placed = [place / word if (place / word).is_file() else word for word in words]
    tagger = ["--tagger", place / "t.safetensors"] if words[0] in ("tag", "events", "embed") else []
    done = earmark(*placed, "none", *tagger)
    assert (
        done.returncode == status
        and f"no recordings in {'it, and so no alarms an hour' if words[0] == 'alarms' else 'none'}{NONE}"
        in done.stderr
    ), done
    if status == 2:
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_0_where_the_reader_of_a_pipe_has_seen_enough(many):
    with subprocess.Popen(tag_all(many), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tagging_:
        assert tagging_.stdout is not None and tagging_.stderr is not None
        head = subprocess.run(["head", "-n", "1"], stdin=tagging_.stdout, capture_output=True, check=True)
        tagging_.stdout.close()  # head's end was the other one
        said = tagging_.stderr.read().decode()
        assert tagging_.wait() == 0, said
    assert head.stdout.count(b"\n") == 1
    assert "Traceback" not in said and "BrokenPipe" not in said


def test_1_some_recordings_could_not_be_read(place, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    done = alone("tag", tmp_path / "bad.wav", place / "sound.wav", "--tagger", TAGGER)
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1
    assert done.stderr.splitlines()[-1] == "1 of 2 recordings could not be read"


@pytest.mark.parametrize("words", [["tag", "--nosuch"], ["nosuch"], ["tag", "gone.wav", "--tagger", "nosuch"]])
def test_2_wrong_usage(words, tmp_path):
    done = earmark(*words, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "the memory is not enough. Take a smaller --batch"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "the memory is not enough"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply to be read"),
    ],
)
def test_2_where_memory_or_depth_does_not_suffice_inside_a_verb(place, monkeypatch, error, told):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(tagging, "tag_files", fail)
    done = earmark("tag", place / "sound.wav", "--tagger", place / "t.safetensors")
    assert done.returncode == 2
    assert done.stderr.startswith("earmark: ") and told in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_2_where_the_disk_is_full(place):
    words = [*WORDS, "tag", str(place / "sound.wav"), "--tagger", TAGGER, "--format", "jsonl"]
    with FULL.open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "standard output: No space left on device" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another there")
def test_130_stopped(many):
    # nobody reads on after the first line, so that the program cannot come to its end before it is stopped
    def heed() -> None:  # where these tests run in the background, programs are started with Ctrl-C ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(tag_all(many), stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert b"Traceback" not in said
    assert running.returncode == 130, said
    assert said.decode().splitlines()[-1] == "earmark: stopped"


HERE = "import atexit, os, signal\ndef stop(): os.kill(os.getpid(), signal.SIG{})\n"
SWALLOWED = HERE + "try: stop()\nexcept BaseException: raise ImportError('as compiled modules say it') from None\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another there")
@pytest.mark.parametrize(
    ("module", "signals", "status", "said"),
    [
        (HERE + "stop()\n", "INT", 130, "earmark: stopped\n"),
        (SWALLOWED, "INT", 130, "earmark: stopped\n"),
        (HERE + "stop()\n", "TERM", -signal.SIGTERM, ""),  # which a shell tells as 143
        (HERE + "atexit.register(stop)\nraise SystemExit(3)\n", "INT", -signal.SIGINT, ""),  # while it leaves
    ],
)
@pytest.mark.parametrize("entry", [["-m", "earmark"], ["-c", "from earmark.__main__ import main; main()"]])
def test_stopped_before_it_began_or_after_its_end(entry, module, signals, status, said, tmp_path):
    """The first module of another's that it imports stands for all: a signal that comes meanwhile leaves no trace of Python."""
    (tmp_path / "typer.py").write_text(module.format(signals))
    place = os.pathsep.join([str(tmp_path), str(Path(earmark_package.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-S", *entry, "tag", "x.wav"], env={"PYTHONPATH": place}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another there")
def test_0_where_ctrl_c_ends_sound_that_comes_live():
    words = [*WORDS, "tag", "-", "--rate", "16000", "--tagger", TAGGER, "--format", "jsonl"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listening:
        assert listening.stdin is not None and listening.stdout is not None
        listening.stdin.write(bytes(64_000))
        listening.stdin.flush()
        listening.stdout.readline()
        listening.send_signal(signal.SIGINT)
        _, said = listening.communicate()
    assert listening.returncode == 0 and b"Traceback" not in said, said
