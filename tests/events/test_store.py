"""A store of events: DuckDB reads from it what counting in Python gives, and nothing else is ever lost for one."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import soundfile
from pyarrow import parquet
from tests.program import earmark
from tests.schemas import faults

from earmark.audio import Began
from earmark.cli.terminal import schemas
from earmark.errors import ScoresError
from earmark.events import counts, store
from earmark.events.counts import Heard
from earmark.scores import Event

duckdb = pytest.importorskip("duckdb")

EVENING = Began(datetime(2021, 4, 30, 23, 59, 0), "name")
MAY = Began(datetime(2021, 5, 1, 4, 0, 0), "name")
HEARD = [
    Heard("n/a.wav", 120.0, [Event(30, 50, "dog", 0.75), Event(90, 91, "owl", 0.5)], EVENING, "north"),
    Heard("n/b.wav", 60.0, [Event(0, 1, "owl", 0.5, channel=2)], MAY, "north"),
    Heard("01/c.wav", 60.0, [], MAY, "01"),
    Heard("01/d.wav", 30.0, [Event(1.5, 2.0, "dog", 1.0)], None, "01"),
]


def ask(folder: Path, what: str) -> list[tuple]:
    return duckdb.sql(
        what.format(events=f"'{folder}/events/*/*.parquet'", recordings=f"'{folder}/recordings/*/*.parquet'")
    ).fetchall()


def test_what_is_counted_in_duckdb_is_what_python_counts(tmp_path):
    rows = store.write(HEARD, tmp_path / "s", {"tagger": "x"})
    assert rows == {"events": 4, "recordings": 4}
    asked = (
        "SELECT site, onset_time::DATE::TEXT, hour(onset_time), tag, count(*) FROM {events} GROUP BY ALL ORDER BY ALL"
    )
    ours = {(c.site, c.date, c.hour, c.tag, c.events) for c in counts.count(HEARD) if c.events}
    assert set(ask(tmp_path / "s", asked)) == ours and len(ours) == 4
    # the owl at 23:59:00 + 90 s is of the next day and month, in the file of its recording's month
    assert ("north", "2021-05-01", 0, "owl", 1) in ours
    minutes = ask(tmp_path / "s", "SELECT site, sum(duration_s) / 60 FROM {recordings} GROUP BY site ORDER BY site")
    assert minutes == [("01", 1.5), ("north", 3.0)]  # a recording without events counts, and 01 is no number


def test_the_rows_are_those_of_the_events(tmp_path):
    store.write(HEARD, tmp_path, {})
    rows = ask(
        tmp_path,
        "SELECT recording, channel, tag, score, onset_s, offset_s, onset_time, utc_offset FROM {events} ORDER BY recording, onset_s",
    )
    assert rows == [
        ("01/d.wav", None, "dog", 1.0, 1.5, 2.0, None, None),
        ("n/a.wav", None, "dog", 0.75, 30.0, 50.0, datetime(2021, 4, 30, 23, 59, 30), None),
        ("n/a.wav", None, "owl", 0.5, 90.0, 91.0, datetime(2021, 5, 1, 0, 0, 30), None),
        ("n/b.wav", 2, "owl", 0.5, 0.0, 1.0, datetime(2021, 5, 1, 4, 0, 0), None),
    ]
    assert ask(tmp_path, "SELECT recording, events, start_time FROM {recordings} ORDER BY recording")[0] == (
        "01/c.wav", 0, datetime(2021, 5, 1, 4, 0)
    )  # fmt: skip


def test_files_lie_by_site_and_month_and_tell_what_they_are(tmp_path):
    store.write(HEARD, tmp_path / "s", {"tagger": "x"})
    found = {path.relative_to(tmp_path / "s").as_posix() for path in (tmp_path / "s").rglob("*") if path.is_file()}
    assert found == {
        "store.json", "events/north/2021-04-0.parquet", "events/north/2021-05-0.parquet", "events/01/unknown-0.parquet",
        "recordings/north/2021-04-0.parquet", "recordings/north/2021-05-0.parquet", "recordings/01/2021-05-0.parquet",
        "recordings/01/unknown-0.parquet",
    }  # fmt: skip
    schema = parquet.read_schema(tmp_path / "s" / "events" / "north" / "2021-04-0.parquet")
    assert [(each.name, str(each.type), each.nullable) for each in schema] == [
        (column.name, {"float": "float", "double": "double"}.get(column.kind, column.kind), column.null) for column in store.EVENTS
    ]  # fmt: skip
    assert json.loads(schema.metadata[store.FORMAT.encode()])["tagger"] == "x"
    told = json.loads((tmp_path / "s" / "store.json").read_text())
    assert (told["format"], told["rows"]) == ("earmark-store", {"events": 4, "recordings": 4})


def test_the_rows_have_the_form_that_the_schema_tells(tmp_path):
    store.write(HEARD, tmp_path, {})
    rows = {}
    for table in store.TABLES:
        (text,) = ask(tmp_path, "SELECT json_group_array(t)::TEXT FROM {" + table + "} t")[0]
        rows[table] = json.loads(text)
    assert len(rows["events"]) == len(rows["recordings"]) == 4
    assert faults(rows, schemas.schema("store")) == []
    del rows["events"][0]["site"]
    assert faults(rows, schemas.schema("store"))


def test_clocks_that_are_put_back(tmp_path):
    """31 October 2021 in Berlin: 2:59:30 comes twice, first two hours ahead of UTC, then one."""
    began = Began(datetime(2021, 10, 31, 2, 59, 0, tzinfo=ZoneInfo("Europe/Berlin")), "x")
    store.write([Heard("a", 3600.0, [Event(30, 31, "owl"), Event(90, 91, "owl")], began, "s")], tmp_path, {})
    assert ask(tmp_path, "SELECT onset_time, utc_offset FROM {events} ORDER BY onset_s") == [
        (datetime(2021, 10, 31, 2, 59, 30), 120), (datetime(2021, 10, 31, 2, 0, 30), 60)
    ]  # fmt: skip


def test_many_sites_by_turns_and_names_of_all_kinds(tmp_path):
    """More files than are open at once, and every row once."""
    sites = [f"plot {n}/ü.{n}" for n in range(6)] + [".", "", "Plot", "plot", "..", "_x"]
    heard = [
        Heard(f"{turn}-{n}", 9.0, [Event(0, 1, "a")] * n, MAY, site)
        for turn in range(3)
        for n, site in enumerate(sites)
    ]
    store.write(heard, tmp_path, {})
    counted = dict(ask(tmp_path, "SELECT site, count(*) FROM {events} GROUP BY site"))
    assert counted == {site: 3 * n for n, site in enumerate(sites) if n}
    folders = [path.name for path in (tmp_path / "recordings").iterdir()]
    assert len({name.casefold() for name in folders}) == len(sites) and not any(name[0] in "._" for name in folders)


def test_names_that_are_no_unicode_and_no_recordings_at_all(tmp_path):
    store.write([Heard("\udcff.wav", 1.0, [Event(0, 1, "a")], None, "\udcff")], tmp_path / "odd", {})
    assert ask(tmp_path / "odd", "SELECT recording, site FROM {events}") == [("�.wav", "�")]
    assert store.write([], tmp_path / "none", {}) == {"events": 0, "recordings": 0}
    assert ask(tmp_path / "none", "SELECT count(*) FROM {events}") == [(0,)]


def test_only_a_store_is_replaced_and_a_store_that_fails_leaves_the_old_one(tmp_path):
    store.write(HEARD, tmp_path / "s", {})
    store.write(HEARD[:1], tmp_path / "s", {})
    assert ask(tmp_path / "s", "SELECT count(*) FROM {events}") == [(2,)]

    def broken():
        yield HEARD[1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(broken(), tmp_path / "s", {})
    assert ask(tmp_path / "s", "SELECT count(*) FROM {events}") == [(2,)]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    (tmp_path / "s" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ScoresError, match="holds what is no store of events, which would be lost"):
        store.write(HEARD, tmp_path / "s", {})
    with pytest.raises(ScoresError, match="is a file"):
        store.write(HEARD, tmp_path / "file", {})
    assert (tmp_path / "s" / "notes.txt").read_text() == (tmp_path / "file").read_text() == "mine"


def test_the_command_and_its_job_in_parts_make_the_same(tmp_path):
    for number, name in enumerate(("north/N_20210430_235900.wav", "south/S_20210501_040000.wav", "south/x.wav")):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "in" / name, np.random.default_rng(number).uniform(-0.5, 0.5, 24_000), 8_000)
    words = ["events", tmp_path / "in", "--tagger", "digits", "--threshold", "0.2", "--format", "csv", "--batch", "1"]
    plain = earmark(*words, "--out", tmp_path / "out", "--store", tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr
    for number in (1, 2):
        earmark(*words, "--job", tmp_path / "job", "--shard", f"{number}/2", "--store", tmp_path / f"part{number}")
    assert earmark(*words, "--job", tmp_path / "job", "--store", tmp_path / "joined").returncode == 0
    files = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert all((tmp_path / "joined" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes() for file in files)
    table = (tmp_path / "out" / "events.csv").read_text().splitlines()[1:]
    heard = Counter((Path(line.split(",")[0]).name, line.split(",")[3]) for line in table if not line.endswith(",,,,"))
    kept = ask(tmp_path / "plain", "SELECT parse_filename(recording), tag, count(*) FROM {events} GROUP BY ALL")
    assert heard and {(name, tag): count for name, tag, count in kept} == dict(heard)
    assert ask(tmp_path / "plain", "SELECT DISTINCT site FROM {recordings} ORDER BY site") == [("north",), ("south",)]
    refused = earmark(*words, "--out", tmp_path / "out", "--store", tmp_path / "in")
    assert refused.returncode == 2 and "holds what is no store of events" in refused.stderr
