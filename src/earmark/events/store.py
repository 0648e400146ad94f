"""The events of many recordings as a folder of Parquet tables, for programs that count and filter: DuckDB, pandas, Spark, R.

    STORE/store.json                    what it is, by which tagger, and how many rows there are
    STORE/events/SITE/MONTH-0.parquet   a row an event: `EVENTS`
    STORE/recordings/SITE/MONTH-0.parquet  a row a recording that was heard to its end, without events too: `RECORDINGS`

In an object store the tables of an old one are replaced one by one, and STORE/store.json comes last: without it a store is not done.

A file holds recordings that began in one month at one site, in their order; what nobody knows the month of is in `unknown-0`. More
files of a month, -1, -2, … come where other sites were in between. What names of folders and files tell stands in columns too, so
that nobody needs to take them apart, and no column is called by a word of SQL. Times by the clock are those that hung on the wall.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from earmark.audio import Began
from earmark.errors import ScoresError
from earmark.events.counts import Heard
from earmark.files import free_name, whole_folder, write_text
from earmark.files.stores import is_stored

FORMAT = "earmark-store"
VERSION = 1
NAME = "store.json"
TABLES = ("events", "recordings")
UNKNOWN = "unknown"  # in place of a month
GROUP = 2**16  # rows of a file that are held, and of its groups of rows
OPEN = 4  # files that are written to by turns
EPOCH = datetime(1970, 1, 1)


class Column(NamedTuple):
    """kind: as `pyarrow.type_for_alias` knows it."""

    name: str
    kind: str
    null: bool
    tells: str


_WHERE = (
    Column("recording", "string", False, "Its path, as it was found."),
    Column("site", "string", False, "Where it was recorded: its folder, below the one that holds them all."),
)
EVENTS = (
    *_WHERE,
    Column("channel", "int16", True, "That it was heard in, from 1; null: all, mixed."),
    Column("tag", "string", False, "What is heard."),
    Column("score", "float", False, "How sure the tagger is: the highest in the event."),
    Column("onset_s", "double", False, "Seconds from the start of the recording."),
    Column("offset_s", "double", False, "The same, of its end."),
    Column("onset_time", "timestamp[ms]", True, "When it began, by the clock on the wall; null where nobody knows."),
    Column("utc_offset", "int16", True, "Minutes that the clock is ahead of UTC; null where its zone is not known."),
)
RECORDINGS = (
    *_WHERE,
    Column("duration_s", "double", False, "Seconds."),
    Column("events", "int32", False, "That were found in it."),
    Column("start_time", "timestamp[ms]", True, "When it began, by the clock on the wall; null where nobody knows."),
    Column("utc_offset", "int16", True, "Minutes that the clock is ahead of UTC; null where its zone is not known."),
    Column(
        "unheard_s",
        "double",
        True,
        "Seconds of it that hold nothing that can be heard, such as silence; null where nobody knows.",
    ),
)
COLUMNS: Mapping[str, tuple[Column, ...]] = {"events": EVENTS, "recordings": RECORDINGS}


def write(heard: Iterable[Heard], folder: Path, facts: Mapping[str, Any]) -> dict[str, int]:
    """Rows of each table. In place of a store that is there, which stays whole until then. facts: what found them; plain values.

    Memory does not grow with the recordings. Raises ScoresError where the folder holds something else.
    """
    check(folder)
    with whole_folder(folder, check) as part:
        tables = {name: _Table(part / name, COLUMNS[name], {"table": name, **facts}) for name in TABLES}
        for each in heard:
            month = each.began.when.strftime("%Y-%m") if each.began is not None else UNKNOWN
            _add(each, *(tables[name].part(each.site, month) for name in TABLES))
        rows = {name: table.close() for name, table in tables.items()}
        told = {"format": FORMAT, "version": VERSION, "earmark": version("earmark"), "facts": dict(facts), "rows": rows}
        write_text(part / NAME, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return rows


def check(folder: Path) -> None:
    """Raises ScoresError where a folder is neither new nor empty nor a store with nothing else in it."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ScoresError(f"{folder}: is a file. Give a folder for the tables")
    names = {entry.name for entry in folder.iterdir()}
    half = is_stored(folder) and names <= set(TABLES)  # there it was stopped while it was put: NAME comes last
    if names and not half and not (is_store(folder) and names <= {NAME, *TABLES}):
        raise ScoresError(f"{folder}: holds what is no store of events, which would be lost. Give a new folder")


def is_store(folder: Path) -> bool:
    try:
        told = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("format") == FORMAT


