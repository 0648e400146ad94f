"""The data sets: one file a data set, found by looking, named by recipes and by `earmark index`.

A data set is a function decorated with `@dataset` that makes a manifest from the folder that the data set lies in, as
its authors laid it out. Its docstring is the data sheet: clips, tags, licence, where to get it. Its module has a
LAYOUT, the smallest tree that the function accepts: relative path → contents, or AUDIO for any recording. Tests build
that tree, and whoever points the function at something else is shown it. Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

import pyarrow as pa

from earmark.data import packs, recorded
from earmark.data.manifest import Manifest, read
from earmark.data.named import check_options, named
from earmark.errors import ManifestError, agreed, counted
from earmark.errors.kinds import checked
from earmark.files import arrow
from earmark.files.shown import shown
from earmark.files.stores import is_stored, place
from earmark.files.tables import decimal, missing
from earmark.files.texts import check_text
from earmark.registry import DATASETS, did_you_mean
from earmark.scores import LONGEST

Function = TypeVar("Function", bound=Callable[..., Manifest])
Layout = Mapping[str, str]
Event = tuple[str, float, float]  # tag, onset and offset in seconds from the start of the recording

AUDIO = "a recording"  # stands for contents in a LAYOUT
SHOWN = 8  # how many names a message lists
MANIFESTS = (".parquet", ".csv", ".tsv")  # how names of their files end
NO_CLIPS = "holds no clips: its header has no rows below it. Get the table again, or take its part away"
IN_WHOLE = "Perhaps the data set was not unpacked in whole"
VANISHED = 'Videos vanish from YouTube: missing="skip" leaves out the clips without a recording, and counts them'


def dataset(name: str | None = None, **facts: Any) -> Callable[[Function], Function]:
    """Register a data set under its own or another name. facts: what `earmark list` shows, such as the licence.

    generated=True: the function makes its data in an empty or absent folder. ids: a pattern that the name of every clip of an
    official data set holds, by which clips of others are told where a tagger's file does not tell its clips.
    """
    return DATASETS.register(name, **facts)


@checked
def open_data(
    data: str | Path | Manifest,
    dataset: str | None = None,
    options: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda line: None,
    *,
    insisted: Collection[str] = (),
) -> Manifest:
    """A manifest as it is, one from its file, or that of a folder with the layout of `dataset`.

    options: of the layout. A file and a pack are read as they are: an option that their clips were not indexed with has no part in
    them, which is said, or refused of those that are `insisted` on. In its facts the manifest tells the data set that the clips are
    of (`earmark.data.named`). say: takes what was left out and what is doubtful, one line each. Raises ManifestError; for a folder
    without a layout, too.
    """
    if isinstance(data, Manifest):
        return data
    where = place(data)
    as_it_is = read if where.is_file() and dataset != "table" else packs.read if packs.is_pack(where) else None
    if as_it_is is None:
        manifest = _indexed(where, dataset, options or {})
    else:  # whatever its data set's layout was
        manifest = named(as_it_is(where), dataset)
        check_options(where, manifest, dataset, options or {}, insisted, say)
    for line in manifest.told():
        say(f"{data}: {line}")
    return manifest


def _indexed(data: Path, dataset: str | None, options: Mapping[str, Any]) -> Manifest:
    _check_there(data, dataset)
    if dataset is None:
        packs.check_not_left(data)
        raise ManifestError(
            f"{data}: say which layout this folder has with --dataset (one of {', '.join(DATASETS.names())}), "
            "or give a manifest made with `earmark index`"
        )
    return index(dataset, data, **options)


def _check_there(data: Path, dataset: str | None) -> None:
    """Raises ManifestError for what is not there: of a file, and the nearest that is, where a name is that of a manifest."""
    if data.exists():
        return
    what = "Give a manifest, which `earmark index` makes, or the data set's folder"
    if data.suffix.lower() in MANIFESTS:
        there = [] if is_stored(data) or not data.parent.is_dir() else sorted(data.parent.iterdir())
        near = did_you_mean(data.name, [each.name for each in there if each.suffix.lower() in MANIFESTS])
        raise ManifestError(f"{data}: no such file{near} {what}")
    if dataset is None:
        raise ManifestError(f"{data}: no such file or folder. {what}")
    if not DATASETS[dataset].facts.get("generated"):
        raise ManifestError(
            f"{data}: no such folder. Data sets are not downloaded: see where to get {dataset!r} in its data sheet "
            f"(`earmark list datasets`). {what}"
        )


@checked
def index(name: str, root: str | Path, **options: Any) -> Manifest:
    """The manifest of the data set `name` that lies in `root`. options: the arguments of its function.

    Raises UnknownName for the name, ManifestError for the options and for a folder that does not hold the data set.
    """
    entry = DATASETS[name]
    known = [option for option in entry.arguments() if option != "root"]
    for option in options:
        if option not in known:
            raise ManifestError(
                f"data set {name!r} has no option {option!r}{did_you_mean(option, known) or '.'} "
                f"It has {', '.join(known) or 'none'}"
            )
    _check_kinds(entry.function, options)
    root = place(root)
    if packs.is_pack(root):
        raise ManifestError(
            f"{root}: is a pack, not the folder of {name!r}: {packs.describe(root).told()}. It has its manifest: give the folder "
            "itself wherever clips are asked for (--data)"
        )
    _check_there(root, name)
    with entry.at_work("function", ManifestError):
        manifest: Manifest = entry.function(root, **options)
    if not isinstance(manifest, Manifest):
        raise ManifestError(
            f"{entry.told} gives {type(manifest).__name__}, not a manifest: return earmark.data.manifest.build(…)"
        )
    made = entry.facts.get("generated")  # by the function itself, which knows
    notes = manifest.notes if made else (*manifest.notes, *recorded.doubts(manifest, entry.told))
    return replace(manifest, facts={"data set": name, "options": options, **manifest.facts}, notes=notes)


def _check_kinds(function: Callable[..., Manifest], options: Mapping[str, Any]) -> None:
    """Raises ManifestError for a value of another kind than the function's: a fraction of a clip, a name for a number.

    What must be one of some names, the function checks, and says which there are.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    hints = get_type_hints(function)
    for option, value in options.items():
        if "Literal" in str(hints[option]):
            continue
        try:
            TypeAdapter(hints[option], config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            expected = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise ManifestError(f"{option} is {value!r}; it should be {expected}") from error


def tree(layout: Layout) -> str:
    """A layout as an indented tree."""
    lines: list[str] = []
    shown: set[tuple[str, ...]] = set()
    for path, contents in layout.items():
        *folders, name = path.split("/")
        for depth in range(1, len(folders) + 1):
            if tuple(folders[:depth]) not in shown:
                shown.add(tuple(folders[:depth]))
                lines.append("  " * depth + folders[depth - 1] + "/")
        header = contents.partition("\n")[0]
        note = f"columns {header}" if name.endswith((".csv", ".tsv")) else contents if contents == AUDIO else ""
        lines.append("  " * (len(folders) + 1) + name + (f"    ({note})" if note else ""))
    return "\n".join(lines)


def refuse(root: Path, layout: Layout, problem: str) -> NoReturn:
    """Raise ManifestError with what is wrong, what the layout should be, and what is there instead."""
    if root.is_dir():
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in root.iterdir())
        there = [shown(name) for name in names[:SHOWN]] or ["nothing"]
        there += [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    else:
        there = ["a file" if root.exists() else "nothing of that name"]
    # lines of a message are indented after the first: of what is not, a name may have brought it (`earmark.files.shown`)
    lines = [
        "expected, for example:",
        *tree(layout).replace("\t", "  ").splitlines(),
        "found:",
        *(f"  {each}" for each in there),
    ]
    raise ManifestError(f"{root}: {problem}\n" + "\n".join(f"  {line}" for line in lines))


def expect(root: Path, layout: Layout, *wanted: str) -> None:
    """Refuse the folder unless all these files and folders are in it."""
    absent = [path for path in wanted if not (root / path).exists()]
    if absent:
        refuse(root, layout, f"{' and '.join(absent)} not found")


def choose(option: str, value: object, *allowed: object) -> None:
    """Raise ManifestError unless the value of this option is one of those allowed."""
    if value not in allowed:
        raise ManifestError(f"{option} is {value!r}; it is {' or '.join(map(repr, allowed))}")


def first(root: Path, *places: str) -> Path | None:
    """The first of these files or folders that is in `root`."""
    return next((root / place for place in places if (root / place).exists()), None)


def recordings(root: Path, folder: str, names: Sequence[str]) -> list[str]:
    """Where the named recordings lie in root/folder: paths relative to root.

    A recording may have been converted: where `dog.wav` is absent, `dog.flac` is taken. Raises ManifestError with the
    number and the first names of those that are absent.
    """
    paths = located(root, folder, names)
    present(root / folder, names, paths)
    return paths


def located(root: Path, folder: str, names: Sequence[str]) -> list[str]:
    """As `recordings`, with "" for each that is absent. Names may hold folders of their own."""
    from earmark.audio import EXTENSIONS

    prefix = "" if folder in ("", ".") else f"{folder}/"
    there: dict[str, tuple[set[str], dict[str, str]]] = {}
    paths = []
    for name in names:
        inner, _, last = name.rpartition("/")
        if inner not in there:
            place = root / folder / inner
            files = {file for file in os.listdir(place) if not file.startswith(".")} if place.is_dir() else set()
            audio = (file for file in sorted(files) if os.path.splitext(file)[1].lower() in EXTENSIONS)
            there[inner] = files, {os.path.splitext(file)[0]: file for file in audio}
        files, converted = there[inner]
        last = last if last in files else converted.get(os.path.splitext(last)[0], "")
        paths.append(prefix + (f"{inner}/" if inner else "") + last if last else "")
    return paths


def below(root: Path) -> tuple[dict[str, str], int]:
    """All recordings in `root` and the folders in it, through links too: name without ending → path relative to `root`.

    Of recordings with one name the first path in order is taken; the number is how many others there are.
    """
    from earmark.audio import walk_folder

    paths: dict[str, str] = {}
    twice = 0
    for name in walk_folder(root, ManifestError).recordings:
        stem = os.path.splitext(name.rpartition("/")[2])[0]
        if stem in paths:
            twice += 1
        else:
            paths[stem] = name
    return paths, twice


def present(
    where: Path, names: Sequence[str], found: Sequence[str | None], missing: str = "refuse", hint: str = IN_WHOLE
) -> list[int]:
    """The rows whose recording was found. missing="refuse": all rows, or else ManifestError; "skip": what there is.

    Where nothing at all was found, that is refused too. hint: what the message ends with.
    """
    choose("missing", missing, "refuse", "skip")
    rows = [row for row, place in enumerate(found) if place]
    if len(rows) < len(names) and (missing == "refuse" or not rows):
        absent = [name for name, place in zip(names, found, strict=True) if not place]
        raise ManifestError(
            f"{where}: {len(absent):,} of {counted(len(names), 'recording')} {agreed(len(absent), 'is', 'are')} not there: "
            f"{', '.join(absent[:SHOWN])}{' …' if len(absent) > SHOWN else ''}. {hint}"
        )
    return rows


@dataclass(frozen=True)
class Strong:
    """What a table of events says, by recording, in the order of the table.

    events: None for a recording with an event of no length: that table says that a tag is heard, but not when, so that
    not all of its events are known. tags: in the order in which they are heard first.
    """

    events: dict[str, list[Event] | None]
    tags: dict[str, list[str]]
    without_length: int


def strong(
    file: Path, names: Sequence[str], onsets: Sequence[Any], offsets: Sequence[Any], tags: Sequence[str | None]
) -> Strong:
    """The columns of a table with one event a row. A row with a name alone, or with nan, says that nothing is heard.

    Raises ManifestError with the rows, counted from 1, that lack one of the others.
    """
    events: dict[str, list[Event]] = {}
    unclear: dict[str, int] = {}
    tags_of: dict[str, dict[str, None]] = {}
    wrong = []
    for row, (name, onset, offset, tag) in enumerate(zip(names, onsets, offsets, tags, strict=True), 1):
        if name:
            events.setdefault(name, [])
            tags_of.setdefault(name, {})
            if missing(tag) and missing(onset) and missing(offset):
                continue
        try:
            begin, end = decimal(onset), decimal(offset)
        except (TypeError, ValueError):
            wrong.append(row)
            continue
        if not name or not tag or not 0 <= begin <= LONGEST or not 0 <= end <= LONGEST:
            wrong.append(row)
            continue
        tags_of[name][tag] = None
        if begin == end:
            unclear[name] = unclear.get(name, 0) + 1
        else:
            events[name].append((tag, begin, end))
    if wrong:
        shown = ", ".join(map(str, wrong[:SHOWN])) + (" …" if len(wrong) > SHOWN else "")
        raise ManifestError(
            f"{file}: {counted(len(wrong), 'row lacks', 'rows lack')} a name, a tag, an onset or an offset from 0 to "
            f"{LONGEST:.0e} in seconds: {shown}"
        )
    return Strong(
        {name: None if name in unclear else known for name, known in events.items()},
        {name: list(distinct) for name, distinct in tags_of.items()},
        sum(unclear.values()),
    )


def complete(file: Path, cells: Sequence[Sequence[Any]], *names: str) -> None:
    """Raise ManifestError with the rows, counted from 1, in which one of these columns is blank."""
    wrong = [row for row, row_cells in enumerate(zip(*cells, strict=True), 1) if None in row_cells]
    if wrong:
        shown = ", ".join(map(str, wrong[:SHOWN])) + (" …" if len(wrong) > SHOWN else "")
        raise ManifestError(
            f"{file}: {counted(len(wrong), 'row lacks', 'rows lack')} one of {', '.join(names)}: {shown}. {IN_WHOLE}"
        )


def headless(file: Path, names: Sequence[str], separator: str = ",") -> Any:
    """An Arrow table from a CSV file without a header line: these columns, every cell a string or null."""
    from pyarrow import csv

    try:
        check_text(file, ManifestError)
        return arrow.read_csv(
            file,
            csv.ReadOptions(column_names=list(names)),
            csv.ParseOptions(delimiter=separator),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except FileNotFoundError as error:
        raise ManifestError(f"{file}: no such file") from error
    except pa.ArrowInvalid as error:
        raise ManifestError(
            f"{file}: cannot be read as {counted(len(names), 'column')} ({', '.join(names)}): {error}"
        ) from error


def columns(table: Any, file: Path, *names: str) -> list[list[Any]]:
    """These columns of an Arrow table as lists. Raises ManifestError naming those that the table lacks."""
    absent = [name for name in names if name not in table.column_names]
    if absent:
        raise ManifestError(
            f"{file}: no column {' nor '.join(map(repr, absent))}{did_you_mean(absent[0], table.column_names) or '.'} "
            f"It has {', '.join(table.column_names)}"
        )
    return [table[name].to_pylist() for name in names]
