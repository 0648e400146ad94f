"""Scores of other tools in CSV: separators as in manifests, and refusals that tell what is wrong."""

from __future__ import annotations

import warnings

import pytest

from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.labels import audit
from earmark.scores import Scores

ROWS = [("id", "dog", "rain"), ("a", "0.25", "0.5"), ("b", "1", "1e-3")]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("above", [False, True])
def test_cells_lie_between_commas_semicolons_or_tabs(sign, above, tmp_path):
    file = tmp_path / "scores.csv"
    file.write_text(f"sep={sign}\n" * above + "".join(sign.join(row) + "\n" for row in ROWS))
    told = Scores.load(file)
    assert (told.tags, told.ids.tolist()) == (("dog", "rain"), ["a", "b"])
    assert told.values.ravel() == pytest.approx([0.25, 0.5, 1, 0.001])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,dog,dog\na,0.5,0.5\n", "has 2 columns 'dog', number 2 and number 3"),
        ("id;dog;dog\na;0.5;0.5\n", "has 2 columns 'dog', number 2 and number 3"),
        ("id,id,dog\na,b,0.5\n", "has 2 columns 'id', number 1 and number 2"),
        ("id,dog\na,1e300\n", "scores of 'dog' hold 1e\\+300, beyond the largest number of float32"),
        ("id;dog\na;0,5\n", "column 'dog' holds string, not scores as numbers"),
    ],
)
def test_what_is_wrong_is_told_plainly(text, said, tmp_path):
    (tmp_path / "scores.csv").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ScoresError, match=rf"scores\.csv: {said}"):
            Scores.load(tmp_path / "scores.csv")


@pytest.mark.parametrize("name", ["none", "none.parquet", "none/run.safetensors"])
def test_an_audit_of_what_is_not_there_says_so(name, tmp_path):
    with pytest.raises(EarmarkError, match="no such file"):
        audit(tmp_path / name, tmp_path)
