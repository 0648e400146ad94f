"""What `earmark evaluate` writes and prints of one tagger's evaluation, or of those of several seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.terminal.bar import Bar, leave_with, write_unread
from earmark.cli.terminal.console import print_json, print_table, say, say_notes
from earmark.errors import EarmarkError, counted
from earmark.files import notation

if TYPE_CHECKING:
    from earmark.evaluation.evaluation import Evaluation
    from earmark.evaluation.figures import Figures

SEEDS = "seeds.json"


@dataclass(frozen=True)
class Wanted:
    """The options of what is written. out: the report's folder, in place of one beside the tagger."""

    out: Path | None
    submission: Path | None
    errors: Path | None
    record: bool
    pictures: bool
    as_json: bool


def tell(tagger: str, judge: Callable[[str | Path], Evaluation], wanted: Wanted) -> None:
    """Judge a tagger, or each seed's, and write and print what comes of it. Raises what judge raises."""
    from earmark import report
    from earmark.evaluation import evaluation, seeds

    if seeds.runs(tagger):
        _tell_seeds(tagger, judge, wanted)
        return
    told = judge(tagger)
    figures = _saved(told, wanted.out or told.beside, wanted)
    write_unread(wanted.errors, told.unread)
    if wanted.submission is not None:
        told.submit(wanted.submission)
    if wanted.record:
        evaluation.record(told, tagger)
        say(f"{tagger}: holds these figures now")
    print_json(figures.as_dict()) if wanted.as_json else print(report.summary(figures))
    leave_with(told.unread, len(told.clips) + len(told.unread))


def _tell_seeds(tagger: str, judge: Callable[[str | Path], Evaluation], wanted: Wanted) -> None:
    """A report of each seed beside its tagger, or in --out/seed-N; mean and spread in seeds.json."""
    from earmark.cli.terminal import written
    from earmark.evaluation import heldout, seeds
    from earmark.files import write_text
    from earmark.train.seeds import ours

    if wanted.submission is not None or wanted.errors is not None:
        raise EarmarkError(
            f"{tagger}: --submission and --errors are for one tagger, and these are several seeds'. Name one"
        )
    place = wanted.out or Path(tagger) / "evaluation"
    written.places.claim("--out", place / SEEDS, ours)
    for seed, run in seeds.runs(tagger).items():
        if wanted.out is None:
            written.claim_reports_in(heldout.run_folder(run))
        else:
            written.claim_folder("--out", wanted.out / f"seed-{seed}", written.REPORT)
    told = seeds.evaluate(tagger, judge)
    for seed, one in told.seeds.items():
        _saved(one, one.beside if wanted.out is None else wanted.out / f"seed-{seed}", wanted)
    place.mkdir(parents=True, exist_ok=True)
    facts = notation.text(told.as_dict())
    write_text(place / SEEDS, facts + "\n")
    say(
        f"{place / SEEDS}: the figures of {counted(len(told.seeds), 'seed')}, mean and spread; the reports are beside the taggers"
    )
    if wanted.as_json:
        print(facts)
    else:
        print_table(*told.rows())
    unread = {clip.path: clip for one in told.seeds.values() for clip in one.unread}
    clips = max(len(one.clips) + len(one.unread) for one in told.seeds.values())
    leave_with(tuple(unread.values()), clips)


def _saved(told: Evaluation, folder: Path | None, wanted: Wanted) -> Figures:
    from earmark import report

    say_notes(told.notes)
    if folder is None:
        return told.figures
    figures = report.save(told, folder, pictures=wanted.pictures, progress=Bar())
    say(f"{folder}: report.html, report.md, report.json, pictures and scores.parquet")
    return figures
