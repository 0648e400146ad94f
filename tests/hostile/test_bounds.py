"""A small file that asks for much is refused before anything of that size is made: within 5 s of work and 1 GB of memory."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from earmark import recipe
from earmark.models import file as taggerfile
from earmark.scores import Embeddings, Scores

pytestmark = pytest.mark.slow  # each in a process of its own, with little memory and time

MEGABYTES, SECONDS = 1000, 5
SMALL = {
    "task": "one", "sample_rate": 16_000, "data": {"dataset": "synth"}, "windows": {"length": 0.5, "hop": 0.5},
    "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [8, 8, 8], "hidden": 8}, "augment": ["crop"], "train": {"epochs": 1},
}  # fmt: skip
LONG = [f"x{number}" for number in range(30_000)]


def plan(name: str = "", **changes: Any) -> dict[str, Any]:
    """A small recipe, or a shipped one, with changes by the path of their key, `net__widths`."""
    plain = json.loads(json.dumps(recipe.load(name).as_dict() if name else SMALL))
    for path, value in changes.items():
        *above, key = path.split("__")
        place = plain
        for step in above:
            place = place[step]
        place[key] = value
    return plain


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


# What is asked for → what is said of it
PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "widths": (plan(net__widths=[8000] * 3), "more than 250,000,000 parameters"),
    "hidden": (plan(net__hidden=1_000_000_000), "more than 250,000,000 parameters"),
    "blocks": (plan("esc10-resnet-c-att", net__blocks=[100_000, 1, 1, 1]), "more than 5,000 layers"),
    "stages": (plan(net__sizes=[3] * 9000, net__widths=[1] * 9000), "more than 5,000 layers"),
    "many numbers": (plan(net__widths=[1] * 50_000), "more than 20,000 keys and values"),
    "a long window": (plan(windows__length=1e5), "longer than a window may be, 600 s"),
    "a longer window": (plan(windows__length=1e9), "longer than a window may be, 600 s"),
    "a wide window": (plan(windows__length=500.0, sample_rate=384_000), "more than a window may have"),
    "a short hop": (plan(windows__hop=1e-9), "heard more than 1,000 times"),
    "bands": (plan("esc10-cnnspec", features__bands=10**7), "take fewer bands"),
    "fft": (plan("esc10-cnnspec", features__fft=10**9), "longer than 262,144"),
    "a long frame": (plan("esc10-cnnspec", features__window=1e6), "longer than 262,144"),
    "maps": (plan("esc10-cnnspec", windows__length=600.0, features__hop=4e-5), "make it shorter"),
    "cepstra": (plan("esc10-cnnspec", features={"name": "mfcc", "mel_bands": 10**8}), "4,096 at most"),
    "resolutions": (
        plan("esc10-cnnspec", features={"name": "multires", "windows": [5.0] * 2000}),
        "there are 16 at most",
    ),
    "long resolutions": (
        plan("esc10-cnnspec", features={"name": "multires", "windows": [5.0] * 16}),
        "or shorter windows",
    ),
    "filters": (plan("esc10-bankresnet", net__filters=10**8), "take a shorter window or fewer"),
    "a long filter": (plan("esc10-bankresnet", net__window=1e5), "take a shorter window or fewer"),
    "a long mean": (plan("esc10-bankresnet", net__hop=1e5), "Take a shorter one"),
    "resize": (plan("esc10-cnnspec", resize={"bands": 10**9, "frames": 2}), "less than or equal to 10000"),
    "sample rate": (plan(sample_rate=10**9), "less than or equal to 384000"),
    "clips": (plan(train__clips=10**12), "beyond the largest number"),
    "a number": (plan(seed=16**3000), "a number of 12,001 bits"),
    "nesting": (plan(summary=nested(900)), "nested more than 32 deep"),
    "augmentations": (plan(augment=["gain"] * 5000 + ["crop"]), "at most 100"),
    "phases": (plan(phases={name: {} for name in LONG[:1000]}), "at most 100"),
    "text": (plan(summary="x" * 90_000), "longer than 10,000"),
}

AS_YAML = {  # what is said where it is refused as a text already
    "many numbers": "longer than a recipe may be, 100,000 bytes",
    "a number": "of 3,613 characters",
    "nesting": "nested too deeply",
    "text": "of 90,000 characters",
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Iterator[Callable[[list[list[str]]], list[dict[str, Any]]]]:
    """Runs calls, each in a process of its own, as driver.py has it; the driver imports everything once for all tests."""
    words = [sys.executable, str(Path(__file__).with_name("driver.py")), str(MEGABYTES), str(SECONDS)]
    said, pipe = tmp_path_factory.mktemp("driver") / "said", subprocess.PIPE
    with said.open("w") as out, subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=out, text=True) as driver:

        def run(calls: list[list[str]]) -> list[dict[str, Any]]:
            driver.stdin.write(json.dumps(calls) + "\n")
            driver.stdin.flush()
            told = driver.stdout.readline()
            assert told, said.read_text()
            return json.loads(told)

        yield run
    assert driver.returncode == 0, said.read_text()


def check_refused(results: list[dict[str, Any]], told: list[tuple[str, str]]) -> None:
    """told: (name, what is said) of each."""
    wrong = [
        (name, done)
        for (name, words), done in zip(told, results, strict=True)
        if done["status"] != 2 or words not in " ".join(done["said"].split()) or "Traceback" in done["said"]
    ]
    assert not wrong


def write_tagger(path: Path, head: dict[str, Any], weights: dict[str, np.ndarray]) -> Path:
    taggerfile.write(path, weights, {"format": taggerfile.FORMAT, "vocabulary": ["a", "b"], "facts": {}, **head})
    return path


def test_a_good_one_is_taken_so(hostile, tmp_path):
    """What the limits leave is enough for the largest of the papers' nets."""
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(plan("audioset-resnet-d-att")))
    (done,) = hostile([["check", str(tmp_path / "good.yaml")]])
    assert done["status"] == 0 and "nothing is wrong" in done["said"], done


