"""Events of recordings and of live sound, from a loaded tagger to what is printed, kept and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal.eventextras import Extras, Wanted
from earmark.cli.terminal.eventresults import TABLE, Format
from earmark.errors import counted

if TYPE_CHECKING:
    from earmark.cli.terminal.drawing import Artist
    from earmark.cli.terminal.jobs import Kept, Results
    from earmark.evaluation.vocabulary import Vocabulary
    from earmark.events import EventRules
    from earmark.inference import Recording, Scored
    from earmark.models.anytagger import AnyTagger
    from earmark.scores import Event, Scores


@dataclass(frozen=True)
class Asked:
    """What the user asked for. out: a folder, or None for stdout. artist: draws pictures, or None."""

    tagger: AnyTagger
    rules: EventRules
    form: Format
    out: Path | None
    artist: Artist | None
    batch: int | None
    workers: int
    salvage: bool
    gain: float = 0.0
    floor: float | None = None
    wanted: Wanted = field(default_factory=Wanted)
    merge: Vocabulary | None = None  # whose tags the rules and events are of

    def named(self, scores: Scores) -> Scores:
        """In the tags that were asked for, without those that are not told."""
        from earmark.inference.detection import without

        if self.merge is None:
            return without(scores, self.tagger.reserved)
        return without(self.merge.scores(scores), self.merge.reserved(scores.tags, self.tagger.reserved))

    @property
    def tags(self) -> Sequence[str]:
        """That events may be of."""
        own = self.tagger.vocabulary
        return own if self.merge is None else self.merge.names(own)

    @property
    def highest(self) -> float:
        """Hz, that the tagger hears."""
        return self.tagger.sample_rate / 2


def events_of(
    coming: Recording | None, paths: Sequence[Path], found: Sequence[Path], asked: Asked, work: Kept, **told: Any
) -> bool:
    """Of live sound, or else of files; whether something is missing. told: of `events_of_files`."""
    if asked.form is not TABLE:
        from earmark.events.formats import check_tags

        check_tags(asked.form.value, asked.tags)
    if coming is None:
        return events_of_files(paths, found, asked, work, **told)
    events_live(coming, asked)
    return False


def events_of_files(
    paths: Sequence[Path],
    found: Sequence[Path],
    asked: Asked,
    work: Kept,
    *,
    errors: Path | None,
    strict: bool,
) -> bool:
    """Find events in recordings, or those in folders (`found`); whether some could not be read, or a picture not be drawn."""
    from earmark.cli.terminal import eventresults, jobs
    from earmark.cli.terminal.console import say, say_failures, say_notes
    from earmark.files.journal import KEPT
    from earmark.inference import process

    process.take()
    among = found
    found, job = work.part(found)
    names = (
        eventresults.names_of(among) if job is None or asked.artist is not None else {}
    )  # a job names all by their paths
    kept = None if job is None else job / KEPT
    extras = Extras(asked.wanted, found, kept, asked.salvage, among=among, tags=asked.tags)
    with ExitStack() as stack:
        into = _results(asked, names, job, stack, extras)
        notes, failures = jobs.done(
            into, found, work.retry, lambda todo: _gathered(asked, into, todo, names, strict, extras, work)
        )
    facts = {"tagger": asked.tagger.identity(), **asked.rules.as_dict()}
    say_notes([*notes, *extras.finish(facts)])
    stored = asked.tagger.facts.events
    if stored and stored.rates and asked.rules == stored.rules and (told := extras.rarer(stored.rates)):
        say(told)
    undrawn = extras.missing or (asked.artist is not None and asked.artist.missing)
    return say_failures(failures, found, paths, errors) or bool(undrawn)


def _results(asked: Asked, names: dict[Path, str], job: Path | None, stack: ExitStack, extras: Extras) -> Results:
    """Where the results go: into a job's folder, out at once, or out at the end."""
    from earmark.cli.terminal import eventresults, jobs

    if job is not None:
        settings: dict[str, Any] = {"command": "events", "tagger": asked.tagger.identity(), "format": asked.form.value}
        settings |= {"salvage": asked.salvage, **asked.rules.as_dict()} | ({"gain": asked.gain} if asked.gain else {})
        settings |= {} if asked.floor is None else {"floor": asked.floor}
        settings |= {} if asked.merge is None else {"merge": asked.merge.as_dict()}
        settings |= jobs.engine_of(asked.tagger) | asked.wanted.as_dict()
        return stack.enter_context(eventresults.job(job, settings, asked.form, asked.highest, extras))
    if asked.form is TABLE:
        return eventresults.Table(names, extras.more(names))
    return eventresults.Collected(names, asked.form, asked.out, asked.highest, extras.more(names))


