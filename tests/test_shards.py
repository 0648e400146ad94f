"""A job in parts, each for a machine of its own; joined it is the job that one machine would have done."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.errors import EarmarkError
from earmark.files import journal, progressed
from earmark.files.journal import Journal
from earmark.files.shards import Shard

RATE = 8_000
TOLD = {"command": "tag", "top": 3}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Seven recordings, two of one name, one that cannot be read."""
    folder = tmp_path_factory.mktemp("shards")
    for number, name in enumerate(("a/x.wav", "b/x.wav", "c.wav", "d.wav", "e.wav", "f.wav")):
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        wave = np.random.default_rng(number).uniform(-0.5, 0.5, RATE + 100 * number)
        soundfile.write(folder / "in" / name, wave, RATE)
    (folder / "in" / "broken.wav").write_bytes(b"no audio")
    return folder / "in"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("results/*")}


def test_parts_are_dealt_in_turn_and_each_recording_is_in_one():
    rows = list(range(23))
    parts = [Shard(number, 5).part(rows) for number in range(1, 6)]
    assert parts[1] == [1, 6, 11, 16, 21] and sorted(row for part in parts for row in part) == rows
    assert str(Shard.parse("3/50")) == "3/50" and Shard.parse(" 50/50 ") == Shard(50, 50)


@pytest.mark.parametrize("told", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/100001", "1.5/3", ""])
def test_what_is_no_part_is_refused(told):
    with pytest.raises(EarmarkError, match=r"--shard .*counted from 1, such as 3/50"):
        Shard.parse(told)


@pytest.mark.parametrize(
    "words",
    [
        ["tag", "--tagger", "digits", "--format", "csv"],
        ["tag", "--tagger", "digits", "--format", "json"],
        ["tag", "--tagger", "digits"],
        ["events", "--tagger", "digits", "--threshold", "0.3", "--format", "csv"],
        ["events", "--tagger", "digits", "--threshold", "0.3", "--format", "raven"],
        ["embed", "--tagger", "digits"],
    ],
    ids=lambda words: f"{words[0]}-{words[-1]}",
)
def test_shards_that_are_joined_are_the_job_of_one_machine_to_the_byte(words, recordings, tmp_path):
    words = [*words, "--batch", "1"]  # else others would be in a batch, and last bits differ
    whole = earmark(*words, recordings, "--job", tmp_path / "whole")
    for number in (3, 1, 2):
        part = earmark(*words, recordings, "--job", tmp_path / "parts", "--shard", f"{number}/3")
        assert part.returncode in (0, 1), part.stderr
    joined = earmark(*words, recordings, "--job", tmp_path / "parts")
    assert joined.returncode == whole.returncode == 1  # one cannot be read
    assert "7 recordings were done by shards" in joined.stderr and "7 of 7 recordings are done already" in joined.stderr
    made, expected = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.is_file()}
                      for name in ("parts", "whole"))  # fmt: skip
    made.pop(journal.NAME), expected.pop(journal.NAME)
    assert made == expected
    assert sorted(files(tmp_path / "parts").values()) == sorted(files(tmp_path / "whole").values())
    assert set(files(tmp_path / "parts")) == set(files(tmp_path / "whole"))


def test_what_no_shard_has_done_is_done_when_they_are_joined(recordings, tmp_path):
    words = ["tag", recordings, "--tagger", "digits", "--format", "csv", "--batch", "1", "--job"]
    earmark(*words, tmp_path / "whole")
    earmark(*words, tmp_path / "parts", "--shard", "2/3")
    joined = earmark(*words, tmp_path / "parts")
    assert "2 recordings were done by shards" in joined.stderr
    assert (tmp_path / "parts" / "tags.csv").read_bytes() == (tmp_path / "whole" / "tags.csv").read_bytes()
    again = earmark(*words, tmp_path / "parts")
    assert "by shards" not in again.stderr and "7 of 7" in again.stderr


