"""Names that become folders stay one folder in their place, on every file system."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from earmark.files.parts import LONGEST, alike, plain, strange

GOOD = ["a", "1", "v1.0", "mix (2 of 3), 1.0", "größe", "a_b-c", "x" * LONGEST]
BAD = [
    *("", ".", "..", "../A", "/tmp/x", "a/b", "a\\b", "c:", "c:x", ".x", "x.", " x", "x ", "a\nb", "a\0b", "a*", "a?", 'a"', "<a>", "a|b"),
    *("con", "NUL", "aux.1", "Com1.x", "lpt9", "prn .x", "x" * (LONGEST + 1), "é" * LONGEST),
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_is_one_part_is_taken_as_it_is(name):
    assert strange(name) == ""
    assert plain(name) == name


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_none_is_told_and_another_is_made_of_it(name, tmp_path):
    assert strange(name)
    made = plain(name)
    assert strange(made) == ""
    assert PurePosixPath(made).parts == PureWindowsPath(made).parts == (made,)
    (tmp_path / made).mkdir()
    assert [each.name for each in Path(tmp_path).iterdir()] == [made]


def test_what_is_made_of_two_names_is_two():
    assert len({plain(name) for name in BAD}) == len(BAD)


def test_names_that_a_disk_may_take_for_one():
    assert alike(["a", "b", "B"]) == ("b", "B")
    assert alike(["\u00e9", "e\u0301"]) == ("\u00e9", "e\u0301")
    assert alike(["a", "b", "a"]) is None
