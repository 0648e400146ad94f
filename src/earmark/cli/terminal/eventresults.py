"""The forms in which `earmark events` tells of events: lines for people, tables of all recordings, files of one each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli.terminal import forms
from earmark.errors import UnknownName, counted
from earmark.files.shown import shown, written
from earmark.plugins import broken
from earmark.registry import EVENT_FORMATS, did_you_mean

if TYPE_CHECKING:
    from earmark.cli.terminal.eventextras import Extras
    from earmark.cli.terminal.jobs import Job
    from earmark.events.cells import More
    from earmark.files.pieces import Frame
    from earmark.inference import Failure, Recording, Scored
    from earmark.scores import Event


class Format(str):
    """TABLE, lines for people, or the name of a format of files: earmark's own, or of a plug-in."""

    @property
    def value(self) -> str:
        return str(self)

    @staticmethod
    def of(name: str | None, out: Path | None, otherwise: str = "table") -> Format:
        """Looked up once plug-ins are there. name: None for that of the file `out`, or `otherwise`.

        Raises UnknownName, and EarmarkError where the file is called as one of another format.
        """
        one = {each: last(each) for each in EVENT_FORMATS.names() if not EVENT_FORMATS[each].facts["each"]}
        if name is None or (name != TABLE and name in EVENT_FORMATS):
            name = forms.of_file(name, None if out is None or out.is_dir() else out, one, otherwise)
        if name == TABLE:
            return TABLE
        if name not in EVENT_FORMATS:
            known = ("table", *EVENT_FORMATS.names())
            raise UnknownName(
                f"--format {name}: no event format is called so{did_you_mean(name, known)} Known: {', '.join(known)}{broken()}"
            )
        return Format(name)


def last(form: str) -> str:
    """What stands behind the last dot in the names of a format's files, with it."""
    return Path(f"x{EVENT_FORMATS[form].facts['ending']}").suffix


TABLE = Format("table")
# found by looking at the files of the formats, so that --help need not import them
SHOWN = f"[{'|'.join(('table', *EVENT_FORMATS.files()))}]"
FormatName = Annotated[
    str | None,
    typer.Option("--format", metavar=SHOWN, help="Of the results; default: as --out ends. A plug-in's own too."),
]
SILENT = "nothing: it is silent"


class Table:
    """Lines for people, an event as soon as it and all before it are final; see `earmark.cli.terminal.jobs.Results`.

    names: of the recordings, by path. more: times of the clock, by these names.
    """

    def __init__(self, names: dict[Path, str], more: More | None = None):
        self.names, self.more = names, more
        self.begun: set[Path] = set()  # of which something was printed
        self.failures: list[tuple[str, str]] = []

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        return found

    def show(self, recording: Recording, events: list[Event]) -> None:
        """Events as they become final."""
        self.begun.add(recording.path)
        told = [replace(e, channel=recording.channel) for e in events] if recording.channel else events
        print(lines(self.names[recording.path], told, self.more), end="", flush=True)

    def add(self, heard: Scored, events: Any) -> None:
        path = heard.recording.path
        if path not in self.begun:
            print(f"{shown(self.names[path])}  {SILENT if heard.silent else 'nothing'}", flush=True)
        self.begun.discard(path)

    def fail(self, failure: Failure) -> None:
        path = failure.recording.path
        self.failures.append((failure.error.path, str(failure.error)))
        if path in self.begun:
            print(f"{shown(self.names[path])}  cannot be read further", flush=True)
        self.begun.discard(path)

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        return now

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        return self.failures


class Collected:
    """Events of all recordings, which are written at the end: see `write` and `earmark.cli.terminal.jobs.Results`."""

    def __init__(
        self, names: dict[Path, str], form: Format, out: Path | None, highest: float, more: More | None = None
    ):
        self.names, self.form, self.out, self.highest, self.more = names, form, out, highest, more
        self.heard: dict[str, list[Event]] = {}
        self.limits: dict[str, float] = {}  # Hz, of each recording
        self.failures: list[tuple[str, str]] = []

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        return found

    def add(self, heard: Scored, events: Any) -> None:
        name = self.names[heard.recording.path]
        self.heard[name] = events
        self.limits[name] = hears(heard.recording, self.form, self.highest)

    def fail(self, failure: Failure) -> None:
        self.failures.append((failure.error.path, str(failure.error)))

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        return now

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        paths = {name: path for path, name in self.names.items()}
        return self.failures + write(self.heard, self.form, self.out, self.limits, self.more, paths)


