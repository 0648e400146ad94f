"""Whatever a Scores or Embeddings takes is written and read back the same, over every format; what a file cannot keep is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.errors import EarmarkError, ScoresError
from earmark.scores import Embeddings, Scores

ROWS = {"ids": np.array(["a", "b", "c"]), "start": np.zeros(3), "end": np.ones(3)}
SINGLE = np.random.default_rng(0).random((3, 2)).astype(np.float32)


def scores(**changed):
    return Scores(**{"values": SINGLE, **ROWS, "tags": ("x", "y"), "facts": {}, **changed})


def embeddings(**changed):
    return Embeddings(**{"vectors": SINGLE, **ROWS, "facts": {}, "levels": None, **changed})


NUMBERS = {
    "float64": np.array([[1 / 3, 2 / 3]] * 3),
    "float16": np.float16([[0.1, 0.2]] * 3),
    "whole": np.array([[1, 0]] * 3),
    "bytes": np.uint8([[255, 0]] * 3),
    "yes or no": np.array([[True, False]] * 3),
    "a view": np.asfortranarray(SINGLE)[::-1],
    "tiny": np.float32([[1e-45, -3.4e38]] * 3),
}
TAKEN = {
    "ids like numbers": {"ids": np.array(["001", "1e5", "nan"])},
    "ids like nothing": {"ids": np.array(["NULL", "NA", "true"])},
    "odd ids": {"ids": np.array([" a", "b\nc\r\n", '"d",\0e'])},
    "ids of pandas": {"ids": np.array(["a", "ü", "\U0001f600"], object)},
    "whole seconds": {"start": np.array([0, 1, 2]), "end": np.float32([0.1, 2, 3])},
    "times that are unknown": {"start": np.full(3, np.nan), "end": np.array([math.inf, np.nan, 1 / 3])},
    "facts": {"facts": {"a": {"b": [1, 2.5, None, True, "ü"]}, "c": []}},
    "facts of NumPy": {
        "facts": {"a": np.float32(0.5), "b": np.arange(3), "c": (np.int64(1), np.str_("x"), np.bool_(True))}
    },
    "no rows": {"ids": np.zeros(0), "start": np.zeros(0), "end": np.zeros(0)},
}
OF_SCORES = {
    "tags like numbers": {"tags": ("1", "2")},
    "odd tags": {"tags": (" x", 'a "b", c\n')},
    "a list of tags": {"tags": ["x", "y"]},
    "an array of tags": {"tags": np.array(["x", "y"])},
    "no tags": {"values": np.zeros((3, 0)), "tags": ()},
    "neither tags nor rows": {
        "values": np.zeros((0, 0)),
        "tags": (),
        "ids": np.zeros(0),
        "start": np.zeros(0),
        "end": np.zeros(0),
    },
    "one id again": {"ids": np.array(["a", "a", "a"])},
}
OF_EMBEDDINGS = {
    "levels": {"levels": np.array([0.1, np.nan, 2])},
    "no rows, with levels": {
        "vectors": np.zeros((0, 5)),
        "ids": np.zeros(0),
        "start": np.zeros(0),
        "end": np.zeros(0),
        "levels": np.zeros(0),
    },
    "nothing": {"vectors": np.zeros((0, 0)), "ids": np.zeros(0), "start": np.zeros(0), "end": np.zeros(0)},
}


def of(kind, changed):
    if "ids" in changed and not len(changed["ids"]):
        changed = {"values" if kind is scores else "vectors": np.zeros((0, 2)), **changed}
    return kind(**changed)


MADE = [
    *(pytest.param(scores, case, id=f"scores-{name}") for name, case in (TAKEN | OF_SCORES).items()),
    *(pytest.param(embeddings, case, id=f"embeddings-{name}") for name, case in (TAKEN | OF_EMBEDDINGS).items()),
    *(pytest.param(scores, {"values": each}, id=f"scores-{name}") for name, each in NUMBERS.items()),
    *(pytest.param(embeddings, {"vectors": each}, id=f"embeddings-{name}") for name, each in NUMBERS.items()),
]


@pytest.mark.parametrize(("kind", "case"), MADE)
def test_what_is_taken_is_written_and_read_back_the_same(kind, case, tmp_path):
    made = of(kind, case)
    made.save(tmp_path / "f.parquet")
    assert type(made).load(tmp_path / "f.parquet") == made
    if isinstance(made, Scores):
        made.save(tmp_path / "f.csv")
        assert Scores.load(tmp_path / "f.csv") == replace(made, facts={})  # a CSV has no place for facts
        kinds = [each.dtype.name for each in (made.values, made.start, made.end)]
        assert kinds == ["float32", "float64", "float64"] and isinstance(made.tags, tuple)
        json.loads(made.to_json())
        assert len(made.to_pandas().columns) == 3 + len(made.tags)


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(TEXT.filter(lambda name: name.rstrip("\0")), min_size=2, max_size=2),
    st.lists(
        TEXT.filter(lambda name: name.strip() and name not in ("id", "start", "end")),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    st.data(),
)
def test_any_names_and_numbers_are_read_back(tmp_path_factory, ids, tags, data):
    values = data.draw(arrays(np.float64, (2, len(tags)), elements=st.floats(-1e38, 1e38)))
    times = data.draw(arrays(np.float64, (2, 2)))
    made = Scores(values, np.array(ids), times[0], times[1], tuple(tags))
    folder = tmp_path_factory.mktemp("names")
    for ending in ("csv", "parquet"):
        made.save(folder / f"f.{ending}")
        assert Scores.load(folder / f"f.{ending}") == made


REFUSED = {
    "ids of numbers": ({"ids": np.arange(3)}, "the id in row 1 is .*0.*, no text: .* ids.astype(str)"),
    "an id of None": ({"ids": np.array(["a", None, "c"], object)}, "the id in row 2 is None, no text"),
    "an empty id": ({"ids": np.array(["a", "", "c"])}, "row 2 has no id: name its clip or recording"),
    "an id that is not UTF-8": (
        {"ids": np.array(["a", "b\udcfc", "c"])},
        "id .* is not UTF-8, and no table can keep it",
    ),
    "ids in two columns": ({"ids": np.array([["a", "b"]] * 3)}, r"ids has the shape \(3, 2\); it must be \(rows,\)"),
    "a single id": ({"ids": np.array("a")}, r"ids has (none|no rows)"),
    "times in two columns": ({"start": np.zeros((3, 2))}, r"start has the shape \(3, 2\)"),
    "dates": ({"end": np.array(["2020-01-01"] * 3, "M8[s]")}, r"end is datetime64\[s\]: give seconds"),
    "facts of a key that is no text": (
        {"facts": {"a": {1: 2}}},
        "facts have the key 1 under 'a': JSON knows text alone",
    ),
    "facts that are no numbers": (
        {"facts": {"a": [1, math.nan]}},
        r"facts tell nan under 'a\[1\]', which JSON does not",
    ),
    "facts of objects": ({"facts": {"a": object()}}, "facts tell <object .* under 'a'"),
}
NO_SCORES = {
    "huge": ({"values": np.full((3, 2), 1e300)}, "values hold 1e.300, beyond the largest number of float32, 3.4e.38"),
    "infinite": ({"values": np.full((3, 2), math.inf)}, "the score of 'x' in row 1 .* is not a finite number"),
    "text": ({"values": np.full((3, 2), "1")}, "values are <U1: give numbers"),
    "complex": ({"values": np.full((3, 2), 1j)}, "values are complex128: give numbers"),
    "tags that are no text": ({"tags": np.array([1, 2])}, "the tag .*1.* is no text: give tags as text"),
    "a tag that is not UTF-8": ({"tags": ("x", "\udcfc")}, "is not UTF-8, so that no table can keep it"),
}
NO_EMBEDDINGS = {
    "huge": ({"vectors": np.full((3, 2), 1e300)}, "vectors hold 1e.300, beyond the largest number of float32"),
    "of no width": ({"vectors": np.zeros((3, 0))}, r"embeddings have the shape \(3, 0\)"),
    "levels in two columns": ({"levels": np.zeros((3, 1))}, r"levels has the shape \(3, 1\)"),
}


@pytest.mark.parametrize(("kind", "case"), [
    *(pytest.param(scores, case, id=f"scores-{name}") for name, case in (REFUSED | NO_SCORES).items()),
    *(pytest.param(embeddings, case, id=f"embeddings-{name}") for name, case in (REFUSED | NO_EMBEDDINGS).items()),
])  # fmt: skip
def test_what_no_file_keeps_is_refused_where_it_is_made(kind, case):
    changed, message = case
    with pytest.raises(ScoresError, match=message.replace("astype(str)", r"astype\(str\)")):
        kind(**changed)


def test_a_table_of_pandas_loses_no_column():
    pytest.importorskip("pandas")
    made = scores(values=np.arange(12).reshape(3, 4), tags=("id", "tag id", "tag tag id", "y"))
    table = made.to_pandas()
    assert list(table.columns) == ["id", "start", "end", "tag tag tag id", "tag id", "tag tag id", "y"]
    assert table["tag tag tag id"].tolist() == [0, 4, 8] and table["tag id"].tolist() == [1, 5, 9]
    assert list(scores(tags=("id", "y")).to_pandas().columns) == ["id", "start", "end", "tag id", "y"]


def test_what_a_csv_cannot_hold_is_told(tmp_path):
    with pytest.raises(EarmarkError, match="a tag is called 'id' like a column of the CSV: save as .parquet"):
        scores(tags=("id", "y")).save(tmp_path / "s.csv")


def test_a_file_of_before_whose_facts_tell_nan_is_read(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("earmark.scores.arrays.told", lambda head: json.dumps(head | {"facts": {"a": math.nan}}))
        scores().save(tmp_path / "s.parquet")
    assert Scores.load(tmp_path / "s.parquet").facts == {"a": None}
