"""What `earmark soundscapes` reads of its options, and prints of the scenes that were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from earmark.cli.terminal.console import print_json, print_table, say, unnamed, write_errors
from earmark.errors import EarmarkError, agreed, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from earmark.data.soundscapes import MixedScene
    from earmark.data.soundscapes.making import Made
    from earmark.errors import AudioError

COLUMNS = ("fold", "scenes", "made now", "events", "tags", "seconds", "scaled down")
SHOWN = 20  # recordings that could not be used
Number = TypeVar("Number", int, float)


def pair(option: str, text: str, kind: Callable[[str], Number]) -> tuple[Number, Number]:
    """lowest:highest, or one value for both."""
    low, colon, high = text.partition(":")
    try:
        return kind(low), kind(high if colon else low)
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise EarmarkError(f"{option} {text}: give two {what}, lowest:highest, or one for both") from error


def print_scenes(made: Made, as_json: bool) -> None:
    if as_json:
        print_json([_record(scene, made.folder) for scene in made.scenes])
    else:
        print_table(COLUMNS, [_row(fold, made) for fold in made.folds])


def leave_with(made: Made, file: Path | None) -> None:
    """What could not be used; leaves with 1 where there is such."""
    failures = [*made.unread, *made.spoilt]
    _tell(failures, file)
    if not failures:
        return
    say(
        f"{counted(len(made.unread), 'recording')} could not be used and {agreed(len(made.unread), 'was', 'were')} left out; "
        f"{counted(len(made.spoilt), 'scene')} could not be made"
    )
    raise typer.Exit(1)


@contextmanager
def told_of_unread(file: Path | None) -> Iterator[None]:
    """Where too few clips are left, those that cannot be used are told as well, in the file that was asked for or on stderr."""
    from earmark.data.soundscapes import TooFew

    try:
        yield
    except TooFew as error:
        _tell(error.unread, file)
        raise


def _tell(failures: Sequence[AudioError], file: Path | None) -> None:
    write_errors(file, [(error.path, unnamed(error.path, str(error))) for error in failures])
    for error in failures[:SHOWN] if file is None else ():
        say(str(error))


def _record(scene: MixedScene, out: Path) -> dict[str, Any]:
    plan = scene.plan
    path = (out / "audio" / plan.fold / f"{plan.name}.flac").as_posix()
    return {"path": path, "made": scene.made, "duration": plan.seconds, "scale": scene.scale, **plan.as_dict()}


def _row(fold: str, made: Made) -> list[Any]:
    mine = [scene for scene in made.scenes if scene.plan.fold == fold]
    events = [event for scene in mine for event in scene.plan.events]
    return [
        fold or "(none)", len(mine), sum(scene.made for scene in mine), len(events), len({event.tag for event in events}),
        f"{sum(scene.plan.seconds for scene in mine):g}", sum(scene.scale < 1 for scene in mine),
    ]  # fmt: skip
