"""Figures → a report: JSON for programs, Markdown, a page and pictures for people, a CSV of tags.

`save` puts the whole report of an evaluation into a folder, `write` that of figures alone. Comparisons of systems and
audits of labels have pages of the same kind: `write_comparison`, `write_audit`. What is computed is computed in
`earmark.evaluation`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.errors.kinds import checked
from earmark.evaluation.evaluation import Evaluation
from earmark.evaluation.figures import Figures, TagFigures, plain
from earmark.files.stores import place
from earmark.progress import QUIET, Progress
from earmark.report import pictures, wording
from earmark.report.audit import page_of_audit, write_audit
from earmark.report.comparison import markdown_of_comparison, page_of_comparison, write_comparison
from earmark.report.document import markdown, summary
from earmark.report.evaluation import page_of_evaluation
from earmark.report.examples import draw_examples
from earmark.report.files import folder_for, write_page, write_table
from earmark.scores import Scores

__all__ = [
    "markdown",
    "markdown_of_comparison",
    "page_of_audit",
    "page_of_comparison",
    "page_of_evaluation",
    "save",
    "summary",
    "write",
    "write_audit",
    "write_comparison",
]

STEM = "report"


@checked
def save(evaluation: Evaluation, folder: str | Path, *, pictures: bool = True, progress: Progress = QUIET) -> Figures:
    """Write report.json, .md, .html, … and scores.parquet; the figures as written, with the examples that were drawn.

    pictures: draw the events of a few clips, where events were judged, into the report. progress: told why one is missing.
    """
    figures = evaluation.figures
    if find_spec("matplotlib") is None:
        progress.say("the report has no pictures: `pip install 'earmark[pictures]'` brings what draws them")
        pictures = False
    if pictures and evaluation.detected is not None and figures.events is not None:
        examples = draw_examples(evaluation.detected, place(folder), STEM, progress)
        figures = replace(figures, events=replace(figures.events, examples=examples))
    write(figures, folder, STEM, scores=evaluation.scores, manifest=evaluation.clips)
    evaluation.scores.save(place(folder) / "scores.parquet")
    return figures


@checked
def write(
    figures: Figures,
    folder: str | Path,
    stem: str,
    *,
    scores: Scores | None = None,
    manifest: Manifest | None = None,
) -> list[Path]:
    """Write {stem}.json, .md, .tags.csv, by task .confusion.png or .tags.png, and .html; returns the paths written.

    scores, manifest: those that the figures are of; with them the page has precision-recall curves, and players and
    spectrograms of the worst errors.
    """
    folder = folder_for(folder, stem)
    one_tag = figures.confusion is not None
    picture = folder / f"{stem}.{'confusion' if one_tag else 'tags'}.png"
    drawn = find_spec("matplotlib") is not None  # an extra, without which figures are told as ever
    paths = [folder / f"{stem}.json", folder / f"{stem}.md", folder / f"{stem}.tags.csv"]
    write_page(paths[0], _json(figures.as_dict()))
    write_page(paths[1], markdown(figures, stem, picture.name if drawn else ""))
    write_table(paths[2], [field.name for field in fields(TagFigures)], (plain(asdict(tag)) for tag in figures.tags))
    if drawn:
        _draw(figures, picture)
        paths.append(picture)
    page = folder / f"{stem}.html"
    write_page(page, page_of_evaluation(figures, stem, scores=scores, manifest=manifest, folder=folder))
    return [*paths, page]


def _draw(figures: Figures, picture: Path) -> None:
    if figures.confusion is not None:
        tags = [row.tag for row in figures.tags]
        chart = pictures.confusion(figures.confusion, tags, wording.headline(figures, "accuracy"))
    else:
        mean = figures.metrics["map"].value
        chart = pictures.bars(figures.tags, figures.clips, mean, wording.headline(figures, "map"))
    pictures.save(chart, picture)


def _json(report: Mapping[str, Any]) -> str:
    """One line for each entry, tag, clip and row of the confusion, so that two reports can be compared as text."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def block(value: Any) -> str:
        if isinstance(value, list) and value:
            return "[\n  " + ",\n  ".join(map(line, value)) + "\n ]"
        if isinstance(value, dict) and value:
            return "{\n  " + ",\n  ".join(f"{line(key)}: {line(item)}" for key, item in value.items()) + "\n }"
        return line(value)

    return "{\n " + ",\n ".join(f"{line(key)}: {block(value)}" for key, value in report.items()) + "\n}\n"
