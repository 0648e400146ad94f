"""Comparisons of systems on the same clips (`earmark.evaluation.comparison`), as a page and as Markdown.

What has no value is a dash. p after Holm's correction decides whether two systems can be told apart; where there is none,
p does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import checked
from earmark.evaluation.comparison import Comparison, System
from earmark.evaluation.doubts import LEVEL
from earmark.metrics import Difference, Interval
from earmark.registry import METRICS
from earmark.report import page, provenance, svg, text, wording
from earmark.report.files import folder_for, write_page, write_table

COLUMNS = ("a", "b", "metric", "difference", "low", "high", "p", "p_holm")


def page_of_comparison(comparison: Comparison, title: str) -> str:
    """The page as HTML. Raises ScoresError for one without systems, or whose pairs name others."""
    names = _checked(comparison)
    sections = [
        ("systems", "Systems", _systems(comparison.systems, names) + page.bullets(comparison.notes, "notes")),
        ("pairs", "Differences", _differences(comparison.pairs, names)),
        ("protocol", "How these figures came about", page.bullets(_protocol(comparison), "told")),
    ]
    return page.page("Comparison", title, _head(comparison), sections)


def markdown_of_comparison(comparison: Comparison, title: str) -> str:
    """The same figures as Markdown."""
    names = _checked(comparison)
    rows = [
        [
            text.cell(system.name),
            *(wording.with_limits(f) for f in _of(system, names)),
        ]
        for system in comparison.systems
    ]
    parts = [f"# {text.cell(title)}", _head(comparison), text.table(["system", *map(wording.title, names)], rows)]
    for name in names:
        rows = [
            [
                f"{text.cell(pair.a)} − {text.cell(pair.b)}",
                signed(pair.difference.value),
                between(pair.difference.low, pair.difference.high),
                text.cell(chance(pair.p)),
                text.cell(chance(pair.p_holm)),
            ]
            for pair in comparison.pairs
            if pair.metric == name
        ]
        if rows:
            head = ["pair", "difference", "95 % interval", "p", "p (Holm)"]
            parts += [f"## {text.cell(_titled(name))}", text.table(head, rows)]
    if comparison.notes:
        parts.append(text.bullets(comparison.notes))
    parts += ["## How these figures came about", text.bullets(_protocol(comparison))]
    return "\n\n".join(parts) + "\n"


@checked
def write_comparison(comparison: Comparison, folder: str | Path, stem: str) -> list[Path]:
    """Write {stem}.json, .md, .pairs.csv and .html; returns the paths written."""
    _checked(comparison)
    folder = folder_for(folder, stem)
    facts = comparison.as_dict()
    content = json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False)
    return [
        write_page(folder / f"{stem}.json", content + "\n"),
        write_page(folder / f"{stem}.md", markdown_of_comparison(comparison, stem)),
        write_table(folder / f"{stem}.pairs.csv", COLUMNS, facts["pairs"]),
        write_page(folder / f"{stem}.html", page_of_comparison(comparison, stem)),
    ]


def _checked(comparison: Comparison) -> list[str]:
    """The metrics in order."""
    if not comparison.systems:
        raise ScoresError("a comparison needs systems: there are none")
    names = sorted({name for system in comparison.systems for name in system.metrics}, key=wording.position)
    known = {system.name for system in comparison.systems}
    for pair in comparison.pairs:
        strangers = {pair.a, pair.b} - known
        if strangers or pair.metric not in names:
            what = f"system {min(strangers)!r}" if strangers else f"metric {pair.metric!r}"
            raise ScoresError(
                f"a pair names the {what}, which no system has: {wording.names(sorted(known))} are compared"
            )
    return names


def _of(system: System, names: Sequence[str]) -> list[Interval]:
    """Its figures in the order of names, without a value where it has none."""
    return [system.metrics.get(name, Interval(math.nan, math.nan, math.nan)) for name in names]


def _head(comparison: Comparison) -> str:
    systems = counted(len(comparison.systems), "system")
    return f"{systems}." if comparison.clips is None else f"{systems} on the same {counted(comparison.clips, 'clip')}."


def _protocol(comparison: Comparison) -> list[str]:
    if not comparison.protocol:
        return [provenance.NOT_GIVEN]
    entries = comparison.protocol.items()
    return [f"{key}: {value if isinstance(value, str) else json.dumps(value)}." for key, value in entries]


def _systems(systems: Sequence[System], names: Sequence[str]) -> str:
    columns = dict(zip(names, zip(*(_of(system, names) for system in systems), strict=True), strict=True))
    tops = {name: svg.scale(figures) for name, figures in columns.items()}
    rows: list[list[page.Cell]] = []
    for system in systems:
        cells = [page.words(system.name)]
        for name, figure in zip(names, _of(system, names), strict=True):
            html = (
                f'<span class="stack"><span><strong>{wording.number(figure.value)}</strong> '
                f'<span class="aside">{wording.between(figure.low, figure.high)}</span></span>{svg.interval(figure, tops[name])}</span>'
            )
            cells.append((html, wording.known(figure.value)))
        rows.append(cells)
    axes = ", ".join(f"{wording.title(name)} from 0 to {tops[name]:g}" for name in names)
    table = page.table("Systems; a metric's name sorts by it", ["system", *map(wording.title, names)], rows,
                       words=range(len(names) + 1), sortable=True)  # fmt: skip
    return f'{table}<p class="aside">Each value with its 95 % interval, drawn: {escape(axes)}.</p>'


def _differences(pairs: Sequence[Difference], names: Sequence[str]) -> str:
    if not pairs:
        return ""
    html = (
        '<p class="aside">Each line is the first system less the second on the same clips, with the 95 % interval; right '
        "of zero the first is better, and left of it where less is better. A full dot: p, after Holm's correction where there is "
        "one, is below "
        f"{LEVEL:g}. A ring: the two cannot be told apart on these clips.</p>"
    )
    for name in names:
        of_metric = [pair for pair in pairs if pair.metric == name]
        if of_metric:
            html += f"<h3>{escape(_titled(name))}</h3>" + _forest(of_metric, wording.title(name))
    return html


def _titled(metric: str) -> str:
    """A metric's name over its pairs; of which less is better, that too."""
    least = metric in METRICS.names() and METRICS[metric].facts.get("least")
    return f"{wording.title(metric)}, of which less is better" if least else wording.title(metric)


