"""`earmark events` and `earmark calibrate`: what they write, the rules they take, and what they refuse."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.conftest import tone

from earmark.data import manifest, splits
from earmark.errors import EarmarkError
from earmark.events import formats as eventfile
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.models.facts import Facts
from earmark.models.file import read_head
from earmark.recipe import parse

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 8000
TAGS = ("burst", "hiss")
ATTENTION = {
    "features": {"name": "logmel", "window": 0.032, "hop": 0.01, "bands": 32},
    "net": {"name": "resnet_b_att", "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1]},
}


def made(facts=None, **changes) -> taggers.Tagger:
    torch.manual_seed(0)
    recipe = {
        "name": "small",
        "summary": "A small net",
        "task": "many",
        "sample_rate": RATE,
        "data": {"dataset": "soundscapes"},
        "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]},
        "augment": ["crop"],
        "train": {"epochs": 1},
        **changes,
    }
    tagger = taggers.build(parse(recipe), TAGS).eval()
    tagger.facts = Facts.read(facts or {})
    return tagger


def rules(threshold: float) -> dict:
    return {
        "thresholds": dict.fromkeys(TAGS, threshold),
        "medians": dict.fromkeys(TAGS, 0.0),
        "gap": 0.0,
        "shortest": 0.0,
    }


@pytest.fixture
def windowed(tmp_path) -> Path:
    made().save(tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def trained(facts=None) -> taggers.Tagger:
    """A net with frames that hears bursts, by a few steps on random ones."""
    tagger = made(facts, **ATTENTION, windows={"length": 1.0, "hop": 1.0})
    generator = np.random.default_rng(1)
    waves = generator.normal(0, 0.01, (16, RATE)).astype(np.float32)
    waves[::2] *= 30
    targets = torch.zeros(16, 2)
    targets[::2, 0], targets[1::2, 1] = 1, 1
    tagger.train()
    optimiser = torch.optim.Adam(tagger.parameters(), 0.01)
    for _ in range(15):
        optimiser.zero_grad()
        logits = tagger(torch.from_numpy(waves)).frames
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[:, None].expand_as(logits))
        loss.backward()
        optimiser.step()
    for module in tagger.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all that follows
            module.reset_running_stats()
    with torch.no_grad():
        tagger(torch.from_numpy(waves))
    return tagger.eval()


@pytest.fixture(scope="module")
def framed(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("framed") / "f.safetensors"
    trained().save(path)
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """A manifest of quiet clips with a loud burst each, in the folds 1 to 3."""
    folder = tmp_path_factory.mktemp("scenes")
    generator = np.random.default_rng(0)
    rows: dict[str, list] = {"id": [], "path": [], "tags": [], "events": [], "fold": []}
    for number in range(9):
        wave = generator.normal(0, 0.01, 4 * RATE)
        first = 0.96 + 0.32 * int(generator.integers(0, 3))
        wave[int(first * RATE) : int((first + 1.28) * RATE)] *= 30
        name = f"{number}.wav"
        soundfile.write(folder / name, wave.astype(np.float32), RATE)
        for key, value in (
            ("id", name), ("path", name), ("tags", ["burst"]), ("events", [("burst", first, first + 1.28)]),
            ("fold", str(number % 3 + 1)),
        ):  # fmt: skip
            rows[key].append(value)
    manifest.write(manifest.build(rows, folder), folder / "m.parquet")
    return folder


def test_frames_find_the_bursts(run, framed, scenes, tmp_path):
    status, _, said = run("events", scenes, "--tagger", framed, "--format", "tsv", "--out", tmp_path, "--shortest", 0.2)
    assert status == 0 and "no rules for events" in said and "scores windows" not in said
    found = eventfile.read(tmp_path / "events.tsv")
    clips = manifest.read(scenes / "m.parquet")
    for name, (truth,) in zip(clips.ids.tolist(), clips.table["events"].to_pylist(), strict=True):
        (burst,) = (event for event in found[name] if event.tag == "burst")
        assert abs(burst.onset - truth["onset"]) < 0.5 and abs(burst.offset - truth["offset"]) < 0.5


@pytest.mark.parametrize("form", ["tsv", "csv", "json", "audacity", "raven"])
def test_every_format_tells_the_same(run, windowed, scenes, tmp_path, form):
    arguments = ("events", scenes / "0.wav", "--tagger", windowed, "--threshold", 0.01)
    status, printed, said = run(*arguments, "--format", form)
    assert status == 0 and "scores windows, not moments: edges are no finer than 0.5 s every 0.25 s" in said
    run(*arguments, "--format", form, "--out", tmp_path / "out")
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_text() == printed
    _, as_json, _ = run(*arguments, "--json")
    (record,) = json.loads(as_json)
    assert record["path"] == "0.wav" and len(record["events"]) == 2  # both tags are above 0.01 throughout
    assert [(e.tag, e.onset, e.offset, e.score) for e in eventfile.read(file)["0.wav"]] == [
        (e["label"], e["onset"], e["offset"], e["score"]) for e in record["events"]
    ]
    assert {(e["onset"], e["offset"]) for e in record["events"]} == {(0.0, 4.0)}


@pytest.fixture
def pipe():
    """Opens files, and closes them after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda path: stack.enter_context(path.open())


