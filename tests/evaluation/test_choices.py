"""Weights and temperatures that were chosen on the clips that are judged: refused, borne and told, for every verb that takes scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from tests.evaluation.conftest import TAGS, Heard

import earmark
from earmark.data.manifest import Manifest, build
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.ensembles import combine
from earmark.evaluation.labels import audit
from earmark.scores import Scores
from earmark.scores.ensemble import Name, Over

Judge = Callable[..., Any]


def scored(clips: Manifest, file: Path, seed: int) -> Path:
    first = np.random.default_rng(seed).random(len(clips))
    values = np.stack([first, 1 - first], 1).astype(np.float32)
    Scores(values, clips.ids, np.zeros(len(clips)), np.ones(len(clips)), TAGS).save(file)
    return file


def combined(clips: Manifest, folder: Path, **how: Any) -> Path:
    """An ensemble of two files of scores; how: of `combine`."""
    files = [scored(clips, folder / f"{seed}.parquet", seed) for seed in (1, 2)]
    scores = combine(files, task="one", data=clips, **how).scores
    assert scores is not None
    scores.save(folder / "chosen.parquet")
    return folder / "chosen.parquet"


def member(chosen: Path, clips: Manifest) -> Path:
    """A plain mean with the ensemble as a member."""
    scores = combine([chosen, scored(clips, chosen.with_name("3.parquet"), 3)], task="one").scores
    assert scores is not None
    scores.save(chosen.with_name("outer.parquet"))
    return chosen.with_name("outer.parquet")


def judge_one(file: Path, clips: Manifest, **more: Any) -> tuple[Any, str]:
    found = earmark.evaluate(file, clips, resamples=0, **more)
    return found.figures.notes, str(found.figures.protocol)


def judge_two(file: Path, clips: Manifest, **more: Any) -> tuple[Any, str]:
    other = scored(clips, file.with_name("other.parquet"), 9)
    told = earmark.compare({"e": file, "other": other}, clips, resamples=0, permutations=0, **more)
    return told.notes, str(told.protocol)


SEARCHED = {"search": True, "rounds": 3}
WARMED: dict[str, Any] = {"temperature": "fit", "rule": "geometric"}


@pytest.mark.parametrize("judge", [judge_one, judge_two])
@pytest.mark.parametrize(
    ("how", "what"),
    [(SEARCHED, "its weights were"), (WARMED, "its temperature was"), (SEARCHED | WARMED, "its weights and temperature were")],
)  # fmt: skip
def test_what_chose_is_not_judged(single: Manifest, tmp_path: Path, judge: Judge, how: dict[str, Any], what: str):
    file = combined(single, tmp_path, **how)
    with pytest.raises(
        EarmarkError, match=f"{what} chosen on all 9 clips that are judged: .* too good.*--cross.*--seen"
    ):
        judge(file, single)
    with pytest.raises(EarmarkError, match=f"{what} chosen on all 3 clips that are judged"):
        judge(file, single, folds=["2"])
    notes, protocol = judge(file, single, seen=True)
    assert any(f"{what} chosen on all 9 clips that are judged. Figures are better" in note for note in notes)
    assert "chosen" in protocol and "on 9 clips of fold 1, 2, 3" in protocol


@pytest.mark.parametrize("judge", [judge_one, judge_two])
@pytest.mark.parametrize("how", [SEARCHED, WARMED])
def test_across_folds_no_clip_chose_its_own(single: Manifest, tmp_path: Path, judge: Judge, how: dict[str, Any]):
    notes, protocol = judge(combined(single, tmp_path, cross=True, **how), single)
    assert not any("too good" in note or "better than" in note for note in notes)
    assert "on 9 clips of fold 1, 2, 3, for each fold by the others" in protocol


@pytest.mark.parametrize("judge", [judge_one, judge_two])
def test_a_member_brings_what_chose_it(single: Manifest, tmp_path: Path, judge: Judge):
    outer = member(combined(single, tmp_path, **SEARCHED), single)
    with pytest.raises(EarmarkError, match="its weights of a member were chosen on all 9 clips that are judged"):
        judge(outer, single)


def test_other_clips_are_judged_and_those_among_them_counted(single: Manifest, tmp_path: Path):
    """Weights that six clips chose, on scores of all nine: as who applies them by hand to clips that chose nothing."""
    six, rest = single.in_folds(["1", "2"]), single.in_folds(["3"])
    facts = Scores.load(combined(six, tmp_path, **SEARCHED)).facts
    file = scored(single, tmp_path / "applied.parquet", 5)
    replace(Scores.load(file), facts=facts).save(file)
    assert earmark.evaluate(file, rest, resamples=0).figures.clips == 3
    with pytest.raises(EarmarkError, match="its weights were chosen on 6 of the 9 clips that are judged"):
        earmark.evaluate(file, single)


def test_files_of_before_tell_a_digest_alone(single: Manifest, tmp_path: Path):
    """Equal digests are the same clips; with other ones nothing tells whether some chose."""
    file = combined(single, tmp_path, **SEARCHED)
    scores = Scores.load(file)
    del scores.facts["ensemble"]["weights chosen"]["sample"]
    scores.save(file)
    for folds, count in ((None, 9), (["2"], 3)):
        with pytest.raises(EarmarkError, match=f"its weights were chosen on all {count} clips that are judged"):
            earmark.evaluate(file, single, folds=folds)
    part = tmp_path / "part.parquet"
    keep = slice(4)
    Scores(scores.values[keep], scores.ids[keep], scores.start[keep], scores.end[keep], TAGS, scores.facts).save(part)
    notes = earmark.evaluate(part, single, resamples=0).figures.notes
    assert any(
        "chosen on 9 clips. Whether clips that are judged were among them cannot be known" in each for each in notes
    )


def test_of_many_clips_a_sample_tells_some(tmp_path: Path):
    names = [f"{k}.wav" for k in range(600)]
    clips = build({"id": names, "path": names, "tags": [[TAGS[k % 2]] for k in range(600)]}, tmp_path)
    scores = Scores.load(combined(clips, tmp_path, **SEARCHED))
    half = tmp_path / "half.parquet"
    keep = slice(300)
    Scores(scores.values[keep], scores.ids[keep], scores.start[keep], scores.end[keep], TAGS, scores.facts).save(half)
    with pytest.raises(
        EarmarkError, match=r"its weights were chosen on 1\d\d of the 300 clips that are judged, at least"
    ):
        earmark.evaluate(half, clips)


def test_what_is_judged_again_still_tells_it(single: Manifest, tmp_path: Path):
    """Scores of clips that the data do not have are left out, and what chose the rest stays."""
    file = combined(single, tmp_path, **SEARCHED)
    kept = earmark.evaluate(file, single.in_folds(["1"]), seen=True, resamples=0).scores
    assert len(kept) == 3 and kept.facts["ensemble"]["weights chosen"]["clips"] == 9


def test_an_audit_and_an_ensemble_tell_it(single: Manifest, tmp_path: Path, heard: Heard):
    file = combined(single, tmp_path, **SEARCHED)
    assert any("its weights were chosen on all 9 clips" in note for note in audit(file, single).notes)
    combine([file, tmp_path / "1.parquet"], task="one", data=single, search=True, cross=True, rounds=2, progress=heard)
    assert any("chosen: its weights were chosen on all 9 clips" in line for line in heard.said)


def test_facts_that_cannot_be_read_are_told(single: Manifest, tmp_path: Path):
    file = combined(single, tmp_path, **SEARCHED)
    scores = Scores.load(file)
    for broken in ("by hand", {"by": "map", "sample": "AAAA"}):
        scores.facts["ensemble"]["weights chosen"] = broken
        scores.save(file)
        with pytest.raises(ScoresError, match=r"tells what chose its weights .* cannot read .*Write it anew"):
            earmark.evaluate(file, single)


RULES = [(rule, over) for rule in get_args(Name) for over in (get_args(Over) if rule == "rank" else ("clips",))]
CHOSEN = [(*each, True) for each in RULES] + [(*each, False) for each in RULES if each[0] != "rank"]


@pytest.mark.parametrize(("rule", "over", "searched"), CHOSEN)
def test_a_fold_chooses_nothing_of_its_own(tmp_path: Path, rule: Any, over: Any, searched: bool):
    """Whatever tags its clips have, a fold has the same weights, the same temperature and so the same scores; others may not."""
    generator = np.random.default_rng(11)
    own = generator.integers(0, 2, 60)
    names, folds = [f"{k}.wav" for k in range(60)], np.array([str(k % 3) for k in range(60)])
    files = []
    for number, noise in enumerate((0.9, 1.4, 2.0)):
        logits = np.eye(2)[own] + noise * generator.standard_normal((60, 2))
        values = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
        files.append(tmp_path / f"{number}.parquet")
        Scores(values, np.array(names), np.zeros(60), np.ones(60), TAGS).save(files[-1])
    warm = rule != "rank"  # ranks have no temperature

    def told(tags: np.ndarray) -> tuple[Any, Any, Any]:
        clips = build({"id": names, "path": names, "fold": folds, "tags": [[TAGS[k]] for k in tags]}, tmp_path)
        how = ({"temperature": "fit"} if warm else {}) | ({"rounds": 6} if searched else {})
        made = combine(files, rule=rule, over=over, task="one", data=clips, search=searched, cross=True, **how)
        return (
            made.cross.counts if made.cross else {},
            made.scores.facts["ensemble"].get("temperature by fold", {}),
            made.scores.values,
        )

    counts, warmth, values = told(own)
    moved = False
    for fold in "012":
        mine = folds == fold
        shuffled = own.copy()
        shuffled[mine] = 1 - shuffled[mine]
        others, warmer, other_values = told(shuffled)
        assert others.get(fold) == counts.get(fold) and warmer.get(fold) == warmth.get(fold)
        assert np.array_equal(other_values[mine], values[mine])
        moved |= not np.array_equal(other_values[~mine], values[~mine])
    assert moved  # by tags that do choose for others
