"""What options write; `earmark.cli.terminal.ours` knows what was written before, so that it may be replaced.

An option that writes carries a mark, `Annotated[Path | None, typer.Option(…), Writes(errors)]`; every other path of a verb
is one that it reads. Where a verb begins, all its marks are looked at: see `earmark.files.places`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import typer

from earmark.cli.terminal import needing
from earmark.cli.terminal.formulas import Formulas
from earmark.cli.terminal.naming import STDIN, check_streams
from earmark.cli.terminal.ours import audited, drawn, has
from earmark.errors import EarmarkError
from earmark.files import free_name
from earmark.files.apart import Apart
from earmark.files.places import Ours, Places
from earmark.files.stores import is_stored, place


@dataclass(frozen=True)
class Writes:
    """An option for a file: whether one that is there may be replaced."""

    ours: Ours


@dataclass(frozen=True)
class WritesFolder:
    """An option for a folder. names: of the files that are made there whatever is read; ours: whether the folder is of such."""

    names: tuple[str, ...] = ()
    ours: Ours = lambda _: False


@dataclass(frozen=True)
class OwnFolder:
    """An option for a folder that looks by itself whether it holds earmark's work: a run, a job, scenes. stored: it may lie in a store."""

    stored: bool = False


@dataclass(frozen=True)
class WritesEither:
    """An option for a file or a folder: which of them, a verb knows that knows the form, and claims it."""


Mark = Writes | WritesFolder | OwnFolder | WritesEither
places = Places()  # of the command that runs
formulas = Formulas()  # in its tables


def claim(option: str, folder: Path | None, names: Iterable[str], ours: Ours) -> None:
    """For files of a folder whose names are known only once the recordings are. Raises EarmarkError."""
    if folder is not None:
        for name in names:
            places.claim(option, folder / name, ours)


def claim_folder(option: str, folder: Path, mark: WritesFolder) -> None:
    """For the files that a folder always gets. Raises EarmarkError."""
    mine = mark.ours(folder)
    claim(option, folder, mark.names, lambda file: mine or drawn(file))


def names_for(found: Sequence[Path], ending: str) -> Iterator[str]:
    """Of a file for each recording, where all can be read."""
    taken: set[str] = set()
    apart = Apart(found)
    for path in found:
        yield free_name(apart.name(path), taken, ending)


def guarded(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that looks at its places before it begins."""

    @functools.wraps(verb)
    def begin(*args: Any, **values: Any) -> Any:
        values |= {name: _placed(values[name]) for name in marks(verb) if values.get(name) is not None}
        bound = inspect.signature(verb).bind(*args, **values).arguments
        _look(verb, bound)
        needing.check(verb, bound)
        try:
            told = verb(*args, **values)
        except typer.Exit:  # some recordings could not be read; the others are written
            _say_formulas(verb)
            raise
        _say_formulas(verb)
        return told

    return begin


def _say_formulas(verb: Callable[..., Any]) -> None:
    """One line on what a spreadsheet may run of the tables that a verb has written."""
    for file in places.written():
        formulas.look_at(file)
    formulas.say(", or --format json" if "form" in inspect.signature(verb).parameters else "")


def marks(verb: Callable[..., Any]) -> dict[str, Mark]:
    """Those of a verb's options that write, by the names of their parameters."""
    hints = get_type_hints(verb, include_extras=True)
    told = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return {name: mark for name, metadata in told.items() for mark in metadata if isinstance(mark, Mark)}


def option_of(verb: Callable[..., Any], name: str) -> str:
    """What a user calls a parameter: its long option, or its name for an argument."""
    hint = get_type_hints(verb, include_extras=True).get(name)
    for told in getattr(hint, "__metadata__", ()):
        if type(told).__name__ == "ArgumentInfo":
            return name.upper()
        for word in getattr(told, "param_decls", None) or ():
            if word.startswith("--"):
                return str(word)
    return f"--{name.replace('_', '-')}"


def _look(verb: Callable[..., Any], values: dict[str, Any]) -> None:
    """Raises EarmarkError where something would be lost."""
    global places, formulas
    places, formulas = Places(), Formulas()
    found = marks(verb)
    for name, value in values.items():
        if name not in found:
            paths = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Path)]
            if STDIN in paths:
                hint = get_type_hints(verb, include_extras=True)[name]
                check_streams(option_of(verb, name), getattr(hint, "__metadata__", ()), paths)
            for each in _paths(value):
                places.reads(option_of(verb, name), each)
    for name, mark in found.items():
        option = option_of(verb, name)
        if (path := values.get(name)) is None:
            continue
        if isinstance(mark, Writes):
            for each in path if isinstance(path, list) else [path]:
                places.claim(option, each, mark.ours)
            continue
        if isinstance(mark, OwnFolder) and not mark.stored and is_stored(path):
            raise EarmarkError(
                f"{option} {path}: this folder is worked in, as no store lets one. Name a folder on a disk, and copy it when it is done"
            )
        if isinstance(mark, WritesEither) and path.suffix and not path.is_dir():
            places.check_names(option, path)
            continue
        places.folder(option, path)
        if isinstance(mark, WritesFolder):
            claim_folder(option, path, mark)


def _placed(value: Any) -> Any:
    """A path, or several, of which URIs are places of their stores."""
    return [place(each) for each in value] if isinstance(value, list) else place(value)


def _paths(value: Any) -> Iterator[Path]:
    """Files and folders that are there, of paths and of words such as NAME=path."""
    for each in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(each, Path):
            yield each
        elif isinstance(each, str):
            for word in {each, each.partition("=")[2]} - {"", "-"}:
                if len(word) < 4096 and "\0" not in word and _there(Path(word)):
                    yield Path(word)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


REPORT = WritesFolder(
    ("report.json", "report.md", "report.tags.csv", "report.confusion.png", "report.tags.png", "report.html", "scores.parquet"),
    has("report.json", "metrics", "protocol"),
)  # fmt: skip
COMPARISON = WritesFolder(
    tuple(f"comparison.{end}" for end in ("html", "md", "json", "pairs.csv")),
    has("comparison.json", "systems", "pairs"),
)
CURVE = WritesFolder(("curve.json", "curve.md", "curve.png"), has("curve.json", "curves"))
AUDIT = WritesFolder(("audit.csv", "audit.html"), audited)
EXPLAINED = WritesFolder(("explain.json", "index.html"), has("explain.json", "tagger", "net", "layers"))


def claim_reports_in(run: Path | None) -> None:
    """For the reports that a run folder has. Raises EarmarkError."""
    for known in run.glob("evaluation*") if run is not None else ():
        claim_folder("--out", known, REPORT)
