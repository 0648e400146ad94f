"""JSON: a list with an object a recording."""

from __future__ import annotations

import json

from earmark.errors import ScoresError
from earmark.events.cells import NO_MORE, TIMES, ByRecording, Found, More
from earmark.events.formats import event_format
from earmark.files.pieces import LIST
from earmark.scores import Event


@event_format(ending=".json", frame=LIST, more=True)
class Json:
    """A list with an object a recording: path, and events with onset, offset, label and score, 0 to 1."""

    @staticmethod
    def text(events: ByRecording, highest: float | None = None, more: More = NO_MORE) -> str:
        records = [
            {
                "path": name,
                "events": [
                    event.to_dict() | dict(zip(TIMES, [at or None for at in more.times(name, event)], strict=False))
                    for event in heard
                ],
            }
            for name, heard in events.items()
        ]
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def read(text: str, recording: str) -> dict[str, list[Event]]:
        try:
            records = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ScoresError(f"is not JSON ({error})") from error
        found = Found()
        try:
            for number, record in enumerate(records, 1):
                name = record["path"]
                if not isinstance(name, str) or not name:
                    raise ScoresError(f"recording {number} has the path {name!r}: give the name of its file as text")
                found.setdefault(name, [])
                for count, e in enumerate(record["events"], 1):
                    found.add(
                        name,
                        e["onset"],
                        e["offset"],
                        e["label"],
                        e.get("score"),
                        f"event {count} of {name}",
                        e.get("channel"),
                    )
        except (LookupError, TypeError, AttributeError) as error:
            raise ScoresError(
                "is no list of recordings with path and events, each with onset, offset and label "
                f"({type(error).__name__}: {error})"
            ) from error
        return found

    @staticmethod
    def wrote(text: str) -> bool:
        """Times, which depend on the recording, are taken as they stand."""
        try:
            told = json.loads(text)
            bare = [
                {**record, "events": [{k: v for k, v in e.items() if k not in TIMES} for e in record["events"]]}
                for record in told
            ]
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return False
        again = Json.text(Json.read(text, ""))
        return again == (text if bare == told else json.dumps(bare, indent=1, ensure_ascii=False) + "\n")
