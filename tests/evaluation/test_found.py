"""Which recording a table's name means: never another one that is only called alike, whatever the command that asks."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.errors import ScoresError
from earmark.evaluation.reviews.found import events_of, fitting, recordings_of
from earmark.events import formats
from earmark.events.cells import More
from earmark.files import free_name
from earmark.files.journal import RESULTS, Journal
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

NIGHT = "20211031_013000.wav"
RATE = 8000
EACH = [form for form in EVENT_FORMATS.names() if formats.each(form)]


def place(name: str) -> Path:
    return Path(os.path.abspath("/none")) / name


A, B = place(f"rec/A/{NIGHT}"), place(f"rec/B/{NIGHT}")


@pytest.mark.parametrize(
    ("names", "found", "meant"),
    [
        ([f"rec/A/{NIGHT}"], [A, B], [A]),
        ([f"rec/A/{NIGHT}", f"rec/B/{NIGHT}"], [B, A], [A, B]),
        ([f"/media/card/B/{NIGHT}"], [A, B], [B]),  # another root
        ([f"./rec/../rec/B/{NIGHT}"], [A, B], [B]),
        ([str(A), f"{A.parent}/../A/{NIGHT}"], [A, B], [A, A]),  # one path, said in two ways
        ([f"A_{NIGHT}"], [A, B], [A]),
        ([f"rec_A_{NIGHT}", f"B_{NIGHT}"], [A, B], [A, B]),
        ([NIGHT], [A], [A]),  # that lost its folders
        (["20211031_013000"], [A], [A]),
    ],
)
def test_what_is_meant_is_found(names, found, meant):
    said: list[str] = []
    assert recordings_of(names, found, said.append) == dict(zip(names, meant, strict=True))
    assert bool(said) == names[0].startswith("/media")


@pytest.mark.parametrize(
    ("names", "found", "refused"),
    [
        ([f"rec/A/{NIGHT}", f"rec/B/{NIGHT}"], [A], [1]),
        ([f"rec/B/{NIGHT}", str(A)], [A], [0]),
        ([NIGHT, str(A)], [A], [0]),
        ([NIGHT, f"A_{NIGHT}"], [A], [0]),
        ([f"y/{NIGHT}", f"z/{NIGHT}"], [A], [0, 1]),
        (["20211031_013000", NIGHT], [A], [0]),
        ([f"A_{NIGHT}", f"B_{NIGHT}"], [A], [1]),
    ],
)
def test_two_names_are_not_of_one_file(names, found, refused):
    told, missing = fitting(names, found)
    assert list(missing) == [names[n] for n in refused] and set(told) == set(names) - set(missing)
    with pytest.raises(
        ScoresError, match=rf"^{len(refused)} recordings? (is|are) not among the 1 that is there.*--recordings"
    ):
        recordings_of(names, found)


def test_several_that_tell_as_many_folders_are_refused():
    x, y = place("x/A/n.wav"), place("y/A/n.wav")
    for name in ("n.wav", "A/n.wav", "rec/A/n.wav", "n"):
        with pytest.raises(ScoresError, match=f"'{name}' is the name of 2 recordings, such as {x} and {y}"):
            recordings_of([name], [x, y])
    assert recordings_of(["x/A/n.wav"], [x, y]) == {"x/A/n.wav": x}


def test_a_folder_that_differs_is_told():
    said: list[str] = []
    assert recordings_of([f"rec/C/{NIGHT}"], [A], said.append) == {f"rec/C/{NIGHT}": A}
    assert re.search(
        f"1 recording is taken from another folder .* such as {A} for 'rec/C/{NIGHT}': if this is not the same",
        *said,
    )


@pytest.fixture
def two(tmp_path, monkeypatch) -> Path:
    """Two recorders that began at the same second, and events of both by their whole paths: those of A lie in the first second."""
    monkeypatch.chdir(tmp_path)
    for name, level in (("A", 0.25), ("B", -0.25)):
        (tmp_path / "rec" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "rec" / name / NIGHT, np.full(10 * RATE, level, np.float32), RATE)
    table(tmp_path / "ev.csv", {name: [Event(n, n + 0.5, "dog", 0.9) for n in range(4)] for name in ("A", "B")})
    table(tmp_path / "evB.csv", {"B": [Event(n, n + 0.5, "dog", 0.9) for n in range(4)]})
    return tmp_path


def table(file: Path, events: dict[str, list[Event]]) -> None:
    formats.write({f"rec/{name}/{NIGHT}": heard for name, heard in events.items()}, file, "csv")


COMMANDS = {
    "review": ("review", "{}", "-n", "20", "-o", "rv.csv", "--clips", "clips"),
    "nearly told": ("review", "{}", "-n", "20", "-o", "rv.csv", "--tagger", "esc10"),
    "convert": ("convert", "{}", "--format", "raven", "--out", "tables"),
    "clocks": ("convert", "{}", "--format", "csv", "--out", "told.csv", "--clock"),
}


@pytest.mark.parametrize("events", ["ev.csv", "evB.csv"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_recording_stands_for_another(command, events, two):
    words = [word.format(events) for word in COMMANDS[command]]
    done = earmark(*words, "--recordings", "rec/A")
    assert done.returncode == 2, done
    assert f"1 recording is not among the 1 that is there, such as 'rec/B/{NIGHT}'" in done.stderr
    assert not [each for each in ("rv.csv", "clips", "tables", "told.csv") if (two / each).exists()]
    assert earmark(*words, "--recordings", "rec").returncode == 0


def test_no_recording_is_learnt_from_in_place_of_another(two):
    columns = "recording,onset,offset,tag,score,answer\n"
    (two / "rv.csv").write_text(columns + f"rec/A/{NIGHT},1,2,dog,0.5,right\nrec/B/{NIGHT},1,2,dog,0.5,wrong\n")
    words = ("--reviews", "rv.csv", "--recordings", "rec/A", "--data", "rec", "--out", "again")
    done = earmark("retrain", "esc10", *words)
    assert (
        done.returncode == 2 and f"1 recording is not among the 1 that is there, such as 'rec/B/{NIGHT}'" in done.stderr
    )


def test_clips_are_of_the_recording_that_is_named(two):
    done = earmark("review", "ev.csv", "-n", "20", "-o", "rv.csv", "--clips", "clips", "--recordings", "rec")
    assert done.returncode == 0, done
    rows = list(csv.DictReader((two / "rv.csv").read_text().splitlines()))
    assert len({row["clip"] for row in rows}) == len(rows) == 8
    for row in rows:
        level = soundfile.read(row["clip"])[0].mean()
        assert (level > 0) == ("/A/" in row["recording"]) and abs(level) > 0.2


@pytest.mark.parametrize("folders", ["", "A_"])
@pytest.mark.parametrize("form", EACH)
def test_names_that_were_cut_are_found(form, folders, tmp_path):
    """As files of one recording each are called where a name is too long for what they end with."""
    names = ["é" * 124 + ".wav", "o" * 244 + ".wav", "short.wav"]
    there = [place(f"A/{name}") for name in names] + [place("B/x.wav")]
    taken: set[str] = set()
    for name in names:
        file = tmp_path / free_name(folders + name, taken, formats.ending(form))
        formats.write({name: [Event(1, 2, "dog")]}, file, form, 4000.0)
    found = events_of(tmp_path)
    assert sorted(recordings_of(found, there).values()) == sorted(there[:3])
    # and among others that are called so, too, their folders tell
    others = [place(f"C/{name}") for name in names]
    if folders:
        assert sorted(recordings_of(found, [*others, *there]).values()) == sorted(there[:3])


def test_begin_file_is_the_file_that_was_found(two):
    """Though a label track has its folder before it."""
    (two / "labels").mkdir()
    for name in ("A", "B"):
        (two / "labels" / f"{name}_{NIGHT}.txt").write_text("1\t2\tdog (0.5)\n")
    done = earmark("convert", "labels", "--format", "raven", "--out", "tables", "--recordings", "rec")
    assert done.returncode == 0, done
    for name in ("A", "B"):
        text = (two / "tables" / f"{name}_{NIGHT}.Table.1.selections.txt").read_text()
        (row,) = csv.DictReader(text.splitlines(), delimiter="\t")
        assert (row["Begin File"], row["Begin Path"]) == (NIGHT, str(two / "rec" / name / NIGHT))
    one = earmark("convert", f"labels/B_{NIGHT}.txt", "--format", "raven", "--recordings", "rec")
    assert one.returncode == 0 and f"\t{NIGHT}\tdog\t" in one.stdout


NOTES = {
    "notes.txt": b"Card 3 was wet.\nSee the log.\n",
    "._a.wav.txt": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X\xff",
    "README.txt": b"site north\n1\t2\n",
    "sites.txt": b"site\tfolder\tdays\nnorth\tA\t12\n",
}


@pytest.mark.parametrize("job", [False, True])
@pytest.mark.parametrize("note", NOTES)
def test_a_note_among_label_tracks_is_passed_over_and_told(note, job, two):
    folder = two / "labels" / (RESULTS if job else "")
    if job:
        Journal(two / "labels", {}).close()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"A_{NIGHT}.txt").write_text("1\t2\tdog (0.5)\n")
    (folder / note).write_bytes(NOTES[note])
    for words in (("convert", "labels", "--format", "csv"), ("review", "labels", "-n", "4")):
        done = earmark(*words)
        assert done.returncode == 0 and f"A_{NIGHT}" in done.stdout
        assert re.search(
            rf"1 file in \S+ is passed over, as it is none of events: .*{re.escape(note)}: line 1 is no label",
            done.stderr,
        )
    (folder / f"A_{NIGHT}.txt").unlink()
    done = earmark("convert", "labels", "--format", "csv")
    assert done.returncode == 2 and "none of its 1 file tells of events: " in done.stderr and note in done.stderr


def test_a_label_track_that_is_damaged_is_no_note(two):
    """What is lost of it would be lost in silence."""
    (two / "labels").mkdir()
    (two / "labels" / "a.wav.txt").write_text("1\t2\tdog\n")
    (two / "labels" / "b.wav.txt").write_text("1\t2\tdog\n3 4 dog\n")
    done = earmark("convert", "labels", "--format", "csv")
    assert done.returncode == 2 and "b.wav.txt: line 2 is no label" in done.stderr


@pytest.mark.parametrize("form", [form for form in EVENT_FORMATS.names() if formats.tells_more(form)])
def test_events_of_channels_are_reviewed_and_converted(form, two):
    """What two channels hear at once are two events, with clips of their own channel, and can be answered."""
    soundfile.write(two / "rec" / "s.wav", np.tile([0.25, -0.25], (10 * RATE, 1)), RATE)
    heard = {"s.wav": [Event(n, n + 0.5, "dog", 0.9, channel) for n in range(2) for channel in (1, 2)]}
    formats.write(heard, two / f"s.wav{formats.ending(form)}", form, 4000.0, More(channels=True))
    words = ("-n", "20", "-o", "rv.csv", "--clips", "clips", "--recordings", "rec/s.wav")
    assert earmark("review", f"s.wav{formats.ending(form)}", *words).returncode == 0
    rows = list(csv.DictReader((two / "rv.csv").read_text().splitlines()))
    assert sorted(row["channel"] for row in rows) == ["1", "1", "2", "2"]
    for row in rows:
        assert soundfile.read(row["clip"])[0].mean() == pytest.approx({"1": 0.25, "2": -0.25}[row["channel"]], abs=1e-3)
    (two / "rv.csv").write_text((two / "rv.csv").read_text().replace(",,,,,", ",right,,,,"))
    assert earmark("review", "--summary", "rv.csv").returncode == 0
    told = earmark("convert", f"s.wav{formats.ending(form)}", "--format", "csv", "--out", "told.csv")
    assert told.returncode == 0 and formats.read(two / "told.csv") == heard


@pytest.mark.parametrize("command", ["review", "convert"])
def test_events_after_the_end_are_refused_and_those_over_it_told(command, two):
    words = [word.format("late.csv") for word in COMMANDS[command]]
    table(two / "late.csv", {"A": [Event(1, 2, "dog"), Event(600, 610, "dog")]})
    done = earmark(*words, "--recordings", "rec")
    assert (
        done.returncode == 2
        and "late.csv: 1 event begins after the end of its recording, such as 'dog', 600 to 610 s" in done.stderr
    )
    assert not [each for each in ("rv.csv", "clips", "tables") if (two / each).exists()]
    table(two / "late.csv", {"A": [Event(1, 2, "dog"), Event(9, 12, "dog")]})
    done = earmark(*words, "--recordings", "rec")
    assert (
        done.returncode == 0 and "late.csv: 1 event ends after its recording, such as 'dog', 9 to 12 s" in done.stderr
    )
