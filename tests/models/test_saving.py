"""A place where no file can be is told with its way out, by everything that is saved, and nothing is written."""

from __future__ import annotations

import pytest

from earmark import report
from earmark.data import manifest
from earmark.errors import EarmarkError, ManifestError, TaggerError
from earmark.files import missing_place
from earmark.models import loading
from earmark.models.ensemble import Ensemble

pytest.importorskip("torch")


def _small(engine):
    return loading.load("esc10-small", engine=engine)


SAVED = {
    "in torch": (lambda: _small("torch").save, TaggerError),
    "a graph": (lambda: _small("onnxruntime").save, TaggerError),
    "an ensemble": (lambda: Ensemble([_small("torch"), _small("onnxruntime")]).save, TaggerError),
    "a manifest": (lambda: _write, ManifestError),
}
PLACES = {
    "folder.csv": r"folder\.csv: is a folder\. Name a file in it$",
    "none/x.csv": r"none/x\.csv: its folder .*none is not there\. Make it first, or name a file in one that is there$",
    "file.csv/x.csv": r"file\.csv/x\.csv: its folder .*file\.csv is a file, and no folder\. Make it first, or name a file in one that is",
}


def _write(path):
    manifest.write(manifest.build({"id": ["a"], "path": ["a.wav"], "tags": ["dog"]}, "."), path)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file.csv").write_text("mine")
    return tmp_path


@pytest.mark.parametrize("what", SAVED)
def test_a_place_where_no_file_can_be(what, place):
    save, kind = SAVED[what][0](), SAVED[what][1]
    for name, told in PLACES.items():
        for path in (place / name, str(place / name)):
            with pytest.raises(kind, match=told):
                save(path)
    assert sorted(each.name for each in place.rglob("*")) == ["file.csv", "folder.csv"]
    save(place / "new.csv")
    save(place / "new.csv")  # which is there now
    assert (place / "new.csv").is_file() and (place / "file.csv").read_text() == "mine"


def test_places_that_are_none_of_a_folder(place):
    assert missing_place("/dev/stdout") == "" and missing_place("new.csv") == ""


def test_a_summary_is_of_figures_or_of_the_evaluation_that_has_them(clips, tmp_path):
    from tests.test_train import recipe

    import earmark
    from earmark.train import train

    run = train(recipe(train__epochs=1), clips, str(tmp_path / "run"))  # text is a path
    assert run == tmp_path / "run" / "tagger.safetensors"
    judged = earmark.evaluate(run, clips, folds=["5"], resamples=0, dataset="folder")
    assert report.summary(judged) == report.summary(judged.figures) and "accuracy" in report.summary(judged)
    with pytest.raises(EarmarkError, match="Give a Figures or an Evaluation"):
        report.summary(3)
