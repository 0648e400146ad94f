"""How many of all events that were found are right, by what was answered on some of them.

Of a tag with N events, those that were sure to be chosen speak for themselves, and the others, R of them, are told by the random
ones: of n that were answered r were right. So the precision is (right among the sure + R · r/n) / N. Its interval is that of r/n
(Wilson 1927, 95 %) for the R others, within what those that were heard leave open; the sure ones have none. Of several tags the
parts are added, and the distances to the intervals' ends as the root of the sum of their squares (Zou and Donner 2008, "MOVER").

Of a tag whose others were not heard at all, not one of the random ones, nothing is known but that none to all of them are right: it has
no value, and its limits are those two. So it is with tags that have events, and of which none was chosen. All together have no value then
either, and these limits are added to the interval of what is known, as they are: they are no matter of chance.

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

JOINED = "Tables that were joined are read apart: earmark review --summary A.csv --summary B.csv"
CLOSE = 1e-6  # of a probability that was written with fewer digits
UNKNOWN = Interval(math.nan, math.nan, math.nan)  # of events that nobody counted
NOTHING = Interval(math.nan, 0.0, 1.0)  # of events of which nobody heard one


@dataclass(frozen=True)
class Precision:
    """Of a tag, or of all together. events: that were found, 0: not known; reviewed: that were answered, of them random: those drawn
    at random. answers: how many of each. unanswered: of those that were chosen. among: (right, answered) by how they were chosen.
    left_out: of all together, the events of tags of which none was chosen; None where the table does not tell it. precision: without a
    value, and from the least to the most that it can be, as long as of some events nothing is known.
    """

    tag: str
    events: int
    reviewed: int
    random: int
    unanswered: int
    answers: dict[str, int]
    among: dict[str, tuple[int, int]]
    precision: Interval
    left_out: int | None = 0

    def as_dict(self) -> dict[str, Any]:
        told = {
            name: None if math.isnan(value) else round(value, 6) for name, value in self.precision.as_dict().items()
        }
        plain = {
            name: getattr(self, name)
            for name in ("tag", "events", "reviewed", "random", "unanswered", "answers", "left_out")
        }
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
    left = [_left_out(reviews) for reviews in tables]
    left_out = None if None in left else sum(filter(None, left))
    return [*each, _together("", [part for of in parts.values() for part in of], left_out)]


def _left_out(reviews: Sequence[Review]) -> int | None:
    """Events of tags of which none was chosen; None where it is not told. Raises ScoresError where this is not of one choice."""
    if not reviews:
        return 0
    first = reviews[0]
    _check_told_alike(reviews, "of_all", "in all")
    of_tags = {each.picked.event.tag: each.picked.of_tag for each in reviews if each.picked.chosen != BELOW}
    if not first.picked.of_all:
        return None if of_tags else 0  # of candidates alone nothing is asked
    return max(0, first.picked.of_all - sum(of_tags.values()))


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


def _check_told_alike(reviews: Sequence[Review], column: str, which: str) -> None:
    """Raises ScoresError for rows that tell of different numbers of events. which: events these are, in words."""
    first, told = reviews[0], getattr(reviews[0].picked, column)
    for review in reviews:
        if (count := getattr(review.picked, column)) != told:
            raise ScoresError(
                f"line {first.line} tells that there {agreed(told, 'was', 'were')} {counted(told, 'event')} {which} ({column}), line "
                f"{review.line} that there {agreed(count, 'was', 'were')} {count:,}: this is not one choice. {JOINED}"
            )


def _check_one_choice(tag: str, reviews: Sequence[Review]) -> None:
    """Raises ScoresError where the rows of a tag cannot be of one choice: rows that were joined would count as one choice's."""
    first = reviews[0]
    _check_told_alike(reviews, "of_tag", f"of {tag!r}")
    events, answered = first.picked.of_tag, sum(review.answer is not None for review in reviews)
    if not events:
        return
    if answered > events:
        raise ScoresError(
            f"{counted(answered, 'event')} of {tag!r} {agreed(answered, 'is', 'are')} answered, and there "
            f"{agreed(events, 'was', 'were')} {events:,} (of_tag): this is not one choice. {JOINED}"
        )
    drawn = [review.picked.probability for review in reviews if review.picked.chosen == RANDOM]
    if drawn and len(drawn) > max(drawn) * events * (1 + CLOSE):
        raise ScoresError(
            f"{counted(len(drawn), 'event')} of {tag!r} {agreed(len(drawn), 'is', 'are')} there as drawn at random, and with "
            f"a probability of {max(drawn):g} no more than {max(drawn) * events:.0f} of {events} are: this is not one choice. "
            f"{JOINED}"
        )


