"""A report as text: a few lines for a terminal, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from earmark.report import wording


def summary(report: Mapping[str, Any]) -> str:
    """The figures with their intervals, for a terminal."""
    groups = wording.count(report["interval"]["groups"], "group")
    lines = [f"{wording.count(report['clips'], 'clip')}, 95 % intervals by bootstrap over {groups}"]
    for name, figure in report["metrics"].items():
        value, low, high = (wording.number(figure[key]) for key in ("value", "low", "high"))
        lines.append(f"  {wording.title(name):10} {value}  ({low} to {high})")
    return "\n".join(lines + [f"  {note}" for note in report["notes"]])


def markdown(report: Mapping[str, Any], title: str, picture: str = "") -> str:
    """The report as Markdown; `picture`: a file next to it."""
    interval, task = report["interval"], report["task"]
    parts = [f"# {cell(title)}", wording.head(report)]
    parts.append(
        table(
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
    parts.append(protocol(report["protocol"]))
    if report["notes"]:
        parts.append(bullets(report["notes"]))
    if picture:
        alt = "Confusion: rows are the truth" if task == "one" else "Average precision of each tag"
        parts.append(f"![{alt}]({quote(picture)})")
    names = list(report["tags"][0])
    rows = [
        [cell(row["tag"]), str(row["clips"]), *(wording.number(row[n]) for n in names[2:])] for row in report["tags"]
    ]
    parts += ["## Tags", table([name.replace("_", " ") for name in names], rows)]
    if report["worst"]:
        told = "Clips whose own tag was missed with the lowest score."
        parts += ["## Worst errors", told, _worst_table(report["worst"])]
    return "\n\n".join(parts) + "\n"


def _worst_table(worst: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            *(cell(w["path"]), cell(w["truth"]), wording.number(w["score"])),
            *(cell(w["answered"]), wording.number(w["answered_score"])),
        ]
        for w in worst
    ]
    return table(["clip", "truth", "score", "answered", "score"], rows, words=(0, 1, 3))


def protocol(facts: Mapping[str, Any]) -> str:
    """The protocol as one sentence of Markdown, with all that is in it."""
    if not facts:
        return "Protocol: not given. Nobody can tell from this report what chose the epoch and the thresholds."
    told = (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in facts.values())
    return "Protocol: " + "; ".join(f"{key}: {cell(value)}" for key, value in zip(facts, told, strict=True)) + "."


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A Markdown table; the columns `words` are set left, numbers right."""
    lines = [head, ["---" if i in words else "---:" for i in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {cell(sentence)}" for sentence in sentences)


def cell(text: str) -> str:
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
