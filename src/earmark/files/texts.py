"""Text that others wrote: read as UTF-8, with or without a byte order mark, or refused with the line and the way out.

Text in another encoding is never guessed at: half of Latin-1 is valid in some other encoding too, and a tag that was read
as the wrong letters is a tag of its own, without a word.

    >>> problem("Mücke".encode("latin-1"))
    'line 1 is not UTF-8 (byte 0xFC), as text in Latin-1 or Windows-1252 is. Save it as UTF-8'
    >>> problem("Mücke".encode("utf-8-sig"))
"""

from __future__ import annotations

import codecs
import io
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from earmark.errors import AudioError, ScoresError

BLOCK = 1 << 20  # bytes decoded at once
ACTING = ("Cc", "Cs", "Zl", "Zp")  # of Unicode's: controls, halves of pairs, ends of lines and paragraphs
# the longer first: UTF-32's mark begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8. Python keeps what cannot, as a byte 0xFC of an old disk, in halves of pairs."""
    return name.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in name)


def control(text: str) -> str | None:
    """The first sign of a text that nobody writes and that ends a line or a cell in some file; None: there is none.

    >>> control("ow\\nl"), control("owl"), control("Eule, gr\u00f6\u00dfte")
    ('0x0A', None, None)
    """
    found = next((sign for sign in text if unicodedata.category(sign) in ACTING), None)
    return None if found is None else f"0x{ord(found):02X}"


def check_name(path: str | Path) -> None:
    """Raises AudioError for a recording whose name, or that of a folder in its path, is no text: JSON, Parquet and databases
    cannot hold it, so that nothing holds it, and no two ways out call a recording differently.
    """
    if is_text(str(path)):
        return
    part = next(part for part in Path(path).parts if not is_text(part))
    code = next(ord(sign) for sign in part if "\ud800" <= sign <= "\udfff")
    what = f"byte 0x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"half of a pair, 0x{code:X}"
    whose, thing = ("its name", "it") if part == Path(path).name else (f"the name of its folder {part}", "the folder")
    raise AudioError(
        path, f"{whose} is not UTF-8 ({what}), so that no file of results could tell it", f"Rename {thing}"
    )


def check_ids(ids: Iterable[str]) -> None:
    """Raises ScoresError for a name that no table can keep."""
    if (bad := next((name for name in ids if not is_text(name)), None)) is not None:
        raise ScoresError(f"id {bad!r} is not UTF-8, and no table can keep it. Rename the recording")


def read_text(path: Path, refuse: Callable[[str], Exception]) -> str:
    """The text of a file, its line ends as they are. refuse: message → what is raised where it is not UTF-8.

    Raises OSError where it cannot be read.
    """
    content = path.read_bytes()
    if (wrong := problem(content)) is not None:
        raise refuse(f"{path}: {wrong}")
    return content.decode("utf-8-sig")


def check_text(path: Path, refuse: Callable[[str], Exception]) -> None:
    """As `read_text`, for a file that another program's reader reads, of any size."""
    with path.open("rb") as file:
        if (wrong := _problem(file)) is not None:
            raise refuse(f"{path}: {wrong}")


def problem(content: bytes) -> str | None:
    """Why this is not UTF-8, with the first line that is not; None: it is."""
    return _problem(io.BytesIO(content))


def wide(start: bytes) -> str | None:
    """The name of an encoding with two or four bytes a sign, as the beginning of a file shows it."""
    for mark, name in MARKS:
        if start.startswith(mark):
            return name
    # without a mark: every separator and digit has a zero beside it, on one side only
    zeros = [start[place::4].count(0) for place in range(4)]
    if 4 * sum(zeros) < len(start) or not any(zeros):
        return None
    sides = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if min(sides) == 0:
        return "UTF-16"
    return "UTF-32" if min(zeros) == 0 and 2 * sum(zeros) >= len(start) else None


def _problem(file: BinaryIO) -> str | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, first = 1, True
    while True:
        block = file.read(BLOCK)
        if first and (name := wide(block[:4096])) is not None:
            return f"line 1 is {name}, which Windows calls Unicode, and not UTF-8. Save it as UTF-8"
        first = False
        waiting = decoder.getstate()[0]  # of a sign that the block before began
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += (waiting + block)[: error.start].count(b"\n")
            byte = (waiting + block)[error.start]
            return (
                f"line {line} is not UTF-8 (byte 0x{byte:02X}), as text in Latin-1 or Windows-1252 is. Save it as UTF-8"
            )
        if not block:
            return None
        line += block.count(b"\n")
