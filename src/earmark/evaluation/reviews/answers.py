"""The table of reviewed events: written to be filled in by any program, and read back as these save it.

A row an event. `answer` is right, wrong, other or moved; also yes, no, y, n, 1, 0, in whatever case. `right_tag` names what it is
instead: then the answer is other, if nothing else is said. `right_onset` and `right_offset`, in seconds from the start of the
recording, are its edges where they were moved, and touch the event as it was found: the tag is right then. An empty answer, ? or
unsure is none. The columns from `chosen` on tell how the event was chosen, and must stay as they are: without them nothing follows
for events that nobody heard. `tagger`, where it is known, is the identity of that which found the event: scores of another mean
something else. Others may be added, and are left alone. The reviews of `earmark serve` are read too, whose `right_tag` is called other.

Tables of spreadsheets are read: with semicolons or tabs, decimal commas, a byte order mark, a first line `sep=;`.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.errors import ScoresError, counted
from earmark.evaluation.reviews.choosing import BELOW, HIGHEST, NEAR, RANDOM, Picked
from earmark.events.cells import channel_of, number
from earmark.files.tables import Rows, named_twice, separated, separator_of
from earmark.files.texts import control, problem
from earmark.registry import did_you_mean
from earmark.scores import Event

COLUMNS = (
    "clip", "recording", "onset", "offset", "tag", "score", "answer", "right_tag", "right_onset", "right_offset", "chosen",
    "probability", "of_tag", "channel", "of_all",
)  # fmt: skip
TAGGER = "tagger"  # behind them, where some is known
# as tables are written, and as they were before these told `of_all`
HEADERS = tuple((*head, *more) for head in (COLUMNS, COLUMNS[:-1]) for more in ((), (TAGGER,)))
# not the bare digits, which a spreadsheet takes for a number where they happen to be such as 000123456789 or 12345678e901
IDENTITY = re.compile(r"id-([0-9a-f]{12})")
NEEDED = ("recording", "onset", "offset", "tag", "score", "answer")
FORMER = {
    "other": "right_tag",
    "drawn": "chosen",
}  # columns of the service's reviews of before, where the second tells that it is one
CHOSEN = {HIGHEST: HIGHEST, NEAR: NEAR, RANDOM: RANDOM, "surest": HIGHEST, "doubtful": NEAR, BELOW: BELOW, "": ""}
RIGHT, WRONG, OTHER, MOVED = "right", "wrong", "other", "moved"
WORDS = {
    RIGHT: RIGHT, "yes": RIGHT, "y": RIGHT, "1": RIGHT, "true": RIGHT, "correct": RIGHT, WRONG: WRONG, "no": WRONG, "n": WRONG,
    "0": WRONG, "false": WRONG, OTHER: OTHER, "other tag": OTHER, MOVED: MOVED, "moved edges": MOVED,
}  # fmt: skip
NONE = ("", "?", "unsure", "unknown")
LONGEST = 64 << 20  # bytes
SHOWN = 5  # errors that are told


@dataclass(frozen=True)
class Review:
    """An event and what was answered. truth: what there is instead, with its own edges: the event itself where it is right, None
    where nothing of the kind is known. answer: RIGHT, WRONG, OTHER, MOVED, or None.
    """

    picked: Picked
    answer: str | None
    truth: Event | None
    line: int

    @property
    def right(self) -> bool:
        """Whether its tag is right, wherever its edges are."""
        return self.answer in (RIGHT, MOVED)


Key = tuple[str, str, float, float, int | None]  # what tells an event from others, whatever its score


def key_of(picked: Picked) -> Key:
    """Recording, tag, edges to the millisecond, as tables have them at least, and channel."""
    event = picked.event
    return picked.recording, event.tag, round(event.onset, 3), round(event.offset, 3), event.channel


def carried(
    picked: Sequence[Picked],
    before: Sequence[Review],
    found: Mapping[str, Sequence[Event]] | None = None,
    tags: Sequence[str] | None = None,
) -> tuple[list[Picked], dict[Key, Review]]:
    """(what is to be listened to, then what was answered before, by which answer each event was given).

    before: reviews of the same detections. Those that were answered and are not chosen now are known all the same: they stand for
    themselves alone, chosen by nothing. found: all detections, by recording; answers of none of them stand for no event, as candidates do;
    default: all are. tags: that were chosen from; default: all. Raises ScoresError where two answers of one event differ, and where another
    tagger found them.
    """
    known: dict[Key, Review] = {}
    taggers = {each.tagger for each in picked}
    for review in before:
        if review.answer is None:
            continue
        key, event = key_of(review.picked), review.picked.event
        if None not in taggers and review.picked.tagger not in (None, *taggers):
            raise ScoresError(
                f"{review.picked.recording}: {event.tag} from {event.onset:g} s, answered in line {review.line}, was found by the tagger "
                f"{review.picked.tagger}, these were by {', '.join(sorted(filter(None, taggers)))}: scores of two taggers would lie in "
                "one table. Take answers of the same detections; earmark retrain learns from both tables"
            )
        first = known.setdefault(key, review)
        if (first.answer, first.truth) != (review.answer, review.truth):
            raise ScoresError(
                f"{review.picked.recording}: its {event.tag} from {event.onset:g} s is {first.answer} in line {first.line} of one table "
                f"and {review.answer} in line {review.line} of another, or otherwise so: take one of these answers out"
            )
    counts = {each.event.tag: each.of_tag for each in picked if each.chosen != BELOW}
    there: set[Key] | None = None
    if found is not None:
        counts = dict(Counter(event.tag for heard in found.values() for event in heard))
        there = {key_of(Picked(name, event, "", 1.0, 0)) for name, heard in found.items() for event in heard}
    now = {key_of(each) for each in picked}
    others = [
        replace(review.picked, chosen=BELOW if review.picked.chosen == BELOW or (there is not None and key not in there) else "",
                probability=1.0, of_tag=counts.get(review.picked.event.tag, review.picked.of_tag))
        for key, review in known.items() if key not in now
    ]  # fmt: skip
    first_new = sorted(picked, key=lambda each: key_of(each) in known)
    if found is None:
        every = max((each.of_all for each in (*picked, *others)), default=0)
    else:  # of tags that were answered before, and are not chosen from now, all events are there, too
        also = {each.event.tag for each in others if each.chosen != BELOW}
        every = sum(count for tag, count in counts.items() if tags is None or tag in tags or tag in also)
    return [replace(each, of_all=every) for each in (*first_new, *others)], known


def _cells(review: Review | None, event: Event) -> list[str]:
    """answer, right_tag, right_onset, right_offset; empty where nothing was answered."""
    if review is None or review.answer is None:
        return [""] * 4
    truth = review.truth
    if truth is None or truth == replace(event, score=1.0):
        return [review.answer, "", "", ""]
    edges = [number(truth.onset), number(truth.offset)]
    moved = edges != [number(event.onset), number(event.offset)]
    return [review.answer, "" if truth.tag == event.tag else truth.tag, *(edges if moved else ["", ""])]


def table(
    picked: Sequence[Picked],
    clips: Mapping[tuple[str, Event], str] | None = None,
    known: Mapping[Key, Review] | None = None,
) -> str:
    """CSV to be filled in. clips: the files to listen to. known: what was answered before. A column `TAGGER` where some is known."""
    told = any(each.tagger for each in picked)
    out = io.StringIO()
    writer = Rows(out)
    writer.writerow((*COLUMNS, TAGGER) if told else COLUMNS)
    for each in picked:
        e = each.event
        clip = (clips or {}).get((each.recording, e), "")
        row = [clip, each.recording, number(e.onset), number(e.offset), e.tag, number(e.score)]
        row += _cells((known or {}).get(key_of(each)), e)
        row += [
            each.chosen,
            repr(each.probability),
            str(each.of_tag),
            "" if e.channel is None else str(e.channel),
            str(each.of_all),
        ]
        writer.writerow([*row, f"id-{each.tagger}" if each.tagger else ""] if told else row)
    return out.getvalue()


def read(path: str | Path) -> list[Review]:
    """Raises ScoresError with every line that cannot be taken."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScoresError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > LONGEST:
        raise ScoresError(f"{path}: is longer than a table of reviews may be, {LONGEST >> 20} MB: is it one?")
    if (wrong := problem(content)) is not None:
        raise ScoresError(f"{path}: {wrong}")
    text, told = separated(content.decode("utf-8-sig", "surrogateescape"))
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = told or separator_of(first)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = [name.strip().lower() for name in next(filter(None, rows), [])]
        if "drawn" in header:  # else a column `other` is a note of one's own
            header = [name if (now := FORMER.get(name, name)) in header else now for name in header]
        if missing := [name for name in NEEDED if name not in header]:
            raise ScoresError(
                f"{path}: has no column {missing[0]!r}{did_you_mean(missing[0], header)} It has "
                f"{', '.join(header) or 'none'}. Tables to fill in are made by earmark review"
            )
        if twice := named_twice(header, (*COLUMNS[1:], TAGGER)):
            raise ScoresError(f"{path}: {twice}")
        found, errors = [], []
        for cells in rows:
            row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
            if not any(row.values()):
                continue
            try:
                found.append(
                    _review({name: row.get(name, "") for name in (*COLUMNS, TAGGER)}, rows.line_num, separator)
                )
            except ValueError as error:
                errors.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        raise ScoresError(f"{path}: is no table that can be read ({error}, line {rows.line_num})") from error
    if errors:
        more = f"; and {counted(len(errors) - SHOWN, 'line')} more" if len(errors) > SHOWN else ""
        raise ScoresError(f"{path}: {'; '.join(errors[:SHOWN])}{more}. Correct them and read it again")
    _check_twice(path, found)
    return found


