"""A manifest that is not there is told as a file by every verb that takes data, with the nearest there is."""

from __future__ import annotations

import pytest
from tests.cli.offered import commands, given
from tests.program import earmark

from earmark import cli
from earmark.data import datasets
from earmark.errors import ManifestError

VERBS = [
    pytest.param(words, command, parameter, id=" ".join(words))
    for name in cli.names()
    for words, command in commands(name)
    for parameter in command.params
    if parameter.name == "data"
]
MORE = {"ensemble": ["--search"]}  # without which data are not asked for


@pytest.mark.parametrize(("words", "command", "parameter"), VERBS)
def test_a_manifest_that_is_not_there_is_told(words, command, parameter, place, tmp_path, monkeypatch):
    """Also where the recipe's data set makes its clips in a folder that is not there."""
    monkeypatch.chdir(tmp_path)
    good = given(words[0], command, place, tmp_path)
    absent = str(place / "clip.csv")
    told = [absent if word == str(place / "clips.csv") else word for word in good]
    told += [] if absent in told else [parameter.opts[0], absent]
    done = earmark(*words, *told, *MORE.get(words[0], []))
    assert done.returncode == 2, done.stderr
    assert (
        f"{absent}: no such file, did you mean 'clips.csv'? Give a manifest, which `earmark index` makes" in done.stderr
    )
    assert not (place / "clip.csv").exists()


def test_all_verbs_that_take_data_are_tried():
    assert {"train", "evaluate", "compare", "calibrate", "audit"} <= {each.values[0][0] for each in VERBS}


@pytest.mark.parametrize(
    ("name", "dataset", "told"),
    [
        ("clips.tsv", "esc", r"clips\.tsv: no such file\. Give a manifest"),
        ("clips", None, r"clips: no such file or folder\. Give a manifest"),
        (
            "clips",
            "esc",
            r"clips: no such folder\. Data sets are not downloaded: see where to get 'esc'.*Give a manifest",
        ),
        ("clips.csv", "table", r"clips\.csv: no such file\."),
        ("clips.parquet", "synth", r"clips\.parquet: no such file\."),
    ],
)
def test_data_are_told_by_their_names(name, dataset, told, tmp_path):
    with pytest.raises(ManifestError, match=told):
        datasets.open_data(tmp_path / name, dataset)
    assert not list(tmp_path.iterdir())
