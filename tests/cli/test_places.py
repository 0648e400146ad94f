"""Nothing that a user has is overwritten by a slip: every option that writes, of every verb, because it exists."""

from __future__ import annotations

import hashlib
import inspect
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import soundfile
from tests.cli.test_contract import commands, given
from tests.program import earmark

from earmark import cli
from earmark.cli.terminal import written
from earmark.errors import EarmarkError
from earmark.files.places import Places

pytestmark = pytest.mark.usefixtures("sketched")

MINE = b"what a user has\n"
SUFFIX = {
    ("adopt", "out"): ".safetensors",
    ("tag", "windows"): ".parquet",
    ("calibrate", "out"): ".safetensors",
    ("embed", "out"): ".parquet",
    ("ensemble", "out"): ".parquet",
    ("export", "out"): ".safetensors",
    ("index", "out"): ".csv",
}


def verbs_of(name: str):
    """(words, function, click's command) of a verb, or of those of its group."""
    found = cli.verbs()[name]
    inner = getattr(found, "registered_commands", None)
    for words, command in commands(name):
        function = (
            found if inner is None else next(each.callback for each in inner if each.callback.__name__ == words[-1])
        )
        yield words, inspect.unwrap(function), command


MARKED = [
    pytest.param(words, function, command, option, mark, id=" ".join([*words, option]))
    for name in cli.verbs()
    for words, function, command in verbs_of(name)
    for option, mark in written.marks(function).items()
]
FILES = [each for each in MARKED if isinstance(each.values[-1], written.Writes | written.WritesEither)]
FOLDERS = [each for each in MARKED if not isinstance(each.values[-1], written.Writes)]


@pytest.fixture
def here(place, tmp_path, monkeypatch) -> Path:
    """The files that verbs are run on, in a folder of their own."""
    shutil.copytree(place, tmp_path / "place")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "place"


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def words_for(words, command, place, tmp_path, option: str, path: Path) -> list[str]:
    """The verb with this option, whatever else it must have."""
    flag = next(each.opts[-1 if option == "out" else 0] for each in command.params if each.name == option)
    told = given(words[0], command, place, tmp_path)
    for each in (
        "--fold" if words == ["train"] else flag,
        flag,
        *(o for p in command.params if p.name == option for o in p.opts),
    ):
        if each in told:
            del told[told.index(each) : told.index(each) + 2]
    return [*words, *told, flag, str(path)]


def refused(done, message: str) -> None:
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr and message in done.stderr.replace("\n", " "), done.stderr


def test_paths_that_are_written_carry_a_mark():
    """What is no mark is taken for something to read: names of outputs that slipped through."""
    outputs = {"out", "errors", "windows", "pictures", "job", "tried", "submission", "export", "save"}
    for name in cli.verbs():
        for words, function, _ in verbs_of(name):
            paths = {each for each, hint in get_type_hints(function).items() if hint in (Path, Path | None)}
            assert paths & outputs <= set(written.marks(function)), words


@pytest.mark.parametrize(("words", "function", "command", "option", "mark"), FILES)
@pytest.mark.parametrize("kind", ["a user's text", "a recording", "a table", "a link to one"])
def test_a_file_of_the_user_is_left(here, tmp_path, words, function, command, option, mark, kind):
    path = tmp_path / f"mine{SUFFIX.get((words[0], option), '.csv')}"
    if kind == "a recording":
        shutil.copy(here / "sound.wav", path)
    else:
        path.write_bytes(b"path,reason to go there,species\nx.wav,1,owl\n" if kind == "a table" else MINE)
    if kind == "a link to one":
        path.rename(tmp_path / "behind")
        path.symlink_to(tmp_path / "behind")
    before = digests(tmp_path)
    done = earmark(*words_for(words, command, here, tmp_path, option, path))
    refused(done, "is there already and holds something else than")
    assert digests(tmp_path) == before and (kind != "a link to one" or path.is_symlink())


