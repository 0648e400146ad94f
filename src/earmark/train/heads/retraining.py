"""What people said of a tagger's detections → a new head that learnt from it too, and what that changed on what it did not learn.

The new head stands on the same net and learns from the same clips, mixed into the recordings that were reviewed, from windows of these
as weak background, and from the reviewed events (`heads.reviewed`), each of which counts as much as `WEIGHT` copies of a clip: far more
than background does. The old tagger stays as it is.

Thresholds are those that held-out copies of clips reach, as ever. Of a tag with `ENOUGH` reviewed events, `RIGHT` of them right, it is
that of the best F1 on these, from that of the clips on: reviews can show that more is told than is right, and not what a lower threshold
would tell beside, since nobody listened to that. The events are judged by heads that did not
learn from events of their recording (of one recording: from their fifth of it); one that was drawn at random stands for all that it
was drawn from. Where so few were right that they cannot choose, and `RIGHT` were wrong, the threshold of the clips is raised until it
tells no more of the wrong ones than of the clips it misses: a head that learnt that much of what its tag is not scores clips lower,
and thresholds that only follow the clips would tell more of it than before.

What changed is told on reviewed events that the new head had not heard: the reviews are parted in two halves, by recording, or by
time where there is one recording alone. Each half is judged by a head, and thresholds, that learnt from the clips and from the other
half; the head that is kept learns from all. Of each tag both taggers decide whether it is in an event that was reviewed as it, or is it
in truth; the difference of the shares that are right is of pairs, with the interval of Agresti and Min (2005).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.data.clipset import ClipSet
from earmark.data.manifest import Manifest
from earmark.data.manifest.alike import spelt_alike
from earmark.errors import EarmarkError, ManifestError, agreed, counted
from earmark.evaluation.reviews.answers import OTHER, WRONG, Review
from earmark.evaluation.reviews.choosing import RANDOM
from earmark.events import DEFAULT
from earmark.metrics.intervals import Interval
from earmark.metrics.shares import Z
from earmark.models.predicted import probabilities
from earmark.progress import QUIET, Progress
from earmark.registry import did_you_mean
from earmark.train.folder import write_json
from earmark.train.heads import background, making, reviewed, run, within
from earmark.train.heads.fitting import logits_of

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

CHANGED = "changed.json"  # in the run folder: what changed
WEIGHT = 8.0  # of a reviewed event, where a copy of a clip has 1: as much as a clip with its 8 copies
ENOUGH, RIGHT = 10, 5  # reviewed events of a tag, and right ones among them, from which they choose its threshold
JUST = 1e-3  # above the score of an event that is not to be told
Truth = NDArray[np.float32]


@dataclass(frozen=True)
class Changed:
    """Of a tag: events that both were judged on; before, after: how many each decided rightly; gained, lost: that only the new one, or
    only the old one, did.
    """

    tag: str
    events: int
    before: int
    after: int
    gained: int
    lost: int

    @property
    def difference(self) -> Interval:
        """Of the shares that are right, new less old, with its 95 % interval.

        >>> told = Changed("owl", 20, 15, 18, 4, 1).difference
        >>> round(told.value, 3), round(told.low, 3), round(told.high, 3)
        (0.15, -0.074, 0.347)
        """
        n, d = self.events, self.gained - self.lost
        spread = Z * math.sqrt(max(0.0, self.gained + self.lost + 1 - d * d / (n + 2))) / (n + 2)
        middle = d / (n + 2)
        return Interval(d / n, max(-1.0, middle - spread), min(1.0, middle + spread))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {
            "difference": {name: round(value, 6) for name, value in self.difference.as_dict().items()}
        }


def retrain(
    tagger: str,
    clips: Manifest,
    reviews: Sequence[Review],
    where: Mapping[str, Path],
    folder: Path,
    *,
    asked: run.Asked | None = None,
    how: run.How | None = None,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> tuple[Path, list[Changed]]:
    """(the new tagger's file, what changed by tag). clips: what the tagger learnt from, or others of its tags. where: the recording of
    each name in the reviews. folder: of the run, kept; with `how.resume` one that was stopped goes on, and one that ended is told again.
    asked: how it is learnt; default: with windows of the reviewed recordings as background.

    Raises EarmarkError where nothing was answered, where reviews or clips are not of this tagger's tags, and what
    `earmark.train.heads.run.train` raises.
    """
    base = run.load_base(tagger, device)
    tested = base.alone.facts.clips("test")  # raises, of several that answer together
    answered = _answered(reviews, base)
    reviewed.durations(answered, where)  # before clips are read, which may take hours
    vocabulary = _vocabulary(clips, answered, base, progress)
    recordings = sorted({where[review.picked.recording] for review in answered})
    asked = asked or run.Asked()
    asked = replace(asked, background=asked.background or background.Asked(recordings), besides=_digest(answered))
    if not asked.mixes:
        raise EarmarkError("retraining mixes clips into the recordings that were reviewed: ask for 1 copy or more")
    within.checked(clips)
    clips = replace(clips, vocabulary=vocabulary)
    taken = [(where[each.picked.recording], *reviewed.span(each)) for each in answered]
    teacher = _Teacher(base, answered, where, folder)
    held = _held_out(tested, clips, progress)
    plan = run.plan(base, clips, Path(tagger).stem, task="many", unlabelled=True, test=held)
    file = run.train(
        base,
        Path(tagger).name,
        plan,
        clips,
        folder,
        asked,
        how,
        progress,
        run.Besides(taken, teacher.teach, _named(answered)),
    )
    told = json.loads((folder / CHANGED).read_text(encoding="utf-8"))
    return file, [Changed(**each) for each in told]


def compare(reviews: Sequence[Review], vocabulary: Sequence[str], old: Any, new: Any) -> list[Changed]:
    """By tag. old, new: (reviews, tags), what each tagger decided of the event."""
    truth = truths(reviews, vocabulary)
    made = []
    for place, tag in enumerate(vocabulary):
        known = ~np.isnan(truth[:, place])
        there = truth[known, place] > 0
        before, after = old[known, place] == there, new[known, place] == there
        if known.any():
            counts = (each.sum() for each in (known, before, after, after & ~before, before & ~after))
            made.append(Changed(tag, *map(int, counts)))
    return made


def truths(reviews: Sequence[Review], vocabulary: Sequence[str]) -> Truth:
    """(reviews, tags): 1 where it is there, 0 where not, NaN where nobody said."""
    place = {tag: number for number, tag in enumerate(vocabulary)}
    truth = np.full((len(reviews), len(vocabulary)), np.nan, np.float32)
    for number, review in enumerate(reviews):
        if review.answer in (WRONG, OTHER):
            truth[number, place[review.picked.event.tag]] = 0
        if review.truth is not None:
            truth[number, place[review.truth.tag]] = 1
    return truth


def best_threshold(scores: Any, truth: Any, weights: Any, start: float) -> float:
    """The threshold of the best F1 from `start` on, among equally good ones the nearest to it. scores, truth, weights: (events,).

    No lower one: what is reviewed was told, or nearly, and how much that is wrong would be told with it, nobody has listened to.

    By hand: 0.9 and 0.5 are right, 0.3 is wrong. Whatever lies between 0.3 and 0.5 is as good.

    >>> scores, truth = np.array([0.9, 0.5, 0.3]), np.array([1, 1, 0])
    >>> [round(best_threshold(scores, truth, np.ones(3), start), 3) for start in (0.45, 0.7, 0.2)]
    [0.45, 0.7, 0.396]
    """
    low, high = 1e-6, within.TOP
    levels = np.unique(np.clip(scores, low, high))
    logit = np.log(levels / (1 - levels))
    between = 1 / (1 + np.exp(-(logit[1:] + logit[:-1]) / 2))
    tried = np.unique(np.concatenate([[np.clip(start, low, high)], levels, between]))
    tried = tried[tried >= np.clip(start, low, high)]
    found = np.clip(scores, low, high) >= tried[:, None]
    right = (found * weights * truth).sum(1)
    f1 = 2 * right / np.maximum((found * weights).sum(1) + (weights * truth).sum(), 1e-12)
    far = np.abs(np.log(tried / (1 - tried)) - math.log(start / (1 - start)))
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return float(tried[best[np.argmin(far[best])]])


class _Teacher:
    """What is heard → a head that learnt from reviews, with what changed written down beside it."""

    def __init__(self, base: AnyTagger, reviews: Sequence[Review], where: Mapping[str, Path], folder: Path):
        self.base, self.reviews, self.where, self.folder = base, reviews, where, folder

    def teach(self, ground: making.Ground, progress: Progress) -> making.Made:
        heard = reviewed.hear(self.reviews, self.where, ground.store, progress)
        mixed = ground.mix(progress)
        everyone = range(len(self.reviews))
        learnt, thresholds, by = self._learn(ground, mixed, heard, everyone)
        told = [
            f"{tag} {thresholds[n]:.2f} (by {by.get(tag, 'held-out clips')})" for n, tag in enumerate(ground.vocabulary)
        ]
        progress.say(f"thresholds: {', '.join(told)}")
        write_json(
            self.folder / CHANGED, [asdict(each) for each in self._changed(ground, mixed, heard, thresholds, progress)]
        )
        facts = {
            "reviews": {
                "events": len(self.reviews),
                "right": sum(review.right for review in self.reviews),
                "recordings": len({review.picked.recording for review in self.reviews}),
                "counting": WEIGHT,
                "sha256": ground.asked.besides,
            }
        }
        chosen = replace(learnt.chosen, thresholds=thresholds)
        tuned = making.tuning(chosen, ground.vocabulary, ground.asked.within.recall)
        tuned = replace(tuned, goal={**(tuned.goal or {}), "by reviews": by})
        return making.made(ground, mixed, learnt, facts, tuned)

    def _learn(
        self, ground: making.Ground, mixed: within.Mixed, heard: reviewed.Reviewed, numbers: Sequence[int]
    ) -> tuple[making.Local, NDArray[np.float64], dict[str, str]]:
        """(a lesson with the reviews of these numbers, its thresholds, what chose those that clips did not choose)."""
        reviews = [self.reviews[number] for number in numbers]
        own = heard.of(numbers)
        copies = max(1, len(np.unique(mixed.copy)))
        targets, weights = reviewed.taught(own, reviews, ground.vocabulary, WEIGHT * len(mixed.copy) / copies)
        part = np.array(parts(reviews, within_one=5))[own.number]
        learnt = making.local(ground, mixed, within.More(own.vectors, targets, weights, part))
        assert learnt.chosen.more is not None
        scores = reviewed.scores(own, reviews, learnt.chosen.more)
        truth = truths(reviews, ground.vocabulary)
        stands = np.array([1 / r.picked.probability if r.picked.chosen == RANDOM else 1.0 for r in reviews])
        thresholds = learnt.chosen.thresholds.copy()
        by: dict[str, str] = {}
        for place, tag in enumerate(ground.vocabulary):
            known = ~np.isnan(truth[:, place])
            right = int((truth[:, place] > 0).sum())
            if known.sum() >= ENOUGH and right >= RIGHT:
                start = DEFAULT if np.isnan(thresholds[place]) else float(thresholds[place])
                thresholds[place] = best_threshold(scores[known, place], truth[known, place], stands[known], start)
                by[tag] = f"{counted(known.sum(), 'review')}, {right} right"
            elif (wrong := known & (truth[:, place] == 0)).sum() >= RIGHT:
                limit = above_wrong(scores[wrong, place], ground.asked.within.recall)
                if not thresholds[place] >= limit:
                    thresholds[place] = limit
                    by[tag] = counted(wrong.sum(), "review that was wrong", "reviews that were wrong")
        return learnt, thresholds, by

    def _changed(
        self, ground: making.Ground, mixed: within.Mixed, heard: reviewed.Reviewed, thresholds: Any, progress: Progress
    ) -> list[Changed]:
        half = np.array(parts(self.reviews, within_one=2)) % 2
        if len(set(half.tolist())) < 2:
            progress.say("there is one review: nothing is left to judge the new tagger on that it did not learn from")
            return []
        old = self._decided_before(heard, ground.vocabulary, ground.store.salvage)
        new = np.zeros(old.shape, bool)
        for each in (0, 1):
            other, held = (np.flatnonzero(half == which).tolist() for which in (1 - each, each))
            learnt, its, _ = self._learn(ground, mixed, heard, other)
            own = heard.of(held)
            values = probabilities(logits_of(learnt.near(), own.vectors), "many")
            limits = np.where(np.isnan(its), DEFAULT, its)
            new[held] = reviewed.scores(own, [self.reviews[n] for n in held], values) >= limits
        if len({review.picked.recording for review in self.reviews}) == 1:
            progress.say(
                "all reviews are of one recording: what changed is told of its two halves in time, not of others"
            )
        return compare(self.reviews, ground.vocabulary, old, new)

    def _decided_before(self, heard: reviewed.Reviewed, vocabulary: Sequence[str], salvage: bool) -> NDArray[np.bool_]:
        """(reviews, tags): what the old tagger hears in each event. A tag that it does not know it does not hear."""
        rules = self.base.facts.rules
        scores = reviewed.scores(heard, self.reviews, reviewed.told(heard, self.base, salvage))
        made = np.zeros((len(self.reviews), len(vocabulary)), bool)
        for column, tag in enumerate(self.base.vocabulary):
            limit = rules.thresholds.get(tag, DEFAULT) if rules else DEFAULT
            # as events are found: a float32 score may lie a rounding below
            made[:, list(vocabulary).index(tag)] = scores[:, column] >= np.float32(limit) - 1e-6
        return made


def above_wrong(scores: NDArray[np.float64], recall: float) -> float:
    """The threshold that tells at most a share 1 - recall of the wrong events with these scores.

    >>> above_wrong(np.linspace(0.1, 1.0, 10), 0.8)  # 0.9 and 1 are told
    0.801
    """
    falling = np.sort(scores)[::-1]
    told = min(int((1 - recall) * len(falling) + 1e-9), len(falling) - 1)
    return min(float(falling[told]) + JUST, within.TOP)


def parts(reviews: Sequence[Review], within_one: int) -> list[int]:
    """The part of each review, from 0: its recording, by name; where there is but one, `within_one` parts of it in time."""
    names = sorted({review.picked.recording for review in reviews})
    if len(names) > 1:
        return [names.index(review.picked.recording) for review in reviews]
    order = np.argsort([review.picked.event.onset for review in reviews], kind="stable")
    made = np.zeros(len(reviews), int)
    made[order] = np.arange(len(reviews)) * within_one // max(1, len(reviews))
    return [int(each) for each in made]


def _answered(reviews: Sequence[Review], base: AnyTagger) -> list[Review]:
    answered = [review for review in reviews if review.answer is not None]
    if not answered:
        raise EarmarkError(
            f"none of the {counted(len(reviews), 'review')} has an answer: there is nothing to learn from. Fill in the column "
            "answer with right, wrong, other or moved"
        )
    for review in answered:
        if (tag := review.picked.event.tag) not in base.vocabulary:
            raise EarmarkError(
                f"the reviews are of {tag!r}, which this tagger does not know{did_you_mean(tag, base.vocabulary)} Are they of another "
                "tagger?"
            )
    return answered


def _vocabulary(clips: Manifest, reviews: Sequence[Review], base: AnyTagger, progress: Progress) -> tuple[str, ...]:
    """The tags of the clips, with those that reviews name. Raises ManifestError where clips lack tags of the tagger."""
    if missing := [tag for tag in base.vocabulary if tag not in clips.vocabulary]:
        raise ManifestError(
            f"the clips have none of {missing[0]!r}, which the tagger knows: the new one would not. Give the clips that it learnt from"
        )
    named = _named(reviews)
    for tag in sorted(named - set(clips.vocabulary)):
        count = sum(review.truth is not None and review.truth.tag == tag for review in reviews)
        near = [each for each in sorted({*clips.vocabulary, *named}) if each != tag and spelt_alike([tag, each])]
        hint = f"; did you mean {near[0]!r}? Then correct right_tag" if near else ""
        progress.say(
            f"{tag!r} is a tag of {counted(count, 'review')} alone, no clip has it: it is learnt from "
            f"{agreed(count, 'this', 'these')}, and may be missed{hint}"
        )
    return tuple(sorted({*clips.vocabulary, *named}))


def _held_out(tested: ClipSet, clips: Manifest, progress: Progress) -> list[str]:
    """The folds of these clips that the old tagger is tested on: so is the new one, or nothing could tell which of them is better.

    Clips that tested it and are learnt from, as they lie in no such fold, are said.
    """
    known = tested.known(clips.ids.tolist())
    held = np.isin(clips.folds, list(tested.folds))
    # else it is another data set, whose folds are called alike
    if not tested.sample or not tested.is_of(clips.ids[held].tolist()):
        held = np.zeros(len(clips), bool)
    folds = [fold for fold in tested.folds if (clips.folds[held] == fold).any()]
    if folds:
        progress.say(
            f"fold {', '.join(folds)} ({counted(held.sum(), 'clip')}) is not learnt from, as the old tagger is tested on it: both can be "
            "compared there"
        )
    if lost := int((known & ~held).sum()):
        progress.say(
            f"{counted(lost, 'clip that tests the old tagger is', 'clips that test the old tagger are')} learnt from, as here "
            f"{agreed(lost, 'it lies', 'they lie')} in no fold that tests it: the two can be compared on other clips alone"
        )
    return folds


def _named(reviews: Sequence[Review]) -> set[str]:
    """The tags that something is, by what was said."""
    return {review.truth.tag for review in reviews if review.truth is not None}


def _digest(reviews: Sequence[Review]) -> str:
    told = [[each.picked.recording, asdict(each.picked.event), each.answer, each.truth and asdict(each.truth), each.picked.chosen,
             each.picked.probability] for each in reviews]  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:16]