def hears(recording: Recording, form: Any, highest: float) -> float:
    """Hz, that the recording holds and the tagger hears, up to `highest`. Asked of the recording where the form has a place
    for it, which only files of one recording have.
    """
    from earmark.events import formats as eventfile

    return min(highest, recording.highest()) if form is not TABLE and eventfile.each(form) else highest


def names_of(found: Sequence[Path]) -> dict[Path, str]:
    """The name of each recording in the results: its file's, or all paths where two files have one name."""
    twice = max(Counter(path.name for path in found).values(), default=0) > 1
    return {path: str(path) if twice else path.name for path in found}


def lines(name: str, events: list[Event], more: More | None = None) -> str:
    """more: times of the clock, of the recording by this name; they stand before those from its start."""
    from earmark.inference.outputs import clock

    told = f"{shown(name)}  " if name else ""
    made = ""
    for e in events:
        began = more.clocks.get(name) if more is not None and more.clocks is not None else None
        day = f"{began.told(e.onset)[:19].replace('T', ' ')}  " if began is not None else ""
        channel = f"  channel {e.channel}" if e.channel is not None else ""
        made += f"{told}{day}{clock(e.onset)}  {clock(e.offset)}  {shown(e.tag)} {e.score:.2f}{channel}\n"
    return made


def piece(path: Path, events: list[Event], form: Any, highest: float, more: More) -> str:
    """What stands of a recording in the file of a job; named by its path, as others may come that have its name."""
    from earmark.events import formats as eventfile

    if form is TABLE:
        return lines(str(path), events, more) or f"{shown(path)}  nothing\n"
    name = path.name if eventfile.each(form) else str(path)
    return framed(form, more)[0].inner(eventfile.text({name: events}, form.value, highest, more))


def job(folder: Path, told: dict[str, Any], form: Format, highest: float, extras: Extras) -> Job:
    """The job whose results are events. told: what they depend on. highest: Hz, for Raven."""
    from earmark.cli.terminal.jobs import Job, Texts
    from earmark.events import formats as eventfile
    from earmark.files.apart import Apart

    pathed = form is not TABLE and eventfile.each(form) and eventfile.tells_more(form)
    apart = Apart((extras.among or extras.found) if pathed else ())

    def text(heard: Scored, events: list[Event]) -> str:
        path = heard.recording.path
        if heard.silent and form is TABLE:
            return f"{shown(path)}  {SILENT}\n"
        each = form is not TABLE and eventfile.each(form)
        name = path.name if each else str(path)
        more = extras.more({path: name})
        more = of_file(more, name, name, path if apart.name(path) != name else None) if each else more
        return piece(path, events, form, hears(heard.recording, form, highest), more)

    frame, ending, name = framed(form, extras.more({}))
    return Job(folder, told, Texts(frame, text, ending, name), extras.lacks)


def framed(form: Any, more: More) -> tuple[Frame, str, str | None]:
    """What the files of a job's results have in common, how their names end, and how the file of all is called."""
    from earmark.events import formats as eventfile
    from earmark.files.pieces import LINES

    if form is TABLE:
        return LINES, ".txt", "events"
    return eventfile.frame(form, more), eventfile.ending(form), None if eventfile.each(form) else "events"


def is_file(out: Path | None, form: Any) -> bool:
    """Whether results go into a file of that name, which ends as the format's files do, and not into a folder."""
    return out is not None and form is not TABLE and out.suffix.lower() == last(form) and not out.is_dir()


