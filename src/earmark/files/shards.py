"""Parts of a job, each for a machine of its own: the third of fifty has the 3rd, the 53rd, the 103rd recording, …

Neighbours are of one length and one folder more often than not, so that dealing in turn shares out the work evenly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from earmark.errors import EarmarkError
from earmark.files.journal import SHARDS

MOST = 100_000  # parts of a job: each has a folder

Row = TypeVar("Row")


@dataclass(frozen=True)
class Shard:
    """number: from 1 to `of`.

    >>> Shard.parse("2/3").part(["a", "b", "c", "d", "e"])
    ['b', 'e']
    """

    number: int
    of: int

    @staticmethod
    def parse(told: str) -> Shard:
        """Of "3/50". Raises EarmarkError."""
        match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", told.strip())
        number, of = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= of <= MOST:
            raise EarmarkError(
                f"--shard {told}: give which part of how many, counted from 1, such as 3/50 for the third of fifty; up to {MOST}"
            )
        return Shard(number, of)

    @staticmethod
    def of_folder(name: str) -> Shard | None:
        """Of "3-of-50", the name of its folder; None of another."""
        match = re.fullmatch(r"(\d{1,7})-of-(\d{1,7})", name)
        return Shard(int(match[1]), int(match[2])) if match else None

    def part(self, rows: Sequence[Row]) -> Sequence[Row]:
        return rows[self.number - 1 :: self.of]

    def folder(self, job: Path) -> Path:
        """Where it is kept in the job's folder."""
        return job / SHARDS / f"{self.number}-of-{self.of}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
