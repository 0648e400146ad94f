"""Plain words of the command line are taken without typer's validators, and mean what they mean with them."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import pytest
import typer
from tests.cli.offered import commands
from tests.program import earmark
from typer.testing import CliRunner

from earmark import cli
from earmark.cli.terminal.values import CACHE, KEYED, Plain, Verb


def verb(
    paths: Annotated[list[Path] | None, typer.Argument()] = None,
    word: str = "a",
    choice: Literal["one", "two"] = "one",
    number: Annotated[int | None, typer.Option(min=1, max=99)] = None,
    gain: float = 0.0,
    share: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.5,
    out: Path | None = None,
    there: Annotated[Path | None, typer.Option(exists=True)] = None,
    clamped: Annotated[int, typer.Option(min=0, max=5, clamp=True)] = 3,
    many: Annotated[list[str] | None, typer.Option("--many")] = None,
    numbers: Annotated[list[int] | None, typer.Option("--numbers")] = None,
    pair: Annotated[tuple[int, str], typer.Option()] = (1, "b"),
    flag: bool = False,
    turned: bool | None = None,
) -> None:
    print(repr([paths, word, choice, number, gain, share, out, there, clamped, many, numbers, pair, flag, turned]))


def program(cls: type | None) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=cls)(verb)
    return app


WORDS = (
    "",
    "x.wav y.wav",
    "-",
    "./a/../b",
    "--word b",
    "--word=",
    "--choice two",
    "--choice three",
    "--choice ONE",
    "--number 5",
    "--number 0",
    "--number 100",
    "--number 007",
    "--number +5",
    "--number 5.0",
    "--number 1_0",
    "--number x",
    "--number 99999999999999999999",
    "--gain 3",
    "--gain -3.5",
    "--gain 1e3",
    "--gain inf",
    "--gain nan",
    "--gain 0.1234567890123",
    "--gain x",
    "--share 0.25",
    "--share 1.5",
    "--out x",
    "--out .",
    "--out /dev/null",
    "--there .",
    "--there nowhere",
    "--clamped 9",
    "--clamped 2",
    "--many a --many b",
    "--numbers 1 --numbers 2",
    "--numbers 1 --numbers x",
    "--pair 2 c",
    "--pair x c",
    "--flag",
    "--no-flag",
    "--turned",
    "--unknown",
    "--number",
    "-h",
    "--help",
)


@pytest.mark.parametrize("words", WORDS)
def test_a_word_means_and_is_refused_as_by_typer(words):
    """Ours says in the end of typer's sentence which word it was."""
    ours, theirs = (CliRunner().invoke(program(cls), words.split()) for cls in (Verb, None))
    told, expected = (" ".join(each.output.split()) for each in (ours, theirs))
    if theirs.exit_code:
        told, expected = (
            re.sub(r"\. It is '[^']*'[.,].*", "", told).rstrip("."),
            expected.replace("Value error, ", "").rstrip("."),
        )
    assert (ours.exit_code, told) == (theirs.exit_code, expected)


WRONG = {
    "--choice three": "'three' is not one of 'one', 'two'.",
    "--choice twoo": "'twoo' is not one of 'one', 'two', did you mean 'two'?",
    "--number 0": "'0'.",
    "--number x": "'x'.",
    "--gain x": "'x'.",
    "--share 1.5": "'1.5'.",
    "--numbers 1 --numbers x": "'x'.",
    "--there nowhere": "'nowhere'",
}


@pytest.mark.parametrize(("words", "told"), WRONG.items())
def test_what_is_refused_is_repeated(words, told):
    output = " ".join(CliRunner().invoke(program(Verb), words.split()).output.split())
    assert told in output, output


def wrong_words() -> list[tuple[list[str], str, str]]:
    """Of every verb each option that takes a number or one of some words, and what it does not take."""
    found = []
    for name in cli.names():
        for words, command in commands(name):
            for option in command.params:
                kind = getattr(getattr(option, "type_descriptor", None), "annotation", None)
                if option.param_type_name == "option" and (kind in (int, float) or get_origin(kind) is Literal):
                    found.append((words, option.opts[0], "7x"))
                    least = option.type_descriptor.parameter_info.min
                    found += [(words, option.opts[0], str(least - 1))] if least is not None else []
    return found


@pytest.mark.parametrize(
    ("words", "option", "word"), wrong_words(), ids=lambda each: " ".join(each) if isinstance(each, list) else each
)
def test_every_verb_repeats_what_it_refuses(words, option, word):
    told = earmark(*words, option, word)
    assert told.returncode == 2 and option in told.stderr, told.stderr
    assert f"'{word}'" in " ".join(told.stderr.split()), told.stderr