def test_counts_are_of_what_all_shards_heard(recordings, tmp_path):
    words = ["events", recordings, "--tagger", "digits", "--threshold", "0.3", "--format", "csv", "--batch", "1"]
    earmark(*words, "--job", tmp_path / "whole", "--summary", tmp_path / "whole.csv")
    for number in (1, 2):
        earmark(*words, "--job", tmp_path / "parts", "--shard", f"{number}/2", "--summary", tmp_path / f"{number}.csv")
    earmark(*words, "--job", tmp_path / "parts", "--summary", tmp_path / "joined.csv")
    assert (tmp_path / "joined.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_counts_are_of_what_a_shard_heard_later_than_the_job(tmp_path):
    """A recording is replaced by a longer one: what the job counted of the first goes, whichever of them heard the second."""
    words = ["events", tmp_path / "in", "--tagger", "digits", "--threshold", "0.3", "--format", "csv", "--batch", "1"]
    (tmp_path / "in").mkdir()
    for seed, name in enumerate(("x.wav", "y.wav")):
        soundfile.write(tmp_path / "in" / name, np.random.default_rng(seed).uniform(-0.5, 0.5, RATE), RATE)
    earmark(*words, "--job", tmp_path / "job", "--summary", tmp_path / "before.csv")
    soundfile.write(tmp_path / "in/x.wav", np.random.default_rng(2).uniform(-0.5, 0.5, 4 * RATE), RATE)
    for number in (1, 2):
        earmark(*words, "--job", tmp_path / "job", "--shard", f"{number}/2", "--summary", tmp_path / f"{number}.csv")
    joined = earmark(*words, "--job", tmp_path / "job", "--summary", tmp_path / "joined.csv")
    assert "2 of 2 recordings are done already" in joined.stderr
    earmark(*words, "--job", tmp_path / "anew", "--summary", tmp_path / "anew.csv")
    assert (tmp_path / "joined.csv").read_bytes() == (tmp_path / "anew.csv").read_bytes()
    assert (tmp_path / "joined.csv").read_bytes() != (tmp_path / "before.csv").read_bytes()


@pytest.fixture
def begun(tmp_path):
    """A job of three recordings of which a shard has done one, failed at one and lost one's result."""
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for path in paths:
        path.write_bytes(b"sound")
    with Journal(tmp_path / "job" / "shards" / "1-of-2", TOLD) as shard:
        shard.todo(paths)
        shard.done(paths[0], "A", ".txt")
        shard.failed(paths[1], "is empty")
        shard.done(paths[2], "C", ".txt")
    (tmp_path / "job" / "shards" / "1-of-2" / "results" / "c.wav.txt").unlink()
    return tmp_path / "job", paths


def test_a_shard_s_results_and_failures_are_taken_over_once(begun):
    folder, paths = begun
    with Journal(folder, TOLD) as job:
        assert job.taken_over == 2 and job.todo(paths) == [paths[2]]
        assert list(job.results(paths)) == ["A"] and job.failures(paths) == [(str(paths[1]), "is empty")]
        job.done(paths[0], "A again", ".txt")  # its own, which a shard's earlier one does not replace
    with Journal(folder, TOLD) as job:
        assert job.taken_over == 0 and list(job.results(paths)) == ["A again"]
    assert (folder / "shards" / "1-of-2" / "results" / "a.wav.txt").read_text() == "A"


def test_what_the_job_did_itself_later_stays(begun):
    """A failure that was tried again, and a recording that has changed since: a shard's earlier lines replace neither."""
    folder, paths = begun
    with Journal(folder, TOLD) as job:
        assert job.todo(paths, retry=True) == paths[1:]
        job.done(paths[1], "B at last", ".txt")
    paths[0].write_bytes(b"other sound")
    with Journal(folder, TOLD) as job:
        assert job.taken_over == 0 and paths[0] in job.todo(paths)
        job.done(paths[0], "A of the other sound", ".txt")
    with Journal(folder, TOLD) as job:
        assert job.taken_over == 0 and job.todo(paths) == [paths[2]] and job.failures(paths) == []
        assert list(job.results(paths)) == ["A of the other sound", "B at last"]


def test_what_a_shard_did_later_is_taken_over(begun):
    folder, paths = begun
    with Journal(folder, TOLD) as job:
        job.todo(paths)
    paths[0].write_bytes(b"other sound")
    with Journal(folder / "shards" / "1-of-2", TOLD) as shard:
        shard.todo(paths)
        shard.done(paths[0], "A of the other sound", ".txt")
        shard.done(paths[1], "B at last", ".txt")
    with Journal(folder, TOLD) as job:
        assert job.taken_over == 2 and job.failures(paths) == []
        assert list(job.results(paths)) == ["A of the other sound", "B at last"]


def test_a_disk_without_links_gets_copies(begun, monkeypatch):
    def refused(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(journal.os, "link", refused)
    folder, paths = begun
    with Journal(folder, TOLD) as job:
        assert list(job.results(paths)) == ["A"]


def test_shards_of_another_job_and_shards_that_are_worked_on_are_refused(begun):
    folder, _ = begun
    with pytest.raises(EarmarkError, match=r"1-of-2: this job was begun otherwise \(top: 3, now 5\)"):
        Journal(folder, {**TOLD, "top": 5})
    with Journal(folder, TOLD):  # what was refused has not begun the job otherwise
        pass
    with (
        Journal(folder / "shards" / "1-of-2", TOLD),
        pytest.raises(EarmarkError, match="another process is at work on this shard of the job"),
    ):
        Journal(folder, TOLD)


def test_how_far_a_job_is(begun, tmp_path):
    folder, paths = begun
    told = progressed.of(folder)
    assert (told.done, told.listed, told.left, told.at_work, told.unjoined) == (2, None, None, False, True)
    assert told.missing == [Shard(2, 2)] and told.failures == ((str(paths[1]), "is empty"),)
    (shard,) = told.shards
    assert (shard.name, shard.listed, shard.done, shard.left, shard.at_work) == ("1-of-2", 3, 2, 0, False)
    assert shard.failures == ((str(paths[1]), "is empty"),) and shard.begun["told"] == TOLD
    with Journal(folder, TOLD) as job:
        job.todo([*paths, tmp_path / "d.wav"])
        told = progressed.of(folder)
        assert (told.done, told.left, told.at_work, told.unjoined) == (1, 2, True, False)
    printed = earmark("job", folder, "--errors", tmp_path / "errors.csv")
    assert printed.stdout.splitlines()[1].split("\t")[:6] == ["job", "4", "1", "2", "1", "no"]
    assert (tmp_path / "errors.csv").read_text().splitlines() == ["path,reason", f"{paths[1]},is empty"]
    assert json.loads(earmark("job", folder, "--json").stdout)["shards"][0]["done"] == 2


def _swapped(paths):
    return [path.with_name(f"new-{path.name}") for path in paths]


@pytest.mark.parametrize(
    ("change", "listed", "done", "left", "failed", "others"),
    [
        (lambda paths: paths, 4, 2, 0, 2, 0),
        (_swapped, 4, 0, 4, 0, 4),
        (lambda paths: paths[1:], 3, 1, 0, 2, 1),
        (lambda paths: paths[:3], 3, 2, 0, 1, 1),
        (lambda paths: [*_swapped(paths), *paths], 8, 2, 4, 2, 0),
        (lambda paths: (paths[0].write_bytes(b"sound of now"), paths)[1], 4, 1, 1, 2, 1),
        (lambda paths: (paths[2].write_bytes(b"sound of now"), paths)[1], 4, 2, 1, 1, 1),
    ],
    ids=["same", "swapped", "one done gone", "one failed gone", "more", "one done changed", "one failed changed"],
)
@pytest.mark.parametrize("heard", [0, 1])
def test_how_far_a_job_is_with_what_is_asked_for_now(tmp_path, change, listed, done, left, failed, others, heard):
    """Whatever its journal has of recordings that were asked for before; and once it goes on, of them or a failure."""
    folder, paths = tmp_path / "job", [tmp_path / name for name in ("a.wav", "b.wav", "c.wav", "d.wav")]
    for path in paths:
        path.write_bytes(b"sound")
    with Journal(folder, TOLD) as job:
        job.todo(paths)
        for path in paths[:2]:
            job.done(path, "A", ".txt")
        for path in paths[2:]:
            job.failed(path, "is empty")
    now = change(paths)
    for path in now:
        path.touch() if not path.exists() else None
    with Journal(folder, TOLD) as job:
        todo = job.todo(now)
        if heard and todo:
            job.failed(todo[0], "is cut off")
            known, left, failed = str(todo[0]) in map(str, paths), left - 1, failed + 1
            others -= known  # as it is now
            if todo[1:]:
                job.done(todo[1], "B", ".txt")
                left, done = left - 1, done + 1
        told = progressed.of(folder)
        assert (told.listed, told.done, told.left, len(told.failures), told.others) == (
            listed,
            done,
            left,
            failed,
            others,
        )
        asked = set(map(str, now))
        assert all(path in asked for path, _ in told.failures) and told.to_dict().get("others", 0) == others
    printed = earmark("job", folder)
    assert printed.stdout.splitlines()[1].split("\t")[:5] == ["job", *map(str, (listed, done, left, failed))]
    assert (f"keeps what was heard of {others} other{'s' * (others > 1)} before" in printed.stderr) == bool(others)
    with Journal(folder, TOLD) as job:
        job.todo(now, retry=True)
        told = progressed.of(folder)
        assert told.left == left + failed and not told.failures


def test_what_is_left_of_a_job_is_not_known_where_its_journal_does_not_tell(tmp_path):
    """Of before, with more lines than recordings; and of one from which a line was taken out."""
    folder, paths = tmp_path / "job", [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    with Journal(folder, TOLD) as job:
        job.todo(paths)
        for path in paths:
            job.done(path, "A", ".txt")
    listed = folder / journal.LISTED
    listed.write_text('{"recordings": 3}')
    assert (progressed.of(folder).done, progressed.of(folder).left) == (3, 0)
    listed.write_text('{"recordings": 2}')
    assert (progressed.of(folder).done, progressed.of(folder).left) == (3, None)
    with Journal(folder, TOLD) as job:
        job.todo(_swapped(paths))
    path = folder / journal.NAME
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:], lines[1].replace("a.wav", "a name that is longer.wav")]))
    assert progressed.of(folder).left is None