def _of_tag(tag: str, reviews: Sequence[Review]) -> Precision:
    _check_one_choice(tag, reviews)
    events = reviews[0].picked.of_tag
    answered = [review for review in reviews if review.answer is not None]
    sure = [review for review in answered if review.picked.chosen != RANDOM]
    drawn = [review for review in answered if review.picked.chosen == RANDOM]
    rest = events - len(sure)
    right = sum(review.right for review in sure)
    by_chance = sum(review.right for review in drawn)
    if not events:
        precision = UNKNOWN
    elif not rest or rest == len(drawn):  # all were heard
        whole = (right + by_chance) / events
        precision = Interval(whole, whole, whole)
    elif not drawn:
        precision = Interval(math.nan, right / events, (right + rest) / events)
    else:
        share = wilson(by_chance, len(drawn))
        least, most = (
            by_chance,
            rest - len(drawn) + by_chance,
        )  # of the others: what was heard of them is no matter of chance
        ends = rest * share.value, max(rest * share.low, least), min(rest * share.high, most)
        precision = Interval(*((right + end) / events for end in ends))
    kinds = dict.fromkeys(review.picked.chosen for review in reviews)
    heard = {kind: [review.right for review in answered if review.picked.chosen == kind] for kind in kinds}
    return Precision(
        tag, events, len(answered), len(drawn), len(reviews) - len(answered),
        {answer: sum(r.answer == answer for r in answered) for answer in (RIGHT, WRONG, OTHER, MOVED)},
        {kind: (sum(heard[kind]), len(heard[kind])) for kind in sorted(kinds)},
        precision,
    )  # fmt: skip


def _together(tag: str, each: Sequence[Precision], left_out: int | None = 0) -> Precision:
    """left_out: events of tags of which nothing is known, beside these."""
    events = sum(one.events for one in each) + (left_out or 0)
    kinds = sorted({kind for one in each for kind in one.among})
    return Precision(
        tag, events, sum(one.reviewed for one in each), sum(one.random for one in each), sum(one.unanswered for one in each),
        {answer: sum(one.answers[answer] for one in each) for answer in (RIGHT, WRONG, OTHER, MOVED)},
        {kind: _added(one.among.get(kind, (0, 0)) for one in each) for kind in kinds},
        _of_parts([*((one.events, one.precision) for one in each), *([(left_out, NOTHING)] if left_out else [])]),
        left_out,
    )  # fmt: skip


def _of_parts(parts: Sequence[tuple[int, Interval]]) -> Interval:
    """(events, their precision) of each → that of all: estimates by their variances, those without a value by their limits."""
    if not parts or not all(events for events, _ in parts):
        return UNKNOWN
    whole = sum(events for events, _ in parts)
    shares = [(events / whole, precision) for events, precision in parts]
    known = [(share, one) for share, one in shares if not math.isnan(one.value)]
    open_ = [(share, one) for share, one in shares if math.isnan(one.value)]
    value = sum(share * one.value for share, one in known)
    below = math.sqrt(sum((share * (one.value - one.low)) ** 2 for share, one in known))
    above = math.sqrt(sum((share * (one.high - one.value)) ** 2 for share, one in known))
    low = value - below + sum(share * one.low for share, one in open_)
    high = value + above + sum(share * one.high for share, one in open_)
    return Interval(math.nan if open_ else value, low, high)


def _added(pairs: Any) -> tuple[int, int]:
    right, count = 0, 0
    for r, n in pairs:
        right, count = right + r, count + n
    return right, count
