"""Clips, counts, times and channels of events: worked by hand, and by the command on made recordings."""

from __future__ import annotations

import csv
import errno
import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests import small
from tests.program import earmark

from earmark import audio
from earmark.audio import Began
from earmark.cli.terminal import eventextras
from earmark.events import clips, counts
from earmark.events import formats as eventfile
from earmark.events.cells import More
from earmark.inference import Recording
from earmark.report.pictures import counts as picture
from earmark.scores import Event

RATE = 16_000


def ramp(path: Path, seconds: float, rate: int = RATE) -> np.ndarray:
    """Every sample tells its place."""
    wave = np.arange(round(seconds * rate), dtype=np.int16)
    soundfile.write(path, wave, rate)
    return wave


def test_clips_hold_the_samples_of_their_events(tmp_path):
    wave = ramp(tmp_path / "a.wav", 2.0)
    events = [
        Event(0.5, 0.75, "dog", 0.9),
        Event(0.6, 0.7, "a/b", 0.5),
        Event(1.9, 2.0, "dog", 0.8),
        Event(0, 0.1, "dog", 0.1),
    ]
    files, left = clips.write(tmp_path / "a.wav", events, tmp_path / "clips", clips.Settings(margin=0.2, most=2))
    assert left == 1 and Event(0, 0.1, "dog", 0.1) not in files
    names = sorted(path.relative_to(tmp_path / "clips").as_posix() for path in files.values())
    assert names == ["a_b/a_00000.600s.wav", "dog/a_00000.500s.wav", "dog/a_00001.900s.wav"]
    for event, first, end in ((events[0], 0.3, 0.95), (events[1], 0.4, 0.9), (events[2], 1.7, 2.0)):
        clip, rate = soundfile.read(files[event], dtype="int16")
        assert rate == RATE
        np.testing.assert_array_equal(clip, wave[round(first * RATE) : round(end * RATE)])


def test_clips_over_the_blocks_that_are_read(tmp_path):
    wave = ramp(tmp_path / "a.wav", 25.0, 2_000)
    files, _ = clips.write(tmp_path / "a.wav", [Event(8.0, 22.0, "x")], tmp_path / "clips", clips.Settings(0.0))
    clip, _ = soundfile.read(files[Event(8.0, 22.0, "x")], dtype="int16")
    np.testing.assert_array_equal(clip, wave[16_000:44_000])
    files, _ = clips.write(
        tmp_path / "a.wav", [Event(8.0, 22.0, "y")], tmp_path / "flac", clips.Settings(0.0, form="flac")
    )
    np.testing.assert_array_equal(soundfile.read(files[Event(8.0, 22.0, "y")], dtype="int16")[0], wave[16_000:44_000])


def test_clips_of_a_channel_and_what_is_there_stays(tmp_path):
    left = np.arange(RATE, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left], 1), RATE)
    event = Event(0.25, 0.5, "x", 1.0, 2)
    files, _ = clips.write(tmp_path / "a.wav", [event], tmp_path, clips.Settings(0.0))
    assert files[event].name == "a_00000.250s_channel2.wav"
    np.testing.assert_array_equal(soundfile.read(files[event], dtype="int16")[0], -left[4000:8000])
    files[event].write_bytes(b"mine")
    clips.write(tmp_path / "a.wav", [event], tmp_path, clips.Settings(0.0))
    assert files[event].read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("dog", "dog"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "_"),
        ("CON", "_CON"),
        ("x" * 300, "x" * 120),
        ("Grün ", "Grün"),
        ("\u202ex", "_x"),
    ],
)
def test_names_of_clips_are_safe(name, safe):
    assert clips.safe(name) == safe


def test_recordings_of_one_name_have_clips_of_their_own():
    found = [Path("n/a.wav"), Path("s/a.wav"), Path("s/A.flac"), Path("b.wav")]
    assert list(clips.names_of(found).values()) == ["n_a", "s_a", "s_A-2", "b"]


