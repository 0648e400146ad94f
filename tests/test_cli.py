"""The command line: shapes of its output, its exit statuses, and what it says when something is wrong."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.program import alone, earmark

from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.facts import Facts, TagTuning
from earmark.recipe import parse

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 8000


@pytest.fixture(scope="module")
def tagger(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    recipe = parse(
        {
            "task": "one",
            "sample_rate": RATE,
            "data": {"dataset": "folder"},
            "windows": {"length": 0.5, "hop": 0.25},
            "net": {"name": "convnet1d", "widths": [4, 8, 8, 8], "blocks": [1, 1, 1, 1]},
            "augment": ["crop"],
            "train": {"epochs": 1},
        }
    )
    path = tmp_path_factory.mktemp("tagger") / "t.safetensors"
    taggers.build(recipe, ("dog", "rain", "sea")).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("recordings")
    (place / "deep").mkdir()
    generator = np.random.default_rng(0)
    for name in ("a.wav", "deep/b.flac", "deep/c.ogg"):
        soundfile.write(place / name, generator.uniform(-0.5, 0.5, RATE * 2), RATE)
    (place / "notes.txt").write_text("not audio")
    return place


def test_help_does_not_import_torch():
    code = "import sys; sys.argv = ['earmark', '--help']\nfrom earmark.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += (
        "heavy = {'torch', 'numpy', 'pyarrow', 'pydantic', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("index", "train", "evaluate", "tag", "list", "check"):
        assert verb in done.stdout


def test_version():
    from importlib.metadata import version

    assert alone("--version").stdout.strip() == version("earmark")


def test_tags_as_json_lines(folder, tagger):
    done = earmark("tag", folder, "--tagger", tagger, "--format", "jsonl", "--top", 2)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(r["path"]).name for r in records] == ["a.wav", "b.flac", "c.ogg"]
    for record in records:
        assert set(record) == {"path", "duration", "tags"}
        assert record["duration"] == pytest.approx(2.0, abs=0.01)
        assert len(record["tags"]) == 2
        assert set(record["tags"][0]) == {"label", "score"}
        assert record["tags"][0]["score"] >= record["tags"][1]["score"]


def test_the_other_formats_say_the_same(folder, tagger, tmp_path):
    as_json = json.loads(earmark("tag", folder, "--tagger", tagger, "--format", "json").stdout)
    assert json.loads(earmark("tag", folder, "--tagger", tagger, "--json").stdout) == as_json
    out = tmp_path / "new" / "tags.csv"
    done = earmark("tag", folder, "--tagger", tagger, "--format", "csv", "--out", out)
    assert done.stdout == ""
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["path"], r["label"], float(r["score"])) for r in rows] == [
        (r["path"], t["label"], pytest.approx(t["score"])) for r in as_json for t in r["tags"]
    ]
    table = earmark("tag", folder / "a.wav", "--tagger", tagger).stdout
    assert table.startswith(str(folder / "a.wav"))
    assert as_json[0]["tags"][0]["label"] in table


def test_bad_recordings_are_counted_and_listed(folder, tagger, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"nothing of the kind")
    errors = tmp_path / "errors.csv"
    done = earmark(
        "tag", bad, folder, tmp_path / "gone.wav", "--tagger", tagger, "--format", "jsonl", "--errors", errors
    )
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.splitlines()[-1] == "2 of 5 recordings could not be read"
    with errors.open() as file:
        listed = list(csv.DictReader(file))
    assert [row["path"] for row in listed] == [str(bad), str(tmp_path / "gone.wav")]
    assert all(row["reason"] for row in listed)
    strict = earmark("tag", bad, folder, "--tagger", tagger, "--strict")
    assert strict.returncode == 1
    assert str(bad) in strict.stderr
    assert strict.stdout == ""


def test_window_scores_can_be_kept(folder, tagger, tmp_path):
    from earmark.scores import Scores

    done = earmark("tag", folder, "--tagger", tagger, "--windows", tmp_path / "w.parquet")
    assert done.returncode == 0, done.stderr
    scores = Scores.load(tmp_path / "w.parquet")
    assert scores.tags == ("dog", "rain", "sea")
    assert len(scores) == 3 * 7


def test_wrong_usage_is_status_2(folder, tagger, tmp_path):
    wrong = [
        (["tag", folder, "--tagger", "nosuch"], "no shipped tagger of that name"),
        (["tag", folder, "--tagger", folder / "a.wav"], "is not a tagger file"),
        (["tag"], "name recordings or folders, - for raw samples"),
        (["tag", folder, "--top", "0"], "equal to 1"),
        (["list", "nuts"], "nuts"),
        (["check", "esc10-cnspec"], "did you mean 'esc10-cnnspec'"),
        (["train", "esc10-cnnspec", "--data", tmp_path, "--out", tmp_path / "r"], "audio"),
        (["index", "esc", tmp_path, "-o", tmp_path / "m.csv"], "esc10.csv"),
        (["index", "ecs", tmp_path, "-o", tmp_path / "m.csv"], "did you mean 'esc'"),
        (["evaluate", tagger, "--data", tmp_path / "gone"], "gone"),
    ]
    for arguments, told in wrong:
        done = earmark(*arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert told in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr


def test_an_empty_folder_is_said(tagger, tmp_path):
    done = earmark("tag", tmp_path, "--tagger", tagger)
    assert done.returncode == 0
    assert "no recordings in" in done.stderr


def test_check_names_every_mistake(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("task: one\nsample_rate: 10\nnet: cnnspek\nwindow: 3\ntrain: {epoch: 3}\n")
    done = earmark("check", bad)
    assert done.returncode == 2
    for key in ("sample_rate:", "net.name:", "window:", "train.epochs:", "train.epoch:", "data:", "windows:"):
        assert f"  {key}" in done.stderr
    good = earmark("check", "esc10-cnnspec")
    assert good.returncode == 0
    assert "nothing is wrong" in good.stderr
    short = earmark("check", "esc10-cnnspec", "--set", "windows.length=0.5")
    assert short.returncode == 2
    assert "79 frames; cnnspec needs at least 156" in short.stderr


def test_listing_nets_gives_the_published_counts():
    nets = {net["name"]: net for net in json.loads(earmark("list", "nets", "--json").stdout)}
    assert nets["convnet1d"]["parameters"] + nets["convnet1d"]["buffers"] == 2_099_801
    assert nets["cnnspec"]["parameters"] + nets["cnnspec"]["buffers"] == 2_398_761
    for net in nets.values():
        assert set(net) == {"name", "summary", "paper", "parameters", "buffers"}


@pytest.mark.parametrize("kind", ["features", "datasets", "augmentations", "metrics", "recipes", "taggers"])
def test_the_other_lists(kind):
    rows = json.loads(earmark("list", kind, "--json").stdout)
    assert rows
    assert all(row["name"] and row["summary"] for row in rows)
    assert rows[0]["name"] in earmark("list", kind).stdout


def test_index_train_evaluate_tag(tmp_path):
    """The whole path on the embedded set, small."""
    import yaml

    recipe = {
        "task": "one",
        "sample_rate": 16000,
        "data": {"dataset": "synth", "test": [5], "validation": [4]},
        "windows": {"length": 1.0, "hop": 0.5},
        "features": {"name": "logmel", "window": 0.032, "hop": 0.016, "bands": 64},
        "net": {"name": "cnnspec", "widths": [4] * 6, "hidden": 8, "frame_pools": [2, 1, 1, 1, 1, 1]},
        "augment": ["crop"],
        "train": {"epochs": 1, "precision": "float32"},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe))
    indexed = earmark("index", "synth", tmp_path / "synth", "-o", tmp_path / "synth.csv", "--set", "clips=60")
    assert indexed.returncode == 0, indexed.stderr
    assert "60 clips" in indexed.stderr
    run = tmp_path / "run"
    trained = earmark(
        "train", tmp_path / "small.yaml", "--data", tmp_path / "synth.csv", "--out", run, "--set", "train.epochs=2"
    )
    assert trained.returncode == 0, trained.stderr
    assert len((run / "log.csv").read_text().splitlines()) == 3
    common = ["evaluate", run / "tagger.safetensors", "--data", tmp_path / "synth.csv"]
    judged = earmark(*common, "--fold", 5, "--json", "--resamples", 50)
    assert judged.returncode == 0, judged.stderr
    report = json.loads(judged.stdout)
    assert report["clips"] == 12
    for name in ("accuracy", "map", "auc", "dprime", "map@3"):
        assert set(report["metrics"][name]) == {"value", "low", "high"}
    assert (run / "evaluation-fold-5" / "report.md").is_file()
    leaky = earmark(*common, "--fold", 1)
    assert leaky.returncode == 2
    assert "trained, or its epoch or its rules chosen, on fold 1" in leaky.stderr
    assert earmark(*common, "--fold", 1, "--seen", "--resamples", 10).returncode == 0
    tagged = earmark("tag", tmp_path / "synth", "--tagger", run / "tagger.safetensors", "--format", "jsonl")
    assert len(tagged.stdout.splitlines()) == 60


def test_show_tells_what_a_file_says_of_itself(tagger):
    done = earmark("show", tagger)
    assert done.returncode == 0
    assert "3: dog, rain, sea" in done.stdout
    assert "8,000 Hz, in windows of 0.5 s every 0.25 s" in done.stdout
    head = json.loads(earmark("show", tagger, "--json").stdout)
    assert head["vocabulary"] == ["dog", "rain", "sea"]


def test_pictures_of_recordings(folder, tagger, tmp_path):
    done = earmark("tag", folder / "a.wav", folder / "deep", "--tagger", tagger, "--pictures", tmp_path / "p")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["a.wav.png", "b.flac.png", "c.ogg.png"]


# Of the demo's steps, only that they run
FEWER = {
    "index": ("--set", "clips=60"),
    "train": ("--set", "train.clips=8", "--set", "train.precision=float32"),
    "evaluate": ("--resamples", "20"),
}


@pytest.mark.parametrize("way", ["fewer clips", pytest.param("as it is", marks=pytest.mark.slow)])
def test_the_demo(tmp_path, monkeypatch, way):
    """With one epoch: that every step of it runs. It refuses a folder that holds something."""

    def here(words, check):
        assert words[:3] == [sys.executable, "-m", "earmark"] and not check
        return earmark(*words[3:], *FEWER.get(words[3], ()))

    with monkeypatch.context() as patch:
        if way == "fewer clips":
            patch.setattr(subprocess, "run", here)
        done = earmark("demo", "--out", tmp_path / "demo", "--epochs", 1)
    assert done.returncode == 0, done.stderr
    assert "\\n" not in done.stderr and "\n\n4. Make new recordings" in done.stderr
    for made in ("sounds.csv", "run/tagger.safetensors", "run/evaluation-fold-5/report.md", "windows.csv"):
        assert (tmp_path / "demo" / made).is_file()
    assert len(list((tmp_path / "demo" / "pictures").iterdir())) == 3
    again = earmark("demo", "--out", tmp_path / "demo")
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_a_downmix_is_said_once(tagger, tmp_path):
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.tile([[0.1], [-0.1]], (RATE // 2, 2)), RATE)
    soundfile.write(tmp_path / "c.wav", np.tile([[0.1], [-0.1]], (RATE // 2, 3)), RATE)
    done = earmark("tag", tmp_path, "--tagger", tagger)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"{tmp_path / 'a.wav'} and 1 more: 2 channels mixed to one (mean)",
        f"{tmp_path / 'c.wav'}: 3 channels mixed to one (mean)",
    ]


@pytest.fixture(scope="module")
def calibrated(tagger, folder, tmp_path_factory) -> Path:
    """One of its thresholds is reached by every recording, one by none; the third lies between two recordings."""
    done = earmark("tag", folder, "--tagger", tagger, "--format", "json")
    rain = sorted(tag["score"] for row in json.loads(done.stdout) for tag in row["tags"] if tag["label"] == "rain")
    one = loading.load(tagger)
    one.facts = Facts(tags=TagTuning({"dog": 0.0, "rain": (rain[0] + rain[1]) / 2, "sea": 1.5}))
    path = tmp_path_factory.mktemp("calibrated") / "t.safetensors"
    one.save(path)
    return path


def test_only_what_is_heard(calibrated, folder, tmp_path):
    rows = json.loads(earmark("tag", folder, "--tagger", calibrated, "--format", "json").stdout)
    limits = {"dog": 0.0, "rain": loading.load(calibrated).facts.tags.thresholds["rain"], "sea": 1.5}
    told = json.loads(earmark("tag", folder, "--tagger", calibrated, "--format", "json", "--heard").stdout)
    assert [row["tags"] for row in told] == [
        [tag for tag in row["tags"] if tag["score"] >= limits[tag["label"]]] for row in rows
    ]
    assert sorted(len(row["tags"]) for row in told) == [1, 2, 2]
    done = earmark(
        "tag", folder, "--tagger", calibrated, "--format", "csv", "--heard", "--top", 1, "--job", tmp_path / "j"
    )
    assert done.returncode == 0
    assert [row["label"] for row in csv.DictReader((tmp_path / "j" / "tags.csv").read_text().splitlines())] == [
        row["tags"][0]["label"] for row in told
    ]
    done = earmark("tag", folder, "--tagger", calibrated, "--format", "csv", "--job", tmp_path / "j")
    assert done.returncode == 2 and "thresholds" in done.stderr


def test_a_recording_in_which_nothing_is_heard_is_told_too(calibrated, folder, tmp_path):
    one = loading.load(calibrated)
    one.facts = Facts(tags=TagTuning(dict.fromkeys(one.vocabulary, 1.5)))
    one.save(tmp_path / "t.safetensors")
    asked = ("tag", folder / "a.wav", "--tagger", tmp_path / "t.safetensors", "--heard")
    assert earmark(*asked).stdout == f"{folder / 'a.wav'}  0:02.0  – no tag reaches its threshold\n"
    (row,) = csv.DictReader(earmark(*asked, "--format", "csv").stdout.splitlines())
    assert row == {"path": str(folder / "a.wav"), "duration": "2.000", "label": "", "score": ""}
    (row,) = json.loads(earmark(*asked, "--format", "json").stdout)
    assert row["tags"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--heard"], "--heard: this tagger knows no thresholds of its tags"),
        (["--windows", "w.txt"], "--windows w.txt: name it .parquet"),
        (["--windows", "file/w.csv"], "--windows file/w.csv: file is a file, not a folder"),
        (["--out", "."], "--out .: is a folder"),
        (["--errors", "."], "--errors .: is a folder"),
        (["--pictures", "file"], "--pictures file: is a file"),
    ],
)
def test_what_could_not_be_written_is_said_before_the_work(tagger, folder, tmp_path, options, message):
    (tmp_path / "file").write_text("")
    done = earmark("tag", folder, "--tagger", tagger, *options, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and not done.stdout
