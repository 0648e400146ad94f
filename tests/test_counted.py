"""Counts are told by one function, `earmark.errors.counted`, so that nothing says "1 recordings", in no message, table or page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark.errors import agreed, counted
from earmark.events import formats
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.scores import Event

SOURCES = Path(__file__).parents[1] / "src" / "earmark"
NOUNS = """alarms answers bands batches bins bits blocks bytes cells channels characters clips columns copies cores days entries epochs
    events files folders folds frames groups inputs jobs kernels keys labels layers lines lists mels members mids mistakes names
    notes numbers operators others pairs parameters pieces points processes recordings requests reviews rows samples scenes scores
    seeds shards sounds spans steps systems taggers tags targets tensors threads thresholds values vectors waves weights windows"""
NOUN = rf"(?:{'|'.join(NOUNS.split())})\b"
# what no adjective is
SMALL = """and are as at does for from has have holds in is know learnt makes no of on over own
    takes tells that the under was were where with"""
PLURAL = re.compile(rf" (?:(?!(?:{'|'.join(SMALL.split())})\b)[a-z][a-z-]* ){{0,2}}{NOUN}")
JOINED = re.compile(r"[\"']\s*\n\s*f?[\"']")
VERB = re.compile(r" (?:are|do|have|lack|were)\b")
LIKELY = re.compile(rf"\}}{PLURAL.pattern}|\}}{VERB.pattern}|'e?s' (?:if|\*)|else 'e?s'")
AMOUNT = re.compile(r"[.eg%]")  # formats of seconds, hours, shares: an amount, that may be 1.5
CONSTANT = re.compile(r"[A-Z_]+")
NUMBER = re.compile(r".*\b(?:row|line) ", re.DOTALL)  # of one row: "row 3 names no recording"
NO_COUNTS = {
    "name": "of a part: its clips",
    "part": "of the data: its clips",
    "what": "kind of clips or events, or who names one",
    "tag": "a tag scores so much",
    "suggested": "a tag scores so much",
    "engine": "an engine answers",
    "tagger.engine": "an engine answers",
    "_told(self.events)": "from:to, of which 1:1 is refused nowhere and told as it was given",
    "', '.join(map(str, together))": "numbers of windows that are heard together, of which each is above 1",
    "threads": "key of a measured pace in a file, which is compared letter by letter",
}


def _calls(value: ast.expr, names: tuple[str, ...] = ("counted", "agreed")) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in names


def _constant(value: ast.expr) -> bool:
    """A limit of the code, such as LARGEST, bounds.COLUMNS or BITS[-1]: it is none of 1."""
    while isinstance(value, ast.Subscript):
        value = value.value
    name = value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
    return CONSTANT.fullmatch(name) is not None


def told_by_hand(source: str) -> list[str]:
    """The places in a module's f-strings that tell a count without `counted`, or do not agree with it: "1 of 5 recordings are"."""
    if not LIKELY.search(JOINED.sub("", source)):  # a syntax tree takes long
        return []
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        parts = [part if isinstance(part, ast.FormattedValue) else part.value for part in node.values]
        for place, part in enumerate(parts):
            if not isinstance(part, ast.FormattedValue):
                continue
            text = ast.unparse(part.value)
            if re.search(r"'e?s' (?:if|\*)|else 'e?s'", text):
                found.append(f"line {node.lineno}: {{{text}}}")
            behind = next(iter(parts[place + 1 : place + 2]), "")
            if not isinstance(behind, str):
                continue
            amount = part.format_spec is not None and AMOUNT.search(ast.unparse(part.format_spec))
            before = str(parts[place - 1]) if place else ""
            told = (
                _calls(part.value) or amount or _constant(part.value) or text in NO_COUNTS or NUMBER.fullmatch(before)
            )
            if not told and (noun := PLURAL.match(behind)):
                found.append(f"line {node.lineno}: {{{text}}}{noun[0]}")
            # "{few} of {counted(many, …)} are": it is the few that are, unless something of them is ("the scores of …")
            if _calls(part.value, ("counted",)) and (verb := VERB.match(behind)) and place >= 2:
                first = str(parts[place - 3]) if place >= 3 else ""
                if re.fullmatch(r" of (?:the |its )?", before) and not first.endswith(" of "):
                    found.append(f"line {node.lineno}: … of {{{text}}}{verb[0]}")
    return found


