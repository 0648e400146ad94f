"""FSD50K in its layout, and with the excerpt of its own tables."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.fsd50k import LAYOUT, clips, vocabulary
from earmark.errors import ManifestError

DEV = "FSD50K.ground_truth/dev.csv"


def test_columns(plant):
    manifest = index("fsd50k", plant(LAYOUT))
    assert manifest.ids.tolist() == ["64760", "21914", "99"]
    assert manifest.folds.tolist() == ["train", "val", "eval"]
    assert manifest.table["tags"].to_pylist() == [["Electric_guitar", "Music"], ["Crushing"], ["Music"]]
    assert manifest.vocabulary == ("Crushing", "Electric_guitar", "Music")
    assert manifest.table["group"].to_pylist() == [None] * 3
    assert manifest.facts["uploaders not known"] == ["dev", "eval"]


def test_uploaders(plant):
    about = '{"64760": {"license": "CC0", "uploader": "ann"}, "21914": {"license": "CC BY", "uploader": "bob"}}'
    manifest = index("fsd50k", plant(LAYOUT, {"FSD50K.metadata/dev_clips_info_FSD50K.json": about}))
    assert manifest.groups.tolist() == ["ann", "bob", "99"]
    assert manifest.table["source"].to_pylist() == ["freesound 64760, CC0", "freesound 21914, CC BY", "freesound 99"]
    odd = plant({"FSD50K.metadata/dev_clips_info_FSD50K.json": '{"64760": 3}'})
    with pytest.raises(ManifestError, match=r"does not describe clips by their names"):
        index("fsd50k", odd)


def test_development_clips_alone(plant):
    manifest = index("fsd50k", plant({path: text for path, text in LAYOUT.items() if "eval_audio" not in path}))
    assert manifest.fold_names() == ["train", "val"]
    assert manifest.facts["eval clips"].startswith("not there")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Crushing", "Goat", r"1 label is not among the 3 of vocabulary.csv: 'Goat'"),
        ("/m/07plct2", "/m/04rlf", r"the mids of clip 21914 are /m/04rlf, which are not those of Crushing"),
        (",val", ",dev", r"the split of clip 21914 is neither train nor val"),
        ("21914,Crushing", ",Crushing", r"row 2 lacks its fname, labels or mids"),
        (",split", ",part", r"no column 'split'"),
    ],
)
def test_odd_tables(plant, old, new, message):
    with pytest.raises(ManifestError, match=message):
        index("fsd50k", plant(LAYOUT, {DEV: LAYOUT[DEV].replace(old, new)}))


def test_excerpt(data, plant):
    """Its vocabulary names two of the six tags; with those that are missing, which dev.csv has, it can be read."""
    excerpt = data / "tiny_layouts" / "fsd50k"
    with pytest.raises(ManifestError, match=r"4 labels are not among the 2 of vocabulary.csv: 'Guitar', 'Music'"):
        index("fsd50k", excerpt)
    lines = "53,Crushing,/m/07plct2\n69,Electric_guitar,/m/02sgy\n80,Guitar,/m/0342h\n"
    lines += "1,Plucked_string_instrument,/m/0fx80y\n2,Musical_instrument,/m/04szw\n3,Music,/m/04rlf\n"
    mids = vocabulary(plant({"vocabulary.csv": lines}) / "vocabulary.csv")
    names, tags, folds = clips(excerpt / DEV, mids)
    assert names == ["64760", "21914"]
    assert tags[0] == ["Electric_guitar", "Guitar", "Plucked_string_instrument", "Musical_instrument", "Music"]
    assert folds == ["train", "val"]


def test_index_the_excerpt(data, tmp_path):
    """End to end, with the recordings and the descriptions of the excerpt."""
    excerpt = data / "tiny_layouts" / "fsd50k"
    for name in ("FSD50K.metadata", "FSD50K.dev_audio"):
        (tmp_path / name).symlink_to(excerpt / name)
    (tmp_path / "FSD50K.ground_truth").mkdir()
    (tmp_path / DEV).write_text("fname,labels,mids,split\n21914,Crushing,/m/07plct2,val\n")
    (tmp_path / "FSD50K.ground_truth/vocabulary.csv").write_bytes(
        (excerpt / "FSD50K.ground_truth/vocabulary.csv").read_bytes()
    )
    manifest = index("fsd50k", tmp_path)
    assert manifest.groups.tolist() == ["cooluploader"]
    assert manifest.vocabulary == ("Crushing", "Electric_guitar")
