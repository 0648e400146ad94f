"""The lines of a job's journal: what each says, which is one, and what a job was begun with. See `earmark.files.journal`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import EarmarkError
from earmark.files import intact

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Line:
    """What became of a recording: a file in results/, or the reason why there is none. notes: on its audio; None: not known. mark: of the
    file as it was written, see `earmark.files.intact`; None: by an earmark that did not keep it.
    """

    size: int | None
    mtime: int | None
    result: str | None
    error: str | None
    notes: tuple[str, ...] | None = None
    mark: int | None = None


def lines_of(path: Path, told: Mapping[str, Any] | None = None) -> dict[str, Line]:
    """What became of each recording, by path, its last line: of the file of a journal, or of a part of one. Raises EarmarkError.

    told: what it must have been begun with; default: anything.
    """
    found: dict[str, Line] = {}
    with path.open("rb") as file:
        for number, line in rows(file, path):
            if number == 1:
                check_told(line, dict(told) if told is not None else line["told"], path.parent)
            else:
                name, entry = entry_of(line, number, path)
                found[name] = entry
    return found


def rows(file: BinaryIO, path: Path, first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines, the next of which counts as `first`. Raises EarmarkError for one that is none; the first of which tells the job."""
    for number, line in enumerate(iter(file.readline, b""), first):
        if not line.endswith(b"\n"):
            return
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or (number == 1 and not isinstance(row["told"], dict)):
                raise TypeError(f"{type(row).__name__}, not what a job was begun with")
            if number == 1:
                row["job"]
        except (ValueError, LookupError, TypeError) as error:
            raise _unread(path, number, error) from error
        yield number, row


def entry_of(row: dict[str, Any], number: int, path: Path) -> tuple[str, Line]:
    """(the recording, its line). Raises EarmarkError for a row that is no line."""
    try:
        # of a million recordings most have the same to be said of them: one string for all
        notes = None if (told := row.get("notes")) is None else tuple(map(sys.intern, told))
        mark = intact.from_dict(row)
        return row["path"], Line(row["size"], row["mtime"], row.get("result"), row.get("error"), notes, mark)
    except (LookupError, TypeError, ValueError) as error:
        raise _unread(path, number, error) from error


def _unread(path: Path, number: int, error: Exception) -> EarmarkError:
    return EarmarkError(
        f"{path}: line {number} is no line of a job's journal ({type(error).__name__}: {error}). Take the line "
        "out, so that its recording is done again, or begin anew in another folder"
    )


def row_of(path: str, line: Line) -> dict[str, Any]:
    """What is written of a recording."""
    told: dict[str, Any] = {"path": path, "size": line.size, "mtime": line.mtime}
    if line.result is None:
        return told | {"error": line.error}
    told |= {"result": line.result} | intact.as_dict(line.mark)
    return told | ({} if line.notes is None else {"notes": list(line.notes)})


def check_told(head: dict[str, Any], told: dict[str, Any], folder: Path) -> None:
    """Raises EarmarkError where the job was begun with something else."""
    if head["job"] != FORMAT:
        raise EarmarkError(
            f"{folder}: a job of a newer earmark (format {head['job']}, this one knows {FORMAT}). Upgrade"
        )
    before = head["told"]
    if changed := [name for name in dict.fromkeys([*before, *told]) if before.get(name) != told.get(name)]:
        shown = "; ".join(f"{name}: {_short(name, before)}, now {_short(name, told)}" for name in changed)
        raise EarmarkError(
            f"{folder}: this job was begun otherwise ({shown}). Results would be mixed: go on with what it was begun with, "
            "or give another folder"
        )


def engine_words(told: str | None) -> str:
    """An engine as a job keeps it: nothing of torch in float32, and of others in float32 no version and precision, whose commas are left.

    >>> engine_words(None), engine_words("onnxruntime,, cpu"), engine_words("torch,, cpu; openvino,, cpu")
    ('torch', 'onnxruntime, cpu', 'torch, cpu; openvino, cpu')
    """
    return "torch" if told is None else re.sub(r",(\s*,)+", ",", told)


def _short(name: str, told: Mapping[str, Any]) -> str:
    value = told.get(name)
    if name == "engine" and (value is None or isinstance(value, str)):
        return engine_words(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
