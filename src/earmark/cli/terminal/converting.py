"""What `earmark convert` reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal.console import say
from earmark.cli.terminal.eventresults import TABLE, Format, claim, lines, write
from earmark.errors import agreed, counted
from earmark.files.shown import shown

if TYPE_CHECKING:
    from earmark.audio import Clocks
    from earmark.events.counts import Heard
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
        raise EarmarkError(
            f"{form} has a file for each of the {counted(len(found), 'recording')}: name a folder with --out"
        )
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
        say(f"{out}: {counted(sum(map(len, found.values())), 'event')} of {counted(len(found), 'recording')} as {form}")
    return failures


def heard(
    events: Path, summary: Sequence[Path], store: Path | None, recordings: Sequence[Path], clocks: Clocks | None
) -> list[Heard]:
    """What is to be counted, as `earmark events` does with --summary and --store.

    Raises EarmarkError where nothing tells which recordings were heard, or how long they are, and where nothing could be written.
    """
    from earmark.audio import Clocks
    from earmark.cli.terminal.eventextras import check_summary
    from earmark.evaluation.reviews.found import check_ends, events_of
    from earmark.events import store as stores
    from earmark.events.counts import Heard, sites

    check_summary(summary)
    if store is not None:
        stores.check(store)
    found = events_of(events, say)
    _check_channels(events, found)
    where = _where(events, found, recordings)
    lengths = _lengths(events, where)
    check_ends(events, found, where, say, "they count as they are")
    site = sites(where.values())
    began = {name: (clocks or Clocks()).began(path) for name, path in where.items()}
    return [
        Heard(str(where[name]), lengths[name], each, began[name], site[where[name]]) for name, each in found.items()
    ]


def write_counts(events: Path, heard: Sequence[Heard], summary: Sequence[Path], store: Path | None) -> list[Path]:
    """Of what was heard; the pictures that could not be drawn."""
    from earmark.cli.terminal.console import say_notes
    from earmark.cli.terminal.eventextras import summarise
    from earmark.events import store as stores

    missing = summarise(summary, heard)
    if store is not None:
        rows = stores.write(heard, store, _facts(events))
        say(f"store: {store}, {counted(rows['events'], 'event')} of {counted(rows['recordings'], 'recording')}")
    say_notes([f"{each.recording}: {note}" for each in heard if each.began for note in each.began.notes])
    unknown = "does not tell when it began, so that it has no date and hour: say how names tell it with --names"
    say_notes([f"{each.recording}: {unknown}" for each in heard if each.began is None])
    say(
        f"{events}: counted {counted(len(heard), 'recording')}, as long as their files tell. How much of it holds nothing "
        "that can be heard, or could not be read, is not known here: earmark events tells it with --summary or --store from "
        "the beginning"
    )
    return missing


def _check_channels(events: Path, found: Mapping[str, list[Event]]) -> None:
    """Raises EarmarkError where a sound would count once for each channel that it was heard in."""
    from earmark.errors import EarmarkError

    each = _told(events).get("channels") == "each"
    if each and any(found.values()) and all(event.channel is None for heard in found.values() for event in heard):
        raise EarmarkError(
            f"{events}: each channel was heard by itself, and this format does not tell it when it is read: a sound would count once for "
            "each of them. Count from a job with --format csv, tsv or json, or give earmark events the --summary or --store"
        )


def _where(events: Path, found: Mapping[str, list[Event]], recordings: Sequence[Path]) -> dict[str, Path]:
    """The recording of each name: among those that are named, else those of the job, else by its path. Raises EarmarkError."""
    from earmark import audio
    from earmark.errors import EarmarkError
    from earmark.evaluation.reviews.found import recordings_of
    from earmark.files import journal
    from earmark.files.stores import place

    if recordings:
        there = audio.find(recordings, say)
        where = recordings_of(found, there, say)
        if left := len(set(there) - set(where.values())):
            say(
                f"{events}: tells nothing of {left:,} of the {counted(len(there), 'recording')}, not that "
                f"{agreed(left, 'it was heard: it is', 'they were heard: they are')} left out"
            )
        return where
    if (events / journal.NAME).is_file():
        return recordings_of(
            found, [place(path) for path, line in journal.read(events).items() if line.result is not None]
        )
    gone = [name for name in found if not Path(name).is_file()]
    if gone:
        raise EarmarkError(
            f"{events}: counts tell how long was recorded, and {len(gone):,} of its {counted(len(found), 'recording')} "
            f"{agreed(len(gone), 'is', 'are')} not found, such as {gone[0]!r}: say with --recordings where "
            f"{agreed(len(gone), 'it is', 'they are')}"
        )
    return {name: Path(name) for name in found}


def _lengths(events: Path, where: Mapping[str, Path]) -> dict[str, float]:
    """Seconds of each recording, by its file. Raises EarmarkError where one does not tell."""
    from earmark import audio
    from earmark.errors import AudioError, EarmarkError

    lengths: dict[str, float] = {}
    unknown: list[str] = []
    for name, path in where.items():
        try:
            seconds, why = audio.info(path).duration, "does not tell how long it is"
        except AudioError as error:
            seconds, why = None, error.problem
        if seconds is None:
            unknown.append(f"{path} ({why})")
        else:
            lengths[name] = seconds
    if unknown:
        raise EarmarkError(
            f"{events}: counts tell how long was recorded, which {len(unknown):,} of its {counted(len(where), 'recording')} "
            f"{agreed(len(unknown), 'does', 'do')} not tell, such as "
            f"{unknown[0]}. Say with --recordings where {agreed(len(unknown), 'it is, or hear it', 'they are, or hear them')} "
            "again with earmark events --summary"
        )
    return lengths


def _facts(events: Path) -> dict[str, Any]:
    """What is known of what found them: a job tells its tagger and rules."""
    from earmark.events import EventRules

    told = _told(events)
    return {name: told[name] for name in ("tagger", *EventRules.alike(()).as_dict(), "lows") if name in told}


def _told(events: Path) -> dict[str, Any]:
    """What a job was begun with; nothing where they are of none."""
    from earmark.files import journal

    return dict(journal.head(events)["told"]) if (events / journal.NAME).is_file() else {}


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