@pytest.mark.parametrize(("rate", "highest"), [(4000, 2000), (8000, 4000), (48_000, 4000)])
@pytest.mark.parametrize("by", ["stdout", "out", "job", "stdin"])
def test_a_box_of_raven_is_no_higher_than_the_recording(run, windowed, tmp_path, monkeypatch, pipe, rate, highest, by):
    """The tagger hears up to 4000 Hz, and the recording holds up to half of its rate."""
    wave = tone(500, 2.5, rate)
    soundfile.write(tmp_path / "a.wav", wave, rate)
    command = ["events", tmp_path / "a.wav", "--tagger", windowed, "--threshold", 0.01, "--format", "raven"]
    if by == "stdin":
        (tmp_path / "raw").write_bytes((wave * 32767).astype("<i2").tobytes())
        monkeypatch.setattr("sys.stdin", pipe(tmp_path / "raw"))
        command[1:2] = ["-", "--rate", rate]
    folder = tmp_path / "to"
    place = {"stdout": [], "stdin": [], "out": ["--out", folder], "job": ["--job", folder]}[by]
    _, printed, _ = run(*command, *place)
    if place:
        (file,) = folder.rglob("*.selections.txt")
        printed = file.read_text()
    header, first, *_ = (line.split("\t") for line in printed.splitlines())
    row = dict(zip(header, first, strict=True))
    assert float(row["High Freq (Hz)"]) == highest and row["Begin File"] == ("-" if by == "stdin" else "a.wav")


