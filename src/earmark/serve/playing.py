"""A recording as a WAV that a browser plays, whatever its file is: 16 bits, one channel, at its own rate, any range of bytes of it.

The file is never made: bytes that are asked for are decoded as they go out, so that a range of hours takes no more memory than
one of seconds, and sound and picture stay in step, which a browser's own seeking in MP3 and Ogg does not keep. Where the file is taken
away or replaced meanwhile the answer is broken off before its end, as by then its status was sent: silence would pass for its sound.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from fastapi.responses import StreamingResponse
from starlette.types import Send

from earmark.errors import AudioError
from earmark.serve.drawing import part
from earmark.serve.sounds import Sent

HEADER = 44  # bytes
STEP = 5.0  # s that are decoded at once
MOST = (2**32 - 1 - HEADER) // 2 * 2  # bytes of sound that a WAV can state
RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
log = logging.getLogger("earmark")


class Unmet(Exception):
    """A range of bytes that lies behind the end, or holds none."""


class Gone(Exception):
    """The file is not any more what was begun to be played."""


class Played(StreamingResponse):
    """An answer that ends before its end where its recording is gone: a client sees that it is not whole."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except Gone as error:  # the server closes the line of an answer that is not ended
            log.warning("%s", error)


@dataclass(frozen=True)
class Wav:
    """Samples `first` to `end` of a recording at `rate` Hz, as a file of `size` bytes. state: of the recording's file, which must
    stay as it is.
    """

    sound: Sent
    rate: int
    first: int
    end: int
    state: object = None

    @property
    def size(self) -> int:
        return HEADER + self._data

    @property
    def _data(self) -> int:
        return min(2 * (self.end - self.first), MOST)

    def header(self) -> bytes:
        form = struct.pack("<IHHIIHH", 16, 1, 1, self.rate, 2 * self.rate, 2, 16)
        data = struct.pack("<I", self._data)
        return b"RIFF" + struct.pack("<I", self._data + HEADER - 8) + b"WAVEfmt " + form + b"data" + data

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """Bytes `begin` to `end`. Raises Gone."""
        if begin < HEADER:
            yield self.header()[begin:end]
        at = max(begin - HEADER, 0)
        last = end - HEADER
        while at < last:
            first = self.first + at // 2
            until = min(first + round(STEP * self.rate), self.first + -(-last // 2))
            body = self._samples(first, until)
            yield body[at % 2 : at % 2 + last - at]
            at = 2 * (until - self.first)

    def _samples(self, first: int, until: int) -> bytes:
        try:
            wave = part(self.sound, self.rate, first / self.rate, until / self.rate)
        except AudioError:  # cut off: the header was sent, silence follows
            wave = np.zeros(0, np.float32)
        if self.sound.state() != self.state:
            raise Gone(f"{self.sound.path}: was taken away or replaced while it was played, which is broken off")
        wave = np.pad(wave[: until - first], (0, max(0, until - first - len(wave))))
        return np.clip(np.rint(wave * 32_767), -32_768, 32_767).astype("<i2").tobytes()


def asked(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a Range header asks for, or None for all. Raises Unmet.

    >>> asked("bytes=0-", 100), asked("bytes=-10", 100), asked("bytes=5-500", 100), asked("lines=1-2", 100)
    ((0, 100), (90, 100), (5, 100), None)
    """
    told = RANGE.fullmatch((header or "").strip())
    if told is None or told.groups() == ("", ""):
        return None
    first, last = told.groups()
    if first == "":
        if not int(last):
            raise Unmet
        return max(0, size - int(last)), size
    begin, end = int(first), size if last == "" else min(size, int(last) + 1)
    if begin >= end:
        raise Unmet
    return begin, end
