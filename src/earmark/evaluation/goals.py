"""`reach`: thresholds for events that reach a goal, a precision or so many false alarms an hour.

On recordings whose events are known, best whole ones like those that are to be heard; or by reviews of what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.data import matching
from earmark.data.manifest import Manifest
from earmark.data.splits import ClipSet
from earmark.errors import EarmarkError, ScoresError, agreed, counted
from earmark.evaluation.heldout import clips_of
from earmark.evaluation.reviews.answers import Review
from earmark.evaluation.reviews.answers import read as read_answers
from earmark.evaluation.reviews.curve import LEAST, Curve, fit
from earmark.evaluation.scoring import Settings, Unread, none_read, score_over_time
from earmark.evaluation.thresholds.goals import Goal, Reached, choose
from earmark.evaluation.tracks import with_events
from earmark.evaluation.tuning import clips_to_choose_on, rates
from earmark.events import EventRules
from earmark.inference.asked import rules_of
from earmark.models import loading
from earmark.models.facts import ChosenOn, EventTuning
from earmark.progress import QUIET, Progress

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

SHORT = 3.0  # events that a goal must leave room for in the recordings, else their hours can hardly tell


@dataclass(frozen=True, eq=False)
class Reaching:
    """What was chosen for a goal. reached: of each tag, by recordings; curves: of each tag, by reviews. clips, unread, notes: as in
    `earmark.evaluation.tuning.Tuning`.
    """

    tagger: AnyTagger
    goal: Goal
    facts: EventTuning
    reached: tuple[Reached, ...] = ()
    curves: Mapping[str, Curve] | None = None
    met: Mapping[str, bool] | None = None
    clips: Manifest | None = None
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rules(self) -> EventRules:
        assert self.facts.rules is not None
        return self.facts.rules

    def store(self, file: str | Path) -> None:
        """Write the tagger with what was chosen."""
        self.tagger.facts = self.tagger.facts.own(self.tagger.identity()).retuned(events=self.facts)
        self.tagger.save(file)


def reach(
    tagger: str | Path | Any,
    data: str | Path | Manifest,
    goal: Goal,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    tolerance: float | None = None,
    gap: float = 0.0,
    low: float | None = None,
    shortest: float = 0.0,
    on_test: bool = False,
    batch: int | None = None,
    workers: int = 2,
    salvage: bool = False,
    strict: bool = False,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Reaching:
    """By recordings whose events are known, if only that there is none. tolerance: seconds, by default the length of a window where
    the tagger scores windows, else 0.5. The rest as in `earmark.evaluation.tuning.tune`. Raises EarmarkError, ScoresError.
    """
    loaded = loading.loaded(tagger, device)
    name = dataset or loaded.facts.dataset
    clips = clips_to_choose_on(loaded, clips_of(loaded, data, name), folds, name, on_test, progress)
    known = with_events(clips)
    if not len(known):
        raise ScoresError(
            f"the events of none of the {counted(len(clips), 'clip')} are known: a goal needs recordings with tables of their "
            "events, or with none; or --reviews of what was found"
        )
    timed = score_over_time(loaded, known, Settings(batch, workers, salvage, strict, hear_silence=False), progress)
    if not timed.clips:
        raise none_read(len(known), timed.unread)
    read = known.select(np.isin(known.ids, list(timed.clips)))
    reference = matching.events_of(read)
    durations = {clip: timed.clips[clip].heard for clip in reference}
    scores = {clip: timed.clips[clip].scores for clip in reference}
    if unheard := sum(timed.clips[clip].unheard for clip in reference) / 3600:
        if not sum(durations.values()):
            raise ScoresError(
                f"nothing can be heard in these {unheard:.2g} h of recordings, as of a dead microphone: no rate and no precision is chosen "
                "on them. Give recordings in which something sounds, if only wind"
            )
        progress.say(f"{unheard:.2g} h of the recordings hold nothing that can be heard, and count in no rate")
    fine = (loaded.windows.length if timed.of == "windows" else 0.5) if tolerance is None else tolerance
    rules, reached = choose(scores, reference, durations, goal, tolerance=fine, gap=gap, low=low, shortest=shortest)
    hours = sum(durations.values()) / 3600
    if goal.false_alarms and goal.false_alarms * hours < SHORT:
        progress.say(
            f"{hours:.2g} h of recordings can hardly tell {goal.false_alarms:g} false alarms an hour: give some "
            f"{SHORT / goal.false_alarms:.2g} h or more, and see the intervals"
        )
    known_tags = {each.tag for each in reached if each.known or goal.precision is None}
    facts = EventTuning(
        rules,
        tuple(tag for tag in loaded.vocabulary if tag not in known_tags),
        scores=timed.of,
        chosen_on=ChosenOn(str(name), ClipSet.of(read)),
        metric=f"{goal}, events that lie by half within known ones, {fine:g} s wider",
        goal={"goal": vars(goal), "hours": round(hours, 4), "tags": {each.tag: each.as_dict() for each in reached}},
        rates=rates(reference, durations),
    )
    return Reaching(
        loaded,
        goal,
        facts,
        tuple(reached),
        None,
        {each.tag: each.met for each in reached},
        read,
        timed.unread,
        timed.notes,
    )


def reach_by_reviews(
    tagger: str | Path | Any, reviews: str | Path | Sequence[Review], goal: Goal, *, device: str = "cpu"
) -> Reaching:
    """By reviews of what the tagger found, each tag's at least LEAST. Tags with fewer keep their thresholds.

    Raises EarmarkError for a goal other than a precision, ScoresError where no tag has as many, and where another tagger found some.
    """
    loaded = loading.loaded(tagger, device)
    if goal.precision is None:
        raise EarmarkError(
            "reviews tell how many of what was found are right: --precision. False alarms an hour need whole recordings: --data"
        )
    answers = read_answers(reviews) if isinstance(reviews, str | Path) else list(reviews)
    by_tag: dict[str, list[Review]] = {}
    answered = [review for review in answers if review.answer is not None]
    for review in answered:
        by_tag.setdefault(review.picked.event.tag, []).append(review)
    _check_own(answered, loaded)
    if unknown := sorted(set(by_tag) - set(loaded.vocabulary)):
        raise ScoresError(
            f"the reviews are of {unknown[0]!r}, which this tagger does not know: are they of another tagger?"
        )
    counts = ", ".join(f"{tag} {len(each)}" for tag, each in sorted(by_tag.items())) or "none"
    curves = {tag: fit(each) for tag, each in sorted(by_tag.items()) if len(each) >= LEAST}
    if not curves:
        raise ScoresError(
            f"too few reviews for a curve of score and being right: {LEAST} of a tag are needed, and there are {counts}"
        )
    before = rules_of(loaded)
    thresholds, met = _by_curves(curves, goal.precision, before.thresholds)
    told = {
        tag: {
            "threshold": thresholds[tag], "met": met[tag], "reviews": curve.reviews, "right": curve.right,
            "probability there": {name: round(value, 6) for name, value in curve.at(thresholds[tag]).as_dict().items()},
        }
        for tag, curve in curves.items()
    }  # fmt: skip
    stored = loaded.facts.events or EventTuning()
    facts = replace(
        stored,
        rules=replace(before, thresholds=thresholds),
        metric=f"{goal}, by {counted(sum(curve.reviews for curve in curves.values()), 'review')} of what was found",
        goal={"goal": vars(goal), "tags": told},
        chosen_on=None,
        figures=None,
        rates=None,
    )
    few = {tag: len(each) for tag, each in sorted(by_tag.items()) if tag not in curves}
    notes = [
        f"{tag}: {counted(count, 'review')}, fewer than {LEAST}: its threshold stays {before.thresholds[tag]:g}"
        for tag, count in few.items()
    ]
    return Reaching(loaded, goal, facts, (), curves, met, notes=(*notes, *_unsigned(answered)))


def _check_own(answered: Sequence[Review], tagger: AnyTagger) -> None:
    """Raises ScoresError where another tagger found some of the events: its scores are others."""
    others = [review for review in answered if review.picked.tagger not in (None, tagger.identity())]
    if others:
        raise ScoresError(
            f"{len(others):,} of {counted(len(answered), 'review')}, the first in line {others[0].line}, "
            f"{agreed(len(others), 'is of an event', 'are of events')} that the tagger "
            f"{others[0].picked.tagger} found, and this is {tagger.identity()}, or hears at another --hop: by the scores of another its "
            "thresholds cannot be chosen. Give the tagger that found them, or review what this one finds; earmark retrain learns from "
            "reviews of any"
        )


def _unsigned(answered: Sequence[Review]) -> list[str]:
    """A note where reviews do not tell which tagger found their events."""
    count = sum(review.picked.tagger is None for review in answered)
    if not count:
        return []
    return [
        f"{count:,} of {counted(len(answered), 'review')} {agreed(count, 'does', 'do')} not tell which tagger found "
        f"{agreed(count, 'its event: its score is', 'their events: their scores are')} taken for this one's. "
        "Tables that are made of a job's folder tell it"
    ]


def _by_curves(
    curves: Mapping[str, Curve], precision: float, before: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, bool]]:
    """(thresholds of all tags, whether each tag with a curve reaches the precision)."""
    thresholds, met = dict(before), {}
    for tag, curve in curves.items():
        threshold = curve.threshold(precision)
        met[tag] = threshold is not None
        if threshold is not None:
            thresholds[tag] = max(threshold, 1e-6)
        elif not curve.right:  # the slope is of nothing that was said
            thresholds[tag] = max(curve.high, before[tag])
        elif curve.slope > 0:  # else a higher one is no better
            thresholds[tag] = curve.high
    return thresholds, met
