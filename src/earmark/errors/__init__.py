"""Everything that earmark raises on purpose.

    EarmarkError            catch this to catch all of them
    ├── AudioError          a recording that cannot be read, or not in whole
    ├── ManifestError       a manifest or data set that contradicts itself or its layout
    ├── RecipeError         a recipe with mistakes in it: all of them at once
    ├── TaggerError         a tagger file that is cut, altered, too new or not a tagger
    ├── ScoresError         scores that do not fit together
    └── UnknownName         a net, feature, data set … that is not registered

A message gives the value, the limit, the likely cause and the way out.
"""

from __future__ import annotations

import re
from pathlib import Path

LONGEST = 5000  # characters of a word in a message; a path may have 4096
WORD = re.compile(rf"\S{{{LONGEST},}}")
NO_TEXT = re.compile("[\ud800-\udfff]")  # halves of pairs, as which Python holds the bytes of a name that is not UTF-8


def shortened(text: str) -> str:
    """The text, of whose words and lines only the beginning and the end are told where they are too long for any message.

    >>> shortened("no tag " + "a" * 1_000_000)
    'no tag aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa… (1,000,000 characters) …aaaaaaaaaaaaaaaaaaaa'
    """
    text = WORD.sub(lambda word: _ends(word[0]), text)
    if len(text) <= 2 * LONGEST:
        return text
    return "\n".join(line if len(line) <= 2 * LONGEST else _ends(line, 1000) for line in text.split("\n"))


def _ends(text: str, kept: int = 45) -> str:
    return f"{text[:kept]}… ({counted(len(text), 'character')}) …{text[-20:]}"


def escaped(text: str) -> str:
    r"""The text, in which what no UTF-8 can tell is written out: it can be printed and stored anywhere.

    >>> print(escaped("M\udcfccke.wav"))
    M\xfccke.wav
    """
    return NO_TEXT.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """The count with its noun, as told of one thing or of several. many: where it is more than `one` with an s, such as with a verb.

    >>> counted(1, "recording"), counted(2431, "recording"), counted(0, "batch"), counted(3, "epoch")
    ('1 recording', '2,431 recordings', '0 batches', '3 epochs')
    >>> counted(1, "row is", "rows are"), counted(2, "row is", "rows are")
    ('1 row is', '2 rows are')
    """
    several = one + ("es" if one.endswith(("s", "x", "tch", "sh")) else "s")
    return f"{count:,} {agreed(count, one, several if many is None else many)}"


def agreed(count: int, one: str, many: str) -> str:
    """The words alone that agree with a count.

    >>> f"1 of {counted(5, 'recording')} {agreed(1, 'is', 'are')} not there"
    '1 of 5 recordings is not there'
    """
    return one if count == 1 else many


class EarmarkError(Exception):
    """Base of every error that earmark raises on purpose. Its message tells long names by their ends, and is text that can be printed:
    a name that is not UTF-8 stands there escaped.
    """

    def __str__(self) -> str:
        return shortened(escaped(super().__str__()))


class AudioError(EarmarkError):
    """A recording that cannot be read, or not in whole.

    path: the file, as the system calls it. problem: what is wrong with it. remedy: what the user can do; may be empty.
    readable: seconds that could be read before the problem, where that is known.
    """

    def __init__(self, path: str | Path, problem: str, remedy: str = "", readable: float | None = None):
        self.path = str(path)
        self.problem = problem
        self.remedy = remedy
        self.readable = readable
        super().__init__(f"{self.path}: {problem}" + (f". {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with several arguments do not survive the way back from a worker process otherwise.
        return (type(self), (self.path, self.problem, self.remedy, self.readable))


class ManifestError(EarmarkError):
    """A manifest or data set that contradicts itself or its layout."""


class RecipeError(EarmarkError):
    """A recipe with mistakes in it. `mistakes`: one line each, opening with the path of the key."""

    def __init__(self, name: str, mistakes: list[str]):
        self.name = name
        self.mistakes = mistakes
        super().__init__(
            f"recipe {name}: {counted(len(mistakes), 'mistake')}\n" + "\n".join(f"  {line}" for line in mistakes)
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.mistakes))


class TaggerError(EarmarkError):
    """A tagger file that is cut, altered, of a newer version or not a tagger."""


class ScoresError(EarmarkError):
    """Scores that do not fit together, or a file that holds no scores."""


class UnknownName(EarmarkError):
    """A name that nothing is registered under."""
