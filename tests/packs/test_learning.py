"""Learning from packs: as from the files, to the bit; stopped anywhere it goes on with the next batch; what cannot be read is left
out where it comes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import yaml
from safetensors import safe_open
from tests.program import alone, earmark

from earmark import audio
from earmark.data import packs
from earmark.errors import AudioError, EarmarkError
from earmark.models import loading
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train import checkpoint, packed, processes  # noqa: E402 (after the skip)
from earmark.train import folder as run_folder  # noqa: E402
from earmark.train.checkpoint import Every  # noqa: E402
from earmark.train.packed import PackedWaves  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")


def recipe(**train):
    """36 clips in batches of 8 are 5 batches, the last one of 4; with a net that draws, a pair that sums, and a mean."""
    return parse(
        {
            "task": "one",
            "sample_rate": 4000,
            "seed": 3,
            "data": {"dataset": "folder", "test": ["5"], "validation": ["4"]},
            "windows": {"length": 0.5, "hop": 0.25},
            "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [4, 4, 4], "hidden": 8},
            # sums of clips from anywhere are refused beside a buffer
            "augment": ["crop", *([] if "buffer" in train else ["other_class"]), {"name": "mixup", "share": 0.5}],
            "train": {"epochs": 2, "batch": 8, "ema": 0.9, "precision": "float32"} | train,
        }
    )


@pytest.fixture(scope="module")
def pack(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "p"
    packs.pack(clips, folder, flac=True, shard_size=1_000_000)
    return folder


@pytest.fixture
def own(pack, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(pack, tmp_path / "pack")


def state_of(folder):
    with safe_open(str(folder / "state.safetensors"), "np") as file:
        return json.loads(file.metadata()["state"])["course"]


def damage(folder, name):
    """Zeros in place of a clip's bytes; its row."""
    clips = packs.read(folder)
    row = clips.ids.tolist().index(name)
    shard, place, _ = clips.table["path"][row].as_py().split("/")
    offset, size = map(int, place.split("+"))
    with (folder / shard).open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))
    return row


def test_a_training_from_a_pack_is_that_from_the_files(clips, tmp_path):
    """Weights, optimiser and log to the byte; the tagger too, since the clips have the recipe's rate, and their files' own bytes."""
    packs.pack(clips, tmp_path / "packed", shard_size=1_000_000)
    one = training.train(recipe(), clips, tmp_path / "files")
    two = training.train(recipe(), packs.read(tmp_path / "packed"), tmp_path / "pack")
    assert one.read_bytes() == two.read_bytes()
    for name in ("state.safetensors", "log.csv", "recipe.yaml"):
        assert (tmp_path / "files" / name).read_bytes() == (tmp_path / "pack" / name).read_bytes()


