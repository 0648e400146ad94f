"""Recordings that a table lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet
from tests.program import earmark

from earmark.data import listed
from earmark.errors import ManifestError


@pytest.fixture
def here(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("b.wav", "a.wav"):
        soundfile.write(tmp_path / "in" / name, np.random.default_rng(0).uniform(-0.5, 0.5, 8_000), 8_000)
    return tmp_path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_the_recordings_are_those_of_the_table_in_its_order(here, ending):
    names = ["in/b.wav", str(here / "in" / "a.wav"), "in/b.wav"]
    if ending == ".parquet":
        column = pa.array(names).dictionary_encode()
        parquet.write_table(pa.table({"id": pa.array([1, 2, 3]), "path": column}), here / "list.parquet")
    else:
        between = "\t" if ending == ".tsv" else ","
        lines = [between.join(row) for row in (("id", "path"), *((str(n), name) for n, name in enumerate(names)))]
        (here / f"list{ending}").write_text("\n".join(lines) + "\n")
    told: list[str] = []
    assert listed.find([here / f"list{ending}"], told.append) == [here / "in" / "b.wav", here / "in" / "a.wav"]
    assert told == [f"{here / f'list{ending}'}: 2 recordings are heard, each once and whole; it has 3 rows"]


def test_a_manifest_of_parts_is_told_to_be_heard_whole(here):
    (here / "clips.csv").write_text("id,path,start,end,tags\na,in/a.wav,0,0.5,dog\n")
    told: list[str] = []
    assert listed.of_table(here / "clips.csv", told.append) == [here / "in" / "a.wav"]
    assert told[0].endswith("1 recording is heard, once and whole; its rows are of parts of them")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,file\na,x.wav\n", "lists no recordings: it has no column 'path'. It has id, file"),
        ("id,path\na,x.wav\nb,\n", "1 row has no path, the first is row 2"),
    ],
)
def test_a_table_that_lists_none_is_refused(here, text, message):
    (here / "list.csv").write_text(text)
    with pytest.raises(ManifestError) as caught:
        listed.find([here / "list.csv"])
    assert message in str(caught.value)


@pytest.mark.parametrize("verb", ["tag", "events", "embed"])
def test_verbs_take_a_table_beside_folders_and_files(here, verb):
    (here / "list.csv").write_text("path\nin/a.wav\n")
    out = ["-o", here / "e.parquet"] if verb == "embed" else ["--format", "json"]
    done = earmark(verb, here / "list.csv", here / "in" / "b.wav", "--tagger", "digits", *out)
    assert done.returncode == 0, done.stderr
    if verb == "embed":
        found = parquet.read_table(here / "e.parquet")["id"].to_pylist()
        assert {Path(name).name for name in found} == {"a.wav", "b.wav"}
    else:
        assert "a.wav" in done.stdout and "b.wav" in done.stdout
