"""How a file that is there is known to have been written by earmark for the same purpose, so that it may be replaced.

By what stands in it, never by its name: the columns of a table, the keys of an object, the header of a tagger. A function a kind,
which takes a path, and says no where a file cannot be read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files import bounds
from earmark.files.places import Ours

ERRORS = ("path", "reason")
TRIED = ("tag", "threshold", "median", "f1", "hits", "false", "missed")
TAGS = ("path", "duration", "label", "score")
SUBMISSION = ("fname", "label")
HEAD = 1 << 16  # bytes of a file that are looked at


def first_line(path: Path) -> str:
    """Of a text; nothing of what is none."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD).decode("utf-8-sig", "surrogateescape").partition("\n")[0].rstrip("\r")
    except OSError:
        return ""


def head_of(path: Path, separator: str = ",") -> tuple[str, ...]:
    """The names of a table's columns."""
    return tuple(cell.strip('"') for cell in first_line(path).split(separator))


def errors(path: Path) -> bool:
    """The recordings that could not be read."""
    return head_of(path) == ERRORS


def tried(path: Path) -> bool:
    """The points of a sweep."""
    return head_of(path) == TRIED


def submission(path: Path) -> bool:
    """Tags of clips as `earmark` submits them: a challenge's own sample has the same in every row, and its truths one each."""
    if head_of(path) != SUBMISSION:
        return False
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = [row[-1] for row in csv.reader(file) if row][1:]
    return (len(rows) < 2 or len(set(rows)) > 1) and all(" " in row for row in rows)


def tags(path: Path) -> bool:
    """What `earmark tag` prints, in any of its formats."""
    if head_of(path) in (TAGS, (*TAGS, "channel")) or submission(path):
        return True
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    return text == "[]\n" or _json_of_tags(text) or _lines_of_tags(text)


def _json_of_tags(text: str) -> bool:
    """A list of objects, or an object a line."""
    try:
        rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    except (ValueError, RecursionError):
        return False
    known = ({"path", "duration", "tags"}, {"path", "start", "end", "tags"})
    return bool(rows) and all(isinstance(row, dict) and set(row) - {"silent", "channel"} in known for row in rows)


def _lines_of_tags(text: str) -> bool:
    """The table for people: a path, or the start of a window, a time and tags with two spaces between them."""
    import re

    line = re.compile(r"(?:.*  )?(?:\d+:)?\d+:\d\d(?:\.\d)?  (?:– .*|.* \d\.\d\d)")
    return bool(text) and all(line.fullmatch(each) for each in text.splitlines())


def scores_of_windows(path: Path) -> bool:
    """Scores of windows that belong to no data set."""
    return _scores(path, lambda facts: not facts)


def scores_or_ensemble(path: Path) -> bool:
    """What `earmark ensemble` makes of scores or of taggers: neither a tagger's own scores nor a tagger that was trained."""
    if path.suffix != ".safetensors":
        return _scores(path, lambda facts: "ensemble" in facts)
    head = _tagger(path)
    facts = head.get("facts")
    return "members" in head or (isinstance(facts, dict) and "soup" in facts)


def calibrated(path: Path) -> bool:
    """A tagger with rules, thresholds or windows that were chosen for it."""
    facts = _tagger(path).get("facts")
    return isinstance(facts, dict) and not {"events", "tags", "windows"}.isdisjoint(facts)


def counted(path: Path) -> bool:
    """Counts of events, as a table or a picture."""
    from earmark.events.counts import COLUMNS

    if head_of(path) == COLUMNS or drawn(path):
        return True
    try:
        told = bounds.read_json(path)
    except (OSError, ValueError, EarmarkError):
        return False
    return isinstance(told, list) and all(isinstance(each, dict) and tuple(each) == COLUMNS for each in told)


def reviews(path: Path) -> bool:
    """A table of events to listen to in which nothing is answered yet: answers are work."""
    from earmark.errors import ScoresError
    from earmark.evaluation.reviews import answers

    try:
        ours = head_of(path) in answers.HEADERS
        return ours and all(each.answer is None for each in answers.read(path))
    except ScoresError:
        return False


def matches(path: Path) -> bool:
    """What `earmark search` found."""
    if head_of(path) == ("id", "start", "end", "similarity"):
        return True
    try:
        told = bounds.read_json(path)
    except (OSError, ValueError, EarmarkError):
        return False
    return isinstance(told, list) and all(isinstance(each, dict) and "similarity" in each for each in told)


def exported(path: Path) -> bool:
    """A tagger that carries graphs, or an ONNX file that says earmark wrote it."""
    if path.suffix == ".onnx":
        with path.open("rb") as file:
            return b"\x12\x07earmark" in file.read(64)  # the field of who wrote it
    head = _tagger(path)
    members = head.get("members")
    return any(
        "graphs" in told for told in (head, *(members if isinstance(members, list) else [])) if isinstance(told, dict)
    )


def adopted(path: Path) -> bool:
    """A tagger whose weights were taken from a file of others."""
    facts = _tagger(path).get("facts")
    return isinstance(facts, dict) and "adopted" in facts


def embeddings(path: Path) -> bool:
    """Embeddings of windows."""
    from earmark.scores.embeddings import FORMAT

    try:
        return bool(_parquet(path, FORMAT))
    except ValueError:
        return False


def _tagger(path: Path) -> dict[str, Any]:
    from earmark.errors import TaggerError
    from earmark.models.file import read_head

    try:
        return read_head(path)
    except TaggerError:
        return {}


def _scores(path: Path, fits: Callable[[dict[str, Any]], bool]) -> bool:
    if path.suffix == ".csv":
        return head_of(path)[:3] == ("id", "start", "end")
    from earmark.scores.table import FORMAT

    try:
        told = _parquet(path, FORMAT)
        return bool(told) and fits(told.get("facts") or {})
    except (ValueError, AttributeError):
        return False


def _parquet(path: Path, name: str) -> dict[str, Any]:
    """What a Parquet file tells under a name; nothing where it is none."""
    import pyarrow as pa

    from earmark.files import parquet

    try:
        told = (parquet.schema_of(path).metadata or {}).get(name.encode(), b"{}")
    except (pa.ArrowException, OSError):
        return {}
    return dict(json.loads(told))


def manifest(path: Path) -> bool:
    """A manifest as `earmark index` writes it."""
    from earmark.data.manifest import LATER, SCHEMA
    from earmark.data.manifest.files import FORMAT

    if path.suffix == ".parquet":
        return bool(_parquet(path, FORMAT))
    head = head_of(path, "\t" if path.suffix == ".tsv" else ",")
    return head in (tuple(SCHEMA.names), tuple(name for name in SCHEMA.names if name not in LATER))


def started(folder: Path) -> bool:
    """A folder as `earmark start` leaves it, whose recipe nobody has changed."""
    from earmark.train.starting.planning import untouched

    return untouched(folder / "own.yaml")


def drawn(path: Path) -> bool:
    """A picture as matplotlib writes it."""
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    return head.startswith(b"\x89PNG") and b"Software\0Matplotlib" in head


def has(name: str, *keys: str) -> Ours:
    """Whether a folder holds an object with these keys in a file of this name."""

    def ours(folder: Path) -> bool:
        try:
            told = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(told, dict) and set(keys) <= set(told)

    return ours


def audited(folder: Path) -> bool:
    """Whether a folder holds a list of doubted labels."""
    return head_of(folder / "audit.csv") == ("id", "path", "tag", "given", "suggested", "score", "why")
