"""What a tagger learnt from, leaks to it, and looks: hand-made splits."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from earmark import evaluate
from earmark.data import sampled, sounds, splits
from earmark.data.datasets import open_data
from earmark.data.manifest import build
from earmark.errors import EarmarkError, ManifestError
from earmark.evaluation import heldout
from earmark.evaluation import leakage as protocol
from earmark.models import loading
from earmark.models.facts import Base, Facts, Split

pytestmark = pytest.mark.usefixtures("sketched")


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


def named(names, folds):
    columns = {"id": names, "path": names, "tags": [["a"]] * len(names), "fold": folds}
    return build(columns, "recordings")


def learnt_from(train, whole):
    """Facts of a tagger that learnt from these clips of a data set, as its file tells them."""
    nothing = whole.select([])
    facts = Facts(split=Split.of(splits.Parts(train, nothing, nothing)))
    return Facts.read({"data": {"dataset": "words"}, **facts.as_dict()})


def test_a_fold_is_one_of_a_data_set():
    """Folds that are called alike in another folder are other folds; a copy, or most of one, is the same data set."""
    whole = named([f"{i}.wav" for i in range(600)], ["train", "test"] * 300)
    facts = learnt_from(whole, whole)
    other = named([f"others/{i}.wav" for i in range(40)], ["test"] * 40)
    assert protocol.learnt_folds(protocol.learnt(facts, "words", other)) == set()
    assert protocol.learnt_folds(protocol.learnt(facts, "words", whole)) == {"train", "test"}
    # 500 of 600: the share of a sample of 256 lies within 0.1 of that
    assert protocol.learnt_folds(protocol.learnt(facts, "words", whole.select(range(500)))) == {"train", "test"}
    assert protocol.learnt(facts, "birds", other) == {}


def test_a_file_without_a_sample_is_judged_by_names():
    other = named(["others/a.wav"], ["test"])
    facts = Facts.read(
        {"data": {"dataset": "words"}, "split": {"train": {"clips": 9, "folds": ["test"], "sha256": "x"}}}
    )
    assert protocol.learnt_folds(protocol.learnt(facts, "words", other)) == {"test"}
    assert protocol.unmet(protocol.learnt(facts, "words"), other, False) == (other, [])


def test_clips_of_another_folder_that_were_learnt_are_left_out_where_all_are_known():
    whole = named([f"{i}.wav" for i in range(20)], ["test"] * 20)
    test = named(["3.wav", "a.wav", "b.wav"], ["test"] * 3)
    left, (told,) = protocol.unmet(protocol.learnt(learnt_from(whole, whole), "words"), test, False)
    assert left.ids.tolist() == ["a.wav", "b.wav"]
    assert told.startswith("1 of the 3 clips, such as '3.wav': left out")
    with pytest.raises(EarmarkError, match="on all 1 clip, such as '3.wav': figures would be too good"):
        protocol.unmet(protocol.learnt(learnt_from(whole, whole), "words"), test.select([0]), False)


def test_clips_that_were_learnt_are_a_leak_where_only_a_sample_is_known():
    whole = named([f"{i}.wav" for i in range(600)], ["test"] * 600)
    test = named([f"{i}.wav" for i in range(100)] + ["a.wav"], ["test"] * 101)
    parts = protocol.learnt(learnt_from(whole, whole), "words")
    with pytest.raises(ManifestError, match=r"on \d+ of the 101 clips, .* as far as a sample tells.*--leaks report"):
        protocol.unmet(parts, test, False)
    kept, (told,) = protocol.unmet(parts, test, True)
    assert kept is test and "better than on clips" in told


def test_a_sample_tells_what_it_reaches():
    """Of 3000 clips 256 are kept, so of 600 others among 3000 more none is taken for one of them."""
    own, others = [f"{i}" for i in range(3000)], [f"x{i}" for i in range(600)]
    kept = sampled.sample(own)
    assert sampled.known(kept, own).sum() == sampled.KEPT and not sampled.known(kept, others).any()
    assert sampled.share(kept, own + others) == 1 and sampled.share(kept, others) == 0
    half = sampled.united([sampled.sample(own[:1500]), sampled.sample(own[1500:])])
    assert half == kept
    with pytest.raises(ValueError, match="6 bytes a clip, not 3"):
        sampled.known("AAAA", own)


def renamed(tmp_path, names, contents):
    """Clips in a folder of their own, of another table's ids."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(bytes([content]) * 10)
    return build({"id": names, "path": names, "tags": [["a"]] * len(names)}, folder)


