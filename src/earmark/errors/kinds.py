"""Kinds of values: what a public function is given, held against its annotations before it begins.

A message gives the value, the limit and the way out, as those of `earmark.errors` do. Nothing is turned into another kind, but for 2.0
where a whole number is wanted.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import itertools
import numbers
import os
import reprlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from earmark.errors import EarmarkError

P = ParamSpec("P")
R = TypeVar("R")
LOOKED_AT = 10_000  # items of a list that are looked at
LISTS = (Sequence, list, tuple, Iterable)
ANYTHING: tuple[Any, set[type]] = (Any, set())


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A public function that first holds what it is given against its annotations. Raises EarmarkError for another kind of value.

    Of a type that is not imported where an annotation names it, as those for type checkers alone, no plain value is taken for one.

    >>> @checked
    ... def rate_of(path: str | Path, folds: Sequence[str] = ()) -> None: ...
    >>> try: rate_of("clips.csv", folds="10")
    ... except EarmarkError as error: print(error)
    rate_of: folds='10' is text, of which each letter would count. Give a list of text: folds=['10']
    """

    @functools.wraps(function)
    def called(*args: P.args, **values: P.kwargs) -> R:
        check_call(function, args, values)
        return function(*_whole(function, args, values), **values)

    return called


def check_call(function: Callable[..., Any], args: Sequence[Any], values: Mapping[str, Any], name: str = "") -> None:
    """Raises EarmarkError for a value that is not of its parameter's kind. name: of the function, in messages."""
    order, kinds = _kinds(function)
    for parameter, value in (*zip(order, args, strict=False), *values.items()):
        kind, taken = kinds.get(parameter, ANYTHING)
        if kind is Any or type(value) in taken:
            continue
        if not fits(value, kind):
            raise EarmarkError(f"{name or function.__name__}: {_no_fit(parameter, value, kind)}")
        if not _varied(value):
            taken.add(type(value))


def _whole(function: Callable[..., Any], args: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    """What a function is given in order, whole numbers that are told as 2.0 as such, which Python and NumPy ask for; so in values."""
    order, kinds = _kinds(function)
    for name, value in values.items():
        if _is_real(value) and _wants_whole(kinds, name):
            values[name] = int(value)
    named = itertools.zip_longest(order[: len(args)], args)
    return [int(each) if _is_real(each) and _wants_whole(kinds, name) else each for name, each in named]


def _wants_whole(kinds: Mapping[str, tuple[Any, set[type]]], name: str) -> bool:
    kind, _ = kinds.get(name, ANYTHING)
    return kind is int or (float not in get_args(kind) and int in get_args(kind))


def _is_real(value: Any) -> bool:
    """Whether it is a number of a kind that has parts of whole ones, NumPy's too."""
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)


def _varied(value: Any) -> bool:
    """Whether one of its type may be of a kind, and another not: 2.0 is a whole number, and 2.5 is none, NumPy's too."""
    return _is_real(value) or isinstance(value, list | tuple | Mapping | os.PathLike)


@functools.cache
def _kinds(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, tuple[Any, set[type]]]]:
    """The names of a function's parameters, in order; of each its kind, and the types that were found to be of it."""
    parameters = inspect.signature(function).parameters
    named = {
        name: each for name, each in parameters.items() if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }
    home = sys.modules.get(function.__module__)
    known = _Known(getattr(inspect.unwrap(function), "__globals__", vars(home) if home else {}))
    kinds = {name: _kind(each.annotation, known) for name, each in named.items()}
    # of a sample rate that is no whole number `earmark.audio.check_rate` tells the limits too
    rates = {n: float for n, kind in kinds.items() if kind is int and n.endswith("rate")}
    return tuple(parameters), {n: (kind, set()) for n, kind in (kinds | rates).items()}


