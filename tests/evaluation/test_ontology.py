"""Tags with all classes below them: against the shipped tables, which were made from the ontology's own file, and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earmark.errors import ManifestError
from earmark.evaluation import ontology
from earmark.evaluation.vocabulary import Vocabulary

ESC10 = {
    "crying_baby": "Crying, sobbing", "sneezing": "Sneeze", "dog": "Dog", "rooster": "Chicken, rooster", "rain": "Rain",
    "sea_waves": "Ocean", "crackling_fire": "Fire", "helicopter": "Helicopter", "chainsaw": "Chainsaw", "clock_tick": "Clock",
}  # fmt: skip


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["tag,merged,below", *rows]) + "\n", "utf-8")
    return path


def test_ten_lines_say_what_the_shipped_table_says_in_527(tmp_path):
    rows = [f'"{head}",{tag},audioset' for tag, head in ESC10.items()]
    mapping = Vocabulary.load(table(tmp_path / "t.csv", *rows)).mapping
    shipped = Vocabulary.load("audioset-esc10").mapping
    assert {tag: mapping.get(tag) for tag in shipped} == dict(shipped)


def test_the_tree_is_the_ontology_s(data):
    classes = json.loads((data / "metadata/audioset/ontology.json").read_text("utf-8"))
    named = {each["id"]: each["name"] for each in classes}
    told = {each["name"]: tuple(named[child] for child in each["child_ids"]) for each in classes}
    assert ontology.tree("audioset") == told and len(told) == 632


def test_the_nearest_says_where_a_class_goes(tmp_path):
    rows = ("Animal,animal,audioset", "Dog,dog,audioset", "Bark,noise,", "Yip,,")
    mapping = Vocabulary.load(table(tmp_path / "t.csv", *rows)).mapping
    assert (mapping["Cat"], mapping["Howl"], mapping["Bark"], mapping["Yip"]) == ("animal", "dog", "noise", None)
    assert "Speech" not in mapping


@pytest.mark.parametrize(("rows", "words"), [
    (("Dog,dog,audioset", "Cat,cat,audioset"), "'Growling' lies below 'Dog' and 'Cat', which are merged into different tags: give it"),
    (("Dog,dog,wordnet",), "below 'Dog' is 'wordnet': there is no such tree of classes. Known: audioset"),
    (("Dogg,dog,audioset",), "'Dogg' is no class of audioset, did you mean 'Dog'"),
])  # fmt: skip
def test_what_cannot_be_told_is_refused(tmp_path, rows, words):
    with pytest.raises(ManifestError, match=words):
        Vocabulary.load(table(tmp_path / "t.csv", *rows))


def test_below_two_that_go_to_the_same_there_is_no_doubt(tmp_path):
    mapping = Vocabulary.load(table(tmp_path / "t.csv", "Dog,pet,audioset", "Cat,pet,audioset")).mapping
    assert mapping["Growling"] == "pet"
