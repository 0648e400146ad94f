"""Answers that are no finite numbers: refused where somebody asks for windows, taken as they are where recordings are heard, of which
`counted.no_number` says which window of which recording it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TaggerError, counted

Values = NDArray[np.float32]


class NoNumbers(TaggerError):
    """values: the answers, some of which are NaN or infinite."""

    def __init__(self, told: str, values: Values):
        super().__init__(told)
        self.told, self.values = told, values

    def __reduce__(self) -> tuple[Any, ...]:
        return NoNumbers, (self.told, self.values)


def finite(values: Values, waves: NDArray[Any], what: str) -> Values:
    """Answers (windows, …) as they are. waves: that were heard; what: the answers are called. Raises NoNumbers."""
    fine = np.isfinite(values).reshape(len(values), -1).all(1)
    if fine.all():
        return values
    count, first = int((~fine).sum()), int(np.argmin(fine))
    raise NoNumbers(
        f"the tagger's {what} of {count:,} of {counted(len(values), 'window')} are no finite numbers, first of window "
        f"{first}, counted from 0. The largest sample is {float(np.abs(waves).max()):.3g}, and full scale is 1: bring the "
        "samples to -1 to 1, or leave out what is far beyond; if windows of usual loudness fail alike, the tagger's weights "
        "are damaged",
        values,
    )


def taken(ask: Callable[[], Values]) -> Values:
    """What is answered, whether or not it is numbers."""
    try:
        return ask()
    except NoNumbers as error:
        return error.values