def test_recordings_of_one_name_are_named_without_their_folders_to_raven(run, windowed, scenes, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").write_bytes((scenes / "0.wav").read_bytes())
    command = ("events", tmp_path / "x", tmp_path / "y", "--tagger", windowed, "--threshold", 0.01)
    run(*command, "--format", "raven", "--out", tmp_path / "out")
    for file in (tmp_path / "out").iterdir():
        assert list(eventfile.read(file)) == ["a.wav"]


def test_the_table_for_people(run, windowed, scenes):
    _, printed, _ = run("events", scenes / "0.wav", scenes / "1.wav", "--tagger", windowed, "--threshold", 1)
    assert printed.splitlines() == ["0.wav  nothing", "1.wav  nothing"]
    _, printed, _ = run("events", scenes / "0.wav", "--tagger", windowed, "--threshold", 0.01)
    assert printed.splitlines()[0].startswith("0.wav  0:00.0  0:04.0  burst 0.")


def test_the_taggers_own_rules_are_taken_and_options_go_before_them(run, scenes, tmp_path):
    made({"events": {"rules": rules(0.01)}}).save(tmp_path / "own.safetensors")
    arguments = ("events", scenes / "0.wav", "--tagger", tmp_path / "own.safetensors", "--json")
    _, printed, said = run(*arguments)
    assert len(json.loads(printed)[0]["events"]) == 2 and "no rules" not in said
    _, printed, _ = run(*arguments, "--threshold", 1)
    assert json.loads(printed)[0]["events"] == []
    _, printed, _ = run(*arguments, "--shortest", 4.1)
    assert json.loads(printed)[0]["events"] == []


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(run, windowed, scenes, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    arguments = ("events", tmp_path / "broken.wav", scenes / "0.wav", "--tagger", windowed, "--json")
    status, printed, said = run(*arguments)
    assert status == 1 and "1 of 2 recordings could not be read" in said and "broken.wav: " in said
    assert [record["path"] for record in json.loads(printed)] == ["0.wav"]
    status, _, _ = run(*arguments, "--errors", tmp_path / "e.csv")
    _, (path, reason) = csv.reader((tmp_path / "e.csv").read_text().splitlines())
    assert status == 1 and path.endswith("broken.wav") and reason and not reason.startswith(path)
    with pytest.raises(EarmarkError, match="broken"):
        run(*arguments, "--strict")


def test_recordings_of_one_name_keep_their_paths(run, windowed, scenes, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").write_bytes((scenes / "0.wav").read_bytes())
    paths = [str(tmp_path / folder / "a.wav") for folder in ("x", "y")]
    _, printed, _ = run("events", *paths, "--tagger", windowed, "--json")
    assert [record["path"] for record in json.loads(printed)] == paths
    run("events", *paths, "--tagger", windowed, "--format", "audacity", "--out", tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["x_a.wav.txt", "y_a.wav.txt"]


def test_an_ensemble_tells_of_windows(run, scenes, tmp_path):
    Ensemble([made(), made()]).save(tmp_path / "e.safetensors")
    _, printed, said = run(
        "events", scenes / "0.wav", "--tagger", tmp_path / "e.safetensors", "--threshold", 0.01, "--json"
    )
    assert len(json.loads(printed)[0]["events"]) == 2 and "scores windows" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "table", "--out", "x"], "a table is for reading on stdout"),
        (["--format", "raven"], "raven has a file for each of the 9 recordings: name a folder with --out"),
        (["--threshold", 0], "threshold of 'burst' is 0"),
        (["--median", "-1"], "median length of 'burst' is -1"),
        (["--gap", "nan"], "gap is nan"),
        (["--low", "1.5"], "low of 'burst' is 1.5: give a share of its threshold above 0, up to 1"),
    ],
)
def test_events_refuses(run, windowed, scenes, arguments, message):
    with pytest.raises(EarmarkError, match=message):
        run("events", scenes, "--tagger", windowed, *arguments)


SPLIT = {
    "train": {"clips": 3, "folds": ["1"], "sha256": "0"},
    "validation": {"clips": 3, "folds": ["2"], "sha256": "1"},
    "test": {"clips": 3, "folds": ["3"], "sha256": "2"},
}
FACTS = {"data": {"dataset": "soundscapes"}, "split": SPLIT}


def test_calibrate_stores_rules_and_what_they_were_chosen_on(run, framed, scenes, tmp_path):
    tagger = loading.load(framed)
    tagger.facts = Facts.read(FACTS)
    tagger.save(tmp_path / "t.safetensors")
    before = (tmp_path / "t.safetensors").read_bytes()
    arguments = ("calibrate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", "--resamples", 20)
    status, printed, said = run(
        *arguments, "--collar", 0.4, "--out", tmp_path / "new.safetensors", "--tried", tmp_path / "tried.csv", "--json"
    )
    assert status == 0 and "no events in these clips, left at 0.5: hiss" in said
    assert (tmp_path / "t.safetensors").read_bytes() == before
    stored = read_head(tmp_path / "new.safetensors")["facts"]["events"]
    told = json.loads(printed)
    tried, of_tags = told.pop("tried"), told.pop("tags")
    assert told == stored
    assert of_tags == read_head(tmp_path / "new.safetensors")["facts"]["tags"]
    clips = manifest.read(scenes / "m.parquet").in_folds("2")
    assert stored["chosen on"] == {"data": "soundscapes", **splits.ClipSet.of(clips).as_facts()}
    rule = {"onset": 0.4, "offset": 0.4, "share": 0.2, "least": 0.0, "hit": "sed_eval"}
    assert stored["scores"] == "frames" and stored["collars"] == rule
    assert stored["metric"] == "event-based F1, mean over tags, hits by sed_eval"
    figures = [figure["value"] for figure in stored["figures"].values()]
    assert list(stored["figures"]) == ["0.5", "thresholds", "thresholds and medians"] and figures == sorted(figures)
    assert figures[-1] > 0.5
    with (tmp_path / "tried.csv").open() as file:
        assert [float(row["f1"]) for row in csv.DictReader(file)] == [point["f1"] for point in tried]
    # the tagger is the same but for what it tells, and takes its rules
    assert loading.load(tmp_path / "new.safetensors").identity() == tagger.identity()
    _, _, said = run("events", scenes / "0.wav", "--tagger", tmp_path / "new.safetensors")
    assert "no rules" not in said


