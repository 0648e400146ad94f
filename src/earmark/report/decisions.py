"""Decisions with the thresholds that a tagger file stores, beside those with 0.5: figures, Markdown, a section of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from earmark import metrics
from earmark.data.matching import Matched
from earmark.evaluation.thresholds import tags as thresholds
from earmark.metrics import Floats
from earmark.report import page, text, wording

TOLD = "Tags count as answered where their score reaches 0.5, or the threshold that `earmark calibrate` stored in the tagger."


def judge(matched: Matched, tags: Sequence[str], stored: Floats, resamples: int, seed: int = 0) -> dict[str, Any]:
    """{"rows": [{"thresholds", "f1_micro", …}], "tags": [{"tag", "clips", "threshold", "f1_0.5", "f1", …}]}."""
    rows, each = [], []
    for name, threshold in (("0.5", np.full(len(tags), thresholds.DEFAULT)), ("stored", np.asarray(stored, float))):
        figures = metrics.evaluate(
            matched.values,
            matched.truth,
            matched.groups,
            "many",
            resamples=resamples,
            seed=seed,
            metrics=thresholds.FIGURES,
            threshold=threshold,
        )
        rows.append({"thresholds": name, **{key: figures[key].as_dict() for key in thresholds.FIGURES}})
        each.append(metrics.per_tag(matched.values, matched.truth, "many", threshold))
    half, own = each
    by_tag = [
        {
            "tag": tag,
            "clips": int(own["clips"][i]),
            "threshold": float(stored[i]),
            "f1_0.5": float(half["f1"][i]),
            **{name: float(own[name][i]) for name in ("f1", "precision", "recall")},
        }
        for i, tag in enumerate(tags)
    ]
    return {"rows": rows, "tags": by_tag}


def markdown(section: Mapping[str, Any]) -> list[str]:
    """The section's parts, none where there is no section."""
    head = ["thresholds", *map(wording.title, thresholds.FIGURES)]
    rows = [
        [row["thresholds"], *(wording.with_limits(row[key]) for key in thresholds.FIGURES)] for row in section["rows"]
    ]
    names = list(section["tags"][0])
    tags = [
        [text.cell(row["tag"]), str(row["clips"]), *(wording.number(row[key]) for key in names[2:])]
        for row in section["tags"]
    ]
    return ["## Thresholds", TOLD, text.table(head, rows), text.table(_titles(names), tags)]


def html(section: Mapping[str, Any] | None) -> str:
    if not section:
        return ""
    rows: list[list[page.Cell]] = [
        [page.words(row["thresholds"]), *((wording.with_limits(row[key]), None) for key in thresholds.FIGURES)]
        for row in section["rows"]
    ]
    head = ["thresholds", *map(wording.title, thresholds.FIGURES)]
    names = list(section["tags"][0])
    tags = [
        [page.words(row["tag"]), page.figure(row["clips"], 0), *(page.figure(row[key]) for key in names[2:])]
        for row in section["tags"]
    ]
    return (
        f'<p class="aside">{TOLD.replace("`", "")}</p>'
        + page.table("F1 with 0.5 and with the tagger's thresholds", head, rows)
        + page.table("Thresholds of the tags", _titles(names), tags, sortable=True)
    )


def _titles(names: Sequence[str]) -> list[str]:
    return ["F1 at 0.5" if name == "f1_0.5" else "F1" if name == "f1" else name for name in names]
