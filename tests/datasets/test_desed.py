"""DESED and DCASE 2018 task 4: layouts, and the official tables."""

from __future__ import annotations

import csv

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.desed import LAYOUT, PARTS, clips, video
from earmark.errors import ManifestError

WEAK = "audio/train/weak/YKK227gPpRn4_30.000_40.000.wav"
UNLABELLED = {
    "metadata/train/unlabel_in_domain.tsv": "filename\nY--CE2f-ttEQ_30.000_40.000.wav\n",
    "audio/train/unlabel_in_domain/Y--CE2f-ttEQ_30.000_40.000.wav": "",
}


def test_columns(plant):
    manifest = index("desed", plant(LAYOUT))
    weak, strong = manifest.table.to_pylist()
    assert (weak["id"], weak["fold"], weak["group"]) == (
        "train/weak/YKK227gPpRn4_30.000_40.000",
        "train",
        "KK227gPpRn4",
    )
    assert weak["tags"] == ["Alarm_bell_ringing", "Cat"] and weak["events"] is None
    assert (strong["id"], strong["fold"]) == ("validation/Y0cH_NlhhMAs_30.000_40.000", "validation")
    assert strong["tags"] == ["Cat"]
    assert [tuple(event.values()) for event in strong["events"]] == [("Cat", 1.71, 6.005), ("Cat", 6.1, 6.3)]
    assert manifest.facts["parts"] == {"weak": 1, "validation": 1}


@pytest.mark.parametrize("folder", ["dataset", "real"])
def test_dcase2018(plant, folder):
    layout = {f"{folder}/{path.replace('.tsv', '.csv')}": text for path, text in LAYOUT.items() if "train" in path}
    layout[f"{folder}/metadata/test/test.csv"] = LAYOUT["metadata/validation/validation.tsv"]
    layout[f"{folder}/audio/test/Y0cH_NlhhMAs_30.000_40.000.wav"] = ""
    manifest = index("desed", plant(layout))
    assert manifest.folds.tolist() == ["train", "test"]
    assert manifest.table["path"].to_pylist()[0] == f"{folder}/{WEAK}"


def test_parts(plant):
    root = plant(LAYOUT, UNLABELLED)
    manifest = index("desed", root)
    assert manifest.facts["parts left out"] == ["unlabel_in_domain"]
    manifest = index("desed", root, parts="unlabel_in_domain, weak")
    assert manifest.folds.tolist() == ["unlabelled", "train"]
    assert manifest.table["tags"].to_pylist() == [[], ["Alarm_bell_ringing", "Cat"]]
    assert manifest.facts["parts left out"] == ["validation"]
    with pytest.raises(ManifestError, match=r"a name in parts is 'week'; it is 'weak' or"):
        index("desed", root, parts="week")
    with pytest.raises(ManifestError, match=r"parts is ','; it names one or more of weak,"):
        index("desed", root, parts=",")
    with pytest.raises(ManifestError, match=r"part 'public' has no metadata/eval/public.tsv"):
        index("desed", root, parts="public")


def test_synthetic_clips_of_one_name(plant):
    text = "filename\tonset\toffset\tevent_label\n0.wav\t1\t2\tDog\n"
    layouts = {}
    for part in ("synthetic21_train", "synthetic21_validation"):
        table, (folder, *_), _ = PARTS[part]
        layouts |= {f"metadata/{table}.tsv": text, f"audio/{folder}/0.wav": ""}
    manifest = index("desed", plant(layouts))
    assert manifest.folds.tolist() == ["train", "validation"]
    assert len(set(manifest.groups.tolist())) == 2


def test_absent_recordings(plant):
    root = plant(LAYOUT)
    (root / WEAK).unlink()
    (root / "audio/train/weak/another.wav").touch()
    with pytest.raises(ManifestError, match=r"1 of 1 recording is not there: YKK227gPpRn4.*Videos vanish"):
        index("desed", root)
    (root / WEAK).touch()
    table = root / "metadata/train/weak.tsv"
    table.write_text(table.read_text() + "Y-6p32k2WUCs_0.000_10.000.wav\tCat\n")
    assert index("desed", root, missing="skip").facts["recordings that are not there"] == 1


def test_a_table_without_audio_is_left_out(plant):
    manifest = index("desed", plant({path: text for path, text in LAYOUT.items() if "audio/val" not in path}))
    assert manifest.facts["parts left out"] == ["validation"]


def test_video():
    assert video("Y0cH_NlhhMAs_30.000_40.000") == "0cH_NlhhMAs"
    assert video("Y-_3-4_6-8_0_0.000_10.000") == "-_3-4_6-8_0"
    assert video("0") is None


def test_official_tables(data):
    """Clips as the authors count them (1578 and 1168; DCASE 2018's 288), and rows as Python's csv reads them."""
    for file, count in (
        ("desed/train/weak.tsv", 1578),
        ("desed/validation/validation.tsv", 1168),
        ("dcase2018_task4/train/weak.csv", 1578),
        ("dcase2018_task4/test/test.csv", 288),
        ("desed/train/unlabel_in_domain.tsv", 499),
    ):
        names, tags, events, unclear = clips(data / "metadata" / file)
        assert len(names) == len(set(names)) == count
        assert unclear == 0
        with (data / "metadata" / file).open(newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        assert len({tag for each in tags for tag in each}) == (0 if "unlabel" in file else 10)
        if "event_labels" in rows[0]:
            assert dict(zip(names, tags, strict=True)) == {
                row["filename"]: row["event_labels"].split(",") for row in rows
            }
        elif "onset" in rows[0]:
            flat = [(name, *event) for name, each in zip(names, events, strict=True) for event in each]
            told = [
                (r["filename"], r["event_label"], float(r["onset"]), float(r["offset"])) for r in rows if r["onset"]
            ]
            assert sorted(flat) == sorted(told)


def test_nothing_is_heard(data):
    names, tags, events, _ = clips(data / "metadata/desed/validation/validation.tsv")
    row = names.index("YU0Cg_t_3TdI_30.000_40.000.wav")
    assert tags[row] == [] and events[row] == []
    assert events.count([]) == 15
