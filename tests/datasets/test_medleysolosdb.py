"""Medley-solos-DB in its layout, and the excerpt."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.medleysolosdb import LAYOUT
from earmark.errors import ManifestError

TABLE = "annotation/Medley-solos-DB_metadata.csv"


def test_columns(plant):
    manifest = index("medleysolosdb", plant(LAYOUT))
    assert manifest.ids.tolist() == ["0b361f3f-0520-50c2-fc6c-247600c03c95", "0acdc953-162f-547b-fd5f-b90ab0cb9ced"]
    assert manifest.folds.tolist() == ["training", "test"]
    assert manifest.groups.tolist() == ["7", "101"]
    assert manifest.vocabulary == ("clarinet", "flute")
    assert manifest.facts["groups"] == "songs"


def test_several_tables(plant):
    with pytest.raises(ManifestError, match=r"several tables: Medley-solos-DB_metadata_2.csv, annotation/Medley"):
        index("medleysolosdb", plant(LAYOUT, {"Medley-solos-DB_metadata_2.csv": ""}))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("training,", "train,", r"row 1 is not of a subset \(training, validation, test\), an instrument's number"),
        ("flute,3", "flute,x", r"row 2 is not of a subset"),
        ("flute,3", "flute,0", r"instrument 0 is called 'clarinet' and 'flute'"),
        ("uuid4", "uuid", r"no column 'uuid4', did you mean 'uuid'"),
    ],
)
def test_odd_tables(plant, old, new, message):
    with pytest.raises(ManifestError, match=message):
        index("medleysolosdb", plant(LAYOUT, {TABLE: LAYOUT[TABLE].replace(old, new)}))


def test_excerpt(data):
    root = data / "medley_solos_db_mini"
    manifest = index("medleysolosdb", root)
    assert [(manifest.folds == fold).sum() for fold in ("training", "validation", "test")] == [80, 9, 8]
    assert manifest.vocabulary[1] == "distorted electric guitar"
    assert manifest.facts["groups"] == "clips: the table has no song_id"
    # the table of the excerpt also names the files
    lines = [line.split(",") for line in (root / "Medley-solos-DB_metadata_mini.csv").read_text().splitlines()[1:]]
    assert [path.name for path in manifest.paths()] == [line[0] for line in lines]
    assert [tag for (tag,) in manifest.table["tags"].to_pylist()] == [line[3] for line in lines]
