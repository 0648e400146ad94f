"""Files of text that are made of a piece for each recording, and what stands before, between and after the pieces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Frame:
    """What a file has around its pieces. A file of one piece can be taken apart again."""

    opening: str = ""
    between: str = ""
    closing: str = ""
    empty: str = ""  # the whole file where there are no pieces

    def around(self, piece: str) -> str:
        """A file of one piece."""
        return self.opening + piece + self.closing if piece else self.empty

    def inner(self, text: str) -> str:
        """The piece of such a file."""
        return "" if text == self.empty else text.removeprefix(self.opening).removesuffix(self.closing)

    def write(self, pieces: Iterable[str], file: TextIO) -> None:
        """A file of all pieces, one after the other."""
        writer = Writer(self, file)
        for piece in pieces:
            writer.add(piece)
        writer.close()


LINES = Frame()
LIST = Frame("[\n", ",\n", "\n]\n", "[]\n")  # as json.dumps does it with an indent of 1


class Writer:
    """Pieces as they come → a file that is whole once it is closed."""

    def __init__(self, frame: Frame, file: TextIO):
        self.frame, self.file, self.count = frame, file, 0

    def add(self, piece: str) -> None:
        if piece:
            print(
                (self.frame.between if self.count else self.frame.opening) + piece, end="", file=self.file, flush=True
            )
            self.count += 1

    def close(self) -> None:
        print(self.frame.closing if self.count else self.frame.empty, end="", file=self.file, flush=True)
