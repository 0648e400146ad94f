"""Submissions as DCASE 2018 task 2 wants them: `fname,label`, from tags and from evaluations."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
import soundfile
import torch
from tests.program import alone, earmark

from earmark.data import manifest as manifests
from earmark.errors import ScoresError
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.scores import Scores, submission

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 8000
TAGS = ("Acoustic guitar", "Hi-hat", "Oboe", "Snare_drum")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An untrained tagger of one tag a clip, and clips of two folds."""
    folder = tmp_path_factory.mktemp("challenge")
    chance = np.random.default_rng(0)
    names = [f"{number:08x}.wav" for number in range(8)]
    for name in names:
        soundfile.write(folder / name, chance.uniform(-0.5, 0.5, RATE), RATE)
    columns = {"id": [name[:-4] for name in names], "path": names, "tags": [[tag] for tag in TAGS] * 2}
    clips = manifests.build(columns | {"fold": ["1"] * 4 + ["test"] * 4}, folder)
    manifests.write(clips, folder / "clips.csv")
    plan = {
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8, 8], "blocks": [1, 1, 1, 1]}, "augment": ["crop"],
        "train": {"epochs": 1},
    }  # fmt: skip
    torch.manual_seed(0)
    taggers.build(parse(plan), TAGS).save(folder / "t.safetensors")
    return folder


def rows(text: str) -> list[tuple[str, str]]:
    head, *table = csv.reader(text.splitlines())
    assert head == ["fname", "label"]
    return [tuple(row) for row in table]


def ranked(place, count: int) -> dict[str, list[str]]:
    """The likeliest tags by the CSV of all scores."""
    done = earmark("tag", place, "--tagger", place / "t.safetensors", "--format", "csv", "--top", len(TAGS))
    found: dict[str, list[tuple[float, str]]] = {}
    for row in csv.DictReader(done.stdout.splitlines()):
        found.setdefault(row["path"].rpartition("/")[2], []).append((-float(row["score"]), row["label"]))
    return {name: [tag.replace(" ", "_") for _, tag in sorted(scored)[:count]] for name, scored in found.items()}


@pytest.mark.parametrize("top", [None, 1, 3, 4])
def test_tags_of_a_folder(place, top):
    told = ["--top", top] if top else []
    done = earmark("tag", place, "--tagger", place / "t.safetensors", "--format", "submission", *told)
    assert done.returncode == 0, done.stderr
    expected = ranked(place, top or 3)
    assert rows(done.stdout) == [(name, " ".join(expected[name])) for name in sorted(expected)]
    assert all(len(label.split()) == (top or 3) for _, label in rows(done.stdout))


def test_a_job_has_the_same_file(place, tmp_path):
    words = "tag", place, "--tagger", place / "t.safetensors", "--format", "submission"
    assert earmark(*words, "--job", tmp_path / "job").returncode == 0
    assert (tmp_path / "job" / "tags.csv").read_text() == earmark(*words).stdout
    assert earmark(*words, "--job", tmp_path / "job").returncode == 0
    assert len(rows((tmp_path / "job" / "tags.csv").read_text())) == 8


def test_the_test_part_of_an_evaluation(place, tmp_path):
    out = tmp_path / "new" / "answer.csv"
    done = earmark(
        "evaluate", place / "t.safetensors", "--data", place / "clips.csv", "--fold", "test", "--submission", out,
        "--out", tmp_path / "report", "--resamples", 5,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = ranked(place, 3)
    assert rows(out.read_text()) == [(f"{n:08x}.wav", " ".join(expected[f"{n:08x}.wav"])) for n in range(4, 8)]


def test_what_is_not_asked_for_is_not_written(place, tmp_path):
    done = earmark("evaluate", place / "t.safetensors", "--data", place / "clips.csv", "--resamples", 5)
    assert done.returncode == 0 and not list(place.glob("*submission*"))


def test_likeliest_first_and_the_vocabulary_breaks_ties(tmp_path):
    values = np.array([[0.1, 0.4, 0.4, 0.1], [0.0, 0.0, 0.0, 0.0]], np.float32)
    scores = Scores(values, np.array(["a", "b"]), np.zeros(2), np.ones(2), TAGS)
    submission.save(tmp_path / "s.csv", scores, ["x/a.flac", "b.wav"])
    assert (tmp_path / "s.csv").read_bytes() == (
        b"fname,label\na.wav,Hi-hat Oboe Acoustic_guitar\nb.wav,Acoustic_guitar Hi-hat Oboe\n"
    )


def test_recordings_and_tags_that_cannot_be_told_apart(place, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        shutil.copy(place / "00000000.wav", tmp_path / folder)
    done = earmark("tag", tmp_path, "--tagger", place / "t.safetensors", "--format", "submission")
    assert done.returncode == 2 and done.stdout == ""
    assert "x/00000000.wav' and " in done.stderr
    assert "are both called '00000000.wav' in a submission, which names no folders" in done.stderr
    with pytest.raises(ScoresError, match=r"tags 'a b' and 'a_b' are both written 'a_b' in a submission: rename one"):
        submission.check_tags(["c", "a b", "a_b"])


def test_live_sound_has_no_name(place):
    done = alone("tag", "-", "--rate", RATE, "--tagger", place / "t.safetensors", "--format", "submission")
    assert done.returncode == 2
    assert "--format submission names recordings by their files" in done.stderr


def test_no_recordings_give_a_table_without_rows(place, tmp_path):
    done = earmark("tag", tmp_path, "--tagger", place / "t.safetensors", "--format", "submission")
    assert done.stdout == "fname,label\n"
