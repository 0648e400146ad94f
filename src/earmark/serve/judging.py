"""What people say of events: which is asked next, and what follows from the answers.

Who is asked of the surest events alone learns nothing of the tagger's precision. So of four events two are the surest, one is
the least sure, and one is drawn by chance, in an order of all events that is drawn once. What follows from the answers is what
`earmark.evaluation.reviews` says of them, as of a table of `earmark review`. Events of a recording that was just heard come
later, where there are others.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from earmark.evaluation.reviews import answers
from earmark.evaluation.reviews.answers import MOVED, OTHER, RIGHT, Review
from earmark.evaluation.reviews.choosing import BELOW, HIGHEST, NEAR, RANDOM, Picked
from earmark.evaluation.reviews.precision import of_tags
from earmark.events.cells import number
from earmark.files.tables import Rows
from earmark.scores import Event
from earmark.serve.store import Store, now

Answer = Literal["right", "wrong", "other", "unsure"]
Order = Literal["mixed", "surest", "doubtful", "random"]
TURNS: tuple[Order, ...] = ("surest", "random", "surest", "doubtful")
SORTS = {"surest": "score DESC, id", "doubtful": "score, id", "random": "draw"}
OPEN = """
  FROM found e WHERE job = ? AND below = ? AND (? IS NULL OR tag = ?) AND NOT EXISTS (SELECT 1 FROM said r WHERE r.job = e.job
    AND r.recording = e.recording AND r.onset = e.onset AND r.tag = e.tag)
"""


def following(
    store: Store, job: int, tag: str | None, order: Order, below: bool = False
) -> tuple[dict[str, Any] | None, int]:
    """The next event without an answer, with how it was `drawn`, and how many there are. below: of the candidates."""
    asked = (job, int(below), tag, tag)
    (left,) = store.rows(f"SELECT count(*) AS n {OPEN}", asked)
    if left["n"] == 0:
        return None, 0
    given = store.rows(
        "SELECT recording FROM said WHERE job = ? AND below = ? AND (? IS NULL OR tag = ?) ORDER BY id DESC",
        asked,
    )
    turn = TURNS[len(given) % len(TURNS)] if order == "mixed" else order
    last = given[0]["recording"] if given else ""
    found = store.rows(f"SELECT * {OPEN} ORDER BY {SORTS[turn]} LIMIT ?", (*asked, 1 if turn == "random" else 20))
    found = [each for each in found if each["recording"] != last] or found
    return found[0] | {"drawn": turn}, left["n"]


def answer(
    store: Store, event: dict[str, Any], said: Answer, other: str, drawn: str, edges: tuple[float, float] | None = None
) -> int:
    """Keep an answer, in the place of an earlier one to the same event; its number. On the disk when this returns. edges: where they
    were moved. What is said once more as it counts already, by who was not told that it was kept, is that answer.
    """
    values = [event[name] for name in ("job", "recording", "onset", "offset", "tag", "score", "draw", "below")]
    with store.writing() as line:
        same = line.execute(
            "SELECT id FROM said WHERE job = ? AND recording = ? AND onset = ? AND tag = ? AND answer = ? AND other = ? "
            "AND right_onset IS ? AND right_offset IS ?",
            [*(event[name] for name in ("job", "recording", "onset", "tag")), said, other, *(edges or (None, None))],
        ).fetchone()
        if same is not None:
            return int(same["id"])
        done = line.execute(
            "INSERT INTO reviews (job, recording, onset, offset, tag, score, draw, below, answer, other, drawn, time, "
            "right_onset, right_offset, size, mtime) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, size, mtime FROM done "
            "WHERE job = ? AND recording = ?",
            [*values, said, other, drawn, now(), *(edges or (None, None)), event["job"], event["recording"]],
        )
        return int(done.lastrowid or 0)


def take_back(store: Store, job: int) -> dict[str, Any] | None:
    """The newest answer of a job that counts, which does so no more; None where there is none. An earlier one to the same event
    counts again.
    """
    with store.writing() as line:
        row = line.execute("SELECT * FROM said WHERE job = ? ORDER BY id DESC LIMIT 1", (job,)).fetchone()
        if row is not None:
            line.execute("UPDATE reviews SET undone = ? WHERE id = ?", (now(), row["id"]))
        return None if row is None else dict(row)


def reviews(store: Store, job: int) -> list[Review]:
    """The answers that count, in the order in which they were given, each with how it was chosen; of candidates, too, which are
    told as such: what is said of them tells nothing of the events.

    Who is asked for the surest and, in between, for some drawn by chance, finds more of the right ones by chance at first than
    are left at last. So not what an event was asked for counts, but where its score lies: among the surest of its tag that were
    asked for, or the least sure, it is taken for chosen; else it was drawn by chance, if all that chance would have drawn before
    it was answered. Of those that nobody chose, these are a fair sample.
    """
    return _reviews(store, job, _answers(store, job))


def _reviews(store: Store, job: int, rows: list[dict[str, Any]]) -> list[Review]:
    strata = {tag: _stratum(store, job, tag, rows) for tag in {row["tag"] for row in rows}}
    tagger = _tagger(store, job)
    (every,) = store.rows("SELECT count(*) AS n FROM found WHERE job = ? AND below = 0", (job,))
    given = [_review(row, number, None if row["below"] else strata[row["tag"]]) for number, row in enumerate(rows)]
    return [replace(each, picked=replace(each.picked, tagger=tagger, of_all=every["n"])) for each in given]


def _tagger(store: Store, job: int) -> str | None:
    """The identity of that which found a job's events, by whose scores alone thresholds can be chosen."""
    told = store.rows("SELECT told FROM jobs WHERE id = ?", (job,))
    return json.loads(told[0]["told"]).get("tagger") if told else None