def _add(heard: Heard, events: _Part, recordings: _Part) -> None:
    """Rows of a recording, in the order of `EVENTS` and `RECORDINGS`."""
    found, count = heard.events, len(heard.events)
    recording, site = _text(heard.recording), _text(heard.site)
    began, offset = (None, None) if heard.began is None else _wall(heard.began, 0.0)
    recordings.add(1, [recording], [site], [heard.duration], [count], [began], [offset], [heard.unheard])
    if count:
        times, offsets = _walls(heard.began, [e.onset for e in found])
        events.add(
            count, [recording] * count, [site] * count, [e.channel for e in found], [e.tag for e in found],
            [e.score for e in found], [e.onset for e in found], [e.offset for e in found], times, offsets,
        )  # fmt: skip


def _text(name: str) -> str:
    """A name in Unicode, as Parquet wants texts: bytes that are none become �."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _folder(site: str) -> str:
    """A folder's name of a site's: programs pass over those that open with a dot or a line."""
    name = quote(site, safe=" ", errors="surrogateescape")
    return f"-{name}" if name[:1] in ("", ".", "_") else name


def _wall(began: Began, seconds: float) -> tuple[int, int | None]:
    """(the clock on the wall so many seconds later, in ms since 1970; minutes ahead of UTC where known)."""
    clock = began.at(seconds)
    ahead = clock.utcoffset()
    when = clock.replace(tzinfo=None) - EPOCH
    return when // timedelta(milliseconds=1), None if ahead is None else int(ahead.total_seconds() // 60)


def _walls(began: Began | None, seconds: list[float]) -> tuple[list[int | None], list[int | None]]:
    """The same of several times; one by one only where clocks are put forward or back between them."""
    if began is None:
        return [None] * len(seconds), [None] * len(seconds)
    first, last = _wall(began, 0.0), _wall(began, max(seconds))
    if first[1] == last[1]:
        return [first[0] + round(1000 * each) for each in seconds], [first[1]] * len(seconds)
    walls = [_wall(began, each) for each in seconds]
    return [when for when, _ in walls], [ahead for _, ahead in walls]


@dataclass
class _Part:
    """A file in work: rows that are held, by columns."""

    path: Path
    schema: Any
    held: list[list[Any]] = field(default_factory=list)
    count: int = 0  # of rows that are held
    rows: int = 0
    file: Any = None

    def add(self, count: int, *columns: list[Any]) -> None:
        if not self.held:
            self.held = [[] for _ in columns]
        for held, column in zip(self.held, columns, strict=True):
            held.extend(column)
        self.count += count
        self.rows += count
        if self.count >= GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        from earmark.files import parquet

        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = parquet.Writer(self.path, self.schema, compression="zstd")
        columns = self.held or [[] for _ in self.schema]
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, self.schema, strict=True)]
        self.file.write(pa.Table.from_arrays(arrays, schema=self.schema))
        self.held, self.count = [], 0

    def close(self) -> int:
        """The rows of the file."""
        if self.count:
            self.flush()
        if self.file is not None:
            self.file.close()
        return self.rows


class _Table:
    """The files of a table, of which few are open at once."""

    def __init__(self, folder: Path, columns: tuple[Column, ...], facts: Mapping[str, Any]):
        import pyarrow as pa

        told = {"format": FORMAT, "version": VERSION, **facts}
        fields = [pa.field(each.name, pa.type_for_alias(each.kind), each.null) for each in columns]
        self.schema = pa.schema(fields, {FORMAT: json.dumps(told)})
        self.folder, self.rows = folder, 0
        self.open: OrderedDict[tuple[str, str], _Part] = OrderedDict()
        self.begun: dict[tuple[str, str], int] = {}  # files of a site's month
        self.sites: dict[str, str] = {}  # names of folders
        self.taken: set[str] = set()
        folder.mkdir()

    def part(self, site: str, month: str) -> _Part:
        key = site, month
        if key not in self.open:
            if len(self.open) >= OPEN:
                self._close(next(iter(self.open)))
            number = self.begun[key] = self.begun.get(key, -1) + 1
            if site not in self.sites:
                self.sites[site] = free_name(_folder(site), self.taken)
            self.open[key] = _Part(self.folder / self.sites[site] / f"{month}-{number}.parquet", self.schema)
        self.open.move_to_end(key)
        return self.open[key]

    def _close(self, key: tuple[str, str]) -> None:
        self.rows += self.open.pop(key).close()

    def close(self) -> int:
        """The rows of all its files; a table without any has one file without rows, so that it can be read."""
        for key in list(self.open):
            self._close(key)
        if not self.rows:
            empty = _Part(self.folder / "-" / f"{UNKNOWN}-0.parquet", self.schema)
            empty.flush()
            empty.close()
        return self.rows
