"""Every verb where the core alone is installed: it works, or says in one line which extra it wants. A new one is tested too.

What extras bring is kept from being imported, in programs of their own; `.ci/wheel` does the same in an environment that has
none of it.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.cli.conftest import EVENTS, PLAN, REVIEWS
from tests.cli.offered import commands, given
from tests.tflites import tiny

from earmark import cli
from earmark.cli.terminal.listing import Kind
from earmark.data import manifest as manifests
from earmark.errors.words import EXTRAS
from earmark.files.journal import Journal
from earmark.models import loading
from earmark.scores import Scores

BLOCK = "import sys\nfor name in {absent}:\n    sys.modules[name] = None\n"  # then importing it fails as if it were not there
WITHOUT = tuple(EXTRAS)
# what `pip install` of the core promises; all others may ask for an extra
CORE = (
    "index",
    "start",
    "evaluate",
    "compare",
    "tag",
    "events",
    "embed",
    "calibrate",
    "show",
    "list",
    "schema",
    "ensemble",
    "review",
    "alarms",
)
NETS = (["list", "nets"], ["list", "augmentations"])  # which are written in torch
# neither what extras bring nor what only tables, a terminal and other tools take
NEEDLESS = ("pyarrow", "pandas", "rich", "scipy", "sklearn")
# what a command that tags one clip does not import, once the tagger was loaded before: each takes longer than features of the clip
COLD = (
    *NEEDLESS,
    "torch",
    "matplotlib",
    "pydantic",
    "pydantic_core",
    "yaml",
    "email",
    "importlib.metadata",
    "earmark.recipe.schema",
    "earmark.recipe.reading",
    "earmark.inference.detection",
    "earmark.inference.live",
    "earmark.models.ensemble",
    "earmark.models.tagger",
)
FOLDS = {"calibrate": "4"}  # `esc10` has not heard fold 5, and its rules are not to be chosen there
RUN = """
import contextlib, io, json, sys, traceback
from unittest import mock
from earmark import cli
told = []
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch.object(sys, "argv", ["earmark", *words]):
        try:
            cli.main()
        except SystemExit as leave:
            status = leave.code or 0
        except BaseException:
            status = traceback.format_exc()
    told.append([words, status, out.getvalue(), err.getvalue()])
    out.close()
print(json.dumps(told))
"""


def without(absent: tuple[str, ...], folder: Path) -> dict[str, str]:
    """The environment of programs that cannot import these."""
    (folder / "sitecustomize.py").write_text(BLOCK.format(absent=absent))
    home = str(Path(cli.__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), home])}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Ten clips in each of five folds, named with the tags of `esc10`, each heard as an event, and scores of them."""
    folder = tmp_path_factory.mktemp("small")
    chance = np.random.default_rng(0)
    tags = loading.load("esc10").vocabulary
    rows = [["id", "path", "tags", "fold", "events"]]
    for number in range(50):
        tag = tags[number % 10]
        rows.append([f"{number:02}", f"{number:02}.wav", tag, f"{number // 10 + 1}", json.dumps([[tag, 0.1, 0.4]])])
        soundfile.write(folder / f"{number:02}.wav", chance.uniform(-0.5, 0.5, 8000), 16_000)
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (folder / "plan.yaml").write_text(json.dumps(PLAN))
    soundfile.write(folder / "sound.wav", chance.uniform(-0.5, 0.5, 16_000), 16_000)
    ids = np.array(manifests.read(folder / "clips.csv").table["id"].to_pylist())
    for file in ("a.parquet", "b.parquet"):
        values = chance.dirichlet(np.ones(10), 50).astype(np.float32)
        Scores(values, ids, np.zeros(50), np.full(50, 0.5), tags=tags).save(folder / file)
    (folder / "events.csv").write_text(EVENTS)
    (folder / "reviews.csv").write_text(REVIEWS.format(tag="dog"))
    soundfile.write(folder / "long.wav", chance.uniform(-0.5, 0.5, 6 * 16_000), 16_000)
    loading.load("esc10").embed(folder / "sound.wav").save(folder / "e.parquet")
    for tag in ("dog", "rain"):
        (folder / "tags" / tag).mkdir(parents=True)
        for number in range(2):
            soundfile.write(folder / "tags" / tag / f"{number}.wav", chance.uniform(-0.5, 0.5, 8_000), 16_000)
    with Journal(folder / "job", {"command": "tag"}) as job:
        job.failed(folder / "sound.wav", "is empty")
    (folder / "net.tflite").write_bytes(tiny().data)
    (folder / "labels.csv").write_text("index,mid,display_name\n0,/m/1,Dog\n1,/m/2,Rain\n2,/m/3,Wind\n")
    return folder


