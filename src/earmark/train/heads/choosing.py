"""Which head, how strong, and how the scores of windows make those of a clip: by inner folds of the training clips alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.data import splits
from earmark.data.manifest import Manifest
from earmark.data.together import together
from earmark.errors import EarmarkError, ManifestError, counted
from earmark.models.predicted import probabilities
from earmark.scores import Task
from earmark.train.heads.fitting import Hidden, Layer, Regression, logits_of, prototypes
from earmark.train.heads.lesson import Lesson
from earmark.train.heads.store import Heard
from earmark.windows import Combine, Weigh
from earmark.windows.pooling import Pool

Kind = Literal["prototypes", "logistic", "hidden"]
FEW = 4  # clips a tag, below which prototypes are taken
MANY = 20  # clips a tag, from which a hidden layer is tried too
FOLDS = 5  # inner ones, or fewer where there are fewer groups
STRENGTHS: dict[str, tuple[float, ...]] = {"logistic": (0.01, 0.1, 1.0, 10.0), "hidden": (0.3, 3.0)}
POOLINGS: tuple[tuple[Combine, Weigh], ...] = (
    ("geometric", "level"), ("mean", "level"), ("geometric", "equal"), ("mean", "equal"), ("max", "equal")
)  # fmt: skip
LEAST = 1e-6  # a probability below it costs no more
LARGEST = 20_000  # windows that are learnt from while it is chosen; all are in the end


@dataclass(frozen=True)
class Setting:
    """A head and what is made of it. strength: of a regression, the larger the freer; None of prototypes."""

    kind: Kind
    strength: float | None
    combine: Combine
    weigh: Weigh

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "strength": self.strength, "combine": self.combine, "weigh": self.weigh}

    def words(self) -> str:
        by = f" of strength {self.strength:g}" if self.strength is not None else ""
        weighed = f", by their {self.weigh}" if self.weigh != "equal" and self.combine != "max" else ""
        return f"{self.kind}{by}; windows by {self.combine}{weighed}"


@dataclass(frozen=True)
class Tried:
    """What a setting reached on the inner folds. loss: mean cross-entropy of clips. accuracy: of clips with one tag, else None."""

    setting: Setting
    loss: float
    accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        return {**self.setting.as_dict(), "loss": round(self.loss, 4)} | (
            {} if self.accuracy is None else {"accuracy": round(self.accuracy, 4)}
        )


@dataclass(frozen=True)
class Choice:
    """setting: chosen by `by`, in words. tried: all, in order. folds: how many inner ones; 0: nothing could be held out."""

    setting: Setting
    by: str
    tried: tuple[Tried, ...]
    folds: int

    @property
    def reached(self) -> Tried | None:
        return next((each for each in self.tried if each.setting == self.setting), None)


def choose(
    lesson: Lesson,
    clips: Sequence[Heard],
    manifest: Manifest,
    targets: NDArray[np.float32],
    task: Task,
    kinds: Sequence[Kind],
    seed: int,
) -> Choice:
    """The setting with the least loss on inner folds. manifest: of the clips, whose groups stay whole. kinds: that are tried.

    targets: (clips, tags), NaN where it is not known.
    """
    first = Setting(kinds[0], STRENGTHS[kinds[0]][1] if kinds[0] in STRENGTHS else None, *POOLINGS[0])
    folds = inner_folds(manifest, seed)
    if folds is None:
        return Choice(first, "a rule: there are too few clips to hold any out", (), 0)
    lesson = _drawn(lesson, seed)
    tried: list[Tried] = []
    for kind in kinds:
        tried += _try(kind, lesson, clips, targets, folds, task)
    best = min(tried, key=lambda each: each.loss)
    if not math.isfinite(best.loss):
        return Choice(first, "a rule: on inner folds no clip has a tag that the other folds teach", (), 0)
    return Choice(
        best.setting,
        f"the least loss on {counted(len(np.unique(folds)), 'inner fold')} of the training clips",
        tuple(tried),
        len(np.unique(folds)),
    )


def kinds_for(truth: NDArray[np.bool_], asked: Kind | None) -> tuple[Kind, ...]:
    """The kinds that are tried for clips with these tags (clips, tags): by the median of the clips that tags have."""
    if asked is not None:
        if asked not in get_args(Kind):
            raise EarmarkError(f"head {asked!r} is not known: take one of {', '.join(get_args(Kind))}")
        return (asked,)
    counts = truth.sum(0)
    median = float(np.median(counts[counts > 0])) if counts.any() else 0
    if median < FEW:
        return ("prototypes",)
    return ("logistic", "hidden") if median >= MANY else ("logistic",)


def inner_folds(manifest: Manifest, seed: int) -> NDArray[np.int64] | None:
    """(clips,) the inner fold of each; None where groups do not fill two."""
    for count in range(min(FOLDS, len(np.unique(together(manifest)))), 1, -1):
        try:
            dealt = splits.assign_folds(manifest, count, seed)
        except ManifestError:
            continue
        return dealt.folds.astype(np.int64)
    return None


def fit(lesson: Lesson, setting: Setting, task: Task) -> list[Layer]:
    """The layers of a head, from all of a lesson."""
    if setting.strength is None:
        return prototypes(lesson.vectors, lesson.targets, lesson.weights, task)
    kind = Hidden if setting.kind == "hidden" else Regression
    regression = kind(lesson.vectors, lesson.targets, lesson.weights, task, exact=True)
    return regression.layers(regression.fit(setting.strength))


def _try(
    kind: Kind,
    lesson: Lesson,
    clips: Sequence[Heard],
    targets: NDArray[np.float32],
    folds: NDArray[np.int64],
    task: Task,
) -> list[Tried]:
    truth = targets > 0  # of what is not known, too, False
    regression = None
    if kind != "prototypes":
        regression = (Hidden if kind == "hidden" else Regression)(lesson.vectors, lesson.targets, lesson.weights, task)
    strengths: Sequence[float | None] = STRENGTHS.get(kind, (None,))
    scores = {Setting(kind, s, *p): np.zeros(truth.shape, np.float32) for s in strengths for p in POOLINGS}
    judged = np.zeros(len(clips), bool)
    fold_of = np.where(lesson.clip >= 0, folds[lesson.clip], 0)
    for fold in np.unique(folds).tolist():
        rows = np.flatnonzero(fold_of != fold)
        held = np.flatnonzero(folds == fold)
        known = truth[folds != fold].any(0)
        # a clip of which no tag was learnt in this turn judges nothing
        held = held[~(truth[held] & ~known).any(1)]
        judged[held] = True
        made = None
        for strength in strengths:
            if regression is None:
                layers = prototypes(lesson.vectors[rows], lesson.targets[rows], lesson.weights[rows], task)
            else:
                made = regression.fit(strength or 1.0, rows, None if kind == "hidden" else made)
                layers = regression.layers(made)
            for number in held.tolist():
                told = probabilities(logits_of(layers, clips[number].vectors), task)
                for pooling in POOLINGS:
                    scores[Setting(kind, strength, *pooling)][number] = pooled(
                        told, clips[number].levels, pooling, task
                    )
    if not judged.any():
        return [Tried(setting, float("inf"), None) for setting in scores]
    return [_judged(setting, told[judged], targets[judged], task) for setting, told in scores.items()]


def pooled(
    scores: NDArray[np.float32], levels: NDArray[np.float32], pooling: tuple[Combine, Weigh], task: Task
) -> NDArray[np.float32]:
    """The scores of a clip's windows (windows, tags) → those of the clip (tags,), as the tagger will make them."""
    combine, weigh = pooling
    pool = Pool(combine, normalise=task == "one")
    level = levels.astype(np.float64)
    weights = np.ones(len(level)) if weigh == "equal" else np.square(level) if weigh == "energy" else level
    pool.add(scores, weights)
    return pool.result()


def _judged(setting: Setting, scores: NDArray[np.float32], targets: NDArray[np.float32], task: Task) -> Tried:
    truth, known = targets > 0, ~np.isnan(targets)
    clipped = np.clip(scores.astype(np.float64), LEAST, 1 - LEAST)
    if task == "one":
        return Tried(
            setting, float(-np.log(clipped[truth]).mean()), float(truth[np.arange(len(truth)), scores.argmax(1)].mean())
        )
    each = -np.where(truth, np.log(clipped), np.log1p(-clipped))
    if known.all():
        return Tried(setting, float(each.sum(1).mean()), None)
    return Tried(setting, float(each[known].mean() * each.shape[1]) if known.any() else float("inf"), None)


def _drawn(lesson: Lesson, seed: int) -> Lesson:
    if len(lesson.clip) <= LARGEST:
        return lesson
    rows = np.sort(np.random.default_rng([seed, LARGEST]).choice(len(lesson.clip), LARGEST, replace=False))
    return Lesson(lesson.vectors[rows], lesson.targets[rows], lesson.weights[rows], lesson.clip[rows])
