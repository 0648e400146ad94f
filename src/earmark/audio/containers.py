"""What a file's headers give away before anything is decoded: that it is cut off, damaged, or something else altogether.

Bytes and frames. Nothing here decodes; libsndfile and FFmpeg take many of these headers at their word.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from earmark.errors import agreed, counted

MOST_CHUNKS = 1_000  # no sane file has more, and a damaged one could have millions
LEFT_OVER = 4_096  # bytes; no more than this behind the sound is padding, or read ahead
# Containers that state the size of their sound in bytes:
# first four bytes → (where the chunks begin, format of a chunk's size, the chunks that hold the sound)
CHUNKED = {
    b"RIFF": (12, "<I", (b"data",)),
    b"RIFX": (12, ">I", (b"data",)),
    b"RF64": (12, "<I", (b"data",)),
    b"BW64": (12, "<I", (b"data",)),
    b"FORM": (12, ">I", (b"SSND", b"BODY")),  # AIFF; 8SVX and 16SV
    b"caff": (8, ">q", (b"data",)),
}
# Wave64 names a chunk by 16 bytes, of which the first four tell them apart, and counts its 24 bytes of head in its size
WAVE64, WAVE64_HEAD = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", 24
OPENINGS = (*CHUNKED, WAVE64[:4], b".snd", b"NIST")  # of files, and of no chunk
TAGS = (b"ID3", b"TAG")  # put behind any kind of file
MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits reversed
SALVAGE = "use --salvage (salvage=True)"
AGAIN = "Copy it again from the recorder or card, or record it again"
CUT = f"Copy it again from the recorder or card; to work with the part that is there, {SALVAGE}"
APART = f"Cut it into its recordings first; to work with the first alone, {SALVAGE}"
MORE = f"Correct its header, or import it as raw sound and save it again; to work with the stated part, {SALVAGE}"
CONVERT = f"Convert it once, as with: ffmpeg -i IN OUT.flac; to work with the part that can be read, {SALVAGE}"


class Fault(NamedTuple):
    problem: str
    remedy: str
    readable: float | None = None  # seconds


def peek(file: BinaryIO, at: int, count: int) -> bytes:
    """Bytes from anywhere; the place where the decoder reads on stays."""
    place = file.tell()
    file.seek(at)
    content = file.read(count)
    file.seek(place)
    return content


def size_of(file: BinaryIO) -> int:
    """Bytes of a file, or of a part of one."""
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    return size


def fault_of(file: BinaryIO, readable: float | None) -> Fault | None:
    """Where the container shows that sound is missing, or would go unread. readable: seconds, where the decoder knows."""
    head = peek(file, 0, 64)
    if head[:4] == b"OggS":
        seen = _ogg_problem(file, head)
        return Fault(*seen, readable) if seen else None
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        whole, size = struct.unpack("<I", head[4:8])[0] + 8, size_of(file)
        return (
            None
            if whole <= size
            else Fault(
                f"is cut off: its header states {counted(whole, 'byte')}, {size:,} {agreed(size, 'is', 'are')} there",
                CUT,
            )
        )
    sound = sound_bytes(file)
    if sound is None:
        return None
    begin, stated = sound
    there = size_of(file) - begin
    if stated == 0 and there > LEFT_OVER:
        return Fault(
            f"was never finished: its header states no sound, and {counted(there, 'byte follows', 'bytes follow')}",
            CUT,
            0.0,
        )
    if there >= stated:
        return _behind(file, begin + stated, readable)
    if there <= 0:
        return Fault(f"holds no sound: its header states {counted(stated, 'byte')} of it, none is there", AGAIN, 0.0)
    if not readable:
        return Fault(
            f"is cut off: its header states {counted(stated, 'byte')} of sound, {there:,} {agreed(there, 'is', 'are')} there",
            CUT,
        )
    whole = readable * stated / there
    problem = f"is cut off: its header states {whole:.2f} s of sound, {readable:.2f} s are there"
    return Fault(problem, CUT, readable)


def _behind(file: BinaryIO, end: int, readable: float | None) -> Fault | None:
    """What lies behind the sound where that should not be: more sound, or another recording.

    The size of a WAV starts again from 0 at 4 GiB, so that a long recording may state its last minutes alone.
    """
    left = size_of(file) - end
    if left <= LEFT_OVER:
        return None
    rest = peek(file, end, LEFT_OVER)
    if not rest.strip(b"\0"):
        return None
    # a chunk begins at an even place in RIFF and FORM, which not every program observes, and at every eighth in Wave64
    for next_chunk in (rest[end & 1 :], rest[-end % 8 :], rest):
        if next_chunk[:4] in OPENINGS:
            return Fault("holds several recordings one after another; only the first can be read", APART, readable)
        if next_chunk.startswith(TAGS) or all(32 <= byte < 127 for byte in next_chunk[:4]):
            return None
    stated = "the sound" if readable is None else f"the {readable:.2f} s"
    return Fault(f"goes on behind {stated} that its header states, with {counted(left, 'byte')}", MORE, readable)


def sound_bytes(file: BinaryIO) -> tuple[int, int] | None:
    """(byte where the sound begins, bytes of it that the header states), or None where it does not state them."""
    place = sound_place(file)
    if place is None or place[1] is None:
        return None
    return place[0], place[1]


def sound_place(file: BinaryIO) -> tuple[int, int | None] | None:
    """The same, with None for bytes where the sound reaches to the end of the file."""
    found = _place(file)
    if found is None:
        return None
    begin, stated = found
    return begin, None if _unknown(stated) and not _borne_out(file, begin + stated) else stated


def _borne_out(file: BinaryIO, end: int) -> bool:
    """Whether the sound does end at a place whose size could stand for 'until the end': the file, or a chunk, tells."""
    left = size_of(file) - end
    if not 0 <= left < 2**31:
        return False
    name = peek(file, end + (end & 1), 8)
    known = name[:4] in (
        b"LIST",
        b"id3 ",
        b"ID3 ",
        b"bext",
        b"iXML",
        b"cue ",
        b"smpl",
        b"PEAK",
        b"_PMX",
        b"afsp",
        b"ANNO",
        b"APPL",
    )
    return left <= 1 or known


def _place(file: BinaryIO) -> tuple[int, int] | None:
    """As `sound_bytes`, with whatever number the header has."""
    head = peek(file, 0, 64)
    if head[:4] == b".snd" and len(head) >= 12:
        begin, stated = struct.unpack(">II", head[4:12])
        return begin, stated
    if head[:8] == b"NIST_1A\n":
        return _nist_bytes(file, head)
    if head[:16] == WAVE64:
        return _chunk_bytes(file, (b"data",))
    if head[:4] in CHUNKED:
        return _chunk_bytes(file, CHUNKED[head[:4]][2])
    return None


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(name, byte where its content begins, bytes that it states) of each chunk."""
    head, size = peek(file, 0, 16), size_of(file)
    if head == WAVE64:
        at, width, number, every = 40, WAVE64_HEAD, "<q", 8
    else:
        at, number, _ = CHUNKED[head[:4]]
        width, every = 4 + struct.calcsize(number), 2 if number[1] == "I" else 1
    for _ in range(MOST_CHUNKS):
        if at + width > size:
            return
        chunk = peek(file, at, width)
        stated = struct.unpack(number, chunk[-struct.calcsize(number) :])[0]
        stated = max(0, stated - WAVE64_HEAD) if head == WAVE64 else stated
        yield chunk[:4], at + width, stated
        at += width + max(0, stated) + -max(0, stated) % every


