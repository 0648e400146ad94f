"""The folder of recordings over HTTP: what is in it, jobs over it, and what they found."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response

from earmark.errors import EarmarkError, UnknownName
from earmark.events import formats as eventfile
from earmark.inference.asked import rules_of
from earmark.inference.shapes import EventsOfRecording
from earmark.registry import did_you_mean
from earmark.scores import Event
from earmark.serve.answers import How, written
from earmark.serve.api import PLAIN, REFUSALS, SENDS_TOKEN, TABLES, TAKES_JSON, TYPES, Form
from earmark.serve.listing import Listed, id_of
from earmark.serve.service import Here, Service
from earmark.serve.shapes import (
    AllJobs,
    CountsByHour,
    CountsOfTag,
    Folder,
    FoundEvent,
    FoundEvents,
    JobAsked,
    OneJob,
    OneRecording,
    Problem,
)  # fmt: skip
from earmark.serve.store import Store
from earmark.serve.wording import over_http

router = APIRouter(
    responses={**REFUSALS, 404: {"model": Problem, "description": "There is no such thing here, or no folder."}},
    tags=["folder"],
    dependencies=SENDS_TOKEN,
)
CSV = Form("csv")
SHOWN = 20  # tags that a refusal names
Number = Annotated[int, Path(ge=1, le=2**53, description="Of a job.")]
Tag = Annotated[str | None, Query(max_length=255, description="Of this tag alone.")]
Name = Annotated[str | None, Query(max_length=255, description="Whose names hold this.")]
First = Annotated[int, Query(ge=0, le=2**53, description="How many are left out before.")]
Most = Annotated[int, Query(ge=1, le=1000)]
Only = Literal["waits", "heard", "unread", "silent", "noted"]
Below = Annotated[
    bool, Query(description="Of the candidates, whose scores lie under the threshold, not of the events.")
]
WITHIN = " AND (? IS NULL OR tag = ?) AND (? IS NULL OR recording = ?) AND (? IS NULL OR {column} = ?) AND score >= ?"


async def lately(here: Here) -> Listed:
    """The folder's recordings; waited for where no thread is taken up by it, for there are as many as may wait."""
    return await here.shelf.listing.lately()


async def looked(here: Here) -> Listed:
    """The same, of what is kept: it is told also where the folder cannot be listed, as without its card; then none are listed."""
    try:
        return await lately(here)
    except EarmarkError:
        return Listed()


Lately = Annotated[Listed, Depends(lately)]
Looked = Annotated[Listed, Depends(looked)]


@router.get("/v1/recordings")
def recordings(
    here: Here,
    listed: Lately,
    job: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    name: Name = None,
    only: Annotated[Only | None, Query(description="Those of which the job says so; noted: those with notes.")] = None,
    first: First = 0,
    most: Most = 100,
) -> Folder:
    """The recordings of the folder, and what a job made of them."""
    store, _ = here.folder
    if job is not None:
        known_job(store, job)
    elif only is not None:
        raise EarmarkError(f"only={only} is of what a job made of the recordings: say which with job=")
    done = {row["recording"]: row for row in store.rows("SELECT * FROM done WHERE job = ? AND there", (job,))}
    found = {
        known: told
        for known, told in listed.names.items()
        if (name is None or name.casefold() in told.casefold()) and (only is None or _is(only, done.get(told)))
    }
    counts = {
        row["recording"]: row["n"]
        for row in store.rows(
            "SELECT recording, count(*) AS n FROM found WHERE job = ? AND below = 0 GROUP BY recording", (job,)
        )
    }
    shown = list(found.items())[first : first + most]
    return Folder(
        total=len(found), passed_over=listed.passed_over,
        recordings=[_recording(known, told, done.get(told), counts.get(told, 0)) for known, told in shown],
    )  # fmt: skip


def _is(only: Only, done: dict[str, Any] | None) -> bool:
    match only:
        case "silent":
            return done is not None and bool(done["silent"])
        case "noted":
            return done is not None and done["notes"] not in (None, "[]")
    return _state(done) == only


def _state(done: dict[str, Any] | None) -> Literal["waits", "heard", "unread"]:
    return "waits" if done is None else "unread" if done["error"] else "heard"


def _recording(known: str, name: str, done: dict[str, Any] | None, events: int) -> OneRecording:
    told = done or dict.fromkeys(("seconds", "error", "notes", "silent"))
    return OneRecording(
        id=known, name=name, state=_state(done), seconds=told["seconds"], events=events,
        error=None if told["error"] is None else over_http(told["error"]),
        silent=None if told["silent"] is None else bool(told["silent"]),
        notes=None if told["notes"] is None else list(map(over_http, json.loads(told["notes"]))),
    )  # fmt: skip