@pytest.mark.parametrize(("words", "function", "command", "option", "mark"), FILES)
def test_what_is_read_is_not_written(here, tmp_path, words, function, command, option, mark):
    told = words_for(words, command, here, tmp_path, option, tmp_path / "x")
    inputs = sorted({word for word in told if Path(word).is_file()})
    assert inputs or words[0] in ("soundscapes", "job"), told
    for each in inputs:
        for path in (Path(each), tmp_path / f"twin{Path(each).suffix}"):
            if path.stem == "twin":
                path.unlink(missing_ok=True)
                path.hardlink_to(each)
            before = digests(tmp_path)
            refused(earmark(*words_for(words, command, here, tmp_path, option, path)), "would be lost")
            assert digests(tmp_path) == before


@pytest.mark.parametrize(("words", "function", "command", "option", "mark"), FILES)
def test_two_outputs_are_two_files(here, tmp_path, words, function, command, option, mark):
    others = [
        each for each, other in written.marks(function).items() if each != option and isinstance(other, written.Writes)
    ]
    path = tmp_path / f"Both{SUFFIX.get((words[0], option), '.csv')}"
    for other in others:
        flag = next(each.opts[0] for each in command.params if each.name == other)
        told = words_for(words, command, here, tmp_path, option, path)
        told = [*told, flag, str(path.with_name(path.name.lower()))]
        refused(earmark(*told), "so that one would replace the other")
    assert not path.exists()


@pytest.mark.parametrize(("words", "function", "command", "option", "mark"), FOLDERS)
def test_a_folder_of_the_user_is_left(here, tmp_path, words, function, command, option, mark):
    names = getattr(mark, "names", ()) or ["thesis.txt"]
    for name in names:
        folder = tmp_path / f"folder {name}"
        folder.mkdir()
        (folder / name).write_bytes(MINE)
        done = earmark(*words_for(words, command, here, tmp_path, option, folder))
        if isinstance(mark, written.OwnFolder) or getattr(mark, "names", ()):
            assert done.returncode == 2, done
        assert (folder / name).read_bytes() == MINE
    file = tmp_path / "file"
    file.write_bytes(MINE)
    done = earmark(*words_for(words, command, here, tmp_path, option, file))
    assert done.returncode == 2 and "is a file" in done.stderr, done
    assert file.read_bytes() == MINE


@pytest.mark.parametrize(("option", "ending", "extra"), [
    ("--pictures", ".png", []),
    ("--out", ".txt", ["--format", "audacity"]),
    ("--out", ".Table.1.selections.txt", ["--format", "raven"]),
])  # fmt: skip
def test_files_named_after_recordings_are_left_where_they_are_a_users(here, tmp_path, option, ending, extra):
    folder = tmp_path / "labels"
    folder.mkdir()
    mine = folder / f"sound.wav{ending}"
    mine.write_text("0.100000\t0.900000\tan owl, I am sure\n")
    for verb in ["events"] if extra else ["events", "tag"]:
        done = earmark(verb, here / "sound.wav", "--tagger", here / "t.safetensors", option, folder, *extra)
        refused(done, "is there already and holds something else than")
        assert mine.read_text() == "0.100000\t0.900000\tan owl, I am sure\n" and len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(("words", "function", "command", "option", "mark"), [
    pytest.param(*each.values, id=each.id, marks=[pytest.mark.slow] if each.values[0] == ["adopt"] else [])  # ten million weights
    for each in MARKED
    if not isinstance(each.values[-1], written.OwnFolder)  # which looks by itself what it may go on with
])  # fmt: skip
def test_what_an_option_wrote_it_replaces(here, tmp_path, words, function, command, option, mark):
    """In the way that a verb takes with little to do; others of its ways are below."""
    path = tmp_path / f"again{'' if isinstance(mark, written.WritesFolder) else SUFFIX.get((words[0], option), '.csv')}"
    told = words_for(words, command, here, tmp_path, option, path)
    for _ in range(2):
        done = earmark(*told)
        assert done.returncode in (0, 1), done.stderr
        assert path.exists()


