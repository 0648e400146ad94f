"""`earmark convert`: events in another format are the same events, and what a format has no place for is said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from tests.program import earmark

from earmark.errors import ScoresError
from earmark.evaluation.reviews.found import events_of
from earmark.events import formats
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

FOUND = {
    "card/20210423_190000.wav": [Event(0.5, 1.25, "dog", 0.875), Event(2.0, 3.0, "owl, far", 0.5)],
    "card/20210423_200000.wav": [Event(0.0, 0.25, "dog", 0.625)],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A table of events, and the recordings that they are of: of 16 kHz and 8 kHz."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "card").mkdir()
    for name, rate in zip(FOUND, (16_000, 8_000), strict=True):
        soundfile.write(folder / name, np.zeros(4 * rate), rate)
    formats.write(FOUND, folder / "events.csv", "csv")
    return folder


@pytest.mark.parametrize("form", EVENT_FORMATS.names())
def test_events_are_the_same_in_every_format_and_back(place, tmp_path, form):
    told = earmark("convert", place / "events.csv", "--format", form, "--out", tmp_path, "--recordings", place / "card")
    assert told.returncode == 0, told.stderr
    assert f"3 events of 2 recordings as {form}" in told.stderr
    found = events_of(tmp_path)
    scored = form != "audacity"  # whose labels have no score
    assert {Path(name).stem.removesuffix(".wav"): [(e.onset, e.offset, e.tag) for e in heard] for name, heard in found.items()} == {
        Path(name).stem: [(e.onset, e.offset, e.tag) for e in heard] for name, heard in FOUND.items()
    }  # fmt: skip
    if scored:
        assert [e.score for heard in found.values() for e in heard] == [
            e.score for heard in FOUND.values() for e in heard
        ]
    again = earmark("convert", tmp_path, "--format", form, "--out", tmp_path, "--recordings", place / "card")
    assert again.returncode == 0 and events_of(tmp_path) == found  # what it wrote it may replace


def test_what_raven_asks_for_and_clocks(place, tmp_path):
    refused = earmark("convert", place / "events.csv", "--format", "raven", "--out", tmp_path / "none")
    assert refused.returncode == 2 and "say with --recordings where they are" in refused.stderr
    assert not (tmp_path / "none").exists()
    words = [
        "convert",
        place / "events.csv",
        "--format",
        "raven",
        "--out",
        tmp_path / "r",
        "--recordings",
        place / "card",
    ]
    assert earmark(*words, "--zone", "Europe/Berlin").returncode == 0
    high, low = (file.read_text().splitlines() for file in sorted((tmp_path / "r").iterdir()))
    assert high[1].split("\t")[6] == "8000" and low[1].split("\t")[6] == "4000"
    assert high[1].split("\t")[-4:] == ["2021/04/23", "19:00:00.500", "2021/04/23", "19:00:01.250"]
    told = earmark(
        "convert", place / "events.csv", "--zone", "Europe/Berlin"
    )  # names tell it, though nothing is listened to
    assert told.stdout.splitlines()[1].endswith(
        "dog,0.875000,2021-04-23T19:00:00.500+02:00,2021-04-23T19:00:01.250+02:00"
    )
    audacity = earmark("convert", place / "events.csv", "--format", "audacity", "--clock", "--out", tmp_path / "a")
    assert audacity.returncode == 2 and "--format audacity has no place for times of the clock" in audacity.stderr


@pytest.mark.parametrize("form", ["audacity", "raven"])
def test_recordings_of_one_name_are_told_apart_as_by_events(place, tmp_path, form):
    """Cards whose recorders call their files by the clock: the folder says which is which."""
    shared = {f"cards/{card}/2300.wav": [Event(0.5, 1.0, tag)] for card, tag in (("A", "dog"), ("B", "owl"))}
    for name in shared:
        (tmp_path / name).parent.mkdir(parents=True)
        soundfile.write(tmp_path / name, np.zeros(8000), 8000)
    formats.write(shared, tmp_path / "events.csv", "csv")
    words = ["convert", "events.csv", "--format", form, "--out", "out", "--recordings", "cards"]
    assert earmark(*words, cwd=tmp_path).returncode == 0
    found = {file.name.partition(".")[0]: file.read_text() for file in (tmp_path / "out").iterdir()}
    assert set(found) == {"A_2300", "B_2300"} and "dog" in found["A_2300"] and "owl" in found["B_2300"]


def test_what_cannot_be_is_refused_and_channels_are_said(place, tmp_path):
    for words, said in (
        ([place / "none.csv"], "none.csv"),
        (
            [place / "events.csv", "--format", "raven", "--recordings", place / "card"],
            "has a file for each of the 2 recordings",
        ),
        ([place / "events.csv", "--format", "rave"], "did you mean 'raven'?"),
        ([place / "events.csv", "--out", place / "card"], None),
    ):
        told = earmark("convert", *words)
        assert (told.returncode == 2 and said in told.stderr) if said else told.returncode == 0, told.stderr
    apart = {name: [Event(e.onset, e.offset, e.tag, e.score, 2) for e in heard] for name, heard in FOUND.items()}
    formats.write(apart, tmp_path / "apart.csv", "csv", more=formats.More(channels=True))
    told = earmark("convert", tmp_path / "apart.csv", "--format", "audacity", "--out", tmp_path / "a")
    assert told.returncode == 0 and "audacity has no place for channels" in told.stderr
    told = earmark("convert", tmp_path / "apart.csv", "--format", "table")
    assert told.returncode == 0 and told.stdout.count("channel 2") == 3


PLAIN = {"1": 1.0, "1.5": 1.5, "1,5": 1.5, ".5": 0.5, "2.": 2.0, "+1": 1.0, "1e-1": 0.1, " 1 ": 1.0}
NO_NUMBERS = [
    "1_0",
    "1_0.5",
    "\u0661",
    "\uff11",
    "\uff11.5",
    "0x10",
    "1 0",
    "1\xa0",
    "ten",
    "1e",
    "--1",
    "1_000,5",
]
CELLS = {
    "csv": lambda cell: f'filename,onset,offset,event_label\nr.wav,0,"{cell}",dog\n',
    "tsv": lambda cell: f"filename\tonset\toffset\tevent_label\nr.wav\t0\t{cell}\tdog\n",
    "audacity": lambda cell: f"0\t{cell}\tdog\n",
    "raven": lambda cell: f"Selection\tBegin Time (s)\tEnd Time (s)\tTag\n1\t0\t{cell}\tdog\n",
    "json": lambda cell: json.dumps([{"path": "r.wav", "events": [{"onset": 0, "offset": cell, "label": "dog"}]}]),
}


@pytest.mark.parametrize("form", CELLS)
def test_plain_decimal_numbers_alone_are_seconds(tmp_path, form):
    file = tmp_path / f"r{formats.ending(form)}"
    for cell, value in PLAIN.items():
        file.write_text(CELLS[form](cell), encoding="utf-8")
        ((event,),) = formats.read(file, form).values()
        assert event.offset == value, cell
    for cell in [*NO_NUMBERS, *[True] * (form == "json")]:
        file.write_text(CELLS[form](cell), encoding="utf-8")
        with pytest.raises(ScoresError, match="something else than numbers"):
            formats.read(file, form)
    for cell in ("infinity", "INF", "1e999", *["nan"] * (form != "json")):
        file.write_text(CELLS[form](cell), encoding="utf-8")
        with pytest.raises(ScoresError, match="goes from 0.0 to (inf|nan) s"):
            formats.read(file, form)


def test_events_are_held_against_the_ends_of_their_recordings(tmp_path):
    soundfile.write(tmp_path / "r.wav", np.zeros(16_000), 8_000)
    file = tmp_path / "e.csv"

    def convert(onset, offset, form="raven"):
        file.write_text(f"filename,onset,offset,event_label\nr.wav,{onset},{offset},dog\n")
        return earmark(
            "convert", file, "--format", form, "--recordings", tmp_path, "--out", tmp_path / f"o{onset}-{offset}"
        )

    for form in ("raven", "csv"):
        done = convert(3600, 100000, form)
        assert done.returncode == 2 and not (tmp_path / "o3600-100000").exists()
        assert (
            "1 event begins after the end of its recording, such as 'dog', 3600 to 100000 s, in r.wav of 2.00 s"
            in done.stderr
        )
    done = convert(1, 3)
    assert (
        done.returncode == 0
        and "1 event ends after its recording, such as 'dog', 1 to 3 s, in r.wav of 2.00 s" in done.stderr
    )
    assert (done := convert(1, 2.04)).returncode == 0 and "their recording" not in done.stderr


def test_what_is_refused_leaves_no_folder(tmp_path):
    """Of one recording of two, and for every format that has a file for each or one of all."""
    (tmp_path / "e.json").write_text(
        json.dumps(
            [
                {"path": "a.wav", "events": [{"onset": 0, "offset": 1, "label": "dog"}]},
                {"path": "b.wav", "events": [{"onset": 0, "offset": 1, "label": "a\ttab"}]},
            ]
        )
    )
    done = earmark("convert", tmp_path / "e.json", "--format", "audacity", "--out", tmp_path / "out")
    assert done.returncode == 2 and "holds a tab" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def heard(tmp_path_factory) -> Path:
    """Recordings of two sites, of which two tell when they began and one is silent; and what is counted when they are heard."""
    folder = tmp_path_factory.mktemp("heard")
    chance = np.random.default_rng(0)
    for name in ("north/20210423_235957.wav", "south/SITE_20210424_060000.wav", "south/b.wav"):
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        wave = chance.normal(0, 0.2, (8 * 8000, 2)) * (name != "south/b.wav")
        soundfile.write(folder / "in" / name, wave, 8000)
    told = earmark(
        *EVENTS, folder / "in", "--format", "csv", "--summary", folder / "counts.csv", "--store", folder / "store"
    )
    assert told.returncode == 0, told.stderr
    return folder


EVENTS = ("events", "--tagger", "digits", "--threshold", "0.3")


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


def tables(store: Path, table: str) -> list[dict[str, object]]:
    return [row for file in sorted((store / table).rglob("*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.mark.parametrize("form", EVENT_FORMATS.names())
def test_what_a_job_heard_is_counted_without_hearing_it_again(heard, tmp_path, form):
    """As if it had been asked for from the beginning, from every format; recordings without an event too."""
    assert earmark(*EVENTS, heard / "in", "--format", form, "--job", tmp_path / "job").returncode == 0
    told = earmark("convert", tmp_path / "job", "--summary", tmp_path / "c.csv", "--store", tmp_path / "store")
    assert told.returncode == 0 and not told.stdout, told.stderr
    ours, theirs = rows(tmp_path / "c.csv"), rows(heard / "counts.csv")
    assert len(ours) == len(theirs) > 4
    for one, other in zip(ours, theirs, strict=True):
        for column in ("minutes", "recorded_minutes"):
            assert float(one.pop(column)) == pytest.approx(float(other.pop(column)), abs=0.002)
        assert one == other
    ours, theirs = tables(tmp_path / "store", "recordings"), tables(heard / "store", "recordings")
    assert [row.pop("unheard_s") for row in ours] == [None] * 3 and sorted(row.pop("unheard_s") for row in theirs) == [
        0,
        0,
        8,
    ]
    assert ours == theirs
    of_events = [
        [(row["recording"], row["tag"], round(row["onset_s"], 2)) for row in tables(at / "store", "events")]
        for at in (tmp_path, heard)
    ]
    assert of_events[0] == of_events[1] and of_events[0]
    facts = [json.loads((at / "store" / "store.json").read_text())["facts"] for at in (tmp_path, heard)]
    assert facts[0] == facts[1]
    assert "b.wav: does not tell when it began, so that it has no date and hour" in told.stderr
    assert "counted 3 recordings, as long as their files tell" in told.stderr and "is not known here" in told.stderr


def test_a_file_of_events_is_counted_with_its_recordings(heard, tmp_path):
    table = tmp_path / "events.csv"
    written = earmark(*EVENTS, heard / "in", "--format", "csv", "--out", table)
    assert written.returncode == 0
    refused = earmark("convert", table, "--summary", tmp_path / "c.csv", cwd=tmp_path)
    assert refused.returncode == 2 and "3 of its 3 recordings are not found" in refused.stderr
    assert "say with --recordings where they are" in refused.stderr and not (tmp_path / "c.csv").exists()
    soundfile.write(tmp_path / "more.wav", np.zeros(8000), 8000)
    there = ["--recordings", heard / "in", "--recordings", tmp_path / "more.wav"]
    told = earmark(
        "convert", table, *there, "--summary", tmp_path / "c.csv", "--format", "json", "--out", tmp_path / "json"
    )
    assert told.returncode == 0, told.stderr
    assert rows(tmp_path / "c.csv") == rows(heard / "counts.csv") and (tmp_path / "json" / "events.json").is_file()
    assert "tells nothing of 1 of the 4 recordings, not that it was heard: it is left out" in told.stderr


def test_what_cannot_be_counted_is_refused(heard, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / "in" / name, np.random.default_rng(0).normal(0, 0.2, (8000, 2)), 8000)
    words = (*EVENTS, tmp_path / "in", "--job", tmp_path / "job")
    assert earmark(*words, "--format", "csv").returncode == 0
    (tmp_path / "in" / "a.wav").unlink()
    gone = earmark("convert", tmp_path / "job", "--summary", tmp_path / "c.csv")
    assert gone.returncode == 2 and "which 1 of its 2 recordings does not tell, such as" in gone.stderr
    assert not (tmp_path / "c.csv").exists()
    apart = (*EVENTS, heard / "in", "--each-channel", "--job", tmp_path / "apart", "--format", "raven")
    assert earmark(*apart).returncode == 0
    assert earmark("convert", tmp_path / "apart", "--summary", tmp_path / "apart.csv").returncode == 0
    left = 0
    for file in (tmp_path / "apart").rglob(
        "*.txt"
    ):  # as tables of before are, of what was heard in the first channel alone
        head, *rows = [line.split("\t") for line in file.read_text().splitlines()]
        kept = [place for place, name in enumerate(head) if name != "Heard Channel"]
        rows = [row for row in rows if row[head.index("Channel")] == "1"]
        assert len(kept) < len(head)
        left += len(rows)
        file.write_text("".join("\t".join(row[place] for place in kept) + "\n" for row in (head, *rows)))
    told = earmark("convert", tmp_path / "apart", "--summary", tmp_path / "c.csv")
    assert left and told.returncode == 2 and "a sound would count once for each of them" in told.stderr
    named = earmark("convert", tmp_path / "job", "--summary", tmp_path / "c.txt")
    assert named.returncode == 2 and "name it .csv or .json for a table, .png for a picture" in named.stderr