@router.post("/v1/jobs", status_code=202, responses=TAKES_JSON)
def begin(asked: JobAsked, here: Here, listed: Lately) -> OneJob:
    """Hear the whole folder in the background. The same settings again go on with what is new, and mend what was stopped; with
    retry they try again what could not be read, too.
    """
    store, jobs = here.folder
    name, tagger = here.tagger(asked.tagger)
    rules = rules_of(tagger).changed(asked.threshold, asked.median, asked.gap, asked.shortest, asked.low)
    return _job(here, store, jobs.begin(name, rules, asked.retry, How(asked.gain, asked.salvage)), listed)


@router.get("/v1/jobs")
def all_jobs(here: Here, listed: Looked) -> AllJobs:
    """The jobs, the newest first."""
    store, _ = here.folder
    return AllJobs(
        jobs=[_job(here, store, row["id"], listed) for row in store.rows("SELECT id FROM jobs ORDER BY id DESC")]
    )


@router.get("/v1/jobs/{job}")
def one_job(job: Number, here: Here, listed: Looked) -> OneJob:
    """How far a job is."""
    return _job(here, here.folder[0], job, listed)


@router.post("/v1/jobs/{job}/stop")
def stop(job: Number, here: Here, listed: Looked) -> OneJob:
    """Stop a job that runs, and leave one that does not as it is; what it found is kept, and it can go on."""
    store, jobs = here.folder
    known_job(store, job)
    jobs.stop(job)
    return _job(here, store, job, listed)


@router.post("/v1/jobs/{job}/resume", status_code=202)
def resume(job: Number, here: Here, listed: Lately) -> OneJob:
    """Let a job go on with what is new or was left, with the rules that it was begun with."""
    store, jobs = here.folder
    known_job(store, job)
    jobs.resume(job)
    return _job(here, store, job, listed)


@router.post("/v1/jobs/{job}/retry", status_code=202)
def retry(job: Number, here: Here, listed: Lately) -> OneJob:
    """Let a job go on, with the rules that it was begun with, and try again what could not be read."""
    store, jobs = here.folder
    known_job(store, job)
    jobs.resume(job, retry=True)
    return _job(here, store, job, listed)


def known_job(store: Store, job: int) -> dict[str, Any]:
    rows = store.rows("SELECT * FROM jobs WHERE id = ?", (job,))
    if not rows:
        raise UnknownName(f"job {job}: there is none of this number")
    return rows[0]


def known_tag(store: Store, job: int, tag: str | None, others: Iterable[str] = ()) -> None:
    """Raises UnknownName for a job that there is not, and for a tag that is neither its tagger's nor among the others."""
    tags = json.loads(known_job(store, job)["told"])["rules"].get("thresholds", {})
    known = [*tags, *others]
    if tag is None or not tags or tag in known:
        return
    if not store.rows("SELECT 1 FROM events WHERE job = ? AND tag = ? LIMIT 1", (job, tag)):
        shown = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
        raise UnknownName(f"{tag[:60]}: job {job} knows no such tag{did_you_mean(tag, known)} Known: {shown}")


def _job(here: Service, store: Store, job: int, listed: Listed) -> OneJob:
    row = known_job(store, job)
    (done,) = store.rows(
        "SELECT count(*) AS n, count(error) AS unread, coalesce(sum(seconds), 0) AS seconds, coalesce(sum(silent), 0) AS silent, "
        "coalesce(sum(notes <> '[]'), 0) AS noted FROM done WHERE job = ? AND there",
        (job,),
    )
    (events,) = store.rows(
        "SELECT count(*) - coalesce(sum(below), 0) AS n, coalesce(sum(below), 0) AS below FROM found WHERE job = ?",
        (job,),
    )
    (gone,) = store.rows("SELECT count(*) AS n FROM done WHERE job = ? AND NOT there", (job,))
    told = json.loads(row["told"])
    _, jobs = here.folder
    return OneJob(
        id=job, tagger=row["tagger"], served=jobs.served(told.get("tagger", ""), row["tagger"]), engine=told.get("engine"),
        goes_on=jobs.goes_on(told, row["tagger"]), usual=jobs.usual(told, row["tagger"]),
        state=over_http(jobs.state(job, row["state"])), begun=row["begun"],
        total=max(len(listed.names), done["n"]), done=done["n"], unread=done["unread"], silent=done["silent"], noted=done["noted"],
        gone=gone["n"], seconds=done["seconds"], events=events["n"], candidates=events["below"], rules=told["rules"],
        gain=told.get("gain", 0.0), salvage=told.get("salvage", False),
    )  # fmt: skip