def test_recipes_in_taggers(hostile, tmp_path):
    """1.25 MB of weights, and a recipe that asks for more."""
    weights = {"net.weight": np.zeros(312_500, np.float32)}
    calls = [
        [
            "tag",
            "none.wav",
            "--tagger",
            str(write_tagger(tmp_path / f"{number}.safetensors", {"recipe": told}, weights)),
        ]
        for number, (told, _) in enumerate(PLANS.values())
    ]
    check_refused(hostile(calls), [(name, words) for name, (_, words) in PLANS.items()])


def test_a_net_that_is_larger_than_its_weights(hostile, tmp_path):
    """It is within the bounds, 800 MB, but the file has not so much."""
    told = plan(net__widths=[8000, 8000, 8000])
    told["net"]["sizes"] = [1, 1, 1]
    file = write_tagger(tmp_path / "t.safetensors", {"recipe": told}, {"net.weight": np.zeros(312_500, np.float32)})
    check_refused(hostile([["tag", "none.wav", "--tagger", str(file)]]), [("net", "and the weights are 312,500")])


def test_recipes(hostile, tmp_path):
    calls = []
    for number, (told, _) in enumerate(PLANS.values()):
        path = tmp_path / f"{number}.yaml"
        path.write_text(json.dumps(told))  # JSON is YAML
        calls.append(["check", str(path)])
    check_refused(hostile(calls), [(name, AS_YAML.get(name, words)) for name, (_, words) in PLANS.items()])


def lol(levels: int, sign: str = "[{}]") -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} " + sign.format(", ".join([f"*a{level - 1}"] * 9)))
    return "\n".join(lines)


TEXTS = {
    "a billion laughs": (lol(9), "with its aliases written out"),
    "merged laughs": (
        "\n".join(["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}" for n in range(1, 40)]),
        "with its aliases written out",
    ),
    "itself": ("a: &a [*a]", "holds itself, by an alias"),
    "deep lists": ("[" * 50_000, "nested too deeply"),
    "deep mappings": ("{a: " * 20_000, "nested too deeply"),
    "deep lines": ("".join(f"{' ' * n}a:\n" for n in range(400)), "nested too deeply"),
    "long": ("# " + "x" * 200_000, "longer than a recipe may be, 100,000 bytes"),
    "digits": ("seed: " + "9" * 90_000, "of 90,000 characters"),
    "base sixty": ("seed: " + "1:" * 40_000 + "1", "of 80,001 characters"),
    "hexadecimal": ("seed: 0x" + "f" * 90_000, "of 90,002 characters"),
}


@pytest.mark.parametrize("way", ["file", "set"])
def test_yaml(hostile, tmp_path, way):
    calls = []
    for number, (text, _) in enumerate(TEXTS.values()):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        # a word of a command may have 128 KiB
        calls.append(
            ["check", str(path)] if way == "file" else ["check", "synth-small", "--set", f"net.x={text[:100_001]}"]
        )
    said = [(name, words if way == "file" else "--set") for name, (_, words) in TEXTS.items()]
    check_refused(hostile(calls), said)


