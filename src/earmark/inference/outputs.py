"""The forms in which `earmark tag` prints: a piece for each recording, and what stands before, between and after."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import ScoresError
from earmark.files.pieces import LINES, LIST, Frame, Writer
from earmark.files.shown import shown
from earmark.files.tables import line_of
from earmark.scores import Tags, submission

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from earmark.inference.recordings import Failure, Scored
    from earmark.scores import Scores, Tag, Task


class Format(StrEnum):
    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    submission = "submission"


TOP = 3  # tags of a recording, where neither --top nor --heard says otherwise
NOTHING = "– no tag reaches its threshold"
NONE = "– none of its tags"  # where a reserved tag is the answer
SILENT = "– silent, nothing is heard"
ENDINGS = {"table": ".txt", "json": ".json", "jsonl": ".jsonl", "csv": ".csv", "submission": ".csv"}


FRAMES = {
    Format.table: LINES,
    Format.jsonl: LINES,
    Format.json: LIST,
    Format.csv: Frame("path,duration,label,score\n", empty="path,duration,label,score\n"),
    Format.submission: Frame(submission.HEAD, empty=submission.HEAD),
}


def frame_of(form: Format, channels: bool = False) -> Frame:
    """What stands around the pieces. channels: whether they are told."""
    if not channels or form is not Format.csv:
        return FRAMES[form]
    head = "path,duration,label,score,channel\n"
    return Frame(head, empty=head)


class Printed:
    """Results that are written as they come: see `earmark.cli.terminal.jobs.Results`."""

    def __init__(self, writer: Writer, text: Callable[[Scored, Any], str]):
        self.writer, self.text = writer, text
        self.failures: list[tuple[str, str]] = []

    def todo(self, found: Sequence[Path], retry: bool) -> Sequence[Path]:
        return found

    def add(self, heard: Scored, events: Any) -> None:
        self.writer.add(self.text(heard, events))

    def fail(self, failure: Failure) -> None:
        self.failures.append((failure.error.path, str(failure.error)))

    def notes(self, found: Sequence[Path], now: list[str]) -> list[str]:
        return now

    def finish(self, found: Sequence[Path]) -> list[tuple[str, str]]:
        self.writer.close()
        return self.failures


@dataclass(frozen=True, eq=False)
class Choice:
    """Which tags are told of a recording or a window: those that reach their thresholds (tags,), where there are some, and
    `top` of them, the surest, where it is a number. reserved: tags that are never told; task: of the tagger.
    """

    vocabulary: Sequence[str]
    top: int | None
    thresholds: NDArray[np.float64] | None = None
    reserved: tuple[str, ...] = ()
    task: Task = "many"

    @staticmethod
    def asked(listener: Any, top: int | None, heard: bool) -> Choice:
        """For --top and --heard. Raises EarmarkError where the tagger knows no thresholds."""
        from earmark.errors import EarmarkError

        if not heard:
            return Choice(listener.vocabulary, TOP if top is None else top, None, listener.reserved, listener.task)
        if (limits := listener.facts.thresholds(listener.vocabulary)) is None:
            if listener.facts.lacking:
                raise EarmarkError(
                    "--heard: this tagger's thresholds were chosen in its own windows, and hold for no others: leave --hop out, or leave "
                    "--heard out for the surest tags"
                )
            raise EarmarkError(
                "--heard: this tagger knows no thresholds of its tags. Choose them on validation clips with "
                "`earmark calibrate`, or leave --heard out for the surest tags"
            )
        return Choice(listener.vocabulary, top, limits, listener.reserved, listener.task)

    @property
    def nothing(self) -> str:
        """For people, where no tag is told."""
        return NONE if self.thresholds is None else NOTHING

    def of(self, values: NDArray[np.float32]) -> list[Tag]:
        """values: (tags,). The surest first; the vocabulary's order breaks ties. Of silence, whose scores are all 0, none; and
        none where a reserved tag is the answer.
        """
        import numpy as np

        from earmark.scores import Tag, thresholds
        from earmark.scores.reserved import none_of_these, told

        which = told(self.vocabulary, self.reserved)
        if not np.any(values) or none_of_these(values, which, self.task):
            return []

        limits = np.full(len(values), -np.inf) if self.thresholds is None else self.thresholds
        limits = np.where(which, limits, np.inf)
        found = thresholds.reached(np.asarray(values, np.float64), self.vocabulary, limits)
        return [Tag(label, score) for label, score in found[: self.top]]

    def as_dict(self) -> dict[str, Any]:
        """What a job goes on with."""
        limits = self.thresholds
        told = {"top": self.top} | ({} if limits is None else {"thresholds": limits.tolist()})
        return told | ({"reserved": list(self.reserved)} if self.reserved else {})


def piece(heard: Scored, tags: list[Tag], form: Format, nothing: str = NOTHING) -> str:
    """One recording's tags. A recording without any is told too, in CSV by a row with an empty label, in a table by `nothing`."""
    channel = heard.recording.channel
    if form is Format.table:
        name = shown(heard.recording.path) + (f"  channel {channel}" if channel else "")
        return f"{name}  {clock(heard.duration)}  {SILENT if heard.silent else surest(tags) or nothing}\n"
    if form is Format.submission:
        return submission.row(heard.recording.path, [tag.label for tag in tags])
    if form is Format.csv:
        told = [(tag.label, f"{tag.score:.6f}") for tag in tags] or [("", "")]
        at = heard.recording.path, f"{heard.duration:.3f}"
        return "".join(line_of([*at, *each, *([channel] if channel else [])]) for each in told)
    record = Tags(tags, heard.about).to_dict() | ({"channel": channel} if channel else {})
    if form is Format.jsonl:
        return json.dumps(record, ensure_ascii=False) + "\n"
    return " " + json.dumps(record, indent=1, ensure_ascii=False).replace("\n", "\n ")


def check_form(form: Format, found: Sequence[Path] | None, tags: Sequence[str]) -> None:
    """Raises ScoresError for recordings, or tags, that a submission could not tell apart; None: sound that comes live."""
    if form is not Format.submission:
        return
    if found is None:
        raise ScoresError(
            "--format submission names recordings by their files: sound that is heard while it comes has none"
        )
    submission.check_tags(tags)
    submission.check_clips(found)


def window_pieces(windows: Scores, choice: Choice, form: Format) -> list[str]:
    """A line for each window that was heard; nothing in forms that tell of whole recordings only."""
    made = []
    for values, name, start, end in zip(windows.values, windows.ids, windows.start, windows.end, strict=True):
        tags = choice.of(values)
        silent = not values.any()
        if form is Format.table:
            made.append(f"{clock(start)}  {clock(end)}  {SILENT if silent else surest(tags) or choice.nothing}\n")
        elif form is Format.jsonl:
            record = {"path": str(name), "start": round(start, 6), "end": round(end, 6), "tags": told(tags)}
            record |= {"silent": True} if silent else {}
            made.append(json.dumps(record, ensure_ascii=False) + "\n")
    return made


def told(tags: list[Tag]) -> list[dict[str, object]]:
    """Tags as plain values."""
    return [tag.to_dict() for tag in tags]


def surest(tags: list[Tag]) -> str:
    """Tags for people."""
    return "  ".join(f"{shown(tag.label)} {tag.score:.2f}" for tag in tags)


def clock(seconds: float) -> str:
    """Seconds → h:mm:ss, or m:ss.s below an hour."""
    seconds = round(seconds, 1)  # 59.96 is 1:00.0
    if seconds < 3600:
        return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
