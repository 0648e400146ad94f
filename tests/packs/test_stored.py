"""Packs in a store: written there whole and gone on with, learnt from to the bytes of a training from the disk; what a store does not
give is asked for again, told, and ends a training that goes on later."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml
from tests.packs.test_learning import recipe, state_of
from tests.program import earmark
from tests.s3 import bucket_of, endpoint, served

from earmark.data import datasets, packs
from earmark.errors import EarmarkError, ManifestError
from earmark.files import ranges, stores
from earmark.files.stores import place

training = pytest.importorskip("earmark.train")
from earmark.train import packed as packed_  # noqa: E402 (after the skip)
from earmark.train.packed import PackedWaves  # noqa: E402

__all__ = ["endpoint", "served"]
pytestmark = pytest.mark.usefixtures("sketched")
URI = "s3://bucket/packed"


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.fixture(scope="module")
def disk(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "p"
    packs.pack(clips, folder, flac=True, shard_size=1_000_000)
    return folder


@pytest.fixture
def bucket(served, endpoint, monkeypatch):
    """An empty one; nothing is remembered of what was there before."""
    endpoint(served[1])
    ranges._kept.cache_clear()
    monkeypatch.setattr(packed_, "PAUSES", (0.0, 0.0, 0.0))
    return bucket_of(served[1])


@pytest.fixture
def there(bucket, disk):
    """The pack of the disk, in the store."""
    for name, data in bytes_of(disk).items():
        with bucket.open_output_stream(f"bucket/packed/{name}") as file:
            file.write(data)
    return URI


def test_a_pack_in_a_store_is_that_of_the_disk(bucket, clips, disk):
    packs.pack(clips, URI, flac=True, shard_size=1_000_000)
    assert bytes_of(place(URI)) == bytes_of(disk)
    assert packs.read(URI).table.equals(packs.read(disk).table)
    assert str(datasets.open_data("s3:/bucket/packed").paths()[0]).startswith(f"{URI}/00000.tar/")
    assert packs.pack(clips, URI, flac=True, shard_size=1_000_000).done_before == len(packs.describe(disk).shards)
    told = earmark("check", URI)
    assert told.returncode == 0 and "nothing is wrong with it" in told.stdout + told.stderr


class Killed(BaseException):
    pass


def test_killed_it_goes_on_to_the_same_bytes(bucket, clips, disk, monkeypatch):
    real, shards = packs.packing._Work._shard, []

    def second(self, ready, step):
        if len(shards) == 1:
            raise Killed
        shards.append(1)
        return real(self, ready, step)

    with monkeypatch.context() as patched:
        patched.setattr(packs.packing._Work, "_shard", second)
        with pytest.raises(Killed):
            packs.pack(clips, URI, flac=True, shard_size=1_000_000)
    with pytest.raises(ManifestError, match=r"s3://bucket/packed: is a pack that is not finished"):
        packs.read(URI)
    assert packs.pack(clips, URI, flac=True, shard_size=1_000_000).done_before == 1
    assert bytes_of(place(URI)) == bytes_of(disk)


@pytest.mark.parametrize("plan", [{}, {"buffer": 10}])
def test_a_training_from_a_store_is_that_from_the_disk(there, disk, tmp_path, plan):
    one = training.train(recipe(**plan), packs.read(disk), tmp_path / "disk")
    two = training.train(recipe(**plan), packs.read(there), tmp_path / "store")
    assert one.read_bytes() == two.read_bytes()
    for name in ("state.safetensors", "log.csv"):
        assert (tmp_path / "disk" / name).read_bytes() == (tmp_path / "store" / name).read_bytes()


def test_killed_within_an_epoch_it_goes_on(there, disk, tmp_path):
    """kill -9 of the program, then --resume; and evaluate reads the store as the disk."""
    plan = recipe(epochs=3, buffer=10)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    words = ["train", tmp_path / "plan.yaml", "--save-every", "1"]
    whole = earmark(*words, "--data", disk, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    words += ["--data", there, "--out", tmp_path / "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark", *map(str, words)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "state.safetensors").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert len(state_of(tmp_path / "run")["history"]) < 3
    again = earmark(*words, "--resume")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "tagger.safetensors").read_bytes() == (
        tmp_path / "whole" / "tagger.safetensors"
    ).read_bytes()
    scores = []
    for data in (disk, there):
        done = earmark("evaluate", tmp_path / "run" / "tagger.safetensors", "--data", data, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        told["protocol"].pop("looks", None)
        scores.append({name: told[name] for name in told if name not in ("looks", "data")})
    assert scores[0] == scores[1]


def test_shards_in_order_are_read_by_large_ranges(there, disk, monkeypatch):
    """Of 1 MB of a shard in blocks of 64 KiB each is asked for once, though 60 clips are read; a clip is one request without order."""
    monkeypatch.setattr(ranges, "BLOCK", 1 << 16)
    asked = []
    read = ranges.read
    monkeypatch.setattr(ranges, "read", lambda *what: (asked.append(what), read(*what))[1])
    clips = packs.read(there)
    waves, here = PackedWaves(clips, 4000), PackedWaves(packs.read(disk), 4000)
    for row in (7, 3):
        assert (waves[row] == here[row]).all()
    assert len(asked) == 2
    asked.clear()
    waves.in_order(4)
    shard, offset = waves.places
    for row in sorted(range(len(clips)), key=lambda row: (shard[row], offset[row])):
        assert (waves[row] == here[row]).all()
    blocks = sum(-(-each.size >> 16) for each in packs.describe(disk).shards)
    assert len(set(asked)) == len(asked) <= blocks


def test_what_a_store_fails_to_give_is_asked_again_and_told(there, monkeypatch):
    said, left = [], [2]
    read = ranges.read

    def failing(*what):
        if left[0]:
            left[0] -= 1
            raise OSError(5, "its store does not give it, asked 4 times", str(what[0]))
        return read(*what)

    monkeypatch.setattr(ranges, "read", failing)
    waves = PackedWaves(packs.read(there), 4000, say=said.append)
    assert len(waves[0]) and len(said) == 2
    assert said[0] == f"{URI}/00000.tar: its store does not give it, asked 4 times; it is asked again in 0 s"
    left[0] = 4
    with pytest.raises(
        EarmarkError, match=r"00000\.tar: a clip that lies in it cannot be fetched .* its store's fault .* --resume"
    ):
        waves[1]
    assert not waves.failures  # no clip is held to be unreadable for it


def test_a_shard_that_vanishes_ends_the_training_and_comes_back(bucket, there, disk, tmp_path):
    plan, clips = recipe(), packs.read(there)
    left = iter(range(7))

    def gone(phase, epoch, epochs, share, row):
        if next(left, None) is None:
            for each in packs.describe(disk).shards:
                bucket.delete_file(f"bucket/packed/{each.name}")

    from earmark.train.checkpoint import Every

    with pytest.raises(EarmarkError, match=r"cannot be fetched \(does not exist in its store\).*go on with --resume"):
        training.train(plan, clips, tmp_path / "run", on_progress=gone, every=Every(1))
    stores.LISTED.clear()
    with pytest.raises(ManifestError, match=r"00000\.tar: cannot be read .* clips lie in it"):
        packs.read(URI)
    for name, data in bytes_of(disk).items():
        with bucket.open_output_stream(f"bucket/packed/{name}") as file:
            file.write(data)
    stores.LISTED.clear()
    ranges._kept.cache_clear()
    again = training.train(plan, packs.read(URI), tmp_path / "run", every=Every(1), resume=True)
    whole = training.train(plan, packs.read(disk), tmp_path / "whole")
    assert again.read_bytes() == whole.read_bytes()


def test_what_is_cut_off_is_told(bucket, there, disk, tmp_path):
    copy = shutil.copytree(disk, tmp_path / "copy")
    clips = packs.read(there)
    with bucket.open_output_stream("bucket/packed/00000.tar") as file:
        file.write((copy / "00000.tar").read_bytes()[:2000])
    stores.LISTED.clear()
    with pytest.raises(ManifestError, match=r"00000\.tar: has 2,000 bytes, and pack\.json tells"):
        packs.read(URI)
    ranges._kept.cache_clear()
    waves = PackedWaves(clips, 4000, strict=True)
    shard, offset = waves.places
    row = int(((shard == 0) & (offset > 2000)).nonzero()[0][0])
    with pytest.raises(
        EarmarkError, match=r"should end at the byte \d+ of s3://bucket/packed/00000\.tar, which has 2,000 bytes"
    ):
        waves.heard(row)
