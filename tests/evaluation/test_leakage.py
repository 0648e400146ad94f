"""What a tagger learnt from, leaks to it, and looks: hand-made splits."""

from __future__ import annotations

import pytest

from earmark.data import splits
from earmark.data.manifest import build
from earmark.errors import ManifestError
from earmark.evaluation import leakage as protocol
from earmark.models.facts import Facts, Split


def clips(tmp_path, folds, groups):
    """A clip for each fold and group; each file has contents of its own."""
    names = [f"{i}.wav" for i in range(len(folds))]
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([i]) * 10)
    columns = {"id": names, "path": names, "tags": [["a"]] * len(names), "fold": folds, "group": groups}
    return build(columns, tmp_path)


@pytest.mark.parametrize("train", ["1", None])
def test_groups_on_both_sides_are_leaks_with_and_without_named_folds(tmp_path, train):
    """Training clips without a fold, as FSDKaggle2018 has them, were learnt from too."""
    whole = clips(tmp_path, [train, train, "test", "test"], ["x", "y", "y", "z"])
    test = whole.in_folds(["test"])
    split = Split.of(splits.Parts(whole.select([0, 1]), whole.select([]), test)).parts()
    (leak,) = protocol.leaks(split, whole, test)
    assert (leak.kind, leak.ids) == ("group", ("1.wav", "2.wav"))
    with pytest.raises(ManifestError, match=r"2 clips tie the test clips .* \(1 by group\)"):
        protocol.refuse([leak], asked_for=False)
    assert len(protocol.refuse([leak], asked_for=True)) == 1


def test_clips_that_nobody_learnt_from_are_no_leak(tmp_path):
    whole = clips(tmp_path, ["1", None, "test"], ["x", "y", "y"])
    test = whole.in_folds(["test"])
    assert protocol.leaks(Split.of(splits.Parts(whole.select([0]), whole.select([]), test)).parts(), whole, test) == []


def test_looks_at_the_same_clips_are_counted(tmp_path):
    whole = clips(tmp_path, ["1", "2"], ["x", "y"])
    first, second = whole.in_folds(["1"]), whole.in_folds(["2"])
    assert protocol.look(tmp_path, ["a"], first) == protocol.Looks(1, 1)
    assert protocol.look(tmp_path, ["b"], first) == protocol.Looks(2, 2)
    assert protocol.look(tmp_path, ["b"], first) == protocol.Looks(3, 2)
    assert protocol.look(tmp_path, ["a"], second) == protocol.Looks(1, 1)
    with (tmp_path / protocol.LOOKS).open("a") as file:
        file.write("half a li\n")
    assert protocol.look(tmp_path, ["a"], second).looks == 3  # the torn line counts


def test_clips_that_rules_were_chosen_on_are_learnt(tmp_path):
    """Trained on the data set a, calibrated on fold 2 of b: there, fold 2 is learnt, and what is tied to it leaks."""
    whole = clips(tmp_path, ["1", "2", "3"], ["x", "y", "y"])
    facts = Facts.read(
        {
            "data": {"dataset": "a"},
            "split": {"train": {"folds": ["1"], "clips": 1}},
            "events": {"chosen on": {"data": "b", **splits.ClipSet.of(whole.in_folds(["2"])).as_dict()}},
        }
    )
    assert protocol.learnt_folds(protocol.learnt(facts, "a")) == {"1"}
    learnt = protocol.learnt(facts, "b")
    assert protocol.learnt_folds(learnt) == {"2"}
    (leak,) = protocol.leaks(learnt, whole, whole.in_folds(["3"]))
    assert leak.ids == ("1.wav", "2.wav")
    assert protocol.calibrated_on(learnt, whole.in_folds(["2"])) == ["rules for events"]
    assert protocol.calibrated_on(learnt, whole.in_folds(["3"])) == []
    assert protocol.learnt(facts, None) == {}


def test_a_look_after_a_torn_line_is_counted(tmp_path):
    """A kill may leave half a line without an end: what follows must not be swallowed by it."""
    whole = clips(tmp_path, ["1"], ["x"])
    protocol.look(tmp_path, ["a"], whole)
    file = tmp_path / protocol.LOOKS
    file.write_bytes(file.read_bytes() + '{"time": "ü'.encode()[:-1])
    assert protocol.look(tmp_path, ["b"], whole) == protocol.Looks(3, 2)
    assert protocol.look(tmp_path, ["b"], whole) == protocol.Looks(4, 2)
