"""The section on events: the table of paper 003's section 5, PSDS, a table of the tags, and pictures of a few clips."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from earmark.errors import counted
from earmark.evaluation.events import EventFigures, Example, RulesFigures, Settings
from earmark.metrics import Criteria, Interval
from earmark.report import page, text, wording

FEW_ALARMS = 20  # that a tag may have in all clips before PSDS ends: below, each is a large step
SEGMENT_F1 = "segment F1"
SHORT = {"0.5": "0.5", "swept thresholds": "swept", "swept thresholds and median filters": "medians"}


def sentences(section: EventFigures) -> list[str]:
    """What the figures are, in plain words."""
    settings = section.settings
    collars = wording.row([f"{1000 * collar:g} ms" for collar in settings.collars])
    lines = [
        f"Scores of {section.scores}, which change every {section.step:.3g} s; {counted(section.clips, 'clip')} "
        f"with {counted(section.events, 'event')}.",
        f"Event F1: hits by {settings.hit}: onset and offset within the collar ({collars}){_more(settings)}. "
        f"Segment F1: segments of {settings.segment:g} s. Both are means over tags.",
    ]
    lines += [f"{name}: {_criteria(criteria)}." for name, criteria in settings.psds.items()]
    lines += _warnings(section)
    if len(section.rows) == 1:
        lines.append("The tagger stores no rules for events: choose some with earmark calibrate, on other clips.")
    if section.outside:
        lines.append(
            f"{counted(section.outside, 'known event')} beyond the ends of the clips: not judged. Times count from the "
            "start of the recording, in seconds; a recording that was cut off has lost what came later."
        )
    if section.without:
        lines.append(f"No clip has an event of these tags, which are left out: {wording.names(section.without)}.")
    return lines


def _more(settings: Settings) -> str:
    conditions = (
        f", the offset also within {wording.percent(settings.share)} of the event's length" if settings.share else ""
    )
    if settings.least:
        conditions += f", and found for at least {wording.percent(settings.least)} of the event's length"
    return conditions


def _warnings(section: EventFigures) -> list[str]:
    """Where a figure says little: collars longer than events, and PSDS on little sound."""
    warnings = []
    lenient = [collar for collar in section.settings.collars if collar > section.event_length]
    if lenient:
        warnings.append(
            f"Half of the events are shorter than {section.event_length:.3g} s, so that a collar of "
            f"{wording.row([f'{1000 * collar:g} ms' for collar in lenient])} also takes neighbours of an event for it: "
            "figures with it are too good."
        )
    most = max(criteria.max_efpr for criteria in section.settings.psds.values()) * section.hours
    if most < FEW_ALARMS:
        warnings.append(
            f"The clips are {section.hours * 60:.3g} minutes long, so that PSDS ends at {most:.2g} false alarms of a tag: "
            "it says little here."
        )
    return warnings


def figures(section: EventFigures) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table; PSDS stands in the first row only, as rules make no difference to it."""
    head = ["rules", *map(_event_f1, section.settings.collars), SEGMENT_F1, *section.psds, "events found"]
    rows = []
    for place, row in enumerate(section.rows):
        psds = [wording.with_limits(figure) if place == 0 else "" for figure in section.psds.values()]
        rows.append([row.rules, *map(wording.with_limits, _figures(row)), *psds, str(row.found)])
    return head, rows


def tags(section: EventFigures) -> tuple[list[str], list[list[Any]]]:
    """Head and rows, (tag, events, figures …), of the table of tags: the first collar, and segments by the last rules.

    The JSON has them all, which would be too wide to be read.
    """
    names, collar = [row.rules for row in section.rows], section.settings.collars[0]
    head = [f"{_event_f1(collar).removeprefix('event ')}, {SHORT.get(name, name)}" for name in names]
    head += [f"{SEGMENT_F1}, {SHORT.get(names[-1], names[-1])}", *section.psds]
    rows = [
        [
            tag.tag,
            tag.events,
            *(tag.f1[name].events[collar] for name in names),
            tag.f1[names[-1]].segments,
            *tag.psds.values(),
        ]
        for tag in section.tags
    ]
    return ["tag", "events", *head], rows


def markdown(section: EventFigures) -> list[str]:
    """The section's parts."""
    head, rows = figures(section)
    columns, by_tag = tags(section)
    lines = [[text.cell(row[0]), str(row[1]), *map(wording.number, row[2:])] for row in by_tag]
    parts = ["## Events", " ".join(sentences(section)), text.table(head, rows), text.table(columns, lines)]
    for example in section.examples or ():
        caption = _caption(example)
        parts.append(f"{text.cell(caption)}\n\n![{text.cell(caption)}]({quote(example.picture)})")
    return parts


def html(section: EventFigures | None, folder: Path | None = None) -> str:
    """folder: where the pictures lie; without it the page has none."""
    if not section:
        return ""
    head, rows = figures(section)
    columns, by_tag = tags(section)
    # with PSDS beside it the table is wider than the page
    apart = [i for i, name in enumerate(head) if name not in section.psds]
    cells = [[page.words(row[0]), *((row[i], None) for i in apart[1:])] for row in rows]
    psds: list[list[page.Cell]] = [
        [page.words(name), (wording.with_limits(figure), None)] for name, figure in section.psds.items()
    ]
    lines = [[page.words(row[0]), page.figure(row[1], 0), *map(page.figure, row[2:])] for row in by_tag]
    about = "".join(f'<p class="aside">{escape(sentence)}</p>' for sentence in sentences(section))
    return (
        about
        + page.table("Events by rules", [head[i] for i in apart], cells)
        + page.table("PSDS, whatever the rules", ["PSDS", "value"], psds)
        + page.table("Events by tag", columns, lines, sortable=True)
        + "".join(_picture(folder / example.picture, _caption(example)) for example in section.examples or () if folder)
    )


def summary(section: EventFigures) -> list[str]:
    """Lines for a terminal."""
    lines = [f"  events, by scores of {section.scores}, hits by {section.settings.hit}:"]
    names = [*map(_event_f1, section.settings.collars), SEGMENT_F1]
    for row in section.rows:
        named = zip(names, map(wording.with_limits, _figures(row)), strict=True)
        lines.append(f"    {row.rules}: {', '.join(f'{name} {figure}' for name, figure in named)}")
    lines.append("    " + ", ".join(f"{key} {wording.with_limits(figure)}" for key, figure in section.psds.items()))
    return lines


def _picture(file: Path, caption: str) -> str:
    if not file.is_file():
        return ""
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return (
        f'<figure><img style="max-width:100%" src="data:image/png;base64,{data}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _caption(example: Example) -> str:
    return f"{example.what}: {example.id}, event F1 {wording.number(example.f1)} by itself"


def _event_f1(collar: float) -> str:
    return f"event F1, {1000 * collar:g} ms"


def _figures(row: RulesFigures) -> list[Interval]:
    return [*row.events.values(), row.segments]


def _criteria(criteria: Criteria) -> str:
    cross = f", cttc {criteria.cttc:g}, alpha_ct {criteria.alpha_ct:g}" if criteria.cttc is not None else ""
    return (
        f"dtc {criteria.dtc:g}, gtc {criteria.gtc:g}{cross}, alpha_st {criteria.alpha_st:g}, up to "
        f"{criteria.max_efpr:g} false alarms an hour"
    )