def claim(out: Path | None, found: Sequence[Path], form: Any, *, live: bool = False) -> None:
    """What `write` writes for these recordings, or for one that comes live. Raises EarmarkError where it would not fit or be lost."""
    from earmark.cli.terminal import written as options
    from earmark.errors import EarmarkError
    from earmark.events.formats import each, wrote

    if out is None:
        return
    if not is_file(out, form):
        options.places.folder("--out", out)
        options.claim("--out", out, files(found, form), lambda file: wrote(file, form))
        return
    if each(form) and not live and len(found) != 1:
        raise EarmarkError(
            f"--out {out}: {form} has a file for each of the {counted(len(found), 'recording')}. Name a folder"
        )
    options.places.claim("--out", out, lambda file: wrote(file, form))


def files(found: Sequence[Path], form: Any) -> Iterator[str]:
    """The names of the files that `write` makes where all recordings can be read."""
    from earmark.cli.terminal.written import names_for
    from earmark.events import formats as eventfile

    if form is TABLE:
        return iter(())
    ending = eventfile.ending(form)
    return names_for(found, ending) if eventfile.each(form) else iter([f"events{ending}"])


def write(
    heard: dict[str, list[Event]],
    form: Any,
    out: Path | None,
    highest: dict[str, float],
    more: More | None = None,
    paths: Mapping[str, Path] | None = None,
) -> list[tuple[str, str]]:
    """To stdout, into a file, or into a folder: a file of all, called events, or a file a recording; (path, reason) of those whose name the
    system or the format does not take. highest: Hz, of each recording. more: by the same names. paths: of the recordings, by them.
    """
    from earmark.cli.terminal import written
    from earmark.cli.terminal.jobs import unfit, unwritten
    from earmark.events import formats as eventfile
    from earmark.events.cells import NO_MORE, UnfitName
    from earmark.files import free_name, is_of_the_name, write_text
    from earmark.files.apart import Apart

    more = more or NO_MORE
    failures: list[tuple[str, str]] = []
    if out is None:
        # of a file for each recording there is at most one here
        if not eventfile.each(form):
            told = eventfile.text(heard, form, max(highest.values(), default=None), more)
            print(written.formulas.look(told, eventfile.ending(form)), end="")
        for name, events in heard.items() if eventfile.each(form) else ():
            path = (paths or {}).get(name, Path(name))
            try:
                pathed = of_file(more, name, path.name)
                print(eventfile.text({path.name: events}, form.value, highest[name], pathed), end="")
            except UnfitName as error:
                failures.append((str(path), str(unfit(path, error))))
        return failures
    alone = is_file(out, form)
    if not eventfile.each(form):
        file = out if alone else out / f"events{eventfile.ending(form)}"
        made = eventfile.text(heard, form, max(highest.values(), default=None), more)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, made, newline="")
        return failures
    texts: list[tuple[Path, Path, str]] = []  # all first: what one of them refuses leaves nothing behind
    taken: set[str] = set()
    apart = Apart((paths or {}).values())
    for name, each in heard.items():
        path = (paths or {}).get(name, Path(name))
        file = out if alone else out / free_name(apart.name(path), taken, eventfile.ending(form))
        try:
            pathed = of_file(more, name, path.name, path if apart.name(path) != path.name else None)
            texts.append((path, file, eventfile.text({path.name: each}, form, highest[name], pathed)))
        except UnfitName as error:
            failures.append((str(path), str(unfit(path, error))))
    (out.parent if alone else out).mkdir(parents=True, exist_ok=True)
    for path, file, made in texts:
        try:
            write_text(file, made, newline="")
        except OSError as error:
            if not is_of_the_name(error):
                raise
            failures.append((str(path), str(unwritten(path, error))))
    return failures


def of_file(more: More, name: str, own: str, path: Path | None = None) -> More:
    """For the file of one recording, which is called `own` there: as its file is, without its folder, whatever a table calls it. path:
    where it is, if the file is to tell that, as it is of a recording whose name others have too.
    """
    where = None if path is None else {own: written(path.absolute())}
    clocks = None if more.clocks is None else {own: more.clocks.get(name)}
    return replace(more, clocks=clocks, paths=where)
