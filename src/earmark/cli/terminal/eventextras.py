"""What `earmark events` makes beside events: times of the clock, clips, counts, a store; and recordings by their channels."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import agreed, counted
from earmark.files import notation
from earmark.files.journal import KEPT
from earmark.files.stores import place
from earmark.files.tables import Rows
from earmark.inference.channels import MIX, Channels

if TYPE_CHECKING:
    from earmark.audio import Began, Clocks
    from earmark.events.cells import More
    from earmark.events.clips import Settings
    from earmark.events.counts import Count, Heard
    from earmark.inference import Recording, Scored
    from earmark.scores import Event

ENOUGH = 1 / 6  # h of recordings, from which on rates are compared
GROSSLY = 10  # times as many events an hour
SUM = b', "crc32": '


@dataclass(frozen=True)
class Wanted:
    """What the user asked for. clocks: None where no times are told. clips: a folder. summary: files of counts. store: a folder."""

    clocks: Clocks | None = None
    clips: Path | None = None
    settings: Settings | None = None
    summary: tuple[Path, ...] = ()
    channels: Channels = MIX
    store: Path | None = None

    @property
    def counted(self) -> bool:
        """Whether what was heard is gathered, by site and clock."""
        return bool(self.summary) or self.store is not None

    def as_dict(self) -> dict[str, Any]:
        """What a job goes on with; nothing where nothing of this was asked for, as jobs were begun before."""
        told: dict[str, Any] = {}
        told |= {} if self.clocks is None else {"clock": self.clocks.as_dict()}
        if self.clips is not None and self.settings is not None:
            cut = self.settings
            told |= {"clips": [str(self.clips.absolute()), cut.margin, cut.most, cut.form]}
        told |= {"summary": True} if self.counted else {}  # of both: they are made of the same
        return told | self.channels.as_dict()


@dataclass
class Extras:
    """For the recordings `found`. kept: a file of what was heard, where a job has one. among: all recordings of the job, where
    these are a part of them. tags: all that events may be of.
    """

    wanted: Wanted
    found: Sequence[Path]
    kept: Path | None = None
    salvage: bool = False
    clocks: dict[Path, Began | None] = field(default_factory=dict)
    heard: dict[str, dict[str, Any] | tuple[Path, int]] = field(default_factory=dict)  # or in which file, and where
    names: dict[Path, str] = field(default_factory=dict)
    among: Sequence[Path] | None = None
    seconds: float = 0.0
    unheard: float = 0.0  # s, of what is counted
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[Path] = field(default_factory=list)  # pictures that could not be drawn
    tags: Sequence[str] = ()
    folders: dict[str, str] = field(default_factory=dict)  # of clips, by tag
    before: dict[str, list[Path]] = field(default_factory=dict)  # clips of what is heard again, by names

    def __post_init__(self) -> None:
        from earmark.audio import Clocks
        from earmark.events.clips import folders_of, names_of
        from earmark.files.journal import shards

        if self.wanted.clocks is not None or self.wanted.counted:
            clocks = self.wanted.clocks or Clocks()
            self.clocks = {path: clocks.began(path) for path in self.found}
        if self.wanted.clips is not None:
            self.names, self.folders = names_of(self.among or self.found), folders_of(self.tags)
        if self.kept is not None and self.wanted.counted:
            parts = [shard / KEPT for shard in shards(self.kept.parent)]
            self.heard = dict(row for kept in (*parts, self.kept) for row in _read(kept))

    def more(self, names: Mapping[Path, str]) -> More:
        """What files of events tell beside them, of recordings by their names there."""
        from earmark.events.cells import More

        channels = self.wanted.channels.apart
        if self.wanted.clocks is None:
            return More(channels=channels)
        return More({name: self.clocks.get(path) for path, name in names.items()}, channels)

    def lacks(self, path: Path) -> bool:
        """Whether nothing that counts could be made of is kept of a recording, though it was to be."""
        return self.kept is not None and self.wanted.counted and str(path) not in self.heard

    def again(self, todo: Sequence[Path]) -> None:
        """Look for clips of recordings that are to be heard: those of a job that heard them before they were replaced. Raises OSError."""
        from earmark.events.clips import written

        folder = self.wanted.clips
        if folder is not None and folder.is_dir() and any(folder.iterdir()):
            self.before |= written(folder, {self.names[path] for path in todo}, self.folders.values())

    def take(self, heard: Scored, events: list[Event]) -> list[str]:
        """Write the clips of a recording, and keep what counts are made of; what is to be noted on it. Raises AudioError, OSError."""
        from earmark.events import clips

        notes: list[str] = []
        path = heard.recording.path
        self.seconds += heard.duration - heard.unheard
        self.counts.update(event.tag for event in events)
        if self.wanted.clips is not None:
            for clip in self.before.pop(self.names[path], ()):  # of what was heard then
                clip.unlink(missing_ok=True)
            _, left = clips.write(
                path, events, self.wanted.clips, self.wanted.settings, name=self.names[path], salvage=self.salvage,
                folders=self.folders, report=lambda what: notes.append(f"{path}: {what}"),
            )  # fmt: skip
            if left and self.wanted.settings is not None:
                most = self.wanted.settings.most
                notes.append(
                    f"{path}: not all events have a clip: of a tag the {most} with the highest scores do (--clips-each)"
                )
        if self.wanted.counted:
            told = {
                "path": str(path), "duration": heard.duration, "events": [event.to_dict() for event in events], "of": _state(path),
                "unheard": round(heard.unheard, 6),
            }  # fmt: skip
            if self.kept is None:
                self.heard[str(path)] = told
                return notes
            with self.kept.open("ab") as file:
                self.heard[str(path)] = self.kept, file.tell()
                file.write(_line(told))
        return notes

    def finish(self, facts: Mapping[str, Any]) -> list[str]:
        """Write the counts and the store; what is to be said of times and clips, as notes `path: what`. facts: what found them."""
        from earmark.cli.terminal.console import say

        if self.before:
            say(
                f"{counted(len(self.before), 'recording was', 'recordings were')} to be heard again, and "
                f"{agreed(len(self.before), 'was', 'were')} not: the clips of what was "
                f"heard in {agreed(len(self.before), 'it', 'them')} before stay, "
                f"{counted(sum(map(len, self.before.values())), 'file')} such as {next(iter(self.before.values()))[0]}"
            )
        if self.wanted.summary:
            self.missing += summarise(self.wanted.summary, self._listened())
        if (folder := self.wanted.store) is not None:
            from earmark.events import store

            rows = store.write(self._listened(), folder, facts)
            say(f"store: {folder}, {counted(rows['events'], 'event')} of {counted(rows['recordings'], 'recording')}")
        if self.unheard:
            say(
                f"{self.unheard / 3600:.2g} h of what was recorded hold nothing that can be heard, such as silence: they count as recorded "
                "like others, in recorded_minutes and duration_s; of each recording unheard_s of --store tells them"
            )
        return self.notes()

    def notes(self) -> list[str]:
        """On when recordings began."""
        told = [f"{path}: {note}" for path, began in self.clocks.items() if began for note in began.notes]
        unknown = [path for path, began in self.clocks.items() if began is None]
        told += [
            f"{path}: does not tell when it began: say it with --start, or how names tell it with --names"
            for path in unknown
        ]
        return told

    def rarer(self, rates: Mapping[str, float]) -> str | None:
        """What is to be said where tags are far rarer here than in what thresholds were chosen on. rates: events an hour there."""
        hours = self.seconds / 3600
        if hours < ENOUGH:
            return None
        # a tag of which nothing is told has no false alarms to speak of
        rare = [tag for tag, rate in rates.items() if 0 < GROSSLY * self.counts[tag] < rate * hours]
        if not rare:
            return None
        few = ", ".join(
            f"{tag} ({rates[tag]:.3g} an hour there, {self.counts[tag] / hours:.2g} here)" for tag in rare[:3]
        )
        return (
            f"its thresholds were chosen where sounds are much denser: {few}{', …' if len(rare) > 3 else ''}. Where they are rare, more "
            "of what is told is false: choose on such recordings, with earmark calibrate --false-alarms or --reviews"
        )

    def _listened(self) -> Iterator[Heard]:
        """In the order of the recordings."""
        from earmark.events.counts import Heard, sites
        from earmark.scores import Event

        site = sites(self.found)
        self.unheard = 0.0
        for path in self.found:
            if (told := self._told(path)) is not None:
                events = [
                    Event(e["onset"], e["offset"], e["label"], e["score"], e.get("channel")) for e in told["events"]
                ]
                self.unheard += told.get("unheard") or 0.0
                yield Heard(str(path), told["duration"], events, self.clocks[path], site[path], told.get("unheard"))

    def _told(self, path: Path) -> dict[str, Any] | None:
        found = self.heard.get(str(path))
        if not isinstance(found, tuple):
            return found
        place, at = found
        with place.open("rb") as file:
            file.seek(at)
            told: dict[str, Any] = json.loads(file.readline())
        return told


def wanted(
    times: tuple[bool, str | None, str | None, str | None],
    cut: tuple[Path | None, float, int, Any],
    summary: Sequence[Path] | None,
    channel: int | None,
    each_channel: bool,
    form: Any,
    job: Path | None,
    pictures: Path | None,
    coming: Recording | None,
    store: Path | None = None,
) -> Wanted:
    """times: --clock, --start, --names and --zone; cut: --clips, --margin, --clips-each and --clips-as. Raises EarmarkError for
    what cannot be, or does not go together.
    """
    from earmark.audio import Clocks
    from earmark.errors import EarmarkError
    from earmark.events.clips import Settings
    from earmark.events.formats import tells_more
    from earmark.registry import EVENT_FORMATS

    channels = Channels(channel, each_channel)
    clock, *how = times
    told = clock or any(value is not None for value in how)
    if (told or channels.apart) and form.value != "table" and not tells_more(form.value):
        others = ", ".join(name for name in EVENT_FORMATS.names() if tells_more(name))
        raise EarmarkError(
            f"--format {form.value} has no place for times of the clock or channels: choose one of {others}, or leave these out"
        )
    check_summary(summary or ())
    clips, *settings = cut
    made = Settings(*settings)
    clocks = Clocks(*how)
    asked = Wanted(clocks if told else None, clips, made, tuple(summary or ()), channels, store)
    check(asked, job, pictures, coming)
    return asked


def check_summary(files: Sequence[Path]) -> None:
    """Raises EarmarkError for names that do not say what is to be written."""
    from earmark.errors import EarmarkError

    for file in files:
        if file.suffix not in (".csv", ".json", ".png"):
            raise EarmarkError(f"--summary {file}: name it .csv or .json for a table, .png for a picture")


def check(wanted: Wanted, job: Path | None, pictures: Path | None, coming: Recording | None) -> None:
    """Raises EarmarkError for what does not go with a job, pictures or live sound, and where clips would lie among other files;
    those of a job that goes on are its own.
    """
    from earmark.errors import EarmarkError
    from earmark.files.mirror import begun

    asked = wanted.as_dict()
    if coming is not None and asked:
        raise EarmarkError(
            f"{', '.join(asked)}: of files, not of sound that is heard while it comes. Save it as a file first"
        )
    if pictures is not None and wanted.channels.apart:
        raise EarmarkError("--pictures draw the mix of all channels: leave them, or --channel and --each-channel, out")
    if wanted.store is not None:
        from earmark.events import store

        store.check(wanted.store)
    folder = wanted.clips
    if folder is None or (job is not None and begun(job)):
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise EarmarkError(
            f"--clips {folder}: holds files already, among which clips would not be known. Name a new folder"
        )


def one(start: str | None, found: Sequence[Path]) -> Sequence[Path]:
    """The recordings. Raises EarmarkError where one beginning is told of several."""
    from earmark.errors import EarmarkError

    if start is not None and len(found) > 1:
        raise EarmarkError(
            f"--start {start}: is of one recording, and these are {len(found)}: run it for each, or say how names tell it with "
            "--names"
        )
    return found


def _state(path: Path) -> list[int] | None:
    """Bytes and time of change (ns) of a file; None for one that is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _still(told: Mapping[str, Any]) -> bool:
    """Whether what was kept is of the recording as it is now, as far as it tells of what."""
    return told.get("of") is None or told["of"] == _state(place(told["path"]))