def test_that_every_count_is_told_by_one_function():
    found = [
        f"{path.relative_to(SOURCES)}, {place}"
        for path in sorted(SOURCES.rglob("*.py"))
        for place in told_by_hand(path.read_text())
    ]
    assert not found, "\n".join(found)


PAGES = [*SOURCES.rglob("*.js")]


def test_that_every_count_of_the_pages_is_told_by_one_function():
    count = re.compile(rf"\$\{{(?!numbered\()[^{{}}]*\}} (?:[a-z-]+ )?{NOUN}")
    found = [f"{path.name}: {told[0]}" for path in PAGES for told in count.finditer(path.read_text())]
    assert PAGES and not found, "\n".join(found)


@pytest.mark.parametrize(
    "told",
    [
        """f"{len(found)} recordings could not be read\"""",
        """f"{count:,} silent clips\"""",
        """f"{count} clip{'s' if count != 1 else ''}\"""",
        """f"{len(some)} of {counted(len(every), 'clip')} are silent\"""",
    ],
)
def test_a_count_that_is_told_by_hand_is_found(told):
    assert told_by_hand(told)


@pytest.mark.parametrize(
    "told",
    [
        """f"{counted(len(found), 'recording')} could not be read\"""",
        """f"{seconds:.1f} seconds, {LARGEST:,} bytes, row {row} names no file\"""",
        """f"{len(some)} of {counted(len(every), 'clip')} {agreed(len(some), 'is', 'are')} silent\"""",
        """f"the scores of {few} of {counted(many, 'clip')} are no numbers\"""",
    ],
)
def test_what_is_told_well_is_not(told):
    assert not told_by_hand(told)


def test_one_and_several_are_told_apart():
    assert [counted(count, "clip has", "clips have") for count in (0, 1, 2)] == [
        "0 clips have",
        "1 clip has",
        "2 clips have",
    ]
    assert counted(np.int64(1), "process") == "1 process" and counted(20_000, "batch") == "20,000 batches"
    assert (agreed(1, "it", "them"), agreed(0, "it", "them")) == ("it", "them")


PLAN = {
    "task": "many", "sample_rate": 8_000, "data": {"dataset": "synth"}, "windows": {"length": 0.5, "hop": 0.5},
    "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [8, 8, 8], "hidden": 8}, "augment": ["crop"],
    "train": {"epochs": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A tagger of one tag, a recording of one window, an event in it, and in another folder a file that is none."""
    folder = tmp_path_factory.mktemp("one")
    torch.manual_seed(0)
    taggers.build(parse(PLAN), ("dog",)).save(folder / "t.safetensors")
    soundfile.write(folder / "one.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 4_000), 8_000)
    formats.write({"one.wav": [Event(0.1, 0.2, "dog", 0.5)]}, folder / "events.csv", "csv")
    (folder / "none.wav").write_bytes(b"none")
    return folder


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tag", "none.wav", "--tagger", "t.safetensors"), "1 of 1 recording could not be read"),
        (("tag", "one.wav", "none.wav", "--tagger", "t.safetensors"), "1 of 2 recordings could not be read"),
        (
            ("events", "one.wav", "--tagger", "t.safetensors", "--threshold", "0.01", "--out", "found.csv", "--store", "store"),
            "store: store, 1 event of 1 recording",
        ),
        (("convert", "events.csv", "--format", "json", "--out", "events.json"), "events.json: 1 event of 1 recording as json"),
        (("embed", "one.wav", "--tagger", "t.safetensors", "--out", "e.parquet"), "e.parquet: 1 window of 1 recording, 8 numbers each"),
    ],
)  # fmt: skip
def test_commands_tell_of_one_recording_in_the_singular(place, run, monkeypatch, words, told):
    monkeypatch.chdir(place)
    _, _, said = run(*words)
    assert told in said.splitlines()
