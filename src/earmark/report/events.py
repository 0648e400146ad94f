"""The section on events: the table of paper 003's section 5, PSDS, a table of the tags, and pictures of a few clips."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from earmark.report import page, text, wording

FEW_ALARMS = 20  # that a tag may have in all clips before PSDS ends: below, each is a large step
SHORT = {"0.5": "0.5", "swept thresholds": "swept", "swept thresholds and median filters": "medians"}


def sentences(section: Mapping[str, Any]) -> list[str]:
    """What the figures are, in plain words."""
    settings = section["settings"]
    collars = wording.row([f"{1000 * collar:g} ms" for collar in settings["collars"]])
    told = [
        f"Scores of {section['scores']}, which change every {section['step']:.3g} s; {wording.count(section['clips'], 'clip')} "
        f"with {wording.count(section['events'], 'event')}.",
        f"Event F1: onset and offset within the collar ({collars}), the offset also within {wording.percent(settings['share'])} of the "
        f"event's length. Segment F1: segments of {settings['segment']:g} s. Both are means over tags.",
    ]
    told += [f"{name}: {_criteria(each)}." for name, each in settings["psds"].items()]
    told += _warnings(section)
    if len(section["rows"]) == 1:
        told.append("The tagger stores no rules for events: choose some with earmark calibrate, on other clips.")
    if section.get("outside"):
        told.append(
            f"{wording.count(section['outside'], 'known event')} beyond the ends of the clips: not judged. Times count from the "
            "start of the recording, in seconds; a recording that was cut off has lost what came later."
        )
    if section["without events"]:
        told.append(
            f"No clip has an event of these tags, which are left out: {wording.names(section['without events'])}."
        )
    return told


def _warnings(section: Mapping[str, Any]) -> list[str]:
    """Where a figure says little: collars longer than events, and PSDS on little sound."""
    told = []
    lenient = [collar for collar in section["settings"]["collars"] if collar > section["event_length"]]
    if lenient:
        told.append(
            f"Half of the events are shorter than {section['event_length']:.3g} s, so that a collar of "
            f"{wording.row([f'{1000 * collar:g} ms' for collar in lenient])} also takes neighbours of an event for it: "
            "figures with it are too good."
        )
    most = max(each["max_efpr"] for each in section["settings"]["psds"].values()) * section["hours"]
    if most < FEW_ALARMS:
        told.append(
            f"The clips are {section['hours'] * 60:.3g} minutes long, so that PSDS ends at {most:.2g} false alarms of a tag: "
            "it says little here."
        )
    return told


def figures(section: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table; PSDS stands in the first row only, as rules make no difference to it."""
    columns = [name for name in section["rows"][0] if name not in ("rules", "found")]
    head = ["rules", *map(_title, columns), *section["psds"], "events found"]
    rows = []
    for place, row in enumerate(section["rows"]):
        psds = [wording.with_limits(figure) if place == 0 else "" for figure in section["psds"].values()]
        rows.append([row["rules"], *(wording.with_limits(row[name]) for name in columns), *psds, str(row["found"])])
    return head, rows


def tags(section: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Head and rows, (tag, events, figures or None …), of the table of tags: the first collar, and segments by the last rules.

    The JSON has them all, which would be too wide to be read.
    """
    rules = [row["rules"] for row in section["rows"]]
    collar = f"event_f1_{section['settings']['collars'][0]:g}"
    names = [*(f"{collar}, {name}" for name in rules), f"segment_f1, {rules[-1]}", *section["psds"]]
    rows = [[row["tag"], row["events"], *(row[name] for name in names)] for row in section["tags"]]
    return ["tag", "events", *map(_column, names)], rows


def markdown(section: Mapping[str, Any]) -> list[str]:
    """The section's parts."""
    head, rows = figures(section)
    columns, by_tag = tags(section)
    lines = [[text.cell(row[0]), str(row[1]), *map(wording.number, row[2:])] for row in by_tag]
    parts = ["## Events", " ".join(sentences(section)), text.table(head, rows), text.table(columns, lines)]
    for example in section.get("examples", ()):
        told = _told(example)
        parts.append(f"{text.cell(told)}\n\n![{text.cell(told)}]({quote(example['picture'])})")
    return parts


def html(section: Mapping[str, Any] | None, folder: Path | None = None) -> str:
    """folder: where the pictures lie; without it the page has none."""
    if not section:
        return ""
    head, rows = figures(section)
    columns, by_tag = tags(section)
    # with PSDS beside it the table is wider than the page
    apart = [i for i, name in enumerate(head) if name not in section["psds"]]
    cells = [[page.words(row[0]), *((row[i], None) for i in apart[1:])] for row in rows]
    psds: list[list[page.Cell]] = [
        [page.words(name), (wording.with_limits(figure), None)] for name, figure in section["psds"].items()
    ]
    lines = [[page.words(row[0]), page.figure(row[1], 0), *map(page.figure, row[2:])] for row in by_tag]
    told = "".join(f'<p class="aside">{escape(sentence)}</p>' for sentence in sentences(section))
    return (
        told
        + page.table("Events by rules", [head[i] for i in apart], cells)
        + page.table("PSDS, whatever the rules", ["PSDS", "value"], psds)
        + page.table("Events by tag", columns, lines, sortable=True)
        + "".join(
            _picture(folder / example["picture"], _told(example)) for example in section.get("examples", ()) if folder
        )
    )


def summary(section: Mapping[str, Any]) -> list[str]:
    """Lines for a terminal."""
    lines = [f"  events, by scores of {section['scores']}:"]
    for row in section["rows"]:
        named = {_title(key): row[key] for key in row if key not in ("rules", "found")}
        told = ", ".join(f"{key} {wording.with_limits(figure)}" for key, figure in named.items())
        lines.append(f"    {row['rules']}: {told}")
    lines.append("    " + ", ".join(f"{key} {wording.with_limits(figure)}" for key, figure in section["psds"].items()))
    return lines


def _picture(file: Path, told: str) -> str:
    if not file.is_file():
        return ""
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return (
        f'<figure><img style="max-width:100%" src="data:image/png;base64,{data}" alt="{escape(told)}">'
        f"<figcaption>{escape(told)}</figcaption></figure>"
    )


def _told(example: Mapping[str, Any]) -> str:
    return f"{example['what']}: {example['id']}, event F1 {wording.number(example['f1'])} by itself"


def _title(name: str) -> str:
    kind, _, collar = name.rpartition("_")
    return f"event F1, {1000 * float(collar):g} ms" if kind == "event_f1" else "segment F1"


def _column(name: str) -> str:
    figure, _, rules = name.partition(", ")
    return f"{_title(figure).removeprefix('event ')}, {SHORT.get(rules, rules)}" if rules else name


def _criteria(told: Mapping[str, Any]) -> str:
    cross = f", cttc {told['cttc']:g}, alpha_ct {told['alpha_ct']:g}" if told["cttc"] is not None else ""
    return (
        f"dtc {told['dtc']:g}, gtc {told['gtc']:g}{cross}, alpha_st {told['alpha_st']:g}, up to "
        f"{told['max_efpr']:g} false alarms an hour"
    )
