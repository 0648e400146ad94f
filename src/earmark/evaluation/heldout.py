"""Taggers on clips that they have not learnt from: which these are, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from earmark import scores as scoring_tables
from earmark.data import splits
from earmark.data.datasets import open_data
from earmark.data.manifest import Manifest, natural
from earmark.data.named import NAME, OPTIONS, TABLE
from earmark.data.splits import ClipSet
from earmark.errors import EarmarkError, UnknownName, agreed, counted
from earmark.evaluation import leakage
from earmark.evaluation.scoring import Settings, Unread, score_clips
from earmark.files.parts import plain
from earmark.models import devices, loading, needs
from earmark.models.anytagger import unheard
from earmark.models.facts import Facts
from earmark.models.file import read_head
from earmark.progress import QUIET, Progress
from earmark.registry import DATASETS
from earmark.scores import Scores

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

UNTOLD = (
    "the tagger's file does not tell which clips of this data set it learnt from, and these may be among them: if so, figures are "
    "too good."
)
VALIDATED = (
    "Each tagger was judged on the fold that chose its epoch, as a recipe with `rotate: validation` has it: these are "
    "figures of validation, a little better than those of clips that chose nothing. The test clips: one tagger at a time, "
    "or an ensemble."
)
ANY = "any clips are allowed then, and what ties them to those learnt from is not looked at"  # with seen
Leaks = Literal["refuse", "report"]
Source = (
    str | Path | Any
)  # a tagger's file, the name of a shipped one, the folder of a run over folds, or a loaded tagger


@dataclass(frozen=True)
class Request:
    """Which clips of which data, and how they are scored. leaks: refuse to go on, or report them; leave: leave out the
    clips concerned, in place of both. seen: allow any clips.

    data: a data set's folder with the layout `dataset`, a manifest's file, or a manifest. dataset: default the one that
    the tagger was trained on. folds: default those that its recipe tests on. hop: seconds between windows, in place of
    the tagger's own. validated: those folds that chose its epoch, in place of those that it is tested on.
    device, engine, precision: as in `earmark.load`.
    """

    data: str | Path | Manifest
    folds: Sequence[str] | None = None
    dataset: str | None = None
    seen: bool = False
    leaks: Leaks = "refuse"
    leave: bool = False
    settings: Settings = field(default_factory=Settings)
    device: str = "cpu"
    hop: float | str | None = None
    validated: bool = False
    engine: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.leaks not in ("refuse", "report"):
            raise EarmarkError(f"leaks are refused or reported: 'refuse' or 'report', not {self.leaks!r}")


@dataclass(frozen=True)
class HeldOut:
    """A tagger, the clips that it was judged on and their scores. dataset: its name. warnings: on leaks, for the report.

    unread: the clips that have no scores. notes: what was done to the audio of the others. without_fold: what is to be told of
    clips of its data that lie in no fold, where folds took turns. borne: those of the warnings for which the figures may be too
    good, which whoever takes the scores is to be told too. seen: whether clips that it knows were allowed.
    """

    tagger: AnyTagger
    dataset: str | None
    clips: Manifest
    scores: Scores
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    without_fold: str | None = None
    borne: tuple[str, ...] = ()
    seen: bool = False


def members(tagger: Source) -> list[Source]:
    """The tagger, or the files of those of a run over folds, in the natural order of the folds."""
    if not isinstance(tagger, str | Path):
        return [tagger]
    files = sorted(Path(tagger).glob("fold-*/tagger.safetensors"), key=lambda path: natural(path.parent.name))
    return list(files) or [tagger]


def seeded(tagger: Source) -> list[Path]:
    """The folders of the runs, where it is a folder of runs with several seeds, in the natural order of the seeds."""
    if not isinstance(tagger, str | Path):
        return []
    taggers = (*Path(tagger).glob("seed-*/tagger.safetensors"), *Path(tagger).glob("seed-*/fold-*/tagger.safetensors"))
    runs = {Path(tagger) / file.relative_to(tagger).parts[0] for file in taggers}
    return sorted(runs, key=lambda run: natural(run.name))


def check_single(tagger: Source) -> None:
    """Raises EarmarkError for a run over folds where one tagger is meant."""
    if len(several := seeded(tagger) or members(tagger)) > 1:
        raise EarmarkError(
            f"{tagger}: --record and --fold are for one tagger. Give one of {', '.join(map(str, several))}"
        )


def score_held_out(tagger: Source, request: Request, progress: Progress = QUIET) -> HeldOut:
    """The scores of the clips that one tagger is to be judged on. Raises ManifestError for leaks, EarmarkError."""
    loaded = loading.loaded(tagger, request.device, engine=request.engine, precision=request.precision)
    loaded = loaded if request.hop is None else loaded.every(request.hop)
    idle = devices.unused(loaded, request.device)
    for line in [*([idle] if idle else []), *unheard(loaded)]:
        progress.say(line)
    judged = to_judge(loaded, request)
    scored = score_clips(loaded, judged.clips, request.settings, progress)
    whole = judged.whole
    notes = () if isinstance(request.data, Manifest) else tuple(f"{request.data}: {line}" for line in whole.told())
    left = splits.without_fold(whole, learnt=loaded.recipe.data.train is None)
    return HeldOut(
        loaded, judged.dataset, judged.clips, scored.scores, scored.unread, (*notes, *scored.notes), judged.warnings, left,
        judged.borne, request.seen,
    )  # fmt: skip


@dataclass(frozen=True)
class ToJudge:
    """The clips that a tagger is to be judged on, of a whole manifest. dataset, warnings, borne: see `HeldOut`."""

    dataset: str | None
    whole: Manifest
    clips: Manifest
    warnings: tuple[str, ...]
    borne: tuple[str, ...]


def to_judge(tagger: AnyTagger, request: Request) -> ToJudge:
    """Raises ManifestError for leaks, EarmarkError for clips that the tagger learnt from; hears nothing."""
    name = request.dataset or tagger.facts.dataset
    whole = clips_of(tagger, request.data, name)
    chosen = choose(tagger, whole, request.folds, name, request.seen, request.validated)
    if request.seen:
        warnings = borne = [_seen(tagger, whole, chosen, name, request.validated)]
    else:
        chosen, warnings, borne = _apart(tagger, whole, chosen, name, request)
    return ToJudge(name, whole, chosen, tuple(warnings), tuple(borne))


def _apart(
    tagger: AnyTagger, whole: Manifest, chosen: Manifest, name: str | None, request: Request
) -> tuple[Manifest, list[str], list[str]]:
    """Those of the chosen clips that nothing ties to what the tagger learnt from; sentences for the report, and those of them that tell
    of clips that were borne.
    """
    after = leakage.trained if request.validated else dict
    leave = request.leave
    bear = not leave and request.leaks == "report"
    # a recipe bears what its data set's own split ties together, not clips that are learnt from wherever they lie
    tied = bear or (not leave and tagger.recipe.data.shared_groups == "report")
    untold = leakage.untold(tagger.facts, name, whole)
    chosen, met = leakage.unmet(after(leakage.learnt(tagger.facts, name)), chosen, bear, leave)
    learnt = after(leakage.learnt(tagger.facts, name, whole))
    found = leakage.leaks(learnt, whole, chosen) if learnt else []
    if leave:
        chosen, ties = leakage.apart(found, chosen)
    else:
        ties = leakage.refuse(found, tied)
    chosen, heard = leakage.unheard(after(leakage.sounding(tagger.facts)), chosen, bear, found, leave)
    borne = [*untold, *(met if bear else []), *([] if leave else ties), *(heard if bear else [])]
    return chosen, [*untold, *met, *ties, *heard], borne


def score_all(tagger: Source, request: Request, progress: Progress = QUIET) -> list[HeldOut]:
    """The same of each tagger of a run over folds: each has its own clips, and all have the same tags."""
    if runs := seeded(tagger):
        raise EarmarkError(
            f"{tagger}: holds runs of {counted(len(runs), 'seed')}, all tested on the same clips: judge one, such as "
            f"{runs[0]}, or each with `earmark.evaluation.seeds.evaluate`"
        )
    request = replace(request, validated=takes_turns_in_validation(tagger) and not request.folds)
    parts = [score_held_out(member, request, progress) for member in members(tagger)]
    check_apart(parts, str(tagger))
    if request.validated:
        parts[0] = replace(parts[0], warnings=(*parts[0].warnings, VALIDATED), borne=(*parts[0].borne, VALIDATED))
    if len(parts) > 1 and parts[0].without_fold is not None:
        parts[0] = replace(parts[0], warnings=(*parts[0].warnings, parts[0].without_fold))
    return parts


def takes_turns_in_validation(tagger: Source) -> bool:
    """Whether it is a run over folds of which each chose the epoch of one tagger (`rotate: validation`), with one test for all."""
    files = members(tagger)
    if len(files) < 2:
        return False
    heads = [read_head(loading.find(str(file))) for file in files]
    if any(head["recipe"]["data"].get("rotate") != "validation" for head in heads):
        return False
    parts = [
        Facts.read(head["facts"], str(file)).clips("validation").folds for head, file in zip(heads, files, strict=True)
    ]
    return all(len(folds) > 0 for folds in parts)


def clips_of(tagger: AnyTagger, data: str | Path | Manifest, name: str | None) -> Manifest:
    """The manifest with the folds that the tagger was trained with."""
    settings = tagger.recipe.data
    try:
        clips = open_data(data, *_layout(tagger, name))
    except UnknownName as error:
        plugged = [need for member in tagger.members for need in getattr(member, "plugged", [])]
        raise UnknownName(f"{error}.{needs.way_out(plugged, DATASETS, str(name))}".rstrip(".")) from error
    if settings.folds is not None and name in (settings.dataset, tagger.facts.dataset):
        clips = splits.deal(clips, settings.folds, tagger.recipe.seed, all_clips=settings.deal == "all")
    return clips


def _layout(tagger: AnyTagger, name: str | None) -> tuple[str | None, Mapping[str, Any]]:
    """By which layout a folder of the data set `name` is read, and with which options: those that the tagger's clips were read with."""
    settings, data = tagger.recipe.data, tagger.facts.data
    # of a table the recipe says how it was opened: its own options are of one file
    layout = settings.dataset if name == TABLE == tagger.facts.dataset else name
    told = data.more.get(OPTIONS) if data is not None and layout != TABLE and data.more.get(NAME) == layout else None
    if isinstance(told, Mapping):
        return layout, told
    return layout, settings.options if layout == settings.dataset else {}


