"""`earmark.evaluate`: figures as the metrics give them, events, folds, what is refused, and what it tells meanwhile."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import TAGS, Heard, Make

import earmark
from earmark import metrics, report
from earmark.data import splits
from earmark.data.clipset import ClipSet
from earmark.data.manifest import Manifest, build, write
from earmark.errors import AudioError, EarmarkError, ManifestError, ScoresError
from earmark.evaluation.evaluation import record
from earmark.evaluation.tuning import tune
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.facts import ChosenOn, EventTuning, Split, TagTuning
from earmark.models.file import read_head

ATTENTION = {
    "features": {"name": "logmel", "window": 0.032, "hop": 0.01, "bands": 32},
    "net": {"name": "resnet_b_att", "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1]},
    "windows": {"length": 1.0, "hop": 1.0},
}


def test_figures_of_a_loaded_tagger_are_those_of_its_scores(make: Make, single: Manifest, heard: Heard) -> None:
    tagger = make(task="one")
    told = earmark.evaluate(tagger, single, resamples=20, progress=heard)
    values = []
    for path in single.paths():
        by_tag = {tag.label: tag.score for tag in tagger.tag(path, None)}
        values.append([by_tag[tag] for tag in TAGS])
    assert told.scores.ids.tolist() == single.ids.tolist()
    assert told.scores.values == pytest.approx(np.array(values), abs=1e-6)
    truth = single.truth(TAGS)
    assert told.metrics["accuracy"].value == metrics.accuracy(told.scores.values, truth)
    assert told.metrics["map"].value == pytest.approx(metrics.mean_average_precision(told.scores.values, truth))
    assert told.figures.protocol["tagger"] == tagger.identity() and told.figures.protocol["folds"] == ["1", "2", "3"]
    assert heard.pieces == [("scoring", 9, 9)] and not heard.open
    assert told.unread == () and told.detected is None and told.beside is None
    json.dumps(told.figures.as_dict(), allow_nan=False)


def test_paths_give_the_same(make: Make, single: Manifest, tmp_path: Path) -> None:
    tagger = make(task="one")
    tagger.save(tmp_path / "t.safetensors")
    write(single, single.root / "single.parquet")  # paths are relative to it
    loaded = earmark.evaluate(tagger, single, folds=["2"], resamples=10)
    read = earmark.evaluate(tmp_path / "t.safetensors", single.root / "single.parquet", folds=["2"], resamples=10)
    assert read.figures.as_dict() == loaded.figures.as_dict() and loaded.figures.clips == 3


@pytest.mark.parametrize(("changes", "of"), [({}, "windows"), (ATTENTION, "frames")], ids=["windows", "frames"])
def test_known_events_are_judged(make: Make, scenes: Manifest, heard: Heard, changes: dict, of: str) -> None:
    told = earmark.evaluate(
        make(**changes), scenes, folds=["3"], collars=[0.1, 0.3], resamples=5, progress=heard
    ).figures.events
    assert told is not None
    assert (told.scores, told.clips, told.events, told.without) == (of, 3, 3, ("hiss",))
    assert [row.rules for row in told.rows] == ["0.5"] and list(told.rows[0].events) == [0.1, 0.3]
    assert heard.pieces == [("scoring", 3, 3), (f"scores of {of}", 3, 3)]
    assert earmark.evaluate(make(**changes), scenes, folds=["3"], events=False, resamples=5).figures.events is None


@pytest.mark.parametrize("asked", [{}, {"collars": [0.1], "hit": "length"}], ids=["plain", "asked"])
def test_what_is_found_in_clips_known_to_have_no_event_is_all_false(
    make: Make, scenes: Manifest, heard: Heard, asked: dict
) -> None:
    """How many events of how long is told, whether collars are asked for or not; that their events are not known is not said."""
    columns = {name: scenes.table[name] for name in ("id", "path", "tags")} | {"events": [[]] * 9}
    quiet = build(columns, scenes.root, vocabulary=TAGS)
    rules = {"thresholds": dict.fromkeys(TAGS, 0.01), "medians": dict.fromkeys(TAGS, 0.0), "gap": 0.0, "shortest": 0.0}
    told = earmark.evaluate(make(0, {"events": {"rules": rules}}), quiet, resamples=5, progress=heard, **asked)
    assert told.figures.events is None and told.detected is not None and len(told.detected.tracked) == 9
    hours = sum(clip.duration for clip in told.detected.tracked.values()) / 3600
    (note,) = [note for note in told.figures.notes if "event" in note.lower()]
    assert note.startswith(f"No clip has an event, as is known of 9 clips of {hours:.3g} h: F1 and PSDS of events")
    # with 0.01 both tags are told of all of each clip, as one event
    assert "18 events with swept thresholds and 18 events with swept thresholds and median filters." in note
    assert heard.said == [f"n{note[1:].rstrip('.')}"]
    assert report.save(told, scenes.root / "report").events is None


@pytest.mark.parametrize("asked", [{"collars": [0.1]}, {"hit": "length"}, {}, {"events": False}])
def test_how_events_are_judged_is_told_to_count_for_nothing_where_none_are_known(
    make: Make, single: Manifest, asked: dict
) -> None:
    notes = earmark.evaluate(make(), single, folds=["2"], resamples=5, **asked).figures.notes
    idle = "No clip has known events: none are judged, and collars and hit count for nothing."
    assert (idle in notes) is bool({"collars", "hit"} & set(asked))


def test_stored_rules_make_three_rows(make: Make, scenes: Manifest) -> None:
    rules = {"thresholds": dict.fromkeys(TAGS, 0.01), "medians": dict.fromkeys(TAGS, 0.0), "gap": 0.0, "shortest": 0.0}
    told = earmark.evaluate(make(0, {"events": {"rules": rules}}), scenes, folds=["3"], resamples=5).figures.events
    assert told is not None
    assert [row.rules for row in told.rows] == ["0.5", "swept thresholds", "swept thresholds and median filters"]
    # with 0.01 a burst is heard always: of the two seconds of each clip those are right that a burst touches
    events = [event for row in scenes.in_folds("3").table["events"].to_pylist() for event in row]
    right = sum(math.ceil(event["offset"]) - math.floor(event["onset"]) for event in events)
    assert told.rows[1].found == 3 and told.rows[1].segments.value == pytest.approx(2 * right / (right + 6))


def test_rules_of_another_kind_of_scores_are_told(make: Make, scenes: Manifest, heard: Heard) -> None:
    rules = {"thresholds": dict.fromkeys(TAGS, 0.3), "medians": dict.fromkeys(TAGS, 0.0), "gap": 0.0, "shortest": 0.0}
    tagger = make(0, {"events": {"rules": rules, "scores": "frames"}})
    told = earmark.evaluate(tagger, scenes, folds=["3"], resamples=5, progress=heard)
    assert len(told.figures.events.rows) == 3
    assert heard.said == ["its rules for events were chosen on scores of frames, and these are scores of windows"]


def test_stored_thresholds_are_judged_beside(make: Make, scenes: Manifest) -> None:
    tagger = make(0, {"tags": {"thresholds": {"burst": 0.001, "hiss": 0.999}}})
    half, stored = earmark.evaluate(tagger, scenes, folds=["3"], events=False, resamples=5).figures.decisions.rows
    # every clip is a burst and answered so with 0.001
    assert (half.thresholds, stored.thresholds, stored.f1["f1_macro"].value) == ("0.5", "stored", 1)


def test_a_run_over_folds_is_judged_on_all_of_them(run: Path, single: Manifest) -> None:
    told = earmark.evaluate(run, single, dataset="soundscapes", resamples=10)
    assert told.figures.clips == 9 and len(told.taggers) == 3 and told.beside == run / "evaluation"
    assert list(told.figures.protocol["by fold"]) == ["1", "2", "3"]
    own = {}
    for fold in "123":
        one = earmark.evaluate(run / f"fold-{fold}" / "tagger.safetensors", single, dataset="soundscapes", resamples=0)
        own |= dict(zip(one.scores.ids.tolist(), one.scores.values.tolist(), strict=True))
    assert dict(zip(told.scores.ids.tolist(), told.scores.values.tolist(), strict=True)) == own
    assert (told.figures.protocol["looks"], told.figures.protocol["taggers"]) == (1, 3)
    again = earmark.evaluate(run, single, dataset="soundscapes", resamples=0)
    assert again.figures.protocol["looks"] == 2
    assert "looks" not in earmark.evaluate(run, single, dataset="soundscapes", resamples=0, seen=True).figures.protocol


def test_what_the_tagger_learnt_from_is_refused(run: Path, make: Make, single: Manifest) -> None:
    tagger = run / "fold-1" / "tagger.safetensors"
    with pytest.raises(EarmarkError, match=r"was trained, .* on fold 2: .* Report fold 1, or say --seen"):
        earmark.evaluate(tagger, single, dataset="soundscapes", folds=["2"], resamples=0)
    parts = splits.Parts(single, single.select([]), single.select([]))
    on_all = make(0, {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()})
    with pytest.raises(EarmarkError, match=r"None was left out: report other clips, or train with --fold all, or say"):
        earmark.evaluate(on_all, single, dataset="soundscapes", folds=["2"], resamples=0)
    assert (
        earmark.evaluate(tagger, single, dataset="soundscapes", folds=["2"], resamples=0, seen=True).figures.clips == 3
    )


@pytest.mark.parametrize("what", ["events", "tags"])
@pytest.mark.parametrize("chosen", [(), ("1",), ("2",), ("3",), ("2", "3")])
def test_no_fold_is_advised_that_is_refused(make: Make, single: Manifest, chosen: tuple[str, ...], what: str) -> None:
    """Trained on fold 1, tested on 2 and 3; its rules, or thresholds, were chosen on some of these after all."""
    parts = splits.Parts(single.in_folds("1"), single.select([]), single.in_folds(["2", "3"]))
    facts = {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()}
    tagger = make(0, facts)
    if chosen:
        on = ChosenOn("soundscapes", ClipSet.of(single.in_folds(chosen)))
        more = {"events": EventTuning(chosen_on=on)} if what == "events" else {"tags": TagTuning(chosen_on=on)}
        tagger.facts = replace(tagger.facts, **more)
    refused = {"1", *chosen}
    for asked in (None, *"123"):
        folds = None if asked is None else [asked]
        wanted = refused & {asked} if asked else refused & {"2", "3"}
        if not wanted:
            assert earmark.evaluate(tagger, single, dataset="soundscapes", folds=folds, resamples=0).figures.clips
            continue
        with pytest.raises(
            EarmarkError, match=rf"on fold {', '.join(sorted(wanted))}: figures would be too good"
        ) as told:
            earmark.evaluate(tagger, single, dataset="soundscapes", folds=folds, resamples=0)
        advised = re.findall(r"Report fold (.*), or say --seen", str(told.value))
        left = [fold for fold in "23" if fold not in refused]
        assert advised == ([", ".join(left)] if left else [])
        assert bool(left) or "Nothing is left of fold 2, 3, which it is tested on: report other clips" in str(
            told.value
        )


def test_test_clips_that_rules_were_chosen_on_without_their_folds_are_not_advised(make: Make, single: Manifest) -> None:
    """Their digest tells them."""
    columns = {name: single.table[name] for name in ("id", "path", "tags")}
    bare = build(columns, single.root)
    test = bare.select(np.isin(bare.ids, single.in_folds("3").ids))
    parts = splits.Parts(single.in_folds(["1", "2"]), single.select([]), single.in_folds("3"))
    tagger = make(0, {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()})
    tagger.facts = replace(tagger.facts, tags=TagTuning(chosen_on=ChosenOn("soundscapes", ClipSet.of(test))))
    for clips, folds in ((test, None), (single, ["1"])):
        with pytest.raises(EarmarkError, match=r"Nothing is left of fold 3, which it is tested on: report other clips"):
            earmark.evaluate(tagger, clips, dataset="soundscapes", folds=folds, resamples=0)


def test_an_ensemble_is_judged_like_a_tagger(make: Make, single: Manifest) -> None:
    """Its members hear different windows: it scores whole recordings."""
    members = [make(1, task="one"), make(2, task="one", windows={"length": 1.0, "hop": 0.5})]
    both = Ensemble(members)
    told = earmark.evaluate(both, single, resamples=0)
    alone = [earmark.evaluate(member, single, resamples=0).scores.values for member in members]
    assert told.scores.values == pytest.approx(np.mean(alone, 0), abs=1e-6)
    assert told.figures.protocol["tagger"] == both.identity()


@pytest.mark.parametrize("what", ["events", "tags"])
def test_folds_that_rules_were_chosen_on_are_refused(make: Make, scenes: Manifest, what: str) -> None:
    chosen = {"data": "soundscapes", **splits.ClipSet.of(scenes.in_folds("2")).as_dict()}
    tagger = make(0, {"data": {"dataset": "soundscapes"}, what: {"chosen on": chosen}})
    with pytest.raises(EarmarkError, match="its epoch or its rules chosen, on fold 2"):
        earmark.evaluate(tagger, scenes, folds=["2"], events=False, resamples=0)
    assert earmark.evaluate(tagger, scenes, folds=["3"], events=False, resamples=0).figures.clips == 3


def test_leaks_are_refused_or_reported(make: Make, single: Manifest) -> None:
    columns = {name: single.table[name] for name in ("id", "path", "fold", "tags")}
    tied = build(columns | {"group": ["a", "a", *map(str, range(7))]}, single.root)  # folds 1 and 2
    parts = splits.Parts(tied.in_folds("1"), tied.select([]), tied.in_folds("2"))
    tagger = make(0, {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()}, task="one")
    with pytest.raises(ManifestError, match=r"2 clips tie the test clips .* \(1 by group\)"):
        earmark.evaluate(tagger, tied, resamples=0)
    told = earmark.evaluate(tagger, tied, resamples=0, leaks="report")
    assert told.figures.clips == 3 and "2 clips tie the test clips" in told.figures.notes[-1]
    with pytest.raises(EarmarkError, match="'refuse' or 'report', not 'ignore'"):
        earmark.evaluate(tagger, tied, leaks="ignore")


def test_the_bootstrap_draws_groups_or_clips(make: Make, single: Manifest) -> None:
    columns = {name: single.table[name] for name in ("id", "path", "tags")}
    tied = build(columns | {"group": ["all"] * 9}, single.root)
    assert earmark.evaluate(make(task="one"), tied, resamples=5).figures.interval.groups == 1
    told = earmark.evaluate(make(task="one"), tied, resamples=5, draw="clips").figures
    assert told.interval.groups == 9 and "Intervals were drawn over clips" in told.notes[-1]


def test_tags_are_merged(make: Make, single: Manifest, tmp_path: Path) -> None:
    (tmp_path / "merge.csv").write_text("tag,merged\nburst,sound\nhiss,sound\n")
    told = earmark.evaluate(make(task="one"), single, merge=tmp_path / "merge.csv", merge_by="sum", resamples=5)
    assert told.scores.tags == ("sound",) and told.metrics["accuracy"].value == 1
    assert told.figures.protocol["tags merged by"] == "merge.csv, sum"


def test_clips_that_cannot_be_read_are_told(make: Make, single: Manifest, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    paths = [tmp_path / "broken.wav", *single.paths()[1:]]
    columns = {name: single.table[name] for name in ("id", "tags")}
    broken = build(columns | {"path": list(map(str, paths))}, tmp_path)
    told = earmark.evaluate(make(task="one"), broken, resamples=0)
    assert told.figures.clips == 8 and told.figures.protocol["unreadable"] == 1
    assert [each.path for each in told.unread] == [str(tmp_path / "broken.wav")] and told.unread[0].reason
    with pytest.raises(AudioError, match=r"broken\.wav"):
        earmark.evaluate(make(task="one"), broken, resamples=0, strict=True)
    with pytest.raises(EarmarkError, match=r"none of the 1 clip could be read, the first: .*broken\.wav: "):
        earmark.evaluate(make(task="one"), broken.select([0]), resamples=0)


def test_bad_input_is_answered(make: Make, single: Manifest, run: Path) -> None:
    with pytest.raises(ManifestError, match="say which layout this folder has with --dataset"):
        earmark.evaluate(make(0, None, data={"dataset": "folder"}), single.root)
    with pytest.raises(ManifestError, match=r"absent\.csv: no such file\. Give a manifest"):
        earmark.evaluate(make(), single.root / "absent.csv")
    with pytest.raises(EarmarkError, match="draws 'groups' or 'clips', not 'clip'"):
        earmark.evaluate(make(), single, draw="clip")
    with pytest.raises(ManifestError, match="no such fold: '9'"):
        earmark.evaluate(make(), single, folds=["9"])
    with pytest.raises(EarmarkError, match=r"--record and --fold are for one tagger\. Give one of .*fold-1"):
        earmark.evaluate(run, single, folds=["1"])
    with pytest.raises(ScoresError, match=r"collars are \[0\.2, 0\.2\]: give one at least, each once"):
        earmark.evaluate(make(), build({n: single.table[n] for n in ("id", "path", "tags")} | {
            "events": [[(tags[0], 0.2, 0.4)] for tags in single.table["tags"].to_pylist()]
        }, single.root), collars=[0.2, 0.2], resamples=0)  # fmt: skip


def test_figures_are_recorded_and_saved(make: Make, scenes: Manifest, tmp_path: Path) -> None:
    make(**ATTENTION).save(tmp_path / "t.safetensors")
    told = earmark.evaluate(tmp_path / "t.safetensors", scenes, folds=["3"], resamples=5)
    record(told, tmp_path / "t.safetensors")
    kept = read_head(tmp_path / "t.safetensors")["facts"]["test"]
    assert (
        kept["folds"] == ["3"] and kept["metrics"]["map"]["value"] == told.figures.as_dict()["metrics"]["map"]["value"]
    )
    assert loading.load(tmp_path / "t.safetensors").identity() == told.figures.protocol["tagger"]
    figures = report.save(told, tmp_path / "o")
    assert json.loads((tmp_path / "o" / "report.json").read_text()) == figures.as_dict()
    pictures = sorted(example.picture for example in figures.events.examples)
    assert pictures and sorted(file.name for file in (tmp_path / "o").glob("*.events.*")) == pictures
    assert earmark.Scores.load(tmp_path / "o" / "scores.parquet").ids.tolist() == told.scores.ids.tolist()
    assert report.save(told, tmp_path / "p", pictures=False).events.examples is None


def elsewhere(clips: Manifest) -> Manifest:
    """The same sounds as another data set, whose folds are called alike."""
    columns = {name: clips.table[name] for name in ("path", "tags", "events", "fold")}
    return build(columns | {"id": [f"other/{name}" for name in clips.ids]}, clips.root)


def test_a_fold_of_another_folder_is_not_the_fold_that_was_learnt(make: Make, scenes: Manifest) -> None:
    parts = splits.Parts(scenes.in_folds(["1", "2"]), scenes.select([]), scenes.in_folds(["3"]))
    facts = {"data": {"dataset": "soundscapes"}, "split": Split.of(parts).as_dict()}
    with pytest.raises(EarmarkError, match="on fold 1: figures would be too good"):
        earmark.evaluate(make(facts=facts), scenes, folds=["1"], resamples=0)
    told = earmark.evaluate(make(facts=facts), elsewhere(scenes), folds=["1"], resamples=0)
    assert told.figures.clips == 3 and not any("left out: the" in note for note in told.figures.notes)
    assert "sample" not in json.dumps(told.figures.as_dict()["protocol"])
    again = tune(make(facts=facts), elsewhere(scenes), folds=["3"], resamples=0)
    assert len(again.clips) == 3
    with pytest.raises(EarmarkError, match="the tagger is tested on fold 3"):
        tune(make(facts=facts), scenes, folds=["3"], resamples=0)


def test_a_clip_that_was_learnt_is_left_out_of_another_folder(make: Make, scenes: Manifest) -> None:
    """Its fold has another name there, and most of the folder is of other clips."""
    parts = splits.Parts(scenes.in_folds(["1", "2"]), scenes.select([]), scenes.in_folds(["3"]))
    facts = {"data": {"dataset": "soundscapes"}, "split": Split.of(parts).as_dict()}
    names = ["other/0", "other/1", str(scenes.in_folds(["1"]).ids[0])]
    columns = {
        "id": names,
        "path": [str(path) for path in scenes.paths()[:3]],
        "tags": [["burst"]] * 3,
        "fold": ["x"] * 3,
    }
    told = earmark.evaluate(make(facts=facts), build(columns, scenes.root), folds=["x"], resamples=0)
    assert told.figures.clips == 2
    assert any(f"1 of the 3 clips, such as {names[2]!r}: left out" in note for note in told.figures.notes)
