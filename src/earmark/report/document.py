"""An evaluation as text: a few lines for a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import quote

from earmark.errors import counted
from earmark.errors.kinds import checked
from earmark.evaluation.evaluation import Evaluation
from earmark.evaluation.figures import Figures, Miss, TagFigures
from earmark.report import decisions, events, text, wording


@checked
def summary(figures: Figures | Evaluation) -> str:
    """The figures, or those of an evaluation, with their intervals, for a terminal."""
    figures = figures.figures if isinstance(figures, Evaluation) else figures
    groups = counted(figures.interval.groups, "group")
    how = f"95 % intervals by bootstrap over {groups}" if wording.with_intervals(figures) else "without intervals"
    lines = [f"{counted(figures.clips, 'clip')}, {how}"]
    width = max([10, *(len(wording.title(name)) for name in figures.metrics)])
    for name, figure in figures.metrics.items():
        limits = wording.between(figure.low, figure.high)
        lines.append(
            f"  {wording.title(name):{width}} {wording.number(figure.value)}"
            + (f"  ({limits})" if limits != "–" else "")
        )
    over: Any = figures.protocol.get("over folds") or {}
    for name in sorted(over, key=wording.position):
        values = [wording.number(over[name].get(what)) for what in ("mean", "lowest", "highest")]
        lines.append(f"  {wording.title(name)} over the folds: {values[0]} on average, {values[1]} to {values[2]}")
    if figures.decisions:
        lines += [
            f"  F1, mean over tags, thresholds {row.thresholds}: {wording.with_limits(row.f1['f1_macro'])}"
            for row in figures.decisions.rows
        ]
    if figures.events:
        lines += events.summary(figures.events)
    return "\n".join(lines + [f"  {note}" for note in figures.notes])


def markdown(figures: Figures, title: str, picture: str = "") -> str:
    """The figures as Markdown; `picture`: a file next to it."""
    interval, task = figures.interval, figures.task
    parts = [f"# {text.cell(title)}", wording.head(figures)]
    columns = 3 if wording.with_intervals(figures) else 2
    parts.append(
        text.table(
            ["metric", "value", f"{wording.percent(interval.level)} interval"][:columns],
            [
                [wording.title(name), wording.number(figure.value), wording.between(figure.low, figure.high)][:columns]
                for name, figure in figures.metrics.items()
            ],
        )
    )
    if wording.with_intervals(figures):
        parts.append(wording.intervals(interval))
    if task == "many":
        parts.append(wording.decisions(figures.threshold))
    parts.append(text.protocol(figures.protocol))
    if figures.notes:
        parts.append(text.bullets(figures.notes))
    if picture:
        alt = "Confusion: rows are the truth" if task == "one" else "Average precision of each tag"
        parts.append(f"![{alt}]({quote(picture)})")
    names = [field.name for field in fields(TagFigures)]
    rows = [
        [text.cell(row.tag), str(row.clips), *(wording.number(getattr(row, n)) for n in names[2:])]
        for row in figures.tags
    ]
    parts += decisions.markdown(figures.decisions) if figures.decisions else []
    parts += events.markdown(figures.events) if figures.events else []
    parts += ["## Tags", text.table([wording.column(name) for name in names], rows)]
    if figures.worst:
        about = "Clips whose own tag was missed with the lowest score."
        parts += ["## Worst errors", about, _worst_table(figures.worst)]
    return "\n\n".join(parts) + "\n"


def _worst_table(worst: Sequence[Miss]) -> str:
    rows = [
        [
            *(text.cell(miss.path), text.cell(miss.truth), wording.number(miss.score)),
            *(text.cell(miss.answered), wording.number(miss.answered_score)),
        ]
        for miss in worst
    ]
    return text.table(["clip", "truth", "score", "answered", "score"], rows, words=(0, 1, 3))
