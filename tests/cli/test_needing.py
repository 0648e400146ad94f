"""Options that count for nothing without another one: each is refused without it, whatever it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.offered import commands, given
from tests.program import earmark

from earmark import cli
from earmark.cli.terminal.needing import Needs, needs

pytestmark = pytest.mark.usefixtures("sketched")

WORDS = {
    "task": "one",
    "head": "logistic",
    "clips_as": "wav",
    "merge_by": "highest",
}  # of a choice; the others take any
SAID = re.compile(r"^With (--[a-z-]+)")  # in the help of one that needs another


def marked():
    """(verb, words of its command, command, the parameter, its mark)."""
    for name in cli.names():
        for words, command in commands(name):
            for parameter in command.params:
                if mark := needs(command.callback).get(parameter.name):
                    yield pytest.param(
                        name, words, command, parameter, mark, id=f"{' '.join(words)} {parameter.opts[0]}"
                    )


@pytest.mark.parametrize(("name", "words", "command", "parameter", "mark"), list(marked()))
def test_it_is_refused_without_the_other(name, words, command, parameter, mark, place, tmp_path, monkeypatch):
    """Also where it is given what it is without being given."""
    monkeypatch.chdir(tmp_path)
    if any(other.required for other in command.params if set(other.opts) & set(mark.others)):
        pytest.skip("the other is always given")
    default = parameter.default if isinstance(parameter.default, int | float) else None
    value = WORDS.get(parameter.name, "1" if default is None else str(default))
    told = given(name, command, place, tmp_path)
    for other in (*mark.others, parameter.opts[0]):
        if other in told:  # what the tests of all verbs give
            del told[told.index(other) : told.index(other) + 2]
    done = earmark(*words, *told, parameter.opts[0], *([] if parameter.is_flag else [value]))
    assert done.returncode == 2, done
    assert f"{parameter.opts[0]} is for {mark.of}: name that with {' or '.join(mark.others)}, or leave" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_recall_is_of_clips_that_are_mixed(place, tmp_path):
    words = ["train", place / "clips.csv", "--from", "digits", "--recordings", place, "--out", tmp_path / "run"]
    done = earmark(*words, "--copies", 0, "--recall", 0.5)
    assert done.returncode == 2 and "--recall 0.5 is of clips that are mixed into the recordings" in done.stderr, done
    assert not (tmp_path / "run").exists()


def test_whose_help_says_so_is_marked(name):
    for words, command in commands(name):
        for parameter in command.params:
            told = SAID.match(getattr(parameter, "help", None) or "")
            if told and parameter.param_type_name == "option":
                mark = needs(command.callback).get(parameter.name)
                assert mark is not None and told[1] in mark.others, (words, parameter.opts[0])


def test_what_is_needed_is_an_option_of_the_same_command(name):
    for words, command in commands(name):
        options = {each for parameter in command.params for each in parameter.opts}
        for mark in needs(command.callback).values():
            assert isinstance(mark, Needs) and set(mark.others) <= options, words


@pytest.mark.parametrize("option", ["--weak-weight", "--weak-windows", "--copies", "--recall"])
def test_those_of_recordings_are_refused_for_a_head_without_them(option, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = earmark("train", Path(place) / "clips.csv", "--from", place / "t.safetensors", "--out", "run", option, "1")
    assert done.returncode == 2 and f"{option} is for unlabelled recordings" in done.stderr
    assert "name that with --recordings" in done.stderr and not (tmp_path / "run").exists()


def test_ranges_are_shown_for_int8_alone(place, tmp_path):
    words = ("export", place / "t.safetensors", "--out", tmp_path / "x.safetensors", "--calibrate", place / "sound.wav")
    done = earmark(*words)
    assert done.returncode == 2 and "shows the ranges of int8, and --precision float32 was asked for" in done.stderr
