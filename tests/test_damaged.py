"""A result of a job that is not what was written, as by a copy that was cut off, counts as none: nothing of it is joined in silence."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.program import earmark

from earmark.errors import AudioError, EarmarkError
from earmark.files import journal, mirror, putting
from earmark.files.intact import JSON, Damaged
from earmark.files.journal import Journal
from earmark.inference.cluster.hearing import Heard, to_bytes
from earmark.inference.cluster.kept import Kept
from earmark.models import tagger as taggers
from earmark.recipe import parse

RATE = 8000
TOLD = {"command": "tag"}
DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "noughts": lambda data: data[:-9] + bytes(8) + data[-1:],
}
damages = pytest.mark.parametrize("damage", DAMAGES)


def hurt(file: Path, damage: str) -> None:
    file.write_bytes(DAMAGES[damage](file.read_bytes()))


def as_of_before(folder: Path) -> None:
    """The journal of an earmark that kept no sizes and sums of results."""
    lines = [json.loads(line) for line in (folder / journal.NAME).read_text().splitlines()]
    for line in lines:
        line.pop("bytes", None)
        line.pop("crc32", None)
    (folder / journal.NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def sounds(tmp_path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.wav", "b.wav")]
    for path in paths:
        path.write_text(path.name)
    return paths


@damages
@pytest.mark.parametrize("before", [False, True], ids=["", "before"])
@pytest.mark.parametrize("shard", [False, True], ids=["", "shard"])
def test_what_is_damaged_is_to_do(sounds, tmp_path, damage, before, shard):
    job = tmp_path / "job"
    folder = job / journal.SHARDS / "1-of-1" if shard else job
    with Journal(folder, TOLD, looks=JSON) as begun:
        for path in begun.todo(sounds):
            begun.done(path, f'[\n {{"path": "{path.name}", "more": "more"}}\n]\n', ".json")
        assert begun.todo(sounds) == [] and len(list(begun.results(sounds))) == 2
    if before:
        as_of_before(folder)
    hurt(file := folder / journal.RESULTS / "a.wav.json", damage)
    with Journal(job, TOLD, looks=JSON) as again:
        if again.todo(sounds):
            assert again.damaged == [file]
        else:  # only its bytes tell, or how it looks: they are read as all are joined
            with pytest.raises(Damaged, match=r"1 result is not what the job wrote, such as .*a\.wav\.json"):
                list(again.results(sounds))
        assert again.todo(sounds) == sounds[:1]
        again.done(sounds[0], "[\n 1\n]\n", ".json")
        assert next(again.results(sounds)) == "[\n 1\n]\n"
    with Journal(job, TOLD, looks=JSON) as again:
        assert again.todo(sounds) == [] and not again.damaged


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("damaged")
    torch.manual_seed(0)
    recipe = {
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 0.5, "hop": 0.5},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    taggers.build(parse(recipe), ("dog", "rain", "sea")).save(place / "t.safetensors")
    (place / "in").mkdir()
    for number, name in enumerate(("a.wav", "b.wav")):
        soundfile.write(place / "in" / name, np.random.default_rng(number).uniform(-0.5, 0.5, RATE), RATE)
    return place


def command(place: Path, verb: str, *more: object) -> tuple[object, ...]:
    return (*verb.split(), place / "in", "--tagger", place / "t.safetensors", "--batch", 1, *more)


EVENTS = "events --threshold 0.1 --format"


@pytest.mark.parametrize("verb", ["tag --format json", f"{EVENTS} tsv", f"{EVENTS} raven", "embed"])
def test_a_job_hears_again_what_is_damaged_and_says_so(place, tmp_path, verb):
    words = command(place, verb, "--job", tmp_path / "job")
    assert earmark(*words).returncode == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "job").rglob("*.*") if path.name != journal.NAME}
    hurt(min((tmp_path / "job" / "results").iterdir()), "noughts")
    again = earmark(*words)
    assert again.returncode == 0, again.stderr
    assert "1 result is not what the job wrote, such as" in again.stderr
    for name, data in whole.items():
        (file,) = (tmp_path / "job").rglob(name)
        assert file.read_bytes() == data or name == journal.LISTED, name


def test_a_shard_whose_result_is_cut_off_is_heard_here(place, tmp_path):
    words = command(place, "tag --format csv", "--job", tmp_path / "job")
    assert earmark(*command(place, "tag --format csv", "--job", tmp_path / "whole")).returncode == 0
    for part in ("1/2", "2/2"):
        assert earmark(*words, "--shard", part).returncode == 0
    (file,) = (tmp_path / "job" / "shards" / "1-of-2" / "results").iterdir()
    file.write_bytes(file.read_bytes()[:30])
    joined = earmark(*words)
    assert joined.returncode == 0 and f"1 result is not what the job wrote, such as {file}" in joined.stderr
    assert "1 recording was done by shards" in joined.stderr
    assert (tmp_path / "job" / "tags.csv").read_bytes() == (tmp_path / "whole" / "tags.csv").read_bytes()


def test_counts_are_of_all_that_was_heard(place, tmp_path):
    words = command(place, f"{EVENTS} csv", "--job", tmp_path / "job", "--summary", tmp_path / "s.csv")
    assert earmark(*words).returncode == 0
    whole = (tmp_path / "s.csv").read_bytes()
    hurt(kept := tmp_path / "job" / journal.KEPT, "noughts")
    again = earmark(*words)
    assert again.returncode == 0 and str(kept) in again.stderr
    assert (tmp_path / "s.csv").read_bytes() == whole


def test_labels_that_were_changed_by_hand_are_read_and_told(place, tmp_path):
    words = command(place, f"{EVENTS} audacity", "--job", tmp_path / "job")
    assert earmark(*words).returncode == 0
    label, other = sorted((tmp_path / "job" / "results").iterdir())
    label.write_text("0.0\t0.5\twren\n")
    convert = ("convert", tmp_path / "job", "--format", "csv")
    told = earmark(*convert)
    assert told.returncode == 0 and "wren" in told.stdout and "1 file was changed since the job wrote it" in told.stderr
    again = earmark(*words)
    assert again.returncode == 0 and "1 result was changed since" in again.stderr
    assert label.read_text() == "0.0\t0.5\twren\n"
    hurt(other, "cut")
    told = earmark(*convert)
    assert told.returncode == 2 and f"such as {other}" in told.stderr and "Run the job's command again" in told.stderr


def test_a_part_in_a_store_that_is_cut_off_brings_what_is_whole(tmp_path, monkeypatch):
    said: list[str] = []
    with tarfile.open(tmp_path / "part.tar", "w") as tar:
        for name in ("a", "b"):
            told = tarfile.TarInfo(f"{journal.RESULTS}/{name}.json")
            told.size = 9000
            tar.addfile(told, io.BytesIO(name.encode() * 9000))
    (tmp_path / "part.jsonl").write_text("")
    data = (tmp_path / "part.tar").read_bytes()
    (tmp_path / "part.tar").write_bytes(data[:12_000])
    monkeypatch.setattr(putting, "fetch", lambda what, to: shutil.copyfile(tmp_path / what.name, to))
    there = mirror.Mirror.__new__(mirror.Mirror)
    there.folder, there.report = tmp_path / "job", said.append
    results = there._bring(0, "s3://bucket/job/parts/part") / journal.RESULTS
    assert (results / "a.json").read_bytes() == b"a" * 9000
    assert len(said) == 1 and "part.tar: is damaged" in said[0] and "done again" in said[0]


def test_a_piece_whose_bytes_have_changed_is_none(tmp_path):
    kept = Kept(tmp_path)
    data = to_bytes(Heard(0, None, error=AudioError("a.wav", "is empty")))
    key = "0" * 24
    for damage in DAMAGES:
        kept.put(key, 0, True, data)
        assert len(list(kept.pieces(key))) == 1
        (file,) = tmp_path.iterdir()
        hurt(file, damage)
        with pytest.raises(EarmarkError, match="run the command again"):
            list(kept.pieces(key))
        assert not file.exists()
    file.write_bytes(data)  # of before, without a sum
    assert len(list(Kept(tmp_path).pieces(key))) == 1
