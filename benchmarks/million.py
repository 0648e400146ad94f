"""A million hours of recordings on paper: what they cost, from figures that were measured on one core and in one process.

Nothing here is measured itself: it is multiplied. What is assumed stands in the table: recordings of an hour, 16-bit samples of
one channel at 48 kHz, 25 events an hour, machines of two cores, an object store that is read in pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import planner

HOURS = 1_000_000
CLIP = 5.0  # s, of ESC-10's clips
RATE, BYTES = 48_000, 2  # of a sample
PIECE = 8_000_000  # bytes that are read at once from a store
LISTED = 1_000  # names in an answer of a store that is listed
CORES = 2
WIRE = 125_000_000  # bytes a second of a machine's network
MEMORY = 16e9  # bytes that the machine may have which joins the parts
COLUMNS = ["", "figure", "from"]
Parts = Mapping[str, Mapping[str, Any]]


def section(parts: Parts) -> dict[str, Any] | None:
    """The table, and remarks on what breaks first; None where the planner was not measured."""
    if "planner" not in parts:
        return None
    rows, remarks = of_work(parts), []
    wide = HOURS * 3600 * RATE * BYTES
    rows += [
        ["recordings, TB (16-bit samples of one channel at 48 kHz)", wide / 1e12, "arithmetic"],
        [f"requests to read them, millions, {PIECE / 1e6:g} MB each", wide / PIECE / 1e6, "arithmetic"],
        [f"requests to list them, {LISTED:,} names each", HOURS / LISTED, "arithmetic"],
        ["days to bring them over 1 Gbit/s, one machine", wide / WIRE / 86400, "arithmetic"],
        ["the same, 100 machines", wide / WIRE / 86400 / 100, "arithmetic"],
    ]
    rows += of_results(parts)
    steps = {row[0]: row[1:] for row in parts["planner"]["tables"][0]["rows"]}
    held = steps[planner.LISTED][4] + steps[planner.ALL][4]  # the list, and the journal of all
    count = steps[planner.ALL][0]
    rows += [
        ["planning: CPU minutes of all parts, without a net", _planning(steps) / 60, "planner"],
        ["planning: MB of the machine that joins", held * HOURS / count, "planner"],
    ]
    if held > 0:
        most = MEMORY / (held * 1e6 / count)
        remarks.append(
            f"What breaks first on one machine is the memory of the one that joins: {MEMORY / 1e9:g} GB hold the journal and the list "
            f"of {most / 1e6:,.0f} million recordings."
        )
    kept = steps[planner.JOURNALED]
    remarks.append(
        f"Keeping a result takes {1e3 * kept[2] / kept[0]:.1f} ms of the clock, mostly the disk's: recordings of a few seconds are "
        "kept no faster than that, recordings of an hour do not feel it."
    )
    remarks.append("A table in text of all events fits no spreadsheet: ask the store (`--store`).")
    return {"table": {"title": "A million hours, on paper", "columns": COLUMNS, "rows": rows}, "remarks": remarks}


def of_work(parts: Parts) -> list[list[Any]]:
    """Core-hours, and days on machines."""
    rows: list[list[Any]] = []
    decoded = speed(parts, "decode", "earmark.audio.load, 1 thread", "clips/s")
    if decoded:
        rows.append(["core-hours of decoding and resampling to 16 kHz alone", HOURS / (decoded * CLIP), "decode"])
    found = fastest(parts)
    if found is None:
        return [*rows, ["core-hours from file to tags, esc10 in float32", "not measured yet", "engines"]]
    engine, heard = found
    core_hours = HOURS / (heard * CLIP)
    rows.append([f"core-hours from file to tags, esc10 in {engine}", core_hours, "engines"])
    for machines in (1, 10, 100):
        days = core_hours / CORES / machines / 24
        rows.append([f"days on {machines} machine{'s' * (machines > 1)} of {CORES} cores", days, "engines"])
    return rows


def of_results(parts: Parts) -> list[list[Any]]:
    """GB of what is written."""
    events = HOURS * planner.EVENTS
    rows: list[list[Any]] = []
    each = speed(parts, "store", "bytes an event", "measured")
    if each:
        rows.append([f"store of {planner.EVENTS} events an hour, GB", events * each / 1e9, "store"])
    asked = speed(parts, "store", "counts by site and hour, s of CPU", "measured")
    count = speed(parts, "store", "events", "measured")
    if asked and count:
        rows.append(["the question how many events a site and hour, s of CPU", asked * events / count, "store"])
    return rows


def _planning(steps: Mapping[str, list[float]]) -> float:
    """CPU seconds: listing in every part, keeping and joining each recording, comparing all with the journal once."""
    each = (steps[name][3] for name in (planner.JOURNALED, planner.RESUMED, planner.JOINED, planner.ALL))
    return HOURS * 1e-6 * (planner.PARTS * steps[planner.LISTED][3] + sum(each))


def speed(parts: Parts, part: str, row: str, column: str) -> float | None:
    """A cell of a part's first table."""
    if part not in parts or not parts[part]["tables"]:
        return None
    table = parts[part]["tables"][0]
    at = table["columns"].index(column)
    return next((float(cells[at]) for cells in table["rows"] if cells[0] == row), None)


def fastest(parts: Parts) -> tuple[str, float] | None:
    """(engine and precision, clips a second) of the fastest in float32, one core."""
    if "engines" not in parts or not parts["engines"]["tables"]:
        return None
    table = parts["engines"]["tables"][0]
    if not table["title"].startswith("esc10"):
        return None
    at = table["columns"].index("clips/s")
    return max(
        ((cells[0], float(cells[at])) for cells in table["rows"] if cells[0].endswith("float32")),
        key=lambda found: found[1],
    )
