"""A base and clips → a run folder with one tagger file in it: the base's net, and a head that learnt from the clips.

recipe.yaml, split.json   the plan and its clips, as of every run; a resumed one must find the same
head.json                 what was asked for besides
embeddings/               of the windows, unless they are kept elsewhere
mixed/                    of clips mixed into recordings, likewise, until the tagger is there
errors.csv                clips that could not be read, if any
run.json                  what the tagger's file tells of how it was made
tagger.safetensors        the tagger
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark import recipe as recipes
from earmark.data.manifest import Manifest
from earmark.data.named import TABLE, data_set
from earmark.data.splits import Parts
from earmark.errors import EarmarkError, RecipeError, agreed, counted
from earmark.evaluation.scoring import recordings
from earmark.files import whole_text
from earmark.files.tables import Rows
from earmark.inference import Failure
from earmark.inference.silence import NOTHING
from earmark.models import loading, needs
from earmark.models.facts import Base, DataSet, Facts, Split
from earmark.progress import QUIET, Progress
from earmark.recipe import Recipe
from earmark.scores import Task
from earmark.train import bases
from earmark.train.began import Began
from earmark.train.folder import TAGGER, prepared, versions, write_json
from earmark.train.folds import divide
from earmark.train.heads import background, lesson, making
from earmark.train.heads.making import Asked, Ground, Made, learn
from earmark.train.heads.store import Heard, Store, digests, keyed
from earmark.train.loader import QUIETEST
from earmark.train.plausible import check_vocabulary, reserved
from earmark.train.rehearsal import rehearse_head

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

__all__ = [
    "PARTS_TAKEN",
    "Asked",
    "Besides",
    "How",
    "Made",
    "learn",
    "load_base",
    "of_head",
    "plan",
    "say_silent",
    "train",
]
ASKED, EMBEDDINGS, MIXED = "head.json", "embeddings", "mixed"
# what differs from when a run was started, by what is kept of it in its folder
DIFFERENT = {
    "base": "another tagger as its base", "head": "another --head", "background": "another background", "seed": "another seed",
    "within": "other copies of clips in recordings", "besides": "other reviews",
}  # fmt: skip
PARTS_TAKEN = ("all but the head",)
OWN = ("data", "seed", "task")  # parts of a recipe that a head does not take from its base


@dataclass(frozen=True)
class How:
    """How it is run, without a difference to the result."""

    workers: int = 2
    batch: int | None = None
    strict: bool = False
    salvage: bool = False
    resume: bool = False


@dataclass(frozen=True)
class Besides:
    """What a head learns from besides clips and recordings. taken: parts of recordings, seconds, which no background is drawn from,
    since it is known what is in them. teach: what is heard → the head. tags: that it teaches, whether clips have them or not.
    """

    taken: Sequence[tuple[Path, float, float]]
    teach: Callable[[Ground, Progress], Made]
    tags: Collection[str] = ()


def plan(
    base: AnyTagger, manifest: Manifest, name: str, *, dataset: str | None = None, task: Task | None = None, unlabelled: bool = False,
    test: Sequence[str] = (), settings: Sequence[str] = (), validation: float | None = None,
) -> Recipe:  # fmt: skip
    """The recipe of a tagger on a base: what that one hears, the clips' data and parts, and no training of the net.

    task: default one tag a clip where each has one; many where they have others, or where windows of unlabelled recordings
    are to have none. settings: key.path=value, such as data.folds=5; of clips and chance alone, see `of_head`. validation: the share of
    the clips that teaches nothing, for what comes after the head (`heads.unfreezing`); None: all teach. Raises RecipeError, TaggerError.
    """
    single = all(len(tags) == 1 for tags in manifest.table["tags"].to_pylist())
    of = data_set(manifest, dataset or TABLE)
    told = {key: value for key, value in base.alone.recipe.as_dict().items() if key not in ("head", "augment")}
    raw = told | {
        "name": name,
        "summary": f"A head on the embeddings of {name}",
        "task": task or ("one" if single and not unlabelled else "many"),
        "data": {"dataset": of, "test": list(test), "validation": validation or []},
        "augment": ["crop"],
        "train": {"epochs": 1, "keep": "last", "schedule": {"name": "constant"}},
        "load": {}, "phases": {}, "run": None, "epochs": None,
    }  # fmt: skip
    recipe = recipes.settled(raw, settings, f"on {name}")
    if others := [each for each in settings if each not in of_head(settings)]:
        raise RecipeError(
            f"on {name}",
            [
                f"{each}: a head learns from what its base hears, with {', '.join(OWN)} of its own. A setting of what is heard would be "
                "the tagger's alone, and one of training would do nothing: leave it out, or train the net on with --unfreeze"
                for each in others
            ],
        )
    if recipe.data.options or recipe.data.dataset != of:
        key = "options" if recipe.data.options else "dataset"
        raise RecipeError(
            f"on {name}",
            [
                f"data.{key}: the clips of a head are read before its recipe is made, by --dataset alone, so that this would have no part "
                "in them: index them with these options (`earmark index`) and give the manifest, or leave it out"
            ],
        )
    return recipe


def of_head(settings: Sequence[str]) -> list[str]:
    """Those settings that a head's recipe takes: of clips and chance, not of what is heard and how the net is trained."""
    return [each for each in settings if each.partition("=")[0].strip().split(".")[0] in OWN]


