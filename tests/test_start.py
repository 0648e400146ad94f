"""`earmark start`: what is chosen is chosen from what was measured, is said, and can be trained; nothing that is one's own is lost."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark import recipe as recipes
from earmark.data import manifest as manifests
from earmark.errors import EarmarkError, ManifestError
from earmark.train import starting
from earmark.train.starting import groups, planning
from earmark.train.starting.looking import measure

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 16_000


def call(seconds: float, hertz: float, silence: float = 0.0, level: float = 0.5) -> np.ndarray:
    """A tone, and digital silence behind it."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.concatenate([level * np.sin(2 * np.pi * hertz * time), np.zeros(round(silence * RATE))]).astype(
        np.float32
    )


@pytest.fixture
def sounds(tmp_path) -> Path:
    """Twelve clips of two tags and of background, two takes of each sound, each a call and then digital silence."""
    for tag, hertz in (("owl", 500.0), ("frog", 1_500.0), ("background", 200.0)):
        (tmp_path / "sounds" / tag).mkdir(parents=True)
        for number in range(12):
            name = f"{tag}{'abcdef'[number // 2]}_{number % 2}.wav"
            soundfile.write(tmp_path / "sounds" / tag / name, call(0.7, hertz + number, 1.3), RATE)
    return tmp_path / "sounds"


def test_a_folder_of_tags(sounds, tmp_path):
    done = earmark("start", sounds, "-o", tmp_path / "own")
    assert done.returncode == 0, done.stderr
    assert "36 clips of 3 tags: background 12, frog 12, owl 12" in done.stdout
    assert (
        "groups: 18 by the names, each of one sound in several takes, such as 'backgrounda' of 2 clips" in done.stderr
    )
    assert f"earmark train {tmp_path / 'own' / 'own.yaml'} --data {tmp_path / 'own' / 'clips.csv'} --out" in done.stdout
    clips = manifests.read(tmp_path / "own" / "clips.csv")
    assert clips.fold_names() == ["1", "2", "3", "4", "5"]
    by_group = {}
    for group, fold in zip(clips.groups.tolist(), clips.folds.tolist(), strict=True):
        assert by_group.setdefault(group, fold) == fold
    plan = recipes.load(tmp_path / "own" / "own.yaml")
    # calls of 0.7 s: windows of 0.75 s; 1.5 kHz needs 3 kHz, and the lowest rate is 8 kHz
    assert (plan.windows.length, plan.windows.hop, plan.sample_rate, plan.task) == (0.75, 0.375, 8_000, "one")
    assert (plan.data.test, plan.data.validation) == (["5"], ["4"])
    assert [(part.name, part.arguments) for part in plan.augment if part.name in ("trim", "crop")] == [
        ("trim", {"below": -60}), ("crop", {"loud": 30}),
    ]  # fmt: skip
    text = (tmp_path / "own" / "own.yaml").read_text()
    assert "36 of 36 clips are digitally silent for a tenth or more" in text
    assert "# Tags: background 12, frog 12, owl 12." in text


def test_what_it_writes_can_be_trained(sounds, tmp_path):
    out = tmp_path / "own"
    starting.start(sounds, out)
    done = earmark("train", out / "own.yaml", "--data", out / "clips.csv", "--out", tmp_path / "run", "--set", "train.epochs=1",
                   "--set", "net.widths=[8,8,8]", "--set", "train.precision=float32")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "learnt and never told: background (data.reserved)" in done.stderr


