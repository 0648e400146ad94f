"""Files of events: what other programs open, read back without loss; one file a format, found by looking.

A format is a class decorated with `@event_format` in a file of its name, with two functions: `text` of events, and `read`
of a text. Onset and offset are seconds from the start of the recording. Numbers that six digits do not hold are written in
full. A score that a file does not tell is 1. Text is UTF-8.

    >>> from earmark.scores import Event
    >>> print(text({"dog.ogg": [Event(0.5, 1.25, "dog", 0.875)]}, "csv"), end="")
    filename,onset,offset,event_label,score
    dog.ogg,0.500000,1.250000,dog,0.875000
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from earmark.errors import ScoresError
from earmark.events.cells import ByRecording, check
from earmark.files import write_text
from earmark.files.bounds import EVENTS
from earmark.files.pieces import LINES, Frame
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
        """The events of each recording. recording: whose they are where the text does not name it. Raises ScoresError."""
        ...


def event_format(
    *, ending: str, each: bool = False, opens: str = "", frame: Frame | None = None
) -> Callable[[Form], Form]:
    """Register a format under the name of its file.

    ending: of its files' names. each: whether a file is of one recording. opens: what its files begin with, where another
    format's end like them. frame: what its files have before, between and after the recordings; default: before them the
    text for none, as the header of a table.
    """

    def register(form: Form) -> Form:
        name = form.__module__.rpartition(".")[2]
        return EVENT_FORMATS.register(name, ending=ending, each=each, opens=opens, frame=frame)(form)

    return register


def ending(form: str) -> str:
    """How the names of a format's files end. Raises UnknownName."""
    return str(EVENT_FORMATS[form].facts["ending"])


def each(form: str) -> bool:
    """Whether a format has a file for each recording. Raises UnknownName."""
    return bool(EVENT_FORMATS[form].facts["each"])


def frame(form: str) -> Frame:
    """What a format's files have around the pieces for recordings, of which a job makes the file of all."""
    told: Frame | None = EVENT_FORMATS[form].facts["frame"]
    if told is not None or each(form):
        return told or LINES
    head = text({}, form)
    return Frame(head, empty=head)


def text(events: ByRecording, form: str, highest: float | None = None) -> str:
    """The file's text. highest: Hz, for Raven. Raises ScoresError."""
    for name, found in events.items():
        for event in found:
            check(event.onset, event.offset, event.score, f"an event of {event.tag!r} in {name}")
    if each(form) and len(events) != 1:
        raise ScoresError(
            f"a file for {form.capitalize()} is of one recording, not of {len(events)}: write one for each"
        )
    return _class(form).text(events, highest)


def write(events: ByRecording, path: str | Path, form: str, highest: float | None = None) -> None:
    """Write a file, whole or not at all. Raises ScoresError."""
    write_text(path, text(events, form, highest), newline="")


def read(path: str | Path, form: str | None = None) -> dict[str, list[Event]]:
    """The events of each recording, by its name in the file. form: default by the file's ending and first line.

    The recording of a label track, and of a selection table that does not name it, is the file's name without the ending.
    Raises ScoresError for a file that cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write({"dog.ogg": [Event(0.5, 1.25, "dog", 0.875)]}, f"{folder}/heard.csv", "csv")
    ...     read(f"{folder}/heard.csv")
    {'dog.ogg': [Event(onset=0.5, offset=1.25, tag='dog', score=0.875)]}
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(EVENTS + 1)
    except OSError as error:
        raise ScoresError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > EVENTS:
        raise ScoresError(
            f"{path}: is longer than a file of events may be, {EVENTS // 1_000_000} MB: is it one? Split it"
        )
    content = data.decode("utf-8-sig", "surrogateescape")
    form = form or _form(path, content)
    try:
        return _class(form).read(content, _recording(path))
    except ScoresError as error:
        raise ScoresError(f"{path}: {error}") from error


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


def _recording(path: Path) -> str:
    """The recording's name from the file's, as `write` is given it: name.wav.txt."""
    endings = sorted((ending(name) for name in EVENT_FORMATS.names() if each(name)), key=len, reverse=True)
    fitting = next((each_ending for each_ending in endings if path.name.endswith(each_ending)), None)
    return path.stem if fitting is None else path.name.removesuffix(fitting)
