"""The events that `earmark events` found, from a file, a folder of files or a job's folder; and the recordings that they are of."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from earmark import audio
from earmark.errors import AudioError, ScoresError, agreed, counted
from earmark.events import formats
from earmark.events.cells import NoEvents
from earmark.files import free_name, journal
from earmark.files.apart import joined
from earmark.files.intact import BY_HAND, Damaged, State
from earmark.files.journal import NAME, RESULTS
from earmark.files.shown import shown
from earmark.files.whole import LONGEST, PART
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

BEYOND = 0.05  # s that an event may reach past the end: tables give times in hundredths


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
    of_job = (path / NAME).is_file()
    folder = path / RESULTS if of_job else path
    if of_job:
        _check(path, report)
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
    others: list[NoEvents] = []
    for file in files:
        try:
            told = formats.read(file, report=report)
        except NoEvents as error:  # a note beside them, which another program or a person left there
            others.append(error)
            continue
        for recording, events in told.items():
            # the file's name tells more than a table in it where several folders have a recording of one name
            called = formats.recording_of(file)
            found[called if _with_folders(file, called, recording) else recording] += events
    if len(others) == len(files):
        raise ScoresError(
            f"{path}: none of its {counted(len(files), 'file')} tells of events: {others[0]}"
        ) from others[0]
    if others and report is not None:
        report(
            f"{counted(len(others), 'file')} in {path} "
            f"{agreed(len(others), 'is passed over, as it is', 'are passed over, as they are')} none of events: {others[0]}"
        )
    return dict(found)


def _check(job: Path, report: Callable[[str], None] | None) -> None:
    """That a job's results are what it wrote: one that is cut off may be read, as events of half of a recording. Raises ScoresError."""
    lines = [line for line in journal.read(job).values() if line.result is not None]
    told = [(job / RESULTS / str(line.result), line.mark) for line in lines]
    states = {file: BY_HAND.state(file, mark) for file, mark in told}
    if damaged := [file for file, state in states.items() if state is State.DAMAGED]:
        raise ScoresError(f"{job}: {Damaged(damaged)}")
    if report is not None and (changed := [file for file, state in states.items() if state is State.CHANGED]):
        report(
            f"{counted(len(changed), 'file was', 'files were')} changed since the job wrote {agreed(len(changed), 'it', 'them')}, such as "
            f"{changed[0]}: read as {agreed(len(changed), 'it is', 'they are')}"
        )


def _with_folders(file: Path, called: str, recording: str) -> bool:
    """Whether a file of one recording is called by its folders, too, however much of the name there was room for."""
    ending = file.name[len(called) :]
    before = (called[:at] for at, sign in enumerate(called) if sign == "_")
    return called.endswith(f"_{recording}") or any(
        free_name(f"{folders}_{recording}", set(), ending) == file.name for folders in before
    )


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


def recordings_of(
    names: Iterable[str], found: Sequence[Path], report: Callable[[str], None] | None = None
) -> dict[str, Path]:
    """The recording that each name means, as `fitting` finds it. report: takes what is to be said. Raises ScoresError for names that none
    has, or several have.
    """
    told, missing = fitting(names, found, report)
    if missing:
        name, why = next(iter(missing.items()))
        raise ScoresError(
            f"{counted(len(missing), 'recording is', 'recordings are')} not among the {len(found):,} that "
            f"{agreed(len(found), 'is', 'are')} there, such as {name!r}{why and f' ({why})'}: give the "
            "folder that events were found in with --recordings"
        )
    return told


