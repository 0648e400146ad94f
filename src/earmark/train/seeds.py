"""A run once for each of several seeds: their recipes, and what their validation figures tell together.

    out/seed-<N>/           the run of a seed: a run folder, or that of a run over folds
    out/seeds.json          the figures of each, those trained before among them, and mean and spread over them

A seed draws weights, order, crops and mixtures. What also draws clips by it would judge the seeds on different clips: folds
that are dealt by the recipe are refused, and a fraction that validates is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from earmark.errors import EarmarkError, RecipeError, counted
from earmark.files import notation, write_text
from earmark.models.computedfacts import Computed
from earmark.models.facts import Facts
from earmark.models.file import read_head
from earmark.recipe import Recipe
from earmark.train import places, precision
from earmark.train.began import Began
from earmark.train.folder import TAGGER, check_alike
from earmark.train.folds import Turns

FILE = "seeds.json"
OURS = re.compile(rf"seed-\d+|seeds\.json|{re.escape(precision.FILE)}|evaluation.*")  # what lies in the folder


@dataclass(frozen=True)
class Validated:
    """What a tagger's file tells of its epoch, of which clips chose that (their digest), and in which precision it was trained."""

    epoch: int | None
    figures: Mapping[str, float | None]
    clips: str
    precision: Computed | None

    @staticmethod
    def read(file: Path) -> Validated:
        facts = Facts.read(read_head(file)["facts"], str(file))
        epoch = facts.chosen.number if facts.chosen else None
        return Validated(epoch, facts.validation or {}, facts.clips("validation").sha256, facts.precision)

    def as_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "validation": dict(self.figures)}


def parse(text: str, added: bool = False) -> list[int]:
    """The seeds of "1,2,3". added: to runs of others that are there, so that one is enough. Raises EarmarkError."""
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    least = 1 if added else 2
    if len(set(seeds)) < least or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**63:
        raise EarmarkError(
            f"--seeds {text}: give {'one whole number' if added else 'two whole numbers'} from 0 at least, none twice, with commas between "
            "them, such as 1,2,3. One seed alone is --set seed=1; one more, beside runs of others, takes --resume"
        )
    return seeds


def seeded(recipe: Recipe, seeds: Sequence[int], say: Callable[[str], None]) -> dict[int, Recipe]:
    """The recipe with each seed. Raises RecipeError."""
    data = recipe.data
    if data.folds is not None:
        raise RecipeError(
            recipe.name,
            [
                f"data.folds: {counted(data.folds, 'fold is', 'folds are')} dealt by the seed, so that each seed would be "
                "tested on other clips. Deal them once, with `earmark index … --folds`, and say data.folds=null"
            ],
        )
    if isinstance(data.validation, float):
        say(f"recipe {recipe.name}: each seed draws its own {data.validation:g} of the clips for validation")
    return {seed: recipe.model_copy(update={"seed": seed}) for seed in seeds}


def place(out: Path, seed: int) -> Path:
    """The folder of a seed's run."""
    return out / f"seed-{seed}"


def check(out: Path, plans: Mapping[int, Recipe], turns: Turns | None, begun: Began, resume: bool) -> None:
    """Raises EarmarkError where `out` holds something else than runs of seeds, where a seed's run can neither begin nor go on, and
    where there are runs of other seeds that differ in more than the seed. plans: of the seeds that are trained; turns: over folds;
    begun: what they begin with.
    """
    _check_ours(out)
    plan = next(iter(plans.values()))
    for seed in (*plans, *others(out, plans)):
        run, wanted = place(out, seed), seed in plans
        if turns is not None:
            own = {name: each.model_copy(update={"seed": seed}) for name, each in turns.all.items()}
            places.check_folds(run, own, turns.wanted if wanted else (), begun, resume)
        elif wanted:
            places.check_run(run, plans[seed], resume)
        else:
            places.check_kind(run, places.ONE)
            check_alike(run, plan.model_copy(update={"seed": seed}))
        if turns is None:
            places.check_begun(run, begun)
    if not resume and (there := others(out, plans)):
        raise EarmarkError(
            f"{out}: holds runs of {'seed' if len(there) == 1 else 'the seeds'} {', '.join(map(str, there))} already: --resume adds to "
            "them, another --out starts anew"
        )