def _line(told: Mapping[str, Any]) -> bytes:
    """As it is kept: with a sum of what stands before it, since one digit more or less would make it another number."""
    text = json.dumps(told, ensure_ascii=True, allow_nan=False).encode()
    return text[:-1] + SUM + b'"%08x"}\n' % zlib.crc32(text[:-1])


def _parsed(line: bytes) -> dict[str, Any]:
    """Raises ValueError for one that is damaged."""
    text, found, told = line.rpartition(SUM)
    if found and told.rstrip() != b'"%08x"}' % zlib.crc32(text):
        raise ValueError("what stands there is not what was written")
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def _read(kept: Path) -> Iterator[tuple[str, tuple[Path, int]]]:
    """Where what was heard before stands; a line that was cut off or damaged is taken for not written, as its recording is heard again.

    What was heard of a recording before it was replaced is left out: a shard may have heard it since.
    """
    if not kept.is_file():
        return
    at = 0
    with kept.open("r+b") as file:
        while line := file.readline():
            if not line.endswith(b"\n"):
                file.write(b"\n")
            try:
                told = _parsed(line)
                if _still(told):
                    yield told["path"], (kept, at)
            except (ValueError, LookupError, TypeError):
                continue
            finally:
                at += len(line)


def summarise(files: Sequence[Path], heard: Iterable[Heard]) -> list[Path]:
    """Write counts in each of the files, by their endings; the pictures that could not be drawn."""
    from earmark.cli.terminal.console import output
    from earmark.cli.terminal.drawing import drawn
    from earmark.events.counts import COLUMNS, count

    counts = count(heard)
    missing = []
    for file in files:
        if file.suffix == ".png":
            if not drawn("the counts", partial(_picture, counts, file)):
                missing.append(file)
            continue
        with output(file) as out:
            if file.suffix == ".json":
                rows = [dict(zip(COLUMNS, row.cells(), strict=True)) for row in counts]
                out.write("[\n" + ",\n".join(" " + notation.text(row, None) for row in rows) + "\n]\n")
            else:
                writer = Rows(out)
                writer.writerow(COLUMNS)
                writer.writerows(["" if cell is None else cell for cell in row.cells()] for row in counts)
    return missing


def _picture(counts: Sequence[Count], file: Path) -> None:
    from earmark.cli.terminal.console import say
    from earmark.report.pictures import counts as picture

    file.parent.mkdir(parents=True, exist_ok=True)
    for line in picture.draw(counts, file):
        say(f"{file}: {line}")
