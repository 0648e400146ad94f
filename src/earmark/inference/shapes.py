"""The JSON in which answers are told, as types: of the commands, and of the service, which tells the same.

`Tags.to_dict` makes a `TagsOfRecording`, the event format JSON an `EventsOfRecording`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Seconds = Annotated[float, Field(ge=0, description="Seconds.")]
Start = Annotated[float, Field(ge=0, description="Seconds from the start of the recording.")]
Sure = Annotated[float, Field(ge=0, le=1, description="How sure the tagger is.")]
Place = Annotated[str, Field(description="The recording's path, as it was found.")]
Silent = Annotated[
    Literal[True] | SkipJsonSchema[None],
    Field(
        default=None,
        description="Nothing can be heard in it; else absent.",
        json_schema_extra=lambda told: told.pop("default"),
    ),
]
Channel = Annotated[
    int | SkipJsonSchema[None],
    Field(
        default=None,
        ge=1,
        description="That it was heard in, where channels were heard apart; else absent.",
        json_schema_extra=lambda told: told.pop("default"),
    ),
]
Clock = Annotated[
    str | None,
    Field(
        default=None,
        description="The time of day in ISO 8601, null where it is not known; absent where it was not asked for.",
        json_schema_extra=lambda told: told.pop("default"),
    ),
]
Counted = Annotated[int, Field(ge=0)]


class Output(BaseModel):
    """Has these keys and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OneTag(Output):
    label: str
    score: Sure


class TagsOfRecording(Output):
    """The tags of a recording, the surest first."""

    path: Place
    duration: Seconds
    tags: list[OneTag]
    silent: Silent
    channel: Channel


class TagsOfWindow(Output):
    """The tags of a window of live sound, the surest first."""

    path: Place
    start: Start
    end: Start
    tags: list[OneTag]
    silent: Silent


class OneEvent(Output):
    onset: Start
    offset: Start
    label: str
    score: Sure
    channel: Channel
    onset_time: Clock
    offset_time: Clock


class EventsOfRecording(Output):
    """The events of a recording, by onset. Its name is that of its file; its path where two files have one name."""

    path: str
    events: list[OneEvent]
