"""What the commands share: lines and progress on stderr, results on stdout, files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from earmark.errors import counted
from earmark.files import notation
from earmark.files.shown import message, shown, written
from earmark.files.tables import Rows

KINDS = 30  # kinds of notes that are said
SHOWN = 20  # recordings that could not be read
PATIENCE = 2.0  # s that reading headers may take before there is a bar

if TYPE_CHECKING:
    from rich.progress import Progress


def say(line: str) -> None:
    """One line for the user, on stderr, where it does not get into the results."""
    print(message(line), file=sys.stderr, flush=True)


def say_notes(notes: Sequence[str]) -> None:
    """What was done to the audio, `path: what`: each kind once, with its first recording and how many there are."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        path, _, what = note.partition(": ")
        kinds.setdefault(what, []).append(path)
    for what, paths in list(kinds.items())[:KINDS]:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        say(f"{paths[0]}{more}: {what}")
    if len(kinds) > KINDS:
        say(f"and {counted(len(kinds) - KINDS, 'note')} of other kinds")


class Silent:
    """A progress bar that nobody sees, where stderr is no terminal: rich takes longer to import than a clip to tag."""

    disable = True

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def add_task(self, *_: Any, **values: Any) -> Any:
        return 0

    def update(self, *_: Any, **values: Any) -> None: ...

    def advance(self, *_: Any, **values: Any) -> None: ...


def progress() -> Progress | Silent:
    """A progress bar on stderr; silent where stderr is no terminal. Each of its tasks has a field `told`."""
    if not (
        sys.stderr.isatty() or {"FORCE_COLOR", "TTY_COMPATIBLE"} & os.environ.keys()
    ):  # with which rich draws all the same
        return Silent()
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = [
        TextColumn("{task.description}", markup=False),  # names may hold brackets
        BarColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    return Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        transient=True,
        # rich would lead results that go to a file or a pipe to the terminal
        redirect_stdout=sys.stdout.isatty(),
    )


class Meter:
    """The bar of a run over recordings: by hours of audio where their headers tell them soon enough, else by recordings."""

    def __init__(self, found: Sequence[Path]):
        self.bar = progress()
        self.count = len(found)
        self.lengths = None if self.bar.disable else lengths(found)
        self.past, self.seconds = 0, 0.0

    def __enter__(self) -> Meter:
        self.bar.start()
        total = sum(self.lengths.values()) if self.lengths is not None else self.count
        self.task = self.bar.add_task("", total=total, told="")
        self._show(0)
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def heard(self, more: float) -> None:
        """Seconds of audio have been scored."""
        self.seconds += more
        self._show(more if self.lengths is not None else 0)

    def done(self, path: Path) -> None:
        """A recording is done, or cannot be."""
        self.past += 1
        self._show(1 if self.lengths is None else 0)

    def _show(self, advance: float) -> None:
        of = "" if self.lengths is None else f" of {hours(sum(self.lengths.values()))}"
        names = f"{self.past:,} of {counted(self.count, 'recording')}"
        self.bar.update(self.task, advance=advance, description=names, told=f"{hours(self.seconds)}{of}")


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def lengths(found: Sequence[Path]) -> dict[Path, float] | None:
    """Seconds of each recording by its header, 0 where it cannot be read; None where that takes long or one does not tell."""
    from earmark import audio
    from earmark.errors import AudioError

    until = time.monotonic() + PATIENCE
    told: dict[Path, float] = {}
    for path in found:
        try:
            seconds = audio.info(path).duration
        except AudioError:
            seconds = 0.0
        if seconds is None or time.monotonic() > until:
            return None
        told[path] = seconds
    return told


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """A table on stdout: drawn for a terminal, tab-separated for a pipe."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(shown(cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    # Text: rich would take a tag in brackets for a colour and leave it out
    heads = [Column(Text(message(shown(name)))) for name in columns]
    table = Table(*heads, title=Text(title) if title else None, box=box.SIMPLE, title_justify="left")
    for row in rows:
        table.add_row(*(Text(message(shown(cell))) for cell in row))
    Console().print(table)


def print_json(value: Any) -> None:
    """Plain values on stdout, null for a number that is none."""
    print(notation.text(value))


@contextlib.contextmanager
def output(path: Path | None) -> Iterator[TextIO]:
    """stdout, or a file that appears under its name only once it is whole. Raises EarmarkError for a folder."""
    if path is None:
        yield sys.stdout
        return
    if path.is_dir():
        from earmark.errors import EarmarkError

        raise EarmarkError(f"{path}: is a folder. Name a file in it, such as {path / 'results'}")
    from earmark.files import whole_text

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_text(path) as file:
        yield file


def none_in(paths: Sequence[Path]) -> str:
    """That there are no recordings in what was given."""
    return f"no recordings in {', '.join(map(str, paths))}: files with other endings are tried when given by name"


def unnamed(path: str, reason: str) -> str:
    """What could not be done with a recording, without its name before it, which messages tell as text and jobs of before as it is."""
    return reason.removeprefix(f"{path}: ").removeprefix(f"{written(path)}: ")


def say_failures(
    failures: Sequence[tuple[str, str]], found: Sequence[Path], paths: Sequence[Path], errors: Path | None
) -> bool:
    """What could not be read, (path, reason), into the table of errors or else on stderr; whether there is any."""
    write_errors(errors, [(path, unnamed(path, reason)) for path, reason in failures])
    if not found:
        say(none_in(paths))
    if failures:
        if errors is None:
            for _, reason in failures[:SHOWN]:
                say(reason)
        say(f"{len(failures):,} of {counted(len(found), 'recording')} could not be read")
    return bool(failures)


def write_errors(path: Path | None, rows: Sequence[tuple[str, str]]) -> None:
    """Paths and reasons of what could not be read, as CSV, where the user asked for it."""
    if path is not None:
        with output(path) as file:
            writer = Rows(file)
            writer.writerow(["path", "reason"])
            writer.writerows([written(cell) for cell in row] for row in rows)
