"""What every verb must do. A new one is tested because it exists."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from tests.cli.offered import commands, given
from tests.program import earmark

from earmark import cli
from earmark.cli.tag import tag
from earmark.errors import EarmarkError
from earmark.inference.outputs import Format

pytestmark = pytest.mark.usefixtures("sketched")

LONGEST = 80  # lines of a verb


def test_it_is_called_as_its_file(name):
    places = [Path(place) for place in cli.__path__]
    assert any((place / f"{name}.py").is_file() for place in places)
    assert {path.stem for place in places for path in place.glob("[!_]*.py")} == set(cli.verbs())


def test_a_file_without_a_verb_is_told(tmp_path, monkeypatch):
    (tmp_path / "parts.py").write_text("def other() -> None: ...\n")
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    with pytest.raises(EarmarkError, match=r"parts\.py: holds no verb\. Write a function parts, or move"):
        cli.verbs()


def test_it_is_short(name):
    file = importlib.import_module(f"earmark.cli.{name}").__file__
    assert len(Path(file).read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_help_tells_every_option(name):
    for words, command in commands(name):
        assert command.help and command.help.strip().endswith((".", ")")), words
        for parameter in command.params:
            if parameter.name != "help":
                assert getattr(parameter, "help", None), (words, parameter.name)
        done = earmark(*words, "--help")
        assert done.returncode == 0 and "Usage" in done.stdout


def test_an_unknown_option_is_wrong_usage(name):
    for words, _ in commands(name):
        done = earmark(*words, "--no-such-option")
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert "--no-such-option" in done.stderr


def test_a_file_that_is_not_there_is_told(name, tmp_path, monkeypatch):
    """Names that stand for nothing give a message and a status, no traceback, and leave nothing behind."""
    monkeypatch.chdir(tmp_path)
    for words, command in commands(name):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        needed = [p for p in command.params if p.param_type_name == "option" and p.required]
        if not arguments:
            continue  # asks for no file
        given = ["absent.wav" for _ in arguments] + [word for p in needed for word in (p.opts[0], "absent")]
        done = earmark(*words, *given)
        assert done.returncode in (1, 2), (words, given, done)
        assert done.stderr.strip() and "Traceback" not in done.stderr, words
        assert list(tmp_path.iterdir()) == []


def test_json_is_all_that_is_printed(name, place, tmp_path, monkeypatch):
    """What else is to be said goes to stderr, so that stdout can be handed on."""
    monkeypatch.chdir(tmp_path)
    for words, command in commands(name):
        if not any("--json" in parameter.opts for parameter in command.params):
            continue
        done = earmark(*words, *given(name, command, place, tmp_path), "--json")
        assert done.returncode == 0, (words, done.stderr)
        json.loads(done.stdout)


def test_the_forms_of_tags_are_those_of_the_library():
    """Written out in the verb, so that --help need not import the library."""
    (form,) = [get_args(hint)[0] for word, hint in get_type_hints(tag, include_extras=True).items() if word == "form"]
    named, nothing = get_args(form)
    assert list(get_args(named)) == [each.value for each in Format]
    assert nothing is type(inspect.signature(tag).parameters["form"].default) is type(None)
