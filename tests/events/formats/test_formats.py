"""Files of events: read back without loss, in the layouts that others use, and refused with one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.data import datasets
from earmark.errors import ScoresError
from earmark.events.formats import each, ending, read, text, write
from earmark.registry import EVENT_FORMATS, Entry
from earmark.scores import Event

EVENTS = {"a.wav": [Event(0.5, 1.25, "dog", 0.875), Event(1.0, 2.0, "sea lion", 1 / 3)], "b.wav": []}

numbers = st.floats(0, 1e5, allow_subnormal=False)
scores = st.floats(0, 1)


@st.composite
def an_event(draw, labels) -> Event:
    onset = draw(numbers)
    return Event(onset, onset + draw(st.floats(1e-3, 1e4)), draw(labels), draw(scores))


def labels(signs):
    """Texts in which something can be seen: a label without a text is refused."""
    return st.text(signs).filter(str.strip)


@pytest.mark.parametrize("form", ["tsv", "csv", "json"])
@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1), st.lists(an_event(labels(st.characters(codec="utf-8"))), max_size=4), max_size=3
    )
)
def test_tables_are_read_back_without_loss(form, tmp_path_factory, events):
    file = tmp_path_factory.getbasetemp() / f"events{ending(form)}"
    write(events, file, form)
    assert read(file) == events


@pytest.mark.parametrize("form", [name for name in EVENT_FORMATS.names() if each(name)])
@settings(deadline=None)
@given(st.lists(an_event(labels(st.characters(codec="utf-8", exclude_characters="\t\r\n"))), max_size=4))
def test_files_of_one_recording_are_read_back_without_loss(form, tmp_path_factory, events):
    file = tmp_path_factory.getbasetemp() / f"a.wav{ending(form)}"
    write({"a.wav": events}, file, form, 11025)
    assert read(file) == {"a.wav": events}


def test_the_table_has_the_columns_of_desed():
    assert text(EVENTS, "tsv") == (
        "filename\tonset\toffset\tevent_label\tscore\n"
        "a.wav\t0.500000\t1.250000\tdog\t0.875000\n"
        "a.wav\t1.000000\t2.000000\tsea lion\t0.3333333333333333\n"
        "b.wav\t\t\t\t\n"
    )


def test_earmarks_own_data_set_reader_takes_the_table(tmp_path):
    (tmp_path / "audio").mkdir()
    for name in EVENTS:
        (tmp_path / "audio" / name).touch()
    write(EVENTS, tmp_path / "strong.tsv", "tsv")
    clips = datasets.index("soundscapes", tmp_path)
    heard = [[(e["tag"], e["onset"], e["offset"]) for e in row] for row in clips.table["events"].to_pylist()]
    assert heard == [[("dog", 0.5, 1.25), ("sea lion", 1.0, 2.0)], []]


def test_real_reference_tables_are_read(data):
    events = read(data / "birdsong_strong" / "events.tsv")
    lines = (data / "birdsong_strong" / "events.tsv").read_text().splitlines()[1:]
    assert sum(map(len, events.values())) == len(lines)
    name, onset, offset, tag = lines[0].split("\t")
    assert events[name][0] == Event(float(onset), float(offset), tag, 1.0)


def test_labels_for_audacity():
    told = text({"a": [Event(0.5, 1.25, "dog (2)", 0.875)]}, "audacity")
    assert told == "0.500000\t1.250000\tdog (2) (0.875000)\n"


def test_labels_that_audacity_wrote(tmp_path):
    file = tmp_path / "field.txt"
    file.write_bytes(b"\xef\xbb\xbf0.1\t0.2\tdog\r\n\\\t100.0\t200.0\r\n1.0\t2.5\train (heavy)\r\n")
    assert read(file) == {"field": [Event(0.1, 0.2, "dog"), Event(1.0, 2.5, "rain (heavy)")]}


SEQUENCE = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin File\tEnd File\tFile Offset (s)\tAnnotation\tQuality\n"
    "1\tSpectrogram 1\t1\t12.5\t13\tn1.wav\tn1.wav\t12.5\towl\tgood\n"
    "2\tSpectrogram 1\t1\t75\t76.5\tn2.wav\tn2.wav\t15\towl\tbad\n"
    "3\tSpectrogram 1\t1\t119.75\t120.5\tn2.wav\tn3.wav\t59.75\tfrog\tbad\n"
)


def test_a_table_of_raven_over_a_sequence_of_files(tmp_path):
    """Files of 60 s: 75 s of the sequence are 15 s of the second."""
    file = tmp_path / "night.Table.1.selections.txt"
    file.write_text(SEQUENCE)
    said = []
    assert read(file, report=said.append) == {
        "n1.wav": [Event(12.5, 13, "owl")],
        "n2.wav": [Event(15, 16.5, "owl"), Event(59.75, 60.5, "frog")],
    }
    assert said == [
        f"{file}: columns left out: Quality",
        f"{file}: 1 selection ends in a later file than it begins in (line 4 …): told to go on",
    ]


def test_a_sequence_of_raven_without_offsets_in_the_files_is_told(tmp_path):
    file = tmp_path / "night.Table.1.selections.txt"
    file.write_text(re.sub(r"\t\S+(?=\t\w+\t\w+\n)", "", SEQUENCE.replace("File Offset (s)\t", "")))
    said = []
    read(file, report=said.append)
    assert any("2 recordings and no column File Offset (s)" in line for line in said)


def test_an_offset_in_the_file_that_is_no_number_is_refused(tmp_path):
    file = tmp_path / "night.Table.1.selections.txt"
    file.write_text(SEQUENCE.replace("\t15\t", "\tx\t"))
    with pytest.raises(ScoresError, match=r"line 3 holds something else than seconds .*File Offset"):
        read(file)


@pytest.mark.parametrize("word", ["nocall", "No call"])
def test_nothing_in_the_words_of_birdnet_is_no_tag_and_a_tag_of_that_name_is(word, tmp_path):
    file = tmp_path / "a.wav.Table.1.selections.txt"
    file.write_text(f"Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tCommon Name\n1\t0\t3\ta.wav\t{word}\n")
    assert read(file) == {"a.wav": []}
    events = {"a.wav": [Event(0.0, 1.0, word, 0.5)]}
    write(events, file, "raven", 11025)
    assert read(file) == events


def test_what_is_left_out_is_a_warning_where_nobody_takes_it(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("1.0\t2.0\towl\n4.0\t4.0\tclick\n")
    with pytest.warns(
        UserWarning, match=r"a.txt: 1 point without a length is left out, the first on line 2: 'click' at 4 s"
    ):
        assert read(file) == {"a": [Event(1, 2, "owl")]}
    with pytest.raises(ScoresError, match="points last 0 s; give a length above 0"):
        read(file, points=0)


def test_a_table_for_raven():
    first, second = text({"a.wav": [Event(0.5, 1.25, "dog", 0.875)]}, "raven", 11025.5).splitlines()
    columns = first.split("\t")
    assert columns[:5] == ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"]
    assert columns[5:] == ["Low Freq (Hz)", "High Freq (Hz)", "Begin File", "Tag", "Score"]
    assert second.split("\t") == [
        "1", "Spectrogram 1", "1", "0.500000", "1.250000", "0", "11025.5", "a.wav", "dog", "0.875000",
    ]  # fmt: skip


def test_a_table_that_raven_wrote(tmp_path):
    """Two views of one selection, a column of the user's own, no score and no file."""
    file = tmp_path / "marsh.Table.1.selections.txt"
    file.write_text(
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n"
        "1\tWaveform 1\t1\t0.5\t1.5\t0\t8000\tbittern\n1\tSpectrogram 1\t1\t0.5\t1.5\t100\t300\tbittern\n"
        "2\tSpectrogram 1\t1\t2\t3\t100\t300\trail\n"
    )
    assert read(file) == {"marsh": [Event(0.5, 1.5, "bittern"), Event(2, 3, "rail")]}


