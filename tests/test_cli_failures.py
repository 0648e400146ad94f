"""The command line where something is in the way: a terminal with results led elsewhere, a full disk, a folder for a file."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from earmark import cli, train
from earmark.cli.terminal import console, failures
from earmark.cli.terminal.training import train_one as _one
from earmark.data.manifest import build, write
from earmark.errors import EarmarkError
from earmark.scores import Scores

pytestmark = pytest.mark.usefixtures("sketched")

run = CliRunner().invoke


def on_a_terminal(code: str) -> tuple[bytes, str]:
    """(stdout, which is a pipe; what is seen on stderr, which is a terminal) of a program."""
    pty = pytest.importorskip("pty", reason="no terminals to be made on this system")
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                seen.append(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        check=False,
    )
    os.close(theirs)
    reader.join(10)
    os.close(ours)
    return done.stdout, b"".join(seen).decode(errors="replace")


def test_results_stay_on_stdout_beside_a_bar():
    out, seen = on_a_terminal(
        "from earmark.cli.terminal.console import progress\n"
        "with progress() as bar:\n"
        "    bar.add_task('fold [noise]', total=1, told='[x] 1.0')\n"
        "    print('the result')\n"
    )
    assert out == b"the result\n"
    assert "fold [noise]" in seen and "[x] 1.0" in seen and "the result" not in seen


def test_names_in_brackets_stay_in_tables(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    console.print_table(["[tag]", "n"], [["[noise]", 3], ["[/b]", 4]], "of [x]")
    assert all(told in out.getvalue() for told in ("[tag]", "[noise]", "[/b]", "of [x]"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.csv"
    with console.output(path) as file:
        file.write("old")
        assert not path.exists()

    def stopped() -> None:
        with console.output(path) as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stopped()
    assert path.read_text() == "old"
    assert [each.name for each in path.parent.iterdir()] == ["a.csv"]
    with pytest.raises(EarmarkError, match=r"new: is a folder\. Name a file in it"), console.output(path.parent):
        pytest.fail("nothing is to be done before")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_no_file_takes_the_place_of_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(path.read_text()), daemon=True)
    reader.start()
    with console.output(path) as file:
        file.write("all of it")
    reader.join(10)
    assert heard == ["all of it"] and path.is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_that_breaks_names_itself(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BrokenPipeError) as told, console.output(path) as file:  # noqa: PT012, as the reader leaves in between
        file.write("half of it")
        file.flush()
        os.close(reader)
        file.write("the rest")
        file.flush()
    assert told.value.filename == str(path) and failures.ended(told.value) == failures.DONE


@pytest.mark.skipif(not hasattr(select, "poll"), reason="nobody tells here whether a pipe is read")
@pytest.mark.parametrize("read", [True, False])
def test_a_broken_pipe_is_the_readers_only_where_nobody_reads(monkeypatch, read):
    """Another pipe that breaks, such as one to a process, is no reason to end as if all were done."""
    told = []
    monkeypatch.setattr(failures, "say", told.append)
    reader, writer = os.pipe()
    with (
        os.fdopen(reader),
        os.fdopen(writer, "w") as out,
        open(os.devnull, "w") as gone,
        monkeypatch.context() as alone,
    ):
        if not read:
            os.dup2(gone.fileno(), reader)  # which closes it
        alone.setattr(sys, "stdout", out)
        alone.setattr(sys, "stderr", gone)
        status = failures.ended(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert status == (failures.REFUSED if read else failures.DONE)
    assert len(told) == read and all(line.startswith("earmark: Broken pipe. ") for line in told)


def test_what_breaks_while_a_command_is_stopped_was_stopped(monkeypatch):
    told = []
    monkeypatch.setattr(failures, "say", told.append)
    with pytest.raises(BrokenPipeError) as error:
        _stopped()
    assert failures.ended(error.value) == failures.STOPPED and told == ["earmark: stopped"]


def test_another_error_while_a_command_is_stopped_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(failures, "say", told.append)
    full = OSError(errno.ENOSPC, "No space left on device", "/a/b")
    full.__context__ = KeyboardInterrupt()
    assert failures.ended(full) == failures.REFUSED and told[0].startswith("earmark: /a/b: No space left on device")


def _stopped() -> None:
    """With a pipe to what was stopped too."""
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.ExitStack() as left:
        left.callback(os.close, writer)
        left.callback(os.write, writer, b"in order")
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "earmark: No space left on device. The disk is full: make room",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b.csv"),
            "earmark: /a/b.csv: Permission denied. Take a",
        ),
        (
            OSError(errno.EIO, "Input/output error", "/a/b"),
            "earmark: /a/b: Input/output error. The disk cannot be read or written there",
        ),
    ],
)
def test_what_the_system_refuses_is_said_with_a_way_out(monkeypatch, capsys, error, told):
    def refuse():
        raise error

    monkeypatch.setattr(cli, "build", lambda _: refuse)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(told)


def test_a_mistake_of_the_programs_own_keeps_its_place(monkeypatch):
    def fail():
        raise OSError("nothing of the system's")

    monkeypatch.setattr(cli, "build", lambda _: fail)
    with pytest.raises(OSError, match="nothing of the system's"):
        cli.main()


def test_folders_and_files_in_each_others_place_are_refused_before_the_work(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("")
    wrong = [
        (["evaluate", "esc10", "--data", "gone", "--out", file], "--out .*a.txt: is a file"),
        (["evaluate", "esc10", "--data", "gone", "--errors", tmp_path], "--errors .*: is a folder"),
        (["events", "gone.wav", "--format", "tsv", "--out", file], "--out .*a.txt: is a file"),
        (["compare", "a.csv", "b.csv", "--data", "gone", "--out", file], "--out .*a.txt: is a file"),
        (["audit", "a.csv", "--data", "gone", "--out", file], "--out .*a.txt: is a file"),
        (["explain", "esc10", "--out", file], "--out .*a.txt: is a file"),
        (["demo", "--out", file], "a.txt: is a file"),
    ]
    for arguments, message in wrong:
        error = run(cli.app, list(map(str, arguments))).exception
        assert isinstance(error, EarmarkError), (arguments, error)
        with pytest.raises(EarmarkError, match=message):
            raise error


def test_no_epochs_are_not_taken_for_the_recipes(tmp_path):
    done = run(cli.app, ["demo", "--out", str(tmp_path / "d"), "--epochs", "0"])
    assert done.exit_code == 2 and not (tmp_path / "d").exists()


def test_a_pattern_that_is_no_yaml_is_answered_with_the_quotes_that_it_needs(tmp_path):
    error = run(cli.app, ["index", "folder", str(tmp_path), "-o", "x.csv", "--set", "group=[^-]+"]).exception
    assert isinstance(error, EarmarkError)
    assert """--set "group='[^-]+'\"""" in str(error)


