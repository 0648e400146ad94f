"""A manifest in memory: its columns, and the clips of some folds or rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from earmark.data.clipset import natural
from earmark.data.manifest import columns as columns_of
from earmark.data.manifest.alike import doubts
from earmark.data.manifest.checks import Wrong, at, check_names, contradictions, few, refuse
from earmark.data.manifest.columns import SCHEMA
from earmark.errors import ManifestError, agreed, counted
from earmark.errors.kinds import checked
from earmark.registry import fixed
from earmark.scores import Task
from earmark.scores.arrays import nameless


@dataclass(frozen=True)
class Manifest:
    """table: SCHEMA. root: where relative paths start. vocabulary: the tags in order. facts: plain JSON values.

    notes: what was left out or passed over when it was read, for people; no file keeps them.
    Make one with `read` or `build`: they check it.
    """

    table: pa.Table
    root: Path
    vocabulary: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def told(self) -> list[str]:
        """What whoever uses it should know: its notes, and doubts in the spelling of its tags; one line each."""
        return [*self.notes, *doubts(self.vocabulary)]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        return fixed(columns_of.strings(self.table["id"]))

    @cached_property
    def folds(self) -> NDArray[np.str_]:
        """(rows,); "" for clips without a fold."""
        return fixed(columns_of.strings(self.table["fold"]))

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """(rows,); the id of a clip that has no group."""
        return fixed(columns_of.strings(pc.coalesce(self.table["group"], self.table["id"])))

    @cached_property
    def start(self) -> NDArray[np.float64]:
        """(rows,) seconds; nan: from the beginning."""
        return fixed(np.asarray(self.table["start"].to_numpy(), np.float64))

    @cached_property
    def end(self) -> NDArray[np.float64]:
        """(rows,) seconds; nan: to the end."""
        return fixed(np.asarray(self.table["end"].to_numpy(), np.float64))

    def paths(self) -> list[Path]:
        """The absolute path of each clip's recording. That it exists is not checked."""
        return [self.root / path for path in self.table["path"].to_pylist()]

    @checked
    def truth(self, vocabulary: Sequence[str] | None = None, *, ignore_others: bool = False) -> NDArray[np.bool_]:
        """Which tags each clip has, (rows, tags), in the order of `vocabulary` (default: the manifest's own).

        Raises ManifestError for tags that the vocabulary lacks, unless `ignore_others`.
        """
        names = self.vocabulary if vocabulary is None else tuple(vocabulary)
        rows, codes = columns_of.tag_codes(self.table["tags"], names)
        if (codes < 0).any() and not ignore_others:
            others = sorted(set(self.vocabulary) - set(names))
            raise ManifestError(
                f"{counted(len(np.unique(rows[codes < 0])), 'clip has', 'clips have')} tags that are not among the "
                f"{len(names):,} asked for: {few(others)}. Take "
                f"{agreed(len(np.unique(rows[codes < 0])), 'this clip', 'these clips')} out, or say that other tags are to be "
                "ignored"
            )
        result = np.zeros((len(self), len(names)), bool)
        result[rows[codes >= 0], codes[codes >= 0]] = True
        return result

    @checked
    def tag_counts(self, vocabulary: Sequence[str] | None = None, *, ignore_others: bool = False) -> NDArray[np.int64]:
        """How many clips have each tag, (tags,): `truth(…).sum(0)`, without a cell for each clip and tag."""
        names = self.vocabulary if vocabulary is None else tuple(vocabulary)
        _, codes = columns_of.tag_codes(self.table["tags"], names)
        if (codes < 0).any() and not ignore_others:
            self.truth(names)  # raises
        return np.bincount(codes[codes >= 0], minlength=len(names))

    @checked
    def known(self, vocabulary: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """Of which tags it is known whether a clip has them, (rows, tags); `truth` is False where it is not.

        >>> clips = build({"id": ["a"], "path": ["a.wav"], "tags": ["dog"], "unknown": ["owl"]}, ".")
        >>> clips.known(["dog", "owl", "rain"]).tolist()
        [[True, False, True]]
        """
        names = self.vocabulary if vocabulary is None else tuple(vocabulary)
        rows, codes = columns_of.tag_codes(self.table["unknown"], names)
        result = np.ones((len(self), len(names)), bool)
        result[rows[codes >= 0], codes[codes >= 0]] = False
        return result

    @checked
    def judged(self, vocabulary: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """`truth` as metrics take it: where some tag of some clip is not known, a masked array."""
        truth = self.truth(vocabulary)
        return truth if self.knows_all else np.ma.masked_array(truth, ~self.known(vocabulary))

    @checked
    def judged_as(self, task: Task, vocabulary: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """`judged` of a task: where a clip has one tag, that excludes the others, and what is not known of them is absent."""
        return self.truth(vocabulary) if task == "one" else self.judged(vocabulary)

    @property
    def knows_all(self) -> bool:
        """Whether no tag of no clip is unknown."""
        return not pc.any(pc.greater(pc.list_value_length(self.table["unknown"]), 0)).as_py()

    def select(self, which: ArrayLike) -> Manifest:
        """The rows of a mask (rows,) or of indices, in that order. The vocabulary stays whole. Raises ManifestError for rows that are not
        there.
        """
        which = np.asarray(which)
        if which.dtype == bool:
            if which.shape != (len(self),):
                raise ManifestError(f"a mask of the shape {which.shape} does not fit {counted(len(self), 'clip')}")
            table = columns_of.kept(self.table, which)
        else:
            places = which.astype(np.int64)
            if len(wrong := places[(places < 0) | (places >= len(self))]):
                raise ManifestError(f"there is no row {wrong[0]} among {counted(len(self), 'clip')}: rows count from 0")
            table = self.table.take(pa.array(places))
        return replace(self, table=table)

    @checked
    def in_folds(self, names: str | Iterable[str]) -> Manifest:
        """The clips of these folds; "" names the clips without one.

        >>> names, folds = ["a.wav", "b.wav", "c.wav"], ["1", "2", "10"]
        >>> clips = build({"id": names, "path": names, "tags": ["dog"] * 3, "fold": folds}, ".")
        >>> clips.fold_names()
        ['1', '2', '10']
        >>> clips.in_folds(["1", "10"]).ids.tolist()
        ['a.wav', 'c.wav']
        """
        wanted = {names} if isinstance(names, str) else {str(name) for name in names}
        known = self.fold_names()
        unknown = sorted(wanted - set(known) - ({""} if (self.folds == "").any() else set()), key=natural)
        if unknown or not wanted:
            asked = ", ".join(repr(name) for name in unknown) or "none at all"
            exist = f"There are {', '.join(known)}" if known else "The manifest has none: make them with assign_folds"
            raise ManifestError(f"no such fold: {asked}. {exist}")
        return self.select(np.isin(self.folds, list(wanted)))

    def fold_names(self) -> list[str]:
        """The folds in natural order: 2 before 10."""
        return sorted((name for name in pc.unique(self.table["fold"]).to_pylist() if name is not None), key=natural)


@checked
def build(
    columns: Mapping[str, Any],
    root: str | Path,
    *,
    vocabulary: Sequence[str] | None = None,
    facts: dict[str, Any] | None = None,
    name: str = "manifest",
) -> Manifest:
    """A checked manifest from columns: Arrow or NumPy arrays or lists, by the names of SCHEMA; absent ones are null.

    `tags` and `unknown` may hold strings joined by "|", `events` JSON strings. vocabulary: the tags in order (default: those that
    occur, sorted). Raises ManifestError with all mistakes and their rows; `name` opens its message.

    >>> clips = build({"id": ["a", "b"], "path": ["a.wav", "b.wav"], "tags": ["dog|rain", "rain"]}, "recordings")
    >>> clips.vocabulary
    ('dog', 'rain')
    >>> clips.truth().tolist()
    [[True, True], [False, True]]
    """
    check_names(columns, name)
    rows = len(columns["id"])
    if rows == 0:
        raise ManifestError(f"{name}: holds no clips")
    given: dict[str, pa.Array] = {}
    for column in SCHEMA.names:
        try:
            given[column] = columns_of.array(columns.get(column), rows, SCHEMA.field(column).type)
        except UnicodeEncodeError as error:
            raise ManifestError(
                f"{name}: column {column!r} holds {error.object!r}, which is no Unicode and no table can keep. Rename it"
            ) from error
        except (pa.ArrowException, TypeError) as error:
            raise ManifestError(f"{name}: column {column!r} cannot be read ({error})") from error
    for column, values in given.items():
        if len(values) != rows:
            raise ManifestError(f"{name}: column {column!r} has {counted(len(values), 'row')}, 'id' has {rows}")
    table: dict[str, pa.Array] = {}
    wrong: list[Wrong] = []
    try:
        for column in ("id", "path", "fold", "group", "source"):
            table[column] = columns_of.text(given[column], trim=column != "path", nan=column not in ("fold", "group"))
        for column in ("start", "end"):
            table[column], bad = columns_of.seconds(given[column])
            wrong.append((f"{column!r} is not a number of seconds", bad, _cell(given[column], bad)))
        table["tags"] = columns_of.tags(given["tags"])
        table["unknown"] = columns_of.tags(given["unknown"])
        table["events"], bad = columns_of.events(given["events"])
        wrong.append(("'events' is not JSON of the form [[tag, onset, offset], …]", bad, ""))
    except pa.ArrowException as error:
        raise ManifestError(f"{name}: column {column!r} cannot be read ({error})") from error
    occurring = pc.unique(pc.list_flatten(table["tags"])).to_pylist()
    order = tuple(sorted(occurring)) if vocabulary is None else tuple(vocabulary)
    wrong += contradictions(table, order)
    mistakes = [f"{what}: {at(mask, table['id'])}{value}" for what, mask, value in wrong if mask.any()]
    if len(set(order)) < len(order):
        mistakes.append(f"the vocabulary names tags twice: {few(sorted({t for t in order if order.count(t) > 1}))}")
    if (place := nameless(order)) is not None:
        mistakes.append(f"tag {place + 1} of {len(order)} of the vocabulary is {order[place]!r}, which names nothing")
    if mistakes:
        refuse(name, mistakes)
    arrays = [table[column] for column in SCHEMA.names]
    return Manifest(pa.Table.from_arrays(arrays, schema=SCHEMA), Path(os.path.abspath(root)), order, dict(facts or {}))


def _cell(values: pa.Array, wrong: NDArray[np.bool_]) -> str:
    """The first of the wrong cells, for a message."""
    return f"; the first is {values[int(wrong.argmax())].as_py()!r}" if wrong.any() else ""
