"""What `earmark review` writes and prints."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal import needing
from earmark.cli.terminal.console import output, print_json, print_table, say
from earmark.errors import agreed, counted
from earmark.files import notation

if TYPE_CHECKING:
    from earmark.evaluation.reviews.choosing import Picked
    from earmark.events.clips import Settings
    from earmark.scores import Event

Cut = tuple[Path, "Settings", Sequence[Path]]  # a folder for clips, how they are cut, where the recordings are


@dataclass(frozen=True)
class Near:
    """Near what a quarter is chosen: a threshold of all tags, or those of a tagger, with candidates from recordings."""

    threshold: float | None
    tagger: str | None
    recordings: Sequence[Path]


def check(
    events: Path | None, out: Path | None, recordings: Sequence[Path] | None, clips: Path | None,
    summary: Sequence[Path] | None,    tagger: str | None = None, answered: Sequence[Path] | None = None,
) -> None:  # fmt: skip
    """Raises EarmarkError for what does not go together, and where clips would lie among other files."""
    from earmark.errors import EarmarkError

    if events is not None and summary:
        raise EarmarkError(
            f"--summary {summary[0]}: is of tables that were filled in, and {events} would be chosen from. Several tables: --summary "
            f"{summary[0]} --summary {events}"
        )
    if events is None and not summary:
        raise EarmarkError(
            "give a file of events, or a job's folder, to choose from; or --summary with a table that was filled in"
        )
    if summary and (out or recordings or clips or tagger or answered):
        raise EarmarkError(
            f"--summary {summary[0]}: is told on stdout; --out, --recordings, --clips, --tagger and --answered are of a new choice"
        )
    if summary:
        needing.refuse({"count", "tag", "threshold", "seed"}, "a new choice of detections", "leave --summary out")
    if clips is not None and not recordings:
        raise EarmarkError(f"--clips {clips}: say with --recordings where the recordings are")
    if tagger is not None and not recordings:
        raise EarmarkError(
            f"--tagger {tagger}: listens for what it nearly told: say with --recordings where the recordings are"
        )
    if clips is not None and clips.is_dir() and any(clips.iterdir()):
        raise EarmarkError(
            f"--clips {clips}: holds files already, among which clips would not be known. Name a new folder"
        )


def choose(
    events: Path | None,
    out: Path | None,
    count: int,
    near: Near,
    tags: Sequence[str] | None,
    seed: int,
    cut: Cut | None,
    as_json: bool,
    answered: Sequence[Path] = (),
) -> None:
    """Write the table, to stdout where no file is named, and the clips of what is to be listened to."""
    from earmark.evaluation.reviews import answers
    from earmark.evaluation.reviews.choosing import BELOW, pick
    from earmark.evaluation.reviews.found import events_of, tagger_of

    assert events is not None
    found = events_of(events, say)
    by = tagger_of(events)
    thresholds, low, listening = _candidates(found, near, events, by)
    picked = pick(found, count, thresholds=thresholds, tags=tags, seed=seed, candidates=low)
    picked = [replace(each, tagger=listening if each.chosen == BELOW else by) for each in picked]
    chosen = len(picked)
    before = [each for file in answered for each in answers.read(file)]
    picked, known = answers.carried(picked, before, found, tags)
    new = [each for each in picked if answers.key_of(each) not in known]
    clips = None if cut is None else _clips(events, new, cut)
    with output(out) as file:
        file.write(_json(picked) if as_json and out is None else answers.table(picked, clips, known))
    kinds = Counter(each.chosen for each in picked[:chosen])
    every = sum(len(heard) for of in (found, low) for heard in of.values())
    what = "events and candidates" if low else agreed(every, "event", "events")
    say(f"{chosen:,} of {every:,} {what} to listen to: {', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}")
    if answered:
        more = f", and {counted(len(picked) - chosen, 'more was', 'more were')} answered before" * (
            len(picked) > chosen
        )
        say(
            f"{counted(chosen - len(new), 'of them was', 'of them were')}{more}: {counted(len(new), 'is', 'are')} left, first in the table"
        )
        left = [each for each in picked[chosen:] if each.chosen == BELOW]
        if gone := sum(known[answers.key_of(each)].picked.chosen != BELOW for each in left):
            say(
                f"{counted(gone, 'that was answered before is', 'that were answered before are')} not among these events: "
                f"{agreed(gone, 'it stays, and says', 'they stay, and say')} nothing of how many are right"
            )
    if out is not None:
        if as_json:
            print(_json(picked), end="")
        say(f"{out}: fill in the column answer with right, wrong, other or moved; then earmark review --summary {out}")


def _candidates(
    found: Mapping[str, Sequence[Event]], near: Near, events: Path, by: str | None
) -> tuple[Mapping[str, float] | float | None, dict[str, list[Event]], str | None]:
    """(thresholds, what the tagger nearly told in the recordings of these events, its identity). by: that of the tagger that found them."""
    if near.tagger is None:
        return near.threshold, {}, None
    from contextlib import closing

    from earmark import audio
    from earmark.cli.terminal.bar import Bar
    from earmark.errors import ScoresError
    from earmark.evaluation.reviews.found import check_ends, recordings_of
    from earmark.inference import Failure, Recording
    from earmark.inference.asked import rules_of
    from earmark.inference.candidates import hear
    from earmark.models import loading
    from earmark.progress import task

    tagger = loading.load(near.tagger)
    if other := sorted({event.tag for heard in found.values() for event in heard} - set(tagger.vocabulary)):
        raise ScoresError(
            f"events are of {other[0]!r}, which {near.tagger} does not know: were they found by another tagger?"
        )
    if by is not None and by != tagger.identity():
        raise ScoresError(
            f"{events}: was found by the tagger {by}, and {near.tagger} is {tagger.identity()}, or hears at another --hop: its thresholds, "
            "and what lies below them, are none of these events'. Give the tagger that found them, or find events with this one"
        )
    if by is None:
        say(f"{events}: does not tell which tagger found its events: they are taken for those of {near.tagger}")
    rules = rules_of(tagger)
    rules = (
        rules if near.threshold is None else replace(rules, thresholds=dict.fromkeys(rules.thresholds, near.threshold))
    )
    where = recordings_of(found, audio.find(near.recordings, say), say)
    check_ends(events, found, where, say, "their clips end with it")
    names = {path: name for name, path in reversed(where.items())}  # of one by two paths, the first
    low: dict[str, list[Event]] = {}
    with task(Bar(), "listening for what was nearly told", len(names)) as step, closing(
        hear(tagger, map(Recording, names), rules)
    ) as results:  # fmt: skip
        for result, _, rejected in results:
            step()
            if isinstance(result, Failure):
                say(str(result.error))
                continue
            low[names[result.recording.path]] = rejected
    return rules.thresholds, low, tagger.identity()


def summarise(files: Sequence[Path], as_json: bool) -> None:
    """The precision of each tag and of all, over tables of a choice each."""
    from earmark.errors import ScoresError
    from earmark.evaluation.reviews import answers, precision
    from earmark.evaluation.wording import number

    tables = [answers.read(file) for file in files]
    try:
        told = precision.of_tags(*tables)
    except ScoresError as error:
        raise ScoresError(f"{', '.join(map(str, files))}: {error}") from error
    names = [{review.picked.recording for review in table} for table in tables]
    shared = Counter(name for its in names for name in its)
    if both := sorted(name for name, count in shared.items() if count > 1):
        say(
            f"{counted(len(both), 'recording is', 'recordings are')} in several of these tables, such as {both[0]}: if "
            f"{agreed(len(both), 'it is the same sound', 'they are the same sounds')}, and not only called alike, what was found in "
            f"{agreed(len(both), 'it', 'them')} counts twice"
        )
    if as_json:
        return print_json([each.as_dict() for each in told])
    rows = [
        (
            each.tag or "all", each.events or "–", each.reviewed, *(each.answers[name] for name in each.answers), each.random,
            *map(number, (each.precision.value, each.precision.low, each.precision.high)),
        )
        for each in told
    ]  # fmt: skip
    print_table(
        ("tag", "events", "reviewed", "right", "wrong", "other", "moved", "at random", "precision", "from", "to"), rows
    )
    for each in told[:-1]:
        if not each.events:
            say(f"{each.tag}: the table does not tell how many events there were, so that no precision of all follows")
        elif not each.random and each.reviewed < each.events:
            say(
                f"{each.tag}: none of those drawn at random was answered, so that nothing is known of the other events: its "
                "precision lies between these limits"
            )
    if told[-1].left_out is None:
        say(
            "how many events there were of other tags is not told (of_all, which tables of before lack): all is of these tags"
        )
    elif out := told[-1].left_out:
        say(
            f"{counted(out, 'event is', 'events are')} of tags of which none was chosen: all has no precision, and lies between "
            "these limits"
        )
    if left := told[-1].unanswered:
        say(f"{left:,} of {left + told[-1].reviewed:,} {agreed(left, 'has', 'have')} no answer")


def _clips(table: Path, picked: Sequence[Picked], cut: Cut) -> dict[tuple[str, Event], str]:
    """Write a file for each; its place as the table tells it."""
    from earmark import audio
    from earmark.evaluation.reviews.found import check_ends, recordings_of
    from earmark.events import clips

    folder, settings, places = cut
    by_recording: dict[str, list[Event]] = defaultdict(list)
    for each in picked:
        by_recording[each.recording].append(each.event)
    where = recordings_of(by_recording, audio.find(places, say), say)
    check_ends(table, by_recording, where, say, "their clips end with it")
    names = clips.names_of(dict.fromkeys(where.values()))
    tags = clips.folders_of(sorted({each.event.tag for each in picked}))
    made: dict[tuple[str, Event], str] = {}
    for recording, events in by_recording.items():
        files, _ = clips.write(
            where[recording], events, folder, settings, name=names[where[recording]], folders=tags,
            report=lambda what, path=where[recording]: say(f"{path}: {what}"),  # type: ignore[misc]
        )  # fmt: skip
        made |= {(recording, event): str(file) for event, file in files.items()}
    return made


def _json(picked: Sequence[Picked]) -> str:
    rows: list[dict[str, Any]] = [
        {"recording": each.recording, **each.event.to_dict(), "chosen": each.chosen, "probability": each.probability}
        | {"of_tag": each.of_tag, "of_all": each.of_all}
        | ({"tagger": each.tagger} if each.tagger else {})
        for each in picked
    ]  # fmt: skip
    return notation.text(rows) + "\n"
