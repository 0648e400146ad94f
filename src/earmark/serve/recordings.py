"""A recording that a page shows: kept for a while or in the folder, looked at, played and heard part by part."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from earmark.audio import load
from earmark.errors import AudioError, EarmarkError, UnknownName, counted
from earmark.events import formats as eventfile
from earmark.inference.asked import rules_of
from earmark.inference.shapes import EventsOfRecording
from earmark.serve import drawing, playing
from earmark.serve.answers import How, written
from earmark.serve.api import (
    BODY,
    JSON,
    PLAIN,
    SENDS_TOKEN,
    TABLES,
    TYPES,
    UNHEARD,
    Form,
    Gain,
    Length,
    Salvage,
    Share,
    Threshold,
    Which,
    gone,
    noted,
)  # fmt: skip
from earmark.serve.hearing import Heard, hear, sampled
from earmark.serve.service import Here, Service
from earmark.serve.shapes import Health, Peaks, Problem, RecordingFacts, ScoredTag, ScoresOverTime
from earmark.serve.sounds import Sent
from earmark.serve.wording import over_http
from earmark.serve.work import Task

Made = TypeVar("Made")
Which_ = Annotated[str, Path(alias="id", max_length=64, pattern=r"^[\w-]+$", description="Of a recording.")]
Second = Annotated[float, Query(ge=0, le=1e9, description="Seconds from the start of the recording.")]
Until = Annotated[
    float | None, Query(gt=0, le=1e9, description="Seconds from the start; default: the end of the recording.")
]
Pixels = Annotated[int, Query(ge=1, le=4096)]
Hz = Annotated[float | None, Query(ge=0, le=1e6, description="Default: all that the recording holds.")]
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "description": "A grey picture.",
    },
    304: {"description": "None: it is that whose ETag came in If-None-Match."},
}
SOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The part, as WAV.",
    },
    206: {
        "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The bytes asked for.",
    },
    416: {"model": Problem, "description": "The range lies behind the end."},
}
MARKS = re.compile(r'(?:W/)?("[^"]*")|(\*)')  # of answers that a browser has
router = APIRouter(responses=UNHEARD, dependencies=SENDS_TOKEN, tags=["recordings"])


@functools.lru_cache(maxsize=64)
def surveyed(sound: Sent, state: object) -> tuple[np.ndarray, np.ndarray, int]:
    """`drawing.coarse` of a recording; state: of its file, so that another is read anew."""
    return drawing.coarse(sound, sound.info().sample_rate)


def survey(sound: Sent) -> tuple[np.ndarray, np.ndarray, int]:
    return surveyed(sound, sound.state())


def length(sound: Sent) -> tuple[int, int]:
    """Samples and rate: by the header where that is so, else by reading to the end. Raises AudioError, TooLong."""
    return measured(sound, sound.state())


@functools.lru_cache(maxsize=1024)
def measured(sound: Sent, state: object) -> tuple[int, int]:
    info = sound.info()
    exact = info.codec.startswith("PCM") or info.codec in ("FLOAT", "DOUBLE")
    if exact and info.frames and _readable(sound, info.sample_rate, info.frames):
        sound.bear(info.frames / info.sample_rate)
        return info.frames, info.sample_rate
    return survey(sound)[2], info.sample_rate


def _readable(sound: Sent, rate: int, frames: int) -> bool:
    """Whether a recording goes on to where its header says: a FLAC that was cut off does not, whose codec is told as PCM too."""
    try:
        load(sound.file, rate, (frames - 1) / rate, 1 / rate, report=lambda _: None)
    except AudioError:
        return False
    return True


def described(name: str, sound: Sent, held: bool) -> RecordingFacts:
    info = sound.info()
    frames, rate = length(sound)
    return RecordingFacts(
        id=name, name=str(sound.path), seconds=round(frames / rate, 6), sample_rate=rate, channels=info.channels,
        codec=info.codec, container=info.container, held=held,
    )  # fmt: skip


async def drawn(here: Service, request: Request, make: Callable[[], Made]) -> Made:
    return await here.drawers.run(lambda _: make(), functools.partial(gone, request))


@router.post("/v1/recordings", openapi_extra=BODY, status_code=201)
async def hold(
    request: Request, here: Here, name: Annotated[str | None, Query(max_length=255)] = None
) -> RecordingFacts:
    """Send a recording to look at and hear; it is held until it is deleted, or nobody asks for it for an hour."""
    here.desk.check()
    upload = await here.spool.receive(request)
    known = here.shelf.hold(upload)
    try:
        sound, _ = await here.shelf.find(known)
        return await drawn(here, request, lambda: described(known, sound, True))
    except BaseException:
        here.shelf.drop(known)
        raise


@router.get("/v1/recordings/{id}")
async def facts(request: Request, here: Here, name: Which_) -> RecordingFacts:
    """What is known of a recording."""
    sound, held = await here.shelf.find(name)
    return await drawn(here, request, lambda: described(name, sound, held))


@router.delete("/v1/recordings/{id}")
def drop(here: Here, name: Which_) -> Health:
    """Forget a recording that was sent. One in the folder is never touched."""
    if not here.shelf.drop(name):
        raise UnknownName(f"{name}: no recording that was sent; the folder's are not deleted from here")
    return Health(status="ok")


@router.get("/v1/recordings/{id}/peaks")
async def peaks(
    request: Request, here: Here, name: Which_, start: Second = 0.0, end: Until = None, points: Pixels = 800
) -> Peaks:
    """The waveform of a part."""
    sound, _ = await here.shelf.find(name)

    def make() -> Peaks:
        frames, rate = length(sound)
        first, last = bounds(start, end, frames / rate)
        if last - first <= drawing.DIRECT:
            low, high = drawing.peaks(drawing.part(sound, rate, first, last), points)
        else:
            lows, highs, _ = survey(sound)
            low, high = drawing.far(lows, highs, first, last, points)
        return Peaks(start=first, end=last, low=low, high=high)

    return await drawn(here, request, make)


@router.get("/v1/recordings/{id}/spectrogram", response_class=Response, responses=PICTURE)
async def spectrogram(
    request: Request, here: Here, name: Which_, start: Second = 0.0, end: Until = None, width: Pixels = 800,
    height: Annotated[int, Query(ge=1, le=1024)] = 256, low: Hz = None, high: Hz = None,
    scale: Annotated[Literal["linear", "mel"], Query()] = "linear",
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:  # fmt: skip
    """The spectrogram of a part of at most 300 s: a grey PNG in which white is 0 dBFS and black is -120."""
    sound, _ = await here.shelf.find(name)
    # kept by the browser, but asked for each time: a file may be replaced by another of its name
    told = {"Cache-Control": "private, no-cache", "ETag": await run_in_threadpool(mark, sound)}
    if any(told["ETag"] == seen or every for seen, every in MARKS.findall(if_none_match or "")):
        return Response(status_code=304, headers=told)

    def make() -> bytes:
        frames, rate = length(sound)
        first, last = bounds(start, end, frames / rate)
        if last - first > drawing.LONGEST:
            raise EarmarkError(
                f"{last - first:.0f} s are too many for one spectrogram: ask for {drawing.LONGEST:g} s or less with start and end"
            )
        lowest, highest = low or 0.0, rate / 2 if high is None else high
        if not lowest < highest:
            raise EarmarkError(f"low is {lowest:g} Hz and high is {highest:g} Hz: give a low that is below high")
        begin = max(0.0, first - drawing.around(rate))
        wave = drawing.part(sound, rate, begin, min(frames / rate, last + drawing.around(rate)))
        inner = slice(round((first - begin) * rate), round((last - begin) * rate))
        return drawing.spectrogram(wave, rate, width, height, lowest, highest, scale, inner)

    return Response(await drawn(here, request, make), media_type="image/png", headers=told)


def mark(sound: Sent) -> str:
    """An ETag of what is drawn of a recording: of its file, and of the program that draws it."""
    text = f"{version('earmark')} {sound.state()}"
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


@router.get("/v1/recordings/{id}/audio", response_class=Response, responses=SOUND)
async def audio(
    request: Request, here: Here, name: Which_, start: Second = 0.0, end: Until = None,
    range: Annotated[str | None, Header()] = None,
) -> Response:  # fmt: skip
    """A part as WAV that any browser plays: one channel, 16 bits, at the recording's rate; ranges of bytes as asked for."""
    sound, _ = await here.shelf.find(name)

    def make() -> playing.Wav:
        state = sound.state()
        frames, rate = length(sound)
        first, last = bounds(start, end, frames / rate)
        return playing.Wav(
            sound, rate, round(first * rate), min(frames, max(round(last * rate), round(first * rate) + 1)), state
        )

    wav = await drawn(here, request, make)
    headers = {"Accept-Ranges": "bytes"}
    try:
        asked = playing.asked(range, wav.size)
    except playing.Unmet:
        told = f'{{"error": "the file has {counted(wav.size, "byte")}"}}'
        return Response(told, 416, {"Content-Range": f"bytes */{wav.size}"}, media_type=TYPES["json"])
    begin, until = asked or (0, wav.size)
    if asked is not None:
        headers["Content-Range"] = f"bytes {begin}-{until - 1}/{wav.size}"
    headers["Content-Length"] = str(until - begin)
    body: Iterator[bytes] = wav.read(begin, until)
    return playing.Played(body, 206 if asked is not None else 200, headers, media_type="audio/wav")


