"""Scores, truth and groups as pandas has them: taken for what they say, or refused in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.metrics.conftest import clips

from earmark import metrics
from earmark.errors import ScoresError
from earmark.metrics.comparison import swaps

pandas = pytest.importorskip("pandas")
VALUES, TRUTH = clips(1, tags=3)
GROUPS = np.array([f"g{row:02d}" for row in range(len(VALUES))])


def tables():
    names = {"columns": list("abc"), "index": [f"clip {row}" for row in range(len(VALUES))]}
    return pandas.DataFrame(VALUES, **names), pandas.DataFrame(TRUTH, **names)


FUNCTIONS = {
    "evaluate": lambda v, t: metrics.evaluate(v, t, GROUPS, "many", resamples=5),
    "compare": lambda v, t: metrics.compare([v, v], t, GROUPS, "many", resamples=5, permutations=5),
    "mean_auc": metrics.mean_auc,
    "f1_macro": metrics.f1_macro,
    "map_at_k": metrics.map_at_k,
    "per_tag": lambda v, t: {key: each.tolist() for key, each in metrics.per_tag(v, t, "many").items()},
    "answers": lambda v, t: metrics.answers(v, t).tolist(),
    "undefined": lambda v, t: metrics.undefined(t),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_table_is_taken_for_its_cells(name):
    expected = FUNCTIONS[name](VALUES, TRUTH)
    values, truth = tables()
    for given in ((values, truth), (VALUES, truth), (values, TRUTH)):
        assert FUNCTIONS[name](*given) == expected


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"undefined"}))
def test_tables_in_another_order_are_refused(name):
    values, truth = tables()
    with pytest.raises(
        ScoresError, match=r"the columns of values and truth have other names: 'a' stands where 'c' does\. Put both"
    ):
        FUNCTIONS[name](values, truth[["c", "b", "a"]])
    with pytest.raises(
        ScoresError, match="the rows of values and truth have other names: 'clip 0' stands where 'clip 59' does"
    ):
        FUNCTIONS[name](values, truth[::-1])


def test_masked_scores_are_refused():
    with pytest.raises(ScoresError, match="some values are masked: only a truth may be"):
        metrics.mean_auc(np.ma.masked_array(VALUES, TRUTH), TRUTH)
    assert metrics.mean_auc(np.ma.masked_array(VALUES), TRUTH) == metrics.mean_auc(VALUES, TRUTH)


TAKERS = {
    "evaluate": lambda groups: metrics.evaluate(VALUES, TRUTH, groups, "many", resamples=20),
    "compare": lambda groups: metrics.compare(
        [VALUES, VALUES[::-1]], TRUTH, groups, "many", resamples=9, permutations=9
    ),
    "resample": lambda groups: next(metrics.resample(groups, 3)).tolist(),
    "swaps": lambda groups: next(swaps(groups, 3)).tolist(),
    "detection_f1": lambda groups: metrics.detection_f1(
        metrics.match_events(*[{str(row): [("dog", 0.0, 1.0 + row)] for row in range(len(groups))}] * 2),
        {str(row): group for row, group in enumerate(groups)},
        resamples=9,
    ),
}


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("none", [None, math.nan])
def test_a_clip_without_a_group_is_told(name, none):
    for groups in (np.array([none] * len(GROUPS), object), np.array([*GROUPS[:3], none, *GROUPS[4:]], object)):
        first = 0 if groups[0] is none else 3
        with pytest.raises(ScoresError, match="of 60 clips (has|have) no group"):
            TAKERS[name](groups.tolist())
        with pytest.raises(
            ScoresError,
            match=rf"of 60 clips (?:has|have) no group, the first in row {first} \({none}\): .* Give each a",
        ):
            TAKERS[name](groups)


@pytest.mark.parametrize("name", TAKERS)
def test_text_as_pandas_has_it_draws_as_text_does(name):
    assert TAKERS[name](pandas.Series(GROUPS, dtype=object)) == TAKERS[name](GROUPS)
    numbered = np.arange(60) % 7
    if name != "detection_f1":  # whose groups are text
        assert TAKERS[name](np.array(numbered, object)) == TAKERS[name](numbered)


def test_groups_of_no_names_are_told():
    with pytest.raises(ScoresError, match=r"groups have the shape \(60, 3\); \(rows,\)"):
        metrics.resample(VALUES, 3)
    with pytest.raises(ScoresError, match="groups are object: name each clip's group by text or by a number"):
        metrics.evaluate(VALUES, TRUTH, np.array([{} for _ in GROUPS], object), "many")
