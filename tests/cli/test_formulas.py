"""Names that a spreadsheet may run as formulas: tables keep them exactly, and one line on stderr tells of them."""

from __future__ import annotations

import csv
import io
import re
import shutil

import pytest
import torch
from tests.cli.conftest import PLAN
from tests.program import earmark

from earmark.cli.terminal.formulas import SIGNS, Formulas
from earmark.data import manifest as manifests
from earmark.models import tagger as taggers
from earmark.recipe import parse

pytestmark = pytest.mark.usefixtures("sketched")

TAGS = ("=1+1", "@SUM(A1)", "rain")
TOLD = re.compile("a spreadsheet may run (them as formulas|it as a formula): open as text")


@pytest.fixture(scope="module")
def named(place):
    """A tagger of such tags, and a recording of such a name."""
    torch.manual_seed(0)
    taggers.build(parse(PLAN), TAGS).save(place / "named.safetensors")
    folder = place / "named"
    folder.mkdir()
    shutil.copy(place / "sound.wav", folder / "=cmd|' calc'!A1.wav")
    shutil.copy(place / "sound.wav", folder / "a.wav")
    return place


def heads(stderr: str) -> list[str]:
    return [line.split(" with one of")[0] for line in stderr.splitlines() if TOLD.search(line)]


@pytest.mark.parametrize(("words", "separator"), [(["tag", "--format", "csv"], ","), (["events", "--format", "csv"], ","),
                                                  (["events", "--format", "tsv"], "\t")])  # fmt: skip
def test_what_is_printed_reads_back_exactly_and_is_told(named, words, separator):
    more = ["--top", "3"] if words[0] == "tag" else ["--threshold", "0.0001"]
    done = earmark(*words, *more, "=cmd|' calc'!A1.wav", "--tagger", named / "named.safetensors", cwd=named / "named")
    assert done.returncode == 0, done.stderr
    cells = {cell for row in csv.reader(io.StringIO(done.stdout), delimiter=separator) for cell in row}
    assert {"=cmd|' calc'!A1.wav", *TAGS} <= cells
    assert heads(done.stderr) == ["3 names in these tables begin"]
    assert "or --format json" in done.stderr


@pytest.mark.parametrize("words", [["tag", "--out", "out.csv"], ["events", "--out", "found"], ["tag", "--job", "job"],
                                   ["events", "--job", "job2"]])  # fmt: skip
def test_files_are_told_of_once(named, tmp_path, words):
    words = [words[0], "--format", "csv", *words[1:]]
    more = ["--top", "3"] if words[0] == "tag" else ["--threshold", "0.0001"]
    done = earmark(*words, *more, named / "named" / "a.wav", "--tagger", named / "named.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert heads(done.stderr) == ["2 names in these tables begin"]  # the path begins with a stroke


def test_errors_are_told_of_where_a_verb_leaves_with_1(named, tmp_path):
    (tmp_path / "-bad.wav").write_bytes(b"RIFF")
    words = ["tag", "--format", "json", "--errors", "errors.csv", "--tagger", named / "named.safetensors"]
    done = earmark(*words, "--", "-bad.wav", cwd=tmp_path)
    assert done.returncode == 1
    assert heads(done.stderr) == ["1 name in these tables begins"]
    with (tmp_path / "errors.csv").open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["path", "-bad.wav"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_manifests(named, tmp_path, ending):
    told = {"id": ["a", "b"], "path": ["a.wav", "b.wav"], "tags": [["=1+1"], ["rain"]], "fold": ["+x", "2"]}
    for name in told["path"]:
        shutil.copy(named / "sound.wav", tmp_path / name)
    manifests.write(manifests.build(told, tmp_path), tmp_path / "in.parquet")
    done = earmark("index", "table", tmp_path / "in.parquet", "-o", tmp_path / f"out.{ending}", "--no-hashes")
    assert done.returncode == 0, done.stderr
    assert heads(done.stderr) == ([] if ending == "parquet" else ["2 names in these tables begin"])


def test_reports_and_none_where_no_name_is_such(named, tmp_path):
    words = ["evaluate", named / "t.safetensors", "--data", named / "clips.csv", "--fold", "1", "--resamples", "5"]
    done = earmark(*words, "--out", tmp_path / "report", "--errors", tmp_path / "e.csv")
    assert done.returncode == 0 and (tmp_path / "report" / "report.tags.csv").is_file()
    assert not heads(done.stderr)
    done = earmark("tag", "--format", "json", named / "named", "--tagger", named / "named.safetensors")
    assert not heads(done.stderr)  # no spreadsheet opens it


def test_a_file_that_was_there_is_not_told_of(named, tmp_path):
    old = tmp_path / "errors.csv"
    old.write_text("path,reason\n=old.wav,gone\n")
    done = earmark("tag", named / "sound.wav", "--tagger", named / "t.safetensors", "--errors", old)
    assert done.returncode == 0 and not heads(done.stderr)
    assert old.read_text() == "path,reason\n"


@pytest.mark.parametrize("sign", SIGNS)
def test_each_sign_and_no_number(sign, capsys):
    seen = Formulas()
    out = io.StringIO()
    csv.writer(out).writerow([f"{sign}x", "-1.5", "+2e-3", "-inf", "a=b", "x-y", ""])
    assert seen.look(out.getvalue(), ".csv") == out.getvalue()
    assert list(seen.names) == [f"{sign}x"]
    seen.say("")
    assert capsys.readouterr().err.count("\n") == 1


def test_reports_of_tags(named, tmp_path):
    """The table of tags of a report, of a tagger whose tags begin so."""
    with (named / "clips.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    rows = [[cell for name, cell in zip(rows[0], row, strict=True) if name != "events"] for row in rows]
    spot = rows[0].index("tags")
    old = sorted({row[spot] for row in rows[1:]})[0]
    for row in rows[1:]:
        row[spot] = "=x" if row[spot] == old else row[spot]
    with (named / "renamed.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    torch.manual_seed(0)
    taggers.build(parse(PLAN), sorted({row[spot] for row in rows[1:]})).save(named / "renamed.safetensors")
    words = ["evaluate", named / "renamed.safetensors", "--data", named / "renamed.csv", "--fold", "1"]
    done = earmark(*words, "--resamples", "5", "--out", tmp_path / "r", "--no-pictures")
    assert done.returncode == 0, done.stderr
    assert heads(done.stderr) == ["1 name in these tables begins"]
