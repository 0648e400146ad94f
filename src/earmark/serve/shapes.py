"""What the service tells in JSON beside the answers that the commands tell too (`earmark.inference.shapes`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from earmark.inference.shapes import Counted, Output, Seconds, Start


class Problem(Output):
    """Why a request is refused: what is wrong, the limit, and the way out."""

    error: str


class OneTagger(Output):
    """A tagger that can be asked. calibrated: whether thresholds or rules were chosen for it."""

    name: str
    identity: Annotated[str, Field(description="Changes with anything that changes a score.")]
    engine: str
    sample_rate: Annotated[int, Field(description="Hz.")]
    task: Literal["one", "many"]
    tags: list[str]
    windows: dict[str, Any]
    frames: Annotated[bool, Field(description="Whether events are found in frames, finer than windows.")]
    thresholds: Annotated[dict[str, float], Field(description="Of events, by tag.")]
    calibrated: Annotated[bool, Field(description="Whether rules for events were chosen on validation clips.")]


class Limits(Output):
    bytes: Annotated[int, Field(description="Of a recording that is sent.")]
    seconds: Annotated[float, Field(description="Of sound in it.")]


class Taggers(Output):
    """folder: whether there are recordings to choose from."""

    taggers: list[OneTagger]
    limits: Limits
    folder: bool
    version: Annotated[str, Field(description="Of earmark.")]


class Health(Output):
    status: Literal["ok"]


class Session(Output):
    token: Annotated[str, Field(max_length=1000)]


class Vector(Output):
    id: str
    start: Start
    end: Start
    vector: list[float]


class EmbeddingsOfRecording(Output):
    """The embeddings of a recording's windows; see `earmark.Embeddings.to_dict`."""

    width: Counted
    facts: dict[str, Any]
    rows: list[Vector]


class Ready(Output):
    """taken: requests that are worked on or wait; room: how many there may be."""

    status: Literal["ok", "busy"]
    taken: Counted
    room: Counted


class RecordingFacts(Output):
    """A recording that can be listened to. held: it was sent, and is forgotten when nobody asks for it any more."""

    id: str
    name: str
    seconds: Seconds
    sample_rate: Annotated[int, Field(description="Hz, of the file; it is drawn and played at it.")]
    channels: int
    codec: str
    container: str
    held: bool


class Peaks(Output):
    """low, high: of each of equal stretches from start to end, full scale ±127."""

    start: Start
    end: Start
    low: list[int]
    high: list[int]


class ScoredTag(Output):
    """A tag over time. score: of the whole recording. values: at each of the times."""

    label: str
    score: Annotated[float, Field(ge=0, le=1)]
    threshold: Annotated[float, Field(description="Above which an event of it is told.")]
    values: list[float]


class ScoresOverTime(Output):
    """times: middles of the windows or frames, or of several of them where there are more than asked for (the highest counts)."""

    tagger: str
    seconds: Seconds
    silent: bool
    notes: list[str]
    times: list[float]
    tags: Annotated[list[ScoredTag], Field(description="The tag that is heard surest somewhere comes first.")]
