"""Packs: what is in the shards is what was in the files, killed and gone on with they are the same bytes, and nothing hostile
is believed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet
from tests.program import earmark

from earmark import audio
from earmark.data import datasets, packs
from earmark.data import manifest as manifests
from earmark.data.packs import packing
from earmark.errors import AudioError, EarmarkError, ManifestError
from earmark.inference.silence import Level

RATE = 8000


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Twelve clips in three folds; whole numbers of 16 bits, one of floats, one of two channels, one a part of another."""
    folder = tmp_path_factory.mktemp("sounds")
    chance = np.random.default_rng(0)
    for number in range(11):
        wave = chance.uniform(-0.5, 0.5, (RATE + 10 * number, 2 if number == 3 else 1))
        soundfile.write(folder / f"{number}.wav", wave, RATE, "FLOAT" if number == 2 else "PCM_16")
    paths = [f"{number}.wav" for number in (*range(11), 0)]
    columns = {
        "id": [f"clip {number}/é" for number in range(12)],
        "path": paths,
        "start": [None] * 11 + [0.25],
        "end": [None] * 11 + [0.75],
        "tags": [["owl"] if number % 2 else ["dog", "owl"] for number in range(12)],
        "events": [None] * 11 + [[{"tag": "owl", "onset": 0.5, "offset": 0.7}]],
        "fold": [str(number % 3 + 1) for number in range(12)],
        "group": [f"g{number % 6}" for number in range(12)],
    }
    return manifests.build(columns, folder, vocabulary=("owl", "dog"))


