"""Judging taggers on clips that they have not seen: what `evaluate`, `compare`, `audit` and `calibrate` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.inference import Recording
    from earmark.models.anytagger import AnyTagger as Tagger
    from earmark.models.frames import Framewise
    from earmark.scores import Scores


UNGROUPED = (
    "Intervals were drawn over clips, each a group of its own, though some share a source: they hold for other clips made "
    "of the same sources, and are too narrow for others."
)


@dataclass(frozen=True)
class Judged:
    """A tagger, the clips that it was judged on, their scores, what could not be read, and sentences for the report."""

    tagger: Tagger
    name: str | None  # of the data set
    clips: Manifest
    scores: Scores
    failures: list[tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True)
class Asked:
    """What the user asked for. bear: report leaks instead of stopping at them."""

    data: Path
    fold: list[str] | None = None
    dataset: str | None = None
    seen: bool = False
    bear: bool = False
    batch: int = 16
    workers: int = 2
    salvage: bool = False
    strict: bool = False
    device: str = "cpu"


def judge(file: str | Path, asked: Asked) -> Judged:
    """A tagger's scores of the clips that it is to be judged on. Raises ManifestError for leaks."""
    from earmark.evaluation import leakage as protocol
    from earmark.models import loading

    tagger = loading.load(file, asked.device)
    name = asked.dataset or tagger.facts.get("data", {}).get("dataset")
    whole = clips(tagger, asked.data, name)
    chosen = choose(tagger, whole, asked.fold, name, asked.seen)
    notes = []
    learnt = protocol.learnt(tagger.facts, name)
    if not asked.seen and learnt:
        found = protocol.leaks(learnt, whole, chosen)
        notes = protocol.refuse(found, asked.bear or tagger.recipe.data.shared_groups == "report")
    scores, failures = score(tagger, chosen, asked.batch, asked.workers, asked.salvage, asked.strict)
    return Judged(tagger, name, chosen, scores, failures, notes)


def files(tagger: str) -> list[str | Path]:
    """The tagger, or the taggers of a run over folds."""
    from earmark.data.manifest import natural

    found = sorted(Path(tagger).glob("fold-*/tagger.safetensors"), key=lambda path: natural(path.parent.name))
    return list(found) or [tagger]


def clips(tagger: Tagger, data: Path, name: str | None) -> Manifest:
    """The manifest with the folds that the tagger was trained with."""
    from earmark.cli.console import open_data
    from earmark.data import splits

    clips = open_data(data, name, tagger.recipe.data.options)
    told = tagger.recipe.data
    if told.folds is not None and name == told.dataset:
        clips = splits.deal(clips, told.folds, tagger.recipe.seed, all_clips=told.deal == "all")
    return clips


def check_apart(heard: list[Judged], tagger: str) -> None:
    """Of several taggers each must have its own clips and the same tags."""
    from earmark.errors import EarmarkError

    seen: set[str] = set()
    for part in heard:
        if part.tagger.vocabulary != heard[0].tagger.vocabulary:
            raise EarmarkError(
                f"{tagger}: the folds' taggers have different tags: they were not trained on one data set"
            )
        if both := seen & set(part.clips.fold_names()):
            raise EarmarkError(
                f"{tagger}: several of its taggers are tested on fold {min(both)}, so there is no report on all of them "
                "together: evaluate one by one"
            )
        seen |= set(part.clips.fold_names())


def together(heard: list[Judged]) -> tuple[Scores, Manifest]:
    """The scores of all, and the clips that they are of."""
    import numpy as np
    import pyarrow as pa

    from earmark import scores

    all_of_them = heard[0].scores if len(heard) == 1 else scores.concat([part.scores for part in heard])
    table = pa.concat_tables([part.clips.table for part in heard])
    clips = replace(heard[0].clips, table=table)
    return all_of_them, clips.select(np.isin(clips.ids, all_of_them.ids))


def ungrouped(clips: Manifest) -> Manifest:
    """The same clips, each a group of its own."""
    import pyarrow as pa

    place = clips.table.schema.get_field_index("group")
    nobody = pa.nulls(len(clips), pa.string())
    return replace(clips, table=clips.table.set_column(place, clips.table.schema.field("group"), nobody))


