"""A tag has a name: one of nothing, of blanks, or what pandas makes of such is refused wherever names of tags are taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.errors import EarmarkError
from earmark.evaluation.vocabulary import Vocabulary
from earmark.models.adopted import labels
from earmark.models.file import read_head
from earmark.models.tagger import build
from earmark.recipe import parse
from earmark.scores import Scores
from earmark.scores.table import FORMAT

PLAN = {
    "task": "one", "sample_rate": 8000, "data": {"dataset": "synth"}, "windows": {"length": 0.5, "hop": 0.5},
    "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [4, 4, 4], "hidden": 4}, "augment": ["crop"], "train": {"epochs": 1},
}  # fmt: skip
NAMELESS = ["", " ", "\t\u00a0", "Unnamed: 0"]


def in_python(name: str, _: Path) -> None:
    Scores(np.zeros((1, 2)), np.array(["a"]), np.zeros(1), np.ones(1), ("dog", name))


def of_a_csv(name: str, folder: Path) -> None:
    (folder / "s.csv").write_text(f"{name},id,dog\n0,a,0.5\n")
    Scores.load(folder / "s.csv")


def of_a_parquet(name: str, folder: Path) -> None:
    rows = {"id": ["a"], "start": [0.0], "end": [1.0], "scores": pa.array([[0.5, 0.5]], pa.list_(pa.float32(), 2))}
    head = {"format": FORMAT, "version": 1, "tags": [name, "dog"], "facts": {}}
    table = pa.table(rows).replace_schema_metadata({FORMAT: json.dumps(head)})
    parquet.write_table(table, folder / "s.parquet")
    Scores.load(folder / "s.parquet")


def of_clips(name: str, folder: Path) -> None:
    manifests.build({"id": ["a"], "path": ["a.wav"], "tags": ["dog"]}, folder, vocabulary=["dog", name])


def of_a_net(name: str, _: Path) -> None:
    build(parse(PLAN), ("dog", name))


def of_a_taggers_file(name: str, folder: Path) -> None:
    tagger = build(parse(PLAN), ("dog", "rain"))
    tagger.vocabulary = ("dog", name)
    tagger.save(folder / "t.safetensors")
    read_head(folder / "t.safetensors")


def of_labels(name: str, folder: Path) -> None:
    (folder / "labels.csv").write_text(f"index,name\n0,dog\n1,{name}\n")
    build(parse(PLAN), labels.load(folder / "labels.csv", 2))


PLACES: list[Callable[[str, Path], Any]] = [
    in_python, of_a_csv, of_a_parquet, of_clips, of_a_net, of_a_taggers_file, of_labels,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMELESS, ids=repr)
@pytest.mark.parametrize("taken", PLACES, ids=lambda each: each.__name__)
def test_a_name_of_nothing_is_refused(taken, name, tmp_path):
    with pytest.raises(EarmarkError, match=r"names no|names nothing"):
        taken(name, tmp_path)


@pytest.mark.parametrize("taken", PLACES, ids=lambda each: each.__name__)
def test_any_other_name_is_one(taken, tmp_path):
    taken("Unnamed", tmp_path)
    taken("0", tmp_path)


@pytest.mark.parametrize("name", NAMELESS[:3], ids=repr)
def test_a_cell_of_blanks_is_an_empty_one_in_a_table_of_merged_tags(name, tmp_path):
    (tmp_path / "t.csv").write_text(f"tag,merged\ndog,{name}\n{name},rain\n")
    with pytest.raises(EarmarkError, match="line 3 names no tag"):
        Vocabulary.load(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(f"tag,merged\ndog,{name}\n")
    assert Vocabulary.load(tmp_path / "t.csv").mapping == {"dog": None}


def test_the_index_of_pandas_is_told_with_the_way_out(tmp_path):
    """As `table.to_csv(path)` writes it, and as it is written again after pandas has read that."""
    pandas = pytest.importorskip("pandas")
    (tmp_path / "clips.csv").write_text("id,path,tags\na,a.wav,dog\nb,b.wav,rain\n")
    table = pandas.DataFrame({"id": ["a", "b"], "dog": [0.9, 0.1], "rain": [0.1, 0.9]})
    table.to_csv(tmp_path / "once.csv")
    pandas.read_csv(tmp_path / "once.csv").to_csv(tmp_path / "again.csv", index=False)
    judged = ("--data", tmp_path / "clips.csv", "--resamples", 0)
    for name, called in (("once.csv", "''"), ("again.csv", "'Unnamed: 0'")):
        for words in (
            ("evaluate", tmp_path / name, *judged),
            ("ensemble", *[tmp_path / name] * 2, "-o", tmp_path / "o.csv"),
        ):
            done = earmark(*words)
            assert done.returncode == 2, done
            assert f"{name}: column 1 of 4 is called {called}, which names no tag" in done.stderr
            assert "to_csv(…, index=False), or take the column out" in done.stderr
    table.to_csv(tmp_path / "s.csv", index=False)
    done = earmark("evaluate", tmp_path / "s.csv", *judged)
    assert done.returncode == 0 and "accuracy" in done.stdout
    assert not (tmp_path / "o.csv").exists()
