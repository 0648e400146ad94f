"""Soundscapes: events and tags together, sources as groups, and the two real packs."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.soundscapes import LAYOUT, groups
from earmark.data.leaks import leaks
from earmark.errors import ManifestError

DURATION = "filename\tduration\na.wav\t1\n"
EVENTS = "filename\tonset\toffset\tevent_label\n"


def events_of(manifest):
    return [
        None if each is None else [tuple(e.values()) for e in each] for each in manifest.table["events"].to_pylist()
    ]


def test_columns(plant):
    manifest = index("soundscapes", plant(LAYOUT))
    assert manifest.ids.tolist() == ["train/a", "validation/b"]
    assert manifest.folds.tolist() == ["train", "validation"]
    assert events_of(manifest) == [[("dog", 0.01, 0.05), ("rain", 0.02, 0.04)], [("dog", 0.03, 0.09)]]
    assert manifest.table["source"].to_pylist() == ["bark 7.wav, rain 3.wav", None]
    assert manifest.groups.tolist() == ["bark 7.wav", "validation/b"]


@pytest.mark.parametrize("place", ["", "metadata/"])
def test_one_folder(plant, place):
    table = {f"{place}events.csv": "filename,onset,offset,event_label\na.wav,0,1,dog\n", "audio/a.flac": ""}
    manifest = index("soundscapes", plant(table))
    assert manifest.ids.tolist() == ["a"]
    assert manifest.fold_names() == []
    assert events_of(manifest) == [[("dog", 0.0, 1.0)]]


def test_nothing_is_heard(plant):
    layout = {
        "strong.tsv": EVENTS + "a.wav\t0\t1\tdog\nb.wav\t\t\t\n",
        "durations.tsv": "filename\tduration\nc.wav\t2\n",
    }
    manifest = index("soundscapes", plant(layout, {f"audio/{name}.wav": "" for name in "abc"}))
    assert events_of(manifest) == [[("dog", 0.0, 1.0)], [], []]
    assert manifest.table["tags"].to_pylist() == [["dog"], [], []]


def test_tags_without_events(plant):
    """Of b's cat nobody says when; of c nothing but tags is known."""
    layout = {
        "strong.tsv": EVENTS + "a.wav\t0\t1\tdog\nb.wav\t0\t1\tdog\nd.wav\t2\t2\tdog\n",
        "weak.tsv": "filename\tevent_labels\na.wav\tdog\nb.wav\tcat,dog\nc.wav\tcat\n",
    }
    manifest = index("soundscapes", plant(layout, {f"audio/{name}.wav": "" for name in "abcd"}))
    assert manifest.ids.tolist() == ["a", "b", "d", "c"]
    assert events_of(manifest) == [[("dog", 0.0, 1.0)], None, None, None]
    assert manifest.table["tags"].to_pylist() == [["dog"], ["cat", "dog"], ["dog"], ["cat"]]
    assert manifest.facts["clips with unknown events"] == 3


def test_weak_alone(plant):
    manifest = index("soundscapes", plant({"weak.tsv": "filename\tevent_labels\na.wav\tdog\n", "audio/a.wav": ""}))
    assert events_of(manifest) == [None]


def test_an_event_whose_tag_weak_lacks(plant):
    layout = {"strong.tsv": EVENTS + "a.wav\t0\t1\tdog\n", "weak.tsv": "filename\tevent_labels\na.wav\t\n"}
    with pytest.raises(ManifestError, match=r"an event's tag is not among the tags of its clip: row 1 \(id a\)"):
        index("soundscapes", plant(layout | {"audio/a.wav": ""}))


def test_events_past_the_end_are_told(plant):
    root = plant(LAYOUT, {"metadata/train/durations.tsv": "filename\tduration\na.wav\t0.045\n"})
    assert index("soundscapes", root).facts["events past the end of a recording"] == 1


