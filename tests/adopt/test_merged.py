"""An adopted tagger's tags in another vocabulary, from file to file: what `tag`, `evaluate` and `compare` say of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

import earmark as library
from earmark.data.manifest import Manifest, build
from earmark.errors import EarmarkError
from earmark.models.adopted import adopting
from earmark.models.adopted.adopting import Asked

RATE = 16_000


@pytest.fixture
def here(files, tmp_path: Path, monkeypatch) -> Path:
    """t.safetensors of Dog, "Rain, heavy" and Wind; four recordings; a table that makes pet and weather of them."""
    monkeypatch.chdir(tmp_path)
    asked = Asked(*files, "CC0-1.0", "made up")
    adopting.adopt(asked).save("t.safetensors")
    chance = np.random.default_rng(0)
    for number in range(4):
        soundfile.write(f"{number}.wav", chance.normal(0, 0.05 * (number + 1), 2 * RATE), RATE)
    (tmp_path / "table.csv").write_text('tag,merged\nDog,pet\n"Rain, heavy",weather\nWind,weather\n')
    return tmp_path


def told(*words: str) -> dict[str, dict[str, float]]:
    """By recording, the score of each tag."""
    done = earmark("tag", *(f"{n}.wav" for n in range(4)), "--tagger", "t.safetensors", "--json", "--top", "9", *words)
    assert done.returncode == 0, done.stderr
    return {row["path"]: {tag["label"]: tag["score"] for tag in row["tags"]} for row in json.loads(done.stdout)}


@pytest.mark.parametrize(("rule", "of"), [("highest", max), ("sum", lambda *both: sum(both))])
def test_tags_are_told_in_the_merged_ones(here, rule, of):
    """A recording's score of a merged tag is that of its tags' scores of the recording, by hand."""
    own, merged = told(), told("--merge", "table.csv", "--merge-by", rule)
    for path, scores in own.items():
        wanted = {"pet": scores["Dog"], "weather": of(scores["Rain, heavy"], scores["Wind"])}
        assert merged[path] == pytest.approx(wanted, abs=1e-6)


def test_windows_are_in_merged_tags_too(here):
    told("--merge", "table.csv", "--windows", "w.csv")
    with (here / "w.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["id", "start", "end", "pet", "weather"]


def test_a_job_does_not_go_on_in_other_tags(here):
    first = earmark("tag", "0.wav", "--tagger", "t.safetensors", "--job", "job", "--merge", "table.csv")
    assert first.returncode == 0, first.stderr
    other = earmark("tag", "0.wav", "--tagger", "t.safetensors", "--job", "job")
    assert other.returncode == 2 and "Traceback" not in other.stderr and "merge" in other.stderr


def test_a_table_for_other_taggers_is_refused(here):
    (here / "other.csv").write_text("tag,merged\nowl,bird\n")
    done = earmark("tag", "0.wav", "--tagger", "t.safetensors", "--merge", "other.csv")
    assert done.returncode == 2 and "this table is for other taggers" in done.stderr


def clips(here: Path) -> Manifest:
    """Whose truth is what the tagger says of the first three; the fourth is called the other."""
    answers = [max(row, key=row.__getitem__) for row in told("--merge", "table.csv").values()]
    answers[3] = {"pet": "weather", "weather": "pet"}[answers[3]]
    assert len(set(answers)) == 2
    paths = [f"{n}.wav" for n in range(4)]
    return build({"id": paths, "path": paths, "tags": [[answer] for answer in answers], "fold": ["1"] * 4}, here)


def test_one_tag_a_clip_by_a_tagger_of_many(here):
    """Its surest merged tag is its answer: three of four are right."""
    known = clips(here)
    judged = library.evaluate("t.safetensors", known, merge="table.csv", task="one", resamples=0)
    assert judged.metrics["accuracy"].value == 0.75
    assert judged.figures.protocol["judged as a tagger of task"] == "one, though its own is many"
    assert "licence CC0-1.0, from made up" in judged.figures.protocol["adopted"]
    assert "accuracy" not in library.evaluate("t.safetensors", known, merge="table.csv", resamples=0).metrics
    with pytest.raises(EarmarkError, match="task is 'two'"):
        library.evaluate("t.safetensors", known, task="two")


def test_many_tags_beside_few(here):
    """The same tagger in merged tags, and its merged scores as they are: no difference."""
    from earmark.evaluation.comparison import compare

    known = clips(here)
    library.evaluate("t.safetensors", known, merge="table.csv", resamples=0).scores.save("few.parquet")
    by = {"many": "t.safetensors", "few": "few.parquet"}
    pairs = compare(by, known, merge="table.csv", resamples=0, permutations=0, task="one", metrics=["accuracy"])
    assert [system.metrics["accuracy"].value for system in pairs.systems] == [0.75, 0.75]
    assert any(note.startswith("many: Judged in merged tags (table.csv, highest)") for note in pairs.notes)
    with pytest.raises(EarmarkError, match="have different tags"):
        compare(by, known, resamples=0, permutations=0)


@pytest.mark.slow  # graphs are written
def test_engines_run_what_was_adopted(here):
    """With its graphs, where what writes them is installed, the scores are those of PyTorch."""
    pytest.importorskip("onnxscript")
    words = ("--labels", "labels.csv", "--licence", "CC0-1.0", "--origin", "made up", "-o", "g.safetensors", "--json")
    done = earmark("adopt", "net.tflite", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["graphs"] is True
    waves = np.random.default_rng(1).normal(0, 0.1, (2, 15_600)).astype(np.float32)
    by = [library.load("g.safetensors", engine=engine).score_windows(waves) for engine in ("torch", "onnxruntime")]
    np.testing.assert_allclose(by[1], by[0], rtol=0, atol=1e-4)


def test_show_tells_whose_weights_these_are(here):
    said = earmark("show", "t.safetensors").stdout
    assert (
        "licence     CC0-1.0" in said and "adopted     net.tflite, YAMNet in TensorFlow Lite, int8 made float" in said
    )
    assert "origin      made up; sha256 " in said


def test_what_is_missing_is_asked_for(here):
    done = earmark("adopt", "net.tflite", "-o", "new.safetensors")
    assert done.returncode == 2 and "--labels is missing: a table with the names of its tags" in done.stderr
    done = earmark("adopt", "yamnett", "-o", "new.safetensors")
    assert "no such file, and no net of that name, did you mean 'yamnet'" in done.stderr
    done = earmark("adopt", "net.tflite", "-o", "new.onnx")
    assert "give FILE.safetensors" in done.stderr and not (here / "new.onnx").exists()


def test_the_page_quotes_the_report():
    """docs/adopting.md has the accuracy on ESC-10 and its interval from the report that evaluate wrote."""
    root = Path(__file__).parents[2]
    figure = json.loads((root / "results/adopted/esc10-names/report.json").read_text("utf-8"))["metrics"]["accuracy"]
    value, low, high = (f"{figure[key]:.3f}" for key in ("value", "low", "high"))
    assert f"{value} of 400 clips ({low} to {high})" in (root / "docs/adopting.md").read_text("utf-8")


def events(*words: str) -> list[dict[str, object]]:
    done = earmark("events", "3.wav", "--tagger", "t.safetensors", "--threshold", "0.4", "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]["events"]


def test_events_are_found_in_the_merged_tags(here, tmp_path):
    """Of one tag that stands for all three, where the highest of their scores of each window lies above the threshold."""
    (tmp_path / "one.csv").write_text('tag,merged\nDog,any\n"Rain, heavy",any\nWind,any\n')
    merged = events("--merge", "one.csv")
    tagger = library.load("t.safetensors")
    wave, _ = soundfile.read("3.wav", dtype="float32")
    starts = range(0, len(wave) - 15_600 + 7_680, 7_680)
    cut = np.stack([np.pad(wave[at : at + 15_600], (0, max(0, at + 15_600 - len(wave)))) for at in starts])
    assert merged and (tagger.score_windows(cut).max(1) >= 0.4).any()
    assert {event["label"] for event in merged} == {"any"}


def test_rules_that_differ_among_merged_tags_are_asked_for(here):
    from dataclasses import replace

    from earmark.events import EventRules
    from earmark.models.facts import EventTuning

    tagger = library.load("t.safetensors", engine="torch")
    rules = EventRules.alike(tagger.vocabulary)
    rules = replace(rules, thresholds={"Dog": 0.5, "Rain, heavy": 0.3, "Wind": 0.7})
    tagger.facts = replace(tagger.facts, events=EventTuning(rules))
    tagger.save("t.safetensors")
    done = earmark("events", "3.wav", "--tagger", "t.safetensors", "--merge", "table.csv")
    assert done.returncode and "the rules of tags that are one in table.csv differ" in done.stderr
    done = earmark("events", "3.wav", "--tagger", "t.safetensors", "--merge", "table.csv", "--threshold", "0.5")
    assert done.returncode == 0, done.stderr