class _Known(dict[str, Any]):
    """What annotations may name; a class of its own for one that is not there, as those for type checkers alone."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, None) or type(name, (_Elsewhere,), {})


class _Elsewhere:
    """Stands for a class that is not imported: no plain value is one."""

    def __class_getitem__(cls, _: Any) -> Any:
        return cls


PLAIN = (str, bytes, bytearray, numbers.Number, list, tuple, dict, set, type(None))


def _kind(annotation: Any, known: _Known) -> Any:
    if annotation is inspect.Parameter.empty or "ArrayLike" in str(
        annotation
    ):  # NumPy tells of what it can make no array
        return Any
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {"__builtins__": {}}, known)
    except Exception:  # of a type that is not there, or knows no such brackets: of what nobody can say
        return Any


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a kind, as an annotation tells it; whole numbers are numbers, as NumPy's are, and lists are tuples."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is None or kind is types.NoneType:
        return value is None
    if origin in (Union, types.UnionType):
        return any(fits(value, _Elsewhere if each is Any else each) for each in inner)
    if origin is Literal:  # which of the words there are, the function tells
        return any(isinstance(value, type(each)) for each in inner)
    if kind is float or kind is int:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return real and (kind is float or isinstance(value, numbers.Integral) or float(value).is_integer())
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")  # NumPy's
    if kind in (Path, PurePath):
        return isinstance(value, str | PurePath) or (
            hasattr(value, "__fspath__") and isinstance(value.__fspath__(), str)
        )
    if origin in LISTS:
        return _fits_list(value, origin, inner)
    base = origin or kind
    if not isinstance(base, type) or base is Any:
        return True
    if len(inner) == 2 and issubclass(base, Mapping):
        return isinstance(value, base) and all(
            _fits_within(each, inner[1]) for each in _some(list(value.values())[:LOOKED_AT])
        )
    if issubclass(base, _Elsewhere) or getattr(base, "_is_protocol", False):
        return not isinstance(value, PLAIN)
    return isinstance(value, base)


def _fits_within(value: Any, kind: Any) -> bool:
    """Whether it is of the kind of a mapping's values, where these are lists or numbers. What lists hold, and of other values, the
    function tells, which knows what the keys stand for.
    """
    if kind in (int, float):
        return fits(value, kind)
    origin = get_origin(kind)
    return origin not in LISTS or _fits_list(value, origin, ())


def _fits_list(value: Any, origin: Any, inner: tuple[Any, ...]) -> bool:
    if isinstance(value, str | bytes | bytearray | Mapping) or not hasattr(value, "__iter__"):
        return False
    if origin is not Iterable and not hasattr(value, "__len__"):
        return False
    if not isinstance(value, list | tuple) or not inner:  # others may come once, or be large
        return True
    several = [each for each in inner if each is not ...]
    if origin is tuple and ... not in inner:
        return len(value) == len(several) and all(map(fits, value, several))
    return all(fits(each, several[0]) for each in _some(value[:LOOKED_AT]))


def _some(values: Sequence[Any]) -> Iterable[Any]:
    """One of each type is enough, but of floats, some of which are whole numbers, and of what holds others."""
    of_types = set(map(type, values))
    return values if of_types & {float, list, tuple, dict} else {type(each): each for each in values}.values()


WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
    type(None): "None",
}


def _words(kind: Any, several: bool = False) -> str:
    """What a kind is called."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        # a path may be text, and who gives something does not mean nothing
        kinds = [each for each in inner if each not in (Any, types.NoneType) and not (each is str and Path in inner)]
        return " or ".join(dict.fromkeys(_words(each, several) for each in kinds))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if kind is Any:
        return "anything"
    if origin in LISTS:
        return "a list" + (f" of {_words(inner[0], True)}" if inner and inner[0] is not Any else "")
    told = WORDS.get(kind if kind is not None else type(None), getattr(origin or kind, "__name__", str(kind)))
    if kind in (Path, int, float) and several:
        return {Path: "paths", int: "whole numbers", float: "numbers"}[kind]
    if several or kind in WORDS:
        return told
    return "a NumPy array" if told == "ndarray" else f"{_article(told)} {told}"


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"


def _no_fit(name: str, value: Any, kind: Any) -> str:
    shown = reprlib.repr(value)
    wanted = _words(kind)
    if isinstance(value, str) and "a list" in wanted:
        return f"{name}={shown} is text, of which each letter would count. Give {wanted}: {name}=[{shown}]"
    if isinstance(value, str) and "number" in wanted:
        return f"{name}={shown} is text. Give {wanted}, without quotes"
    if hasattr(value, "read") and "a path" in wanted:
        return f"{name}={shown} is an open file. Give {wanted}: what open() was given"
    if isinstance(value, bytes) and "a path" in wanted:
        return f"{name}={shown} is bytes. Give {wanted}: os.fsdecode makes text of a name in bytes"
    if isinstance(value, list | tuple) and "NumPy array" in wanted:
        return f"{name}={shown} is a {type(value).__name__}. Give {wanted}: numpy.asarray(…, numpy.float32)"
    if isinstance(value, Mapping) and (held := _wrong_value(value, kind)):
        key, wrong = held
        way = ": list(…) of it, which is gone through more than once" if hasattr(wrong, "__next__") else ""
        return f"{name} holds under {key!r} {reprlib.repr(wrong)}, {_a(wrong)}. Give {_words_of_values(kind)}{way}"
    if value is None:
        return f"{name} is None. Give {wanted}"
    if isinstance(value, list | tuple) and (wrong := _wrong_item(value, kind)):
        return f"{name}={shown} holds {reprlib.repr(wrong[0])}, {_a(wrong[0])}. Give {wanted}"
    return f"{name}={shown} is {_a(value)}. Give {wanted}"


def _wrong_item(value: Sequence[Any], kind: Any) -> list[Any]:
    """The first that makes a list none of its kind; nothing where that is not why."""
    for each in get_args(kind) if get_origin(kind) in (Union, types.UnionType) else [kind]:
        if get_origin(each) in LISTS and (inner := get_args(each)):
            return [item for item in value if not fits(item, inner[0])][:1]
    return []


def _mapped(kind: Any) -> Any:
    """Of which kind the values of a kind of mapping are; None: it is none, or of any."""
    for each in get_args(kind) if get_origin(kind) in (Union, types.UnionType) else [kind]:
        base, inner = get_origin(each), get_args(each)
        if isinstance(base, type) and issubclass(base, Mapping) and len(inner) == 2:
            return inner[1]
    return None


def _wrong_value(value: Mapping[Any, Any], kind: Any) -> tuple[Any, Any] | None:
    """The first (key, value) that makes a mapping none of its kind."""
    inner = _mapped(kind)
    return (
        None
        if inner is None
        else next(((key, each) for key, each in value.items() if not _fits_within(each, inner)), None)
    )


def _words_of_values(kind: Any) -> str:
    return _words(_mapped(kind))


def _a(value: Any) -> str:
    name = type(value).__name__
    return f"{_article(name)} {name}"
