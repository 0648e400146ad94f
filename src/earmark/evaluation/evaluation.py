"""`evaluate`: how good a tagger is on clips that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from earmark.data import manifest as manifests
from earmark.data.datasets import columns
from earmark.data.manifest import Manifest
from earmark.data.splits import ClipSet
from earmark.errors import EarmarkError
from earmark.evaluation import heldout, tracks
from earmark.evaluation.clips import measure
from earmark.evaluation.events import COLLARS
from earmark.evaluation.figures import Figures, plain
from earmark.evaluation.heldout import HeldOut, Leaks, Request, Source
from earmark.evaluation.protocol import describe, look
from earmark.evaluation.scoring import Settings, Unread
from earmark.evaluation.tracks import Detected
from earmark.metrics import Interval
from earmark.metrics.merging import merge_tags
from earmark.models import loading
from earmark.models.facts import Tested
from earmark.progress import QUIET, Progress
from earmark.scores import Scores, submission

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

MergeBy = Literal["highest", "sum"]
Drawn = Literal["groups", "clips"]

UNGROUPED = (
    "Intervals were drawn over clips, each a group of its own, though some share a source: they hold for other clips made "
    "of the same sources, and are too narrow for others."
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures, and what they are of.

    figures: all of them, with `as_dict` for JSON. scores: a row a clip. clips: that were judged, with the groups of the
    intervals. detected: the clips with known events over time, where there are some. taggers: one, or those of a run
    over folds. unread: clips without scores. notes: what was done to the audio of others, "path: what". beside: the
    folder for the report of a tagger in a run folder.
    """

    figures: Figures
    scores: Scores
    clips: Manifest
    detected: Detected | None
    taggers: tuple[AnyTagger, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    beside: Path | None = None

    @property
    def metrics(self) -> dict[str, Interval]:
        """By name: the value and its 95 % interval."""
        return self.figures.metrics

    def submit(self, path: str | Path) -> None:
        """Write what `earmark.scores.submission` tells: fname,label with the three likeliest tags of each clip."""
        place = dict(zip(self.clips.ids.tolist(), self.clips.paths(), strict=True))
        submission.save(path, self.scores, [place[name] for name in self.scores.ids.tolist()])


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
    events: bool = True,
    collars: Sequence[float] = COLLARS,
    resamples: int = 1000,
    draw: Drawn = "groups",
    batch: int = 16,
    workers: int = 2,
    salvage: bool = False,
    strict: bool = False,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Evaluation:
    """Score clips that the tagger has not learnt from; every figure has a 95 % interval.

    tagger: a file, the name of a shipped one, the folder of a run over folds (each of its taggers is judged on its own
    fold, the report is on all of them together), or a loaded tagger. data: a data set's folder, a manifest's file, or a
    manifest. dataset: the folder's layout; default the one that the tagger was trained on. folds: default those that the
    recipe tests on. seen: allow clips that the tagger learnt from. leaks: refuse groups and equal files on both sides,
    or report them. merge: a table with the columns tag, merged: judge in that smaller vocabulary. events: judge them too
    where the clips have known ones, which hears the clips again. collars: seconds that edges of events may be off.
    draw: what the bootstrap draws, `resamples` times. batch, workers, salvage, strict: as in
    `earmark.evaluation.scoring.Settings`. device: cpu or cuda. progress: told of what goes on.

    A run folder that the tagger lies in remembers the look at these clips (`earmark.evaluation.leakage`), but for `seen`.

    Raises ManifestError for leaks and data that do not fit, TaggerError, ScoresError, EarmarkError for clips that the
    tagger learnt from or where none can be read; AudioError with strict.

        >>> import earmark
        >>> evaluation = earmark.evaluate("esc10", "esc10/", resamples=200)  # doctest: +SKIP
        >>> evaluation.metrics["accuracy"].value  # doctest: +SKIP
        0.9125
    """
    if draw not in ("groups", "clips"):
        raise EarmarkError(f"the bootstrap draws 'groups' or 'clips', not {draw!r}")
    if folds:
        heldout.check_single(tagger)
    settings = Settings(batch, workers, salvage, strict)
    request = Request(data, folds, dataset, seen, leaks, settings, device)
    parts = heldout.score_all(tagger, request, progress)
    scores, clips = heldout.pooled(parts)
    facts = describe(parts)
    if merge is not None:
        scores, clips = merged(scores, clips, Path(merge), merge_by)
        facts["tags merged by"] = f"{Path(merge).name}, {merge_by}"
    facts |= look(tagger, parts, clips, seen)
    clips = ungrouped(clips) if draw == "clips" else clips
    detected = None
    if events and merge is None:
        detected = tracks.detect(
            parts, clips, collars=collars, resamples=resamples, settings=settings, progress=progress
        )
    stored = None if merge is not None else heldout.stored_thresholds(parts, scores)
    figures = measure(
        scores, clips, parts[0].tagger.task, facts,
        resamples=resamples, stored=stored, events=None if detected is None else detected.figures,
    )  # fmt: skip
    warnings = [sentence for part in parts for sentence in part.warnings] + ([UNGROUPED] if draw == "clips" else [])
    figures = replace(figures, notes=(*figures.notes, *warnings))
    return _result(figures, scores, clips, detected, parts, heldout.beside(tagger, clips.fold_names()))


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
    )


def record(evaluation: Evaluation, file: str | Path) -> None:
    """Write the figures into the tagger's file, or into that of a shipped one. Raises EarmarkError for several taggers."""
    if len(evaluation.taggers) > 1:
        raise EarmarkError(f"{file}: figures of {len(evaluation.taggers)} taggers are no figures of one: evaluate one")
    (tagger,) = evaluation.taggers
    judged = evaluation.figures
    figures = plain({name: figure.as_dict() for name, figure in judged.metrics.items()})
    tested = Tested(judged.protocol["data"], ClipSet.of(evaluation.clips), figures)
    tagger.facts = replace(tagger.facts, test=tested)
    tagger.save(loading.find(file))


def ungrouped(clips: Manifest) -> Manifest:
    """The same clips, each a group of its own."""
    place = clips.table.schema.get_field_index("group")
    nobody = pa.nulls(len(clips), pa.string())
    return replace(clips, table=clips.table.set_column(place, clips.table.schema.field("group"), nobody))


def merged(scores: Scores, clips: Manifest, table: Path, rule: MergeBy) -> tuple[Scores, Manifest]:
    """Scores and clips in the smaller vocabulary of a table with the columns tag, merged. See `earmark.metrics.merging`."""
    old, new = columns(manifests.load_table(table), table, "tag", "merged")
    mapping = dict(zip(old, new, strict=True))
    smaller = merge_tags(scores, {tag: name for tag, name in mapping.items() if tag in scores.tags}, rule)
    table_columns = {name: clips.table[name] for name in clips.table.column_names}
    table_columns["tags"] = [
        list(dict.fromkeys(mapping.get(tag, tag) for tag in tags)) for tags in clips.table["tags"].to_pylist()
    ]
    table_columns["events"] = None  # of the old tags
    plain_columns = {name: values for name, values in table_columns.items() if values is not None}
    return smaller, manifests.build(plain_columns, clips.root, facts=clips.facts, name=str(table))