def test_shards_that_nobody_has_joined_are_told_and_the_command_that_joins_them(recordings, tmp_path):
    words = ["tag", recordings, "--tagger", "digits", "--job", tmp_path / "job", "--format", "csv"]
    joining = f"earmark {shlex.join(map(str, words))}"
    earmark(*words, "--shard", "1/2")
    told = earmark("job", tmp_path / "job")
    head, job, part = (line.split("\t")[:6] for line in told.stdout.splitlines())
    assert (job, part) == (["job", "?", "3", "?", "1", "no"], ["1-of-2", "4", "3", "0", "1", "no"]), head
    assert "1 of 2 shards is done: 1/2" in told.stderr and "not begun: 2/2" in told.stderr
    assert f"join what they have done, and do what is left here: {joining}\n" in told.stderr
    assert (
        "{" not in told.stderr and "begun with: tag, tagger " in told.stderr and "format csv, salvage no" in told.stderr
    )

    earmark(*words, "--shard=2/2")
    told = earmark("job", tmp_path / "job")
    assert told.stdout.splitlines()[1].split("\t")[:6] == ["job", "7", "6", "0", "1", "no"]
    assert f"2 of 2 shards are done: 1/2, 2/2\njoin what they have done: {joining}\n" in told.stderr
    elsewhere = earmark("job", tmp_path / "job", cwd=tmp_path)
    assert f"{joining} (in {os.getcwd()})" in elsewhere.stderr
    as_json = json.loads(earmark("job", tmp_path / "job", "--json").stdout)
    assert (as_json["recordings"], as_json["done"], as_json["left"], as_json["unjoined"]) == (7, 6, 0, True)

    assert earmark(*shlex.split(joining)[1:]).returncode == 1  # what was told joins them; one cannot be read
    told = earmark("job", tmp_path / "job")
    assert told.stdout.splitlines()[1].split("\t")[:6] == ["job", "7", "6", "0", "1", "no"]
    assert (
        "what its shards have done is joined" in told.stderr
        and "unjoined" not in earmark("job", tmp_path / "job", "--json").stdout
    )