def stereo(tmp_path: Path, *rows: str) -> tuple[list[int | None], list[str]]:
    """The channels of the events in a table of rows (selection, view, channel, onset, offset), and what is said."""
    file = tmp_path / "marsh.Table.1.selections.txt"
    lines = "".join(row.replace(" ", "\t").replace("_", " ") + "\tbittern\n" for row in rows)
    file.write_text("Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tSpecies\n" + lines)
    said: list[str] = []
    return [event.channel for event in read(file, report=said.append)["marsh"]], said


@pytest.mark.parametrize(
    ("rows", "channels"),
    [
        (["1 Spectrogram_1 1 1 2", "2 Spectrogram_1 1 3 4"], [None, None]),  # a recording of one channel, or a mix
        (["1 Spectrogram_1 1 1 2", "2 Spectrogram_1 2 1 2"], [1, 2]),
        (["1 Spectrogram_1 2 1 2", "2 Spectrogram_1 2 3 4"], [2, 2]),
        (["1 Waveform_1 2 1 2", "1 Spectrogram_1 2 1 2", "2 Spectrogram_1 1 3 4"], [2, 1]),
        (["1 Spectrogram_1 1 1 2", "1 Spectrogram_1 2 1 2"], [None]),  # one selection, over both
        (["1 Waveform_1 1 1 2", "1 Waveform_1 2 1 2", "2 Waveform_1 2 3 4", "3 Waveform_1 1 5 6"], [None, 2, 1]),
        ([" Spectrogram_1 1 1 2", " Spectrogram_1 2 1 2"], [1, 2]),
    ],
)
def test_channels_of_a_table_that_raven_wrote(rows, channels, tmp_path):
    assert stereo(tmp_path, *rows) == (channels, [])


