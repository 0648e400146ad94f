"""When recordings began: names of recorders, chunks made by hand after their specifications, zones, conflicts."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
import soundfile

from earmark.audio import Began, Clocks
from earmark.audio.timednames import by_pattern, named
from earmark.errors import EarmarkError


@pytest.mark.parametrize(
    ("stem", "when"),
    [
        ("5E90A4D4", "2020-04-10T16:54:44+00:00"),  # date -u -d @$((0x5E90A4D4))
        ("20210423_190000", "2021-04-23T19:00:00"),
        ("20210423_190000T", "2021-04-23T19:00:00"),
        ("SITE_20210423_190000", "2021-04-23T19:00:00"),
        ("SM4_0+1_20210423$190000_000", "2021-04-23T19:00:00"),
        ("A_0_20210423_190000", "2021-04-23T19:00:00"),
        ("20210423T190000+1000_B", "2021-04-23T19:00:00+10:00"),
        ("2021-04-23T19-00-00Z", "2021-04-23T19:00:00+00:00"),
        ("2021-04-23 19.00.00", "2021-04-23T19:00:00"),
        ("2021_04_23_19_00_00", "2021-04-23T19:00:00"),
        ("20210423190000", "2021-04-23T19:00:00"),
        ("20240229_000000", "2024-02-29T00:00:00"),
        ("20210423_190000-0200", "2021-04-23T19:00:00"),  # a counter, as no T opens ISO 8601
        ("20210423_190000-02", "2021-04-23T19:00:00"),
        ("20210423T190000Zone1", "2021-04-23T19:00:00"),  # no Z of UTC, but a word
        ("20210423T190000+10000", "2021-04-23T19:00:00"),  # no offset
    ],
)
def test_names_of_recorders(stem, when):
    assert named(stem).isoformat() == when


ZONES = {"Z": "+00:00", "+10": "+10:00", "+1000": "+10:00", "+05:45": "+05:45", "-03": "-03:00", "-0330": "-03:30"}
CLOCKS = ["20210423{}190000", "2021-04-23{}19-00-00", "2021_04_23{}19_00_00", "20210423{}190000.5"]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("between", ["T", "_", "$", " ", "-", ""])
@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_behind_any_time_is_read(zone, between, clock):
    """Whatever parts date and time; a hyphen is one of an offset behind ISO's T alone, and of a counter else."""
    local = datetime(2021, 4, 23, 19, microsecond=500_000 if clock.endswith(".5") else 0)
    opened = between == "T" or not zone.startswith("-")
    wanted = local.isoformat() + ZONES[zone] * opened
    for name in (f"{clock.format(between)}{zone}", f"SITE_{clock.format(between)}{zone}_S"):
        assert named(name).isoformat() == wanted, name
    if clock == CLOCKS[0]:
        moment = by_pattern(f"{clock.format(between)}{zone}", f"%Y%m%d{between}%H%M%S%z")
        assert moment.isoformat() == local.isoformat() + ZONES[zone]


@pytest.mark.parametrize(
    "stem",
    [
        "20210423", "12345678", "deadbeef", "DEADBEEF", "5e90a4d4", "20210631_190000", "20230229_000000", "20210423_250000",
        "1-100032-A-0", "20210423_190000_20210423_191000", "210423_190000", "123420210423190000", "20210423_1900",
        "00000000_000000", "FFFFFFFF", "",
    ],
)  # fmt: skip
def test_what_does_not_tell_it_is_not_guessed(stem):
    assert named(stem) is None


def test_patterns():
    assert by_pattern("Wald 23.04.21 07h05", "%d.%m.%y %Hh%M") == datetime(2021, 4, 23, 7, 5)
    assert by_pattern("x5e90a4d4", "x%X").isoformat() == "2020-04-10T16:54:44+00:00"
    assert by_pattern("1586537684", "%s").isoformat() == "2020-04-10T16:54:44+00:00"
    assert by_pattern("2021-113-0630", "%Y-%j-%H%M") == datetime(2021, 4, 23, 6, 30)
    assert by_pattern("2021-366-0630", "%Y-%j-%H%M") is None
    assert by_pattern("something", "%Y%m%d_%H%M%S") is None
    with pytest.raises(EarmarkError, match=r"'%H%M' tells no moment"):
        by_pattern("", "%H%M")
    with pytest.raises(EarmarkError, match="has %Q, unknown"):
        by_pattern("", "%Q")
    with pytest.raises(EarmarkError, match="has %Y, twice"):
        by_pattern("", "%Y%Y")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav(path, *chunks: bytes, behind: bytes = b"") -> None:
    sound = chunk(b"data", np.zeros(100, "<i2").tobytes())
    body = (
        b"WAVE" + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)) + b"".join(chunks) + sound + behind
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def bext(date: bytes, time: bytes) -> bytes:
    """EBU Tech 3285: Description[256] Originator[32] OriginatorReference[32] Date[10] Time[8] …, 602 bytes in all."""
    return chunk(b"bext", (bytes(320) + date + time).ljust(602, b"\0"))


