"""Reviews by the page where the service is slow, gone or asked by two: no answer counts twice, and each can be taken back."""

from __future__ import annotations

import csv
import io

import pytest
from tests.serve.browser import Browser
from tests.serve.process import Program
from tests.serve.test_browser import page, program  # noqa: F401
from tests.serve.test_browser_line import BROKEN, SAID, UNREACHED, heard, put, settled, text

# of an answer: `how` it fares with the service, once
FARES = """((how) => {
  const plain = window.fetch;
  window.fetch = async (path, options = {}) => {
    if (!/reviews(.last)?$/.test(path) || !options.method) return plain(path, options);
    window.fetch = plain;
    if (how === "kept, and the line broke") await plain(path, options);
    if (how === "kept, and the proxy gave up") { await plain(path, options); return new Response("", { status: 504 }); }
    if (how === "gone") return new Response('{"error": "event 7: there is none"}', { status: 404 });
    if (how === "full") return new Response('{"error": "the disk is full: make room"}', { status: 503 });
    if (how === "answered") return new Response('{"error": "event 7: has an answer"}', { status: 409 });
    throw new TypeError("line broke");
  };
})"""
QUESTION = text("question", "question-told")
FREE = "document.querySelector('#review').ariaBusy !== 'true'"


def begun(page: Browser, program: Program, **asked: object) -> str:  # noqa: F811
    """Review of a job of its own without answers, open on its first event. → its address"""
    job = heard(program, **asked)["id"]
    while program.client.delete(f"/v1/jobs/{job}/reviews/last").json()["event"]:
        pass
    page.run("location.hash = 'review'")
    page.wait(f"[...document.querySelectorAll('#review-job option')].some((each) => each.value === '{job}')")
    page.run(put("review-job", str(job), "change"))
    page.wait("document.querySelector('#cause-told').textContent.includes('windows')")
    settled(page, QUESTION)
    return f"/v1/jobs/{job}"


def answers(program: Program, at: str) -> list[tuple[str, ...]]:  # noqa: F811
    rows = csv.DictReader(io.StringIO(program.client.get(f"{at}/reviews").text))
    return [(row["recording"], row["onset"], row["tag"]) for row in rows]


@pytest.mark.parametrize("how", ["kept, and the line broke", "kept, and the proxy gave up"])
def test_an_answer_whose_word_was_lost_is_not_given_twice(page, program, how):  # noqa: F811
    at = begun(page, program, threshold=0.11)
    before = page.run(QUESTION)
    page.run(f"{FARES}({how!r})")
    page.press("r")
    page.wait(f"{SAID}.startsWith('No word came that your answer was kept: if')")
    assert settled(page, QUESTION) != before
    assert len(answers(program, at)) == 1
    page.wait(FREE)
    page.press("r")
    page.wait("document.querySelector('#figures').textContent.includes('Answers 2')")
    assert len(set(answers(program, at))) == 2
    assert page.run(SAID) == ""


def test_an_answer_that_never_came_is_asked_for_again_as_it_was_prepared(page, program):  # noqa: F811
    """With its edges; and not before the service tells that it is open."""
    at = begun(page, program, threshold=0.11)
    before = page.run(QUESTION)
    page.press("s")
    page.press("ArrowRight")
    moved = page.run(QUESTION)
    assert moved != before and "(moved" in moved
    page.press("Escape")
    page.run(f"{FARES}('never came')")
    page.press("r")
    page.wait(f"{SAID} === 'No word came that your answer was kept, and it was not: give it again.'")
    assert settled(page, QUESTION) == moved
    page.run(f"{BROKEN}({at[1:]!r})")
    page.press("r")
    page.wait("!document.querySelector('#unasked').hidden && document.querySelector('#judged').hidden")
    assert page.run(SAID) == UNREACHED
    page.press("r")  # of nothing
    page.run("window.mend()")
    page.run("document.querySelector('#ask-next').click()")
    page.wait("!document.querySelector('#judged').hidden")
    assert settled(page, QUESTION) == moved
    assert answers(program, at) == []
    page.press("r")
    page.wait("document.querySelector('#figures').textContent.includes('Answers 1')")
    assert len(answers(program, at)) == 1


