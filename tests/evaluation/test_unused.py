"""Functions of Python refuse what counts for nothing in the call, as commands do: each of their parameters is taken, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import earmark
from earmark.data.manifest import Manifest, build
from earmark.errors import EarmarkError
from earmark.errors.unused import HEARING
from earmark.evaluation.ensembles import combine
from earmark.evaluation.labels import audit
from earmark.scores import Scores

# of the functions that take files of scores in the place of taggers: what counts for these too
OF_SCORES = {
    "tagger", "systems", "source", "data", "folds", "dataset", "seen", "merge", "merge_by", "task", "resamples", "draw", "metrics",
    "common", "permutations", "progress",
}  # fmt: skip
# for each option of hearing a value that asks for something
ASKED: dict[str, Any] = {
    "batch": 3, "collars": [9.0], "device": "cuda", "engine": "onnxruntime", "hit": "length", "hop": "nonsense", "leaks": "report",
    "precision": "bf16", "salvage": True, "strict": True, "workers": 9,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {"evaluate": earmark.evaluate, "compare": earmark.compare, "audit": audit}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Manifest]:
    """Two files of scores, and their clips."""
    place, names = tmp_path_factory.mktemp("scores"), [f"{k}.wav" for k in range(6)]
    files = [str(place / f"{name}.parquet") for name in "ab"]
    for seed, file in enumerate(files):
        values = np.random.default_rng(seed).dirichlet(np.ones(2), 6).astype(np.float32)
        Scores(values, np.array(names), np.zeros(6), np.ones(6), ("x", "y")).save(file)
    return files, build({"id": names, "path": names, "tags": [["xy"[k % 2]] for k in range(6)]}, place)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_of_hearing_are_refused_for_files_of_scores(name, judged):
    files, clips = judged
    function = FUNCTIONS[name]
    source: Any = files if name == "compare" else files[0]
    own = set(inspect.signature(function).parameters)
    assert own <= OF_SCORES | HEARING, "say what a new parameter is of"
    for option in sorted((own & HEARING) - {"events"}):
        with pytest.raises(
            EarmarkError, match=rf"^{option} is for what taggers hear, .* leave {option} out, or give a tagger"
        ):
            function(source, clips, **{option: ASKED[option]})
    less = {"device": "auto", "workers": 2} | ({"events": False, "collars": [0.2, 0.4]} if name == "evaluate" else {})
    function(source, clips, **less)  # as is so anyway


def test_they_count_where_one_system_is_a_tagger(judged):
    files, clips = judged
    with pytest.raises(EarmarkError, match="no-such"):
        earmark.compare([*files, "no-such.safetensors"], clips, batch=3)


LONELY: list[tuple[str, Callable[..., Any], dict[str, Any], str]] = [
    ("merge_by", earmark.evaluate, {"merge_by": "sum"}, "for merged tags: name that with merge"),
    ("merge_by", earmark.compare, {"merge_by": "sum"}, "for merged tags: name that with merge"),
    ("leaks", earmark.evaluate, {"leaks": "report", "seen": True}, "counts for nothing with seen=True"),
    ("leaks", earmark.compare, {"leaks": "report", "seen": True}, "counts for nothing with seen=True"),
    ("collars", earmark.evaluate, {"collars": [1.0], "events": False}, "counts for nothing with events=False"),
    ("hit", earmark.evaluate, {"hit": "length", "events": False}, "counts for nothing with events=False"),
    ("over", combine, {"over": "tags"}, "name that with rule='rank'"),
    ("rounds", combine, {"rounds": 3}, "name that with search=True"),
    ("weights", combine, {"weights": [1, 2], "search": True, "data": "clips"}, "counts for nothing with search=True"),
    ("dataset", combine, {"dataset": "folder"}, "name that with data"),
    ("data", combine, {"data": "clips"}, "name that with search, agreement or"),
    ("metric", combine, {"metric": "map", "agreement": True}, "name that with search, or agreement and data"),
    ("metric", combine, {"metric": "map"}, "name that with search, or agreement and data"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function", "values", "told"), LONELY)
def test_what_counts_for_nothing_without_or_beside_another_is_refused(name, function, values, told, judged):
    given = ["one.safetensors", "two.safetensors"] if function is earmark.compare else "one.safetensors"
    sources = (judged[0],) if function is combine else (given, judged[1])
    with pytest.raises(EarmarkError, match=rf"^{name} .*{told}"):
        function(*sources, **values)
