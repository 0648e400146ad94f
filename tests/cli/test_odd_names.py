"""A recording whose name is not UTF-8 is one that could not be read, for every way out: told with its way out, and the rest goes on."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.program import earmark

from earmark.errors import AudioError, ScoresError
from earmark.files.shown import written
from earmark.inference import Recording
from earmark.inference.cluster.cutting import Cut, pieces
from earmark.inference.outputs import Format
from earmark.models import loading
from earmark.registry import EVENT_FORMATS
from earmark.scores import Embeddings, Scores

pytestmark = pytest.mark.usefixtures("sketched")

ODD = os.fsdecode(b"M\xfccke.wav")
TOLD = r"M\xfccke.wav: its name is not UTF-8 (byte 0xFC), so that no file of results could tell it. Rename it"
TAG, EVENTS = ("tag", "--tagger"), ("events", "--threshold", "0.05", "--tagger")
FORMS = [(*TAG[:1], "--format", form.value, "--tagger") for form in Format if form is not Format.submission]
FORMS += [("events", "--format", form, "--threshold", "0.05", "--tagger") for form in ("table", *EVENT_FORMATS.names())]
RUNS = [
    *((words, "--job") for words in FORMS),
    *((words, "--out") for words in FORMS if words[:3] != ("events", "--format", "table")),
    *((words, None) for words in FORMS if words[2] not in ("raven", "audacity")),
    (TAG, "--windows"), (TAG, "--pictures"), (EVENTS, "--pictures"), (EVENTS, "--clips"), (EVENTS, "--summary"),
    (EVENTS, "--store"), (("embed", "--tagger"), "--out"), (("embed", "--tagger"), "--job"), (("embed", "--json", "--tagger"), "--out"),
]  # fmt: skip
ENDINGS = {"--windows": ".parquet", "--summary": ".csv"}


@pytest.fixture(scope="module")
def odd(place, tmp_path_factory) -> Path:
    """One between two others."""
    folder = tmp_path_factory.mktemp("odd")
    for name in ("A.wav", ODD, "z.wav"):
        shutil.copy(place / "sound.wav", folder / name)
    return folder


def decoded(folder: Path) -> dict[str, str]:
    """What was written, by the files' names; all text is UTF-8."""
    binary = (".parquet", ".png", ".wav", ".lock")
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in binary]
    return {str(path): path.read_bytes().decode() for path in files}


@pytest.mark.parametrize(
    ("words", "option"), RUNS, ids=lambda told: " ".join(told) if isinstance(told, tuple) else told
)
def test_the_rest_goes_on(words, option, place, odd, tmp_path):
    one = option == "--out" and words[0] in ("embed", "tag")
    ending = ENDINGS.get(option, ".parquet" if words[0] == "embed" and one else ".txt" if one else "")
    told = [] if option is None else [option, tmp_path / f"made{ending}"]
    done = earmark(*words, place / "t.safetensors", odd, *told, "--errors", tmp_path / "errors.csv")
    assert done.returncode == 1 and "1 of 3 recordings could not be read" in done.stderr, done
    texts = decoded(tmp_path)
    (row,) = list(csv.DictReader(texts.pop(str(tmp_path / "errors.csv")).splitlines()))
    assert row["path"] == str(odd / written(ODD)) and f"{row['path']}: {row['reason']}".endswith(TOLD)
    names = done.stdout + "".join(texts) + "".join(texts.values())
    if words[0] != "embed" and option not in ("--store", "--summary", "--clips", "--pictures"):
        assert "A.wav" in names and "z.wav" in names
    for text in (done.stdout, *texts.values()):
        assert "\udcfc" not in text
    for name, text in texts.items():
        if name.endswith(".json"):
            json.loads(text)
    if "--json" in words:
        (unread,) = json.loads(done.stdout)["unread"]
        assert unread["path"] == row["path"]


def test_the_rows_of_the_others_are_kept(place, odd, tmp_path):
    """Scores and embeddings of what was heard before the odd one, and after it."""
    tagger = ("--tagger", place / "t.safetensors")
    earmark("tag", odd, *tagger, "--windows", tmp_path / "w.parquet")
    earmark("embed", odd, *tagger, "--out", tmp_path / "e.parquet")
    others = {str(odd / name) for name in ("A.wav", "z.wav")}
    assert set(Scores.load(tmp_path / "w.parquet").ids) == others == set(Embeddings.load(tmp_path / "e.parquet").ids)


def test_a_job_tells_it_with_its_way_out(place, odd, tmp_path):
    job = tmp_path / "job"
    words = ("tag", odd, "--tagger", place / "t.safetensors", "--job", job)
    assert earmark(*words).returncode == 1
    again = earmark(*words)
    assert again.returncode == 1 and TOLD in again.stderr and "3 of 3 recordings are done already" in again.stderr
    (failed,) = json.loads(earmark("job", job, "--json").stdout)["failed"]
    assert failed["reason"].endswith(TOLD)


def test_a_folder_is_what_is_to_be_renamed(place, odd, tmp_path):
    folder = tmp_path / os.fsdecode(b"gr\xfcn")
    folder.mkdir()
    (folder / "a.wav").write_bytes((odd / "A.wav").read_bytes())
    done = earmark("tag", folder, "--tagger", place / "t.safetensors", "--errors", tmp_path / "e.csv")
    told = r"the name of its folder gr\xfcn is not UTF-8 (byte 0xFC), so that no file of results could tell it. Rename the folder"
    assert done.returncode == 1 and told in (tmp_path / "e.csv").read_text()


def test_from_python(place, odd, tmp_path):
    """A failure among others; tables of scores that somebody made refuse such an id."""
    tagger = loading.load(place / "t.safetensors")
    good, bad = tagger.tag([odd / "A.wav", odd / ODD], errors="keep")
    assert good[0].label in tagger.vocabulary and bad.to_dict()["error"].endswith(TOLD)
    ones = np.ones((1, 1), np.float32)
    for kind, more in ((Scores, (("dog",),)), (Embeddings, ())):
        with pytest.raises(ScoresError, match="is not UTF-8, and no table can keep it. Rename the recording"):
            kind(ones, np.array([ODD]), np.zeros(1), np.ones(1), *more).save(tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


def test_a_cluster_passes_it_over(odd):
    with pytest.raises(AudioError, match="its name is not UTF-8"):
        next(pieces(Recording(odd / ODD), Cut(16_000, 0.5, 8_000, 8_000, 1)))


def test_explain_passes_it_over(place, odd, tmp_path):
    done = earmark("explain", place / "t.safetensors", odd, "--out", tmp_path / "e", "--filters", "1", "--steps", "1")
    assert TOLD in done.stderr and done.returncode == 1
    decoded(tmp_path)
