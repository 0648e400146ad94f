"""Edges that were moved, and candidates: what was not sure enough to be told is reviewed too, and never mixed up with events."""

from __future__ import annotations

import csv
import io
import shutil
import sqlite3

import pytest
from tests.serve.test_folder import run

from earmark.evaluation.reviews import answers
from earmark.events import EventRules, detection
from earmark.inference import candidates
from earmark.scores import Event
from earmark.serve import judging
from earmark.serve.store import SINCE_1, Store


def test_candidates_are_what_half_the_thresholds_find(esc10, clips):
    """Events are those of the rules; candidates those of half their thresholds, where no event of the tag is."""
    from pathlib import Path

    from earmark.serve.sounds import Sent

    rules = EventRules.alike(esc10.vocabulary, threshold=0.4, gap=0.5)
    sounds = [Sent(Path(path.name), file=path) for path in clips]
    seen = 0
    for path, (_, events, rejected) in zip(clips, candidates.hear(esc10, sounds, rules, workers=1), strict=True):
        rows = esc10.score(path, windows=True).windows
        (wanted,) = detection.find(rows, rules).values()
        (low,) = detection.find(rows, rules.changed(threshold=0.2)).values()
        assert events == wanted
        assert rejected == [
            each
            for each in low
            if not any(e.tag == each.tag and e.onset < each.offset and each.onset < e.offset for e in wanted)
        ]
        assert all(0.2 - 1e-6 <= each.score < 0.4 for each in rejected)
        seen += len(rejected)
    assert seen > 0


def test_candidates_are_apart_from_events(folder):
    job = run(folder, threshold=0.5)
    at = f"/v1/jobs/{job['id']}"
    assert job["candidates"] > 0
    told = folder.get(f"{at}/events", params={"below": True, "most": 1000}).json()
    assert told["total"] == job["candidates"] and all(each["below"] and each["score"] < 0.5 for each in told["events"])
    own = folder.get(f"{at}/events", params={"most": 1000}).json()
    assert own["total"] == job["events"] and not any(each["below"] for each in own["events"])
    before = folder.get(f"{at}/figures").json()
    first = folder.get(f"{at}/next", params={"below": True}).json()
    assert first["event"]["below"] and first["left"] == job["candidates"]
    event = first["event"]["id"]
    assert folder.post(f"{at}/reviews", json={"event": event, "answer": "right"}).status_code == 201
    after = folder.get(f"{at}/figures").json()
    assert after == before | {"candidates": 1, "missed": 1}  # the precision is of events alone
    assert folder.get(f"{at}/next", params={"below": True}).json()["left"] == job["candidates"] - 1
    assert folder.get(f"{at}/next").json()["left"] == job["events"]
    (row,) = csv.DictReader(io.StringIO(folder.get(f"{at}/reviews").text))
    assert (row["answer"], row["chosen"]) == (
        "right",
        "below the threshold",
    )  # which `earmark review` leaves out of its figures
    assert folder.delete(f"{at}/reviews/last").json()["event"] == first["event"]


def test_edges_are_moved_and_taken_back(folder, tmp_path):
    job = run(folder, threshold=0.3)
    at = f"/v1/jobs/{job['id']}"
    events = folder.get(f"{at}/events", params={"most": 3}).json()["events"]
    moved, named, same = events
    for event, answer in (
        (moved, {"answer": "right", "onset": moved["onset"] + 0.25}),
        (named, {"answer": "other", "other": "wren", "onset": 0.5, "offset": 1.25}),
        (same, {"answer": "right", "onset": same["onset"], "offset": same["offset"]}),
    ):
        told = folder.post(f"{at}/reviews", json={"event": event["id"], **answer})
        assert told.status_code == 201, told.text
    (tmp_path / "answers.csv").write_text(folder.get(f"{at}/reviews").text)
    read = answers.read(tmp_path / "answers.csv")
    assert [each.answer for each in read] == ["moved", "other", "right"]
    (tagger,) = folder.get("/v1/taggers").json()["taggers"]  # so that thresholds are chosen by no other's scores
    assert {each.picked.tagger for each in read} == {tagger["identity"]}
    assert [(each.truth.onset, each.truth.offset, each.truth.tag) for each in read] == [
        (moved["onset"] + 0.25, moved["offset"], moved["tag"]), (0.5, 1.25, "wren"), (same["onset"], same["offset"], same["tag"]),
    ]  # fmt: skip
    assert folder.get(f"{at}/figures").json()["right"] == 2
    assert folder.delete(f"{at}/reviews/last").json()["onset"] is None
    back = folder.delete(f"{at}/reviews/last").json()
    assert (back["event"], back["onset"], back["offset"]) == (named, 0.5, 1.25)


