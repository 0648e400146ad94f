"""ESC-10 and ESC-50 against their own tables."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.esc import LAYOUT
from earmark.data.leaks import leaks
from earmark.errors import ManifestError


@pytest.fixture
def two(tmp_path):
    for path, contents in LAYOUT.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(contents)
    return tmp_path


def test_columns(two):
    manifest = index("esc", two)
    assert manifest.ids.tolist() == ["1-100032-A-0", "2-100038-A-14"]
    assert manifest.folds.tolist() == ["1", "2"]
    assert manifest.groups.tolist() == ["100032", "100038"]
    assert manifest.vocabulary == ("dog", "chirping_birds")  # the official order, not that of the alphabet


def test_subset(two):
    assert index("esc", two, subset="esc10").vocabulary == ("dog",)
    with pytest.raises(ManifestError, match="subset is 'esc5'; it is 'esc10' or not given"):
        index("esc", two, subset="esc5")


def test_converted_recordings(two):
    (two / "audio" / "1-100032-A-0.wav").rename(two / "audio" / "1-100032-A-0.flac")
    assert index("esc", two).paths()[0].name == "1-100032-A-0.flac"


def test_absent_recordings(two):
    (two / "audio" / "1-100032-A-0.wav").rename(two / "audio" / "1-100032-A-0.txt")
    with pytest.raises(ManifestError, match=r"1 of 2 recordings is not there: 1-100032-A-0\.wav. Perhaps"):
        index("esc", two)


def test_absent_columns(two):
    table = two / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("src_file", "source_file"))
    with pytest.raises(ManifestError, match=r"no column 'src_file', did you mean 'source_file'\?"):
        index("esc", two)


def test_esc10(data):
    manifest = index("esc", data / "esc10")
    assert len(manifest) == 400
    assert manifest.fold_names() == ["1", "2", "3", "4", "5"]
    assert [manifest.in_folds(fold).truth().sum(0).tolist() for fold in manifest.fold_names()] == [[8] * 10] * 5
    assert manifest.vocabulary[:2] == ("dog", "rooster")
    assert leaks(manifest) == []


@pytest.mark.parametrize(("row", "message"), [
    (",1,0,dog,True,1,A", r"1 row lacks one of filename, fold, target, category, esc10, src_file, take: 3"),
    ("1.wav,1,0,,True,1,A", r"1 row lacks one of .*: 3"),
    ("1.wav,1,0,dog,,1,A", r"1 row lacks one of .*: 3"),
    ("1.wav,1,first,dog,True,1,A", r"the target of 1.wav is not a whole number"),
])  # fmt: skip
def test_odd_rows(two, row, message):
    table = two / "meta" / "esc50.csv"
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(ManifestError, match=message):
        index("esc", two)
