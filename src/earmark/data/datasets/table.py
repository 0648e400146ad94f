"""Recordings listed in a table of somebody else's making."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, SHOWN, columns, dataset, refuse
from earmark.data.manifest import LATER, SCHEMA, Manifest, build, columns_left_out, load_table, read
from earmark.errors import ManifestError, agreed, counted
from earmark.files.tables import missing
from earmark.registry import did_you_mean
from earmark.scores import LONGEST

LAYOUT = {
    "clips.csv": "filename,label,fold,speaker\na/1.wav,dog,1,ann\na/2.wav,cat,2,bob\n",
    "a/1.wav": AUDIO,
    "a/2.wav": AUDIO,
}
CORE = [name for name in SCHEMA.names if name not in LATER]  # what every manifest of earmark's has
ENDINGS = (".csv", ".tsv", ".parquet")

# What columns are usually called, lower case. `start` and `end` are not guessed: in UrbanSound8K's table, say, they are
# times in the recording that a clip was cut from, which is not there.
USUAL = {
    "path": (
        "path",
        "filename",
        "file",
        "fname",
        "audio_path",
        "filepath",
        "file_path",
        "file_name",
        "slice_file_name",
    ),
    "tags": ("tags", "tag", "labels", "label", "category", "class", "event_labels", "event_label"),
    "fold": ("fold", "split", "subset", "partition"),
    "group": ("group", "src_file", "speaker", "freesound_id", "fsid", "speaker_id", "recording_id"),
    "onset": ("onset",),
    "offset": ("offset",),
}
PLURAL = ("tags", "labels", "event_labels")  # columns where a comma separates tags; elsewhere it belongs to the tag
PLACES = ("", "audio", "recordings", "wav", "audio_train", "../audio", "..")  # of recordings, from the table's folder


@dataset()
def table(
    root: Path,
    file: str | None = None,
    path: str | None = None,
    tags: str | None = None,
    separator: str | None = None,
    fold: str | None = None,
    group: str | None = None,
    start: str | None = None,
    end: str | None = None,
    onset: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    audio: str | None = None,
    suffix: str = "",
) -> Manifest:
    """Your own recordings, listed in a CSV, TSV or Parquet file with a header.

    Clips and tags: what the table says; the recordings must be there.
    root: the table, or a folder with the table `file` in it (or with one table only). path, tags, fold, group, start,
    end, onset, offset, id: what the columns are called; all but start, end and id are guessed from the usual names.
    separator: what stands between several tags. audio: the folder that the paths are relative to, from the table's.
    suffix: what to add to the paths, such as ".wav". Everything guessed is in facts["guessed"], and columns without
    a use in facts["columns left out"].
    A table whose columns are all called as a manifest's, with id, path and tags, is read as one.
    With onset and offset (seconds from the start of the recording) each row is an event, as in DESED's tables: the rows
    of a recording become one clip, whose tags are those of its events; a row with a path alone, or with nan for the rest,
    says that nothing is heard. Of a recording with an event of no length the tags are taken, not the events. Otherwise each row is a clip.
    """
    place = _table_file(root, file)
    raw = load_table(place)
    if not len(raw):
        raise ManifestError(
            f"{place}: holds no clips: its header ({', '.join(raw.column_names)}) has no rows below it. Write one row for "
            "each recording, or name another table"
        )
    named = {"path": path, "tags": tags, "fold": fold, "group": group, "start": start, "end": end}
    named |= {"onset": onset, "offset": offset, "id": id}
    if _is_manifest(raw.column_names) and not any(named.values()):
        return read(place, root=_root_of_manifest(raw, place, audio))
    chosen, guessed = _choose(raw.column_names, named, place)
    cells = {column: columns(raw, place, name)[0] for column, name in chosen.items()}
    if "separator" not in guessed and separator is None:
        separator = _separator(chosen["tags"], cells["tags"])
        guessed |= {"separator": separator} if separator else {}
    paths = [f"{name}{suffix}" if name else "" for name in map(_plain, cells["path"])]
    labels = [_split(cell, separator) for cell in cells["tags"]]
    strong = {"onset", "offset"} <= chosen.keys()
    if held := [row for row, name in enumerate(paths, 1) if "\0" in name]:
        raise ManifestError(
            f"{place}: row {held[0]}: a path holds a zero byte, which no name of a file can: {paths[held[0] - 1]!r}"
        )
    clips = _strong(paths, labels, cells, place) if strong else _weak(paths, labels, cells, place)
    folder, where = _audio_folder(place.parent, audio, clips["path"])
    if audio is None:
        guessed["audio"] = where
    left_out = [name for name in raw.column_names if name not in chosen.values()]
    facts: dict[str, Any] = {
        "table": place.name,
        "form": "a row an event" if strong else "a row a clip",
        "guessed": guessed,
    }
    facts |= {"columns left out": left_out} if left_out else {}
    unknown = sum(events is None for events in clips["events"]) if strong else 0
    facts |= {"recordings with an event without a length": unknown} if unknown else {}
    lengthless = (
        (
            f"{counted(unknown, 'recording has', 'recordings have')} an event without a length: only "
            f"{agreed(unknown, 'its', 'their')} tags are taken",
        )
        if unknown
        else ()
    )
    notes = (*columns_left_out(left_out), *lengthless)
    return replace(build(clips, folder, facts=facts, name=str(place)), notes=notes)


def _is_manifest(names: list[str]) -> bool:
    """Whether a table's columns are called as a manifest's: all of them, or none otherwise."""
    return set(CORE) <= set(names) or {"id", "path", "tags"} <= set(names) <= set(SCHEMA.names)


def _root_of_manifest(raw: Any, place: Path, audio: str | None) -> Path | None:
    """Where the paths of a manifest start. None: its own folder, as that of every manifest."""
    if audio is not None or set(CORE) <= set(raw.column_names):
        return None if audio is None else place.parent / audio
    return _audio_folder(place.parent, None, [_plain(cell) for cell in raw["path"].to_pylist()])[0]


def _table_file(root: Path, file: str | None) -> Path:
    if root.is_file():
        return root
    if file is not None:
        if not (root / file).is_file():
            refuse(root, LAYOUT, f"no table {file!r} in it")
        return root / file
    tables = sorted(entry for entry in root.iterdir() if entry.suffix in ENDINGS and not entry.name.startswith("."))
    if len(tables) != 1:
        names = ", ".join(entry.name for entry in tables[:SHOWN])
        refuse(
            root,
            LAYOUT,
            f"several tables: {names}. Say which with file=" if tables else "no table (CSV, TSV or Parquet)",
        )
    return tables[0]


def _choose(names: list[str], named: dict[str, str | None], place: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Our columns → theirs, and which of these were guessed."""
    lower: dict[str, list[str]] = defaultdict(list)
    for there in names:
        lower[there.lower()].append(there)
    chosen: dict[str, str] = {}
    guessed: dict[str, str] = {}
    for column, name in named.items():
        if name is not None:
            if name not in names:
                hint = did_you_mean(name, names) or "."
                raise ManifestError(f"{place}: no column {name!r} for {column}{hint} It has {', '.join(names)}")
            chosen[column] = name
            continue
        usual = [
            match for guess in USUAL.get(column, ()) for match in lower.get(guess, []) if match not in named.values()
        ]
        alike = len({each.lower() for each in usual}) < len(usual)
        if len(usual) > 1 and (alike or column in ("path", "tags")):
            raise ManifestError(
                f"{place}: {' and '.join(usual)} could both be {column}. Say which: {column}={usual[0]!r}"
            )
        if usual:
            chosen[column] = guessed[column] = usual[0]
    for column in ("path", "tags"):
        if column not in chosen:
            raise ManifestError(
                f"{place}: no column for {column} found among {', '.join(names)}. Name it with {column}=; "
                f"known without that: {', '.join(USUAL[column])}. A table needs a header line"
            )
    return chosen, guessed


