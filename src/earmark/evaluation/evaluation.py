"""`evaluate`: how good a tagger is on clips that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from earmark.data.datasets import open_data
from earmark.data.manifest import Manifest
from earmark.data.matching import check_any
from earmark.data.splits import ClipSet
from earmark.data.together import grouped
from earmark.errors import EarmarkError, agreed, counted
from earmark.errors.kinds import checked
from earmark.errors.unused import beside, hears, needs
from earmark.evaluation import choices, heldout, recording, tracks
from earmark.evaluation.clips import foreign, measure
from earmark.evaluation.events import COLLARS
from earmark.evaluation.figures import Figures, plain
from earmark.evaluation.heldout import HeldOut, Leaks, Request, Source
from earmark.evaluation.protocol import describe, look
from earmark.evaluation.scoring import Settings, Unread
from earmark.evaluation.tracks import Detected
from earmark.evaluation.vocabulary import MergeBy, Vocabulary
from earmark.metrics import Collars, Floats, Interval
from earmark.metrics.clips import checked_number
from earmark.models import loading
from earmark.models.facts import FIGURES, Tested
from earmark.progress import QUIET, Progress
from earmark.scores import SUFFIXES, Scores, Task, submission
from earmark.scores.ensemble.rows import rows_of

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

Drawn = Literal["groups", "clips"]

UNLIKE = "The taggers do not store the same thresholds of tags, so the tags of clips are judged with 0.5 alone."
UNFIT = f"Thresholds {tracks.NOT_THESE}: the tags of clips are judged with 0.5 alone."
JUDGED_AS = "judged as a tagger of task"  # in the protocol
UNGROUPED = (
    "Intervals were drawn over clips, each a group of its own, though some share a source: they hold for other clips made "
    "of the same sources, and are too narrow for others."
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures, and what they are of.

    figures: all of them, with `as_dict` for JSON. scores: a row a clip. clips: that were judged, with the groups of the
    intervals. detected: the clips whose events are known over time, where there are some. taggers: one, or those of a run
    over folds. unread: clips without scores. notes: what was done to the audio of others, "path: what". beside: the
    folder for the report of a tagger in a run folder. seen: whether clips that a tagger knows were allowed.
    """

    figures: Figures
    scores: Scores
    clips: Manifest
    detected: Detected | None
    taggers: tuple[AnyTagger, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    beside: Path | None = None
    seen: bool = False

    @property
    def metrics(self) -> dict[str, Interval]:
        """By name: the value and its 95 % interval."""
        return self.figures.metrics

    @checked
    def submit(self, path: str | Path) -> None:
        """Write what `earmark.scores.submission` tells: fname,label with the three likeliest tags of each clip."""
        place = dict(zip(self.clips.ids.tolist(), self.clips.paths(), strict=True))
        submission.save(path, self.scores, [place[name] for name in self.scores.ids.tolist()])


@checked
@hears("tagger", SUFFIXES)
def evaluate(
    tagger: Source,
    data: str | Path | Manifest,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    seen: bool = False,
    leaks: Leaks = "refuse",
    merge: str | Path | None = None,
    merge_by: MergeBy = "highest",
    task: Task | None = None,
    events: bool = True,
    collars: Sequence[float] = COLLARS,
    hit: str = "sed_eval",
    resamples: int = 1000,
    draw: Drawn = "groups",
    hop: float | str | None = None,
    batch: int | None = None,
    workers: int = 2,
    salvage: bool = False,
    strict: bool = False,
    device: str = "cpu",
    engine: str = "auto",
    precision: str = "auto",
    progress: Progress = QUIET,
) -> Evaluation:
    """Score clips that the tagger has not learnt from; every figure has a 95 % interval.

    tagger: a file, the name of a shipped one, the folder of a run over folds (each of its taggers is judged on its own
    fold, the report is on all of them together), a loaded tagger, or a file of scores (.parquet, .csv) by whatever made them,
    of which nobody knows what it has learnt from. data: a data set's folder, a manifest's file, or a
    manifest. dataset: the folder's layout; default the one that the tagger was trained on. folds: default those that the
    recipe tests on. seen: allow clips that the tagger learnt from, or that chose weights or a temperature of the scores.
    leaks: refuse groups and equal files on both sides, or report them. merge: a table with the columns tag, merged, or the
    name of a shipped one: judge clips and events in that smaller vocabulary (`earmark.evaluation.vocabulary`).
    task: as which the clips are judged, default the tagger's: one
    takes the tag with the highest score for the answer of a tagger of task many. events: judge them too
    where the clips have known ones, which hears the clips again. collars: seconds that edges of events may be off.
    hit: by "sed_eval", whose offsets may also be off by 20 % of the event, or by "length", paper 003's rule.
    draw: what the bootstrap draws, `resamples` times. hop: seconds between windows, a number or a fraction in words, in
    place of the tagger's own. batch, workers, salvage, strict: as in
    `earmark.evaluation.scoring.Settings`. device, engine, precision: as in
    `earmark.load`. progress: told of what goes on.

    A run folder that the tagger lies in remembers the look at these clips (`earmark.evaluation.leakage`), but for `seen`.

    Raises ManifestError for leaks and data that do not fit, TaggerError, ScoresError, EarmarkError for clips that the
    tagger learnt from, or that chose weights of the scores, or where none can be read, and for options that count for nothing, such as
    those of hearing for a file of scores; AudioError with strict.

        >>> import earmark
        >>> evaluation = earmark.evaluate("esc10", "esc10/", resamples=200)  # doctest: +SKIP
        >>> evaluation.metrics["accuracy"].value  # doctest: +SKIP
        0.9125
    """
    if draw not in ("groups", "clips"):
        raise EarmarkError(f"the bootstrap draws 'groups' or 'clips', not {draw!r}")
    if task not in (None, "one", "many"):
        raise EarmarkError(f"task is {task!r}: clips are judged as those of task 'one' or 'many'")
    Collars.by(hit, 0.2)  # refused before the work
    needs("merge_by", merge is None and merge_by != "highest", "merge", "merged tags")
    beside("leaks", seen and leaks != "refuse", "seen=True", heldout.ANY)
    for name, asked in (("collars", tuple(collars) != tuple(COLLARS)), ("hit", hit != "sed_eval")):
        beside(name, asked and not events, "events=False", "no events are judged then")
    checked_number("resamples", resamples)
    vocabulary = None if merge is None else Vocabulary.load(merge, merge_by)
    if isinstance(tagger, str | Path) and Path(tagger).suffix in SUFFIXES:
        return _of_scores(Path(tagger), data, folds, dataset, seen, vocabulary, task, resamples, draw, progress)
    if folds:
        heldout.check_single(tagger)
    settings = Settings(batch, workers, salvage, strict)
    request = Request(
        data, folds, dataset, seen, leaks, settings=settings, device=device, hop=hop, engine=engine, precision=precision
    )
    parts = heldout.score_all(tagger, request, progress)
    scores, clips = heldout.pooled(parts)
    scores = choices.bearing(scores, (line for part in parts for line in part.borne))
    facts = describe(parts)
    judged = task or parts[0].tagger.task
    stored = heldout.stored_thresholds(parts, scores)
    unlike = stored is None and judged == "many" and any(part.tagger.facts.tags for part in parts)
    lacking = judged == "many" and any(FIGURES["tags"] in part.tagger.facts.lacking for part in parts)
    notes = [UNLIKE] * unlike + [UNFIT] * lacking
    reserved = {tag for part in parts for tag in part.tagger.reserved}
    if vocabulary is not None:
        own = scores.tags
        stored, said = _merged_thresholds(vocabulary, stored, own)
        notes += [*vocabulary.notes(own, clips), *(said if judged == "many" else ())]
        scores, clips = vocabulary.scores(scores), _merged(vocabulary, clips, judged)
        reserved = set(vocabulary.reserved(own, reserved))
        facts["tags merged by"] = f"{vocabulary.name}, {merge_by}"
    if hop is not None:
        facts["seconds between windows, in place of the tagger's own"] = parts[0].tagger.members[0].windows.hop
    facts |= look(tagger, parts, clips, seen or heldout.takes_turns_in_validation(tagger))
    clips = ungrouped(clips) if draw == "clips" else grouped(clips)
    detected = None
    if events:
        detected = tracks.detect(
            parts, clips, vocabulary=vocabulary, collars=collars, hit=hit, resamples=resamples, settings=settings,
            progress=progress,
        )  # fmt: skip
        if detected is None and (tuple(collars), hit) != (tuple(COLLARS), "sed_eval"):
            notes.append("No clip has known events: none are judged, and collars and hit count for nothing.")
    if judged != parts[0].tagger.task:
        facts[JUDGED_AS] = f"{judged}, though its own is {parts[0].tagger.task}"
    figures = measure(
        scores, clips, judged, facts,
        resamples=resamples, stored=stored, events=None if detected is None else detected.figures,
        reserved=reserved,
    )  # fmt: skip
    warnings = [sentence for part in parts for sentence in part.warnings] + ([UNGROUPED] if draw == "clips" else [])
    head, told = foreign(scores, clips, judged, reserved), () if detected is None else detected.told
    figures = replace(figures, notes=(*head, *notes, *told, *figures.notes, *warnings))
    return _result(figures, scores, clips, detected, parts, heldout.beside(tagger, clips.fold_names()))


def _of_scores(
    path: Path,
    data: str | Path | Manifest,
    folds: Sequence[str] | None,
    dataset: str | None,
    seen: bool,
    vocabulary: Vocabulary | None,
    task: Task | None,
    resamples: int,
    draw: Drawn,
    progress: Progress,
) -> Evaluation:
    """The figures of a file of scores, by whatever they were made."""
    scores = Scores.load(path)
    clips = open_data(data, dataset, say=progress.say)
    clips = clips.in_folds(folds) if folds else clips
    where = "the manifest" if isinstance(data, Manifest) else str(data)
    there = f"fold {', '.join(clips.fold_names())} of {where}" if folds else where
    check_any(str(path), scores, clips, there)
    known = np.isin(scores.ids, clips.ids)
    notes = [choices.NOBODY_KNOWS, *choices.check(str(path), scores, scores.ids[known].tolist(), seen)]
    chosen = choices.told(scores, str(path))
    if left := int((~known).sum()):
        notes.append(
            f"{left:,} of the {counted(len(scores), 'row')} of {path} {agreed(left, 'is', 'are')} of clips that {there} does "
            "not have: left out."
        )
        scores = rows_of(scores, known)
    judged = clips.select(np.isin(clips.ids, scores.ids))
    if left := len(clips) - len(judged):
        notes.append(
            f"{left:,} of the {counted(len(clips), 'clip')} of {there} {agreed(left, 'has', 'have')} no scores in {path}: left out."
        )
    facts = {"scores": str(path), "data": dataset or where, "folds": judged.fold_names()} | chosen
    of_task, said, more = _judged_as(str(path), scores, judged, task)
    facts, notes = facts | more, notes + said
    if vocabulary is not None:
        if vocabulary.made(scores.tags):
            notes.append(f"The scores are in merged tags already: {vocabulary.name} merges those of the clips alone.")
        else:
            notes += vocabulary.notes(scores.tags, judged)
            scores = vocabulary.scores(scores)
        judged = _merged(vocabulary, judged, of_task)
        facts["tags merged by"] = f"{vocabulary.name}, {vocabulary.rule}"
    judged = ungrouped(judged) if draw == "clips" else grouped(judged)
    figures = measure(scores, judged, of_task, facts, resamples=resamples)
    head = foreign(scores, judged, of_task, table=True)
    told = [*head, *notes, *figures.notes, *([UNGROUPED] if draw == "clips" else [])]
    figures = replace(figures, notes=tuple(told))
    return Evaluation(figures, scores, judged, None, (), (), (), None)


def _judged_as(
    path: str, scores: Scores, clips: Manifest, asked: Task | None
) -> tuple[Task, list[str], dict[str, str]]:
    """As which the clips of a file's scores are judged, sentences for the report and facts for its protocol.

    clips: before tags are merged. What is asked for counts before what the file tells, and that before what the clips look like.
    """
    alone = all(len(tags) == 1 for tags in clips.table["tags"].to_pylist())
    own = scores.task
    if asked is not None:
        return asked, [], {} if own in (None, asked) else {JUDGED_AS: f"{asked}, though the file's own is {own}"}
    if own is None:
        looks: Task = "one" if alone else "many"
        why = "each clip has one tag" if alone else "not every clip has just one tag"
        told = f"does not tell its task: as {why}, it was judged as of task {looks}. --task says otherwise."
        return looks, [f"{path} {told}"], {}
    if own == "many" and alone:
        told = "is of task many, and was judged so, though each clip has one tag: --task one judges its highest scores."
        return own, [f"{path} {told}"], {}
    return own, [], {}


def _merged_thresholds(
    vocabulary: Vocabulary, stored: Floats | None, tags: Sequence[str]
) -> tuple[Floats | None, list[str]]:
    """Thresholds of the tagger's tags → of merged ones, None where all would be 0.5, and a sentence on those that are so now."""
    if stored is None:
        return None, []
    thresholds, lost = vocabulary.thresholds(stored, tags)
    return None if len(lost) == len(thresholds) else thresholds, vocabulary.without_own("thresholds", lost, tags)


def _merged(vocabulary: Vocabulary, clips: Manifest, task: Task) -> Manifest:
    """The clips in merged tags. Raises EarmarkError where that leaves some without the one tag that they are judged by."""
    merged = vocabulary.manifest(clips)
    had, has = ([len(tags) for tags in each.table["tags"].to_pylist()] for each in (clips, merged))
    bare = (np.array(had, int) > 0) & (np.array(has, int) == 0)
    if task == "one" and bare.any():
        raise EarmarkError(
            f"{vocabulary.name} leaves out the tag of {counted(int(bare.sum()), 'clip that is', 'clips that are')} judged by "
            f"it alone, first: {clips.ids[bare][0]}. Give that tag a merged one, take "
            f"{agreed(int(bare.sum()), 'this clip', 'these clips')} out, or say --task many"
        )
    return merged


def _result(
    figures: Figures,
    scores: Scores,
    clips: Manifest,
    detected: Detected | None,
    parts: Sequence[HeldOut],
    beside: Path | None,
) -> Evaluation:
    notes = [note for part in parts for note in part.notes] + list(detected.notes if detected else ())
    return Evaluation(
        figures,
        scores,
        clips,
        detected,
        tuple(part.tagger for part in parts),
        tuple(clip for part in parts for clip in part.unread),
        tuple(dict.fromkeys(notes)),
        beside,
        any(part.seen for part in parts),
    )


@checked
def record(evaluation: Evaluation, file: str | Path) -> None:
    """Write the figures into the tagger's file, or into that of a shipped one.

    Raises EarmarkError for several taggers, for one that is not as the file has it, and where clips that it knows were allowed.
    """
    if evaluation.seen:
        raise EarmarkError(f"{file}: {recording.HEARD}")
    if not evaluation.taggers:
        raise EarmarkError(f"{file}: holds scores, and figures are written into a tagger's file: leave --record out")
    if len(evaluation.taggers) > 1:
        raise EarmarkError(
            f"{file}: figures of {counted(len(evaluation.taggers), 'tagger is', 'taggers are')} no figures of one: evaluate one"
        )
    (tagger,) = evaluation.taggers
    recording.check_as_it_is(file, tagger)
    judged = evaluation.figures
    figures = plain({name: figure.as_dict() for name, figure in judged.metrics.items()})
    tested = Tested(judged.protocol["data"], ClipSet.of(evaluation.clips), figures)
    tagger.facts = replace(tagger.facts.own(tagger.identity()), test=tested)
    tagger.save(loading.find(file))


def ungrouped(clips: Manifest) -> Manifest:
    """The same clips, each a group of its own, parts of one recording too."""
    place = clips.table.schema.get_field_index("group")
    nobody = pa.nulls(len(clips), pa.string())
    return replace(clips, table=clips.table.set_column(place, clips.table.schema.field("group"), nobody))