def thresholds(heard: list[Judged], scores: Scores) -> Any:
    """(tags,) thresholds that the taggers store, where all store the same; None otherwise."""
    import numpy as np

    from earmark.scores.thresholds import of_tags

    told = [of_tags(part.tagger.facts, scores.tags) for part in heard]
    same = told[0] is not None and all(each is not None and np.array_equal(each, told[0]) for each in told)
    return told[0] if same else None


def protocol(heard: list[Judged]) -> dict[str, Any]:
    """What the report says of how its figures came about."""
    from earmark import metrics
    from earmark.evaluation.leakage import RULES

    folds = [fold for part in heard for fold in part.clips.fold_names()]
    told: dict[str, Any] = {
        "tagger": heard[0].tagger.identity() if len(heard) == 1 else [part.tagger.identity() for part in heard],
        "data": str(heard[0].name),
        "folds": folds,
        "unreadable": sum(len(part.failures) for part in heard),
    }
    if len(heard) == 1:
        kept = heard[0].tagger.facts
        told |= {key: kept[key] for key in ("chosen", "split", "validation") if key in kept}
        for name, what in RULES.items():
            if chosen := kept.get(name, {}).get("chosen on"):
                told[f"{what} chosen on"] = chosen
        return told
    by_fold = {}
    for part in heard:
        scores, clips = together([part])
        order = {id_: row for row, id_ in enumerate(scores.ids.tolist())}
        values = scores.values[[order[id_] for id_ in clips.ids.tolist()]]
        truth = clips.truth(part.tagger.vocabulary)
        figures = {"map": metrics.mean_average_precision(values, truth)}
        if part.tagger.task == "one":
            figures["accuracy"] = metrics.accuracy(values, truth)
        by_fold[", ".join(part.clips.fold_names())] = {
            **{key: round(value, 4) for key, value in figures.items()},
            "chosen": part.tagger.facts.get("chosen", {}),
        }
    return told | {"by fold": by_fold}


def choose(tagger: Tagger, clips: Manifest, fold: list[str] | None, dataset: str | None, seen: bool) -> Manifest:
    """The clips to report on. Folds that the tagger learnt from are refused unless the user says so."""
    from earmark.errors import EarmarkError
    from earmark.evaluation import leakage as protocol

    split: dict[str, Any] = tagger.facts.get("split", {})
    folds = fold or [name for name in split.get("test", {}).get("folds", []) if name in clips.fold_names()]
    same = dataset is not None and dataset == tagger.facts.get("data", {}).get("dataset")
    parts = protocol.learnt(tagger.facts, dataset)
    learnt = sorted(protocol.learnt_folds(parts) & set(folds or clips.fold_names()))
    chosen = clips.in_folds(folds) if folds else clips
    rules = protocol.calibrated_on(parts, chosen)
    if not seen and (learnt or rules or (same and not folds and not clips.fold_names())):
        which = f"fold {', '.join(learnt)}" if learnt else "these clips"
        raise EarmarkError(
            f"the tagger was trained, or its epoch or its rules chosen, on {which}: figures would be too good. "
            f"Report fold {', '.join(split.get('test', {}).get('folds', [])) or '…'}, or say --seen"
        )
    return chosen


def recordings(clips: Manifest) -> list[Recording]:
    """What is to be heard of each clip."""
    import numpy as np

    from earmark.inference import Recording

    return [
        Recording(path, None if np.isnan(start) else float(start), None if np.isnan(end) else float(end), str(id_))
        for path, start, end, id_ in zip(clips.paths(), clips.start, clips.end, clips.ids, strict=True)
    ]


