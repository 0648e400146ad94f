"""Figures of a file of scores, by whatever made it: those of the tagger that did, and what is told of clips that do not match."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from tests.program import earmark

from earmark.data.manifest import build
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.comparison import compare
from earmark.evaluation.evaluation import evaluate
from earmark.scores import Scores

TAGS = ("dog", "rain", "wind")


@pytest.fixture
def clips(tmp_path):
    names = [f"{number}.wav" for number in range(12)]
    told = {
        "id": names,
        "path": names,
        "tags": [[TAGS[k % 3]] for k in range(12)],
        "fold": [str(k % 2 + 1) for k in range(12)],
    }
    return build(told, tmp_path)


def scores(count=12, seed=0, extra=0):
    values = np.random.default_rng(seed).dirichlet(np.ones(3), count + extra).astype(np.float32)
    ids = np.array([f"{number}.wav" for number in range(count)] + [f"other{k}.wav" for k in range(extra)])
    return Scores(values, ids, np.zeros(len(ids)), np.ones(len(ids)), TAGS)


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_the_figures_are_those_of_the_scores(clips, tmp_path, ending):
    told = scores()
    told.save(tmp_path / f"s{ending}")
    found = evaluate(tmp_path / f"s{ending}", clips, resamples=20)
    right = told.values.argmax(1) == np.arange(12) % 3
    assert found.metrics["accuracy"].value == pytest.approx(right.mean())
    assert found.figures.notes[0].startswith("Of scores in a file nobody knows")
    found = evaluate(tmp_path / f"s{ending}", clips, folds=["2"], resamples=20)
    assert found.metrics["accuracy"].value == pytest.approx(right[1::2].mean())
    assert found.figures.protocol["folds"] == ["2"]


def test_clips_that_do_not_match_are_told(clips, tmp_path):
    scores(count=9, extra=2).save(tmp_path / "s.parquet")
    found = evaluate(tmp_path / "s.parquet", clips, resamples=0)
    assert found.figures.clips == 9
    told = " ".join(found.figures.notes)
    assert "2 of the 11 rows of" in told and "3 of the 12 clips of the manifest have no scores in" in told
    scores(count=0, extra=3).save(tmp_path / "none.parquet")
    with pytest.raises(ScoresError, match="none of its 3 clips is in the manifest: give the clips that they are of"):
        evaluate(tmp_path / "none.parquet", clips)
    with pytest.raises(EarmarkError):
        evaluate(tmp_path / "not-there.parquet", clips)


def test_the_command_writes_a_report(clips, tmp_path):
    scores().save(tmp_path / "s.csv")
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "path", "tags"])
        table.writerows([f"{k}.wav", f"{k}.wav", TAGS[k % 3]] for k in range(12))
    words = ("evaluate", tmp_path / "s.csv", "--data", tmp_path / "clips.csv", "--resamples", 20)
    done = earmark(*words, "--out", tmp_path / "report", "--json")
    assert done.returncode == 0, done.stderr
    right = scores().values.argmax(1) == np.arange(12) % 3
    assert json.loads(done.stdout)["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert (tmp_path / "report" / "report.html").is_file()
    done = earmark(*words, "--record")
    assert done.returncode == 2 and "holds scores, and figures are written into a tagger's file" in done.stderr


def test_parts_of_one_recording_are_drawn_together(tmp_path):
    """Four recordings of three parts each, without groups: intervals are those of four groups, as if the groups were told."""
    names = [f"{number}.wav" for number in range(12)]
    told = {
        "id": names, "path": [f"night{k % 4}.wav" for k in range(12)], "start": [float(k // 4) for k in range(12)],
        "end": [k // 4 + 1.0 for k in range(12)], "tags": [[TAGS[k % 3]] for k in range(12)],
    }  # fmt: skip
    for seed, name in enumerate(("a.parquet", "b.parquet")):
        scores(seed=seed).save(tmp_path / name)
    bare, said = build(told, tmp_path), build(told | {"group": [f"night{k % 4}" for k in range(12)]}, tmp_path)
    of_bare, of_said = (evaluate(tmp_path / "a.parquet", clips, resamples=200) for clips in (bare, said))
    assert of_bare.figures.interval.groups == 4
    assert of_bare.metrics == of_said.metrics
    assert evaluate(tmp_path / "a.parquet", bare, resamples=200, draw="clips").figures.interval.groups == 12
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pairs = [compare(files, clips, resamples=200, permutations=200).pairs for clips in (bare, said)]
    assert pairs[0] == pairs[1]


def of_task(told, task):
    """The same scores, whose file tells a task: as a tagger's, or as an ensemble of such has them."""
    return replace(told, facts={"ensemble": {"task": task, "members": []}} if task == "many" else {"task": task})


@pytest.mark.parametrize("own", [None, "one", "many"])
@pytest.mark.parametrize("asked", [None, "one", "many"])
@pytest.mark.parametrize("alone", [True, False])
def test_scores_are_judged_as_of_the_task_that_is_asked_for_or_told_or_else_of_what_the_clips_have(
    clips, tmp_path, own, asked, alone
):
    if not alone:
        tags = clips.table["tags"].to_pylist()
        names = {name: clips.table[name] for name in ("id", "path", "fold")}
        clips = build(names | {"tags": [sorted({*tags[0], TAGS[1]}), *tags[1:]]}, tmp_path)
    (scores() if own is None else of_task(scores(), own)).save(file := tmp_path / "s.parquet")
    task = asked or own or ("one" if alone else "many")
    if task == "one" and not alone:
        with pytest.raises(
            ScoresError, match=r"1 clip has not exactly one tag, first: 0.wav .* or judge as one with --task many"
        ):
            evaluate(file, clips, task=asked, resamples=0)
        return
    found = evaluate(file, clips, task=asked, resamples=0)
    assert found.figures.task == task and ("accuracy" in found.metrics) == (task == "one")
    guessed = [note for note in found.figures.notes if "does not tell its task" in note]
    assert bool(guessed) == (own is None and asked is None)
    assert all(f"it was judged as of task {task}. --task says otherwise" in note for note in guessed)
    surprising = any("--task one judges its highest scores" in note for note in found.figures.notes)
    assert surprising == (own == "many" and asked is None and alone)
    other = found.figures.protocol.get("judged as a tagger of task")
    assert other == (f"{asked}, though the file's own is {own}" if own and asked and asked != own else None)


