"""What a tagger is by its recipe, whatever runs its net."""

from __future__ import annotations

from typing import Any

from earmark.recipe import Recipe
from earmark.scores import Task
from earmark.windows import Windows


class ByRecipe:
    """Of a tagger that is no ensemble: its sample rate (Hz), its task and its windows."""

    recipe: Recipe

    @property
    def sample_rate(self) -> int:
        return self.recipe.sample_rate

    @property
    def task(self) -> Task:
        return self.recipe.task

    @property
    def windows(self) -> Windows:
        return self.recipe.windows.build()

    def described_windows(self) -> dict[str, Any]:
        """The settings of its windows, as plain values."""
        return self.windows.as_dict()
