"""Which labels the taggers doubt: clips ranked by how surely they were given another tag than their own.

The scores must be out of fold: each clip's from a tagger that was not trained on it, as `earmark evaluate` of a run over
folds gives them. A tagger that has learnt a wrong label by heart does not doubt it.

A doubt is a pair of a clip and a tag. Where each clip has one tag, the clip is doubted by the margin between the highest
other score and its own tag's (Northcutt, Jiang, Chuang: Confident Learning, JAIR 2021, section 3.2, its "normalised
margin", with the sign turned). Where clips have any number of tags, each tag is doubted by itself: one that is given by
what its score lacks to 1, one that is not by its score. Tags differ in the level of their scores: one that always scores
low would fill the top of the list. So a tag's even odds are taken to lie half-way between the mean log-odds of the clips
that have it and of those that have not.

Of what is not known nothing is said that could be doubted: it moves no tag's even odds, and where each clip has one tag, a
clip is doubted for tags alone that it is known to lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.data.datasets import open_data
from earmark.data.manifest import Manifest
from earmark.data.matching import Matched, check_any, match
from earmark.errors import EarmarkError, ScoresError, agreed, counted
from earmark.errors.kinds import checked
from earmark.errors.unused import hears
from earmark.evaluation import choices, heldout
from earmark.evaluation.heldout import Request, Source
from earmark.evaluation.scoring import Settings
from earmark.metrics.clips import cells_of, known_of
from earmark.models import loading
from earmark.progress import QUIET, Progress
from earmark.scores import SUFFIXES, Scores, Task
from earmark.scores.probabilities import bounded

Floats = NDArray[np.float64]
TINY = 1e-6  # the smallest probability whose odds are taken


@dataclass(frozen=True)
class Doubt:
    """A clip's label that the scores speak against.

    row: of the clip. tag: column of the tag in doubt, given or not. suggested: the column of the tag that they speak for
    instead, where there is one. score: of the tag in doubt. other: of the suggested one. doubt: 0 … 1, the ranking.
    """

    row: int
    tag: int
    given: bool
    suggested: int | None
    score: float
    other: float | None
    doubt: float


@dataclass(frozen=True)
class Label:
    """A label to be listened to. tag: in doubt. given: the clip's labels in words. suggested: what it should rather have.

    score: how much it is doubted, 0 … 1, to four digits. why: a sentence.
    """

    id: str
    path: str
    tag: str
    given: str
    suggested: str
    score: float
    why: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """labels: the most doubtful first. clips: that were scored. notes: how the list is to be read, in sentences."""

    labels: tuple[Label, ...]
    clips: Manifest
    notes: tuple[str, ...]


@checked
@hears("source", SUFFIXES)
def audit(
    source: Source,
    data: str | Path | Manifest,
    *,
    dataset: str | None = None,
    batch: int | None = None,
    workers: int = 2,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Audit:
    """The labels of clips that the scores speak against, each scored by a tagger that was not trained on its clip.

    source: the folder of a run over folds, or a file of out-of-fold scores. data, dataset: as in `earmark.evaluate`. Raises
    EarmarkError for one tagger alone, and what `evaluate` raises but for leaks: clips that are tied to what their tagger learnt
    from are left out, and the notes say so.

        >>> from earmark.evaluation.labels import audit
        >>> audit("scores.parquet", "clips.parquet").labels[0].why  # doctest: +SKIP
        'rain scores 0.91, dog 0.02'
    """
    if isinstance(source, str | Path) and Path(source).suffix in SUFFIXES:
        scores, clips = _from_file(Path(source), data, dataset, progress)
        borne = choices.check(str(source), scores, clips.ids.tolist(), seen=True)
    else:
        _check_out_of_fold(source)
        # a tagger does not doubt what it has heard: there its word is worth nothing
        request = Request(data, dataset=dataset, leave=True, settings=Settings(batch, workers), device=device)
        parts = heldout.score_all(source, request, progress)
        scores, clips = heldout.pooled(parts)
        borne = [f"{part.tagger.identity()}: {line}" for part in parts for line in part.warnings]
        borne += [f"{counted(len(part.unread), 'clip')} could not be read: left out." for part in parts if part.unread]
    for line in borne:
        progress.say(line)
    matched = match(scores, clips)
    task, why = _doubted_as(scores.task, bool((matched.truth.sum(1) == 1).all()))
    doubts = rank(matched.values, matched.judged, task)
    return Audit(tuple(_label(doubt, matched, scores.tags) for doubt in doubts), clips, (*_notes(task), *why, *borne))


def _doubted_as(own: Task | None, alone: bool) -> tuple[Task, list[str]]:
    """As which labels are doubted, and a sentence where what made the scores does not settle it. alone: each clip has one tag.

    Scores of task many speak of each tag by itself, also where each clip was given one: another may lack.
    """
    task: Task = "one" if alone and own != "many" else "many"
    if own == task:
        return task, []
    why = "each clip has one tag" if alone else "not every clip has just one tag"
    whose = "do not tell their task" if own is None else f"are of task {own}"
    return task, [f"Labels are doubted as of task {task}, as {why}: the scores {whose}."]


def _from_file(
    path: Path, data: str | Path | Manifest, dataset: str | None, progress: Progress
) -> tuple[Scores, Manifest]:
    """Scores, and the clips of the manifest that they are of."""
    scores = Scores.load(path)
    clips = open_data(data, dataset, say=progress.say)
    where = "the manifest" if isinstance(data, Manifest) else str(data)
    check_any(str(path), scores, clips, where)
    scored = clips.select(np.isin(clips.ids, scores.ids))
    if left := int((~np.isin(scores.ids, clips.ids)).sum()):
        progress.say(
            f"{left:,} of the {counted(len(scores), 'row')} of {path} {agreed(left, 'is', 'are')} of clips that {where} does "
            "not have: left out"
        )
    if left := len(clips) - len(scored):
        progress.say(
            f"{left:,} of the {counted(len(clips), 'clip')} of {where} {agreed(left, 'has', 'have')} no scores in {path}: left out"
        )
    return scores, scored


def _check_out_of_fold(source: Source) -> None:
    if len(heldout.members(source)) < 2:
        if isinstance(source, str | Path) and not Path(source).is_dir():
            loading.find(source)  # tells of one that is not there that it is not
        raise EarmarkError(
            f"{source}: an audit needs scores of taggers that did not learn from the clips they score: give the folder of "
            "a run with --fold all, or a file of out-of-fold scores"
        )


def _label(doubt: Doubt, matched: Matched, tags: Sequence[str]) -> Label:
    tag = tags[doubt.tag]
    given = " and ".join(name for name, is_given in zip(tags, matched.truth[doubt.row], strict=True) if is_given)
    if doubt.suggested is not None:
        suggested = tags[doubt.suggested]
        why = f"{suggested} scores {doubt.other:.2f}, {tag} {doubt.score:.2f}"
    else:
        suggested = f"without {tag}" if doubt.given else f"with {tag}"
        why = f"{tag} scores {doubt.score:.2f}, {'low' if doubt.given else 'high'} for that tag"
    return Label(
        str(matched.ids[doubt.row]), matched.paths[doubt.row], tag, given or "no tag", suggested,
        round(doubt.doubt, 4), why,
    )  # fmt: skip


def _notes(task: Task) -> tuple[str, ...]:
    """How the list is to be read."""
    kind = "its own tag and the highest other one" if task == "one" else "the tag in doubt"
    return (
        "Each clip was scored by a tagger that was not trained on it.",
        f"A label is in doubt where the scores of {kind} speak against it; the list begins with the surest.",
        "A doubt is no proof: taggers err too, most of all on rare and on quiet sounds. Listen before a label is changed.",
    )


def rank(values: ArrayLike, truth: ArrayLike, task: Task) -> list[Doubt]:
    """Doubts in falling order; equal ones in the order of the rows. values: (clips, tags) in 0 … 1; truth: the same, bool,
    masked where it is not known, which is neither doubted nor suggested.

    Only labels that the scores speak against are there: another tag scores higher (one), or the tag's own odds fall on
    the other side of even (many). Raises ScoresError for shapes that differ, for scores outside of 0 … 1, and where
    "one" is not so.

        >>> (doubt,) = rank([[0.9, 0.1], [0.7, 0.3]], [[True, False], [False, True]], "one")
        >>> doubt.row, doubt.suggested, round(doubt.doubt, 2)
        (1, 0, 0.4)
    """
    scores, given = np.asarray(values, np.float64), np.asarray(cells_of(truth), bool)
    told = known_of(truth)
    known = np.ones_like(given) if told is None else told
    if scores.shape != given.shape or scores.ndim != 2:
        raise ScoresError(f"scores of the shape {scores.shape} do not fit labels of the shape {given.shape}")
    within = bounded(scores)
    if within is None:
        raise ScoresError(
            f"the scores reach from {scores.min():g} to {scores.max():g} and are not probabilities between 0 and 1: no doubt can be told "
            "from them. Turn them into some first, by a sigmoid or a softmax say"
        )
    scores = within
    given = given & known
    doubts = _one(scores, given, known) if task == "one" else _many(scores, given, known)
    return sorted(doubts, key=lambda doubt: (-doubt.doubt, doubt.row, doubt.tag))


def _one(scores: Floats, given: NDArray[np.bool_], known: NDArray[np.bool_]) -> list[Doubt]:
    if scores.shape[1] < 2:
        raise ScoresError("with one tag there is none to doubt a clip for")
    several = np.flatnonzero(given.sum(1) != 1)
    if len(several):
        raise ScoresError(
            f"{counted(len(several), 'clip does', 'clips do')} not have one tag each, the first in row {several[0] + 1}: rank "
            "them as task 'many'"
        )
    own_tag = given.argmax(1)
    rows = np.arange(len(scores))
    others = np.where(known, scores, -np.inf)
    others[rows, own_tag] = -np.inf
    best = others.argmax(1)
    margin = others[rows, best] - scores[rows, own_tag]
    return [
        Doubt(
            int(i),
            int(own_tag[i]),
            True,
            int(best[i]),
            float(scores[i, own_tag[i]]),
            float(scores[i, best[i]]),
            float(margin[i]),
        )
        for i in np.flatnonzero(margin > 0)
    ]


def _many(scores: Floats, given: NDArray[np.bool_], known: NDArray[np.bool_]) -> list[Doubt]:
    clipped = np.clip(scores, TINY, 1 - TINY)
    odds = np.log(clipped) - np.log1p(-clipped)
    # tags without a clip keep their level: there is nothing to compare them with
    lacking = known & ~given
    level, base = (
        np.array([odds[rows, k].mean() if rows.any() else 0.0 for k, rows in enumerate(which.T)])
        for which in (given, lacking)
    )
    even = np.where(given.any(0) & lacking.any(0), (level + base) / 2, 0.0)
    chance = 1 / (1 + np.exp(-(odds - even)))
    doubt = np.where(given, 1 - chance, np.where(known, chance, 0.0))
    return [
        Doubt(int(i), int(k), bool(given[i, k]), None, float(scores[i, k]), None, float(doubt[i, k]))
        for i, k in zip(*np.nonzero(doubt > 0.5), strict=True)
    ]
