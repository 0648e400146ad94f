"""What every format of events must do. A new one is tested because it exists."""

from __future__ import annotations

import json
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
from earmark.events.formats import each, ending, read, text, write
from earmark.registry import EVENT_FORMATS
from earmark.scores import Event

HIGHEST = 4000.0
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
