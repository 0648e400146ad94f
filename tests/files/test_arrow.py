"""Tables lie where users put them: pyarrow takes `site:1/…` for a URI, and names that are no UTF-8 not at all."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import earmark
from earmark import Scores
from earmark.data.datasets import headless
from earmark.data.manifest import files
from earmark.events import store
from earmark.events.counts import Heard
from earmark.files import arrow, parquet
from earmark.scores import Embeddings, Event
from earmark.scores.embeddings import blocks, facts_of

HERE = ("files/arrow.py", "files/parquet.py")
TAKES = {  # what opens a file by its name, and the module that it is of
    "read_table", "read_schema", "read_metadata", "write_table", "ParquetFile", "ParquetWriter", "ParquetDataset", "write_metadata",
    "read_csv", "write_csv", "open_csv", "CSVWriter", "read_json", "read_feather", "write_feather", "OSFile", "memory_map", "write_dataset",
    "open_input_file", "open_input_stream", "open_output_stream",
}  # fmt: skip


def test_pyarrow_is_given_no_names_elsewhere():
    root = Path(earmark.__file__).parent
    found = []
    for file in root.rglob("*.py"):
        name = file.relative_to(root).as_posix()
        text = file.read_text()
        if name in HERE or not any(f"{taken}(" in text for taken in TAKES):
            continue
        nodes = list(ast.walk(ast.parse(text)))
        plain = [node for node in nodes if isinstance(node, ast.Import) and node.names[0].name.startswith("pyarrow")]
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and str(node.module).startswith("pyarrow")]
        theirs = {alias.asname or alias.name for node in [*plain, *froms] for alias in node.names}
        for node in nodes:
            if (
                isinstance(node, ast.Call)
                and node.args
                and (called := ast.unparse(node.func)).rpartition(".")[2] in TAKES
            ):
                of, given = called.split(".")[0], ast.unparse(node.args[0])
                found += [f"{name}:{node.lineno}: {called}({given})"] if of in theirs and given != "data" else []
    assert found == []  # `data` is what was opened


@pytest.fixture(
    params=["site:1/", "s3:x=1/", b"b\xe9".decode(errors="surrogateescape")], ids=["colon", "scheme", "bytes"]
)
def named(request, tmp_path, monkeypatch) -> str:
    """What the names of files begin with, relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    if request.param.endswith("/"):
        os.makedirs(request.param)
    return request.param


def test_every_table_comes_back_from_there(named):
    table = pa.table({"id": ["a", "b"], "x": [1.5, 2.5]})
    file = Path(f"{named}t.parquet")
    parquet.write(table, file)
    assert (
        parquet.read(file) == table == pa.concat_tables(parquet.parts(file)) and parquet.schema_of(file) == table.schema
    )
    arrow.write_csv(table, Path(f"{named}t.csv"))
    assert arrow.read_csv(Path(f"{named}t.csv")) == table
    assert headless(Path(f"{named}t.csv"), ["one", "two"])["one"].to_pylist() == ["id", "a", "b"]
    times = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    scores = Scores(np.full((2, 2), 0.5, np.float32), np.array(["a", "b"]), *times, ("dog", "rain"))
    made = Embeddings(np.ones((2, 3), np.float32), np.array(["a", "a"]), *times)
    for ending in (".parquet", ".csv"):
        scores.save(f"{named}w{ending}")
        assert Scores.load(f"{named}w{ending}").ids.tolist() == ["a", "b"]
    made.save(f"{named}e.parquet")
    assert len(Embeddings.load(f"{named}e.parquet")) == len(next(blocks(f"{named}e.parquet"))) == 2
    assert isinstance(facts_of(f"{named}e.parquet"), dict)
    store.write([Heard("a.wav", 2.0, [Event(0.0, 1.0, "dog", 0.5)], None, "")], folder := Path(f"{named}store"), {})
    assert [parquet.read(each).num_rows for each in sorted(folder.rglob("*.parquet"))]


def test_a_manifest_comes_back_from_there(named):
    Path("m.csv").write_text("id,path,tags,group\na,a.wav,dog,1\nb,b.wav,rain,2\n")
    manifest = files.read("m.csv")
    for ending in (".parquet", ".csv", ".tsv"):
        files.write(manifest, f"{named}m{ending}")
        assert len(files.read(f"{named}m{ending}")) == 2
