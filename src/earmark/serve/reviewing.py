"""What people say of what a job found, over HTTP: one event after the other, its answer, what follows from all of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from earmark.errors import EarmarkError, UnknownName
from earmark.serve import judging
from earmark.serve.api import REFUSALS, SENDS_TOKEN, TABLES, TAKES_JSON
from earmark.serve.folder import Below, Looked, Number, Tag, event_of, known_job, known_tag
from earmark.serve.judging import Order
from earmark.serve.service import Here, Service
from earmark.serve.shapes import Kept, NextEvent, Precision, Problem, Said, TakenBack
from earmark.serve.store import Store

BEYOND = (
    0.05  # s by which an edge may lie behind the end: a recording's length is told in microseconds, a pointer in pixels
)
router = APIRouter(
    responses={**REFUSALS, 404: {"model": Problem, "description": "There is no such thing here, or no folder."}},
    tags=["review"],
    dependencies=SENDS_TOKEN,
)


@router.get("/v1/jobs/{job}/next")
def following(
    job: Number, here: Here, _: Looked, tag: Tag = None, order: Order = "mixed", below: Below = False
) -> NextEvent:
    """The next event to be judged, or the next candidate."""
    store = here.folder[0]
    known_tag(store, job, tag)
    while True:
        event, left = judging.following(store, job, tag, order, below)
        if event is None or _there(
            here, event["recording"]
        ):  # else it was replaced since the last list: nobody is asked of it
            break
    if event is None:
        return NextEvent(event=None, drawn=None, left=0)
    return NextEvent(event=event_of(event), drawn=event["drawn"], left=left)


def _there(here: Service, recording: str) -> bool:
    """Whether a recording is there as a job heard it, at this moment."""
    store, _ = here.folder
    store.look(here.shelf.listing.state, recording)
    return bool(store.rows("SELECT 1 FROM done WHERE recording = ? AND there", (recording,)))


@router.post("/v1/jobs/{job}/reviews", status_code=201, responses=TAKES_JSON)
def review(job: Number, said: Said, here: Here) -> Kept:
    """Keep an answer. It is on the disk when this is answered."""
    store, _ = here.folder
    for row in store.rows("SELECT recording FROM events WHERE job = ? AND id = ?", (job, said.event)):
        _there(here, row["recording"])
    rows = store.rows("SELECT * FROM found WHERE job = ? AND id = ?", (job, said.event))
    if not rows:
        known_job(store, job)
        raise UnknownName(
            f"event {said.event}: job {job} has none of this number. Where it had, its recording was replaced or taken away "
            f"since: go on with /v1/jobs/{job}/next, or load the page again"
        )
    other = said.other
    if (said.answer == "other") != bool(other):
        raise EarmarkError("other is the tag that it is, where the answer is `other`, and else empty")
    if other == rows[0]["tag"]:
        raise EarmarkError(f"the event is told as {other} already: then it is right")
    return Kept(id=judging.answer(store, rows[0], said.answer, other, said.drawn, _edges(store, rows[0], said)))


def _edges(store: Store, event: dict[str, Any], said: Said) -> tuple[float, float] | None:
    """Where it begins and ends instead; None where it was not moved. Raises EarmarkError."""
    if said.onset is None and said.offset is None:
        return None
    onset = event["onset"] if said.onset is None else said.onset
    offset = event["offset"] if said.offset is None else said.offset
    (told,) = store.rows(
        "SELECT max(seconds) AS seconds FROM done WHERE job = ? AND recording = ?", (event["job"], event["recording"])
    )
    end = told["seconds"] or event["offset"]
    if said.answer not in ("right", "other"):
        raise EarmarkError(f"the answer is {said.answer}, and edges were moved: only what is there has edges")
    if not 0 <= onset < offset <= end + BEYOND:
        raise EarmarkError(
            f"the edges go from {onset:g} to {offset:g} s: an event ends after its start, within its recording of {end:.2f} s"
        )
    if offset < event["onset"] or onset > event["offset"]:
        raise EarmarkError(
            f"the edges, {onset:g} to {offset:g} s, do not touch the event, {event['onset']:g} to {event['offset']:g} s: they count from "
            "the start of the recording"
        )
    moved = round(onset, 6), round(min(offset, end), 6)
    return None if moved == (event["onset"], event["offset"]) else moved


@router.delete("/v1/jobs/{job}/reviews/last")
def take_back(job: Number, here: Here, _: Looked) -> TakenBack:
    """Take the newest answer back."""
    store = here.folder[0]
    known_job(store, job)
    gone = judging.take_back(store, job)
    if gone is None:
        return TakenBack(event=None, drawn=None, onset=None, offset=None)
    rows = store.rows(
        "SELECT * FROM found WHERE job = ? AND recording = ? AND onset = ? AND tag = ?",
        (job, gone["recording"], gone["onset"], gone["tag"]),
    )
    edges = {"onset": gone["right_onset"], "offset": gone["right_offset"]}
    return TakenBack(event=event_of(rows[0]) if rows else None, drawn=gone["drawn"], **edges)


@router.get("/v1/jobs/{job}/figures")
def figures(job: Number, here: Here, _: Looked, tag: Tag = None) -> Precision:
    """The precision so far, of events; and what was said of candidates."""
    store = here.folder[0]
    known_tag(store, job, tag)
    return Precision(**judging.figures(store, job, tag))


@router.get(
    "/v1/jobs/{job}/reviews", response_class=Response, responses={200: {"content": {"text/csv": TABLES["text/csv"]}}}
)
def reviews(job: Number, here: Here, _: Looked) -> Response:
    """The answers as the table of `earmark review`, from which taggers learn."""
    store = here.folder[0]
    known_job(store, job)
    headers = {"Content-Disposition": f'attachment; filename="reviews-{job}.csv"'}
    body = judging.table(store, job).encode("utf-8", "surrogateescape")
    return Response(body, media_type="text/csv", headers=headers)
