"""Clips mixed into recordings are not mixed again where a head's run was stopped, as long as all that they are made of is the same."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tests import small

from earmark.data import manifest as manifests
from earmark.models import loading

pytest.importorskip("torch")
from earmark.train.heads import background, mixes, run, within

RATE = 8000
COPIES = 4


class Stops:
    """Ctrl-C after so many mixes; what is said."""

    def __init__(self, after: int = 10**6):
        self.after, self.mixing, self.said = after, False, []

    def begin(self, what, total):
        self.mixing = what == "clips in the recordings"

    def advance(self):
        self.after -= self.mixing
        if self.after < 0:
            raise KeyboardInterrupt

    def end(self):
        pass

    def say(self, sentence):
        self.said.append(sentence)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Files of eight mixes each."""
    monkeypatch.setattr(mixes, "MANY", 8)
    monkeypatch.setattr(within, "BATCH", 8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twelve clips of three tones, two recordings, a net by chance."""
    tmp_path = tmp_path_factory.mktemp("made")
    chance = np.random.default_rng(0)
    names, tags = [], []
    for number in range(4):
        for tag, tone in zip(small.TAGS, (300, 1200, 2500), strict=True):
            names.append(f"{number}{tag}.wav")
            tags.append(tag)
            wave = 0.3 * np.sin(2 * np.pi * tone * np.arange(RATE) / RATE) + 0.01 * chance.normal(size=RATE)
            soundfile.write(tmp_path / names[-1], wave, RATE)
    manifests.write(manifests.build({"id": names, "path": names, "tags": tags}, tmp_path), tmp_path / "own.csv")
    (tmp_path / "recordings").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "recordings" / f"{name}.wav", 0.02 * chance.normal(size=20 * RATE), RATE)
    small.tagger("resnet_b_att", 0.5, 0.25).save(tmp_path / "base.safetensors")
    return tmp_path


@pytest.fixture
def place(made, tmp_path):
    """The same, to be changed: with the times of its files, by which they are known again."""
    return shutil.copytree(made, tmp_path / "place")


@pytest.fixture(scope="module")
def half(made, tmp_path_factory):
    """The same, and in `kept` what is left of a run that was stopped after 20 of 48 mixes, of which 16 were kept."""
    place = shutil.copytree(made, tmp_path_factory.mktemp("half") / "place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixes, "MANY", 8)
        patch.setattr(within, "BATCH", 8)
        with pytest.raises(KeyboardInterrupt):
            trained(place, progress=Stops(20), mixed=place / "kept")
    assert len(list((place / "kept").iterdir())) == 2
    return place


@pytest.fixture
def mixed(monkeypatch):
    """The clips that were mixed, one each copy."""
    made: list[str] = []
    plain = within.mixed_within

    def seen(*told, **more):
        for each in plain(*told, **more):
            if isinstance(each, within.Within):
                made.append(each.clip)
            yield each

    monkeypatch.setattr(within, "mixed_within", seen)
    return made


def trained(place, folder="run", progress=None, resume=False, salvage=False, **told):
    base = run.load_base(str(place / "base.safetensors"))
    clips = manifests.read(place / "own.csv")
    asked = run.Asked(background=background.Asked([place / "recordings"]), within=within.Asked(COPIES))
    plan = run.plan(base, clips, "base", unlabelled=True)
    how = run.How(resume=resume, salvage=salvage)
    return run.train(base, "base", plan, clips, place / folder, replace(asked, **told), how, progress or Stops())


def stopped(place, mixed, after=20):
    with pytest.raises(KeyboardInterrupt):
        trained(place, progress=Stops(after))
    mixed.clear()


def test_a_run_that_was_stopped_mixes_the_rest(place, mixed):
    whole = loading.load(trained(place, "whole")).identity()
    assert len(mixed) == 12 * COPIES and not (place / "whole" / "mixed").exists()
    stopped(place, mixed)
    assert len(list((place / "run" / "mixed").iterdir())) == 2  # of 20 mixes 16 were kept
    assert loading.load(trained(place, resume=True)).identity() == whole
    assert sorted(mixed) == sorted(COPIES * manifests.read(place / "own.csv").ids.tolist()[4:])
    assert not (place / "run" / "mixed").exists()
    # elsewhere, as a service keeps them apart from a run that is begun anew
    with pytest.raises(KeyboardInterrupt):
        trained(place, "third", Stops(20), mixed=place / "kept")
    mixed.clear()
    assert loading.load(trained(place, "fourth", mixed=place / "kept")).identity() == whole
    assert len(mixed) == 8 * COPIES and not (place / "kept").exists()


def touched(path):
    os.utime(path, ns=(1, 1))


CHANGES = {
    "a recording": (lambda place: touched(place / "recordings" / "b.wav"), 12),
    "another recording": (lambda place: soundfile.write(place / "recordings" / "c.wav", np.ones(20 * RATE) / 9, RATE), 12),
    "a clip": (lambda place: touched(place / "1a.wav"), 12 - 4 + 1),
    "spoilt": (lambda place: [file.write_bytes(b"PAR1") for file in (place / "kept").iterdir()], 12),
    "another tagger": (lambda place: small.tagger("resnet_b_att", 0.5, 0.125).save(place / "base.safetensors"), 12),
    "other salvage": (lambda place: {"salvage": True}, 12),
    "another seed": (lambda place: {"seed": 1}, 12),
    "other loudness": (lambda place: {"within": within.Asked(COPIES, snr=(6.0, 9.0))}, 12),
    "more copies": (lambda place: {"within": within.Asked(COPIES + 1)}, 12),
    "another recall": (lambda place: {"within": within.Asked(COPIES, recall=0.5)}, 12 - 4),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_made_of_something_else_is_mixed_again(half, tmp_path, mixed, what):
    place = shutil.copytree(half, tmp_path / "place")
    change, count = CHANGES[what]
    told = change(place)
    trained(place, "other", mixed=place / "kept", **(told if isinstance(told, dict) else {}))
    assert len(set(mixed)) == count


def test_clips_that_could_not_be_mixed_are_tried_again(place, mixed):
    """One whose file is silent, and told again."""
    soundfile.write(place / "0a.wav", np.zeros(RATE), RATE)
    stopped(place, mixed)
    again = Stops()
    trained(place, progress=again, resume=True)
    assert any("1 clip or stretch could not be mixed, the first: " in line and "0a.wav" in line for line in again.said)


def test_where_there_is_no_room_it_is_said_once(place, mixed, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/run/mixed")

    monkeypatch.setattr(mixes, "tables", SimpleNamespace(Writer=full, blocks=mixes.tables.blocks))
    progress = Stops()
    assert trained(place, progress=progress).is_file()
    told = [line for line in progress.said if "cannot be kept, and is mixed again where this is stopped" in line]
    assert len(told) == 1 and "/run/mixed: No space left on device" in told[0]
