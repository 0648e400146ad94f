"""Files of events: what other programs open, read back without loss; one file a format, found by looking.

A format is a class decorated with `@event_format` in a file of its name, with two functions: `text` of events, and `read`
of a text. Onset and offset are seconds from the start of the recording. Numbers that six digits do not hold are written in
full. A score that a file does not tell is 1. Text is UTF-8.

A row in which nothing or "nan" stands for onset, offset and label says that nothing is heard in its recording. A point, whose
offset is its onset, is no event: it is left out and said, or given a length.

    >>> from earmark.scores import Event
    >>> print(text({"dog.ogg": [Event(0.5, 1.25, "dog", 0.875)]}, "csv"), end="")
    filename,onset,offset,event_label,score
    dog.ogg,0.500000,1.250000,dog,0.875000
"""

from __future__ import annotations

import math
import warnings
from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from earmark import plugins
from earmark.errors import ScoresError, agreed, counted
from earmark.errors.kinds import checked
from earmark.events.cells import NO_MORE, ByRecording, Found, More, NoEvents, check, check_label
from earmark.files import write_text
from earmark.files.bounds import EVENTS
from earmark.files.pieces import LINES, Frame
from earmark.files.texts import problem, wide
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

Form = TypeVar("Form", bound="type[EventFormat]")


class EventFormat(Protocol):
    """What a format's class has."""

    @staticmethod
    def text(events: ByRecording, highest: float | None = None) -> str:
        """The file's text. highest: Hz, that the tagger hears, for programs that draw boxes. Raises ScoresError."""
        ...

    @staticmethod
    def read(text: str, recording: str) -> dict[str, list[Event]]:
        """The events of each recording, best a `earmark.events.cells.Found`, which takes in cells as they stand.

        recording: whose they are where the text does not name it. Raises ScoresError.
        """
        ...


def event_format(
    *, ending: str, each: bool = False, opens: str = "", frame: Frame | None = None, more: bool = False
) -> Callable[[Form], Form]:
    """Register a format under the name of its file, also of a plug-in's.

    ending: of its files' names. each: whether a file is of one recording. opens: what its files begin with, where another
    format's end like them. frame: what its files have before, between and after the recordings; default: before them the
    text for none, as the header of a table. more: whether its `text` also takes `earmark.events.cells.More`: times of the clock
    and channels.
    """

    def register(form: Form) -> Form:
        plugin = plugins.of(form.__module__)  # whose file has another name as a module
        name = Path(plugin.name).stem if plugin and plugin.sha256 else form.__module__.rpartition(".")[2]
        return EVENT_FORMATS.register(name, ending=ending, each=each, opens=opens, frame=frame, more=more)(form)

    return register


def ending(form: str) -> str:
    """How the names of a format's files end. Raises UnknownName."""
    return str(EVENT_FORMATS[form].facts["ending"])


def each(form: str) -> bool:
    """Whether a format has a file for each recording. Raises UnknownName."""
    return bool(EVENT_FORMATS[form].facts["each"])


def tells_more(form: str) -> bool:
    """Whether a format has a place for times of the clock and channels. Raises UnknownName."""
    return bool(EVENT_FORMATS[form].facts["more"])


def frame(form: str, more: More = NO_MORE) -> Frame:
    """What a format's files have around the pieces for recordings, of which a job makes the file of all."""
    told: Frame | None = EVENT_FORMATS[form].facts["frame"]
    if told is not None or each(form):
        return told or LINES
    head = text({}, form, more=more)
    return Frame(head, empty=head)


@checked
def text(events: ByRecording, form: str, highest: float | None = None, more: More = NO_MORE) -> str:
    """The file's text. highest: Hz, for Raven. more: for formats that tell it. Raises ScoresError."""
    for name, found in events.items():
        for event in found:
            what = f"an event of {event.tag!r} in {name}"
            check(event.onset, event.offset, event.score, what)
            check_label(event.tag, what)
    if each(form) and len(events) != 1:
        raise ScoresError(
            f"a file for {form.capitalize()} is of one recording, not of {len(events)}: write one for each"
        )
    if tells_more(form):
        return _text(form, events, highest, more)
    if more.columns:
        others = ", ".join(name for name in EVENT_FORMATS.names() if tells_more(name))
        raise ScoresError(f"{form} has no place for times of the clock or channels: choose one of {others}")
    return _text(form, events, highest)


def _text(form: str, *given: Any) -> str:
    """What a format makes of events. Raises ScoresError where a plug-in's fails, or gives no text."""
    entry = EVENT_FORMATS[form]
    with entry.at_work("text", ScoresError):
        made = _class(form).text(*given)
    if not isinstance(made, str):
        raise ScoresError(f"{entry.told}: its text gives {_a(made)}, not text (str)")
    return made


def _events(form: str, text: str, recording: str) -> dict[str, list[Event]]:
    """What a format finds in a text. Raises ScoresError, also where a plug-in's fails or gives something else."""
    entry = EVENT_FORMATS[form]
    with entry.at_work("read", ScoresError):
        found = _class(form).read(text, recording)
    wanted = "a dictionary of recordings (text), each with a list of earmark.scores.Event: best an earmark.events.cells.Found"
    if not isinstance(found, dict):
        raise ScoresError(f"{entry.told}: its read gives {_a(found)}, not {wanted}")
    for name, events in found.items():
        if not isinstance(name, str) or not isinstance(events, list):
            raise ScoresError(f"{entry.told}: its read gives {_a(events)} for {name!r}, not {wanted}")
        if other := [each for each in events if not isinstance(each, Event)]:
            raise ScoresError(f"{entry.told}: its read gives {_a(other[0])} among the events of {name!r}, not {wanted}")
    return found


