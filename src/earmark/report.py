"""Scores and the manifest's truth → a report: JSON for programs, Markdown and pictures for people, a CSV of the tags.

`evaluate` matches clips by id and returns a plain dict that is ready for JSON:

    {"clips": n, "task": "one" | "many",
     "metrics": {"accuracy": {"value", "low", "high"}, "map": …, "auc": …, "dprime": …, "map@3": …},
     "tags": [{"tag", "clips", "average_precision", "auc", "precision", "recall", "f1"}],
     "undefined": [tags left out of a mean], "confusion": [[rows = truth, columns = answered]] or null,
     "worst": [{"id", "path", "truth", "answered", "score", "answered_score"}],
     "threshold": of the decisions in task many, one or one a tag, or null,
     "protocol": {facts}, "interval": {"kind", "level", "resamples", "groups", "centred"},
     "notes": [sentences]}

What has no value is null, and a note says why. `write` makes the files.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from earmark import metrics, pictures
from earmark.errors import ScoresError
from earmark.manifest import Manifest
from earmark.metrics import Floats, Task
from earmark.registry import did_you_mean
from earmark.scores import Scores

WORST = 20  # clips listed as worst errors
FEW_GROUPS = 20  # below this a bootstrap over groups is known to be too narrow
TITLES = {"accuracy": "accuracy", "map": "mAP", "auc": "AUC", "dprime": "d′", "map@3": "mAP@3"}
TITLES |= {"f1_micro": "F1, all decisions", "f1_macro": "F1, mean over tags", "f1_instance": "F1, mean over clips"}


@dataclass(frozen=True)
class Matched:
    """Scores and truth of the same clips in the order of their ids, so that no report depends on the order of rows."""

    ids: NDArray[np.str_]
    paths: list[str]
    values: NDArray[np.float32]
    truth: NDArray[np.bool_]
    groups: NDArray[np.str_]
    notes: list[str]


def match(scores: Scores, manifest: Manifest) -> Matched:
    """Match by clip id. Raises ScoresError for missing or repeated clips and for tags that the tagger does not know."""
    for name, ids in (("scores", scores.ids), ("manifest", manifest.ids)):
        unique, rows = np.unique(ids, return_counts=True)
        twice = np.flatnonzero(rows > 1)
        if len(twice):
            raise ScoresError(
                f"{_clips(len(twice), 'has', 'have')} several rows in the {name}, first: {unique[twice[0]]} "
                f"({rows[twice[0]]} rows). A report needs one row a clip: combine the windows of a recording first"
            )
    missing = np.setdiff1d(manifest.ids, scores.ids)
    if len(missing):
        raise ScoresError(
            f"{_clips(len(missing), 'of the manifest has', 'of the manifest have')} no scores, first: {missing[0]} "
            f"({len(manifest)} in the manifest, {len(scores)} scored). "
            "Tag them too, or report on the part of the manifest that was scored"
        )
    notes = _check_tags(scores, manifest)
    others = len(scores) - len(manifest)
    if others:
        notes.append(f"{_count(others, 'scored clip')} outside the manifest: not in this report.")
    order = np.argsort(manifest.ids)
    place = np.argsort(scores.ids)
    ids = manifest.ids[order]
    rows = place[np.searchsorted(scores.ids[place], ids)]
    paths = [
        path.relative_to(manifest.root) if path.is_relative_to(manifest.root) else path for path in manifest.paths()
    ]
    truth = manifest.truth(scores.tags)[order]
    return Matched(ids, [paths[i].as_posix() for i in order], scores.values[rows], truth, manifest.groups[order], notes)


def _check_tags(scores: Scores, manifest: Manifest) -> list[str]:
    known = set(scores.tags)
    unknown = [i for i, tag in enumerate(manifest.vocabulary) if tag not in known]
    if not unknown:
        return []
    clips = manifest.truth(manifest.vocabulary)[:, unknown].sum(0)
    used = [manifest.vocabulary[i] for i, count in zip(unknown, clips, strict=True) if count]
    if used:
        raise ScoresError(
            f"the tagger does not know {_count(len(used), 'tag')} of the manifest: {_names(used)} ({int(clips.sum())} "
            f"times){did_you_mean(used[0], scores.tags)} It knows {_names(scores.tags)}. "
            "Take these clips out of the manifest, or use a tagger that was trained with these tags"
        )
    return [f"The tagger does not know {_names([manifest.vocabulary[i] for i in unknown])}; no clip here has them."]


def evaluate(
    scores: Scores,
    manifest: Manifest,
    task: Task,
    facts: Mapping[str, Any] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    threshold: float | Floats = 0.5,
) -> dict[str, Any]:
    """The report as a dict, as in the module's docstring.

    scores: one row a clip. facts: the protocol: what chose the epoch and the thresholds, the tagger, the split, seeds.
    threshold: of the decisions in task many, one or (tags,). Raises ScoresError where scores and manifest do not fit.
    """
    if not len(manifest):
        raise ScoresError("the manifest has no clips: there is nothing to report on")
    matched = match(scores, manifest)
    _check_task(matched, task)
    values, truth, notes = matched.values, matched.truth, list(matched.notes)
    groups = len(np.unique(matched.groups))
    measured = metrics.evaluate(
        values, truth, matched.groups, task, resamples=resamples, seed=seed, threshold=threshold
    )
    figures = {name: measured[name].as_dict() for name in sorted(measured, key=_position)}
    columns = metrics.per_tag(values, truth, task, threshold)
    report = {
        "clips": len(matched.ids),
        "task": task,
        "metrics": figures,
        "tags": [
            {"tag": tag, **{name: column[i].item() for name, column in columns.items()}}
            for i, tag in enumerate(scores.tags)
        ],
        "undefined": [scores.tags[i] for i in metrics.undefined(truth, negatives=True)],
        "confusion": metrics.confusion(values, truth).tolist() if task == "one" else None,
        "worst": _worst(matched, scores.tags, task, threshold),
        "threshold": None if task == "one" else threshold,
        "protocol": dict(facts or {}),
        "interval": {
            "kind": "percentile bootstrap over groups",
            "level": metrics.LEVEL,
            "resamples": resamples,
            "groups": groups,
            "centred": [name for name in figures if metrics.centred(name)],
        },
    }
    notes += _notes_on_tags(truth, scores.tags) + _notes_on_figures(figures, groups, resamples)
    silent = [tag for tag, precision in zip(scores.tags, columns["precision"], strict=True) if math.isnan(precision)]
    if silent:
        notes.append(f"No clip was answered with these tags, so they have no precision: {_names(silent)}.")
    lost: list[str] = []
    plain = {key: _plain(value, key, lost) for key, value in report.items()}
    notes += [f"{place} is not a finite number: null." for place in lost if place.startswith("protocol")]
    return {**plain, "notes": notes}


def _check_task(matched: Matched, task: Task) -> None:
    count = matched.truth.sum(1)
    if task == "one" and (count != 1).any():
        first = int(np.flatnonzero(count != 1)[0])
        raise ScoresError(
            f"{_clips(int((count != 1).sum()), 'has', 'have')} not exactly one tag, first: {matched.ids[first]} "
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


def _notes_on_tags(truth: NDArray[np.bool_], tags: Sequence[str]) -> list[str]:
    absent = metrics.undefined(truth)
    always = [i for i in metrics.undefined(truth, negatives=True) if i not in absent]
    notes = []
    if absent:
        notes.append(
            f"No clip has these tags, so they are left out of every mean over tags: {_names(_at(tags, absent))}."
        )
    if always:
        notes.append(f"Every clip has these tags, so they are left out of AUC and d′: {_names(_at(tags, always))}.")
    return notes


def _notes_on_figures(figures: Mapping[str, Mapping[str, float]], groups: int, resamples: int) -> list[str]:
    notes = []
    for name, figure in figures.items():
        if any(math.isinf(number) for number in figure.values()):
            where = " and ".join(key for key, number in figure.items() if math.isinf(number))
            notes.append(f"{_title(name)} is infinite, as the mean AUC is 1 or 0: null ({where}).")
        if math.isnan(figure["value"]):
            notes.append(f"{_title(name)} has no value: no tag or clip here defines it.")
    flat = [_title(name) for name, figure in figures.items() if figure["low"] == figure["high"]]
    if flat:
        notes.append(f"The interval of {', '.join(flat)} has no width, because all draws agree. That is not certainty.")
    if figures.get("accuracy", {}).get("value") == 1:
        # n independent groups are all without an error in one case of twenty where a share of 1 - 0.05^(1/n) has one
        share = f"{1 - 0.05 ** (1 / groups):.0%}".replace("%", " %")
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


def write(report: Mapping[str, Any], folder: str | Path, stem: str) -> list[Path]:
    """Write {stem}.json, .md, .tags.csv and, by task, .confusion.png or .tags.png; returns the paths written."""
    if stem in ("", ".", "..") or Path(stem).name != stem:
        raise ScoresError(f"a report's name is a file name without folders, not {stem!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    one = report["task"] == "one"
    picture = folder / f"{stem}.{'confusion' if one else 'tags'}.png"
    paths = [folder / f"{stem}.json", folder / f"{stem}.md", folder / f"{stem}.tags.csv", picture]
    paths[0].write_text(_json(report), encoding="utf-8", newline="\n")
    paths[1].write_text(markdown(report, stem, picture.name), encoding="utf-8", newline="\n")
    with paths[2].open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(report["tags"][0]), lineterminator="\n")
        table.writeheader()
        table.writerows(report["tags"])  # None is written as an empty cell
    if one:
        tags = [row["tag"] for row in report["tags"]]
        figure = pictures.confusion(np.array(report["confusion"]), tags, _headline(report, "accuracy"))
    else:
        mean = report["metrics"]["map"]["value"]
        figure = pictures.bars(report["tags"], report["clips"], mean, _headline(report, "map"))
    pictures.save(figure, picture)
    return paths


def summary(report: Mapping[str, Any]) -> str:
    """The figures with their intervals, for a terminal."""
    lines = [
        f"{_count(report['clips'], 'clip')}, 95 % intervals by bootstrap over {_count(report['interval']['groups'], 'group')}"
    ]
    for name, figure in report["metrics"].items():
        lines.append(
            f"  {_title(name):10} {_number(figure['value'])}  ({_number(figure['low'])} to {_number(figure['high'])})"
        )
    return "\n".join(lines + [f"  {note}" for note in report["notes"]])


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


def markdown(report: Mapping[str, Any], title: str, picture: str = "") -> str:
    """The report as Markdown; `picture`: a file next to it."""
    interval, task = report["interval"], report["task"]
    head = f"{_count(report['clips'], 'clip')}, {_count(len(report['tags']), 'tag')}, "
    head += "one tag a clip." if task == "one" else "any number of tags a clip."
    level = f"{interval['level']:.0%}".replace("%", " %")
    parts = [f"# {_cell(title)}", head]
    parts.append(
        _table(
            ["metric", "value", f"{level} interval"],
            [
                [_title(name), _number(figure["value"]), f"{_number(figure['low'])} to {_number(figure['high'])}"]
                for name, figure in report["metrics"].items()
            ],
        )
    )
    drawn = f"{interval['resamples']} resamples of {_count(interval['groups'], 'group')}"
    centred = " and ".join(_title(name) for name in interval["centred"])
    parts.append(
        f"Intervals: {interval['kind']}, {drawn}"
        + (f", for {centred} centred on the value" if centred else "")
        + ". They hold for this tagger, not for another training run."
    )
    if task == "many":
        given = report["threshold"]
        told = "the threshold of their tag" if isinstance(given, list) else f"{given:g}"
        parts.append(f"Precision, recall and F1: tags count as answered where their score reaches {told}.")
    parts.append(_protocol(report["protocol"]))
    if report["notes"]:
        parts.append("\n".join(f"- {_cell(note)}" for note in report["notes"]))
    if picture:
        alt = "Confusion: rows are the truth" if task == "one" else "Average precision of each tag"
        parts.append(f"![{alt}]({quote(picture)})")
    names = list(report["tags"][0])
    rows = [[_cell(row["tag"]), str(row["clips"]), *(_number(row[n]) for n in names[2:])] for row in report["tags"]]
    parts += ["## Tags", _table([name.replace("_", " ") for name in names], rows)]
    if report["worst"]:
        parts += [
            "## Worst errors",
            "Clips whose own tag was missed with the lowest score.",
            _worst_table(report["worst"]),
        ]
    return "\n\n".join(parts) + "\n"


def _worst_table(worst: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [_cell(w["path"]), _cell(w["truth"]), _number(w["score"]), _cell(w["answered"]), _number(w["answered_score"])]
        for w in worst
    ]
    return _table(["clip", "truth", "score", "answered", "score"], rows, words=(0, 1, 3))


def _protocol(facts: Mapping[str, Any]) -> str:
    if not facts:
        return "Protocol: not given. Nobody can tell from this report what chose the epoch and the thresholds."
    told = (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in facts.values())
    return "Protocol: " + "; ".join(f"{key}: {_cell(value)}" for key, value in zip(facts, told, strict=True)) + "."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A Markdown table; the columns `words` are set left, numbers right."""
    lines = [head, ["---" if i in words else "---:" for i in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _title(metric: str) -> str:
    return TITLES.get(metric, metric)


def _position(metric: str) -> tuple[int, str]:
    """Known metrics in the order of TITLES, then the others."""
    return (list(TITLES).index(metric) if metric in TITLES else len(TITLES)), metric


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _clips(number: int, has: str, have: str) -> str:
    return f"{_count(number, 'clip')} {has if number == 1 else have}"


def _at(tags: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [tags[i] for i in columns]


def _names(names: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{name}'" for name in names[:shown]) + more


def _headline(report: Mapping[str, Any], metric: str) -> str:
    figure = report["metrics"][metric]
    limits = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{_title(metric)} {_number(figure['value'])}{limits}, {_count(report['clips'], 'clip')}"