def _check_twice(path: Path, found: Sequence[Review]) -> None:
    seen: dict[Key, int] = {}
    for review in found:
        if (key := key_of(review.picked)) in seen:
            raise ScoresError(
                f"{path}: line {review.line} is the event of line {seen[key]} again: it would count twice. Take one out"
            )
        seen[key] = review.line


def _review(row: Mapping[str, str], line: int, separator: str) -> Review:
    """A row → what it says. Raises ValueError in words."""
    decimal = "," if separator != "," else "."
    onset, offset, score = (_number(row, name, decimal) for name in ("onset", "offset", "score"))
    if not row["recording"] or not row["tag"]:
        raise ValueError("names no recording or no tag")
    if not 0 <= onset < offset:
        raise ValueError(f"goes from {onset:g} to {offset:g} s: an event ends after its start")
    event = Event(onset, offset, row["tag"], score, channel_of(row["channel"]))
    chosen = CHOSEN.get(" ".join(row["chosen"].casefold().split()))
    if chosen is None:
        raise ValueError(f"chosen is {row['chosen']!r}: {HIGHEST}, {NEAR}, {RANDOM} or {BELOW}, as it was written")
    probability, of_tag = 1.0, 0.0
    if row["probability"] or row["of_tag"]:
        probability, of_tag = _number(row, "probability", decimal), _number(row, "of_tag", decimal)
        # of a candidate nobody need say of how many it is
        if not 0 < probability <= 1 or of_tag < (1 if chosen in (HIGHEST, NEAR, RANDOM) else 0):
            raise ValueError("probability is above 0, up to 1, and of_tag 1 or more, as they were written")
    of_all = _number(row, "of_all", decimal) if row["of_all"] else 0.0  # tables of before have none
    if of_all and of_all < (0 if chosen == BELOW else of_tag):
        raise ValueError(
            f"of_all is {of_all:g} and of_tag {of_tag:g}: events of all tags are no fewer than those of one, as they were written"
        )
    by = IDENTITY.fullmatch(row[TAGGER])  # another text is a column of one's own
    picked = Picked(row["recording"], event, chosen, probability, int(of_tag), by and by[1], int(of_all))
    return Review(picked, *_answer(row, event, decimal), line)


