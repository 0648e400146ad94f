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

from pathlib import Path


class EarmarkError(Exception):
    """Base of every error that earmark raises on purpose."""


class AudioError(EarmarkError):
    """A recording that cannot be read, or not in whole.

    path: the file. problem: what is wrong with it. remedy: what the user can do; may be empty.
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
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        super().__init__(f"recipe {name}: {count}\n" + "\n".join(f"  {line}" for line in mistakes))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.mistakes))


class TaggerError(EarmarkError):
    """A tagger file that is cut, altered, of a newer version or not a tagger."""


class ScoresError(EarmarkError):
    """Scores that do not fit together, or a file that holds no scores."""


class UnknownName(EarmarkError):
    """A name that nothing is registered under."""