def test_clips_that_only_one_side_has_are_said(tmp_path):
    ids = ["a", "b", "c", "d"]
    tags = [["x"], ["y"], ["x"], ["y"]]
    write(build({"id": ids, "path": [f"{name}.wav" for name in ids], "tags": tags}, tmp_path), tmp_path / "clips.csv")
    values = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    for name in ("one", "two"):
        scores = Scores(values, np.array(["a", "b", "e"]), np.zeros(3), np.ones(3), ("x", "y"))
        scores.save(tmp_path / f"{name}.csv")
    one, two, data = (str(tmp_path / name) for name in ("one.csv", "two.csv", "clips.csv"))
    done = run(cli.app, ["audit", one, "--data", data])
    assert "1 of the 3 rows of" in done.stderr and "2 of the 4 clips of" in done.stderr
    few = ["--metric", "accuracy", "--resamples", "5", "--permutations", "5"]
    done = run(cli.app, ["compare", one, two, "--data", data, *few])
    assert "one: 2 clips of the 3 that it scores, from" in done.stdout


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ((), "stopped before the first epoch was whole: the same command and --resume begins anew"),
        (("recipe.yaml",), "the same command and --resume begins anew"),
        (("run.json",), "the same command and --resume begins anew"),
        (("run.json", "state.safetensors"), "the last whole epoch is saved"),
        (("run.json", "mix/state.safetensors"), "the last whole epoch is saved"),
        (("run.json", "mix/tagger.safetensors"), "the last whole epoch is saved"),
    ],
)
def test_what_is_saved_when_a_training_is_stopped(tmp_path, monkeypatch, capsys, there: tuple[str, ...], told: str):
    def stop(plan, clips, out: Path, **_):
        for name in there:
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", stop)
    with pytest.raises(cli.typer.Exit):
        _one(None, None, tmp_path, {})  # type: ignore[arg-type]
    assert told in capsys.readouterr().err
