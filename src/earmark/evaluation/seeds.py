"""Runs with several seeds, as `earmark train --seeds` leaves them: the figures of each, and mean and spread over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from earmark.evaluation import heldout
from earmark.evaluation.evaluation import Evaluation
from earmark.evaluation.figures import plain
from earmark.evaluation.wording import number, position, title


@dataclass(frozen=True, eq=False)
class OfSeeds:
    """seeds: the evaluation of each, all on the same clips, by seed."""

    seeds: dict[str, Evaluation]

    def over(self) -> dict[str, dict[str, float]]:
        """By metric that all have: mean, standard deviation (of n − 1), lowest and highest."""
        first, *_ = figures = [each.figures.metrics for each in self.seeds.values()]
        values = {
            name: [float(of[name].value) for of in figures] for name in first if all(name in of for of in figures)
        }
        return {
            name: {"mean": fmean(each), "deviation": stdev(each), "lowest": min(each), "highest": max(each)}
            for name, each in values.items()
            if len(each) > 1 and np.isfinite(each).all()
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the figures of each seed with their intervals, and those over seeds."""
        each = {
            seed: {
                "clips": told.figures.clips,
                "metrics": {name: f.as_dict() for name, f in told.figures.metrics.items()},
            }
            for seed, told in self.seeds.items()
        }
        result: dict[str, Any] = plain({"seeds": each, "over seeds": self.over()})
        return result

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of a table: a row a seed, then mean, deviation, lowest and highest."""
        over = self.over()
        names = sorted(next(iter(self.seeds.values())).figures.metrics, key=position)
        rows = []
        for seed, told in self.seeds.items():
            rows.append([seed, *(number(told.figures.metrics[name].value) for name in names)])
        for what in ("mean", "deviation", "lowest", "highest") if over else ():
            rows.append([what, *(number(over.get(name, {}).get(what)) for name in names)])
        return ["seed", *map(title, names)], rows


def evaluate(folder: str | Path, judge: Callable[[Path], Evaluation]) -> OfSeeds:
    """Judge the run of each seed. judge: what one is judged by, such as `lambda run: earmark.evaluate(run, "esc10/")`.

    Raises what it raises.
    """
    return OfSeeds({seed: judge(run) for seed, run in runs(folder).items()})


def runs(folder: Any) -> dict[str, Path]:
    """Seed → its tagger's file, or the folder of its run over folds; nothing where there are no runs of several seeds."""
    each = {run.name.removeprefix("seed-"): run for run in heldout.seeded(folder)}
    return {seed: run if len(heldout.members(run)) > 1 else run / "tagger.safetensors" for seed, run in each.items()}
