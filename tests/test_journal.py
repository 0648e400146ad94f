"""Jobs go on where they were, whatever stopped them, and end with the results that they would have had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.program import alike
from tests.program import command as earmark

from earmark.errors import EarmarkError
from earmark.files import journal
from earmark.files.journal import Journal
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.scores import Embeddings

RATE = 8000
TOLD = {"command": "tag", "top": 3}


@pytest.fixture
def files(tmp_path) -> list[Path]:
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / name for name in ("a.wav", "b.wav", "c.wav")]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_what_is_done_is_not_done_again(files, tmp_path):
    with Journal(tmp_path / "job", TOLD) as job:
        assert job.todo(files) == files
        job.done(files[0], "A\n", ".txt")
        job.failed(files[1], "is empty")
    with Journal(tmp_path / "job", TOLD) as job:
        assert job.todo(files) == files[2:]
        assert job.todo(files, retry=True) == files[1:]
        job.done(files[2], "C\n", ".txt")
        assert list(job.results(reversed(files))) == ["C\n", "A\n"]
        assert job.failures(files) == [(str(files[1]), "is empty")]
        job.done(files[1], "B\n", ".txt")  # a later line goes before an earlier one
        assert list(job.results(files)) == ["A\n", "B\n", "C\n"] and job.failures(files) == []
    with Journal(tmp_path / "job", TOLD) as job:
        assert job.todo(files) == []


def test_a_recording_that_has_changed_is_done_again_in_its_place(files, tmp_path):
    with Journal(tmp_path / "job", TOLD) as job:
        job.todo(files)
        for path in files:
            job.done(path, path.name, ".txt")
        os.utime(files[0], ns=(1, 1))
        files[1].write_text("longer than before")
        (tmp_path / "job" / "results" / "c.wav.txt").unlink()
        assert job.todo(files) == files
        job.done(files[1], "new", ".txt")
        assert job.todo(files) == [files[0], files[2]]
    assert (tmp_path / "job" / "results" / "b.wav.txt").read_text() == "new"


def test_names_do_not_collide(files, tmp_path):
    names = ["x/a.wav", "y/a.wav", "y/A.WAV", "z/a.wav"]
    with Journal(tmp_path / "job", TOLD) as job:
        for name in names[:3]:
            job.done(Path(name), name, ".csv")
    with Journal(tmp_path / "job", TOLD) as job:
        job.done(Path(names[3]), names[3], ".csv")
        assert list(job.results(map(Path, names))) == names
    # some disks do not tell A from a
    made = {path.name for path in (tmp_path / "job" / "results").iterdir()}
    assert made == {"a.wav.csv", "a.wav-2.csv", "A.WAV-3.csv", "a.wav-4.csv"}


@pytest.mark.parametrize("torn", [b'{"path": "b', b'{"path": "b", "size": 1}', b"\xff"])
def test_a_line_that_was_cut_off_was_not_written(files, tmp_path, torn):
    with Journal(tmp_path / "job", TOLD) as job:
        job.done(files[0], "A", ".txt")
    path = tmp_path / "job" / journal.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with Journal(tmp_path / "job", TOLD) as job:
        assert path.read_bytes() == whole
        job.done(files[1], "B", ".txt")
    with Journal(tmp_path / "job", TOLD) as job:
        assert job.todo(files) == files[2:]


def test_names_that_are_no_unicode(tmp_path):
    path = Path(os.fsdecode(b"\xff.wav"))
    with Journal(tmp_path / "job", TOLD) as job:
        job.done(path, f"{path}\n", ".txt")
    with Journal(tmp_path / "job", TOLD) as job:
        assert list(job.results([path])) == [f"{path}\n"]


def test_other_jobs_and_other_folders_are_refused(files, tmp_path):
    with (
        Journal(tmp_path / "job", TOLD),
        pytest.raises(EarmarkError, match="another process is at work on this job"),
    ):
        Journal(tmp_path / "job", TOLD)
    with pytest.raises(
        EarmarkError, match=r"begun otherwise \(top: 3, now 5; salvage: null, now true\).*another folder"
    ):
        Journal(tmp_path / "job", {**TOLD, "top": 5, "salvage": True})
    with pytest.raises(EarmarkError, match="holds files, but no job to go on with"):
        Journal(tmp_path / "in", TOLD)
    with pytest.raises(EarmarkError, match="is a file"):
        Journal(files[0], TOLD)
    path = tmp_path / "job" / journal.NAME
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(EarmarkError, match="line 2 is no line of a job's journal .*Take the line out"):
        Journal(tmp_path / "job", TOLD)
    path.write_text('{"job": 2, "told": {}}\n')
    with pytest.raises(EarmarkError, match="newer earmark"):
        Journal(tmp_path / "job", TOLD)


# ---------------------------------------------------------------------------------------------------- the commands


def test_a_job_of_another_engine_is_refused_in_words_and_goes_on_with_its_own(files, tmp_path):
    """An engine is told without its version and precision, torch in float32 not at all: so did jobs of before."""
    engines = {
        "onnxruntime, cpu": {"engine": "onnxruntime,, cpu"},
        "torch": {},
        "openvino, int8, cpu": {"engine": "openvino, int8, cpu"},
    }
    for before, told in engines.items():
        with Journal(tmp_path / before, TOLD | told) as job:
            job.done(files[0], "A\n", ".txt")
        for now, other in engines.items():
            if now == before:
                with Journal(tmp_path / before, TOLD | other) as job:
                    assert job.todo(files[:1]) == []
                continue
            with pytest.raises(EarmarkError, match=rf"begun otherwise \(engine: {before}, now {now}\)"):
                Journal(tmp_path / before, TOLD | other)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A tagger, and a folder of recordings with one that cannot be read."""
    place = tmp_path_factory.mktemp("place")
    torch.manual_seed(0)
    recipe = {
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    taggers.build(parse(recipe), ("dog", "rain", "sea")).save(place / "t.safetensors")
    (place / "in" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.wav", "b.wav", "d.wav", "deep/a.wav", "deep/z.wav")):
        wave = np.random.default_rng(number).uniform(-0.5, 0.5, RATE + 100 * number)
        soundfile.write(place / "in" / name, wave, RATE)
    (place / "in" / "c.wav").write_bytes(b"no audio")
    return place


KILLED = (
    f"""
rounding = dict()
exec(open({str(Path(__file__).with_name("rounding.py"))!r}).read(), rounding)
rounding["begin"]()
"""
    + """
import os, signal, sys
from earmark import cli
from earmark.files import journal

whole, count = journal.Journal._append, 0

def append(self, line):
    global count
    count += 1
    if count == 4:
        self._file.write(b'{"path": "to')
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, line)

journal.Journal._append = append
cli.main()
"""
)


def test_a_killed_job_ends_as_one_that_was_not(place, tmp_path, capsys):
    def command(name):
        return ["tag", place / "in", "--tagger", place / "t.safetensors", "--format", "csv", "--job", tmp_path / name]

    assert earmark(*command("whole")) == 1
    assert "1 of 6 recordings could not be read" in capsys.readouterr().err
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, command("job"))], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "job" / "tags.csv").exists()
    lines = (tmp_path / "job" / journal.NAME).read_text().splitlines()
    assert len(lines) == 4 and len([line for line in lines[1:] if "result" in line]) == 2
    assert earmark(*command("job")) == 1
    said = capsys.readouterr().err
    assert "2 of 6 recordings are done already" in said and "1 of 6 recordings could not be read" in said
    # what was left made other batches
    assert alike((tmp_path / "job" / "tags.csv").read_text(), (tmp_path / "whole" / "tags.csv").read_text())
    assert len(list((tmp_path / "job" / "results").iterdir())) == 5
    # what failed is told again, and not tried again
    assert earmark(*command("job")) == 1
    said = capsys.readouterr().err
    assert "6 of 6 recordings are done already" in said and "c.wav: is no recording" in said


