"""A store of ten million events, through the writer that `earmark events --store` uses, and the question that a user asks of it.

The events are made up: a hundred sites, a recording an hour through the days, as many tags as ESC-50 has. Times are of the
processor, of one process; the answer is checked against what was written.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import run_alone

SITES, EACH = 100, 25  # events of a recording of an hour
DRAWN = 4096  # hours that are drawn; they come again
ASKED = (
    "SELECT site, hour(onset_time) AS hour, count(*) AS events FROM '{}/events/*/*.parquet' GROUP BY ALL ORDER BY ALL"
)


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """quick: a hundredth of it."""
    try:
        import duckdb
    except ImportError:
        return {"tables": [], "goals": [], "missing": ["DuckDB (pip install duckdb)"], "notes": []}
    rows = 100_000 if quick else 10_000_000
    say(f"a store of {rows:,} events")
    told, _ = run_alone("benchmarks.store", str(rows))
    table = [
        ["events", told["rows"]],
        ["written, thousand events a second of CPU", told["rows"] / told["write"] / 1e3],
        ["bytes an event", told["bytes"] / told["rows"]],
        ["files", float(told["files"])],
        ["MB more than before, while it is written", told["memory"]],
        ["counts by site and hour, s of CPU", told["ask"]],
        ["the same, s by the clock", told["wall"]],
    ]
    return {
        "tables": [{"title": f"a store of {told['rows']:,} events", "columns": ["", "measured"], "rows": table}],
        "goals": [],
        "missing": [],
        "notes": [
            f"Asked by DuckDB {duckdb.__version__}: {ASKED.format('store')}; its {told['answers']:,} counts are checked."
        ],
    }


def made(rows: int) -> Iterator[Any]:
    """Recordings of an hour each, site by site."""
    from earmark.audio import Began
    from earmark.events.counts import Heard
    from earmark.scores import Event

    chance = np.random.default_rng(0)
    onsets = np.sort(chance.uniform(0, 3590, (DRAWN, EACH)), 1).round(3).tolist()
    lengths = chance.uniform(0.5, 5, (DRAWN, EACH)).round(3).tolist()
    scores = chance.uniform(0.5, 1, (DRAWN, EACH)).astype(np.float32).tolist()
    tags = [f"tag {i}" for i in range(50)]
    days = rows // (SITES * EACH)
    for site in range(SITES):
        for hour in range(days):
            began = Began(datetime(2026, 1, 1) + timedelta(hours=hour), "name")
            row = (hour + 31 * site) % DRAWN
            cells = zip(onsets[row], lengths[row], scores[row], strict=True)
            events = [Event(at, at + long, tags[(hour + n) % 50], score) for n, (at, long, score) in enumerate(cells)]
            yield Heard(f"site{site:03}/{began.when:%Y%m%d_%H%M%S}.wav", 3600.0, events, began, f"site{site:03}")


def measure(rows: int) -> dict[str, float]:
    """What `main` tells. The time in which recordings are made up is taken off."""
    import duckdb

    from benchmarks.memory import peak_megabytes
    from earmark.events import store

    begin = time.process_time()
    count = sum(len(each.events) for each in made(rows))
    making = time.process_time() - begin
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store"
        store.write([], place, {})  # what is imported and opened at first
        before = peak_megabytes()
        begin = time.process_time()
        written = store.write(made(rows), place, {})
        write = time.process_time() - begin - making
        files = list(place.rglob("*.parquet"))
        clock, begin = time.perf_counter(), time.process_time()
        answers = duckdb.sql(ASKED.format(place)).fetchall()
        ask, wall = time.process_time() - begin, time.perf_counter() - clock
        hours = Counter(hour % 24 for hour in range(rows // (SITES * EACH)))
        assert written["events"] == count
        assert answers == [
            (f"site{site:03}", hour, EACH * hours[hour]) for site in range(SITES) for hour in sorted(hours)
        ]
        return {
            "rows": count, "write": write, "bytes": sum(path.stat().st_size for path in files), "files": len(files),
            "memory": peak_megabytes() - before, "ask": ask, "wall": wall, "answers": len(answers),
        }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
