"""Overlapping windows shared against windows one by one, for every net: paper 004's 2 s every 5,120 samples.

Three nets are scored so in the paper: they have a goal of their own. Beside what was measured every net has the speed-up
that counting its operations allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from earmark import bench
from earmark.registry import NETS

WINDOW, HOP = 2.0, 5120  # s, samples
OFTEN = ("cnnaudio", "cnnspec", "cnncomb")  # a minute of audio, and a goal of its own
GOAL, OF_BOUND = 12.0, 0.7
COLUMNS = ["", "Hz", "windows", "one by one, s", "shared, s", "speed-up", "bound", "difference"]


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """quick: 4 s of audio, once."""
    rows, goals, notes = [], [], []
    for net in [*OFTEN, *(name for name in NETS.names() if name not in OFTEN)]:
        say(net)
        tagger = bench.untrained(net, WINDOW, HOP)
        seconds = 4.0 if quick else 60.0 if net in OFTEN else 12.0
        told = bench.shared(
            net, tagger, bench.noise(seconds, tagger.sample_rate), 1 if quick else 2 if seconds < 60 else 3
        )
        figures = (told.one_by_one_s, told.shared_s, told.speedup, told.bound, told.max_abs_difference)
        rows.append([net, told.sample_rate, told.windows, *figures])
        if net in OFTEN:
            goals.append({"what": f"{net}: windows shared over one by one", "value": told.speedup, "at_least": GOAL})
        if told.together:
            what = f"{net}: speed-up over what counting allows"
            goals.append({"what": what, "value": told.speedup / told.bound, "at_least": OF_BOUND})
        notes.append(
            f"{net}: {'shared until' if told.together else 'one by one:'} {told.why[0 if told.together else -1]}"
        )
    title = f"windows of {WINDOW:g} s every {HOP:,} samples, random weights, from samples to scores"
    return {
        "tables": [{"title": title, "columns": COLUMNS, "rows": rows}],
        "goals": goals,
        "missing": [],
        "notes": [
            *notes,
            "Bound: for stretches as long as are scored at once; the last one of a recording is shorter.",
        ],
    }
