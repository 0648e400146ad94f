"""What can be made of score files: one of all, weights that are searched, who answers like whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from earmark.data.datasets import open_data
from earmark.data.leaks import leaks
from earmark.data.manifest import Manifest
from earmark.data.matching import unknown_of
from earmark.data.splits import ClipSet
from earmark.errors import ScoresError, agreed, counted
from earmark.errors.kinds import checked
from earmark.errors.unused import beside, needs
from earmark.evaluation import choices
from earmark.evaluation.members import names_of, summary
from earmark.metrics.clips import Clips, Draw
from earmark.metrics.intervals import left_out, measure
from earmark.metrics.naming import current
from earmark.metrics.probabilities import log_loss
from earmark.progress import QUIET, Progress
from earmark.registry import METRICS
from earmark.scores import Scores, Task
from earmark.scores import ensemble as ensembles
from earmark.scores.ensemble import Agreement, Crossed, Metric, Name, Over, Rule, Search, rows
from earmark.scores.ensemble import temperature as warmth
from earmark.scores.ensemble.search import ROUNDS
from earmark.scores.plain import few

SHOWN = 12  # tags that are left out
NEAR_ONE = 1e-3  # how far a clip's scores may be from summing to one where each clip has one tag


@dataclass(frozen=True)
class Left:
    """What of a member is left out, since not all members have it: rows, of so many, and tags."""

    name: str
    rows: int
    of: int
    tags: tuple[str, ...]

    def words(self) -> list[str]:
        """Sentences for people, one of rows and one of tags, where there are some."""
        rows = (
            f"{self.rows:,} of the {counted(self.of, 'row')} of {self.name} {agreed(self.rows, 'has', 'have')} no scores of "
            f"all members and {agreed(self.rows, 'is', 'are')} left out"
        )
        tags = (
            f"{agreed(len(self.tags), 'a tag', 'tags')} of {self.name} that not all members know "
            f"{agreed(len(self.tags), 'is', 'are')} left out: {few(self.tags, SHOWN)}"
        )
        return [*([rows] if self.rows else []), *([tags] if self.tags else [])]


@dataclass(frozen=True, eq=False)
class Combination:
    """names: of the members. metric: by which weights were searched. search, cross, agreement: where they were asked for.

    scores: of all together, where they were asked for. lacking: what of each member is left out, of all that is told here.
    """

    task: Task
    rule: Name
    names: tuple[str, ...]
    metric: str
    search: Search | None
    cross: Crossed | None
    agreement: Agreement | None
    scores: Scores | None
    lacking: tuple[Left, ...] = ()

    @property
    def left_out(self) -> int:
        """Rows of the first member that not all members have."""
        return self.lacking[0].rows if self.lacking else 0

    @property
    def summary(self) -> str:
        """What the scores are, in words; empty where there are none."""
        if self.scores is None:
            return ""
        shares = [] if self.cross is not None else self.scores.facts["ensemble"]["weights"]
        return f"{counted(len(self.scores), 'row')}, {counted(len(self.scores.tags), 'tag')}; {summary(self.rule, shares, self.names)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        facts: dict[str, Any] = {"task": self.task}
        if any(each.words() for each in self.lacking):
            facts["left out"] = [asdict(each) for each in self.lacking]
        if self.search is not None:
            facts["search"] = {"metric": self.metric, **self.search.as_dict()}
        if self.cross is not None:
            facts["cross"] = {"metric": self.metric, "value": self.cross.value, "counts": self.cross.counts}
        if self.agreement is not None:
            facts["agreement"] = self.agreement.as_dict()
        if self.scores is not None:
            stored = self.scores.facts["ensemble"]
            facts["ensemble"] = choices.shown({key: value for key, value in stored.items() if key != "members"})
            facts["summary"] = self.summary
            facts |= {choices.BORNE: self.borne} if self.borne else {}
        return facts

    @property
    def borne(self) -> list[str]:
        """What was borne when the scores, or those of a member, were made, as they tell it later."""
        return [] if self.scores is None else choices.borne(self.scores)


@checked
def combine(
    files: Sequence[str | Path],
    *,
    rule: Name = "arithmetic",
    weights: Sequence[float] | None = None,
    over: Over = "clips",
    only: Literal["same", "common"] = "same",
    task: Task | None = None,
    data: str | Path | Manifest | None = None,
    dataset: str | None = None,
    metric: str | None = None,
    search: bool = False,
    cross: bool = False,
    temperature: float | Literal["fit"] | None = None,
    rounds: int = ROUNDS,
    agreement: bool = False,
    scores: bool = True,
    progress: Progress = QUIET,
) -> Combination:
    """Search, compare and combine score files, whatever of it is asked for.

    weights: one a member, in any proportion; default all the same. over: what the rank rule ranks. only: the members must
    have the same clips, or the common ones are taken. task: default what the files tell, else "one" where each clip's scores
    sum to one. data: the clips' tags, which search, cross and figures of agreement need. search: weights that suit the metric,
    in so many rounds; cross: each fold with the weights, and the temperature, that the others chose. temperature: of one tag a clip, a
    number, or "fit": that of the least log loss on these clips (`earmark.scores.ensemble.temperature`). metric: default
    accuracy, in task many mAP. agreement: who answers like whom. scores: combine them. Raises ScoresError, ManifestError.

        >>> from earmark.evaluation.ensembles import combine
        >>> combine(["a/scores.parquet", "b/scores.parquet"], weights=[2, 1]).scores.save("both.parquet")  # doctest: +SKIP
    """
    chosen = search or temperature == "fit"
    if cross and not chosen:
        raise ScoresError("cross says how weights are searched or a temperature is fitted: ask for one of them too")
    if chosen and data is None:
        raise ScoresError("a search of weights, or of a temperature, needs the clips' tags: give the data")
    if temperature is not None and (rule == "rank" or not scores):
        raise ScoresError(
            "a temperature is of the scores of all members together, and not of ranks: --rule geometric, and -o"
        )
    beside("weights", search and weights is not None, "search=True", "it finds them")
    figured = search or (agreement and data is not None)
    for option, idle, other, of in (
        ("over", over != "clips" and rule != "rank", "rule='rank'", "what is ranked"),
        ("rounds", rounds != ROUNDS and not search, "search=True", "a search of weights"),
        ("dataset", dataset is not None and data is None, "data", "the folder of a data set"),
        ("data", data is not None and not (chosen or agreement), "search, agreement or temperature='fit'", "a choice and figures"),
        ("metric", metric is not None and not figured, "search, or agreement and data", "a search of weights and what each member adds"),
    ):  # fmt: skip
        needs(option, idle, other, of)
    members, names = [Scores.load(file) for file in files], names_of([Path(file) for file in files])
    task = task or _task(members, progress)
    how: dict[str, Any] = {"over": over, "task": task, "names": names}
    same = ensembles.align(members, only, names)
    clips = None if data is None else _clips(same[0], data, dataset, progress.say)
    truth = None if clips is None else clips.judged_as(task, same[0].tags)
    named, function = _metric(current([metric], progress.say)[0] if metric else None, task)
    least = bool(METRICS[named].facts.get("least"))
    tied: list[str] = []
    if clips is not None:
        for name, member in zip(names, members, strict=True):
            for line in choices.check(name, member, same[0].ids.tolist(), seen=True):
                progress.say(line)
        for line in _unknown(clips, same[0].tags, task, named, agreement):
            progress.say(line)
        tied = _tied(clips) if cross else []
        for line in tied:
            progress.say(f"{line} Folds that keep them together are dealt with `earmark index … --folds 5`")
    searched: Search | None = None
    crossed: Crossed | None = None
    table: Agreement | None = None
    if search and clips is not None:
        folds = clips.folds if cross else None
        searched, crossed = _chosen(same, truth, folds, function, least, rule=rule, rounds=rounds, **how)
        weights = searched.counts
        progress.say(ensembles.OPTIMISTIC)
    if agreement:
        measured = None if truth is None else function
        table = ensembles.agreement(same, truth, measured, rule, weights, metric_name=named, least=least, **how)
    for line in _valueless(named, searched, crossed, table):
        progress.say(line)
    whole: Scores | None = None
    if scores:
        whole = crossed.scores if crossed else ensembles.combine(members, rule, weights, only=only, **how)
        if crossed and only == "common":
            whole.facts["ensemble"]["left out"] = rows.left_out(members, same[0])
        if searched is not None and clips is not None:
            whole.facts["ensemble"]["weights chosen"] = choices.fact(named, cross, ClipSet.of(clips))
        if temperature is not None:
            of_fold = partial(crossed.of_fold, members=same, rule=Rule(rule, over, task)) if crossed else None
            whole = _tempered(whole, temperature, clips, cross, progress, of_fold)
        whole = choices.bearing(whole, tied)
    return Combination(
        task, rule, tuple(names), named, searched, crossed, table, whole, _lacking(members, same[0], names)
    )


def _chosen(
    same: Sequence[Scores], truth: Any, folds: Any, function: Metric, least: bool, **how: Any
) -> tuple[Search, Crossed | None]:
    """The weights of all clips, and those of each fold where there are folds. least: whether less of the metric is better."""
    best = _negated(function) if least else function
    searched = ensembles.search_weights(same, truth, best, **how)
    crossed = None if folds is None else ensembles.search_across(same, truth, folds, best, **how)
    if not least:
        return searched, crossed
    return searched.negated(), None if crossed is None else replace(crossed, value=-crossed.value)


def _lacking(members: Sequence[Scores], kept: Scores, names: Sequence[str]) -> tuple[Left, ...]:
    """What of each member is not among the rows and tags of all."""
    return tuple(
        Left(name, len(member) - len(kept), len(member), tuple(tag for tag in member.tags if tag not in kept.tags))
        for name, member in zip(names, members, strict=True)
    )


def _tempered(
    scores: Scores,
    asked: float | str,
    clips: Manifest | None,
    cross: bool,
    progress: Progress,
    of_fold: Callable[[str], Any] | None,
) -> Scores:
    """The scores at a temperature; what it is, and what it was chosen on, is among their facts. of_fold: see `warmth.across`."""
    facts: dict[str, Any] = dict(scores.facts["ensemble"])
    if not isinstance(asked, str):
        values, facts["temperature"] = warmth.tempered(scores.values, asked), warmth.checked(asked)
    else:
        assert clips is not None
        truth = clips.judged_as("one", scores.tags)  # a temperature is of one tag a clip
        facts["temperature chosen"] = choices.fact("log_loss", cross, ClipSet.of(clips))
        if cross:
            values, facts["temperature by fold"] = warmth.across(scores.values, truth, clips.folds, of_fold)
            if edges := [fold for fold, each in facts["temperature by fold"].items() if warmth.at_edge(each)]:
                progress.say(_edge(f"the temperature of fold {', '.join(edges)}", "the other folds' clips"))
        else:
            facts["temperature"] = warmth.fit(scores.values, truth)
            values = warmth.tempered(scores.values, facts["temperature"])
            chosen, on = facts["temperature"], f"these very {counted(len(clips), 'clip')}"
            told = f"temperature {chosen:.3f}"
            edge = warmth.at_edge(chosen)
            progress.say(_edge(told, on) if edge else f"{told}, chosen on {on}: report the ensemble on others with it")
        before, after = (log_loss(each, truth) for each in (scores.values, values))
        progress.say(f"log loss {before:.4f} without it, {after:.4f} with it{', over folds' if cross else ''}")
    return replace(scores, values=values, facts={"ensemble": facts})


def _edge(what: str, clips: str) -> str:
    return (
        f"{what} is an edge of the search ({warmth.LEAST:g} to {warmth.MOST:g}), up to which the log loss of {clips} falls: they do not "
        "tell where it would end, as where all answers are right, or all wrong. Take more clips, or give a number with --temperature"
    )


def _task(members: Sequence[Scores], progress: Progress) -> Task:
    """As the members' files tell, where those that tell it agree; else one tag a clip where all members' scores of each clip sum to one."""
    told = {member.task for member in members if member.task is not None}
    if len(told) == 1:
        (task,) = told
        progress.say(f"task {task}: so the scores tell (--task says otherwise)")
        return task
    one = all(bool((np.abs(member.values.sum(1) - 1) <= NEAR_ONE).all()) for member in members)
    progress.say(
        f"task {'one' if one else 'many'}: the scores of each clip {'' if one else 'do not '}sum to one (--task says otherwise)"
    )
    return "one" if one else "many"


def _clips(scores: Scores, data: str | Path | Manifest, dataset: str | None, say: Callable[[str], None]) -> Manifest:
    """The clips that the scores are of, row by row."""
    clips = open_data(data, dataset, say=say)
    ids, count = np.unique(scores.ids, return_counts=True)
    if (count > 1).any():
        raise ScoresError(
            f"{ids[count.argmax()]} has {counted(count.max(), 'row')}: the clips' tags say nothing of single windows. Give scores of clips"
        )
    place = {id_: row for row, id_ in enumerate(clips.ids.tolist())}
    missing = [id_ for id_ in scores.ids.tolist() if id_ not in place]
    if missing:
        where = "the manifest" if isinstance(data, Manifest) else data
        raise ScoresError(
            f"{len(missing):,} of {counted(len(scores), 'scored clip')} {agreed(len(missing), 'is', 'are')} not in {where}, "
            f"such as {missing[0]}"
        )
    return clips.select([place[id_] for id_ in scores.ids.tolist()])


def _valueless(metric: str, search: Search | None, cross: Crossed | None, table: Agreement | None) -> list[str]:
    """Which figures have no value, or no finite one, and why, in sentences: JSON tells null of them."""
    told: dict[str, float | None] = {part.name: part.alone for part in table.parts} if table else {}
    told |= {f"all without {part.name}": part.without for part in table.parts} if table else {}
    told |= {"all together": table.value} if table else {}
    told |= {"the weights that were chosen": search.value} if search else {}
    told |= {"the weights that the other folds chose": cross.value} if cross else {}
    known = {name: value for name, value in told.items() if value is not None}
    none = [name for name, value in known.items() if math.isnan(value)]
    infinite = [name for name, value in known.items() if math.isinf(value)]
    why = "no tag or clip defines it, or it is of probabilities, and these scores are none"
    return [
        *([f"{metric} has no value for {few(none)}: {why}. JSON tells null"] if none else []),
        *(
            [f"{metric} is infinite for {few(infinite)}, and so are differences from that: JSON tells null"]
            if infinite
            else []
        ),
    ]


def _tied(clips: Manifest) -> list[str]:
    """A sentence where clips that belong together lie in several folds, so that some had a part in what was chosen for others of them."""
    found = leaks(clips, hashes=False)
    if not found:
        return []
    several = (
        f"{counted(len(found), 'group or recording lies', 'groups or recordings lie')} in several folds, such as: "
        if len(found) > 1
        else ""
    )
    return [
        f"--cross: {several}{found[0].sentence}. Clips that belong together had a part in what was chosen for each other: figures are "
        "better than on groups never heard."
    ]


def _negated(metric: Metric) -> Metric:
    """A search wants more of its metric; of a loss less is better."""
    return lambda values, truth: -metric(values, truth)


def _unknown(clips: Manifest, tags: Sequence[str], task: Task, metric: str, agreement: bool) -> list[str]:
    """What is not known of the clips, and what the figures make of it, in sentences."""
    known = None if clips.knows_all else clips.known(tags)
    told = unknown_of(known, task)
    if not told or task == "one":
        return told
    told += left_out([metric], known)
    if agreement:
        told.append(
            "How alike members answer, and how their scores correlate, is of all pairs: that compares members with each other."
        )
    return told


def _metric(name: str | None, task: Task) -> tuple[str, Metric]:
    """Its name, and what it is of: (values, truth) → figure, in which what is not known counts nowhere."""
    name = name or ("accuracy" if task == "one" else "map")
    entry = METRICS[name]
    if task not in entry.facts.get("tasks", ()):
        raise ScoresError(f"the metric {name!r} is not for task {task!r}: see `earmark list metrics`")

    def figure(values: Any, truth: Any) -> float:
        return float(measure(name, Draw(Clips(values, truth, alone=task == "one")))[0])

    return name, figure