@router.get("/v1/jobs/{job}/counts")
def counts(job: Number, here: Here, _: Looked, score: Annotated[float, Query(ge=0, le=1)] = 0.0) -> CountsByHour:
    """How many events of each tag there are in each hour: of the day where names tell, else since the recording began."""
    store = here.folder[0]
    known_job(store, job)
    column = _hours(store, job)
    rows = store.rows(
        f"SELECT tag, {column} AS cell, count(*) AS n FROM found WHERE job = ? AND score >= ? AND below = 0 GROUP BY tag, cell",
        (job, score),
    )
    hours = sorted({row["cell"] for row in rows if row["cell"] is not None})
    hours = list(range(24)) if column == "clock" else list(range(hours[-1] + 1)) if hours else []
    table: dict[str, CountsOfTag] = {}
    for row in rows:
        cells = table.setdefault(row["tag"], CountsOfTag(tag=row["tag"], counts=[0] * len(hours), all=0))
        cells.all += row["n"]
        if row["cell"] is not None:
            cells.counts[row["cell"]] = row["n"]
    told = sorted(table.values(), key=lambda each: (-each.all, each.tag))
    return CountsByHour(by="clock" if column == "clock" else "hour", hours=hours, rows=told)


def _hours(store: Store, job: int) -> str:
    """The column that hours are counted by: the clock, where the names of recordings tell it of most events."""
    (row,) = store.rows("SELECT count(*) AS n, count(clock) AS told FROM found WHERE job = ? AND below = 0", (job,))
    return "clock" if 2 * row["told"] > row["n"] else "hour"


@router.get("/v1/jobs/{job}/events")
def events(
    job: Number, here: Here, listed: Looked, tag: Tag = None, recording: Annotated[str | None, Query(max_length=64)] = None,
    hour: Annotated[int | None, Query(ge=0, le=10**6)] = None, score: Annotated[float, Query(ge=0, le=1)] = 0.0,
    order: Annotated[Literal["time", "score"], Query()] = "time", below: Below = False, first: First = 0, most: Most = 100,
) -> FoundEvents:  # fmt: skip
    """The events that a job found, or its candidates, filtered."""
    store, _ = here.folder
    known_tag(store, job, tag)
    name = None if recording is None else _named(store, job, listed, recording)
    where = f"FROM found WHERE job = ? AND below = {below:d}" + WITHIN.format(column=_hours(store, job))
    values = (job, tag, tag, name, name, hour, hour, score)
    (count,) = store.rows(f"SELECT count(*) AS n {where}", values)
    sort = "score DESC, id" if order == "score" else "recording, onset, id"
    rows = store.rows(f"SELECT * {where} ORDER BY {sort} LIMIT ? OFFSET ?", (*values, most, first))
    return FoundEvents(total=count["n"], events=[event_of(row) for row in rows])


def _named(store: Store, job: int, listed: Listed, known: str) -> str:
    """The name of an id, by the list or, where it is not there any more, by what was heard. Raises UnknownName."""
    if (name := listed.names.get(known)) is None:
        heard = (row["recording"] for row in store.rows("SELECT recording FROM done WHERE job = ?", (job,)))
        name = next((each for each in heard if id_of(each) == known), None)
    if name is None:
        raise UnknownName(
            f"{known[:40]}: no such recording here: it is not in the folder, and job {job} has heard none of this id"
        )
    return name


def event_of(row: dict[str, Any]) -> FoundEvent:
    return FoundEvent(
        id=row["id"], recording=id_of(row["recording"]), name=row["recording"], onset=row["onset"], offset=row["offset"],
        tag=row["tag"], score=row["score"], below=bool(row["below"]),
    )  # fmt: skip


@router.get("/v1/jobs/{job}/table", response_model=list[EventsOfRecording], responses={200: {"content": TABLES}})
def as_file(job: Number, here: Here, _: Looked, format: Form = CSV) -> Response:
    """All events of a job as one file of the library's."""
    store = here.folder[0]
    known_job(store, job)
    if eventfile.each(format.value):
        raise EarmarkError(
            f"a file for {format.value.capitalize()} is of one recording: ask for it of each, or take csv or json"
        )
    found: dict[str, list[Event]] = {
        row["recording"]: []
        for row in store.rows("SELECT recording FROM done WHERE job = ? AND there AND error IS NULL ORDER BY 1", (job,))
    }
    for row in store.rows("SELECT * FROM found WHERE job = ? AND below = 0 ORDER BY recording, onset, id", (job,)):
        found.setdefault(row["recording"], []).append(Event(row["onset"], row["offset"], row["tag"], row["score"]))
    headers = {"Content-Disposition": f'attachment; filename="events-{job}{eventfile.ending(format.value)}"'}
    return Response(written(found, format.value, 1.0), media_type=TYPES.get(format.value, PLAIN), headers=headers)
