"""The figures of clips: scores and the manifest's truth, matched by id → metrics with intervals, tags, worst errors, notes.

What has no value is NaN, and a note says why.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import metrics
from earmark.data.manifest import Manifest
from earmark.data.matching import Matched, match
from earmark.errors import ScoresError, agreed, counted
from earmark.evaluation import wording
from earmark.evaluation.events import EventFigures
from earmark.evaluation.figures import Bootstrap, Decided, Decisions, Figures, Miss, TagDecided, TagFigures, plain
from earmark.evaluation.thresholds.tags import DEFAULT, FIGURES
from earmark.metrics import Floats, Interval
from earmark.metrics.calibration import calibration_of
from earmark.metrics.intervals import left_out
from earmark.scores import Scores, Task
from earmark.scores.probabilities import probable
from earmark.scores.reserved import RESERVED, told

SUMS = "The scores of a clip do not add up to 1, so they are no probabilities of one tag: no log loss, no Brier score."
BEYOND = "Scores reach beyond 0 … 1, so they are no probabilities: no {}."
WORST = 20  # clips listed as worst errors
FEW_GROUPS = 20  # below this a bootstrap over groups is known to be too narrow
MANY = 0.1  # share of the clips from which it is told first that they are answered with a tag which none has


def measure(
    scores: Scores,
    manifest: Manifest,
    task: Task,
    protocol: Mapping[str, Any] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    threshold: float | Floats = 0.5,
    stored: Floats | None = None,
    events: EventFigures | None = None,
    reserved: Collection[str] = RESERVED,
) -> Figures:
    """All figures of clips that have been scored.

    scores: one row a clip. protocol: what chose the epoch and the thresholds, the tagger, the split, seeds. threshold: of
    the decisions in task many, one or (tags,). stored: (tags,), the tagger's own thresholds, judged beside. events: of
    the same clips. reserved: tags that are never told; they are judged as any other, and a note says what of them would be
    told. Raises ScoresError where scores and manifest do not fit.

        >>> from earmark.data.manifest import build
        >>> clips = build({"id": ["a", "b"], "path": ["a.wav", "b.wav"], "tags": [["dog"], ["rain"]]}, ".")
        >>> values = np.array([[0.9, 0.1], [0.6, 0.4]], np.float32)
        >>> figures = measure(Scores(values, clips.ids, np.zeros(2), np.ones(2), ("dog", "rain")), clips, "one", resamples=0)
        >>> figures.metrics["accuracy"].value, [(miss.id, miss.answered) for miss in figures.worst]
        (0.5, [('b', 'dog')])
    """
    if not len(manifest):
        raise ScoresError("the manifest has no clips: there is nothing to report on")
    matched = match(scores, manifest)
    _check_task(matched, task)
    values, truth = matched.values, matched.judged_as(task)
    options: dict[str, Any] = {"resamples": resamples, "seed": seed, "threshold": threshold}
    failed: list[str] = []
    measured = metrics.evaluate(values, truth, matched.groups, task, **options, report=failed.append)
    figures = {name: measured[name] for name in sorted(measured, key=wording.position)}
    columns = metrics.per_tag(values, truth, task, threshold)
    groups = len(np.unique(matched.groups))
    calibration = calibration_of(values, truth, task)
    lost: list[str] = []
    facts = plain(protocol or {}, "protocol", lost)
    notes = [
        *matched.notes,
        *matched.unknown(task),
        *left_out(figures, None if task == "one" else matched.known),
        *failed,
        *notes_on_tags(truth, scores.tags),
        *notes_on_figures(figures, groups),
        *notes_on_groups(groups, resamples),
        *([] if calibration else [BEYOND.format("calibration")]),
        *_notes_on_reserved(matched, scores.tags, task, threshold, reserved),
        *([SUMS] if task == "one" and calibration and not probable(values, alone=True) else []),
        *_notes_on_silence(columns["precision"], scores.tags),
        *(f"{place} is not a finite number: null." for place in lost),
    ]
    one_tag = task == "one"
    return Figures(
        clips=len(matched.ids),
        task=task,
        metrics=figures,
        tags=_by_tag(columns, scores.tags),
        undefined=tuple(scores.tags[i] for i in metrics.undefined(truth, negatives=True)),
        confusion=metrics.confusion(values, truth) if one_tag else None,
        calibration=calibration,
        worst=_worst(matched, scores.tags, task, threshold),
        threshold=None if one_tag else threshold,
        decisions=None if stored is None or one_tag else decide(matched, scores.tags, stored, resamples, seed),
        events=events,
        protocol=facts,
        interval=_bootstrap(figures, groups, resamples),
        notes=tuple(notes),
    )


def foreign(
    scores: Scores, manifest: Manifest, task: Task, reserved: Collection[str] = RESERVED, *, table: bool = False
) -> list[str]:
    """A sentence for the head of a report where tags that no clip has have the highest score of many clips, be it for being no tags.

    table: whether the scores are of a file, whose columns were taken for tags. Of reserved tags another note tells; and a tag of which
    it is not known whether a clip has it is no wrong answer to that clip. Raises ScoresError as `measure`.
    """
    matched = match(scores, manifest)
    absent = ~matched.truth.any(0) & told(scores.tags, reserved)
    wins = np.bincount(_answered(matched, task), minlength=len(absent)) * absent
    clips, which = len(matched.ids), np.argsort(-wins, kind="stable")[: np.count_nonzero(wins)].tolist()
    if not wins.sum() or wins.sum() < MANY * clips:
        return []
    sentence = (
        f"Of {counted(clips, 'clip')} {int(wins.sum()):,} {agreed(int(wins.sum()), 'has its', 'have their')} highest score "
        f"for a tag that no clip here has: {wording.names([scores.tags[i] for i in which], 3)}."
    )
    if not table:
        return [sentence]
    held = matched.values[:, which[0]]
    return [
        f"{sentence} In a file of scores every column of numbers is taken for a tag; {scores.tags[which[0]]!r} holds {held.min():g} to "
        f"{held.max():g}: where it is none, but a fold or the number of a row, say, take the column out."
    ]


def _bootstrap(figures: Mapping[str, Interval], groups: int, resamples: int) -> Bootstrap:
    centred = tuple(name for name in figures if metrics.centred(name))
    return Bootstrap("percentile bootstrap over groups", metrics.LEVEL, resamples, groups, centred)


def decide(matched: Matched, tags: Sequence[str], stored: Floats, resamples: int, seed: int = 0) -> Decisions:
    """Decisions with the stored thresholds (tags,) beside those with 0.5, by the same draws."""
    rows, by_tag = [], []
    for name, threshold in (("0.5", np.full(len(tags), DEFAULT)), ("stored", np.asarray(stored, float))):
        figures = metrics.evaluate(
            matched.values,
            matched.judged,
            matched.groups,
            "many",
            resamples=resamples,
            seed=seed,
            metrics=FIGURES,
            threshold=threshold,
        )
        rows.append(Decided(name, {key: figures[key] for key in FIGURES}))
        by_tag.append(metrics.per_tag(matched.values, matched.judged, "many", threshold))
    at_half, at_stored = by_tag
    return Decisions(
        tuple(rows),
        tuple(
            TagDecided(
                tag,
                int(at_stored["clips"][i]),
                float(stored[i]),
                float(at_half["f1"][i]),
                *(float(at_stored[name][i]) for name in ("f1", "precision", "recall")),
            )
            for i, tag in enumerate(tags)
        ),
    )


def _check_task(matched: Matched, task: Task) -> None:
    count = matched.truth.sum(1)
    if task == "one" and (count != 1).any():
        first = int(np.flatnonzero(count != 1)[0])
        raise ScoresError(
            f"{counted(int((count != 1).sum()), 'clip has', 'clips have')} not exactly one tag, first: {matched.ids[first]} "
            f"({counted(count[first], 'tag')}). The tagger gives one tag a clip: "
            f"leave {agreed(int((count != 1).sum()), 'this clip', 'these clips')} out, or use a tagger of task many, or judge "
            "as one with --task many"
        )


def _worst(matched: Matched, tags: Sequence[str], task: Task, threshold: float | Floats) -> tuple[Miss, ...]:
    """Clips whose own tag was missed with the lowest score; of a clip with several missed tags, the lowest."""
    values, truth, answered = matched.values, matched.truth, _answered(matched, task)
    missed = truth & ((answered != truth.argmax(1))[:, None] if task == "one" else values < threshold)
    missed_scores = np.where(missed, values, np.inf)
    lowest = missed_scores.min(1)
    rows = [row for row in np.argsort(lowest, kind="stable")[:WORST] if np.isfinite(lowest[row])]
    return tuple(
        Miss(
            str(matched.ids[row]),
            matched.paths[row],
            tags[int(missed_scores[row].argmin())],
            tags[int(answered[row])],
            float(lowest[row]),
            float(values[row, answered[row]]),
        )
        for row in rows
    )


def _answered(matched: Matched, task: Task) -> NDArray[np.intp]:
    """(clips,): the tag with the highest score; in task many without such of which nobody knows whether the clip has them."""
    values, known = matched.values, matched.known
    if task == "one":
        return metrics.answers(values, matched.truth)
    return np.asarray((values if known is None else np.where(known, values, -np.inf)).argmax(1))


def _by_tag(columns: Mapping[str, NDArray[Any]], tags: Sequence[str]) -> tuple[TagFigures, ...]:
    """columns: of `metrics.per_tag`."""
    return tuple(
        TagFigures(tag=tag, **{name: column[i].item() for name, column in columns.items()})
        for i, tag in enumerate(tags)
    )


def _notes_on_reserved(
    matched: Matched, tags: Sequence[str], task: Task, threshold: float | Floats, reserved: Collection[str]
) -> list[str]:
    """What is told of clips whose tags are all reserved, and how many others are told nothing."""
    which = told(tags, reserved)
    if which.all():
        return []
    values = matched.values
    nameable = np.asarray(matched.truth[:, which].any(1))
    left = ""
    if task == "one":
        heard = np.asarray(which[metrics.answers(values, matched.truth)])
        how = "by their highest score"
    else:
        heard = np.asarray((values >= threshold)[:, which].any(1))
        how = "from the threshold on"
        if matched.known is not None:
            sure = nameable | matched.known[:, which].all(1)
            heard, nameable = heard[sure], nameable[sure]
            if not sure.all():
                left = f" Whether {counted(int((~sure).sum()), 'clip has', 'clips have')} one is not known."
    names = wording.names([tag for tag, each in zip(tags, which.tolist(), strict=True) if not each])
    return [
        f"Learnt and never told, and judged here as any other tag: {names}. Of {counted(int((~nameable).sum()), 'clip')} without a "
        f"tag that is told {int((heard & ~nameable).sum())} would be told one {how}, of {int(nameable.sum())} with one "
        f"{int((~heard & nameable).sum())} none.{left}"
    ]


def _notes_on_silence(precision: NDArray[Any], tags: Sequence[str]) -> list[str]:
    silent = [tags[i] for i in np.flatnonzero(np.isnan(precision)).tolist()]
    if not silent:
        return []
    return [f"No clip was answered with these tags, so they have no precision: {wording.names(silent)}."]


def notes_on_tags(truth: NDArray[np.bool_], tags: Sequence[str]) -> list[str]:
    absent = metrics.undefined(truth)
    always = [i for i in metrics.undefined(truth, negatives=True) if i not in absent]
    notes = []
    if absent:
        named = wording.names([tags[i] for i in absent])
        notes.append(f"No clip has these tags, so they are left out of every mean over tags: {named}.")
    if always:
        named = wording.names([tags[i] for i in always])
        notes.append(f"Every clip has these tags, so they are left out of mAP, AUC and d′: {named}.")
    return notes


def notes_on_figures(figures: Mapping[str, Interval], groups: int) -> list[str]:
    """Figures and limits without a value or a width, and figures without an error: sentences."""
    notes = []
    for name, figure in figures.items():
        of_auc = name == "dprime"  # of another metric, a plug-in's, only its function knows why
        if math.isinf(figure.value):
            why = "as the mean AUC is 1 or 0" if of_auc else "as its function says"
            notes.append(f"{wording.title(name)} is infinite, {why}: null.")
        sides = [side for side, end in (("lower", figure.low), ("upper", figure.high)) if math.isinf(end)]
        if sides:
            many, are = ("limits", "are") if len(sides) == 2 else ("limit", "is")
            why = "as the mean AUC of some draws is 1 or 0" if of_auc else "as its function says of some draws"
            notes.append(f"The {' and '.join(sides)} {many} of {wording.title(name)} {are} infinite, {why}: null.")
        if math.isnan(figure.value):
            notes.append(f"{wording.title(name)} has no value: no tag or clip here defines it.")
    flat = [wording.title(name) for name, figure in figures.items() if figure.low == figure.high]
    if flat:
        notes.append(f"The interval of {', '.join(flat)} has no width, because all draws agree. That is not certainty.")
    if "accuracy" in figures and figures["accuracy"].value == 1:
        # n independent groups are all without an error in one case of twenty where a share of 1 - 0.05^(1/n) has one
        share = wording.percent(1 - 0.05 ** (1 / groups))
        notes.append(
            f"{counted(groups, 'group')} without an error may come from a tagger that errs in up to {share} of them."
        )
    return notes


def notes_on_groups(groups: int, resamples: int, none: str = "No intervals") -> list[str]:
    """Why there are no intervals, or only rough ones: a sentence. none: what one group has not, in words."""
    if resamples < 1:
        return ["No intervals: no resamples were asked for."]
    if groups < 2:
        return [f"{none}: all clips are of one group, and clips of one group are not independent."]
    if groups < FEW_GROUPS:
        return [f"Only {counted(groups, 'group')}: the intervals are rough, and rather too narrow."]
    return []