def header(path: Path, text: bytes, length: int | None = None, behind: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + behind)
    return path


def tensors(entries: dict[str, Any], head: dict[str, Any] | None = None) -> bytes:
    head = head or {"format": taggerfile.FORMAT, "version": 1, "recipe": SMALL, "vocabulary": ["a"], "facts": {}}
    return json.dumps({"__metadata__": {taggerfile.FORMAT: json.dumps(head)}, **entries}).encode()


HEADERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "long": (lambda p: header(p, b"{" + b" " * 20_000_000 + b"}"), "more than the 10,000,000"),
    "longer than the file": (lambda p: header(p, b"{}", 2**62), "is not a tagger file"),
    "deep": (lambda p: header(p, b"[" * 1_000_000), "damaged"),
    "deep within": (lambda p: header(p, tensors({}, {"format": nested(900)})), "damaged"),
    "many tensors": (
        lambda p: header(p, tensors({name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in LONG})),
        "30,000 tensors",
    ),
    "a large shape": (
        lambda p: header(p, tensors({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]}}), behind=b"abcd"),
        "cannot be read",
    ),
    "an empty shape without end": (
        lambda p: header(p, tensors({"a": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}})),
        "",
    ),
    "overlapping": (
        lambda p: header(
            p,
            tensors({
                "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            }),
            behind=b"abcd",
        ),
        "cannot be read",
    ),
    "negative": (
        lambda p: header(p, tensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [8, 4]}}), behind=b"abcd"),
        "cannot be read",
    ),
}  # fmt: skip


def test_headers_of_taggers(hostile, tmp_path):
    calls = []
    for number, (make, _) in enumerate(HEADERS.values()):
        path = make(tmp_path / f"{number}.safetensors")
        calls.append(["tag", "none.wav", "--tagger", str(path)])
    check_refused(hostile(calls), [(name, words) for name, (_, words) in HEADERS.items()])


def repeated(text: str, rows: int, kind: pa.DataType | None = None) -> pa.Array:
    """A text that the file holds once, in so many rows."""
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
    return codes if kind is None else pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32)), codes)


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "a long id": ({"id": repeated("x" * 1_000_000, 100_000)}, "texts would take"),
    "long tags": ({"tags": repeated("x" * 1_000_000, 100_000, pa.list_(pa.string()))}, "texts would take"),
    "rows": ({"id": pa.nulls(50_000_000, pa.int8())}, "values would take"),
}


def test_tables_of_clips(hostile, tmp_path):
    calls = []
    for number, (columns, _) in enumerate(MANIFESTS.values()):
        rows = len(next(iter(columns.values())))
        table = {
            name: repeated("a", rows) if rows < 10**6 else pa.nulls(rows, pa.int8()) for name in ("id", "path", "tags")
        }
        path = tmp_path / f"{number}.parquet"
        parquet.write_table(pa.table(table | columns), path, compression="zstd")
        assert path.stat().st_size < 1_000_000
        calls.append(["evaluate", "esc10", "--data", str(path)])
    check_refused(hostile(calls), [(name, words) for name, (_, words) in MANIFESTS.items()])


TABLES = {
    "one name": ("id,path,tags\n" + "".join(f"{n}{'x' * (1_000_000 * (n == 0))},a,b\n" for n in range(30_000)), "would take"),
    "a long header": ("id,path,tags," + "x" * 2_000_000, "its first line"),
    "columns": (",".join(["id", "path", "tags", *LONG]) + "\n", "columns, and a table may have 10,000"),
    "a long cell": ("id,path,tags\n" + "x" * 30_000_000, "cannot be read"),
    "deep events": ("id,path,tags,events\na,a,b,\"" + "[" * 900_000 + "\"\n", "is not JSON"),
}  # fmt: skip


def test_texts_of_clips(hostile, tmp_path):
    calls = []
    for number, (text, _) in enumerate(TABLES.values()):
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        calls.append(["evaluate", "esc10", "--data", str(path)])
    check_refused(hostile(calls), [(name, words) for name, (_, words) in TABLES.items()])