@pytest.fixture(scope="module")
def packed(sounds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "p"
    packs.pack(sounds, folder, shard_size=1_000_000)
    return folder


@pytest.fixture
def copy(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "copy")


def members_of(file):
    """A reader of tar files by hand (POSIX.1-1988): name → (where its bytes begin, bytes)."""
    data, at, found = file.read_bytes(), 0, {}
    while data[at : at + 512].strip(b"\0"):
        head = data[at : at + 512]
        assert int(head[148:154], 8) == sum(head) - sum(head[148:156]) + 8 * 32  # the checksum counts itself as blanks
        name, size = head[:100].rstrip(b"\0").decode(), int(head[124:135], 8)
        found[name] = (at + 512, data[at + 512 : at + 512 + size])
        at += 512 + -(-size // 512) * 512
    assert not data[at:].strip(b"\0") and len(data) - at >= 1024
    return found


def test_other_readers_read_the_shards(sounds, packed):
    """In WebDataset's layout: files of one clip follow each other, called by one key without dots."""
    clips = packs.read(packed)
    told = dict(zip(sounds.ids.tolist(), sounds.table.to_pylist(), strict=True))
    seen = 0
    for shard in sorted(packed.glob("*.tar")):
        by_hand = members_of(shard)
        with tarfile.open(shard) as file:
            names = file.getnames()
            assert names == list(by_hand)
            assert all(file.extractfile(name).read() == by_hand[name][1] for name in names)
        keys = [name.split(".", 1)[0] for name in names]
        assert keys[::2] == keys[1::2] and [name.split(".", 1)[1] for name in names[1::2]] == ["json"] * (
            len(names) // 2
        )
        for name in names[::2]:
            own = json.loads(by_hand[name.split(".")[0] + ".json"][1])
            assert own["tags"] == told[own["id"]]["tags"] and own["fold"] == told[own["id"]]["fold"]
            row = clips.ids.tolist().index(own["id"])
            offset, data = by_hand[name]
            assert clips.table["path"][row].as_py() == f"{shard.name}/{offset}+{len(data)}/{name}"
            assert clips.table["sha256"][row].as_py() == hashlib.sha256(data).digest()
            assert len(soundfile.read(io.BytesIO(data))[0]) == own["frames"]
            seen += 1
    assert seen == 12


def test_the_manifest_of_a_pack_is_that_of_the_files(sounds, packed):
    clips = packs.read(packed)
    for column in ("id", "tags", "fold", "group", "source", "unknown"):
        assert clips.table[column].to_pylist() == sounds.table[column].to_pylist()
    assert clips.vocabulary == sounds.vocabulary == ("owl", "dog") and clips.facts == sounds.facts
    # of the part of a recording that became a recording, the event has moved along
    assert clips.table["events"].to_pylist()[-1] == [{"tag": "owl", "onset": 0.25, "offset": pytest.approx(0.45)}]
    assert np.isnan(clips.start).all() and np.isnan(clips.end).all()
    assert datasets.open_data(packed).ids.tolist() == clips.ids.tolist()


def test_no_shard_has_clips_of_two_folds(packed):
    clips = packs.read(packed)
    shard = [path.split("/")[0] for path in clips.table["path"].to_pylist()]
    assert len(set(zip(shard, clips.folds.tolist(), strict=True))) == len(set(shard)) == 3


@pytest.mark.parametrize("flac", [False, True])
def test_waves_are_the_same_bit_for_bit(sounds, tmp_path, flac):
    """Of files whatever the rate; of a part at its own rate, since what lies beside it is gone."""
    packs.pack(sounds, tmp_path / "p", flac=flac)
    clips = packs.read(tmp_path / "p")
    endings = [path.rsplit(".", 1)[1] for path in clips.table["path"].to_pylist()]
    # floats are no whole numbers and stay as they are; a part cannot be bytes of its file
    assert endings == (["flac"] * 2 + ["wav"] + ["flac"] * 9 if flac else ["wav"] * 11 + ["flac"])
    for row, (mine, theirs) in enumerate(zip(clips.paths(), sounds.paths(), strict=True)):
        start, seconds = (0.25, 0.5) if row == 11 else (None, None)
        wave = audio.load(theirs, RATE, start, seconds, report=lambda said: None)
        np.testing.assert_array_equal(audio.load(mine, RATE, report=lambda said: None), wave)
        level = Level(RATE)
        level.push(wave)
        assert clips.table["level"][row].as_py() == pytest.approx(level.peak, abs=1e-5)
        assert clips.table["frames"][row].as_py() == len(wave)
        if row < 11:
            other = audio.load(theirs, 5000, report=lambda said: None)
            np.testing.assert_array_equal(audio.load(mine, 5000, report=lambda said: None), other)


def test_resampled_once_it_is_16_bits_of_the_same_wave(sounds, tmp_path):
    packs.pack(sounds, tmp_path / "p", rate=5000)
    clips = packs.read(tmp_path / "p")
    assert set(clips.table["rate"].to_pylist()) == {5000}
    for mine, theirs in list(zip(clips.paths(), sounds.paths(), strict=True))[:11]:
        wave = audio.load(theirs, 5000, report=lambda said: None)
        # half a step; the wave may exceed full scale by the filter's ringing, and is clipped
        np.testing.assert_allclose(audio.load(mine, 5000), wave.clip(-1, 1 - 2**-15), atol=2**-16, rtol=0)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [0, 5, 9])
def test_killed_and_called_again_it_gives_the_same_bytes(sounds, packed, tmp_path, monkeypatch, at):
    left = iter(range(at))

    def stored(clip, **how):
        if next(left, None) is None:
            raise Killed
        return whole(clip, **how)

    whole = packing.stored
    monkeypatch.setattr(packing, "stored", stored)
    with pytest.raises(Killed):
        packs.pack(sounds, tmp_path / "p", shard_size=1_000_000, workers=1)
    done = len(list((tmp_path / "p").glob("*.tar")))
    (tmp_path / "p" / "parts").mkdir(exist_ok=True)
    with pytest.raises(ManifestError, match="is a pack that is not finished"):
        packs.read(tmp_path / "p")
    with pytest.raises(EarmarkError, match=r"was begun with other options \(rate\)"):
        packs.pack(sounds, tmp_path / "p", shard_size=1_000_000, rate=5000)
    with pytest.raises(EarmarkError, match="was begun with other clips"):
        packs.pack(sounds.select([0, 1]), tmp_path / "p", shard_size=1_000_000)
    monkeypatch.setattr(packing, "stored", whole)
    again = packs.pack(sounds, tmp_path / "p", shard_size=1_000_000, workers=3)
    assert again.done_before == done
    assert bytes_of(tmp_path / "p") == bytes_of(packed)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").iterdir()}
    assert packs.pack(sounds, tmp_path / "p", shard_size=1_000_000).done_before == 3
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "p").iterdir()} == before


