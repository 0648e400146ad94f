"""JSON that every reader takes, wherever it is printed or kept: null for a number that is none."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.program import earmark
from tests.test_committee import made

import earmark as package
from earmark.files import notation
from earmark.models import loading
from earmark.models.facts import Facts
from earmark.train.folder import write_json

CLI = Path(package.__file__).parent / "cli"
ODD = {"map": math.nan, "loss": 0.25, "rows": [{"d": math.inf}, (-math.inf, 1, True, None, "nan")]}
PLAIN = {"map": None, "loss": 0.25, "rows": [{"d": None}, [None, 1, True, None, "nan"]]}


def strict(text: str):
    """As `jq`, browsers and databases read it."""

    def refuse(constant: str):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_none_are_null():
    assert notation.finite(ODD) == PLAIN
    assert strict(notation.text(ODD)) == strict(notation.text(ODD, None)) == PLAIN
    with pytest.raises(ValueError, match="NaN is no JSON"):
        strict(json.dumps(ODD))


def dumps() -> Iterator[tuple[str, ast.Call]]:
    """Where commands write JSON by themselves."""
    for file in sorted(CLI.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dumps", "json.dump", "dumps", "dump"):
                yield f"{file.relative_to(CLI)}:{node.lineno}", node


def test_no_command_writes_json_that_is_none():
    """They print by `print_json`, or hold a text of `notation.text`; what they write by themselves has no such numbers."""
    found = list(dumps())
    for place, call in found:
        told = {each.arg: ast.unparse(each.value) for each in call.keywords}
        assert told.get("allow_nan") == "False", f"{place}: say allow_nan=False, or take earmark.files.notation.text"
    assert found  # else this looks in the wrong place


def test_figures_of_training_that_have_no_value_are_null(tmp_path):
    """As mAP where validation clips have one tag: in the tagger's file, `show` and files of a run, and as files of before are read."""
    facts = Facts(validation={"map": math.nan, "loss": 0.25})
    assert strict(json.dumps(facts.as_dict())) == {"validation": {"map": None, "loss": 0.25}}
    assert Facts.read({"validation": {"map": math.nan, "loss": 0.25}}).validation == {"map": None, "loss": 0.25}
    tagger = made(0)
    tagger.facts = facts
    tagger.save(tmp_path / "t.safetensors")
    with (tmp_path / "t.safetensors").open("rb") as file:
        head = strict(file.read(int.from_bytes(file.read(8), "little")).decode())
    assert strict(head["__metadata__"]["earmark-tagger"])["facts"]["validation"] == {"map": None, "loss": 0.25}
    assert loading.load(tmp_path / "t.safetensors").facts.validation == {"map": None, "loss": 0.25}
    done = earmark("show", tmp_path / "t.safetensors", "--json")
    assert done.returncode == 0 and strict(done.stdout)["facts"]["validation"] == {"map": None, "loss": 0.25}
    write_json(tmp_path / "run.json", ODD)
    assert strict((tmp_path / "run.json").read_text()) == PLAIN