def run(words: list[list[str]], environment: dict[str, str], cwd: Path) -> list[tuple[list[str], int | str, str, str]]:
    """(words, status or traceback, stdout, stderr) of commands, one after the other in one program."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(words),
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asks_for_an_extra(status: int | str, said: str) -> bool:
    """Whether the last of the lines says which extra to install, and the status is that of what cannot be done."""
    last = (said.strip().splitlines() or [""])[-1]
    extras = re.findall(r"pip install 'earmark\[(\w+)\]'", last)
    return status == 2 and last.startswith("earmark: ") and bool(extras) and set(extras) <= set(EXTRAS.values())


def of_fold(words: list[str], fold: str) -> list[str]:
    return [fold if before == "--fold" else word for before, word in zip(["", *words], words, strict=False)]


@pytest.fixture(scope="module")
def told(small, tmp_path_factory):
    """What every command says where extras are not there: with `esc10`, whose file carries graphs."""
    asked = []
    for name in cli.verbs():
        for words, command in commands(name):
            folder = tmp_path_factory.mktemp("_".join(words))
            offered = given(name, command, small, folder, tagger="esc10")
            asked.append([*words, *of_fold(offered, FOLDS.get(name, "5"))])
    asked += [["list", kind] for kind in Kind]
    folder = tmp_path_factory.mktemp("blocked")
    return run(asked, without(WITHOUT, folder), folder)


def test_every_verb_works_or_names_an_extra(told):
    for words, status, printed, said in told:
        assert status == 0 or asks_for_an_extra(status, said), (words, status, printed, said)


def test_the_core_does_what_it_promises(told):
    for words, status, _, said in told:
        if words[0] in CORE and words not in NETS:
            assert status == 0, (words, said)
    asking = {words[0]: said for words, status, _, said in told if status != 0}
    assert "earmark[train]" in asking["train"] and "earmark[train]" in asking["explain"]
    assert "earmark[export]" in asking["export"]  # which brings torch as well: one line is enough
    assert len(asking["demo"].splitlines()) == 1  # before any work


def test_a_tagger_without_graphs_asks_for_torch(place, tmp_path):
    """Whatever is to be done with it; what it tells of itself is read without."""
    offered = [
        ["tag", place / "sound.wav", "--tagger", place / "t.safetensors"],
        ["events", place / "sound.wav", "--tagger", place / "t.safetensors"],
        ["embed", place / "sound.wav", "--tagger", place / "t.safetensors", "-o", tmp_path / "e.parquet"],
        ["evaluate", place / "t.safetensors", "--data", place / "clips.csv"],
        ["tag", place / "sound.wav", "--engine", "torch"],
        ["show", place / "t.safetensors"],
    ]
    *asked, shown = run([list(map(str, words)) for words in offered], without(WITHOUT, tmp_path), tmp_path)
    for words, status, _, said in asked:
        assert asks_for_an_extra(status, said) and "earmark[train]" in said, (words, status, said)
        assert len(said.splitlines()) == 1, (words, said)
    assert shown[1] == 0, shown


def test_an_engine_that_is_not_there_is_named_with_its_extra(small, tmp_path):
    words = ["tag", str(small / "sound.wav"), "--engine", "openvino"]
    ((_, status, _, said),) = run([words], without(WITHOUT, tmp_path), tmp_path)
    assert asks_for_an_extra(status, said) and "earmark[openvino]" in said, said


@pytest.mark.parametrize("verb", ["tag", "events"])
def test_a_clip_is_tagged_without_what_it_does_not_need(verb, small, tmp_path):
    """No table, no picture and no graph is written: what does so takes longer to import than a clip to tag."""
    ((_, status, printed, said),) = run(
        [[verb, str(small / "sound.wav")]], without((*WITHOUT, *NEEDLESS), tmp_path), tmp_path
    )
    assert status == 0 and (printed or verb == "events"), said


def test_a_second_tag_of_a_clip_imports_little(small, tmp_path):
    """The first looks at the tagger's recipe and at the engine's answers, and what it finds is remembered."""
    code = (
        "import sys; from unittest import mock; from earmark import cli\n"
        f"with mock.patch.object(sys, 'argv', ['earmark', 'tag', {str(small / 'sound.wav')!r}]):\n"
        "    try: cli.main()\n"
        "    except SystemExit: pass\n"
        f"print([name for name in {COLD!r} if name in sys.modules], file=sys.stderr)"
    )
    environment = os.environ | {"EARMARK_CACHE": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True, env=environment
        )
        for _ in range(2)
    ]
    assert said[0].stdout == said[1].stdout and "sound.wav" in said[0].stdout
    assert "pydantic" in said[0].stderr, "the recipe of a file that is new is checked"
    assert said[1].stderr.strip() == "[]"


def test_what_is_taken_out_of_the_core_is_told(small, tmp_path):
    """Tables are pyarrow's: `pip uninstall pyarrow` leaves what needs none, and a line for the rest."""
    words = [["embed", str(small / "sound.wav"), "-o", "e.parquet"], ["list", "datasets"]]
    for _, status, _, said in run(words, without(("pyarrow",), tmp_path), tmp_path):
        assert (status, said.splitlines()[-1]) == (
            2,
            "earmark: this needs pyarrow, which is not installed: `pip install pyarrow` brings it",
        )


def test_only_the_verb_that_is_asked_for_is_imported(tmp_path):
    code = (
        "import sys; from unittest import mock; from earmark import cli\n"
        "with mock.patch.object(sys, 'argv', ['earmark', 'schema', 'tag']):\n"
        "    try: cli.main()\n"
        "    except SystemExit: pass\n"
        "print([name for name in cli.names() if f'earmark.cli.{name}' in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr.strip() == "['schema']"
