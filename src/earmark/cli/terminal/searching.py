"""From an example's sound to the windows that are most like it, and how they are told."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.cli.terminal import forms
from earmark.errors import EarmarkError
from earmark.files import notation
from earmark.files.tables import Rows


def form_of(asked: str | None, out: Path | None) -> str:
    """What --format says, or how the file's name ends. Raises EarmarkError where they contradict each other."""
    return forms.of_file(asked, out, {"table": ".txt", "csv": ".csv", "json": ".json"}, "table")


def search(
    store: Path,
    examples: Sequence[Path],
    name: str,
    begin: float | None,
    end: float | None,
    top: int,
    each: int | None,
    form: str,
    out: Path | None,
) -> None:
    """Print or write the matches. Raises EarmarkError, AudioError."""
    from earmark.cli.terminal.console import output, say
    from earmark.models import loading
    from earmark.scores.embeddings import blocks, facts_of
    from earmark.scores.nearest import nearest

    facts = facts_of(store)
    loaded = _as_made(loading.load(name), name, store, facts)
    vectors = [_vectors(loaded, path, begin, end, float(facts.get("gain", 0.0))) for path in examples]
    found = nearest(blocks(store), np.concatenate(vectors), top, each=each)
    if not found:
        say(f"{store}: holds no windows")
    with output(out) as stream:
        stream.write(_told(found, form))


def _vectors(loaded: Any, path: Path, begin: float | None, end: float | None, gain: float) -> NDArray[np.float32]:
    """(windows, width) of an example, or of the part of it: see `earmark.inference.sought`. gain: dB, as the store was made with."""
    from earmark.cli.terminal.console import say_notes
    from earmark.inference.sought import sought

    if not 0 <= (begin or 0.0) < math.inf:
        raise EarmarkError(f"--from {begin:g}: the example begins at 0 s or later. Give seconds, such as 3.2")
    if end is not None and not (begin or 0.0) < end < math.inf:
        raise EarmarkError(
            f"--from {begin or 0:g} --to {end:g}: the example ends before it begins. Give seconds, such as 3.2 and 4"
        )
    found = sought(loaded, path, begin, end, gain)
    say_notes(found.notes)
    return found.vectors


def _as_made(loaded: Any, name: str, store: Path, facts: dict[str, Any]) -> Any:
    """The tagger in the windows that the store was made in. Raises EarmarkError where it is another one."""
    hop = (facts.get("windows") or {}).get("hop")
    if hop is not None and hop != loaded.described_windows().get("hop"):
        loaded = loaded.every(hop)
    if facts.get("tagger") not in (None, loaded.identity()):
        raise EarmarkError(
            f"{store}: was made by the tagger {facts['tagger']}, and {name} is {loaded.identity()}: their embeddings cannot be "
            "compared. Give the tagger that made it with --tagger"
        )
    return loaded


def _told(found: Sequence[Any], form: str) -> str:
    """In a form. Times that the store does not tell are left empty, null in JSON."""
    from earmark.scores.nearest import Match
    from earmark.scores.plain import number

    if form == "json":
        told = [asdict(match) | {"start": number(match.start), "end": number(match.end)} for match in found]
        return notation.text(told) + "\n"
    if form == "csv":
        file = io.StringIO()
        writer = Rows(file)
        writer.writerow([field.name for field in fields(Match)])
        writer.writerows(
            [match.id, *(_time(at, 3) for at in (match.start, match.end)), f"{match.similarity:.6f}"] for match in found
        )
        return file.getvalue()
    return "".join(f"{match.similarity:.3f}  {match.id}  {_span(match.start, match.end)}\n" for match in found)


def _span(start: float, end: float) -> str:
    if math.isnan(start) and math.isnan(end):
        return "at times that the store does not tell"
    return f"{_time(start, 2) or 'unknown'} to {_time(end, 2) or 'unknown'} s"


def _time(seconds: float, digits: int) -> str:
    return "" if math.isnan(seconds) else f"{seconds:.{digits}f}"
