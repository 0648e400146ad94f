"""Counts are told by one function, `earmark.errors.counted`, so that nothing says "1 recordings", in no message, table or page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from earmark.errors import agreed, counted

SOURCES = Path(__file__).parents[1] / "src" / "earmark"
NOUNS = """alarms answers bands batches bins bits blocks bytes cells channels characters clips columns copies cores days entries epochs
    events files folders folds frames groups inputs jobs kernels keys labels layers lines lists mels members mids mistakes names
    notes numbers operators others pairs parameters pieces points processes recordings requests reviews rows samples scenes scores
    seeds shards sounds spans steps systems taggers tags targets tensors threads thresholds values vectors waves weights windows"""
NOUN = rf"(?:{'|'.join(NOUNS.split())})\b"
SMALL = "and|are|as|at|does|for|from|has|have|holds|in|is|know|learnt|makes|no|of|on|over|own|takes|tells|that|the|under|was|were|where|with"
PLURAL = re.compile(rf" (?:(?!(?:{SMALL})\b)[a-z][a-z-]* ){{0,2}}{NOUN}")
VERB = re.compile(r" (?:are|do|have|lack|were)\b")
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
    """The places in a module's f-strings that tell a count without `counted`, or disagree with one where it is told of so many others."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        parts = [part if isinstance(part, ast.FormattedValue) else part.value for part in node.values]
        for place, part in enumerate(parts):
            if not isinstance(part, ast.FormattedValue):
                continue
            text = ast.unparse(part.value)
            if isinstance(part.value, ast.IfExp | ast.BinOp) and re.search(r"'e?s' (?:if|\*)|else 'e?s'", text):
                found.append(f"line {node.lineno}: {{{text}}}")
            behind = next(iter(parts[place + 1 : place + 2]), "")
            if not isinstance(behind, str):
                continue
            amount = part.format_spec is not None and AMOUNT.search(ast.unparse(part.format_spec))
            before = str(parts[place - 1]) if place else ""
            told = _calls(part.value) or amount or _constant(part.value) or text in NO_COUNTS or NUMBER.fullmatch(before)
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
