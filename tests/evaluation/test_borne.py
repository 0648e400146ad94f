"""What was borne for figures is told wherever they are: in the report, and by the scores to whoever takes them later."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.evaluation.conftest import TAGS, Heard, Make
from tests.program import command

import earmark
from earmark.data.manifest import Manifest, write
from earmark.data.splits import divide
from earmark.errors import EarmarkError
from earmark.evaluation.choices import borne
from earmark.evaluation.ensembles import combine
from earmark.evaluation.evaluation import record
from earmark.evaluation.labels import audit
from earmark.models.facts import Facts, Split
from earmark.models.tagger import Tagger
from earmark.scores import Scores

HOW = {"dataset": "soundscapes", "resamples": 0}
KNOWN = r"trained, or its epoch or its rules chosen, on fold 1\. Figures are better than"


@pytest.fixture
def trained(make: Make, single: Manifest) -> Tagger:
    """On folds 1 and 2 of the clips, as its file tells."""
    tagger = make(5, {"data": {"dataset": "soundscapes"}}, task="one")
    tagger.facts = replace(tagger.facts, split=Split.of(divide(single, ["3"], ["2"])))
    return tagger


def with_column(clips: Manifest, name: str, values: list[str] | list[None]) -> Manifest:
    """The clips with other values in a column of words."""
    place = clips.table.schema.get_field_index(name)
    return replace(
        clips, table=clips.table.set_column(place, clips.table.schema.field(name), pa.array(values, pa.string()))
    )


def notes_matching(notes: tuple[str, ...], words: str) -> list[str]:
    return [note for note in notes if re.search(words, note)]


def test_figures_of_clips_that_a_tagger_knows_say_so(trained: Tagger, single: Manifest) -> None:
    with pytest.raises(
        EarmarkError, match="chosen, on fold 1: figures would be too good. Report fold 3, or say --seen"
    ):
        earmark.evaluate(trained, single, folds=["1"], **HOW)
    told = earmark.evaluate(trained, single, folds=["1"], seen=True, **HOW)
    assert len(notes_matching(told.figures.notes, f"^--seen: the tagger was {KNOWN}")) == 1
    # other names of the folds: known by the ids of clips
    other = with_column(single, "fold", ["x"] * 9)
    told = earmark.evaluate(trained, other, folds=["x"], seen=True, **HOW)
    assert notes_matching(told.figures.notes, r"chosen, on 6 of the 9 clips, such as '\d\.wav'\. Figures are better")
    # --seen where there is nothing to see
    told = earmark.evaluate(trained, single, folds=["3"], seen=True, **HOW)
    assert notes_matching(told.figures.notes, "was not looked at. Leave it out, and it is")
    told = earmark.evaluate(trained, single, folds=["3"], **HOW)
    assert not notes_matching(told.figures.notes, "seen|learnt|trained")


def test_a_file_that_tells_nothing_is_told_of(make: Make, single: Manifest) -> None:
    without = with_column(single, "fold", [None] * 9)
    silent = make(5, {"data": {"dataset": "soundscapes"}}, task="one")
    with pytest.raises(EarmarkError, match="does not tell which"):
        earmark.evaluate(silent, without, **HOW)
    told = earmark.evaluate(silent, without, seen=True, **HOW)
    assert notes_matching(told.figures.notes, "^--seen: the tagger's file does not tell which clips")


def test_scores_carry_it_to_whatever_takes_them(trained: Tagger, single: Manifest, tmp_path: Path) -> None:
    files = {}
    for name, seen, fold in (("borne", True, "1"), ("clean", False, "3")):
        found = earmark.evaluate(trained, single, folds=[fold], seen=seen, **HOW).scores
        assert ("borne" in found.facts) == seen
        files[name] = tmp_path / f"{name}.parquet"
        found.save(files[name])
    told = earmark.evaluate(files["borne"], single, folds=["1"], resamples=0)
    assert notes_matching(told.figures.notes, rf"borne\.parquet: --seen: the tagger was {KNOWN}")
    assert not notes_matching(earmark.evaluate(files["clean"], single, folds=["3"], resamples=0).figures.notes, "seen")
    again = tmp_path / "again.parquet"
    Scores.load(files["borne"]).save(again)
    compared = earmark.compare([files["borne"], again], single, folds=["1"], resamples=0, permutations=0)
    assert len(notes_matching(compared.notes, f"seen: the tagger was {KNOWN}")) == 2
    mean = combine([files["borne"], again]).scores
    assert mean is not None
    mean.save(tmp_path / "mean.parquet")
    told = earmark.evaluate(tmp_path / "mean.parquet", single, folds=["1"], resamples=0)
    assert len(notes_matching(told.figures.notes, rf"mean\.parquet: --seen: the tagger was {KNOWN}")) == 1
    assert notes_matching(audit(files["borne"], single).notes, f"seen: the tagger was {KNOWN}")
    # a tagger in place of its scores says whose it is
    compared = earmark.compare(
        {"one": trained, "other": again},
        single,
        folds=["1"],
        seen=True,
        dataset="soundscapes",
        resamples=0,
        permutations=0,
    )
    assert notes_matching(compared.notes, f"^the tagger {trained.identity()}: --seen: the tagger was {KNOWN}")


SEARCHED: dict[str, Any] = {"search": True, "rounds": 2}
WARMED: dict[str, Any] = {"temperature": "fit", "rule": "geometric"}


def scored(clips: Manifest, folder: Path) -> list[Path]:
    """Two files of scores of one tag a clip."""
    files = []
    for seed in (1, 2):
        first = np.random.default_rng(seed).random(len(clips))
        values, end = np.stack([first, 1 - first], 1).astype(np.float32), np.ones(len(clips))
        files.append(folder / f"{seed}.parquet")
        Scores(values, clips.ids, np.zeros(len(clips)), end, TAGS).save(files[-1])
    return files


@pytest.mark.parametrize("how", [SEARCHED, WARMED, SEARCHED | WARMED])
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("group", "g", "group 'g' lies in fold 1, fold 2"), ("path", "0.wav", r"clips of 0\.wav lie in fold 1, fold 2")],
)
def test_folds_that_divide_groups_are_told_wherever_the_scores_go(
    single: Manifest, tmp_path: Path, heard: Heard, how: dict[str, Any], column: str, value: str, words: str
) -> None:
    """Clips 0, 1 and 2 lie in the folds 1, 2 and 3."""
    names = single.table[column].to_pylist()
    tied = with_column(single, column, [value] * 3 + names[3:])
    files, asked = scored(single, tmp_path), {"task": "one", "cross": True, "progress": heard, **how}
    whole = combine(files, data=single, **asked).scores
    assert "borne" not in whole.facts and not any("several" in line or "lies in" in line for line in heard.said)
    made = combine(files, data=tied, **asked)
    (sentence,) = made.scores.facts["borne"]
    assert re.search(words, sentence) and "figures are better than on groups never heard" in sentence
    assert any(line.startswith(sentence) and "earmark index" in line for line in heard.said)
    assert made.as_dict()["borne"] == [sentence]
    made.scores.save(tmp_path / "tied.parquet")
    told = earmark.evaluate(tmp_path / "tied.parquet", single, resamples=0).figures.notes
    compared = earmark.compare([tmp_path / "tied.parquet", files[0]], single, resamples=0, permutations=0).notes
    outer = combine([tmp_path / "tied.parquet", files[0]], task="one").scores
    assert all(any(note.endswith(sentence) for note in notes) for notes in (told, compared)) and borne(outer) == [
        sentence
    ]


def test_a_csv_says_that_it_does_not_tell_what_was_borne(
    single: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = scored(single, tmp_path)
    write(with_column(single, "group", ["g"] * 9), tmp_path / "tied.csv")
    command("ensemble", *files, "--search", "--cross", "--data", tmp_path / "tied.csv", "-o", tmp_path / "e.csv")
    said = capsys.readouterr().err
    assert (
        "e.csv: a CSV does not tell which clips chose this, so nothing will refuse figures on them; nor what was borne"
        in said
    )
    command("ensemble", *files, "-o", tmp_path / "plain.csv")
    assert "a CSV does not tell" not in capsys.readouterr().err


def test_leaks_that_were_borne_go_along(trained: Tagger, single: Manifest) -> None:
    """Fold 3 has a group of fold 1."""
    one = with_column(single, "group", ["g"] * 9)
    with pytest.raises(EarmarkError, match="3 by group|1 by group"):
        earmark.evaluate(trained, one, folds=["3"], **HOW)
    told = earmark.evaluate(trained, one, folds=["3"], leaks="report", **HOW)
    (sentence,) = told.scores.facts["borne"]
    assert "by group" in sentence and sentence in told.figures.notes


def test_a_taggers_file_keeps_no_figures_of_clips_that_it_knows(
    trained: Tagger, single: Manifest, tmp_path: Path
) -> None:
    file = tmp_path / "t.safetensors"
    trained.save(file)
    before = file.read_bytes()
    told = earmark.evaluate(file, single, folds=["1"], seen=True, **HOW)
    with pytest.raises(EarmarkError, match="figures on clips that it has not heard, and others were allowed"):
        record(told, file)
    with pytest.raises(
        EarmarkError, match="--record and --seen: a tagger's file tells its figures on clips that it has not heard"
    ):
        command(
            "evaluate", file, "--data", single.root / "none.parquet", "--record", "--seen"
        )  # before the data are looked for
    assert file.read_bytes() == before
    other = earmark.evaluate(earmark.load(file).every(0.5), single, folds=["3"], **HOW)
    with pytest.raises(EarmarkError, match="holds another tagger than the one that was judged, or other windows"):
        record(other, file)
    rounded = earmark.evaluate(trained, single, folds=["3"], **HOW)
    trained.precision = "bf16"
    with pytest.raises(
        EarmarkError, match="--record and --precision bf16: a tagger's file tells its figures in float32"
    ):
        record(rounded, file)
    trained.precision = "float32"
    for verb in (
        ("evaluate", file, "--data", single.root / "none.parquet"),
        ("alarms", file, single.root / "none.wav"),
    ):
        with pytest.raises(EarmarkError, match="--record and --precision int8"):
            command(*verb, "--record", "--precision", "int8")
    assert file.read_bytes() == before
    record(earmark.evaluate(file, single, folds=["3"], **HOW), file)
    assert Facts.read(earmark.load(file).facts.as_dict()).test is not None