@pytest.mark.parametrize(
    "facts", [{"task": "three"}, {"task": ["one"]}, {"ensemble": "x"}, {"ensemble": {"task": None}}]
)
def test_facts_that_tell_no_task_tell_none(facts):
    assert replace(scores(), facts=facts).task is None


def test_a_report_s_scores_tell_the_task_of_their_tagger(make, single, tmp_path):
    """The clips have one tag each, and the tagger may give several."""
    for task in ("one", "many"):
        judged = evaluate(make(task=task), single, resamples=20)
        judged.scores.save(file := tmp_path / f"{task}.parquet")
        assert Scores.load(file).task == task
        again = evaluate(file, single, resamples=20).figures
        assert (again.task, again.metrics) == (task, judged.figures.metrics)


@pytest.mark.parametrize("kind", ["a file", "a tagger"])
def test_a_table_that_leaves_out_clips_only_tag_does_not_change_how_they_are_judged(
    clips, single, make, tmp_path, kind
):
    scores().save(tmp_path / "s.csv")
    (tmp_path / "t.csv").write_text("tag,merged\nwind,\nhiss,\n")
    source, judged = (tmp_path / "s.csv", clips) if kind == "a file" else (make(task="one"), single)
    left = sum(tags[0] in ("wind", "hiss") for tags in judged.table["tags"].to_pylist())
    with pytest.raises(
        EarmarkError,
        match=rf"t.csv leaves out the tag of {left} clips that are judged by it alone, first: .*--task many",
    ):
        evaluate(source, judged, merge=tmp_path / "t.csv", resamples=0)
    found = evaluate(source, judged, merge=tmp_path / "t.csv", resamples=0, task="many")
    assert found.figures.task == "many" and any(f"{left} tags and 0 events" in note for note in found.figures.notes)
    (tmp_path / "t.csv").write_text("tag,merged\nwind,rain\nhiss,burst\n")
    assert evaluate(source, judged, merge=tmp_path / "t.csv", resamples=0).figures.task == "one"


@pytest.mark.parametrize("task", ["one", "many"])
@pytest.mark.parametrize("wins", [0, 1, 2, 12])
def test_a_column_that_no_clip_has_and_that_wins_many_clips_is_told_first(clips, tmp_path, task, wins):
    """From a tenth of the clips on, of which there are twelve."""
    told = scores()
    column = np.where(np.arange(12) < wins, 5.0, -1.0).astype(np.float32)[:, None]
    Scores(np.hstack([told.values, column]), told.ids, told.start, told.end, (*TAGS, "fold")).save(tmp_path / "s.csv")
    notes = evaluate(tmp_path / "s.csv", clips, task=task, resamples=0).figures.notes
    said = [note for note in notes if note.startswith("Of 12 clips")]
    assert said == list(notes[: wins >= 2])
    if said:
        assert f"{wins} have their highest score for a tag that no clip here has: 'fold'" in said[0]
        assert (
            f"'fold' holds {'5' if wins == 12 else '-1'} to 5: where it is none" in said[0]
            and "take the column out" in said[0]
        )


def test_tags_that_are_reserved_or_not_known_are_no_strangers(clips, tmp_path):
    told = scores()
    high = np.full((12, 1), 5.0, np.float32)
    for name, unknown in (("background", []), ("owl", ["owl"])):
        names = {each: clips.table[each] for each in ("id", "path", "tags")}
        of = build(names | {"unknown": [unknown] * 12}, tmp_path)
        Scores(np.hstack([told.values, high]), told.ids, told.start, told.end, (*TAGS, name)).save(tmp_path / "s.csv")
        notes = evaluate(tmp_path / "s.csv", of, task="many", resamples=0).figures.notes
        assert not any("highest score for a tag that no clip here has" in note for note in notes)


def test_a_tagger_that_answers_with_tags_of_no_clip_is_told_of_too(make, scenes, tmp_path):
    """All scenes have a burst: at chance, a net answers some with a hiss, which no clip has."""
    found = [evaluate(make(seed, task="one"), scenes, resamples=0, events=False) for seed in range(6)]
    answered = [int((each.scores.values.argmax(1) == 1).sum()) for each in found]
    assert any(answered) and not all(answered)
    for each, hisses in zip(found, answered, strict=True):
        said = f"Of 9 clips {hisses} have their highest score for a tag that no clip here has: 'hiss'."
        assert (each.figures.notes[0] == said) == bool(hisses)
    (tmp_path / "t.csv").write_text("tag,merged\nhiss,buzz\n")
    tagger = make(next(seed for seed, hisses in enumerate(answered) if hisses), task="one")
    told = evaluate(tagger, scenes, merge=tmp_path / "t.csv", resamples=0, events=False).figures
    assert "for a tag that no clip here has: 'buzz'." in told.notes[0]
    tagger.facts = replace(tagger.facts, reserved=("hiss",))
    told = evaluate(tagger, scenes, resamples=0, events=False).figures
    assert not any("for a tag that no clip here has" in note for note in told.notes)
