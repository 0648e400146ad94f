"""`tune`: the rules for events of a tagger, and the thresholds of its tags, chosen on validation clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from earmark.data import matching, splits
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.heldout import clips_of
from earmark.evaluation.scoring import Settings, Unread, none_read, score_clips, score_over_time
from earmark.evaluation.thresholds import events, tags
from earmark.evaluation.thresholds.chosen import Chosen
from earmark.evaluation.tracks import with_events
from earmark.metrics import Collars
from earmark.models import loading
from earmark.progress import QUIET, Progress

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger


@dataclass(frozen=True, eq=False)
class Tuning:
    """events, tags: what was chosen, None where there was nothing to choose by. clips: on which. facts: what a tagger file
    tells of it. unread: clips that could not be read. notes: what was done to the audio of others, "path: what"."""

    tagger: AnyTagger
    clips: Manifest
    events: Chosen | None
    tags: Chosen | None
    facts: dict[str, Any]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]

    def store(self, file: str | Path) -> None:
        """Write the tagger with what was chosen."""
        self.tagger.facts |= self.facts
        self.tagger.save(file)


@dataclass(frozen=True)
class _Part:
    """What was chosen, the facts of it, and what could not be read."""

    chosen: Chosen
    facts: dict[str, Any]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]


def tune(
    tagger: str | Path | Any,
    data: str | Path | Manifest,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    collar: float = 0.2,
    gap: float = 0.0,
    shortest: float = 0.0,
    on_test: bool = False,
    resamples: int = 1000,
    batch: int = 16,
    workers: int = 2,
    salvage: bool = False,
    strict: bool = False,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Tuning:
    """Each tag's threshold and median filter of the best F1: for events where clips have known ones, and for the tags of
    clips where a clip may have several.

    tagger: a file, the name of a shipped one, or a loaded tagger, which stays as it is until `Tuning.store`. data: as in
    `earmark.evaluate`. folds: default those that chose the tagger's epoch. collar: seconds that an edge may be off, an
    offset also 20 % of the event. gap: events less than so many seconds apart are joined; shortest: shorter ones are
    dropped. on_test: allow the folds that the tagger is tested on. The rest as in `earmark.evaluate`.

    Raises EarmarkError for clips that the tagger is tested on and where none can be read, ScoresError where there is
    nothing to choose.

        >>> from earmark.evaluation.tuning import tune
        >>> told = tune("tagger.safetensors", "scenes.parquet", folds=["4"])  # doctest: +SKIP
        >>> told.events.thresholds  # doctest: +SKIP
        {'dog': 0.35, 'rain': 0.6}
    """
    loaded: AnyTagger = loading.load(tagger, device) if isinstance(tagger, str | Path) else tagger
    name = dataset or loaded.facts.get("data", {}).get("dataset")
    clips = _clips(loaded, clips_of(loaded, data, name), folds, name, on_test, progress)
    settings = Settings(batch, workers, salvage, strict)
    timed = _with_events(clips, loaded.task, progress)
    parts: dict[str, _Part] = {}
    if timed is not None:
        rules = {"gap": gap, "shortest": shortest, "resamples": resamples}
        parts["events"] = _events(loaded, timed, str(name), Collars(collar, collar), rules, settings, progress)
    if loaded.task == "many":
        parts["tags"] = _tags(loaded, clips, str(name), resamples, settings, progress)
    chosen = {what: part.chosen for what, part in parts.items()}
    return Tuning(
        loaded,
        clips,
        chosen.get("events"),
        chosen.get("tags"),
        {what: part.facts for what, part in parts.items()},
        tuple(dict.fromkeys(each for part in parts.values() for each in part.unread)),
        tuple(dict.fromkeys(note for part in parts.values() for note in part.notes)),
    )


def _events(
    tagger: AnyTagger,
    clips: Manifest,
    name: str,
    collars: Collars,
    rules: dict[str, Any],
    settings: Settings,
    progress: Progress,
) -> _Part:
    timed = score_over_time(tagger, clips, settings, progress)
    read = _read(clips, list(timed.clips), timed.unread)
    reference = matching.events_of(read)
    groups = dict(zip(read.ids.tolist(), read.groups.tolist(), strict=True))
    scores = {clip: timed.clips[clip].scores for clip in reference}
    chosen = events.choose(scores, reference, collars=collars, groups=groups, **rules)
    if chosen.without:
        progress.say(f"no events in these clips, left at 0.5: {', '.join(chosen.without)}")
    facts = {
        **events.as_facts(chosen),
        "scores": timed.of,
        "chosen on": {"data": name, **splits.facts(read)},
        "metric": "event-based F1, mean over tags",
        "collars": asdict(collars),
    }
    return _Part(chosen, facts, timed.unread, timed.notes)


def _tags(
    tagger: AnyTagger, clips: Manifest, name: str, resamples: int, settings: Settings, progress: Progress
) -> _Part:
    told = score_clips(tagger, clips, settings, progress)
    read = _read(clips, told.scores.ids.tolist(), told.unread)
    matched = matching.match(told.scores, read)
    chosen = tags.choose(matched.values, matched.truth, told.scores.tags, matched.groups, resamples=resamples)
    facts = {**tags.as_facts(chosen), "chosen on": {"data": name, **splits.facts(read)}, "metric": "F1 of each tag"}
    return _Part(chosen, facts, told.unread, told.notes)


def _read(clips: Manifest, ids: list[str], unread: tuple[Unread, ...]) -> Manifest:
    if not ids:
        raise none_read(len(clips), unread)
    return clips.select(np.isin(clips.ids, ids))


def _with_events(clips: Manifest, task: str, progress: Progress) -> Manifest | None:
    """The clips whose events are known; None where there are none and thresholds of tags can be chosen instead."""
    known = with_events(clips)
    if len(known) and pc.sum(pc.list_value_length(known.table["events"])).as_py():
        if len(known) < len(clips):
            progress.say(f"{len(known)} of {len(clips)} clips have known events: rules for events are chosen on these")
        return known
    if task == "many":
        progress.say(
            "no clip has known events: only thresholds of tags are chosen, and no rules for events, of which --collar, "
            "--gap, --shortest and --tried are"
        )
        return None
    raise ScoresError(
        f"the events of {len(clips) - len(known)} of {len(clips)} clips are not known, and none has one. The tagger gives "
        "one tag a clip, the surest, which needs no thresholds: so there is nothing to choose"
    )


def _clips(
    tagger: AnyTagger, whole: Manifest, fold: Sequence[str] | None, name: str | None, on_test: bool, progress: Progress
) -> Manifest:
    """The clips to choose on. Those that the tagger is tested on are refused unless the user says so."""
    split: dict[str, Any] = tagger.facts.get("split", {})
    same = name is not None and name == tagger.facts.get("data", {}).get("dataset")
    own = split.get("validation", {}).get("folds", []) if same else []
    folds = list(fold or []) or [each for each in own if each in whole.fold_names()]
    if not folds and whole.fold_names():
        raise EarmarkError(
            f"say with --fold which clips the rules are chosen on: there are {', '.join(whole.fold_names())}. Take a fold "
            "that nothing is reported on"
        )
    clips = whole.in_folds(folds) if folds else whole
    test = split.get("test", {})
    tested = sorted(set(test.get("folds", [])) & set(folds)) if same else []
    if (tested or splits.facts(clips)["sha256"] == test.get("sha256")) and not on_test:
        which = f"fold {', '.join(tested)}" if tested else "these clips"
        raise EarmarkError(
            f"the tagger is tested on {which}: with rules chosen there its figures would be too good. "
            f"Choose on fold {', '.join(own) or '…'}, or say --on-test and report other clips"
        )
    if same and (learnt := sorted(set(split.get("train", {}).get("folds", [])) & set(folds))):
        progress.say(f"the tagger was trained on fold {', '.join(learnt)}, where its scores are better than elsewhere")
    return clips
