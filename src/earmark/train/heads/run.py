"""A base and clips → a run folder with one tagger file in it: the base's net, and a head that learnt from the clips.

recipe.yaml, split.json   the plan and its clips, as of every run; a resumed one must find the same
head.json                 what was asked for besides
embeddings/               of the windows, unless they are kept elsewhere
errors.csv                clips that could not be read, if any
run.json                  what the tagger's file tells of how it was made
tagger.safetensors        the tagger
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark import recipe as recipes
from earmark.data.manifest import Manifest
from earmark.data.splits import Parts
from earmark.errors import EarmarkError, ManifestError
from earmark.evaluation.scoring import recordings
from earmark.events import DEFAULT, EventRules
from earmark.files import whole_text
from earmark.inference import Failure
from earmark.inference.silence import NOTHING
from earmark.models import loading
from earmark.models.facts import Base, DataSet, EventTuning, Facts, Split
from earmark.models.headfacts import Head
from earmark.models.transfer import with_head
from earmark.progress import QUIET, Progress
from earmark.recipe import Recipe
from earmark.scores import Task
from earmark.train import bases
from earmark.train.folder import TAGGER, prepared, versions, write_json
from earmark.train.folds import divide
from earmark.train.heads import background, choosing, lesson, within
from earmark.train.heads.fitting import Layer, Regression
from earmark.train.heads.store import Heard, Store, digests, keyed
from earmark.train.loader import QUIETEST, targets_of
from earmark.train.plausible import check_vocabulary

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

ASKED, EMBEDDINGS = "head.json", "embeddings"
PARTS_TAKEN = ("all but the head",)


@dataclass(frozen=True)
class Asked:
    """How a head is to be learnt. kind: None: by the number of clips, and by inner folds. embeddings: where they are kept.

    background: unlabelled recordings; within: how clips are mixed into them, where they are. seed: of inner folds.
    """

    kind: choosing.Kind | None = None
    embeddings: Path | None = None
    background: background.Asked | None = None
    within: within.Asked = field(default_factory=within.Asked)
    seed: int = 0

    @property
    def mixes(self) -> bool:
        """Whether clips are learnt from as they sound in the recordings."""
        return self.background is not None and self.within.copies > 0


@dataclass(frozen=True)
class How:
    """How it is run, without a difference to the result."""

    workers: int = 2
    batch: int | None = None
    strict: bool = False
    salvage: bool = False
    resume: bool = False


def plan(
    base: AnyTagger, manifest: Manifest, name: str, *, dataset: str | None = None, task: Task | None = None, unlabelled: bool = False,
    test: Sequence[str] = (), settings: Sequence[str] = (),
) -> Recipe:  # fmt: skip
    """The recipe of a tagger on a base: what that one hears, the clips' data and parts, and no training of the net.

    task: default one tag a clip where each has one; many where they have others, or where windows of unlabelled recordings
    are to have none. settings: key.path=value, such as data.folds=5. Raises RecipeError, TaggerError.
    """
    single = all(len(tags) == 1 for tags in manifest.table["tags"].to_pylist())
    told = {key: value for key, value in base.alone.recipe.as_dict().items() if key not in ("head", "augment")}
    raw = told | {
        "name": name,
        "summary": f"A head on the embeddings of {name}",
        "task": task or ("one" if single and not unlabelled else "many"),
        "data": {"dataset": dataset or str(manifest.facts.get("data set", "table")), "test": list(test), "validation": []},
        "augment": ["crop"],
        "train": {"epochs": 1, "keep": "last", "schedule": {"name": "constant"}},
        "load": {}, "phases": {}, "run": None, "epochs": None,
    }  # fmt: skip
    return recipes.settled(raw, settings, f"on {name}")


def train(
    base: AnyTagger, source: str, recipe: Recipe, manifest: Manifest, folder: Path, asked: Asked | None = None, how: How | None = None,
    progress: Progress = QUIET,
) -> Path:  # fmt: skip
    """The path of the tagger's file. base: any tagger with an embedding; source: as it is to be named. recipe: of `plan`.

    Raises ManifestError where the base learnt from test clips, where a clip does not fit the task or none can be read;
    EarmarkError where the folder holds another run; TaggerError of several taggers that answer together; AudioError if strict.
    """
    asked, how = asked or Asked(), how or How()
    mixes = _mixes(asked, recipe.task, progress)
    manifest, parts = divide(recipe, manifest, progress.say)
    check_vocabulary(parts, manifest.vocabulary, recipe, progress.say)
    net = base.alone
    found = Base.of(net.facts, net.identity(), source, PARTS_TAKEN)
    checked = bases.check(found, recipe, manifest, parts, progress.say, named=True)
    store = Store(
        asked.embeddings or folder / EMBEDDINGS, base, workers=how.workers, batch=how.batch, salvage=how.salvage
    )
    with prepared(folder, recipe, parts, how.resume, how.workers):
        _same_question(folder / ASKED, recipe, asked, net.identity())
        if (folder / TAGGER).is_file():
            progress.say(f"{folder / TAGGER}: is there already, of this very run")
            return folder / TAGGER
        learnt, clips, unread = _heard(parts, store, folder, how, progress)
        drawn = background.draw(asked.background, manifest, store, progress) if asked.background else None
        if drawn is not None and mixes:
            made = _within(clips, learnt, manifest.vocabulary, asked, drawn, base, how, progress)
        else:
            made = learn(
                clips, learnt, manifest.vocabulary, recipe.task, asked, None if drawn is None else drawn.vectors
            )
        progress.say(f"{made.choice.setting.words()}: chosen by {made.choice.by}")
        facts = Facts(
            DataSet(recipe.data.dataset, manifest.facts), _counted(Split.of(parts), unread), versions(),
            bases=tuple(checked[each] for each in found), head=made.facts(None if drawn is None else drawn.facts),
        )  # fmt: skip
        facts = replace(facts, level=_level(clips, drawn))
        tagger = made.tagger(net, manifest.vocabulary, recipe)
        # thresholds of windows would not be those of moments
        tagger.facts = replace(facts, events=made.events) if tagger.framewise() is None else facts
        write_json(folder / "run.json", {**facts.as_dict(), "recipe": recipe.name})
        tagger.save(folder / TAGGER)
    return folder / TAGGER


@dataclass(frozen=True)
class Made:
    """What was learnt: layers, what chose them, and from how many windows of clips."""

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
    targets = targets_of(manifest, vocabulary, task)
    known = lesson.of_clips(clips, targets)
    if not len(known.clip):
        raise ManifestError(
            f"all {len(clips)} training clips are silent, or nothing is known of their tags: nothing can be learnt. Check the recordings"
        )
    windows = len(known.clip)
    if background is not None:
        known = lesson.with_background(known, background, asked.background.weight if asked.background else 1.0)
    kinds = choosing.kinds_for(targets > 0, asked.kind)
    choice = choosing.choose(known, clips, manifest, targets, task, kinds, asked.seed)
    return Made(choosing.fit(known, choice.setting, task), choice, windows)


def _level(clips: Sequence[Heard], drawn: background.Background | None) -> float | None:
    """dBFS of the quietest that was learnt from, of clips by their loudest window, and of recordings: a hundredth is quieter.

    Windows far below it hold nothing (`earmark.inference.silence`). By root mean squares, which lie below the peaks that are
    held against it, so that the quietest recordings that it knows are heard.
    """
    heard = [np.array([each.levels.max() for each in clips])] + ([] if drawn is None else [drawn.levels])
    quietest = [
        float(np.quantile(each[each > NOTHING], QUIETEST, method="lower")) for each in heard if (each > NOTHING).any()
    ]
    return round(20 * float(np.log10(min(quietest))), 1) if quietest else None


def _mixes(asked: Asked, task: Task, progress: Progress) -> bool:
    """Whether clips are mixed into the recordings. Raises EarmarkError for a kind of head that is not learnt so."""
    if not asked.mixes:
        return False
    if task == "one":
        progress.say("clips are learnt from as they are, not mixed into the recordings: each has one tag (--task one)")
        return False
    if asked.kind not in (None, "logistic"):
        raise EarmarkError(
            f"--head {asked.kind}: on clips that are mixed into recordings heads are logistic. Leave --head out, or give --copies 0"
        )
    return True


def _within(
    clips: Sequence[Heard], manifest: Manifest, vocabulary: Sequence[str], asked: Asked, drawn: background.Background, base: AnyTagger,
    how: How, progress: Progress,
) -> Made:  # fmt: skip
    """The same from clips as they sound in the recordings, with thresholds for events there. See `heads.within`."""
    assert asked.background is not None
    within.checked(manifest)
    truth, told = manifest.truth(vocabulary), asked.within
    mixed = within.hear(told, manifest, asked.background.recordings, base, asked.seed, how.workers, progress)
    if mixed.unread:
        progress.say(f"{len(mixed.unread)} clips or stretches could not be mixed, the first: {mixed.unread[0]}")
    counts = np.bincount(mixed.clip, minlength=len(clips))
    weights = counts[counts > 0].mean() / counts[mixed.clip]  # each clip counts as much as the others
    vectors = np.concatenate([mixed.vectors, drawn.vectors])
    wanted = targets_of(manifest, vocabulary, "many")
    targets = np.concatenate([wanted[mixed.clip], np.zeros((len(drawn.vectors), truth.shape[1]), np.float32)])
    both = np.concatenate([weights, np.full(len(drawn.vectors), asked.background.weight)]).astype(np.float32)
    folds = choosing.inner_folds(manifest, asked.seed)
    if folds is None:
        raise ManifestError(
            f"--recordings: {len(clips)} clips of one group cannot be held out, so that no threshold can be chosen. Give clips of "
            "several groups, or --copies 0"
        )
    lesson = Regression(vectors, targets, both, "many")
    hop = base.windows.hop
    chosen = within.choose(lesson, mixed, truth, len(drawn.vectors), folds, hop, told.recall)
    exact = Regression(vectors, targets, both, "many", True)
    setting = choosing.Setting("logistic", within.STRENGTH, "max", "equal")
    by = "a rule for clips that are mixed into recordings"
    choice = choosing.Choice(setting, by, (choosing.Tried(setting, chosen.loss, None),), len(np.unique(folds)))
    facts = {"copies": told.copies, "snr": list(told.snr), "mixed windows": len(mixed.vectors)}
    tuned = _tuning(chosen, vocabulary, told.recall, base)
    progress.say(_told(chosen, vocabulary, told.recall))
    return Made(exact.layers(exact.fit(within.STRENGTH)), choice, len(mixed.vectors), facts, tuned)


def _tuning(chosen: within.Chosen, vocabulary: Sequence[str], recall: float, base: AnyTagger) -> EventTuning:
    known = ~np.isnan(chosen.thresholds)
    thresholds = {
        tag: float(round(t, 4)) if k else DEFAULT
        for tag, t, k in zip(vocabulary, chosen.thresholds, known, strict=True)
    }
    alarms = {tag: round(float(a), 2) for tag, a, k in zip(vocabulary, chosen.alarms, known, strict=True) if k}
    without = tuple(tag for tag, k in zip(vocabulary, known, strict=True) if not k)
    goal = {"recall": recall, "of": "clips mixed into recordings, held out", "told windows an hour": alarms}
    rules = EventRules(thresholds, dict.fromkeys(vocabulary, 0.0))
    return EventTuning(rules, without or None, scores="windows", metric="recall", goal=goal)


def _told(chosen: within.Chosen, vocabulary: Sequence[str], recall: float) -> str:
    each = [
        f"{tag} {threshold:.2f} ({alarms:.0f})"
        for tag, threshold, alarms in zip(vocabulary, chosen.thresholds, chosen.alarms, strict=True) if not np.isnan(threshold)
    ]  # fmt: skip
    shown = ", ".join(each[:5]) + (", …" if len(each) > 5 else "")
    return (
        f"thresholds that {recall:g} of held-out clips in these recordings reach, and windows an hour of the recordings that do, true "
        f"and false ones: {shown}"
    )


def _heard(parts: Parts, store: Store, folder: Path, how: How, progress: Progress) -> tuple[Manifest, list[Heard], int]:
    """(the training clips that could be read, their windows, how many could not). Raises AudioError, ManifestError."""
    todo = recordings(parts.train)
    digest = digests([each.path for each in todo], how.workers)
    heard, failures, notes = store.of(keyed(todo, digest), progress)
    if failures and (how.strict or not any(heard)):
        raise failures[0].error
    if notes:
        progress.say(f"{len(notes)} notes on the clips' audio, the first: {notes[0]}")
    _write_errors(folder, failures, progress)
    read = np.array([each is not None for each in heard])
    clips = [each for each in heard if each is not None]
    silent = [
        str(name) for name, each in zip(parts.train.ids[read], clips, strict=True) if not lesson.loud(each.levels).any()
    ]
    if silent:
        progress.say(f"{len(silent)} training clips are silent and teach nothing, such as {silent[0]!r}")
    return parts.train.select(read), clips, int((~read).sum())


def _write_errors(folder: Path, failures: Sequence[Failure], progress: Progress) -> None:
    import csv

    if not failures:
        (folder / "errors.csv").unlink(missing_ok=True)
        return
    with whole_text(folder / "errors.csv") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "reason"])
        writer.writerows((each.error.path, each.error.problem) for each in failures)
    progress.say(f"{len(failures)} clips could not be read and are left out: {folder / 'errors.csv'}")


def _counted(split: Split, unread: int) -> Split:
    return split if split.train is None else replace(split, train=replace(split.train, unread=unread))


def _same_question(file: Path, recipe: Recipe, asked: Asked, base: str) -> None:
    """Raises EarmarkError where a run was started with other options."""
    weak = (
        None
        if asked.background is None
        else asdict(asked.background) | {"recordings": list(map(str, asked.background.recordings))}
    )
    told = {"base": base, "head": asked.kind, "background": weak, "seed": asked.seed}
    told |= {"within": asdict(asked.within) | {"snr": list(asked.within.snr)}} if asked.mixes else {}
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if other := [name for name in told if before.get(name) != told[name]]:
            raise EarmarkError(
                f"{file.parent}: was started with another {other[0]} ({before.get(other[0])}, now {told[other[0]]}): resume with the "
                "same, or take another --out"
            )
    write_json(file, told)


def load_base(source: str, device: str = "cpu", engine: str = "auto") -> AnyTagger:
    """A tagger by file or name, as it embeds fastest here."""
    return loading.load(source, device, engine=engine)