def bounds(start: float, end: float | None, seconds: float) -> tuple[float, float]:
    """A part within the recording. Raises EarmarkError for none."""
    last = seconds if end is None else min(end, seconds)
    if not start < last:
        raise EarmarkError(f"there is nothing from {start:g} s to {last:g} s: the recording lasts {seconds:.3f} s")
    return start, last


async def heard_of(request: Request, here: Service, name: str, tagger: str | None, how: How) -> tuple[str, Sent, Heard]:
    """What a tagger says of a recording, asked once."""
    sound, _ = await here.shelf.find(name)
    known, asked = here.tagger(tagger)
    key = (name, known, id(asked), how, sound.state())  # a name may come to stand for another tagger
    if (kept := here.memory.get(key)) is not None:
        return known, sound, kept

    def work(task: Task) -> Heard:
        most = here.settings.most_seconds
        return hear(asked, Sent(sound.path, file=sound.file, most=most, look=task.look), how, task)

    heard = await here.desk.run(work, functools.partial(gone, request))
    here.memory.keep(key, heard)
    here.meters.answered(request.scope["route"].path, known, heard.seconds, [])
    return known, sound, heard


@router.get("/v1/recordings/{id}/scores")
async def scores(
    request: Request, here: Here, name: Which_, tagger: Which = None, points: Pixels = 2000,
    most: Annotated[int, Query(ge=1, le=1000, description="Tags that are told: the surest somewhere.")] = 20,
    gain: Gain = 0.0, salvage: Salvage = False,
) -> ScoresOverTime:  # fmt: skip
    """The tags of a recording over time."""
    known, _, heard = await heard_of(request, here, name, tagger, How(gain, salvage))
    asked = here.taggers[known]
    rules = rules_of(asked)
    times, values = sampled(heard.rows, points)
    whole = {tag.label: tag.score for tag in heard.tags}
    strongest = np.argsort(-heard.rows.values.max(0), kind="stable")[:most].tolist()
    told = [
        ScoredTag(
            label=label, score=whole.get(label, 0.0), threshold=rules.thresholds[label],
            values=[round(float(value), 4) for value in values[:, column]],
        )
        for column in strongest
        for label in [heard.rows.tags[column]]
    ]  # fmt: skip
    return ScoresOverTime(
        tagger=known, seconds=heard.seconds, silent=heard.silent, notes=list(map(over_http, heard.notes)),
        times=[round(time, 4) for time in times], tags=told,
    )  # fmt: skip


