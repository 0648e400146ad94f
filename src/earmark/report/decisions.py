"""Decisions with the thresholds that a tagger file stores, beside those with 0.5: Markdown, a section of the page."""

from __future__ import annotations

from earmark.evaluation.figures import Decided, Decisions, TagDecided
from earmark.report import page, text, wording

ABOUT = "Tags count as answered where their score reaches 0.5, or the threshold that `earmark calibrate` stored in the tagger."
COLUMNS = ["tag", "clips", "threshold", "F1 at 0.5", "F1", "precision", "recall"]


def markdown(section: Decisions) -> list[str]:
    """The section's parts."""
    rows = [[row.thresholds, *map(wording.with_limits, row.f1.values())] for row in section.rows]
    tags = [[text.cell(row.tag), str(row.clips), *map(wording.number, _figures(row))] for row in section.tags]
    return ["## Thresholds", ABOUT, text.table(_head(section.rows[0]), rows), text.table(COLUMNS, tags)]


def html(section: Decisions | None) -> str:
    if not section:
        return ""
    rows: list[list[page.Cell]] = [
        [page.words(row.thresholds), *((wording.with_limits(figure), None) for figure in row.f1.values())]
        for row in section.rows
    ]
    tags = [[page.words(row.tag), page.figure(row.clips, 0), *map(page.figure, _figures(row))] for row in section.tags]
    return (
        f'<p class="aside">{ABOUT.replace("`", "")}</p>'
        + page.table("F1 with 0.5 and with the tagger's thresholds", _head(section.rows[0]), rows)
        + page.table("Thresholds of the tags", COLUMNS, tags, sortable=True)
    )


def _head(row: Decided) -> list[str]:
    return ["thresholds", *map(wording.title, row.f1)]


def _figures(row: TagDecided) -> list[float]:
    return [row.threshold, row.f1_half, row.f1, row.precision, row.recall]