def test_counts_worked_by_hand():
    began = Began(datetime(2021, 4, 23, 22, 30), "name")
    heard = [
        counts.Heard(
            "a.wav", 7200, [Event(10, 40, "dog"), Event(1790, 1820, "dog"), Event(5395, 5405, "owl")], began, "north"
        ),
        counts.Heard("b.wav", 600, [], None, "south"),
    ]
    rows = [row.cells() for row in counts.count(heard)]
    assert rows == [
        ("north", "2021-04-23", 22, "dog", 2, 0.667, 30.0),  # 30 s, and 10 of the 30 s that reach into 23:00
        ("north", "2021-04-23", 22, "owl", 0, 0.0, 30.0),
        ("north", "2021-04-23", 23, "dog", 0, 0.333, 60.0),
        ("north", "2021-04-23", 23, "owl", 1, 0.083, 60.0),
        ("north", "2021-04-24", 0, "dog", 0, 0.0, 30.0),
        ("north", "2021-04-24", 0, "owl", 0, 0.083, 30.0),
        ("south", None, None, "dog", 0, 0.0, 10.0),
        ("south", None, None, "owl", 0, 0.0, 10.0),
    ]
    rates = picture.rates(counts.count(heard[:1]), ["dog", "owl"], ["21", "22", "23", "0"], lambda row: str(row.hour))
    np.testing.assert_allclose(rates, [[np.nan, 4, 0, 0], [np.nan, 0, 1, 0]])


def test_what_several_channels_hear_counts_once():
    """Two channels of a minute: the dog is heard in both from 10 to 20 and from 15 to 30 s, the owl one after the other."""
    events = [
        Event(10, 20, "dog", 0.9, 1), Event(15, 30, "dog", 0.8, 2), Event(40, 41, "dog", 0.9, 2),
        Event(5, 8, "owl", 0.9, 1), Event(8, 9, "owl", 0.9, 2),
    ]  # fmt: skip
    rows = [row.cells() for row in counts.count([counts.Heard("a.wav", 60.0, events, None, "s")])]
    assert rows == [
        ("s", None, None, "dog", 2, round(21 / 60, 3), 1.0),
        ("s", None, None, "owl", 2, round(4 / 60, 3), 1.0),
    ]
    apart = [replace(event, channel=None) for event in events]  # of the mix they are what they are
    assert [row.cells()[4] for row in counts.count([counts.Heard("a.wav", 60.0, apart, None, "s")])] == [3, 2]


def spread(*days: date) -> list[counts.Count]:
    """Of one tag that is heard once in half an hour of each day."""
    return [counts.Count("", day.isoformat(), 6, "dog", 1, 0.1, 30.0) for day in days]


def test_days_years_apart_are_drawn_with_a_break(tmp_path):
    """A clock that was reset: three days over 54 years, of which none is lost, and no refusal."""
    reset = [date(1970, 1, 1), date(2024, 5, 1), date(2024, 5, 3)]
    (told,) = picture.draw(spread(*reset), tmp_path / "counts.png")
    assert (
        told.startswith("for 19,843 days nothing was recorded, from 1970-01-01 to 2024-05-01: ") and "--names" in told
    )
    assert (tmp_path / "counts.png").stat().st_size > 5000
    dates = picture.columns(picture.runs(reset))
    assert [(str(each.first), each.opens, each.before) for each in dates] == [
        ("1970-01-01", True, 0), ("None", False, 19_843), ("2024-05-01", True, 0), ("2024-05-02", False, 0), ("2024-05-03", False, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(("apart", "broken"), [(32, False), (33, True), (400, True), (40_000, True)])
def test_a_break_is_of_more_than_a_month(apart, broken, tmp_path):
    days = [date(2021, 4, 23), date(2021, 4, 23) + timedelta(apart)]
    found = picture.runs(days)
    assert len(found) == 1 + broken and (not broken or found[1].before == apart - 1)
    assert bool(picture.draw(spread(*days), tmp_path / "counts.png")) == broken


def test_years_of_recording_share_columns(tmp_path):
    """Each day of 1,000 in a row: 3 a column, 334 columns, and the rate of each is that of its days."""
    days = [date(2021, 1, 1) + timedelta(n) for n in range(1000)]
    assert picture.draw(spread(*days), tmp_path / "counts.png") == ["of 1,000 days 3 share a column: a table has each"]
    dates = picture.columns(picture.runs(days), 3)
    assert len(dates) == 334 and dates[1].first == date(2021, 1, 4)


def test_many_breaks_are_drawn(tmp_path):
    """One day in each of forty seasons."""
    days = [date(1980 + n, 5, 1) for n in range(40)]
    (told,) = picture.draw(spread(*days), tmp_path / "counts.png")
    assert "and 38 times more for over 31" in told


def test_counts_where_nothing_is_heard():
    rows = [row.cells() for row in counts.count([counts.Heard("a.wav", 90, [])])]
    assert rows == [("", None, None, "", 0, 0.0, 1.5)]


def test_sites():
    of = counts.sites([Path("card/north/1/a.wav"), Path("card/south/a.wav"), Path("card/a.wav")])
    assert list(of.values()) == ["north/1", "south", "."]


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "raven"])
def test_times_and_channels_are_written_and_events_read_back(form, tmp_path):
    events = {"a.wav": [Event(0.5, 1.25, "dog", 0.875, 2), Event(61.0, 62.5, "owl", 0.5, 1)]}
    more = More({"a.wav": Began(datetime(2021, 4, 23, 23, 59), "name")}, True)
    file = tmp_path / f"heard{eventfile.ending(form)}"
    eventfile.write(events, file, form, 8000.0, more)
    text = file.read_text()
    assert "23:59:00.500" in text and "00:00:01.000" in text and ("2021-04-24" in text or "2021/04/24" in text)
    assert eventfile.wrote(file, form)
    notes: list[str] = []
    found = eventfile.read(file, report=notes.append)
    assert found["a.wav"] == events["a.wav"]
    assert notes == []
    unknown = eventfile.text(events, form, 8000.0, More({"a.wav": None}, True))
    assert "2021" not in unknown