@router.get("/v1/recordings/{id}/events", response_model=list[EventsOfRecording], responses={200: {"content": TABLES}})
async def events(
    request: Request, here: Here, name: Which_, tagger: Which = None, threshold: Threshold = None, median: Length = None,
    gap: Length = None, shortest: Length = None, low: Share = None, format: Form = JSON, gain: Gain = 0.0,
    salvage: Salvage = False,
    download: Annotated[bool, Query(description="As a file to keep.")] = False,
) -> Response:  # fmt: skip
    """The events of a recording, as `POST /v1/events` tells them; another threshold is answered at once."""
    known, sound, heard = await heard_of(request, here, name, tagger, How(gain, salvage))
    asked = here.taggers[known]
    rules = rules_of(asked).changed(threshold, median, gap, shortest, low)
    highest = min(asked.sample_rate / 2, sound.highest())
    body = written({sound.path.name: heard.events(rules)}, format.value, highest)
    headers = noted(heard.notes)
    if download:
        plain = re.sub(r"[^\w.-]", "_", sound.path.name, flags=re.ASCII)
        ending = eventfile.ending(format.value)
        full = quote((sound.path.name + ending).encode("utf-8", "surrogateescape"), safe="")
        headers["Content-Disposition"] = f"attachment; filename=\"{plain}{ending}\"; filename*=UTF-8''{full}"
    return Response(body, media_type=TYPES.get(format.value, PLAIN), headers=headers)
