"""Soundscapes with their events, in folders laid out after DESED and URBAN-SED."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, NO_CLIPS, SHOWN, Event, columns, dataset, first, recordings, refuse, strong
from earmark.data.manifest import Manifest, build, load_table
from earmark.data.segments import cut as cut_up
from earmark.data.splits import deal
from earmark.errors import ManifestError
from earmark.scores import LONGEST

LAYOUT = {
    "metadata/train/strong.tsv": "filename\tonset\toffset\tevent_label\na.wav\t0.01\t0.05\tdog\na.wav\t0.02\t0.04\train\n",
    "metadata/train/weak.tsv": "filename\tevent_labels\na.wav\tdog,rain\n",
    "metadata/train/durations.tsv": "filename\tduration\na.wav\t0.1\n",
    "metadata/train/sources.tsv": "filename\tsource_clip\na.wav\tbark 7.wav\na.wav\train 3.wav\n",
    "metadata/validation/strong.tsv": "filename\tonset\toffset\tevent_label\nb.wav\t0.03\t0.09\tdog\n",
    "audio/train/a.wav": AUDIO,
    "audio/validation/b.wav": AUDIO,
}
STRONG = ("strong.tsv", "events.tsv", "strong.csv", "events.csv")
WEAK = ("weak.tsv", "weak.csv")
DURATIONS = ("durations.tsv", "durations.csv")
SOURCES = ("sources.tsv", "sources.csv")


@dataset()
def soundscapes(root: Path, cut: float | None = None, folds: int | None = None, seed: int = 0) -> Manifest:
    """Your own soundscapes: clips with events, with tags, or with both; one folder a subset, which becomes a fold.

    Clips and tags: what the tables in metadata/<subset>/ say, with recordings in audio/<subset>/; or tables in `root`
    itself or in metadata/, with recordings in audio/, and no folds. Tables, with tabs or commas:
    strong or events: filename, onset, offset, event_label; seconds, a row an event. A row with a name alone says that
    nothing is heard.
    weak: filename, event_labels (tags joined by commas). Where both are there the tags are those of weak; a clip with a
    tag that no event has, or with an event of no length, has unknown events, and the facts count these clips.
    durations: filename, duration. Where nothing else names a recording, nothing is heard in it. The facts count events
    that reach past the end.
    sources: filename, source_clip: what a soundscape was mixed from. Soundscapes that share a source, also by way of
    others, are one group, so that `leaks` sees sources on both sides of a split.

    cut: seconds; the recordings as clips of that length with the events inside them (see earmark.data.segments). folds: deals
    the recordings into so many before they are cut, with `seed`, so that whole recordings and clips have the same folds.
    """
    places = _places(root)
    rows: dict[str, list[Any]] = {column: [] for column in ("id", "path", "tags", "events", "fold", "source")}
    sources: dict[str, list[str]] = {}
    lasting: list[float | None] = []
    facts: dict[str, Any] = {"clips with unknown events": 0, "events past the end of a recording": 0}
    for tables, audio, fold in places:
        names, tags, events, origin, past = clips(tables)
        durations = _durations(tables)
        lasting += [durations.get(name) for name in names]
        prefix = f"{fold}/" if fold else ""
        ids = [prefix + (name.rpartition(".")[0] or name) for name in names]
        rows["id"] += ids
        rows["path"] += recordings(root, audio.relative_to(root).as_posix(), names)
        rows["tags"] += tags
        rows["events"] += events
        rows["fold"] += [fold] * len(names)
        rows["source"] += [", ".join(each) or None for each in origin]
        sources |= dict(zip(ids, origin, strict=True))
        facts["clips with unknown events"] += sum(each is None for each in events)
        facts["events past the end of a recording"] += past
    whole = build(rows | {"group": groups(sources)}, root, facts=facts, name=str(root))
    if folds is not None:
        if not isinstance(folds, int) or not isinstance(seed, int):
            raise ManifestError(f"folds={folds}, seed={seed}: give whole numbers, such as folds=5")
        whole = deal(whole, folds, seed)
    if cut is None:
        return whole
    seconds = [
        _duration(path) if length is None else length for path, length in zip(whole.paths(), lasting, strict=True)
    ]
    return cut_up(whole, cut, seconds)


def clips(
    folder: Path,
) -> tuple[list[str], list[list[str]], list[list[Event] | None], list[list[str]], int]:
    """(names, tags, events, sources, events past the end) of the tables in a folder; names in order of appearance."""
    files = {kind: first(folder, *names) for kind, names in _kinds().items()}
    events: dict[str, list[Event] | None] = {}
    tags: dict[str, list[str]] = {}
    lengths = _durations(folder)
    if file := files["strong"]:
        labels = strong(file, *columns(load_table(file), file, "filename", "onset", "offset", "event_label"))
        events, tags = labels.events, labels.tags
    if file := files["weak"]:
        weak = _once(file, _rows(file, "filename", "event_labels"))
        tags = tags | {name: [tag.strip() for tag in cell.split(",") if tag.strip()] for name, cell in weak.items()}
    names = list(dict.fromkeys([*tags, *lengths]))
    if not names:
        raise ManifestError(f"{files['strong'] or files['weak'] or folder}: {NO_CLIPS}")
    origin: dict[str, list[str]] = {}
    if file := files["sources"]:
        for name, source in _rows(file, "filename", "source_clip"):
            origin.setdefault(name, []).append(source)
        strange = [name for name in origin if name not in tags and name not in lengths]
        if strange:
            raise ManifestError(f"{file}: {strange[0]} is in no other table of its folder")
    nothing: list[Event] | None = [] if files["strong"] else None
    events_by_row = [events.get(name, nothing) for name in names]
    for row, name in enumerate(names):
        known = events_by_row[row]
        if known is not None and set(tags.get(name, [])) - {tag for tag, _, _ in known}:
            events_by_row[row] = None
    past = sum(
        end > lengths.get(name, end) + 1e-3
        for name, known in zip(names, events_by_row, strict=True)
        for _, _, end in known or []
    )
    unique = [list(dict.fromkeys(origin.get(name, []))) for name in names]
    return names, [tags.get(name, []) for name in names], events_by_row, unique, past


def groups(sources: dict[str, list[str]]) -> list[str | None]:
    """The group of each clip: clips that share a source, also by way of others, have one, called after a source."""
    parent: dict[str, str] = {}

    def top(source: str) -> str:
        while parent.setdefault(source, source) != source:
            parent[source] = source = parent[parent[source]]
        return source

    for origins in sources.values():
        for source in origins:
            a, b = sorted((top(origins[0]), top(source)))
            parent[b] = a
    return [top(origins[0]) if origins else None for origins in sources.values()]


def _kinds() -> dict[str, tuple[str, ...]]:
    return {"strong": STRONG, "weak": WEAK, "durations": DURATIONS, "sources": SOURCES}


def _places(root: Path) -> list[tuple[Path, Path, str | None]]:
    """(folder of tables, folder of recordings, fold) of each subset."""
    meta = root / "metadata"
    for folder in (root, meta):
        if first(folder, *STRONG, *WEAK):
            if not (root / "audio").is_dir():
                refuse(root, LAYOUT, "audio not found")
            return [(folder, root / "audio", None)]
    subsets = sorted(entry for entry in meta.iterdir() if entry.is_dir()) if meta.is_dir() else []
    subsets = [entry for entry in subsets if first(entry, *STRONG, *WEAK)]
    if not subsets:
        refuse(root, LAYOUT, "no table of events or tags, such as metadata/train/strong.tsv or events.tsv")
    absent = [f"audio/{entry.name}" for entry in subsets if not (root / "audio" / entry.name).is_dir()]
    if absent:
        refuse(root, LAYOUT, f"{' and '.join(absent)} not found")
    return [(entry, root / "audio" / entry.name, entry.name) for entry in subsets]


def _rows(file: Path, *names: str) -> list[tuple[str, str]]:
    """Two columns, "" for what is blank. Raises ManifestError for rows without the first."""
    first_column, second = columns(load_table(file), file, *names)
    if None in first_column:
        raise ManifestError(f"{file}: row {first_column.index(None) + 1} lacks its {names[0]}")
    return [(name, cell or "") for name, cell in zip(first_column, second, strict=True)]


def _once(file: Path, rows: list[tuple[str, str]]) -> dict[str, str]:
    """The rows by their first cell. Raises ManifestError for one that is there twice."""
    by_name: dict[str, str] = {}
    for row, (name, cell) in enumerate(rows, 1):
        if name in by_name:
            raise ManifestError(f"{file}: row {row} names {name} again; this table has one row a recording")
        by_name[name] = cell
    return by_name


def _duration(path: Path) -> float:
    """Seconds that the recording's header tells. Raises AudioError or, where it tells none, ManifestError."""
    from earmark.audio import info

    seconds = info(path).duration
    if seconds is None:
        raise ManifestError(f"{path}: its header does not say how long it is, so it cannot be cut: add a durations.tsv")
    return seconds


def _durations(folder: Path) -> dict[str, float]:
    """Seconds, by the name of the recording; empty where no table tells them."""
    file = first(folder, *DURATIONS)
    return _lengths(file) if file else {}


def _lengths(file: Path) -> dict[str, float]:
    lengths, wrong = {}, []
    for row, (name, cell) in enumerate(_once(file, _rows(file, "filename", "duration")).items(), 1):
        try:
            lengths[name] = float(cell)
        except ValueError:
            lengths[name] = math.nan
        if not 0 < lengths[name] <= LONGEST:
            wrong.append(row)
    if wrong:
        shown = ", ".join(map(str, wrong[:SHOWN])) + (" …" if len(wrong) > SHOWN else "")
        raise ManifestError(
            f"{file}: no duration in seconds in rows {shown}; give numbers above 0, up to {LONGEST:.0e}"
        )
    return lengths
