"""Scores: what every tagger, ensemble, threshold and report exchanges.

Scores hold one row a window (or a clip, or a frame) and one column a tag. They are a file format too: Parquet (exact)
or CSV (readable, and what other tools can write). Nothing here knows torch. Times are seconds from the start of the
recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from csv import reader
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import check_call, checked
from earmark.files import bounds, check_text, whole
from earmark.files.tables import named_twice, separated, separator_of
from earmark.scores import arrays
from earmark.scores.plain import Rows, few, number, span
from earmark.scores.tags import Task

FORMAT = "earmark-scores"
VERSION = 1
SUFFIXES = (".parquet", ".csv")  # of the files that scores are in


@dataclass(frozen=True, repr=False, eq=False)
class Scores(Rows):
    """values: (rows, tags) float32. ids: (rows,) str, the clip or recording. start, end: (rows,) seconds. tags: names.

    facts: where the scores come from (tagger, split, windows); plain JSON values. Other numbers become such: values are
    rounded to float32, seconds become float64, NumPy's numbers in facts plain ones. Raises ScoresError for what a file could
    not keep: an id that is empty or no text, infinite values, masks, facts that JSON cannot tell. Arrays that are of the right kind
    already are kept, not copied: who fills one anew gives a copy of it.

        >>> scores = Scores(np.ones((1, 2), np.float32), np.array(["a"]), np.zeros(1), np.ones(1), ("dog", "rain"))
        >>> len(scores), scores.tags
        (1, ('dog', 'rain'))
    """

    values: NDArray[np.float32]
    ids: NDArray[np.str_]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    tags: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_call(type(self), (), vars(self))
        if self.values.ndim == 2:  # a shape that does not fit is told with the tags
            object.__setattr__(self, "values", arrays.singles("values", self.values, 2))
        object.__setattr__(self, "tags", arrays.tag_names(self.tags))
        rows = len(self.values) if self.values.ndim else 0
        if self.values.ndim != 2 or self.values.shape[1] != len(self.tags):
            raise ScoresError(
                f"values have the shape {self.values.shape}; {counted(len(self.tags), 'tag needs', 'tags need')} (rows, {len(self.tags)})"
            )
        for name in ("ids", "start", "end"):
            if getattr(self, name).shape[:1] != (rows,):
                raise ScoresError(f"{name} has {_rows(getattr(self, name))}, values have {rows}")
        object.__setattr__(self, "ids", arrays.names(self.ids))
        for name in ("start", "end"):
            object.__setattr__(self, name, arrays.seconds(name, getattr(self, name)))
        object.__setattr__(self, "facts", arrays.plain_facts(self.facts))
        if len(set(self.tags)) != len(self.tags):
            twice = sorted(tag for tag, count in Counter(self.tags).items() if count > 1)
            raise ScoresError(f"tags named twice: {', '.join(twice)}")
        if not np.isfinite(self.values).all():
            row, column = np.argwhere(~np.isfinite(self.values))[0]
            raise ScoresError(
                f"the score of {self.tags[column]!r} in row {row + 1} ({self.ids[row]}) is not a finite number. Put one there, or "
                "take the row out"
            )

    @property
    def task(self) -> Task | None:
        """Whether a clip has one tag or any number, as the facts tell of the tagger or the ensemble that made these; None: they do not."""
        ensemble = self.facts.get("ensemble")
        told = (ensemble if isinstance(ensemble, dict) else self.facts).get("task")
        return told if told in ("one", "many") else None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        rows = f"{counted(len(self), 'row')} × {counted(len(self.tags), 'tag')} ({few(self.tags)})"
        return f"<Scores: {rows}, {span(self.start, self.end)}>"

    def to_dict(self) -> dict[str, Any]:
        rows = zip(self.ids.tolist(), self.start.tolist(), self.end.tolist(), self.values.tolist(), strict=True)
        told = [{"id": i, "start": number(s), "end": number(e), "scores": values} for i, s, e, values in rows]
        return {"tags": list(self.tags), "facts": self.facts, "rows": told}

    def columns(self) -> dict[str, Any]:
        """id, start, end, and one for each tag; one that is called like the first three is told as "tag id", or as "tag tag id"
        where a tag is called so."""
        first = {"id": self.ids.tolist(), "start": self.start, "end": self.end}
        names = []
        for tag in self.tags:
            name = tag
            while name in first or (name != tag and name in self.tags):
                name = f"tag {name}"
            names.append(name)
        return first | {name: self.values[:, i] for i, name in enumerate(names)}

    @checked
    def save(self, path: str | Path) -> None:
        """Write .parquet (exact) or .csv (one column a tag); an old file stays whole until the new one is."""
        import pyarrow as pa

        from earmark.files import arrow, parquet

        path = Path(path)
        rows = {
            "id": pa.array(self.ids.tolist(), pa.string()),
            "start": pa.array(self.start),
            "end": pa.array(self.end),
        }
        if path.suffix == ".csv":
            clash = set(rows) & set(self.tags)
            if clash:
                raise ScoresError(f"a tag is called {clash.pop()!r} like a column of the CSV: save as .parquet")
            if len(rows) + len(self.tags) > bounds.COLUMNS:
                raise ScoresError(
                    f"{path}: would have a column for each of {counted(len(self.tags), 'tag')}, and a table may have "
                    f"{bounds.COLUMNS:,}: save as .parquet"
                )
            columns = {tag: pa.array(self.values[:, i]) for i, tag in enumerate(self.tags)}
            table = pa.table({**rows, **columns})
            write: Callable[[Any, Path], None] = arrow.write_csv
        elif path.suffix == ".parquet":
            flat = pa.array(np.ascontiguousarray(self.values, np.float32).ravel())
            rows["scores"] = (
                pa.FixedSizeListArray.from_arrays(flat, len(self.tags))
                if self.tags
                else pa.array([[]] * len(self), pa.list_(pa.float32()))
            )
            head = {"format": FORMAT, "version": VERSION, "tags": self.tags, "facts": self.facts}
            table = pa.table(rows).replace_schema_metadata({FORMAT: arrays.told(head)})
            write = parquet.write
        else:
            raise ScoresError(
                f"{path}: scores are written as .parquet or .csv, not {path.suffix or 'a name without ending'}"
            )
        with whole(path) as part:
            write(table, part)

    @staticmethod
    @checked
    def load(path: str | Path) -> Scores:
        """Read what `save` wrote, or any CSV with the columns id, optionally start and end, and one a tag, between commas, semicolons or
        tabs."""
        path = Path(path)
        if not path.is_file():
            raise ScoresError(f"{path}: no such file")
        try:
            return _load_csv(path) if path.suffix == ".csv" else _load_parquet(path)
        except ScoresError as error:  # of the scores themselves: in which file, they do not know
            told = str(error)
            raise ScoresError(told if told.startswith(f"{path}: ") else f"{path}: {told}") from error
        except (ValueError, OSError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ScoresError(f"{path}: holds no scores that earmark can read ({error})") from error


def _rows(array: NDArray[Any]) -> str:
    return counted(len(array), "row") if array.ndim else "none"


def _load_csv(path: Path) -> Scores:
    from pyarrow import csv

    from earmark.files import arrow

    check_text(path, ScoresError)
    _, told = separated(bounds.first_line(path))
    above = 0 if told is None else 1  # lines above the header
    header = bounds.first_line(path, above)
    separator = told or separator_of(header)
    names = next(reader([header], delimiter=separator), [])
    bounds.check_columns(path, len(names))
    if (twice := named_twice(names, names)) is not None:
        raise ScoresError(f"{path}: {twice}")
    table = arrow.read_csv(
        path,
        csv.ReadOptions(skip_rows=above),
        csv.ParseOptions(delimiter=separator),
        csv.ConvertOptions(column_types={"id": "string"}),
    )
    if "id" not in table.column_names:
        raise ScoresError(f"{path}: has no column 'id'; it has {', '.join(table.column_names[:8])}")
    _check_cells(path, table)
    bounds.check_texts(path, path.stat().st_size, table["id"])
    rows = table.num_rows
    tags = tuple(name for name in table.column_names if name not in ("id", "start", "end"))
    values = (
        np.stack([arrays.singles(f"scores of {tag!r}", table[tag].to_numpy().astype(float), 1) for tag in tags], 1)
        if tags
        else np.zeros((rows, 0), np.float32)
    )
    seconds = {
        name: table[name].to_numpy().astype(np.float64) if name in table.column_names else np.full(rows, fill)
        for name, fill in (("start", 0.0), ("end", np.nan))
    }
    return Scores(values, np.array(table["id"].to_pylist(), str), seconds["start"], seconds["end"], tags)


def _check_cells(path: Path, table: Any) -> None:
    """Raises ScoresError for a row without an id, a column without a name, and one of no numbers: a date would become one unasked."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if (place := arrays.nameless(table.column_names)) is not None:
        raise ScoresError(
            f"{path}: column {place + 1} of {table.num_columns} is called {table.column_names[place]!r}, which names no tag: mostly it is "
            "the index that pandas writes, and counts the rows. Write the table with to_csv(…, index=False), or take the column out"
        )
    blank = pc.fill_null(pc.equal(table["id"], ""), True).to_numpy()
    if blank.any():
        raise ScoresError(f"{path}: row {int(blank.argmax()) + 1} has no id: name its clip or recording")
    for name in table.column_names:
        kind = table[name].type
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        if name != "id" and not number:
            what = "seconds" if name in ("start", "end") else "scores"
            raise ScoresError(
                f"{path}: column {name!r} holds {kind}, not {what} as numbers: correct it, or take it out if it is no tag"
            )


