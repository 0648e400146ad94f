"""A learning curve as a report: a table, a picture, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import counted
from earmark.report.files import folder_for, write_page
from earmark.report.pictures import BLUE, GREY, INK, ORANGE, PALE, bare, blank, save
from earmark.report.wording import between, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEM = "curve"


def write(curves: Sequence[Mapping[str, Any]], folder: str | Path) -> list[Path]:
    """curve.json, curve.md and curve.png of curves as plain values, the first that of the heads; their paths."""
    place = folder_for(folder, STEM)
    told = json.dumps({"curves": [dict(each) for each in curves]}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    paths = [write_page(place / f"{STEM}.json", told), write_page(place / f"{STEM}.md", text(curves))]
    save(drawing(curves), place / f"{STEM}.png")
    return [*paths, place / f"{STEM}.png"]


def text(curves: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    lines = ["# Learning curve", ""]
    for each in curves:
        lines += [
            f"{each['source']}: {each['metric']} on {counted(each['tested clips'], 'clip')}, {counted(each['folds'], 'fold')} in turn.",
            "",
        ]
        lines += [
            "| clips a tag | " + each["metric"] + " | 95 % interval | draws | chosen |",
            "| ---: | ---: | ---: | --- | --- |",
        ]
        for point in each["points"]:
            chosen = "; ".join(f"{words} ({count}×)" for words, count in point["chosen"].items())
            draws = ", ".join(number(value) for value in point["draws"])
            size = "all" if point["clips"] is None else point["clips"]
            lines.append(
                f"| {size} | {number(point['value'])} | {between(point['low'], point['high'])} | {draws} | {chosen} |"
            )
        adopted = f", {each['adopted']}" if each.get("adopted") else ""
        lines += ["", f"Base: {each['base']}{adopted}." if "base" in each else _of_scratch(each), ""]
    if notes := dict.fromkeys(note for each in curves for note in each.get("notes", ())):
        lines += [*(f"- {note}" for note in notes), ""]
    lines += [
        "Each size is drawn anew from the training clips of each fold; what is chosen is chosen on inner folds of these draws. "
        f"Intervals: percentile bootstrap, {counted(curves[0]['resamples'], 'resample')} of groups of tested clips and of draws."
        if curves[0]["resamples"] else "Intervals: none was asked for.",
        "", f"![Learning curve]({STEM}.png)", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _of_scratch(curve: Mapping[str, Any]) -> str:
    return (
        f"{counted(curve['epochs'], 'epoch')}, of which the last counts. Each hears as many clips as there are of all, so that few are "
        "learnt from in as many steps."
    )


def _drawn(value: float | None, limit: float | None = 0.0) -> float:
    """How far a value lies from a limit; NaN, which is not drawn, where either is not known."""
    return math.nan if value is None or limit is None else abs(value - limit)


def drawing(curves: Sequence[Mapping[str, Any]]) -> Figure:
    """The figure over clips a tag, the intervals as bars."""
    figure = blank(7.0, 4.2)
    axes = figure.subplots()
    names = list(
        dict.fromkeys("all" if p["clips"] is None else str(p["clips"]) for each in curves for p in each["points"])
    )
    for order, (each, colour) in enumerate(zip(curves, (BLUE, ORANGE), strict=False)):
        places = [names.index("all" if p["clips"] is None else str(p["clips"])) + 0.06 * order for p in each["points"]]
        values = [_drawn(p["value"]) for p in each["points"]]
        beside = [[_drawn(p["value"], p[limit]) for p in each["points"]] for limit in ("low", "high")]
        axes.errorbar(
            places,
            values,
            beside,
            color=colour,
            marker="o",
            markersize=5,
            linewidth=1.6,
            capsize=3,
            label=each["source"],
        )
        for place, value in zip(places, values, strict=True):
            if math.isnan(value):
                continue
            axes.annotate(
                f"{value:.3f}", (place, value), (7, -11), textcoords="offset points", color=colour, fontsize=8.5
            )
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("clips a tag", color=GREY)
    axes.set_ylabel(str(curves[0]["metric"]), color=GREY)
    axes.set_ylim(None, 1.02)
    axes.grid(color=PALE)
    bare(axes, keep=("bottom",))
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="lower right")
    return figure
