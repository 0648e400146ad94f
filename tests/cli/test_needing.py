"""Options that count for nothing without another one: each is refused without it, whatever it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.cli.offered import commands, given
from tests.program import earmark

from earmark import cli
from earmark.cli.terminal import tuned
from earmark.cli.terminal.needing import HEARING, Needs, idle, may_be_scores, needs

pytestmark = pytest.mark.usefixtures("sketched")

WORDS = {
    "task": "one",
    "head": "logistic",
    "clips_as": "wav",
    "merge_by": "highest",
    "form": "csv",
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


BESIDE = [
    pytest.param(name, words, command, parameter, mark, id=f"{' '.join(words)} {parameter.opts[0]}")
    for name in cli.names()
    for words, command in commands(name)
    for parameter in command.params
    if (mark := idle(command.callback).get(parameter.name))
]


def test_what_switches_leave_idle():
    assert [each.id for each in BESIDE] == [
        "compare --leaks", "evaluate --leaks", "evaluate --pictures", "evaluate --collars", "evaluate --hit", "events --format",
        "search --format", "tag --format",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "words", "command", "parameter", "mark"), BESIDE)
def test_it_is_refused_beside_what_leaves_it_idle(name, words, command, parameter, mark, place, tmp_path, monkeypatch):
    """Also where it is given what it is without being given; not where the switch is the other way."""
    monkeypatch.chdir(tmp_path)
    told = [*words, *given(name, command, place, tmp_path)]
    for switch in {"--no-events", "--events"} & set(told):
        told.remove(switch)
    option = [parameter.opts[0], *([] if parameter.is_flag else [parameter.default or WORDS[parameter.name]])]
    done = earmark(*told, *option, mark.beside)
    assert done.returncode == 2, done
    assert f"{parameter.opts[0]} counts for nothing with {mark.beside}: {mark.because}. Leave one" in done.stderr
    assert list(tmp_path.iterdir()) == []
    for others in ((*option,), (mark.beside,), *((("--no-pictures", mark.beside),) if parameter.is_flag else ())):
        assert "counts for nothing with" not in earmark(*told, *others).stderr


def test_a_form_beside_json_is_refused_wherever_there_are_both():
    """But for JSON, which says the same."""
    both = {
        " ".join(words): idle(command.callback).get("form")
        for name in cli.names()
        for words, command in commands(name)
        if {"--json", "--format"} <= {each for parameter in command.params for each in parameter.opts}
    }
    assert set(both) == {"events", "search", "tag"} and {(mark.beside, mark.same) for mark in both.values()} == {
        ("--json", "json")
    }


def test_json_twice_is_json(place):
    once, twice = (
        earmark("tag", place / "sound.wav", "--tagger", place / "t.safetensors", "--json", *more)
        for more in ((), ("--format", "json"))
    )
    assert once.returncode == twice.returncode == 0 and once.stdout == twice.stdout


@pytest.mark.parametrize("option", [("--layers", "1"), ("--filters", "64"), ("--steps", "400"), ("--seed", "0")])
def test_ascents_are_refused_for_nets_that_hear_maps(option, place, tmp_path):
    done = earmark("explain", "digits", "--out", tmp_path / "x", *option)
    assert done.returncode == 2 and f"{option[0]} is for raw layers, of which resnet_c_att" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explain", "digits", "--out", "x", "--start", "0"), "--start is for recordings to see it at work on"),
        (("explain", "digits", "--out", "x", "--salvage"), "--salvage is for recordings to see it at work on"),
        (("check", "pack", "--set", "train.epochs=3"), "--set is for recipes, and pack is a pack: leave --set out"),
        (("export", "digits", "-o", "x.safetensors", "--part", "whole"), "--part is for ONNX files, and a tagger's"),
        (("review", "--summary", "r.csv", "--count", "60"), "--count is for a new choice of detections"),
        (("review", "--summary", "r.csv", "--tag", "a", "--seed", "0"), "--tag and --seed are for a new choice of"),
        (("audit", "a.parquet", "--data", "clips.csv", "--json", "--top", "40"), "--top is for the table and the page"),
    ],
)  # fmt: skip
def test_what_counts_for_nothing_here_is_refused(words, told, place, tmp_path, monkeypatch):
    pack(tmp_path, place)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = earmark(*[place / word if (place / word).is_file() else word for word in words])
    assert done.returncode == 2 and told in done.stderr, done
    assert sorted(tmp_path.rglob("*")) == before


def pack(tmp_path, place):
    from earmark.data import packs
    from earmark.data.datasets import open_data

    packs.pack(open_data(place / "clips.csv", None), tmp_path / "pack")


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


# what scores in a file are judged, compared and doubted by too: all other options of these verbs are of hearing
OF_SCORES = {
    "data", "fold", "dataset", "out", "submission", "as_json", "seen", "merge", "merge_by", "task", "record", "resamples", "draw", "metric",
    "common", "permutations", "top", "plugin",
}  # fmt: skip
TAKES_SCORES = [
    pytest.param(words, command, id=" ".join(words))
    for name in cli.names()
    for words, command in commands(name)
    if may_be_scores(command.callback)
]


def options_of(command):
    return {each.name: each for each in command.params if each.param_type_name == "option" and each.name != "help"}


def test_verbs_that_take_scores_say_so():
    assert [param.id for param in TAKES_SCORES] == ["audit", "compare", "evaluate"]
    assert sorted({*OF_SCORES} & HEARING) == []


@pytest.mark.parametrize(("words", "command"), TAKES_SCORES)
def test_options_of_hearing_are_refused_for_scores_in_files(words, command, place, tmp_path, monkeypatch):
    """Each by itself and all together, also where it is given its default; switches that ask for less ask for what is so."""
    monkeypatch.chdir(tmp_path)
    options = options_of(command)
    assert set(options) <= OF_SCORES | HEARING, "say what a new option is of"
    files = [place / "a.parquet", *([place / "b.parquet"] if words == ["compare"] else [])]
    run = [*words, *files, "--data", place / "clips.csv"]
    told = {
        each.opts[0]: [] if each.is_flag else ["2" if each.default is None else str(each.default)]
        for name, each in options.items() if name in HEARING
    }  # fmt: skip
    assert told
    for option, value in told.items():
        done = earmark(*run, option, *value)
        assert done.returncode == 2 and f"{option} is for what taggers hear" in done.stderr, done
        assert f"taken as they are: leave {option} out, or give a tagger" in done.stderr
    done = earmark(*run, *(word for option, value in told.items() for word in (option, *value)))
    *others, last = told
    assert done.returncode == 2 and f"{', '.join(others)} and {last} are for what taggers hear" in done.stderr
    off = [opt for name, each in options.items() if name in HEARING for opt in getattr(each, "secondary_opts", ())]
    if "resamples" in options:
        assert earmark(*run, *off, "--resamples", 9).returncode == 0 and (bool(off) == (words == ["evaluate"]))
    assert list(tmp_path.iterdir()) == []


def test_options_of_hearing_count_where_one_system_is_a_tagger(place):
    run = (
        "compare",
        f"one={place / 'a.parquet'}",
        f"two={place / 'b.parquet'}",
        "--data",
        place / "clips.csv",
        "--batch",
        2,
    )
    done = earmark(*run)
    assert (
        done.returncode == 2 and "--batch is for what taggers hear, and all of these are files of scores" in done.stderr
    )
    done = earmark(*run, place / "t.safetensors", "--fold", 1, "--resamples", 9, "--permutations", 9)
    assert done.returncode == 0, done.stderr


def test_the_layout_counts_for_an_audit_of_a_run(place, tmp_path):
    """It was passed over where taggers were to hear the clips."""
    for fold in "12":
        (tmp_path / f"fold-{fold}").mkdir()
        shutil.copy(place / "t.safetensors", tmp_path / f"fold-{fold}" / "tagger.safetensors")
    done = earmark("audit", tmp_path, "--data", place / "sounds", "--dataset", "desid")
    assert done.returncode == 2 and "desid" in done.stderr and "did you mean 'desed'" in done.stderr, done


@pytest.mark.parametrize("way", list(tuned.TAKEN))
def test_options_of_other_ways_to_choose_are_refused_by_calibrate(way, place, tmp_path, monkeypatch):
    """Each that counts in no choice of this way; what is taken is named, so that a new option must be thought about."""
    monkeypatch.chdir(tmp_path)
    ((_, command),) = commands("calibrate")
    options = options_of(command)
    assert tuned.TAKEN[way] <= set(options)
    run = ["calibrate", place / "t.safetensors", "--out", "new.safetensors"]
    run += ["--reviews", place / "reviews.csv"] if way == "--reviews" else ["--data", place / "clips.csv"]
    run += ["--windows"] if way == "--windows" else ["--precision", "0.5"]
    idle = set(options) - tuned.TAKEN[way] - tuned.ALWAYS
    assert {"collar", "hit", "resamples", "merge", "tried"} <= idle
    for name in idle - {
        "windows",
        "data",
        "reviews",
        "false_alarms",
        "wanted",
        "metric",
    }:  # which of these go together is said apart
        option = options[name].opts[0]
        value = (
            []
            if options[name].is_flag
            else [WORDS.get(name, "1" if options[name].default is None else str(options[name].default))]
        )
        done = earmark(*run, option, *value)
        assert done.returncode == 2, done
        apart = f"{option} 1: is of the best F1" in done.stderr  # as it was said before
        assert apart or f"{option} is for other ways to choose than {way}: leave {option} out" in done.stderr, (
            done.stderr
        )
    assert list(tmp_path.iterdir()) == []
