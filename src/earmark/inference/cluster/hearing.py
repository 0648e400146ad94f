"""A piece → what its windows scored, and that as bytes: a file of Arrow, which another machine and another day can take up.

Not of Parquet: to write and to read one takes five times as long, which is a quarter of what a short recording costs.

columns    start: the first sample of a window in the recording; sounding: whether anything is in it; for each scorer
           weight-0: how much the window counts, and values-0: its scores
metadata   `earmark`: the rest as JSON, exact
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import AudioError, EarmarkError
from earmark.inference.cluster.cutting import Piece, PieceOf
from earmark.inference.engine import score_alike
from earmark.inference.options import Options
from earmark.inference.recordings import Counted, Failure
from earmark.inference.scorer import Scorer

KEY = b"earmark"


@dataclass(frozen=True)
class Heard:
    """Of a piece. counted: None where there is an error. Others: as `Piece` has them."""

    number: int
    counted: Counted | None
    samples: int | None = None
    low: float = 0.0
    high: float = 0.0
    notes: tuple[str, ...] = ()
    error: AudioError | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows that would count."""
        return self.error is not None or self.samples is not None


def hear(scorers: Sequence[Scorer], pieces: Sequence[tuple[Path, Piece]], options: Options) -> list[Heard]:
    """What scorers, which hear the same windows, make of pieces: of one recording or of several, given by their paths."""
    rate = scorers[0].sample_rate
    counted: dict[int, list[Counted]] = {}
    told = replace(options, workers=1, gain=0.0, on_counted=lambda n, some: counted.setdefault(n, []).append(some))
    recordings = [PieceOf(path, start=piece.first / rate, piece=piece) for path, piece in pieces]
    heard = []
    for number, result in enumerate(score_alike(scorers, recordings, told)):
        piece = pieces[number][1]
        if isinstance(result, Failure):
            heard.append(Heard(piece.number, None, error=result.error))
            continue
        whole = _joined(counted.pop(number), piece.first)
        heard.append(Heard(piece.number, whole, piece.samples, piece.low, piece.high, piece.notes))
    return heard


def _joined(parts: Sequence[Counted], first: int) -> Counted:
    """Windows in the recording, which begins `first` samples before the piece."""
    scorers = range(len(parts[0].values))
    return Counted(
        np.concatenate([part.starts for part in parts]) + first,
        tuple(np.concatenate([part.values[n] for part in parts]) for n in scorers),
        tuple(np.concatenate([part.weights[n] for part in parts]) for n in scorers),
        np.concatenate([part.sounding for part in parts]),
        sum(part.silences for part in parts),
        sum(part.faint for part in parts),
    )


def to_bytes(heard: Heard) -> bytes:
    """The same piece gives the same bytes."""
    import pyarrow as pa

    told: dict[str, Any] = {"number": heard.number, "samples": heard.samples, "low": heard.low, "high": heard.high}
    told |= {"notes": list(heard.notes)}
    columns: dict[str, Any] = {}
    if heard.error is not None:
        error = heard.error
        told["error"] = [error.path, error.problem, error.remedy, error.readable]
    if (counted := heard.counted) is not None:
        told |= {"silences": counted.silences, "faint": counted.faint, "scorers": len(counted.values)}
        columns = {"start": pa.array(counted.starts), "sounding": pa.array(counted.sounding)}
        for n, (values, weights) in enumerate(zip(counted.values, counted.weights, strict=True)):
            columns[f"weight-{n}"] = pa.array(weights)
            flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
            columns[f"values-{n}"] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    table = pa.table(columns).replace_schema_metadata({KEY: json.dumps(told).encode()})
    out = pa.BufferOutputStream()
    # scores are as good as random in their last bits: compressing them takes time and saves nothing. A file and not a stream, for
    # one that is cut off is none
    with pa.ipc.new_file(out, table.schema) as file:
        file.write_table(table)
    return bytes(out.getvalue().to_pybytes())


def from_bytes(data: bytes) -> Heard:
    """Raises EarmarkError for what is none: of a disk that lost power, an empty file."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        table.validate(full=True)
        told = json.loads(table.schema.metadata[KEY])
        error = None if "error" not in told else AudioError(*told["error"])
        counted = None if "scorers" not in told else _counted(table, told)
        return Heard(told["number"], counted, told["samples"], told["low"], told["high"], tuple(told["notes"]), error)
    except (pa.ArrowException, ValueError, LookupError, TypeError) as wrong:
        raise EarmarkError(f"this is no piece of a recording ({type(wrong).__name__}: {wrong})") from wrong


def _counted(table: Any, told: dict[str, Any]) -> Counted:
    scorers = range(told["scorers"])

    def column(name: str) -> Any:
        return table[name].combine_chunks()

    values = []
    for n in scorers:
        held = column(f"values-{n}")
        values.append(held.flatten().to_numpy(zero_copy_only=False).reshape(len(table), held.type.list_size))
    return Counted(
        column("start").to_numpy(),
        tuple(values),
        tuple(column(f"weight-{n}").to_numpy() for n in scorers),
        column("sounding").to_numpy(zero_copy_only=False),
        told["silences"],
        told["faint"],
    )
