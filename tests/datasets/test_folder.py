"""One folder a tag."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.errors import ManifestError


@pytest.fixture
def pets(tmp_path):
    for path in ("dog/2.wav", "dog/10.WAV", "dog/old/ann_1.flac", "cat/ann_2.ogg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def test_tags_and_order(pets):
    manifest = index("folder", pets)
    assert manifest.ids.tolist() == ["cat/ann_2.ogg", "dog/10.WAV", "dog/2.wav", "dog/old/ann_1.flac"]
    assert manifest.table["tags"].to_pylist() == [["cat"], ["dog"], ["dog"], ["dog"]]
    assert manifest.groups.tolist() == manifest.ids.tolist()
    assert "files left out" not in manifest.facts


def test_hidden_files_are_ignored_and_others_reported(pets):
    (pets / ".trash").mkdir()
    (pets / ".trash" / "x.wav").touch()
    (pets / "dog" / "._2.wav").touch()  # what macOS leaves behind
    (pets / "dog" / "notes.txt").touch()
    (pets / "README").touch()
    (pets / "cow").mkdir()
    manifest = index("folder", pets)
    assert len(manifest) == 4
    assert manifest.facts["files left out"] == {"count": 2, "first": ["README", "dog/notes.txt"]}
    assert manifest.facts["folders without recordings"] == ["cow"]


def test_recordings_without_a_tag_are_refused(pets):
    (pets / "stray.wav").touch()
    with pytest.raises(ManifestError, match=r"1 recording lies outside of any tag's folder, such as stray\.wav"):
        index("folder", pets)


def test_groups_from_names(pets):
    manifest = index("folder", pets, group=r"^([a-z]+_|\d)")
    assert manifest.groups.tolist() == ["ann_", "1", "2", "ann_"]
    with pytest.raises(ManifestError, match=r"matches nothing in 2 of 4 names, such as dog/10\.WAV"):
        index("folder", pets, group="^([a-z]+)_")
    with pytest.raises(ManifestError, match="put brackets around"):
        index("folder", pets, group="^[a-z]+_")
    with pytest.raises(ManifestError, match="no regular expression"):
        index("folder", pets, group="(")


def test_links_are_followed_once(pets, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk")
    (disk / "moo.wav").touch()
    (disk / "again").symlink_to(disk)
    (pets / "cow").symlink_to(disk)
    assert index("folder", pets).ids.tolist()[1] == "cow/moo.wav"
    assert len(index("folder", pets)) == 5


def test_speech_commands(data):
    manifest = index("folder", data / "speech_commands_v0.01_mini", group="^(.*?)_nohash_")
    assert manifest.truth().sum(0).tolist() == [10] * 30
    assert len(set(manifest.groups)) < 300


def plant(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "test"), ("Train", "Valid", "Test"), ("dev", "eval"), ("fold1", "fold2"), ("fold_1", "fold_2"), ("train",),
        ("training", "validation", "testing"), ("train_set", "test-set"), ("split 1", "split 2"), ("val", "train", "held_out"),
    ],
)  # fmt: skip
def test_folders_called_as_splits_are_doubted_or_read_as_folds(tmp_path, parts):
    root = plant(tmp_path, *(f"{part}/{tag}/1.wav" for part in parts for tag in ("cat", "dog")))
    (line,) = index("folder", root).told()
    assert line.startswith(
        f"warning: the tags are {', '.join(sorted(parts))}, which are called as the parts of a split are"
    )
    assert "and hold cat, dog" in line and "--set splits=folds" in line
    clips = index("folder", root, splits="folds")
    assert clips.vocabulary == ("cat", "dog") and set(clips.folds) == set(parts)
    assert clips.folds.tolist() == [name.partition("/")[0] for name in clips.ids.tolist()]
    assert set(index("folder", root, splits="tags").vocabulary) == set(parts)
    assert clips.told() == [] == index("folder", root, splits="tags").told()


def test_a_split_without_tags(tmp_path):
    root = plant(tmp_path, "train/1.wav", "test/2.wav")
    (line,) = index("folder", root).told()
    assert "the tags are test, train, which are called" in line and "hold" not in line
    with pytest.raises(ManifestError, match=r"test/2\.wav lies in a part of the split, but in no tag's folder"):
        index("folder", root, splits="folds")


def test_one_split_among_tags_is_doubted(tmp_path):
    clips = index("folder", plant(tmp_path, "cat/1.wav", "dog/2.wav", "test/3.wav"))
    assert clips.told() == ["warning: test is called as a part of a split is, and taken for a tag: is it one?"]


@pytest.mark.parametrize(
    "tags", [("trainwhistle", "cat"), ("train_horn", "test_tone"), ("devil", "valley"), ("partridge", "cvb")]
)
def test_tags_that_only_begin_so(tmp_path, tags):
    clips = index("folder", plant(tmp_path, *(f"{tag}/1.wav" for tag in tags)))
    assert set(clips.vocabulary) == set(tags) and clips.told() == []


def test_an_unknown_choice(pets):
    with pytest.raises(ManifestError, match="splits is 'yes'; it is 'doubt' or 'folds' or 'tags'"):
        index("folder", pets, splits="yes")
