"""Progress of the library on the terminal: a bar on stderr while a piece of work goes on, sentences as lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from earmark.cli.terminal.console import SHOWN, progress, say, write_errors
from earmark.errors import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from earmark.cli.terminal.console import Silent
    from earmark.evaluation.scoring import Unread


class Bar:
    """An `earmark.progress.Progress`; sentences wait until the bar that they would tear has gone."""

    def __init__(self) -> None:
        self._bar: Progress | Silent | None = None
        self._task: TaskID | None = None
        self._waiting: list[str] = []

    def begin(self, what: str, total: int) -> None:
        self._bar = progress()
        self._bar.start()
        self._task = self._bar.add_task(what, total=total, told="")

    def advance(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None
        for sentence in self._waiting:
            say(sentence)
        self._waiting.clear()

    def say(self, sentence: str) -> None:
        if self._bar is None:
            say(sentence)
        else:
            self._waiting.append(sentence)


def write_unread(file: Path | None, unread: Sequence[Unread]) -> None:
    """The clips that could not be read, as CSV, where the user asked for it."""
    write_errors(file, [(each.path, each.reason) for each in unread])


def leave_with(unread: Sequence[Unread], clips: int) -> None:
    """Says how many of the clips could not be read, if any, and leaves with status 1."""
    if unread:
        first = unread[0]
        say(f"{len(unread):,} of {counted(clips, 'clip')} could not be read, the first: {first.path}: {first.reason}")
        raise typer.Exit(1)


def leave_with_reasons(reasons: Sequence[str], recordings: int) -> None:
    """Says why recordings could not be read, and how many of them, if any, and leaves with status 1."""
    for reason in reasons[:SHOWN]:
        say(reason)
    if reasons:
        say(f"{len(reasons):,} of {counted(recordings, 'recording')} could not be read")
        raise typer.Exit(1)
