"""Files that are made for recordings say which is whose: recorders call them by the clock, alike on every card."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import place  # noqa: F401  the tagger and a recording
from tests.program import earmark

from earmark.evaluation.reviews.found import events_of, recordings_of
from earmark.events import formats
from earmark.files.apart import Apart
from earmark.files.journal import NAME, RESULTS, Journal
from earmark.files.names import Some
from earmark.registry import EVENT_FORMATS

pytestmark = pytest.mark.usefixtures("sketched")

NIGHT = "20260328_230000.wav"
EACH = [form for form in EVENT_FORMATS.names() if formats.each(form)]
WANTED = {f"A_{NIGHT}", f"B_{NIGHT}", f"C d_{NIGHT}", "other.wav"}
WORDS = ("events", "--threshold", "0.05")


@pytest.fixture(scope="module")
def cards(place, tmp_path_factory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("cards")
    for name in (f"A/{NIGHT}", f"B/{NIGHT}", f"C d/{NIGHT}", "C d/other.wav"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(place / "sound.wav", folder / name)
    return folder


def names(folder: Path, ending: str) -> set[str]:
    made = [path.name for path in folder.iterdir()]
    assert all(name.endswith(ending) for name in made)
    return {name.removesuffix(ending) for name in made}


@pytest.mark.parametrize("form", EACH)
@pytest.mark.parametrize("option", ["--out", "--job"])
def test_events_by_recording(form, option, place, cards, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    for _ in range(2):  # what is there is known to be the command's own
        done = earmark(*WORDS, cards, "--tagger", place / "t.safetensors", "--format", form, option, out)
        assert done.returncode == 0, done
    folder = out / RESULTS if option == "--job" else out
    assert names(folder, formats.ending(form)) == WANTED
    # and a review finds each of them again
    where = recordings_of(events_of(out), list(cards.rglob("*.wav")))
    assert sorted(where.values()) == sorted(cards.rglob("*.wav"))
    for name, path in where.items():
        assert name in (path.name, f"{path.parent.name}_{path.name}")
    table = tmp_path / "review.csv"
    done = earmark("review", out, "--out", table, "--clips", tmp_path / "clips", "--recordings", cards, "--count", 99)
    assert done.returncode == 0, done
    assert f"A_{NIGHT}" in table.read_text() and (tmp_path / "clips").is_dir()


@pytest.mark.parametrize("option", ["--out", "--job"])
def test_raven_is_told_where_a_recording_is(option, place, cards, tmp_path):  # noqa: F811
    """Where others have its name; its table stays where a folder's name cannot stand in a cell."""
    (tmp_path / "a\tb").mkdir()
    shutil.copy(cards / "A" / NIGHT, tmp_path / "a\tb" / NIGHT)
    words = (*WORDS, "--tagger", place / "t.safetensors", "--format", "raven")
    done = earmark(
        *words, "A", "B", tmp_path / "a\tb", cards / "C d" / "other.wav", option, tmp_path / "out", cwd=cards
    )
    assert done.returncode == 0, done
    told = {}
    for file in (tmp_path / "out").rglob("*.selections.txt"):
        assert formats.wrote(file, "raven")
        rows = list(csv.DictReader(file.read_text().splitlines(), delimiter="\t"))
        assert "Begin Path" not in rows[0] or list(rows[0])[7:11] == ["Begin File", "Begin Path", "Tag", "Score"]
        name = file.name.removesuffix(formats.ending("raven"))
        told[name] = {(row["Begin File"], row.get("Begin Path")) for row in rows}
        assert list(formats.read(file)) == [rows[0]["Begin File"]]
    assert told == {
        **{f"{n}_{NIGHT}": {(NIGHT, str(cards / n / NIGHT))} for n in "AB"},
        f"a\tb_{NIGHT}": {(NIGHT, "")},
        "other.wav": {("other.wav", None)},
    }


