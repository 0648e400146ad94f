"""What every format of events must do. A new one is tested because it exists."""

from __future__ import annotations

import io
import json
import re
import string
from pathlib import Path

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import tone
from tests.program import earmark

import earmark as package
from earmark.errors import ScoresError
from earmark.events.cells import More
from earmark.events.formats import each, ending, frame, read, tells_more, text, write, wrote
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

HIGHEST = 4000.0
ODD = 12_345.5  # s, a number that stands in a file once
TWO = {"a.wav": [Event(0.5, 1.25, "dog", 0.875), Event(ODD, ODD + 1, "rain", 0.25)], "b.wav": []}
AWKWARD = [
    "two words",
    "a\tb",
    'say "ah"',
    "two\nlines",
    "comma, semicolon;",
    "=1+1",
    " spaces ",
    "größe 鳥",
    "a\rb",
    "back\\slash",
    "(0.5)",
]
times = st.floats(0, 1e5, allow_nan=False).map(lambda value: round(value, 6))
events = st.builds(
    lambda onset, length, tag, score: Event(onset, round(onset + length, 6), tag, score),
    times, st.floats(1e-3, 100).map(lambda value: round(value, 6)),
    st.text(string.ascii_letters + string.digits + "_-äß鳥:'", min_size=1),
    st.floats(0, 1).map(lambda value: round(value, 6)),
)  # fmt: skip

anything = st.builds(
    lambda onset, length, tag, score: Event(onset, onset + length, tag, score),
    st.floats(0, 1e5, allow_subnormal=False), st.floats(1e-3, 1e4), st.text(), st.floats(0, 1),
)  # fmt: skip


@pytest.fixture(params=EVENT_FORMATS.names())
def name(request):
    return request.param


def there_and_back(name: str, found: list[Event], place: Path) -> list[Event]:
    path = place / f"dog.ogg{ending(name)}"
    write({"dog.ogg": found}, path, name, HIGHEST)
    return read(path)["dog.ogg"]


def test_says_what_it_is_and_is_called_as_its_file(name):
    assert EVENT_FORMATS[name].summary
    assert name in EVENT_FORMATS.files()


def test_no_other_has_its_ending(name):
    assert [other for other in EVENT_FORMATS.names() if ending(other) == ending(name)] == [name]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory, name, found):
    assert there_and_back(name, found, tmp_path_factory.mktemp("there")) == found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1), st.lists(anything, max_size=3), max_size=3))
def test_text_and_times_of_any_kind_are_kept_or_refused(tmp_path_factory, name, events):
    """Times to the microsecond, as some formats tell how long an event is; nothing of the text is changed in silence."""
    if each(name):
        events = {"a.wav": [event for found in events.values() for event in found]}
    path = tmp_path_factory.mktemp("any") / f"a.wav{ending(name)}"
    if (refused := refusal(events, path, name)) is not None:
        texts = [*events, *(event.tag for found in events.values() for event in found)]
        assert not all(re.fullmatch("[A-Za-z0-9]+", word) for word in texts), refused
        return
    again = read(path)
    assert {key: [(e.tag, e.score) for e in found] for key, found in again.items()} == {
        key: [(e.tag, e.score) for e in found] for key, found in events.items()
    }
    ends = [
        [time for found in each for e in found for time in (e.onset, e.offset)]
        for each in (again.values(), events.values())
    ]
    assert ends[0] == pytest.approx(ends[1], rel=0, abs=1.01e-6)


@pytest.mark.parametrize("heard", [[1, 1], [2, 2], [1, 2], [2, None], [None, 1], [None, None]])
@pytest.mark.parametrize("form", [form for form in EVENT_FORMATS.names() if tells_more(form)])
def test_channels_are_read_back(form, heard, tmp_path):
    """Those of the first alone, too, and beside what was heard in the mix."""
    found = [Event(1.0, 2.0, "dog", 0.5, channel) for channel in heard]
    path = tmp_path / f"dog.ogg{ending(form)}"
    write({"dog.ogg": found}, path, form, HIGHEST, More(channels=True))
    assert read(path)["dog.ogg"] == found and wrote(path, form)


def refusal(events: dict[str, list[Event]], path: Path, name: str) -> str | None:
    """Why these are not written; None: they are."""
    try:
        write(events, path, name, HIGHEST)
    except ScoresError as error:
        return str(error)
    return None


def sample(name: str) -> dict[str, list[Event]]:
    return {"a.wav": TWO["a.wav"]} if each(name) else TWO


