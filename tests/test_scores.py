"""Scores: what is written is what is read, and what does not fit is refused."""

import numpy as np
import pytest

from earmark.errors import ScoresError
from earmark.scores import Scores, concat


@pytest.fixture
def scores() -> Scores:
    values = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    ids = np.array(["a", "a", "b", 'Ünï, "c"'])
    start = np.array([0.0, 1 / 3, 0.0, 2.0])
    return Scores(values, ids, start, start + 1, ("dog", "Male speech, man speaking", "cat"), {"tagger": "x", "n": 3})


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_is_saved_is_loaded(scores, suffix, tmp_path):
    path = tmp_path / f"s{suffix}"
    scores.save(path)
    again = Scores.load(path)
    np.testing.assert_array_equal(again.values, scores.values)
    np.testing.assert_array_equal(again.ids, scores.ids)
    np.testing.assert_array_equal(again.start, scores.start)
    np.testing.assert_array_equal(again.end, scores.end)
    assert again.tags == scores.tags
    if suffix == ".parquet":
        assert again.facts == scores.facts


@pytest.mark.parametrize("name", ["s.parquet", "s.csv"])
def test_a_save_that_fails_leaves_the_old_file(scores, name, tmp_path, monkeypatch):
    scores.save(tmp_path / name)
    before = (tmp_path / name).read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", fail)
        with pytest.raises(OSError, match="No space left"):
            concat([scores, scores]).save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_tools_scores(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("id,dog,cat\n007,0.25,1\n008,0,0.5\n")
    got = Scores.load(path)
    assert got.ids.tolist() == ["007", "008"]
    assert got.values.tolist() == [[0.25, 1.0], [0.0, 0.5]]
    assert got.start.tolist() == [0, 0]
    assert np.isnan(got.end).all()


def test_joining(scores):
    both = concat([scores, scores])
    assert len(both) == 8
    other = Scores(scores.values, scores.ids, scores.start, scores.end, ("x", "y", "z"))
    with pytest.raises(ScoresError, match="tags differ"):
        concat([scores, other])
    with pytest.raises(ScoresError, match="no scores"):
        concat([])


def build(values, tags=("a", "b"), rows=None):
    rows = len(values) if rows is None else rows
    return Scores(np.asarray(values, np.float32), np.array(["x"] * rows), np.zeros(rows), np.ones(rows), tags)


def test_contradictions_are_refused():
    with pytest.raises(ScoresError, match=r"shape \(1, 3\); 2 tags"):
        build([[1, 2, 3]])
    with pytest.raises(ScoresError, match="ids has 2 rows, values have 1"):
        build([[1, 2]], rows=2)
    with pytest.raises(ScoresError, match="named twice: a"):
        build([[1, 2]], tags=("a", "a"))
    with pytest.raises(ScoresError, match=r"score of 'b' in row 1 \(x\) is not a finite"):
        build([[1, np.nan]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,dog,rain\na,0.5,\nb,0.2,0.1\n", "the score of 'rain' in row 1 (a) is not a finite number. Put one there"),
        ("id,dog\na,yes\n", "column 'dog' holds string, not scores as numbers"),
        ("name,dog\na,0.5\n", "has no column 'id'; it has name, dog"),
    ],
)
def test_what_is_wrong_with_scores_is_told_with_the_file(text, told, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ScoresError) as error:
        Scores.load(tmp_path / "a.csv")
    assert str(error.value).startswith(f"{tmp_path / 'a.csv'}: {told}")


def test_files_that_hold_no_scores(tmp_path, scores):
    missing = tmp_path / "no.parquet"
    with pytest.raises(ScoresError, match="no such file"):
        Scores.load(missing)
    missing.write_bytes(b"PAR1 not really")
    with pytest.raises(ScoresError, match="holds no scores"):
        Scores.load(missing)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("name,dog\na,1\n")
    with pytest.raises(ScoresError, match="no column 'id'; it has name, dog"):
        Scores.load(wrong)
    with pytest.raises(ScoresError, match="written as .parquet or .csv, not .npz"):
        scores.save(tmp_path / "s.npz")
    with pytest.raises(ScoresError, match="a tag is called 'start'"):
        build([[1, 2]], tags=("start", "b")).save(tmp_path / "s.csv")


@pytest.mark.parametrize(("row", "message"), [
    ("a,2020-01-01,1,0.5", "s.csv: column 'start' holds date32.day., not seconds as numbers: correct it"),
    ("a,0,00:00:02,0.5", "s.csv: column 'end' holds time32.s., not seconds as numbers"),
    ("a,0,1,2020-01-01", "s.csv: column 'dog' holds date32.day., not scores as numbers"),
    ("a,0,1,loud", "s.csv: column 'dog' holds string, not scores as numbers"),
    (",0,1,0.5", "s.csv: row 1 has no id: name its clip or recording"),
])  # fmt: skip
def test_cells_of_other_tools_that_are_no_numbers(tmp_path, row, message):
    """Dates would be read as days since 1970."""
    (tmp_path / "s.csv").write_text(f"id,start,end,dog\n{row}\n")
    with pytest.raises(ScoresError, match=message):
        Scores.load(tmp_path / "s.csv")