def test_one_sound_in_several_files_is_told(sounds, tmp_path):
    for number, wave in enumerate(np.random.default_rng(0).normal(0, 0.1, (36, RATE)).astype(np.float32)):
        tag = ("owl", "frog", "background")[number // 12]
        soundfile.write(sounds / tag / f"{tag}{'abcdef'[number % 12 // 2]}_{number % 2}.wav", wave, RATE)
    assert not [line for line in starting.start(sounds, tmp_path / "apart").said if "several files" in line]
    (sounds / "frog" / "frogz_0.wav").write_bytes((sounds / "owl" / "owlb_1.wav").read_bytes())
    (sounds / "owl" / "owly_0.wav").write_bytes((sounds / "owl" / "owlc_0.wav").read_bytes())
    said = starting.start(sounds, tmp_path / "own").said
    assert [line for line in said if "several files" in line] == [
        "one sound lies in several files under several tags, such as frog/frogz_0.wav = owl/owlb_1.wav: a tagger is taught both for one "
        "sound. Keep it where it belongs, and take the others away",
        "one sound lies in several files, such as owl/owlc_0.wav = owl/owly_0.wav: it counts as often, and where its copies lie on both "
        "sides of a split figures are too good. Keep one of each",
    ]


def test_one_tag_alone_is_told_how_it_can_be_learnt(tmp_path):
    """The commonest survey: what the message says is what works."""
    (tmp_path / "one" / "owl").mkdir(parents=True)
    for n in range(6):
        soundfile.write(tmp_path / "one" / "owl" / f"{n}.wav", call(1.0, 3_000), RATE)
    with pytest.raises(EarmarkError, match=r"one: the only tag is 'owl', .* Add a folder `background`") as error:
        starting.start(tmp_path / "one", tmp_path / "own")
    words = re.search(r"earmark (index folder .* -o own.csv),", str(error.value))[1].split()
    words[-1] = str(tmp_path / "own.csv")
    assert earmark(*words).returncode == 0 and (tmp_path / "own.csv").is_file()


def test_recordings_with_labels(tmp_path):
    night = tmp_path / "field"
    night.mkdir()
    for name in "abcde":
        wave = np.random.default_rng(0).uniform(-0.01, 0.01, 20 * RATE)
        wave[5 * RATE : 6 * RATE] += call(1.0, 3_000)
        soundfile.write(night / f"{name}.wav", wave, RATE)
        (night / f"{name}.txt").write_text("5.0\t6.0\towl\n")
    with pytest.raises(
        EarmarkError,
        match=r"the only tag is 'owl', and with nothing else .* Say --complete if all .*, add a folder .* --recordings RECORDINGS",
    ):
        starting.start(night, tmp_path / "own")
    assert not (tmp_path / "own").exists()
    told = starting.start(night, tmp_path / "own", complete=True)
    assert "groups: each of the 5 recordings is one" in told.said[0]
    clips = manifests.read(tmp_path / "own" / "clips.csv")
    assert clips.vocabulary == ("background", "owl") and set(clips.groups) == {f"{name}.wav" for name in "abcde"}
    plan = recipes.load(tmp_path / "own" / "own.yaml")
    assert plan.data.dataset == "labelled"
    owls = clips.truth(["owl"], ignore_others=True)[:, 0]
    assert (
        (clips.end - clips.start)[owls] >= plan.windows.length - 1e-6
    ).all()  # no window of an owl is filled up with zeros


def test_too_few_to_hold_some_back(sounds, tmp_path):
    for path in sounds.rglob("*.wav"):
        if path.name[-7] not in "ab":
            path.unlink()
    told = starting.start(sounds, tmp_path / "own")
    assert told.plan.folds == 0 and any(
        "too few groups to hold some back (2 of the rarest tag)" in line for line in told.said
    )
    plan = recipes.load(tmp_path / "own" / "own.yaml")
    assert plan.data.validation == [] and plan.train.keep == "last"


def test_without_background_it_is_said(sounds, tmp_path):
    for path in (sounds / "background").iterdir():
        path.unlink()
    (sounds / "background").rmdir()
    assert any("no clips of what is none of these" in line for line in starting.start(sounds, tmp_path / "own").said)


def test_a_recipe_that_was_changed_is_kept(sounds, tmp_path):
    out = tmp_path / "own"
    assert earmark("start", sounds, "-o", out).returncode == 0
    assert earmark("start", sounds, "-o", out).returncode == 0  # its own work may be done again
    recipe = out / "own.yaml"
    recipe.write_text(recipe.read_text().replace("batch: 16", "batch: 8"))
    changed = recipe.read_text()
    done = earmark("start", sounds, "-o", out)
    assert done.returncode == 2 and "own.yaml" in done.stderr
    assert recipe.read_text() == changed


def test_a_list_of_clips_that_was_corrected_is_kept(sounds, tmp_path):
    out = tmp_path / "own"
    starting.start(sounds, out)
    starting.start(sounds, out)
    clips = out / "clips.csv"
    corrected = clips.read_text().replace('"frog"', '"toad"', 1)
    assert corrected != clips.read_text()
    clips.write_text(corrected)
    done = earmark("start", sounds, "-o", out)
    assert done.returncode == 2 and "clips.csv: was changed since it was written here" in done.stderr
    assert clips.read_text() == corrected
    # a folder of before tells no digest of its clips
    recipe = out / "own.yaml"
    body = "".join(line for line in recipe.read_text().splitlines(keepends=True)[1:] if "list of clips" not in line)
    recipe.write_text(f"# earmark start wrote this ({planning._digest(body)}). Once it is changed it is yours.\n{body}")
    starting.start(sounds, out)
    assert clips.read_text() != corrected


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("absent", r"absent: no such folder\. Give a folder with a folder of clips for each tag"),
        ("empty", r"empty: holds no recordings"),
        ("bare", r"bare: 1 recording, of which nobody says what is heard in them"),
    ],
)
def test_folders_that_say_nothing(tmp_path, what, problem):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    soundfile.write(tmp_path / "bare" / "a.wav", call(1.0, 500), RATE)
    with pytest.raises(ManifestError, match=problem):
        starting.start(tmp_path / what, tmp_path / "own")


