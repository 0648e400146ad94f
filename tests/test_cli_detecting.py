"""`earmark evaluate` on clips with events, thresholds of tags, and pictures of events."""

from __future__ import annotations

import json

import pytest
from tests.test_cli_events import ATTENTION, made, rules, scenes  # noqa: F401

from earmark.cli.terminal.drawing import known_events
from earmark.data import manifest
from earmark.errors import EarmarkError, ManifestError
from earmark.events import formats as eventfile
from earmark.models.file import read_head
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

pytestmark = pytest.mark.usefixtures("sketched")

QUICK = ("--resamples", 5)
ONE = {"length": 1.0, "hop": 1.0}


def weak(folder, tmp_path):
    """The clips with other tags, so that not every clip has each, and without events."""
    clips = manifest.read(folder / "m.parquet")
    columns = {name: clips.table[name] for name in ("id", "path", "fold")}
    columns["tags"] = [["burst"] if i % 2 else ["hiss"] for i in range(len(clips))]
    manifest.write(manifest.build(columns, folder), tmp_path / "weak.parquet")
    return tmp_path / "weak.parquet"


@pytest.mark.parametrize(
    ("changes", "kind"), [({}, "windows"), (ATTENTION | {"windows": ONE}, "frames")], ids=["windows", "frames"]
)
def test_evaluate_judges_events_by_frames_or_windows(run, scenes, tmp_path, changes, kind):  # noqa: F811
    made(**changes).save(tmp_path / "t.safetensors")
    arguments = ("evaluate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", "--fold", 3, *QUICK)
    status, printed, _ = run(*arguments, "--out", tmp_path / "o", "--collars", "0.1,0.3", "--json")
    section = json.loads(printed)["events"]
    assert status == 0 and section["scores"] == kind
    assert (section["clips"], section["events"], section["without events"]) == (3, 3, ["hiss"])
    assert [row["rules"] for row in section["rows"]] == ["0.5"]
    assert {"event_f1_0.1", "event_f1_0.3", "segment_f1"} < set(section["rows"][0])
    told = (tmp_path / "o" / "report.md").read_text()
    assert f"Scores of {kind}, which change every" in told and "## Events" in told
    assert sorted(file.name for file in (tmp_path / "o").glob("*.events.*")) == [
        example["picture"] for example in sorted(section["examples"], key=lambda each: each["picture"])
    ]
    assert "data:image/png" in (tmp_path / "o" / "report.html").read_text()
    status, printed, _ = run(*arguments, "--no-events", "--json")
    assert json.loads(printed)["events"] is None


def test_tags_alone_have_thresholds_chosen(run, scenes, tmp_path):  # noqa: F811
    made().save(tmp_path / "t.safetensors")
    status, printed, said = run(
        "calibrate", tmp_path / "t.safetensors", "--data", weak(scenes, tmp_path), "--fold", 2, "--json", *QUICK
    )
    told = json.loads(printed)
    facts = read_head(tmp_path / "t.safetensors")["facts"]
    assert status == 0 and "only thresholds of tags are chosen" in said
    assert told["tags"] == facts["tags"] and "events" not in facts and "rules" not in told
    assert facts["tags"]["chosen on"]["folds"] == ["2"] and set(facts["tags"]["thresholds"]) == {"burst", "hiss"}


def test_pictures_of_events(run, scenes, tmp_path):  # noqa: F811
    made(**ATTENTION, windows=ONE).save(tmp_path / "t.safetensors")
    (tmp_path / "known.tsv").write_text("filename\tonset\toffset\tevent_label\n0.wav\t1\t2\tburst\n")
    arguments = (
        "events",
        scenes / "0.wav",
        scenes / "1.wav",
        "--tagger",
        tmp_path / "t.safetensors",
        "--format",
        "tsv",
    )
    status, _, said = run(*arguments, "--pictures", tmp_path / "p", "--reference", tmp_path / "known.tsv")
    assert status == 0 and "1.wav: the table of known events does not name it" in said
    assert sorted(file.name for file in (tmp_path / "p").iterdir()) == ["0.wav.png", "1.wav.png"]
    assert all(file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for file in (tmp_path / "p").iterdir())


@pytest.mark.parametrize("name", EVENT_FORMATS.names())
def test_known_events_may_have_any_format(name, tmp_path):
    known = {"0.wav": [Event(1.0, 2.0, "burst", 1.0)]}
    file = tmp_path / f"0.wav{eventfile.ending(name)}"
    eventfile.write(known, file, name, 4000)
    assert known_events(file) == known


def test_a_table_of_known_events_may_have_any_ending(tmp_path):
    """And events of no length, which no format of events has."""
    (tmp_path / "known.txt").write_text("filename,onset,offset,event_label\n0.wav,1,2,burst\n1.wav,3,3,hiss\n")
    assert known_events(tmp_path / "known.txt") == {"0.wav": [Event(1.0, 2.0, "burst", 1.0)], "1.wav": []}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("known.txt", "1\t2\tburst\n3\tx\thiss\n", r"no column .* Nor is it another file of events: .*: line 2 holds"),
        ("known.tsv", "onset\toffset\n1\t2\n", r"known.tsv: no column 'filename' nor 'event_label'[^:]*$"),
    ],
)
def test_known_events_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ManifestError, match=message):
        known_events(tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "known.tsv"], "give a folder with --pictures"),
        (["--pictures", "t.safetensors"], "is a file. Name a folder"),
        (["--pictures", "p", "--reference", "nowhere.tsv"], "nowhere.tsv: no such file"),
    ],
)
def test_pictures_refused(run, scenes, tmp_path, monkeypatch, arguments, message):  # noqa: F811
    made().save(tmp_path / "t.safetensors")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EarmarkError, match=message):
        run("events", scenes / "0.wav", "--tagger", "t.safetensors", *arguments)
    assert not (tmp_path / "p").exists()


def test_collars_refused(run, scenes, tmp_path):  # noqa: F811
    made().save(tmp_path / "t.safetensors")
    arguments = ("evaluate", tmp_path / "t.safetensors", "--data", scenes / "m.parquet", "--fold", 3, *QUICK)
    with pytest.raises(EarmarkError, match=r"--collars 0\.2;0\.4: give seconds joined by commas"):
        run(*arguments, "--collars", "0.2;0.4")