def test_channels_that_cancel_are_told(tmp_path):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    for name, right, told in (("opposite", -wave, True), ("same", wave, False), ("none", 0 * wave, False)):
        soundfile.write(tmp_path / f"{name}.wav", np.stack([wave, right], 1), RATE)
        notes: list[str] = []
        audio.load(tmp_path / f"{name}.wav", RATE, report=notes.append)
        assert any("cancel in their mix" in note and "--channel" in note for note in notes) == told, notes
    # r = -0.8: the mix has (1 + r) / 2 of the energy, 10 dB less; of channels that have nothing in common it has half
    other = -0.8 * wave + 0.6 * np.random.default_rng(1).uniform(-0.5, 0.5, RATE)
    soundfile.write(tmp_path / "partly.wav", np.stack([wave, other], 1), RATE, "FLOAT")
    notes = []
    audio.load(tmp_path / "partly.wav", RATE, report=notes.append)
    assert not any("cancel in" in note for note in notes)
    np.testing.assert_allclose(audio.load(tmp_path / "partly.wav", RATE, channel=2), other, atol=1e-6)
    with pytest.raises(audio_error(), match="has 2 channels, and no channel 3. Choose one from 1 to 2"):
        audio.load(tmp_path / "partly.wav", RATE, channel=3)


def audio_error():
    from earmark.errors import AudioError

    return AudioError


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Path:
    """Two sites; bursts of noise at 2 s."""
    folder = tmp_path_factory.mktemp("card")
    chance = np.random.default_rng(0)
    for name in ("north/20210423_235957.wav", "south/SITE_20210424_060000.wav", "south/b.wav"):
        (folder / name).parent.mkdir(exist_ok=True)
        wave = chance.normal(0, 0.003, 8 * RATE)
        wave[2 * RATE : 5 * RATE] *= 60
        soundfile.write(folder / name, np.stack([wave, -wave], 1), RATE)
    return folder


def run(card, *more):
    return earmark("events", card, "--threshold", "0.3", "--channel", "1", *more)