def train(
    base: AnyTagger, source: str, recipe: Recipe, manifest: Manifest, folder: Path, asked: Asked | None = None, how: How | None = None,
    progress: Progress = QUIET, besides: Besides | None = None,
) -> Path:  # fmt: skip
    """The path of the tagger's file. base: any tagger with an embedding; source: as it is to be named. recipe: of `plan`.

    besides: for clips that are mixed into recordings.

    Raises ManifestError where the base learnt from test clips, where a clip does not fit the task or none can be read;
    EarmarkError where the folder holds another run; TaggerError of several taggers that answer together; AudioError if strict.
    """
    asked, how = asked or Asked(), how or How()
    needs.warn_of_homeless(recipe)
    mixes = _mixes(asked, recipe.task, progress)
    manifest, parts = divide(recipe, manifest, progress.say)
    check_vocabulary(parts, manifest.vocabulary, recipe, progress.say, besides.tags if besides else ())
    net = base.alone
    found = Base.of(net.facts, net.identity(), source, PARTS_TAKEN)
    checked = bases.check(found, recipe, manifest, parts, progress.say, named=True)
    store = Store(
        asked.embeddings or folder / EMBEDDINGS, base, workers=how.workers, batch=how.batch, salvage=how.salvage
    )
    rehearse_head(recipe, manifest.vocabulary)
    # without a word of the recipe they are told by their names
    never = None if recipe.data.reserved is None else reserved(recipe, manifest.vocabulary, progress.say)
    begun, kept = Began(manifest.vocabulary, how.salvage), asked.mixed or folder / MIXED
    with prepared(folder, recipe, parts, begun, how.resume, how.workers, progress.say) as sounds:
        settle_question(folder, asked, net.identity())
        if (folder / TAGGER).is_file():
            progress.say(f"{folder / TAGGER}: is there already, of this very run")
            shutil.rmtree(kept, ignore_errors=True)
            return folder / TAGGER
        learnt, clips, unread = _heard(parts, store, folder, how, progress)
        taken = besides.taken if besides else ()
        drawn = background.draw(asked.background, manifest, store, progress, taken) if asked.background else None
        if drawn is not None and mixes:
            ground = Ground(base, learnt, clips, manifest.vocabulary, asked, drawn, store, kept)
            made = (besides.teach if besides else making.of_recordings)(ground, progress)
        else:
            made = learn(
                clips, learnt, manifest.vocabulary, recipe.task, asked, None if drawn is None else drawn.vectors
            )
        progress.say(f"{made.choice.setting.words()}: chosen by {made.choice.by}")
        facts = Facts(
            DataSet(data_set(manifest, recipe.data.dataset), manifest.facts), _counted(Split.of(parts, sounds), unread), versions(),
            bases=tuple(checked[each] for each in found), head=made.facts(None if drawn is None else drawn.facts),
        )  # fmt: skip
        facts = replace(facts, level=_level(clips, drawn), reserved=never)
        tagger = made.tagger(net, manifest.vocabulary, recipe)
        # thresholds of windows would not be those of moments
        tagger.facts = replace(facts, events=made.events) if tagger.framewise() is None else facts
        write_json(folder / "run.json", {**facts.as_dict(), "recipe": recipe.name})
        tagger.save(folder / TAGGER)
        shutil.rmtree(kept, ignore_errors=True)
    return folder / TAGGER


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


