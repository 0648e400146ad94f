"""The parts that several layouts share, against cases worked by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.data.datasets import below, choose, first, headless, index, located, present, strong
from earmark.errors import ManifestError

FILE = Path("events.tsv")


def test_choose():
    choose("part", "a", "a", "b")
    with pytest.raises(ManifestError, match=r"part is 'c'; it is 'a' or 'b'"):
        choose("part", "c", "a", "b")


def test_first(plant):
    root = plant({"b": "", "c": ""})
    assert first(root, "a", "c", "b") == root / "c"
    assert first(root, "a") is None


def test_located(plant):
    root = plant({"audio/x/1.0_2.0.flac": "", "audio/y.wav": "", "audio/z.txt": "", "audio/.h.wav": ""})
    names = ["x/1.0_2.0.wav", "y.wav", "z.wav", "none/y.wav", "h.wav"]
    assert located(root, "audio", names) == ["audio/x/1.0_2.0.flac", "audio/y.wav", "", "", ""]
    assert located(root, ".", ["audio/y.wav"]) == ["audio/y.wav"]


def test_below(plant):
    root = plant({"b/1.wav": "", "a/c/1.flac": "", "2.WAV": "", "a/3.txt": "", ".hidden/4.wav": "", "a/.5.wav": ""})
    assert below(root) == ({"1": "a/c/1.flac", "2": "2.WAV"}, 1)


def test_below_follows_links_once(plant, tmp_path_factory):
    root = plant({"a/1.wav": ""})
    elsewhere = tmp_path_factory.mktemp("disk")
    (elsewhere / "2.wav").touch()
    (root / "linked").symlink_to(elsewhere)
    (root / "a" / "round").symlink_to(root)
    assert below(root) == ({"1": "a/1.wav", "2": "linked/2.wav"}, 0)


def test_present():
    found = ["a.wav", "", "c.wav", None]
    assert present(FILE, "abcd", found, "skip") == [0, 2]
    assert present(FILE, "a", ["a.wav"]) == [0]
    with pytest.raises(ManifestError, match=r"events.tsv: 2 of 4 recordings are not there: b, d\. Perhaps"):
        present(FILE, "abcd", found)
    with pytest.raises(ManifestError, match=r"2 of 2 recordings are not there: a, b\. Gone"):
        present(FILE, "ab", ["", ""], "skip", "Gone")
    with pytest.raises(ManifestError, match=r"missing is 'ignore'; it is 'refuse' or 'skip'"):
        present(FILE, "abcd", found, "ignore")


def test_strong():
    told = strong(
        FILE,
        ["b", "a", "b", "c", "d", "d"],
        ["1.5", "0", "0.5", None, "0.0", "2"],
        ["2", "1", "1.0", "", "0", "3"],
        ["dog", "rain", "cat", None, "dog", "cat"],
    )
    assert told.events == {
        "b": [("dog", 1.5, 2.0), ("cat", 0.5, 1.0)],
        "a": [("rain", 0.0, 1.0)],
        "c": [],  # nothing is heard
        "d": None,  # of the dog it is not known when
    }
    assert told.tags == {"b": ["dog", "cat"], "a": ["rain"], "c": [], "d": ["dog", "cat"]}
    assert told.without_length == 1


@pytest.mark.parametrize(
    "row",
    [
        ("a", "x", "1", "dog"),
        ("a", None, "1", "dog"),
        ("a", "0", "1", None),
        (None, "0", "1", "dog"),
        ("a", "inf", "inf", "dog"),
        ("a", "0", "1e308", "dog"),
        ("a", "1e308", "1e308", "dog"),
        ("a", "-1", "1", "dog"),
        ("a", "nan", "1", "dog"),
        ("a", "nan", "nan", "dog"),
    ],
)
def test_strong_refuses(row):
    good = ("a", "0", "1", "dog")
    with pytest.raises(
        ManifestError, match=r"events.tsv: 1 row lacks a name, a tag, an onset or an offset .* seconds: 2$"
    ):
        strong(FILE, *zip(good, row, strict=True))


def test_headless(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes(b'a,"1,2"\r\n"b ""c""",\r\n')
    assert headless(file, ["name", "rest"]).to_pylist() == [
        {"name": "a", "rest": "1,2"},
        {"name": 'b "c"', "rest": None},
    ]
    with pytest.raises(ManifestError, match=r"t.csv: cannot be read as 3 columns \(x, y, z\)"):
        headless(file, ["x", "y", "z"])
    file.write_text("")
    with pytest.raises(ManifestError, match=r"cannot be read as 1 column"):
        headless(file, ["x"])
    with pytest.raises(ManifestError, match=r"no such file"):
        headless(tmp_path / "none.csv", ["x"])


@pytest.mark.parametrize("name", ["folder", "below"])
def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch, name):
    (tmp_path / "dog" / "closed").mkdir(parents=True)
    (tmp_path / "dog" / "1.wav").touch()
    real = os.scandir

    def closed(place):
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", closed)  # by its mode it would be open to root
    with pytest.raises(ManifestError, match=r"closed: this folder cannot be listed \(Permission denied\)"):
        below(tmp_path) if name == "below" else index("folder", tmp_path)


@pytest.mark.parametrize(("name", "option", "message"), [
    ("synth", {"clips": 2.5}, r"clips is 2.5; it should be a valid integer"),
    ("magnatagatune", {"top": "all"}, r"top is 'all'; it should be a valid integer"),
    ("soundscapes", {"cut": True}, r"cut is True; it should be a valid number"),
    ("fsdkaggle2018", {"verified_only": "no"}, r"verified_only is 'no'; it should be a valid boolean"),
])  # fmt: skip
def test_options_of_another_kind(tmp_path, name, option, message):
    with pytest.raises(ManifestError, match=message):
        index(name, tmp_path, **option)
