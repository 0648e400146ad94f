"""`combine` of score files: the same as the rules, the searches and the agreement that it puts together."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import TAGS, Heard

from earmark import metrics
from earmark.data.manifest import Manifest
from earmark.errors import ScoresError
from earmark.evaluation.ensembles import combine
from earmark.files import notation
from earmark.metrics.intervals import chosen
from earmark.scores import Scores, Task, ensemble


@pytest.fixture
def files(single: Manifest, tmp_path: Path) -> list[Path]:
    made = []
    for seed, name in enumerate(("one", "two")):
        first = np.random.default_rng(seed).random(9)
        values = np.stack([first, 1 - first], 1).astype(np.float32)
        Scores(values, single.ids, np.zeros(9), np.ones(9), TAGS).save(tmp_path / f"{name}.parquet")
        made.append(tmp_path / f"{name}.parquet")
    return made


def test_scores_together(files: list[Path], heard: Heard) -> None:
    told = combine(files, rule="geometric", weights=[3, 1], progress=heard)
    members = [Scores.load(file) for file in files]
    alone = ensemble.combine(members, "geometric", [3, 1], task="one", names=["one", "two"])
    assert np.array_equal(told.scores.values, alone.values) and told.scores.facts == alone.facts
    assert told.summary == "9 rows, 2 tags; geometric mean of 2 members (one 0.75, two 0.25)"
    assert heard.said == ["task one: the scores of each clip sum to one (--task says otherwise)"]
    json.dumps(told.as_dict(), allow_nan=False)


def test_a_search_its_crossing_and_agreement(files: list[Path], single: Manifest, heard: Heard) -> None:
    told = combine(files, task="one", data=single, search=True, cross=True, agreement=True, rounds=4, progress=heard)
    members, truth = [Scores.load(file) for file in files], single.truth(TAGS)
    how = {"rounds": 4, "task": "one", "names": ["one", "two"]}
    assert told.search == ensemble.search_weights(members, truth, metrics.accuracy, **how)
    crossed = ensemble.search_across(members, truth, single.folds, metrics.accuracy, **how)
    assert told.cross.value == crossed.value and np.array_equal(told.scores.values, crossed.scores.values)
    assert told.scores.facts["ensemble"]["weights chosen"]["across folds"] is True
    assert list(told.as_dict()) == ["task", "search", "cross", "agreement", "ensemble", "summary"]
    assert heard.said == [ensemble.OPTIMISTIC]
    nothing = combine(files, task="one", agreement=True, scores=False)
    assert nothing.scores is None and nothing.summary == "" and list(nothing.as_dict()) == ["task", "agreement"]


def test_common_clips_and_what_is_refused(files: list[Path], single: Manifest, tmp_path: Path) -> None:
    part = Scores.load(files[1])
    fewer = Scores(part.values[:5], part.ids[:5], part.start[:5], part.end[:5], TAGS)
    fewer.save(tmp_path / "part.parquet")
    told = combine([files[0], tmp_path / "part.parquet"], only="common", task="one")
    assert len(told.scores) == 5 and told.left_out == 4
    with pytest.raises(ScoresError, match="a search of weights, or of a temperature, needs the clips' tags"):
        combine(files, search=True)
    with pytest.raises(ScoresError, match="cross says how weights are searched or a temperature is fitted"):
        combine(files, cross=True)
    with pytest.raises(ScoresError, match="the metric 'accuracy' is not for task 'many'"):
        combine(files, task="many", metric="accuracy", data=single, search=True)
    with pytest.raises(ScoresError, match=r"4 of 9 scored clips are not in the manifest, such as 5\.wav"):
        combine(files, task="one", data=single.select(np.arange(5)), search=True)


@pytest.fixture
def perfect(single: Manifest, files: list[Path], tmp_path: Path) -> list[Path]:
    """A member that ranks all clips rightly, beside one that does not."""
    values = np.where(single.truth(TAGS), 0.9, 0.1).astype(np.float32)
    Scores(values, single.ids, np.zeros(9), np.ones(9), TAGS).save(tmp_path / "perfect.parquet")
    return [tmp_path / "perfect.parquet", files[0]]


def test_figures_without_a_value_are_null_and_told(perfect: list[Path], single: Manifest, heard: Heard) -> None:
    asked = {"data": single, "task": "one", "agreement": True, "progress": heard}
    told = combine(perfect, metric="dprime", search=True, cross=True, rounds=2, **asked)
    assert told.agreement.parts[0].alone == math.inf
    sentences = [line for line in heard.said if "dprime is infinite" in line]
    assert len(sentences) == 1 and "perfect" in sentences[0] and sentences[0].endswith("JSON tells null")
    plain = json.loads(notation.text(told.as_dict()), parse_constant=pytest.fail)
    assert plain["agreement"]["parts"][0]["alone"] is None and plain["search"]["value"] is None
    assert plain["agreement"]["parts"][1]["gain"] is None  # infinite less infinite
    heard.said.clear()
    half = Scores.load(perfect[0])  # no probabilities of one tag a clip
    replace(half, values=half.values / 2).save(perfect[0])
    told = combine(perfect, metric="log_loss", scores=False, **asked)
    assert "log_loss has no value for perfect, all without one, all together: no tag or clip" in heard.said[-1]
    assert "nan" not in told.agreement.text() and told.agreement.text().splitlines()[-1].split()[-1] == "–"
    heard.said.clear()
    combine(perfect, metric="map", **asked)
    assert not any("JSON tells null" in line for line in heard.said)


@pytest.mark.parametrize("task", ["one", "many"])
@pytest.mark.parametrize("tell", ["both", "one of them"])
def test_members_that_tell_their_task_are_taken_at_their_word(
    single: Manifest, tmp_path: Path, heard: Heard, task: Task, tell: str
) -> None:
    """Whatever their scores sum to; where they tell different ones, or none, the sums decide."""
    values = np.random.default_rng(0).random((9, 2))
    sums = values / values.sum(1, keepdims=True)  # as of one tag a clip
    given = np.asarray(values / 2 if task == "one" else sums, np.float32)

    def file(name: str, own: str | None) -> Path:
        facts = {} if own is None else {"task": own}
        Scores(given, single.ids, np.zeros(9), np.ones(9), TAGS, facts).save(tmp_path / name)
        return tmp_path / name

    other = None if tell == "one of them" else task
    assert combine([file("a.parquet", task), file("b.parquet", other)], progress=heard).task == task
    assert heard.said == [f"task {task}: so the scores tell (--task says otherwise)"]
    by_sums = "many" if task == "one" else "one"
    for owns in ((None, None), ("one", "many")):
        assert (
            combine([file(f"{place}.parquet", own) for place, own in enumerate(owns)], progress=heard).task == by_sums
        )


@pytest.mark.parametrize(("task", "metric"), [(task, name) for task in ("one", "many") for name in chosen(None, task)])
def test_a_member_that_helps_gains_by_any_metric(single: Manifest, tmp_path: Path, task: Task, metric: str) -> None:
    """One that errs once beside one that is right once: alone it is the better one, and so is all with it, whatever less of it means."""
    truth = single.truth(TAGS)
    values = {"right": np.where(truth, 0.75, 0.25), "wrong": np.where(truth, 0.375, 0.625)}
    values["right"][0], values["wrong"][8] = values["right"][0, ::-1], values["wrong"][8, ::-1]
    files = [tmp_path / f"{name}.parquet" for name in values]
    for file, each in zip(files, values.values(), strict=True):
        Scores(each.astype(np.float32), single.ids, np.zeros(9), np.ones(9), TAGS).save(file)
    told = combine(files, data=single, task=task, metric=metric, agreement=True, scores=False, weights=[3, 2]).agreement
    right, wrong = told.parts
    least = metric in ("log_loss", "brier", "log_loss_tags", "brier_tags")
    assert told.least is least and (right.alone < wrong.alone if least else right.alone > wrong.alone)
    assert right.gain == pytest.approx(abs(told.value - right.without)) and right.gain > max(0, wrong.gain)
    assert wrong.gain < 0 or not least
    heads = told.text().splitlines()[-4]
    assert heads.endswith("it takes off" if least else "it adds") and told.as_dict()["parts"][0]["gain"] == right.gain
