"""Every walk through a folder finds the same recordings, follows links, and tells in one line what it passes over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import tone
from tests.program import earmark

from earmark import audio
from earmark.audio import walk_folder
from earmark.data import datasets, listed
from earmark.data.datasets import below
from earmark.data.soundscapes.sound import backgrounds
from earmark.scores import Scores

LINE = (
    "passed over: 5 files with no ending of sound (2 .mpc, 2 without an ending, 1 .dsf); 1 of them begins as sound does, such as "
    "dog/rec: give it its ending, or name it by itself; 2 hidden; 2 linked again; 1 that is no file (pipes, devices)"
)


@pytest.fixture
def place(tmp_path):
    """Recordings in the tree and behind links: to a folder, to a file, round to the top, and twice to one folder."""
    root, card = tmp_path / "set", tmp_path / "card"
    (root / "dog").mkdir(parents=True)
    (card / "deep").mkdir(parents=True)
    soundfile.write(root / "dog" / "0.wav", tone(500, 1.0, 8000), 8000)
    for copy in (card / "1.wav", card / "deep" / "2.wav", root / "dog" / "rec"):
        shutil.copy(root / "dog" / "0.wav", copy)
    (root / "card2").symlink_to("../card")
    (root / "dog" / "round").symlink_to(root)
    (root / "xcard").symlink_to(card / "deep")
    (root / "dog" / "3.wav").symlink_to(card / "1.wav")
    for name in ("dog/a.mpc", "dog/b.MPC", "dog/a.dsf", "dog/README", "dog/.hidden.wav"):
        (root / name).write_bytes(b"what is no sound")
    (root / ".trash").mkdir()
    (root / ".trash" / "4.wav").touch()
    os.mkfifo(root / "dog" / "pipe.wav")
    return root


NAMES = ["card2/1.wav", "card2/deep/2.wav", "dog/0.wav", "dog/3.wav"]


def test_what_is_found_and_what_is_passed_over(place):
    said = []
    assert audio.find([place], said.append) == [place / name for name in NAMES]
    assert said == [
        f"{place}: {LINE}",
        f"{place}/dog/3.wav: is {place}/card2/1.wav by another name; each name has its results",
    ]


def walks(place):
    """Whatever walks, with the names of recordings that it finds."""
    yield "find", [path.relative_to(place).as_posix() for path in audio.find([place])]
    yield "folder", datasets.index("folder", place).ids.tolist()
    yield "below", sorted(below(place)[0].values())
    dealt, failures = backgrounds(place, ["1"], 1, 8000)
    yield "backgrounds", [sound.id for sound in dealt["1"]]
    assert not failures


def test_all_walks_are_alike(place):
    assert dict(walks(place)) == dict.fromkeys(["find", "folder", "below", "backgrounds"], NAMES)


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "--tagger", "digits"],
        ["events", "--tagger", "digits"],
        ["bench", "files", "digits"],
        ["explain", "digits"],
    ],
)
def test_every_command_tells_it_in_one_line(place, tmp_path, command):
    out = ["--out", tmp_path / "page"] if command[0] == "explain" else []
    done = earmark(*command, place, *out)
    assert done.stderr.splitlines().count(f"{place}: {LINE}") == 1, done.stderr


def test_training_on_a_folder_is_told(place):
    said = []
    datasets.open_data(place, "folder", say=said.append)
    assert said == [f"{place}: {LINE}"]


def test_nothing_is_said_where_nothing_is_passed_over(tmp_path):
    (tmp_path / "a.wav").touch()
    assert walk_folder(tmp_path).passed_over() is None


def test_a_folder_in_the_tree_keeps_its_name_beside_a_link_to_it(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.wav").touch()
    (tmp_path / "a").symlink_to("b")
    assert walk_folder(tmp_path).recordings == ["b/1.wav"] and walk_folder(tmp_path).again == 1


def test_a_link_that_leads_nowhere_is_a_recording_that_cannot_be_read(tmp_path):
    (tmp_path / "1.wav").symlink_to(tmp_path / "gone.wav")
    assert walk_folder(tmp_path).recordings == ["1.wav"]


def test_links_in_a_circle_are_recordings_that_cannot_be_read_and_the_rest_goes_on(place, tmp_path):
    soundfile.write(tmp_path / "1.wav", tone(200, 1, 4000), 4000)
    (tmp_path / "2.wav").symlink_to("3.wav")
    (tmp_path / "3.wav").symlink_to("2.wav")
    assert walk_folder(tmp_path).recordings[:3] == ["1.wav", "2.wav", "3.wav"]
    for named in ([tmp_path], [tmp_path / "2.wav", tmp_path / "1.wav"]):
        told = earmark("tag", "--tagger", "digits", *map(str, named))
        assert told.returncode == 1
        assert "1.wav  0:01" in told.stdout
        assert "2.wav: cannot be opened (Too many levels of symbolic links)" in told.stderr


def test_many_endings_are_one_line(tmp_path):
    for number in range(20):
        (tmp_path / f"a.x{number}").touch()
    assert walk_folder(tmp_path).passed_over() == (
        "passed over: 20 files with no ending of sound (1 .x0, 1 .x1, 1 .x10, 1 .x11, 1 .x12, 15 others)"
    )


@pytest.fixture
def twice(tmp_path, monkeypatch) -> Path:
    """a.wav, a link to it, a hard link to it in a folder beside another, and a table of the first."""
    monkeypatch.chdir(tmp_path)
    Path("a.wav").write_bytes(b"sound")
    Path("in").mkdir()
    Path("in/b.wav").write_bytes(b"other")
    Path("link.wav").symlink_to("a.wav")
    Path("in/hard.wav").hardlink_to("a.wav")
    Path("list.csv").write_text("path\na.wav\n")
    return tmp_path


TWICE = (
    (["a.wav", "a.wav"], "a.wav: is named more than once; each is heard once", 1),
    (["a.wav", "in/../a.wav"], "in/../a.wav: is a.wav by another name; each name has its results", 2),
    (
        ["in", "in/b.wav", "in/hard.wav"],
        "in/b.wav: is named more than once, and so is 1 other; each is heard once",
        2,
    ),
    (["a.wav", "link.wav"], "link.wav: is a.wav by another name; each name has its results", 2),
    (["a.wav", "in"], "in/hard.wav: is a.wav by another name; each name has its results", 3),
    (["a.wav", "{}/a.wav"], "{}/a.wav: is a.wav by another name; each name has its results", 2),
    (["list.csv", "a.wav"], "a.wav: is named more than once; each is heard once", 1),
    (["list.csv", "link.wav"], "link.wav: is a.wav by another name; each name has its results", 2),
    (["a.wav", "in/b.wav"], None, 2),
    (["nowhere.wav", "a.wav"], None, 2),
)


@pytest.mark.parametrize(("words", "told", "count"), TWICE)
def test_what_is_named_twice_is_told(words, told, count, twice):
    said: list[str] = []
    found = listed.listing([word.format(twice) for word in words], said.append)
    assert len(found) == count
    assert [line for line in said if "named" in line or "name" in line] == (
        [] if told is None else [told.format(twice)]
    )


def test_a_link_in_a_folder_is_told_and_a_folder_without_links_is_not_looked_at_again(twice):
    said: list[str] = []
    Path("in/again.wav").symlink_to("b.wav")
    assert len(audio.find(["in"], said.append)) == 3
    assert said == ["in/b.wav: is in/again.wav by another name; each name has its results"]
    Path("in/again.wav").unlink()
    assert len(audio.find(["in"], said.append)) == 2 and len(said) == 1


@pytest.mark.parametrize("words", [["tag"], ["events"], ["embed", "-o", "e.parquet"], ["tag", "--job", "job"]])
def test_verbs_tell_what_is_named_twice(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.zeros(8000), 8000)
    told = earmark(words[0], "a.wav", "./a.wav", *words[1:], "--tagger", "digits")
    assert told.returncode == 0 and "a.wav: is named more than once; each is heard once" in told.stderr, told.stderr


def test_systems_and_members_that_are_named_twice_are_told(tmp_path, monkeypatch):
    """By one name, by a link: what is compared cannot differ, what is combined counts twice."""
    monkeypatch.chdir(tmp_path)
    ids, ones = [f"{n}" for n in range(8)], np.ones(8)
    chance = np.random.default_rng(0)
    for name in ("a", "b"):
        values = chance.dirichlet(np.ones(2), 8).astype(np.float32)
        Scores(values, np.array(ids), 0 * ones, ones, ("dog", "rain")).save(f"{name}.parquet")
    Path("link.parquet").symlink_to("a.parquet")
    Path("clips.csv").write_text(
        "id,path,tags\n" + "".join(f"{n},{n}.wav,{'dog' if n % 2 else 'rain'}\n" for n in range(8))
    )
    for files, told in (
        (["a.parquet", "./a.parquet"], "a.parquet{} a.parquet again"),
        (["a.parquet", "b.parquet", "link.parquet"], "link.parquet{} a.parquet again"),
    ):
        done = earmark("compare", *files, "--data", "clips.csv", "--resamples", "9", "--permutations", "9")
        assert done.returncode == 0 and told.format(" is") + ": the two cannot differ" in done.stderr, done.stderr
        assert told.format(" is") in done.stdout
        done = earmark("ensemble", *files, "-o", "e.parquet")
        assert done.returncode == 0 and told.format(": is") + ", which so counts twice" in done.stderr, done.stderr
    done = earmark("ensemble", "a.parquet", "b.parquet", "-o", "e.parquet")
    assert done.returncode == 0 and "again" not in done.stderr
