"""Raven: a selection table."""

from __future__ import annotations

import math

from earmark.errors import ScoresError
from earmark.events.cells import ByRecording, event_of, lines_of, number, one_line
from earmark.events.formats import event_format
from earmark.scores import Event

COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin File", "Tag", "Score",
)  # fmt: skip
LABELS = ("Tag", "Annotation", "Species", "Label", "Common Name")  # how Raven's users call the column of the tag


@event_format(ending=".Table.1.selections.txt", each=True, opens="Selection\t")
class Raven:
    """A selection table of Raven Pro, one file a recording: tabs, the seven columns that every table has, the file, Tag, Score.

    Low and High Freq are 0 and the highest frequency that the tagger hears, as events have no band.
    """

    @staticmethod
    def text(events: ByRecording, highest: float | None = None) -> str:
        ((name, found),) = events.items()
        if highest is None or not 0 < highest < math.inf:
            raise ScoresError(
                f"a table for Raven needs the highest frequency of its selections, above 0 Hz, not {highest}"
            )
        lines = ["\t".join(COLUMNS)]
        for count, event in enumerate(found, 1):
            cells = [str(count), "Spectrogram 1", "1", number(event.onset), number(event.offset), "0", f"{highest:g}"]
            lines.append("\t".join([*cells, one_line(name), one_line(event.tag), number(event.score)]))
        return "\n".join(lines) + "\n"

    @staticmethod
    def wrote(text: str) -> bool:
        """By its columns, as its frequencies cannot be known; Raven's users have others."""
        return text.startswith("\t".join(COLUMNS) + "\n")

    @staticmethod
    def read(text: str, recording: str) -> dict[str, list[Event]]:
        lines = list(lines_of(text))
        header = lines[0][1].split("\t") if lines else []
        label = next((name for name in LABELS if name in header), None)
        if label is None or not {"Begin Time (s)", "End Time (s)"} <= set(header):
            raise ScoresError(
                "a selection table has the columns Begin Time (s), End Time (s) and one of the tag, called "
                f"{', '.join(LABELS)}; this has {', '.join(header) or 'none'}"
            )
        found: dict[str, list[Event]] = {}
        seen: set[tuple[str | None, ...]] = set()
        for count, line in lines[1:]:
            row = dict(zip(header, line.split("\t"), strict=False))
            # a table that shows a selection in the waveform and in the spectrogram has two rows for it
            selection = tuple(row.get(name) for name in ("Selection", "Begin File", "Begin Time (s)", "End Time (s)"))
            if selection[0] and selection in seen:
                continue
            seen.add(selection)
            heard = found.setdefault(row.get("Begin File") or recording, [])
            heard.append(
                event_of(
                    row.get("Begin Time (s)"),
                    row.get("End Time (s)"),
                    row.get(label, ""),
                    row.get("Score"),
                    f"line {count}",
                )
            )
        return found or {recording: []}
