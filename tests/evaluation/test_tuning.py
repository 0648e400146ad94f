"""`tune`: thresholds for events and for tags, which clips they may be chosen on, and that a tagger changes only when stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.evaluation.conftest import TAGS, Heard, Make

from earmark.data import matching, splits
from earmark.data.manifest import Manifest, build
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.scoring import score_clips, score_over_time
from earmark.evaluation.thresholds import events, tags
from earmark.evaluation.tuning import tune
from earmark.models.facts import Facts
from earmark.models.file import read_head


def test_events_and_tags_are_those_of_choose(make: Make, scenes: Manifest, heard: Heard, tmp_path: Path) -> None:
    tagger = make()
    told = tune(tagger, scenes, folds=["2"], gap=0.1, resamples=5, progress=heard)
    clips = scenes.in_folds("2")
    over_time = {clip: timed.scores for clip, timed in score_over_time(tagger, clips).clips.items()}
    alone = events.choose(over_time, matching.events_of(clips), gap=0.1, resamples=5)
    assert told.events.rules == alone.rules and told.events.tried == alone.tried
    matched = matching.match(score_clips(tagger, clips).scores, clips)
    assert (
        told.tags.thresholds == tags.choose(matched.values, matched.truth, TAGS, matched.groups, resamples=5).thresholds
    )
    assert heard.pieces == [("scores of windows", 3, 3), ("scoring", 3, 3)]
    assert heard.said == ["no events in these clips, left at 0.5: hiss"]
    assert tagger.facts == Facts()
    told.store(tmp_path / "t.safetensors")
    kept = read_head(tmp_path / "t.safetensors")["facts"]
    assert kept == json.loads(json.dumps(told.facts.as_dict(), allow_nan=False))
    assert kept["events"]["chosen on"]["folds"] == ["2"] and "tried" not in kept["events"]


def test_tags_alone_and_nothing_to_choose(make: Make, single: Manifest, heard: Heard) -> None:
    told = tune(make(), single, folds=["2"], resamples=0, progress=heard)
    assert told.events is None and list(told.facts.as_dict()) == ["tags"]
    assert heard.said[0].startswith("no clip has known events: only thresholds of tags are chosen")
    with pytest.raises(ScoresError, match="the events of 3 of 3 clips are not known, .* nothing to choose"):
        tune(make(task="one"), single, folds=["2"])


def test_clips_that_are_reported_on_are_refused(make: Make, scenes: Manifest, heard: Heard) -> None:
    parts = splits.Parts(scenes.in_folds("1"), scenes.in_folds("2"), scenes.in_folds("3"))
    tagger = make(0, {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()})
    with pytest.raises(EarmarkError, match="is tested on fold 3: .* Choose on fold 2, or say --on-test"):
        tune(tagger, scenes, folds=["3"])
    parts = splits.Parts(scenes.in_folds(["1", "2"]), scenes.select([]), scenes.in_folds("3"))
    unchosen = make(0, {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()})
    with pytest.raises(EarmarkError, match="Choose on clips that neither taught nor test it, or say --on-test"):
        tune(unchosen, scenes, folds=["3"])
    parts = splits.Parts(scenes.in_folds("1"), scenes.in_folds(["2", "3"]), scenes.in_folds("3"))
    both = make(0, {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()})
    with pytest.raises(EarmarkError, match="is tested on fold 3: .* Choose on fold 2, or say --on-test"):
        tune(both, scenes)  # no fold is advised that is refused
    assert tune(tagger, scenes, folds=["3"], on_test=True, resamples=0).clips.fold_names() == ["3"]
    assert tune(tagger, scenes, resamples=0).clips.fold_names() == ["2"]  # which chose the epoch
    tune(tagger, scenes, folds=["1"], resamples=0, progress=heard)
    assert "the tagger was trained on fold 1, where its scores are better than elsewhere" in heard.said
    with pytest.raises(EarmarkError, match="say with --fold which clips the rules are chosen on: there are 1, 2, 3"):
        tune(make(), scenes)


def test_clips_without_known_events_are_left_out_and_none_can_be_read(
    make: Make, scenes: Manifest, heard: Heard, tmp_path: Path
) -> None:
    columns = {name: scenes.table[name] for name in ("id", "path", "tags")}
    known = [None, *scenes.table["events"].to_pylist()[1:]]
    some = build(
        columns | {"events": [k and [(e["tag"], e["onset"], e["offset"]) for e in k] for k in known]}, scenes.root
    )
    tune(make(), some, resamples=0, progress=heard)
    assert heard.said[0] == "8 of 9 clips have known events: rules for events are chosen on these"
    away = build({"id": ["a"], "path": ["a.wav"], "tags": [["burst"]], "events": [[("burst", 0.1, 0.2)]]}, tmp_path)
    with pytest.raises(EarmarkError, match=r"none of the 1 clip could be read, the first: .*a\.wav: "):
        tune(make(), away)
