"""A million recordings through what plans a job: listing, parts, journals, joining; in place of a net, results that are ready.

What a machine of a job in fifty parts does is measured on one part; what the machine that joins them does, on a journal of
all. Times are of the processor, of one process, and beside them by the clock where the disk is waited for.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.memory import run_alone

ROWS, PARTS, EVENTS = 1_000_000, 50, 25  # recordings, parts of the job, events of each recording
SITES = 100
LISTED, JOURNALED, RESUMED, JOINED, ALL = (
    "the list from Parquet, dealt in parts",
    "one part: results kept and written down",
    "one part: found to be done, when started again",
    "one part: its results in one file",
    "all parts: a journal of all is read and compared with the list",
)


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """quick: a fiftieth of it."""
    rows = ROWS // 50 if quick else ROWS
    say(f"planning {rows:,} recordings")
    told, _ = run_alone("benchmarks.planner", str(rows))
    steps: Any = told["steps"]
    table = [[name, *steps[name]] for name in (LISTED, JOURNALED, RESUMED, JOINED, ALL)]
    columns = ["", "recordings", "CPU s", "s by the clock", "millionths of a CPU second each", "MB more than before"]
    return {
        "tables": [
            {
                "title": f"{rows:,} recordings of an hour in {PARTS} parts, {EVENTS} events each",
                "columns": columns,
                "rows": table,
            }
        ],
        "goals": [],
        "missing": [],
        "notes": [
            f"On the disk: {told['line']:.0f} bytes of journal and {told['result']:.0f} bytes of result a recording.",
            "By the clock a part waits for the disk: every result and its line are on it before the next recording's.",
        ],
    }


def measure(rows: int) -> dict[str, Any]:
    """What `main` tells."""
    import pyarrow as pa
    from pyarrow import parquet

    from earmark.data import listed
    from earmark.events import formats
    from earmark.files.journal import NAME, RESULTS, Journal
    from earmark.files.shards import Shard
    from earmark.scores import Event

    steps: dict[str, list[float]] = {}
    events = [Event(140.0 * n, 140.0 * n + 2.5, f"tag {n}", 0.5 + n / 64) for n in range(EVENTS)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        parquet.write_table(pa.table({"path": list(names(rows))}), folder / "all.parquet")
        with step(steps, LISTED, rows):
            found = listed.listing([folder / "all.parquet"])
            part = [Shard(number, PARTS).part(found) for number in range(1, PARTS + 1)][2]
        frame = formats.frame("csv")
        with step(steps, JOURNALED, len(part)), Journal(folder / "part", {"command": "events"}) as job:
            for path in job.todo(part):
                job.done(path, frame.around(formats.text({str(path): events}, "csv")), ".csv")
        with step(steps, RESUMED, len(part)), Journal(folder / "part", {"command": "events"}) as job:
            assert not len(job.todo(part))
        with (
            step(steps, JOINED, len(part)),
            Journal(folder / "part", {"command": "events"}) as job,
            (folder / "events.csv").open("w") as file,
        ):
            frame.write(map(frame.inner, job.results(part)), file)
        line = (folder / "part" / NAME).stat().st_size / len(part)
        result = (folder / "events.csv").stat().st_size / len(part)
        Journal(folder / "all", {"command": "events"}).close()
        with (folder / "all" / NAME).open("a") as file:
            for path in found:
                file.write(json.dumps({"path": str(path), "size": None, "mtime": None, "error": "is made up"}) + "\n")
        assert (folder / "all" / RESULTS).is_dir()
        with step(steps, ALL, rows), Journal(folder / "all", {"command": "events"}) as job:
            assert not len(job.todo(found))
    return {"steps": steps, "line": line, "result": result}


def names(rows: int) -> Iterator[str]:
    """An hour after the other, site by site."""
    hours = [f"{datetime(2026, 1, 1) + timedelta(hours=hour):%Y%m%d_%H%M%S}" for hour in range(rows // SITES)]
    for site in range(SITES):
        yield from (f"site{site:03}/{hour}.wav" for hour in hours)


@contextmanager
def step(steps: dict[str, list[float]], name: str, count: int) -> Iterator[None]:
    """What a block takes → steps[name]: how many, CPU s, s, millionths of a CPU second each, MB of the peak above before."""
    from benchmarks.memory import peak_megabytes

    before, clock, cpu = peak_megabytes(), time.perf_counter(), time.process_time()
    yield
    taken = time.process_time() - cpu
    steps[name] = [count, taken, time.perf_counter() - clock, 1e6 * taken / count, peak_megabytes() - before]
    os.sync()  # what is left to the disk is not the next step's


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
