"""URBAN-SED: text and JAMS say the same."""

from __future__ import annotations

import json

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.urbansed import LAYOUT, scene
from earmark.errors import ManifestError

FIRST = "annotations/train/soundscape_train_uniform1736.txt"


def test_columns(plant):
    manifest = index("urbansed", plant(LAYOUT))
    first = manifest.table.to_pylist()[0]
    assert first["tags"] == ["jackhammer", "gun_shot"]  # in the order in which they begin
    assert [tuple(event.values()) for event in first["events"]] == [
        ("jackhammer", 0.01, 0.05),
        ("gun_shot", 0.02, 0.09),
    ]
    assert manifest.folds.tolist() == ["train", "test"]
    assert manifest.vocabulary == ("gun_shot", "jackhammer")


def test_a_scene_in_which_nothing_is_heard(plant):
    manifest = index("urbansed", plant(LAYOUT, {FIRST: "\n"}))
    assert manifest.table["events"].to_pylist()[0] == []


def test_absent_audio(plant):
    root = plant({path: text for path, text in LAYOUT.items() if "audio/test" not in path})
    with pytest.raises(ManifestError, match=r"audio/test not found"):
        index("urbansed", root)


def test_odd_annotations(plant):
    root = plant(LAYOUT, {FIRST: "0.02\t0.02\tgun_shot\n"})
    with pytest.raises(ManifestError, match=r"an event has no length"):
        index("urbansed", root)
    (root / FIRST).write_text("0.02 0.09 gun_shot\n")
    with pytest.raises(ManifestError, match=r"cannot be read as 3 columns \(onset, offset, tag\)"):
        index("urbansed", root)
    jams = (root / FIRST).with_suffix(".jams")
    (root / FIRST).unlink()
    for text, message in (
        ("{}", r"is not an annotation by Scaper \(KeyError"),
        ("nothing", r"is not an annotation by Scaper \(JSONDecodeError"),
        (
            '{"annotations": [{"namespace": "beat"}]}',
            r"no annotation of namespace 'scaper' or 'sound_event'. It has beat",
        ),
    ):
        jams.write_text(text)
        with pytest.raises(ManifestError, match=message):
            index("urbansed", root)


def test_text_and_jams_agree(data, tmp_path):
    stem = data / "tiny_layouts/urbansed/annotations/train/soundscape_train_uniform1736"
    (tmp_path / "x.jams").write_bytes(stem.with_suffix(".jams").read_bytes())
    text, jams = scene(stem), scene(tmp_path / "x")
    assert text[0] == jams[0] == ["gun_shot", "jackhammer", "street_music", "air_conditioner", "dog_bark"]
    assert [tag for tag, _, _ in text[1]] == [tag for tag, _, _ in jams[1]]
    assert [time for event in text[1] for time in event[1:]] == pytest.approx(
        [time for event in jams[1] for time in event[1:]], abs=1e-6
    )
    roles = [each["value"]["role"] for each in json.loads((tmp_path / "x.jams").read_text())["annotations"][0]["data"]]
    assert roles.count("foreground") == len(jams[1]) == 6


def test_excerpt(data):
    manifest = index("urbansed", data / "tiny_layouts" / "urbansed")
    assert len(manifest) == 1
    assert manifest.folds.tolist() == ["train"]