def choose(
    tagger: AnyTagger,
    clips: Manifest,
    folds: Sequence[str] | None,
    dataset: str | None,
    seen: bool,
    validated: bool = False,
) -> Manifest:
    """The clips to report on. Folds that the tagger learnt from are refused unless `seen` allows them.

    validated: report on the folds that chose its epoch.
    """
    test = tagger.facts.clips("validation" if validated else "test")
    tested = test.folds
    wanted = list(folds or []) or [fold for fold in tested if fold in clips.fold_names()]
    chosen = clips.in_folds(wanted) if wanted else clips
    if seen:
        return chosen
    known = _known(tagger, clips, chosen, dataset, validated)
    if known.untold and len(chosen) and ClipSet.of(chosen).sha256 == tagger.facts.clips("test").sha256:
        return chosen  # those that were left out, without their fold
    if known.untold:
        _refuse_untold(tagger, chosen, str(dataset), known.parts)
    if known.which:
        if left := leakage.left_out(test, known.parts):
            way = f"Report fold {', '.join(left)}"
        elif tested:
            way = f"Nothing is left of fold {', '.join(tested)}, which it is tested on: report other clips, or choose rules on others"
        else:
            way = "None was left out: report other clips, or train with --fold all"
        raise EarmarkError(f"{known.sentence(tagger)}: figures would be too good. {way}, or say --seen")
    return chosen


