"""What the papers say: every statement of docs/systems.toml has its place, its check and its row on the page."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from earmark import recipe

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))  # as MkDocs does for a hook
import generated  # noqa: E402
import statements  # noqa: E402

ROWS = statements.rows()
KEYS = {"paper", "section", "statement", "state", "where", "check", "note"}


@functools.cache
def named_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def found(where: str):
    """What is at module:name or recipe:name:key; LookupError or AttributeError where nothing is."""
    module, _, name = where.partition(":")
    if module != "recipe":
        return functools.reduce(getattr, name.split("."), importlib.import_module(module))
    plan, _, key = name.partition(":")
    value = recipe.load(recipe.shipped()[plan]).as_dict()
    for step in key.split("."):
        value = value[step]
    return value


def test_every_statement_is_there():
    """As many as were found in the papers, each once."""
    assert Counter(row["paper"] for row in ROWS) == {"000": 32, "001": 24, "002": 35, "003": 27, "004": 28}
    assert len({(row["paper"], row["statement"]) for row in ROWS}) == len(ROWS) == 146


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['paper']}-{row['statement'][:40]}")
def test_it_has_its_place_and_its_check(row):
    assert row.keys() <= KEYS and row["state"] in statements.STATES
    assert all(text.strip() == text and text for text in row.values())
    assert found(row["where"]) is not None
    if row["state"] == "exact":
        assert row.get("check"), "what is exact has a test that holds it so"
    else:
        assert row.get("note"), "what was chosen, or what is missing, is told"
    if "check" in row:
        file, _, name = row["check"].partition("::")
        assert name in named_in(file), row["check"]


@pytest.mark.parametrize(
    "where", ["earmark.models.nets.resnet:resnet_z", "recipe:nothing:net", "recipe:esc10-resnet-a:net.colour"]
)
def test_a_place_that_is_not_there_is_seen(where):
    with pytest.raises((LookupError, AttributeError)):
        found(where)


def test_the_page_has_them_all():
    page = generated.fill((ROOT / "docs" / "systems.md").read_text(encoding="utf-8"))
    for row in ROWS:
        assert f"| {row['section']} | {row['statement']} | {statements.STATES[row['state']]} |" in page
    head, _, *counts = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in generated.fill("{{ states }}").splitlines()
    ]
    assert head == ["paper", *statements.STATES.values(), "statements"]
    for paper, *numbers, total in counts:
        own = [row for row in ROWS if paper in (row["paper"], "all")]
        section = page if paper == "all" else re.split(r"^## ", page.partition(f"## {paper}: ")[2], flags=re.M)[0]
        for state, number in zip(statements.STATES, numbers, strict=True):
            assert int(number) == sum(row["state"] == state for row in own)
            assert int(number) == len(re.findall(rf"^\|[^|]*\|[^|]*\| {statements.STATES[state]} \| `", section, re.M))
        assert int(total) == len(own)
    assert [paper for paper, *_ in counts] == ["000", "001", "002", "003", "004", "all"]
