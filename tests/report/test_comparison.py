"""Comparisons: what the page, the Markdown and the files say of given numbers."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import pytest

from earmark import report as reports
from earmark.errors import ScoresError
from earmark.report import svg

FIGURES = {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}, "dprime": {"value": 2.5, "low": 2.0, "high": 3.2}}
PAIR = {"a": "one", "b": "two|<b>", "difference": -0.05, "low": -0.09, "high": -0.01}
COMPARISON = {
    "systems": [
        {"name": "one", "metrics": FIGURES},
        {"name": "two|<b>", "metrics": {"accuracy": {"value": 0.85, "low": math.nan, "high": math.nan}}},
    ],
    "pairs": [
        {**PAIR, "metric": "accuracy", "p": 0.01, "p_holm": 0.08},
        {**PAIR, "metric": "dprime", "p": 0.0004, "p_holm": None},
    ],
    "clips": 80,
    "notes": ["Only 7 groups."],
    "protocol": {"folds": ["5"], "data": "esc"},
}


def test_the_page_and_the_markdown() -> None:
    page, text = reports.page_of_comparison(COMPARISON, "t"), reports.markdown_of_comparison(COMPARISON, "t")
    for told in (page, text):
        assert "2 systems on the same 80 clips." in told
        assert "<b>" not in told
        for figure in ("−0.050", "−0.090 to −0.010", "0.010", "0.080", "&lt; 0.001", "Only 7 groups.", "data: esc."):
            assert figure in told, figure
    assert "| one − two\\|&lt;b> | −0.050 | −0.090 to −0.010 | 0.010 | 0.080 |" in text
    assert "| two\\|&lt;b> | 0.850 (–) | – (–) |" in text
    # Holm's p of the first does not tell the two apart; the second has only its own, which does
    forest = page.partition('id="pairs"')[2]
    assert re.findall('circle class="(dot open|dot)"', forest) == ["dot open", "dot"]


def test_a_difference_is_drawn_where_it_lies() -> None:
    drawn = svg.difference({"difference": 0.05, "low": -0.05, "high": 0.1}, 0.1, True)
    assert 'cx="75.00%"' in drawn  # 0.05 on an axis from −0.1 to 0.1
    assert 'x="25.00%" y="5" width="75.00%"' in drawn
    drawn = svg.interval({"value": 3.0, "low": 2.0, "high": 3.5}, 4.0)
    assert 'cx="75.00%"' in drawn and 'x="50.00%" y="5" width="37.50%"' in drawn
    assert "circle" not in svg.interval({"value": None, "low": None, "high": None})
    assert svg.scale([{"value": 0.5, "low": None, "high": 1.0}]) == 1
    assert svg.scale([{"value": 2.9, "low": 2.1, "high": 3.2}]) == 4


def test_the_files(tmp_path: Path) -> None:
    paths = reports.write_comparison(COMPARISON, tmp_path / "new", "ab")
    assert [path.name for path in paths] == ["ab.json", "ab.md", "ab.pairs.csv", "ab.html"]
    held = json.loads(paths[0].read_text(encoding="utf-8"))
    assert held["systems"][1]["metrics"]["accuracy"]["low"] is None
    with paths[2].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["metric"], row["p_holm"]) for row in rows] == [("accuracy", "0.08"), ("dprime", "")]
    assert paths[3].read_text(encoding="utf-8") == reports.page_of_comparison(COMPARISON, "ab")


def test_systems_alone_and_what_does_not_fit() -> None:
    alone = {"systems": COMPARISON["systems"][:1], "pairs": []}
    assert "1 system." in reports.page_of_comparison(alone, "t")
    assert "Nobody can tell" in reports.markdown_of_comparison(alone, "t")
    with pytest.raises(ScoresError, match="needs systems"):
        reports.page_of_comparison({"systems": [], "pairs": []}, "t")
    stranger = {**COMPARISON, "pairs": [{**COMPARISON["pairs"][0], "b": "three"}]}
    with pytest.raises(ScoresError, match="names the system 'three', which no system has: 'one', 'two|<b>' are"):
        reports.markdown_of_comparison(stranger, "t")
    other = {**COMPARISON, "pairs": [{**COMPARISON["pairs"][0], "metric": "auc"}]}
    with pytest.raises(ScoresError, match="names the metric 'auc'"):
        reports.page_of_comparison(other, "t")
