"""Whether a system's trainings had learnt what their nets can, from the logs that they leave.

A run counts as trained where both hold:

- it is done rising. Of the last phase's n epochs, with m = ⌈n / 5⌉ in the last fifth, the rise is the mean validation figure
  of the last m epochs minus that of the m before; the noise is the standard deviation of one epoch's figure,
  std(differences of successive epochs among those 2m) / √2, to which a straight line gives nought. The rise must not be
  above the noise. Fewer than FEWEST epochs cannot show it.
- it reaches SHARE of what the same net reaches at recipe size: the mean over the last fifth, against that of the log which
  the claim names as `full`. A training at recipe size does so by definition.

A claim of our own is about recipes as they are, whose epochs are part of what it compares. Where nothing validates in them and the
last epoch is kept, no more is asked than that it was reached.

Where a run is several trainings, one a fold, rise and noise are means over them, and what is reached is that of the training which
validated on the clips of that log: folds differ by more than nets of two widths do. Where none did, it is the mean too. A system counts as
trained where all of its runs do, and one that is made of others where all of those do.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from claims.claim import Claim, Size
from claims.trainings import Training
from earmark.data import manifest
from earmark.data.clipset import ClipSet
from earmark.recipe import Recipe
from earmark.train.folder import LOG

ROOT = Path(__file__).parent.parent
SHARE = 0.95
FEWEST = 10
LAST = 5  # the last fifth of the epochs
NOT_KEPT = "the logs of its trainings were not kept, so that nothing shows whether they had ended learning"


@dataclass(frozen=True)
class Course:
    """How a validation figure went: its rise over the last fifth, an epoch's noise, the mean of the last fifth.

    rise and noise are NaN where there are fewer than FEWEST epochs. alike: what those trainings reached that validated on the clips of
    the log at recipe size; NaN where none did.
    """

    rise: float
    noise: float
    reached: float
    epochs: int
    alike: float = math.nan


def course(figures: Sequence[float]) -> Course:
    """figures: of each epoch, in order; one at least."""
    count = len(figures)
    last = math.ceil(count / LAST)
    reached = fmean(figures[-last:])
    if count < FEWEST:
        return Course(math.nan, math.nan, reached, count)
    seen = np.asarray(figures[-2 * last :], float)
    steps = np.diff(seen)
    return Course(reached - float(seen[:last].mean()), float(steps.std(ddof=1)) / math.sqrt(2), reached, count)


def together(courses: Sequence[Course], alike: Sequence[bool] = ()) -> Course:
    """That of a run of several trainings: means, and the fewest epochs. alike: which validated on the clips of the log at recipe size."""
    rise, noise, reached = (fmean(getattr(one, key) for one in courses) for key in ("rise", "noise", "reached"))
    same = [one.reached for one, held in zip(courses, alike, strict=False) if held]
    return Course(rise, noise, reached, min(one.epochs for one in courses), fmean(same) if same else math.nan)


def validated(one: Training) -> str | None:
    """The digest of the clips that a training validated on; None where they were drawn from those that are learnt from."""
    folds = one.plan.data.validation
    return ClipSet.of(manifest.read(one.clips).in_folds(folds)).sha256 if isinstance(folds, list) else None


def validated_at_recipe_size(log: Path) -> str | None:
    """The digest of the clips that a log's figures are of, as the report beside it tells; None where none does."""
    report = log.with_name("report.json")
    if not report.is_file():
        return None
    told = json.loads(report.read_text(encoding="utf-8"))["protocol"].get("split", {})
    digest: str | None = told.get("validation", {}).get("sha256")
    return digest


def validation(log: Path) -> dict[str, list[float]]:
    """The validation figures of a log's last phase, by name without `valid_`; nothing where nothing validated."""
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row.get("phase") == rows[-1].get("phase")]
    names = [key for key in rows[-1] if key.startswith("valid_") and rows[-1][key]] if rows else []
    return {name.removeprefix("valid_"): [float(row[name]) for row in rows] for name in names}


def why_not(run: Course, full: float | None, size: Size, column: str) -> str:
    """Why a run does not count as trained; empty where it does. full: reached at recipe size, or unknown."""
    if math.isnan(run.rise):
        return f"its {run.epochs} epochs are too few to show whether it was done rising ({FEWEST} at least)"
    if run.rise > run.noise:
        told = f"{run.rise:.3f} over the last fifth of the epochs, with a noise of {run.noise:.3f}"
        return f"its validation {column} still rose by {told}"
    if size == "full":
        return ""
    if full is None:
        return "what the same net reaches at recipe size is not known"
    reached, where = (run.reached, "") if math.isnan(run.alike) else (run.alike, " on the same clips")
    if reached < SHARE * full:
        return (
            f"it reaches a validation {column} of {reached:.3f}, {reached / full:.2f} of the {full:.3f} that the same "
            f"net reaches{where} at recipe size ({SHARE} is asked)"
        )
    return ""


def _epochs(plan: Recipe) -> int:
    """Of all phases together."""
    return sum(plan.during(name)["train"]["epochs"] for name in plan.running()) or plan.train.epochs


def of(claim: Claim, size: Size, planned: Mapping[str, Sequence[Sequence[Training]]]) -> dict[str, dict[str, Any]]:
    """What the logs say of each trained system: `why` it does not count as trained, or nothing; and the figures."""
    told: dict[str, dict[str, Any]] = {}
    for name, runs in planned.items():
        if claim.own() and not any(one.plan.data.validation for run in runs for one in run):
            last = max(_epochs(one.plan) for run in runs for one in run)
            told[name] = {"why": "", "kept": f"the last of {last} epochs, as its recipe says: nothing validates"}
            continue
        logs = [[validation(one.folder / LOG) for one in run] for run in runs]
        full = claim.systems[name].full
        whole = validation(ROOT / full) if full else {}
        found = [each for run in logs for each in run] + [whole] * bool(whole)
        column = next((key for key in (claim.metric, "map", "loss") if all(key in each for each in found)), None)
        if column is None or column == "loss":  # a loss falls, and a share of it says nothing
            told[name] = {"why": "no validation figure was kept of its trainings"}
            continue
        there = validated_at_recipe_size(ROOT / full) if full else None
        alike = [[there is not None and len(run) > 1 and validated(one) == there for one in run] for run in runs]
        courses = [
            together([course(each[column]) for each in run], same) for run, same in zip(logs, alike, strict=True)
        ]
        reached = course(whole[column]).reached if whole else None
        reasons = [why_not(run, reached, size, column) for run in courses]
        told[name] = {
            "why": next((reason for reason in reasons if reason), ""),
            "figure": column,
            "full": reached,
            "runs": [vars(run) for run in courses],
        }
    return told
