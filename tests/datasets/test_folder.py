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
    with pytest.raises(ManifestError, match=r"1 recordings lie outside of any tag's folder, such as stray\.wav"):
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
