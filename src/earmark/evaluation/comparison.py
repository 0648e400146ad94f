"""`compare`: whether systems can be told apart on the same clips. A difference is that of a less b."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import metrics
from earmark.data.datasets import open_data
from earmark.data.manifest import Manifest
from earmark.data.matching import Matched, check_any, match
from earmark.data.together import grouped
from earmark.errors import EarmarkError, agreed, counted
from earmark.errors.kinds import checked
from earmark.errors.unused import beside, hears, needs
from earmark.evaluation import choices, doubts, heldout, wording
from earmark.evaluation.clips import foreign
from earmark.evaluation.figures import plain
from earmark.evaluation.heldout import Leaks, Request, Source
from earmark.evaluation.protocol import look
from earmark.evaluation.scoring import Settings
from earmark.evaluation.thresholds.tags import DEFAULT, FIGURES
from earmark.evaluation.vocabulary import MergeBy, Vocabulary
from earmark.files.places import named_again
from earmark.metrics import Difference, Interval
from earmark.metrics.clips import checked_number
from earmark.metrics.intervals import left_out
from earmark.metrics.naming import current
from earmark.models import loading
from earmark.progress import QUIET, Progress
from earmark.registry import METRICS
from earmark.scores import SUFFIXES, Scores, Task


@dataclass(frozen=True)
class System:
    """One of what is compared, and its metrics by name."""

    name: str
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Comparison:
    """systems: with their own figures. pairs: every pair by each metric. clips: how many. protocol: what each system is.

    matched: by system, the scores and the truth that the figures are of.
    """

    systems: tuple[System, ...]
    pairs: tuple[Difference, ...]
    clips: int | None = None
    notes: tuple[str, ...] = ()
    protocol: Mapping[str, Any] | None = None
    matched: Mapping[str, Matched] = field(default_factory=dict, compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, null for what has no value: {"systems": [{"name", "metrics": {metric: {"value", "low", "high"}}}],
        "pairs": [{"a", "b", "metric", "difference", "low", "high", "p", "p_holm"}], "clips", "notes", "protocol"}."""
        report = {
            "systems": [
                {"name": system.name, "metrics": {name: figure.as_dict() for name, figure in system.metrics.items()}}
                for system in self.systems
            ],
            "pairs": [
                {
                    "a": pair.a, "b": pair.b, "metric": pair.metric, "difference": pair.difference.value,
                    "low": pair.difference.low, "high": pair.difference.high, "p": pair.p, "p_holm": pair.p_holm,
                }
                for pair in self.pairs
            ],
            "clips": self.clips,
            "notes": list(self.notes),
            "protocol": self.protocol or {},
        }  # fmt: skip
        return {key: plain(value) for key, value in report.items()}


@dataclass(frozen=True, eq=False)
class _Scored:
    """A system's scores, the clips that they are of, and sentences for the report.

    more: for the protocol, in words. lacking: clips of the data that a file has no scores of; of: all of them, in words; a tagger
    scores its own, and lacks none. task: of a tagger, or as a file tells it; None: it does not. precisions: that its taggers were
    trained in, as far as their files tell. thresholds: (tags,) that its taggers store, where all store the same. several: whether
    they store different ones.
    """

    scores: Scores
    clips: Manifest
    notes: tuple[str, ...]
    more: str = ""
    lacking: frozenset[str] = frozenset()
    of: str = ""
    task: Task | None = None
    precisions: frozenset[str] = frozenset()
    thresholds: NDArray[np.float64] | None = None
    several: bool = False