@dataclass(frozen=True)
class _Fit:
    """A recording that a name may mean. folders: how many of its last ones the name tells, too. sure: nothing else can be meant. whole:
    whether the name tells that of its file in full. elsewhere: whether it tells folders that are not those of the recording.
    """

    path: Path
    folders: int = 0
    sure: bool = False
    whole: bool = True
    elsewhere: bool = False

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Of two names of one recording that with the higher one is its own."""
        return self.sure, self.folders, self.whole


def fitting(
    names: Iterable[str],
    found: Sequence[Path],
    report: Callable[[str], None] | None = None,
    *,
    one: str = "give the folder of one, or find events with whole paths, as --job tells them",
    other: str = "name the folder of the events with --recordings",
) -> tuple[dict[str, Path], dict[str, str]]:
    """(the recording that each name means, why not of the others: "" where none is called so).

    By its whole path, its file's name, or that without the ending, also with its folders' names before it, and cut where it is too long,
    as files of one recording each are called. Of several that are called alike it is the one with most of the folders that the name tells.
    A name whose own file is there is no other file's, and two names are not of one file. report: takes it where a recording is taken from
    another folder than its name tells. one, other: what to do where several are called so, and where this is not the right one. Raises
    ScoresError where several are meant alike.
    """
    called = _Called(found)
    fits: dict[str, _Fit] = {}
    missing: dict[str, str] = {}
    for name in dict.fromkeys(names):
        each = called.fits(name)
        best = [fit for fit in each if fit.folders == max(other.folders for other in each)]
        if len(best) > 1 and (best[0].folders or not best[0].elsewhere):
            raise ScoresError(
                f"{name!r} is the name of {counted(len(best), 'recording')}, such as {best[0].path} and {best[1].path}: {one}"
            )
        if not best:
            missing[name] = ""
        elif len(best) > 1:
            missing[name] = f"{len(best)} of other folders are called so, such as {best[0].path}"
        elif best[0].elsewhere and _is_another(name, best[0].path):
            missing[name] = f"it is there, and {best[0].path} is another file"
        else:
            fits[name] = best[0]
    by_path: dict[Path, list[str]] = defaultdict(list)
    for name, fit in fits.items():
        by_path[fit.path].append(name)
    for path, alike in by_path.items():
        top = max(fits[name].rank for name in alike)
        own = [name for name in alike if fits[name].rank == top]
        for name in alike:
            if not (top[0] and name in own) and len(alike) > 1 and own != [name]:
                its = own[0] if name != own[0] else own[1]
                missing[name] = f"{path}, the only one that is called so, is {its!r}, too"
    told = {name: fit for name, fit in fits.items() if name not in missing}
    moved = [(name, fit.path) for name, fit in told.items() if fit.elsewhere]
    if moved and report is not None:
        name, path = moved[0]
        report(
            f"{counted(len(moved), 'recording is', 'recordings are')} taken from another folder than the one that is told with "
            f"{agreed(len(moved), 'its', 'their')} events, such as {path} for {name!r}: if "
            f"{agreed(len(moved), 'this is', 'these are')} not the same, {other}"
        )
    return {name: fit.path for name, fit in told.items()}, missing


class _Called:
    """Recordings by how they may be called."""

    def __init__(self, found: Sequence[Path]):
        self._found = found
        self._paths: dict[str, list[Path]] = defaultdict(list)
        self._names: dict[str, list[Path]] = defaultdict(list)
        self._stems: dict[str, list[Path]] = defaultdict(list)
        for path in found:
            for own in dict.fromkeys((str(path), os.path.abspath(path))):
                self._paths[own].append(path)
            self._names[path.name].append(path)
            self._stems[path.stem].append(path)

    def fits(self, name: str) -> list[_Fit]:
        """All that a name may mean, of the way of being called that tells most."""
        apart = os.path.basename(name) != name
        if sure := self._paths.get(name) or (self._paths.get(os.path.abspath(name)) if apart else None):
            return [_Fit(path, sure=True) for path in sure]
        file = Path(name).name  # a path of another folder still ends with the file's name
        for by_name in (self._names, self._stems):
            if alike := by_name.get(name) or by_name.get(file):
                return [self._by_folders(name, path, by_name is self._names) for path in alike]
        return self._with_folders(name) or self._cut(name)

    def _by_folders(self, name: str, path: Path, whole: bool) -> _Fit:
        wanted = Path(os.path.normpath(name)).parent.parts
        above = path.absolute().parent.parts
        pairs = zip(reversed(wanted), reversed(above), strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return _Fit(path, alike, False, whole, alike < len(wanted))

    def _with_folders(self, name: str) -> list[_Fit]:
        """Those that are called so with some of their last folders before their files' names, as `earmark.files.apart` has it."""
        fits = []
        for at in (at for at, sign in enumerate(name) if sign == "_"):
            for path in self._names.get(name[at + 1 :], ()):
                fits += [_Fit(path, folders) for folders in _above(path) if joined(path, folders) == name][:1]
        return fits

    def _cut(self, name: str) -> list[_Fit]:
        """Those whose names, with folders before them or not, were cut to this one for what the files of a format end with."""
        endings = [formats.ending(form) for form in EVENT_FORMATS.names() if formats.each(form)]
        full = len(os.fsencode(name))
        # in whole letters, so that up to three bytes of a last one are missing
        if not any(0 <= LONGEST - len(os.fsencode(ending + PART)) - full <= 3 for ending in endings):
            return []
        fits = []
        for path in self._found:
            for folders in range(len(path.absolute().parts)):
                whole = joined(path, folders)
                if any(free_name(whole, set(), ending) == name + ending for ending in endings):
                    fits.append(_Fit(path, whole=False))
                    break
        return fits


def _above(path: Path) -> range:
    return range(1, len(path.absolute().parts))


def _is_another(name: str, path: Path) -> bool:
    """Whether a name is that of a file which is there, and not this one by another way."""
    try:
        return os.path.isfile(name) and not os.path.samefile(name, path)
    except (OSError, ValueError):
        return False


def check_ends(
    events: Path,
    found: Mapping[str, Sequence[Event]],
    where: Mapping[str, Path],
    report: Callable[[str], None],
    over: str = "they are written as they are",
) -> None:
    """Say which events reach past the end of their recording, as windows that were filled up do. Raises ScoresError for those that
    begin there: their times are of another recording, or of another unit.

    events: the file that they are from. where: the recording of each name, of all that `found` has. over: what becomes of the former.
    """
    late: list[str] = []
    past: list[str] = []
    for name, heard in found.items():
        try:
            length = audio.info(where[name]).duration
        except AudioError:  # as a card tells it that is damaged: what was heard stays what it was
            continue
        if length is None:
            continue
        for event in heard:
            told = f"{event.tag!r}, {event.onset:g} to {event.offset:g} s, in {shown(name)} of {length:.2f} s"
            late += [told] * (event.onset >= length)
            past += [told] * (event.onset < length and event.offset > length + BEYOND)
    if late:
        raise ScoresError(
            f"{events}: {counted(len(late), 'event begins', 'events begin')} after the end of "
            f"{agreed(len(late), 'its', 'their')} recording, such as {late[0]}. Times are seconds from the start "
            f"of the recording: correct {agreed(len(late), 'it', 'them')}, or name the "
            f"{agreed(len(late), 'recording that it is', 'recordings that they are')} of"
        )
    if past:
        report(
            f"{events}: {counted(len(past), 'event ends', 'events end')} after {agreed(len(past), 'its', 'their')} recording, "
            f"such as {past[0]}: {over}"
        )
