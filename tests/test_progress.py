"""Progress: a piece of work is closed whatever happens, and the terminal's bar keeps sentences out of its line."""

from __future__ import annotations

import pytest

from earmark.cli.terminal.bar import Bar
from earmark.progress import QUIET, Quiet, task


class Log(Quiet):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self, what: str, total: int) -> None:
        self.calls.append(f"begin {what} {total}")

    def advance(self) -> None:
        self.calls.append("advance")

    def end(self) -> None:
        self.calls.append("end")


def test_a_piece_of_work_is_closed_after_an_error_too() -> None:
    log = Log()

    def stopped() -> None:
        with task(log, "scoring", 2) as step:
            step()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stopped()
    assert log.calls == ["begin scoring 2", "advance", "end"]
    with task(QUIET, "scoring", 1) as step:
        step()


def test_sentences_wait_for_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.say("before")
    with task(bar, "scoring", 1) as step:
        bar.say("meanwhile")
        assert "meanwhile" not in capsys.readouterr().err
        step()
    bar.say("after")
    assert capsys.readouterr().err == "meanwhile\nafter\n"
