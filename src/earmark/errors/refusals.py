"""What parts of recipes say of their arguments: the first mistake where a part is made, all where a recipe is checked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextvars import ContextVar

from earmark.errors import EarmarkError


class Refused(EarmarkError, ValueError):
    """An argument of a part of recipes that cannot be, or waves that no feature takes."""


class Mistakes(Refused):
    """All that `every` found."""

    def __init__(self, sentences: list[str]):
        super().__init__("; ".join(sentences))
        self.sentences = sentences


_found: ContextVar[list[str] | None] = ContextVar("found", default=None)


def refuse(sentence: str) -> None:
    """Raise Refused for an argument; within `every` go on, to find what else is wrong."""
    found = _found.get()
    if found is None:
        raise Refused(sentence)
    found.append(sentence)


def stop(sentence: str) -> None:
    """Raise Refused for an argument with which nothing more may be made, as of a size that would eat the machine."""
    found = _found.get()
    if found is not None:
        found.append(sentence)
    raise Refused(sentence)


def every(make: Callable[[], object]) -> None:
    """Make what could not be made once more, past each mistake, and raise Mistakes with all that there are; none: return.

    What comes after a mistake may fail at it in any way, which tells nothing.
    """
    found: list[str] = []
    token = _found.set(found)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as of layers without a value
            make()
    except Exception as error:
        if not found:
            raise
        logging.getLogger(__name__).debug("after the mistakes %s: %r", found, error)
    finally:
        _found.reset(token)
    if found:
        raise Mistakes(list(dict.fromkeys(found)))


def all_of(make: Callable[[], object], error: Exception) -> list[str]:
    """The sentences of what could not be made: all that it refuses, or where it refuses nothing the one of `error`, which it raised."""
    try:
        every(make)
    except Mistakes as mistakes:
        return mistakes.sentences
    except Exception as again:
        logging.getLogger(__name__).debug("made once more after %r: %r", error, again)
    return [str(error)]