def others(out: Path, named: Collection[int]) -> list[int]:
    """The seeds of the runs that are there beside those that are named, rising."""
    found = [int(run.name.removeprefix("seed-")) for run in out.glob("seed-*") if places.kind(run) is not None]
    return sorted(set(found) - set(named))


def _check_ours(out: Path) -> None:
    found = sorted(file.name for file in out.iterdir()) if out.is_dir() else []
    others = [name for name in found if not OURS.fullmatch(name)]
    if FILE in found and not ours(out / FILE):
        others = [FILE]
    if others:
        raise EarmarkError(f"{out}: holds {others[0]}, which is no run of a seed: take another --out")


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


def write(out: Path, plans: Mapping[int, Recipe], say: Callable[[str], None]) -> dict[str, Any]:
    """Write seeds.json, of all runs of seeds that have ended; what is in it. plans: of the seeds that were trained now, told last.

    Over folds a seed's figures are means over those folds that all seeds have. What cannot be told together is left out, and said.
    """
    found = {seed: _ended(place(out, seed), say) for seed in (*others(out, plans), *plans)}
    first, plan = next(iter(plans.items()))
    taggers: dict[int, dict[str, Validated]] = {}
    for seed, each in found.items():
        # a fraction that validates is drawn by the seed, which is told when it is
        apart = not isinstance(plan.data.validation, float) and any(
            one.clips != found[first][name].clips for name, one in each.items() if name in found[first]
        )
        if apart:
            say(
                f"{place(out, seed)}: its epoch was chosen on other clips than that of seed {first}, so it is left out of {FILE}"
            )
        elif each:
            taggers[seed] = each
    common = [name for name in taggers[first] if all(name in each for each in taggers.values())]
    if lacking := sorted({name for each in taggers.values() for name in each} - set(common)):
        say(f"{out}: not all seeds were trained on fold {', '.join(lacking)}, over which no mean is taken")
    if len(told := {each.precision.words() for of in taggers.values() for each in of.values() if each.precision}) > 1:
        say(
            f"{out}: its taggers were trained in different precisions ({'; '.join(sorted(told))}), which part of the spread may be of"
        )
    runs = {seed: _figures(each, common) for seed, each in taggers.items()}
    over = spread([told["validation"] for told in runs.values()])
    facts = {"seeds": {str(seed): dict(told) for seed, told in runs.items()}, "over seeds": over}
    write_text(out / FILE, notation.text(facts) + "\n")
    return facts


def _ended(run: Path, say: Callable[[str], None]) -> dict[str, Validated]:
    """The taggers of a seed's run, or of its runs over folds by name, that have ended; of the others it is said."""
    each = {"": run} if places.kind(run) == places.ONE else places.folds(run)
    for name, folder in list(each.items()):
        if not places.finished(folder):
            say(f"{folder}: was stopped before its end, and is left out of {FILE}: go on with it too, with --resume")
            del each[name]
    return {name: Validated.read(folder / TAGGER) for name, folder in each.items()}


def _figures(taggers: Mapping[str, Validated], common: Sequence[str]) -> dict[str, Any]:
    if list(taggers) == [""]:
        return taggers[""].as_dict()
    rows = [taggers[name].figures for name in common]
    keys = [key for key in rows[0] if all(row.get(key) is not None for row in rows)] if rows else []
    mean = {key: fmean(float(row[key] or 0.0) for row in rows) for key in keys}
    return {"folds": {name: each.as_dict() for name, each in taggers.items()}, "validation": mean}
