"""Merged vocabularies: the shipped tables against the official names, and clips, events, scores and rules under them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.conftest import RATE, Heard, Make
from tests.program import earmark as program

import earmark
from earmark.data import splits
from earmark.data.datasets.speechcommands import COMMANDS, OTHERS, TWELVE, UNKNOWN, speechcommands
from earmark.data.manifest import Manifest, build
from earmark.errors import EarmarkError, ManifestError
from earmark.evaluation.tuning import tune
from earmark.evaluation.vocabulary import Vocabulary, find, shipped
from earmark.events import EventRules
from earmark.models.facts import Facts, Split
from earmark.models.tagger import build as build_tagger
from earmark.recipe import parse

pytestmark = pytest.mark.usefixtures("sketched")


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["tag,merged", *rows]) + "\n", "utf-8")
    return path


def test_the_words_become_the_twelve_classes_of_the_test_files() -> None:
    """30 words and silence, as T. Kim and others count them, and the five words of v0.02."""
    vocabulary = Vocabulary.load("speechcommands-twelve")
    tags = (*COMMANDS, *OTHERS, "_silence_")
    mapped = {vocabulary.of(tags).get(tag, tag) for tag in tags}
    assert mapped == set(TWELVE)
    assert sum(name == UNKNOWN for name in vocabulary.mapping.values()) == len(OTHERS) == 25


def test_audioset_s_tags_become_those_of_esc_10_by_the_ontology(data: Path) -> None:
    """Made anew from the tree: of each tag one class and all that lies below it; none lies below two."""
    folder = data / "metadata/audioset"
    classes = {each["id"]: each for each in json.loads((folder / "ontology.json").read_text("utf-8"))}
    named = {each["name"]: key for key, each in classes.items()}
    heads = {
        "crying_baby": "Crying, sobbing", "sneezing": "Sneeze", "dog": "Dog", "rooster": "Chicken, rooster", "rain": "Rain",
        "sea_waves": "Ocean", "crackling_fire": "Fire", "helicopter": "Helicopter", "chainsaw": "Chainsaw", "clock_tick": "Clock",
    }  # fmt: skip
    expected = {}
    for tag, head in heads.items():
        waiting = [named[head]]
        while waiting:
            key = waiting.pop()
            assert expected.setdefault(key, tag) == tag
            waiting += classes[key]["child_ids"]
    with (folder / "class_labels_indices.csv").open(encoding="utf-8", newline="") as stream:
        labels = [(row["mid"], row["display_name"]) for row in csv.DictReader(stream)]
    mapping = Vocabulary.load("audioset-esc10").mapping
    assert mapping == {tag: expected.get(mid) for mid, tag in labels} and len(mapping) == 527
    with (data / "esc10/meta/esc10.csv").open(encoding="utf-8", newline="") as stream:
        assert {name for name in mapping.values() if name} == {row["category"] for row in csv.DictReader(stream)}


def test_yamnet_s_names_are_audioset_s(data: Path) -> None:
    """So that the tables of AudioSet's 527 tags are for its 521 too."""
    file = data / "pretrained/yamnet/yamnet_class_map.csv"
    if not file.is_file():
        pytest.skip(f"{file} is not here: YAMNet is no part of the project, its users bring it")
    with file.open(encoding="utf-8", newline="") as stream:
        names = [row["display_name"] for row in csv.DictReader(stream)]
    for table in ("audioset-esc10", "audioset-desed"):
        assert len(Vocabulary.load(table).of(names)) == 521


