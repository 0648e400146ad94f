"""Audits of labels (`earmark.evaluation.labels`): the clips whose labels are in doubt, in the order of doubt, to be listened to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from html import escape
from pathlib import Path

from earmark.errors import counted
from earmark.errors.kinds import checked
from earmark.evaluation.labels import Label
from earmark.report import page, wording
from earmark.report.excerpt import BUDGET, Excerpts, Find
from earmark.report.files import folder_for, write_page, write_table

SHOWN = 200  # rows on a page; the CSV has them all


def page_of_audit(
    labels: Sequence[Label],
    title: str,
    find: Find | None = None,
    *,
    notes: Sequence[str] = (),
    shown: int = SHOWN,
    budget: int = BUDGET,
) -> str:
    """The page as HTML. find: a clip's recording by its id, as `earmark.report.excerpt.places` gives it; without
    it there are no players.

    notes: what the reader must know, in sentences. budget: bytes that the players and spectrograms may take.
    """
    excerpts = Excerpts(find, budget) if find else None
    items = [
        page.clip(excerpts, label.id, label.path, _doubt(label), place) for place, label in enumerate(labels[:shown], 1)
    ]
    about = page.about_excerpts(excerpts) if items else ["No label is in doubt."]
    if len(labels) > shown:
        about.append(f"These are the first {shown} of {len(labels)}.")
    sections = [
        ("about", "How to read this", page.bullets(notes, "told")),
        ("labels", "Labels", f'<p class="aside">{escape(" ".join(about))}</p><ol class="clips">{"".join(items)}</ol>'),
        ("table", "All in one table", _table(labels[:shown])),
    ]
    lead = f"{counted(len(labels), 'label')} to listen to, the most doubtful first."
    return page.page("Label audit", title, lead, sections)


@checked
def write_audit(
    labels: Sequence[Label],
    folder: str | Path,
    stem: str,
    find: Find | None = None,
    *,
    notes: Sequence[str] = (),
    shown: int = SHOWN,
) -> list[Path]:
    """Write {stem}.csv, with all labels, and {stem}.html; returns the paths written."""
    folder = folder_for(folder, stem)
    html = page_of_audit(labels, stem, find, notes=notes, shown=shown)
    columns = [field.name for field in fields(Label)]
    table = write_table(folder / f"{stem}.csv", columns, (label.as_dict() for label in labels))
    return [table, write_page(folder / f"{stem}.html", html)]


def _doubt(label: Label) -> str:
    return (
        f'<span class="truth">{escape(label.given)}</span> {page.arrow("rather")} '
        f'<span class="answer">{escape(label.suggested)}</span> <span class="score">doubt {wording.number(label.score)}</span>'
        f'<span class="why">{escape(label.why)}</span>'
    )


def _table(labels: Sequence[Label]) -> str:
    if not labels:
        return ""
    lines = [
        [
            page.words(label.path),
            page.words(label.tag),
            page.words(label.given),
            page.words(label.suggested),
            page.figure(label.score),
        ]
        for label in labels
    ]
    head = ["clip", "in doubt", "given", "rather", "doubt"]
    return page.table("Labels in doubt; a column's name sorts by it", head, lines, words=(0, 1, 2, 3), sortable=True)
