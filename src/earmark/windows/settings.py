"""What a recipe says of windows: their length and hop, what becomes of the rest of a recording, how their scores are pooled."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

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

    def samples(self, sample_rate: int) -> tuple[int, int]:
        """(length, hop) in samples, each at least 1.

        >>> Windows(length=1.0, hop=0.25).samples(16_000)
        (16000, 4000)
        """
        return max(1, round(self.length * sample_rate)), max(1, round(self.hop * sample_rate))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