def test_names_that_are_no_unicode_are_taken():
    taken = CliRunner().invoke(program(Verb), ["a\udcff.wav"])
    assert taken.exit_code == 0 and "a\\udcff.wav" in taken.output


def test_a_path_that_may_not_be_read_is_refused_as_by_typer(tmp_path, monkeypatch):
    (tmp_path / "x").touch()
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read what nobody else may
    ours, theirs = (CliRunner().invoke(program(cls), ["--out", str(tmp_path / "x")]) for cls in (Verb, None))
    assert ours.exit_code == 2 and "not readable" in ours.output and ours.output == theirs.output


def test_plain_words_need_no_validator():
    command = typer.main.get_command(program(Verb))
    if not any(hasattr(option, CACHE) for option in command.params):
        pytest.skip("this typer builds no validators")
    words = ["x", "--choice", "two", "--number", "5", "--gain", "3", "--out", "y", "--many", "a", "--flag"]
    command.main(words, standalone_mode=False)
    built = [option.name for option in command.params if not isinstance(getattr(option, CACHE), Plain)]
    assert set(built) <= {"pair", "clamped"}, "only what is not plain"


@pytest.mark.parametrize("words", [["--out", ""], [""], ["x.wav", ""], ["--there", ""]])
def test_an_empty_name_is_refused_and_not_taken_for_this_folder(words):
    """As of `tag "$DISK"` where nothing is in DISK."""
    told = CliRunner().invoke(program(Verb), words)
    assert told.exit_code == 2
    assert "a name is empty, and would stand for this folder: write . for that" in " ".join(told.output.split())


def test_a_file_that_is_called_as_an_option_is_told_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.wav", "--top=1.wav"):
        Path(name).touch()
        told = CliRunner().invoke(program(Verb), ["x.wav", name])
        assert told.exit_code == 2
        assert f"A file is called {name}: write ./{name}" in " ".join(told.output.split())
        assert CliRunner().invoke(program(Verb), ["x.wav", f"./{name}"]).exit_code == 0
        Path(name).unlink()
        assert "is called" not in CliRunner().invoke(program(Verb), ["x.wav", name]).output


@pytest.mark.parametrize("name", cli.names())
def test_an_option_of_one_value_that_is_given_twice_is_said(name, capsys):
    """The last counts, as is the custom, and the first is not lost unsaid; options of several values, and switches, may be repeated."""
    for words, command in commands(name):
        for option in command.params:
            called = next((each for each in getattr(option, "opts", ()) if each.startswith("--")), None)
            if called is None or called == "--help":
                continue
            given = [called, *["1"] * (0 if option.is_flag else option.nargs)] * 2
            with contextlib.suppress(Exception), command.make_context(words[-1], given):
                pass  # what else is missing, or no such value, is refused thereafter
            said = (
                f"{option.opts[0]} is given 2 times and takes one value: the last, 1, counts" in capsys.readouterr().err
            )
            assert said == (not option.is_flag and not option.multiple), called


# options of several files, and what is made of one that is given again: a walk of recordings hears it once and says so, a plug-in is run
# once, answers are of their events; a member of an ensemble counts twice, which is said; a table that would count twice, and a file that
# would be written twice, are refused
FILES_AGAIN = {"answered", "calibrate", "epochs", "plugin", "recordings", "summary"}


@pytest.mark.parametrize("name", cli.names())
def test_what_an_option_of_several_values_is_given_again_counts_once_and_is_said(name, capsys):
    for words, command in commands(name):
        for option in command.params:
            if not getattr(option, "multiple", False):
                continue
            called, keyed = option.opts[0], option.opts[0] in KEYED
            given = ["a=1", "a=2", "b=1", "a=1"] if keyed else ["1", "2", "1", "3", "1"]
            parser = command.make_parser(command.context_class(command, info_name=words[-1]))
            values, *_ = parser.parse_args(args=[word for each in given for word in (called, each)])
            said = capsys.readouterr().err
            files = list[Path] in (hint := get_type_hints(command.callback)[option.name], *get_args(hint))
            if files:
                assert option.name in FILES_AGAIN and said == "" and values[option.name] == given, called
            elif keyed:
                assert said == f"{called} a is given 3 times: the last, 1, counts\n" and values[option.name] == given
            else:
                assert said == f"{called} 1 is given 3 times: it counts once\n" and values[option.name] == [
                    "1",
                    "2",
                    "3",
                ]
