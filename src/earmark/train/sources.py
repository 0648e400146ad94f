"""Where the clips that a training hears come from: decoded from their files beforehand, or from a pack as they are asked for."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.data.manifest import Manifest
from earmark.errors import AudioError

Wave = NDArray[np.float32]


class WaveSource(Protocol):
    """The clips of a manifest as waves (samples,) at one sample rate.

    readable: the rows, rising, that are learnt from; samples: (rows,) how long each is. failures: (row, error) of clips that
    cannot be read, as far as that is known. notes: what was done to the audio, one line each.
    """

    @property
    def manifest(self) -> Manifest: ...

    @property
    def sample_rate(self) -> int: ...

    @property
    def readable(self) -> NDArray[np.int64]: ...

    @property
    def samples(self) -> NDArray[np.int64]: ...

    @property
    def failures(self) -> list[tuple[int, AudioError]]: ...

    @property
    def notes(self) -> list[str]: ...

    def level(self) -> float | None:
        """dBFS of the quietest clips: of those that are not silent, a hundredth is quieter. None where all are silent."""

    def silent(self) -> NDArray[np.int64]:
        """The readable rows whose clips hold nothing that can be heard, as `earmark.inference.silence` has it."""

    def heard(self, row: int) -> tuple[Wave, int]:
        """The clip in a row, and the row; or, where it cannot be read, one that stands in for it, always the same."""
