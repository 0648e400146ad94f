"""Files of an earlier version are read: `tests/earlier` was written by version 0.1.0 before its modules had rooms.

tiny.yaml, sounds.csv        the recipe, and the manifest of `synth` with 60 clips
whole/, stopped/             a run that ended, without its state; one that was killed after its first epoch
both.safetensors             an ensemble of that tagger with itself
scores.parquet, windows.csv  what it made of fold 5, and of the windows of two recordings
job-tag/, job-events/        jobs that were killed after some recordings
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.program import earmark

from earmark.data import datasets, manifest
from earmark.inference import Recording, score
from earmark.models.loading import load
from earmark.scores import Scores

pytestmark = pytest.mark.usefixtures("sketched")

EARLIER = Path(__file__).parent / "earlier"
CLOSE = 2e-5  # of scores, which the file gives to eight digits and another processor computes otherwise


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy, with the sounds, which are made on the spot, as old as the jobs remember them."""
    folder = tmp_path_factory.mktemp("earlier") / "copy"
    shutil.copytree(EARLIER, folder)
    datasets.index("synth", folder / "sounds", clips=60)
    for line in (folder / "job-tag" / "journal.jsonl").read_text().splitlines()[1:]:
        told = json.loads(line)
        assert (folder / told["path"]).stat().st_size == told["size"]
    for journal in folder.glob("job-*/journal.jsonl"):
        told = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
        for row in told:
            os.utime(folder / row["path"], ns=(row["mtime"], row["mtime"]))
    return folder


def run(place: Path, *arguments: str) -> str:
    done = earmark(*arguments, cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("file", ["whole/tagger.safetensors", "both.safetensors"])
def test_a_tagger_and_an_ensemble_score_as_they_did(place, file):
    tagger, wanted = load(place / file), Scores.load(place / "windows.csv")
    names = list(dict.fromkeys(wanted.ids.tolist()))
    results = list(score(tagger, [Recording(place / name, id=name) for name in names], keep_windows=True))
    values = np.concatenate([result.windows.values for result in results])
    np.testing.assert_allclose(values, wanted.values, atol=CLOSE)
    assert tagger.vocabulary == wanted.tags


def test_the_same_weights_and_settings_have_the_same_name(place):
    assert load(place / "whole" / "tagger.safetensors").identity() == "4e6b0a364c5d"


def test_scores_and_a_manifest(place):
    scores, clips = Scores.load(place / "scores.parquet"), manifest.read(place / "sounds.csv")
    assert sorted(scores.ids.tolist()) == sorted(clips.in_folds(["5"]).ids.tolist())
    assert scores.facts["tagger"] == "4e6b0a364c5d"
    assert clips.table["events"].is_valid().to_numpy().all()


def test_what_a_tagger_file_tells(place):
    told = run(place, "show", "whole/tagger.safetensors")
    assert "12 clips" in told and "2 of 3" in told


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_stopped_run_goes_on(place):
    first = rows(place / "stopped" / "log.csv")
    run(place, "train", "tiny.yaml", "--data", "sounds.csv", "--out", "stopped", "--resume")
    log = rows(place / "stopped" / "log.csv")
    assert len(first) == 1 and len(log) == 3
    # figures that runs have learnt to tell since then are empty in rows of before
    assert log[0] == first[0] | dict.fromkeys(log[0].keys() - first[0].keys(), "")


@pytest.mark.parametrize(("verb", "form"), [("tag", "csv"), ("events", "raven")])
def test_a_killed_job_goes_on(place, verb, form):
    job = place / f"job-{verb}"
    done = {path.name: path.read_bytes() for path in (job / "results").iterdir()}
    names = [f"sounds/audio/{number:05}.wav" for number in range(8)]
    run(place, verb, *names, "--tagger", "whole/tagger.safetensors", "--job", job.name, "--format", form)
    now = {path.name: path.read_bytes() for path in (job / "results").iterdir()}
    assert len(now) == 8 > len(done) and now | done == now
