"""The page in headless Chromium, by a new user: drop a file, look, hear, keep; a folder; a review by keyboard alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.browser import Browser
from tests.serve.process import Program, serving

TABLE = "[...document.querySelectorAll('#events tbody tr')].map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent))"
READY = "document.querySelector('#limits')?.textContent.length > 0"


@pytest.fixture(scope="module")
def program(clips, tmp_path_factory) -> Iterator[Program]:
    root = tmp_path_factory.mktemp("page")
    (root / "sounds").mkdir()
    for number, path in enumerate(clips):
        shutil.copy(path, root / "sounds" / f"A_20260514_{4 + number:02}3000{path.suffix}")
    with serving("--recordings", root / "sounds", "--state", root / "state") as program:
        yield program


@pytest.fixture
def page(program, other) -> Iterator[Browser]:
    other.open(program.url)
    other.wait(READY)
    yield other
    assert other.console == []
    assert [url for url in other.asked if not url.startswith((program.url, "blob:"))] == []


def dropped(page: Browser, path: Path) -> None:
    page.drop("#drop", path)
    page.wait(
        f"document.querySelector('#what').textContent === {path.name!r} && document.querySelector('#events-told').textContent.length > 0"
    )


def test_a_file_is_dropped_and_its_events_are_seen(page, program, clips):
    path = clips[-1]
    dropped(page, path)
    (told,) = program.client.post("/v1/events", files={"file": (path.name, path.read_bytes())}).json()
    rows = page.run(TABLE)
    assert [row[0] for row in rows] == [event["label"].replace("_", " ") for event in told["events"]]
    assert [row[3] for row in rows] == [f"{event['score']:.2f}" for event in told["events"]]
    (tags,) = program.client.post("/v1/tags", files={"file": (path.name, path.read_bytes())}).json()
    chips = page.run("[...document.querySelectorAll('#answer .chip')].map((chip) => chip.textContent)")
    assert chips == [f"{tag['label'].replace('_', ' ')}{tag['score']:.2f}" for tag in tags["tags"]]
    # the threshold: fewer events, and the links for files follow it
    page.run(
        "(() => { const t = document.querySelector('#threshold'); t.value = 0.05; t.dispatchEvent(new Event('input')) })()"
    )
    page.wait("document.querySelector('#events-told').textContent.includes('threshold 0.05')")
    (many,) = program.client.post("/v1/events?threshold=0.05", files={"file": (path.name, path.read_bytes())}).json()
    assert len(page.run(TABLE)) == len(many["events"]) > len(rows)
    for form in ("audacity", "raven", "csv", "json"):
        kept = page.run(f"fetch(document.querySelector('#as-{form}').href).then((answer) => answer.text())")
        wanted = program.client.post(
            "/v1/events", params={"threshold": 0.05, "format": form}, files={"file": (path.name, path.read_bytes())}
        )
        assert kept == wanted.text


def pixels(page: Browser, left: float, top: float) -> list[int]:
    """Of the view's canvas, in its own pixels."""
    return page.run(
        f"[...document.querySelector('#view canvas').getContext('2d').getImageData({left}, {top}, 1, 1).data]"
    )


def test_what_is_drawn(page, tone):
    """A tone of 1 kHz for two of four seconds: bright there in the spectrogram, dark above and after."""
    dropped(page, tone)
    page.wait("document.querySelector('#view canvas').height > 300")
    time.sleep(1)
    width, inner = page.run("(() => { const w = document.querySelector('#view').clientWidth; return [w, w - 54] })()")
    top, tall = 20 + 64 + 8, 190

    def brightness(second: float, hertz: float) -> int:
        return sum(pixels(page, 46 + second / 4 * inner, top + tall * (1 - hertz / 16_000))[:3])

    assert brightness(1, 1000) > 500 and brightness(1, 8000) < 150 and brightness(3, 1000) < 150
    wave = [pixels(page, 46 + second / 4 * inner, 20 + 12) for second in (1, 3)]  # two thirds up
    assert wave[0] != wave[1]
    assert width > 1200
    page.console.clear()  # the browser itself tells that its canvas is slow to be read


def test_keys_play_and_move(page, clips):
    dropped(page, clips[0])
    assert page.run("document.activeElement.id") == "view"
    place = "document.querySelector('#view .mark').style.transform"
    before = page.run(place)
    page.press("ArrowRight")
    assert page.run(place) != before
    page.press(" ")
    page.wait("document.querySelector('#play').textContent === 'Stop'")
    moved = page.run(place)
    page.wait(f"{place} !== {moved!r}")  # the mark goes with the sound
    page.press(" ")
    page.wait("document.querySelector('#play').textContent === 'Play'")
    page.press("n")
    page.wait("document.querySelector('#events tr.on') !== null")
    page.wait("document.querySelector('#play').textContent === 'Play'")  # it stops with the event
    label = page.run("document.querySelector('#view').getAttribute('aria-label')")
    page.press("+")
    assert page.run("document.querySelector('#view').getAttribute('aria-label')") != label


