"""`earmark embed`: the file holds what `tagger.embed` gives, recording by recording, and nothing of what could not be read."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch
from pyarrow import parquet

from earmark import audio
from earmark.errors import ScoresError, TaggerError
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.recipe import parse
from earmark.scores import Embeddings, embeddings

PLAN = {
    "task": "one", "sample_rate": 8_000, "data": {"dataset": "synth"}, "windows": {"length": 0.5, "hop": 0.5},
    "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [8, 8, 8], "hidden": 8}, "augment": ["crop"],
    "train": {"epochs": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embed")
    torch.manual_seed(0)
    taggers.build(parse(PLAN), ("dog", "rain")).save(folder / "t.safetensors")
    Ensemble([loading.load(folder / "t.safetensors")] * 2).save(folder / "both.safetensors")
    (folder / "sounds").mkdir()
    chance = np.random.default_rng(0)
    for name, seconds in (("a", 1.3), ("b", 40.0), ("c", 0.2), ("d", 2.0)):
        soundfile.write(folder / "sounds" / f"{name}.wav", chance.uniform(-0.5, 0.5, int(seconds * 8_000)), 8_000)
    return folder


@pytest.mark.parametrize("batch", [1, 16])
def test_the_file_holds_what_the_tagger_gives(place, run, tmp_path, batch):
    out = tmp_path / "new" / "e.parquet"
    options = ("--tagger", place / "t.safetensors", "-o", out, "--batch", batch, "--json")
    status, told, said = run("embed", place / "sounds", *options)
    assert status == 0, said
    tagger = loading.load(place / "t.safetensors")
    found = audio.find([place / "sounds"], print)
    alone = tagger.embed(found)
    kept = Embeddings.load(out)
    assert kept.ids.tolist() == [str(path) for path, each in zip(found, alone, strict=True) for _ in range(len(each))]
    assert np.abs(kept.vectors - np.concatenate([each.vectors for each in alone])).max() < 1e-5
    assert kept.start.tolist() == [second for each in alone for second in each.start.tolist()]
    assert kept.end.tolist() == [second for each in alone for second in each.end.tolist()]
    assert kept.facts == alone[0].facts
    assert json.loads(told) == {
        "out": str(out), "recordings": 4, "windows": len(kept), "width": 8, "tagger": tagger.identity(),
        "sample_rate": 8_000, "window_settings": tagger.described_windows(), "unread": [],
    }  # fmt: skip


def test_anybody_can_read_the_columns(place, run, tmp_path):
    out = tmp_path / "e.parquet"
    run("embed", place / "sounds" / "a.wav", "--tagger", place / "t.safetensors", "-o", out)
    schema = parquet.read_schema(out)
    assert [str(each.type) for each in schema] == ["string", "double", "double", "fixed_size_list<element: float>[8]"]
    assert schema.names == ["id", "start", "end", "vector"]


def test_of_a_recording_that_fails_nothing_is_kept(place, run, tmp_path):
    """It fails after its first windows have come, beside others that are read."""
    data = bytearray((place / "sounds" / "b.wav").read_bytes())
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "a.wav").write_bytes((place / "sounds" / "a.wav").read_bytes())
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, 60 * 8_000).astype(np.float32)
    wave[-10] = np.nan
    soundfile.write(folder / "b.wav", wave, 8_000, subtype="FLOAT")
    (folder / "c.wav").write_bytes(data)
    out = tmp_path / "e.parquet"
    status, _, said = run("embed", folder, "--tagger", place / "t.safetensors", "--out", out)
    assert status == 1 and "1 sample is no usable number" in said
    kept = Embeddings.load(out)
    assert set(kept.ids.tolist()) == {str(folder / "a.wav"), str(folder / "c.wav")} and len(kept) == 3 + 80
    before = out.read_bytes()
    with pytest.raises(Exception, match="no usable number"):
        run("embed", folder, "--tagger", place / "t.safetensors", "--out", out, "--strict")
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.parquet", "sounds"]


def test_where_nothing_can_be_read_the_file_has_no_rows(place, run, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"no sound")
    out = tmp_path / "e.parquet"
    status, told, _ = run("embed", tmp_path / "x.wav", "--tagger", place / "t.safetensors", "-o", out, "--json")
    kept = Embeddings.load(out)
    assert status == 1 and kept.vectors.shape == (0, 8) and repr(kept).startswith("<Embeddings: 0 windows × 8")
    assert json.loads(told)["unread"][0]["path"] == str(tmp_path / "x.wav")


def test_an_ensemble_and_another_ending_are_refused(place, run, tmp_path):
    with pytest.raises(TaggerError, match="has no embedding"):
        run("embed", place / "sounds", "--tagger", place / "both.safetensors", "-o", tmp_path / "e.parquet")
    with pytest.raises(ScoresError, match=r"embeddings are written as \.parquet, not \.csv"):
        run("embed", place / "sounds", "--tagger", place / "t.safetensors", "-o", tmp_path / "e.csv")
    assert not list(tmp_path.iterdir())


def test_a_long_recording_is_written_in_groups(place, tmp_path, monkeypatch):
    """What waits is on disk from one group on, and rows come back in their order."""
    monkeypatch.setattr(embeddings, "GROUP", 4 * 8 * 10)
    vectors = np.random.default_rng(0).normal(size=(95, 8)).astype(np.float32)
    ids, start = np.full(95, "a"), np.arange(95.0)
    found = Embeddings(vectors, ids, start, start + 1, {"tagger": "x"})
    with embeddings.Writer(tmp_path / "e.parquet", found.facts) as writer:
        for first in range(0, 95, 20):
            rows = slice(first, first + 20)
            writer.add(Embeddings(vectors[rows], ids[rows], start[rows], start[rows] + 1))
        writer.commit()
        writer.add(found)
        writer.drop()
        with pytest.raises(ScoresError, match="embeddings of 3 numbers follow such of 8"):
            writer.add(Embeddings(np.zeros((1, 3), np.float32), ids[:1], start[:1], start[:1]))
    assert parquet.ParquetFile(tmp_path / "e.parquet").num_row_groups == 10
    again = Embeddings.load(tmp_path / "e.parquet")
    assert np.array_equal(again.vectors, vectors) and np.array_equal(again.start, start)


def test_what_is_no_file_of_embeddings_is_told(place, tmp_path):
    with pytest.raises(ScoresError, match="absent.parquet: no such file"):
        Embeddings.load(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ScoresError, match="holds no embeddings that earmark can read"):
        Embeddings.load(tmp_path / "text.parquet")
    import pyarrow as pa

    parquet.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ScoresError, match="is a Parquet file, but not one with embeddings in it"):
        Embeddings.load(tmp_path / "other.parquet")
    newer = pa.table({"id": ["a"]}).replace_schema_metadata({embeddings.FORMAT: json.dumps({"version": 99})})
    parquet.write_table(newer, tmp_path / "newer.parquet")
    with pytest.raises(ScoresError, match="written by a newer earmark \\(embeddings version 99"):
        Embeddings.load(tmp_path / "newer.parquet")