# what each option is that says by what `calibrate` chooses; all others but those of PLAIN are in one of these ways
WAYS = {
    "the best F1": ["--collar", 0.4, "--gap", 0.1, "--shortest", 0.1, "--hit", "length", "--tried", "tried.csv"],
    "in merged tags": ["--merge", "merged.csv"],
    "on test": ["--on-test", "--low", 0.5],
    "a precision": ["--precision", 0.5],
    "false alarms": ["--false-alarms", "5/hour"],
    "reviews": ["--reviews", "reviews.csv", "--precision", 0.5],
    "windows": ["--windows", "--metric", "map"],
    "windows that stay": ["--windows"],
}
PLAIN = {
    "--data",
    "--fold",
    "--dataset",
    "--out",
    "--json",
    "--resamples",
    "--salvage",
    "--strict",
    "--batch",
    "--workers",
    "--device",
}


def test_every_way_of_calibrate_is_here():
    ((_, command),) = commands("calibrate")
    given_here = {word for way in WAYS.values() for word in way if str(word).startswith("--")}
    assert given_here | PLAIN | {"--plugin"} == {
        each for option in command.params for each in option.opts if each.startswith("--")
    }


@pytest.mark.parametrize("way", list(WAYS))
def test_what_calibrate_chose_it_may_choose_again(here, tmp_path, way):
    from earmark.data import manifest as manifests
    from earmark.data import splits
    from earmark.models.facts import DataSet, Split
    from earmark.models.loading import load

    clips = manifests.read(here / "clips.csv")
    tagger = load(here / "t.safetensors", engine="torch").alone
    parts = splits.Parts(clips.in_folds(["1", "2", "3"]), clips.in_folds("4"), clips.in_folds("5"))
    tagger.facts = replace(tagger.facts, data=DataSet("table"), split=Split.of(parts))
    tagger.save(tmp_path / "t.safetensors")
    (tmp_path / "merged.csv").write_text(f"tag,merged\n{clips.vocabulary[0]},{clips.vocabulary[1]}\n")
    rows = [f"long.wav,{n},{n + 0.5},bell,{n / 40},{'right' if n > 9 + n % 3 else 'wrong'}\n" for n in range(30)]
    (tmp_path / "reviews.csv").write_text(f"recording,onset,offset,tag,score,answer\n{''.join(rows)}")
    told = ["calibrate", tmp_path / "t.safetensors", *WAYS[way]]
    if way != "reviews":
        told += ["--data", here / "clips.csv", *(["--fold", 5] if way == "on test" else [])]
    if (
        way == "windows that stay"
    ):  # the best of before are the best again, though their file does not tell that they were chosen
        assert earmark(*told, "--out", tmp_path / "best.safetensors").returncode == 0
        tagger = load(tmp_path / "best.safetensors", engine="torch").alone
        tagger.facts = replace(tagger.facts, validation={"map": 0.5}, more={})
        tagger.save(tmp_path / "t.safetensors")
    before = tagger.facts
    for _ in range(2):
        done = earmark(*told, "--out", tmp_path / "new.safetensors")
        assert done.returncode == 0, done.stderr
        facts = load(tmp_path / "new.safetensors").facts
        assert ("keeps its windows" in done.stderr) == (way == "windows that stay")
        assert facts.split == before.split and (facts.events or facts.tags or facts.more["windows"])
        assert way != "windows that stay" or facts.validation == before.validation
    refused(earmark(*told[:1], here / "t.safetensors", *told[2:], "--out", here / "net.tflite"), "holds something else")
    shutil.copy(here / "t.safetensors", tmp_path / "other.safetensors")
    refused(earmark(*told, "--out", tmp_path / "other.safetensors"), "holds something else than --out writes")


