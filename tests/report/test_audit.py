"""Audits: the page to listen to, and the CSV with all rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.report.conftest import recorded, single

from earmark import report as reports
from earmark.errors import ScoresError
from earmark.evaluation.labels import Label
from earmark.report.excerpt import places


def doubts(count: int) -> list[Label]:
    return [
        Label(f"c{i:02d}", f"audio/c{i:02d}.wav", "dog", "dog", "<i>rain", 1 - i / 100, "rain scores 0.9")
        for i in range(count)
    ]


def test_the_page_and_the_csv(tmp_path: Path) -> None:
    manifest = recorded(tmp_path, single(8)[1])
    rows = doubts(9)  # the last one is no clip of the manifest
    paths = reports.write_audit(rows, tmp_path / "out", "audit", places(manifest), notes=["Out of fold."], shown=8)
    assert [path.name for path in paths] == ["audit.csv", "audit.html"]
    with paths[0].open(newline="") as file:
        held = list(csv.DictReader(file))
    assert [row["id"] for row in held] == [label.id for label in rows]
    assert held[1]["suggested"] == "<i>rain"
    page = paths[1].read_text(encoding="utf-8")
    assert page.count("<audio") == 8
    assert "9 labels to listen to, the most doubtful first." in page
    assert "These are the first 8 of 9." in page
    assert "Out of fold." in page
    assert '</span> <span class="score">doubt 0.990</span><span class="why">rain scores 0.9</span></h3>' in page
    assert "<i>" not in page and "&lt;i&gt;rain" in page
    assert page.index("c00.wav") < page.index("c01.wav") < page.index("c07.wav")
    assert "No recording is known" in reports.page_of_audit(rows[8:], "t", places(manifest))
    assert "<audio" not in reports.page_of_audit(rows, "t")


def test_no_doubts(tmp_path: Path) -> None:
    paths = reports.write_audit([], tmp_path, "none")
    assert paths[0].read_text() == "id,path,tag,given,suggested,score,why\n"
    assert "No label is in doubt." in paths[1].read_text(encoding="utf-8")
    with pytest.raises(ScoresError, match="a file name without folders"):
        reports.write_audit([], tmp_path, "a/b")
