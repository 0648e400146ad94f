"""A recording in a file under the name that its owner gave it: the place of the file is nobody's business."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from earmark import audio
from earmark.audio.decoders import Info
from earmark.errors import AudioError, EarmarkError
from earmark.inference.recordings import BLOCK_SECONDS, Recording, Report, Wave, block_seconds


class TooLong(EarmarkError):
    """A recording that lasts longer than the service hears."""


@dataclass(frozen=True)
class Sent(Recording):
    """path: the name for people. file: where it is. most: seconds that are heard. look: is called before each block, and may
    raise where nobody wants more.
    """

    file: Path = field(default=Path(), repr=False)
    most: float = math.inf
    look: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        with self.naming():
            self.bear(audio.info(self.file).duration or 0.0)
            yield from self.decoded(sample_rate, block_seconds(window), salvage, report)

    def decoded(
        self, sample_rate: int, seconds: float = BLOCK_SECONDS, salvage: bool = True, report: Report = lambda _: None
    ) -> Iterator[Wave]:
        """Its samples in blocks. Raises AudioError, TooLong, and what `look` raises."""
        count = 0
        with self.naming():
            for block in audio.blocks(
                self.file, sample_rate, seconds, salvage=salvage, report=lambda told: report(self._named(told))
            ):
                self.look()
                count += len(block)
                self.bear(count / sample_rate)
                yield block

    def info(self) -> Info:
        """Raises AudioError."""
        with self.naming():
            return audio.info(self.file)

    def state(self) -> tuple[int, int] | None:
        """Bytes and time of change of its file, by which others of its name are known; None where there is none."""
        try:
            status = self.file.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns

    @contextmanager
    def naming(self) -> Iterator[None]:
        """What is raised of its file within the block is raised of the recording."""
        try:
            yield
        except AudioError as error:
            if error.path != str(self.file):
                raise
            raise self.told(error) from error

    def highest(self) -> float:
        try:
            return audio.info(self.file).sample_rate / 2
        except AudioError:
            return math.inf

    def told(self, error: AudioError) -> AudioError:
        """The same of the recording, not of its file."""
        return AudioError(self.path, self._named(error.problem), self._named(error.remedy), error.readable)

    def _named(self, text: str) -> str:
        return text.replace(str(self.file), str(self.path))

    def bear(self, seconds: float) -> None:
        """Raises TooLong for a recording of so many seconds."""
        if seconds > self.most:
            raise TooLong(
                f"{self.path}: lasts longer than the {self.most:g} s that this service hears at once. Send a part of it, put it "
                "into the folder of recordings, or take the command line, which hears recordings of any length"
            )