def test_audioset_s_tags_become_those_of_desed_by_the_ontology(data: Path) -> None:
    """Made anew from the tree of the ontology: each class and what lies below it, but for what lies below two."""
    folder = data / "metadata/audioset"
    classes = {each["id"]: each for each in json.loads((folder / "ontology.json").read_text("utf-8"))}
    named = {each["name"]: key for key, each in classes.items()}

    def below(name: str) -> set[str]:
        found, waiting = set(), [named[name]]
        while waiting:
            found.add(key := waiting.pop())
            waiting += classes[key]["child_ids"]
        return found

    heads = {
        "Speech": ["Speech"], "Dog": ["Dog"], "Cat": ["Cat"], "Alarm_bell_ringing": ["Alarm", "Bell"],
        "Dishes": ["Dishes, pots, and pans", "Cutlery, silverware"], "Frying": ["Frying (food)"],
        "Blender": ["Blender"], "Vacuum_cleaner": ["Vacuum cleaner"],
        "Running_water": ["Water tap, faucet", "Sink (filling or washing)", "Bathtub (filling or washing)"],
        "Electric_shaver_toothbrush": ["Electric shaver, electric razor", "Electric toothbrush"],
    }  # fmt: skip
    reached = {name: set().union(*map(below, tops)) for name, tops in heads.items()}
    with (folder / "class_labels_indices.csv").open(encoding="utf-8", newline="") as stream:
        labels = [(row["mid"], row["display_name"]) for row in csv.DictReader(stream)]
    expected = {}
    for mid, tag in labels:
        hit = [name for name, keys in reached.items() if mid in keys]
        expected[tag] = hit[0] if len(hit) == 1 and tag not in ("Hiss", "Growling") else None
    assert Vocabulary.load("audioset-desed").mapping == expected and len(expected) == 527
    official = (data / "metadata/desed/validation/validation.tsv").read_text("utf-8").splitlines()[1:]
    known = {row.split("\t")[3] for row in official} - {""}
    assert {name for name in expected.values() if name} == known


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_tables_can_be_loaded(name: str) -> None:
    assert Vocabulary.load(name).name == name and find(name).suffix == ".csv"


def clips() -> Manifest:
    events = '[["bark", 0, 1], ["yip", 0.5, 2], ["hiss", 3, 4], ["rain", 5, 6]]'
    columns = {
        "id": ["a", "b", "c"],
        "path": ["a.wav", "b.wav", "c.wav"],
        "tags": [["bark", "yip", "hiss", "rain"], ["hiss"], ["rain"]],
        "events": [events, "[]", None],
    }
    return build(columns, ".")


