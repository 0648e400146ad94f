"""MP3: where its frames begin and end in a file, among tags, zeros and what else lies before and behind.

An MP3 has no header of the whole. It begins where three frames follow one another, at most SOUGHT bytes into the file, behind
ID3v2 and APEv2 tags; and it ends before any of ID3v1 (and its TAG+), APEv2 with or without its header, Lyrics3 (both
versions), ID3v2.4 with its foot, and zeros.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from earmark.audio.containers import LEFT_OVER, peek, size_of

SOUGHT = 2**20  # bytes of zeros before any recording, or of anything before an MP3
IN_A_ROW = 3  # frames that have to follow one another: two may by chance
LYRICS = 5_100 + 11 + 9  # bytes of the longest Lyrics3 of version 1
# kbit/s by version (MPEG 1; 2 and 2.5) and layer (1 to 3), and Hz by version
RATES = {
    (3, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
OPENINGS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"caff", b".snd", b"fLaC", b"OggS", b"ID3")


def frame_length(head: bytes) -> int:
    """Bytes of the frame that begins with these four; 0 where none does.

    >>> frame_length(bytes([0xFF, 0xFB, 0x90, 0x00]))  # 128 kbit/s at 44.1 kHz
    417
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer, rate, hertz, padding = (
        head[1] >> 3 & 3,
        4 - (head[1] >> 1 & 3),
        head[2] >> 4,
        head[2] >> 2 & 3,
        head[2] >> 1 & 1,
    )
    if version == 1 or layer == 4 or rate in (0, 15) or hertz == 3:
        return 0
    bits = 1_000 * RATES[3 if version == 3 else 2, layer][rate - 1]
    if layer == 1:
        return (12 * bits // HERTZ[version][hertz] + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1_152
    return samples // 8 * bits // HERTZ[version][hertz] + padding


def begins_at(file: BinaryIO) -> int | None:
    """The byte where frames begin, or the ID3 tag before them; None where there are none within SOUGHT bytes."""
    at = 0
    while at < SOUGHT:
        head = peek(file, at, 2**16 + 4)
        for place in range(max(0, len(head) - 3)):
            place = head.find(b"\xff", place)
            if place < 0:
                break
            if head[place + 1 : place + 2] >= b"\xe0" and _frames(file, at + place):
                return at + place
        at += 2**16
    return None


def _frames(file: BinaryIO, at: int) -> bool:
    for _ in range(IN_A_ROW):
        length = frame_length(peek(file, at, 4))
        if not length:
            return False
        at += length
    return True


def sound_end(file: BinaryIO) -> int:
    """As `ends_at`, but with the zeros that the last frame itself ends with."""
    at, stop = _walked(file)
    return at if at > stop and _filled(file, stop, at) else stop


def cut_off(file: BinaryIO) -> bool:
    """Whether the last frame goes on behind the end. What lies between frames, or behind them, is no cut."""
    at, stop = _walked(file)
    return at > stop and not _filled(file, stop, at)


def _filled(file: BinaryIO, begin: int, end: int) -> bool:
    """Whether there are zeros, and all of them."""
    return peek(file, begin, end - begin) == bytes(end - begin)


def _walked(file: BinaryIO) -> tuple[int, int]:
    """(where the frames end that follow one another from the first on, where the sound ends): both are bytes."""
    place, stop = begins_at(file), ends_at(file)
    at = stop if place is None else place
    held, first = b"", 0
    while at < stop:
        if not first <= at <= first + len(held) - 4:
            held, first = peek(file, at, 2**16), at
        length = frame_length(held[at - first : at - first + 4])
        if not length:
            break
        at += length
    return at, stop


def zeros_before(file: BinaryIO) -> int:
    """Zero bytes before a recording, up to SOUGHT; 0 where something else than one follows."""
    head = peek(file, 0, SOUGHT + 12)
    count = len(head) - len(head.lstrip(b"\0"))
    following = head[count : count + 4]
    known = following.startswith(OPENINGS) or frame_length(following)
    return count if 0 < count <= SOUGHT and known else 0


def ends_at(file: BinaryIO) -> int:
    """The byte where the sound ends: before tags and zeros."""
    end = size_of(file)
    while end > 0:
        before = end
        end = _without_tag(file, end)
        if end == before:
            end = _without_zeros(file, end)
        if end == before:
            break
    return max(0, end)


def _without_zeros(file: BinaryIO, end: int) -> int:
    """The same end, or where zeros begin; a tag may end with zeros of its own."""
    begin = end
    while begin > 0:
        last = peek(file, max(0, begin - LEFT_OVER), min(begin, LEFT_OVER))
        left = len(last.rstrip(b"\0"))
        begin -= len(last) - left
        if left:
            break
    tail = peek(file, max(0, begin - 128), min(begin, 128))
    for name, size in ((b"APETAGEX", 32), (b"3DI", 10), (b"TAG", 128)):
        place = tail.rfind(name, max(0, len(tail) - size))
        if place >= 0 and (found := begin - len(tail) + place + size) <= end:
            return found
    return begin


def _without_tag(file: BinaryIO, end: int) -> int:
    """The same end, or where the tag that ends there begins."""
    tail = peek(file, max(0, end - 227 - 128), min(end, 227 + 128))
    if tail[-128:-125] == b"TAG" and len(tail) >= 128:
        return end - 128 - (227 if tail[:4] == b"TAG+" and len(tail) == 355 else 0)
    if tail[-32:-24] == b"APETAGEX":
        size, _, flags = struct.unpack("<III", tail[-20:-8])
        begin: int = end - size
        return begin - 32 if flags >> 31 and peek(file, max(0, begin - 32), 8) == b"APETAGEX" else max(0, begin)
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        return max(0, end - 15 - int(tail[-15:-9]))
    if tail[-9:] == b"LYRICSEND":
        words = peek(file, max(0, end - LYRICS), min(end, LYRICS))
        return end - len(words) + words.rfind(b"LYRICSBEGIN") if b"LYRICSBEGIN" in words else end
    if tail[-10:-7] == b"3DI":
        size = tail[-4] << 21 | tail[-3] << 14 | tail[-2] << 7 | tail[-1]
        return max(0, end - size - 20)
    return end


def left_over(file: BinaryIO) -> int:
    """Bytes of sound behind the place where the decoder stopped: without tags, and 0 where there are but zeros."""
    at = file.tell()
    return max(0, ends_at(file) - at)


def states_length(file: BinaryIO) -> bool:
    """Whether the first frame of an MP3 holds the number of frames (a Xing or Info header)."""
    at = 0
    while len(tag := peek(file, at, 10)) == 10 and tag[:3] == b"ID3":
        at += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    first = peek(file, at, LEFT_OVER)
    header = max(first.find(b"Xing"), first.find(b"Info"))
    return 0 <= header <= len(first) - 12 and bool(first[header + 7] & 1) and any(first[header + 8 : header + 12])
