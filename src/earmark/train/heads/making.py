"""What was heard of clips, and of recordings, → the layers of a head and thresholds for events.

`learn`: of clips as they are. `local`: of clips as they sound in recordings, with thresholds for events there (`heads.within`);
windows of which people said what is in them (`within.More`) teach with them, where there are some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.data.manifest import Manifest
from earmark.errors import ManifestError, counted
from earmark.events import DEFAULT, EventRules
from earmark.models.facts import EventTuning
from earmark.models.headfacts import Head
from earmark.models.transfer import with_head
from earmark.progress import QUIET, Progress
from earmark.recipe import Recipe
from earmark.scores import Task
from earmark.train.heads import background, choosing, lesson, within
from earmark.train.heads.fitting import Layer, Regression
from earmark.train.heads.store import Heard, Store
from earmark.train.loader import targets_of

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

# Between two events above it the score of one call dips (docs/events.md): this share of the threshold joins what windows cut, where it
# is above what the recordings have anyway
LOW = 0.5


@dataclass(frozen=True)
class Asked:
    """How a head is to be learnt. kind: None: by the number of clips, and by inner folds. embeddings: where they are kept;
    mixed: where clips are, as they sound in the recordings, until the tagger is there.

    background: unlabelled recordings; within: how clips are mixed into them, where they are. seed: of inner folds.
    besides: a digest of what else it learns from, so that a run goes on with the same.
    """

    kind: choosing.Kind | None = None
    embeddings: Path | None = None
    background: background.Asked | None = None
    within: within.Asked = field(default_factory=within.Asked)
    seed: int = 0
    besides: str | None = None
    mixed: Path | None = None

    @property
    def mixes(self) -> bool:
        """Whether clips are learnt from as they sound in the recordings."""
        return self.background is not None and self.within.copies > 0


@dataclass(frozen=True, eq=False)
class Made:
    """What was learnt: layers, what chose them, and from how many windows of clips. mixed: facts of clips that were mixed."""

    layers: list[Layer]
    choice: choosing.Choice
    windows: int
    mixed: dict[str, Any] = field(default_factory=dict)
    events: EventTuning | None = None

    def facts(self, drawn: dict[str, Any] | None) -> Head:
        choice = self.choice
        tried = tuple(each.as_dict() for each in choice.tried)
        drawn = None if drawn is None else drawn | self.mixed
        return Head(choice.setting.as_dict(), choice.by, choice.folds, tried, self.windows, lesson.LOUD, drawn)

    def tagger(self, net: Any, vocabulary: Sequence[str], recipe: Recipe) -> Any:
        """The base's net (a `Tagger`) with these layers."""
        told = {key: value for key, value in recipe.as_dict().items() if key != "net"}
        told["windows"] |= {"combine": self.choice.setting.combine, "weigh": self.choice.setting.weigh}
        return with_head(net, vocabulary, self.layers, told)


def learn(
    clips: Sequence[Heard],
    manifest: Manifest,
    vocabulary: Sequence[str],
    task: Task,
    asked: Asked,
    background: Any = None,
) -> Made:
    """A head from what was heard of clips. manifest: of these clips, in their order. Raises ManifestError for silent clips."""
    targets = targets_of(manifest, vocabulary, task)[:]
    known = lesson.of_clips(clips, targets)
    if not len(known.clip):
        raise ManifestError(
            f"all {counted(len(clips), 'training clip is', 'training clips are')} silent, or nothing is known of their tags: "
            "nothing can be learnt. Check the recordings"
        )
    windows = len(known.clip)
    if background is not None:
        known = lesson.with_background(known, background, asked.background.weight if asked.background else 1.0)
    kinds = choosing.kinds_for(targets > 0, asked.kind)
    choice = choosing.choose(known, clips, manifest, targets, task, kinds, asked.seed)
    return Made(choosing.fit(known, choice.setting, task), choice, windows)


@dataclass(frozen=True)
class Ground:
    """What a head is made from. manifest: of the clips that were heard, in their order. drawn: windows of recordings. kept: a folder
    for what is mixed, which goes with the run.
    """

    base: AnyTagger
    manifest: Manifest
    clips: Sequence[Heard]
    vocabulary: Sequence[str]
    asked: Asked
    drawn: background.Background
    store: Store
    kept: Path | None = None

    def mix(self, progress: Progress = QUIET) -> within.Mixed:
        """The clips in the recordings. Raises ManifestError, EarmarkError where none can be mixed."""
        assert self.asked.background is not None
        within.checked(self.manifest)
        recordings, told = self.asked.background.recordings, self.asked.within
        store, seed = self.store, self.asked.seed
        mixed = within.hear(
            told, self.manifest, recordings, self.base, seed, store.workers, progress, store.salvage, self.kept
        )
        if mixed.unread:
            progress.say(
                f"{counted(len(mixed.unread), 'clip or stretch', 'clips or stretches')} could not be mixed, the first: {mixed.unread[0]}"
            )
        return mixed


