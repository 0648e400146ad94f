"""Which data set clips are of, and with which options: as their manifest tells, never as a recipe for other clips has it."""

from __future__ import annotations

import inspect
import sys

import pyarrow as pa
import pytest
from tests.datasets.test_contract import few, plant
from tests.program import earmark

from earmark import recipe as recipes
from earmark.data import datasets, packs
from earmark.data import manifest as manifests
from earmark.errors import ManifestError
from earmark.evaluation import heldout, leakage
from earmark.models import loading
from earmark.models.facts import Base
from earmark.registry import DATASETS

OWN = "a value of one's own"


def options_of(name):
    return {
        key: each.default for key, each in DATASETS[name].arguments().items() if key != "root" and key not in few(name)
    }


# a table's own options are of its file
OPENED = [
    (name, form)
    for name in DATASETS.names()
    for form in ("csv", "parquet", "pack")
    if name != "table" or form == "pack"
]


@pytest.mark.parametrize(("name", "form"), OPENED)
def test_options_that_had_no_part_in_the_clips_are_told_or_refused(name, form, tmp_path):
    plant(sys.modules[DATASETS[name].function.__module__].LAYOUT, tmp_path)
    indexed = datasets.index(name, tmp_path, **few(name))
    place = tmp_path / (form if form == "pack" else f"clips.{form}")
    (packs.pack if form == "pack" else manifests.write)(indexed, place)
    said = []
    clips = datasets.open_data(place, name, {}, said.append)
    assert not any("are not used" in line for line in said)
    if form != "csv":
        assert clips.facts["data set"] == name
    for option, default in options_of(name).items():
        given = {**few(name), option: OWN}
        said = []
        datasets.open_data(place, name, given, said.append)
        assert any(f"data.options of {name} are not used (" in line and f"{option}={OWN}" in line for line in said)
        with pytest.raises(ManifestError, match=f"Leave data.options.{option} out"):
            datasets.open_data(place, name, given, insisted=[option])
        if default is not inspect.Parameter.empty:
            # what it was indexed with needs no word, whether it was given then or is the default; a CSV does not tell
            said = []
            datasets.open_data(place, name, {**few(name), option: default}, said.append)
            assert any("are not used" in line for line in said) == (form == "csv")


def test_the_name_of_an_official_data_set_is_believed_of_clips_that_are_called_so(tmp_path, clips):
    for ids, of_it in (("{}-1234-A-10", True), ("clip {}", False)):
        column = pa.array([ids.format(number) for number in range(len(clips))])
        table = clips.table.set_column(0, "id", column)
        manifests.write(manifests.Manifest(table, clips.root, clips.vocabulary), tmp_path / "clips.csv")
        told = datasets.open_data(tmp_path / "clips.csv", "esc").facts["data set"]
        assert told == ("esc" if of_it else "table")


@pytest.fixture
def trained(clips, tmp_path, sketched):
    """By a recipe for ESC, on a table of other clips with a fold of its own for each fifth, and its folder."""
    manifests.write(clips, tmp_path / "clips.csv")
    small = ["train.epochs=1", "sample_rate=4000", "windows.length=0.5", "windows.hop=0.5", "train.precision=float32"]
    small += [
        "net={name: convnet1d, widths: [4, 4], blocks: [1, 1]}",
        "augment=[crop]",
        "data.shared_groups=refuse",
        "train.batch=8",
    ]
    small += ["data.test=[5]", "data.validation=[4]", "data.train=[1, 2, 3]"]
    sets = [word for each in small for word in ("--set", each)]
    told = earmark("train", "esc10-samplecnn", "--data", tmp_path / "clips.csv", "--out", tmp_path / "run", *sets)
    assert told.returncode == 0, told.stderr
    return told, tmp_path / "run"


def test_a_tagger_tells_the_data_that_it_learnt_from(trained, clips, tmp_path):
    told, folder = trained
    assert "the clips are of a table that tells no data set, not of the recipe's esc" in told.stderr + told.stdout
    tagger = loading.load(folder / "tagger.safetensors")
    assert tagger.facts.dataset == "table"
    # what it learnt from is known where it is judged, and a folder of the clips is opened as it was in training
    judged = heldout.to_judge(tagger, heldout.Request(tmp_path / "clips.csv"))
    assert set(judged.clips.folds) == {"5"} and leakage.learnt(tagger.facts, judged.dataset)


def test_leaks_are_not_told_by_the_name_of_a_recipe(trained, clips):
    """The shipped tagger learnt from clips of ESC, of which these are none."""
    from earmark.train import bases

    tagger = loading.load("esc10")
    (base,) = Base.of(tagger.facts, tagger.identity(), "esc10", ["net.branch"])
    opened = datasets.open_data(trained[1].parent / "clips.csv", "esc")
    recipe = recipes.load("esc10-samplecnn")
    assert bases.of_this_data(base, recipe, opened) is None
    assert bases.of_this_data(base, recipe, manifests.read(trained[1].parent / "clips.csv"))  # told by the recipe alone


def test_a_setting_that_a_manifest_cannot_follow_is_refused(clips, tmp_path):
    manifests.write(clips, tmp_path / "clips.csv")
    for setting in ("data.options.classes=twelve", "data.options={classes: twelve}"):
        told = earmark(
            "train",
            "speechcommands-samplecnn",
            "--data",
            tmp_path / "clips.csv",
            "--out",
            tmp_path / "run",
            "--set",
            setting,
        )
        assert told.returncode and "data.options of speechcommands are not used (classes=twelve)" in told.stderr
        assert not (tmp_path / "run").exists()
