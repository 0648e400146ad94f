"""What `earmark retrain` reads, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.terminal.console import print_json, print_table, say

if TYPE_CHECKING:
    from earmark.train.heads.retraining import Changed
    from earmark.train.heads.run import How

COLUMNS = ("tag", "reviewed", "right before", "right after", "gained", "lost", "difference", "from", "to")


def retrain(
    tagger: str, table: Path, places: Sequence[Path], data: Path, dataset: str | None, out: Path, how: How, device: str, as_json: bool
) -> None:  # fmt: skip
    """Train, and print what changed by tag."""
    from earmark import audio
    from earmark.cli.terminal.bar import Bar
    from earmark.data.datasets import open_data
    from earmark.evaluation.reviews.answers import read
    from earmark.evaluation.reviews.found import recordings_of
    from earmark.train.heads import retraining

    answers = read(table)
    heard = dict.fromkeys(each.picked.recording for each in answers if each.answer is not None)
    where = recordings_of(heard, audio.find(places, say), say)
    clips = open_data(data, dataset or ("table" if data.is_file() else None), say=say)
    file, changed = retraining.retrain(tagger, clips, answers, where, out, how=how, device=device, progress=Bar())
    if as_json:
        print_json({"tagger": str(file), "changed": [each.as_dict() for each in changed]})
    elif changed:
        _print(changed)
    say(f"{file}: the new tagger; {tagger} stays as it is")


def _print(changed: Sequence[Changed]) -> None:
    from earmark.evaluation.wording import number

    rows = [
        (*list(asdict(each).values()), *(number(end) for end in (each.difference.value, each.difference.low, each.difference.high)))
        for each in changed
    ]  # fmt: skip
    print_table(COLUMNS, rows)
    say(
        "right: whether the tag is in the event or not, decided by threshold, by heads that learnt from the other half of the reviews; "
        "the new tagger learnt from all of them"
    )
