"""Clips are of the events and the sounds that they are called after, whatever was there before and however tags are called."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.events import clips
from earmark.events import formats as eventfile
from earmark.scores import Event

RATE = 8000
TAGS = [
    "a/b",
    "a:b",
    "a?b",
    "A*b",
    "a_b-2",
    "a_b",
    "x" * 130 + "1",
    "x" * 130 + "2",
    "CON",
    "_CON",
    "dog",
    "dog ",
    "..",
    "  ",
]


def steady(path: Path, seconds: float, level: float = 0.25, subtype: str = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * RATE), level), RATE, subtype)
    return path


def seconds(file: Path) -> float:
    return soundfile.info(file).frames / RATE


def test_no_two_tags_share_a_folder():
    folders = clips.folders_of(TAGS)
    assert list(folders) == TAGS
    assert len({name.casefold() for name in folders.values()}) == len(TAGS)
    assert all(clips.safe(name) == name for name in folders.values())
    assert (folders["a/b"], folders["a:b"], folders["dog"]) == ("a_b", "a_b-2", "dog")
    assert clips.folders_of(TAGS[:2]) == {"a/b": "a_b", "a:b": "a_b-2"}  # whatever others come behind


def test_no_two_events_share_a_clip(tmp_path):
    """Of tags that file names make one, and of one tag where two begin in one millisecond."""
    path = steady(tmp_path / "a.wav", 20)
    events = [Event(2.0, 3.0 + n / 4, tag, 0.5) for n, tag in enumerate(TAGS)]
    events += [Event(2.0 + 1e-4, 8.0 + n, "dog", 0.5) for n in range(3)]
    files, left = clips.write(path, events, tmp_path / "clips", clips.Settings(0.0))
    assert left == 0 and len({str(file).casefold() for file in files.values()}) == len(events)
    for event, file in files.items():
        assert seconds(file) == pytest.approx(event.offset - event.onset, abs=1e-3)


@pytest.mark.parametrize("margin", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("length", [33.0, 59.5, 60.0, 61.0, 90.0])
def test_the_length_of_a_clip_is_that_of_its_event_between_its_margins(margin, length, tmp_path):
    path = steady(tmp_path / "a.wav", 200)
    event = Event(40.0, 40.0 + length, "dog")
    files, _ = clips.write(path, [event], tmp_path / "clips", clips.Settings(margin))
    assert seconds(files[event]) == margin + (length + margin if length <= 60 else 60)


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_what_is_beyond_full_scale_is_quieter_as_a_whole_and_said(form, tmp_path):
    wave = np.sin(np.arange(4 * RATE) * 0.3) * np.repeat([0.5, 3.0], 2 * RATE)
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT")
    said: list[str] = []
    soft, loud = Event(0.5, 1.0, "dog"), Event(1.0, 3.0, "dog")
    files, _ = clips.write(
        tmp_path / "a.wav", [soft, loud], tmp_path / "c", clips.Settings(0.0, form=form), report=said.append
    )
    np.testing.assert_allclose(soundfile.read(files[soft])[0], wave[RATE // 2 : RATE], atol=1e-5)
    np.testing.assert_allclose(soundfile.read(files[loud])[0] * 3, wave[RATE : 3 * RATE], atol=1e-4)
    assert said == [
        "1 clip would reach beyond full scale, and is quieter as a whole than what was heard, by up to 9.5 dB"
    ]


def test_a_clip_that_cannot_be_is_not_told(tmp_path):
    path = steady(tmp_path / "a.wav", 5)
    said: list[str] = []
    there, late = Event(4.0, 9.0, "dog"), Event(60.0, 61.0, "dog")
    files, left = clips.write(path, [there, late], tmp_path / "clips", report=said.append)
    assert set(files) == {there} and left == 0 and seconds(files[there]) == 2.0
    assert said == ["1 event has no clip, as it begins after the end of what can be read, such as 'dog' from 60 s"]


def test_clips_that_are_there_are_known_by_their_recordings(tmp_path):
    """Those whose names begin alike are others', and so is what lies in other folders."""
    event = Event(1.0, 2.0, "dog", 0.5, 2)
    for name in ("a", "a_00001.000s", "a_b"):
        path = steady(tmp_path / f"{name}.wav", 4)
        soundfile.write(path, np.zeros((4 * RATE, 2)), RATE)
        clips.write(path, [event, Event(1.0, 3.0, "dog", 0.4, 2)], tmp_path / "clips")
    (tmp_path / "clips" / "mine").mkdir()
    for mine in ("mine/a_00001.000s.wav", "dog/a_00001.000s.txt", "dog/a_00001.000s-note.wav", "dog/a.wav"):
        (tmp_path / "clips" / mine).write_bytes(b"mine")
    found = clips.written(tmp_path / "clips", ["a", "other"], ["dog", "cat"])
    assert {path.name for path in found.pop("a")} == {"a_00001.000s_channel2.wav", "a_00001.000s_channel2-2.wav"}
    assert not found