@pytest.mark.parametrize("form", ["audacity", "raven", "csv", "tsv", "json"])
def test_what_a_command_wrote_it_may_write_again(here, tmp_path, form):
    run = [
        "events",
        here / "sound.wav",
        "--tagger",
        here / "t.safetensors",
        "--threshold",
        "0.05",
        "--out",
        tmp_path / "o",
    ]
    for threshold in ("0.05", "0.99"):
        done = earmark(*run, "--format", form, "--pictures", tmp_path / "p", "--threshold", threshold)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_tags_may_be_written_again(here, tmp_path, form):
    (tmp_path / "no.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    for _ in range(2):
        done = earmark("tag", here / "sound.wav", tmp_path / "no.wav", tmp_path / "silent.wav",
                       "--tagger", here / "t.safetensors", "--format", form,
                       "--out", tmp_path / "o", "--windows", tmp_path / "w.csv", "--errors", tmp_path / "e.csv",
                       "--pictures", tmp_path / "p")  # fmt: skip
        assert done.returncode == 1, done.stderr
    assert (tmp_path / "e.csv").read_text().startswith("path,reason")


def test_scores_that_belong_to_a_data_set_are_not_taken_for_windows(here, tmp_path):
    from earmark.scores import Scores

    table = Scores.load(here / "a.parquet")
    Scores(table.values, table.ids, table.start, table.end, table.tags, {"data": "esc10"}).save(tmp_path / "w.parquet")
    done = earmark("tag", here / "sound.wav", "--tagger", here / "t.safetensors", "--windows", tmp_path / "w.parquet")
    refused(done, "holds something else than --windows writes")


def test_an_ensemble_does_not_take_a_trained_taggers_place(here, tmp_path):
    shutil.copy(here / "t.safetensors", tmp_path / "other.safetensors")
    run = ["ensemble", here / "t.safetensors", "esc10", "-o"]
    refused(earmark(*run, tmp_path / "other.safetensors"), "holds something else than --out writes")
    run[1:3] = [here / "t.safetensors"] * 2
    for _ in range(2):
        done = earmark(*run, tmp_path / "both.safetensors")
        assert done.returncode == 0, done.stderr


def test_pipes_devices_and_empty_files_hold_nothing(tmp_path):
    places = Places()
    (tmp_path / "empty").touch()
    places.claim("--out", tmp_path / "empty", lambda _: False)
    if Path("/dev/null").exists():
        places.claim("--errors", Path("/dev/null"), lambda _: False)
    (tmp_path / "file").write_bytes(MINE)
    with pytest.raises(EarmarkError, match=r"--out .*: .*file is a file, not a folder"):
        places.claim("--out", tmp_path / "file" / "deeper" / "x.csv", lambda _: True)


def test_a_name_that_the_disk_does_not_take_fails_its_recording_alone(here, tmp_path, monkeypatch):
    """As FAT refuses a question mark: the others' results are written."""
    import errno

    from earmark import files

    for name in ("what?.wav", "b.wav"):
        soundfile.write(tmp_path / name, soundfile.read(here / "sound.wav")[0], 16_000)
    write = files.write_text

    def fat(path, text, **how):
        if "?" in Path(path).name:
            raise OSError(errno.EINVAL, "Invalid argument", str(path))
        write(path, text, **how)

    monkeypatch.setattr(files, "write_text", fat)
    done = earmark("events", tmp_path / "what?.wav", tmp_path / "b.wav", "--tagger", here / "t.safetensors",
                   "--format", "audacity", "--out", tmp_path / "o")  # fmt: skip
    assert done.returncode == 1 and "was heard, and its result cannot be written as" in done.stderr
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["b.wav.txt"]


def test_a_report_beside_a_tagger_leaves_a_users_files(here, tmp_path):
    run = tmp_path / "run"
    (run / "evaluation-fold-1").mkdir(parents=True)
    shutil.copy(here / "t.safetensors", run / "tagger.safetensors")
    (run / "run.json").write_text("{}")
    (run / "evaluation-fold-1" / "report.md").write_bytes(MINE)
    done = earmark(
        "evaluate", run / "tagger.safetensors", "--data", here / "clips.csv", "--fold", "1", "--resamples", "9"
    )
    refused(done, "report.md: is there already and holds something else than --out writes")
    (run / "evaluation-fold-1" / "report.md").unlink()
    for _ in range(2):
        done = earmark(
            "evaluate", run / "tagger.safetensors", "--data", here / "clips.csv", "--fold", "1", "--resamples", "9"
        )
        assert done.returncode == 0, done.stderr
