"""Another step between windows of a trained tagger: `--hop` of tag and evaluate (paper 004, section 4)."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.errors import RecipeError
from earmark.events import EventRules
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.facts import EventTuning, TagTuning
from earmark.models.tagger import build
from earmark.recipe import parse
from earmark.scores import Scores

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 44_100
LENGTH, HOP = 2 * RATE, 5120


def plan(**windows):
    return parse({
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "augment": ["crop"], "train": {"epochs": 1},
        "windows": {"length": 2.0, "hop": "5120/44100", "short": "slide", "combine": "geometric", **windows},
        "net": {"name": "convnet1d", "widths": [2, 2], "blocks": [1, 1]},
    })  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hop")
    torch.manual_seed(0)
    build(plan(), ["a", "b", "c"]).save(folder / "t.safetensors")
    torch.manual_seed(0)
    build(plan(hop="51200/44100"), ["a", "b", "c"]).save(folder / "fast.safetensors")
    chance = np.random.default_rng(0)
    names = [f"{number}.wav" for number in range(3)]
    for name in names:
        soundfile.write(folder / name, chance.uniform(-0.5, 0.5, 200_000), RATE)
    clips = manifests.build({"id": names, "path": names, "tags": [["a"], ["b"], ["c"]], "fold": ["1"] * 3}, folder)
    manifests.write(clips, folder / "clips.csv")
    return folder


@pytest.mark.parametrize(("hop", "samples"), [(None, 5120), ("51200/44100", 51_200), ("1.0", 44_100)])
def test_windows_lie_so_and_one_more_ends_with_the_clip(place, tmp_path, hop, samples):
    """200,000 samples: at 5120 the last whole step begins at 107,520, and one window more at 111,800 ends with the clip."""
    told = ["--hop", hop] if hop else []
    done = earmark("tag", place / "0.wav", "--tagger", place / "t.safetensors", "--windows", tmp_path / "w.csv", *told)
    assert done.returncode == 0, done.stderr
    starts = [
        round(float(row["start"]) * RATE) for row in csv.DictReader((tmp_path / "w.csv").read_text().splitlines())
    ]
    steps = list(range(0, 200_000 - LENGTH + 1, samples))
    assert starts == [*steps, 200_000 - LENGTH]


def test_the_scores_are_those_of_a_tagger_made_so(place):
    words = "tag", place / "0.wav", place / "1.wav", "--format", "jsonl", "--tagger"
    told = earmark(*words, place / "t.safetensors", "--hop", "51200/44100").stdout
    assert told == earmark(*words, place / "fast.safetensors").stdout
    assert told != earmark(*words, place / "t.safetensors").stdout


def test_an_evaluation_with_another_step(place, tmp_path):
    words = "--data", place / "clips.csv", "--resamples", 5, "--json"
    done = earmark("evaluate", place / "t.safetensors", *words, "--hop", "51200/44100", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert earmark("evaluate", place / "fast.safetensors", *words, "--out", tmp_path / "b").returncode == 0
    a, b = (Scores.load(tmp_path / name / "scores.parquet") for name in "ab")
    assert np.array_equal(a.values, b.values)
    assert "seconds between windows, in place of the tagger's own: 1.16" in (tmp_path / "a" / "report.md").read_text()


def test_rules_that_were_chosen_in_its_own_windows_are_left_out_and_told(place, tmp_path):
    """They judge nothing that is heard in others, as they would not where the tagger is saved so."""
    ruled = loading.load(place / "t.safetensors", engine="torch")
    rules, limits = EventTuning(EventRules.alike(["a", "b", "c"], 1e-9)), TagTuning(dict.fromkeys("abc", 1e-9))
    ruled.facts = replace(ruled.facts, events=rules, tags=limits)
    ruled.save(tmp_path / "ruled.safetensors")
    rows = [(f"{number}.wav", place / f"{number}.wav", tag) for number, tag in enumerate("abc")]
    events = [[{"tag": tag, "onset": 0.5, "offset": 1.0}] for *_, tag in rows]
    columns = {
        "id": [row[0] for row in rows],
        "path": [str(row[1]) for row in rows],
        "tags": [[row[2]] for row in rows],
    }
    manifests.write(manifests.build({**columns, "fold": ["1"] * 3, "events": events}, tmp_path), tmp_path / "clips.csv")
    words = "evaluate", "--data", tmp_path / "clips.csv", "--task", "many", "--resamples", 5
    reports = []
    for number, (tagger, *hop) in enumerate(
        ((tmp_path / "ruled.safetensors", "--hop", "1.0"), (tmp_path / "ruled.safetensors",))
    ):
        done = earmark(*words, tagger, *hop, "--out", tmp_path / str(number))
        assert done.returncode == 0, done
        reports.append((tmp_path / str(number) / "report.md").read_text())
    events, tags = (
        f"{what} were chosen in other windows than these, and are left out"
        for what in ("Its rules for events", "Thresholds")
    )
    assert events in reports[0] and f"{tags}: the tags of clips are judged with 0.5" in reports[0]
    assert events not in reports[1] and tags not in reports[1]


def test_the_file_stays_as_it_is(place):
    before = (place / "t.safetensors").read_bytes()
    refused = earmark(
        "evaluate", place / "t.safetensors", "--data", place / "clips.csv", "--hop", "1.0", "--record",
    )  # fmt: skip
    assert refused.returncode == 2 and "--record and --hop 1.0: the figures would not be those of" in refused.stderr
    assert (place / "t.safetensors").read_bytes() == before
    loaded = loading.load(place / "t.safetensors")
    moved = loaded.every("51200/44100")
    assert moved.windows.samples(RATE) == (LENGTH, 51_200) and loaded.windows.samples(RATE) == (LENGTH, HOP)
    assert moved.identity() != loaded.identity()  # a job begun with one is not gone on with by the other
    assert loaded.every(5120 / 44_100).identity() == loaded.identity()


def test_an_ensemble_moves_its_members(place):
    both = Ensemble([loading.load(place / "t.safetensors"), loading.load(place / "fast.safetensors")])
    assert not both.alike
    assert both.every(1.0).alike and both.every(1.0).windows.hop == 1.0


@pytest.mark.parametrize(("hop", "message"), [
    ("0", r"windows\.hop: should be greater than 0"), ("-1", r"windows\.hop: should be greater than 0"),
    ("often", r"windows\.hop: should be a number \(it is 'often'\)"),
    ("2.5", r"windows\.hop: 2\.5 s leaves gaps between windows of 2 s that nobody hears"),
])  # fmt: skip
def test_what_is_no_step_is_refused(place, hop, message):
    with pytest.raises(RecipeError, match=message):
        loading.load(place / "t.safetensors").every(hop)
    assert earmark("tag", place / "0.wav", "--tagger", place / "t.safetensors", "--hop", hop).returncode == 2
