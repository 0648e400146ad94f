"""Words that name no file: places of the web, which become no folder `http:`, and - where a verb hears no stream."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
from tests.program import earmark

from earmark import cli
from earmark.cli.terminal import written
from earmark.cli.terminal.naming import STDIN, Streams, check
from earmark.cli.terminal.written import marks
from earmark.errors import EarmarkError

WEB = ("http://x.org/a.wav", "ftp://x/a", "S3://bucket/a", "gs:///", "file://a/b")


def paths() -> list[tuple[str, object, str]]:
    """(verb, its function, a parameter that is a path or several) of all verbs and their own."""
    found = []
    for name, verb in cli.verbs().items():
        several = [each.callback for each in verb.registered_commands] if isinstance(verb, typer.Typer) else [verb]
        for function in several:
            hints = get_type_hints(function, include_extras=True)
            for parameter in inspect.signature(function).parameters:
                text = str(get_args(hints[parameter])[:1] or hints[parameter])
                found += [(name, function, parameter)] if "pathlib" in text else []
    return found


def test_no_verb_takes_a_place_of_the_web_for_a_folder():
    told = paths()
    assert len({name for name, _, _ in told}) > 15
    for _, function, parameter in told:
        for word in WEB:
            with pytest.raises(
                EarmarkError,
                match="in small letters|names no|is no place that is read or written here; s3://, gs://, gcs://, f",
            ):
                check(function, {parameter: word}, {})
        for word in ("s3://bucket/a", "file:///a", "a:/b", "./http://x", "http:/x"):
            check(function, {parameter: [word]}, {})


def test_standard_input_is_refused_where_no_stream_is_heard():
    heard = set()
    for name, function, parameter in paths():
        if parameter in marks(function):
            continue
        if any(
            isinstance(mark, Streams) for mark in get_args(get_type_hints(function, include_extras=True)[parameter])
        ):
            heard.add((name, parameter))
            written._look(function, {parameter: [STDIN]})
            continue
        for value in (STDIN, [Path("a.wav"), STDIN]):
            with pytest.raises(
                EarmarkError, match="standard input is heard by earmark tag and earmark events alone. Save it"
            ):
                written._look(function, {parameter: value})
    assert heard == {("tag", "paths"), ("events", "paths")}


@pytest.mark.parametrize(
    "words",
    ["tag a.wav --out http://x.org/o.csv", "tag a.wav --job http://x.org/j", "tag https://x.org/a.wav", "embed a.wav -o S3://b/e.parquet",
     "evaluate esc10 --data http://x.org/d", "embed - -o e.parquet", "index folder - -o m.csv", "alarms esc10 -"],
)  # fmt: skip
def test_they_are_refused_before_any_work(words, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    told = earmark(*words.split(), cwd=tmp_path)
    assert told.returncode == 2 and not told.stdout and "Traceback" not in told.stderr
    assert ("standard input is heard" if " - " in f"{words} " else "://") in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert not Path("http:").exists()
