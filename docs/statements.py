"""The tables of systems.md on what the papers say: from systems.toml, which has a row a statement."""

from __future__ import annotations

import functools
import tomllib
from collections import Counter
from pathlib import Path

from figures import table

FILE = Path(__file__).parent / "systems.toml"
STATES = {"exact": "exact", "choice": "a choice", "unknown": "cannot be known", "missing": "missing"}


@functools.cache
def rows() -> tuple[dict[str, str], ...]:
    """All statements: paper, section, statement, state, where, and, where they are told, check and note."""
    return tuple(tomllib.loads(FILE.read_text(encoding="utf-8"))["statement"])


def papers() -> list[str]:
    return sorted({row["paper"] for row in rows()})


def states() -> str:
    """How many statements of each paper are exact, a choice, cannot be known, or are missing."""
    counts = {paper: Counter(row["state"] for row in rows() if row["paper"] == paper) for paper in papers()}
    counts["all"] = Counter(row["state"] for row in rows())
    body = [
        [paper, *(str(count[state]) for state in STATES), str(sum(count.values()))] for paper, count in counts.items()
    ]
    return table(["paper", *STATES.values(), "statements"], body)


def statements(paper: str) -> str:
    """The statements of a paper: what it says, and where that is."""
    order = list(STATES)
    told = sorted((row for row in rows() if row["paper"] == paper), key=lambda row: order.index(row["state"]))
    return table(
        ["section", "what the paper says", "here", "where", "checked by", "remark"], [_cells(row) for row in told]
    )


def _cells(row: dict[str, str]) -> list[str]:
    where = row["where"].removeprefix("earmark.")
    check = row.get("check", "").rpartition("::")[2]
    shown = [row["section"], row["statement"], STATES[row["state"]], f"`{where}`", f"`{check}`" if check else ""]
    return [*shown, row.get("note", "")]
