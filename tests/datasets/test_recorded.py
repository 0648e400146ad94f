"""What an indexed data set says of its recordings is held against them, whichever layout says it: what is absent, what is too short."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.data import datasets
from earmark.data.manifest import build
from earmark.data.recorded import LOOKED, doubts
from earmark.errors import ManifestError

NAMES = [f"{n}.wav" for n in range(4)]


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        soundfile.write(tmp_path / name, np.full(8_000, 0.1), 8_000)
    return tmp_path


def clips(root, paths=NAMES, **columns):
    return build({"id": NAMES[: len(paths)], "path": paths, "tags": ["dog"] * len(paths), **columns}, root)


def test_nothing_is_said_of_what_is_as_it_should_be(folder):
    assert doubts(clips(folder), "x") == []
    assert doubts(clips(folder, start=[0.2] * 4, end=[1.04] * 4), "x") == []
    (folder / "a").mkdir()
    assert doubts(clips(folder, [f"a/../{name}" for name in NAMES]), "x") == []
    assert doubts(clips("/elsewhere", [str(folder / name) for name in NAMES]), "x") == []


def test_recordings_that_are_not_there(folder):
    (said,) = doubts(clips(folder, ["0.wav", "none.wav", "1.wav", "sub/2.wav"]), "x")
    assert said.startswith("2 of 4 recordings are not there: 'none.wav', 'sub/2.wav'. Looked from")
    with pytest.raises(
        ManifestError, match="the data set 'mine': 4 of 4 recordings are not there: .*relative to the root"
    ):
        doubts(clips(folder / "sub"), "the data set 'mine'")


@pytest.mark.parametrize(
    "columns",
    [
        {"end": [1.0, 1.0, 1.0, 5000.0]},
        {"start": [0.0, 0.0, 0.0, 4000.0], "end": [None, None, None, 5000.0]},
        {"events": [None, None, None, [("dog", 0.0, 5000.0)]]},
        {"start": [None, None, None, 5000.0]},
    ],
)
def test_clips_that_reach_past_the_end(folder, columns):
    (said,) = doubts(clips(folder, **columns), "x")
    assert "with times reaches past the end of its recording, such as '3.wav', to 5000 s of 1.00 s" in said


def test_of_many_some_are_looked_at(folder):
    many = 3 * LOOKED
    held = build(
        {"id": [str(n) for n in range(many)], "path": ["0.wav"] * many, "tags": ["dog"] * many, "end": [7000.0] * many},
        folder,
    )
    (said,) = doubts(held, "x")
    assert said.startswith(f"{LOOKED} of the {LOOKED} looked at of {many} clips with times reach past")


def test_clips_without_any_tag(folder):
    held = build({"id": NAMES, "path": NAMES, "tags": [""] * 4}, folder)
    assert doubts(held, "x") == [
        "none of the 4 clips has a tag, so that nothing can be learnt from them or judged by them"
    ]


def test_the_command_says_so_of_any_layout(folder):
    (folder / "clips.csv").write_text("id,path,start,end,tags\n0,0.wav,0,900,dog\n1,1.wav,0,1,dog\n2,2.wav,,,dog\n")
    done = earmark("index", "table", folder / "clips.csv", "-o", folder / "m.csv")
    assert done.returncode == 0 and "1 of the 2 clips with times reaches past the end" in done.stderr, done.stderr
    assert datasets.index("table", folder / "clips.csv").notes  # as every verb that takes a folder tells it


def test_a_manifest_stays_where_its_successor_is_refused(folder):
    """Sizes of the recordings of two folds are compared, and one has none."""
    header, row = "id,path,start,end,tags,events,fold,group,source\n", "0,0.wav,,,dog,,1,,\n"
    (folder / "clips.csv").write_text(header + row)
    assert earmark("index", "table", folder / "clips.csv", "-o", folder / "m.csv").returncode == 0
    good = (folder / "m.csv").read_bytes()
    (folder / "clips.csv").write_text(header + row + "1,1.wav,,,dog,,2,,\n2,gone.wav,,,dog,,2,,\n")
    done = earmark("index", "table", folder / "clips.csv", "-o", folder / "m.csv")
    assert done.returncode == 2 and "1 of 3 recordings is not there under" in done.stderr, done.stderr
    assert (folder / "m.csv").read_bytes() == good
