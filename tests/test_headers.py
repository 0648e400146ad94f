"""Tables with a header, as spreadsheets save them: what their first lines say is taken for what it is, in every reader of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earmark.data import labelfiles, manifest
from earmark.errors import EarmarkError
from earmark.evaluation.reviews import answers
from earmark.events import formats
from earmark.scores import Scores


def labels(file: Path) -> Any:
    return labelfiles.read(file.parent, ["a.wav"], [file.name]).events


def reviews(file: Path) -> Any:
    return answers.read(file)


def rows(file: Path) -> Any:
    return manifest.load_table(file).to_pydict()


EVENTS = "filename,onset,offset,event_label,score,channel\na.wav,1,2,dog,0.5,1\n"
REVIEWS = "recording,onset,offset,tag,score,answer,right_tag,chosen,probability,of_tag,channel\na.wav,1,2,dog,0.5,right,,random,0.5,9,1\n"
RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tTag\tScore\n1\t1\t2\ta.wav\tdog\t0.5\n"
# reader → (what reads it, the name of its file, a text that it takes, its separator, columns that it reads)
READERS = {
    "reviews": (reviews, "r.csv", REVIEWS, ",", REVIEWS.splitlines()[0].split(",")),
    "events, commas": (formats.read, "e.csv", EVENTS, ",", EVENTS.splitlines()[0].split(",")),
    "events, tabs": (formats.read, "e.tsv", EVENTS.replace(",", "\t"), "\t", EVENTS.splitlines()[0].split(",")),
    "Raven": (formats.read, "a.Table.1.selections.txt", RAVEN, "\t", RAVEN.splitlines()[0].split("\t")),
    "labels": (labels, "a.csv", "onset,offset,label,score\n1,2,dog,0.5\n", ",", ["onset", "offset", "label", "score"]),
    "labels in other cases": (labels, "a.csv", "Start,End,Species\n1,2,dog\n", ",", ["start", "END", "species"]),
    "manifest, commas": (manifest.read, "m.csv", "id,path,tags\na,a.wav,dog\n", ",", ["id", "path", "tags"]),
    "manifest, tabs": (manifest.read, "m.tsv", "id\tpath\ttags\na\ta.wav\tdog\n", "\t", ["id", "path", "tags"]),
    "table of any kind": (rows, "map.csv", "tag,merged\ndog,animal\n", ",", ["tag", "merged"]),
    "scores": (Scores.load, "s.csv", "id,start,end,dog\na,0,1,0.5\n", ",", ["id", "start", "end", "dog"]),
}


@pytest.mark.parametrize(("reader", "column"), [(name, column) for name, each in READERS.items() for column in each[4]])
def test_two_columns_that_mean_one_are_refused(reader, column, tmp_path):
    """Neither the first nor the last is taken in silence."""
    read, name, text, separator, _ = READERS[reader]
    lines = text.splitlines()
    (tmp_path / name).write_text(text)
    read(tmp_path / name)
    (tmp_path / name).write_text(
        "\n".join(f"{line}{separator}{column if line == lines[0] else '3'}" for line in lines) + "\n"
    )
    with pytest.raises(EarmarkError) as error:
        read(tmp_path / name)
    assert name in str(error.value) and column.lower() in str(error.value).lower()


EDITED = [name for name in READERS if name not in ("Raven", "scores")]  # those that people edit in spreadsheets


@pytest.mark.parametrize(
    "first", ["sep={}\n", "\ufeffsep={}\r\n", '"sep={}"\r\n', "SEP={}\n", "sep={}{}{}\n", '"sep=|"{}{}\n']
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("reader", EDITED)
def test_the_line_that_tells_excel_the_separator_is_read(reader, separator, first, tmp_path):
    read, name, text, its, _ = READERS[reader]
    (tmp_path / name).write_text(text)
    plain = read(tmp_path / name)
    (tmp_path / name).write_bytes((first.replace("{}", separator) + text.replace(its, separator)).encode())
    told = read(tmp_path / name)
    if reader == "reviews":
        plain = [replace(each, line=each.line + 1) for each in plain]  # lines count as in the file
    assert table(told) == table(plain)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("reader", EDITED)
def test_without_it_the_first_line_shows_the_separator(reader, separator, tmp_path):
    """As spreadsheets of other countries save a .csv, with their line ends, decimal commas and a byte order mark."""
    read, name, text, its, _ = READERS[reader]
    (tmp_path / name).write_text(text)
    plain = read(tmp_path / name)
    head, *rows = text.replace(its, f"{separator} ", 1).replace(its, separator).splitlines()
    if separator == ";":
        rows = [row.replace("0.5", "0,5") for row in rows]
    (tmp_path / name).write_bytes("\r\n".join(["\ufeff" + head, *rows, ""]).encode())
    assert table(read(tmp_path / name)) == table(plain)


def table(told: Any) -> Any:
    return told.table.to_pydict() if isinstance(told, manifest.Manifest) else told


JSON = '[{"path": "a.wav", "events": [{"onset": 1, "offset": 2, "label": "dog", "score": 0.5, "channel": 1}]}]'
CHANNELS = {
    "reviews": (lambda file: [each.picked.event for each in answers.read(file)], "r.csv", REVIEWS, ",1\n"),
    "events, commas": (lambda file: formats.read(file)["a.wav"], "e.csv", EVENTS, ",1\n"),
    "events, tabs": (lambda file: formats.read(file)["a.wav"], "e.tsv", EVENTS.replace(",", "\t"), "\t1\n"),
    "events, JSON": (lambda file: formats.read(file)["a.wav"], "e.json", JSON, ": 1}"),
}


@pytest.mark.parametrize("reader", CHANNELS)
@pytest.mark.parametrize(
    ("cell", "channel"),
    [
        ("1", 1),
        ("2.0", 2),
        ("", None),
        ("nan", None),
        ("left", ""),
        ("-1", ""),
        ("0", ""),
        ("1.5", ""),
        ("1e99", ""),
        ("inf", ""),
    ],
)
def test_a_channel_is_read_or_told_and_never_dropped(reader, cell, channel, tmp_path):
    """As pandas writes it. channel: "" where it is none."""
    read, name, text, at_end = CHANNELS[reader]
    if reader == "events, JSON":
        cell = cell if cell in ("1", "2.0", "-1", "0", "1.5", "1e99") else f'"{cell}"'
    (tmp_path / name).write_text(text.replace(at_end, at_end.replace("1", cell)))
    if channel == "":
        with pytest.raises(
            EarmarkError, match=f"{name}: .*channel is .*: give a whole number from 1 on, or leave it empty"
        ):
            read(tmp_path / name)
    else:
        assert [each.channel for each in read(tmp_path / name)] == [channel]