@pytest.mark.parametrize(("said", "told"), [
    ({"answer": "right", "onset": 3, "offset": 2}, "the edges go from 3 to 2 s: an event ends after its start"),
    ({"answer": "right", "offset": 1e6}, "within its recording of"),
    ({"answer": "wrong", "onset": 0}, "the answer is wrong, and edges were moved: only what is there has edges"),
    ({"answer": "right", "onset": -1}, "onset: Input should be greater than or equal to 0"),
])  # fmt: skip
def test_edges_that_are_none(folder, said, told):
    job = run(folder, threshold=0.3)
    event = folder.get(f"/v1/jobs/{job['id']}/events").json()["events"][0]["id"]
    answer = folder.post(f"/v1/jobs/{job['id']}/reviews", json={"event": event, **said})
    assert answer.status_code == 422 and told in answer.json()["error"]


def test_edges_touch_their_event(folder):
    """As in tables of reviews: what lies elsewhere was counted from the start of a clip."""
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    events = folder.get(f"{at}/events").json()["events"]
    late = next(event for event in events if event["onset"] > 0.2)
    for onset, offset, status in ((0.0, late["onset"] - 0.1, 422), (0.0, late["onset"], 201)):
        told = folder.post(
            f"{at}/reviews", json={"event": late["id"], "answer": "right", "onset": onset, "offset": offset}
        )
        assert told.status_code == status, told.text
    assert "do not touch the event" in folder.post(
        f"{at}/reviews", json={"event": late["id"], "answer": "right", "onset": 0.0, "offset": late["onset"] - 0.1}
    ).json()["error"]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "last"), [("RWR", "R"), ("RR", "R"), ("RU", "U"), ("UW", "W"), ("ROR", "R"), ("RMM", "M"), ("MR", "R"), ("CW", "W")]
)  # fmt: skip
def test_an_event_that_is_answered_again_counts_once(folder, tmp_path, said, last):
    """In all that is made of answers, as if the last one alone had been given; `earmark review` takes the table."""
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    low = said.startswith("C")
    event = folder.get(f"{at}/events", params={"below": low}).json()["events"][0]
    edges = {"onset": event["onset"], "offset": event["offset"] - 0.0625}
    words = {
        "R": {"answer": "right"}, "W": {"answer": "wrong"}, "U": {"answer": "unsure"}, "O": {"answer": "other", "other": "wren"},
        "M": {"answer": "right", **edges}, "C": {"answer": "right"},
    }  # fmt: skip

    def after(answers_given: str) -> list:
        for each in answers_given:
            told = folder.post(f"{at}/reviews", json={"event": event["id"], "drawn": "surest", **words[each]})
            assert told.status_code == 201, told.text
        rows = [
            {name: row[name] for name in row if name != "time"}
            for row in csv.DictReader(io.StringIO(folder.get(f"{at}/reviews").text))
        ]
        here = folder.app.state.service
        examples = folder.get(f"{at}/examples", params={"tag": event["tag"]}).json()
        left = folder.get(f"{at}/next", params={"below": low}).json()["left"]
        return [folder.get(f"{at}/figures").json(), rows, examples, left, here.trainings.answers("esc10")]

    wanted = after(last)
    folder.delete(f"{at}/reviews/last")
    assert (found := after(said)) == wanted
    assert found[0]["asked"] + found[0]["candidates"] == len(found[1]) == 1
    (tmp_path / "answers.csv").write_text(folder.get(f"{at}/reviews").text)
    assert len(answers.read(tmp_path / "answers.csv")) == 1


def test_what_is_taken_back_leaves_the_answer_before_it(folder):
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    event = folder.get(f"{at}/next").json()["event"]["id"]
    for said in ("right", "wrong", "wrong"):  # the third is the second, told again by who was not told that it is kept
        folder.post(f"{at}/reviews", json={"event": event, "answer": said})
    told = []
    for _ in range(3):
        figures = folder.get(f"{at}/figures").json()
        told.append((figures["asked"], figures["right"]))
        folder.delete(f"{at}/reviews/last")
    assert told == [(1, 0), (1, 1), (0, 0)]


def test_precision_of_one_event_that_was_heard_is_no_certainty(tmp_path):
    store = Store(tmp_path)
    job = store.job({}, "t")
    store.heard(job, "a.wav", 9.0, [Event(i, i + 1, "dog", 0.5 + i / 10) for i in range(3)])
    event, _ = judging.following(store, job, None, "surest")
    for said in ("right", "wrong", "right"):
        judging.answer(store, event, said, "", "surest")
    told = judging.figures(store, job, None)
    assert (told["asked"], told["right"], told["sample"]) == (1, 1, 0)
    assert told["precision"] is None or told["low"] < told["high"]
    store.close()