def test_a_killed_job_of_embeddings_ends_to_the_byte_as_one_that_was_not(place, tmp_path, capsys):
    def command(name):
        words = ["embed", place / "in", "--tagger", place / "t.safetensors", "--batch", "1"]
        return [*words, "--job", tmp_path / name]

    assert earmark(*command("job")[:-2], "-o", tmp_path / "e.parquet") == 1
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, command("job"))], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL and not (tmp_path / "job" / "embeddings.parquet").exists()
    capsys.readouterr()
    assert earmark(*command("job"), "--json") == 1
    told = capsys.readouterr()
    assert "2 of 6 recordings are done already" in told.err
    assert (tmp_path / "job" / "embeddings.parquet").read_bytes() == (tmp_path / "e.parquet").read_bytes()
    counts = json.loads(told.out)
    windows = 3 + 4 * 4  # the samples that are over make one more, in all recordings but the first
    assert (counts["recordings"], counts["windows"], len(counts["unread"])) == (5, windows, 1)
    each = [Embeddings.load(path) for path in sorted((tmp_path / "job" / "results").iterdir())]
    assert len(each) == 5 and all(len(set(kept.ids.tolist())) == 1 and kept.facts for kept in each)
    with pytest.raises(EarmarkError, match=r"begun otherwise \(tagger: .*windows: .*another folder"):
        earmark(*command("job"), "--hop", "0.5")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_tags_of_a_job_are_those_without_one(place, tmp_path, form, capsys):
    command = ["tag", place / "in", "--tagger", place / "t.safetensors", "--format", form]
    assert earmark(*command, "--job", tmp_path / "job") == 1
    assert earmark(*command, "--out", tmp_path / "plain") == 1
    (file,) = (tmp_path / "job").glob("tags.*")
    assert file.read_bytes() == (tmp_path / "plain").read_bytes()
    if form == "json":
        assert len(json.loads(file.read_text())) == 5


