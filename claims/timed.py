"""Events found by taggers that have learnt from tags alone, in the three ways of paper 003's Table 3 (`earmark.evaluation.events`).

Rules are chosen on the folds that chose the epoch, and judged on those that the recipe tests on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from claims.claim import Claim
from claims.trainings import Training
from claims.verdict import Evidence, FoundEvents, Run
from earmark import metrics
from earmark.data import matching
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError
from earmark.evaluation import clips as judging
from earmark.evaluation import events as detection
from earmark.evaluation.thresholds import events as calibration
from earmark.events import track
from earmark.models import loading

COLLARS = metrics.Collars(0.2, 0.2)  # s, as in the paper
WAYS = {"half": detection.HALF, "swept": detection.THRESHOLDS, "medians": detection.MEDIANS}


def gather(
    claim: Claim, planned: dict[str, list[list[Training]]], held: Manifest, device: str, workers: int
) -> Evidence:
    """The evidence of a claim on events. Raises EarmarkError where the clips' events are not known."""
    runs: dict[str, list[Run]] = {name: [] for name, system in claim.systems.items() if system.events}
    tested = held.select(np.zeros(len(held), bool))
    for source in dict.fromkeys(claim.systems[name].events or "" for name in runs):
        for run in planned[source]:
            (one,) = run
            tested = held.in_folds(one.plan.data.test)
            counts = _counts(one, held, tested, device, workers)
            for name in runs:
                if claim.systems[name].events == source:
                    runs[name].append(FoundEvents(counts[claim.systems[name].way or "half"]))
    order = np.argsort(tested.ids)
    groups = (tested.groups if claim.draw == "groups" else tested.ids)[order]
    return Evidence(runs, groups)


def _counts(one: Training, held: Manifest, tested: Manifest, device: str, workers: int) -> dict[str, metrics.Counts]:
    """Hits, false and missed events of each clip, in the order of their ids, by way."""
    tagger = loading.load(one.folder / "tagger.safetensors", device)
    options: dict[str, Any] = {"batch": 32, "workers": workers, "salvage": False, "strict": True}
    validation = one.plan.data.validation
    if not isinstance(validation, list) or not validation:
        raise EarmarkError(f"{one.folder}: rules for events are chosen on validation folds, and the recipe names none")
    choosing = held.in_folds(validation)
    _, heard, _ = judging.over_time(tagger, choosing, **options)
    told = calibration.choose(
        {clip: scores for clip, (scores, _) in heard.items()},
        matching.events_of(choosing),
        collars=COLLARS,
        resamples=0,
    )
    _, heard, _ = judging.over_time(tagger, tested, **options)
    starts = dict(zip(tested.ids.tolist(), np.nan_to_num(tested.start).tolist(), strict=True))
    clips = {
        clip: detection.Heard(track(scores), seconds, starts[clip], told.rules)
        for clip, (scores, seconds) in heard.items()
    }
    reference = {clip: detection.shifted(events, starts[clip]) for clip, events in matching.events_of(tested).items()}
    tags = tagger.vocabulary
    counts = {}
    for way, rules in detection.ways(clips, tags).items():
        found = {clip: detection.predicted(each, rules[clip], tags) for clip, each in clips.items()}
        counts[way] = _ordered(metrics.match_events(reference, found, tags=tags, collars=COLLARS))
    return {name: counts[way] for name, way in WAYS.items()}


def _ordered(counts: metrics.Counts) -> metrics.Counts:
    order = np.argsort(counts.ids)
    ids = tuple(np.array(counts.ids)[order].tolist())
    return replace(counts, ids=ids, hits=counts.hits[order], false=counts.false[order], missed=counts.missed[order])