@dataclass(frozen=True, eq=False)
class Local:
    """A lesson of mixed clips, windows of recordings and, behind them, more, and what was chosen on parts of it."""

    vectors: within.Floats
    targets: within.Floats
    weights: within.Floats
    regression: Regression
    chosen: within.Chosen
    folds: int

    def layers(self) -> list[Layer]:
        exact = Regression(self.vectors, self.targets, self.weights, "many", True)
        return exact.layers(exact.fit(within.STRENGTH))

    def near(self) -> list[Layer]:
        """About the same layers, sooner: to judge them."""
        return self.regression.layers(self.regression.fit(within.STRENGTH))


def local(ground: Ground, mixed: within.Mixed, more: within.More | None = None) -> Local:
    """Raises ManifestError where clips of one group cannot be held out."""
    asked, drawn = ground.asked, ground.drawn
    assert asked.background is not None
    truth = ground.manifest.truth(ground.vocabulary)
    counts = np.bincount(mixed.clip, minlength=len(ground.clips))
    weights = counts[counts > 0].mean() / counts[mixed.clip]  # each clip counts as much as the others
    vectors = np.concatenate([mixed.vectors, drawn.vectors])
    wanted = targets_of(ground.manifest, ground.vocabulary, "many")[:]
    targets = np.concatenate([wanted[mixed.clip], np.zeros((len(drawn.vectors), truth.shape[1]), np.float32)])
    both = np.concatenate([weights, np.full(len(drawn.vectors), asked.background.weight)]).astype(np.float32)
    if more is not None:
        vectors, targets = np.concatenate([vectors, more.vectors]), np.concatenate([targets, more.targets])
        both = np.concatenate([both, more.weights])
    folds = choosing.inner_folds(ground.manifest, asked.seed)
    if folds is None:
        raise ManifestError(
            f"--recordings: {counted(len(ground.clips), 'clip')} of one group cannot be held out, so that no threshold can be "
            "chosen. Give clips of several groups, or --copies 0"
        )
    regression = Regression(vectors, targets, both, "many")
    hop, recall = ground.base.windows.hop, asked.within.recall
    chosen = within.choose(regression, mixed, truth, len(drawn.vectors), folds, hop, recall, more)
    return Local(vectors, targets, both, regression, chosen, len(np.unique(folds)))


def made(ground: Ground, mixed: within.Mixed, learnt: Local, facts: dict[str, Any], tuned: EventTuning) -> Made:
    """The head of a lesson, with its thresholds. facts: more of them."""
    setting = choosing.Setting("logistic", within.STRENGTH, "max", "equal")
    by = "a rule for clips that are mixed into recordings"
    choice = choosing.Choice(setting, by, (choosing.Tried(setting, learnt.chosen.loss, None),), learnt.folds)
    told = ground.asked.within
    every = {"copies": told.copies, "snr": list(told.snr), "mixed windows": len(mixed.vectors)} | facts
    return Made(learnt.layers(), choice, len(mixed.vectors), every, tuned)


def of_recordings(ground: Ground, progress: Progress = QUIET) -> Made:
    """A head from clips as they sound in the recordings, with thresholds for events there. See `heads.within`."""
    mixed = ground.mix(progress)
    learnt = local(ground, mixed)
    progress.say(told(learnt.chosen, ground.vocabulary, ground.asked.within.recall))
    return made(ground, mixed, learnt, {}, tuning(learnt.chosen, ground.vocabulary, ground.asked.within.recall))


def tuning(chosen: within.Chosen, vocabulary: Sequence[str], recall: float) -> EventTuning:
    """For the tagger's file."""
    known = ~np.isnan(chosen.thresholds)
    thresholds = {
        tag: float(round(t, 4)) if k else DEFAULT
        for tag, t, k in zip(vocabulary, chosen.thresholds, known, strict=True)
    }
    alarms = {tag: round(float(a), 2) for tag, a, k in zip(vocabulary, chosen.alarms, known, strict=True) if k}
    without = tuple(tag for tag, k in zip(vocabulary, known, strict=True) if not k)
    goal = {"recall": recall, "of": "clips mixed into recordings, held out", "told windows an hour": alarms}
    lows = {
        tag: max(LOW, round(float(usual) / thresholds[tag], 4))
        for tag, usual in zip(vocabulary, chosen.usual, strict=True)
        if usual < thresholds[tag]
    }
    rules = EventRules(thresholds, dict.fromkeys(vocabulary, 0.0), lows=lows)
    return EventTuning(rules, without or None, scores="windows", metric="recall", goal=goal)


def told(chosen: within.Chosen, vocabulary: Sequence[str], recall: float) -> str:
    """For people."""
    each = [
        f"{tag} {threshold:.2f} ({alarms:.0f})"
        for tag, threshold, alarms in zip(vocabulary, chosen.thresholds, chosen.alarms, strict=True) if not np.isnan(threshold)
    ]  # fmt: skip
    shown = ", ".join(each[:5]) + (", …" if len(each) > 5 else "")
    return (
        f"thresholds that {recall:g} of held-out clips in these recordings reach, and windows an hour of the recordings that do, true "
        f"and false ones: {shown}"
    )
