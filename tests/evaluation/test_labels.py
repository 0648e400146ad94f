"""The audit: hand-worked doubts, and wrong labels that it must find."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import TAGS, Heard, Make

from earmark.data import sampled, sounds
from earmark.data.clipset import ClipSet
from earmark.data.manifest import Manifest, build
from earmark.data.splits import Parts
from earmark.errors import EarmarkError, ManifestError, ScoresError
from earmark.evaluation.evaluation import evaluate
from earmark.evaluation.labels import Label, audit, rank
from earmark.models.facts import Facts
from earmark.scores import Scores


def test_one_tag_a_clip_by_hand():
    values = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]]
    truth = np.eye(3, dtype=bool)[[0, 0, 1, 1]]
    doubts = rank(values, truth, "one")
    assert [(d.row, d.tag, d.suggested) for d in doubts] == [(1, 0, 1), (2, 1, 2)]  # equal scores are no doubt
    assert doubts[0].doubt == pytest.approx(0.5)
    assert (doubts[0].score, doubts[0].other) == (0.1, 0.6)
    assert doubts[1].doubt == pytest.approx(0.2)


def test_many_tags_by_hand():
    """Tag 0: the mean log-odds of its clips are 0, of the others −log 9, so the even odds are 1 to 3, a score of 1/4."""
    values = [[0.5, 0.1], [0.5, 0.1], [0.1, 0.9], [0.1, 0.9]]
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    assert rank(values, truth, "many") == []
    truth[0, 0] = False  # not given, though it sounds like the other clip that has it
    (doubt,) = rank(values, truth, "many")
    assert (doubt.row, doubt.tag, doubt.given, doubt.suggested) == (0, 0, False, None)
    # its clip: odds 1; the others: log-odds (0 − log 9 − log 9) / 3; even half-way: exp(−log 9 / 3)
    assert doubt.doubt == pytest.approx(1 / (1 + 9 ** (-1 / 3)))


@pytest.mark.parametrize("task", ["one", "many"])
def test_wrong_labels_come_first(task):
    chance = np.random.default_rng(0)
    clips, tags = 400, 8
    right = chance.integers(tags, size=clips)
    logits = chance.normal(0, 1, (clips, tags)) + 4 * np.eye(tags)[right]
    values = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = right.copy()
    wrong = chance.choice(clips, 20, replace=False)
    given[wrong] = (right[wrong] + chance.integers(1, tags, 20)) % tags
    first = []
    for doubt in rank(values, np.eye(tags, dtype=bool)[given], task):
        if doubt.row not in first:
            first.append(doubt.row)
    assert len(set(first[:20]) & set(wrong.tolist())) >= 17


def test_what_cannot_be_audited():
    with pytest.raises(ScoresError, match=r"scores of the shape \(2, 2\) do not fit labels of the shape \(2, 3\)"):
        rank(np.zeros((2, 2)), np.zeros((2, 3), bool), "one")
    with pytest.raises(ScoresError, match="not probabilities"):
        rank([[1.5, 0]], [[True, False]], "one")
    with pytest.raises(ScoresError, match="with one tag"):
        rank([[0.5]], [[True]], "one")
    assert rank(np.zeros((0, 3)), np.zeros((0, 3), bool), "one") == []


@pytest.mark.parametrize("truth", [[[0, 0], [1, 0]], [[1, 1], [1, 0]]])
def test_one_tag_a_clip_must_be_so(truth):
    with pytest.raises(
        ScoresError, match="1 clip does not have one tag each, the first in row 1: rank them as task 'many'"
    ):
        rank([[0.2, 0.8], [0.9, 0.1]], truth, "one")


def test_an_audit_of_scores_names_the_clips(single: Manifest, tmp_path: Path, heard: Heard) -> None:
    values = np.where(single.truth(TAGS), 0.9, 0.1).astype(np.float32)
    values[4] = 1 - values[4]
    ids = [*single.ids.tolist()[:8], "elsewhere.wav"]
    Scores(values, np.array(ids), np.zeros(9), np.ones(9), TAGS).save(tmp_path / "s.csv")
    told = audit(tmp_path / "s.csv", single, progress=heard)
    own, other = (TAGS[1], TAGS[0]) if single.truth(TAGS)[4, 1] else TAGS
    assert told.labels == (Label("4.wav", "4.wav", own, own, other, 0.8, f"{other} scores 0.90, {own} 0.10"),)
    assert len(told.clips) == 8 and "its own tag and the highest other one" in told.notes[1]
    assert heard.said == [
        f"1 of the 9 rows of {tmp_path / 's.csv'} is of clips that the manifest does not have: left out",
        f"1 of the 9 clips of the manifest has no scores in {tmp_path / 's.csv'}: left out",
    ]


@pytest.mark.parametrize(("own", "alone", "task", "why"), [
    (None, True, "one", "as each clip has one tag: the scores do not tell their task."),
    (None, False, "many", "as not every clip has just one tag: the scores do not tell their task."),
    ("one", True, "one", None),
    ("one", False, "many", "as not every clip has just one tag: the scores are of task one."),
    ("many", True, "many", None),
    ("many", False, "many", None),
])  # fmt: skip
def test_labels_are_doubted_as_of_the_task_that_the_scores_tell(
    single: Manifest, tmp_path: Path, own, alone, task, why
):
    """Each clip of 0.6 and 0.4: as of one tag none of them is in doubt but the last; as of many, tags are doubted by themselves."""
    truth = single.truth(TAGS)
    values = np.where(truth, 0.6, 0.4).astype(np.float32)
    values[8] = 1 - values[8]
    if not alone:
        names = {name: single.table[name] for name in ("id", "path", "fold")}
        single = build(names | {"tags": [list(TAGS), *single.table["tags"].to_pylist()[1:]]}, single.root)
    facts = {} if own is None else {"task": own}
    Scores(values, single.ids, np.zeros(9), np.ones(9), TAGS, facts).save(tmp_path / "s.parquet")
    told = audit(tmp_path / "s.parquet", single)
    kind = "its own tag and the highest other one" if task == "one" else "the tag in doubt"
    assert f"the scores of {kind} speak against it" in told.notes[1]
    said = [note for note in told.notes if note.startswith("Labels are doubted as of task")]
    assert said == ([] if why is None else [f"Labels are doubted as of task {task}, {why}"])
    assert all((label.suggested in TAGS) == (task == "one") for label in told.labels) and told.labels


def test_an_audit_of_a_run_hears_each_clip_by_its_own_fold(run: Path, single: Manifest, heard: Heard) -> None:
    named = replace(single, facts={"dataset": "soundscapes"})
    told = audit(run, named, progress=heard)
    assert len(told.clips) == 9 and heard.pieces == [("scoring", 3, 3)] * 3
    assert all(label.tag != label.suggested and 0 < label.score <= 1 for label in told.labels)
    with pytest.raises(EarmarkError, match="an audit needs scores of taggers that did not learn from the clips"):
        audit(run / "fold-1" / "tagger.safetensors", named)


def test_an_audit_leaves_out_what_ties_to_its_taggers_clips(
    run: Path, single: Manifest, tmp_path: Path, heard: Heard
) -> None:
    """Clips 0 and 1, of the folds 1 and 2, are of one group; 5 and 6, of the folds 3 and 1, have the same bytes."""
    (tmp_path / "sounds").mkdir()
    for name in single.ids.tolist():
        of = "5.wav" if name == "6.wav" else name
        (tmp_path / "sounds" / name).write_bytes((single.root / of).read_bytes())
    columns = {name: single.table[name] for name in ("id", "path", "tags", "fold")}
    groups = ["g" if name in ("0.wav", "1.wav") else name for name in single.ids.tolist()]
    tied = replace(build(columns | {"group": groups}, tmp_path / "sounds"), facts={"dataset": "soundscapes"})
    with pytest.raises(ManifestError, match="tie the test clips"):
        evaluate(run, tied, resamples=0)
    told = audit(run, tied, progress=heard)
    assert told.clips.ids.tolist() == ["3.wav", "4.wav", "7.wav", "2.wav", "8.wav"]
    assert not {"0.wav", "1.wav", "5.wav", "6.wav"} & {label.id for label in told.labels}
    left = [note for note in told.notes if "left out" in note]
    assert len(left) == 3 and left == heard.said
    assert "2 of the 3 clips are tied to those that the tagger learnt from, the first: group 'g'" in left[0]
    everything = replace(build(columns | {"group": ["g"] * 9}, single.root), facts={"dataset": "soundscapes"})
    with pytest.raises(ManifestError, match="3 of the 3 clips are tied .*: none is left"):
        audit(run, everything)


def test_an_audit_leaves_out_clips_that_their_tagger_heard(run: Path, single: Manifest, make: Make) -> None:
    """By their ids, and by their very sound, of which its file tells a sample."""
    for number, (fold, of) in enumerate((("1", "ids"), ("2", "sounds"))):
        test = single.in_folds(fold)
        facts = Facts.read(
            {"data": {"dataset": "soundscapes"}, "split": Parts(single.select([]), single.select([]), test).as_dict()}
        )
        assert facts.split is not None
        keys = list(sounds.keys(test, sounds.of_files(test)))[:1]
        first = sampled.sample(test.ids.tolist()[:1] if of == "ids" else keys)
        clips = replace(
            ClipSet(301, ("x",), "0"), **{"sample" if of == "ids" else "sounds": first}
        )  # 301: more than it tells
        tagger = make(number, task="one")
        tagger.facts = replace(facts, split=replace(facts.split, train=clips))
        tagger.save(run / f"fold-{fold}" / "tagger.safetensors")
    told = audit(run, replace(single, facts={"dataset": "soundscapes"}))
    assert len(told.clips) == 7
    left = [note for note in told.notes if "left out" in note]
    assert (
        len(left) == 2
        and "1 of the 3 clips, such as '0.wav'" in left[0]
        and "the very sound of 1 of the 3 clips" in left[1]
    )
