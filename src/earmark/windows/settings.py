"""What a recipe says of windows: their length and hop, what becomes of the rest of a recording, how their scores are pooled."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from earmark.errors import EarmarkError, counted
from earmark.errors.kinds import check_call, checked

Last = Literal["align", "pad", "drop"]
Short = Literal["pad", "centre", "repeat", "slide"]
Combine = Literal["mean", "geometric", "max"]
Weigh = Literal["equal", "level", "energy"]


@dataclass(frozen=True)
class Windows:
    """length, hop: seconds. The rest: see `earmark.windows`."""

    length: float
    hop: float
    last: Last = "align"
    short: Short = "pad"
    combine: Combine = "mean"
    weigh: Weigh = "equal"

    def __post_init__(self) -> None:
        check_call(type(self), (), vars(self))
        for name in ("length", "hop"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise EarmarkError(f"windows: {name} is {value:g} s: it must be above 0")
        for name, kind in (("last", Last), ("short", Short), ("combine", Combine), ("weigh", Weigh)):
            if (value := getattr(self, name)) not in get_args(kind):
                raise EarmarkError(f"windows: {name} is {value!r}: take one of {', '.join(get_args(kind))}")

    @checked
    def samples(self, sample_rate: int) -> tuple[int, int]:
        """(length, hop) in samples, each at least 1.

        >>> Windows(length=1.0, hop=0.25).samples(16_000)
        (16000, 4000)
        """
        return max(1, round(self.length * sample_rate)), max(1, round(self.hop * sample_rate))

    @checked
    def check_whole(self, samples: int, sample_rate: int) -> None:
        """Raises EarmarkError for a window of another number of samples than these have.

        >>> Windows(length=1.0, hop=0.25).check_whole(16_000, 16_000)
        """
        own, _ = self.samples(sample_rate)
        if samples != own:
            raise EarmarkError(
                f"windows of {counted(samples, 'sample')}: this tagger hears windows of {own:,}, {own / sample_rate:g} s at "
                f"{sample_rate:,} Hz. Give a recording with its sample_rate=, which is cut into those"
            )

    @checked
    def unheard(self, sample_rate: int) -> str:
        """What is to be said where windows leave gaps between them, a hop above their length; else nothing.

        >>> Windows(length=1.0, hop=4.0).unheard(16_000)
        'hears 1 s of every 4 s: what sounds between its windows is missed, as windows.hop is above windows.length'
        >>> Windows(length=1.0, hop=1.0).unheard(16_000)
        ''
        """
        length, hop = self.samples(sample_rate)
        if hop <= length:
            return ""
        return (
            f"hears {self.length:g} s of every {self.hop:g} s: what sounds between its windows is missed, as windows.hop "
            "is above windows.length"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