def heard_by(whole, count=None):
    """Facts of a tagger that learnt from the first two clips, as training writes them."""
    train, rest = whole.select([0, 1]), whole.select([2])
    split = Split.of(
        splits.Parts(train, whole.select([]), rest),
        {"train": sounds.sample(train, sounds.of_files(train))},
    )
    plain = split.as_dict()
    plain["train"] |= {"clips": count or 2}
    return Facts.read({"data": {"dataset": "table"}, "split": plain})


def test_clips_whose_sound_was_learnt_are_left_out_whatever_they_are_called(tmp_path):
    whole = clips(tmp_path, ["1", "1", "2"], ["x", "y", "z"])
    other = renamed(
        tmp_path, ["new.wav", "old.wav", "newer.wav"], [77, 1, 2]
    )  # the second is whole's 1.wav, the third was tested on
    facts = heard_by(whole)
    assert protocol.unmet(protocol.learnt(facts, "table"), other, False) == (other, [])  # by ids nothing is known
    left, (told,) = protocol.unheard(protocol.sounding(facts), other, False)
    assert left.ids.tolist() == ["new.wav", "newer.wav"]
    assert "on the very sound of 1 of the 3 clips, such as 'old.wav', whatever it was called there: left out" in told
    kept, (told,) = protocol.unheard(protocol.sounding(facts), other, True)
    assert len(kept) == 3 and "Figures are better" in told
    assert protocol.unheard({}, other, False) == (other, [])


def test_sounds_that_were_learnt_are_refused_where_a_sample_is_known_or_all_were(tmp_path):
    whole = clips(tmp_path, ["1", "1", "2"], ["x", "y", "z"])
    other = renamed(tmp_path, ["new.wav", "old.wav"], [77, 1])
    words = r"on the very sound of 1 of the (1 clip|\d clips), such as 'old.wav'.* figures would be too good.* --leaks report"
    with pytest.raises(ManifestError, match=words):
        protocol.unheard(protocol.sounding(heard_by(whole, 300)), other, False)
    with pytest.raises(ManifestError, match=words):
        protocol.unheard(protocol.sounding(heard_by(whole)), other.select([1]), False)


def test_sounds_that_bases_learnt_from_are_known(tmp_path):
    whole = clips(tmp_path, ["1", "1", "2"], ["x", "y", "z"])
    facts = Facts(bases=Base.of(heard_by(whole), "abc", "base.safetensors", ["net"]))
    assert list(protocol.sounding(facts)) == ["train of base 1"]
    left, _ = protocol.unheard(protocol.sounding(facts), renamed(tmp_path, ["new.wav", "old.wav"], [77, 1]), False)
    assert left.ids.tolist() == ["new.wav"]


def told_by_digests(data, whole, train, test):
    """Facts of a file of before, without samples."""
    nothing = whole.select([])
    told = splits.Parts(train, nothing, test).as_dict()
    without = {name: {key: value for key, value in each.items() if key != "sample"} for name, each in told.items()}
    return Facts.read({"data": {"dataset": data}, "split": without})


ESC = [f"{fold}-10{k}-A-{k}" for fold in (1, 2) for k in range(3)]


