"""Results are in the form that their file's name says: every verb that has --format and --out, because it has them."""

from __future__ import annotations

import json

import pytest
from tests.cli.offered import commands, given
from tests.program import earmark

from earmark import cli
from earmark.events.formats import read

pytestmark = pytest.mark.usefixtures("sketched")

FORMED = [
    pytest.param(words, command, id=" ".join(words))
    for name in cli.verbs()
    for words, command in commands(name)
    if {"form", "out"} <= {each.name for each in command.params}
]


def told(words, command, place, tmp_path, *more: object):
    """The verb with these options in place of its own --out and --format."""
    plain = given(words[0], command, place, tmp_path)
    for option in ("--out", "-o", "--format"):
        if option in plain:
            del plain[plain.index(option) : plain.index(option) + 2]
    return earmark(*words, *plain, *more)


def test_the_verbs_are_these():
    assert {each.id for each in FORMED} == {"tag", "events", "convert", "search"}


@pytest.mark.parametrize(("words", "command"), FORMED)
@pytest.mark.parametrize("ending", [".csv", ".json", ".JSON"])
def test_the_ending_says_the_form(place, tmp_path, words, command, ending):
    out, asked = tmp_path / f"out{ending}", tmp_path / "asked"
    done = told(words, command, place, tmp_path, "--out", out)
    assert done.returncode == 0 and out.is_file(), done.stderr
    form = ending.lower()[1:]
    assert told(words, command, place, tmp_path, "--format", form, "--out", asked).returncode == 0
    whole = next(asked.iterdir()) if asked.is_dir() else asked
    assert out.read_bytes() == whole.read_bytes()
    text = out.read_text(encoding="utf-8-sig")
    if form == "json":
        json.loads(text)
    else:
        assert len(text.splitlines()[0].split(",")) >= 4
    assert told(words, command, place, tmp_path, "--out", out).returncode == 0  # what it wrote it may replace
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(("words", "command"), FORMED)
def test_a_form_in_a_file_that_is_called_as_one_of_another_is_refused(place, tmp_path, words, command):
    for ending, form, others in ((".csv", "json", "csv"), (".json", "csv", "json")):
        out = tmp_path / f"out{ending}"
        done = told(words, command, place, tmp_path, "--format", form, "--out", out)
        assert done.returncode == 2 and not out.exists()
        assert f"ends as a file of {others}" in done.stderr and f"--format {form} was asked for" in done.stderr


@pytest.mark.parametrize("words", [["tag"], ["search"]])
def test_other_names_say_nothing(place, tmp_path, words):
    (command,) = (each.values[1] for each in FORMED if each.id == words[0])
    for name in ("out.txt", "out"):
        assert told(words, command, place, tmp_path, "--out", tmp_path / name).returncode == 0
        csv = told(words, command, place, tmp_path, "--format", "csv", "--out", tmp_path / f"{name}.of")
        assert csv.returncode == 0, csv.stderr
        assert (tmp_path / name).read_text() != (tmp_path / f"{name}.of").read_text()


@pytest.fixture
def two(place, tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes((place / "sound.wav").read_bytes())
    return [tmp_path / "a.wav", tmp_path / "b.wav"]


def events(place, *words: object):
    return earmark("events", *words, "--tagger", place / "t.safetensors", "--threshold", 0.05)


def test_a_format_with_a_file_a_recording_takes_a_name_for_one(place, tmp_path, two):
    for form, name in (("audacity", "labels.txt"), ("raven", "found.txt")):
        out = tmp_path / name
        done = events(place, *two, "--format", form, "--out", out)
        assert done.returncode == 2 and not out.exists()
        assert f"{form} has a file for each of the 2 recordings. Name a folder" in done.stderr
        done = events(place, two[0], "--format", form, "--out", out)
        assert done.returncode == 0 and out.is_file(), done.stderr
        (found,) = read(out, form).values()
        assert found
        done = events(place, two[0], "--format", form, "--out", out)
        assert done.returncode == 0, done.stderr  # what it wrote it may replace
        converted = tmp_path / f"again-{name}"
        where = ["--recordings", two[0]] if form == "raven" else []  # which tells the recording; a label track does not
        done = earmark("convert", out, "--format", form, "--out", converted, *where)
        assert done.returncode == 0, done.stderr
        assert list(read(converted, form).values()) == [found]
        assert set(read(out, form)) == ({"a.wav"} if form == "raven" else {"labels"})


def test_a_folder_stays_one_whatever_it_is_called(place, tmp_path, two):
    folder = tmp_path / "heard.csv"
    folder.mkdir()
    done = events(place, *two, "--format", "json", "--out", folder)
    assert done.returncode == 0 and [path.name for path in folder.iterdir()] == ["events.json"], done.stderr
    done = events(place, *two, "--format", "tsv", "--out", tmp_path / "v1.2")
    assert done.returncode == 0 and (tmp_path / "v1.2" / "events.tsv").is_file(), done.stderr
    done = events(place, *two, "--out", tmp_path / "new" / "in" / "e.tsv")  # folders are made, as for a folder
    assert done.returncode == 0 and (tmp_path / "new" / "in" / "e.tsv").is_file(), done.stderr
    done = events(place, *two, "--out", tmp_path / "table")
    assert done.returncode == 2 and "a table is for reading on stdout" in done.stderr
