"""The page when the service, the recording or who listens goes away, and recordings that are too long or called too long for it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.serve.process import Program, serving
from tests.serve.test_browser import READY, dropped, page, program  # noqa: F401
from tests.serve.test_browser_line import BROKEN, CELLS, SAID, UNREACHED, heard, put, settled, text

from earmark import audio

LONG = "site 3/20260514_053000 a long night.wav"
NAME = "A" + "nameofmanyletters" * 12 + ".ogg"  # 209 letters without a place to break
KEPT = "[...document.querySelectorAll('#events tbody tr')].map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent))"


@pytest.fixture(scope="module")
def odd(clips, tmp_path_factory) -> Iterator[Program]:
    """Of a long recording, one that is called too long, and one whose name tells the time; little is heard at once."""
    root = tmp_path_factory.mktemp("odd")
    (root / "sounds" / "site 3").mkdir(parents=True)
    wave = audio.load(clips[0], 16_000)
    soundfile.write(root / "sounds" / LONG, np.tile(wave, 1 + 330 * 16_000 // len(wave))[: 330 * 16_000], 16_000)
    shutil.copy(clips[0], root / "sounds" / NAME)
    limits = ("--most-seconds", 30, "--most-megabytes", 0.4)
    with serving("--recordings", root / "sounds", "--state", root / "state", *limits) as program:  # noqa: F811
        yield program


def test_a_job_is_watched_again_when_the_service_is_back(page, program):  # noqa: F811
    """It was killed while the job ran, and started again."""
    job = heard(program, threshold=0.1)["id"]
    page.run(  # as it is told while it runs
        f"window.plain = fetch, window.fetch = async (path, options) => String(path).endsWith('v1/jobs/{job}') "
        "? new Response(JSON.stringify({ ...await (await plain(path, options)).json(), state: 'running' })) : plain(path, options)"
    )
    page.run("location.hash = 'recordings'")
    page.wait("document.querySelector('#job-told').textContent.endsWith(' …')")
    assert page.run("document.querySelector('#begin').disabled")
    page.run(f"window.fetch = plain, {BROKEN}('v1/jobs/{job}')")
    page.wait(f"{SAID} === {UNREACHED!r}")
    page.run("window.broken = 0")
    page.wait("window.broken > 0")  # it goes on asking
    page.run("window.mend()")
    page.wait("document.querySelector('#job-told').textContent.endsWith('.')")
    assert not page.run("document.querySelector('#begin').disabled")
    assert page.run(SAID) == ""


def test_the_folder_is_asked_for_again_when_the_service_is_back(page, program):  # noqa: F811
    """Nobody is told that nothing was heard where the service could not tell."""
    heard(program, threshold=0.1)
    page.run(f"{BROKEN}('v1/')")
    page.run("location.hash = 'recordings'")
    page.wait(f"{SAID} === {UNREACHED!r}")
    assert page.run(text("counts-told")) == ""
    page.run("window.mend()")
    page.wait(f"{CELLS}.length > 0 && document.querySelectorAll('#files tbody tr').length > 0")
    assert page.run(SAID) == ""


def test_the_list_follows_the_score(page, program):  # noqa: F811
    heard(program, threshold=0.1)
    page.run("location.hash = 'recordings'")
    page.wait(f"{CELLS}.length > 1")
    page.run(f"{CELLS}[0].click()")
    page.wait("document.querySelectorAll('#found tbody tr').length > 0")
    tag = page.run(f"{CELLS}[0].closest('tr').cells[0].textContent")
    for least in (0.99, 0):
        page.run(put("least", least))
        page.wait(f"document.querySelector('#least-told').textContent === '{least:.2f}'")
        settled(page, text("counts", "found", "listed-head"))
        count = page.run(
            f"{CELLS}.filter((each) => each.closest('tr').cells[0].textContent === {tag!r}).map((each) => each.textContent)[0] ?? '0'"
        )
        assert page.run(text("listed-head")) == f"{tag}: {count}"
        assert page.run("document.querySelectorAll('#found tbody tr').length") == int(count)


def test_a_recording_that_is_not_there_is_told_from_one_that_is_not_played(page, program, clips):  # noqa: F811
    dropped(page, clips[0])
    program.client.delete(page.run("document.querySelector('#as-csv').href.match('v1/recordings/[^/]+')[0]"))
    page.run("document.querySelector('#play').click()")
    page.wait(f"{SAID}.includes('no such recording here')")
    assert page.run(text("play")) == "Play"
    page.run(
        "HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no codec', 'NotSupportedError'))"
    )
    dropped(page, clips[1])
    page.run("document.querySelector('#play').click()")
    page.wait(f"{SAID} === 'This browser does not play it: no codec'")
    page.console.clear()  # the browser itself tells of each answer 404


def test_live_where_the_service_is_killed(other):
    with serving() as service:
        other.open(service.url + "#live")
        other.wait(READY)
        other.run("document.querySelector('#live-start').click()")
        other.wait("document.querySelectorAll('#live-log tbody tr').length > 0")
        service.end(signal.SIGKILL)
        assert other.wait(SAID).startswith("The line to the service broke, and nothing is heard any more")
        assert other.run(text("live-start", "live-now", "live-late")) == "Start listening |  | "
        assert other.run("document.querySelectorAll('#live-log tbody tr').length") > 0  # what was heard stays


def test_live_over_a_line_that_is_too_slow(page):  # noqa: F811
    """Nothing is left out of the middle of the sound: it ends, and that is said."""
    page.run("location.hash = 'live'")
    page.run("document.querySelector('#live-start').click()")
    page.wait("document.querySelectorAll('#live-log tbody tr').length > 0")
    page.run("void Object.defineProperty(WebSocket.prototype, 'bufferedAmount', { get: () => 4e6 })")
    assert page.wait(SAID).startswith("The line to the service is slower than the sound, of which 0:")
    assert page.run(text("live-start")) == "Start listening"
    page.wait("document.querySelector('#live-late').textContent.endsWith(' heard')")  # the whole of what was sent


def test_who_leaves_ends_the_recording_and_finds_it(page):  # noqa: F811
    page.run("document.querySelector('#record').click()")
    page.wait("document.querySelector('#record').textContent.startsWith('stop after 0:01')")
    page.run("location.hash = 'recordings'")
    page.wait("!document.querySelector('#recordings').hidden")
    assert settled(page, text("record")) == "record with the microphone"
    assert page.run("document.querySelector('#shown').hidden")
    page.run("location.hash = 'listen'")
    page.wait("document.querySelector('#what').textContent.startsWith('microphone ')")
    assert page.run(SAID).startswith("The recording ended when you left this page, after 0:0")
    page.wait("document.querySelector('#events-told').textContent.length > 0")
    page.run("document.querySelector('#record').click()")  # a new one
    page.wait("document.querySelector('#record').textContent.startsWith('stop after 0:00')")


def test_limits_are_told_as_they_are(other, odd):
    other.open(odd.url)
    other.wait(READY)
    assert other.run(text("limits")).startswith("Up to 0.4 MB and 30 seconds;")


def test_a_recording_too_long_to_be_heard_at_once(other, odd):
    """Before and after the folder was heard."""
    (long,) = [each for each in odd.client.get("/v1/recordings").json()["recordings"] if each["name"] == LONG]
    other.open(f"{odd.url}#listen/{long['id']}")
    other.wait("document.querySelector('#answer a') !== null")
    assert other.run(text("answer")) == (
        "It lasts 5:30, and 0:30 are heard at once. Under Recordings, esc10 hears the folder, however long its recordings are; "
        "what it finds in this one is shown here then."
    )
    heard(odd, threshold=0.02, gap=1000)
    other.open("about:blank")
    other.open(f"{odd.url}#listen/{long['id']}")
    other.wait("document.querySelector('#events-told').textContent.length > 0")
    told = odd.client.get("/v1/jobs/1/events", params={"recording": long["id"]}).json()["events"]
    rows = other.run(KEPT)
    assert [row[0] for row in rows] == [each["tag"].replace("_", " ") for each in told] and rows
    assert [row[3] for row in rows] == [f"{each['score']:.2f}" for each in told]
    assert other.run("document.querySelector('#threshold').disabled")
    listed = odd.client.get("/v1/recordings", params={"job": 1, "name": LONG}).json()["recordings"]
    assert other.run(SAID) == " · ".join(listed[0]["notes"]) and other.console == []  # what was done to its sound


def test_the_edges_of_a_long_event_are_seen(other, odd):
    """Its first minute at first, and its end by E: parts of which there are spectrograms."""
    heard(odd, threshold=0.02, gap=1000)
    other.open(f"{odd.url}#review")
    other.wait("document.querySelectorAll('#review-tag option').length > 1")
    other.run("document.querySelector('#review-order').value = 'doubtful'")
    wanted = max(odd.client.get("/v1/jobs/1/events").json()["events"], key=lambda each: each["offset"] - each["onset"])
    assert wanted["offset"] - wanted["onset"] > 300
    other.run(put("review-tag", wanted["tag"], "change"))
    other.wait(f"document.querySelector('#question').textContent === 'Is this {wanted['tag'].replace('_', ' ')}?'")
    for _ in range(5):
        if "a long night" in settled(other, text("question-told")):
            break
        other.press("u")
    other.wait("!document.querySelector('#review-zoom').hidden")
    start, end = (f"document.querySelector('#review-view .edge.{which}')" for which in ("start", "end"))
    other.wait(f"!{start}.hidden && {end}.hidden")
    other.asked.clear()
    other.press("e")
    other.wait(f"!{end}.hidden && {start}.hidden && document.activeElement === {end}")
    other.press("ArrowLeft", shift=True)
    assert "(moved" in other.run(text("question-told"))
    settled(other, "performance.getEntriesByType('resource').length")
    other.tell("Runtime.evaluate", expression="1")
    pictures = [url for url in other.asked if "/spectrogram?" in url and "width=240" not in url]
    assert pictures
    other.run("document.querySelector('#to-start').click()")
    other.wait(f"!{start}.hidden && document.activeElement === {start}")
    assert [line for line in other.console if "422" in line] == []


@pytest.mark.parametrize("width", [400, 1400])
def test_no_name_makes_a_page_wider_than_the_screen(other, odd, width):
    heard(odd, threshold=0.02, gap=1000)
    other.size(width)
    other.open(odd.url)
    other.wait(READY)
    long = next(each for each in odd.client.get("/v1/recordings").json()["recordings"] if each["name"] == NAME)
    for place, ready in {
        "recordings": f"{CELLS}.length > 0",
        f"listen/{long['id']}": f"document.querySelector('#what').textContent === {NAME!r}",
        "review": "document.querySelector('#question-told').textContent.includes('score')",
        "live": "!document.querySelector('#live').hidden",
    }.items():
        other.run(f"location.hash = {place!r}")
        other.wait(ready)
        if place == "recordings":
            other.run(f"{CELLS}[0].click()")
            other.wait("document.querySelectorAll('#found tbody tr').length > 0")
        settled(other, "document.body.textContent")
        assert other.run("document.documentElement.scrollWidth") <= width, place
    # refused, with its name
    file = Path(tempfile.mkdtemp()) / NAME
    file.write_text("no sound at all\n" * 20)
    other.run("location.hash = 'listen'")
    other.choose("#file", file)
    other.wait(f"{SAID}.includes({NAME!r})")
    assert other.run("document.documentElement.scrollWidth") <= width
    shutil.rmtree(file.parent)


def test_what_could_not_be_read_is_tried_again_and_what_is_gone_is_told(clips, tmp_path, other):
    (tmp_path / "sounds").mkdir()
    shutil.copy(clips[0], tmp_path / "sounds" / "good.ogg")
    (tmp_path / "sounds" / "bad.wav").write_bytes(b"no sound at all")
    with serving("--recordings", tmp_path / "sounds", "--state", tmp_path / "state") as program:  # noqa: F811
        job = heard(program, threshold=0.1)["id"]
        other.open(f"{program.url}#recordings")
        other.wait("document.querySelector('#job-told').textContent.endsWith('1 could not be read.')")
        assert not other.run("document.querySelector('#retry').hidden")
        other.run(
            "window.asked = [], window.plain = fetch, "
            "window.fetch = (path, options) => { if (options?.method === 'POST') asked.push(String(path)); "
            "return plain(path, options); }"
        )
        assert (
            other.run("document.querySelector('#begin').textContent") == "Hear them all"
        )  # which is by the tagger's own rules
        assert other.run("document.querySelector('#resume').innerText") == "Hear what is new, by threshold 0.1"
        shutil.copy(clips[0], tmp_path / "sounds" / "new.ogg")
        other.run("document.querySelector('#resume').click()")
        other.wait("document.querySelector('#job-told').textContent.startsWith('3 of 3')")
        assert other.run("asked.map((each) => each.slice(each.indexOf('v1')))") == [f"v1/jobs/{job}/resume"]
        other.run("asked.length = 0, document.querySelector('#retry').click()")
        other.wait(f"asked.length === 1 && asked[0].endsWith('v1/jobs/{job}/retry')")
        assert len(program.client.get("/v1/jobs").json()["jobs"]) == 1  # the job that it is, with its own threshold
        other.wait("document.querySelector('#job-told').textContent.endsWith('1 could not be read.')")
        other.run(  # as it is told where a recording was taken away
            f"window.fetch = async (path, options) => String(path).endsWith('v1/jobs/{job}') "
            "? new Response(JSON.stringify({ ...await (await plain(path, options)).json(), gone: 1, unread: 0 })) : plain(path, options)"
        )
        other.run("document.querySelector('#job').dispatchEvent(new Event('change'))")
        other.wait(
            "document.querySelector('#job-told').textContent.includes('One that was heard is not in the folder any more')"
        )
        assert other.run("document.querySelector('#retry').hidden")
