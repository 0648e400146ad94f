"""Text that earmark reads is UTF-8, with or without a mark; another encoding is refused with file, line and way out.

Event formats have the same contract in `tests/events/formats/test_contract.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.datasets.test_contract import few, layout_of, plant
from tests.program import earmark

from earmark import recipe
from earmark.data import datasets, manifest
from earmark.data.datasets import AUDIO
from earmark.errors import EarmarkError, ManifestError
from earmark.files.texts import BLOCK, problem, read_text
from earmark.registry import DATASETS
from earmark.scores import Scores

ENCODINGS = ["latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
OF_DATASETS = [
    (name, path)
    for name in DATASETS.names()
    for path, contents in layout_of(name).items()
    if contents != AUDIO and not path.endswith((".md", "LICENSE"))
]
# reader → (name of its file, a text that it takes)
READERS = {
    "manifest.csv": (manifest.read, "m.csv", "id,path,tags\na,a.wav,Mücke\n"),
    "manifest.tsv": (manifest.read, "m.tsv", "id\tpath\ttags\na\ta.wav\tMücke\n"),
    "table of any kind": (manifest.load_table, "map.csv", "tag,merged\nMücke,insect\n"),
    "headless": (lambda file: datasets.headless(file, ["a", "b"]), "h.csv", "1,2\n3,Mücke\n"),
    "scores": (Scores.load, "s.csv", "id,Mücke\na,0.5\n"),
    "recipe": (
        recipe.load,
        "r.yaml",
        recipe.find("esc10-samplecnn").read_text().replace("summary: ", "summary: Mücke "),
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_another_encoding_is_refused_with_file_and_line(reader, encoding, tmp_path):
    read, name, text = READERS[reader]
    assert "Mücke" in text
    line = 1 if encoding.startswith("utf") else text[: text.index("ü")].count("\n") + 1
    (tmp_path / name).write_bytes(text.encode(encoding))
    with pytest.raises(EarmarkError, match=rf"(?s){name}: .*line {line} is .*UTF-8.*Save it as UTF-8"):
        read(tmp_path / name)


@pytest.mark.parametrize("reader", READERS)
def test_a_byte_order_mark_changes_nothing(reader, tmp_path):
    read, name, text = READERS[reader]
    found = []
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        found.append(plain(read(tmp_path / name)))
    assert found[0] == found[1]


def plain(told):
    if isinstance(told, Scores):
        return told.tags, told.ids.tolist(), told.values.tolist()
    return told.table if isinstance(told, manifest.Manifest) else told


@pytest.mark.parametrize(("name", "path"), OF_DATASETS)
def test_every_text_of_every_data_set(name, path, tmp_path):
    """Each text file of each LAYOUT in turn: with a mark it says the same, in another encoding it is refused by name."""
    plant(layout_of(name), tmp_path / "plain")
    before = datasets.index(name, tmp_path / "plain", **few(name))
    text = layout_of(name)[path]

    def index(content: bytes) -> manifest.Manifest:
        place = tmp_path / "other"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(tmp_path / "plain", place)
        (place / path).write_bytes(content)
        return datasets.index(name, place, **few(name))

    assert index(text.encode("utf-8-sig")).table.equals(before.table)
    # labels of programs on Windows say with their mark what they are, which is no guess
    read_by_their_mark = ("utf-16", "utf-32") if name == "labelled" else ()
    for encoding in read_by_their_mark:
        assert index(text.encode(encoding)).table.equals(before.table)
    for encoding in ENCODINGS:
        if encoding in read_by_their_mark:
            continue
        other = text.rstrip("\n") + "\nMücke\n"
        with pytest.raises(ManifestError, match=rf"{Path(path).name}: .*line \d+ is .*Save it as UTF-8"):
            index(other.encode(encoding))


def test_a_sign_over_the_end_of_a_block_and_a_line_far_down():
    good = ("x" * 1023 + "\n").encode() * (BLOCK // 1024)
    for shift in range(4):
        text = good[shift:] + "𝄞ü\n".encode() + good
        assert problem(text) is None
        assert f"line {2 * BLOCK // 1024 + 2} is not UTF-8" in (problem(text + b"\xfc") or "")
    assert "line 1 is not" in (problem("ü".encode()[:1]) or "")  # cut off within a sign


def test_zeros_in_a_name_are_no_other_encoding():
    assert problem(b"filename,onset,offset\na\0b.wav,0,1\n") is None


def test_what_is_read_is_the_text(tmp_path):
    (tmp_path / "a").write_bytes("\ufeffgröße\r\n".encode())
    assert read_text(tmp_path / "a", ManifestError) == "größe\r\n"


@pytest.mark.parametrize("where", ["label of an event", "tag of a manifest", "path of a table", "value of a recipe"])
def test_a_name_of_a_million_signs_is_told_by_its_ends(where, tmp_path):
    name = "n" * 1_000_000
    texts = {
        "label of an event": [
            "index",
            "table",
            "t.csv",
            "filename,onset,offset,event_label\n" + f"{name}.wav,0,1,owl\n",
        ],
        "tag of a manifest": ["index", "table", "t.csv", f"filename,{name}\na.wav,owl\n"],
        "path of a table": ["index", "table", "t.csv", f"filename,label\n{name}.wav,owl\n"],
        "value of a recipe": ["check", "t.yaml", f"task: one\nnet: {name}\n"],
    }
    *command, text = texts[where]
    (tmp_path / command[-1]).write_text(text)
    out = ["-o", tmp_path / "o.csv"] if command[0] == "index" else []
    done = earmark(*command[:-1], tmp_path / command[-1], *out)
    assert done.returncode == 2 and len(done.stderr) < 5000 and "Traceback" not in done.stderr
    # a header line and a recipe have bounds of their own
    bounds = {"tag of a manifest": "no table's header has", "value of a recipe": "longer than a recipe may be"}
    assert bounds.get(where, "characters)") in done.stderr
