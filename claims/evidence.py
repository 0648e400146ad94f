"""From a claim to its trainings, and from their scores to the runs that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from claims import trainings
from claims.claim import EVENT_F1, Claim, Size
from claims.trainings import Training
from claims.verdict import Evidence, Run, ScoredClips
from earmark import metrics, scores
from earmark import train as training
from earmark.data import manifest
from earmark.data.manifest import Manifest
from earmark.data.matching import match
from earmark.errors import EarmarkError
from earmark.metrics import Clips
from earmark.scores import Scores, ensemble

ROOT = Path(__file__).parent.parent
Plan = dict[str, list[list[Training]]]  # of each trained system: its runs; of a run the folds' trainings


def plan(claim: Claim, size: Size, clips: Path, out: Path) -> Plan:
    """The trainings of a claim. Raises RecipeError, ManifestError."""
    held = manifest.read(clips)
    if claim.metric != EVENT_F1:
        metrics.intervals.chosen(
            [claim.metric, *claim.also], _task(held)
        )  # says now, and not after the trainings, what is unknown
    rules = {system.epochs: system.rule for system in claim.systems.values() if system.epochs}
    planned: Plan = {}
    for name in sorted(claim.trained(), key=lambda name: bool(claim.systems[name].taught_by)):
        planned[name] = []
        teachers = [planned[each] for each in claim.systems[name].taught_by]
        for number, seed in enumerate(claim.seeds):
            recipe = claim.recipe_of(name, size, seed)
            _check(recipe, claim, name)
            turns = [recipe] if claim.folds is None else list(training.rotations(recipe, held).values())
            apart = claim.folds is not None and recipe.data.rotate == "validation"
            if teachers and apart:
                raise EarmarkError(
                    f"{name}: folds that validate in turn have no teachers of their own: say data.rotate=test"
                )
            made = [
                trainings.training(turn, clips, out, rules.get(name), [runs[number][fold] for runs in teachers])
                for fold, turn in enumerate(turns)
            ]
            planned[name] += [[one] for one in made] if apart else [made]
    return {name: planned[name] for name in claim.trained()}


def _check(recipe: Any, claim: Claim, name: str) -> None:
    if recipe.data.dataset != claim.data.layout():
        raise EarmarkError(
            f"the recipe of {name} is for {recipe.data.dataset}, the claim's data are {claim.data.layout()}: "
            f"say data.dataset={claim.data.layout()} in its settings"
        )
    if recipe.data.folds is not None:
        raise EarmarkError(
            f"the recipe of {name} deals folds by its seed, and systems are compared on the same clips: say "
            "data.folds=null in its settings, and deal in the claim's data"
        )


def gather(claim: Claim, planned: Plan, clips: Path, device: str = "cpu", workers: int = 2) -> Evidence:
    """What the trainings, all of which have ended, say of the clips that they are tested on."""
    held = manifest.read(clips)
    if claim.metric == EVENT_F1:
        from claims import timed

        return timed.gather(claim, planned, held, device, workers)
    told = {name: [_pooled(run, trainings.SCORES) for run in runs] for name, runs in planned.items()}
    told |= {name: [Scores.load(ROOT / system.scores)] for name, system in claim.systems.items() if system.scores}
    # committees last, as one may be of a system that is made of others
    for name, system in sorted(claim.systems.items(), key=lambda each: each[1].committee is not None):
        if system.epochs:
            told[name] = [_pooled(run, trainings.EPOCHS) for run in planned[system.epochs]]
        elif system.committee:
            told[name] = [combined(told[system.committee], system.rule, held)]
        elif system.of:
            together = zip(*(told[source] for source in system.of), strict=True)
            told[name] = [combined(list(each), system.rule, held) for each in together]
    # the scores of a run over all folds are several trainings', each of the clips of its fold
    over_folds = any(len(run) > 1 for runs in planned.values() for run in runs) or not planned
    return _compared(claim, {name: told[name] for name in claim.systems}, held, over_folds)


def combined(members: Sequence[Scores], rule: ensemble.Name, held: Manifest) -> Scores:
    """Ranks are within each tag over the clips, as is the custom where many clips are scored at once."""
    return ensemble.combine(members, rule, task=_task(held))


def _compared(claim: Claim, told: Mapping[str, list[Scores]], held: Manifest, over_folds: bool) -> Evidence:
    first = next(iter(told.values()))[0]
    chosen = held.select(np.isin(held.ids, first.ids))
    runs: dict[str, list[Run]] = {}
    groups = np.zeros(0, "U1")
    for name, each in told.items():
        matched = [match(_ordered(one, first), chosen) for one in each]
        runs[name] = [ScoredClips(Clips(one.values, one.truth), claim.metric) for one in matched]
        groups = drawn(claim, chosen, matched[0].ids, matched[0].groups)
    tested = dict(zip(chosen.ids.tolist(), chosen.folds.tolist(), strict=True))
    turns = np.array([tested[name] for name in matched[0].ids.tolist()]) if over_folds else None
    return Evidence(runs, groups, turns)


def drawn(claim: Claim, held: Manifest, ids: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.str_]:
    """What is drawn together, by clip. held: has all of the ids."""
    if claim.draw == "groups":
        return groups
    if claim.draw == "clips":
        return ids
    named = dict(zip(held.ids.tolist(), held.table["source"].to_pylist(), strict=True))
    if lone := [name for name in ids.tolist() if not named[name]]:
        raise EarmarkError(f"{lone[0]}: names no source, and the claim draws sources: say draw: clips or groups")
    return np.array([str(named[name]).split(", ")[0] for name in ids.tolist()])


def _ordered(one: Scores, first: Scores) -> Scores:
    """The same tags in the order of the first, and no other clips than its."""
    if set(one.tags) != set(first.tags) or set(one.ids.tolist()) != set(first.ids.tolist()):
        raise EarmarkError("the systems were tested on different clips or tags: the claim's data or settings differ")
    place = [one.tags.index(tag) for tag in first.tags]
    return Scores(one.values[:, place], one.ids, one.start, one.end, first.tags, one.facts)


def _pooled(run: Sequence[Training], name: str) -> Scores:
    parts = [Scores.load(one.folder / name) for one in run]
    return parts[0] if len(parts) == 1 else scores.concat(parts)


def _task(held: Manifest) -> Literal["one", "many"]:
    return "one" if (held.truth(held.vocabulary).sum(1) == 1).all() else "many"
