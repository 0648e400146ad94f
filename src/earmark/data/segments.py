"""Recordings cut into clips of one length, with the events inside each clip and the tags of these events.

A long recording in which nearly everything is heard somewhere teaches little by its tags alone; its clips teach more. Clip
k is the time from k · length to (k + 1) · length; what is left at the end is a clip too if it lasts half of `length`.

An event that an edge divides is in a clip where the part inside it lasts half of the event, or a quarter of `length`: so
each event is in a clip at least, unless the end was left out, and a clip is not called after a sliver. Slivers are in no
clip's events, though they can be heard. Times stay seconds of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from earmark.data.manifest import SCHEMA, Manifest, build, few
from earmark.errors import ManifestError, agreed, counted

SHARE = 0.5  # of an event that makes it one of the clip's; of `length` that makes the end a clip
PART = 0.25  # of `length` that an event's part lasts to be one of the clip's, however long the event is
ROUNDING = 1e-6  # s

Event = tuple[str, float, float]  # tag, onset and offset


def cut(whole: Manifest, length: float, durations: Sequence[float]) -> Manifest:
    """Clips of `length` seconds; durations: of the recordings (rows,), seconds. Each recording is a group, or keeps its own.

    The id of a clip is the recording's with "@" and where it begins in seconds. Facts: "seconds left out" of the ends,
    and "recordings cut". Raises ManifestError where events or durations are unknown, where rows are clips already and
    where nothing is left.
    """
    # an option of a data set may be anything
    if isinstance(length, bool) or not isinstance(length, int | float) or not (math.isfinite(length) and length > 0):
        raise ManifestError(f"cut={length}: give the seconds of a clip, above 0, such as 2.0")
    _check(whole)
    rows: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    lost = 0.0
    wrong = [name for name, seconds in zip(whole.ids.tolist(), durations, strict=True) if not 0 < seconds < math.inf]
    if wrong:
        raise ManifestError(
            f"cut: {len(wrong):,} of {counted(len(whole), 'recording')} {agreed(len(wrong), 'does', 'do')} not last a number "
            f"of seconds above 0: {few(wrong)}. Correct their durations"
        )
    for row, seconds in zip(whole.table.to_pylist(), durations, strict=True):
        spans, rest = clips(seconds, length)
        lost += rest
        known = [(event["tag"], event["onset"], event["offset"]) for event in row["events"]]
        for start, end in spans:
            inside = within(known, start, end, length)
            clip = {"id": f"{row['id']}@{_seconds(start)}", "start": start, "end": end, "events": inside}
            clip |= {"tags": list(dict.fromkeys(tag for tag, _, _ in inside)), "group": row["group"] or row["id"]}
            for name in rows:
                rows[name].append((row | clip)[name])
    if not rows["id"]:
        raise ManifestError(
            f"cut={length:g}: the longest recording has {max(durations):g} s, so no clip is left: give fewer seconds"
        )
    facts = whole.facts | {"recordings cut": len(whole), "seconds left out": round(lost, 3)}
    return build(rows, whole.root, vocabulary=whole.vocabulary, facts=facts, name=f"{whole.root} in clips")


def _seconds(start: float) -> str:
    """To the microsecond, as short as can be: six digits in all, as :g has them, are the same for neighbours."""
    return f"{start:.6f}".rstrip("0").rstrip(".")


def clips(duration: float, length: float) -> tuple[list[tuple[float, float]], float]:
    """((start, end) of the clips of a recording, the seconds that are left out at its end).

    >>> clips(9.0, 4.0)
    ([(0.0, 4.0), (4.0, 8.0)], 1.0)
    >>> clips(10.5, 4.0)
    ([(0.0, 4.0), (4.0, 8.0), (8.0, 10.5)], 0.0)
    """
    count = math.floor((duration + ROUNDING) / length)
    spans = [(round(k * length, 6), min(round((k + 1) * length, 6), duration)) for k in range(count)]
    rest = max(0.0, duration - count * length)
    if rest >= SHARE * length - ROUNDING:
        return [*spans, (round(count * length, 6), duration)], 0.0
    return spans, rest


def within(events: Sequence[Event], start: float, end: float, length: float) -> list[Event]:
    """The events of a clip: their parts between start and end, where these are long enough.

    >>> within([("dog", 1.0, 5.0), ("siren", 3.5, 9.0)], 0.0, 4.0, 4.0)
    [('dog', 1.0, 4.0)]
    """
    inside = []
    for tag, onset, offset in events:
        first, last = max(onset, start), min(offset, end)
        if last - first >= min(SHARE * (offset - onset), PART * length) - ROUNDING and last > first:
            inside.append((tag, first, last))
    return inside


def _check(whole: Manifest) -> None:
    unknown = whole.ids[whole.table["events"].is_null().to_numpy()].tolist()
    if unknown:
        raise ManifestError(
            f"cut: of {len(unknown):,} of {counted(len(whole), 'recording')} it is not known when what is heard, so that nobody can say "
            f"what is in a clip of {agreed(len(unknown), 'it', 'them')}: {few(unknown)}. Take "
            f"{agreed(len(unknown), 'it', 'them')} out, or do not cut"
        )
    parts = whole.table["start"].null_count + whole.table["end"].null_count
    if parts < 2 * len(whole):
        raise ManifestError("cut: these are clips of recordings already, with a start or an end: cut whole recordings")