@pytest.mark.parametrize("form", ["table", "tsv", "csv", "json", "raven", "audacity"])
def test_events_of_a_job_are_those_without_one(place, tmp_path, form, capsys):
    command = ["events", place / "in", "--tagger", place / "t.safetensors", "--format", form, "--threshold", 0.3]
    assert earmark(*command, "--job", tmp_path / "job") == 1
    capsys.readouterr()
    assert earmark(*command, *([] if form == "table" else ["--out", tmp_path / "plain"])) == 1
    if form in ("raven", "audacity"):
        ours = {path.name: path.read_bytes() for path in (tmp_path / "job" / "results").iterdir()}
        plain = {path.name: path.read_bytes() for path in (tmp_path / "plain").iterdir()}
        assert len(ours) == 5 and sorted(ours) == sorted(plain)
        assert ours == plain
        assert not list((tmp_path / "job").glob("events*"))
        return
    (file,) = (tmp_path / "job").glob("events.*")
    # two recordings here have one name, so that all go by their paths without a job too
    plain = capsys.readouterr().out if form == "table" else next((tmp_path / "plain").iterdir()).read_text()
    assert file.read_text() == plain


def test_changes_and_retries(place, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "b.wav"):
        (tmp_path / "in" / name).write_bytes((place / "in" / name).read_bytes())
    (tmp_path / "in" / "c.wav").write_bytes(b"no audio")
    command = ["tag", tmp_path / "in", "--tagger", place / "t.safetensors", "--job", tmp_path / "job"]
    assert earmark(*command) == 1
    lines = len((tmp_path / "job" / journal.NAME).read_text().splitlines())
    assert earmark(*command, "--retry") == 1
    assert len((tmp_path / "job" / journal.NAME).read_text().splitlines()) == lines + 1
    (tmp_path / "in" / "c.wav").write_bytes((place / "in" / "d.wav").read_bytes())
    assert earmark(*command) == 0
    table = (tmp_path / "job" / "tags.txt").read_text()
    assert [Path(line.split()[0]).name for line in table.splitlines()] == ["a.wav", "b.wav", "c.wav"]
    with pytest.raises(EarmarkError, match=r"begun otherwise \(top: 3, now 2\)"):
        earmark(*command, "--top", 2)


