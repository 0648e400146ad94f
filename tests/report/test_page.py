"""The page of an evaluation as text: what is in it, and that nothing else gets in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.report.conftest import TAGS, made, recorded, scored, several, single

from earmark import report as reports
from earmark.data import manifest as manifests
from earmark.evaluation.clips import measure
from earmark.metrics.calibration import calibration_of
from earmark.report import provenance
from earmark.scores import Scores

EVIL = "<script>document.title='taken'</script>\"'&"


class Elements(HTMLParser):
    """Every element with its attributes, and the elements that were not closed in order."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, page: str):
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def probable(scores: Scores) -> Scores:
    """Softmax of the scores."""
    odds = np.exp(scores.values)
    return replace(scores, values=(odds / odds.sum(1, keepdims=True)).astype(np.float32))


def embedded(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def step_area(d: str) -> float:
    """The area under a path of steps in a chart of 320 × 260 from (46, 14) on."""
    _, start, *parts = re.split(r"[MVH]", d)
    x, area = float(start.split()[0]), 0.0
    for height, to in zip(parts[::2], parts[1::2], strict=True):
        area += (float(to) - x) / 320 * (274 - float(height)) / 260
        x = float(to)
    return area


@pytest.mark.parametrize("task", ["one", "many"])
def test_a_page_is_whole_and_asks_for_nothing(tmp_path: Path, task: str) -> None:
    scores, manifest = single() if task == "one" else several()
    manifest = recorded(tmp_path, manifest)
    report = measure(probable(scores) if task == "one" else scores, manifest, task, resamples=10)
    page = reports.page_of_evaluation(report, "title", scores=scores, manifest=manifest)
    elements = Elements(page)
    assert elements.open == []
    for name, attributes in elements.all:
        assert name not in ("iframe", "object", "embed", "form")
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
        assert not any(key.startswith("on") for key in attributes)
        assert name != "img" or attributes["alt"]
    assert "http:" not in page and "https:" not in page and "@import" not in page and "url(" not in page
    assert sum(name == "audio" for name, _ in elements.all) == len(report.worst)
    assert ("Confusion" in page) == (task == "one")
    headers = [attributes for name, attributes in elements.all if name == "th"]
    assert all(attributes["scope"] in ("col", "row") for attributes in headers)


def test_the_drawn_curves_have_the_average_precision_as_their_area() -> None:
    scores, manifest = several(300)
    report = measure(scores, manifest, "many", resamples=0)
    drawn = embedded(reports.page_of_evaluation(report, "t", scores=scores, manifest=manifest))["curves"]
    assert [row["told"].partition(",")[0] for row in drawn] == ["Mean over 4 tags", *TAGS]
    for row, tag in zip(drawn[1:], report.tags, strict=True):
        assert step_area(row["d"]) == pytest.approx(tag.average_precision, abs=2e-3)  # a tenth of a pixel
    assert step_area(drawn[0]["d"]) == pytest.approx(report.metrics["map"].value, abs=6e-3)  # a grid of 1/100


def test_texts_are_harmless(tmp_path: Path) -> None:
    tags = (EVIL, "</script><script>alert(1)</script>", "plain", "<!--")
    scores, manifest = single()
    columns = {
        "id": [EVIL + i for i in manifest.ids.tolist()],
        "path": [f"{EVIL.replace('/', '')}{i}.wav" for i in range(40)],
        "tags": [[tags[TAGS.index(row[0])]] for row in manifest.table["tags"].to_pylist()],
    }
    manifest = manifests.build(columns, tmp_path / EVIL.replace("/", ""), vocabulary=tags)
    scores = replace(scores, tags=tags, ids=manifest.ids)
    facts = {"tagger": EVIL, "data": EVIL, EVIL: EVIL, "by fold": {EVIL: {EVIL: 1.0, "chosen": {"epoch": EVIL}}}}
    report = measure(scores, manifest, "one", facts, resamples=0)
    report = replace(report, notes=(*report.notes, EVIL))
    page = reports.page_of_evaluation(report, EVIL, scores=scores, manifest=manifest)
    elements = Elements(page)
    assert elements.open == []
    assert sum(name == "script" for name, _ in elements.all) == 2  # the data, and the page's own
    assert "<!--" not in page
    assert embedded(page)["curves"][2]["told"].startswith("</script><script>alert(1)</script>, 10 of 40")
    assert page.count("&lt;script&gt;document.title=") > 10


def test_a_page_without_scores_and_recordings(tmp_path: Path) -> None:
    scores, manifest = single()
    report = measure(scores, manifest, "one", resamples=0)
    page = reports.write(report, tmp_path, "alone")[-1].read_text(encoding="utf-8")
    assert "<audio" not in page and 'id="tag"' not in page
    unread = reports.page_of_evaluation(report, "t", scores=scores, manifest=manifest)
    assert unread.count("Cannot be heard: /recordings/audio/c") == len(report.worst) > 0


def test_the_budget_is_said(tmp_path: Path) -> None:
    scores, manifest = single()
    manifest = recorded(tmp_path, manifest)
    report = measure(scores, manifest, "one", resamples=0)
    page = reports.page_of_evaluation(report, "t", scores=scores, manifest=manifest, budget=25_000)
    assert 0 < page.count("<audio") < len(report.worst)
    assert "They take 0.025 MB at most, which is reached" in page
    assert page.count("<audio") + page.count("Not in this page") == len(report.worst)


@pytest.mark.parametrize(("tags", "cells"), [(1, 1), (50, 2500), (81, 0)])
def test_confusions_of_any_size(tags: int, cells: int) -> None:
    names = tuple(f"tag {i}" for i in range(tags))
    own = np.arange(2 * tags) % tags
    values = np.random.default_rng(0).random((2 * tags, tags))
    manifest = made([[names[i]] for i in own], names)
    report = measure(scored(values, manifest.ids.tolist(), names), manifest, "one", resamples=0)
    page = reports.page_of_evaluation(report, "t")
    matrix = re.search(r'<table class="matrix.*?</table>', page, re.DOTALL)
    assert (len(re.findall("<td", matrix[0])) - 1 if matrix else 0) == cells
    if not cells:
        counts = np.array(report.confusion)
        assert f">{(counts - np.diag(np.diag(counts))).max()}</td>" in page.partition("Most frequent confusions")[2]


def test_no_errors_no_positives_and_no_intervals() -> None:
    scores, manifest = single(strength=100)
    page = reports.page_of_evaluation(measure(scores, manifest, "one", resamples=0), "t")
    assert "no clip missed its own tag" in page
    scores, _ = several(20)
    none = made([[]] * 20)
    report = measure(scores, none, "many", resamples=0)
    page = reports.page_of_evaluation(report, "t", scores=scores, manifest=none)
    assert 'id="tag"' not in page
    assert Elements(page).open == []


def test_the_protocol_in_sentences() -> None:
    part = {"clips": 240, "folds": ["1", "2", "3"], "sha256": "a7"}
    facts = {
        "tagger": "04a738e1db10", "data": "esc", "folds": ["5"], "unreadable": 1,
        "chosen": {"epoch": 24, "of": 60, "by": "best validation loss"},
        "split": {"train": part, "validation": {"clips": 0, "folds": []}, "test": {"clips": 1, "folds": ["5"]}},
        "validation": {"loss": 0.3573, "map": 0.967, "accuracy": 0.9}, "looks": 3, "taggers": 2, "seed": [1, 2],
    }  # fmt: skip
    assert provenance.sentences(facts) == [
        "The tagger 04a738e1db10 was judged on the data set esc, fold 5.",
        "By its file it was trained on 240 clips (folds 1, 2 and 3), validated on none and tested on 1 clip (fold 5).",
        "Epoch 24 of 60 was chosen: best validation loss. "
        "On the validation clips it reached loss 0.357, mAP 0.967 and accuracy 0.900.",
        "These test clips were looked at 3 times in this run folder, this time included, at 2 different taggers in all. "
        "Whoever looks often and changes something in between has chosen on the test clips.",
        "1 clip was left out, because it could not be read.",
        "seed: [1, 2].",
    ]
    assert provenance.sentences({}) == [provenance.NOT_GIVEN]
    assert "What chose the epoch is not given." in provenance.sentences({"tagger": "a"})
    assert "chosen: 3." in provenance.sentences({"chosen": 3})  # of another form: told as it is
    folds = {"1": {"map": 0.9, "accuracy": 0.8, "chosen": {"epoch": 3, "of": 9}}, "2": {"map": 0.7, "chosen": {}}}
    assert provenance.by_fold({"by fold": folds}) == (
        ["fold", "accuracy", "mAP", "epoch"],
        [["1", "0.800", "0.900", "3 of 9"], ["2", "–", "0.700", "–"]],
    )
    assert provenance.by_fold({"by fold": "none"}) is None


def test_the_bins_are_on_the_page_in_figures() -> None:
    scores, manifest = single()
    scores = probable(scores)
    report = measure(scores, manifest, "one", resamples=0)
    assert report.calibration == calibration_of(scores.values, manifest.truth(TAGS), "one")
    page = reports.page_of_evaluation(report, "t")
    assert f"expected calibration error {report.calibration.error:.3f}" in page
    assert page.count('<circle class="dot" cx=') >= len(report.calibration.bins)
