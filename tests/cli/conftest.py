"""The verbs, and what they can be run on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.tflites import tiny

from earmark import cli
from earmark.data import datasets
from earmark.data import manifest as manifests
from earmark.files.journal import Journal
from earmark.models import tagger as taggers
from earmark.models.loading import load
from earmark.recipe import parse
from earmark.scores import Scores

PLAN = {
    "task": "one", "sample_rate": 16_000, "data": {"dataset": "synth"}, "windows": {"length": 0.5, "hop": 0.5},
    "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [8, 8, 8], "hidden": 8}, "augment": ["crop"], "train": {"epochs": 1},
}  # fmt: skip

EVENTS = "filename,onset,offset,event_label,score\n" + "".join(
    f"sound.wav,{n / 10},{n / 10 + 0.05},dog,{0.5 + n / 20}\n" for n in range(9)
)
REVIEWS = "recording,onset,offset,tag,score,answer\n" + "".join(
    f"long.wav,{n},{n + 0.5},{{tag}},0.5,{'right' if n % 2 else 'wrong'}\n" for n in range(5)
)


@pytest.fixture(params=list(cli.verbs()))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """An untrained tagger, a recording, clips of five folds, two files of scores of them, and a net to adopt."""
    folder = tmp_path_factory.mktemp("verbs")
    clips = datasets.index("synth", folder / "sounds", clips=60)
    manifests.write(clips, folder / "clips.csv")
    (folder / "plan.yaml").write_text(json.dumps(PLAN))
    torch.manual_seed(0)
    taggers.build(parse(PLAN), clips.vocabulary).save(folder / "t.safetensors")
    (folder / "net.tflite").write_bytes(tiny().data)
    (folder / "labels.csv").write_text("index,mid,display_name\n0,/m/1,Dog\n1,/m/2,Rain\n2,/m/3,Wind\n")
    chance = np.random.default_rng(0)
    soundfile.write(folder / "sound.wav", chance.uniform(-0.5, 0.5, 16_000), 16_000)
    ids = np.array(clips.table["id"].to_pylist())
    times = np.zeros(len(ids)), np.ones(len(ids))
    for file in ("a.parquet", "b.parquet"):
        values = chance.dirichlet(np.ones(len(clips.vocabulary)), len(ids)).astype(np.float32)
        Scores(values, ids, *times, tags=clips.vocabulary).save(folder / file)
    (folder / "events.csv").write_text(EVENTS.replace("dog", "bell"))  # a tag of the tagger
    (folder / "reviews.csv").write_text(REVIEWS.format(tag="bell"))
    soundfile.write(folder / "long.wav", chance.uniform(-0.5, 0.5, 6 * 16_000), 16_000)  # clips can be mixed into it
    load(folder / "t.safetensors").embed(folder / "sound.wav").save(folder / "e.parquet")
    for tag in ("dog", "rain"):
        (folder / "tags" / tag).mkdir(parents=True)
        for number in range(2):
            soundfile.write(folder / "tags" / tag / f"{number}.wav", chance.uniform(-0.5, 0.5, 8_000), 16_000)
    with Journal(folder / "job", {"command": "tag"}) as job:
        job.failed(folder / "sound.wav", "is empty")
    return folder
