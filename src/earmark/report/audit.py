"""Audits of labels: the clips whose labels are in doubt, in the order of doubt, to be listened to.

rows: {"id", "path", "tag", "given", "suggested", "score", "why"}, the most doubtful first. tag: the label in doubt.
given: the clip's labels in words, or whether it has this one. suggested: what it should rather have, or null. score: how
much it is doubted. why: a sentence, or null. What else a row has goes into the CSV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from earmark.errors import ScoresError
from earmark.report import page, wording
from earmark.report.excerpt import BUDGET, Excerpts, Find
from earmark.report.files import folder_for, write_table, write_text

COLUMNS = ("id", "path", "tag", "given", "suggested", "score", "why")
SHOWN = 200  # rows on a page; the CSV has them all


def page_of_audit(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    find: Find | None = None,
    *,
    notes: Sequence[str] = (),
    shown: int = SHOWN,
    budget: int = BUDGET,
) -> str:
    """The page as HTML. find: a clip's recording by its id, as `earmark.report.excerpt.places` gives it; without
    it there are no players.

    notes: what the reader must know, in sentences. budget: bytes that the players and spectrograms may take. Raises
    ScoresError for a row without one of COLUMNS.
    """
    _check(rows)
    excerpts = Excerpts(find, budget) if find else None
    items = [page.clip(excerpts, row, _doubt(row), place) for place, row in enumerate(rows[:shown], 1)]
    told = page.about_excerpts(excerpts) if items else ["No label is in doubt."]
    if len(rows) > shown:
        told.append(f"These are the first {shown} of {len(rows)}.")
    sections = [
        ("about", "How to read this", page.bullets(notes, "told")),
        ("labels", "Labels", f'<p class="aside">{escape(" ".join(told))}</p><ol class="clips">{"".join(items)}</ol>'),
        ("table", "All in one table", _table(rows[:shown])),
    ]
    lead = f"{wording.count(len(rows), 'label')} to listen to, the most doubtful first."
    return page.page("Label audit", title, lead, sections)


def write_audit(
    rows: Sequence[Mapping[str, Any]],
    folder: str | Path,
    stem: str,
    find: Find | None = None,
    *,
    notes: Sequence[str] = (),
    shown: int = SHOWN,
) -> list[Path]:
    """Write {stem}.csv, with all rows, and {stem}.html; returns the paths written."""
    _check(rows)
    folder = folder_for(folder, stem)
    html = page_of_audit(rows, stem, find, notes=notes, shown=shown)
    others = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    table = write_table(folder / f"{stem}.csv", [*COLUMNS, *others], rows)
    return [table, write_text(folder / f"{stem}.html", html)]


def _check(rows: Sequence[Mapping[str, Any]]) -> None:
    for place, row in enumerate(rows, 1):
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise ScoresError(f"row {place} of the audit has no {missing[0]!r}; it needs {', '.join(COLUMNS)}")


def _doubt(row: Mapping[str, Any]) -> str:
    html = f'<span class="truth">{escape(_given(row))}</span>'
    if row["suggested"]:
        rather = f'<span class="answer">{escape(str(row["suggested"]))}</span>'
        html += f" {page.arrow('rather')} {rather}"
    html += f' <span class="score">doubt {wording.number(row["score"])}</span>'
    return html + (f'<span class="why">{escape(str(row["why"]))}</span>' if row["why"] else "")


def _given(row: Mapping[str, Any]) -> str:
    given = row["given"]
    return f"{'' if given else 'not '}{row['tag']}" if isinstance(given, bool) else str(given)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    lines = [
        [
            page.words(row["path"]),
            page.words(row["tag"]),
            page.words(_given(row)),
            page.words(row["suggested"] or "–"),
            page.figure(row["score"]),
        ]
        for row in rows
    ]
    head = ["clip", "in doubt", "given", "rather", "doubt"]
    return page.table("Labels in doubt; a column's name sorts by it", head, lines, words=(0, 1, 2, 3), sortable=True)