@dataclass(frozen=True)
class _Known:
    """Which of the clips to report on a tagger knows, in words, "" for none. parts: what it learnt from. untold: whether its file does
    not tell which clips of their data set it learnt from.
    """

    which: str
    parts: Mapping[str, ClipSet]
    untold: bool

    def sentence(self, tagger: AnyTagger) -> str:
        began = ", or one that it began with weights of," if tagger.facts.bases else ""
        return f"the tagger{began} was trained, or its epoch or its rules chosen, on {self.which}"


def _known(tagger: AnyTagger, clips: Manifest, chosen: Manifest, dataset: str | None, validated: bool) -> _Known:
    """By folds, and by what its file tells of them. chosen: of the clips."""
    after = leakage.trained if validated else dict
    parts = after(leakage.learnt(tagger.facts, dataset, clips))
    clip_sets = leakage.learnt(tagger.facts, dataset)
    # a file that tells nothing of what it learnt from may have learnt from any clip of its data set
    same = (
        dataset is not None
        and dataset == tagger.facts.dataset
        and (any(name != "test" for name in parts) if clip_sets else not leakage.foreign(dataset, clips))
    )
    learnt = sorted(leakage.learnt_folds(parts) & set(chosen.fold_names()))
    rules = leakage.calibrated_on(parts, chosen)
    without = same and not chosen.fold_names() and not clips.fold_names()
    which = f"fold {', '.join(learnt)}" if learnt else "these clips" if rules or without else ""
    return _Known(which, parts, without and not rules and not any(part.sample for part in parts.values()))