def test_calibrate_without_out_replaces_the_file_and_prints_tables(run, framed, scenes, tmp_path):
    tagger = loading.load(framed)
    tagger.save(tmp_path / "t.safetensors")
    run("calibrate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", "--fold", 2, "--resamples", 20)
    assert "rules" in read_head(tmp_path / "t.safetensors")["facts"]["events"]


@pytest.mark.parametrize(
    ("facts", "arguments", "message"),
    [
        (FACTS, ["--fold", 3], "is tested on fold 3: .* Choose on fold 2, or say --on-test"),
        (FACTS, ["--fold", 2, "--fold", 3], "is tested on fold 3"),
        (FACTS, ["--fold", 9], "no such fold"),
        ({}, [], "say with --fold which clips .* there are 1, 2, 3"),
        (FACTS, ["--collar", "-1"], "onset collar is -1"),
    ],
)
def test_calibrate_refuses(run, scenes, tmp_path, facts, arguments, message):
    made(facts).save(tmp_path / "t.safetensors")
    before = (tmp_path / "t.safetensors").read_bytes()
    with pytest.raises(EarmarkError, match=message):
        run("calibrate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", *arguments)
    assert (tmp_path / "t.safetensors").read_bytes() == before


def test_test_clips_without_folds_are_known_by_their_digest(run, scenes, tmp_path):
    clips = manifest.read(scenes / "m.parquet").in_folds("3")
    made({"split": {"test": {**splits.ClipSet.of(clips).as_dict(), "folds": []}}}).save(tmp_path / "t.safetensors")
    with pytest.raises(EarmarkError, match="is tested on these clips"):
        run("calibrate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", "--fold", 3)


def test_test_folds_may_be_borne_and_training_folds_are_said(run, scenes, tmp_path):
    made(FACTS).save(tmp_path / "t.safetensors")
    arguments = ("calibrate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", "--resamples", 5)
    status, printed, _ = run(*arguments, "--fold", 3, "--on-test", "--json")
    assert status == 0 and json.loads(printed)["chosen on"]["folds"] == ["3"]
    _, _, said = run(*arguments, "--fold", 1)
    assert "was trained on fold 1" in said


def test_clips_that_cannot_be_read_are_left_out_and_listed(run, scenes, tmp_path):
    clips = manifest.read(scenes / "m.parquet").in_folds("2")
    for name in clips.ids.tolist():
        (tmp_path / name).write_bytes((scenes / name).read_bytes())
    (tmp_path / clips.ids[0]).write_bytes(b"no audio")
    table = clips.table.to_pydict() | {
        "events": [[tuple(e.values()) for e in row] for row in clips.table["events"].to_pylist()]
    }
    manifest.write(manifest.build(table, tmp_path), tmp_path / "m.parquet")
    made().save(tmp_path / "t.safetensors")
    status, printed, said = run(
        "calibrate",
        tmp_path / "t.safetensors",
        "--data",
        tmp_path / "m.parquet",
        "--fold",
        2,
        "--resamples",
        5,
        "--json",
    )
    assert status == 1 and json.loads(printed)["chosen on"]["clips"] == 2
    assert "1 of 3 clips could not be read" in said and clips.ids[0] in said


def test_shipped_taggers_are_refused(run, scenes):
    with pytest.raises(EarmarkError, match="esc10 is a shipped tagger and stays as it is"):
        run("calibrate", "esc10", "--data", scenes / "m.parquet")


