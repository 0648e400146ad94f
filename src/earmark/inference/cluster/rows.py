"""What is to be heard, and what came of it: as the driver knows both, whichever way sound goes between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.inference.cluster.cutting import Cut
from earmark.inference.cluster.machines import Machines
from earmark.inference.options import Options
from earmark.inference.recordings import Recording
from earmark.inference.scorer import Scorer


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


@dataclass(frozen=True)
class Work:
    """All that is asked of a cluster. load: gives the scorers, in each process that scores. folder: where these tell what they begin
    with: see `earmark.files.tally`.
    """

    rows: Sequence[Row]
    load: Callable[[], Sequence[Scorer]]
    cut: Cut
    options: Options
    machines: Machines
    folder: Path
