"""Merging tags: scores and truth in a smaller vocabulary, such as the 12 tags of Speech Commands from its 31 words.

Two rules, which differ:

    sum       the probability that one of the merged tags is there, of task one, whose scores sum to 1; 1 at most there
    highest   the score of the surest of them: for task many; and for task one where the highest of all the old tags
              decides and is mapped afterwards, as in T. Kim and others, ICASSP 2018, on Speech Commands

Twenty unlikely words can outweigh one likely command in a sum, but not in the highest. Under "highest" the tag with the
highest score is that to which the highest old one belongs, so that accuracy is that of the mapped answers, and two
highest words of one merged tag are no tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, counted
from earmark.metrics.clips import cells_of, known_of
from earmark.metrics.ranking import Bools
from earmark.registry import did_you_mean
from earmark.scores import Scores
from earmark.scores.probabilities import one_in_each

Rule = Literal["sum", "highest"]


def merge_tags(scores: Scores, mapping: Mapping[str, str | None], rule: Rule) -> Scores:
    """mapping: old tag → new tag, None: left out; tags that it does not name stay. New tags stand where the first of theirs
    stood."""
    if rule not in ("sum", "highest"):
        raise ScoresError(f"tags are merged by 'sum' or 'highest', not {rule!r}")
    tags, place = merged_tags(scores.tags, mapping)
    values = np.zeros((len(scores), len(tags))) if rule == "sum" else np.full((len(scores), len(tags)), -np.inf)
    add = np.add if rule == "sum" else np.maximum
    for column, target in enumerate(place):
        if target is None:
            continue
        add(values[:, target], scores.values[:, column], out=values[:, target])
    if rule == "sum":  # a sum of what sums to 1 is beyond 1 by the rounding of its terms alone
        shares = one_in_each(scores.values)
        values[shares] = np.minimum(values[shares], 1)
    told = {"merged": {"rule": rule, "tags": {tag: mapping[tag] for tag in scores.tags if tag in mapping}}}
    return replace(scores, values=values.astype(np.float32), tags=tags, facts={**scores.facts, **told})


def merge_truth(
    truth: ArrayLike, tags: Sequence[str], mapping: Mapping[str, str | None]
) -> tuple[Bools, tuple[str, ...]]:
    """(rows, tags) bool → (rows, new tags) bool and the new tags: there where one of the merged is.

    Of a truth that is masked where it is not known, so is that of the new tags: not known where one of the merged is not, and none
    is there.
    """
    cells: NDArray[Any] = cells_of(truth)
    if cells.ndim != 2 or cells.shape[1] != len(tags) or cells.dtype != np.bool_:
        raise ScoresError(f"truth is {cells.dtype} of the shape {cells.shape}; it must be bool, (rows, {len(tags)})")
    names, place = merged_tags(tags, mapping)
    known = known_of(truth)
    merged, unknown = (np.zeros((len(cells), len(names)), bool) for _ in range(2))
    for column, target in enumerate(place):
        if target is not None:
            merged[:, target] |= cells[:, column] if known is None else cells[:, column] & known[:, column]
            unknown[:, target] |= False if known is None else ~known[:, column]
    return merged if known is None else np.ma.masked_array(merged, unknown & ~merged), names


def merged_tags(tags: Sequence[str], mapping: Mapping[str, str | None]) -> tuple[tuple[str, ...], list[int | None]]:
    """The new tags, and the place of each old one among them; None for one that is left out."""
    unknown = [tag for tag in mapping if tag not in tags]
    if unknown:
        raise ScoresError(
            f"the mapping names {unknown[0]!r}, which is not among the {counted(len(tags), 'tag')}"
            f"{did_you_mean(unknown[0], tags)} Leave out what the scores do not have"
        )
    new = [mapping.get(tag, tag) for tag in tags]
    names = tuple(dict.fromkeys(name for name in new if name is not None))
    if not names:
        raise ScoresError(f"the mapping leaves out all {counted(len(tags), 'tag')}: nothing is left")
    places = {name: place for place, name in enumerate(names)}
    return names, [None if name is None else places[name] for name in new]