@pytest.mark.parametrize("words", [["tag"], ["events", "--format", "csv"], ["events", "--format", "raven"], ["embed"]])
def test_recordings_that_a_job_heard_and_that_are_gone_are_told(place, tmp_path, capsys, words):
    """A card that was emptied and filled again: what was heard of it is not in the table of now, which is said, and is not lost."""
    (tmp_path / "card").mkdir()
    for name in ("a.wav", "b.wav"):
        (tmp_path / "card" / name).write_bytes((place / "in" / name).read_bytes())
    command = [words[0], tmp_path / "card", "--tagger", place / "t.safetensors", "--job", tmp_path / "job", *words[1:]]
    assert earmark(*command) == 0
    assert "heard before" not in capsys.readouterr().err
    results = sorted(path.name for path in (tmp_path / "job" / "results").iterdir())
    (tmp_path / "card" / "a.wav").rename(tmp_path / "card" / "c.wav")
    assert earmark(*command) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert (
        f"1 recording that this job heard before is not among those of now, such as {tmp_path / 'card' / 'a.wav'}"
        in said
    )
    assert set(results) < {path.name for path in (tmp_path / "job" / "results").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--job", "j", "--out", "o"], "--out does not go with --job"),
        (["--job", "j", "--pictures", "p"], "--pictures does not go with --job"),
        (["--retry"], "--retry is of a job"),
    ],
)
def test_what_does_not_go_with_a_job(place, arguments, message):
    for verb in ("tag", "events"):
        with pytest.raises(EarmarkError, match=message):
            earmark(verb, place / "in", "--tagger", place / "t.safetensors", "--format", "json", *arguments)


def test_embeddings_go_to_a_file_or_to_a_job(place):
    words = ["embed", place / "in", "--tagger", place / "t.safetensors"]
    with pytest.raises(EarmarkError, match="--out does not go with --job"):
        earmark(*words, "--job", "j", "--out", "o.parquet")
    with pytest.raises(EarmarkError, match="--retry is of a job"):
        earmark(*words, "--out", "o.parquet", "--retry")
    with pytest.raises(EarmarkError, match=r"--out NAME\.parquet, or a folder that survives a kill, --job"):
        earmark(*words)


def test_names_that_leave_no_room_for_an_ending(tmp_path):
    """A file's name has 255 bytes at most; the endings of a result and of its unfinished file come on top."""
    long = [tmp_path / f"{'ü' * 124}{last}.wav" for last in "ab"]
    for path in long:
        path.write_text(path.name)
    with Journal(tmp_path / "job", TOLD) as job:
        for path in long:
            job.done(path, f"{path.stem[-1]}\n", ".json")
        assert list(job.results(long)) == ["a\n", "b\n"]
    names = os.listdir(tmp_path / "job" / journal.RESULTS)
    assert len(names) == 2 and all(name.endswith(".json") for name in names)


def test_killed_before_anything_was_written(tmp_path, monkeypatch):
    """Whatever was made first, the folder is that of a job."""

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", killed)
        with pytest.raises(KeyboardInterrupt):
            Journal(tmp_path / "job", TOLD)
    with Journal(tmp_path / "job", TOLD) as job:
        assert job.entries == {}


# ------------------------------------------------------------------------------------------ what is to be said of the audio


@pytest.fixture(scope="module")
def odd(place, tmp_path_factory) -> Path:
    """Recordings of which something is to be said: two channels, silence in all and in part; before them one of which nothing is."""
    folder = tmp_path_factory.mktemp("odd")
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * RATE)
    soundfile.write(folder / "a.wav", noise, RATE)
    soundfile.write(folder / "b.wav", np.stack([noise, noise], 1), RATE)
    soundfile.write(folder / "c.wav", np.zeros(2 * RATE), RATE)
    soundfile.write(folder / "d.wav", np.concatenate([noise, np.zeros(2 * RATE)]), RATE)
    return folder


NOTED = [
    ("b.wav: ", "2 channels mixed"), ("c.wav: ", "is silent"), ("d.wav: ", "has digital silence in part of it"),
]  # fmt: skip
KINDS = [
    ["tag", "--format", "csv"],
    ["events", "--format", "csv", "--threshold", "0.3"],
    ["events", "--format", "raven", "--threshold", "0.3"],
    ["embed"],
]