def _gathered(
    asked: Asked, into: Results, todo: Sequence[Path], names: dict[Path, str], strict: bool, extras: Extras, work: Kept
) -> list[str]:
    """Take in the events of recordings, with a bar; what is to be said of their audio."""
    from earmark.cli.terminal import eventresults, jobs
    from earmark.cli.terminal.console import Meter
    from earmark.files.apart import Apart
    from earmark.inference import channels
    from earmark.inference.detection import listen

    extras.again(todo)
    scorer = asked.tagger.framewise()
    apart = Apart(() if asked.artist is None else extras.among or extras.found)

    def also(heard: Scored, events: list[Event]) -> None:
        if asked.artist is not None:
            moments = scorer.scores(heard) if scorer else heard.windows
            assert moments is not None  # they were asked for
            asked.artist.draw(
                names[heard.recording.path],
                apart.name(heard.recording.path),
                heard,
                asked.named(moments),
                asked.rules,
                events,
                asked.salvage,
            )

    show = into.show if isinstance(into, eventresults.Table) else None
    recordings = asked.wanted.channels.recordings(todo)
    with Meter(todo) as meter:
        results = listen(
            asked.tagger, scorer, recordings, asked.rules, on_events=show, on_audio=meter.heard, named=asked.named,
            keep_windows=asked.artist is not None, batch=asked.batch, workers=asked.workers, salvage=asked.salvage,
            gain=asked.gain, floor=asked.floor, by=work.scored_by(),
        )  # fmt: skip
        with closing(results):  # whatever happens: threads that decode wait for it
            return jobs.gather(channels.together(results, recordings), into, meter, strict, also, extras.take)


def events_live(recording: Recording, asked: Asked) -> None:
    """Print events: in a table each once nothing can change it, else all at the end. Raises AudioError."""
    from earmark.cli.terminal.console import say_notes
    from earmark.cli.terminal.eventresults import hears, lines, write
    from earmark.cli.terminal.live import until_stopped
    from earmark.errors import EarmarkError
    from earmark.inference import Failure, process
    from earmark.inference.detection import listen

    if asked.artist is not None:
        raise EarmarkError("--pictures are of files: sound that is heard while it comes is not kept")
    process.take()

    def show(_: Recording, events: list[Event]) -> None:
        print(lines("", events), end="", flush=True)

    table = asked.form is TABLE
    with until_stopped(recording):
        ((heard, found),) = listen(
            asked.tagger, asked.tagger.framewise(), [recording], asked.rules, ordered=False, keep=not table,
            on_events=show if table else None, named=asked.named, workers=1, prompt=True, batch=asked.batch,
            salvage=asked.salvage, gain=asked.gain, floor=asked.floor,
        )  # fmt: skip
    if isinstance(heard, Failure):
        raise heard.error
    say_notes(heard.notes)
    if not table:
        name = str(recording.path)
        write({name: found}, asked.form, asked.out, {name: hears(recording, asked.form, asked.highest)})


