"""Which tagger answers by a name: one that was trained again and taken stands in the place of the one that it was trained from.

That one stays as NAME-before-N, and is put back from there. Each stands on what was there when it was taken, so that they go in the
order in which they came: under one name, and under the names that they gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.errors.words import reason
from earmark.models.anytagger import AnyTagger

Row = dict[str, Any]  # of the store's table of trainings


class Succession:
    """taggers: by name, as they are served: changed in place. load: how the file of a tagger becomes one that is served."""

    def __init__(self, taggers: dict[str, AnyTagger], load: Callable[[Path], AnyTagger]):
        self.taggers, self.load = taggers, load
        self.unserved: dict[int, str] = {}  # why a tagger that was taken does not answer, by its training
        self._taken: list[Row] = []  # in their order, those that answer first

    def restore(self, rows: Iterable[Row], file_of: Callable[[Row], Path]) -> None:
        """Serve those that were taken before. rows: in the order in which they were; by the clock, which may have been set back since."""
        left = list(rows)
        while (row := next((each for each in left if self._unfit(each) is None), None)) is not None:
            left.remove(row)
            try:
                self.take(row, self.opened(row, file_of))
            except (EarmarkError, OSError) as error:
                self._pass_over(row, reason(error))
        for row in left:
            self._pass_over(row, self._unfit(row) or "")

    def _pass_over(self, row: Row, why: str) -> None:
        self._taken.append(row)
        self.unserved[row["id"]] = why

    def opened(self, row: Row, file_of: Callable[[Row], Path]) -> AnyTagger:
        """The tagger of a training. Raises EarmarkError where it cannot stand in the place of the one that it was trained from."""
        if (why := self._unfit(row)) is not None:
            raise EarmarkError(why)
        return self.load(file_of(row))

    def take(self, row: Row, tagger: AnyTagger) -> None:
        """It answers; see `opened`."""
        self._taken.append(row)
        self.taggers[before_of(row)] = self.taggers[row["tagger"]]
        self.taggers[row["tagger"]] = tagger

    def check_last(self, row: Row) -> None:
        """Raises EarmarkError where another one that was taken stands on it, or in the place of the one that it would put back."""
        if row["id"] in self.unserved:
            return  # nothing is put back
        order = [each["id"] for each in self._taken]
        later = self._taken[order.index(row["id"]) + 1 :]
        over = [each for each in later if each["tagger"] in (row["tagger"], before_of(row))]
        if over:
            raise EarmarkError(
                f"training {over[-1]['id']} was taken since, in the place of {over[-1]['tagger']}: reject that first"
            )

    def put_back(self, row: Row) -> None:
        """The one before it answers again; see `check_last`."""
        self._taken = [each for each in self._taken if each["id"] != row["id"]]
        if self.unserved.pop(row["id"], None) is None:
            self.taggers[row["tagger"]] = self.taggers.pop(before_of(row))

    def _unfit(self, row: Row) -> str | None:
        """Why it cannot stand where it was trained for, in words."""
        name, number = row["tagger"], row["id"]
        served = self.taggers.get(name)
        if served is None:
            return f"no tagger is called {name} now, in whose place that of training {number} would stand"
        if served.identity() != row["base"]:
            return f"another tagger is called {name} now than the one that training {number} stands on: start the service with that one"
        if before_of(row) in self.taggers:
            return f"a tagger is called {before_of(row)} already, as {name} would be then: rename its file"
        return None


def before_of(row: Row) -> str:
    """The name of the tagger that one stands on, once it is taken."""
    return f"{row['tagger']}-before-{row['id']}"
