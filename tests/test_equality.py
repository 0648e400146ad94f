"""Dataclasses that hold arrays can be compared and hashed: what dataclass makes by itself asks whether an array is true."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import typing
from typing import Any

import numpy as np
import pytest

import earmark
from earmark.scores import Embeddings, Scores

ARRAYS = re.compile(r"\b(NDArray|ndarray|Tensor|Floats|Bools|Weights|ArrayLike)\b")


def classes() -> list[type[Any]]:
    """Those of the modules that can be imported here, in the order of their names."""
    found: dict[str, type[Any]] = {}
    for module in pkgutil.walk_packages(earmark.__path__, "earmark."):
        if module.name.endswith("__main__"):
            continue
        try:
            imported = importlib.import_module(module.name)
        except ImportError:  # of an extra that is not installed
            continue
        for name, each in vars(imported).items():
            if inspect.isclass(each) and dataclasses.is_dataclass(each) and each.__module__ == module.name:
                found[f"{module.name}.{name}"] = each
    return [found[name] for name in sorted(found)]


def holds_arrays(each: type[Any]) -> list[str]:
    """The fields that are compared and are arrays, or hold some, whatever their types are called."""
    try:
        hints = typing.get_type_hints(each)
    except (NameError, TypeError):  # of types that type checkers alone import
        hints = {}
    fields = [field for field in dataclasses.fields(each) if field.compare]
    return [
        field.name for field in fields if _holds(hints.get(field.name, field.type)) or ARRAYS.search(str(field.type))
    ]


def _holds(kind: Any) -> bool:
    if inspect.isclass(kind) and typing.get_origin(kind) is None:
        return issubclass(kind, np.ndarray) or kind.__name__ == "Tensor"
    return typing.get_origin(kind) is np.ndarray or any(_holds(inner) for inner in typing.get_args(kind))


# one that stands for a tensor compares as tensors do: cell by cell
WITH_ARRAYS = [each for each in classes() if holds_arrays(each) and not hasattr(each, "__torch_function__")]


def test_there_are_some():
    assert {"Scores", "Embeddings", "Scored", "Matched", "Counts"} <= {each.__name__ for each in WITH_ARRAYS}


@pytest.mark.parametrize("each", WITH_ARRAYS, ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_one_that_holds_arrays_can_be_compared_and_hashed(each):
    # as two are that hold the same: the fields are set past what checks them
    first, second = (object.__new__(each) for _ in range(2))
    for one in (first, second):
        for field in dataclasses.fields(each):
            object.__setattr__(one, field.name, np.array([1.0, 2.0]) if field.name in holds_arrays(each) else ())
    assert first == first and (first == second) in (True, False)
    assert isinstance(hash(first), int) and first != 1


def rows(kind):
    shared = {"ids": np.array(["a", "b"]), "start": np.zeros(2), "end": np.array([1.0, np.nan])}
    if kind is Scores:
        return {"values": np.ones((2, 2), np.float32), **shared, "tags": ("dog", "rain"), "facts": {"tagger": "x"}}
    return {"vectors": np.ones((2, 3), np.float32), **shared, "facts": {}, "levels": np.ones(2, np.float32)}


@pytest.mark.parametrize("kind", [Scores, Embeddings])
def test_two_with_the_same_rows_are_equal(kind):
    given = rows(kind)
    copied = {name: each.copy() if isinstance(each, np.ndarray) else each for name, each in given.items()}
    first, second = kind(**given), kind(**copied)
    assert first == second and hash(first) == hash(second) and len({first, second}) == 1
    changed = {
        **{name: each[::-1].copy() for name, each in given.items() if name in ("ids", "end")},
        **{name: each + 1 for name, each in given.items() if name in ("values", "vectors", "start", "levels")},
        "facts": {"tagger": "y"},
        **({"tags": ("dog", "owl")} if kind is Scores else {}),
    }
    assert set(changed) == set(given)
    for name, each in changed.items():
        assert kind(**given | {name: each}) != first, name
    assert first != "scores" and first != kind(
        **{name: each[:1] if isinstance(each, np.ndarray) else each for name, each in given.items()}
    )


def test_embeddings_without_levels_are_others():
    given = rows(Embeddings)
    assert Embeddings(**given | {"levels": None}) != Embeddings(**given)
    assert Embeddings(**given | {"levels": None}) == Embeddings(**given | {"levels": None})


@pytest.mark.parametrize("kind", [Scores, Embeddings])
def test_a_file_holds_the_same(kind, tmp_path):
    first = kind(**rows(kind))
    first.save(tmp_path / "f.parquet")
    assert kind.load(tmp_path / "f.parquet") == first
