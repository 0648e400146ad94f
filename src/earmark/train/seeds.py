"""A run once for each of several seeds: their recipes, and what their validation figures tell together.

    out/seed-<N>/           the run of a seed: a run folder, or that of a run over folds
    out/seeds.json          the figures of each, and mean and spread over them

A seed draws weights, order, crops and mixtures. What also draws clips by it would judge the seeds on different clips: folds
that are dealt by the recipe are refused, and a fraction that validates is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from earmark.errors import EarmarkError, RecipeError
from earmark.files import write_text
from earmark.recipe import Recipe
from earmark.train import precision

FILE = "seeds.json"
OURS = re.compile(rf"seed-\d+|seeds\.json|{re.escape(precision.FILE)}|evaluation.*")  # what lies in the folder


def parse(text: str) -> list[int]:
    """The seeds of "1,2,3". Raises EarmarkError."""
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**63:
        raise EarmarkError(
            f"--seeds {text}: give two whole numbers from 0 at least, none twice, with commas between them, such as 1,2,3. One "
            "seed alone is --set seed=1"
        )
    return seeds


def seeded(recipe: Recipe, seeds: Sequence[int], say: Callable[[str], None]) -> dict[int, Recipe]:
    """The recipe with each seed. Raises RecipeError."""
    data = recipe.data
    if data.folds is not None:
        raise RecipeError(
            recipe.name,
            [
                f"data.folds: {data.folds} folds are dealt by the seed, so that each seed would be tested on other clips. Deal "
                "them once, with `earmark index … --folds`, and say data.folds=null"
            ],
        )
    if isinstance(data.validation, float):
        say(f"recipe {recipe.name}: each seed draws its own {data.validation:g} of the clips for validation")
    return {seed: recipe.model_copy(update={"seed": seed}) for seed in seeds}


def place(out: Path, seed: int) -> Path:
    """The folder of a seed's run. Raises EarmarkError where `out` holds something else than runs of seeds."""
    found = sorted(file.name for file in out.iterdir()) if out.is_dir() else []
    others = [name for name in found if not OURS.fullmatch(name)]
    if FILE in found and not ours(out / FILE):
        others = [FILE]
    if others:
        raise EarmarkError(f"{out}: holds {others[0]}, which is no run of a seed: take another --out")
    return out / f"seed-{seed}"


def ours(file: Path) -> bool:
    """Whether a file of figures is one that is written here or by an evaluation of seeds."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and set(told) == {"seeds", "over seeds"}


def spread(rows: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """By figure that all rows have: mean, standard deviation (of n − 1), lowest and highest.

    >>> spread([{"map": 0.5}, {"map": 0.75}])["map"]["mean"]
    0.625
    """
    known = {key: [value for row in rows if (value := row.get(key)) is not None] for key in rows[0]}
    return {
        key: {"mean": fmean(each), "deviation": stdev(each), "lowest": min(each), "highest": max(each)}
        for key, each in known.items()
        if len(each) == len(rows) > 1
    }


def write(out: Path, seeds: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Write seeds.json; what is in it. seeds: of each, `validation` and whatever else is known."""
    over = spread([told["validation"] for told in seeds.values()])
    facts = {"seeds": {str(seed): dict(told) for seed, told in seeds.items()}, "over seeds": over}
    write_text(out / FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return facts