@pytest.mark.parametrize(
    "odd", ["odd", "nan", "NaN", "-1.5", "1e999", "1e308", "2e9", "inf", "-inf", "Infinity", "1e5"]
)
def test_what_is_no_time_is_refused_with_its_place(name, odd, tmp_path):
    """The file, and in it the line, the row or the event. 1e5 s lies after the event's end, at 12,346.5 s."""
    told = text(sample(name), name, HIGHEST)
    (number,) = set(re.findall(r"12345\.50*", told))
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_text(told.replace(number, odd), encoding="utf-8")
    with pytest.raises(ScoresError, match=rf"(?s)^{re.escape(str(path))}: .*(line|row|event) \d+"):
        read(path)


def altered(name: str, onset: str | None = None, offset: str | None = None, label: str = "rain") -> str:
    """A file of the format in which the onset, offset and label of the rain say something else."""
    told = text(sample(name), name, HIGHEST)
    if offset is not None and "12346.5" in told:
        told = re.sub(r"12346\.50*", offset, told)
    elif offset is not None:  # a format that tells how long an event lasts, here 1 s
        told = re.sub(r"(?<=\s)1\.0+(?=\s)", "0" if offset[0].isdigit() else offset, told)
    if onset is not None:
        told = re.sub(r"12345\.50*", onset, told)
    return told.replace("rain", label)


@pytest.mark.parametrize("ends", [{"offset": "12345.5"}, {"onset": "7", "offset": "7.0"}])
def test_a_point_is_left_out_and_said_or_given_a_length(name, ends, tmp_path):
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_text(altered(name, **ends))
    onset = float(ends.get("onset", ODD))
    said: list[str] = []
    assert read(path, report=said.append)["a.wav"] == [Event(0.5, 1.25, "dog", 0.875)]
    assert re.search(
        rf"{path}: 1 point without a length is left out, the first on (line|event) .*'rain' at {onset:g} s", *said
    )
    kept = read(path, points=0.25, report=said.append)["a.wav"]
    assert kept == [Event(0.5, 1.25, "dog", 0.875), Event(onset, onset + 0.25, "rain", 0.25)]


@pytest.mark.parametrize("nothing", ["NaN", "null", ""])
def test_a_row_of_nothing_is_a_recording_without_events(name, nothing, tmp_path):
    if not nothing and "\t" not in text(sample(name), name, HIGHEST) and name != "csv":
        return  # where nothing separates cells but space or signs of the language, no value is no cell
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_text(altered(name, onset=nothing, offset=nothing, label=nothing))
    assert read(path) == {"a.wav": [Event(0.5, 1.25, "dog", 0.875)], **({} if each(name) else {"b.wav": []})}


def test_columns_that_hold_nothing_of_an_event_are_told(name, tmp_path):
    told = text(sample(name), name, HIGHEST)
    separator = next((sign for sign in "\t," if sign in told.partition("\n")[0]), None)
    if separator is None or "score" not in told.partition("\n")[0].lower():
        return  # a format without a header has no columns that are not known
    head, *rows = told.splitlines()
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_text("\n".join([f"{head}{separator}weather", *(f"{row}{separator}rain" for row in rows)]) + "\n")
    said: list[str] = []
    assert read(path, report=said.append) == sample(name)
    assert said == [f"{path}: columns left out: weather"]


def test_a_label_without_a_text_is_refused_with_its_place(name, tmp_path):
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_text(altered(name, label=" "))
    with pytest.raises(ScoresError, match=rf"{re.escape(str(path))}: (line|event) \d+\b.*(has no label|is no line)"):
        read(path)
    with pytest.raises(ScoresError, match=r"an event of ' ' in a.wav has no label"):
        text({"a.wav": [Event(0, 1, " ")]}, name, HIGHEST)


