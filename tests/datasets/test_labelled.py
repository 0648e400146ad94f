"""Labels of other programs beside recordings → clips: what is read, whose it is, what is told and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.data import datasets
from earmark.data.excerpts import Excerpt, excerpts, left
from earmark.data.manifest import read
from earmark.errors import ManifestError

RATE = 8_000
RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


@pytest.fixture
def place(tmp_path) -> Path:
    for name in ("a.wav", "b.flac", "in/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE), RATE)
    return tmp_path


def events(place: Path, **options) -> dict[str, list[tuple]]:
    """Of each recording, its events once, by onset."""
    told: dict[str, set] = {}
    clips = datasets.index("labelled", place, margin=0.25, **options)
    for path, rows in zip(clips.table["path"].to_pylist(), clips.table["events"].to_pylist(), strict=True):
        told.setdefault(path, set()).update((e["tag"], e["onset"], e["offset"]) for e in rows)
    return {path: sorted(found, key=lambda e: e[1:]) for path, found in told.items()}


OWL = [("owl", 2.0, 3.5), ("fox", 10.0, 11.25)]
TRACK = "2.0\t3.5\towl\n10.0\t11.25\tfox\n"


@pytest.mark.parametrize(
    "content",
    [
        TRACK.encode(),
        TRACK.encode("utf-8-sig"),
        TRACK.replace("\n", "\r\n").encode("utf-16"),  # as programs on Windows write it, with its mark
        TRACK.encode("utf-32"),
        TRACK.replace("\n", "\r").encode(),
        TRACK.replace(".", ",").encode(),
        TRACK.replace("owl\n", "owl (0.93)\n\\\t200\t800\n").encode(),  # a score, and a line of frequencies
        b"2.0\t3.5\t owl \n" + TRACK.encode(),  # the same again
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.wav.txt", "a.labels.txt"])
def test_a_label_track(place, content, name):
    (place / name).write_bytes(content)
    assert events(place) == {"a.wav": OWL}


def test_selection_tables_of_views_and_channels(place):
    rows = [
        "1\tWaveform 1\t1\t2.0\t3.5\t0\t4000\towl\n",
        "1\tSpectrogram 1\t1\t2.0\t3.5\t0\t4000\towl\n",
        "2\tSpectrogram 1\t2\t2.0\t3.5\t0\t4000\towl\n",
        "3\tSpectrogram 1\t1\t10\t11.25\t0\t4000\tfox\n",
    ]
    (place / "a.Table.1.selections.txt").write_text(f"{RAVEN}\tSpecies\n" + "".join(rows))
    assert events(place) == {"a.wav": OWL}


def test_labels_in_a_folder_of_their_own(place):
    (place / "labels").mkdir()
    (place / "labels" / "a.txt").write_text(TRACK)
    (place / "labels" / "empty.txt").touch()  # nobody's
    assert events(place) == {"a.wav": OWL}


@pytest.mark.parametrize("column", ["Begin File", "Begin Path"])
def test_a_selection_table_over_a_sequence_of_files(place, column):
    where = {"Begin File": ("a.wav", "b.flac"), "Begin Path": ("D:\\field\\a.wav", "/mnt/x/b.flac")}[column]
    (place / "all.selections.txt").write_text(
        f"{RAVEN}\t{column}\tFile Offset (s)\tAnnotation\n"
        f"1\tSpectrogram 1\t1\t2\t3.5\t0\t4000\t{where[0]}\t2,0\towl\n"
        f"2\tSpectrogram 1\t1\t22\t23.5\t0\t4000\t{where[1]}\t2.0\towl\n"
    )
    assert events(place) == {"a.wav": [("owl", 2.0, 3.5)], "b.flac": [("owl", 2.0, 3.5)]}


BIRDNET = {
    "a.BirdNET.selection.table.txt": (
        f"{RAVEN}\tCommon Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n"
        "1\tSpectrogram 1\t1\t3.0\t6.0\t0\t15000\tTawny Owl\ttawowl1\t0.91\t/x/a.wav\t3.0\n"
        "2\tSpectrogram 1\t1\t6.0\t9.0\t0\t15000\tRed Fox\tredfox1\t0.12\t/x/a.wav\t6.0\n"
    ),
    "a.BirdNET.results.csv": (
        "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
        "3.0,6.0,Strix aluco,Tawny Owl,0.9100,/x/a.wav\n6.0,9.0,Vulpes vulpes,Red Fox,0.1200,/x/a.wav\n"
    ),
}


@pytest.mark.parametrize("name", BIRDNET)
def test_tables_of_birdnet(place, name):
    (place / name).write_text(BIRDNET[name])
    assert events(place) == {"a.wav": [("Tawny Owl", 3.0, 6.0), ("Red Fox", 6.0, 9.0)]}
    assert events(place, least=0.5) == {"a.wav": [("Tawny Owl", 3.0, 6.0)]}


def test_birdnet_heard_nothing(place):
    (place / "a.txt").write_text(TRACK)
    (place / "b.BirdNET.results.csv").write_text(
        "Start (s),End (s),Scientific name,Common name,Confidence\n0.0,3.0,nocall,nocall,0\n"
    )
    clips = datasets.index("labelled", place, complete=True)
    assert {tag for path, tags in zip(clips.table["path"].to_pylist(), clips.table["tags"].to_pylist(), strict=True)
            if path == "b.flac" for tag in tags} == {"background"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("events.tsv", "filename\tonset\toffset\tevent_label\na.wav\t2.0\t3.5\towl\na.wav\t10\t11.25\tfox\n"),
        ("events.csv", "file,start,end,label\na.wav,2,3.5,owl\na,10,11.25,fox\n"),
        ("events.csv", "file;start;duration;species\na.wav;2,0;1,5;owl\na.wav;10;1,25;fox\n"),
        ("in/events.csv", "path,onset,offset,tag\n../a.wav,2,3.5,owl\na.wav,10,11.25,fox\n"),
        ("a.csv", "onset,offset,label\n2,3.5,owl\n10,11.25,fox\n"),
    ],
)
def test_tables_of_events(place, name, text):
    (place / name).write_text(text)
    assert events(place) == {"a.wav": OWL}


def test_columns_that_are_called_otherwise(place):
    (place / "meine.csv").write_text("Datei,von,bis,Art\na.wav,2,3.5,owl\na.wav,10,11.25,fox\n")
    with pytest.raises(ManifestError, match=r"no file of labels \(\.txt, \.tsv, \.csv\) that is called after one"):
        events(place)
    named = {"file": "Datei", "onset": "von", "offset": "bis", "tag": "Art"}
    assert events(place, **named) == {"a.wav": OWL}
    with pytest.raises(
        ManifestError, match=r"meine.csv: no column 'Von' for onset, did you mean 'von'\? It has Datei, von, bis, Art"
    ):
        events(place, **{**named, "onset": "Von"})


def test_what_is_told(place):
    (place / "a.txt").write_text(TRACK + "19.0\t25.0\towl\n5.0\t5.0\tclick\n")
    (place / "notes.txt").write_text("windy\n")
    clips = datasets.index("labelled", place)
    told = "\n".join(clips.notes)
    assert "2 of 3 recordings have no labels and are left out: 'b.flac', 'in/c.wav'" in told
    assert "a.wav: 1 label reaches past its end at 20 s and is cut there, the first 'owl'" in told
    assert "a.txt: 1 label without a length is left out; points= gives it one" in told
    assert "1 file holds no labels and belongs to no recording: 'notes.txt'" in told
    assert events(place, points=1.0)["a.wav"][1] == ("click", 5.0, 6.0)
    assert clips.facts["labelled in full"] is False and set(clips.groups) == {"a.wav"}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("z.txt", b"1\t2\towl\n", r"1 recording that is labelled is not there: one that is called as z.txt is\. Put it"),
        ("events.csv", b"file,onset,offset,label\nz.wav,1,2,owl\n", r"1 recording that is .* not there: z.wav \(in events.csv\)"),
        ("a.txt", b"30\t31\towl\n", r"a.wav: lasts 20 s, and 1 of its 1 label begins after that, the first 'owl' at 30 s"),
        ("a.csv", b"when,what\n1,owl\n", r"a.csv: is called after a.wav, and holds no .* first line is 'when,what'"),
        ("a.txt", b"1\t2\tM\xfccke\n", r"a.txt: line 1 is not UTF-8 \(byte 0xFC\).*Save it as UTF-8"),
        ("a.txt", b"1\t2\n", r"a.txt: line 1 has no label: write what is heard"),
        ("a.txt", b"3\t2\towl\n", r"a.txt: line 1 goes from 3.0 to 2.0 s"),
        ("a.csv", b"onset,offset,label\nsoon,2,owl\n", r"a.csv: line 2 holds something else than numbers"),
        ("events.csv", b"file,onset,offset,label\n,1,2,owl\n", r"events.csv: line 2 names no recording"),
        ("a.csv", b"onset,duration,label\n1,long,owl\n", r"a.csv: line 2 holds something else than seconds"),
    ],
)  # fmt: skip
def test_what_is_refused(place, name, content, problem):
    (place / name).write_bytes(content)
    with pytest.raises(ManifestError, match=problem):
        events(place)


def test_labels_that_could_be_of_two_recordings(place):
    soundfile.write(place / "b.wav", np.zeros(RATE), RATE)
    (place / "b.txt").write_text(TRACK)
    with pytest.raises(
        ManifestError, match=r"b.txt: belongs to b.flac or to b.wav\? Name it after one with its ending"
    ):
        events(place)
    (place / "b.txt").rename(place / "b.flac.txt")
    assert events(place) == {"b.flac": OWL}


def test_recordings_that_are_not_there_can_be_left_out(place):
    (place / "events.csv").write_text("file,onset,offset,label\nz.wav,1,2,owl\na.wav,2,3.5,owl\n")
    clips = datasets.index("labelled", place, missing="skip")
    assert len(clips) == 1 and "1 recording that is labelled is not there: z.wav (in events.csv)" in clips.notes


def test_clips_of_a_recording_that_is_labelled_in_full(place):
    (place / "a.txt").write_text(TRACK)
    done = earmark("index", "labelled", place, "-o", place / "m.csv", "--complete", "--set", "piece=4")
    assert done.returncode == 0, done.stderr
    clips = read(place / "m.csv")
    rows = [(row["start"], row["end"], row["tags"]) for row in clips.table.to_pylist()]
    # owl 2 … 3.5 and fox 10 … 11.25, half a second to both sides; the rest in pieces of 4 s, the last of a gap of 2 s at least
    assert rows == [
        (1.5, 4.0, ["owl"]), (9.5, 11.75, ["fox"]), (4.0, 8.0, ["background"]), (11.75, 15.75, ["background"]),
        (15.75, 19.75, ["background"]),
    ]  # fmt: skip
    assert clips.table["events"].to_pylist()[2] == []
    # without it nobody knows what is heard there
    assert [row["tags"] for row in datasets.index("labelled", place).table.to_pylist()] == [["owl"], ["fox"]]
    without = datasets.index("labelled", place, complete=True, background="")
    assert without.table["tags"].to_pylist()[2:] == [[]] * 3


def test_a_sliver_is_neither_there_nor_absent(place):
    (place / "a.txt").write_text("2.0\t4.0\towl\n4.3\t9.0\tfox\n")
    clips = datasets.index("labelled", place)
    owl, fox = clips.table.to_pylist()
    assert (owl["start"], owl["end"], owl["tags"], owl["unknown"]) == (1.5, 4.5, ["owl"], ["fox"])
    assert (fox["tags"], fox["unknown"]) == (["fox"], ["owl"])
    assert clips.known().tolist() == [[False, True], [True, False]]
    everything = datasets.index("labelled", place, others="unknown", margin=0.0)
    assert everything.table["unknown"].to_pylist() == [["fox"], ["owl"]]


def test_excerpts_by_hand():
    made = excerpts([("owl", 0.5, 1.0), ("owl", 9.5, 10.0)], 10.0, margin=0.25, shortest=2.0)
    # as wide as they should be, though the recording begins or ends there
    assert [(each.start, each.end) for each in made] == [(0.0, 2.0), (8.0, 10.0)]
    assert excerpts([("owl", 0.1, 0.4)], 0.5, 1.0, 3.0) == [Excerpt(0.0, 0.5, [("owl", 0.1, 0.4)], [])]
    two = excerpts([("owl", 1.0, 2.0), ("fox", 1.0, 2.0)], 10.0, 0.0, 0.0)
    assert [each.events for each in two] == [[("owl", 1.0, 2.0), ("fox", 1.0, 2.0)]]


def test_what_is_left_by_hand():
    assert left([], 10.0, 1.0, 4.0) == [(0.0, 4.0), (4.0, 8.0), (8.0, 10.0)]
    assert left([("owl", 0.0, 9.5)], 10.0, 1.0, 4.0) == []
    assert left([("owl", 1.0, 8.0), ("fox", 2.0, 3.0)], 12.0, 0.0, 4.0) == [(8.0, 12.0)]
