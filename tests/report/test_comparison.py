"""Comparisons: what the page, the Markdown and the files say of given numbers."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import report as reports
from earmark.errors import ScoresError
from earmark.evaluation import wording
from earmark.evaluation.comparison import Comparison, System
from earmark.metrics import Difference, Interval, evaluate
from earmark.registry import METRICS
from earmark.report import svg

FIGURES = {"accuracy": Interval(0.8, 0.7, 0.9), "dprime": Interval(2.5, 2.0, 3.2)}
DIFFERENCE = Interval(-0.05, -0.09, -0.01)
COMPARISON = Comparison(
    (System("one", FIGURES), System("two|<b>", {"accuracy": Interval(0.85, math.nan, math.nan)})),
    (
        Difference("accuracy", "one", "two|<b>", 0.8, 0.85, DIFFERENCE, 0.01, 0.08),
        Difference("dprime", "one", "two|<b>", 2.5, math.nan, DIFFERENCE, 0.0004, math.nan),
    ),
    80,
    ("Only 7 groups.",),
    {"folds": ["5"], "data": "esc"},
)


def test_the_page_and_the_markdown() -> None:
    page, text = reports.page_of_comparison(COMPARISON, "t"), reports.markdown_of_comparison(COMPARISON, "t")
    for told in (page, text):
        assert "2 systems on the same 80 clips." in told
        assert "<b>" not in told
        for figure in ("−0.050", "−0.090 to −0.010", "0.010", "0.080", "&lt; 0.001", "Only 7 groups.", "data: esc."):
            assert figure in told, figure
    assert "| one − two\\|&lt;b> | −0.050 | −0.090 to −0.010 | 0.010 | 0.080 |" in text
    assert "| two\\|&lt;b> | 0.850 | – |" in text
    # Holm's p of the first does not tell the two apart; the second has only its own, which does
    forest = page.partition('id="pairs"')[2]
    assert re.findall('circle class="(dot open|dot)"', forest) == ["dot open", "dot"]


@pytest.mark.parametrize("name", METRICS.names())
def test_of_which_metrics_less_is_better(name: str) -> None:
    """As the metric itself has it: with right answers scored higher it has more, or less."""
    pair = Difference(name, "one", "two", 0.8, 0.85, DIFFERENCE, 0.01, 0.08)
    told = Comparison(
        (System("one", {name: FIGURES["accuracy"]}), System("two", {name: FIGURES["accuracy"]})), (pair,), 80
    )
    tasks = METRICS[name].facts["tasks"]
    truth = np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]]
    good, bad = (np.full((6, 3), (1 - height) / 2) for height in (0.9, 0.4))
    good[truth], bad[truth] = 0.9, 0.4
    bad[0] = (0.1, 0.8, 0.1)
    figures = [
        evaluate(values, truth, np.arange(6).astype(str), tasks[0], resamples=0, metrics=[name])
        for values in (good, bad)
    ]
    less = figures[0][name].value < figures[1][name].value
    for text in (reports.page_of_comparison(told, "t"), reports.markdown_of_comparison(told, "t")):
        assert (f"{wording.title(name)}, of which less is better" in text) == less


def test_a_difference_is_drawn_where_it_lies() -> None:
    drawn = svg.difference(Interval(0.05, -0.05, 0.1), 0.1, True)
    assert 'cx="75.00%"' in drawn  # 0.05 on an axis from −0.1 to 0.1
    assert 'x="25.00%" y="5" width="75.00%"' in drawn
    drawn = svg.interval(Interval(3.0, 2.0, 3.5), 4.0)
    assert 'cx="75.00%"' in drawn and 'x="50.00%" y="5" width="37.50%"' in drawn
    assert "circle" not in svg.interval(Interval(math.nan, math.nan, math.nan))
    assert svg.scale([Interval(0.5, math.nan, 1.0)]) == 1
    assert svg.scale([Interval(2.9, 2.1, 3.2)]) == 4


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
    alone = Comparison(COMPARISON.systems[:1], ())
    assert "1 system." in reports.page_of_comparison(alone, "t")
    assert "Nobody can tell" in reports.markdown_of_comparison(alone, "t")
    with pytest.raises(ScoresError, match="needs systems"):
        reports.page_of_comparison(Comparison((), ()), "t")
    stranger = replace(COMPARISON, pairs=(replace(COMPARISON.pairs[0], b="three"),))
    with pytest.raises(ScoresError, match="names the system 'three', which no system has: 'one', 'two|<b>' are"):
        reports.markdown_of_comparison(stranger, "t")
    other = replace(COMPARISON, pairs=(replace(COMPARISON.pairs[0], metric="auc"),))
    with pytest.raises(ScoresError, match="names the metric 'auc'"):
        reports.page_of_comparison(other, "t")
