"""What makes figures doubtful, `compare` tells as `evaluate` does; and it judges by the same thresholds, tags and truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.conftest import TAGS, Make

import earmark
from earmark.data.manifest import Manifest, build
from earmark.evaluation.clips import FEW_GROUPS
from earmark.scores import Scores

COUNT = 24
# what is told of the answers of one system alone, which a comparison has no part for
OTHERS = (
    "No clip was answered with these tags",
    "Scores reach beyond 0 … 1, so they are no probabilities: no calibration.",
)


def clips(**columns: Any) -> Manifest:
    names = [f"{number:02}.wav" for number in range(COUNT)]
    plain = {"id": names, "path": names, "tags": [[("a", "b")[i % 2]] for i in range(COUNT)]}
    return build(plain | columns, "/nowhere", vocabulary=["a", "b", "c"])


def answers(seed: int, manifest: Manifest) -> np.ndarray[Any, Any]:
    """(clips, 3), probabilities of one tag."""
    values = np.random.default_rng(seed).random((len(manifest), 3)) + 0.5 * manifest.truth(("a", "b", "c"))
    return (values / values.sum(1, keepdims=True)).astype(np.float32)


def file(path: Path, values: np.ndarray[Any, Any], manifest: Manifest, tags: tuple[str, ...] = ("a", "b", "c")) -> Path:
    Scores(values, manifest.ids, np.zeros(len(values)), np.ones(len(values)), tags).save(path)
    return path


EVEN = [[("a", "b", "c")[i % 3]] for i in range(COUNT)]
DOUBTS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "a tag without clips": ({}, None, "No clip has these tags"),
    "a column that is no tag": ({}, lambda values: np.column_stack([values[:, :2], np.arange(9, 33)]).astype("f4"), "24 have their"),
    "one group": ({"group": ["g"] * COUNT, "tags": EVEN}, None, "all clips are of one group"),
    "few groups": ({"group": [f"{i % 5}" for i in range(COUNT)], "tags": EVEN}, None, "Only 5 groups"),
    "no probabilities of one tag": ({"tags": EVEN}, lambda values: values / 2, "do not add up to 1"),
    "no probabilities at all": ({"tags": EVEN}, lambda values: values * 9, "beyond 0 … 1, so they are no probabilities: no log loss"),
    "several tags, beyond": ({"tags": [["a", "b", "c"][: 1 + i % 3] for i in range(COUNT)]}, lambda values: values * 9, "no log loss"),
    "a tag of all clips": ({"tags": [["a", "b", "c"][: 1 + i % 3] for i in range(COUNT)]}, None, "Every clip has these tags"),
    "unknown": ({"tags": [["a", "b"] if i % 2 else ["c"] for i in range(COUNT)], "unknown": [["c"] if i % 2 else [] for i in range(COUNT)]},
                None, "it is not known whether the clip has the tag"),
    "without an error": ({"tags": EVEN}, "true", "groups without an error may come from a tagger"),
}  # fmt: skip


@pytest.mark.parametrize("why", DOUBTS)
@pytest.mark.parametrize("of", ["one", "all"])
def test_a_comparison_tells_what_a_report_tells(why: str, of: str, tmp_path: Path) -> None:
    columns, changed, said = DOUBTS[why]
    manifest = clips(**columns)
    values = [answers(seed, manifest) for seed in (0, 1)]
    if isinstance(changed, str):
        changed = lambda each: (0.01 + 0.97 * manifest.truth(("a", "b", "c"))).astype(np.float32)  # noqa: E731
    if changed is not None:
        values = [
            changed(each) if name == "first" or of == "all" else each
            for name, each in zip(("first", "second"), values, strict=True)
        ]
    files = {
        name: file(tmp_path / f"{name}.parquet", each, manifest)
        for name, each in zip(("first", "second"), values, strict=True)
    }
    reports = {name: earmark.evaluate(place, manifest, resamples=20).figures.notes for name, place in files.items()}
    told = earmark.compare(files, manifest, resamples=20, permutations=20).notes
    assert any(said in note for note in told), told
    for name, notes in reports.items():
        for note in notes:
            if note.startswith(OTHERS) or "does not tell its task" in note:
                continue
            wanted = note.replace("No intervals:", "No intervals and no p:")
            assert any(line in (wanted, f"{name}: {wanted}") for line in told), (note, told)
    assert sum(line.startswith("No file tells its task: all were judged as of task ") for line in told) == 1
    # and of the other system nothing that is not so
    for note in told:
        name, colon, rest = note.partition(": ")
        if colon and name in reports:
            assert rest in reports[name] or rest.startswith("Scores reach beyond"), note


def test_enough_groups_are_not_told(tmp_path: Path) -> None:
    manifest = clips(tags=EVEN)
    assert FEW_GROUPS <= COUNT
    files = [file(tmp_path / f"{seed}.parquet", answers(seed, manifest), manifest) for seed in (0, 1)]
    task, only = earmark.compare(files, manifest, metrics=["accuracy"], resamples=20, permutations=20).notes
    assert task == "No file tells its task: all were judged as of task one, since each clip has exactly one tag."
    assert only.startswith("Of scores in a file nobody knows")


def test_of_one_tag_what_is_not_known_is_absent_as_in_a_report(tmp_path: Path) -> None:
    manifest = clips(tags=EVEN, unknown=[["a"] if i % 3 else [] for i in range(COUNT)])
    files = {name: file(tmp_path / f"{name}.csv", answers(seed, manifest), manifest) for seed, name in enumerate("xy")}
    told = earmark.compare(files, manifest, resamples=0, permutations=0)
    for system in told.systems:
        alone = earmark.evaluate(files[system.name], manifest, resamples=0)
        assert {name: each.value for name, each in system.metrics.items()} == {
            name: each.value for name, each in alone.metrics.items()
        }


def test_f1_is_that_of_the_thresholds_that_are_stored(make: Make, scenes: Manifest) -> None:
    stored = {"tags": {"thresholds": {"burst": 0.001, "hiss": 0.999}}}
    systems = {"plain": make(0), "calibrated": make(0, stored)}
    how = {"resamples": 0, "permutations": 20}
    told = earmark.compare(systems, scenes, **how)
    plain, calibrated = (earmark.evaluate(each, scenes, resamples=0) for each in systems.values())
    assert calibrated.figures.decisions is not None
    half, own = calibrated.figures.decisions.rows
    for name in ("f1_micro", "f1_macro", "f1_clips"):
        values = {system.name: system.metrics[name].value for system in told.systems}
        assert values == {"plain": plain.metrics[name].value, "calibrated": own.f1[name].value}
        (pair,) = [pair for pair in told.pairs if pair.metric == name]
        assert pair.difference.value == values["plain"] - values["calibrated"] != 0
    assert half.f1["f1_macro"].value == plain.metrics["f1_macro"].value
    said = "F1 is that of decisions of calibrated with the thresholds that they store and of plain with 0.5."
    assert said in told.notes
    # in another order of tags they are the same; without figures of decisions nothing is said
    turned = earmark.compare({"calibrated": systems["calibrated"], "plain": systems["plain"]}, scenes, **how)
    assert turned.systems[0].metrics["f1_macro"].value == own.f1["f1_macro"].value
    assert not any("F1 is" in note for note in earmark.compare(systems, scenes, metrics=["map"], **how).notes)
    assert not any("F1 is" in note for note in earmark.compare({"a": make(0), "b": make(1)}, scenes, **how).notes)


def test_thresholds_that_differ_between_folds_are_told(run: Path, make: Make, single: Manifest) -> None:
    from earmark.models.loading import load

    for fold, height in (("1", 0.2), ("2", 0.3), ("3", 0.2)):
        place = run / f"fold-{fold}" / "tagger.safetensors"
        tagger = load(place, engine="torch").alone
        facts = tagger.facts.as_dict() | {"tags": {"thresholds": dict.fromkeys(TAGS, height)}}
        tagger.facts = type(tagger.facts).read(facts)
        tagger.save(place)
    how = {"dataset": "soundscapes", "task": "many", "resamples": 0, "permutations": 0}
    told = earmark.compare({"run": run, "net": make(9)}, single, **how)
    assert "F1 is that of decisions of run and net with 0.5 (run: different ones are stored)." in told.notes


def test_scores_in_merged_tags_stand_beside_those_that_are_to_be_merged(single: Manifest, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("tag,merged\nburst,sound\nhiss,sound\n")
    three = ("burst", "hiss", "rain")
    wide = replace(single, vocabulary=(*single.vocabulary, "rain"))
    values = np.random.default_rng(0).random((len(single), 3)).astype(np.float32)
    own = file(tmp_path / "own.csv", values, wide, three)
    merged = file(tmp_path / "merged.csv", np.stack([values[:, :2].max(1), values[:, 2]], 1), wide, ("sound", "rain"))
    told = earmark.compare({"own": own, "merged": merged}, wide, merge=table, resamples=0, permutations=0)
    first, second = (system.metrics for system in told.systems)
    assert list(first) == list(second) and np.isfinite(first["accuracy"].value)
    for name in first:
        np.testing.assert_equal(first[name].value, second[name].value, name)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("burst,crack", "F1 is that of decisions of calibrated with the thresholds that they store and of plain with 0.5."),
        ("burst,sound\nhiss,sound", "calibrated: The tagger's thresholds of 'sound' differ among tags that are merged into one"),
    ],
)  # fmt: skip
def test_in_merged_tags_thresholds_stay_as_in_a_report(
    make: Make, scenes: Manifest, tmp_path: Path, table: str, said: str
) -> None:
    merge = tmp_path / "table.csv"
    merge.write_text(f"tag,merged\n{table}\n")
    systems = {"plain": make(0), "calibrated": make(0, {"tags": {"thresholds": {"burst": 0.001, "hiss": 0.999}}})}
    told = earmark.compare(systems, scenes, merge=merge, resamples=0, permutations=0)
    assert any(note.startswith(said) for note in told.notes), told.notes
    alone = earmark.evaluate(systems["calibrated"], scenes, merge=merge, resamples=0)
    own = alone.metrics if alone.figures.decisions is None else alone.figures.decisions.rows[1].f1
    assert told.systems[1].metrics["f1_micro"].value == own["f1_micro"].value
