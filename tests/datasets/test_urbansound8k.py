"""UrbanSound8K against its official table."""

from __future__ import annotations

from collections import Counter

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.urbansound8k import LAYOUT, TABLE, clips
from earmark.errors import ManifestError


def test_columns(plant):
    manifest = index("urbansound8k", plant(LAYOUT))
    assert manifest.folds.tolist() == ["5", "10"]
    assert manifest.groups.tolist() == ["100032", "100648"]
    assert manifest.vocabulary == ("car_horn", "dog_bark")  # by their numbers
    assert manifest.table["start"].to_pylist() == [None, None]
    assert manifest.table["source"].to_pylist()[1] == "freesound 100648, 4.823402 to 5.471927 s, background"


def test_absent_recordings(plant):
    root = plant(LAYOUT)
    (root / "audio/fold5/100032-3-0-0.wav").rename(root / "audio/fold10/100032-3-0-0.wav")
    with pytest.raises(ManifestError, match=r"1 of 2 recordings is not there: fold5/100032-3-0-0.wav"):
        index("urbansound8k", root)


def test_odd_tables(plant):
    root = plant(LAYOUT)
    text = LAYOUT[TABLE]
    (root / TABLE).write_text(text.replace("10,1,car_horn", "10,3,car_horn"))
    with pytest.raises(ManifestError, match=r"classID 3 is called car_horn and dog_bark"):
        index("urbansound8k", root)
    (root / TABLE).write_text(text.replace("10,1,car_horn", "10,,car_horn"))
    with pytest.raises(ManifestError, match=r"row 2 is not complete"):
        index("urbansound8k", root)
    (root / TABLE).write_text(text.partition("\n")[0] + "\n")
    with pytest.raises(ManifestError, match=r"holds no clips"):
        index("urbansound8k", root)


def test_official_table(data):
    """8732 clips; 1000 a tag but for three, as the authors publish."""
    rows = clips(data / "metadata" / "urbansound8k" / "UrbanSound8K.csv")
    assert len(rows) == len({row["name"] for row in rows}) == 8732
    count = Counter(row["tag"] for row in rows)
    assert {tag: number for tag, number in count.items() if number != 1000} == {
        "car_horn": 429,
        "gun_shot": 374,
        "siren": 929,
    }
    assert {row["fold"] for row in rows} == {str(fold) for fold in range(1, 11)}
    # the number is also in the name: upload-number-occurrence-slice
    assert all(row["name"].split("-")[:2] == [row["upload"], row["number"]] for row in rows)
    folds = {}
    for row in rows:
        folds.setdefault(row["upload"], set()).add(row["fold"])
    assert sorted(upload for upload, each in folds.items() if len(each) > 1) == [
        "106905",
        "132016",
        "176638",
        "180937",
        "77751",
    ]
    assert len(folds) == 1297
