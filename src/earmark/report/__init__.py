"""Scores and the manifest's truth → a report: JSON for programs, Markdown, a page and pictures for people, a CSV of tags.

`evaluate` matches clips by id and returns a plain dict that is ready for JSON:

    {"clips": n, "task": "one" | "many",
     "metrics": {"accuracy": {"value", "low", "high"}, "map": …, "auc": …, "dprime": …, "map@3": …},
     "tags": [{"tag", "clips", "average_precision", "auc", "precision", "recall", "f1"}],
     "undefined": [tags left out of a mean], "confusion": [[rows = truth, columns = answered]] or null,
     "calibration": {"of", "error", "bins": [{"low", "high", "count", "confidence", "right"}]} or null,
     "worst": [{"id", "path", "truth", "answered", "score", "answered_score"}],
     "threshold": of the decisions in task many, one or one a tag, or null,
     "decisions": F1s with the thresholds that the tagger stores beside those at 0.5, or null,
     "events": what `earmark.evaluation.events.judge` says of events, or null,
     "protocol": {facts}, "interval": {"kind", "level", "resamples", "groups", "centred"},
     "notes": [sentences]}

What has no value is null, and a note says why. `write` makes the files. Comparisons of systems and audits of labels,
whose numbers are made elsewhere, have pages of the same kind: `write_comparison`, `write_audit`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import metrics
from earmark.data.manifest import Manifest
from earmark.data.matching import Matched, match
from earmark.errors import ScoresError
from earmark.metrics import Floats
from earmark.report import curves, decisions, pictures, wording
from earmark.report.audit import page_of_audit, write_audit
from earmark.report.comparison import markdown_of_comparison, page_of_comparison, write_comparison
from earmark.report.document import markdown, summary
from earmark.report.evaluation import page_of_evaluation
from earmark.report.files import folder_for, write_table, write_text
from earmark.scores import Scores, Task

__all__ = [
    "Matched",
    "evaluate",
    "markdown",
    "markdown_of_comparison",
    "match",
    "page_of_audit",
    "page_of_comparison",
    "page_of_evaluation",
    "summary",
    "write",
    "write_audit",
    "write_comparison",
]

WORST = 20  # clips listed as worst errors
FEW_GROUPS = 20  # below this a bootstrap over groups is known to be too narrow


def evaluate(
    scores: Scores,
    manifest: Manifest,
    task: Task,
    facts: Mapping[str, Any] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    threshold: float | Floats = 0.5,
    stored: Floats | None = None,
    events: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The report as a dict, as in the module's docstring.

    scores: one row a clip. facts: the protocol: what chose the epoch and the thresholds, the tagger, the split, seeds.
    threshold: of the decisions in task many, one or (tags,). stored: (tags,), the tagger's own thresholds, judged
    beside. Raises ScoresError where scores and manifest do not fit.
    """
    if not len(manifest):
        raise ScoresError("the manifest has no clips: there is nothing to report on")
    matched = match(scores, manifest)
    _check_task(matched, task)
    values, truth, notes = matched.values, matched.truth, list(matched.notes)
    measured = metrics.evaluate(
        values, truth, matched.groups, task, resamples=resamples, seed=seed, threshold=threshold
    )
    figures = {name: measured[name].as_dict() for name in sorted(measured, key=wording.position)}
    columns = metrics.per_tag(values, truth, task, threshold)
    interval: dict[str, Any] = {
        "kind": "percentile bootstrap over groups",
        "level": metrics.LEVEL,
        "resamples": resamples,
        "groups": len(np.unique(matched.groups)),
        "centred": [name for name in figures if metrics.centred(name)],
    }
    report = {
        "clips": len(matched.ids),
        "task": task,
        "metrics": figures,
        "tags": _by_tag(columns, scores.tags),
        "undefined": [scores.tags[i] for i in metrics.undefined(truth, negatives=True)],
        "confusion": metrics.confusion(values, truth).tolist() if task == "one" else None,
        "calibration": curves.calibration(values, truth, task),
        "worst": _worst(matched, scores.tags, task, threshold),
        "threshold": None if task == "one" else threshold,
        "decisions": None
        if stored is None or task == "one"
        else decisions.judge(matched, scores.tags, stored, resamples, seed),
        "events": events,
        "protocol": dict(facts or {}),
        "interval": interval,
    }
    notes += _notes_on_tags(truth, scores.tags) + _notes_on_figures(figures, interval["groups"], resamples)
    if report["calibration"] is None:
        notes.append("Scores reach beyond 0 … 1, so they are no probabilities: no calibration.")
    notes += _notes_on_silence(columns["precision"], scores.tags)
    lost: list[str] = []
    plain = {key: _plain(value, key, lost) for key, value in report.items()}
    notes += [f"{place} is not a finite number: null." for place in lost if place.startswith("protocol")]
    return {**plain, "notes": notes}


def _check_task(matched: Matched, task: Task) -> None:
    count = matched.truth.sum(1)
    if task == "one" and (count != 1).any():
        first = int(np.flatnonzero(count != 1)[0])
        raise ScoresError(
            f"{wording.clips(int((count != 1).sum()), 'has', 'have')} not exactly one tag, first: {matched.ids[first]} "
            f"({count[first]} tags). The tagger gives one tag a clip: "
            "leave these clips out, or use a tagger of task many"
        )


