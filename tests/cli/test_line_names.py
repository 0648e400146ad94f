"""A recording whose name holds the end of a line or a tab: where a format cannot tell it, it is one failure, and the rest goes on."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from tests.program import earmark

from earmark.events import formats
from earmark.files.shown import shown
from earmark.registry import EVENT_FORMATS

pytestmark = pytest.mark.usefixtures("sketched")

NAMES = ("bad\nname.wav", "bad\tname.wav", "bad\rname.wav")
LIMITED = ("raven",)  # the formats whose files hold the recording's name between tabs
WORDS = ("events", "--threshold", "0.05")


@pytest.fixture(scope="module")
def lines(place, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    for name in ("A.wav", *NAMES, "z.wav"):
        shutil.copy(place / "sound.wav", folder / name)
    return folder


@pytest.mark.parametrize("form", ["table", *EVENT_FORMATS.names()])
@pytest.mark.parametrize("option", ["--job", "--out"])
def test_the_rest_goes_on(form, option, place, lines, tmp_path):
    if form == "table" and option == "--out":
        option, told = "--summary", [tmp_path / "counts.csv"]
    else:
        told = [tmp_path / "made"]
    command = (*WORDS, lines, "--tagger", place / "t.safetensors", "--format", form, option, *told)
    for _ in range(2):  # the same command again ends as well
        errors = tmp_path / "errors.csv"
        done = earmark(*command, "--errors", errors)
        rows = list(csv.DictReader(io.StringIO(errors.read_bytes().decode(), newline="")))
        assert done.returncode == (1 if form in LIMITED else 0), done
        assert {row["path"] for row in rows} == ({str(lines / name) for name in NAMES} if form in LIMITED else set())
        for row in rows:
            assert "which this format cannot: write csv or json, or rename it" in row["reason"]
        if form != "table" and formats.each(form):
            folder = tmp_path / "made" / ("results" if option == "--job" else ".")
            made = {path.name.removesuffix(formats.ending(form)) for path in folder.iterdir()}
            assert made == {"A.wav", "z.wav", *(() if form in LIMITED else NAMES)}
            assert {name for file in folder.iterdir() for name in formats.read(file)} == made


def test_it_is_told_with_its_path(place, lines, tmp_path):
    done = earmark(*WORDS, lines, "--tagger", place / "t.safetensors", "--format", "raven", "--job", tmp_path / "job")
    assert "3 of 5 recordings could not be read" in done.stderr
    for name in NAMES:
        assert f"{lines / shown(name)}: was heard, and its result cannot be written: " in done.stderr
    failed = json.loads(earmark("job", tmp_path / "job", "--json").stdout)["failed"]
    assert {each["path"] for each in failed} == {str(lines / name) for name in NAMES}


def test_one_alone_on_stdout(place, lines):
    done = earmark(*WORDS, lines / NAMES[0], "--tagger", place / "t.safetensors", "--format", "raven")
    assert done.returncode == 1 and f"{lines / shown(NAMES[0])}: was heard" in done.stderr and not done.stdout


def test_a_silent_one_is_a_line_of_its_own(place, tmp_path):
    import numpy as np
    import soundfile

    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / NAMES[0], np.zeros(16_000), 16_000)
    earmark(*WORDS, tmp_path / "in", "--tagger", place / "t.safetensors", "--job", tmp_path / "job")
    (line,) = (tmp_path / "job" / "events.txt").read_text().splitlines()
    assert line.startswith(str(tmp_path / "in" / shown(NAMES[0])))