def noted(said: str, of: list[tuple[str, str]]) -> None:
    lines = said.splitlines()
    for path, what in of:
        assert [line for line in lines if path in line and what in line], (path, what, said)


@pytest.mark.parametrize("words", KINDS, ids=lambda words: "-".join(words[::2]))
def test_what_was_to_be_said_of_the_audio_is_told_after_a_kill_and_again(place, odd, tmp_path, capsys, words):
    of = NOTED if words[0] != "embed" else NOTED[:1]  # which hears silence as what it is
    command = [
        *words,
        odd,
        "--tagger",
        place / "t.safetensors",
        "--batch",
        "1",
        "--workers",
        "1",
        "--job",
        tmp_path / "job",
    ]
    killed = KILLED.replace("count == 4", "count == 5")
    done = subprocess.run([sys.executable, "-c", killed, *map(str, command)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL and b".wav: " not in done.stderr
    assert earmark(*command) == 0
    said = capsys.readouterr().err
    assert "3 of 4 recordings are done already" in said
    noted(said, of)
    assert earmark(*command) == 0
    said = capsys.readouterr().err
    assert "4 of 4 recordings are done already" in said
    noted(said, of)


@pytest.mark.parametrize("words", KINDS, ids=lambda words: "-".join(words[::2]))
def test_what_shards_had_to_say_of_the_audio_is_told_where_they_are_joined(place, odd, tmp_path, capsys, words):
    command = [*words, odd, "--tagger", place / "t.safetensors", "--job", tmp_path / "job"]
    for number in (1, 2):
        assert earmark(*command, "--shard", f"{number}/2") == 0
    capsys.readouterr()
    assert earmark(*command) == 0
    noted(capsys.readouterr().err, NOTED if words[0] != "embed" else NOTED[:1])


def test_a_run_that_is_stopped_tells_what_it_has_to_say_of_what_it_printed(place, odd, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for path in odd.iterdir():
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "in" / "e.wav").write_bytes(b"no audio")
    with pytest.raises(EarmarkError, match=r"e\.wav: is no recording"):
        earmark("tag", tmp_path / "in", "--tagger", place / "t.safetensors", "--strict")
    noted(capsys.readouterr().err, NOTED)


def test_a_job_of_before_that_kept_no_notes_goes_on_and_says_so(place, odd, tmp_path, capsys):
    command = ["tag", odd, "--tagger", place / "t.safetensors", "--job", tmp_path / "job"]
    assert earmark(*command) == 0
    assert "did not keep" not in capsys.readouterr().err
    path = tmp_path / "job" / journal.NAME
    first, *lines = map(json.loads, path.read_text().splitlines())
    before = [{key: value for key, value in line.items() if key != "notes"} for line in lines[:3]]
    path.write_text("".join(json.dumps(line) + "\n" for line in [first, *before, *lines[3:]]))
    assert earmark(*command) == 0
    said = capsys.readouterr().err
    assert "3 recordings were done by an earmark that did not keep in the job what is to be said of their audio" in said
    noted(said, NOTED[2:])
    assert "is silent" not in said


def test_events_without_a_clip_are_told_after_a_kill(place, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * RATE)
    for name in ("a.wav", "b.wav"):  # two events of each tag that is heard
        soundfile.write(tmp_path / "in" / name, np.concatenate([noise, np.zeros(2 * RATE), noise]), RATE)
    command = [
        "events",
        tmp_path / "in",
        "--tagger",
        place / "t.safetensors",
        "--threshold",
        "0.3",
        "--batch",
        "1",
        "--workers",
        "1",
    ]
    command += ["--clips", tmp_path / "clips", "--clips-each", "1", "--format", "csv", "--job", tmp_path / "job"]
    killed = KILLED.replace("count == 4", "count == 3")
    done = subprocess.run([sys.executable, "-c", killed, *map(str, command)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert earmark(*command) == 0
    noted(
        capsys.readouterr().err, [("a.wav and 1 more: ", "not all events have a clip: of a tag the 1 with the highest")]
    )
