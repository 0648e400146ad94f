"""The story of a disk of recordings, on a small scale: what `docs/field.py` makes, does and counts."""

from __future__ import annotations

import dataclasses
import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests import program

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))
import field  # noqa: E402

from earmark.evaluation.reviews import answers  # noqa: E402
from earmark.evaluation.reviews.choosing import HIGHEST, Picked  # noqa: E402
from earmark.scores import Event  # noqa: E402


def event(onset: float, offset: float, tag: str = "dog", file: str = "a.wav") -> dict[str, object]:
    return {"file": file, "tag": tag, "onset": onset, "offset": offset}


def test_what_overlaps_counts():
    """By hand: two of three told are right, one known of two is found, another file and another tag are none of these."""
    known = [event(1.0, 2.0), event(5.0, 6.0)]
    told = [event(0.0, 1.1), event(1.9, 3.0), event(2.0, 5.0), event(1.0, 2.0, "cat"), event(5.0, 6.0, file="b.wav")]
    (dog, cat) = field.count(told, known, ["dog", "cat"])
    assert (dog["told"], dog["right"], dog["known"], dog["found"]) == (4, 2, 2, 1)
    assert (dog["precision"], dog["recall"], dog["several"]) == (0.5, 0.5, 0)
    assert field.count([event(1.5, 5.5)], known, ["dog"])[0]["several"] == 1
    assert (cat["told"], cat["right"], cat["recall"]) == (1, 0, None)


def test_reviews_are_answered_from_what_is_known(tmp_path):
    """Of its own tag beside another: right; of another's time: that one; of none's, or of another recording: wrong."""
    picked = [
        Picked(f"here/{name}", Event(onset, onset + 1, "dog", 0.5), HIGHEST, 1.0, 4)
        for name, onset in (("a.wav", 1.0), ("a.wav", 5.5), ("a.wav", 7.0), ("b.wav", 1.0))
    ]
    (tmp_path / "review.csv").write_text(answers.table(picked))
    known = [event(1.5, 2.0, "cat"), event(1.0, 2.0), event(5.0, 6.0, "cat"), event(6.5, 7.0, "cat")]
    assert field.answered(tmp_path / "review.csv", known) == ["right", "other", "wrong", "wrong"]
    read = answers.read(tmp_path / "review.csv")
    assert [review.answer for review in read] == ["right", "other", "wrong", "wrong"]
    assert read[1].truth == Event(5.5, 6.5, "cat") and [review.picked for review in read] == picked


def run(*words: object) -> str:
    done = program.earmark(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("sketched")
def test_the_story_runs_from_its_material_to_its_figures(data, tmp_path, monkeypatch):
    """Of minutes, few clips and few copies; its commands are run in this process, for most of a command's time is imports."""
    assert field.earmark("--version").strip() == metadata.version("earmark")
    monkeypatch.setattr(field, "earmark", run)
    monkeypatch.setattr(field, "FIRST", dataclasses.replace(field.FIRST, learnt=6))
    words = ["--data", data, "--base", "digits", "--out", tmp_path / "field", "--minutes", "1", "--copies", "2"]
    monkeypatch.setattr(sys, "argv", ["field.py", *map(str, words), "--reviews", "20", "--lows", "1"])
    field.main()
    result = json.loads((tmp_path / "field" / "result.json").read_text())
    assert [row["tag"] for row in result["rows"]] == ["dog", "rooster", "crying_baby"]
    assert sum(row["known"] for row in result["rows"][:3]) == result["known"] > 0
    assert len(list((tmp_path / "field" / "sounds" / "dog").iterdir())) == 6
    (low,) = {row["low"] for row in json.loads((tmp_path / "field" / "lows.json").read_text())["rows"]}
    assert low == 1
    reviewed = json.loads((tmp_path / "field" / "reviewed.json").read_text())
    assert [row["tag"] for row in reviewed["rows"]] == ["dog", "rooster", "crying_baby"] * 4
    assert [
        {name: row[name] for name in result["rows"][0] if name != "learnt from"} for row in reviewed["rows"][:3]
    ] == [{name: value for name, value in row.items() if name != "learnt from"} for row in result["rows"]]
    assert set(reviewed["reviewed"]) <= {"right", "wrong", "other"} and sum(reviewed["reviewed"].values()) > 0
    assert {each["tag"] for each in reviewed["changed"]} <= {"dog", "rooster", "crying_baby"}
    learnt = {path.name for path in (tmp_path / "field" / "sounds").rglob("*.ogg")}
    assert not any(name.startswith(("4-", "5-")) for name in learnt)  # the folds that the recordings are mixed from
