"""Comparisons of systems on the same clips, as a page and as Markdown.

    {"systems": [{"name", "metrics": {metric: {"value", "low", "high"}}}],
     "pairs": [{"a", "b", "metric", "difference", "low", "high", "p", "p_holm"}],
     "clips": n, "notes": [sentences], "protocol": {facts} or [sentences]}

A difference is that of a less b. What is not known is null, absent, or not a finite number. `p_holm` is the p-value after
Holm's correction; where it is absent, `p` decides whether two systems can be told apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from earmark.errors import ScoresError
from earmark.report import page, provenance, svg, text, wording
from earmark.report.files import folder_for, write_table, write_text

LEVEL = 0.05  # p-values below it tell two systems apart
COLUMNS = ("a", "b", "metric", "difference", "low", "high", "p", "p_holm")


def page_of_comparison(comparison: Mapping[str, Any], title: str) -> str:
    """The page as HTML. Raises ScoresError for a comparison without systems or of another form."""
    systems, pairs, names = _checked(comparison)
    sections = [
        ("systems", "Systems", _systems(systems, names) + page.bullets(comparison.get("notes") or [], "notes")),
        ("pairs", "Differences", _differences(pairs, names)),
        ("protocol", "How these figures came about", page.bullets(_protocol(comparison), "told")),
    ]
    return page.page("Comparison", title, _head(comparison), sections)


def markdown_of_comparison(comparison: Mapping[str, Any], title: str) -> str:
    """The same figures as Markdown."""
    systems, pairs, names = _checked(comparison)
    rows = [
        [
            text.cell(system["name"]),
            *(f"{wording.number(f['value'])} ({wording.between(f)})" for f in (system["metrics"][m] for m in names)),
        ]
        for system in systems
    ]
    parts = [f"# {text.cell(title)}", _head(comparison), text.table(["system", *map(wording.title, names)], rows)]
    for name in names:
        rows = [
            [
                f"{text.cell(pair['a'])} − {text.cell(pair['b'])}",
                signed(pair["difference"]),
                between(pair),
                text.cell(chance(pair["p"])),
                text.cell(chance(pair["p_holm"])),
            ]
            for pair in pairs
            if pair["metric"] == name
        ]
        if rows:
            head = ["pair", "difference", "95 % interval", "p", "p (Holm)"]
            parts += [f"## {text.cell(wording.title(name))}", text.table(head, rows)]
    if comparison.get("notes"):
        parts.append(text.bullets(comparison["notes"]))
    parts += ["## How these figures came about", text.bullets(_protocol(comparison))]
    return "\n\n".join(parts) + "\n"


def write_comparison(comparison: Mapping[str, Any], folder: str | Path, stem: str) -> list[Path]:
    """Write {stem}.json, .md, .pairs.csv and .html; returns the paths written."""
    _, pairs, _ = _checked(comparison)
    folder = folder_for(folder, stem)
    held = json.dumps(_finite(comparison), ensure_ascii=False, indent=1, allow_nan=False)
    return [
        write_text(folder / f"{stem}.json", held + "\n"),
        write_text(folder / f"{stem}.md", markdown_of_comparison(comparison, stem)),
        write_table(folder / f"{stem}.pairs.csv", COLUMNS, pairs),
        write_text(folder / f"{stem}.html", page_of_comparison(comparison, stem)),
    ]


def _checked(comparison: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Systems and pairs with null for what is not known, and the metrics in order."""
    systems, pairs = list(comparison.get("systems") or []), list(comparison.get("pairs") or [])
    if not systems:
        raise ScoresError("a comparison needs systems: there are none")
    names = sorted({name for system in systems for name in system["metrics"]}, key=wording.position)
    known = {system["name"] for system in systems}
    for pair in pairs:
        strangers = {pair["a"], pair["b"]} - known
        if strangers or pair["metric"] not in names:
            what = f"system {min(strangers)!r}" if strangers else f"metric {pair['metric']!r}"
            raise ScoresError(
                f"a pair names the {what}, which no system has: {wording.names(sorted(known))} are compared"
            )
    limits = ("value", "low", "high")
    full = [
        {
            "name": str(system["name"]),
            "metrics": {m: {key: number(system["metrics"].get(m, {}).get(key)) for key in limits} for m in names},
        }
        for system in systems
    ]
    measured = ("difference", "low", "high", "p", "p_holm")
    return full, [{**pair, **{key: number(pair.get(key)) for key in measured}} for pair in pairs], names