def _answers(store: Store, job: int) -> list[dict[str, Any]]:
    return store.rows("SELECT * FROM said WHERE job = ? ORDER BY id", (job,))


@dataclass(frozen=True)
class Stratum:
    """Of a tag: from which score on events are the surest, up to which the least sure, up to which lot all are answered."""

    events: int
    surest: float
    doubtful: float
    lot: float
    probability: float = 1.0

    def chosen(self, row: dict[str, Any]) -> str:
        if row["score"] >= self.surest:
            return HIGHEST
        return NEAR if row["score"] <= self.doubtful or row["draw"] >= self.lot else RANDOM


def _stratum(store: Store, job: int, tag: str, rows: list[dict[str, Any]]) -> Stratum:
    mine = [row for row in rows if row["tag"] == tag and not row["below"]]
    (count,) = store.rows("SELECT count(*) AS n FROM found WHERE job = ? AND below = 0 AND tag = ?", (job, tag))
    (first,) = store.rows(f"SELECT min(draw) AS draw {OPEN}", (job, 0, tag, tag))
    made = Stratum(
        count["n"],
        min((row["score"] for row in mine if row["drawn"] == "surest"), default=math.inf),
        max((row["score"] for row in mine if row["drawn"] == "doubtful"), default=-math.inf),
        math.inf if first["draw"] is None else first["draw"],
    )
    by_chance = sum(made.chosen(row) == RANDOM for row in mine)
    return replace(made, probability=by_chance / max(1, made.events - len(mine) + by_chance))


def _review(row: dict[str, Any], number: int, stratum: Stratum | None) -> Review:
    event = Event(row["onset"], row["offset"], row["tag"], row["score"])
    if stratum is None:
        picked = Picked(row["recording"], event, BELOW, 1.0, 0)
    else:
        chosen = stratum.chosen(row)
        picked = Picked(
            row["recording"], event, chosen, stratum.probability if chosen == RANDOM else 1.0, stratum.events
        )
    moved = row["right_onset"] is not None
    onset, offset = (row["right_onset"], row["right_offset"]) if moved else span(event)
    match row["answer"]:
        case "right" if moved:
            return Review(picked, MOVED, Event(onset, offset, event.tag), number)
        case "right":
            return Review(picked, RIGHT, event, number)
        case "other":
            return Review(picked, OTHER, Event(onset, offset, row["other"]), number)
    return Review(picked, None if row["answer"] == "unsure" else row["answer"], None, number)


def figures(store: Store, job: int, tag: str | None) -> dict[str, Any]:
    """Of a tag, or of all: how many answers there are and are right, and the precision of all events, with its interval; without a value
    where of some events nothing is known, and from the least to the most that it can be.
    """
    given = [
        each for each in reviews(store, job)
        if each.picked.chosen != BELOW and (tag is None or each.picked.event.tag == tag)
    ]  # fmt: skip
    told = (
        of_tags(given)[-1 if tag is None else 0] if given else None
    )  # of one tag its own, not with the others beside it
    precision = told.precision.as_dict() if told else {}
    shown = {name: value if math.isfinite(value) else None for name, value in precision.items()}
    (all_of_them,) = store.rows(
        "SELECT (SELECT count(*) FROM latest WHERE job = ?1 AND (?2 IS NULL OR tag = ?2)) - "
        "(SELECT count(*) FROM said WHERE job = ?1 AND (?2 IS NULL OR tag = ?2)) AS gone", (job, tag),
    )  # fmt: skip
    low = [row["answer"] for row in _answers(store, job) if row["below"] and (tag is None or row["tag"] == tag)]
    return {
        "gone": all_of_them["gone"],
        "candidates": len(low),
        "missed": low.count("right"),
        "asked": len(given),
        "right": sum(each.right for each in given),
        "judged": sum(each.answer is not None for each in given),
        "sample": told.random if told else 0,
        "precision": shown.get("value"),
        "low": shown.get("low"),
        "high": shown.get("high"),
    }


def table(store: Store, job: int) -> str:
    """The answers that count as the table of `earmark review`, and the time of each."""
    answered = _answers(store, job)
    given = _reviews(store, job, answered)
    out = io.StringIO()
    writer = Rows(out)
    head, *rows = csv.reader(io.StringIO(answers.table([each.picked for each in given]), newline=""))
    writer.writerow([*head, "time"])
    for row, each, kept in zip(rows, given, answered, strict=True):
        told = dict(zip(head, row, strict=True)) | {"answer": each.answer or "unsure"}
        if each.truth is not None and each.truth.tag != each.picked.event.tag:
            told |= {"right_tag": each.truth.tag}
        if each.truth is not None and span(each.truth) != span(each.picked.event):
            told |= {"right_onset": number(each.truth.onset), "right_offset": number(each.truth.offset)}
        writer.writerow([*told.values(), kept["time"]])
    return out.getvalue()


def span(event: Event) -> tuple[float, float]:
    return event.onset, event.offset
