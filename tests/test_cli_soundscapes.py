"""`earmark soundscapes`: what it makes, what it prints, and what it says when something is wrong."""

from __future__ import annotations

import csv
import json
from functools import partial

import numpy as np
import pytest
import soundfile

from earmark.data import datasets, manifest
from earmark.errors import AudioError, EarmarkError, ManifestError

QUICK = ("--length", "1.5", "--sample-rate", "4000", "--scenes", "2", "--events", "1:3")


@pytest.fixture
def run(run):
    return partial(run, "soundscapes")


@pytest.fixture
def table(clips, tmp_path):
    manifest.write(clips, tmp_path / "clips.csv")
    return tmp_path / "clips.csv"


def files(root) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_scenes_of_folds(run, table, clips, tmp_path):
    status, printed, said = run(table, "-o", tmp_path / "a", "--folds", "3,1", *QUICK, "--json", "--workers", 1)
    told = json.loads(printed)
    assert status == 0 and "4 scenes" in said
    assert [(scene["fold"], scene["scene"]) for scene in told] == [("3", 0), ("3", 1), ("1", 0), ("1", 1)]
    found = datasets.index("soundscapes", tmp_path / "a")
    assert found.fold_names() == ["1", "3"]
    fold_of = dict(zip(clips.ids.tolist(), clips.folds.tolist(), strict=True))
    rows = {(found.root / row["path"]).as_posix(): row for row in found.table.to_pylist()}
    for scene in told:
        heard = [(event["tag"], event["onset"], event["offset"]) for event in scene["events"]]
        assert [(e["tag"], e["onset"], e["offset"]) for e in rows[scene["path"]]["events"]] == heard
        assert {fold_of[event["clip"]] for event in scene["events"]} == {scene["fold"]}
    run(table, "-o", tmp_path / "b", *QUICK, "--workers", 3)  # all folds, other threads: the same scenes
    both, first = files(tmp_path / "b"), files(tmp_path / "a")
    assert {name: both[name] for name in first} == first
    status, printed, said = run(table, "-o", tmp_path / "b", *QUICK)
    assert [line.split("\t")[:3] for line in printed.splitlines()[1:]] == [
        [str(fold), "2", "0"] for fold in range(1, 6)
    ]
    assert files(tmp_path / "b") == both
    status, printed, said = run(table, "-o", tmp_path / "b", *QUICK, "--scenes", 1, "--folds", "2")
    assert "1 scene of earlier runs lies in" in said


def test_unreadable_clips_are_left_out_and_listed(run, table, clips, tmp_path):
    bad = clips.root / "bad.wav"
    bad.write_bytes(b"RIFF")
    try:
        text = table.read_text().splitlines()
        row = next(line for line in text[1:] if "low-1-0.wav" in line)
        table.write_text("\n".join([*text, row.replace("low-1-0.wav", "bad.wav")]) + "\n")
        out, errors = tmp_path / "out", tmp_path / "errors.csv"
        with pytest.raises(AudioError):
            run(table, "-o", out, "--folds", "1", *QUICK, "--strict")
        assert not out.exists()
        status, printed, said = run(table, "-o", out, "--folds", "1", *QUICK, "--errors", errors)
        assert status == 1 and "1 recording could not be used and was left out; 0 scenes could not be made" in said
        assert [row[0] for row in csv.reader(errors.read_text().splitlines())][1:] == [str(bad)]
        assert printed.splitlines()[1].startswith("1\t2\t2\t")
        assert b"bad.wav" not in (out / "metadata/1/strong.tsv").read_bytes()
    finally:
        bad.unlink()


def test_where_too_few_clips_are_left_those_that_cannot_be_used_are_named(run, clips, tmp_path, capsys):
    names = ["low-1-0.wav", "bad.wav", "gone.wav"]
    paths = [str(clips.root / "low-1-0.wav"), str(tmp_path / "bad.wav"), str(tmp_path / "gone.wav")]
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    few, errors = manifest.build({"id": names, "path": paths, "tags": ["low"] * 3}, tmp_path), tmp_path / "errors.csv"
    manifest.write(few, tmp_path / "few.csv")
    for told in ((), ("--errors", errors)):
        with pytest.raises(
            EarmarkError,
            match="1 clip with one event that can be read.*; 2 clips cannot be used, the first: .*bad.wav",
        ):
            run(tmp_path / "few.csv", "-o", tmp_path / "out", *QUICK, *told)
        said = capsys.readouterr().err
        assert all((f"{path}: " in said) == (not told) for path in paths[1:]), said
    assert [row[0] for row in csv.reader(errors.read_text().splitlines())] == ["path", *paths[1:]]
    assert not (tmp_path / "out").exists()


