"""Audacity: a label track."""

from __future__ import annotations

import re

from earmark.errors import ScoresError
from earmark.events.cells import ByRecording, Found, NoEvents, lines_of, number, one_line, seconds
from earmark.events.formats import event_format
from earmark.files.tables import missing
from earmark.scores import Event

SCORED = re.compile(r"(?s)(.*) \((-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\)")


@event_format(ending=".txt", each=True)
class Audacity:
    """A label track, one file a recording: onset, offset and "tag (score)" between tabs, no header.

    Lines of frequencies, which open with a backslash, are passed over in reading. A label of another program that ends with a
    number in brackets is read as if that were the score.
    """

    @staticmethod
    def text(events: ByRecording, highest: float | None = None) -> str:
        ((_, found),) = events.items()
        lines = [f"{number(e.onset)}\t{number(e.offset)}\t{one_line(e.tag)} ({number(e.score)})\n" for e in found]
        return "".join(lines)

    @staticmethod
    def read(text: str, recording: str) -> dict[str, list[Event]]:
        found = Found()
        found[recording] = []
        told = False  # whether some line is a label, so that the text is a label track, if a damaged one
        for count, line in lines_of(text):
            if line.startswith("\\"):
                continue
            cells = line.split("\t", 2)
            if len(cells) < 2 or not (told or any(map(_is_time, cells[:2]))):
                raise (ScoresError if told else NoEvents)(
                    f"line {count} is no label: onset, offset and label, separated by tabs"
                )
            told = True
            label = cells[2] if len(cells) == 3 else ""
            scored = SCORED.fullmatch(label)
            tag, score = scored.groups() if scored else (label, None)
            found.add(recording, cells[0], cells[1], tag, score, f"line {count}")
        return found


def _is_time(cell: str) -> bool:
    try:
        return missing(cell) or seconds(cell) is not None
    except ValueError:
        return False