def number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _head(comparison: Mapping[str, Any]) -> str:
    systems = wording.count(len(comparison["systems"]), "system")
    clips = comparison.get("clips")
    return f"{systems} on the same {wording.count(clips, 'clip')}." if isinstance(clips, int) else f"{systems}."


def _protocol(comparison: Mapping[str, Any]) -> list[str]:
    facts = comparison.get("protocol")
    if isinstance(facts, Mapping) and facts:
        return [f"{key}: {value if isinstance(value, str) else json.dumps(value)}." for key, value in facts.items()]
    return (
        [str(sentence) for sentence in facts] if isinstance(facts, list | tuple) and facts else [provenance.NOT_GIVEN]
    )


def _systems(systems: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    tops = {name: svg.scale([system["metrics"][name] for system in systems]) for name in names}
    rows: list[list[page.Cell]] = []
    for system in systems:
        cells = [page.words(system["name"])]
        for name in names:
            figure = system["metrics"][name]
            html = (
                f'<span class="stack"><span><strong>{wording.number(figure["value"])}</strong> '
                f'<span class="aside">{wording.between(figure)}</span></span>{svg.interval(figure, tops[name])}</span>'
            )
            cells.append((html, figure["value"]))
        rows.append(cells)
    axes = ", ".join(f"{wording.title(name)} from 0 to {tops[name]:g}" for name in names)
    table = page.table("Systems; a metric's name sorts by it", ["system", *map(wording.title, names)], rows,
                       words=range(len(names) + 1), sortable=True)  # fmt: skip
    return f'{table}<p class="aside">Each value with its 95 % interval, drawn: {escape(axes)}.</p>'


def _differences(pairs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    if not pairs:
        return ""
    html = (
        '<p class="aside">Each line is the first system less the second on the same clips, with the 95 % interval; right '
        "of zero the first is better. A full dot: p, after Holm's correction where there is one, is below "
        f"{LEVEL:g}. A ring: the two cannot be told apart on these clips.</p>"
    )
    for name in names:
        own = [pair for pair in pairs if pair["metric"] == name]
        if own:
            html += f"<h3>{escape(wording.title(name))}</h3>" + _forest(own, wording.title(name))
    return html


def _forest(pairs: Sequence[Mapping[str, Any]], metric: str) -> str:
    known = [abs(pair[key]) for pair in pairs for key in ("difference", "low", "high") if pair[key] is not None]
    reach = max(known, default=0.0) * 1.05 or 1.0
    rows: list[list[page.Cell]] = []
    for pair in pairs:
        apart = told_apart(pair)
        rows.append(
            [
                page.words(f"{pair['a']} − {pair['b']}"),
                (f"<strong>{signed(pair['difference'])}</strong>", pair["difference"]),
                (svg.difference(pair, reach, apart), None),
                (between(pair), None),
                (escape(chance(pair["p"])), pair["p"]),
                (escape(chance(pair["p_holm"])), pair["p_holm"]),
            ]
        )
    head = ["pair", "difference", f"−{reach:.2g} · 0 · {reach:.2g}", "95 % interval", "p", "p (Holm)"]
    return page.table(f"Paired differences in {metric}", head, rows, words=(0, 2, 3), plain=(2, 3), sortable=True)


def told_apart(pair: Mapping[str, Any]) -> bool:
    """Whether the p-value, the corrected one where there is one, is below LEVEL."""
    p = pair["p"] if pair["p_holm"] is None else pair["p_holm"]
    return p is not None and p < LEVEL


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def between(pair: Mapping[str, Any]) -> str:
    known = pair["low"] is not None or pair["high"] is not None
    return f"{signed(pair['low'])} to {signed(pair['high'])}" if known else "–"


def chance(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
