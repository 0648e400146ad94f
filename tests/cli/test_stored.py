"""Every option that writes, of every verb, because it exists: into a store it writes what it does on a disk, or says that it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.test_places import MARKED, SUFFIX, words_for
from tests.program import earmark
from tests.s3 import bucket_of, endpoint, served

from earmark.cli.terminal import written
from earmark.files.stores import place as placed

__all__ = ["endpoint", "served"]
pytestmark = pytest.mark.usefixtures("sketched")
ENDINGS = {("export", "out"): ".onnx", ("events", "summary"): ".csv"}


@pytest.fixture
def here(place, tmp_path, monkeypatch, served, endpoint) -> Path:
    """The files that verbs are run on, in a folder of their own; and an empty bucket."""
    shutil.copytree(place, tmp_path / "place")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_JOBS", str(tmp_path / "jobs"))
    endpoint(served[1])
    bucket_of(served[1])
    return tmp_path / "place"


@pytest.mark.parametrize(("words", "function", "command", "option", "mark"), MARKED)
def test_an_option_writes_to_a_store_or_refuses(here, tmp_path, words, function, command, option, mark):
    ending = (
        ""
        if not isinstance(mark, written.Writes)
        else SUFFIX.get((words[0], option), ENDINGS.get((words[0], option), ".csv"))
    )
    uri = f"s3://bucket/new{ending}"
    told = words_for(words, command, here, tmp_path, option, Path(uri))
    if (words[0], option) == ("embed", "job"):
        del told[told.index("--out") : told.index("--out") + 2]
    done = earmark(*told, *(["--format", "csv"] if (words[0], option) == ("events", "out") else []))
    assert "Traceback" not in done.stderr and not Path("s3:").exists(), done.stderr
    found = placed("s3://bucket")
    names = sorted(name for name, _ in found.walk_files())
    if isinstance(mark, written.OwnFolder) and not mark.stored:
        assert done.returncode == 2 and not names, done
        assert f"{uri}: this folder is worked in, as no store lets one. Name a folder on a disk" in done.stderr.replace(
            "\n", " "
        )
        return
    assert done.returncode == 0, done.stderr
    assert all(name.startswith("new") for name in names), names