def chunk_at(file: BinaryIO, name: bytes) -> int | None:
    """The byte where the content of a chunk begins; None where there is none before the sound."""
    for found, begin, _ in chunks(file):
        if found == name:
            return begin
        if found == b"data":
            break
    return None


def _chunk_bytes(file: BinaryIO, sought: tuple[bytes, ...]) -> tuple[int, int] | None:
    stated_64 = None
    for name, begin, stated in chunks(file):
        if name == b"ds64" and len(sizes := peek(file, begin, 16)) == 16:
            stated_64 = struct.unpack("<q", sizes[8:])[0]
        if name in sought:
            return begin, stated_64 if stated == 0xFFFFFFFF and stated_64 is not None else stated
    return None


def _nist_bytes(file: BinaryIO, head: bytes) -> tuple[int, int] | None:
    """NIST SPHERE: lines of a name, a type and a value; the second line is the size of the header."""
    second = head[8:16].strip()
    begin = int(second) if second.isdigit() else 0
    lines = [line.split() for line in peek(file, 16, min(begin, 2**16)).splitlines()]
    # by the value, not by the type that stands before it: libsndfile writes `sample_n_bytes -s1 1` for µ-law
    fields = {line[0]: int(line[2]) for line in lines if len(line) == 3 and line[2].isdigit()}
    packed = any(line[0] == b"sample_coding" and b"embedded" in line[-1] for line in lines if line)
    if packed or not {b"sample_count", b"channel_count", b"sample_n_bytes"} <= fields.keys():
        return None
    return begin, fields[b"sample_count"] * fields[b"channel_count"] * fields[b"sample_n_bytes"]


def _unknown(stated: int) -> bool:
    """Whether a size stands for 'until the end', as programs write it that stream: about 2 GiB, 4 GiB, or -1."""
    return stated < 0 or 0x7FFFF000 <= stated <= 0x80000100 or 0xFFFFF000 <= stated <= 0xFFFFFFFF


def _ogg_problem(file: BinaryIO, head: bytes) -> tuple[str, str] | None:
    """Ogg states no length, but marks its last page, and every page names its stream."""
    for reach in (2**13, 2**16):  # pages have about 4 KiB, and at most 65,307 bytes
        tail = peek(file, max(0, size_of(file) - reach), reach)
        page = tail[max(0, tail.rfind(b"OggS")) :]
        if page[:4] == b"OggS":
            break
    else:
        return None  # something else lies behind the sound
    whole = len(page) > 26 and len(page) >= (body := 27 + page[26]) and len(page) >= body + sum(page[27:body])
    if not (whole and page[5] & 4):
        return "is cut off: its last page is missing or incomplete", CUT
    page = page[: body + sum(page[27:body])]
    if _ogg_sum(page[:22] + bytes(4) + page[26:]) != page[22:26]:
        return "is damaged: its last page is not what was written", CUT
    if page[14:18] != head[14:18]:
        return "holds several recordings one after another, or several tracks; only the first can be read", CONVERT
    return None


def _ogg_sum(page: bytes) -> bytes:
    """The check sum of a page whose own is zeroed: zlib's, but bits the other way round, and no complement."""
    mirrored = zlib.crc32(page.translate(MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(MIRROR)


def looks_like(file: BinaryIO) -> str:
    """What a file that no decoder wants is, where its beginning tells."""
    head = peek(file, 0, 512)
    if not head.strip(b"\0"):
        return "it begins with zeros only, as files do that a recorder or card did not write out"
    if len(head) >= 64 and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "it is text"
    return ""
