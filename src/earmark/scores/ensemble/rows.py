"""Which row of one member is which row of another, and which column.

Rows are matched by id, start and end, columns by the tags' names; other orders are put in the order of the first member.
Times are the same within TOLERANCE: taggers with different sample rates round a recording's end to different samples.
Where a member does not tell the ends (NaN, as in other tools' files), rows are matched by id and start alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, agreed, counted
from earmark.scores import Scores

Only = Literal["same", "common"]
Key = tuple[str, int, int]

TOLERANCE = 0.001  # seconds
NEAR = [(0, 0)] + [(s, e) for s in (-1, 0, 1) for e in (-1, 0, 1) if (s, e) != (0, 0)]  # steps of the tolerance


def folds_of(folds: ArrayLike, rows: int, what: str) -> NDArray[np.str_]:
    """(rows,): the fold of each row, of which there are two at least. what: is chosen on the other folds, in words.

    Raises ScoresError, also for rows without a fold: together they are none, and what all other folds chose may be of their own kind.
    """
    names = np.asarray(folds, str)
    count = len(np.unique(names))
    if names.shape != (rows,) or count < 2:
        raise ScoresError(
            f"{counted(count, 'fold')} for {counted(rows, 'clip')}: {what} chosen on other folds need a fold for each clip, "
            "two folds at least"
        )
    if without := int((names == "").sum()):
        raise ScoresError(
            f"{without:,} of {counted(rows, 'clip')} {agreed(without, 'has', 'have')} no fold, and {what} chosen on other folds need "
            f"one for each clip. Deal all anew with `earmark index … --folds 5`, or leave {agreed(without, 'it', 'them')} out of the scores"
        )
    return names


def align(members: Sequence[Scores], only: Only = "same", names: Sequence[str] | None = None) -> list[Scores]:
    """The members with the same rows and tags in the order of the first.

    only: "same" demands that all have the same clips and the same tags; "common" keeps what all have and leaves out the
    rest. names: of the members, for messages. Raises ScoresError for what is missing, and always for duplicated rows.

    >>> a = Scores(np.zeros((2, 1), np.float32), np.array(["a", "b"]), np.zeros(2), np.ones(2), ("dog",))
    >>> b = Scores(np.ones((2, 1), np.float32), np.array(["c", "a"]), np.zeros(2), np.ones(2), ("dog",))
    >>> [member.ids.tolist() for member in align([a, b], only="common")]
    [['a'], ['a']]
    """
    if not members:
        raise ScoresError("no members: there is nothing to combine")
    if only not in get_args(Only):
        raise ScoresError(f"only is {only!r}: take one of {', '.join(get_args(Only))}")
    labels = labels_of(members, names)
    tags = _tags(members, only, labels)
    ends = not any(np.isnan(member.end).any() for member in members)
    keys = [_keys(member, ends, name) for member, name in zip(members, labels, strict=True)]
    places = [np.arange(len(members[0]))]
    for other in range(1, len(members)):
        matches = _places(members[0], keys[0], members[other], keys[other], ends)
        if only == "same":
            _demand_same(members[0], members[other], matches, labels[0], labels[other])
        places.append(matches)
    common = np.all([place >= 0 for place in places], axis=0)
    if not common.any():
        raise ScoresError(f"no clip has scores of all {counted(len(members), 'member')}: {', '.join(labels)}")
    ids, start, end = (getattr(members[0], name)[common] for name in ("ids", "start", "end"))
    aligned = []
    for member, place in zip(members, places, strict=True):
        columns = [member.tags.index(tag) for tag in tags]
        values = member.values[place[common]][:, columns]
        aligned.append(replace(member, values=values, ids=ids, start=start, end=end, tags=tags))
    return aligned


def labels_of(members: Sequence[Scores], names: Sequence[str] | None) -> list[str]:
    """What messages call the members. Raises ScoresError for more or fewer names than members."""
    labels = list(names) if names is not None else [f"member {i + 1}" for i in range(len(members))]
    if len(labels) != len(members):
        raise ScoresError(f"{counted(len(labels), 'name')} for {counted(len(members), 'member')}")
    return labels


def rows_of(scores: Scores, which: NDArray[np.bool_]) -> Scores:
    """The rows of a mask (rows,)."""
    ids, start, end = (getattr(scores, name)[which] for name in ("ids", "start", "end"))
    return replace(scores, values=scores.values[which], ids=ids, start=start, end=end)


def left_out(members: Sequence[Scores], kept: Scores) -> dict[str, Any]:
    """What `only="common"` left out: rows of each member, and the tags that not all know."""
    tags = dict.fromkeys(tag for member in members for tag in member.tags if tag not in kept.tags)
    return {"rows": [len(member) - len(kept) for member in members], "tags": list(tags)}


def _tags(members: Sequence[Scores], only: Only, names: list[str]) -> tuple[str, ...]:
    first = members[0].tags
    for member, name in zip(members[1:], names[1:], strict=True):
        if only == "common" or set(member.tags) == set(first):
            continue
        lacks = [tag for tag in first if tag not in member.tags]
        extra = [*set(member.tags) - set(first)]
        lacking, having, missing = (name, names[0], lacks) if lacks else (names[0], name, extra)
        raise ScoresError(
            f"{lacking} has no scores of {counted(len(missing), 'tag')} that {having} has, such as {sorted(missing)[0]!r}: the members "
            'were trained on different tags. Take only the tags and clips that all have with only="common" (--only common)'
        )
    common = tuple(tag for tag in first if all(tag in member.tags for member in members))
    if not common:
        raise ScoresError(f"no tag is known to all {counted(len(members), 'member')}: {', '.join(names)}")
    return common


def _keys(member: Scores, ends: bool, name: str) -> list[Key]:
    """id, start and end of each row, the times in steps of the tolerance."""
    if not np.isfinite(member.start).all():
        raise ScoresError(f"{name}: the start of row {int(np.flatnonzero(~np.isfinite(member.start))[0])} is no number")
    start = np.round(member.start / TOLERANCE).astype(np.int64).tolist()
    end = np.round(member.end / TOLERANCE).astype(np.int64).tolist() if ends else [0] * len(member)
    keys = list(zip(member.ids.tolist(), start, end, strict=True))
    last = {key: row for row, key in enumerate(keys)}
    if len(last) < len(keys):
        twice = next(row for row, key in enumerate(keys) if last[key] != row)
        more = "" if ends else " (the ends are not told, so that rows of one start are the same)"
        raise ScoresError(
            f"{name}: the clip {member.ids[twice]} at {member.start[twice]:g} s has several rows{more}: it is not known "
            "which one counts. Leave one of them, or give each its start and end"
        )
    return keys


def _places(first: Scores, keys: list[Key], other: Scores, others: list[Key], ends: bool) -> NDArray[np.int64]:
    """(rows of first,): the row of `other` that is the same; −1 where there is none."""
    index = {key: row for row, key in enumerate(others)}
    matches = np.full(len(keys), -1)
    for row, (id_, start, end) in enumerate(keys):
        for more_start, more_end in NEAR:
            place = index.get((id_, start + more_start, end + more_end))
            if place is not None and _same_times(first, row, other, place, ends):
                matches[row] = place
                break
    return matches


def _same_times(first: Scores, row: int, other: Scores, place: int, ends: bool) -> bool:
    apart = abs(first.start[row] - other.start[place])
    if ends:
        apart = max(apart, abs(first.end[row] - other.end[place]))
    return bool(apart <= TOLERANCE)


def _demand_same(first: Scores, other: Scores, matches: NDArray[np.int64], first_name: str, other_name: str) -> None:
    if (matches < 0).any():
        lacking, having, here, missing = other_name, first_name, first, np.flatnonzero(matches < 0)
        there = other
    else:
        lacking, having, here, there = first_name, other_name, other, first
        missing = np.setdiff1d(np.arange(len(other)), matches)
    if not len(missing):
        return
    row = missing[0]
    if here.ids[row] in there.ids:
        why = "The clip is there with other times: scores of windows go together only where the windows are the same"
    else:
        why = 'Score them too, or take only the clips that all have with only="common" (--only common)'
    raise ScoresError(
        f"{lacking} has no scores of {len(missing)} of the {counted(len(here), 'row')} of {having}, such as {here.ids[row]} from "
        f"{here.start[row]:g} to {here.end[row]:g} s. {why}"
    )
