"""`earmark` as a test runs it: in this process, or as a program of its own.

Starting a program and importing torch takes some two seconds, so that most tests run commands in their own process, where
a warning is an error too. What needs a process, such as exit statuses, signals and pipes, is tested with `alone`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import typer
import typer.main

from earmark import cli

# A program makes its verbs' options once, from their signatures, and takes longer for it than many a test: kept for all
get_command = functools.cache(typer.main.get_command)


def command(*arguments) -> int:
    """The status of a command; what it prints goes where the test's own goes, and its errors come out as they are."""
    try:
        return get_command(cli.app).main([str(argument) for argument in arguments], standalone_mode=False) or 0
    except typer.Exit as leave:
        return leave.exit_code


def earmark(*arguments, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What the program's entry point does in this process: its status, what it prints and what it says."""
    words = ["earmark", *map(str, arguments)]
    printed, said = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status: int | str | None = 0
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
        mock.patch.object(sys, "argv", words),
        mock.patch.object(typer.main, "get_command", get_command),
    ):
        try:
            cli.main()
        except SystemExit as leave:
            status = leave.code
    assert isinstance(status, int | None), status
    told = [stream.buffer.getvalue().decode() for stream in (printed, said)]
    return subprocess.CompletedProcess(words, status or 0, *told)


def alone(*arguments, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same as a program of its own."""
    words = [sys.executable, "-m", "earmark", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=False)


NUMBER = re.compile(r"\d+(?:\.\d+)?")


def alike(text: str, other: str) -> bool:
    """Whether two outputs are the same but for the rounding of scores in other batches: 1e-5, and the last of six digits."""
    numbers = [np.array(NUMBER.findall(each), float) for each in (text, other)]
    return NUMBER.sub("", text) == NUMBER.sub("", other) and np.allclose(*numbers, rtol=0, atol=1.1e-5)