def _heard(parts: Parts, store: Store, folder: Path, how: How, progress: Progress) -> tuple[Manifest, list[Heard], int]:
    """(the training clips that could be read, their windows, how many could not). Raises AudioError, ManifestError."""
    todo = recordings(parts.train)
    digest = digests([each.path for each in todo], how.workers)
    heard, failures, notes = store.of(keyed(todo, digest), progress)
    if failures and (how.strict or not any(heard)):
        raise failures[0].error
    if notes:
        progress.say(f"{counted(len(notes), 'note')} on the clips' audio, the first: {notes[0]}")
    _write_errors(folder, failures, progress)
    read = np.array([each is not None for each in heard])
    clips = [each for each in heard if each is not None]
    say_silent(parts.train.ids[read], clips, progress.say)
    return parts.train.select(read), clips, int((~read).sum())


def say_silent(ids: Iterable[str], clips: Iterable[Heard | None], say: Callable[[str], None]) -> None:
    """Which of the training clips are silent; clips: by their ids, None for one that could not be read."""
    silent = [
        str(name)
        for name, each in zip(ids, clips, strict=True)
        if each is not None and not lesson.loud(each.levels).any()
    ]
    if silent:
        say(
            f"{counted(len(silent), 'training clip is', 'training clips are')} silent and "
            f"{agreed(len(silent), 'teaches', 'teach')} nothing, such as {silent[0]!r}"
        )


def _write_errors(folder: Path, failures: Sequence[Failure], progress: Progress) -> None:
    if not failures:
        (folder / "errors.csv").unlink(missing_ok=True)
        return
    with whole_text(folder / "errors.csv") as file:
        writer = Rows(file)
        writer.writerow(["path", "reason"])
        writer.writerows((each.error.path, each.error.problem) for each in failures)
    progress.say(
        f"{counted(len(failures), 'clip')} could not be read and {agreed(len(failures), 'is', 'are')} left out: {folder / 'errors.csv'}"
    )


def _counted(split: Split, unread: int) -> Split:
    return split if split.train is None else replace(split, train=replace(split.train, unread=unread))


def check_question(folder: Path, asked: Asked, base: str) -> None:
    """Raises EarmarkError where the run in a folder, if there is one, was started with other options. base: its identity."""
    file = folder / ASKED
    if not file.is_file():
        return
    before, now = json.loads(file.read_text(encoding="utf-8")), _question(asked, base)
    # one that learnt from reviews does not go on without them
    if other := [name for name in {**now, **before} if before.get(name) != now.get(name)]:
        raise EarmarkError(
            f"{folder}: was started with {_otherwise(other[0], before.get(other[0]), now.get(other[0]))}: resume with the same, or take "
            "another --out"
        )


def settle_question(folder: Path, asked: Asked, base: str) -> None:
    """Keep what is asked where a run begins; raises as `check_question` where it was begun otherwise."""
    check_question(folder, asked, base)
    if not (folder / ASKED).is_file():
        write_json(folder / ASKED, _question(asked, base))


def _question(asked: Asked, base: str) -> dict[str, Any]:
    """As it is kept in a run's folder."""
    weak = (
        None
        if asked.background is None
        else asdict(asked.background) | {"recordings": list(map(str, asked.background.recordings))}
    )
    told = {"base": base, "head": asked.kind, "background": weak, "seed": asked.seed}
    told |= {"within": asdict(asked.within) | {"snr": list(asked.within.snr)}} if asked.mixes else {}
    return told | ({"besides": asked.besides} if asked.besides else {})


def _otherwise(name: str, before: Any, now: Any) -> str:
    """What differs, as users know it, with both values where these say anything.

    >>> _otherwise("within", {"copies": 8, "recall": 0.9}, {"copies": 4, "recall": 0.9})
    'other copies of clips in recordings (copies: 8, now 4)'
    """
    what = DIFFERENT.get(name, f"another {name}")
    if name == "besides":  # digests
        return what if before and now else "no reviews" if now else "reviews, and there are none now"
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in {**now, **before} if before.get(key) != now.get(key)]
        return f"{what} ({'; '.join(f'{key}: {_plain(before.get(key))}, now {_plain(now.get(key))}' for key in keys)})"
    return f"{what} ({_plain(before)}, now {_plain(now)})"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "some"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else "none" if value is None else str(value)


def load_base(source: str, device: str = "cpu", engine: str = "auto") -> AnyTagger:
    """A tagger by file or name, as it embeds fastest here."""
    return loading.load(source, device, engine=engine)