def _forest(pairs: Sequence[Difference], metric: str) -> str:
    ends = [end for pair in pairs for end in (pair.difference.value, pair.difference.low, pair.difference.high)]
    reach = max((abs(end) for end in ends if math.isfinite(end)), default=0.0) * 1.05 or 1.0
    rows: list[list[page.Cell]] = []
    for pair in pairs:
        apart = told_apart(pair)
        rows.append(
            [
                page.words(f"{pair.a} − {pair.b}"),
                (f"<strong>{signed(pair.difference.value)}</strong>", wording.known(pair.difference.value)),
                (svg.difference(pair.difference, reach, apart), None),
                (between(pair.difference.low, pair.difference.high), None),
                (escape(chance(pair.p)), wording.known(pair.p)),
                (escape(chance(pair.p_holm)), wording.known(pair.p_holm)),
            ]
        )
    head = ["pair", "difference", f"−{reach:.2g} · 0 · {reach:.2g}", "95 % interval", "p", "p (Holm)"]
    return page.table(f"Paired differences in {metric}", head, rows, words=(0, 2, 3), plain=(2, 3), sortable=True)


def told_apart(pair: Difference) -> bool:
    """Whether the p-value, the corrected one where there is one, is below LEVEL."""
    return (pair.p if math.isnan(pair.p_holm) else pair.p_holm) < LEVEL


def signed(value: float | None) -> str:
    return "–" if wording.known(value) is None else f"{value:+.3f}".replace("-", "−")


def between(low: float | None, high: float | None) -> str:
    """The limits of an interval of differences."""
    known = wording.known(low) is not None or wording.known(high) is not None
    return f"{signed(low)} to {signed(high)}" if known else "–"


def chance(p: float | None) -> str:
    """A p-value."""
    return "–" if p is None or math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
