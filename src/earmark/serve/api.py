"""The answers over HTTP: tags, events and embeddings of a recording that is sent, and what programs that look after it ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPBearer

from earmark.inference.asked import rules_of
from earmark.inference.outputs import Choice
from earmark.inference.shapes import EventsOfRecording, TagsOfRecording
from earmark.models.anytagger import AnyTagger
from earmark.registry import EVENT_FORMATS
from earmark.serve import answers
from earmark.serve.answers import How, Told
from earmark.serve.service import Here, Service
from earmark.serve.shapes import EmbeddingsOfRecording, Health, Limits, OneTagger, Problem, Ready, Taggers
from earmark.serve.sounds import Sent
from earmark.serve.uploads import whole
from earmark.serve.wording import over_http
from earmark.serve.work import Task

NOTES = "Earmark-Notes"  # a header: what was done to the sound, a JSON list
LONGEST = 4000  # bytes of the notes
Form = StrEnum("Form", {name: name for name in EVENT_FORMATS.files()})  # type: ignore[misc]
TYPES = {"json": "application/json", "csv": "text/csv", "tsv": "text/tab-separated-values"}
JSON = Form("json")
PLAIN = "text/plain; charset=utf-8"

Which = Annotated[str | None, Query(description="A tagger's name; default: the first of /v1/taggers.", max_length=255)]
Named = Annotated[
    str | None, Query(description="What the recording is called, where the body is the file itself.", max_length=255)
]
Gain = Annotated[float, Query(description="dB by which sound is made louder first.", ge=-200, le=200)]
Salvage = Annotated[bool, Query(description="Use what can be read of a damaged recording.")]
Top = Annotated[int | None, Query(ge=1, le=100_000, description="How many tags; default: 3, with heard all of them.")]
Heard = Annotated[bool, Query(description="Only tags that reach the thresholds that were chosen for them.")]
Threshold = Annotated[float | None, Query(gt=0, le=1, description="Of all tags; default: the tagger's own, or 0.5.")]
Length = Annotated[float | None, Query(ge=0, le=1e6, description="Seconds; default: the tagger's own.")]
Share = Annotated[float | None, Query(gt=0, le=1, description="Of the thresholds; default: the tagger's own, or none.")]

FILE = {"type": "string", "format": "binary", "description": "The recording."}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A recording: the file itself, or a form with it.",
        "content": {
            "application/octet-stream": {"schema": FILE},
            "audio/*": {"schema": FILE},
            "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {"file": FILE}}},
        },
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {"model": Problem, "description": "A page of another site asked."},
    421: {"model": Problem, "description": "The Host header names another service."},
    422: {"model": Problem, "description": "What was asked for is not possible: the sentence says why."},
}
STOPPED: dict[str, Any] = {"model": Problem, "description": "The body stopped coming."}
TAKES_JSON: dict[int | str, dict[str, Any]] = {
    408: STOPPED,
    413: {"model": Problem, "description": "More bytes than a few values of JSON have."},
}
UNHEARD: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    404: {"model": Problem, "description": "There is no such tagger."},
    408: STOPPED,
    413: {"model": Problem, "description": "Too many bytes, or too many seconds of sound."},
    415: {"model": Problem, "description": "The body is of a type that is no sound."},
    503: {
        "model": Problem,
        "description": "All workers are busy and the queue is full: the header Retry-After tells seconds.",
    },
}
TABLES: dict[str, Any] = {
    kind: {"schema": {"type": "string"}} for kind in ("text/csv", "text/tab-separated-values", "text/plain")
}
STORED: dict[str, Any] = {"application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}}}
SENDS_TOKEN = [
    Depends(HTTPBearer(auto_error=False, description="The service's token, where it has one."))
]  # the guard looks
router = APIRouter(responses=REFUSALS, dependencies=SENDS_TOKEN)
open_router = APIRouter(responses=REFUSALS)  # what the guard lets anybody ask


async def gone(request: Request) -> None:
    """Comes to its end when who asked has left; for after the body was read."""
    receive = whole(request)
    while (await receive())["type"] != "http.disconnect":
        continue


async def answered(
    request: Request, here: Service, tagger: str | None, ask: Callable[[AnyTagger, Sent, Task], Told], media: str
) -> Response:
    """Take in the sound, wait for a worker, and say what it says."""
    name, asked = here.tagger(tagger)
    here.desk.check()
    async with here.spool.received(request) as upload:

        def work(task: Task) -> Told:
            return ask(
                asked, Sent(Path(upload.name), file=upload.file, most=here.settings.most_seconds, look=task.look), task
            )

        told = await here.desk.run(work, partial(gone, request))
    here.meters.answered(request.scope["route"].path, name, told.seconds, told.labels)
    return said(told, media)


def said(told: Told, media: str) -> Response:
    return Response(told.body, headers=noted(told.notes), media_type=media)


def noted(notes: Sequence[str]) -> dict[str, str]:
    """The header that tells what was done to the sound, where there is something to be told."""
    told = list(map(over_http, notes))
    while len(text := json.dumps(told)) > LONGEST:  # escapes: headers hold ASCII alone
        told = [*told[: len(told) // 2], "… and more"] if len(told) > 1 else [told[0][: LONGEST // 8] + "…"]
    return {NOTES: text} if told else {}


@router.post("/v1/tags", response_model=list[TagsOfRecording], responses=UNHEARD, openapi_extra=BODY)
async def tags(
    request: Request, here: Here, tagger: Which = None, top: Top = None, heard: Heard = False, gain: Gain = 0.0,
    salvage: Salvage = False, name: Named = None,
) -> Response:  # fmt: skip
    """The tags of a recording, as `earmark tag --json` prints them."""

    def ask(asked: AnyTagger, sound: Sent, task: Task) -> Told:
        return answers.tags(asked, sound, Choice.asked(asked, top, heard), How(gain, salvage), task)

    return await answered(request, here, tagger, ask, TYPES["json"])


@router.post(
    "/v1/events",
    response_model=list[EventsOfRecording],
    responses={**UNHEARD, 200: {"content": TABLES}},
    openapi_extra=BODY,
)
async def events(
    request: Request, here: Here, tagger: Which = None, threshold: Threshold = None, median: Length = None,
    gap: Length = None, shortest: Length = None, low: Share = None, format: Form = JSON, gain: Gain = 0.0,
    salvage: Salvage = False, name: Named = None,
) -> Response:  # fmt: skip
    """When each thing is heard in a recording, as `earmark events --format` prints it."""

    def ask(asked: AnyTagger, sound: Sent, task: Task) -> Told:
        rules = rules_of(asked).changed(threshold, median, gap, shortest, low)
        return answers.events(asked, sound, rules, format.value, How(gain, salvage), task)

    return await answered(request, here, tagger, ask, TYPES.get(format.value, PLAIN))


class Store(StrEnum):
    """How embeddings are told."""

    json = "json"
    parquet = "parquet"


@router.post(
    "/v1/embeddings",
    response_model=EmbeddingsOfRecording,
    responses={**UNHEARD, 200: {"content": STORED}},
    openapi_extra=BODY,
)
async def embeddings(
    request: Request, here: Here, tagger: Which = None, format: Store = Store.json, gain: Gain = 0.0,
    salvage: Salvage = False, name: Named = None,
) -> Response:  # fmt: skip
    """What the net makes of each window, as JSON or as the Parquet file that `earmark embed` writes."""

    def ask(asked: AnyTagger, sound: Sent, task: Task) -> Told:
        return answers.embeddings(asked, sound, format is Store.parquet, How(gain, salvage), task)

    media = TYPES["json"] if format is Store.json else "application/vnd.apache.parquet"
    return await answered(request, here, tagger, ask, media)


@router.get("/v1/taggers")
def taggers(here: Here) -> Taggers:
    """The taggers that can be asked, the first where none is named."""
    settings = here.settings
    return Taggers(
        taggers=[_described(name, tagger) for name, tagger in list(here.taggers.items())],
        limits=Limits(bytes=settings.most_bytes, seconds=settings.most_seconds),
        folder=settings.recordings is not None,
        version=version("earmark"),
    )


def _described(name: str, tagger: AnyTagger) -> OneTagger:
    rules = rules_of(tagger)
    return OneTagger(
        name=name,
        identity=tagger.identity(),
        engine=tagger.engine,
        sample_rate=tagger.sample_rate,
        task=tagger.task,
        tags=list(tagger.vocabulary),
        windows=tagger.described_windows(),
        frames=tagger.framewise() is not None,
        thresholds=dict(rules.thresholds),
        calibrated=tagger.facts.rules is not None,
    )


@open_router.get("/healthz")
async def healthz() -> Health:
    """Whether the service lives."""
    return Health(status="ok")


@open_router.get(
    "/readyz",
    responses={503: {"model": Ready, "description": "The queue is full, a part of it ended, or a disk takes nothing."}},
)
async def readyz(here: Here, response: Response) -> Ready:
    """Whether it would take one request more, and all of it works."""
    room = here.desk.workers + here.desk.waiting
    ready = here.desk.taken < room and not here.desk.closed
    told = None if here.desk.closed else await _failing(here)
    response.status_code = 200 if ready and told is None else 503
    status: Literal["failing", "ok", "busy"] = "failing" if told is not None else "ok" if ready else "busy"
    return Ready(status=status, taken=here.desk.taken, room=room, told=told)


async def _failing(here: Service) -> str | None:
    """Which part of the service works no more, and why."""
    if here.jobs is not None and not here.jobs.alive:
        return "the thread of jobs over the folder has ended, and none goes on: start the service again"
    return None if here.places is None else await here.places.wrong()


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
def metrics(here: Here) -> Response:
    """Counts, for Prometheus."""
    return Response(here.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