def test_what_is_no_channel_is_told(tmp_path):
    channels, (told,) = stereo(tmp_path, "1 Spectrogram_1 left 1 2", "2 Spectrogram_1 2 3 4")
    assert channels == [None, 2] and "Channel is 'left' on line 2, which is no number from 1 on" in told


@pytest.mark.parametrize("path", ["null", "7", "[]", "{}", "true", '""'])
def test_json_of_a_recording_without_a_name(path, tmp_path):
    (tmp_path / "e.json").write_text(f'[{{"path": "a.wav", "events": []}}, {{"path": {path}, "events": []}}]')
    with pytest.raises(ScoresError, match=r"e.json: recording 2 has the path .*: give the name of its file as text"):
        read(tmp_path / "e.json")


def test_other_tables_and_their_missing_scores(tmp_path):
    file = tmp_path / "e.csv"
    file.write_text('event_label,filename,offset,onset\n"dog, small",a.wav,2,1\n,b.wav,,\n')
    assert read(file) == {"a.wav": [Event(1, 2, "dog, small", 1.0)], "b.wav": []}


def test_json_by_its_keys():
    (first, second) = json.loads(text(EVENTS, "json"))
    assert first["path"] == "a.wav" and second == {"path": "b.wav", "events": []}
    assert first["events"][0] == {"onset": 0.5, "offset": 1.25, "label": "dog", "score": 0.875}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.tsv", "filename\tonset\toffset\n", r"e.tsv: has no column 'event_label'"),
        ("e.tsv", "", "has no column 'filename'.* It has none"),
        ("e.tsv", "filename\tonset\toffset\tevent_label\na\t2\t1\tdog\n", "row 1 goes from 2.0 to 1.0 s"),
        ("e.tsv", "filename\tonset\toffset\tevent_label\na\tx\t1\tdog\n", "row 1 holds something else than numbers"),
        ("e.tsv", "filename\tonset\toffset\tevent_label\na\tnan\t1\tdog\n", "row 1 goes from nan"),
        ("e.tsv", "filename\tonset\toffset\tevent_label\tscore\na\t0\t1\tdog\tinf\n", "row 1 has the score inf"),
        ("e.csv", 'filename,onset,offset,event_label\na,0,1,"dog\n', "no table that can be read .*line 2"),
        ("e.json", "{", "is not JSON"),
        ("e.json", "[[]]", "is no list of recordings"),
        ("e.json", '[{"path": "a", "events": [{"onset": 0, "offset": 1}]}]', "KeyError: 'label'"),
        ("e.json", '[{"path": "a", "events": [{"onset": 0, "offset": 1, "label": 3}]}]', "label 3: give text"),
        ("e.txt", "0.5 1.5 dog\n", "line 1 is no label"),
        ("e.txt", "0.5\t0.4\tdog\n", "line 1 goes from 0.5 to 0.4"),
        ("e.txt", "Selection\tBegin Time (s)\n1\t0\n", "a selection table has the columns"),
        (
            "e.Table.1.selections.txt",
            "Selection\tBegin Time (s)\tEnd Time (s)\tTag\n1\t0\n",
            "line 2 holds something else",
        ),
        ("e.doc", "", "'?.doc'? is no file of events"),
    ],
)
def test_what_is_no_file_of_events_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ScoresError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("events", "form", "message"),
    [
        ({"a": [Event(1, 1, "dog")]}, "tsv", "'dog' in a goes from 1 to 1 s"),
        ({"a": [Event(0, 1, "dog", float("nan"))]}, "json", "has the score nan"),
        ({"": [Event(0, 1, "dog")]}, "csv", "a recording has no name"),
        ({"a": [Event(0, 1, "dog\tcat")]}, "audacity", "holds a tab"),
        ({"a\n": [Event(0, 1, "dog")]}, "raven", "holds a tab or the end of a line"),
        (EVENTS, "audacity", "of one recording, not of 2"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, events, form, message):
    with pytest.raises(ScoresError, match=message):
        write(events, tmp_path / "e", form, 8000)
    assert list(tmp_path.iterdir()) == []


def test_raven_needs_a_frequency():
    with pytest.raises(ScoresError, match="highest frequency .* not None"):
        text({"a": []}, "raven")


def test_every_file_in_the_room_is_a_format():
    """What `--help` lists, by names of files, is what there is."""
    assert EVENT_FORMATS.files() == EVENT_FORMATS.names()


def test_the_longer_of_two_endings_says_which_format_it_is(tmp_path, monkeypatch):
    class Beats:
        @staticmethod
        def read(text: str, recording: str) -> dict[str, list[Event]]:
            return {recording: [Event(float(text), float(text) + 1, "beat")]}

    facts = {"ending": ".beats.txt", "each": True, "opens": ""}
    monkeypatch.setitem(EVENT_FORMATS._entries, "zbeats", Entry("zbeats", Beats, facts))
    (tmp_path / "a.wav.beats.txt").write_text("2")
    (tmp_path / "a.wav.txt").write_text("0\t1\tdog")
    assert read(tmp_path / "a.wav.beats.txt") == {"a.wav": [Event(2, 3, "beat")]}
    assert read(tmp_path / "a.wav.txt") == {"a.wav": [Event(0, 1, "dog")]}


def test_a_file_that_is_not_there():
    with pytest.raises(ScoresError, match="cannot be read"):
        read(Path("nowhere") / "e.tsv")


@pytest.mark.parametrize("score", [-0.5, 1e22, 1e-7, -3e-9])
def test_scores_of_other_tools_survive_a_label_track(tmp_path, score):
    events = {"a.wav": [Event(0.5, 1.0, "dog", score)]}
    write(events, tmp_path / "a.wav.txt", "audacity")
    assert read(tmp_path / "a.wav.txt") == events


@pytest.mark.parametrize(("row", "message"), [
    ("a.wav,0,1,Male speech, man speaking", "row 1 has 5 cells, the header 4: put a cell that holds the separator in"),
    (",0,1,dog", "row 1 names no recording"),
])  # fmt: skip
def test_rows_that_would_lose_something(tmp_path, row, message):
    (tmp_path / "e.csv").write_text(f"filename,onset,offset,event_label\n{row}\n")
    with pytest.raises(ScoresError, match=message):
        read(tmp_path / "e.csv")


def test_blank_cells_at_the_end_of_a_row_are_nothing(tmp_path):
    (tmp_path / "e.csv").write_text("filename,onset,offset,event_label\na.wav,0,1,dog,,\n")
    assert read(tmp_path / "e.csv") == {"a.wav": [Event(0, 1, "dog")]}


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    """Half of a pair of UTF-16, as JSON may hold, which no file of text takes."""
    with pytest.raises(UnicodeEncodeError):
        write({"a.wav": [Event(0, 1, "\ud800")]}, tmp_path / "e.tsv", "tsv")
    assert list(tmp_path.iterdir()) == []
