"""The events that `earmark events` found, from a file, a folder of files or a job's folder; and the recordings that they are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from earmark.errors import ScoresError
from earmark.events import formats
from earmark.files import journal
from earmark.files.apart import joined
from earmark.files.journal import NAME, RESULTS
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event


def events_of(path: str | Path, report: Callable[[str], None] | None = None) -> dict[str, list[Event]]:
    """By recording, as the files name it. report: takes what is to be said of them. Raises ScoresError."""
    path = Path(path)
    if not path.is_dir():
        return formats.read(path, report=report)
    endings = {formats.ending(name): formats.each(name) for name in EVENT_FORMATS.names()}
    whole = [
        path / f"events{ending}"
        for ending, each in endings.items()
        if not each and (path / f"events{ending}").is_file()
    ]
    if len(whole) > 1:
        raise ScoresError(f"{path}: holds {', '.join(file.name for file in whole)}: name the one that is meant")
    if whole:
        return formats.read(whole[0], report=report)
    folder = path / RESULTS if (path / NAME).is_file() else path
    files = sorted(
        file
        for file in folder.iterdir()
        if any(each and file.name.endswith(ending) for ending, each in endings.items())
    )
    if not files:
        raise ScoresError(
            f"{path}: holds no events that can be read back: run earmark events with --format csv, tsv, json, audacity or raven"
        )
    found: dict[str, list[Event]] = defaultdict(list)
    for file in files:
        for recording, events in formats.read(file, report=report).items():
            # the file's name tells more than a table in it where several folders have a recording of one name
            called = formats.recording_of(file)
            found[called if called.endswith(f"_{recording}") else recording] += events
    return dict(found)


def tagger_of(path: str | Path) -> str | None:
    """The identity of the tagger that found the events of a job, by its folder or a file in it; None: nothing tells it."""
    path = Path(path)
    folders = (
        [path] if path.is_dir() else [path.parent, path.parent.parent] if path.parent.name == RESULTS else [path.parent]
    )
    if (folder := next((each for each in folders if (each / NAME).is_file()), None)) is None:
        return None
    told = journal.head(folder).get("told")
    found = told.get("tagger") if isinstance(told, dict) else None
    return found if isinstance(found, str) else None


def recordings_of(names: Iterable[str], found: Sequence[Path]) -> dict[str, Path]:
    """The recording that each name means: by its whole path, its file's name, or that without the ending, also with its folders' names
    before it, as files of one recording each are called. Raises ScoresError for those that none has, or several have.
    """
    known: list[dict[str, list[Path]]] = []
    for called in (str, lambda path: path.name, lambda path: path.stem):
        by_name: dict[str, list[Path]] = defaultdict(list)
        for path in found:
            by_name[called(path)].append(path)
        known.append(by_name)
    told: dict[str, Path] = {}
    missing = []
    for name in names:
        # a path of another folder still ends with the file's name
        fits = next((f for by_name in known for key in (name, Path(name).name) if (f := by_name.get(key))), [])
        fits = fits or _with_folders(name, known[1])
        if len(fits) > 1:
            raise ScoresError(
                f"{name!r} is the name of {len(fits)} recordings, such as {fits[0]} and {fits[1]}: give the folder of one, or "
                "find events with whole paths, as --job tells them"
            )
        if fits:
            told[name] = fits[0]
        else:
            missing.append(name)
    if missing:
        raise ScoresError(
            f"{len(missing)} recordings are not among the {len(found)} that are there, such as {missing[0]!r}: give the folder that "
            "events were found in with --recordings"
        )
    return told


def _with_folders(name: str, by_name: Mapping[str, Sequence[Path]]) -> list[Path]:
    """Those that are called so with some of their last folders before their files' names, as `earmark.files.apart` has it."""
    fits = []
    for at in (at for at, sign in enumerate(name) if sign == "_"):
        for path in by_name.get(name[at + 1 :], ()):
            if any(joined(path, folders) == name for folders in range(1, len(path.absolute().parts))):
                fits.append(path)
    return fits
