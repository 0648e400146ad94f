"""The page where answers come late, out of order or not at all: what stands there is of what was asked last, or it is said why not."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest
from tests.serve.browser import Browser
from tests.serve.process import Program
from tests.serve.test_browser import page, program  # noqa: F401

# the first answer to an address that holds `part` is kept back until `release` is called, whoever gives it up meanwhile
LATE = """((part) => {
  const plain = window.fetch;
  window.held = window.answered = 0;
  window.fetch = async (path, options = {}) => {
    if (!String(path).includes(part)) return plain(path, options);
    if (held++) { const answer = await plain(path, options); answered += 1; return answer; }
    const answer = await plain(path, { ...options, signal: undefined });
    await new Promise((done) => { window.release = () => { window.fetch = plain; done(); }; });
    return answer;
  };
})"""
# what holds `part` meets no service, until `mend` is called
BROKEN = """((part) => {
  const plain = window.fetch;
  window.broken = 0;
  window.mend = () => { window.fetch = plain; };
  window.fetch = (path, options) => {
    if (!String(path).includes(part)) return plain(path, options);
    broken += 1;
    return Promise.reject(new TypeError("line broke"));
  };
})"""
UNREACHED = "The service cannot be reached."
SAID = "document.querySelector('#said').textContent"


def put(id: str, value: object, kind: str = "input") -> str:
    """A script that gives an input a value as a hand does."""
    return f"((e) => {{ e.value = {value!r}; e.dispatchEvent(new Event({kind!r})); }})(document.getElementById({id!r}))"


def text(*ids: str) -> str:
    return f"{list(ids)!r}.map((id) => document.getElementById(id).textContent).join(' | ')"


LISTEN = (
    f"{text('threshold-told', 'events-told', 'what', 'answer')} + document.querySelectorAll('#events tbody tr').length "
    "+ document.querySelector('#as-csv').href"
)
FOLDER = f"{text('job-told', 'counts-told', 'counts', 'listed-head', 'found', 'files-told', 'files')}"
REVIEW = f"{text('question', 'question-told', 'figures')} + document.querySelector('#review-tag').value"
CELLS = "[...document.querySelectorAll('#counts tbody td:last-child button')]"


class Change(NamedTuple):
    """Two inputs that are asked about at `part`, on a page; what is seen of it, and a script that is true of the second."""

    hash: str
    ready: str
    part: str
    first: str
    second: str
    seen: str
    wanted: str


NAMED = "document.querySelectorAll('#files tbody a').length > 1"
COUNTED = f"{CELLS}.length > 1"
ASKED = "document.querySelector('#question').textContent && document.querySelectorAll('#review-tag option').length > 2"
TAGS = "[...document.querySelector('#review-tag').options].slice(1)"
TAGGED = "document.querySelector('#review-tag').dispatchEvent(new Event('change'))"
CHANGES = {
    "threshold": Change(
        "listen/A", "document.querySelectorAll('#events tbody tr').length", "/events?",
        put("threshold", 0.02), put("threshold", 0.97), LISTEN,
        "document.querySelector('#events-told').textContent.includes('0.97') "
        "&& document.querySelector('#as-csv').href.includes('threshold=0.97')",
    ),
    "recording": Change(
        "recordings", NAMED, "v1/recordings/", "location.hash = 'listen/A'", "location.hash = 'listen/B'", LISTEN,
        "document.querySelector('#what').textContent === B && document.querySelector('#as-csv').href.includes('recordings/' + idOfB)",
    ),
    "what is heard in a recording": Change(
        "recordings", NAMED, "/scores?", "location.hash = 'listen/A'", "location.hash = 'listen/B'", LISTEN,
        "document.querySelector('#as-csv').href.includes('recordings/' + idOfB)",
    ),
    "name": Change(
        "recordings", NAMED, "v1/recordings?", put("filter", "A_"), put("filter", "_0530"), FOLDER,
        "document.querySelector('#files-told').textContent.startsWith('1 ')",
    ),
    "which of the files": Change(
        "recordings", NAMED, "v1/recordings?", put("only", "heard", "change"), put("only", "silent", "change"), FOLDER,
        "document.querySelector('#files-told').textContent.startsWith('0 ')",
    ),
    "score of counts": Change(
        "recordings", COUNTED, "/counts?", put("least", 0.1), put("least", 0.99), FOLDER,
        "!document.querySelector('#counts').textContent.includes('chance')",
    ),
    "cell": Change(
        "recordings", COUNTED, "/events?", f"{CELLS}[0].click()", f"{CELLS}[1].click()", FOLDER,
        f"document.querySelector('#listed-head').textContent.startsWith({CELLS}[1].closest('tr').cells[0].textContent)",
    ),
    "tag of a review": Change(
        "review", ASKED, "/next?", f"{TAGS}[0].selected = true, {TAGGED}", f"{TAGS}[1].selected = true, {TAGGED}", REVIEW,
        "document.querySelector('#question').textContent === "
        "`Is this ${document.querySelector('#review-tag').value.replaceAll('_', ' ')}?`",
    ),
}  # fmt: skip


def heard(program: Program, **asked: object) -> dict[str, object]:  # noqa: F811
    """A job over the folder, when it is done."""
    job = program.client.post("/v1/jobs", json=asked).json()
    while job["state"] == "running":
        time.sleep(0.05)
        job = program.client.get(f"/v1/jobs/{job['id']}").json()
    assert job["state"] == "done"
    return job


def settled(page: Browser, seen: str) -> object:  # noqa: F811
    """What is seen once it changes no more."""
    before, now = None, page.run(seen)
    while now != before:
        page.run("new Promise((done) => setTimeout(done, 300))")
        before, now = now, page.run(seen)
    return now


def begun(page: Browser, program: Program, change: Change) -> Change:  # noqa: F811
    """The page of a change, open and ready; with the names of two recordings for A and B in it."""
    heard(program, threshold=0.1)
    first, second = program.client.get("/v1/recordings").json()["recordings"][:2]

    def named(script: str) -> str:
        return script.replace("listen/A", f"listen/{first['id']}").replace("listen/B", f"listen/{second['id']}")

    page.run(f"window.B = {second['name']!r}, window.idOfB = {second['id']!r}, location.hash = {named(change.hash)!r}")
    page.wait(change.ready)
    settled(page, change.seen)  # what else it asks when it opens
    return change._replace(first=named(change.first), second=named(change.second))


@pytest.mark.parametrize("name", CHANGES)
def test_an_answer_that_comes_late_is_not_taken(page, program, name):  # noqa: F811
    """Of two inputs the first is answered after the second: what is seen stays that of the second."""
    change = begun(page, program, CHANGES[name])
    page.run(f"{LATE}({change.part!r})")
    page.run(change.first)
    page.wait("window.held === 1 && !!window.release")
    page.run(change.second)
    page.wait("window.answered > 0")
    page.wait(change.wanted)
    seen = settled(page, change.seen)
    page.run("window.release()")
    assert settled(page, change.seen) == seen
    assert page.run(change.wanted)


@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_be_asked_is_said(page, program, name):  # noqa: F811
    """No input meets silence where the service is gone, and what is said ends when it is back."""
    change = begun(page, program, CHANGES[name])
    page.run(f"{BROKEN}({change.part!r})")
    page.run(change.second)
    page.wait("window.broken > 0")
    assert page.wait(SAID) == UNREACHED
    page.run("window.mend()")
    page.run(change.first)
    page.wait(f"{SAID} !== {UNREACHED!r}")  # what was done to a recording's sound may be said there instead


def test_no_old_events_under_a_threshold_or_a_recording_that_could_not_be_asked(page, program):  # noqa: F811
    """Neither rows nor links for files of what was asked before."""
    change = begun(page, program, CHANGES["threshold"])
    none = (
        "document.querySelectorAll('#events tbody tr').length === 0 && document.querySelector('#events-told').textContent === '' "
        "&& [...document.querySelectorAll('#keep a')].every((link) => !link.hasAttribute('href')) && document.querySelector('#keep').hidden"
    )
    page.run(f"{BROKEN}('/events?')")
    page.run(change.second)
    page.wait(f"{SAID} === {UNREACHED!r}")
    assert page.run(none)
    page.run("window.mend()")
    page.run(change.second)
    page.wait("document.querySelectorAll('#keep a[href]').length === 4")
    page.run(f"{BROKEN}('/scores?')")
    page.run("location.hash = `listen/${idOfB}`")
    page.wait(f"{SAID} === {UNREACHED!r}")
    assert page.run(
        "document.querySelector('#what').textContent === B && document.querySelector('#answer').textContent === ''"
    )
    assert page.run(none)


def test_a_recording_that_is_opened_again_is_asked_for_again(page, program):  # noqa: F811
    """Its file may be another by now: nothing of it is kept in the page."""
    (first, *_) = program.client.get("/v1/recordings").json()["recordings"]
    page.run("location.hash = 'recordings'")
    page.wait(NAMED)
    for _ in range(2):
        page.run(f"document.querySelector('#files a[href=\"#listen/{first['id']}\"]').click()")
        page.wait(f"document.querySelector('#what').textContent === {first['name']!r}")
        settled(page, LISTEN)
        for part in ("", "/peaks?", "/spectrogram?", "/scores?", "/events?"):
            asked = [
                url
                for url in page.asked
                if f"v1/recordings/{first['id']}{part}" in url and (part or url.endswith(first["id"]))
            ]
            assert asked, part
        page.asked.clear()
        page.run("location.hash = 'recordings'")
        page.wait("!document.querySelector('#recordings').hidden")