@pytest.fixture
def noisy(tmp_path) -> Path:
    """Bursts of noise, each louder than the other, in two recordings."""
    chance = np.random.default_rng(0)
    (tmp_path / "rec").mkdir()
    for name in ("a", "b"):
        wave = chance.normal(0, 0.003, 16 * 16_000)
        for n in range(3):
            wave[(5 * n + 1) * 16_000 : (5 * n + 3) * 16_000] *= 40 + 10 * n
        soundfile.write(tmp_path / "rec" / f"{name}.wav", wave, 16_000)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.wav")}


def test_clips_of_a_recording_that_was_replaced_are_of_what_it_is_now(noisy):
    """As a job that never heard it before has them: none of the old sound, and none of events that are gone."""

    def job(name: str):
        words = ("--threshold", "0.3", "--job", noisy / name, "--format", "csv", "--clips", noisy / f"{name}.clips")
        done = earmark("events", noisy / "rec", *words)
        assert done.returncode == 0, done
        return contents(noisy / f"{name}.clips")

    first = job("one")
    other = [name for name in first if "/b_" in name]
    assert other and len(first) > len(other)
    wave, rate = soundfile.read(noisy / "rec" / "a.wav")
    wave[: 8 * rate] *= 0.05  # of two bursts nothing is left
    soundfile.write(noisy / "rec" / "a.wav", 0.8 * wave, rate)
    tag = Path(other[0]).parts[0]
    mine = noisy / "one.clips" / tag / "a_note.wav"
    mine.write_bytes(b"mine")
    times = {name: (noisy / "one.clips" / name).stat().st_mtime_ns for name in other}
    again = job("one")
    assert again.pop(mine.relative_to(noisy / "one.clips").as_posix()) == b"mine"
    assert again == job("two") and again != first
    assert {name: (noisy / "one.clips" / name).stat().st_mtime_ns for name in other} == times


def test_clips_of_a_recording_that_cannot_be_heard_again_stay_and_are_told(noisy):
    words = (
        "events",
        noisy / "rec",
        "--threshold",
        "0.3",
        "--job",
        noisy / "j",
        "--format",
        "csv",
        "--clips",
        noisy / "c",
    )
    assert earmark(*words).returncode == 0
    first = contents(noisy / "c")
    (noisy / "rec" / "a.wav").write_bytes(b"RIFF")
    done = earmark(*words)
    count = sum("/a_" in name for name in first)
    assert done.returncode == 1 and contents(noisy / "c") == first
    assert (
        f"1 recording was to be heard again, and was not: the clips of what was heard in it before stay, {count} files"
        in done.stderr
    )


def test_tags_that_are_called_nearly_alike_have_folders_of_their_own(noisy):
    found = {
        f"{noisy}/rec/a.wav": [Event(n, n + 1.0 + k / 4, tag, 0.5) for n in range(3) for k, tag in enumerate(TAGS[:4])]
    }
    found[f"{noisy}/rec/b.wav"] = [Event(1.0, 2.0, TAGS[1], 0.5)]  # a folder is of one tag over all recordings
    eventfile.write(found, noisy / "ev.csv", "csv")
    words = ("-n", "20", "-o", noisy / "rv.csv", "--clips", noisy / "c", "--recordings", noisy / "rec", "--margin", "0")
    assert earmark("review", noisy / "ev.csv", *words).returncode == 0
    rows = list(csv.DictReader((noisy / "rv.csv").read_text().splitlines()))
    assert len({row["clip"].casefold() for row in rows}) == len(rows) == 13
    assert len({(Path(row["clip"]).parent, row["tag"]) for row in rows}) == 4
    for row in rows:
        length = soundfile.info(row["clip"]).duration
        assert length == pytest.approx(float(row["offset"]) - float(row["onset"]))


def test_review_tells_of_clips_that_are_quieter(tmp_path):
    path = steady(tmp_path / "a.wav", 5, 3.0, "FLOAT")
    eventfile.write({"a.wav": [Event(1, 2, "dog")]}, tmp_path / "ev.csv", "csv")
    words = ("-n", "4", "-o", tmp_path / "rv.csv", "--clips", tmp_path / "c", "--recordings", path)
    done = earmark("review", tmp_path / "ev.csv", *words)
    assert done.returncode == 0 and "a.wav: 1 clip would reach beyond full scale" in done.stderr