@pytest.mark.parametrize("form", ["audacity", "raven"])
@pytest.mark.parametrize("where", ["--out", "--job"])
def test_a_tag_that_a_format_cannot_write_is_told_before_anything_is_heard(run, scenes, tmp_path, form, where):
    odd = taggers.build(made().recipe, ("burst", "rain\tand wind"))
    odd.save(tmp_path / "odd.safetensors")
    words = ["events", scenes, "--tagger", tmp_path / "odd.safetensors", "--format", form, where, tmp_path / "out"]
    with pytest.raises(EarmarkError, match=rf"--format {form}: 'rain\\tand wind' holds a tab .*: write csv or json"):
        run(*words)
    assert not (tmp_path / "out").exists()
    assert run(*words[:5], "csv", where, tmp_path / "out")[0] == 0


@pytest.mark.parametrize("verb", ["events", "tag"])
def test_what_is_found_is_not_lost_with_a_picture(run, tmp_path, monkeypatch, verb):
    from earmark.errors import AudioError
    from earmark.report.pictures import events as eventpicture
    from earmark.report.pictures import recording as timeline

    def fail(*_, **__):
        raise AudioError("a.wav", "cannot be read a second time")

    monkeypatch.setattr({"events": eventpicture, "tag": timeline}[verb], "draw", fail)
    made().save(tmp_path / "t.safetensors")
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE), RATE)
    form = {"events": "tsv", "tag": "csv"}[verb]
    told = ["--format", form, "--pictures", tmp_path / "p", "--tagger", tmp_path / "t.safetensors"]
    status, out, said = run(verb, tmp_path / "a.wav", *told)
    assert status == 1
    assert "a.wav: a.wav: cannot be read a second time" in said and "no picture of" in said
    assert out.startswith({"events": "filename\tonset", "tag": "path,"}[verb]) and "a.wav" in out


def test_show_tells_rules_for_events_and_what_chose_them(run, tmp_path):
    many = {tag: 0.1 * number for number, tag in enumerate("abcdefghi", 1)}
    for told, words in (
        ({"rules": rules(0.5)}, ["events      from 0.5", "chosen by   a rule that is not given"]),
        (
            {"rules": rules(0.5) | {"lows": dict.fromkeys(TAGS, 0.4), "gap": 1.5, "shortest": 0.2, "medians": dict.fromkeys(TAGS, 0.3)}},
            ["from 0.5; median of 0.3 s; one where less than 1.5 s apart; one where the score stays at a share of that: 0.4; none of less"],
        ),
        ({"rules": rules(0.5) | {"thresholds": many, "medians": dict.fromkeys(many, 0.0)}}, ["from 0.1 (a) to 0.9 (i)"]),
        (
            {"rules": rules(0.5), "metric": "event-based F1", "chosen on": {"data": "esc", "clips": 40, "folds": ["4"]}},
            ["chosen by   event-based F1, on 40 clips of fold 4 of esc"],
        ),
        (
            {"rules": rules(0.5), "metric": "recall", "goal": {"recall": 0.9, "of": "x", "by reviews": {"a": "25 reviews"}}},
            ["chosen by   recall 0.9 of x; then by reviews: a (25 reviews)"],
        ),
    ):  # fmt: skip
        made({"events": told}).save(tmp_path / "t.safetensors")
        shown = run("show", tmp_path / "t.safetensors")[1]
        assert all(each in shown for each in words), shown
    made({"tags": {"thresholds": dict.fromkeys(TAGS, 0.3), "metric": "F1 of each tag"}}).save(
        tmp_path / "t.safetensors"
    )
    assert "heard       from 0.3" in (shown := run("show", tmp_path / "t.safetensors")[1])
    assert "chosen by   F1 of each tag\n" in shown


def test_show_says_how_windows_are_combined(run, tmp_path):
    made().save(tmp_path / "t.safetensors")
    assert "combines    windows by mean; many tags a clip" in run("show", tmp_path / "t.safetensors")[1]
    told = run("show", "esc10")[1]
    assert "combines    windows by geometric, each counting by its level; one tag a clip" in told
