"""Phases and folds have folders of their names: none is anywhere else, and none is what a run writes by itself."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
import yaml
from tests.files.test_parts import BAD, GOOD
from tests.program import earmark
from tests.test_train import recipe

from earmark import train as training
from earmark.data import manifest as manifests
from earmark.errors import ManifestError, RecipeError
from earmark.evaluation import heldout, leakage
from earmark.recipe.phasenames import name_mistakes
from earmark.train import began, folder, phases, precision, seeds

CONSTANTS = {
    *(folder.RECIPE, folder.STATE, folder.TAGGER, folder.LOG, folder.SPLIT, folder.KNOWN, began.FILE, phases.CURVES, precision.FILE),
    *(precision.TOLD, seeds.FILE, leakage.LOOKS, "errors.csv", "left-out.json", "seed-1", "fold-2", "epochs"),
}  # fmt: skip
RUNS = {"plain": {}, "phases": {"phases": {"one": {}, "two": {}}}}

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_no_part_of_a_path_is_refused(name):
    with pytest.raises(RecipeError) as caught:
        recipe(phases={name: {}})
    assert any("cannot be a phase's name" in mistake for mistake in caught.value.mistakes)


@pytest.mark.parametrize("name", GOOD)
def test_other_names_are_taken(name):
    assert recipe(phases={name: {}}).running() == [name]


@pytest.mark.parametrize("name", sorted(CONSTANTS))
@pytest.mark.parametrize("change", [str, str.upper])
def test_a_name_of_the_runs_own_is_refused(name, change):
    (told,) = name_mistakes([change(name)])
    assert "is what a run calls a" in told


def test_two_names_that_a_disk_may_take_for_one_are_refused():
    (told,) = name_mistakes(["mix", "Mix"])
    assert told.startswith("phases: 'mix' and 'Mix' become one folder")


@pytest.mark.parametrize("plan", RUNS)
def test_all_that_a_run_writes_is_refused(clips, tmp_path, plan):
    """What a later version writes beside the phases is found here."""
    place = tmp_path / "run"
    path = training.train(recipe(train__epochs=1, train__keep="every", **RUNS[plan]), clips, place)
    heldout.beside(path, ["5"]).mkdir()
    leakage.look(place, [], clips)
    own = {each.name for each in place.iterdir()} - RUNS[plan].get("phases", {}).keys()
    assert len(own) >= 7
    assert [name for name in sorted(own) if not name_mistakes([name])] == []


def test_check_and_train_refuse_it_and_write_nothing(tmp_path, clips):
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump(recipe(phases={"a": {}}).as_dict() | {"phases": {"../other": {}}}))
    manifests.write(clips, tmp_path / "clips.parquet")
    (tmp_path / "work").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for command in (["check", plan], ["train", plan, "--data", tmp_path / "clips.parquet", "--out", "work/run"]):
        done = earmark(*command, cwd=tmp_path)
        assert done.returncode == 2 and "'../other' cannot be a phase's name" in done.stderr, done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def folded(clips, *names):
    """The clips with folds of these names in turn."""
    folds = [names[row % len(names)] for row in range(len(clips))]
    place = clips.table.column_names.index("fold")
    return replace(clips, table=clips.table.set_column(place, "fold", pa.chunked_array([pa.array(folds)])))


@pytest.mark.parametrize("name", [name for name in BAD if name and "\0" not in name])
def test_a_fold_that_names_no_folder_takes_no_turn(clips, name):
    plan = recipe(data__validation=["1"], data__test=[])
    with pytest.raises(ManifestError, match="cannot take a turn, as its name becomes that of a folder"):
        training.rotations(plan, folded(clips, "1", "2", name))
    assert [*training.rotations(plan, folded(clips, "1", "2", "b.1"))] == ["1", "2", "b.1"]


def test_folds_that_a_disk_may_take_for_one_take_no_turns(clips):
    with pytest.raises(ManifestError, match="'B' and 'b' become one folder"):
        training.rotations(recipe(data__validation=["1"], data__test=[]), folded(clips, "1", "b", "B"))


def test_the_report_on_a_fold_of_any_name_stays_beside_its_tagger(tmp_path):
    (tmp_path / "run.json").touch()
    tagger = tmp_path / "tagger.safetensors"
    assert heldout.beside(tagger, ["1", "2"]) == tmp_path / "evaluation-fold-1-2"
    for name in BAD:
        assert heldout.beside(tagger, [name]).resolve().parent == tmp_path.resolve()