def test_a_shard_that_was_stopped_and_one_that_goes_on_after_it_was_joined(begun, tmp_path):
    folder, paths = begun
    with Journal(folder, TOLD):
        assert not progressed.of(folder).unjoined
    with Journal(folder / "shards" / "1-of-2", TOLD) as shard:
        shard.todo([*paths, tmp_path / "d.wav", tmp_path / "e.wav"])
        shard.done(tmp_path / "d.wav", "new", ".txt")
        told = earmark("job", folder)
        assert "1/2: 2 of 5 left, and is worked on" in told.stderr  # one whose result was lost among them
    told = earmark("job", folder)
    assert "1/2: 2 of 5 left, and was stopped; its command goes on where it was" in told.stderr
    # of a job of before, whose shards kept no command
    assert f"earmark tag … --job {folder}, the command of the shards without --shard" in told.stderr


def test_a_folder_without_a_job_is_told(tmp_path):
    with pytest.raises(EarmarkError, match="holds no job"):
        progressed.of(tmp_path)
    (tmp_path / journal.NAME).write_bytes(b'{"job": 1, "ear')
    with pytest.raises(EarmarkError, match="stopped before it had begun"):
        progressed.of(tmp_path)


@pytest.mark.parametrize("words", [["tag"], ["events"], ["embed"]])
def test_a_shard_is_of_a_job(words, recordings, tmp_path):
    assert "--shard is of a job" in earmark(*words, recordings, "--shard", "1/2").stderr
    assert "counted from 1" in earmark(*words, recordings, "--shard", "0/2", "--job", tmp_path / "j").stderr
    assert not (tmp_path / "j").exists()
