"""Splits: groups stay whole, tags stay even, and every kind of leak is found."""

from __future__ import annotations

import os

import numpy as np
import pytest

from earmark.data import leaks as leaks_module
from earmark.data import manifest as manifests
from earmark.data.leaks import leaks
from earmark.data.manifest import Manifest, build
from earmark.data.splits import assign_folds, split
from earmark.errors import ManifestError


def many(clips: int, seed: int = 0, groups: int | None = None, tags: int = 10) -> Manifest:
    """Clips with one to three of `tags` tags, unevenly spread, in groups of uneven size."""
    rng = np.random.default_rng(seed)
    names = np.array([f"t{i}" for i in range(tags)])
    weights = 1 / np.arange(1, tags + 1)
    chosen = [
        list(rng.choice(names, rng.integers(1, 4), replace=False, p=weights / weights.sum())) for _ in range(clips)
    ]
    ids = [f"c{i:04d}" for i in range(clips)]
    group = None if groups is None else [f"g{int(groups * rng.beta(1, 2))}" for _ in range(clips)]
    return build({"id": ids, "path": ids, "tags": chosen, "group": group}, ".", vocabulary=tuple(names))


def test_split_keeps_groups_whole_and_tags_even():
    manifest = many(2000, groups=300)
    rest, held = split(manifest, 0.2, seed=3)
    assert not set(rest.groups) & set(held.groups)
    assert sorted([*rest.ids, *held.ids]) == sorted(manifest.ids)
    assert len(held) == pytest.approx(400, abs=10)
    share = held.truth().sum(0) / manifest.truth().sum(0)
    np.testing.assert_allclose(share, 0.2, atol=0.02)
    assert held.facts["split"] == {"part": "held", "fraction": 0.2, "seed": 3}


def test_split_hangs_on_the_seed_alone():
    manifest = many(200, groups=50)
    assert split(manifest, 0.3, 1)[1].ids.tolist() == split(manifest, 0.3, 1)[1].ids.tolist()
    assert split(manifest, 0.3, 1)[1].ids.tolist() != split(manifest, 0.3, 2)[1].ids.tolist()


def test_split_is_exact_where_it_can_be():
    ids = [f"{i}" for i in range(100)]
    manifest = build({"id": ids, "path": ids, "tags": [[f"t{i % 10}"] for i in range(100)]}, ".")
    _, held = split(manifest, 0.2, 0)
    assert held.truth().sum(0).tolist() == [2] * 10


def test_split_holds_out_of_small_classes_too():
    # 50 tags with 4 clips: a tenth of each is less than half a clip, and yet 20 clips are to be held out
    ids = [f"{i}" for i in range(200)]
    manifest = build({"id": ids, "path": ids, "tags": [[f"t{i % 50}"] for i in range(200)]}, ".")
    _, held = split(manifest, 0.1, 0)
    assert len(held) == pytest.approx(20, abs=2)
    assert held.truth().sum(0).max() == 1


def test_split_refuses_the_impossible():
    with pytest.raises(ManifestError, match="fraction is 1"):
        split(many(10), 1.0, 0)
    one = build({"id": ["a", "b"], "path": ["a", "b"], "tags": [["t"]] * 2, "group": ["g", "g"]}, ".")
    with pytest.raises(ManifestError, match=r"2 clips \(groups: 1\): one side would be empty"):
        split(one, 0.5, 0)


def test_assign_folds():
    manifest = assign_folds(many(1000, groups=200), 5, seed=0)
    assert manifest.fold_names() == ["1", "2", "3", "4", "5"]
    assert not [leak for leak in leaks(manifest, hashes=False) if leak.kind == "group"]
    folds = np.array([manifest.in_folds(name).truth().sum(0) for name in manifest.fold_names()])
    total = manifest.truth().sum(0)
    np.testing.assert_allclose(folds / total, 0.2, atol=0.05)
    assert manifest.facts["folds"] == {"k": 5, "seed": 0}
    assert manifest.table.schema == manifests.SCHEMA


def test_assign_folds_refuses_the_impossible():
    with pytest.raises(ManifestError, match="k is 1"):
        assign_folds(many(10), 1, 0)
    with pytest.raises(ManifestError, match="4 folds are too many: with whole groups, 3 clips fill only 3"):
        assign_folds(many(3), 4, 0)


def test_group_leak(tmp_path):
    columns = {"id": list("abcd"), "path": list("abcd"), "tags": [["t"]] * 4}
    manifest = build(columns | {"fold": ["1", "2", "2", None], "group": ["g{0}", "g{0}", "h", "h"]}, tmp_path)
    first, second = leaks(manifest, hashes=False)
    assert (first.kind, first.folds, first.ids) == ("group", ("1", "2"), ("a", "b"))
    assert first.sentence == "group 'g{0}' lies in fold 1 and fold 2: 2 clips, 'a', 'b'"
    assert (second.folds, second.ids) == (("", "2"), ("c", "d"))
    assert "no fold and fold 2" in second.sentence
    assert leaks(manifest.in_folds("2")) == []


def test_recording_leaks(tmp_path):
    columns = {
        "id": list("abcdef"),
        "path": ["x", "x", "x", "y", "y", "z"],
        "start": [0, 5, 20, 0, 10, None],
        "end": [10, 15, None, 10, 20, None],
        "tags": [["t"]] * 6,
        "fold": ["1", "2", "1", "1", "2", "2"],
    }
    overlap, recording = leaks(build(columns, tmp_path), hashes=False)
    assert (overlap.kind, overlap.ids) == ("overlap", ("a", "b"))  # c begins after both
    assert overlap.sentence == "overlapping clips of x lie in fold 1 and fold 2: 2 clips, 'a', 'b'"
    assert (recording.kind, recording.ids) == ("recording", ("d", "e"))  # they only touch


def test_audio_leak(tmp_path, monkeypatch):
    contents = {"a": b"same", "b": b"same", "c": b"some", "d": b"other size", "e": b"in one fold", "f": b"in one fold"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    ids = list(contents)
    columns = {"id": ids, "path": ids, "tags": [["t"]] * 6, "fold": ["1", "2", "2", "1", "1", "1"]}
    manifest = build(columns, tmp_path)
    read_files = []
    sha1 = leaks_module._sha1
    monkeypatch.setattr(leaks_module, "_sha1", lambda path: read_files.append(path.name) or sha1(path))
    (leak,) = leaks(manifest)
    assert (leak.kind, leak.folds, leak.ids) == ("audio", ("1", "2"), ("a", "b"))
    assert read_files == ["a", "b", "c"]  # no others coincide in size across folds
    assert leaks(manifest, hashes=False) == []
    os.remove(tmp_path / "d")
    with pytest.raises(ManifestError, match=r"1 of 6 recordings are not there under .*: 'd'"):
        leaks(manifest)
