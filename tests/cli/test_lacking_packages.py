"""What takes a package that is not there is refused before anything is heard or written, whichever option or verb it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.cli.offered import commands, given
from tests.cli.test_small_install import FOLDS, of_fold, small  # noqa: F401
from tests.program import get_command

from earmark import cli
from earmark.cli.terminal.needing import packages
from earmark.errors.words import lacking

ROOT = Path(cli.__file__).parents[2]
# an import of these fails, and nobody finds them; recordings that are opened are told. Words are read one command a line
RUN = """
import contextlib, io, json, sys, traceback
from importlib.machinery import PathFinder
from unittest import mock

absent, opened = set(json.loads(sys.argv[1])), []

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]

def hook(event, args):
    if event == "open" and str(args[0]).endswith((".wav", ".WAV")):
        opened.append(str(args[0]))

sys.addaudithook(hook)
from earmark import cli
for line in sys.stdin:
    out, err, status = io.StringIO(), io.StringIO(), 0
    if json.loads(line)[0] in ("adopt", "export"):  # a graph of windows one by one is enough: each more is seconds of tracing
        with contextlib.suppress(Exception):  # the command tells why it cannot be imported
            from earmark.models import export
            export.sizes = lambda tagger: ()
    opened.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with mock.patch.object(sys, "argv", ["earmark", *json.loads(line)]):
            try:
                cli.main()
            except SystemExit as leave:
                status = leave.code or 0
            except BaseException:
                status = traceback.format_exc()
    print(json.dumps([status, out.getvalue(), err.getvalue(), list(opened)]))
"""


def ran(absent: str, asked: list[list[str]], place: Path) -> list[tuple[list[str], int | str, str, str, list[str]]]:
    """(words, status or traceback, stdout, stderr, recordings that were opened) of commands in one program without this package."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([absent])],
        input="\n".join(map(json.dumps, asked)),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=place,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(words, *json.loads(line)) for words, line in zip(asked, done.stdout.splitlines(), strict=True)]


ENDINGS = ("", ".csv", ".json", ".png", ".PNG", ".parquet")  # of what is written


def options(name: str, place: Path, folder: Path) -> list[tuple[list[str], str, str]]:
    """(words, option, parameter) with each option of a verb that names a path, by each ending of a file; of other files a table."""
    (words, command), *_ = commands(name)
    asked = []
    for parameter in command.params:
        if parameter.name == "tagger" or "Path" not in str(get_type_hints(command.callback).get(parameter.name)):
            continue
        if parameter.param_type_name == "argument":
            continue
        for ending in ENDINGS:
            made = place / "merged.csv" if parameter.name == "merge" else folder / f"{parameter.name}{ending}"
            asked.append(([*words, "sound.wav", parameter.opts[0], str(made)], parameter.opts[0], parameter.name))
    return asked


@pytest.fixture(scope="module")
def place(small) -> Path:  # noqa: F811
    (small / "merged.csv").write_text("tag,merged\ndog,animal\n")
    return small


HEARING = [("tag", "matplotlib"), ("tag", "pyarrow"), ("events", "matplotlib"), ("events", "pyarrow")]


@pytest.mark.parametrize(("name", "package"), HEARING)
def test_every_option_tells_it_before_anything_is_heard(name, package, place, tmp_path):
    asked = options(name, place, tmp_path)
    told = set()
    for (_, option, parameter), (words, status, out, said, opened) in zip(
        asked, ran(package, [words for words, *_ in asked], place), strict=True
    ):
        assert isinstance(status, int), (words, status)
        if "is not installed" not in said:
            assert opened or status == 2, (words, said)  # it is heard, or refused for another reason
            continue
        told.add(parameter)
        assert (status, out, opened) == (2, "", []), (words, said)
        assert parameter == "merge" or not Path(words[-1]).exists(), words
        assert said == f"earmark: {option} needs {lacking(package)}. Or leave {option} out\n"
    verb = get_command(cli.app).commands[name].callback
    assert told == {parameter for parameter, mark in packages(verb).items() if package in mark.names}
    assert told


def test_one_file_of_several_is_enough_to_tell_it(place, tmp_path):
    words = ["events", "sound.wav", "--summary", str(tmp_path / "s.csv"), "--summary", str(tmp_path / "s.png")]
    ((_, status, _, said, opened),) = ran("matplotlib", [words], place)
    assert (status, opened) == (2, []) and "--summary needs matplotlib" in said and not list(tmp_path.iterdir())


def test_embeddings_are_tables(place, tmp_path):
    asked = [
        ["embed", "sound.wav", option, str(tmp_path / name)]
        for option, name in (("--out", "e.parquet"), ("--job", "j"))
    ]
    for words, status, out, said, opened in ran("pyarrow", asked, place):
        assert (status, out, opened) == (2, "", []) and said == f"earmark: this needs {lacking('pyarrow')}\n", words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["matplotlib", "pyarrow"])
def test_every_verb_tells_it_before_anything_is_heard(package, place, tmp_path):
    """Those that learn for minutes aside; what they draw is left out, and told."""
    asked = []
    for name in sorted(set(cli.verbs()) - {"train", "distil", "retrain", "demo", "serve", "start"}):
        for words, command in commands(name):
            folder = tmp_path / "_".join(words)
            folder.mkdir()
            offered = given(name, command, place, folder, tagger="esc10")
            asked.append([*words, *of_fold(offered, FOLDS.get(name, "5"))])
    told = [
        (words[0], opened)
        for words, status, _, said, opened in ran(package, asked, place)
        if status != 0 and "is not installed" in said
    ]
    assert told and [name for name, opened in told if opened] == []
    if package == "matplotlib":
        assert sorted(name for name, _ in told) == ["curve", "explain"]


def test_tags_and_events_need_no_tables(place, tmp_path):
    """Of recordings and folders, whatever is written beside that is none: as the page on engines tells."""
    (place / "heard").mkdir(exist_ok=True)
    (place / "heard" / "20210423_190000.wav").write_bytes((place / "sound.wav").read_bytes())
    out = [["--format", "csv", "--job", "j"], ["--errors", "e.csv"], ["--format", "json"], ["--out", "o.csv"]]
    more = [["--clips", "c"], ["--clock"], ["--summary", "s.csv"], ["--format", "raven", "--out", "r"]]
    asked = [["tag", "heard", *words] for words in out] + [["events", "heard", *words] for words in (*out, *more)]
    placed = [
        [
            str(tmp_path / words[0] / word) if word in ("j", "e.csv", "o.csv", "c", "s.csv", "r") else word
            for word in words
        ]
        for words in asked
    ]
    for verb in ("tag", "events"):
        (tmp_path / verb).mkdir()
    listed = [[verb, "clips.csv"] for verb in ("tag", "events")]
    done = ran("pyarrow", placed + listed, place)
    for words, status, _, said, _ in done[: len(placed)]:
        assert status == 0, (words, said)
    for words, status, out_, said, opened in done[len(placed) :]:
        assert (status, out_, opened) == (2, "", []) and f"this needs {lacking('pyarrow')}" in said, words