def _answer(row: Mapping[str, str], event: Event, decimal: str) -> tuple[str | None, Event | None]:
    """(the answer, what there is instead)."""
    told, tag = row["answer"].casefold(), row["right_tag"]
    if (sign := control(tag)) is not None:
        raise ValueError(
            f"right_tag is {tag!r}, with a control character ({sign}) that files of events cannot tell: leave it out"
        )
    edges = [_number(row, name, decimal) if row[name] else None for name in ("right_onset", "right_offset")]
    onset = event.onset if edges[0] is None else edges[0]
    offset = event.offset if edges[1] is None else edges[1]
    if not 0 <= onset < offset:
        raise ValueError(f"the right edges go from {onset:g} to {offset:g} s: an event ends after its start")
    moved = edges != [None, None]
    if moved and (offset < event.onset or onset > event.offset):
        raise ValueError(
            f"the right edges, {onset:g} to {offset:g} s, do not touch the event, {event.onset:g} to {event.offset:g} s: they count from "
            "the start of the recording, not of a clip"
        )
    if told in NONE:
        answer = OTHER if tag and tag != event.tag else MOVED if moved else None
    elif told in WORDS:
        answer = WORDS[told]
    else:
        raise ValueError(f"the answer is {row['answer']!r}: give right, wrong, other or moved, or leave it empty")
    if answer == WRONG and tag and tag != event.tag:
        answer = OTHER
    if answer == OTHER and (not tag or tag == event.tag):
        raise ValueError("the answer is other: name in right_tag what it is")
    if answer == MOVED and not moved:
        raise ValueError("the answer is moved: give right_onset, right_offset or both, in seconds")
    if answer in (RIGHT, MOVED) and tag not in ("", event.tag):
        raise ValueError(f"the answer is {answer}, and right_tag is {tag!r}: take one out")
    if answer == RIGHT and moved:
        answer = MOVED
    if answer in (None, WRONG):
        return answer, None
    return answer, Event(onset, offset, tag if answer == OTHER else event.tag, 1.0, event.channel)


def _number(row: Mapping[str, str], name: str, decimal: str) -> float:
    cell = row[name].replace(",", ".") if decimal == "," else row[name]
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {row[name]!r}: give a number")
    return value
