"""Which figures may be written into a tagger's file: those of the tagger as the file has it, on clips that it has not heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import EarmarkError
from earmark.evaluation import heldout
from earmark.evaluation.heldout import Source
from earmark.models import loading

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

HEARD = "a tagger's file tells its figures on clips that it has not heard, and others were allowed. Leave one out"


def check(tagger: Source, hop: float | str | None, seen: bool, precision: str) -> None:
    """Raises EarmarkError where figures are not those of one tagger as its file has it, on clips that it has not heard."""
    heldout.check_single(tagger)
    check_precision(precision)
    if seen:
        raise EarmarkError(f"--record and --seen: {HEARD}")
    if hop is not None:
        raise EarmarkError(
            f"--record and --hop {hop}: the figures would not be those of {tagger} as it is. Leave one out"
        )


def check_precision(asked: str) -> None:
    """Raises EarmarkError where figures that are to be recorded would be of a computation in fewer digits."""
    if asked not in ("auto", "float32"):
        raise EarmarkError(
            f"--record and --precision {asked}: a tagger's file tells its figures in float32, and these would be others. Leave one out"
        )


def check_as_it_is(file: str | Path, tagger: AnyTagger) -> None:
    """Raises EarmarkError where a tagger whose figures are to be written into a file is not the one in it, or hears otherwise."""
    for member in tagger.members:
        check_precision(member.precision)
    if loading.load(file).identity() != tagger.identity():
        raise EarmarkError(
            f"{file}: holds another tagger than the one that was judged, or other windows, and would be lost. Judge the one in the file"
        )