def test_chunks(tmp_path):
    file = tmp_path / "a.wav"
    wav(file, chunk(b"guan", b"GUANO|Version: 1.0\nTimestamp: 2021-04-23T19:00:00.250+02:00\nMake: x\n"))
    told = Clocks().began(file)
    assert (told.when.isoformat(), told.by, told.notes) == ("2021-04-23T19:00:00.250000+02:00", "GUANO", ())
    wav(file, behind=chunk(b"guan", b"Timestamp: 2021-04-23 19:00:00\n"))  # some write it behind the sound
    assert Clocks().began(file).when == datetime(2021, 4, 23, 19)
    comment = b"Recorded at 19:00:00 23/04/2021 (UTC+2:30) by AudioMoth 24F319055FDF3580 at medium gain while battery was 4.2V"
    wav(file, chunk(b"LIST", b"INFO" + chunk(b"ICMT", comment.ljust(384, b"\0"))))
    told = Clocks().began(file)
    assert (told.when.isoformat(), told.by) == ("2021-04-23T19:00:00+02:30", "AudioMoth's comment")
    wav(file, bext(b"2021-04-23", b"19:00:00"))
    assert (Clocks().began(file).when, Clocks().began(file).by) == (datetime(2021, 4, 23, 19), "bext")
    for broken in (bext(b"2021-13-23", b"19:00:00"), bext(b"", b""), chunk(b"guan", b"\xff\xfeTimestamp: soon\n")):
        wav(file, broken)
        assert Clocks().began(file) is None


DATES = ["2021-04-23", "20210423", "2021-W16-5", "1021-04-23T19:00:00", "19:00:00", ""]


@pytest.mark.parametrize("told", DATES)
def test_a_date_alone_is_no_midnight(told, tmp_path):
    """Neither where it is said, nor in a chunk; nor is a year of no recording one."""
    with pytest.raises(EarmarkError, match="is no date and time"):
        Clocks(told, None, None).began(tmp_path / "a.wav")
    file = tmp_path / "a.wav"
    soundfile.write(file, np.zeros(8), 8000)
    guano = f"GUANO|Version: 1.0\nTimestamp: {told}\n".encode()
    guano += bytes(len(guano) % 2)
    file.write_bytes(file.read_bytes() + b"guan" + struct.pack("<I", len(guano)) + guano)
    assert Clocks(None, None, None).began(file) is None


@pytest.mark.parametrize(
    ("stem", "pattern", "when"),
    [
        ("1619204400", "%s", "2021-04-23T19:00:00+00:00"), ("REC1619204400x", "REC%s", "2021-04-23T19:00:00+00:00"),
        ("20211130000", "%s", None), ("12345678901234", "%s", None), ("_16192044001", "_%s", None), ("1", "%s", None),
        ("608319B0", "%X", "2021-04-23T19:02:08+00:00"), ("REC608319B0", "REC%X", "2021-04-23T19:02:08+00:00"),
        ("20210423T190000", "%X", None), ("608319B0A", "%X", None), ("A608319B0", "%X", None),
    ],
)  # fmt: skip
def test_numbers_of_seconds_are_whole_ones_of_recordings(stem, pattern, when):
    """Ten digits out of eleven were read, and years in which nothing was recorded."""
    moment = by_pattern(stem, pattern)
    assert (moment and moment.isoformat()) == when


def test_soundfile_writes_no_time(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(100), 8000)
    assert Clocks().began(tmp_path / "a.flac") is None
    assert Clocks().began(tmp_path / "none.wav") is None


def test_the_first_is_taken_and_a_conflict_told(tmp_path):
    file = tmp_path / "20210423_210000.wav"
    wav(file, chunk(b"guan", b"Timestamp: 2021-04-23T19:00:00Z\n"), bext(b"2021-04-24", b"08:00:00"))
    told = Clocks(zone="Europe/Berlin").began(file)  # 21:00 in Berlin is 19:00 in UTC
    assert told.when.isoformat() == "2021-04-23T21:00:00+02:00"
    assert told.notes == ("began 2021-04-23T19:00:00+00:00 by GUANO, which is taken, and 2021-04-24T08:00:00 by bext",)
    assert len(Clocks().began(file).notes) == 2  # nobody says that the name is of another zone
    told = Clocks(start="2021-04-24T08:00:01+02:00", zone="+02:00").began(file)
    assert told.by == "--start" and [note.rpartition(" by ")[2] for note in told.notes] == ["GUANO", "the file's name"]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "+05:00", "UTC"])
def test_a_name_in_the_zone_of_what_is_known_is_no_conflict(tmp_path, zone):
    """As AudioMoth's are, in UTC as its comment, wherever it stood; a name that is an hour off is one, in any zone."""
    for name, conflicts in (("20260402_210000.WAV", 0), ("20260402_201500.WAV", 1)):
        file = tmp_path / name
        wav(file, chunk(b"guan", b"Timestamp: 2026-04-02T21:00:00Z\n"))
        told = Clocks(zone=zone).began(file)
        assert told.when == datetime(2026, 4, 2, 21, tzinfo=UTC) and len(told.notes) == conflicts


def test_over_midnight_and_changes_of_the_hour():
    assert Began(datetime(2021, 12, 31, 23, 59, 59), "").told(1.2345) == "2022-01-01T00:00:00.234"
    berlin = Clocks(zone="Europe/Berlin")
    spring = berlin.began("20210328_015900.wav")
    assert spring.told(0) == "2021-03-28T01:59:00.000+01:00" and spring.told(60) == "2021-03-28T03:00:00.000+02:00"
    assert spring.notes == ()
    assert "clocks of its zone never show" in berlin.began("20210328_023000.wav").notes[0]
    assert "clocks of its zone show twice" in berlin.began("20211031_023000.wav").notes[0]
    assert berlin.began("5E90A4D4.WAV").when.isoformat() == "2020-04-10T18:54:44+02:00"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"start": "23.4.2021"}, "--start 23.4.2021: is no date and time: give it as 2021-04-23T19:00:00"),
        ({"zone": "Mars/Olympus"}, "--zone Mars/Olympus: is no zone that this computer knows"),
        ({"zone": "+02:10"}, r"--zone \+02:10: is no zone"),
        ({"pattern": "%d"}, "'%d' tells no moment"),
    ],
)
def test_what_cannot_be_is_refused(how, said):
    with pytest.raises(EarmarkError, match=said):
        Clocks(**how)