def test_labels_that_are_wrong_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", call(1.0, 500), RATE)
    (tmp_path / "a.txt").write_text("hello\n")
    with pytest.raises(ManifestError, match=r"a.txt: is called after a.wav, and holds no labels"):
        starting.start(tmp_path, tmp_path / "own")


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (["S01_20210405_203000.wav", "S01_20210405_213000.wav", "S01_20210406_203000.wav"], "S01_20210405"),
        (["20210405_203000.WAV", "20210405_213000.WAV", "20210406_203000.WAV"], "20210405"),
        (["x_0.0_3.0.wav", "x_3.0_6.0.wav", "y_0.0_3.0.wav"], "x"),
        (["1-100032-A-0.ogg", "1-100032-B-0.ogg", "2-77-A-0.ogg"], "1-100032"),
        (["ann_1.wav", "ann_2.wav", "bob_1.wav"], "ann"),
        (["ann (1).wav", "ann (2).wav", "bob (1).wav"], "ann"),
    ],
)
def test_groups_that_names_tell(names, group):
    guess = groups.guess([f"owl/{name}" for name in names], ["owl"] * len(names))
    assert guess is not None and f"such as {group!r} of 2 clips" in guess.sentence


@pytest.mark.parametrize(
    "names", [["1.wav", "2.wav"], ["owl1.wav", "owl2.wav"], ["a.wav", "b.wav"], ["owl_1.wav", "owl_2.wav"]]
)
def test_names_that_tell_no_groups(names):
    assert groups.guess([f"owl/{name}" for name in names], ["owl"] * 2) is None


def test_what_is_measured():
    seconds, loud, peak, silent, highest = measure(call(0.5, 1_000, 1.5), RATE)
    assert (seconds, silent) == (2.0, 0.75) and loud == pytest.approx(0.5, abs=0.02)
    assert peak == pytest.approx(20 * np.log10(0.5), abs=0.01) and highest == pytest.approx(1_000, abs=100)
    assert measure(np.zeros(RATE, np.float32), RATE)[1:] == (0.0, -np.inf, 1.0, 0.0)


def test_the_shipped_recipe_does_not_teach_silence():
    stages = {part.name: part.arguments for part in recipes.load("own").augment}
    assert stages["trim"] == {"below": -60} and stages["crop"]["loud"] == 30
