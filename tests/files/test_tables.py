"""Rows that were written are read as they were, whatever stands in a cell."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import earmark
from earmark.files.tables import Rows, line_of

CELLS = st.lists(st.lists(st.text(st.sampled_from("a \t\r\n,;\"'é")), min_size=2, max_size=4), max_size=5)


@given(CELLS, st.sampled_from(",;\t"))
def test_rows_are_read_as_they_were_written(rows, separator):
    out = io.StringIO(newline="")
    Rows(out, separator).writerows(rows)
    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator, strict=True)) == rows
    plain = [row for row in rows if not any("\r" in cell or "\n" in cell for cell in row)]
    assert "".join(map(line_of, plain)).count("\n") == len(plain) and "\r" not in "".join(map(line_of, plain))


def test_nobody_writes_rows_in_another_way():
    """All tables end their lines alike, and csv.writer with \\n alone would let a carriage return in a name break the row in two."""
    source = Path(earmark.__file__).parent
    own = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)|import (writer|DictWriter)|lineterminator", path.read_text())
        and path.name != "tables.py"
    ]
    assert own == []


@pytest.mark.parametrize("cells", [["two\rparts.wav", 0.5], ["", ""], ["a,b", None]])
def test_a_line(cells):
    (row,) = csv.reader(io.StringIO(line_of(cells), newline=""))
    assert row == ["" if cell is None else str(cell) for cell in cells]
