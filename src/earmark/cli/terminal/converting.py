"""What `earmark convert` reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.terminal.console import say
from earmark.cli.terminal.eventresults import TABLE, Format, claim, lines, write
from earmark.files.shown import shown

if TYPE_CHECKING:
    from earmark.audio import Clocks
    from earmark.scores import Event


def clocks_of(clock: bool, names: str | None, zone: str | None, form: Format) -> Clocks | None:
    """None where no times are asked for. Raises EarmarkError for a format that has no place for them."""
    from earmark.audio import Clocks
    from earmark.errors import EarmarkError
    from earmark.events.formats import tells_more
    from earmark.registry import EVENT_FORMATS

    if not clock and names is None and zone is None:
        return None
    if form is not TABLE and not tells_more(form):
        others = ", ".join(name for name in EVENT_FORMATS.names() if tells_more(name))
        raise EarmarkError(
            f"--format {form} has no place for times of the clock: choose one of {others}, or leave them out"
        )
    return Clocks(None, names, zone)


def convert(
    events: Path, form: Format, out: Path | None, recordings: Sequence[Path], clocks: Clocks | None
) -> list[tuple[str, str]]:
    """Write them, to stdout where no folder is named; (recording, reason) of those that cannot be written. Raises EarmarkError."""
    from earmark.cli.terminal import detecting
    from earmark.errors import EarmarkError
    from earmark.evaluation.reviews.found import check_ends, events_of, recordings_of
    from earmark.events.cells import More
    from earmark.events.formats import each, tells_more

    detecting.check_form(form, out)
    found = events_of(events, say)
    if form is not TABLE and each(form) and out is None and len(found) > 1:
        raise EarmarkError(f"{form} has a file for each of the {len(found)} recordings: name a folder with --out")
    where: dict[str, Path] = {}
    if recordings:
        from earmark import audio

        where = recordings_of(found, audio.find(recordings, say), say)
        check_ends(events, found, where, say)
    paths = {name: where.get(name, Path(name)) for name in found}
    claim(out, list(paths.values()), form)
    apart = any(event.channel is not None for heard in found.values() for event in heard)
    more = form is TABLE or tells_more(form)
    if apart and not more:
        say(f"{form} has no place for channels: which of them an event was heard in is left out")
    began = None if clocks is None else {name: clocks.began(path) for name, path in paths.items()}
    for name in [name for name, told in (began or {}).items() if told is None]:
        say(f"{name}: nothing tells when it began, so that its times stay empty")
    told = More(began, apart and more)
    if form is TABLE:
        for name, heard in found.items():
            print(lines(name, heard, told) or f"{shown(name)}  nothing\n", end="")
        return []
    failures = write(found, form, out, _highest(found, where, form), told, paths)
    for _, reason in failures:
        say(reason)
    if out is not None:
        say(f"{out}: {sum(map(len, found.values())):,} events of {len(found):,} recordings as {form}")
    return failures


def _highest(found: dict[str, list[Event]], where: dict[str, Path], form: Format) -> dict[str, float]:
    """Hz, that each recording holds, where the format asks for it. Raises EarmarkError where that is not known."""
    from earmark.errors import EarmarkError, ScoresError
    from earmark.events.formats import each, text
    from earmark.inference import Recording

    try:
        text({"none": []} if each(form) else {}, form)
    except ScoresError as error:
        if not where:
            raise EarmarkError(
                f"--format {form} tells how high each recording goes: say with --recordings where they are"
            ) from error
        return {name: Recording(where[name]).highest() for name in found}
    return dict.fromkeys(found, 0.0)