def test_recordings_are_cut_and_keep_their_folds(plant):
    """a: 1.2 s by its table; b's header says 0.1 s, as every recording that is planted has."""
    layout = {
        "events.tsv": EVENTS + "a.wav\t0.1\t0.3\tdog\na.wav\t0.4\t0.9\train\nb.wav\t0\t0.1\tdog\n",
        "durations.tsv": "filename\tduration\na.wav\t1.2\nb.wav\t0.5\nc.wav\t0.5\nd.wav\t0.5\n",
    }
    root = plant(layout, {f"audio/{name}.wav": "" for name in "abcd"})
    whole, parts = index("soundscapes", root, folds=2), index("soundscapes", root, folds=2, cut=0.5)
    assert parts.ids.tolist() == ["a@0", "a@0.5", "b@0", "c@0", "d@0"]
    assert events_of(parts)[:3] == [[("dog", 0.1, 0.3)], [("rain", 0.5, 0.9)], [("dog", 0.0, 0.1)]]
    folds = dict(zip(whole.ids.tolist(), whole.folds.tolist(), strict=True))
    assert [folds[id_.partition("@")[0]] for id_ in parts.ids.tolist()] == parts.folds.tolist()
    assert set(parts.folds.tolist()) == {"1", "2"} and leaks(parts, hashes=False) == []
    assert parts.facts["seconds left out"] == 0.2


def test_what_has_tags_alone_cannot_be_cut(plant):
    root = plant({"weak.tsv": "filename\tevent_labels\na.wav\tdog\n", "audio/a.wav": "", "durations.tsv": DURATION})
    with pytest.raises(ManifestError, match="cut: of 1 of 1 recording it is not known when what is heard"):
        index("soundscapes", root, cut=0.5)


def test_groups_are_what_sources_tie_together():
    sources = {"1": ["a", "b"], "2": ["c"], "3": ["b", "d"], "4": [], "5": ["e", "c"], "6": ["f"]}
    assert groups(sources) == ["a", "c", "a", None, "c", "f"]


def test_a_source_on_both_sides_is_a_leak(plant):
    extra = {"metadata/validation/sources.tsv": "filename\tsource_clip\nb.wav\train 3.wav\n"}
    found = leaks(index("soundscapes", plant(LAYOUT, extra)), hashes=False)
    assert [(leak.kind, leak.ids) for leak in found] == [("group", ("train/a", "validation/b"))]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("durations.tsv", "filename\tduration\na.wav\tlong\n", r"no duration in seconds in rows 1"),
        (
            "durations.tsv",
            "filename\tduration\na.wav\tnan\n",
            r"no duration in seconds in rows 1; give numbers above 0",
        ),
        ("durations.tsv", "filename\tduration\na.wav\t-3\n", r"no duration in seconds in rows 1; give numbers above 0"),
        ("durations.tsv", "filename\tduration\n\t3\n", r"row 1 lacks its filename"),
        ("durations.tsv", "filename\tduration\na.wav\t3\na.wav\t3\n", r"row 2 names a.wav again"),
        ("weak.tsv", "filename\tevent_labels\na.wav\tdog\na.wav\tcat\n", r"weak.tsv: row 2 names a.wav again"),
        ("sources.tsv", "filename\tsource_clip\nz.wav\tx\n", r"z.wav is in no other table"),
        ("strong.tsv", EVENTS + "a.wav\t0\t\tdog\n", r"1 row lacks a name, a tag, an onset or an offset"),
        ("strong.tsv", "filename\tonset\tend\tevent_label\n", r"no column 'offset'"),
    ],
)
def test_odd_tables(plant, file, text, message):
    root = plant(LAYOUT, {f"metadata/train/{file}": text})
    with pytest.raises(ManifestError, match=message):
        index("soundscapes", root)


def test_scenes(data):
    manifest = index("soundscapes", data / "esc10_soundscapes")
    assert [(manifest.folds == fold).sum() for fold in ("train", "validation")] == [80, 30]
    assert len(manifest.vocabulary) == 10
    assert sum(len(each) for each in events_of(manifest)) == 341
    assert all(
        {tag for tag, _, _ in e} == set(t)
        for e, t in zip(events_of(manifest), manifest.table["tags"].to_pylist(), strict=True)
    )
    assert events_of(manifest)[0] == [("sneezing", 6.662, 9.582)]
    assert leaks(manifest) == []


def test_birdsong(data):
    manifest = index("soundscapes", data / "birdsong_strong")
    assert len(manifest) == 40
    assert manifest.vocabulary == tuple(f"syllable_{number}" for number in range(9))
    assert sum(len(each) for each in events_of(manifest)) == 1988
    assert events_of(manifest)[0][0] == ("syllable_0", 1.07, 1.154)
    assert manifest.facts["events past the end of a recording"] == 0