def _load_parquet(path: Path) -> Scores:
    from earmark.files import parquet

    table = parquet.read(path)
    head = arrays.read(table.schema.metadata, FORMAT)
    if not head:
        raise ScoresError(f"{path}: is a Parquet file, but not one with scores in it")
    if head["version"] > VERSION:
        raise ScoresError(
            f"{path}: was written by a newer earmark (scores version {head['version']}, this one reads {VERSION}). Upgrade earmark"
        )
    tags = tuple(head["tags"])
    bounds.check_texts(path, path.stat().st_size, table["id"])
    flat = table["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    values = flat.reshape(table.num_rows, len(tags)).astype(np.float32)
    ids = np.array(table["id"].to_pylist(), str)
    return Scores(values, ids, table["start"].to_numpy(), table["end"].to_numpy(), tags, head["facts"])


@checked
def concat(parts: Sequence[Scores]) -> Scores:
    """Rows of all parts, in order. The parts must have the same tags in the same order; facts are the first's.

    >>> a = Scores(np.ones((2, 1), np.float32), np.array(["a", "b"]), np.zeros(2), np.ones(2), ("dog",))
    >>> b = Scores(np.ones((1, 1), np.float32), np.array(["c"]), np.zeros(1), np.ones(1), ("dog",))
    >>> concat([a, b]).ids.tolist()
    ['a', 'b', 'c']
    """
    if not parts:
        raise ScoresError("no scores to join")
    first = parts[0]
    for part in parts[1:]:
        if part.tags != first.tags:
            raise ScoresError(f"tags differ: {', '.join(first.tags[:5])}… and {', '.join(part.tags[:5])}…")
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("values", "ids", "start", "end")}
    return Scores(**joined, tags=first.tags, facts=first.facts)
