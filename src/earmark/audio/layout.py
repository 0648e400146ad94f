"""How uncompressed samples lie in a file, by its own header: where they begin and end, how many bytes a value has and which of
its bits count. For RIFF (WAV), RIFX, RF64, BW64, Wave64 and AU.

libsndfile reads most of these by itself. It stops at 4 GiB where a size stands for 'until the end', opens no RF64 and no BW64
of unknown size, takes sizes that were never written at their word, and every value as filling its bytes: there the layout says
what is so.

    justified   of a value with fewer bits than its bytes hold, the upper ones count (left, as WAV's definition says) or the
                lower ones (right, as some programs write); which, the samples tell: left where all other bits are 0, right
                where all values are small enough
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from earmark.audio.containers import LEFT_OVER, SALVAGE, Fault, chunk_at, peek, size_of, sound_place
from earmark.errors import counted

INTEGERS, FLOATS, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE  # codes of `fmt ` chunks
LITTLE = (b"RIFF", b"RF64", b"BW64", b"riff")
SUBTYPES = {
    (INTEGERS, 1): "PCM_U8", (INTEGERS, 2): "PCM_16", (INTEGERS, 3): "PCM_24", (INTEGERS, 4): "PCM_32", (FLOATS, 4): "FLOAT",
    (FLOATS, 8): "DOUBLE", (ALAW, 1): "ALAW", (ULAW, 1): "ULAW",
}  # fmt: skip
# AU's codes → (code of a `fmt ` chunk, bytes of a value)
AU = {
    1: (ULAW, 1),
    2: (INTEGERS, 1),
    3: (INTEGERS, 2),
    4: (INTEGERS, 3),
    5: (INTEGERS, 4),
    6: (FLOATS, 4),
    7: (FLOATS, 8),
    27: (ALAW, 1),
}
PIECES, PIECE = 16, 4_096  # places of the sound that are looked at, and frames at each


@dataclass(frozen=True)
class Layout:
    """begin, end: bytes. stated: whether the header says where it ends. width: bytes of a value; bits: those that count.

    shift: bits by which values are too small as they stand. subtype: libsndfile's name of a value.
    """

    begin: int
    end: int
    channels: int
    rate: int
    width: int
    bits: int
    subtype: str
    big: bool
    shift: int = 0

    @property
    def frames(self) -> int:
        return max(0, self.end - self.begin) // (self.width * self.channels)


def layout(file: BinaryIO) -> Layout | Fault | None:
    """The layout of uncompressed samples; a fault where the header contradicts itself; None for all else."""
    head = peek(file, 0, 24)
    place = sound_place(file)
    if place is None:
        return None
    begin, stated = place
    size = size_of(file)
    # a size of 0 with sound behind was never written: for those who want what is there, it reaches to the end
    end = size if stated is None or (stated == 0 and size - begin > LEFT_OVER) else min(size, begin + stated)
    if head[:4] == b".snd":
        code, rate, channels = struct.unpack(">III", head[12:24]) if len(head) == 24 else (0, 0, 0)
        kind, width = AU.get(code, (0, 0))
        subtype = "PCM_S8" if (kind, width) == (INTEGERS, 1) else SUBTYPES.get((kind, width))
        return (
            None
            if subtype is None or not channels
            else Layout(begin, end, channels, rate, width, 8 * width, subtype, True)
        )
    if head[:4] not in (*LITTLE, b"RIFX"):
        return None
    found = _of_format(file, head, Layout(begin, end, 0, 0, 0, 0, "", head[:4] == b"RIFX"))
    return _justified(file, found) if isinstance(found, Layout) else found


def _of_format(file: BinaryIO, head: bytes, empty: Layout) -> Layout | Fault | None:
    """What the `fmt ` chunk says."""
    at = chunk_at(file, b"fmt ")
    form = b"" if at is None else peek(file, at, 40)
    if len(form) < 16:
        return None
    order = ">" if empty.big else "<"
    kind, channels, rate, _, align, bits = struct.unpack(f"{order}HHIIHH", form[:16])
    held = bits  # bits of a value's bytes
    if kind == EXTENSIBLE and len(form) >= 26:
        valid, kind = struct.unpack(f"{order}H", form[18:20])[0], struct.unpack(f"{order}H", form[24:26])[0]
        bits = valid or bits
    if kind not in (INTEGERS, FLOATS, ALAW, ULAW) or not channels:
        return None
    width = align // channels
    known = (kind, width) in SUBTYPES and align % channels == 0 and 0 < bits <= held <= 8 * width
    if not known or (kind != INTEGERS and 8 * width != held):
        problem = (
            f"contradicts itself: its header states {counted(channels, 'channel')} of {counted(held, 'bit')}, but "
            f"{counted(align, 'byte')} for a sample of all of them"
        )
        return Fault(
            problem,
            f"Correct its header, or import it as raw sound and save it again; to read it as it can be, {SALVAGE}",
        )
    return replace(empty, channels=channels, rate=rate, width=width, bits=bits, subtype=SUBTYPES[kind, width])


def _justified(file: BinaryIO, found: Layout) -> Layout | Fault:
    """The layout with the shift of its values. A fault where what fills their bytes is neither."""
    spare = 8 * found.width - found.bits
    if not spare or found.subtype not in ("PCM_16", "PCM_24", "PCM_32") or not found.frames:
        return found
    values = _looked_at(file, found)
    left = not (values & ((1 << spare) - 1)).any()
    # as signed numbers, or with 0 in all bits that do not count
    right = bool(
        (np.abs(values + 0.5) <= 2 ** (found.bits - 1)).all() or ((values >= 0) & (values < 2**found.bits)).all()
    )
    if left and right and values.any():
        what = "where they lie in them cannot be told: as the upper bits the sound would be very quiet"
    elif left:
        return found
    elif right:
        return replace(found, shift=spare)
    elif spare < 8:  # finer than it states, which does no harm
        return found
    else:
        what = "all of these are in use"
    problem = f"states samples of {counted(found.bits, 'bit')} in {counted(found.width, 'byte')}, but {what}"
    return Fault(problem, f"Import it as raw sound and save it again; to read it as its definition says, {SALVAGE}")


def _looked_at(file: BinaryIO, found: Layout) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Values from all over the sound."""
    size = found.width * found.channels
    parts = []
    for first in sorted({max(0, found.frames - PIECE) * piece // (PIECES - 1) for piece in range(PIECES)}):
        data = np.frombuffer(peek(file, found.begin + first * size, PIECE * size), np.uint8)
        parts.append(data[: len(data) - len(data) % found.width].reshape(-1, found.width))
    stored = np.concatenate(parts)
    stored = stored[:, ::-1] if found.big else stored
    wide = np.zeros((len(stored), 4), np.uint8)
    wide[:, 4 - found.width :] = stored
    return (np.ascontiguousarray(wide).view("<i4")[:, 0] >> (8 * (4 - found.width))).astype(np.int64)


class View:
    """A part of a file as a file, for libsndfile: it begins at the byte `begin` and ends before `end`."""

    def __init__(self, file: BinaryIO, begin: int, end: int | None = None):
        self._file, self._begin = file, begin
        self._size = max(0, (size_of(file) if end is None else end) - begin)
        self._at = 0

    def seek(self, to: int, whence: int = 0) -> int:
        self._at = max(0, to + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        count = left if count < 0 else min(count, left)
        self._file.seek(self._begin + self._at)
        parts = []
        while count and (part := self._file.read(count)):  # unbuffered files may give less than asked for
            parts.append(part)
            count -= len(part)
        data = b"".join(parts)
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
