"""Every walk through a folder finds the same recordings, follows links, and tells in one line what it passes over."""

from __future__ import annotations

import os
import shutil

import pytest
import soundfile
from tests.conftest import tone
from tests.program import earmark

from earmark import audio
from earmark.audio import walk_folder
from earmark.data import datasets
from earmark.data.datasets import below
from earmark.data.soundscapes.sound import backgrounds

LINE = (
    "passed over: 5 files with no ending of sound (2 .mpc, 2 without an ending, 1 .dsf); 1 of them begins as sound does, such as "
    "dog/rec: give it its ending, or name it by itself; 2 hidden; 2 linked again; 1 that are no files (pipes, devices)"
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
    assert said == [f"{place}: {LINE}"]


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
