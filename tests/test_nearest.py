"""The windows most like an example: against all cosines at once, in blocks of any size; and the command on real recordings."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.program import earmark

import earmark as earmark_package
from earmark.errors import EarmarkError, ScoresError
from earmark.inference import Recording
from earmark.inference.sought import sought
from earmark.scores import Embeddings
from earmark.scores.embeddings import blocks, facts_of
from earmark.scores.nearest import nearest


def store(rows=60, width=5, recordings=7, seed=0):
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(rows, width)).astype(np.float32)
    ids = np.array([f"r{number}" for number in sorted(chance.integers(0, recordings, rows))])
    return Embeddings(vectors, ids, np.arange(rows, dtype=float), np.arange(rows) + 1.0, {"tagger": "x"})


def part(whole, first, last):
    return Embeddings(whole.vectors[first:last], whole.ids[first:last], whole.start[first:last], whole.end[first:last])


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 70), top=st.integers(1, 80), each=st.one_of(st.none(), st.integers(1, 4)),
    examples=st.integers(1, 3), seed=st.integers(0, 9),
)  # fmt: skip
def test_blocks_of_any_size_give_what_all_cosines_do(size, top, each, examples, seed):
    whole = store(seed=seed)
    wanted = np.random.default_rng(seed + 1).normal(size=(examples, 5)).astype(np.float32)
    cosines = [
        max(float(v @ w / np.linalg.norm(v) / np.linalg.norm(w)) for w in wanted.astype(np.float64))
        for v in whole.vectors.astype(np.float64)
    ]
    expected, taken = [], {}
    for row in sorted(range(len(whole)), key=lambda row: -cosines[row]):
        name = whole.ids[row]
        if each is None or taken.get(name, 0) < each:
            taken[name] = taken.get(name, 0) + 1
            expected.append(row)
    found = nearest((part(whole, k, k + size) for k in range(0, len(whole), size)), wanted, top, each=each)
    assert [match.start for match in found] == [float(row) for row in expected[:top]]
    np.testing.assert_allclose([m.similarity for m in found], [cosines[row] for row in expected[:top]], atol=1e-6)


def test_loudness_does_not_count_and_zeros_are_like_nothing():
    some = Embeddings(
        np.array([[0, 0], [3, 0], [0.1, 0.1]], np.float32), np.array(["a", "b", "c"]), np.zeros(3), np.ones(3)
    )
    found = nearest([some], np.array([100.0, 0.0], np.float32), 3)
    assert [(match.id, round(match.similarity, 5)) for match in found] == [("b", 1.0), ("c", 0.70711), ("a", 0.0)]


def test_equal_ones_come_in_their_order():
    some = Embeddings(np.ones((4, 2), np.float32), np.array(list("abcd")), np.arange(4.0), np.arange(4.0) + 1)
    assert [match.id for match in nearest([part(some, 0, 2), part(some, 2, 4)], np.ones(2, np.float32), 3)] == [
        "a",
        "b",
        "c",
    ]


def test_what_cannot_be_searched():
    with pytest.raises(ScoresError, match="the store has embeddings of 5 numbers, the example one of 3"):
        nearest([store()], np.ones((1, 3), np.float32), 3)
    for top, each in ((0, None), (1, 0)):
        with pytest.raises(ScoresError, match="give 1 or more"):
            nearest([store()], np.ones((1, 5), np.float32), top, each=each)
    assert nearest([], np.ones((1, 5), np.float32), 3) == []


def test_a_file_comes_in_blocks(tmp_path):
    whole = store()
    whole.save(tmp_path / "e.parquet")
    together = list(blocks(tmp_path / "e.parquet"))
    np.testing.assert_array_equal(np.concatenate([block.vectors for block in together]), whole.vectors)
    assert facts_of(tmp_path / "e.parquet") == {"tagger": "x"}
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not at all")
    for call in (facts_of, lambda path: list(blocks(path))):
        with pytest.raises(ScoresError, match="bad.parquet: holds no embeddings that earmark can read"):
            call(tmp_path / "bad.parquet")
        with pytest.raises(ScoresError, match="is a folder. Give the file that `earmark embed` wrote"):
            call(tmp_path)
    (tmp_path / "job").mkdir()
    whole.save(tmp_path / "job" / "embeddings.parquet")
    for call in (facts_of, lambda path: list(blocks(path)), Embeddings.load):
        with pytest.raises(ScoresError, match="job: is a folder. Give the file in it, .*job/embeddings.parquet"):
            call(tmp_path / "job")


def rewritten(path, whole, vectors, kind, start=None):
    """A store as another program writes it: the same facts, its vectors of another kind of list."""
    import pyarrow as pa
    from pyarrow import parquet

    whole.save(path)
    table = parquet.read_table(path)
    table = table.set_column(table.column_names.index("vector"), "vector", pa.array(vectors, kind))
    if start is not None:
        table = table.set_column(table.column_names.index("start"), "start", pa.array(start, pa.float64()))
    parquet.write_table(table, path)
    return path


LISTS = ("list", "large_list", "double", "half", "fixed")


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("told", [True, False])
def test_lists_of_any_kind_are_vectors(tmp_path, kind, told):
    import pyarrow as pa
    from pyarrow import parquet

    whole = store()
    kinds = {
        "list": pa.list_(pa.float32()), "large_list": pa.large_list(pa.float32()), "double": pa.list_(pa.float64()),
        "half": pa.list_(pa.float16()), "fixed": pa.list_(pa.float32(), 5),
    }  # fmt: skip
    vectors = whole.vectors.astype(np.float16) if kind == "half" else whole.vectors
    path = rewritten(tmp_path / "e.parquet", whole, list(vectors), kinds[kind])
    if not told:  # as earlier versions, which did not tell the width
        table = parquet.read_table(path)
        plain = json.loads(table.schema.metadata[b"earmark-embeddings"])
        plain.pop("width")
        parquet.write_table(table.replace_schema_metadata({"earmark-embeddings": json.dumps(plain)}), path)
    for read in (Embeddings.load(path), *blocks(path)):
        np.testing.assert_array_equal(read.vectors, vectors.astype(np.float32))
        assert read.vectors.dtype == np.float32


@pytest.mark.parametrize("ragged", ["short", "long", "none"])
def test_vectors_of_several_lengths_are_refused_in_words(tmp_path, ragged):
    import pyarrow as pa

    whole = store(rows=6)
    vectors = [row.tolist() for row in whole.vectors]
    vectors[3] = {"short": vectors[3][:-1], "long": vectors[3] + [1.0], "none": None}[ragged]
    vectors[4] = vectors[4] + [1.0] if ragged == "short" else vectors[4]  # so that the sum is right
    path = rewritten(tmp_path / "e.parquet", whole, vectors, pa.list_(pa.float32()))
    what = {"short": "a vector of 4 numbers", "long": "a vector of 6 numbers", "none": "no vector"}[ragged]
    for read in (Embeddings.load, lambda path: list(blocks(path))):
        with pytest.raises(ScoresError, match=f"e.parquet: row 4 has {what}, and embeddings of 5 are told"):
            read(path)
    path = rewritten(tmp_path / "e.parquet", whole, list(range(6)), pa.int64())
    with pytest.raises(ScoresError, match="its column vector holds int64, not lists of numbers"):
        Embeddings.load(path)


def test_times_that_a_store_does_not_tell_are_no_numbers():
    from earmark.cli.terminal.searching import _told
    from earmark.scores.nearest import Match

    nan = float("nan")
    found = [Match("a", nan, 2.0, 1.0), Match("b", nan, nan, 0.5), Match("c", 0.0, 1.0, 0.25)]
    assert _told(found, "table").splitlines() == [
        "1.000  a  unknown to 2.00 s",
        "0.500  b  at times that the store does not tell",
        "0.250  c  0.00 to 1.00 s",
    ]
    assert _told(found, "csv").splitlines()[1:] == ["a,,2.000,1.000000", "b,,,0.500000", "c,0.000,1.000,0.250000"]
    assert [match["start"] for match in json.loads(_told(found, "json"), parse_constant=pytest.fail)] == [
        None,
        None,
        0.0,
    ]


def test_the_command(tmp_path, monkeypatch):
    """A tone among noises is found by another piece of it, in its place."""
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    time = np.arange(8 * 8000) / 8000
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 5 * time))
    sounds = {"a": chance.normal(0, 0.1, 64_000), "b": tone, "c": chance.normal(0, 0.05, 64_000)}
    for name, wave in sounds.items():
        soundfile.write(f"{name}.wav", wave, 8000)
    given = ("--tagger", "digits")
    assert earmark("embed", "a.wav", "b.wav", "c.wav", "-o", "store.parquet", *given).returncode == 0
    done = earmark("search", "store.parquet", "b.wav", "--from", "1", "--to", "3", "--top", "3", "--json", *given)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [match["id"] for match in found] == ["b.wav"] * 3 and found[0]["similarity"] > 0.9
    done = earmark("search", "store.parquet", "b.wav", "--each", "1", "--format", "csv", "--out", "m.csv", *given)
    assert done.returncode == 0
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == "id,start,end,similarity" and len(lines) == 4 and lines[1].startswith("b.wav,")
    assert earmark("search", "store.parquet", "b.wav", "--out", "m.csv", "--format", "csv", *given).returncode == 0
    done = earmark("search", "store.parquet", "b.wav")
    assert done.returncode == 2 and "was made by the tagger" in done.stderr
    done = earmark("search", "store.parquet", "b.wav", "--from", "3", "--to", "1", *given)
    assert done.returncode == 2 and "the example ends before it begins" in done.stderr
    for begin in ("-1", "nan", "inf"):
        done = earmark("search", "store.parquet", "b.wav", "--from", begin, *given)
        assert done.returncode == 2 and f"--from {begin}: the example begins at 0 s or later" in done.stderr
    soundfile.write("late.wav", np.concatenate([np.zeros(64_000), tone]), 8000)  # its silence is no example
    done = earmark("search", "store.parquet", "late.wav", "--top", "4", "--json", *given)
    assert [match["id"] for match in json.loads(done.stdout)] == ["b.wav"] * 4
    soundfile.write("silent.wav", np.zeros(64_000), 8000)
    done = earmark("search", "store.parquet", "silent.wav", *given)
    assert done.returncode == 2 and "is silent, and so an example of nothing" in done.stderr
    done = earmark("search", "store.parquet", "none.wav", *given)
    assert done.returncode == 1 and "none.wav" in done.stderr


def bursts(seconds=6, rate=8_000, seed=3):
    """A sound that is another one at each moment."""
    chance = np.random.default_rng(seed)
    time = np.arange(rate) / rate
    parts = [np.sin(2 * np.pi * chance.uniform(200, 3_000) * time) * chance.uniform(0.1, 0.8) for _ in range(seconds)]
    return np.concatenate(parts) + chance.normal(0, 0.01, seconds * rate)


@pytest.mark.parametrize(
    ("begin", "end", "first"),
    [(2.3, 2.5, 1.9), (0.1, 0.2, 0.0), (5.8, 5.9, 5.0), (5.5, None, 5.0), (3.0, 4.0, 3.0)],
)
def test_a_part_shorter_than_a_window_is_heard_with_what_lies_around_it(tmp_path, begin, end, first):
    tagger = earmark_package.load("digits")
    assert tagger.windows.length == 1.0
    soundfile.write(tmp_path / "a.wav", bursts(), 8000, subtype="FLOAT")
    found = sought(tagger, tmp_path / "a.wav", begin, end)
    around = tagger.embed(Recording(tmp_path / "a.wav", first, first + 1.0)).vectors
    np.testing.assert_allclose(found.vectors, around, atol=1e-5)
    assert found.notes == ()


def test_a_part_longer_than_a_window_is_heard_on_where_windows_are_filled_up(tmp_path):
    tagger = earmark_package.load("digits")
    soundfile.write(tmp_path / "a.wav", bursts(), 8000, subtype="FLOAT")
    found = sought(tagger, tmp_path / "a.wav", 1.0, 2.3)
    last = 2.3 - 1.0 if tagger.windows.last == "align" else 1.0 + tagger.windows.hop
    there = tagger.embed(Recording(tmp_path / "a.wav", last, last + 1.0)).vectors
    np.testing.assert_allclose(found.vectors[-1:], there, atol=1e-5)


def test_a_recording_shorter_than_a_window_is_told(tmp_path):
    tagger = earmark_package.load("digits")
    soundfile.write(tmp_path / "short.wav", bursts()[:4_000], 8000)
    for begin, end in ((None, None), (0.1, 0.3)):
        (note,) = sought(tagger, tmp_path / "short.wav", begin, end).notes
        assert "short.wav: lasts 0.50 s, less than the window of 1 s that the tagger hears" in note
    whole = tagger.embed(tmp_path / "short.wav").vectors
    np.testing.assert_allclose(sought(tagger, tmp_path / "short.wav", 0.1, 0.3).vectors, whole, atol=1e-5)


SILENT = {
    "zeros": np.zeros(16_000), "constant": np.full(16_000, 0.5), "moment": np.full(1, 0.3), "short constant": np.full(4_000, 0.2),
    "dither": np.random.default_rng(0).uniform(-1e-6, 1e-6, 16_000), "faint": np.random.default_rng(0).uniform(-1e-4, 1e-4, 16_000),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_what_tag_calls_silent_is_no_example(tmp_path, name):
    """As a recording, and as a part of one that goes on with sound."""
    tagger = earmark_package.load("digits")
    wave = SILENT[name]
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="FLOAT")
    tags = tagger.tag(tmp_path / "a.wav")
    assert tags.about.silent
    soundfile.write(tmp_path / "b.wav", np.concatenate([wave, bursts()]), 8000, subtype="FLOAT")
    for file, end in (("a.wav", None), ("b.wav", len(wave) / 8000)):
        with pytest.raises(EarmarkError, match=f"{file}: is silent, and so an example of nothing") as error:
            sought(tagger, tmp_path / file, None, end)
        said = tags.about.notes[-1].split(": ", 1)[1].partition(". ")[0].removeprefix("is silent: ")
        assert f"({said})" in str(error.value)


def test_windows_of_silence_are_no_examples(tmp_path):
    tagger = earmark_package.load("digits")
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.full(16_000, 0.5), bursts(1)]), 8000, subtype="FLOAT")
    found = sought(tagger, tmp_path / "a.wav")
    assert 0 < len(found.vectors) < len(tagger.embed(tmp_path / "a.wav"))


def test_the_example_is_heard_as_the_store_was(tmp_path, monkeypatch):
    """With the gain that the file tells: the very clip is as near to itself as can be."""
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(1)
    for name in "ab":
        soundfile.write(f"{name}.wav", chance.normal(0, 0.01, 32_000), 8000)
    for words in (["-o", "store.parquet"], ["--job", "job"]):
        done = earmark("embed", "a.wav", "b.wav", "--tagger", "digits", "--gain", "30", *words)
        assert done.returncode == 0, done.stderr
    assert earmark("embed", "a.wav", "b.wav", "--tagger", "digits", "-o", "plain.parquet").returncode == 0
    for store, gain in (("store.parquet", 30.0), ("job/embeddings.parquet", 30.0), ("plain.parquet", 0.0)):
        assert facts_of(store).get("gain", 0.0) == gain
        found = json.loads(earmark("search", store, "a.wav", "--tagger", "digits", "--top", "1", "--json").stdout)
        assert found[0]["id"] == "a.wav" and found[0]["similarity"] > 0.99999


@pytest.mark.parametrize("each", [None, 1, 3])
@pytest.mark.parametrize("count", [60, 1000])
def test_of_equal_ones_those_that_come_first_are_told(each, count):
    """Wherever they stand: a product of matrices gives equal rows cosines that differ in the last bit."""
    vector = np.random.default_rng(0).normal(size=521).astype(np.float32)
    ids = np.array([f"r{number:04}" for number in range(count)])
    same = Embeddings(np.tile(vector, (count, 1)), ids, np.zeros(count), np.ones(count))
    wanted = vector + np.random.default_rng(1).normal(0, 0.1, 521).astype(np.float32)
    for size in (count, 7):
        found = nearest((part(same, k, k + size) for k in range(0, count, size)), wanted, 5, each=each)
        assert [match.id for match in found] == ids[:5].tolist()


@pytest.mark.parametrize("scale", [1e-30, 1e-25, 1e-12, 1.0, 1e12, 1e20, 1e37])
def test_cosines_are_such_however_large_vectors_are(scale):
    whole = store(seed=3)
    wanted = whole.vectors[4]
    cosines = [match.similarity for match in nearest([whole], wanted, 5)]
    scaled = Embeddings(whole.vectors * np.float32(scale), whole.ids, whole.start, whole.end)
    for example in (wanted, wanted * np.float32(scale)):
        assert [match.similarity for match in nearest([scaled], example, 5)] == pytest.approx(cosines, abs=1e-6)
    assert cosines[0] <= 1


@pytest.mark.parametrize(
    ("example", "told"),
    [(np.zeros(5), "zeros alone"), (np.full(5, np.nan), "no finite number"), (np.full(5, np.inf), "no finite number"),
     (np.zeros((0, 5)), "no example is given")],
)  # fmt: skip
def test_an_example_that_nothing_is_like_is_refused(example, told):
    with pytest.raises(ScoresError, match=told):
        nearest([store(seed=0)], example.astype(np.float32), 3)
