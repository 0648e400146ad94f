"""Names that would act on a terminal do not: in the tables and messages of every verb they are shown escaped."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.cli.conftest import PLAN
from tests.cli.test_contract import commands, given
from tests.program import earmark

from earmark.cli.terminal import failures
from earmark.data import manifest as manifests
from earmark.files.shown import Terminal, message, shown
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.scores import Scores

pytestmark = pytest.mark.usefixtures("sketched")

TITLE, CLEARED, TURNED, LINE = "\x1b]0;mine\x07", "\x1b[2J", "\u202e", "\nsaid"
TAGS = [f"dog{CLEARED}{TURNED}", f"=rain{TITLE}", f"sea{LINE}\x9b2J"]
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\nsaid")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """As the other verbs' place, with names that nobody should trust."""
    folder = tmp_path_factory.mktemp("names")
    chance = np.random.default_rng(0)
    columns: dict[str, list[str]] = {name: [] for name in ("id", "path", "tags", "fold", "group")}
    for number in range(30):
        name = f"{number}{CLEARED}{TURNED}{LINE}.wav"
        soundfile.write(folder / name, chance.uniform(-0.5, 0.5, 8000), 16_000)
        told = (name, name, TAGS[number % 3], f"{number // 3 % 5 + 1}{TITLE}", f"g{number}{CLEARED}")
        for column, value in zip(columns, told, strict=True):
            columns[column].append(value)
    clips = manifests.build(columns, folder)
    manifests.write(clips, folder / "clips.csv")
    (folder / "plan.yaml").write_text(json.dumps(PLAN | {"summary": f"a plan{CLEARED}"}))
    torch.manual_seed(0)
    taggers.build(parse(PLAN | {"summary": f"a plan{CLEARED}"}), clips.vocabulary).save(folder / "t.safetensors")
    soundfile.write(folder / "sound.wav", chance.uniform(-0.5, 0.5, 16_000), 16_000)
    times = np.zeros(30), np.ones(30)
    for file in ("a.parquet", "b.parquet"):
        values = chance.dirichlet(np.ones(3), 30).astype(np.float32)
        Scores(values, np.array(columns["id"]), *times, tags=clips.vocabulary).save(folder / file)
    return folder


def test_no_verb_lets_a_name_act(name, place, tmp_path, monkeypatch):
    """Whether it does its work or refuses it."""
    if name == "demo":
        pytest.skip("reads nothing: it makes sounds of its own, for minutes")
    monkeypatch.chdir(tmp_path)
    odd = next(place.glob("0*.wav"))
    for words, command in commands(name):
        told = given(name, command, place, tmp_path)
        for more in ([], [str(odd)], [f"absent{CLEARED}"], [f"--absent{CLEARED}"]):
            done = earmark(*words, *told, *more)
            for text in (done.stderr, done.stdout):
                assert not ACTING.search(text), (words, more, text[:2000])


def test_files_of_results_keep_names(place, tmp_path):
    odd = next(place.glob("0*.wav"))
    out = tmp_path / "o.json"
    assert earmark("tag", odd, "--tagger", place / "t.safetensors", "--format", "json", "--out", out).returncode == 0
    (row,) = json.loads(out.read_text(encoding="utf-8"))
    assert row["path"] == str(odd) and {tag["label"] for tag in row["tags"]} == set(TAGS)


def test_a_terminal_gets_colours_alone():
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    print(f"\x1b[1mbold\x1b[0m {TITLE}{CLEARED}", file=Terminal(screen))
    assert screen.getvalue() == "\x1b[1mbold\x1b[0m \\x1b]0;mine\\x07\\x1b[2J\n"
    assert Terminal(screen).isatty()


def test_the_streams_are_guarded_on_a_terminal(monkeypatch):
    class Screen(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Screen(io.BytesIO(), "utf-8", write_through=True))
    failures.guard_streams()
    print(f"{CLEARED}\udcff")
    assert sys.stdout.buffer.getvalue() == b"\\x1b[2J\\xff\n"


def test_a_name_in_one_line():
    assert shown("a\0b\rc\td\x85\u2028\u202e\udcff") == r"a\x00b\rc\td\x85\u2028\u202e\xff"
    assert shown("Zürich 東京 – naïve") == "Zürich 東京 – naïve"


def test_long_names_are_shortened_in_messages():
    told = message(f"{'x' * 10**6}: no such file")
    assert told == f"{'x' * 45}… (1,000,001 characters) …{'x' * 19}: no such file"
    assert len(message("a b " * 10**6)) < 8100
    done = earmark("check", "x" * 10**6)
    assert done.returncode == 2 and len(done.stderr) < 10_000
