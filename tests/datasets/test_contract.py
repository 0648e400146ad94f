"""What every registered data set must do. A new data set is tested because it exists."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.data import datasets
from earmark.data.datasets import AUDIO
from earmark.data.manifest import read, write
from earmark.errors import ManifestError, UnknownName
from earmark.files.shown import message as shown
from earmark.registry import DATASETS


def layout_of(name: str) -> dict[str, str]:
    return sys.modules[DATASETS[name].function.__module__].LAYOUT


def plant(layout: dict[str, str], root: Path) -> None:
    """The tree of a LAYOUT, each recording with sounds of its own."""
    for seed, (path, contents) in enumerate(layout.items()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if contents == AUDIO:
            noise = np.random.default_rng(seed).normal(0, 0.1, 1600)
            soundfile.write(root / path, noise, 16_000)  # wav: 16 bit
        else:
            (root / path).write_text(contents)


def few(name: str) -> dict[str, int]:
    """Options that keep the making of data short."""
    return {"clips": 24} if DATASETS[name].facts.get("generated") else {}


@pytest.fixture(params=DATASETS.names())
def name(request):
    return request.param


@pytest.fixture
def manifest(name, tmp_path):
    plant(layout_of(name), tmp_path)
    return datasets.index(name, tmp_path, **few(name))


def test_indexes_its_layout(manifest, name):
    assert len(manifest) >= 2
    assert len(set(manifest.ids)) == len(manifest)
    assert all(path.is_file() for path in manifest.paths())
    assert manifest.truth().any(1).all()
    assert manifest.truth().any(0).all()  # no tag is in the vocabulary for nothing
    assert manifest.facts["data set"] == name


def test_every_recording_of_the_layout_is_a_clip(manifest, name):
    recordings = {path for path, contents in layout_of(name).items() if contents == AUDIO}
    if recordings:
        assert {path.relative_to(manifest.root).as_posix() for path in manifest.paths()} == recordings


def test_survives_a_file(manifest, tmp_path):
    for ending in ("csv", "parquet"):
        write(manifest, tmp_path / f"m.{ending}")
        assert read(tmp_path / f"m.{ending}").table.equals(manifest.table)


def test_does_not_hang_on_the_working_directory(name, manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = datasets.index(name, ".", **few(name))
    assert again.paths() == manifest.paths()
    assert again.table.equals(manifest.table)


def test_another_folder_is_answered_with_the_layout(name, tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(ManifestError) as error:
        datasets.index(name, tmp_path)
    message = str(error.value)
    assert "holiday.jpg" in message  # what was found instead
    for path in layout_of(name):
        assert path.rpartition("/")[2] in message
    assert shown(message) == message  # its lines reach people as lines


def test_an_empty_folder(name, tmp_path):
    if DATASETS[name].facts.get("generated"):
        assert not layout_of(name)
        assert len(datasets.index(name, tmp_path / "new", clips=3)) == 3
        return
    with pytest.raises(ManifestError, match=r"(?s)\n  expected, for example:\n.*\n  found:\n    nothing"):
        datasets.index(name, tmp_path)
    with pytest.raises(ManifestError, match=r"no such folder. Data sets are not downloaded"):
        datasets.index(name, tmp_path / "absent")


def tables_of(name: str) -> list[list[str]]:
    """The tables of a layout, one by one and all."""
    each = [path for path in layout_of(name) if path.endswith((".csv", ".tsv", ".txt"))]
    return [*([path] for path in each), each] if each else []


@pytest.mark.parametrize("kept", [1, 0])
@pytest.mark.parametrize(
    ("name", "emptied"), [(name, tables) for name in DATASETS.names() for tables in tables_of(name)]
)
def test_tables_without_rows(name, emptied, kept, tmp_path):
    """With a header alone, or nothing: what is left is indexed, or a sentence names a table or what is missing."""
    layout = layout_of(name)
    for path in emptied:
        layout = {**layout, path: "".join(layout[path].splitlines(keepends=True)[:kept])}
    plant(layout, tmp_path)
    said = str(tmp_path)
    try:
        assert len(datasets.index(name, tmp_path))
    except ManifestError as error:
        said = str(error)
    assert str(tmp_path) in said


# of clips, each with its recording: a table of events or of lengths may be without rows, one of clips is then not there in whole
OF_CLIPS = {
    "audioset": ["balanced_train_segments.csv", "eval_segments.csv"],
    "desed": ["metadata/train/weak.tsv", "metadata/validation/validation.tsv"],
    "esc": ["meta/esc50.csv"],
    "fsd50k": ["FSD50K.ground_truth/dev.csv", "FSD50K.ground_truth/eval.csv"],
    "fsdkaggle2018": [
        "FSDKaggle2018.meta/train_post_competition.csv",
        "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv",
    ],
    "magnatagatune": ["annotations_final.csv"],
    "medleysolosdb": ["annotation/Medley-solos-DB_metadata.csv"],
    "openmic2018": ["openmic-2018-aggregated-labels.csv"],
    "soundscapes": ["metadata/validation/strong.tsv"],
    "table": ["clips.csv"],
    "urbansound8k": ["metadata/UrbanSound8K.csv"],
}
WITH_HEADERS = {  # all tables of the layouts but lists without a header, and those of which each row is an event or a class
    (name, path)
    for name in DATASETS.names()
    for path, text in layout_of(name).items()
    if path.endswith((".csv", ".tsv")) and text.count("\n") > 1
}
OF_OTHERS = {
    ("audioset", "class_labels_indices.csv"),
    ("dcase2017task4", "groundtruth_release/groundtruth_strong_label_testing_set.csv"),
    ("fsd50k", "FSD50K.ground_truth/vocabulary.csv"),
    *(("soundscapes", f"metadata/train/{kind}.tsv") for kind in ("strong", "weak", "durations", "sources")),
}


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in OF_CLIPS.items() for path in paths])
def test_a_table_of_clips_without_rows_is_not_passed_over(name, path, tmp_path):
    """Though there are clips in others: whoever has half of a data set is told."""
    layout = layout_of(name)
    plant({**layout, path: layout[path].splitlines(keepends=True)[0]}, tmp_path)
    with pytest.raises(ManifestError, match=rf"{path.rpartition('/')[2]}: holds no "):
        datasets.index(name, tmp_path)


def test_every_table_of_the_layouts_is_of_clips_or_not():
    of_clips = {(name, path) for name, paths in OF_CLIPS.items() for path in paths}
    assert of_clips >= WITH_HEADERS - OF_OTHERS and not of_clips & OF_OTHERS


def test_data_sheet(name):
    entry = DATASETS[name]
    sheet = inspect.getdoc(entry.function)
    assert entry.summary.endswith((".", ":"))
    assert "clips" in sheet.lower()
    assert "tags" in sheet.lower()
    if entry.facts.get("licence"):
        assert "licence" in sheet.lower()
        assert entry.facts.get("generated") or "From: http" in sheet


def test_options_are_plain_and_have_defaults(name):
    first, *options = DATASETS[name].arguments().values()
    assert first.name == "root"
    assert all(isinstance(option.default, (str, int, float, bool, type(None))) for option in options)
    with pytest.raises(ManifestError, match=f"data set '{name}' has no option 'colour'"):
        datasets.index(name, ".", colour="red")


def test_leaves_do_not_know_each_other(name):
    source = inspect.getsource(sys.modules[DATASETS[name].function.__module__])
    assert "from earmark.data.datasets." not in source
    assert "import earmark.data.datasets." not in source


def test_unknown_name():
    with pytest.raises(UnknownName, match="no data set is called 'esk', did you mean 'esc'"):
        datasets.index("esk", ".")


def test_tree():
    layout = {"meta/clips.csv": "id,path\n1,2\n", "audio/deep/1.wav": AUDIO, "audio/2.wav": AUDIO, "README": "read me"}
    assert datasets.tree(layout).splitlines() == [
        "  meta/",
        "    clips.csv    (columns id,path)",
        "  audio/",
        "    deep/",
        "      1.wav    (a recording)",
        "    2.wav    (a recording)",
        "  README",
    ]
