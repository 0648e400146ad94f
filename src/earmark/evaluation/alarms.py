"""`false_alarms`: how many events an hour a tagger tells of recordings in which none of its sounds is heard.

Whoever gives the recordings says so, and each event is taken for a false alarm. The interval is that of a Poisson count, of alarms
that come by chance, one by one: of few recordings in which one thing rings again and again it is too narrow. Hours
count as far as something was heard in them: a dead microphone gives no alarm, and tells nothing of how many a live one would give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import EarmarkError
from earmark.evaluation import recording
from earmark.evaluation.scoring import Settings, Unread
from earmark.events import DEFAULT, EventRules
from earmark.files.places import led_to
from earmark.inference import Failure, Recording
from earmark.inference.detection import listen
from earmark.models import loading
from earmark.models.testfacts import OWN_RULES, Alarms
from earmark.progress import QUIET, Progress, task

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger


@dataclass(frozen=True)
class Heard:
    """alarms: of each kind of recordings. unread: what could not be read, and counts nowhere. notes: on the audio, "path: what"."""

    alarms: tuple[Alarms, ...]
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def together(self) -> Alarms:
        return together(self.alarms)


def false_alarms(
    tagger: AnyTagger,
    kinds: Mapping[str, Sequence[Path]],
    rules: EventRules | float | None = None,
    settings: Settings | None = None,
    progress: Progress = QUIET,
) -> Heard:
    """kinds: recordings without the tagger's sounds, by what they are. rules: as of `AnyTagger.events`, whose events these are.

    Raises EarmarkError where no recording of a kind can be read, or one is of two kinds, AudioError where the settings are strict.
    """
    for of, paths in kinds.items():
        if not paths:
            raise EarmarkError(
                f"{of}: there are no recordings in it, and so no alarms an hour: files with other endings are tried when given by name. "
                "Give recordings without the tagger's sounds"
            )
    _check_apart(kinds)
    settings = settings or Settings()
    told, by = _rules(tagger, rules)
    options = {name: value for name, value in settings.options.items() if name != "hear_silence"}
    alarms, unread = [], []
    notes: list[str] = []
    with task(progress, "listening", sum(map(len, kinds.values()))) as step:
        for of, paths in kinds.items():
            counts: Counter[str] = Counter()
            seconds, unheard, read, lost = 0.0, 0.0, 0, []
            recordings = [Recording(path) for path in paths]
            with closing(listen(tagger, tagger.framewise(), recordings, told, **options)) as results:
                for heard, events in results:
                    step()
                    if isinstance(heard, Failure):
                        if settings.strict:
                            raise heard.error
                        lost.append(Unread(heard.error.path, heard.error.problem))
                        continue
                    counts.update(
                        event.tag for event in events
                    )  # once it is read to its end: what fails counts nowhere
                    seconds, unheard, read = seconds + heard.duration, unheard + heard.unheard, read + 1
                    notes += heard.notes
            if not read:
                why = f", the first: {lost[0].path}: {lost[0].reason}" if lost else ""
                raise EarmarkError(
                    f"{of}: none of the {len(paths)} recordings could be heard{why}. Give recordings without the tagger's sounds"
                )
            unread += lost
            hours, silent = round((seconds - unheard) / 3600, 6), round(unheard / 3600, 6)
            alarms.append(
                Alarms(of, read, hours, dict(sorted(counts.items(), key=lambda c: (-c[1], c[0]))), by, silent)
            )
    return Heard(tuple(alarms), tuple(unread), tuple(notes))


def _check_apart(kinds: Mapping[str, Sequence[Path]]) -> None:
    """Raises EarmarkError where a recording would count twice."""
    of: dict[Path, str] = {}
    for kind, paths in kinds.items():
        for path in paths:
            if of.setdefault(place := led_to(path), kind) != kind:
                raise EarmarkError(
                    f"{path}: is among {of[place]!r} and {kind!r}, and would count twice where all are counted together. Give each "
                    "recording once"
                )


def together(alarms: Sequence[Alarms]) -> Alarms:
    """Of all kinds.

    >>> both = together([Alarms("rain", 1, 0.5, {"owl": 2}), Alarms("wind", 2, 1.5, {"owl": 1, "fox": 3})])
    >>> both.hours, both.events, dict(both.tags)
    (2.0, 6, {'fox': 3, 'owl': 3})
    """
    counts: Counter[str] = Counter()
    for each in alarms:
        counts.update(each.tags)
    tags = dict(sorted(counts.items(), key=lambda c: (-c[1], c[0])))
    hours, unheard = (round(sum(getattr(each, name) for each in alarms), 6) for name in ("hours", "unheard"))
    return Alarms("all together", sum(each.recordings for each in alarms), hours, tags, unheard=unheard)


def record(file: str | Path, tagger: AnyTagger, alarms: Sequence[Alarms]) -> None:
    """Write them into the tagger's file, or into that of a shipped one; what it told of the same recordings before is replaced.

    Raises EarmarkError for a tagger that is not as the file has it, and where nothing was heard of some.
    """
    recording.check_as_it_is(file, tagger)
    if nothing := [each for each in alarms if each.rate is None]:
        told = "; ".join(f"{each.of} ({each.recordings} recordings, {each.unheard:.2g} h)" for each in nothing)
        raise EarmarkError(
            f"{told}: in none of it there is anything to be heard, as with a dead microphone, so that no alarm could come, and no rate is "
            "written. Check these recordings, or leave them out"
        )
    new = {each.of for each in alarms}
    facts = tagger.facts.own(tagger.identity())
    kept = tuple(each for each in facts.alarms or () if each.of not in new)
    tagger.facts = replace(facts, alarms=(*kept, *alarms))
    tagger.save(loading.find(file))


def _rules(tagger: AnyTagger, rules: EventRules | float | None) -> tuple[EventRules, str]:
    """The rules, and what they are in words."""
    if isinstance(rules, EventRules):
        return rules, "rules that were given"
    if rules is not None:
        return EventRules.alike(tagger.vocabulary, rules), f"threshold {rules:g} for all tags"
    if tagger.facts.rules is not None:
        return tagger.facts.rules, OWN_RULES
    return EventRules.alike(tagger.vocabulary), f"threshold {DEFAULT:g} for all tags"
