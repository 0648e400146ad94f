"""What is to be heard, and what came of it: as the driver knows both, whichever way sound goes between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.inference.recordings import Recording


@dataclass(frozen=True)
class Row:
    """A recording that is not done. index: by which its results are told. size: bytes. done: pieces that are. key: of `kept`."""

    index: int
    recording: Recording
    size: int
    done: Sequence[int]
    key: str = ""


@dataclass(frozen=True)
class Arrived:
    """What a piece scored, as `hearing.from_bytes` reads it. seconds: of sound. last: nothing follows it."""

    index: int
    number: int
    last: bool
    seconds: float
    data: bytes
