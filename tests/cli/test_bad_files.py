"""No file makes a verb fall over: each of its inputs in turn is empty, a folder, junk, of another kind, missing, unreadable."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.cli.offered import LITTLE, VALUES, given
from tests.cli.test_places import verbs_of
from tests.program import earmark

from earmark import cli
from earmark.cli.terminal import written

pytestmark = pytest.mark.slow  # some 60 inputs of verbs, a dozen files each

JUNK = bytes(range(256)) * 8
NO_FILES = {"kind", "dataset", "known_by"}  # words, by the names of their parameters
UNREADABLE = Path("/proc/self/mem")  # a file whose beginning nobody can read, even who may read all others


def inputs() -> list[object]:
    """(words, function, command, parameter) of everything that a verb reads."""
    found = []
    for name in cli.verbs():
        for words, function, command in verbs_of(name):
            hints = get_type_hints(function, include_extras=True)
            for parameter in command.params:
                hint = hints.get(parameter.name)
                needed = parameter.name in VALUES and parameter.name not in NO_FILES
                path = "Path" in str(hint) and parameter.name not in written.marks(function)
                if needed or path:
                    found.append(
                        pytest.param(words, function, command, parameter, id=" ".join([*words, parameter.name]))
                    )
    return found


@pytest.fixture(scope="module")
def bad(place, tmp_path_factory) -> dict[str, Path]:
    """By what is wrong with them, in names with the endings that verbs go by."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "folder").mkdir()
    files = {"missing": folder / "missing", "folder": folder / "folder"}
    for ending in ("", ".wav", ".parquet", ".csv", ".safetensors", ".yaml", ".json"):
        for what, data in (("empty", b""), ("junk", JUNK), ("text", b"a,b\n1,2\n")):
            files[f"{what}{ending}"] = file = folder / f"{what}{ending}"
            file.write_bytes(data)
        if UNREADABLE.exists():
            files[f"unreadable{ending}"] = file = folder / f"unreadable{ending}"
            file.symlink_to(UNREADABLE)
    for other in ("sound.wav", "t.safetensors", "plan.yaml"):
        files[f"a file that holds {other}"] = place / other
    return files


def made_anew(bad: dict[str, Path]) -> None:
    """What is missing is not there, and the folder is empty: `earmark index synth` makes recordings where it is told to look."""
    for what in ("missing", "folder"):
        shutil.rmtree(bad[what], ignore_errors=True)
    bad["folder"].mkdir()


@pytest.mark.parametrize(("words", "function", "command", "parameter"), inputs())
def test_a_bad_file_is_told(words, function, command, parameter, place, bad, tmp_path, monkeypatch):
    """With a message and a status of 2, or 1 for recordings; what is not refused is what the verb can take."""
    monkeypatch.chdir(tmp_path)
    good = given(words[0], command, place, tmp_path)
    own = {str(place / word) for word in VALUES.get(parameter.name, [])}
    endings = {"", *(Path(word).suffix for word in own or ["x.csv"])}
    for what, file in bad.items():
        if str(file) in own or not (what.startswith("a file") or file.suffix in endings):
            continue
        made_anew(bad)
        if parameter.name in VALUES and own & set(good):
            told = [str(file) if word in own else word for word in good]
        else:
            told = [*good, parameter.opts[0], str(file)]
        done = earmark(*words, *told)  # what is no message comes out of here as it is
        assert done.returncode in (0, 1, 2), (what, done)
        if done.returncode:
            assert done.stderr.strip() and "Traceback" not in done.stderr, (what, done)
        elif what.startswith(("junk", "unreadable")):
            assert done.stderr.strip(), (what, done)  # nothing of it is used without a word


def test_every_input_of_a_verb_is_tried():
    told = {each.values[3].name for each in inputs()}
    assert {"data", "tagger", "paths", "recipe", "systems", "source", "inputs", "merge"} <= told
    assert set(LITTLE) & told <= {"labels"} and inspect.signature(earmark).parameters["cwd"].default is None
