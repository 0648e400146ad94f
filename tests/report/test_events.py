"""The sections on events and on thresholds, as text and as HTML."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.conftest import several

from earmark import report as reports
from earmark.evaluation import events as evaluated
from earmark.evaluation.clips import measure
from earmark.evaluation.events import EventFigures, Example, TrackedClip
from earmark.events import EventRules, Track
from earmark.report import events, provenance

RULES = EventRules({"dog": 0.3}, {"dog": 0.0}, 0.0, 0.0)


def section(length: float = 1.0, **changes: Any) -> EventFigures:
    """Two clips of 4 s with a dog at 1 s, found with 0.3 and not with 0.5."""
    values = np.full((40, 1), 0.1)
    values[10 : 10 + round(10 * length)] = 0.4
    clips = {
        name: TrackedClip(Track(np.arange(41) / 10, values, ("dog",)), 4.0, 0.0, changes.get("rules", RULES))
        for name in "ab"
    }
    return evaluated.measure(clips, {name: [("dog", 1.0, 1.0 + length)] for name in "ab"}, resamples=20)


def test_the_table_has_a_row_for_each_way_and_psds_once() -> None:
    head, rows = events.figures(section())
    assert head == ["rules", "event F1, 200 ms", "event F1, 400 ms", "segment F1", "PSDS 1", "PSDS 2", "events found"]
    assert [row[0] for row in rows] == ["0.5", "swept thresholds", "swept thresholds and median filters"]
    assert [row[1] for row in rows] == ["0.000 (0.000 to 0.000)"] + ["1.000 (1.000 to 1.000)"] * 2
    assert [row[-1] for row in rows] == ["0", "2", "2"]
    assert rows[0][4] == "1.000 (1.000 to 1.000)" and rows[1][4] == ""


def test_what_says_little_is_told() -> None:
    told = " ".join(events.sentences(section(0.1)))
    assert "Half of the events are shorter than 0.1 s, so that a collar of 200 ms and 400 ms also takes" in told
    # 8 s with 100 false alarms an hour
    assert "The clips are 0.133 minutes long, so that PSDS ends at 0.22 false alarms of a tag" in told
    assert "Half of the events" not in " ".join(events.sentences(section(1.0)))
    assert "The tagger stores no rules for events" in " ".join(events.sentences(section(rules=None)))


def test_the_report_holds_both_sections(tmp_path: Path) -> None:
    scores, manifest = several()
    (tmp_path / "r.events.best.png").write_bytes(b"a picture")
    told = section()
    told = replace(told, examples=(Example("best", "a|<b>", 1.0, "r.events.best.png"),))
    report = measure(scores, manifest, "many", resamples=20, stored=np.array([0.2, 0.3, 0.4, 0.6]), events=told)
    rows = report.decisions.rows
    for name in ("f1_micro", "f1_macro", "f1_clips"):
        assert rows[0].f1[name] == report.metrics[name]
        alone = measure(scores, manifest, "many", resamples=20, threshold=np.array([0.2, 0.3, 0.4, 0.6]))
        assert rows[1].f1[name].as_dict() == pytest.approx(alone.metrics[name].as_dict())
    reports.write(report, tmp_path, "r", scores=scores, manifest=manifest)
    page, text = (tmp_path / "r.html").read_text(), (tmp_path / "r.md").read_text()
    assert base64.b64encode(b"a picture").decode() in page and "best: a|&lt;b&gt;, event F1 1.000 by itself" in page
    assert "![best: a\\|&lt;b>, event F1 1.000 by itself](r.events.best.png)" in text
    assert text.index("## Thresholds") < text.index("## Events") < text.index("## Tags")
    assert "swept thresholds: event F1, 200 ms 1.000" in reports.summary(report)


def test_what_rules_were_chosen_on_is_told() -> None:
    chosen = {"data": "scenes", "clips": 1, "folds": ["4"], "sha256": "0"}
    told = provenance.sentences({"rules for events chosen on": chosen, "thresholds of tags chosen on": "elsewhere"})
    assert "Rules for events were chosen on 1 clip (fold 4) of scenes." in told
    assert "thresholds of tags chosen on: elsewhere." in told


def test_known_events_that_are_not_judged_are_told() -> None:
    plain = section()
    assert "beyond the ends" not in " ".join(events.sentences(plain))
    told = " ".join(events.sentences(replace(plain, outside=3)))
    assert "3 known events beyond the ends of the clips: not judged" in told