def test_background_recordings(run, table, tmp_path):
    place = tmp_path / "places"
    place.mkdir()
    for index in range(10):
        soundfile.write(place / f"{index}.wav", np.random.default_rng(index).normal(0, 0.1, 8000), 4000)
    _, printed, _ = run(table, "-o", tmp_path / "a", *QUICK, "--background", place, "--json")
    heard = {fold: {s["background"] for s in json.loads(printed) if s["fold"] == fold} for fold in "12345"}
    for fold, names in heard.items():
        assert names <= {f"{int(fold) - 1}.wav", f"{int(fold) + 4}.wav"}
    found = datasets.index("soundscapes", tmp_path / "a")
    assert all("background/" in source for source in found.table["source"].to_pylist())
    soundfile.write(place / "5.wav", np.zeros(8000), 4000)  # all silent: scenes on it cannot be made, the others can
    soundfile.write(place / "0.wav", np.zeros(8000), 4000)
    status, printed, said = run(table, "-o", tmp_path / "b", *QUICK, "--background", place, "--json")
    assert status == 1 and "0 recordings could not be used and were left out; 2 scenes could not be made" in said
    assert {scene["fold"] for scene in json.loads(printed)} == set("2345")
    assert datasets.index("soundscapes", tmp_path / "b").fold_names() == list("2345")


def test_snr_below_zero_and_single_values(run, table, tmp_path):
    _, printed, _ = run(
        table, "-o", tmp_path / "a", *QUICK, "--snr", "-5:-3", "--events", "2", "--background", "none", "--json"
    )
    told = json.loads(printed)
    assert all(len(scene["events"]) == 2 for scene in told)
    assert all(-5 <= event["snr"] <= -3 for scene in told for event in scene["events"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--events", "one"], "--events one: give two whole numbers"),
        (["--events", "1:2.5"], "--events 1:2.5: give two whole numbers"),
        (["--snr", "0:"], "--snr 0:: give two numbers"),
        (["--events", "5:1"], "5:1 events a scene"),
        (["--background", "bron"], "'bron' is no background, did you mean 'brown'"),
        (["--folds", "7"], "no such fold: '7'"),
        (["--folds", ","], "no such fold"),
        (["--events", "1:40"], "fold '1' has 12 clips with one event that can be read, and up to 40 events"),
        (["--events", "9", "--length", "0.7", "--overlap", "1"], "no 9 events fit in 0.7 s with at most 1 at once"),
    ],
)
def test_mistakes(run, table, tmp_path, options, message):
    with pytest.raises(EarmarkError, match=message):
        run(table, "-o", tmp_path / "out", *QUICK, *options)
    assert not (tmp_path / "out").exists()


def test_what_is_no_manifest_or_folder_of_scenes(run, table, tmp_path):
    with pytest.raises(EarmarkError, match="is a folder, not a manifest"):
        run(tmp_path, "-o", tmp_path / "out", *QUICK)
    with pytest.raises(ManifestError, match="holds something else: clips.csv"):
        run(table, "-o", tmp_path, *QUICK)
    run(table, "-o", tmp_path / "out", *QUICK, "--folds", "1")
    with pytest.raises(ManifestError, match="mixed otherwise: seed 0, not 1"):
        run(table, "-o", tmp_path / "out", *QUICK, "--seed", 1)


def test_real_clips(run, data, tmp_path):
    """Clips of ESC-10 with long ends of silence: what is said to be heard is where the sound is."""
    clips = datasets.index("esc", data / "esc10").in_folds("1")
    manifest.write(clips.select(np.arange(0, len(clips), 4)), tmp_path / "esc.parquet")
    _, printed, _ = run(
        tmp_path / "esc.parquet", "-o", tmp_path / "out", "--scenes", 2, "--background", "none", "--json"
    )
    for scene in json.loads(printed):
        wave, rate = soundfile.read(scene["path"])
        assert rate == 16_000 and len(wave) == 160_000
        outside = np.ones(len(wave), bool)
        for event in scene["events"]:
            first, end = round(event["onset"] * rate), round(event["offset"] * rate)
            outside[first:end] = False
            assert wave[first:end][:240].any() and wave[first:end][-240:].any()
        assert not wave[outside].any()
