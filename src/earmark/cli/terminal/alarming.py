"""`earmark alarms`: which recordings are told together, and what is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal.console import print_json, print_table, say, say_notes

if TYPE_CHECKING:
    from earmark.evaluation.alarms import Heard
    from earmark.evaluation.vocabulary import Vocabulary
    from earmark.events import EventRules
    from earmark.models.anytagger import AnyTagger
    from earmark.models.facts import Alarms

COLUMNS = ("recordings", "files", "hours", "unheard", "events", "an hour", "low", "high", "tags")
SHOWN = 3  # tags of a row


def check(record: bool, precision: str, **changes: Any) -> None:
    """Raises EarmarkError where figures are not those of the tagger as its file has it. changes: by option, None where not given."""
    from earmark.errors import EarmarkError
    from earmark.evaluation import recording

    if not record:
        return
    recording.check_precision(precision)
    for name, value in changes.items():
        if value is not None:
            told = f"--{name.replace('_', '-')}" + (
                "" if value is True else f" {value:g}" if isinstance(value, float) else f" {value}"
            )
            raise EarmarkError(
                f"--record and {told}: the figures would not be those of the tagger as it is. Leave one out"
            )


def rules(
    tagger: AnyTagger, changes: Mapping[str, float | None], device: str, merge: Vocabulary | None
) -> tuple[EventRules, str]:
    """Those of `earmark events` with the same options, and what they are in words. changes: as of `EventRules.changed`, in its order."""
    from earmark.cli.terminal import detecting
    from earmark.events import DEFAULT
    from earmark.models.testfacts import OWN_RULES

    made = detecting.rules_of(tagger, list(changes.values()), device, merge)
    stored = tagger.facts.rules is not None
    threshold = changes["threshold"]
    others = [
        f"{name} {value:g}" + " s" * (name != "low")
        for name, value in changes.items()
        if name != "threshold" and value is not None
    ]
    if threshold is None and stored:
        return made, ", ".join([OWN_RULES, *others])
    alike = f"threshold {DEFAULT if threshold is None else threshold:g} for all tags"
    return made, ", ".join([alike, *others, *([f"else {OWN_RULES}"] if stored else [])])


def kinds(paths: Sequence[Path], of: str | None) -> dict[str, list[Path]]:
    """What each of the paths stands for, by its name; or all, by theirs. Raises EarmarkError where two are called alike or one has none."""
    from earmark.cli.terminal.found import recordings
    from earmark.errors import EarmarkError
    from earmark.evaluation.alarms import check_some
    from earmark.files.places import led_to

    if of is not None:
        check_some(told := {of: list(recordings(paths))})
        return told
    told = {}
    for path in paths:
        name = led_to(path).name if path.is_dir() else path.name
        if name in told:
            raise EarmarkError(f"{path}: another is called {name!r} too. Run it for each, with a name for it: --of")
        told[name] = list(recordings([path]))
    check_some(told)
    return told


def tell(found: Heard, as_json: bool, errors: Path | None) -> None:
    """Print it, and write what could not be read."""
    from earmark.cli.terminal.bar import write_unread

    say_notes(found.notes)
    told = [*found.alarms, *([found.together] if len(found.alarms) > 1 else [])]
    if as_json:
        print_json([each.as_dict() for each in told])
    else:
        print_table(COLUMNS, [_row(each) for each in told])
    how = found.together
    say(f"counted by {how.by}" + (f"; heard with {how.heard_words()}" if how.heard else ""))
    if unheard := found.together.unheard:
        say(
            f"{unheard:.2g} h hold nothing that can be heard, and count in no rate: silence, or sound below the floor (--floor)"
        )
    write_unread(errors, found.unread)


def leave(found: Heard) -> None:
    """Leaves with status 1 where something could not be read."""
    from earmark.cli.terminal.bar import leave_with

    leave_with(found.unread, found.together.recordings + len(found.unread))


def _row(alarms: Alarms) -> tuple[object, ...]:
    from earmark.models.testfacts import number

    rate = alarms.rate
    most = [f"{tag} {count}" for tag, count in list(alarms.tags.items())[:SHOWN]]
    figures = ("none", "", "") if rate is None else map(number, (rate.value, rate.low, rate.high))
    tags = ", ".join(most) + (", …" if len(alarms.tags) > SHOWN else "")
    return (
        alarms.of,
        alarms.recordings,
        f"{alarms.hours:.2g}",
        f"{alarms.unheard or 0:.2g}",
        alarms.events,
        *figures,
        tags,
    )