def _seen(tagger: AnyTagger, clips: Manifest, chosen: Manifest, dataset: str | None, validated: bool) -> str:
    """A sentence for the report on clips that `--seen` allows."""
    known = _known(tagger, clips, chosen, dataset, validated)
    if known.untold:
        return f"--seen: {UNTOLD}"
    known = known if known.which else replace(known, which=leakage.met(known.parts, chosen))
    if known.which:
        return f"--seen: {known.sentence(tagger)}. {leakage.BETTER}"
    return "--seen: that nothing ties these clips to those that the tagger learnt from was not looked at. Leave it out, and it is."


def _refuse_untold(tagger: AnyTagger, clips: Manifest, dataset: str, parts: Mapping[str, ClipSet]) -> None:
    """Raises EarmarkError, unless digests tell that the tagger learnt from just these clips, for clips of which nothing tells it."""
    digest = ClipSet.of(clips).sha256
    if any(name != "test" and part.sha256 == digest for name, part in parts.items()):
        return
    count = sum(part.clips for name, part in parts.items() if name != "test")
    tested = ", ".join(leakage.left_out(tagger.facts.clips("test"), parts))
    began = ", or one that it began with weights of," if tagger.facts.bases else ""
    # whose names look like those of the data set are hardly of another
    named = dataset == "table" or (dataset in DATASETS.names() and "ids" in DATASETS[dataset].facts)
    raise EarmarkError(
        f"the tagger{began} learnt from {counted(count, 'clip') if count else 'clips'} of {dataset}, and its file does not tell which: "
        f"{agreed(len(clips), 'this one has no fold, so it', f'these {len(clips):,} have no folds, so they')} may be among "
        "them, and figures would be too good. Give "
        + (f"them with their folds, of which {tested} was left out" if tested else "other clips")
        + ("" if named else ", name their data set if it is another (--dataset table for a table of your own)")
        + ", or say --seen"
    )


def check_apart(parts: Sequence[HeldOut], tagger: str) -> None:
    """Of several taggers each must have its own clips and the same tags. Raises EarmarkError."""
    seen: set[str] = set()
    for part in parts:
        if part.tagger.vocabulary != parts[0].tagger.vocabulary:
            raise EarmarkError(
                f"{tagger}: the folds' taggers have different tags: they were not trained on one data set"
            )
        if both := seen & set(part.clips.fold_names()):
            raise EarmarkError(
                f"{tagger}: several of its taggers are tested on fold {min(both)}, so there is no report on all of them "
                "together: evaluate one by one"
            )
        seen |= set(part.clips.fold_names())


def pooled(parts: Sequence[HeldOut]) -> tuple[Scores, Manifest]:
    """The scores of all, and the clips that they are of."""
    scores = parts[0].scores if len(parts) == 1 else scoring_tables.concat([part.scores for part in parts])
    table = pa.concat_tables([part.clips.table for part in parts])
    clips = replace(parts[0].clips, table=table)
    return scores, clips.select(np.isin(clips.ids, scores.ids))


def stored_thresholds(parts: Sequence[HeldOut], scores: Scores) -> Any:
    """(tags,) thresholds that the taggers store, where all store the same; None otherwise."""
    thresholds = [part.tagger.facts.thresholds(scores.tags) for part in parts]
    same = thresholds[0] is not None and all(
        others is not None and np.array_equal(others, thresholds[0]) for others in thresholds
    )
    return thresholds[0] if same else None


def run_folder(tagger: Source) -> Path | None:
    """The run folder that a tagger lies in, or the folder of a run over folds."""
    if not isinstance(tagger, str | Path):
        return None
    place = Path(tagger) if Path(tagger).is_dir() else Path(tagger).parent
    return place if Path(tagger).is_dir() or (place / "run.json").is_file() else None


def beside(tagger: Source, folds: Sequence[str]) -> Path | None:
    """Where the report of a tagger in a run folder lies: beside it."""
    run = run_folder(tagger)
    if run is None or run == Path(tagger):
        return run / "evaluation" if run else None
    return run / plain("evaluation-fold-" + "-".join(folds) if folds else "evaluation")
