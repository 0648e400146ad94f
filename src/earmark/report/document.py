"""An evaluation as text: a few lines for a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from earmark.report import decisions, events, text, wording


def summary(report: Mapping[str, Any]) -> str:
    """The figures with their intervals, for a terminal."""
    groups = wording.count(report["interval"]["groups"], "group")
    lines = [f"{wording.count(report['clips'], 'clip')}, 95 % intervals by bootstrap over {groups}"]
    for name, figure in report["metrics"].items():
        value, low, high = (wording.number(figure[key]) for key in ("value", "low", "high"))
        lines.append(f"  {wording.title(name):10} {value}  ({low} to {high})")
    if report.get("decisions"):
        lines += [
            f"  F1, mean over tags, thresholds {row['thresholds']}: {wording.with_limits(row['f1_macro'])}"
            for row in report["decisions"]["rows"]
        ]
    if report.get("events"):
        lines += events.summary(report["events"])
    return "\n".join(lines + [f"  {note}" for note in report["notes"]])


def markdown(report: Mapping[str, Any], title: str, picture: str = "") -> str:
    """The report as Markdown; `picture`: a file next to it."""
    interval, task = report["interval"], report["task"]
    parts = [f"# {text.cell(title)}", wording.head(report)]
    parts.append(
        text.table(
            ["metric", "value", f"{wording.percent(interval['level'])} interval"],
            [
                [wording.title(name), wording.number(figure["value"]), wording.between(figure)]
                for name, figure in report["metrics"].items()
            ],
        )
    )
    parts.append(wording.intervals(interval))
    if task == "many":
        parts.append(wording.decisions(report["threshold"]))
    parts.append(text.protocol(report["protocol"]))
    if report["notes"]:
        parts.append(text.bullets(report["notes"]))
    if picture:
        alt = "Confusion: rows are the truth" if task == "one" else "Average precision of each tag"
        parts.append(f"![{alt}]({quote(picture)})")
    names = list(report["tags"][0])
    rows = [
        [text.cell(row["tag"]), str(row["clips"]), *(wording.number(row[n]) for n in names[2:])]
        for row in report["tags"]
    ]
    for name, section in (("decisions", decisions), ("events", events)):
        parts += section.markdown(report[name]) if report.get(name) else []
    parts += ["## Tags", text.table([name.replace("_", " ") for name in names], rows)]
    if report["worst"]:
        told = "Clips whose own tag was missed with the lowest score."
        parts += ["## Worst errors", told, _worst_table(report["worst"])]
    return "\n\n".join(parts) + "\n"


def _worst_table(worst: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            *(text.cell(w["path"]), text.cell(w["truth"]), wording.number(w["score"])),
            *(text.cell(w["answered"]), wording.number(w["answered_score"])),
        ]
        for w in worst
    ]
    return text.table(["clip", "truth", "score", "answered", "score"], rows, words=(0, 1, 3))