@pytest.mark.parametrize(
    "encoding", ["latin-1", "mac-roman", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
)
def test_another_encoding_is_refused_with_its_line(name, encoding, tmp_path):
    path = tmp_path / f"a.wav{ending(name)}"
    content = altered(name, label="Mücke").encode(encoding)
    path.write_bytes(content)
    wide = encoding.startswith("utf")
    line = 1 if wide else content[: content.index("ü".encode(encoding))].count(b"\n") + 1
    with pytest.raises(ScoresError, match=rf"(?s)^{re.escape(str(path))}: .*line {line} is .*Save it as UTF-8"):
        read(path)


def test_a_recording_whose_name_is_no_utf8_is_read_back(name, tmp_path):
    """Disks of other systems hold such names; only the file's labels must be text."""
    recording = b"M\xfccke.wav".decode("utf-8", "surrogateescape")
    events = {recording: [Event(0.5, 1.25, "dog", 0.875)]}
    path = tmp_path / f"{recording}{ending(name)}"
    write(events, path, name, HIGHEST)
    assert read(path) == events


def test_a_file_that_was_cut_is_refused_with_its_place(name, tmp_path):
    """In the middle of a number, so that what came after it is missing."""
    told = text(sample(name), name, HIGHEST)
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_text(told[: told.index("12345.5") + 4], encoding="utf-8")
    with pytest.raises(ScoresError, match=rf"(?s)^{re.escape(str(path))}: .*(line|row|event) \d+"):
        read(path)


def test_a_file_tells_by_itself_what_it_is(name, tmp_path):
    """By its ending or, where another format's files end alike, by its beginning; on Windows too, where lines end otherwise."""
    path = tmp_path / f"a.wav{ending(name)}"
    path.write_bytes(b"\xef\xbb\xbf" + text(sample(name), name, HIGHEST).replace("\n", "\r\n").encode())
    assert package.read_events(path) == sample(name) == read(path, name)


def test_pieces_of_a_job_make_the_file_of_all(name):
    """Byte for byte what a run without a job writes."""
    if each(name):
        return
    files = [text({recording: found}, name, HIGHEST) for recording, found in TWO.items()]
    pieces = [frame(name).inner(file) for file in files]
    out = io.StringIO()
    frame(name).write(pieces, out)
    assert out.getvalue() == text(TWO, name, HIGHEST)
    assert [frame(name).around(piece) for piece in pieces] == files
    assert frame(name).around("") == text({}, name, HIGHEST)


def test_no_events_are_read_back(name, tmp_path):
    assert there_and_back(name, [], tmp_path) == []


@pytest.mark.parametrize("tag", AWKWARD)
def test_an_awkward_tag_is_read_back_or_refused(name, tag, tmp_path):
    event = Event(0.0, 1.0, tag, 0.5)
    refused = None
    try:
        found = there_and_back(name, [event], tmp_path)
    except ScoresError as error:
        found, refused = [event], str(error)
    assert found == [event]
    # where it is refused, the tag is named, and no file is left
    assert refused is None or (repr(tag) in refused and not list(tmp_path.iterdir()))


@pytest.mark.parametrize(
    "event", [Event(2.0, 1.0, "dog"), Event(-1.0, 1.0, "dog"), Event(0.0, 1.0, "dog", float("nan"))]
)
def test_an_event_that_cannot_be_is_refused(name, event):
    with pytest.raises(ScoresError, match="an event of 'dog' in dog.ogg"):
        text({"dog.ogg": [event]}, name, HIGHEST)


def test_a_file_of_something_else_is_refused(name, tmp_path):
    path = tmp_path / f"x{ending(name)}"
    path.write_text(EVENT_FORMATS[name].facts["opens"] + "no such file, of nothing\nat all")
    with pytest.raises(ScoresError, match=f"^{path}: "):
        read(path)


def test_several_recordings_in_one_file_or_refused(name, tmp_path):
    found = {"a.wav": [Event(0.0, 1.0, "dog", 0.5)], "b.wav": [Event(1.0, 2.0, "rain", 0.25)]}
    path = tmp_path / f"all{ending(name)}"
    if each(name):
        with pytest.raises(ScoresError, match="is of one recording, not of 2"):
            write(found, path, name, HIGHEST)
    else:
        write(found, path, name, HIGHEST)
        assert package.read_events(path) == found


def test_the_command_writes_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    soundfile.write(tmp_path / "a.wav", tone(500, 2.5, 8000), 8000)
    asked = (
        "events",
        tmp_path / "a.wav",
        "--tagger",
        "digits",
        "--threshold",
        "0.01",
        "--format",
        name,
        "--out",
        tmp_path / "out",
    )
    done = earmark(*asked)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "out").iterdir()
    assert file.name.endswith(ending(name))
    plain = earmark("events", tmp_path / "a.wav", "--tagger", "digits", "--threshold", "0.01", "--json")
    wanted = [(e["onset"], e["offset"], e["label"]) for e in json.loads(plain.stdout)[0]["events"]]
    assert [(e.onset, e.offset, e.tag) for e in read(file)["a.wav"]] == wanted
    assert name in earmark("events", "--help").stdout
