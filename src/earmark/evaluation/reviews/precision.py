"""How many of all events that were found are right, by what was answered on some of them.

Of a tag with N events, those that were sure to be chosen speak for themselves, and the others, R of them, are told by the random
ones: of n that were answered r were right. So the precision is (right among the sure + R · r/n) / N. Its interval is that of r/n
(Wilson 1927, 95 %) for the R others; the sure ones have none. Of several tags the parts are added, and the distances to the
intervals' ends as the root of the sum of their squares (Zou and Donner 2008, "MOVER").

Of several tables, each of a choice of its own, the parts are added too. Two choices in one table cannot be told apart, and are refused.

Candidates, which lie below the threshold, are no events, and are left out.
A sure one without an answer counts among the others. Random ones alone are an honest sample of the rest, whatever the sure ones are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from earmark.errors import ScoresError, agreed, counted
from earmark.evaluation.reviews.answers import MOVED, OTHER, RIGHT, WRONG, Key, Review, key_of
from earmark.evaluation.reviews.choosing import BELOW, RANDOM
from earmark.metrics.intervals import Interval
from earmark.metrics.shares import wilson

CLOSE = 1e-6  # of a probability that was written with fewer digits


@dataclass(frozen=True)
class Precision:
    """Of a tag, or of all together. events: that were found, 0: not known; reviewed: that were answered, of them random: those drawn
    at random. answers: how many of each. unanswered: of those that were chosen. among: (right, answered) by how they were chosen.
    """

    tag: str
    events: int
    reviewed: int
    random: int
    unanswered: int
    answers: dict[str, int]
    among: dict[str, tuple[int, int]]
    precision: Interval

    def as_dict(self) -> dict[str, Any]:
        told = {
            name: None if math.isnan(value) else round(value, 6) for name, value in self.precision.as_dict().items()
        }
        plain = {name: getattr(self, name) for name in ("tag", "events", "reviewed", "random", "unanswered", "answers")}
        return plain | {"among": {name: list(pair) for name, pair in self.among.items()}, "precision": told}


def of_tags(*tables: Sequence[Review]) -> list[Precision]:
    """By tag, and at last of all, called "" there. tables: each of a choice of its own, of events that no other was made from.

    Raises ScoresError for a table of two choices, and for an event that is in two.
    """
    _check_apart(tables)
    parts: dict[str, list[Precision]] = {}
    for reviews in tables:
        by_tag: dict[str, list[Review]] = {}
        for review in reviews:
            if review.picked.chosen != BELOW:
                by_tag.setdefault(review.picked.event.tag, []).append(review)
        for tag, its in by_tag.items():
            parts.setdefault(tag, []).append(_of_tag(tag, its))
    each = [of[0] if len(of) == 1 else _together(tag, of) for tag, of in sorted(parts.items())]
    return [*each, _together("", [part for of in parts.values() for part in of])]


def _check_apart(tables: Sequence[Sequence[Review]]) -> None:
    seen: dict[Key, int] = {}
    for reviews in tables:
        for review in reviews:
            if (key := key_of(review.picked)) in seen:
                raise ScoresError(
                    f"{review.picked.recording}: its {review.picked.event.tag} from {review.picked.event.onset:g} s is in line "
                    f"{seen[key]} of one table and in line {review.line} of another: it would count twice. Take tables of different "
                    "recordings; of the same ones review all with --answered"
                )
        seen |= {key_of(review.picked): review.line for review in reviews}


def _check_one_choice(tag: str, reviews: Sequence[Review]) -> None:
    """Raises ScoresError where the rows of a tag cannot be of one choice: rows that were joined would count as one choice's."""
    joined = "Tables that were joined are read apart: earmark review --summary A.csv --summary B.csv"
    first = reviews[0]
    for review in reviews:
        if review.picked.of_tag != first.picked.of_tag:
            raise ScoresError(
                f"line {first.line} tells that there {agreed(first.picked.of_tag, 'was', 'were')} "
                f"{counted(first.picked.of_tag, 'event')} of {tag!r} (of_tag), line {review.line} that "
                f"there {agreed(review.picked.of_tag, 'was', 'were')} {review.picked.of_tag:,}: this is not one choice. {joined}"
            )
    events, answered = first.picked.of_tag, sum(review.answer is not None for review in reviews)
    if not events:
        return
    if answered > events:
        raise ScoresError(
            f"{counted(answered, 'event')} of {tag!r} {agreed(answered, 'is', 'are')} answered, and there "
            f"{agreed(events, 'was', 'were')} {events:,} (of_tag): this is not one choice. {joined}"
        )
    drawn = [review.picked.probability for review in reviews if review.picked.chosen == RANDOM]
    if drawn and len(drawn) > max(drawn) * events * (1 + CLOSE):
        raise ScoresError(
            f"{counted(len(drawn), 'event')} of {tag!r} {agreed(len(drawn), 'is', 'are')} there as drawn at random, and with "
            f"a probability of {max(drawn):g} no more than {max(drawn) * events:.0f} of {events} are: this is not one choice. "
            f"{joined}"
        )


def _of_tag(tag: str, reviews: Sequence[Review]) -> Precision:
    _check_one_choice(tag, reviews)
    events = reviews[0].picked.of_tag
    answered = [review for review in reviews if review.answer is not None]
    sure = [review for review in answered if review.picked.chosen != RANDOM]
    drawn = [review for review in answered if review.picked.chosen == RANDOM]
    rest = events - len(sure)
    right = sum(review.right for review in sure)
    share = wilson(sum(review.right for review in drawn), len(drawn))
    if not events:
        precision = Interval(math.nan, math.nan, math.nan)
    elif not rest or rest == len(drawn):  # all were heard
        whole = (right + sum(review.right for review in drawn)) / events
        precision = Interval(whole, whole, whole)
    else:
        precision = Interval(*((right + rest * end) / events for end in (share.value, share.low, share.high)))
    kinds = dict.fromkeys(review.picked.chosen for review in reviews)
    heard = {kind: [review.right for review in answered if review.picked.chosen == kind] for kind in kinds}
    return Precision(
        tag, events, len(answered), len(drawn), len(reviews) - len(answered),
        {answer: sum(r.answer == answer for r in answered) for answer in (RIGHT, WRONG, OTHER, MOVED)},
        {kind: (sum(heard[kind]), len(heard[kind])) for kind in sorted(kinds)},
        precision,
    )  # fmt: skip


def _together(tag: str, each: Sequence[Precision]) -> Precision:
    events = sum(one.events for one in each)
    parts = [(one.events / events if events else math.nan, one.precision) for one in each]
    value = sum(part * interval.value for part, interval in parts)
    below = math.sqrt(sum((part * (interval.value - interval.low)) ** 2 for part, interval in parts))
    above = math.sqrt(sum((part * (interval.high - interval.value)) ** 2 for part, interval in parts))
    kinds = sorted({kind for one in each for kind in one.among})
    return Precision(
        tag, events, sum(one.reviewed for one in each), sum(one.random for one in each), sum(one.unanswered for one in each),
        {answer: sum(one.answers[answer] for one in each) for answer in (RIGHT, WRONG, OTHER, MOVED)},
        {kind: _added(one.among.get(kind, (0, 0)) for one in each) for kind in kinds},
        Interval(value, value - below, value + above),
    )  # fmt: skip


def _added(pairs: Any) -> tuple[int, int]:
    right, count = 0, 0
    for r, n in pairs:
        right, count = right + r, count + n
    return right, count