@pytest.mark.parametrize(
    ("how", "told"), [("gone", "event 7: there is none."), ("answered", "event 7: has an answer.")]
)
def test_an_event_that_is_not_open_any_more(page, program, how, told):  # noqa: F811
    """It is said, and what is open is shown."""
    at = begun(page, program, threshold=0.11)
    first = program.client.get(f"{at}/next").json()["event"]["id"]
    program.client.post(f"{at}/reviews", json={"event": first, "answer": "wrong"})  # in another window
    before = page.run(QUESTION)
    page.run(f"{FARES}({how!r})")
    page.press("r")
    page.wait(f"{SAID}.startsWith({told + ' Your answer was not kept'!r})")
    assert settled(page, QUESTION) != before
    assert len(answers(program, at)) == 1


def test_an_answer_that_could_not_be_kept(page, program):  # noqa: F811
    """The service says why, and so does the page."""
    at = begun(page, program, threshold=0.11)
    before = page.run(QUESTION)
    page.run(f"{FARES}('full')")
    page.press("r")
    page.wait(f"{SAID} === 'the disk is full: make room. Your answer was not kept: give it again then.'")
    assert settled(page, QUESTION) == before and answers(program, at) == []
    page.console.clear()  # the browser itself tells of each answer 503


def test_the_last_answer_of_all_is_taken_back(page, program):  # noqa: F811
    """By key and by button; a word of it that is lost takes no second answer back."""
    at = begun(page, program, threshold=0.11)
    events = program.client.get(f"{at}/events", params={"most": 1000}).json()["events"]
    while (asked := program.client.get(f"{at}/next").json())["left"] > 1:
        program.client.post(f"{at}/reviews", json={"event": asked["event"]["id"], "answer": "right"})
    page.run("location.hash = 'live'")
    page.run("location.hash = 'review'")
    for way in ("document.querySelector('#undo-last').click()", None):
        page.wait(f"{FREE} && document.querySelector('#figures').textContent.includes('left 1')")
        page.press("r")
        page.wait("!document.querySelector('#all-judged').hidden")
        assert page.run(text("all-judged-told")) == "Every event has an answer."
        assert len(answers(program, at)) == len(events)
        page.wait(FREE)
        page.press("z") if way is None else page.run(way)
        page.wait("!document.querySelector('#judged').hidden")
    page.wait(FREE)
    assert len(answers(program, at)) == len(events) - 1
    page.run(f"{FARES}('kept, and the line broke')")
    page.press("z")
    page.wait(f"{SAID}.startsWith('No word came that the last answer was taken back')")
    page.wait(f"{FREE} && document.querySelector('#figures').textContent.includes('left 2')")
    assert len(answers(program, at)) == len(events) - 2


def test_candidates_of_a_tag_that_has_no_event_are_chosen(page, program):  # noqa: F811
    at = begun(page, program, threshold=0.95)
    page.run(put("review-below", "true", "change"))
    told = program.client.get(f"{at}/events", params={"below": True, "most": 1000}).json()["events"]
    tags = {each["tag"] for each in told}
    page.wait(f"document.querySelectorAll('#review-tag option').length === {len(tags) + 1}")
    assert set(page.run("[...document.querySelectorAll('#review-tag option')].map((each) => each.value)")) == {
        "",
        *tags,
    }
    own = {row["tag"] for row in program.client.get(f"{at}/counts").json()["rows"]}
    (tag, *_) = tags - own
    page.run(put("review-tag", tag, "change"))
    page.wait(f"document.querySelector('#question').textContent === 'Is this {tag.replace('_', ' ')}?'")
