"""What a tagger is by its recipe, whatever runs its net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earmark.inference.silence import FLOORLESS, floor_of
from earmark.recipe.hearing import Known
from earmark.scores import Task
from earmark.windows import Windows

if TYPE_CHECKING:
    from earmark.recipe import Recipe


class ByRecipe:
    """Of a tagger that is no ensemble: its sample rate (Hz), its task and its windows."""

    recipe: Recipe
    facts: Any  # earmark.models.facts.Facts

    @property
    def heard(self) -> Recipe | Known:
        """What it hears by: its recipe, or the few values of it that tagging needs."""
        return self.recipe

    @property
    def sample_rate(self) -> int:
        return self.heard.sample_rate

    @property
    def task(self) -> Task:
        return self.heard.task

    @property
    def windows(self) -> Windows:
        return self.heard.windows.build()

    @property
    def floor(self) -> float:
        """dBFS, below which its windows hold nothing; none where each window is made as loud as the others first."""
        return floor_of(self.facts.level) if self.heard.normalise == "none" else FLOORLESS

    def described_windows(self) -> dict[str, Any]:
        """The settings of its windows, as plain values."""
        return self.windows.as_dict()
