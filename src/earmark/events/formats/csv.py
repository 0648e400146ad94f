"""Commas: a row an event, with the columns of DESED and a score."""

from __future__ import annotations

from earmark.events.cells import NO_MORE, ByRecording, More, events_of_table, table_of, wrote_table
from earmark.events.formats import event_format
from earmark.scores import Event


@event_format(ending=".csv", more=True)
class Csv:
    """Commas between filename, onset, offset, event_label, score; a recording without events has a row with its name alone."""

    @staticmethod
    def text(events: ByRecording, highest: float | None = None, more: More = NO_MORE) -> str:
        return table_of(events, ",", more)

    @staticmethod
    def read(text: str, recording: str) -> dict[str, list[Event]]:
        return events_of_table(text, ",")

    @staticmethod
    def wrote(text: str) -> bool:
        return wrote_table(text, ",")