@pytest.mark.parametrize("words", [("tag",), WORDS])
def test_pictures(words, place, cards, tmp_path):  # noqa: F811
    earmark(*words, cards, "--tagger", place / "t.safetensors", "--pictures", tmp_path / "p")
    assert names(tmp_path / "p", ".png") == WANTED


@pytest.mark.parametrize(("words", "ending"), [(("tag",), ".txt"), (("embed",), ".parquet"), (WORDS, ".txt")])
def test_results_of_a_job(words, ending, place, cards, tmp_path):  # noqa: F811
    earmark(*words, cards, "--tagger", place / "t.safetensors", "--job", tmp_path / "job")
    assert names(tmp_path / "job" / RESULTS, ending) == WANTED


def test_shards_know_whose_part_they_are(place, cards, tmp_path):  # noqa: F811
    job = (*WORDS, cards, "--tagger", place / "t.safetensors", "--format", "raven", "--job", tmp_path / "job")
    for number in range(1, 5):
        assert earmark(*job, "--shard", f"{number}/4").returncode == 0
    assert earmark(*job).returncode == 0
    assert names(tmp_path / "job" / RESULTS, formats.ending("raven")) == WANTED


def test_a_job_of_before_goes_on_under_its_names(place, cards, tmp_path):  # noqa: F811
    """Which its journal tells: what is done is not done again, and what changed takes the place that it had."""
    job = tmp_path / "job"
    command = (*WORDS, cards, "--tagger", place / "t.safetensors", "--format", "audacity", "--job", job)
    earmark(*command)
    head, *lines = (job / NAME).read_text().splitlines()
    kept = [json.loads(line) for line in lines][:2]
    for row, old in zip(kept, (f"{NIGHT}.txt", f"{NIGHT}-2.txt"), strict=True):
        (job / RESULTS / row["result"]).rename(job / RESULTS / old)
        row["result"] = old
    kept[1]["size"] = 1  # it was another recording then
    (job / NAME).write_text("\n".join([head, *map(json.dumps, kept)]) + "\n")
    for path in (job / RESULTS).glob("*[!0-9].wav.txt"):
        path.unlink()
    done = earmark(*command)
    assert done.returncode == 0 and "1 of 4 recordings is done already" in done.stderr
    with Journal(job, json.loads(head)["told"]) as journal:
        results = {Path(path).parent.name + Path(path).name: line.result for path, line in journal.entries.items()}
    assert results == {
        f"A{NIGHT}": f"{NIGHT}.txt", f"B{NIGHT}": f"{NIGHT}-2.txt", f"C d{NIGHT}": f"C d_{NIGHT}.txt", "C dother.wav": "other.wav.txt",
    }  # fmt: skip


def test_as_many_folders_as_it_takes():
    paths = [Path(path) for path in ("/25/A/x.wav", "/26/A/x.wav", "/26/B/x.wav", "/26/B/X.WAV", "/y.wav")]
    apart = Apart(paths)
    assert list(map(apart.name, paths)) == ["25_A_x.wav", "26_A_x.wav", "B_x.wav", "B_X.WAV", "y.wav"]
    assert [Apart(iter(())).name(path) for path in paths] == ["x.wav", "x.wav", "x.wav", "X.WAV", "y.wav"]
    assert recordings_of(["25_A_x.wav"], paths) == {"25_A_x.wav": paths[0]}


def test_a_shard_takes_over_under_the_name_that_it_gave(tmp_path):
    paths = [Path("A/x.wav"), Path("B/x.wav")]
    for number, path in enumerate(paths):
        with Journal(tmp_path / "job" / "shards" / f"{number + 1}-of-2", {}) as shard:
            shard.todo(Some(paths, [number]))
            shard.done(path, path.parent.name, ".Table.1.selections.txt")
    with Journal(tmp_path / "job", {}) as job:
        assert [file.name for file in job.files(paths)] == [f"{n}_x.wav.Table.1.selections.txt" for n in "AB"]
        assert list(job.results(paths)) == ["A", "B"]
