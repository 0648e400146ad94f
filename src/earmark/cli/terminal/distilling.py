"""Distilling as a terminal sees it: a student for each fold, the same net alone, and the report on both and their teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.recipe import Recipe
    from earmark.train.began import Began
    from earmark.train.folds import Turns

STUDENT, ALONE, REPORT = "student", "alone", "report"  # folders, and names in the report


@dataclass(frozen=True)
class How:
    """As the verb's options say."""

    temperature: float | None
    share: float | None
    merge: Path | None
    merge_by: Literal["highest", "sum"]


def distil(
    places: Sequence[str],
    into: str,
    settings: Sequence[str],
    data: Path,
    out: Path,
    how: How,
    *,
    folds: Sequence[str] | None,
    alone: bool,
    told: Mapping[str, Any],
    resamples: int,
) -> None:
    """Raises EarmarkError for what does not fit, before anything is trained: tags, folds, a teacher that heard test clips."""
    from earmark import recipe as recipes
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.training import opened, train_one
    from earmark.evaluation.vocabulary import Vocabulary
    from earmark.train import beforehand
    from earmark.train.began import Began
    from earmark.train.folds import Turns
    from earmark.train.teaching import Teachers

    _check_place(out)
    plan = recipes.load(into, settings, say)
    clips = opened(plan, settings, data)
    merged = None if how.merge is None else Vocabulary.load(how.merge, how.merge_by)
    turns = None if folds is None else Turns.of(plan, clips, folds, say)
    wanted = {None: plan} if turns is None else {name: turns.all[name] for name in turns.wanted}

    def taught(fold: str | None, own: Recipe) -> tuple[Recipe, Teachers]:
        teachers = Teachers.load(places, merged, fold, str(told["device"]))
        return teachers.recipe(own, how.temperature, how.share), teachers

    students: dict[str | None, Recipe] = {}
    for fold, own in wanted.items():  # all, before any is trained; their teachers are not kept in memory
        students[fold], teachers = taught(fold, own)
        with beforehand.of_fold(fold):
            beforehand.check(students[fold], clips, teachers)
    begun = Began(clips.vocabulary, told["salvage"], teachers.merged())
    _check_runs(out / STUDENT, turns, students, begun, bool(told["resume"]))
    if alone:
        every = wanted if turns is None else turns.all
        begun = replace(begun, merge=None)
        _check_runs(
            out / ALONE, turns, {fold: _untaught(own) for fold, own in every.items()}, begun, bool(told["resume"])
        )
    if turns is not None:
        own_of = {name: turns.all[name] for name in turns.wanted}
        beforehand.check_sounds(own_of, clips, resume=told["resume"], workers=told["workers"])
    told = {**told, "beside": out}
    for fold, own in wanted.items():
        student, teachers = taught(fold, own)
        part = f"fold-{fold}" if fold else ""
        title = f"fold {fold} " if fold else ""
        train_one(student, clips, out / STUDENT / part, {**told, "teachers": teachers}, f"{title}{STUDENT}")
        if alone:
            train_one(_untaught(own), clips, out / ALONE / part, dict(told), f"{title}{ALONE}")
    systems = {STUDENT: out / STUDENT} | ({ALONE: out / ALONE} if alone else {})
    if not folds:
        systems = {name: folder / "tagger.safetensors" for name, folder in systems.items()}
    if not folds and not plan.data.test:
        say(f"{out / STUDENT}: no folds are kept apart (data.test is empty), so nothing is compared")
        return
    _report(systems, places, clips, how, out / REPORT, resamples)


def _check_place(out: Path) -> None:
    """Raises EarmarkError for a folder with something else than what goes there."""
    from earmark.errors import EarmarkError
    from earmark.train import precision

    ours = {STUDENT, ALONE, REPORT, precision.FILE}
    if out.is_dir() and (others := sorted({each.name for each in out.iterdir()} - ours)):
        raise EarmarkError(f"{out}: is not empty and holds {others[0]}, which no distilling made: take another --out")


def _check_runs(
    out: Path, turns: Turns | None, wanted: Mapping[str | None, Recipe], begun: Began, resume: bool
) -> None:
    """Raises EarmarkError where the runs cannot go into the folder: all folds', or the one."""
    from earmark.train import places

    if turns is None:
        places.check_run(out, wanted[None], resume)
    else:
        places.check_folds(out, {str(fold): recipe for fold, recipe in wanted.items()}, turns.wanted, begun, resume)


def _untaught(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"distil": None})


def _report(
    systems: Mapping[str, Path],
    places: Sequence[str],
    clips: Manifest,
    how: How,
    out: Path,
    resamples: int,
) -> None:
    """Compare all on the clips that all were kept apart from; teachers are left out where they cannot be judged there."""
    from earmark import report
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import say
    from earmark.errors import EarmarkError
    from earmark.evaluation import comparison

    named: dict[str, Any] = {}
    for place in places:
        name, path = comparison.named_by(place, {**systems, **named})
        kept = Path(path) / "tagger.safetensors"
        named[name] = kept if kept.is_file() else path  # a single run's; of a run over folds the folder stands for all
    options: dict[str, Any] = {"common": True, "resamples": resamples, "progress": Bar()}
    merge: dict[str, Any] = {"merge": how.merge, "merge_by": how.merge_by} if how.merge else {}
    try:
        told = comparison.compare({**systems, **named}, clips, **options, **merge)
    except EarmarkError as error:
        say(f"teachers are not compared: {error}")
        if len(systems) < 2:
            return
        told = comparison.compare(dict(systems), clips, **options)
    report.write_comparison(told, out, "comparison")
    print(report.markdown_of_comparison(told, "comparison"))
    say(f"{out}: comparison.html, .md, .json and .pairs.csv")