def test_clips_with_other_names_than_an_official_data_sets_are_others():
    """Also where a file of before tells digests alone, and whatever folds are called; a layout's name tells nothing of names."""
    whole = named(ESC, ["1"] * 3 + ["2"] * 3)
    facts = told_by_digests("esc", whole, whole.in_folds(["1"]), whole.in_folds(["2"]))
    own = named(["mine/a.wav", "mine/b.wav"], ["1", "1"])
    assert protocol.learnt(facts, "esc", own) == {}
    (note,) = protocol.untold(facts, "esc", own)
    assert "does not tell which clips of esc it learnt from. None of these has a name as clips of esc" in note
    for same in (
        whole,
        named([f"copy/{name}.wav" for name in ESC], ["1"] * 6),
        named(["x", "y/1-100-A-0.ogg"], [None] * 2),
    ):
        assert protocol.learnt(facts, "esc", same) and protocol.untold(facts, "esc", same) == []
    # a folder in the layout of esc whose clips have names of their own, as digests tell
    odd = named(["a", "b", "c"], ["1", "1", "2"])
    facts = told_by_digests("esc", odd, odd.in_folds(["1"]), odd.in_folds(["2"]))
    assert (
        protocol.learnt_folds(protocol.learnt(facts, "esc", odd)) == {"1"} and protocol.untold(facts, "esc", odd) == []
    )
    facts = told_by_digests("words", whole, whole.in_folds(["1"]), whole.in_folds(["2"]))
    assert protocol.learnt(facts, "words", own) and protocol.untold(facts, "words", own) == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (ESC[:1], "learnt from 3 clips of esc, and its file does not tell which: this one has no .* which 2 was left out, or say"),
        (ESC[:3], "was trained, or its epoch or its rules chosen, on these clips"),
        (ESC[3:], None),
        (["a", "b"], None),
    ],
)  # fmt: skip
def test_clips_without_folds_are_refused_where_they_may_be_those_learnt_from(names, said):
    whole = named(ESC, ["1"] * 3 + ["2"] * 3)
    facts = told_by_digests("esc", whole, whole.in_folds(["1"]), whole.in_folds(["2"]))
    tagger, clips = SimpleNamespace(facts=facts), named(names, [None] * len(names))
    if said is None:
        assert heldout.choose(tagger, clips, None, "esc", False).ids.tolist() == names
    else:
        with pytest.raises(EarmarkError, match=said):
            heldout.choose(tagger, clips, None, "esc", False)
    assert len(heldout.choose(tagger, clips, None, "esc", True)) == len(names)


def test_a_file_that_tells_nothing_may_have_learnt_from_any_clip_of_its_data_set():
    tagger = SimpleNamespace(facts=Facts.read({"data": {"dataset": "words"}}))
    with pytest.raises(
        EarmarkError, match="learnt from clips of words, .* does not tell which: these 2 .*--dataset table"
    ):
        heldout.choose(tagger, named(["a", "b"], [None, None]), None, "words", False)
    tagger = SimpleNamespace(facts=Facts.read({"data": {"dataset": "esc"}}))
    with pytest.raises(EarmarkError, match="learnt from clips of esc, .* does not tell which"):
        heldout.choose(tagger, named(ESC, [None] * 6), None, "esc", False)
    assert len(heldout.choose(tagger, named(["a"], [None]), None, "esc", False)) == 1


def test_the_names_of_official_data_sets_hold_their_pattern():
    """The patterns against clips of each as they are called."""
    for data, name in (("esc", "5-9032-A-0"), ("fsdd", "7_jackson_32")):
        assert not protocol.foreign(data, named([name], [None])) and protocol.foreign(data, named(["a"], [None]))
    assert not protocol.foreign("folder", named(["a"], [None])) and not protocol.foreign(None, named(["a"], [None]))


@pytest.mark.parametrize("name", loading.shipped())
def test_shipped_taggers_know_the_sounds_that_they_learnt_from(data, tmp_path, name):
    """Whoever has some of their clips among his own, under other names, gets no figures of them."""
    tagger = loading.load(name)
    clips = open_data(data / {"esc": "esc10", "fsdd": "fsdd"}[str(tagger.facts.data.name)], tagger.facts.data.name)
    learnt = tagger.facts.split.train
    heard = clips.in_folds(learnt.folds)
    assert (len(heard), Split.of(splits.Parts(heard, heard.select([]), heard)).train.sha256) == (
        learnt.clips,
        learnt.sha256,
    )
    few = heard.select(range(0, len(heard), len(heard) // 80))
    ids = [f"mine-{i}" for i in range(len(few))]
    own = build(
        {
            "id": ids,
            "path": [str(path) for path in few.paths()],
            "tags": few.table["tags"].to_pylist(),
            "fold": ["mine"] * len(ids),
        },
        tmp_path,
    )
    with pytest.raises(EarmarkError, match=r"the very sound of \d+ of the \d+ clips"):
        evaluate(name, own)