def test_events_are_merged_joined_left_out_and_told(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(table(tmp_path / "t.csv", "bark,dog", "yip,dog", "hiss,"))
    merged = vocabulary.manifest(clips())
    first, none, unknown = merged.table["events"].to_pylist()
    assert [(e["tag"], e["onset"], e["offset"]) for e in first] == [("dog", 0, 2), ("rain", 5, 6)]
    assert none == [] and unknown is None
    assert merged.table["tags"].to_pylist() == [["dog", "rain"], [], ["rain"]]
    told = vocabulary.notes(("bark", "yip", "hiss", "rain", "wind"), clips())
    assert "the tagger's 4 tags are 3 here: 'dog', 'rain', 'wind'" in told[0]
    assert told[1] == "1 tag of the tagger left out: 'hiss'."
    assert told[2] == "The table leaves out 'hiss': 2 tags and 1 event of the clips are not judged."


def test_rules_are_mapped_where_merged_tags_share_them(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(table(tmp_path / "t.csv", "bark,dog", "yip,dog", "hiss,"))
    tags = ("bark", "yip", "hiss", "rain")
    own = EventRules({"dog": 0.3, "rain": 0.6}, {"dog": 1.0, "rain": 0.0}, gap=0.5, lows={"dog": 0.6})
    spread = vocabulary.spread_rules(own, tags)
    assert spread.thresholds == {"bark": 0.3, "yip": 0.3, "hiss": 0.5, "rain": 0.6}
    assert spread.medians == {"bark": 1.0, "yip": 1.0, "hiss": 0.0, "rain": 0.0} and spread.gap == 0.5
    assert spread.lows == {"bark": 0.6, "yip": 0.6}
    assert vocabulary.rules(spread, tags) == (own, ())
    assert vocabulary.lows({"bark": 0.6, "yip": 0.7, "hiss": 0.5}, tags) == {"dog": 0.7}  # which joins the least
    assert vocabulary.lows({"bark": 0.6, "rain": 0.5}, tags) == {"rain": 0.5}  # yips are not joined, so dogs are not
    differing = EventRules(dict(spread.thresholds) | {"yip": 0.4}, spread.medians)
    alone = EventRules({"dog": 0.5, "rain": 0.6}, {"dog": 0.0, "rain": 0.0}, gap=0.5)  # what rain has of its own stays
    assert vocabulary.rules(replace(differing, gap=0.5, lows=spread.lows), tags) == (alone, ("dog",))
    medians = replace(spread, medians=spread.medians | {"yip": 2.0})  # a threshold was chosen with its median
    assert vocabulary.rules(medians, tags) == (alone, ("dog",))
    by_sum = Vocabulary("t", vocabulary.mapping, "sum")  # no threshold was chosen of a sum
    assert by_sum.rules(spread, tags) == (alone, ("dog",))
    same, unlike = np.array([0.3, 0.3, 0.5, 0.6]), np.array([0.3, 0.4, 0.5, 0.6])
    for by, values, expected in (
        (vocabulary, same, [0.3, 0.6]),
        (vocabulary, unlike, [0.5, 0.6]),
        (by_sum, same, [0.5, 0.6]),
    ):
        merged, lost = by.thresholds(values, tags)
        assert merged.tolist() == expected and lost == (() if expected[0] == 0.3 else ("dog",))


def test_tables_that_do_not_fit_are_refused(tmp_path: Path, make: Make, single: Manifest) -> None:
    with pytest.raises(EarmarkError, match="no such table of tags, did you mean 'audioset-desed'"):
        Vocabulary.load("audioset-dased")
    twice = table(tmp_path / "twice.csv", "bark,dog", "bark,cat")
    with pytest.raises(ManifestError, match=r"line 3 merges 'bark' into 'cat', an earlier one into another"):
        Vocabulary.load(twice)
    with pytest.raises(EarmarkError, match="none of its 527 tags, such as 'Speech', is one of the tagger's 2"):
        earmark.evaluate(make(task="one"), single, merge="audioset-desed", resamples=0)


def test_scores_of_a_merged_report_are_judged_again_and_compared_by_the_same_table(
    tmp_path: Path, make: Make, single: Manifest
) -> None:
    """What `evaluate --merge` writes as scores.parquet can be used with the manifest that it was made of."""
    merge = table(tmp_path / "table.csv", "burst,sound")
    tagger = make(3, task="one")
    first = earmark.evaluate(tagger, single, dataset="soundscapes", merge=merge, resamples=0)
    first.scores.save(tmp_path / "merged.parquet")
    again = earmark.evaluate(tmp_path / "merged.parquet", single, merge=merge, resamples=0)
    assert {name: each.value for name, each in again.metrics.items()} == pytest.approx(
        {name: each.value for name, each in first.metrics.items()}, nan_ok=True
    )
    assert "The scores are in merged tags already: table.csv merges those of the clips alone." in again.figures.notes
    how: dict[str, Any] = {"dataset": "soundscapes", "merge": merge, "resamples": 0, "permutations": 0}
    for others in ({"net": tagger}, {"file": tmp_path / "merged.parquet"}):
        told = earmark.compare({"merged": tmp_path / "merged.parquet", **others}, single, **how)
        one, other = (system.metrics["accuracy"].value for system in told.systems)
        assert one == other == first.metrics["accuracy"].value
    with pytest.raises(EarmarkError, match="this table is for other taggers"):
        earmark.evaluate(tmp_path / "merged.parquet", single, merge=table(tmp_path / "other.csv", "cat,animal"))


def test_events_are_judged_in_merged_tags(tmp_path: Path, make: Make, heard: Heard, scenes: Manifest) -> None:
    """Both tags are one: the events of either are that one's, and the report says how they were merged."""
    merge = table(tmp_path / "t.csv", "burst,sound", "hiss,sound")
    told = earmark.evaluate(make(task="many"), scenes, merge=merge, resamples=0, progress=heard)
    assert told.figures.events is not None
    assert [row.tag for row in told.figures.events.tags] == ["sound"]
    assert told.detected is not None and next(iter(told.detected.tracked.values())).track.tags == ("sound",)
    assert any("Judged in merged tags (t.csv, highest)" in note for note in told.figures.notes)
    apart = earmark.evaluate(make(task="many"), scenes, resamples=0)
    assert apart.figures.events is not None and apart.figures.events.events == told.figures.events.events


def test_rules_and_thresholds_are_chosen_in_merged_tags(
    tmp_path: Path, make: Make, heard: Heard, scenes: Manifest
) -> None:
    """Every tag that is merged gets the rules of the merged one, and `evaluate --merge` judges with them."""
    merge = table(tmp_path / "t.csv", "burst,sound", "hiss,sound")
    tagger = make(task="many")
    told = tune(tagger, scenes, folds=["1"], dataset="other", merge=merge, resamples=0, progress=heard)
    assert told.events is not None and set(told.events.thresholds) == {"sound"}
    assert told.facts.events is not None and told.facts.events.rules is not None and told.facts.tags is not None
    own = told.facts.events.rules
    assert own.thresholds == dict.fromkeys(("burst", "hiss"), told.events.thresholds["sound"])
    assert told.tags is not None
    assert told.facts.tags.thresholds == dict.fromkeys(("burst", "hiss"), told.tags.thresholds["sound"])
    assert told.facts.events.metric == "event-based F1, mean over tags, hits by sed_eval, in the merged tags of t.csv"
    told.store(tmp_path / "tagger.safetensors")
    judged = earmark.evaluate(tmp_path / "tagger.safetensors", scenes, folds=["2"], merge=merge, resamples=0)
    assert judged.figures.events is not None and judged.figures.decisions is not None
    assert [row.rules for row in judged.figures.events.rows][1:] == [
        "swept thresholds",
        "swept thresholds and median filters",
    ]
    assert [row.threshold for row in judged.figures.decisions.tags] == [told.tags.thresholds["sound"]]
    assert any("Judged in merged tags" in sentence for sentence in heard.said)


def test_rules_that_differ_among_merged_tags_are_told(
    tmp_path: Path, make: Make, heard: Heard, scenes: Manifest
) -> None:
    merge = table(tmp_path / "t.csv", "burst,sound", "hiss,sound")
    rules = EventRules({"burst": 0.2, "hiss": 0.6}, {"burst": 0.0, "hiss": 0.0})
    tagger = make(facts={"events": {"rules": rules.as_dict()}}, task="many")
    told = earmark.evaluate(tagger, scenes, merge=merge, resamples=0, progress=heard)
    assert told.figures.events is not None and [row.rules for row in told.figures.events.rows] == ["0.5"]
    assert any("differ among tags that are merged" in said and "calibrate --merge t.csv" in said for said in heard.said)
    (said,) = [note for note in told.figures.notes if "rules for events of 'sound'" in note]
    assert "it is judged with 0.5. Choose rules for events in merged tags with earmark calibrate --merge t.csv." in said


@pytest.mark.parametrize("rule", ["highest", "sum"])
@pytest.mark.parametrize("unlike", [(), ("thresholds",), ("rules",), ("thresholds", "rules")])
def test_what_is_stored_of_tags_that_a_table_leaves_alone_stays(
    tmp_path: Path, scenes: Manifest, rule: Any, unlike: tuple[str, ...]
) -> None:
    """Of four tags two are merged and one is called otherwise; what the merged have no more, the report says."""
    merge = table(tmp_path / "t.csv", "bang,sound", "burst,sound", "hiss,noise of steam")
    tags = ("bang", "burst", "hiss", "owl")
    recipe = {
        "task": "many", "sample_rate": RATE, "data": {"dataset": "soundscapes"}, "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    tagger = build_tagger(parse(recipe), tags).eval()
    alike, apart = (
        dict(zip(tags, (0.3, 0.3, 0.2, 0.6), strict=True)),
        dict(zip(tags, (0.3, 0.4, 0.2, 0.6), strict=True)),
    )
    rules = EventRules(apart if "rules" in unlike else alike, dict(zip(tags, (1.0, 1.0, 0.5, 0.0), strict=True)))
    thresholds = apart if "thresholds" in unlike else alike
    tagger.facts = Facts.read({"events": {"rules": rules.as_dict()}, "tags": {"thresholds": thresholds}})
    told = earmark.evaluate(tagger, scenes, merge=merge, merge_by=rule, resamples=0)
    assert told.scores.tags == ("sound", "noise of steam", "owl")
    assert told.figures.decisions is not None and told.figures.events is not None
    kept = {what: rule == "highest" and what not in unlike for what in ("thresholds", "rules")}
    own = 0.3 if kept["thresholds"] else 0.5
    assert [row.threshold for row in told.figures.decisions.tags] == [own, 0.2, 0.6]
    assert len(told.figures.events.rows) == 3
    judged = next(iter(told.detected.tracked.values())).rules  # type: ignore[union-attr]
    assert judged.thresholds == {"sound": 0.3 if kept["rules"] else 0.5, "noise of steam": 0.2, "owl": 0.6}
    assert judged.medians == {"sound": 1.0 if kept["rules"] else 0.0, "noise of steam": 0.5, "owl": 0.0}
    for what, words in (("thresholds", "thresholds"), ("rules", "rules for events")):
        said = [note for note in told.figures.notes if note.startswith(f"The tagger's {words} of ")]
        assert bool(said) != kept[what]
        why = (
            "differ among tags that are merged into one" if rule == "highest" else "are of scores that are summed here"
        )
        assert all(f"of 'sound' {why}: it is judged with 0.5, and the others with their own." in note for note in said)


@pytest.mark.parametrize("apart", [True, False])
def test_thresholds_that_taggers_of_folds_do_not_share_are_told(
    tmp_path: Path, make: Make, scenes: Manifest, apart: bool
) -> None:
    for number, fold in enumerate("123"):
        rest = scenes.in_folds([each for each in "123" if each != fold])
        parts = splits.Parts(rest, scenes.select([]), scenes.in_folds(fold))
        facts: dict[str, Any] = {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()}
        facts["tags"] = {"thresholds": {"burst": 0.3, "hiss": 0.4 + 0.1 * number * apart}}
        (tmp_path / "run" / f"fold-{fold}").mkdir(parents=True)
        make(number, facts).save(tmp_path / "run" / f"fold-{fold}" / "tagger.safetensors")
    named = replace(scenes, facts={"dataset": "soundscapes"})
    for merge in (None, table(tmp_path / "t.csv", "hiss,steam")):
        told = earmark.evaluate(tmp_path / "run", named, merge=merge, resamples=0, events=False).figures
        said = [note for note in told.notes if "do not store the same thresholds of tags" in note]
        assert (told.decisions is None) == bool(said) == apart


def test_tags_and_events_are_not_told_by_thresholds_that_merged_tags_have_not(
    tmp_path: Path, make: Make, scenes: Manifest
) -> None:
    """`tag --heard` and `events` refuse, with the tags concerned, and tell the others' where a table leaves them alone."""
    rules = EventRules({"burst": 0.2, "hiss": 0.6}, {"burst": 0.0, "hiss": 0.0})
    facts = {"events": {"rules": rules.as_dict()}, "tags": {"thresholds": {"burst": 0.2, "hiss": 0.6}}}
    make(facts=facts).save(tmp_path / "t.safetensors")
    both, one = table(tmp_path / "both.csv", "burst,sound", "hiss,sound"), table(tmp_path / "one.csv", "burst,sound")
    for words in (("tag", "--heard"), ("events",)):
        for merge, by in ((both, "highest"), (both, "sum"), (one, "highest"), (one, "sum")):
            run = (words[0], scenes.root / "0.wav", "--tagger", tmp_path / "t.safetensors", *words[1:])
            done = program(*run, "--merge", merge, "--merge-by", by)
            assert done.returncode == (2 if merge is both else 0), done.stderr
            assert merge is one or "are one in both.csv differ, or they are merged by sum: 'sound'." in done.stderr


def test_a_tagger_of_527_tags_is_calibrated_and_judged_on_the_ten_of_desed(
    tmp_path: Path, heard: Heard, scenes: Manifest
) -> None:
    """Paper 003, section 5: the truth has DESED's tags, the tagger AudioSet's."""
    names = tuple(Vocabulary.load("audioset-desed").mapping)
    recipe = {
        "task": "many", "sample_rate": RATE, "data": {"dataset": "audioset"}, "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]}, "augment": ["crop"],
        "train": {"epochs": 1},
    }  # fmt: skip
    tagger = build_tagger(parse(recipe), names).eval()
    columns = {name: scenes.table[name] for name in ("id", "path", "fold")}
    truth = [[{**event, "tag": "Dog"} for event in row] for row in scenes.table["events"].to_pylist()]
    events = [json.dumps([[e["tag"], e["onset"], e["offset"]] for e in row]) for row in truth]
    clips = build(columns | {"tags": [["Dog"]] * len(events), "events": events}, scenes.root)
    told = tune(tagger, clips, folds=["1"], dataset="desed", merge="audioset-desed", resamples=0, progress=heard)
    assert any("465 tags of the tagger left out" in said for said in heard.said)
    assert told.events is not None and len(told.events.thresholds) == 10
    assert told.facts.events is not None and told.facts.events.rules is not None
    own = told.facts.events.rules.thresholds
    assert set(own) == set(names)
    assert {own[tag] for tag in ("Dog", "Bark", "Yip")} == {told.events.thresholds["Dog"]} and own["Music"] == 0.5
    told.store(tmp_path / "tagger.safetensors")
    judged = earmark.evaluate(
        tmp_path / "tagger.safetensors", clips, folds=["2"], dataset="desed", merge="audioset-desed", resamples=0
    )
    assert judged.figures.events is not None
    assert [row.tag for row in judged.figures.events.tags] == ["Dog"] and len(judged.figures.events.without) == 9
    assert len(judged.figures.events.rows) == 3 and judged.scores.tags[0] == "Speech" and len(judged.scores.tags) == 10


def test_words_are_trained_on_in_one_folder_and_judged_as_classes_in_another(data: Path, tmp_path: Path) -> None:
    """Paper 001: it learns from the fold test of version 0.01, and is tested on the fold test of the official test files."""
    words = speechcommands(data / "speech_commands_v0.01_mini")
    parts = splits.Parts(words.in_folds(["train", "test"]), words.in_folds(["validation"]), words.select([]))
    recipe = {
        "task": "one", "sample_rate": 16000, "data": {"dataset": "speechcommands"},
        "windows": {"length": 1.0, "hop": 1.0}, "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]},
        "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    tagger = build_tagger(parse(recipe), words.vocabulary).eval()
    tagger.facts = Facts.read({"data": {"dataset": "speechcommands"}, "split": Split.of(parts).as_dict()})
    official = speechcommands(data / "speech_commands_test_v0.02_mini")
    spoken = [row for row, tags in enumerate(official.table["tags"].to_pylist()) if tags != ["_silence_"]]
    common = set(official.ids.tolist()) & set(parts.train.ids.tolist())
    judged = earmark.evaluate(tagger, official.select(spoken), merge="speechcommands-twelve", resamples=0)
    # what was learnt from lies in both folders: it is left out, and told
    assert judged.figures.clips == len(spoken) - len(common) and set(judged.scores.tags) == {*COMMANDS, UNKNOWN}
    told = [note for note in judged.figures.notes if "left out, as the tagger was trained" in note]
    assert len(told) == bool(common) and all(any(name in note for name in common) for note in told)
    with pytest.raises(EarmarkError, match="on fold test: figures would be too good"):
        earmark.evaluate(tagger, words, folds=["test"], resamples=0)
