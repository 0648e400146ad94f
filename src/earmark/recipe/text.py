"""YAML → plain values, with bounds: a file of a few hundred bytes can stand for more than any memory holds.

An alias stands for a copy, so that a setting changes one place. How much a text stands for is counted with its aliases
written out, on the tree of its nodes and before any value is made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from earmark.errors import counted
from earmark.files.texts import problem
from earmark.recipe.bounds import CHARACTERS, DEPTH, NODES, RECIPE_BYTES
from earmark.recipe.schema import FOLDS

FRACTION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*$")
# YAML 1.1 takes 1e-3 for text, because of the missing point; nobody who writes it does
EXPONENT = re.compile(r"^[+-]?\d+(\.\d*)?[eE][+-]?\d+$")
TEXTS = {"name", "summary"}  # keys whose value is text even where it looks like a number
DIGITS = 30  # of a whole number
INTEGER = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
DATE = "tag:yaml.org,2002:timestamp"
# What is read as it is written, thousands with _ between them too. By YAML 1.1 1:30 is ninety, 010 is eight and 1_0 is ten
PLAIN_NUMBER = re.compile(
    r"[+-]?(0|[1-9]\d*|[1-9]\d{0,2}(_\d{3})+|0x[\da-fA-F]+|(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|\.(inf|Inf|INF)|\.(nan|NaN|NAN))"
)


class Unfit(ValueError):
    """A text that is no recipe's, and why."""


class TooMuch(Unfit):
    """A text that stands for more than a recipe may hold."""


def read(path: Path) -> Any:
    """The plain values of a file. Raises Unfit, OSError, yaml.YAMLError, ValueError."""
    with path.open("rb") as file:
        data = file.read(RECIPE_BYTES + 1)
    if len(data) > RECIPE_BYTES:
        raise TooMuch(f"is longer than a recipe may be, {RECIPE_BYTES:,} bytes: is this one?")
    if (wrong := problem(data)) is not None:
        raise Unfit(wrong)
    return numbers(plain(data.decode("utf-8-sig")))


def plain(text: str) -> Any:
    """The plain values that a text stands for, as YAML has them. Raises TooMuch, yaml.YAMLError, ValueError."""
    if len(text) > RECIPE_BYTES:
        raise TooMuch(f"is longer than a recipe may be, {RECIPE_BYTES:,} characters")
    try:
        return yaml.load(text, _Loader)
    except RecursionError as error:
        raise TooMuch(
            f"holds itself, by an alias, or is nested too deeply: more than {DEPTH} lists and mappings in each other"
        ) from error


def numbers(value: Any) -> Any:
    """'2048/44100' → 0.0464… and '1e-3' → 0.001, anywhere below `value`, in new lists and dicts."""
    if isinstance(value, dict):
        return {k: v if k in TEXTS or (k in FOLDS and isinstance(v, list)) else numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers(v) for v in value]
    if not isinstance(value, str):
        return value
    if EXPONENT.match(value):
        return float(value)
    match = FRACTION.match(value)
    return float(match[1]) / float(match[2]) if match and float(match[2]) else value


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with bounds; a key that is given twice is an error: the first would be lost without a word."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _measure(node, {})
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)  # as written: merge keys (<<) add keys that a mapping may override
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value[:60]!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return node

    def construct_as_written(self, node: yaml.ScalarNode) -> Any:
        """A number or a date, where it is one by the rules of YAML 1.2 too, by which people write."""
        made = yaml.SafeLoader.yaml_constructors[node.tag](self, node)
        if not PLAIN_NUMBER.fullmatch(node.value):
            read = "a date" if node.tag == DATE else str(made)
            way = (
                "write it in quotes" if node.tag == DATE else "write it in decimal digits, or in quotes if it is a name"
            )
            raise Unfit(f"YAML takes {node.value[:60]} for {read} (line {node.start_mark.line + 1}): {way}")
        return made


for _tag in (INTEGER, FLOAT, DATE):
    _Loader.add_constructor(_tag, _Loader.construct_as_written)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(nodes, depth) with aliases written out. known: of the nodes that were met, nothing of those that are being measured."""
    if isinstance(node, yaml.ScalarNode):
        if len(node.value) > (DIGITS if node.tag == INTEGER else CHARACTERS):
            raise TooMuch(
                f"holds a text or number of {counted(len(node.value), 'character')} (line {node.start_mark.line + 1})"
            )
        return 1, 0
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 0, DEPTH  # a node that holds itself has no end
    parts = [each for pair in node.value for each in (pair if isinstance(pair, tuple) else (pair,))]
    measured = [_measure(part, known) for part in parts]
    count = 1 + sum(nodes for nodes, _ in measured)
    depth = 1 + max((deep for _, deep in measured), default=0)
    if count > NODES:
        raise TooMuch(f"stands for more than {NODES:,} keys and values, with its aliases written out")
    if depth > DEPTH:
        raise TooMuch(
            f"holds itself, by an alias, or is nested too deeply: more than {DEPTH} lists and mappings in each other"
        )
    known[id(node)] = count, depth
    return count, depth