def find(
    paths: Sequence[Path],
    coming: Recording | None,
    form: Format,
    out: Path | None,
    pictures: Path | None,
    job: Path | None,
) -> Sequence[Path]:
    """The recordings; none of live sound. Raises EarmarkError where there are several and only stdout to write to, and where
    something that is there would be lost.
    """
    from earmark.cli.terminal import eventresults, ours, written
    from earmark.cli.terminal.found import recordings
    from earmark.errors import EarmarkError
    from earmark.events.formats import each

    found = recordings(paths) if coming is None else []
    if form is not TABLE and each(form) and out is None and job is None and len(found) > 1:
        raise EarmarkError(
            f"{form.value} has a file for each of the {counted(len(found), 'recording')}: name a folder with --out"
        )
    written.claim("--pictures", pictures, written.names_for(found, ".png"), ours.drawn)
    eventresults.claim(out, found, form, live=coming is not None)
    return found


def check_form(form: Format, out: Path | None) -> None:
    """Raises EarmarkError for what could not be written."""
    from earmark.errors import EarmarkError
    from earmark.registry import EVENT_FORMATS

    if form is TABLE and out is not None:
        *others, last = EVENT_FORMATS.names()
        raise EarmarkError(f"{out}: a table is for reading on stdout. Choose --format {', '.join(others)} or {last}")


def vocabulary(table: Path | None, rule: Any) -> Vocabulary | None:
    """Raises EarmarkError for no such table."""
    from earmark.cli.terminal import tagging

    return None if table is None else tagging.vocabulary(table, rule)


def _stored(tagger: AnyTagger, merge: Vocabulary | None, *, thresholds: bool, medians: bool) -> EventRules | None:
    """The tagger's rules in the tags that were asked for; without those that the user gives. None where it has none."""
    from dataclasses import replace

    from earmark.errors import EarmarkError
    from earmark.evaluation import wording
    from earmark.events import DEFAULT, EventRules

    rules, tags = tagger.facts.rules, tagger.vocabulary
    if rules is None or merge is None:
        return rules
    if not thresholds and not medians:
        own = EventRules.alike(merge.names(tags))
        return replace(rules, thresholds=own.thresholds, medians=own.medians, lows=merge.lows(rules.lows, tags))
    alike = replace(
        rules,
        thresholds=rules.thresholds if thresholds else dict.fromkeys(tags, DEFAULT),
        medians=rules.medians if medians else dict.fromkeys(tags, 0.0),
    )
    merged, lost = merge.rules(alike, tags)
    if lost:
        raise EarmarkError(
            f"--merge: the rules of tags that are one in {merge.name} differ, or they are merged by sum: {wording.names(lost)}. Give "
            "--threshold and --median, or choose rules of merged tags with `earmark calibrate --merge`"
        )
    return merged


def rules_of(
    tagger: AnyTagger,
    changes: Sequence[float | None],
    device: str,
    merge: Vocabulary | None = None,
) -> EventRules:
    """The tagger's own rules, or 0.5 for all tags, with what the user wants otherwise. device: what was asked for.

    changes: what they want, in the order of `EventRules.changed`. merge: they are of its tags. Raises EarmarkError where tags that are one
    in it have rules that differ.
    """
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.tagging import say_unheard
    from earmark.events import DEFAULT, EventRules

    say_unheard(tagger, device)
    threshold, median = changes[:2]
    tags = tagger.vocabulary if merge is None else merge.names(tagger.vocabulary)
    stored = _stored(tagger, merge, thresholds=threshold is None, medians=median is None)
    rules = stored or EventRules.alike(tags)
    if not stored and threshold is None:
        say(
            f"this tagger has no rules for events: threshold {DEFAULT} for all tags. Choose some with earmark calibrate"
        )
    if tagger.framewise() is None:
        told = tagger.windows
        say(f"this tagger scores windows, not moments: edges are no finer than {told.length:g} s every {told.hop:g} s")
    return rules.changed(*changes)
