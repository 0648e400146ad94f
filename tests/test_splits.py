"""Splits: groups stay whole, tags stay even, and every kind of leak is found."""

from __future__ import annotations

import os

import numpy as np
import pytest

from earmark.data import leaks as leaks_module
from earmark.data import manifest as manifests
from earmark.data.leaks import leaks
from earmark.data.manifest import Manifest, build
from earmark.data.splits import assign_folds, deal, divide, split
from earmark.data.together import together
from earmark.errors import ManifestError
from earmark.train.heads.choosing import inner_folds


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


def parts_of(
    paths: list[str], groups: list[str | None] | None = None, folds: list[str | None] | None = None
) -> Manifest:
    ids = [f"c{i:04d}" for i in range(len(paths))]
    tags = [[f"t{i % 7}"] for i in range(len(paths))]
    return build({"id": ids, "path": paths, "tags": tags, "group": groups, "fold": folds}, "/sounds")


def held_out(manifest: Manifest) -> Manifest:
    """The manifest with the sides of a split for folds."""
    held = set(split(manifest, 0.3, 1)[1].ids.tolist())
    sides = [["rest", "held"][name in held] for name in manifest.ids.tolist()]
    table = manifest.table.set_column(manifests.SCHEMA.get_field_index("fold"), "fold", [sides])
    return Manifest(table, manifest.root, manifest.vocabulary)


DEALERS = {
    "assign_folds": lambda clips: assign_folds(clips, 5, seed=0),
    "deal": lambda clips: deal(clips, 5, seed=0),
    "deal all": lambda clips: deal(clips, 5, seed=0, all_clips=True),
    "split": held_out,
    "inner folds": lambda clips: assign_folds(clips, int(inner_folds(clips, 0).max()), 0),
}


@pytest.mark.parametrize("dealer", DEALERS)
@pytest.mark.parametrize("groups", ["none", "some", "crossing"])
def test_parts_of_a_recording_are_dealt_together(dealer, groups):
    paths = [f"{i % 100}.wav" for i in range(500)]
    belong: dict[str, list[str | None] | None] = {
        "none": None,
        "some": [f"g{i}" if i % 3 == 0 else None for i in range(500)],
        "crossing": [f"g{i}" if i < 490 else f"g{i - 489}" for i in range(500)],  # ten recordings tied to their next
    }
    dealt = DEALERS[dealer](parts_of(paths, belong[groups]))
    assert len(dealt.fold_names()) > 1
    assert leaks(dealt, hashes=False) == []


def test_inner_folds_keep_recordings_whole():
    folds = inner_folds(parts_of([f"{i % 20}.wav" for i in range(100)]), 0)
    assert all(len(set(folds[recording::20].tolist())) == 1 for recording in range(20))


def test_what_belongs_together():
    def found(paths: list[str], groups: list[str | None] | None = None) -> list[int]:
        return together(parts_of(paths, groups)).tolist()

    assert found(["a", "b", "c"]) == [0, 1, 2]
    assert found(["a", "b", "a", "c", "b"]) == [0, 1, 0, 2, 1]
    assert found(["a", "b", "c", "d"], ["x", None, "x", None]) == [0, 1, 0, 2]
    assert found(["a", "a", "b", "c"], ["x", "y", "y", "x"]) == [0, 0, 0, 0]
    assert found(["a", "a", "b", "c"], ["x", None, None, "x"]) == [0, 0, 1, 0]
    # one file however it is written; another of the same name elsewhere is another
    assert found(["a/b", "./a/b", "/sounds/a/b", "a//b", "a/c/../b", "/other/a/b", "../sounds/a/b"]) == [0] * 5 + [1, 0]
    # a chain of recordings, each tied to the next by a group, in an order that is drawn
    order = np.random.default_rng(0).permutation(2000)
    chain = found([f"{i // 2}" for i in order], [f"g{(i + 1) // 2}" for i in order])
    assert set(chain) == {0}


def test_folds_of_clips_that_are_files_of_their_own_stay_as_they_were():
    # what was dealt before parts of recordings were kept together, with groups and without
    dealt = ["".join(assign_folds(many(60, groups=groups), 3, seed=0).folds.tolist()) for groups in (12, None)]
    assert dealt == [
        "221223322221321311311313311231132323122331133323321213212112",
        "213221311112322222132311223223113113333133311312233321231112",
    ]


SIDES = {"1": "train", "2": "validation", "3": "test"}


@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("1", "3"), ("2", "3")])
@pytest.mark.parametrize("again", ["{}", "./{}", "/sounds/{}"])
def test_a_recording_on_two_sides_is_refused(one, other, again):
    """Clips of new names, without groups or with groups of their own, of files that lie on the other side too."""
    paths = [f"{i}.wav" for i in range(12)]
    folds = [str(i % 3 + 1) for i in range(12)]
    apart = parts_of(paths, folds=folds)
    assert {name: len(part) for name, part in vars(divide(apart, ["3"], ["2"])).items()} == dict.fromkeys(
        ("train", "validation", "test"), 4
    )
    copied = [again.format(path) for path, fold in zip(paths, folds, strict=True) if fold == one]
    for groups in (None, [f"g{i}" for i in range(16)]):
        crossing = parts_of([*paths, *copied], groups, [*folds, *[other] * 4])
        found = f"4 recordings lie in both {SIDES[one]} and {SIDES[other]}, such as '{int(one) - 1}.wav'"
        with pytest.raises(ManifestError, match=f"{found}: figures would be too good.*data.shared_groups=report"):
            divide(crossing, ["3"], ["2"])
        said: list[str] = []
        divide(crossing, ["3"], ["2"], bear_shared_groups=True, say=said.append)
        assert said == [f"{found}: figures are better than on recordings never heard"]


def test_recordings_of_a_group_on_two_sides_are_told_once():
    paths, folds = ["a", "a", "b", "b", "c", "c"], ["1", "2"] * 3
    said: list[str] = []
    divide(
        parts_of(paths, ["g", "g", "g", "g", None, None], folds), [], ["2"], bear_shared_groups=True, say=said.append
    )
    assert [line.split(", such")[0] for line in said] == [
        "1 group (recording, speaker, …) lies in both train and validation",
        "1 recording lies in both train and validation",
    ]
    assert "such as 'c'" in said[1]


def test_a_fraction_for_validation_leaves_recordings_whole():
    parts = divide(parts_of([f"{i % 40}.wav" for i in range(200)]), [], 0.2)
    assert len(parts.validation) == 40


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
    with pytest.raises(ManifestError, match=r"1 of 6 recordings is not there under .*: 'd'"):
        leaks(manifest)
