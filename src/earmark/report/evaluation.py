"""The page of an evaluation: figures with intervals, protocol, tags, curves, confusion, worst errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data.manifest import Manifest
from earmark.data.matching import match
from earmark.errors import counted
from earmark.evaluation.figures import Figures, TagFigures
from earmark.metrics.calibration import Calibration
from earmark.report import curves, decisions, events, page, provenance, svg, wording
from earmark.report.excerpt import BUDGET, Excerpts, places
from earmark.scores import Scores, Task

WHOLE = 80  # tags up to which a confusion is shown whole; beyond, its cells are too small to hit
LARGEST = 100  # confusions listed where it is not
FAINT = 60  # curves of other tags drawn behind the chosen one: more are a grey block
FINE = 60  # steps of each curve where there are hundreds of tags, so that the page stays small


def page_of_evaluation(
    figures: Figures,
    title: str,
    *,
    scores: Scores | None = None,
    manifest: Manifest | None = None,
    budget: int = BUDGET,
    folder: Path | None = None,
) -> str:
    """The page as HTML. scores, manifest: those of the figures; without them it has no curves and no players.

    budget: bytes that the players and spectrograms may take. folder: of the pictures of events.
    """
    excerpts = Excerpts(places(manifest), budget) if manifest is not None else None
    chart, lines = ("", []) if scores is None or manifest is None else _curves(scores, manifest, figures.task)
    sections = [
        ("summary", "Summary", _summary(figures)),
        ("protocol", "How these figures came about", _protocol(figures.protocol)),
        ("curves", "Curves", chart + _reliability(figures.calibration)),
        ("decisions", "Thresholds", decisions.html(figures.decisions)),
        ("events", "Events", events.html(figures.events, folder)),
        ("tags", "Tags", _tags(figures.tags)),
        ("confusion", "Confusion", _confusion(figures)),
        ("worst", "Worst errors", _worst(figures, excerpts)),
    ]
    return page.page("Evaluation", title, wording.head(figures), sections, {"curves": lines})


def _summary(figures: Figures) -> str:
    level = wording.percent(figures.interval.level)
    rows: list[list[page.Cell]] = []
    for name, figure in figures.metrics.items():
        top = svg.scale([figure])
        ends = f'<span class="ends"><span>0</span>{svg.interval(figure, top)}<span>{top:g}</span></span>'
        value = f"<strong>{wording.number(figure.value)}</strong>"
        rows.append(
            [
                page.words(wording.title(name)),
                (value, None),
                (wording.between(figure.low, figure.high), None),
                (ends, None),
            ]
        )
    sentences = [wording.intervals(figures.interval)] if wording.with_intervals(figures) else []
    if figures.task == "many":
        sentences.append(wording.decisions(figures.threshold))
    if wording.with_intervals(figures):
        table = page.table("Metrics", ["metric", "value", f"{level} interval", "drawn"], rows, words=(0, 2, 3))
    else:
        table = page.table("Metrics", ["metric", "value", "drawn"], [[*row[:2], row[3]] for row in rows], words=(0, 2))
    notes = page.bullets(figures.notes, "notes")
    return table + "".join(f'<p class="aside">{escape(sentence)}</p>' for sentence in sentences) + notes


def _protocol(facts: Mapping[str, Any]) -> str:
    html = page.bullets(provenance.sentences(facts), "told")
    folds = provenance.by_fold(facts)
    if folds:
        head, rows = folds
        html += page.table("Figures of each fold", head, [[page.words(cell) for cell in row] for row in rows])
    return html


def _tags(tags: Sequence[TagFigures]) -> str:
    names = [field.name for field in fields(TagFigures)]
    rows: list[list[page.Cell]] = []
    for row in tags:
        cells: list[page.Cell] = [page.words(row.tag), page.figure(row.clips, 0)]
        rows.append(cells + [_level(getattr(row, name)) for name in names[2:]])
    head = [wording.column(name) for name in names]
    return page.table("Tags; a column's name sorts by it", head, rows, sortable=True)


def _level(value: float) -> page.Cell:
    html, key = page.figure(value)
    return (html, key) if key is None else (f'<span class="level" style="--share:{value:.3f}">{html}</span>', key)


def _curves(scores: Scores, manifest: Manifest, task: Task) -> tuple[str, list[dict[str, str]]]:
    """The chart, and what the script draws in it: of the mean over tags and of each tag."""
    matched = match(scores, manifest)
    judged = ~np.ma.getmaskarray(matched.judged_as(task))
    positives, clips = matched.truth.sum(0), judged.sum(0)
    known = np.flatnonzero(positives).tolist()
    if not known:
        return "", []
    columns = [(matched.values[judged[:, i], i], matched.truth[judged[:, i], i]) for i in known]
    all_of_them = [curves.precision_recall(*column) for column in columns]
    most = curves.STEPS if len(known) <= WHOLE else FINE
    paths = [svg.path(curves.steps(curve, most)) for curve in all_of_them]
    chance = positives[known] / clips[known]
    lines = [_line(f"Mean over {counted(len(known), 'tag')}", svg.path(curves.mean(all_of_them)), chance.mean())]
    for i, d, level in zip(known, paths, chance.tolist(), strict=True):
        label = f"{scores.tags[i]}, {int(positives[i]):,} of {counted(int(clips[i]), 'clip')}"
        lines.append(_line(label, d, level))
    labels = [lines[0]["told"], *(scores.tags[i] for i in known)]
    options = "".join(f'<option value="{i}">{escape(label)}</option>' for i, label in enumerate(labels))
    chart = svg.precision_recall(
        lines[0]["d"], paths if len(paths) <= FAINT else [], float(chance.mean()), "Precision against recall"
    )
    html = (
        '<figure class="half"><h3>Precision and recall</h3>'
        f'<label class="choice">Tag <select id="tag">{options}</select></label>{chart}'
        f'<figcaption><span id="curve-told" aria-live="polite">{escape(lines[0]["told"])}</span>. Dashed: answers by '
        "chance. The area under the steps is the average precision.</figcaption></figure>"
    )
    return html, lines


def _line(label: str, d: str, chance: float) -> dict[str, str]:
    return {"told": label, "d": d, "chance": svg.up(chance)}


def _reliability(calibration: Calibration | None) -> str:
    if not calibration:
        return ""
    error = f"expected calibration error {calibration.error:.3f}"
    rows: list[list[page.Cell]] = [
        [
            (f"{row.low:.1f} to {row.high:.1f}", None),
            page.figure(row.count, 0),
            page.figure(row.confidence),
            page.figure(row.right),
        ]
        for row in calibration.bins
    ]
    table = page.table("Bins of the reliability diagram", ["scores", "count", "mean score", "share right"], rows)
    return (
        '<figure class="half"><h3>Reliability</h3>'
        f'<p class="choice">Of {escape(calibration.of)}: {error}</p>'
        f"{svg.reliability(calibration, f'Reliability diagram: {error}; the bins are in the table below')}"
        "<figcaption>On the dashed line scores are probabilities; below it the tagger is too sure of itself. Larger dots "
        f"hold more.</figcaption><details><summary>The bins in figures</summary>{table}</details></figure>"
    )


def _confusion(figures: Figures) -> str:
    if figures.confusion is None:
        return ""
    counts = figures.confusion
    tags = [row.tag for row in figures.tags]
    wrong = int(counts.sum() - counts.trace())
    about = f"{counted(wrong, 'clip was', 'clips were')} answered wrongly, {int(counts.trace()):,} rightly. "
    if len(tags) > WHOLE:
        return f'<p class="aside">{about}The most frequent confusions:</p>' + _frequent(counts, tags)
    about += "Rows are the truth, columns what was answered; stronger cells hold a larger share of their row. "
    about += "Choose a cell to see its errors below."
    return f'<p class="aside">{about}</p><p class="cell-told" id="cell-told" aria-live="polite">&nbsp;</p>' + _matrix(
        counts, tags
    )


def _matrix(counts: Any, tags: Sequence[str]) -> str:
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    # the square root lifts small shares: one error in fifty must be seen
    levels = np.ceil(9 * np.sqrt(share)).astype(int)
    top = "".join(f'<th scope="col"><span>{escape(tag)}</span></th>' for tag in tags)
    lines = []
    for i, tag in enumerate(tags):
        cells = []
        for k in range(len(tags)):
            kind = f' class="{"right" if i == k else "wrong"} s{levels[i, k]}"' if counts[i, k] else ""
            cells.append(f"<td{kind}>{counts[i, k] or ''}</td>")
        lines.append(f'<tr><th scope="row">{escape(tag)}</th>{"".join(cells)}</tr>')
    size = "large" if len(tags) <= 15 else "medium" if len(tags) <= 30 else "small"
    return (
        f'<div class="wide"><table class="matrix {size}" id="matrix" role="grid" aria-label="Confusion: rows are the '
        'truth, columns the answers; arrow keys move, Enter shows the errors of a cell">'
        f"<thead><tr><td></td>{top}</tr></thead>\n<tbody>\n{''.join(lines)}\n</tbody></table></div>"
    )


def _frequent(counts: Any, tags: Sequence[str]) -> str:
    errors = counts * (1 - np.eye(len(tags), dtype=counts.dtype))
    order = np.argsort(-errors, axis=None, kind="stable")[:LARGEST]
    rows: list[list[page.Cell]] = []
    for i, k in zip(*np.unravel_index(order, errors.shape), strict=True):
        if errors[i, k]:
            share = errors[i, k] / counts[i].sum()
            cells = [page.words(tags[i]), page.words(tags[k]), page.figure(int(errors[i, k]), 0)]
            rows.append([*cells, (wording.percent(share), float(share))])
    head = ["truth", "answered", "clips", "share of the tag's clips"]
    return page.table("Most frequent confusions", head, rows, words=(0, 1), sortable=True)


def _worst(figures: Figures, excerpts: Excerpts | None) -> str:
    if not figures.worst:
        return '<p class="aside">There are none: no clip missed its own tag.</p>'
    column = {row.tag: i for i, row in enumerate(figures.tags)}
    items = []
    for place, row in enumerate(figures.worst, 1):
        inside = (
            f'<span class="truth">{escape(row.truth)}</span> <span class="score">{row.score:.3f}</span> '
            f'{page.arrow("answered as")} <span class="answer">{escape(row.answered)}</span> '
            f'<span class="score">{row.answered_score:.3f}</span>'
        )
        cell = f' data-cell="{column[row.truth]} {column[row.answered]}"'
        items.append(page.clip(excerpts, row.id, row.path, inside, place, cell))
    order = "Clips whose own tag was missed with the lowest score: the truth and its score → the answer and its score."
    about = " ".join([order, *page.about_excerpts(excerpts)])
    return (
        f'<p class="aside">{escape(about)}</p><p class="filter" id="filter" role="status" hidden><span></span> '
        f'<button type="button">Show all</button></p><ol class="clips">{"".join(items)}</ol>'
    )
