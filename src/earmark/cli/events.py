"""`earmark events`: recordings → when each thing is heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.events import EventRules
    from earmark.frames import Framewise
    from earmark.scores import Event
    from earmark.tag import Recording


class Format(StrEnum):
    table = "table"
    tsv = "tsv"
    csv = "csv"
    json = "json"
    audacity = "audacity"
    raven = "raven"


def events(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders that are walked for some.")],
    tagger: Annotated[str, typer.Option(help="A tagger file, or the name of a shipped one.")] = "esc10",
    form: Annotated[Format, typer.Option("--format", help="Of the results.")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for events.tsv, .csv or .json, or a file a recording; default: stdout."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="For all tags; default: the tagger's own, or 0.5.")] = None,
    median: Annotated[
        float | None, typer.Option(help="Seconds of the median filter; default: the tagger's own.")
    ] = None,
    gap: Annotated[float | None, typer.Option(help="Join events less than this many seconds apart.")] = None,
    shortest: Annotated[float | None, typer.Option(help="Drop events of fewer seconds.")] = None,
    errors: Annotated[Path | None, typer.Option(help="CSV of the recordings that could not be read.")] = None,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged recordings.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first recording that cannot be read.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Say when each thing is heard: onset, offset, tag and score of every event.

    Scores of frames where the tagger's net has them, else of its windows; the rules that `earmark calibrate` stored.
    """
    from earmark import audio, eventfile
    from earmark import tagger as taggers
    from earmark.allocator import keep_freed_memory
    from earmark.cli.console import progress, say, say_notes, write_errors
    from earmark.errors import EarmarkError
    from earmark.frames import framewise
    from earmark.tag import Failure, Recording

    form = Format.json if as_json else form
    if form is Format.table and out is not None:
        raise EarmarkError(
            f"{out}: a table is for reading on stdout. Choose --format tsv, csv, json, audacity or raven"
        )
    keep_freed_memory()
    listener = taggers.load(tagger, device)
    found = audio.find(paths)
    if form.value in eventfile.EACH and out is None and len(found) > 1:
        raise EarmarkError(f"{form.value} has a file for each of the {len(found)} recordings: name a folder with --out")
    scorer = framewise(listener)
    rules = _rules(listener, scorer is None, threshold, median, gap, shortest)
    names = names_of(found)
    heard: dict[str, list[Event]] = {}
    failures: list[tuple[str, str]] = []
    notes: list[str] = []
    with progress() as bar:
        task = bar.add_task(f"{len(found)} recordings", total=len(found), told="")
        results = listen(
            listener, scorer, [Recording(path) for path in found], batch=batch, workers=workers, salvage=salvage
        )
        for result, moments in results:
            bar.advance(task)
            if isinstance(result, Failure):
                if strict:
                    raise result.error
                failures.append((result.error.path, str(result.error)))
                continue
            notes += result.notes
            name = names[result.recording.path]
            heard[name] = of_recording(moments, rules)
            if form is Format.table:
                _print(name, heard[name])
    say_notes(notes)
    if form is not Format.table:
        _write(heard, form.value, out, listener.sample_rate / 2)
    write_errors(errors, [(path, reason.removeprefix(f"{path}: ")) for path, reason in failures])
    if not found:
        say(f"no recordings in {', '.join(map(str, paths))}: files with other endings are tried when given by name")
    if failures:
        if errors is None:
            for _, reason in failures[:20]:
                say(reason)
        say(f"{len(failures)} of {len(found)} recordings could not be read")
        raise typer.Exit(1)


def listen(listener: Any, scorer: Framewise | None, recordings: list[Recording], **options: Any) -> Iterator[Any]:
    """(what was heard or a failure, its scores over time or None) of each recording; scores of windows without scorer."""
    from earmark.tag import Failure, score

    for result in score(scorer or listener, recordings, keep_windows=True, **options):
        if isinstance(result, Failure):
            yield result, None
        else:
            yield result, scorer.scores(result) if scorer else result.windows


def of_recording(moments: Any, rules: EventRules) -> list[Event]:
    """The events in the scores of one recording."""
    from earmark.events import hear, track

    return hear(track(moments), rules)


def _rules(
    listener: Any,
    windows: bool,
    threshold: float | None,
    median: float | None,
    gap: float | None,
    shortest: float | None,
) -> EventRules:
    """The tagger's own rules, or 0.5 for all tags, with what the user wants otherwise."""
    from dataclasses import replace

    from earmark.cli.console import say
    from earmark.events import DEFAULT, EventRules

    tags = listener.vocabulary
    stored = listener.facts.get("events", {}).get("rules")
    rules = EventRules.from_dict(stored) if stored else EventRules.alike(tags)
    if not stored and threshold is None:
        say(
            f"this tagger has no rules for events: threshold {DEFAULT} for all tags. Choose some with earmark calibrate"
        )
    if windows:
        told = listener.windows
        say(f"this tagger scores windows, not moments: edges are no finer than {told.length:g} s every {told.hop:g} s")
    changes: dict[str, Any] = {}
    if threshold is not None:
        changes["thresholds"] = dict.fromkeys(tags, threshold)
    if median is not None:
        changes["medians"] = dict.fromkeys(tags, median)
    changes |= {name: value for name, value in (("gap", gap), ("shortest", shortest)) if value is not None}
    return replace(rules, **changes)


def names_of(found: list[Path]) -> dict[Path, str]:
    """The name of each recording in the results: its file's, or all paths where two files have one name."""
    twice = max(Counter(path.name for path in found).values(), default=0) > 1
    return {path: str(path) if twice else path.name for path in found}


def _print(name: str, heard: list[Event]) -> None:
    from earmark.cli.tag import clock

    for event in heard:
        print(f"{name}  {clock(event.onset)}  {clock(event.offset)}  {event.tag} {event.score:.2f}", flush=True)
    if not heard:
        print(f"{name}  nothing", flush=True)


def _write(heard: dict[str, list[Event]], form: Any, out: Path | None, highest: float) -> None:
    from earmark import eventfile

    if out is None:
        # of a file for each recording there is at most one here
        if heard or form not in eventfile.EACH:
            print(eventfile.text(heard, form, highest), end="")
        return
    out.mkdir(parents=True, exist_ok=True)
    if form not in eventfile.EACH:
        eventfile.write(heard, out / f"events{eventfile.ENDINGS[form]}", form)
        return
    taken: set[str] = set()
    for name, each in heard.items():
        base = file = Path(name).name
        number = 2
        while file in taken:
            file, number = f"{base}-{number}", number + 1
        taken.add(file)
        eventfile.write({name: each}, out / f"{file}{eventfile.ENDINGS[form]}", form, highest)
