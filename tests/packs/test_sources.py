"""What a pack tells of what its clips were made from: the same sound is known again in files and in packs, however it was packed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
from pyarrow import parquet
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data import packs, sounds
from earmark.data.clipset import ClipSet
from earmark.data.leaks import leaks
from earmark.data.splits import assign_folds, divide
from earmark.data.together import together
from earmark.errors import ManifestError

RATE = 8000


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Ten clips: six whole files of which 0 and 5 have the same bytes, four parts of a seventh, of which two overlap."""
    folder = tmp_path_factory.mktemp("sounds")
    chance = np.random.default_rng(0)
    for number in range(7):
        soundfile.write(folder / f"{number}.wav", chance.uniform(-0.5, 0.5, RATE * (4 if number == 6 else 1)), RATE)
    shutil.copy(folder / "0.wav", folder / "5.wav")
    return manifests.build(
        {
            "id": [f"clip {number}" for number in range(10)],
            "path": [f"{number}.wav" for number in range(6)] + ["6.wav"] * 4,
            "start": [None] * 6 + [None, 0.5, 1.5, 3.0],
            "end": [None] * 6 + [1.0, 1.25, 2.5, None],
            "tags": [["dog"]] * 10,
            "fold": ["1", "1", "1", "2", "2", "2", "1", "2", "1", "2"],
        },
        folder,
    )


WAYS = {"as it is": {}, "flac": {"flac": True}, "rate": {"rate": 5000}}


def keys(manifest):
    return list(sounds.keys(manifest, sounds.of_files(manifest)))


@pytest.mark.parametrize("how", WAYS)
def test_a_sound_is_known_again_however_it_was_packed(clips, tmp_path, how):
    packs.pack(clips, tmp_path / "p", **WAYS[how])
    packed = packs.read(tmp_path / "p")
    assert keys(packed) == keys(clips) and len(set(keys(clips))) == 9
    # a pack of a pack tells what the first was made from
    packs.pack(packed, tmp_path / "again", rate=4000)
    assert keys(packs.read(tmp_path / "again")) == keys(clips)
    # what a tagger tells of the sounds that it learnt from finds them in the files, and the other way round
    learnt = ClipSet(clips=10, sounds=sounds.sample(packed, {}))
    assert learnt.heard(keys(clips)).all() and not learnt.heard(["another"]).any()
    # what is heard is another matter: cached scores of one must not be taken for the other's
    own = list(sounds.keys(packed, {}, heard=True))
    assert (own[:6] == keys(clips)[:6]) == (how == "as it is") and len(set(own)) == 9


@pytest.mark.parametrize("how", WAYS)
def test_leaks_of_files_are_those_of_their_pack(clips, tmp_path, how):
    """Of one group's parts those that overlap, and files with one content."""
    packs.pack(clips, tmp_path / "p", **WAYS[how])
    packed = packs.read(tmp_path / "p")
    found, known = leaks(packed), leaks(clips)
    assert [(leak.kind, leak.ids) for leak in found] == [(leak.kind, leak.ids) for leak in known]
    assert [(leak.kind, leak.ids) for leak in known] == [
        ("overlap", ("clip 6", "clip 7")),
        ("audio", ("clip 0", "clip 5")),
    ]
    assert "the recording with the SHA-256" in found[0].sentence


@pytest.mark.parametrize("how", WAYS)
def test_parts_of_a_recording_belong_together_in_their_pack_too(clips, tmp_path, how):
    packs.pack(clips, tmp_path / "p", **WAYS[how])
    packed = packs.read(tmp_path / "p")
    assert together(packed).tolist() == together(clips).tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6]
    dealt = [assign_folds(each, 3, seed=1).folds.tolist() for each in (clips, packed)]
    assert dealt[0] == dealt[1] and len(set(dealt[0][6:])) == 1


@pytest.mark.parametrize("how", WAYS)
def test_parts_of_a_recording_on_two_sides_are_refused_of_a_pack_too(clips, tmp_path, how):
    packs.pack(clips, tmp_path / "p", **WAYS[how])
    packed = packs.read(tmp_path / "p")
    for each, name in ((clips, "6.wav"), (packed, "the recording with the SHA-256")):
        with pytest.raises(ManifestError, match=f"1 recording lies in both train and test, such as '{name}"):
            divide(each, ["2"], [])
    # whole files with one content are other recordings, which `index` tells
    divide(packed.select(np.arange(6)), ["2"], [])


def test_a_pack_of_before_is_read_and_says_what_it_does_not_tell(clips, tmp_path):
    packs.pack(clips, tmp_path / "p", flac=True)
    file = tmp_path / "p" / "index.parquet"
    table = parquet.read_table(file)
    assert packs.read(tmp_path / "p").notes == ()
    parquet.write_table(table.drop_columns(["source_sha256", "source_start", "source_end"]), file)
    plain = json.loads((tmp_path / "p" / "pack.json").read_text())
    (tmp_path / "p" / "pack.json").write_text(json.dumps({key: plain[key] for key in plain if key != "index"}))
    packed = packs.read(tmp_path / "p")
    assert packed.ids.tolist() == clips.ids.tolist() and "source_sha256" not in packed.table.column_names
    assert keys(packed) == [digest.hex() for digest in packed.table["sha256"].to_pylist()]
    assert [leak.kind for leak in leaks(packed)] == ["audio"]  # by the bytes in the pack
    told = earmark("check", tmp_path / "p")
    assert told.returncode == 0 and "does not tell what its clips were made from" in told.stdout + told.stderr


def test_parts_alone_tell_where_they_lay(clips, tmp_path):
    packs.pack(clips.select(np.arange(6)), tmp_path / "whole")
    assert "source_start" not in packs.read(tmp_path / "whole").table.column_names
    packs.pack(clips, tmp_path / "parts")
    table = packs.read(tmp_path / "parts").table
    assert table["source_end"].to_pylist() == clips.table["end"].to_pylist()
    # whole files are kept as they are, and so are their own sources
    assert table["source_sha256"].null_count == 6
