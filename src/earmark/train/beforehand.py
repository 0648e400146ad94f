"""What is refused of runs that come after others, before the first of them is trained: clips, plans and teachers of each turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from earmark.data import leaks, sounds
from earmark.data.manifest import Manifest
from earmark.errors import ManifestError
from earmark.recipe import Recipe
from earmark.train import bases
from earmark.train.folds import divide
from earmark.train.plausible import check_plans, check_vocabulary
from earmark.train.teaching import Teachers, check_teachers


def check(recipe: Recipe, manifest: Manifest, teachers: Teachers | None = None) -> None:
    """Raises what `earmark.train.train` does for clips, tags, plans and teachers that do not fit; says nothing, as that will."""
    manifest, parts = divide(recipe, manifest)
    check_vocabulary(parts, manifest.vocabulary, recipe, _nothing)
    check_teachers(recipe, teachers, manifest.vocabulary)
    if teachers is not None:
        bases.check(teachers.bases(), recipe, manifest, parts, _nothing)
    check_plans(recipe, parts.validation, manifest.vocabulary)


def check_turns(turns: Mapping[str, Recipe], manifest: Manifest, *, resume: bool = False, workers: int = 2) -> None:
    """The same of folds, by their names, and whether their sounds lie apart."""
    for name, recipe in turns.items():
        with of_fold(name):
            check(recipe, manifest)
    check_sounds(turns, manifest, resume=resume, workers=workers)


def check_sounds(turns: Mapping[str, Recipe], manifest: Manifest, *, resume: bool = False, workers: int = 2) -> None:
    """Raises ManifestError where a sound lies on two sides of a fold's split. Reads the clips' files once, so that it is looked at last.

    resume: some may have learnt, and go on as they were begun, whatever lies on two sides of theirs: nothing is looked at.
    """
    if resume:
        return
    digest = sounds.of_files(manifest, workers)
    for name, recipe in turns.items():
        with of_fold(name):
            _, parts = divide(recipe, manifest)
            leaks.check_sounds(parts, digest, bear=recipe.data.shared_groups == "report")


@contextmanager
def of_fold(name: str | None) -> Iterator[None]:
    """What clips are refused for is told of the fold whose turn it is; None: there are no turns."""
    try:
        yield
    except ManifestError as error:
        if name is None:
            raise
        raise ManifestError(f"fold {name}: {error}") from error


def _nothing(line: str) -> None: ...
