"""How good a head is after so many clips a tag: trained on draws of the training clips, judged on folds that it never sees.

Each size is drawn several times, seeded, of the training clips of each fold in its turn; on each draw a head is chosen and
learnt as `earmark train --from` does it. The figure of a size is the mean over its draws of that over all tested clips. The
interval draws anew both the groups of the tested clips and the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark import metrics
from earmark.data import leaks
from earmark.data.manifest import Manifest
from earmark.data.together import grouped
from earmark.errors import EarmarkError, ManifestError, agreed, counted
from earmark.evaluation.figures import plain
from earmark.evaluation.scoring import recordings
from earmark.metrics.intervals import centred, interval
from earmark.models.facts import Base
from earmark.models.predicted import probabilities
from earmark.progress import QUIET, Progress, task
from earmark.recipe import Recipe
from earmark.scores import Task
from earmark.train import bases
from earmark.train.folds import divide, rotations
from earmark.train.heads.choosing import pooled
from earmark.train.heads.fitting import logits_of
from earmark.train.heads.run import PARTS_TAKEN, Asked, Made, learn, say_silent
from earmark.train.heads.store import Heard, Store, digests, keyed

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

SIZES: tuple[int | None, ...] = (1, 2, 4, 8, 16, None)
DRAWS, RESAMPLES = 5, 1000
Scores = NDArray[np.float32]
Scorer = Callable[[Manifest, Manifest], Scores]  # training clips, tested clips → scores of the latter (clips, tags)


@dataclass(frozen=True)
class Point:
    """clips: a tag; None: all. value, low, high: the figure and its 95 % interval. draws: the figure of each. chosen: settings."""

    clips: int | None
    value: float
    low: float
    high: float
    draws: tuple[float, ...]
    chosen: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, null for what has no value."""
        numbers = {name: round(getattr(self, name), 4) for name in ("value", "low", "high")}
        told: dict[str, Any] = plain({**numbers, "draws": [round(each, 4) for each in self.draws]})
        return {"clips": self.clips, **told, "chosen": dict(self.chosen)}