def _worst(matched: Matched, tags: Sequence[str], task: Task, threshold: float | Floats) -> list[dict[str, Any]]:
    """Clips whose own tag was missed with the lowest score; of a clip with several missed tags, the lowest."""
    values, truth = matched.values, matched.truth
    if task == "one":
        answered = metrics.answers(values, truth)
        missed = truth & (answered != truth.argmax(1))[:, None]
    else:
        answered = values.argmax(1)
        missed = truth & (values < threshold)
    own = np.where(missed, values, np.inf)
    lowest = own.min(1)
    rows = [row for row in np.argsort(lowest, kind="stable")[:WORST] if np.isfinite(lowest[row])]
    return [
        {
            "id": str(matched.ids[row]),
            "path": matched.paths[row],
            "truth": tags[int(own[row].argmin())],
            "answered": tags[int(answered[row])],
            "score": float(lowest[row]),
            "answered_score": float(values[row, answered[row]]),
        }
        for row in rows
    ]


def _by_tag(columns: Mapping[str, NDArray[Any]], tags: Sequence[str]) -> list[dict[str, Any]]:
    """columns: of `metrics.per_tag`. A row a tag."""
    return [{"tag": tag, **{name: column[i].item() for name, column in columns.items()}} for i, tag in enumerate(tags)]


def _notes_on_silence(precision: NDArray[Any], tags: Sequence[str]) -> list[str]:
    silent = wording.at(tags, np.flatnonzero(np.isnan(precision)).tolist())
    if not silent:
        return []
    return [f"No clip was answered with these tags, so they have no precision: {wording.names(silent)}."]


def _notes_on_tags(truth: NDArray[np.bool_], tags: Sequence[str]) -> list[str]:
    absent = metrics.undefined(truth)
    always = [i for i in metrics.undefined(truth, negatives=True) if i not in absent]
    notes = []
    if absent:
        notes.append(
            f"No clip has these tags, so they are left out of every mean over tags: {wording.names(wording.at(tags, absent))}."
        )
    if always:
        notes.append(
            f"Every clip has these tags, so they are left out of AUC and d′: {wording.names(wording.at(tags, always))}."
        )
    return notes


def _notes_on_figures(figures: Mapping[str, Mapping[str, float]], groups: int, resamples: int) -> list[str]:
    notes = []
    for name, figure in figures.items():
        if any(math.isinf(number) for number in figure.values()):
            where = " and ".join(key for key, number in figure.items() if math.isinf(number))
            notes.append(f"{wording.title(name)} is infinite, as the mean AUC is 1 or 0: null ({where}).")
        if math.isnan(figure["value"]):
            notes.append(f"{wording.title(name)} has no value: no tag or clip here defines it.")
    flat = [wording.title(name) for name, figure in figures.items() if figure["low"] == figure["high"]]
    if flat:
        notes.append(f"The interval of {', '.join(flat)} has no width, because all draws agree. That is not certainty.")
    if figures.get("accuracy", {}).get("value") == 1:
        # n independent groups are all without an error in one case of twenty where a share of 1 - 0.05^(1/n) has one
        share = wording.percent(1 - 0.05 ** (1 / groups))
        notes.append(f"{groups} groups without an error may come from a tagger that errs in up to {share} of them.")
    if resamples < 1:
        notes.append("No intervals: no resamples were asked for.")
    elif groups < 2:
        notes.append("No intervals: all clips are of one group, and clips of one group are not independent.")
    elif groups < FEW_GROUPS:
        notes.append(f"Only {groups} groups: the intervals are rough, and rather too narrow.")
    return notes


def _plain(value: Any, place: str, lost: list[str]) -> Any:
    """The same as JSON values, with null for what is not finite; the places of these are added to `lost`."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{place}.{key}", lost) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [_plain(item, f"{place}[{i}]", lost) for i, item in enumerate(items)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(place)
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def write(
    report: Mapping[str, Any],
    folder: str | Path,
    stem: str,
    *,
    scores: Scores | None = None,
    manifest: Manifest | None = None,
) -> list[Path]:
    """Write {stem}.json, .md, .tags.csv, by task .confusion.png or .tags.png, and .html; returns the paths written.

    scores, manifest: those of `evaluate`; with them the page has precision-recall curves, and players and spectrograms
    of the worst errors.
    """
    folder = folder_for(folder, stem)
    one = report["task"] == "one"
    picture = folder / f"{stem}.{'confusion' if one else 'tags'}.png"
    paths = [folder / f"{stem}.json", folder / f"{stem}.md", folder / f"{stem}.tags.csv", picture]
    write_text(paths[0], _json(report))
    write_text(paths[1], markdown(report, stem, picture.name))
    write_table(paths[2], list(report["tags"][0]), report["tags"])
    if one:
        tags = [row["tag"] for row in report["tags"]]
        figure = pictures.confusion(np.array(report["confusion"]), tags, wording.headline(report, "accuracy"))
    else:
        mean = report["metrics"]["map"]["value"]
        figure = pictures.bars(report["tags"], report["clips"], mean, wording.headline(report, "map"))
    pictures.save(figure, picture)
    page = folder / f"{stem}.html"
    write_text(page, page_of_evaluation(report, stem, scores=scores, manifest=manifest, folder=folder))
    return [*paths, page]


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
