"""`false_alarms`: how many events an hour a tagger tells of recordings in which none of its sounds is heard.

Whoever gives the recordings says so, and each event is taken for a false alarm. The interval is that of a Poisson count, of alarms
that come by chance, one by one: of few recordings in which one thing rings again and again it is too narrow. Hours
count as far as something was heard in them: a dead microphone gives no alarm, and tells nothing of how many a live one would give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import EarmarkError, counted
from earmark.evaluation import recording
from earmark.evaluation.scoring import Settings, Unread
from earmark.events import DEFAULT, EventRules
from earmark.files.places import led_to
from earmark.inference import Failure, channels
from earmark.inference.channels import MIX, Channels
from earmark.inference.detection import listen, without
from earmark.models import loading
from earmark.models.plainfacts import known
from earmark.models.testfacts import OWN_RULES, Alarms
from earmark.progress import QUIET, Progress, task

if TYPE_CHECKING:
    from earmark.evaluation.vocabulary import Vocabulary
    from earmark.models.anytagger import AnyTagger
    from earmark.scores import Scores


@dataclass(frozen=True)
class Heard:
    """alarms: of each kind of recordings. unread: what could not be read, and counts nowhere. notes: on the audio, "path: what"."""

    alarms: tuple[Alarms, ...]
    unread: tuple[Unread, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def together(self) -> Alarms:
        return together(self.alarms)


@dataclass(frozen=True)
class Hearing:
    """How recordings are heard where not as a tagger hears by itself. gain: dB. floor: dBFS, below which nothing is told; None: the
    tagger's own. channels: of each recording; where each is heard by itself, the alarms of all count, in the hours of the recording.
    merge: the tags that are told, in another vocabulary.
    """

    gain: float = 0.0
    floor: float | None = None
    channels: Channels = MIX
    merge: Vocabulary | None = None

    def as_dict(self) -> dict[str, Any]:
        """What is other than usual; plain values."""
        told: dict[str, Any] = ({"gain": self.gain} if self.gain else {}) | known({"floor": self.floor})
        told |= self.channels.as_dict()
        return told | ({} if self.merge is None else {"merge": self.merge.name, "merge by": self.merge.rule})

    def named(self, tagger: AnyTagger, scores: Scores) -> Scores:
        """In the tags that are told."""
        if self.merge is None:
            return without(scores, tagger.reserved)
        return without(self.merge.scores(scores), self.merge.reserved(scores.tags, tagger.reserved))


AS_IT_HEARS = Hearing()


def check_some(kinds: Mapping[str, Sequence[Path]]) -> None:
    """Raises EarmarkError for a kind without recordings."""
    for of, paths in kinds.items():
        if not paths:
            raise EarmarkError(
                f"{of}: there are no recordings in it, and so no alarms an hour: files with other endings are tried when given by name. "
                "Give recordings without the tagger's sounds"
            )


def false_alarms(
    tagger: AnyTagger,
    kinds: Mapping[str, Sequence[Path]],
    rules: EventRules | float | None = None,
    settings: Settings | None = None,
    progress: Progress = QUIET,
    hearing: Hearing = AS_IT_HEARS,
    by: str | None = None,
) -> Heard:
    """kinds: recordings without the tagger's sounds, by what they are. rules: as of `AnyTagger.events`, whose events these are; of merged
    tags, where these are told. by: what given rules are, in words.

    Raises EarmarkError where no recording of a kind can be read, or one is of two kinds, AudioError where the settings are strict.
    """
    check_some(kinds)
    _check_apart(kinds)
    settings = settings or Settings()
    told, words = _rules(tagger, rules, hearing)
    alarms: list[Alarms] = []
    unread: list[Unread] = []
    notes: list[str] = []
    with task(progress, "listening", sum(map(len, kinds.values()))) as step:
        for of, paths in kinds.items():
            heard = _heard(tagger, of, paths, told, settings, hearing, step)
            alarms += [replace(each, by=by or words, heard=hearing.as_dict()) for each in heard.alarms]
            unread += heard.unread
            notes += heard.notes
    return Heard(tuple(alarms), tuple(unread), tuple(notes))


def _heard(
    tagger: AnyTagger,
    of: str,
    paths: Sequence[Path],
    rules: EventRules,
    settings: Settings,
    hearing: Hearing,
    step: Callable[[], None],
) -> Heard:
    """Of one kind of recordings."""
    options = {name: value for name, value in settings.options.items() if name != "hear_silence"}
    options |= {"gain": hearing.gain, "floor": hearing.floor, "named": partial(hearing.named, tagger)}
    counts: Counter[str] = Counter()
    lost: list[Unread] = []
    notes: list[str] = []
    seconds, unheard, read = 0.0, 0.0, 0
    sounds = hearing.channels.recordings(paths)
    with closing(listen(tagger, tagger.framewise(), sounds, rules, **options)) as results:
        for heard, events in channels.together(results, sounds):
            step()
            if isinstance(heard, Failure):
                if settings.strict:
                    raise heard.error
                lost.append(Unread(heard.error.path, heard.error.problem))
                continue
            # not as they come: of a recording that fails later neither events nor hours count
            counts.update(event.tag for event in events)
            seconds, unheard, read = seconds + heard.duration, unheard + heard.unheard, read + 1
            notes += heard.notes
    if not read:
        why = f", the first: {lost[0].path}: {lost[0].reason}" if lost else ""
        raise EarmarkError(
            f"{of}: none of the {counted(len(paths), 'recording')} could be heard{why}. Give recordings without the tagger's sounds"
        )
    told = Alarms(of, read, round((seconds - unheard) / 3600, 6), _sorted(counts), unheard=round(unheard / 3600, 6))
    return Heard((told,), tuple(lost), tuple(notes))


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda c: (-c[1], c[0])))


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
    hours, unheard = (round(sum(getattr(each, name) or 0.0 for each in alarms), 6) for name in ("hours", "unheard"))
    alike = alarms[0] if len({(each.by, str(each.heard)) for each in alarms}) == 1 else Alarms("", 0, 0.0)
    return Alarms(
        "all together", sum(each.recordings for each in alarms), hours, _sorted(counts), alike.by, unheard, alike.heard
    )


def record(file: str | Path, tagger: AnyTagger, alarms: Sequence[Alarms]) -> None:
    """Write them into the tagger's file, or into that of a shipped one; what it told of the same recordings before is replaced.

    Raises EarmarkError for a tagger that is not as the file has it, or was heard with otherwise, and where nothing was heard of some.
    """
    recording.check_as_it_is(file, tagger)
    if other := next((each for each in alarms if each.heard), None):
        raise EarmarkError(
            f"{other.of}: was heard with {other.heard_words()}, and the figures would not be those of the tagger as it is. Count "
            "without, or write nothing"
        )
    if nothing := [each for each in alarms if each.rate is None]:
        told = "; ".join(
            f"{each.of} ({counted(each.recordings, 'recording')}, {each.unheard or 0:.2g} h)" for each in nothing
        )
        raise EarmarkError(
            f"{told}: in none of it there is anything to be heard, as with a dead microphone, so that no alarm could come, and no rate is "
            "written. Check these recordings, or leave them out"
        )
    new = {each.of for each in alarms}
    facts = tagger.facts.own(tagger.identity())
    kept = tuple(each for each in facts.alarms or () if each.of not in new)
    tagger.facts = replace(facts, alarms=(*kept, *alarms))
    tagger.save(loading.find(file))


def _rules(tagger: AnyTagger, rules: EventRules | float | None, hearing: Hearing) -> tuple[EventRules, str]:
    """The rules, and what they are in words. Of merged tags the tagger has none: 0.5 for all."""
    if isinstance(rules, EventRules):
        return rules, "rules that were given"
    tags = tagger.vocabulary if hearing.merge is None else hearing.merge.names(tagger.vocabulary)
    if rules is not None:
        return EventRules.alike(tags, rules), f"threshold {rules:g} for all tags"
    if tagger.facts.rules is not None and hearing.merge is None:
        return tagger.facts.rules, OWN_RULES
    return EventRules.alike(tags), f"threshold {DEFAULT:g} for all tags"