@dataclass(frozen=True)
class Curve:
    """metric: accuracy, or the mean average precision where clips have several tags. points: by the number of clips.

    facts: base, data, folds, how many clips were tested; plain values. notes: where there were fewer clips than asked for.
    """

    metric: str
    points: tuple[Point, ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        told = {**self.facts, "metric": self.metric, "points": [each.as_dict() for each in self.points]}
        return told | ({"notes": list(self.notes)} if self.notes else {})


@dataclass(frozen=True)
class Plan:
    """sizes: clips a tag; None: all. draws: of each size but all. resamples: of the intervals. seed: of everything drawn."""

    sizes: Sequence[int | None] = SIZES
    draws: int = DRAWS
    resamples: int = RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sizes or any(size is not None and size < 1 for size in self.sizes):
            raise EarmarkError(f"clips a tag are {list(self.sizes)}: give numbers from 1, or all")
        if self.draws < 1:
            raise EarmarkError(f"draws is {self.draws}: give 1 or more")


def curve(
    base: AnyTagger, source: str, recipe: Recipe, manifest: Manifest, store: Store, plan: Plan | None = None, asked: Asked | None = None,
    progress: Progress = QUIET,
) -> Curve:  # fmt: skip
    """The curve of heads on a base. recipe: of `earmark.train.heads.run.plan`, whose folds take turns.

    Raises ManifestError where the base learnt from tested clips, a sound lies on both sides of a fold, or there are no folds;
    EarmarkError.
    """
    plan, asked = plan or Plan(), asked or Asked()
    net = base.alone
    found = Base.of(net.facts, net.identity(), source, PARTS_TAKEN)
    divided = []
    for turn in rotations(recipe, manifest, progress.say).values():
        dealt, parts = divide(turn, manifest)
        bases.check(found, turn, dealt, parts, lambda line: None, named=True)
        divided.append(parts)
    turns = [(parts.train, parts.test) for parts in divided]
    everything = recordings(manifest)
    digest = digests([each.path for each in everything], store.workers)
    heard, failures, _ = store.of(keyed(everything, digest), progress)
    if failures:
        raise failures[0].error
    for parts in divided:
        leaks.check_sounds(parts, digest, bear=recipe.data.shared_groups == "report", say=progress.say)
    say_silent(manifest.ids, heard, progress.say)
    known = {str(name): each for name, each in zip(manifest.ids, heard, strict=True) if each is not None}
    chosen: dict[int | None, dict[str, int]] = {}

    def score(size: int | None) -> Scorer:
        def run(train: Manifest, test: Manifest) -> Scores:
            made = learn([known[name] for name in train.ids.tolist()], train, manifest.vocabulary, recipe.task, asked)
            words = made.choice.setting.words()
            chosen.setdefault(size, {})[words] = chosen.get(size, {}).get(words, 0) + 1
            return answers(made, [known[name] for name in test.ids.tolist()], recipe.task)

        return run

    points = measured(turns, manifest.vocabulary, recipe.task, plan, score, progress)
    told = [Point(p.clips, p.value, p.low, p.high, p.draws, chosen.get(p.clips, {})) for p in points]
    facts = {
        "base": net.identity(), "source": source, "data": recipe.data.dataset, "folds": len(turns),
        "tested clips": sum(len(test) for _, test in turns), "seed": plan.seed, "resamples": plan.resamples,
    }  # fmt: skip
    return Curve(
        metric_of(recipe.task),
        tuple(told),
        facts | ({"adopted": net.facts.adopted.words()} if net.facts.adopted else {}),
        fewer(turns, manifest.vocabulary, plan.sizes),
    )


def metric_of(task: Task) -> str:
    return "accuracy" if task == "one" else "mAP"


def measured(
    turns: Sequence[tuple[Manifest, Manifest]], vocabulary: Sequence[str], task_: Task, plan: Plan, score: Callable[[int | None], Scorer],
    progress: Progress = QUIET,
) -> list[Point]:  # fmt: skip
    """A point for each size. turns: training and tested clips. score: for a size what scores tested clips after training."""
    groups = np.concatenate([grouped(test).groups for _, test in turns])
    truth = _truth([test for _, test in turns], vocabulary, task_)
    rounds = [(size, number) for size in plan.sizes for number in range(1 if size is None else plan.draws)]
    values: dict[int | None, list[Scores]] = {}
    with task(progress, "training and testing", len(rounds) * len(turns)) as step:
        for size, number in rounds:
            parts = []
            for turn, (train, test) in enumerate(turns):
                parts.append(score(size)(drawn(train, size, vocabulary, [plan.seed, number, turn]), test))
                step()
            values.setdefault(size, []).append(np.concatenate(parts))
    return [_point(size, each, truth, groups, task_, plan) for size, each in values.items()]


def fewer(
    turns: Sequence[tuple[Manifest, Manifest]], vocabulary: Sequence[str], sizes: Sequence[int | None]
) -> tuple[str, ...]:
    """A sentence for each size of which not every tag has as many training clips in every turn."""
    having = np.array([train.truth(vocabulary).sum(0) for train, _ in turns])  # (turns, tags)
    least, most = having.min(0), having.max(0)
    notes = []
    for size in sizes:
        if size is None or (least >= size).all():
            continue
        of = (
            f"{int((least < size).sum()):,} of the {counted(len(vocabulary), 'tag')} "
            f"{agreed(int((least < size).sum()), 'has', 'have')} fewer training clips ({least.min()} the fewest, "
        )
        of += f"{vocabulary[int(least.argmin())]!r}), of which all are taken"
        same = ": these are the same clips as those of all" if (most <= size).all() else ""
        notes.append(f"{counted(size, 'clip')} a tag: {of}{same}.")
    return tuple(notes)


def _truth(tests: Sequence[Manifest], vocabulary: Sequence[str], task: Task) -> NDArray[np.bool_]:
    """(clips, tags): as metrics take it; of clips with one tag that one excludes the others."""
    parts = [test.judged_as(task, vocabulary) for test in tests]
    masked = any(isinstance(part, np.ma.MaskedArray) for part in parts)
    together: Any = np.ma.concatenate if masked else np.concatenate
    truth: NDArray[np.bool_] = together(parts)
    return truth


def drawn(clips: Manifest, size: int | None, vocabulary: Sequence[str], seed: Sequence[int]) -> Manifest:
    """`size` clips of each tag, or as many as it has; of clips with several tags some tags get more. The same seed draws more of
    the same: the clips of a smaller size are among those of a larger."""
    if size is None:
        return clips
    truth = clips.truth(vocabulary)
    order = np.random.default_rng(list(seed)).permutation(len(clips))
    taken = np.zeros(len(clips), bool)
    for tag in np.argsort(truth.sum(0), kind="stable").tolist():  # rare tags first
        having = order[truth[order, tag]]
        missing = size - int(taken[having].sum())
        taken[[row for row in having if not taken[row]][: max(0, missing)]] = True
    if not taken.any():
        raise ManifestError("no training clip has a tag: there is nothing to learn")
    return clips.select(np.flatnonzero(taken))


def answers(made: Made, clips: Sequence[Heard], task: Task) -> Scores:
    """The scores of clips (clips, tags), as the tagger with this head gives them."""
    setting = made.choice.setting
    pooling = setting.combine, setting.weigh
    return np.stack(
        [
            pooled(probabilities(logits_of(made.layers, each.vectors), task), each.levels, pooling, task)
            for each in clips
        ]
    )


def _point(
    size: int | None, values: Sequence[Scores], truth: NDArray[np.bool_], groups: Any, task: Task, plan: Plan
) -> Point:
    names, member = np.unique(groups, return_inverse=True)
    rows = [np.flatnonzero(member == number) for number in range(len(names))]
    single = [_figure(each, truth, task) for each in values]
    chance = np.random.default_rng([plan.seed, 7])
    right = None
    if task == "one":
        right = np.stack([truth[np.arange(len(truth)), each.argmax(1)] for each in values]).astype(
            float
        )  # (draws, clips)
    resampled = []
    for _ in range(plan.resamples):
        clips = np.concatenate([rows[number] for number in chance.integers(len(names), size=len(names))])
        draws = chance.integers(len(values), size=len(values))
        if right is not None:
            resampled.append(float(right[np.ix_(draws, clips)].mean()))
        else:
            resampled.append(float(np.mean([_figure(values[d][clips], truth[clips], task) for d in draws])))
    value = float(np.mean(single))
    # as every interval is: draws of a metric that leans to one side are moved so that their mean is the figure
    limits = (0.0, 1.0) if centred("accuracy" if task == "one" else "map") else None
    found = interval(value, [np.array(resampled)] if resampled else [], limits)
    return Point(size, value, found.low, found.high, tuple(single))


def _figure(values: Scores, truth: NDArray[np.bool_], task: Task) -> float:
    return float(metrics.accuracy(values, truth) if task == "one" else metrics.mean_average_precision(values, truth))
