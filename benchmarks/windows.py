"""Overlapping windows shared against windows one by one, for every net: paper 004's 2 s every 5,120 samples.

Three nets are scored so in the paper: they have a goal of their own. Beside what was measured every net has the speed-up
that counting its operations allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from earmark.evaluation import speed as bench
from earmark.inference.allocator import keep_freed_memory
from earmark.registry import NETS

WINDOW, HOP = 2.0, 5120  # s, samples
OFTEN = ("cnnaudio", "cnnspec", "cnncomb")  # a minute of audio, and a goal of its own
GOAL, OF_BOUND = 12.0, 0.7
COLUMNS = ["", "Hz", "windows", "one by one, s", "shared, s", "speed-up", "bound", "difference"]


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """quick: 4 s of audio, once."""
    keep_freed_memory()  # as the commands do
    rows, notes = [], []
    for net in [*OFTEN, *(name for name in NETS.names() if name not in OFTEN)]:
        say(net)
        tagger = bench.untrained(net, WINDOW, HOP)
        seconds = 4.0 if quick else 60.0 if net in OFTEN else 12.0
        rounds = 1 if quick else 3 if net in OFTEN else 2
        told = bench.shared(net, tagger, bench.noise(seconds, tagger.sample_rate), rounds)
        figures = (told.one_by_one_s, told.shared_s, told.speedup, told.bound, told.max_abs_difference)
        rows.append([net, told.sample_rate, told.windows, *figures])
        why = f"shared until {told.why[0]}" if told.together else f"one by one: {told.why[-1]}"
        notes.append(f"{net}: {why}")
    title = f"windows of {WINDOW:g} s every {HOP:,} samples, random weights, from samples to scores"
    return {
        "tables": [{"title": title, "columns": COLUMNS, "rows": rows}],
        "goals": goals(rows),
        "missing": [],
        "notes": [
            *notes,
            "Bound: for stretches as long as are scored at once; the last one of a recording is shorter.",
        ],
    }


def goals(rows: list[list[Any]]) -> list[dict[str, Any]]:
    """Of each net that has a goal of its own, and of the one that falls shortest of its bound."""
    speedup, bound, difference = (COLUMNS.index(name) for name in ("speed-up", "bound", "difference"))
    of = {row[0]: row for row in rows}
    told = [
        {"what": f"{net}: windows shared over one by one", "value": of[net][speedup], "at_least": GOAL} for net in OFTEN
    ]
    share, net = min((row[speedup] / row[bound], row[0]) for row in rows if row[bound] > 1)
    what = f"windows: speed-up over what counting operations allows, the least of all nets ({net})"
    told.append({"what": what, "value": share, "at_least": OF_BOUND})
    most = max(row[difference] for row in rows)
    return [*told, {"what": "windows: millionths that a score differs at most", "value": most * 1e6, "at_most": 10.0}]