@checked
@hears("systems", SUFFIXES)
def compare(
    systems: Mapping[str, Source] | Sequence[str | Path],
    data: str | Path | Manifest,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    metrics: Sequence[str] | None = None,
    common: bool = False,
    merge: str | Path | None = None,
    merge_by: MergeBy = "highest",
    task: Task | None = None,
    leaks: Leaks = "refuse",
    seen: bool = False,
    resamples: int = 1000,
    permutations: int = 10_000,
    batch: int | None = None,
    workers: int = 2,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Comparison:
    """Paired differences of systems on the same clips, with 95 % intervals and p-values (`earmark.metrics.compare`).

    systems: taggers, as `earmark.evaluate` takes them, or files of scores (.parquet, .csv); a mapping names them, else
    "NAME=PATH" or their paths do. metrics: default all of the task. common: compare on the clips that all have, where some miss a few.
    merge: a table of tags, as in `earmark.evaluate`: the systems that have tags of it are compared in merged tags, others
    as they are, so that a tagger of 521 tags stands beside one of ten.
    task: as which the clips are judged, default that of all systems; where these differ or files do not tell it, one tag a
    clip where each clip has one. permutations: of the test that gives the p-values. The rest as in `earmark.evaluate`; each
    run folder remembers the look. Raises EarmarkError for fewer than two systems, other tags, other clips; and what `evaluate`
    raises.

        >>> from earmark.evaluation.comparison import compare
        >>> comparison = compare({"a": "a.parquet", "b": "b.parquet"}, "clips.parquet")  # doctest: +SKIP
        >>> [(pair.a, pair.b, pair.p_holm) for pair in comparison.pairs if pair.metric == "map"]  # doctest: +SKIP
        [('a', 'b', 0.013)]
    """
    checked_number("resamples", resamples)  # refused before the work
    checked_number("permutations", permutations)
    needs("merge_by", merge is None and merge_by != "highest", "merge", "merged tags")
    beside("leaks", seen and leaks != "refuse", "seen=True", heldout.ANY)
    named = dict(systems) if isinstance(systems, Mapping) else _named(systems)
    if task not in (None, "one", "many"):
        raise EarmarkError(f"task is {task!r}: clips are judged as those of task 'one' or 'many'")
    if len(named) < 2:
        raise EarmarkError("a comparison needs two systems at least: give two taggers, runs or files of scores")
    files = [Path(source) for source in named.values() if isinstance(source, str | Path)]
    again = [f"{file} is {first} again: the two cannot differ." for file, first in named_again(files)]
    for line in again:
        progress.say(line)
    request = Request(data, folds, dataset, seen, leaks, settings=Settings(batch, workers), device=device)
    vocabulary = None if merge is None else Vocabulary.load(merge, merge_by)
    files_first = sorted(named, key=lambda name: not _is_file(named[name]))  # what is refused is so before the work
    made = {name: _scores(named[name], request, progress) for name in files_first}
    scored = {name: made[name] for name in named}
    scored = scored if vocabulary is None else _merged(scored, vocabulary)
    lacking = _lacking(scored)
    matched, notes = _match(scored, common)
    chosen = None if metrics is None else current(metrics, progress.say)
    judged, tasks = _task(scored, next(iter(matched.values())), task)
    _check_metrics(chosen, judged)
    levels, decided = _thresholds(scored, next(iter(scored.values())).scores.tags) if judged == "many" else ({}, [])
    comparison = _measured(matched, judged, chosen, levels, resamples, permutations)
    return replace(
        comparison,
        notes=(
            *again,
            *_foreign(scored, named, judged),
            *notes,
            *_of_unknown(next(iter(matched.values())), judged, comparison.pairs),
            *doubts.of_figures(
                {name: of_system.values for name, of_system in matched.items()},
                {system.name: system.metrics for system in comparison.systems},
                next(iter(matched.values())),
                next(iter(scored.values())).scores.tags,
                judged,
                resamples,
            ),
            *lacking,
            *tasks,
            *(decided if any(name in FIGURES for name in comparison.systems[0].metrics) else ()),
            *_nobody_knows(named),
            *_unlike(scored),
            *doubts.at_odds(comparison.pairs),
            *(note for system in scored.values() for note in system.notes),
        ),
        protocol={
            name: f"{counted(len(matched[name].ids), 'clip')}{_of(len(system.scores), len(matched[name].ids))}, from "
            f"{_words(source)}{system.more}"
            for (name, system), source in zip(scored.items(), named.values(), strict=True)
        },
    )


def _unlike(scored: Mapping[str, _Scored]) -> list[str]:
    """A sentence where taggers were trained in different precisions."""
    told = {name: " and ".join(sorted(system.precisions)) for name, system in scored.items() if system.precisions}
    if len({words for system in scored.values() for words in system.precisions}) < 2:
        return []
    each = wording.row([f"{name} in {words}" for name, words in told.items()])
    return [
        f"The taggers were trained in different precisions, {each}: some of a difference may be of that. Train them anew with one "
        "train.precision to know."
    ]


def _of_unknown(matched: Matched, task: Task, pairs: Sequence[Difference]) -> list[str]:
    """How much is not known of the clips, and which metrics leave out more for it than that."""
    names = dict.fromkeys(pair.metric for pair in pairs)
    return [*matched.unknown(task), *left_out(names, None if task == "one" else matched.known)]


def named_by(source: str, taken: Mapping[str, Any]) -> tuple[str, str]:
    """(name, path) of "NAME=PATH" or of a path: then the last part of it that tells it from the others."""
    name, equals, path = source.partition("=")
    if not equals or not name or (Path(source).exists() and not Path(path).exists()):  # a folder such as lr=0.1
        path = source
        place = Path(source)
        plain_name = place.stem in ("tagger", "scores")  # of a run folder: its name says more
        name = place.parent.name if plain_name and place.parent.name not in ("", "evaluation") else place.stem
        name = place.parent.parent.name if place.parent.name == "evaluation" else name
    while name in taken:
        name += "′"
    return name, path


def _named(systems: Sequence[str | Path]) -> dict[str, Source]:
    named: dict[str, Source] = {}
    for source in systems:
        name, path = named_by(str(source), named)
        named[name] = path
    return named


def _lacking(scored: Mapping[str, _Scored]) -> list[str]:
    """A sentence on clips of the data that no file of scores has, where all systems are such files."""
    by_all = frozenset.intersection(*(system.lacking for system in scored.values()))
    of = next(iter(scored.values())).of
    return (
        [f"{len(by_all):,} of the {of} {agreed(len(by_all), 'has', 'have')} no scores in any of the files: left out."]
        if by_all
        else []
    )


def _is_file(source: Source) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix in SUFFIXES


def _words(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else f"the tagger {loading.loaded(source).identity()}"


def _of(scored: int, compared: int) -> str:
    return f" of the {scored:,} that it scores" if scored > compared else ""


def _scores(source: Source, request: Request, progress: Progress) -> _Scored:
    if _is_file(source):
        scores = Scores.load(source)
        clips = open_data(request.data, request.dataset, say=progress.say)
        if request.folds:
            clips = clips.in_folds(request.folds)
        where = "the manifest" if isinstance(request.data, Manifest) else str(request.data)
        where = f"fold {', '.join(request.folds)} of {where}" if request.folds else where
        check_any(str(source), scores, clips, where)
        of, everything = f"{counted(len(clips), 'clip')} of {where}", frozenset(clips.ids.tolist())
        clips = clips.select(np.isin(clips.ids, scores.ids))
        notes = choices.check(str(source), scores, clips.ids.tolist(), request.seen)
        told = [f"{what} {how}" for what, how in choices.told(scores, str(source)).items()]
        if lacking := everything - frozenset(clips.ids.tolist()):
            told.append(f"{len(lacking):,} of the {of} {agreed(len(lacking), 'has', 'have')} no scores in it")
        return _Scored(scores, clips, tuple(notes), "".join(f"; {each}" for each in told), lacking, of, scores.task)
    parts = heldout.score_all(source, request, progress)
    scores, clips = heldout.pooled(parts)
    look(source, parts, clips, request.seen)
    lost = [f"{_words(source)}: {counted(len(part.unread), 'clip')} could not be read" for part in parts if part.unread]
    warnings = [f"{_words(source)}: {note}" for part in parts for note in part.warnings]
    facts = [member.facts for part in parts for member in part.tagger.members]
    computed = frozenset(each.precision.words() for each in facts if each.precision is not None)
    stored = heldout.stored_thresholds(parts, scores)
    several = stored is None and any(part.tagger.facts.thresholds(scores.tags) is not None for part in parts)
    return _Scored(
        scores, clips, (*lost, *warnings), task=parts[0].tagger.task, precisions=computed, thresholds=stored, several=several,
    )  # fmt: skip


def _merged(scored: Mapping[str, _Scored], vocabulary: Vocabulary) -> dict[str, _Scored]:
    """All clips in merged tags, and the scores of those systems that have tags of the table. Raises EarmarkError where none has."""
    named = [name for name, system in scored.items() if set(system.scores.tags) & set(vocabulary.mapping)]
    if not named and not any(vocabulary.made(system.scores.tags) for system in scored.values()):
        vocabulary.of(next(iter(scored.values())).scores.tags)  # tells that the table is for others
    merged = {name: replace(system, clips=vocabulary.manifest(system.clips)) for name, system in scored.items()}
    for name in named:
        system, own = scored[name], scored[name].scores.tags
        told = f"{name}: {vocabulary.notes(own, system.clips)[0]}"
        stored: NDArray[np.float64] | None = None
        lost: tuple[str, ...] = ()
        if system.thresholds is not None:
            stored, lost = vocabulary.thresholds(system.thresholds, own)
        without = [f"{name}: {line}" for line in vocabulary.without_own("thresholds", lost, own)]
        merged[name] = replace(
            merged[name],
            scores=vocabulary.scores(system.scores),
            notes=(*system.notes, told, *without),
            thresholds=None if stored is None or len(lost) == len(stored) else stored,
        )
    return merged


def _match(scored: Mapping[str, _Scored], common: bool) -> tuple[dict[str, Matched], list[str]]:
    """Each system's scores and truth on the clips that all have. Raises EarmarkError where some miss clips or tags."""
    first, *_ = scored
    tags = scored[first].scores.tags
    ids = {name: set(system.clips.ids.tolist()) for name, system in scored.items()}
    shared, notes = set.intersection(*ids.values()), []
    if not shared:
        examples = ", ".join(f"{name} has such as {min(each)!r}" for name, each in ids.items() if each)
        raise EarmarkError(f"the systems have no clip in common: {examples}. Give such as have the same clips")
    for name, system in scored.items():
        if set(system.scores.tags) != set(tags):
            apart = sorted(set(system.scores.tags) ^ set(tags))
            raise EarmarkError(f"{first} and {name} have different tags, such as {apart[0]!r}: they cannot be compared")
        if len(ids[name]) > len(shared):
            lack = f"{name} has {counted(len(ids[name]) - len(shared), 'clip')} that another system lacks"
            if not common:
                raise EarmarkError(f"{lack}: say --common to compare on the {len(shared):,} that all have")
            notes.append(f"{lack}: left out.")
    matched = {}
    for name, system in scored.items():
        place = [system.scores.tags.index(tag) for tag in tags]
        ordered = replace(system.scores, values=system.scores.values[:, place], tags=tags)
        matched[name] = match(ordered, grouped(system.clips.select(np.isin(system.clips.ids, sorted(shared)))))
    return matched, notes


def _task(scored: Mapping[str, _Scored], clips: Matched, asked: Task | None) -> tuple[Task, list[str]]:
    """As which the clips are judged, and a sentence where a tagger is judged as one of another task than its own.

    Raises EarmarkError where clips are to be judged as those of one tag and are not.
    """
    several = np.flatnonzero(clips.truth.sum(1) != 1)
    own = {system.task for system in scored.values()}
    by_clips: Task = "many" if len(several) else "one"
    if asked == "one" and len(several):
        raise EarmarkError(
            f"--task one: {counted(len(several), 'clip has', 'clips have')} not exactly one tag, first: {clips.ids[several[0]]}. Leave "
            f"{agreed(len(several), 'this clip', 'these clips')} out, or compare as --task many"
        )
    told = next(iter(own)) if len(own) == 1 else None
    judged: Task = asked or (by_clips if told is None or (told == "one" and len(several)) else told)
    how = "some clips have not" if len(several) else "each clip has"
    if own == {None} and asked is None:
        return judged, [f"No file tells its task: all were judged as of task {judged}, since {how} exactly one tag."]
    if own <= {None, judged}:
        return judged, []
    tasks = [
        f"{name} is {'a file, which tells none' if system.task is None else f'of task {system.task}'}"
        for name, system in scored.items()
    ]
    why = "as asked" if asked else f"since {how} exactly one tag"
    return judged, [f"All were judged as of task {judged}, {why}: {wording.row(tasks)}."]


def _check_metrics(chosen: Sequence[str] | None, task: Task) -> None:
    """Raises EarmarkError for metrics of the other task, with the way to them."""
    for name in chosen or ():
        if name in METRICS.names() and task not in (tasks := METRICS[name].facts["tasks"]):
            raise EarmarkError(
                f"the metric {name!r} is for task {tasks[0]!r}, and these systems are judged as of task {task!r}: say --task "
                f"{tasks[0]}, or take another metric"
            )


def _thresholds(scored: Mapping[str, _Scored], tags: Sequence[str]) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Of each system that stores some, (tags,), in this order of tags; and a sentence on which thresholds decide."""
    levels = {
        name: system.thresholds[[system.scores.tags.index(tag) for tag in tags]]
        for name, system in scored.items()
        if system.thresholds is not None
    }
    several = [name for name, system in scored.items() if system.several]
    if not levels and not several:
        return {}, []
    others = [name for name in scored if name not in levels]
    told = [f"of {wording.row(list(levels))} with the thresholds that they store"] if levels else []
    told += [f"of {wording.row(others)} with {DEFAULT:g}"] if others else []
    why = f" ({wording.row(several)}: different ones are stored)" if several else ""
    return levels, [f"F1 is that of decisions {wording.row(told)}{why}."]


def _foreign(scored: Mapping[str, _Scored], named: Mapping[str, Source], task: Task) -> list[str]:
    """Of systems that answer many clips with what no clip has, which may be no tags."""
    return [
        f"{name}: {line}"
        for name, system in scored.items()
        for line in foreign(system.scores, system.clips, task, table=_is_file(named[name]))
    ]


def _nobody_knows(named: Mapping[str, Source]) -> list[str]:
    files = [name for name, source in named.items() if _is_file(source)]
    return (
        [choices.NOBODY_KNOWS if len(files) == len(named) else f"{', '.join(files)}: {choices.NOBODY_KNOWS}"]
        if files
        else []
    )


def _measured(
    matched: Mapping[str, Matched],
    task: Task,
    chosen: Sequence[str] | None,
    levels: Mapping[str, NDArray[np.float64]],
    resamples: int,
    permutations: int,
) -> Comparison:
    first = next(iter(matched.values()))
    values = {name: of_system.values for name, of_system in matched.items()}
    thresholds: list[float | NDArray[np.float64]] = [levels.get(name, DEFAULT) for name in values]
    how: dict[str, Any] = {"resamples": resamples, "metrics": chosen}
    truth = first.judged_as(task)
    systems = [
        System(name, metrics.evaluate(of_system, truth, first.groups, task, threshold=threshold, **how))
        for (name, of_system), threshold in zip(values.items(), thresholds, strict=True)
    ]
    pairs = metrics.compare(values, truth, first.groups, task, permutations=permutations, thresholds=thresholds, **how)
    return Comparison(tuple(systems), pairs, len(first.ids), matched=matched)
