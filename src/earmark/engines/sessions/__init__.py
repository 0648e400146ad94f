"""The engines, one file each: `installed()`, and `open(model, precision, threads)`, which gives a `Session`.

Each is a library that is imported when it is first asked for. A session may be called by several threads at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.engines.processor import here
from earmark.errors import TaggerError
from earmark.registry import did_you_mean

Precision = Literal["float32", "bf16", "float16", "int8"]  # float16 is PyTorch's alone, on a GPU
# the first that is here is taken: measured in results/bench.md
ENGINES = ("onnxruntime", "openvino")
# what others are held against: it is in the core, and refuses a graph that makes no sense with an error
REFERENCE = "onnxruntime"
PACKAGES = {
    "onnxruntime": "onnxruntime",
    "openvino": "'earmark[openvino]'",
}  # what pip is asked for; the first is in the core
PRECISIONS = get_args(Precision)
# what each computes in on a processor; bf16 is a way of running the float32 graph, int8 is a graph of its own
ABLE: dict[str, tuple[Precision, ...]] = {"onnxruntime": ("float32", "int8"), "openvino": ("float32", "bf16", "int8")}


class Session(Protocol):
    """A graph that is ready to run."""

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The inputs in the order of the graph, batch first → its outputs."""
        ...


class Engine(Protocol):
    """What the module of an engine has."""

    def open(self, model: bytes, precision: Precision, threads: int, exact: bool) -> Session:
        """exact: without any rewriting of the graph, to check others against."""
        ...


def installed() -> list[str]:
    """The engines that can run a graph here, the preferred one first; none without the one that the others are held against."""
    return [name for name in ENGINES if find_spec(name) is not None] if find_spec(REFERENCE) is not None else []


@cache
def version(engine: str) -> str:
    """Of its package, read once. ONNX Runtime tells its own, which is sooner read than the metadata of packages."""
    if engine == "onnxruntime":
        with suppress(ImportError):
            return str(importlib.import_module(engine).__version__)
    from importlib import metadata

    return metadata.version(engine)


def check_engine(engine: str, precision: str) -> None:
    """Raises TaggerError for an engine that is not there, and a precision that it, or this processor, does not compute in."""
    if engine not in ENGINES:
        raise TaggerError(
            f"engine {engine!r}: is not known{did_you_mean(engine, ENGINES)} Take auto, torch, {', '.join(ENGINES)}"
        )
    if engine not in installed():
        raise TaggerError(_not_here(engine))
    if precision not in PRECISIONS:
        raise TaggerError(f"precision {precision!r}: is not known. Take auto, {', '.join(PRECISIONS)}")
    if precision not in ABLE[engine]:
        raise TaggerError(
            f"precision {precision}: {engine} has {' and '.join(ABLE[engine])}. Take one of these, or --engine openvino"
        )
    if precision == "bf16" and not here().bf16:
        raise TaggerError(
            f"precision bf16: this processor ({here().name}) has no instructions for it, so it would be slower and no better. "
            "Take float32 or int8"
        )


def _not_here(engine: str) -> str:
    """Why an engine cannot run, and the way out."""
    other = ", or take --engine auto" if installed() or find_spec("torch") is not None else ""
    if find_spec(engine) is None:
        return f"engine {engine!r}: is not installed. `pip install {PACKAGES[engine]}`{other}"
    return (
        f"engine {engine!r}: what it answers is held against {REFERENCE}, which is not installed. "
        f"`pip install {PACKAGES[REFERENCE]}`{other}"
    )


def open_session(engine: str, model: bytes, precision: Precision, threads: int, *, exact: bool = False) -> Session:
    """A session of this engine. threads: that one call may use. Raises TaggerError where it is not there, or cannot take the graph."""
    if find_spec(engine) is None:
        raise TaggerError(_not_here(engine))
    module: Any = importlib.import_module(f"earmark.engines.sessions.on_{engine}")
    try:
        session: Session = module.open(model, precision, threads, exact)
    except Exception as error:  # each engine has errors of its own
        told = " ".join(str(error).split())[:300]
        raise TaggerError(f"{engine} {version(engine)} cannot take the graph: {told}. Take another --engine") from error
    return session
