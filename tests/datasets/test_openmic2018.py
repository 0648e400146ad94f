"""OpenMIC-2018: relevance, and what is not known."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.openmic2018 import LAYOUT, TABLE, class_names, keys, relevance
from earmark.errors import ManifestError


def test_columns(plant):
    manifest = index("openmic2018", plant(LAYOUT))
    assert manifest.table["tags"].to_pylist() == [["clarinet"], ["flute"]]
    assert manifest.folds.tolist() == ["train", "test"]
    assert manifest.groups.tolist() == ["000046", "000178"]
    assert manifest.vocabulary == ("clarinet", "flute")
    # of 2 clips x 2 instruments one pair was not asked about
    assert manifest.facts["pairs"] == {"positive": 2, "negative": 1, "unknown": 1}


def test_half_is_relevant(plant):
    table = LAYOUT[TABLE].replace("0.82895", "0.5").replace("flute,0.0", "flute,0.4999")
    assert index("openmic2018", plant(LAYOUT, {TABLE: table})).table["tags"].to_pylist()[0] == ["clarinet"]


def test_partitions(plant):
    manifest = index("openmic2018", plant(LAYOUT, {"partitions/split01_test.csv": "000319_145920\n"}))
    assert manifest.folds.tolist() == ["train", ""]
    assert manifest.facts["in no partition"] == 1
    assert manifest.facts["listed in a partition but without labels"] == 1
    with pytest.raises(ManifestError, match=r"'sample_key,split' is not a clip such as 000046_3840"):
        keys(plant({"p.csv": "sample_key,split\n"}) / "p.csv")
    with pytest.raises(ManifestError, match=r"names a clip twice"):
        keys(plant({"p.csv": "a_1\na_1\n"}) / "p.csv")


@pytest.mark.parametrize(
    "row", ["000046_3840,oboe,1.0,3", "000046_3840,flute,1.5,3", "000046_3840,flute,,3", ",flute,1,3"]
)
def test_odd_rows(plant, row):
    with pytest.raises(
        ManifestError, match=r"1 row lacks a clip, an instrument of class-map.json or a relevance .*: 4$"
    ):
        index("openmic2018", plant(LAYOUT, {TABLE: LAYOUT[TABLE] + row + "\n"}))


@pytest.mark.parametrize("text", ['{"flute": 1}', "[]", "{}", '{"flute": "a"}', "{"])
def test_odd_class_maps(plant, text):
    with pytest.raises(ManifestError, match=r"does not number instruments"):
        class_names(plant({"class-map.json": text}) / "class-map.json")


def test_official_tables(data):
    folder = data / "metadata" / "openmic2018"
    names = class_names(folder / "class-map.json")
    assert len(names) == 20
    assert names[:3] == ("accordion", "banjo", "bass")
    listed = keys(folder / "split01_test.csv")
    assert len(listed) == 5085  # of 20,000; the other 14,915 are for training
    assert listed[0] == "000178_3840"


def test_excerpt(data):
    root = data / "tiny_layouts" / "openmic2018"
    answers = relevance(root / TABLE, class_names(root / "class-map.json"))
    assert answers == {"000046_3840": {"clarinet": 0.17104999999999998, "flute": 0.0, "trumpet": 0.0}}
    manifest = index("openmic2018", root)
    assert manifest.table["tags"].to_pylist() == [[]]
    assert manifest.facts["pairs"] == {"positive": 0, "negative": 3, "unknown": 17}


def test_a_clip_in_both_partitions(plant):
    with pytest.raises(ManifestError, match=r"1 clip is in both partitions, such as 000046_3840"):
        index("openmic2018", plant(LAYOUT, {"partitions/split01_test.csv": "000178_3840\n000046_3840\n"}))