def test_the_command_tells_times_writes_clips_and_counts(card, tmp_path):
    told = run(
        card, "--zone", "+02:00", "--clips", tmp_path / "clips", "--summary", tmp_path / "c.csv", "--summary", tmp_path / "c.png",
        "--format", "csv",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    rows = list(csv.DictReader(told.stdout.splitlines()))
    assert rows and all(row["channel"] == "1" for row in rows if row["onset"])
    for row in (row for row in rows if row["onset"]):
        begins = {
            "20210423_235957.wav": "2021-04-23T23:59:57+02:00",
            "SITE_20210424_060000.wav": "2021-04-24T06:00:00+02:00",
        }
        if row["filename"] not in begins:
            assert row["onset_time"] == ""
            continue
        since = datetime.fromisoformat(row["onset_time"]) - datetime.fromisoformat(begins[row["filename"]])
        assert abs(since.total_seconds() - float(row["onset"])) < 6e-4
    assert "b.wav: does not tell when it began" in told.stderr
    counted = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert {(r["site"], r["date"], r["hour"]): r["recorded_minutes"] for r in counted} == {
        ("north", "2021-04-23", "23"): "0.05", ("north", "2021-04-24", "0"): "0.083", ("south", "2021-04-24", "6"): "0.133",
        ("south", "", ""): "0.133",
    }  # fmt: skip
    assert sum(int(r["events"]) for r in counted) == sum(bool(row["onset"]) for row in rows)
    assert len(list((tmp_path / "clips").rglob("*.wav"))) == sum(bool(row["onset"]) for row in rows)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    again = run(card, "--clips", tmp_path / "clips")
    assert again.returncode == 2 and "holds files already, among which clips would not be known" in again.stderr


def test_a_picture_that_cannot_be_written_costs_nothing_else(card, tmp_path, monkeypatch):
    """As on a full disk: what comes after it, a table and a store, is there all the same."""

    def full(counts, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(picture, "draw", full)
    files = tmp_path / "c.png", tmp_path / "c.csv"
    told = run(card, *(word for file in files for word in ("--summary", file)), "--store", tmp_path / "store")
    assert told.returncode == 1 and f"no picture of the counts: {files[0]}: No space left on device" in told.stderr
    assert "The disk is full: make room" in told.stderr and not files[0].exists()
    assert files[1].is_file() and (tmp_path / "store" / "store.json").is_file()


def test_a_job_goes_on_with_clips_and_counts(card, tmp_path):
    """As if it were killed after its first recording, in the midst of a line."""

    def options(job):
        return ["--job", job, "--format", "json", "--clock", "--clips", f"{job}.clips", "--summary", f"{job}.csv"]

    whole = run(card, *options(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    first = next(card.glob("north/*"))
    killed = tmp_path / "killed"
    assert earmark("events", first, "--threshold", "0.3", "--channel", "1", *options(killed)).returncode == 0
    with (killed / "heard.jsonl").open("a") as file:
        file.write('{"path": "x')
    (tmp_path / "killed.csv").unlink()
    told = run(card, *options(killed))
    assert told.returncode == 0 and "1 of 3 recordings is done already" in told.stderr
    assert (killed / "events.json").read_text() == (tmp_path / "whole" / "events.json").read_text()
    assert (tmp_path / "killed.csv").read_text() == (tmp_path / "whole.csv").read_text()
    names = [
        sorted(p.relative_to(f).as_posix() for p in f.rglob("*.wav"))
        for f in (tmp_path / "whole.clips", tmp_path / "killed.clips")
    ]
    assert names[0] == names[1] and names[0]
    assert json.loads((killed / "events.json").read_text())[0]["events"][0]["onset_time"].startswith("2021-04-23T23:59")
    other = run(card, *options(killed)[:-2], "--margin", "2")
    assert other.returncode == 2 and "this job was begun otherwise" in other.stderr


def test_what_was_recorded_and_not_heard_is_told_and_kept(card, tmp_path):
    """`recorded_minutes` and `duration_s` hold it: a dead microphone is no quiet night. A job that goes on knows it as one in one go."""
    pq = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "in").mkdir()
    for name, wave in (("a.wav", np.zeros(36 * RATE)), ("b.wav", np.random.default_rng(0).normal(0, 0.2, 6 * RATE))):
        soundfile.write(tmp_path / "in" / name, wave, RATE)
    made = [
        "--job",
        tmp_path / "job",
        "--format",
        "csv",
        "--store",
        tmp_path / "store",
        "--summary",
        tmp_path / "c.csv",
    ]
    for which in (tmp_path / "in" / "a.wav", tmp_path / "in", tmp_path / "in"):
        told = run(which, *made)
        assert told.returncode == 0
        assert "0.01 h of what was recorded hold nothing that can be heard, such as silence" in told.stderr
    rows = pq.read_table(next((tmp_path / "store" / "recordings").rglob("*.parquet"))).to_pylist()
    assert [(Path(row["recording"]).name, row["duration_s"], row["unheard_s"]) for row in rows] == [
        ("a.wav", 36, 36),
        ("b.wav", 6, 0),
    ]
    kept = tmp_path / "job" / "heard.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    before = [{k: v for k, v in line.items() if k not in ("unheard", "crc32")} for line in lines]
    kept.write_text("".join(json.dumps(line) + "\n" for line in before))
    told = run(tmp_path / "in", *made)  # of a job of before
    assert told.returncode == 0 and "hold nothing" not in told.stderr
    rows = pq.read_table(next((tmp_path / "store" / "recordings").rglob("*.parquet"))).to_pylist()
    assert [row["unheard_s"] for row in rows] == [None, None]


def test_each_channel_is_heard(card, tmp_path):
    one = run(card / "south", "--format", "json")
    both = earmark("events", card / "south", "--threshold", "0.3", "--each-channel", "--format", "json")
    mixed = earmark("events", card / "south", "--threshold", "0.3", "--format", "json")
    assert "cancel in their mix" in mixed.stderr and all(not r["events"] for r in json.loads(mixed.stdout))
    for single, each in zip(json.loads(one.stdout), json.loads(both.stdout), strict=True):
        assert single["path"] == each["path"]
        assert [e for e in each["events"] if e["channel"] == 1] == single["events"]
        assert {e["channel"] for e in each["events"]} == {1, 2}
    missing = earmark("events", card / "south", "--channel", "3")
    assert missing.returncode == 1 and "has 2 channels, and no channel 3" in missing.stderr


def test_from_python(card):
    from earmark import load

    path = next(card.glob("north/*"))
    assert load("esc10").events(Recording(path, channel=1), 0.3)
    assert audio.Clocks().began(path).when == datetime(2021, 4, 23, 23, 59, 57)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--channel", "1", "--each-channel"], "--channel 1 is one, and --each-channel are all"),
        (
            ["--clock", "--format", "audacity"],
            "--format audacity has no place for times of the clock or channels: choose one of csv",
        ),
        (["--summary", "a.txt"], "--summary a.txt: name it .csv or .json for a table, .png for a picture"),
        (["--clips", "new", "--margin", "99"], "a margin of 99.0 s: give from 0 to 30 s"),
        (["--start", "2021-04-23T19:00"], "--start 2021-04-23T19:00: is of one recording, and these are 3"),
        (["--names", "%H"], "the pattern '%H' tells no moment"),
    ],
)
def test_what_does_not_go_together_is_refused(card, words, said):
    told = earmark("events", card, *words)
    assert told.returncode == 2 and said in told.stderr


@pytest.fixture(scope="module")
def ear(tmp_path_factory) -> Path:
    """A small tagger with chance weights."""
    small.tagger("convnet1d", 0.5, 0.25).save(file := tmp_path_factory.mktemp("ear") / "t.safetensors")
    return file


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_tags_of_each_channel(form, card, ear, tmp_path):
    words = ["tag", card / "south", "--tagger", ear, "--format", form]
    told = earmark(*words, "--each-channel")
    assert told.returncode == 0 and "cancel" not in told.stderr
    one = earmark(*words, "--channel", "1").stdout
    assert told.stdout.count("\n") > one.count("\n") > 1
    if form == "json":
        rows = json.loads(told.stdout)
        assert [(Path(row["path"]).name, row["channel"]) for row in rows] == [
            ("SITE_20210424_060000.wav", 1), ("SITE_20210424_060000.wav", 2), ("b.wav", 1), ("b.wav", 2),
        ]  # fmt: skip
        assert [row for row in rows if row["channel"] == 1] == json.loads(one)
    if form == "csv":
        rows = list(csv.DictReader(told.stdout.splitlines()))
        assert {row["channel"] for row in rows} == {"1", "2"}
    out = tmp_path / "out"
    for _ in range(2):  # the second time it is known to be earmark's own
        assert earmark(*words, "--each-channel", "--out", out).returncode == 0
    job = tmp_path / "job"
    assert earmark(*words, "--each-channel", "--job", job).returncode == 0
    (result,) = job.glob("tags.*")
    assert result.read_text() == out.read_text() == told.stdout
    other = earmark(*words, "--channel", "1", "--job", job)
    assert other.returncode == 2 and "this job was begun otherwise" in other.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--each-channel", "--windows", "w.csv"], "--windows w.csv has no place for channels"),
        (["--each-channel", "--format", "submission"], "--format submission has no place for channels"),
        (["--channel", "1", "--pictures", "p"], "--pictures draw the mix of all channels"),
        (["--channel", "1", "--each-channel"], "--channel 1 is one, and --each-channel are all"),
    ],
)
def test_what_does_not_go_with_channels_is_refused(card, words, said):
    told = earmark("tag", card, *words)
    assert told.returncode == 2 and said in told.stderr


@pytest.mark.parametrize("cut", [b'{"path": "c.wa', b'{"path": "c.wav", "duration": 2.0, "events": []}'])
def test_what_was_heard_before_is_found_again_by_its_place(tmp_path, cut):
    """Also behind a line that was cut off, or that lacks its end alone; the next line begins anew."""
    kept = tmp_path / eventextras.KEPT
    lines = [{"path": path, "duration": 1.0, "events": []} for path in ("a.wav", "\udcff.wav", "a.wav")]
    kept.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + cut)
    wanted = eventextras.Wanted(summary=(tmp_path / "counts.csv",))
    extras = eventextras.Extras(wanted, [], kept)
    whole = cut.endswith(b"}")
    assert sorted(extras.heard) == ["a.wav", *(["c.wav"] if whole else []), "\udcff.wav"]
    assert kept.read_bytes().endswith(cut + b"\n")
    assert {path: extras._told(Path(path))["path"] for path in extras.heard} == {path: path for path in extras.heard}
