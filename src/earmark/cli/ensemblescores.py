"""What `earmark ensemble` makes of score files: one of all, searched weights, who answers like whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from earmark.cli.members import names_of, save, summary

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.scores import Scores, Task
    from earmark.scores.ensemble import Metric, Search

NEAR_ONE = 1e-3  # how far a clip's scores may be from summing to one where each clip has one tag


@dataclass(frozen=True)
class Asked:
    """What the user asked of score files."""

    rule: Literal["arithmetic", "geometric", "rank"]
    over: Literal["clips", "tags"]
    only: Literal["same", "common"]
    task: Task | None
    metric: str | None
    rounds: int
    data: Path | None
    dataset: str | None
    search: bool
    cross: bool
    agreement: bool


def of_scores(
    files: list[Path], out: Path | None, weights: Sequence[float] | None, asked: Asked, tables: bool
) -> dict[str, Any]:
    """Search, compare and combine score files, whatever of it was asked for."""
    from earmark.cli.console import say
    from earmark.data.splits import facts
    from earmark.scores import Scores
    from earmark.scores import ensemble as ensembles

    members, names = [Scores.load(file) for file in files], names_of(files)
    task = asked.task or _task(members)
    how: dict[str, Any] = {"over": asked.over, "task": task, "names": names}
    same = ensembles.align(members, asked.only, names)
    told: dict[str, Any] = {"task": task}
    clips = None if asked.data is None else _clips(same[0], asked.data, asked.dataset)
    truth = None if clips is None else clips.truth(same[0].tags)
    metric, function = _metric(asked.metric, task)
    whole = None
    if asked.search and clips is not None and truth is not None:
        found = ensembles.search_weights(same, truth, function, asked.rule, rounds=asked.rounds, **how)
        weights = found.counts
        told["search"] = {"metric": metric, **found.as_dict()}
        if tables:
            _show_search(found, names, metric)
        say(ensembles.OPTIMISTIC)
        if asked.cross:
            crossed = ensembles.search_across(
                same, truth, clips.folds, function, asked.rule, rounds=asked.rounds, **how
            )
            whole = crossed.scores
            told["cross"] = {"metric": metric, "value": crossed.value, "counts": crossed.counts}
            if tables:
                print(f"each fold with the weights that the others chose: {metric} {crossed.value:.4f}")
    if asked.agreement:
        measured = None if truth is None else function
        table = ensembles.agreement(same, truth, measured, asked.rule, weights, metric_name=metric, **how)
        told["agreement"] = table.as_dict()
        if tables:
            print(table.text())
    if out is not None:
        if whole is None:
            whole = ensembles.combine(members, asked.rule, weights, only=asked.only, **how)
        if asked.search and clips is not None:
            whole.facts["ensemble"]["weights chosen"] = {"by": metric, "across folds": asked.cross, **facts(clips)}
        save(whole, out)
        told["ensemble"] = {key: value for key, value in whole.facts["ensemble"].items() if key != "members"}
        shares = [] if asked.cross else whole.facts["ensemble"]["weights"]
        told["summary"] = f"{len(whole)} rows, {len(whole.tags)} tags; {summary(asked.rule, shares, names, '')}"
        if left := len(members[0]) - len(whole):
            say(f"{left} of the {len(members[0])} rows of {names[0]} have no scores of all members and are left out")
    return told


def _task(members: Sequence[Scores]) -> Task:
    """One tag a clip where all members' scores of each clip sum to one."""
    import numpy as np

    from earmark.cli.console import say

    one = all(bool((np.abs(member.values.sum(1) - 1) <= NEAR_ONE).all()) for member in members)
    say(
        f"task {'one' if one else 'many'}: the scores of each clip {'' if one else 'do not '}sum to one (--task says otherwise)"
    )
    return "one" if one else "many"


def _clips(scores: Scores, data: Path, dataset: str | None) -> Manifest:
    """The clips that the scores are of, row by row."""
    import numpy as np

    from earmark.cli.console import open_data
    from earmark.errors import ScoresError

    clips = open_data(data, dataset)
    ids, count = np.unique(scores.ids, return_counts=True)
    if (count > 1).any():
        raise ScoresError(
            f"{ids[count.argmax()]} has {count.max()} rows: the clips' tags say nothing of single windows. Give scores of clips"
        )
    place = {id_: row for row, id_ in enumerate(clips.ids.tolist())}
    missing = [id_ for id_ in scores.ids.tolist() if id_ not in place]
    if missing:
        raise ScoresError(f"{len(missing)} of {len(scores)} scored clips are not in {data}, such as {missing[0]}")
    return clips.select([place[id_] for id_ in scores.ids.tolist()])


def _metric(name: str | None, task: Task) -> tuple[str, Metric]:
    from earmark.errors import ScoresError
    from earmark.registry import METRICS

    name = name or ("accuracy" if task == "one" else "map")
    entry = METRICS[name]
    if task not in entry.facts.get("tasks", ()):
        raise ScoresError(f"the metric {name!r} is not for task {task!r}: see `earmark list metrics`")
    return name, entry.function


def _show_search(found: Search, names: list[str], metric: str) -> None:
    from earmark.cli.console import print_table

    rows = [(i + 1, names[step.member], f"{step.value:.4f}") for i, step in enumerate(found.path)]
    print_table(["round", "added", metric], rows)
    print(f"--weights {':'.join(map(str, found.counts))}: {metric} {found.value:.4f}")