def test_scores(hostile, tmp_path):
    one = Scores(np.ones((1, 1), np.float32), np.array(["a"]), np.zeros(1), np.ones(1), ("a",))
    one.save(tmp_path / "good.parquet")
    meta = parquet.read_schema(tmp_path / "good.parquet").metadata
    rows = 100_000
    told = {"id": repeated("x" * 1_000_000, rows), "start": np.zeros(rows), "end": np.ones(rows)}
    told["scores"] = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows, np.float32)), 1)
    parquet.write_table(pa.table(told).replace_schema_metadata(meta), tmp_path / "ids.parquet", compression="zstd")
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(100_000_000, np.float32)), 1000)
    told = {"id": repeated("a", rows), "start": np.zeros(rows), "end": np.ones(rows), "scores": wide}
    parquet.write_table(pa.table(told).replace_schema_metadata(meta), tmp_path / "values.parquet", compression="zstd")
    (tmp_path / "name.csv").write_text(
        "id,a\n" + "".join(f"{n}{'x' * (1_000_000 * (n == 0))},1\n" for n in range(30_000))
    )
    (tmp_path / "columns.csv").write_text(",".join(["id", *LONG]) + "\n")
    (tmp_path / "cell.csv").write_text("id,a\n" + "x" * 30_000_000)
    said = {
        "ids.parquet": "texts would take", "values.parquet": "values would take", "name.csv": "would take",
        "columns.csv": "columns, and a table may have 10,000", "cell.csv": "holds no scores",
    }  # fmt: skip
    calls = [
        ["ensemble", str(tmp_path / "good.parquet"), str(tmp_path / name), "-o", str(tmp_path / "o.csv")]
        for name in said
    ]
    check_refused(hostile(calls), list(said.items()))


def test_embeddings(hostile, tmp_path):
    one = Embeddings(np.ones((1, 1), np.float32), np.array(["a"]), np.zeros(1), np.ones(1))
    one.save(tmp_path / "good.parquet")
    meta = parquet.read_schema(tmp_path / "good.parquet").metadata
    rows = 100_000
    told = {"id": repeated("x" * 1_000_000, rows), "start": np.zeros(rows), "end": np.ones(rows)}
    told["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows, np.float32)), 1)
    parquet.write_table(pa.table(told).replace_schema_metadata(meta), tmp_path / "ids.parquet", compression="zstd")
    told |= {"id": repeated("a", rows)}
    told["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(100_000_000, np.float32)), 1000)
    parquet.write_table(pa.table(told).replace_schema_metadata(meta), tmp_path / "values.parquet", compression="zstd")
    told = {"id": ["a"], "start": [0.0], "end": [1.0], "vector": pa.array([[1.0, 2.0]])}
    parquet.write_table(pa.table(told).replace_schema_metadata(meta), tmp_path / "loose.parquet")
    said = {
        "ids.parquet": "texts would take",
        "values.parquet": "values would take",
        "loose.parquet": "all of a file have one length",
    }
    check_refused(hostile([["embeddings", str(tmp_path / name)] for name in said]), list(said.items()))


def test_events(hostile, tmp_path):
    (tmp_path / "deep.json").write_text("[" * 1_000_000)
    (tmp_path / "cell.csv").write_text("filename,onset,offset,event_label\n" + "x" * 30_000_000)
    (tmp_path / "digits.csv").write_text("filename,onset,offset,event_label\na," + "9" * 100_000 + ",2,b\n")
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(10**10)  # a hole: it takes no room on the disk
    said = {"deep.json": "is not JSON", "cell.csv": "is no table", "digits.csv": "", "long.json": "longer than"}
    check_refused(hostile([["read_events", str(tmp_path / name)] for name in said]), list(said.items()))


def test_the_page_states_every_bound():
    from earmark.engines import graph
    from earmark.engines.features import framing, mel
    from earmark.files import bounds as of_files
    from earmark.models import graphs, size
    from earmark.recipe import bounds as of_recipes

    page = (Path(__file__).parents[2] / "docs" / "bounds.md").read_text(encoding="utf-8")
    stated = [
        of_recipes.RECIPE_BYTES, of_recipes.NODES, of_recipes.DEPTH, of_recipes.CHARACTERS, of_recipes.WHOLE, of_recipes.PARTS,
        of_recipes.SIDE, of_recipes.WINDOW_SECONDS, of_recipes.WINDOW_SAMPLES, of_recipes.HOPS, size.PARAMETERS, size.MODULES,
        of_recipes.MAP, framing.LONGEST_FFT, mel.LARGEST, graph.LARGEST,
        graph.MOST_NODES, graphs.MOST, of_files.HEADER, of_files.TENSORS, of_files.COLUMNS, of_files.LINE,
        of_files.RATIO,
    ]  # fmt: skip
    missing = [f"{bound:,.0f}" for bound in stated if f"{bound:,.0f}" not in page]
    assert not missing
    assert f"{of_files.EXPANDED // 10**6} MB" in page and f"{of_files.EVENTS // 10**6} MB" in page
