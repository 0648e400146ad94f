"""Scores and the manifest's clips matched by id: a report needs the truth of every row and a row for every clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.data.manifest import Manifest
from earmark.errors import ScoresError, agreed, counted
from earmark.registry import did_you_mean
from earmark.scores import Scores, Task


@dataclass(frozen=True, eq=False)
class Matched:
    """Scores and truth of the same clips in the order of their ids, so that no report depends on the order of rows.

    known: of which tags it is known whether the clip has them; None: of all.
    """

    ids: NDArray[np.str_]
    paths: list[str]
    values: NDArray[np.float32]
    truth: NDArray[np.bool_]
    groups: NDArray[np.str_]
    notes: list[str]
    known: NDArray[np.bool_] | None = None

    @property
    def judged(self) -> NDArray[np.bool_]:
        """The truth as metrics take it: masked where it is not known."""
        return self.truth if self.known is None else np.ma.masked_array(self.truth, ~self.known)

    def judged_as(self, task: Task) -> NDArray[np.bool_]:
        """The same of a task: where a clip has one tag, that excludes the others, and what is not known of them is absent."""
        return self.truth if task == "one" else self.judged

    def unknown(self, task: Task) -> list[str]:
        """How much is not known, and what figures make of it: a sentence, where anything is not."""
        return unknown_of(self.known, task)


def unknown_of(known: NDArray[np.bool_] | None, task: Task) -> list[str]:
    """Of how many pairs of a clip and a tag, (rows, tags), nobody knows, and what figures make of them; None: all are known."""
    if known is None or known.all():
        return []
    of = f"{known.size - int(known.sum()):,} of {counted(known.size, 'pair')} of a clip and a tag"
    what = "no figure counts them" if task == "many" else "where a clip has one tag, the others are taken as absent"
    return [f"Of {of} it is not known whether the clip has the tag: {what}."]


def check_any(source: str, scores: Scores, clips: Manifest, where: str) -> None:
    """Raises ScoresError where no scores are of these clips, with an id of each side. where: the clips, in words."""
    if np.isin(scores.ids, clips.ids).any():
        return
    count = len(np.unique(scores.ids))
    like = f". Its ids are like {str(scores.ids[0])!r}" if count else ""
    like += f", those of {where} like {str(clips.ids[0])!r}" if like and len(clips) else ""
    raise ScoresError(
        f"{source}: none of its {counted(count, 'clip')} is in {where}: give the clips that they are of{like}"
    )


def match(scores: Scores, manifest: Manifest) -> Matched:
    """Match by clip id. Raises ScoresError for missing or repeated clips and for tags that the tagger does not know.

    >>> from earmark.data.manifest import build
    >>> clips = build({"id": ["b", "a"], "path": ["b.wav", "a.wav"], "tags": ["dog", "rain"]}, ".")
    >>> values = np.array([[0.25, 0.75], [0.5, 0.125]], np.float32)
    >>> scores = Scores(values, np.array(["a", "b"]), np.zeros(2), np.ones(2), ("dog", "rain"))
    >>> matched = match(scores, clips)
    >>> matched.ids.tolist(), matched.values.tolist(), matched.truth.tolist()
    (['a', 'b'], [[0.25, 0.75], [0.5, 0.125]], [[False, True], [True, False]])
    """
    for name, ids in (("scores", scores.ids), ("manifest", manifest.ids)):
        unique, rows = np.unique(ids, return_counts=True)
        twice = np.flatnonzero(rows > 1)
        if len(twice):
            raise ScoresError(
                f"{counted(len(twice), 'clip has', 'clips have')} several rows in the {name}, first: {unique[twice[0]]} "
                f"({counted(rows[twice[0]], 'row')}). A report needs one row a clip: combine the windows of a recording first"
            )
    missing = np.setdiff1d(manifest.ids, scores.ids)
    if len(missing):
        raise ScoresError(
            f"{counted(len(missing), 'clip of the manifest has', 'clips of the manifest have')} no scores, first: {missing[0]} "
            f"({len(manifest)} in the manifest, {len(scores)} scored). "
            f"Tag {agreed(len(missing), 'it', 'them')} too, or report on the part of the manifest that was scored"
        )
    notes = _check_tags(scores, manifest)
    others = len(scores) - len(manifest)
    if others:
        notes.append(f"{counted(others, 'scored clip')} outside the manifest: not in this report.")
    order = np.argsort(manifest.ids)
    place = np.argsort(scores.ids)
    ids = manifest.ids[order]
    rows = place[np.searchsorted(scores.ids[place], ids)]
    paths = [
        path.relative_to(manifest.root) if path.is_relative_to(manifest.root) else path for path in manifest.paths()
    ]
    truth = manifest.truth(scores.tags)[order]
    known = None if manifest.knows_all else manifest.known(scores.tags)[order]
    places = [paths[i].as_posix() for i in order]
    return Matched(ids, places, scores.values[rows], truth, manifest.groups[order], notes, known)


def _check_tags(scores: Scores, manifest: Manifest) -> list[str]:
    known = set(scores.tags)
    unknown = [i for i, tag in enumerate(manifest.vocabulary) if tag not in known]
    if not unknown:
        return []
    clips = manifest.truth(manifest.vocabulary)[:, unknown].sum(0)
    used = [manifest.vocabulary[i] for i, count in zip(unknown, clips, strict=True) if count]
    if used:
        raise ScoresError(
            f"the tagger does not know {counted(len(used), 'tag')} of the manifest: {_names(used)} "
            f"({counted(int(clips.sum()), 'time')}){did_you_mean(used[0], scores.tags)} It knows {_names(scores.tags)}. "
            "Take these clips out of the manifest, or use a tagger that was trained with these tags"
        )
    return [f"The tagger does not know {_names([manifest.vocabulary[i] for i in unknown])}; no clip here has them."]


def events_of(manifest: Manifest) -> dict[str, list[tuple[str, float, float]]]:
    """(tag, onset, offset) of the reference events of a manifest's clips. Raises ScoresError where they are not known.

    >>> from earmark.data.manifest import build
    >>> columns = {"id": ["a"], "path": ["a.wav"], "tags": ["dog"], "events": ['[["dog", 1, 2.5]]']}
    >>> events_of(build(columns, "."))
    {'a': [('dog', 1.0, 2.5)]}
    """
    rows = dict(zip(manifest.ids.tolist(), manifest.table["events"].to_pylist(), strict=True))
    unknown = [clip for clip, events in rows.items() if events is None]
    if unknown:
        raise ScoresError(
            f"the events of {len(unknown):,} of {counted(len(rows), 'clip')} are not known, first: {unknown[0]}. Take "
            f"{agreed(len(unknown), 'this clip out, or give it', 'these clips out, or give them')} an empty list of events "
            "where nothing is heard"
        )
    return {clip: [(e["tag"], e["onset"], e["offset"]) for e in events] for clip, events in rows.items()}


def _names(names: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{name}'" for name in names[:shown]) + more
