"""Tags that a training cannot learn or judge are told before it begins, and the tagger tells what was really read."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import soundfile
from tests.conftest import tone
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data import packs
from earmark.data.splits import ClipSet
from earmark.errors import ManifestError
from earmark.models import loading
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")

pytestmark = pytest.mark.usefixtures("sketched")
RATE = 4000
TAGS = ("cat", "frog", "owl")


def plan(task="one"):
    return parse(
        {
            "task": task,
            "sample_rate": RATE,
            "data": {"dataset": "folder", "test": ["3"], "validation": ["2"]},
            "windows": {"length": 0.5, "hop": 0.25},
            "net": {"name": "convnet1d", "widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1], "momentum": 0.1},
            "augment": ["crop"],
            "train": {"epochs": 1, "batch": 4, "precision": "float32"},
        }
    )


def clips(folder, validation=TAGS, broken=(), task="one"):
    """Four clips of each tag to learn from, one to validate for some, one to test on; those named in `broken` are empty."""
    rows = [(tag, "1", number) for tag in TAGS for number in range(4)]
    rows += [(tag, "2", 0) for tag in validation] + [(tag, "3", 0) for tag in TAGS]
    columns = {"id": [], "path": [], "tags": [], "fold": []}
    for tag, fold, number in rows:
        name = f"{tag}-{fold}-{number}.wav"
        pitch = 300 + 200 * TAGS.index(tag) + 10 * number + 50 * int(fold)  # no two are alike
        soundfile.write(folder / name, tone(pitch, 0.5, RATE), RATE)
        if any(name.startswith(start) for start in broken):
            (folder / name).write_bytes(b"")
        for column, cell in zip(columns, (name, name, tag, fold), strict=True):
            columns[column].append(cell)
    return manifests.build(columns, folder)


def trained(folder, **what):
    said = []
    task = what.get("task", "one")
    path = training.train(plan(task), clips(folder, **what), folder / "run", say=said.append)
    return said, path


def test_a_tag_whose_training_clips_cannot_be_read_is_not_learnt_and_show_counts_what_was_read(tmp_path):
    said, path = trained(tmp_path, broken=["cat-1", "owl-1-0"])
    assert "1 tag cannot be learnt, as none of its training clips can be read: cat" in said
    facts = loading.load(path).facts
    assert facts.split.train == ClipSet.read(facts.as_dict()["split"]["train"])
    assert facts.as_dict()["split"]["train"]["clips"] == 12 and facts.as_dict()["split"]["train"]["unread"] == 5
    assert "unread" not in facts.as_dict()["split"]["validation"]
    shown = earmark("show", path).stdout
    assert "12 clips, fold 1, of which 5 could not be read" in shown


def test_nothing_is_said_where_all_is_there(tmp_path):
    said, path = trained(tmp_path)
    assert not any("cannot be learnt" in line or "validation clip" in line for line in said)
    assert "could not be read" not in earmark("show", path).stdout


@pytest.mark.parametrize(("validation", "broken", "absent"), [(("owl",), (), "cat, frog"), (TAGS, ("frog-2",), "frog")])
def test_tags_without_a_validation_clip_are_told(tmp_path, validation, broken, absent):
    said, _ = trained(tmp_path, validation=validation, broken=broken)
    (line,) = (line for line in said if "no validation clip" in line)
    assert line.endswith(f"valid_map is the mean over the others: {absent}")
    assert said.index(line) < next(at for at, other in enumerate(said) if other.startswith("precision"))


def test_validation_without_any_tag_explains_its_nan(tmp_path):
    data = clips(tmp_path, task="many")
    tags = [[] if fold == "2" else row for row, fold in zip(data.table["tags"].to_pylist(), data.folds, strict=True)]
    columns = {
        "id": data.ids.tolist(),
        "path": data.table["path"].to_pylist(),
        "tags": tags,
        "fold": data.folds.tolist(),
    }
    said = []
    training.train(plan("many"), manifests.build(columns, tmp_path), tmp_path / "run", say=said.append)
    assert "no validation clip has a tag: valid_map has no value (nan)" in said
    with (tmp_path / "run" / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert math.isnan(float(row["valid_map"])) and np.isfinite(float(row["valid_loss"]))


SILENCES = {"zeros": 0.0, "constant": 0.25, "below -90 dBFS": 2e-5 * (np.arange(RATE) % 2)}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", SILENCES)
def test_silent_clips_are_told_before_anything_is_learnt(tmp_path, kind, packed):
    """As training a head does: see tests/heads/test_run.py."""
    data = clips(tmp_path)
    for more, name in enumerate(("cat-1-0.wav", "owl-1-3.wav", "owl-2-0.wav", "owl-3-0.wav")):
        soundfile.write(tmp_path / name, (np.zeros(RATE) + SILENCES[kind])[more:], RATE, "FLOAT")
    if packed:
        packs.pack(data, tmp_path / "pack")
        data = packs.read(tmp_path / "pack")
    said = []
    training.train(plan(), data, tmp_path / "run", say=said.append)
    told = [line for line in said if "silent" in line]
    several, one = (
        f": check {it}, and take {it} out unless {does} for silence"
        for it, does in (("them", "they stand"), ("it", "it stands"))
    )
    assert told == [
        f"2 training clips are silent and teach nothing, such as 'cat-1-0.wav'{several}",
        f"1 validation clip is silent and judges nothing, such as 'owl-2-0.wav'{one}",
    ]
    assert said.index(told[-1]) < next(at for at, other in enumerate(said) if other.startswith("precision"))
    for path in [] if packed else data.paths()[: 4 * len(TAGS)]:
        soundfile.write(path, (np.zeros(RATE) + SILENCES[kind])[: RATE // 2], RATE, "FLOAT")
    if not packed:
        with pytest.raises(ManifestError, match="all 12 training clips are silent: nothing can be learnt"):
            training.train(plan(), data, tmp_path / "none")


def test_faint_clips_are_no_silent_ones(tmp_path):
    data = clips(tmp_path)
    soundfile.write(tmp_path / "cat-1-0.wav", 1e-4 * np.sin(np.arange(RATE)), RATE, "FLOAT")
    said = []
    training.train(plan(), data, tmp_path / "run", say=said.append)
    assert not any("silent" in line for line in said)