def test_nothing_is_decoded_before_the_first_step(pack, tmp_path, monkeypatch):
    asked = []
    heard = PackedWaves.heard
    monkeypatch.setattr(PackedWaves, "heard", lambda self, row: (asked.append(row), heard(self, row))[1])

    def stop(phase, epoch, epochs, share, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(recipe(batch=2), packs.read(pack), tmp_path / "run", on_progress=stop)
    # for the precision and for the first step, each: one batch and up to three ahead, of two clips with a partner each; of 36 clips
    assert len(asked) <= 2 * 4 * 2 * 2


class Stop(BaseException):
    pass


def stopped(plan, clips, folder, after, **how):
    """Train until so many batches of all epochs have been learnt from, and then no more."""
    left = iter(range(after - 1))

    def tell(phase, epoch, epochs, share, row):
        if share < 1 and next(left, None) is None:
            raise Stop

    with pytest.raises(Stop):
        training.train(plan, clips, folder, on_progress=tell, **how)


@pytest.mark.parametrize("plan", [{}, {"buffer": 10}, {"accumulate": 2, "consistency": 0.5}, {"balance": "classes"}])
def test_stopped_within_an_epoch_it_goes_on_with_the_next_batch(pack, tmp_path, plan):
    plan, clips = recipe(**plan), packs.read(pack)
    whole = training.train(plan, clips, tmp_path / "whole")
    stopped(plan, clips, tmp_path / "run", after=8, every=Every(1))
    course = state_of(tmp_path / "run")
    # of ten batches seven, of the second epoch two, were learnt from and kept; of steps of two batches the first
    assert (len(course["history"]), course["place"], course["processes"]) == (1, 2, 1)
    said = []
    again = training.train(plan, clips, tmp_path / "run", resume=True, workers=3, say=said.append)
    assert any("going on within epoch 2, after 2 batches, of 2" in line for line in said)
    assert again.read_bytes() == whole.read_bytes()
    for name in ("state.safetensors", "log.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_to_go_on_takes_no_second_look_at_what_a_pack_tells_but_for_other_clips(pack, tmp_path, monkeypatch):
    clips, run = packs.read(pack), tmp_path / "run"
    whole = training.train(recipe(), clips, tmp_path / "whole")
    stopped(recipe(), clips, run, after=3, every=Every(1))
    looked = []
    look = run_folder._clips
    monkeypatch.setattr(run_folder, "_clips", lambda *told: (looked.append(1), look(*told))[1])
    stopped(recipe(), packs.read(pack), run, after=3, every=Every(1), resume=True)
    assert not looked
    column = clips.table.column_names.index("tags")
    for way in ("others", "none", "damaged", "of another version"):
        looked.clear()
        if way == "others":  # two clips have changed their tags
            tags = clips.table["tags"].to_pylist()
            first, other = (
                next(n for n, each in enumerate(tags) if (each == tags[0]) is same) for same in (True, False)
            )
            tags[first], tags[other] = tags[other], tags[first]
            table = clips.table.set_column(column, clips.table.schema.field("tags"), [tags])
            with pytest.raises(
                EarmarkError, match="was started with other clips than --data gives now: the labels of the train"
            ):
                training.train(recipe(), replace(clips, table=table), run, resume=True)
            assert looked
            continue
        file = run / "known.json"
        told = json.loads(file.read_text())
        file.write_text({"none": "", "damaged": "[1]", "of another version": json.dumps(told | {"key": "0"})}[way])
        if way == "none":
            file.unlink()
        stopped(recipe(), clips, run, after=1, every=Every(1), resume=True)
        assert looked and json.loads(file.read_text()) == told
    assert training.train(recipe(), clips, run, resume=True).read_bytes() == whole.read_bytes()


def test_files_are_gone_on_with_too(clips, tmp_path):
    whole = training.train(recipe(), clips, tmp_path / "whole")
    stopped(recipe(), clips, tmp_path / "run", after=4, every=Every(2))
    assert state_of(tmp_path / "run")["place"] == 2
    assert training.train(recipe(), clips, tmp_path / "run", resume=True).read_bytes() == whole.read_bytes()


def test_keeping_the_state_changes_nothing(pack, tmp_path):
    clips = packs.read(pack)
    one = training.train(recipe(), clips, tmp_path / "a")
    two = training.train(recipe(), clips, tmp_path / "b", every=Every(1))
    assert one.read_bytes() == two.read_bytes()
    assert (tmp_path / "a" / "state.safetensors").read_bytes() == (tmp_path / "b" / "state.safetensors").read_bytes()
    assert "place" not in state_of(tmp_path / "b")  # between epochs a state is as it always was


def test_another_number_of_processes_is_refused_within_an_epoch(pack, tmp_path, monkeypatch):
    clips = packs.read(pack)
    stopped(recipe(), clips, tmp_path / "run", after=3, every=Every(1))
    monkeypatch.setattr(checkpoint.processes, "world", lambda: 2)
    for name in ("join", "shared"):
        monkeypatch.setattr(processes, name, lambda value: value)
    with pytest.raises(
        EarmarkError, match="within epoch 1, after 2 batches, with 1 process, .* give --processes 1 .there are 2 now"
    ):
        training.train(recipe(), clips, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("text", "steps", "seconds"), [("500", 500, None), ("90s", None, 90), ("10min", None, 600), ("2 h", None, 7200)]
)
def test_when_the_state_is_kept(text, steps, seconds):
    every = Every.parse(text)
    assert (every.steps, every.seconds) == (steps, seconds)


def test_by_steps_or_by_the_clock():
    assert [step for step in range(1, 10) if Every(4).due(step)] == [4, 8]
    now = iter([0.0, 5.0, 10.0, 11.0, 19.0, 21.0])
    every = Every(seconds=10, clock=lambda: next(now))
    every.begin()
    assert [every.due(1) for _ in range(5)] == [False, True, False, False, True]


@pytest.mark.parametrize("text", ["0", "ten", "10 parsecs", "-5", ""])
def test_no_time(text):
    with pytest.raises(EarmarkError, match="give a number of steps, such as 500, or a time: 90s, 10min, 1h"):
        Every.parse(text)


def test_what_cannot_be_read_is_left_out_where_it_comes(clips, own, tmp_path):
    """The next clip stands in for it; it is told, listed, remembered, and left out by those who begin later."""
    names = clips.ids.tolist()
    row = damage(own, "low-2-1.wav" if "low-2-1.wav" in names else names[15])
    valid = damage(own, names[40])
    said = []
    broken = training.train(recipe(), packs.read(own), tmp_path / "run", say=said.append)
    assert sum("cannot be read and is left out" in line for line in said) == 2
    listed = list(csv.DictReader((tmp_path / "run" / "errors.csv").read_text().splitlines()))
    assert [(row["part"], row["id"]) for row in listed] == [("train", names[row]), ("validation", names[valid])]
    assert len(packs.unreadable(own)) == 2
    # as if the manifest had the next clip twice: which sound and which tag stand in
    waves = PackedWaves(packs.read(own).in_folds(["1", "2", "3"]), 4000)
    wave, heard = waves.heard(row)
    assert heard == row + 1
    np.testing.assert_array_equal(wave, waves[row + 1])
    # stopped after it was found, it goes on as it was, though the pack now tells of it
    shutil.copytree(own, tmp_path / "other")
    (tmp_path / "other" / packs.UNREADABLE).unlink()
    again = packs.read(tmp_path / "other")
    stopped(recipe(), again, tmp_path / "again", after=8, every=Every(1))
    assert training.train(recipe(), again, tmp_path / "again", resume=True).read_bytes() == broken.read_bytes()
    # who begins now leaves both out from the start
    said.clear()
    training.train(recipe(epochs=1), packs.read(own), tmp_path / "later", say=said.append)
    assert any("2 clips could not be read and are left out" in line for line in said)
    assert len(json.loads((tmp_path / "later" / "left-out.json").read_text())) == 2
    assert loading.load(tmp_path / "later" / "tagger.safetensors").facts.split.train.unread == 1


def test_what_is_decoded_straight_is_what_load_gives(pack, own):
    clips = packs.read(pack)
    for rate, straight in ((4000, True), (5000, False)):
        waves = PackedWaves(clips, rate)
        for row in range(0, 60, 7):
            assert waves._straight(row) is not None if straight else not waves._flac[row]
            np.testing.assert_array_equal(waves[row], audio.load(clips.paths()[row], rate))
            assert waves.samples[row] == len(waves[row])
    # a header that states more than there is, or another rate than the index, is left to what looks at everything
    row = damage(own, clips.ids.tolist()[8])
    waves = PackedWaves(packs.read(own), 4000)
    assert waves._straight(row) is None
    waves._frames[9] += 1
    assert waves._straight(9) is None and len(waves[9])


def test_too_many_are_not_borne(own, monkeypatch):
    clips = packs.read(own)
    rows = [damage(own, name) for name in clips.ids.tolist()[:3]]
    monkeypatch.setattr(packed, "FEW", 2)
    waves = PackedWaves(clips, 4000)
    with pytest.raises(EarmarkError, match=r"3 clips turned out to be unreadable, more than are borne \(2 of 60\)"):
        [waves.heard(row) for row in rows]
    with pytest.raises(AudioError, match="is no recording"):
        PackedWaves(clips, 4000, strict=True).heard(rows[0])


def test_a_disk_that_fails_is_no_clips_fault(own):
    waves = PackedWaves(packs.read(own), 4000)
    (own / "00000.tar").unlink()
    with pytest.raises(EarmarkError, match=r"00000\.tar: a clip that lies in it cannot be fetched .* the disk's fault"):
        waves.heard(0)
    assert packs.unreadable(own) == {}


def test_a_buffer_is_for_packs(clips, tmp_path):
    with pytest.raises(
        EarmarkError, match=r"train\.buffer: 10 clips are mixed where a pack's shards are read in order, and these"
    ):
        training.train(recipe(buffer=10), clips, tmp_path / "run")
    with pytest.raises(EarmarkError, match=r"train\.buffer: .* goes with neither balance: classes nor segments: every"):
        recipe(buffer=10, balance="classes")
    assert "buffer" not in recipe().as_dict()["train"]


def test_killed_it_goes_on(pack, tmp_path):
    """kill -9 of the program within an epoch, then the same command with --resume: the tagger of the undisturbed run."""
    plan = recipe(epochs=3)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    words = ["train", tmp_path / "plan.yaml", "--data", pack, "--save-every", "1"]
    whole = earmark(*words, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-m", "earmark", *map(str, words), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "state.safetensors").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert state_of(tmp_path / "run").get("place", 0) < 5
    again = earmark(*words, "--out", tmp_path / "run", "--resume")
    assert again.returncode == 0, again.stderr
    for name in ("tagger.safetensors", "log.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_two_processes_read_their_own_shards_and_go_on(pack, tmp_path):
    """On loopback, by gloo; the second one killed within an epoch ends the first, and both go on to the same bytes."""
    plan = recipe(buffer=5, epochs=3)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    words = ["train", tmp_path / "plan.yaml", "--data", pack, "--save-every", "1", "--processes", "2"]
    whole = alone(*words, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-m", "earmark", *map(str, words), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (tmp_path / "run" / "state.safetensors").is_file():
        assert process.poll() is None
        time.sleep(0.002)
    children = subprocess.run(
        ["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True, text=True, check=True
    )
    (second,) = map(int, children.stdout.split())
    os.kill(second, signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 2  # a refusal in a sentence
    assert "process 2 of 2 ended with status -9, and the others cannot go on without it" in said
    again = alone(*words, "--out", tmp_path / "run", "--resume")
    assert again.returncode == 0, again.stderr
    for name in ("tagger.safetensors", "log.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_manifest_of_files_is_none_of_a_pack(clips, pack):
    assert not packed.is_packed(clips) and packed.is_packed(packs.read(pack).select([1, 2]))