def _a(value: object) -> str:
    return "nothing (None)" if value is None else f"what is of the type {type(value).__name__}"


@checked
def check_tags(form: str, tags: Iterable[str]) -> None:
    """Raises ScoresError for tags that the format cannot write: before hours of recordings are heard."""
    for tag in tags:
        try:
            _class(form).text({"recording.wav": [Event(0.0, 1.0, tag)]}, 1000.0)
        except ScoresError as error:
            raise ScoresError(f"--format {form}: {error}") from error


@checked
def write(events: ByRecording, path: str | Path, form: str, highest: float | None = None, more: More = NO_MORE) -> None:
    """Write a file, whole or not at all. Raises ScoresError."""
    write_text(path, text(events, form, highest, more), newline="")


@checked
def read(
    path: str | Path,
    form: str | None = None,
    *,
    points: float | None = None,
    report: Callable[[str], None] | None = None,
) -> dict[str, list[Event]]:
    """The events of each recording, by its name in the file. form: default by the file's ending and first line.

    The recording of a label track, and of a selection table that does not name it, is the file's name without the ending.
    points: seconds that a point lasts from there on; without it points are left out. report: takes what is left out, and
    what else is to be said, one line each; default: Python's warnings. Raises ScoresError for a file that cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write({"dog.ogg": [Event(0.5, 1.25, "dog", 0.875)]}, f"{folder}/heard.csv", "csv")
    ...     read(f"{folder}/heard.csv")
    {'dog.ogg': [Event(onset=0.5, offset=1.25, tag='dog', score=0.875)]}
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(EVENTS + 1)
    except OSError as error:
        raise ScoresError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > EVENTS:
        raise ScoresError(
            f"{path}: is longer than a file of events may be, {EVENTS // 1_000_000} MB: is it one? Split it"
        )
    wrong = problem(content)
    if wrong is not None and wide(content[:4096]):
        raise ScoresError(f"{path}: {wrong}")
    # names of recordings may be no UTF-8, as their files' names may not; labels must be
    told = content.decode("utf-8-sig", "surrogateescape")
    form = form or _form(path, told)
    try:
        found = _events(form, told, recording_of(path))
    except ScoresError as error:
        hint = f": {wrong}" if wrong is not None else ""
        kind = NoEvents if isinstance(error, NoEvents) else ScoresError
        raise kind(f"{path}: {error}{hint}") from error
    if isinstance(found, Found):
        _say(path, _with_points(found, points), report)
    return dict(found)


def _with_points(found: Found, length: float | None) -> list[str]:
    """Give the points a length, in order of onset, or leave them out; the notes on the file."""
    if not found.points:
        return found.notes
    if length is not None:
        if not 0 < length < math.inf:
            raise ScoresError(f"points last {length} s; give a length above 0")
        for name, event, _ in found.points:
            insort(found[name], replace(event, offset=event.onset + length), key=lambda e: e.onset)
        return [*found.notes, f"{counted(len(found.points), 'point is', 'points are')} taken to last {length:g} s each"]
    _, first, where = found.points[0]
    count = len(found.points)
    return [
        *found.notes,
        f"{counted(count, 'point')} without a length {agreed(count, 'is', 'are')} left out, the first on {where}: "
        f"{first.tag!r} at {first.onset:g} s",
    ]


def _say(path: Path, notes: list[str], report: Callable[[str], None] | None) -> None:
    for note in notes:
        if report is None:
            warnings.warn(f"{path}: {note}", stacklevel=4)  # of `read`, which is checked, it is the caller
        else:
            report(f"{path}: {note}")


def wrote(path: str | Path, form: str) -> bool:
    """Whether a file is as `write` would make it, and nobody's own: what is read of it gives the same text again, or what the
    format's `wrote` says of its text, where it has one.
    """
    try:
        content = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        if (by_its_text := getattr(_class(form), "wrote", None)) is not None:
            return bool(by_its_text(content))
        return text(_events(form, content, recording_of(Path(path))), form, 1.0) == content
    except (OSError, ScoresError):
        return False


def _class(form: str) -> type[EventFormat]:
    found: type[EventFormat] = EVENT_FORMATS[form].function  # type: ignore[assignment]
    return found


def _suffix(form: str) -> str:
    return Path("x" + ending(form)).suffix


def _form(path: Path, content: str) -> str:
    """By the end of the name and, where several formats end so, by how the text opens."""
    alike = [name for name in EVENT_FORMATS.names() if _suffix(name) == path.suffix]
    opened = [name for name in alike if (opens := EVENT_FORMATS[name].facts["opens"]) and content.startswith(opens)]
    rest = [name for name in alike if not EVENT_FORMATS[name].facts["opens"]]
    if found := opened or rest:
        # .txt may be the end of another's longer ending
        return max(found, key=lambda name: len(ending(name)) if path.name.endswith(ending(name)) else 0)
    endings = sorted({_suffix(name) for name in EVENT_FORMATS.names()})
    raise ScoresError(
        f"{path}: {path.suffix or 'a name without ending'} is no file of events: these end in {', '.join(endings[:-1])} or "
        f"{endings[-1]}; say which format it is"
    )


def recording_of(path: Path) -> str:
    """The name that a file of one recording has for it: name.wav of name.wav.txt."""
    endings = sorted((ending(name) for name in EVENT_FORMATS.names() if each(name)), key=len, reverse=True)
    fitting = next((each_ending for each_ending in endings if path.name.endswith(each_ending)), None)
    return path.stem if fitting is None else path.name.removesuffix(fitting)
