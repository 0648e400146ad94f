"""What `earmark.load` gives, whatever is behind it: a tagger with a net of its own, or several that answer as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.inference import Answers
from earmark.models.facts import Facts
from earmark.models.frames import Framewise
from earmark.models.predicted import Predicted
from earmark.scores import Task
from earmark.windows import Windows

if TYPE_CHECKING:
    from earmark.models.tagger import Tagger  # and with it torch, which an engine need not
    from earmark.recipe import Recipe  # and with it pydantic


class AnyTagger(Answers, Protocol):
    """Nobody has to ask what it is: what a net alone can do, `alone` gives or refuses. What it answers: see `Answers`.

    vocabulary: the tags, in the order of scores. facts: what its file tells of how it was made and judged.
    """

    vocabulary: tuple[str, ...]
    facts: Facts

    @property
    def sample_rate(self) -> int:
        """Hz."""
        ...

    @property
    def task(self) -> Task: ...

    @property
    def windows(self) -> Windows:
        """How recordings are cut. Raises TaggerError where members hear different windows."""
        ...

    @property
    def recipe(self) -> Recipe:
        """How it was made; of several, what theirs say alike. Raises TaggerError where they learnt from other data."""
        ...

    @property
    def engine(self) -> str:
        """What runs it, in words: engine and version, precision, device."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """Those that answer: one, or several together."""
        ...

    @property
    def alone(self) -> Tagger:
        """The one tagger that it is, with its net, in PyTorch. Raises TaggerError where it is several."""
        ...

    def trainable(self) -> Tagger:
        """A copy in PyTorch that can be trained: see `earmark.Tagger.trainable`. Raises TaggerError where it is several, where its net
        is but a graph, or where torch is not installed.
        """
        ...

    def every(self, hop: float | str) -> AnyTagger:
        """The same in windows `hop` seconds apart; itself stays as it is. Rules for events and thresholds were chosen in its own
        windows, and do not go along: see `earmark.models.facts.Facts.moved`. Raises RecipeError.
        """
        ...

    def described_windows(self) -> dict[str, Any]:
        """The settings of its windows, or of each member's, as plain values."""
        ...

    def framewise(self) -> Framewise | None:
        """What scores the frames within its windows; None where it scores whole windows only."""
        ...

    def identity(self) -> str:
        """Twelve hexadecimal digits that change with anything of the tagger that changes a score. What computes it is told by `engine`."""
        ...

    def save(self, path: str | Path) -> None:
        """Write its file; the old one stays whole until the new one is."""
        ...


class Member(AnyTagger, Protocol):
    """One that is no ensemble: with a net of its own, whatever runs it."""

    def every(self, hop: float | str) -> Member: ...

    @property
    def precision(self) -> str:
        """What its net computes in when it listens: float32, bf16, float16 or int8."""
        ...

    def predicted(self, waves: NDArray[np.float32]) -> Predicted:
        """Windows (n, samples) → scores, embeddings and, where the net has some, scores of frames."""
        ...

    def stored(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The weights by name, and what else its file tells."""
        ...


def way(tagger: AnyTagger) -> str:
    """What computes a tagger's scores, whose last bits are its own, as jobs keep it: its engine without the version, so that who
    upgrades that need not begin anew.
    """
    return "; ".join(re.sub(r"^(\w+) [\w.]+,", r"\1,", each) for each in tagger.engine.split("; "))


def unheard(tagger: AnyTagger) -> list[str]:
    """Sentences on what it, or its members, cannot tell well.

    Windows that leave gaps between them (see `Windows.unheard`), and a graph that was too far off when it was exported.
    """
    told = [member.windows.unheard(member.sample_rate) for member in tagger.members]
    told += [getattr(member, "verdict", "") for member in tagger.members]  # engines' alone have one
    who = "this tagger" if len(tagger.members) == 1 else "a member of this ensemble"
    return [f"{who} {each}" for each in dict.fromkeys(told) if each]