def score(tagger: Tagger, clips: Manifest, batch: int, workers: int, salvage: bool, strict: bool) -> Any:
    """Clip scores of what could be read, and (path, reason) of the rest."""
    import numpy as np

    from earmark.cli.console import progress, say_notes
    from earmark.inference import Failure, Heard, score
    from earmark.scores import Scores

    todo = recordings(clips)
    heard: list[Heard] = []
    failures: list[tuple[str, str]] = []
    notes: list[str] = []
    with progress() as bar:
        task = bar.add_task("scoring", total=len(todo), told="")
        for result in score(tagger, todo, batch=batch, workers=workers, salvage=salvage):
            bar.advance(task)
            if isinstance(result, Failure):
                if strict:
                    raise result.error
                failures.append((result.error.path, result.error.problem))
            else:
                heard.append(result)
                notes += result.notes
    if not heard:
        from earmark.errors import EarmarkError

        raise EarmarkError(f"none of the {len(todo)} clips could be read, the first: {': '.join(failures[0])}")
    say_notes(notes)
    rows = {
        "ids": np.array([h.recording.name for h in heard]),
        "start": np.array([h.recording.start or 0.0 for h in heard]),
        "end": np.array([(h.recording.start or 0.0) + h.duration for h in heard]),
    }
    facts = {"tagger": tagger.identity(), "windows": tagger.described_windows()}
    return Scores(np.stack([h.values for h in heard]), **rows, tags=tagger.vocabulary, facts=facts), failures


def over_time(tagger: Tagger, clips: Manifest, strict: bool, **options: Any) -> Any:
    """Scores over time of what could be read: ("frames" or "windows", {id: (Scores, seconds)}, (path, reason) of the rest)."""
    from earmark.cli.console import progress, say_notes
    from earmark.inference import Failure

    scorer = tagger.framewise()
    heard: dict[str, tuple[Scores, float]] = {}
    failures: list[tuple[str, str]] = []
    notes: list[str] = []
    todo = recordings(clips)
    with progress() as bar:
        task = bar.add_task(f"scores of {'frames' if scorer else 'windows'}", total=len(todo), told="")
        for result, moments in _moments(tagger, scorer, todo, **options):
            bar.advance(task)
            if isinstance(result, Failure):
                if strict:
                    raise result.error
                failures.append((result.error.path, result.error.problem))
                continue
            heard[result.recording.name] = moments, result.duration
            notes += result.notes
    say_notes(notes)
    return "frames" if scorer else "windows", heard, failures


def _moments(tagger: Tagger, scorer: Framewise | None, todo: list[Recording], **options: Any) -> Iterator[Any]:
    """(what was heard or a failure, its scores over time or None) of each recording; scores of windows without scorer."""
    from earmark.inference import Failure
    from earmark.inference import score as score_all

    # closed whatever happens: threads that decode wait for it
    with closing(score_all(scorer or tagger, todo, keep_windows=True, **options)) as results:
        for result in results:
            if isinstance(result, Failure):
                yield result, None
            else:
                yield result, scorer.scores(result) if scorer else result.windows


def run_folder(tagger: str) -> Path | None:
    """The run folder that a tagger lies in, or the folder of a run over folds."""
    place = Path(tagger) if Path(tagger).is_dir() else Path(tagger).parent
    return place if Path(tagger).is_dir() or (place / "run.json").is_file() else None


def look(tagger: str, heard: list[Judged], test: Manifest, seen: bool) -> dict[str, int]:
    """Remember in the run folder, if there is one, that these clips were looked at; what the report says of it."""
    from earmark.evaluation import leakage as protocol

    run = run_folder(tagger)
    if run is None or seen:
        return {}
    return protocol.look(run, [part.tagger.identity() for part in heard], test).as_dict()


def merged(scores: Scores, clips: Manifest, table: Path, rule: Literal["sum", "highest"]) -> tuple[Scores, Manifest]:
    """Scores and clips in the smaller vocabulary of a table with the columns tag, merged. See `earmark.metrics.merging`."""
    from earmark.data import manifest
    from earmark.data.datasets import columns
    from earmark.metrics.merging import merge_tags

    old, new = columns(manifest.load_table(table), table, "tag", "merged")
    mapping = dict(zip(old, new, strict=True))
    smaller = merge_tags(scores, {tag: name for tag, name in mapping.items() if tag in scores.tags}, rule)
    told = {name: clips.table[name] for name in clips.table.column_names}
    told["tags"] = [
        list(dict.fromkeys(mapping.get(tag, tag) for tag in tags)) for tags in clips.table["tags"].to_pylist()
    ]
    told["events"] = None  # of the old tags
    plain = {name: column for name, column in told.items() if column is not None}
    return smaller, manifest.build(plain, clips.root, facts=clips.facts, name=str(table))
