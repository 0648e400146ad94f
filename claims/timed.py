"""Events found by taggers that have learnt from tags alone, in the three ways of paper 003's Table 3 (`earmark.evaluation.events`).

Rules are chosen on the folds that chose the epoch, and judged on those that the recipe tests on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from claims.claim import Claim
from claims.evidence import drawn
from claims.trainings import Training
from claims.verdict import Evidence, FoundEvents, Run
from earmark import metrics
from earmark.data import matching
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError
from earmark.evaluation import events as detection
from earmark.evaluation.scoring import Settings, score_over_time
from earmark.evaluation.thresholds import events as thresholds
from earmark.evaluation.tracks import tracked
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
    return Evidence(runs, drawn(claim, tested, tested.ids, tested.groups)[order])


def _counts(one: Training, held: Manifest, tested: Manifest, device: str, workers: int) -> dict[str, metrics.Counts]:
    """Hits, false and missed events of each clip, in the order of their ids, by way."""
    tagger = loading.load(one.folder / "tagger.safetensors", device)
    settings = Settings(32, workers, strict=True)
    validation = one.plan.data.validation
    if not isinstance(validation, list) or not validation:
        raise EarmarkError(f"{one.folder}: rules for events are chosen on validation folds, and the recipe names none")
    choosing = held.in_folds(validation)
    heard = score_over_time(tagger, choosing, settings).clips
    told = thresholds.choose(
        {clip: timed.scores for clip, timed in heard.items()},
        matching.events_of(choosing),
        collars=COLLARS,
        resamples=0,
    )
    clips = tracked(score_over_time(tagger, tested, settings), tested, told.rules)
    known = matching.events_of(tested)
    reference = {clip: detection.shifted(events, clips[clip].start) for clip, events in known.items()}
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