def test_a_folder_of_something_else_is_left_alone(sounds, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(EarmarkError, match="holds something, but no pack to go on with"):
        packs.pack(sounds, tmp_path)
    assert bytes_of(tmp_path) == {"mine.txt": b"mine"}


def test_damaged_clips_are_told_and_bounded(sounds, tmp_path, monkeypatch):
    folder = shutil.copytree(sounds.root, tmp_path / "sounds")
    (folder / "4.wav").write_bytes(b"RIFF, but no recording")
    broken = manifests.build({n: sounds.table[n] for n in ("id", "path", "tags", "fold")}, folder)
    manifests.write(broken, tmp_path / "clips.csv")
    done = earmark("pack", tmp_path / "clips.csv", "-o", tmp_path / "p")
    assert done.returncode == 1
    assert "1 of 12 clips could not be read and is left out" in done.stderr
    rows = list(csv.reader((tmp_path / "p" / "errors.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["id", "path", "reason"] and [row[0] for row in rows[1:]] == ["clip 4/é"]
    clips = packs.read(tmp_path / "p")
    assert len(clips) == 11 and "clip 4/é" not in clips.ids
    monkeypatch.setattr(packing, "FEW", 0)
    with pytest.raises(
        EarmarkError, match=r"1 clip of 12 cannot be read, more than are borne \(0\), the last: .*4\.wav"
    ):
        packs.pack(broken, tmp_path / "q", bear=0)


@pytest.fixture
def hard(tmp_path):
    """Seven clips, of which two cannot be read, three exceed full scale, and one is of two channels."""
    folder, chance = tmp_path / "hard", np.random.default_rng(5)
    folder.mkdir()
    for number, most in enumerate((0.5, 2.0, 40.0, 1.001, 0.5)):
        wave = chance.uniform(-most, most, (RATE, 2 if number == 4 else 1))
        soundfile.write(folder / f"{number}.wav", wave, RATE, "FLOAT")
    (folder / "5.wav").write_bytes(b"RIFF, but no recording")
    paths = [f"{number}.wav" for number in range(7)]
    return manifests.build({"id": paths, "path": paths, "tags": ["owl"] * 7}, folder)


def test_what_is_left_out_and_what_is_changed_is_told_again(hard, tmp_path):
    manifests.write(hard, hard.root / "clips.csv")
    one, two = (earmark("pack", hard.root / "clips.csv", "-o", tmp_path / "p", "--rate", "8000") for _ in range(2))
    assert one.returncode == two.returncode == 1
    for done in (one, two):
        assert "2 of 7 clips could not be read and are left out" in done.stderr
        for name in ("5.wav", "6.wav"):
            assert f"{name}: " in done.stderr
        told = "something to know of the sound of 4 clips, of which 3 exceed full scale and are clipped: "
        assert f"{told}{tmp_path / 'p' / 'notes.csv'}" in done.stderr
    first, second = (packs.pack(hard, tmp_path / "q", rate=8000) for _ in range(2))
    assert (first.failures, first.notes) == (second.failures, second.notes) and second.done_before
    (tmp_path / "q" / "errors.csv").unlink()
    assert len(packs.pack(hard, tmp_path / "q", rate=8000).failures) == 2  # by number, where no names are left


def test_each_clip_that_is_clipped_is_named_with_how_much_of_it(hard, tmp_path):
    packs.pack(hard, tmp_path / "p", rate=8000)
    rows = list(csv.reader((tmp_path / "p" / "notes.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["id", "path", "note"]
    told = {row[0]: row[2] for row in rows[1:] if "clipped" in row[2]}
    assert set(told) == {"1.wav", "2.wav", "3.wav"}
    for name, note in told.items():
        wave = np.abs(audio.load(hard.root / name, RATE))
        over = int((wave > 1).sum())
        assert note.startswith(f"{over:,} samples exceed full scale and are clipped: {over / RATE:.1%} of all, ")
        assert note.endswith(f"{wave.max():.3g} times full scale")


def test_none_is_none(hard, tmp_path):
    with pytest.raises(EarmarkError, match=r"1 clip of 7 cannot be read, more than are borne \(0\)"):
        packs.pack(hard, tmp_path / "p", bear=0)
    assert len(packs.pack(hard, tmp_path / "q", bear=1e-9).failures) == 2  # FEW are borne of any number


def test_check_tells_what_is_wrong(packed, copy):
    done = earmark("check", packed)
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing is wrong with it. 12 clips in 3 shards" in done.stderr
    path = packs.read(copy).table["path"][4].as_py()
    shard, place, _ = path.split("/")
    data = bytearray((copy / shard).read_bytes())
    data[int(place.split("+")[0]) + 60] ^= 1
    (copy / shard).write_bytes(data)
    done = earmark("check", copy)
    assert done.returncode == 1
    assert f"{path} (clip 4/é): its bytes are not those that were packed" in done.stderr
    assert f"1 of 3 shards is not as it was written ({shard}), and 1 clip in it" in done.stderr


def digested(folder):
    """The index that is there taken for the one that was packed, as who forges one would write it."""
    changed(folder, index=hashlib.sha256((folder / "index.parquet").read_bytes()).hexdigest())


def of_before(folder):
    """As an earmark left it that kept no digest of the index."""
    plain = json.loads((folder / "pack.json").read_text())
    del plain["index"]
    (folder / "pack.json").write_text(json.dumps(plain))


def rewritten(folder, **columns):
    """The index with other values."""
    table = parquet.read_table(folder / "index.parquet")
    for name, change in columns.items():
        place = table.schema.get_field_index(name)
        values = pa.array([change(value) for value in table[name].to_pylist()], table.schema.field(name).type)
        table = table.set_column(place, table.schema.field(name), values)
    parquet.write_table(table, folder / "index.parquet")
    digested(folder)


def test_an_index_with_another_bit_is_no_packs(copy):
    """Anywhere in it, and before pyarrow opens it: of some bits that ends the whole program."""
    file, whole = copy / "index.parquet", (copy / "index.parquet").read_bytes()
    for place in [*range(0, len(whole), len(whole) // 100), len(whole) - 1]:
        data = bytearray(whole)
        data[place] ^= 1
        file.write_bytes(data)
        with pytest.raises(ManifestError, match=r"index\.parquet: is not as it was packed: its SHA-256 is"):
            packs.read(copy)
    file.write_bytes(whole[:-1])
    done = earmark("check", copy)
    assert done.returncode == 2 and "index.parquet: is not as it was packed" in done.stderr
    file.unlink()
    done = earmark("check", copy)
    assert done.returncode == 2 and "no clip is found without it" in done.stderr
    file.write_bytes(whole)
    assert len(packs.read(copy)) == 12


MOVED = {
    "the clips' ids": {"id": lambda name: name.replace("4", "x")},
    "the clips' tags": {"tags": lambda tags: ["owl"] if tags == ["dog", "owl"] else tags},
    "the names of the folds": {"fold": lambda fold: fold.replace("3", "4")},
    "one shard": {},  # below: the folds of two clips
}


@pytest.mark.parametrize("how", ["packed before", "forged"])
@pytest.mark.parametrize("what", MOVED)
def test_an_index_is_of_the_clips_that_were_packed(sounds, tmp_path, monkeypatch, what, how):
    """Where no digest tells it, or a forged one: by what is told of the clips themselves."""
    packs.pack(sounds.select(np.arange(11)), tmp_path / "p")
    if how == "packed before":
        of_before(tmp_path / "p")
    done = earmark("check", tmp_path / "p")
    assert done.returncode == 0 and "nothing is wrong with it" in done.stderr
    assert ("has no digest of its index.parquet" in done.stderr) == (how == "packed before")
    folds = ["2", "1", *sounds.folds.tolist()[2:11]]  # two clips change places
    monkeypatch.setitem(MOVED, "one shard", {"fold": lambda fold: folds.pop(0)})
    rewritten(tmp_path / "p", **MOVED[what])
    if how == "packed before":
        of_before(tmp_path / "p")
    done = earmark("check", tmp_path / "p")
    assert done.returncode == 2
    assert "index.parquet: differs from what was packed" in done.stderr and what in done.stderr


def test_parts_and_what_could_not_be_read_are_no_difference(sounds, packed, tmp_path):
    """Of them the index tells otherwise than the manifest did."""
    old = shutil.copytree(packed, tmp_path / "old")  # with a part of a recording
    of_before(old)
    assert earmark("check", old).returncode == 0
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "sound.wav", np.full(RATE, 0.25), RATE)
    columns = {"id": ["a", "b"], "path": ["sound.wav", "broken.wav"], "tags": [["owl"], ["owl"]], "fold": ["1", "2"]}
    packs.pack(manifests.build(columns, tmp_path, vocabulary=("owl",)), tmp_path / "p")
    of_before(tmp_path / "p")
    assert earmark("check", tmp_path / "p").returncode == 0


@pytest.mark.parametrize("left", [("index.parquet",), ("00000.tar",), ("index.parquet", "00000.tar", "00001.tar")])
def test_what_is_left_of_a_pack_is_called_one(packed, tmp_path, left):
    folder = tmp_path / "left"
    folder.mkdir()
    for name in left:
        shutil.copy(packed / name, folder)
    said = rf"left: holds {left[0]}.*, as a pack does, and no pack\.json"
    with pytest.raises(ManifestError, match=said):
        datasets.open_data(folder)
    done = earmark("check", folder)
    assert done.returncode == 2 and re.search(said, done.stderr)


HOSTILE = {
    "out of the folder": lambda path: path.replace("00000.tar", "../00000.tar"),
    "absolute": lambda path: "/etc/" + path,
    "a shard that it does not tell": lambda path: path.replace("00000.tar", "00009.tar"),
    "beyond the end": lambda path: path.replace("+", "+9999"),
    "far beyond the end": lambda path: path.replace("+", "+999999999"),
    "no shard": lambda path: "0.wav",
    "nothing": lambda path: path.split("+")[0] + "+0/000000001.wav",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_index_leads_nowhere_else(copy, what):
    rewritten(copy, path=lambda path: HOSTILE[what](path) if "00000.tar" in path else path)
    with pytest.raises(ManifestError, match="4 clips are not within the pack's shards"):
        packs.read(copy)


def test_facts_that_cannot_be(copy):
    rewritten(copy, rate=lambda rate: 0)
    with pytest.raises(ManifestError, match="12 clips are not within the pack's shards, or their frames, rate"):
        packs.read(copy)


def changed(folder, **told):
    plain = json.loads((folder / "pack.json").read_text())
    (folder / "pack.json").write_text(json.dumps(plain | told))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"version": 2}, "was written by a newer earmark"),
        ({"format": "zip"}, "its format is 'zip'"),
        ({"shards": [{"name": "../x.tar", "size": 1, "sha256": "", "clips": 1}]}, r"a shard is called '\.\./x\.tar'"),
        ({"shards": 3}, "is no pack's, or damaged"),
        ({"clips": 3}, "is no pack's, or damaged"),
        ({"clips": {"clips": "many"}}, "is no pack's, or damaged"),
    ],
)
def test_what_a_pack_tells_of_itself_is_checked(copy, told, said):
    changed(copy, **told)
    with pytest.raises(ManifestError, match=said):
        packs.read(copy)


def test_shards_that_are_cut_off_or_gone(copy):
    data = (copy / "00001.tar").read_bytes()
    (copy / "00001.tar").write_bytes(data[:-1024])
    with pytest.raises(ManifestError, match=r"00001\.tar: has [\d,]+ bytes, and pack.json tells \d+: it is cut off"):
        packs.read(copy)
    (copy / "00001.tar").unlink()
    with pytest.raises(ManifestError, match=r"00001\.tar: cannot be read .*4 clips lie in it"):
        packs.read(copy)


def test_a_member_beyond_its_file(packed):
    with pytest.raises(AudioError, match="should end at the byte 1000000000511 of"):
        audio.load(packed / "00000.tar" / "512+999999999999" / "000000000.wav", RATE)
    with pytest.raises(AudioError, match="does not exist: there is no"):
        audio.load(packed / "00009.tar" / "512+9" / "000000000.wav", RATE)
    with pytest.raises(AudioError, match="is empty"):
        audio.load(packed / "00000.tar" / "512+0" / "000000000.wav", RATE)
    with pytest.raises(AudioError, match="lies in .*, which is no file|cannot be opened"):
        audio.load(packed / "512+9" / "000000000.wav", RATE)


def test_a_pack_is_no_layout(packed):
    with pytest.raises(ManifestError, match="is a pack, not the folder of 'esc': 12 clips in 3 shards"):
        datasets.index("esc", packed)


def test_a_pack_can_be_packed_again(sounds, packed, tmp_path):
    packs.pack(packs.read(packed), tmp_path / "again", shard_size=1_000_000)
    mine, theirs = packs.read(tmp_path / "again"), packs.read(packed)
    assert mine.table.equals(theirs.table)


def test_what_is_remembered(tmp_path):
    assert packs.unreadable(tmp_path) == {}
    assert packs.remember(tmp_path, "a", "00000.tar/512+9/1.wav", 'is "odd", it says')
    assert packs.remember(tmp_path, "b", "00000.tar/1024+9/2.wav", "is odd")
    with (tmp_path / packs.UNREADABLE).open("a") as file:
        file.write("c,00000.tar/2048+9/3.wav,is cut of")  # by a kill
    told = packs.unreadable(tmp_path)
    assert told == {"00000.tar/512+9/1.wav": 'is "odd", it says', "00000.tar/1024+9/2.wav": "is odd"}
    assert not packs.remember(tmp_path / "gone", "a", "b", "c")


def test_an_index_of_several_groups_of_rows(sounds, packed, tmp_path, monkeypatch):
    """As that of many clips is written and read; an id that is in two of them is found."""
    monkeypatch.setattr(packing.folder_of, "ROWS", 5)
    packs.pack(sounds, tmp_path / "p", shard_size=1_000_000)
    assert parquet.ParquetFile(tmp_path / "p" / "index.parquet").num_row_groups == 3
    assert packs.read(tmp_path / "p").table.equals(packs.read(packed).table)
    table = parquet.read_table(tmp_path / "p" / "index.parquet")
    ids = pa.array([table["id"][0].as_py() if row == 11 else name for row, name in enumerate(table["id"].to_pylist())])
    parquet.write_table(table.set_column(0, "id", ids), tmp_path / "p" / "index.parquet", 5)
    digested(tmp_path / "p")
    with pytest.raises(ManifestError, match="an id is there twice"):
        packs.read(tmp_path / "p")
