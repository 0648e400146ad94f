"""What trainings that ended leave, kept beside the results: so verdicts are told from files, and a claim whose trainings take days
goes on on another machine.

results/claims/trainings/NET-DIGEST/    scores.parquet, epochs.parquet where it is asked for, log.csv of each phase, recipe.yaml,
                                        and done.json, written last

What a training is called hangs on its recipe and its clips, and not on the code: who changes what a net or a loss computes takes
away what is kept of it. done.json tells the versions that it was made by.

Weights and what only they tell, such as when events are heard, are not kept: claims of events are trained anew elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from claims.claim import EVENT_F1, Claim
from claims.trainings import DONE, EPOCHS, SCORES, Training
from earmark.files import write_bytes
from earmark.train.folder import LOG

FOLDER = "trainings"
NAMES = ("recipe.yaml", SCORES, EPOCHS)


def keep(one: Training, results: Path) -> None:
    """A training that has ended."""
    _copy(one.folder, results / FOLDER / one.folder.name)


def bring(claim: Claim, planned: Sequence[Training], results: Path) -> list[str]:
    """Those that ended elsewhere, put where they would have ended here; their names."""
    if claim.metric == EVENT_F1:
        return []
    brought = []
    for one in {each.folder: each for each in planned if not each.ended()}.values():
        there = Training(one.plan, one.clips, results / FOLDER / one.folder.name, one.epochs)
        if there.ended():
            _copy(there.folder, one.folder)
            brought.append(one.folder.name)
    return brought


def _copy(there: Path, here: Path) -> None:
    files = [there / name for name in NAMES if (there / name).is_file()]
    for file in [*files, *sorted(there.rglob(LOG)), there / DONE]:
        to = here / file.relative_to(there)
        to.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(to, file.read_bytes())