def test_everything_is_reached_by_tab(page, clips):
    dropped(page, clips[-1])
    page.run("document.activeElement.blur()")
    seen = []
    for _ in range(60):
        page.press("Tab")
        seen.append(page.run("document.activeElement.id || document.activeElement.textContent.trim()"))
    for wanted in (
        "Listen",
        "Review",
        "tagger",
        "file",
        "record",
        "view",
        "play",
        "speed",
        "threshold",
        "contrast",
        "as-raven",
    ):
        assert wanted in seen, (wanted, seen)
    unnamed = page.run(
        "[...document.querySelectorAll('button, input, select, a')].filter((e) => !(e.textContent.trim() "
        "|| e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_a_recording_of_the_microphone(page):
    page.run("document.querySelector('#record').click()")
    page.wait("document.querySelector('#record').textContent.startsWith('stop after 0:01')")
    page.run("document.querySelector('#record').click()")
    page.wait("document.querySelector('#what').textContent.startsWith('microphone ')")
    page.wait("document.querySelector('#events-told').textContent.length > 0")
    assert page.run("document.querySelector('#facts').textContent").startswith("0:0")


HELD_BACK = """((id) => {
  const plain = fetch;
  window.waiting = new Set();
  window.fetch = (path, options = {}) => {
    if (options.method === "DELETE") window.left = [...waiting];
    else if (path.includes(id)) return new Promise((_, fail) => {
      const what = path.split(id)[1].split("?")[0];
      waiting.add(what);
      options.signal?.addEventListener("abort", () => { waiting.delete(what); fail(new DOMException("", "AbortError")); });
    });
    return plain(path, options);
  };
})(document.querySelector("#as-csv").href.match("recordings/([^/]+)")[1])"""


def test_what_is_asked_of_a_recording_is_given_up_before_it_is_dropped(page, clips):
    """Its picture and its events, which a slow service has not told when the next recording is there."""
    dropped(page, clips[0])
    page.run(HELD_BACK)
    page.press("+")
    page.wait("waiting.has('/peaks')")
    page.run("document.querySelector('#threshold').dispatchEvent(new Event('input'))")
    page.wait("waiting.has('/events')")
    dropped(page, clips[1])
    page.wait("!!window.left")
    assert page.run("left") == []


def test_live(page):
    page.run("location.hash = 'live'")
    page.wait("!document.querySelector('#live').hidden")
    page.run("document.querySelector('#live-start').click()")
    page.wait("document.querySelectorAll('#live-log tbody tr').length >= 2")
    page.run("document.querySelector('#live-start').click()")
    page.wait("document.querySelector('#live-now').textContent.startsWith('As a whole')")
    assert "s late at most" not in page.run("document.querySelector('#live-late').textContent")


def test_a_file_that_is_none(page, tmp_path):
    (tmp_path / "notes.wav").write_text("no sound at all\n" * 20)
    page.choose("#file", tmp_path / "notes.wav")
    said = page.wait("document.querySelector('#said').textContent")
    assert said.startswith("notes.wav: is no recording: it is text")
    page.console.clear()  # the browser itself tells of the answer 422


def pressed(page: Browser, key: str, until: str) -> None:
    """Press a key once the page is not at work on the one before, and wait for what it is for."""
    page.wait("document.querySelector('#review').ariaBusy !== 'true'")
    page.press(key)
    page.wait(until)


# what is told of a recording, and its spectrogram, come half a second later from now on
SLOW = """
globalThis.late = globalThis.pending = 0;
globalThis.soon ??= globalThis.fetch;
globalThis.fetch = async (asked, ...more) => {
  if (!String(asked).includes('v1/recordings/')) return soon(asked, ...more);
  pending += 1;
  await new Promise((done) => setTimeout(done, 500));
  try { return await soon(asked, ...more); } finally { late += 1; pending -= 1; }
};
"""


def test_a_folder_is_heard_and_reviewed_by_keyboard(page, program):
    page.run("location.hash = 'recordings'")
    page.wait("document.querySelectorAll('#files tbody tr').length > 0")
    page.run("document.querySelector('#begin').click()")
    page.wait("document.querySelector('#job-told').textContent.endsWith('.')")
    cell = page.wait("document.querySelector('#counts tbody td button')?.textContent")
    page.run("document.querySelector('#counts tbody td button').click()")
    page.wait(f"document.querySelectorAll('#found tbody tr').length === {int(cell)}")
    page.run("document.querySelector('#found tbody button').click()")
    page.wait("document.querySelector('#found tbody button').textContent === 'Stop'")
    page.run("location.hash = 'review'")
    page.wait("document.querySelector('#question').textContent.startsWith('Is this')")
    job = program.client.get("/v1/jobs").json()["jobs"][0]

    def asked() -> str:
        return page.run("document.querySelector('#question-told').textContent")

    for key in "rwur"[: job["events"]]:
        before = asked()
        pressed(
            page, key, f"document.querySelector('#judged').hidden || document.querySelector('#question-told').textContent !== {before!r}"
        )  # fmt: skip
    page.wait("document.querySelector('#figures').textContent.includes('Answers 4')")
    page.run(SLOW)
    pressed(page, "z", "document.querySelector('#figures').textContent.includes('Answers 3')")
    pressed(page, "o", "document.activeElement.id === 'other-tag'")
    page.wait("late > 0 && pending === 0")  # the recording comes and is drawn, and whoever writes goes on writing
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run("document.activeElement.id") == "other-tag"
    for letter in "wren":
        page.press(letter)
    page.press("Enter")
    page.wait("document.querySelector('#figures').textContent.includes('Answers 4')")
    rows = [row.split(",") for row in program.client.get(f"/v1/jobs/{job['id']}/reviews").text.splitlines()[1:]]
    assert [row[6] for row in rows] == ["right", "wrong", "unsure", "other"] and rows[-1][7] == "wren"


def test_edges_are_dragged_and_moved_by_keys(page, program):
    """With the mouse, a finger and keys; each move is taken back; what is said has the edges that are shown."""
    client = program.client
    job = client.post("/v1/jobs", json={"threshold": 0.21}).json()["id"]  # a job of its own
    while client.get(f"/v1/jobs/{job}").json()["state"] == "running":
        time.sleep(0.05)
    page.run("location.hash = 'review'")
    page.wait("document.querySelector('#question').textContent.startsWith('Is this')")
    page.run(
        f"(() => {{ const s = document.querySelector('#review-job'); s.value = '{job}'; s.dispatchEvent(new Event('change')); }})()"
    )
    page.wait("document.querySelector('#cause-told').textContent.includes('windows')")
    event = client.get(f"/v1/jobs/{job}/next").json()["event"]

    def edges() -> list[float]:
        return page.run(
            "[...document.querySelectorAll('#review-view .edge')].map((e) => Number(e.getAttribute('aria-valuenow')))"
        )

    page.wait(
        "document.querySelector('#review-view .edge.end') && !document.querySelector('#review-view .edge.end').hidden"
    )
    own = [event["onset"], event["offset"]]
    assert edges() == pytest.approx(own, abs=0.006)
    inner = page.run("document.querySelector('#review-view').clientWidth") - 54
    shown = page.run("[...document.querySelectorAll('#review-view .edge')].map((e) => e.getBoundingClientRect().x)")
    second = (shown[1] + 22 - shown[0]) / (own[1] - own[0])  # px; 8 px of each handle lie within
    assert 0 < second < inner
    page.drag("#review-view .edge.end", -40)
    moved = edges()
    assert moved[0] == pytest.approx(own[0], abs=0.006) and moved[1] == pytest.approx(own[1] - 40 / second, abs=0.03)
    page.drag("#review-view .edge.start", 30, finger=True)
    assert edges()[0] == pytest.approx(own[0] + 30 / second, abs=0.03)
    assert "(moved; it was found from" in page.run("document.querySelector('#question-told').textContent")
    pressed(page, "z", "true")
    assert edges() == moved
    pressed(page, "e", "document.activeElement.classList.contains('end')")
    page.press("ArrowLeft")
    page.press("ArrowLeft", shift=True)
    assert edges()[1] == pytest.approx(moved[1] - 0.55, abs=0.006)
    for _ in range(3):
        pressed(page, "z", "true")
    assert edges() == pytest.approx(own, abs=0.006)
    pressed(page, "s", "document.activeElement.classList.contains('start')")
    page.press("ArrowRight")
    page.press("Escape")
    assert page.run("document.activeElement.id") == "review-view"
    pressed(page, "r", "document.querySelector('#figures').textContent.includes('Answers 1')")
    row = client.get(f"/v1/jobs/{job}/reviews").text.splitlines()[1].split(",")
    assert row[6] == "moved" and float(row[8]) == pytest.approx(own[0] + 0.05, abs=0.002)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_screen(page, clips, width, dark):
    page.size(width, dark=dark)
    dropped(page, clips[-1])
    for name in ("listen", "live", "recordings", "review"):
        page.run(f"location.hash = {name!r}")
        page.wait(f"!document.querySelector('#{name}').hidden")
        assert page.run("document.documentElement.scrollWidth") <= width
    paper = page.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(21, 24, 27)" if dark else "rgb(252, 251, 249)")


def test_a_token_is_asked_for(other):
    token = "of sixteen or more"
    with serving("--token", token) as program:
        other.open(program.url)
        other.wait("!document.querySelector('#gate').hidden")
        assert other.run("document.activeElement.id") == "token"
        for letter in token:
            other.press(letter)
        other.press("Enter")
        other.wait(READY)
        assert other.run("document.cookie") == ""  # no script can read it