def _separator(name: str, cells: list[Any]) -> str | None:
    """The first of | ; , that occurs in a column of several tags."""
    if name.lower() not in PLURAL:
        return None
    return next((mark for mark in "|;," if any(mark in cell for cell in cells if isinstance(cell, str))), None)


def _plain(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _split(cell: Any, separator: str | None) -> list[str]:
    if isinstance(cell, list):
        return [str(tag) for tag in cell]
    parts = _plain(cell).split(separator) if separator else [_plain(cell)]
    return [part.strip() for part in parts if part.strip()]


def _weak(paths: list[str], labels: list[list[str]], cells: dict[str, list[Any]], place: Path) -> dict[str, Any]:
    ids = cells.get("id", paths)
    if "start" in cells and "id" not in cells:
        ids = [f"{path}@{_plain(start)}" for path, start in zip(paths, cells["start"], strict=True)]
    elif "id" not in cells and len(set(paths)) < len(paths):
        # the count of each at once: a search for the first would count all paths anew for each
        twice, count = next((path, count) for path, count in Counter(paths).items() if count > 1)
        raise ManifestError(
            f"{place}: {twice} has {counted(count, 'row')}. If each is an event, name onset= and offset=; if each is "
            "a clip of the recording, name start= and end="
        )
    clips: dict[str, Any] = {"id": ids, "path": paths, "tags": labels}
    return clips | {column: cells[column] for column in ("fold", "group", "start", "end") if column in cells}


def _strong(paths: list[str], labels: list[list[str]], cells: dict[str, list[Any]], place: Path) -> dict[str, Any]:
    """One clip a recording, in order of appearance."""
    for column in ("start", "end", "id"):
        if column in cells:
            raise ManifestError(
                f"{place}: {column}= has no meaning where each row is an event: clips are whole recordings"
            )
    events: dict[str, list[tuple[str, float, float]]] = {}
    points: dict[str, set[str]] = {}
    wrong = []
    for row, (path, tags, onset, offset) in enumerate(
        zip(paths, labels, cells["onset"], cells["offset"], strict=True), 1
    ):
        listed = events.setdefault(path, [])
        blank = [missing(onset), missing(offset), not tags]
        if all(blank[:2]) and all(missing(tag) for tag in tags):
            continue
        try:
            blank[1] = not (0 <= float(onset) <= LONGEST and 0 <= float(offset) <= LONGEST)
            if float(onset) == float(offset):
                points.setdefault(path, set()).update(tags)
            else:
                listed.extend((tag, float(onset), float(offset)) for tag in tags)
        except (TypeError, ValueError):
            blank[0] = True
        if any(blank):
            wrong.append(row)
    if wrong:
        shown = ", ".join(map(str, wrong[:SHOWN]))
        raise ManifestError(
            f"{place}: {counted(len(wrong), 'row lacks', 'rows lack')} a tag, an onset or an offset in seconds: {shown} (times "
            f"go from 0 to {LONGEST:.0e})"
        )
    clips: dict[str, Any] = {"id": list(events), "path": list(events)}
    # an event of no length says that a tag is heard, but not when: not all events of its recording are known
    clips["events"] = [None if path in points else listed for path, listed in events.items()]
    clips["tags"] = [sorted({tag for tag, _, _ in listed} | points.get(path, set())) for path, listed in events.items()]
    for column in ("fold", "group"):
        if column in cells:
            clips[column] = _value_of_each(column, paths, cells[column], place)
    return clips


def _value_of_each(column: str, paths: list[str], values: list[Any], place: Path) -> list[Any]:
    """The value of each recording, which must be the same in all of its rows."""
    by_path: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=True):
        if by_path.setdefault(path, value) != value:
            raise ManifestError(
                f"{place}: {path} lies in {column} {by_path[path]!r} and {value!r}; a recording has one {column}"
            )
    return list(by_path.values())