def test_the_precision_of_all_holds_tags_that_nobody_was_asked_of(tmp_path):
    """By hand, of 4 events of three tags: of one answer, right, 1/4 to 4/4; of three, of which two are, 2/4 or 3/4; of all 3/4."""
    store = Store(tmp_path)
    job = store.job({}, "t")
    tags = ("helicopter", "fire", "fire", "dog")
    store.heard(job, "a.wav", 9.0, [Event(n, n + 1, tag, 0.9 - n / 10) for n, tag in enumerate(tags)])
    told = []
    for said in ("right", "right", "wrong", "right"):
        event, _ = judging.following(store, job, None, "surest")
        judging.answer(store, event, said, "", "surest")
        told.append([judging.figures(store, job, None)[name] for name in ("precision", "low", "high")])
    assert told == [[None, 0.25, 1.0], [None, 0.5, 1.0], [None, 0.5, 0.75], [0.75, 0.75, 0.75]]
    assert judging.figures(store, job, "dog")["precision"] == 1.0  # of one tag its own
    judging.take_back(store, job)
    assert [judging.figures(store, job, "dog")[name] for name in ("precision", "low", "high")] == [None, None, None]
    store.close()


def test_a_state_of_before_is_taken_over(tmp_path):
    """A file as version 1 wrote it, with its answers: read, and written on."""
    line = sqlite3.connect(tmp_path / "serve.sqlite")
    line.executescript(BEFORE)
    line.close()
    for _ in range(2):  # and again, when it is of today
        store = Store(tmp_path)
        (review,) = judging.reviews(store, 1)
        assert (review.answer, review.truth) == ("right", Event(1.0, 2.0, "dog", 0.9))
        event, left = judging.following(store, 1, None, "surest")
        assert left == 1 and event["below"] == 0
        store.close()


@pytest.mark.parametrize("version", [1, 2])
def test_numbers_of_events_are_never_given_again(tmp_path, version):
    """Not in a state of before either, whose last event may have been another one's number already."""
    line = sqlite3.connect(tmp_path / "serve.sqlite")
    line.executescript(BEFORE)
    if version == 2:
        for change in SINCE_1:
            line.execute(change)
        line.execute("PRAGMA user_version = 2")
    line.commit()
    line.close()
    seen = {1, 2, 3}  # the third was deleted before
    for turn in range(3):
        store = Store(tmp_path)
        ids = {row["id"] for row in store.rows("SELECT id FROM events")}
        assert ids == {1, 2} if turn == 0 else not ids & {1, 2}
        store.heard(1, "a.wav", 9.0, [Event(turn, turn + 1.5, "dog", 0.9)])
        (made,) = store.rows("SELECT id FROM events")
        assert made["id"] not in seen
        seen.add(made["id"])
        store.heard(1, "a.wav", 9.0, [Event(turn, turn + 1.5, "dog", 0.9)])  # the same again is the same
        assert store.rows("SELECT id FROM events") == [made]
        store.close()


def test_an_answer_to_an_event_that_is_gone(folder, place, clips):
    """As of a page that is still open where the recording is another one by now: it is not said of an event of that one."""
    job = run(folder, threshold=0.1)
    at = f"/v1/jobs/{job['id']}"
    before = {each["id"]: each for each in folder.get(f"{at}/events", params={"most": 1000}).json()["events"]}
    names = sorted({each["name"] for each in before.values()})
    shutil.copy(clips[0], place / names[-1])
    run(folder, threshold=0.1)
    after = {each["id"]: each for each in folder.get(f"{at}/events", params={"most": 1000}).json()["events"]}
    assert len(after.keys() - before.keys()) > 0 < len(before.keys() - after.keys())
    assert all(after[each] == before[each] for each in after.keys() & before.keys())
    for gone in before.keys() - after.keys():
        told = folder.post(f"{at}/reviews", json={"event": gone, "answer": "right"})
        assert told.status_code == 404 and f"go on with {at}/next" in told.json()["error"], told.text
    assert folder.get(f"{at}/figures").json()["asked"] == 0


BEFORE = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, told TEXT NOT NULL UNIQUE, tagger TEXT NOT NULL, state TEXT NOT NULL, begun TEXT NOT NULL);
CREATE TABLE done (job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, seconds REAL, error TEXT, PRIMARY KEY (job, recording));
CREATE TABLE events (
  id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, onset REAL NOT NULL, offset REAL NOT NULL,
  tag TEXT NOT NULL, score REAL NOT NULL, draw REAL NOT NULL, clock INTEGER, hour INTEGER NOT NULL);
CREATE TABLE reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs, recording TEXT NOT NULL, onset REAL NOT NULL,
  offset REAL NOT NULL, tag TEXT NOT NULL, score REAL NOT NULL, answer TEXT NOT NULL, other TEXT NOT NULL, drawn TEXT NOT NULL,
  draw REAL NOT NULL, time TEXT NOT NULL, undone TEXT);
INSERT INTO jobs VALUES (1, '{}', 'esc10', 'done', '2026-05-14');
INSERT INTO done VALUES (1, 'a.wav', 9.0, NULL);
INSERT INTO events VALUES (1, 1, 'a.wav', 1.0, 2.0, 'dog', 0.9, 0.5, NULL, 0), (2, 1, 'a.wav', 5.0, 6.0, 'dog', 0.8, 0.1, NULL, 0);
INSERT INTO reviews VALUES (1, 1, 'a.wav', 1.0, 2.0, 'dog', 0.9, 'right', '', 'surest', 0.5, '2026-05-14', NULL);
PRAGMA user_version = 1;
"""
