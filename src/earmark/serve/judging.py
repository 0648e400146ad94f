"""What people say of events: which is asked next, and what follows from the answers.

Who is asked of the surest events alone learns nothing of the tagger's precision. So of four events two are the surest, one is
the least sure, and one is drawn by chance. Chance is an order of all events that is drawn once: the answers to those that it
begins with, whyever they were asked for, up to the first that nobody judged yet, are a sample without choice; the precision is
told of them, with the interval of Wilson (1927), which is right for few answers too. Events of a recording that was just
heard come later, where there are others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from earmark.serve.store import Store, now

Answer = Literal["right", "wrong", "other", "unsure"]
Order = Literal["mixed", "surest", "doubtful", "random"]
TURNS: tuple[Order, ...] = ("surest", "random", "surest", "doubtful")
SORTS = {"surest": "score DESC, id", "doubtful": "score, id", "random": "draw"}
COLUMNS = ("recording", "onset", "offset", "tag", "score", "answer", "other", "drawn", "time")
OPEN = """
  FROM events e WHERE job = ? AND (? IS NULL OR tag = ?) AND NOT EXISTS (SELECT 1 FROM reviews r WHERE r.job = e.job
    AND r.recording = e.recording AND r.onset = e.onset AND r.tag = e.tag AND r.undone IS NULL)
"""
Z = 1.959963984540054  # of the normal distribution, for 95 %


def wilson(right: int, asked: int) -> tuple[float, float] | None:
    """The 95 % interval of a share, or None where nobody was asked.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if asked == 0:
        return None
    share, square = right / asked, Z * Z / asked
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / asked + square / (4 * asked)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def following(store: Store, job: int, tag: str | None, order: Order) -> tuple[dict[str, Any] | None, int]:
    """The next event without an answer, with how it was `drawn`, and how many there are."""
    asked = (job, tag, tag)
    (left,) = store.rows(f"SELECT count(*) AS n {OPEN}", asked)
    if left["n"] == 0:
        return None, 0
    given = store.rows(
        "SELECT recording FROM reviews WHERE job = ? AND undone IS NULL AND (? IS NULL OR tag = ?) ORDER BY id DESC",
        asked,
    )
    turn = TURNS[len(given) % len(TURNS)] if order == "mixed" else order
    last = given[0]["recording"] if given else ""
    found = store.rows(f"SELECT * {OPEN} ORDER BY {SORTS[turn]} LIMIT ?", (*asked, 1 if turn == "random" else 20))
    found = [each for each in found if each["recording"] != last] or found
    return found[0] | {"drawn": turn}, left["n"]


def answer(store: Store, event: dict[str, Any], said: Answer, other: str, drawn: str) -> int:
    """Keep an answer; its number. On the disk when this returns."""
    values = [event[name] for name in ("job", "recording", "onset", "offset", "tag", "score", "draw")]
    with store.writing() as line:
        done = line.execute(
            "INSERT INTO reviews (job, recording, onset, offset, tag, score, draw, answer, other, drawn, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [*values, said, other, drawn, now()],
        )
        return int(done.lastrowid or 0)


def take_back(store: Store, job: int) -> dict[str, Any] | None:
    """The newest answer of a job, which counts no more; None where there is none."""
    with store.writing() as line:
        row = line.execute(
            "SELECT * FROM reviews WHERE job = ? AND undone IS NULL ORDER BY id DESC LIMIT 1", (job,)
        ).fetchone()
        if row is not None:
            line.execute("UPDATE reviews SET undone = ? WHERE id = ?", (now(), row["id"]))
        return None if row is None else dict(row)


def figures(store: Store, job: int, tag: str | None) -> dict[str, Any]:
    """Of all answers how many are right; of those to events drawn by chance the precision and its interval."""
    asked = (job, tag, tag)
    rows = store.rows(
        "SELECT draw, answer FROM reviews WHERE job = ? AND undone IS NULL AND (? IS NULL OR tag = ?) ORDER BY draw",
        asked,
    )
    (first,) = store.rows(f"SELECT min(draw) AS draw {OPEN}", asked)
    sample = [row for row in rows if first["draw"] is None or row["draw"] < first["draw"]]
    right, judged = _counted(rows)
    by_chance = _counted(sample)
    ends = wilson(*by_chance)
    return {
        "asked": len(rows),
        "right": right,
        "judged": judged,
        "sample": by_chance[1],
        "precision": by_chance[0] / by_chance[1] if by_chance[1] else None,
        "low": ends[0] if ends else None,
        "high": ends[1] if ends else None,
    }


def _counted(rows: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """(right, judged): who was not sure judged nothing."""
    answers = [row["answer"] for row in rows]
    right = answers.count("right")
    return right, right + answers.count("wrong") + answers.count("other")


def table(store: Store, job: int) -> list[dict[str, Any]]:
    """The answers that count, in the order in which they were given."""
    columns = ", ".join(COLUMNS)
    return store.rows(f"SELECT {columns} FROM reviews WHERE job = ? AND undone IS NULL ORDER BY id", (job,))