def _audio_folder(here: Path, audio: str | None, paths: list[str]) -> tuple[Path, str]:
    """Where the recordings are, and that as seen from the table's folder. Raises ManifestError for absent ones."""
    places = list(PLACES) if audio is None else [audio]
    if audio is None and "metadata" in here.parts:  # DESED: metadata/train/weak.tsv, audio/train/…
        depth = len(here.parts) - here.parts.index("metadata")
        places.append("/".join([".."] * depth + ["audio", *here.parts[len(here.parts) - depth + 1 :]]))
    paths = list(dict.fromkeys(paths))  # one recording may have many rows
    best, absent = _fullest(here, places, paths)
    if absent:
        looked = [best] if len(absent) < len(paths) else places
        raise ManifestError(
            f"{here}: {len(absent):,} of {counted(len(paths), 'recording')} {agreed(len(absent), 'is', 'are')} not there: "
            f"{', '.join(absent[:SHOWN])}{' …' if len(absent) > SHOWN else ''}. Looked from "
            f"{', '.join(repr(p or '.') for p in looked)}{', where the others are' if len(absent) < len(paths) else ''}. Name "
            "their folder with audio=, and their ending, if the table leaves it out, with suffix="
        )
    return here / best, best or "."


def _fullest(here: Path, places: list[str], paths: list[str]) -> tuple[str, list[str]]:
    """The first place with all recordings, or else that with most of them, and which are absent from it."""
    best, absent = places[0], paths
    # where the first recording is there are mostly all, so that of millions each is looked for once
    for place in sorted(places, key=lambda each: not (here / each / paths[0]).is_file()):
        lacking = [path for path in paths if not (here / place / path).is_file()]
        if len(lacking) < len(absent):
            best, absent = place, lacking
        if not absent:
            break
    return best, absent
