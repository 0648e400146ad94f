"""How often pieces of recordings were scored by the processes of a cluster: each once, but for what a kill cost.

    JOB/pieces/scored-AB12CD34.txt   of each process that sees this folder: a line a piece, `KEY NUMBER`, as it begins with it
    JOB/tally.json                   of what is joined: pieces, how often one was begun again, processes

A process on a machine that does not see the folder tells nothing; then `pieces` are too few, and what is told is of the others.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from earmark.errors import counted
from earmark.files.journal import PIECES
from earmark.files.whole import write_text

NAME = "tally.json"


@dataclass(frozen=True)
class Tally:
    """pieces: that were scored. again: how many times one was begun that had been begun before. processes: that scored."""

    pieces: int = 0
    again: int = 0
    processes: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.pieces + other.pieces, self.again + other.again, self.processes + other.processes)

    def __str__(self) -> str:
        return (
            f"{counted(self.pieces, 'piece was', 'pieces were')} scored by {counted(self.processes, 'process')}, "
            f"{self.again:,} begun again"
        )


def begun(folder: Path, process: str, pieces: Iterable[tuple[str, int]]) -> None:
    """A process begins with pieces, by key and number. folder: of pieces; where it is not to be seen nothing is told."""
    with contextlib.suppress(OSError), (folder / f"scored-{process}.txt").open("a") as file:
        file.write("".join(f"{key} {number}\n" for key, number in pieces))


def of(job: Path) -> Tally:
    """Of a job's folder, joined or not."""
    told = Tally()
    with contextlib.suppress(OSError, ValueError, TypeError):
        told = Tally(**json.loads((job / NAME).read_text()))
    files = list((job / PIECES).glob("scored-*.txt"))
    counts = Counter(line for file in files for line in file.read_text().splitlines(keepends=True) if line[-1:] == "\n")
    return told + Tally(len(counts), counts.total() - len(counts), len(files))


def settle(job: Path) -> Tally:
    """Keep it, before the folder of pieces goes."""
    told = of(job)
    if told.pieces:
        write_text(job / NAME, json.dumps(asdict(told)) + "\n")
    return told
