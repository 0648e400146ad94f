"""A metric of one's own: which clips it is given where tags are unknown, and the range that its interval keeps to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import hamming_loss

from earmark import metrics
from earmark.data.manifest import build
from earmark.errors import ScoresError
from earmark.evaluation.clips import measure as report
from earmark.evaluation.clips import notes_on_figures
from earmark.evaluation.comparison import compare
from earmark.metrics.intervals import Interval, range_of
from earmark.registry import METRICS
from earmark.scores import Scores

ROWS, TAGS = 40, ("a", "b", "c")
GROUPS = np.array([f"g{row:02d}" for row in range(ROWS)])


def clips():
    rng = np.random.default_rng(2)
    values, truth = rng.random((ROWS, 3)), rng.random((ROWS, 3)) < 0.4
    known = rng.random((ROWS, 3)) < 0.8
    return values, truth, known, np.ma.masked_array(truth, ~known)


@pytest.fixture
def own():
    """Registers metrics for a test: own(function, tasks=…)."""
    names = []

    def register(function, **facts):
        METRICS.register(function.__name__, **{"tasks": ("many",)} | facts)(function)
        names.append(function.__name__)
        return function.__name__

    yield register
    for name in names:
        METRICS._drop(name)


def hamming(values, truth):
    """Share of wrong decisions."""
    assert not np.ma.isMaskedArray(truth) and values.min() >= 0
    return float(((values >= 0.5) != truth).mean())


def masked_hamming(values, truth):
    """Share of wrong decisions, of those that are known."""
    assert values.min() >= 0
    return float(((values >= 0.5) != truth).mean())


def test_it_is_given_clips_that_are_known(own):
    values, truth, known, masked = clips()
    whole = known.all(1)
    assert 0 < whole.sum() < ROWS
    asked = {"task": "many", "metrics": [own(hamming)], "resamples": 30}
    told = metrics.evaluate(values, masked, GROUPS, **asked)["hamming"]
    assert told.value == pytest.approx(hamming_loss(truth[whole], values[whole] >= 0.5))
    assert told.low < told.value < told.high
    pair = metrics.compare([values, values[::-1]], masked, GROUPS, permutations=20, **asked)[0]
    assert pair.value_b == pytest.approx(hamming_loss(truth[whole], values[::-1][whole] >= 0.5)) and pair.p > 0


def test_it_takes_a_mask_where_it_says_so(own):
    values, truth, known, masked = clips()
    asked = {"task": "many", "metrics": [own(masked_hamming, masked=True)], "resamples": 30}
    told = metrics.evaluate(values, masked, GROUPS, **asked)["masked_hamming"]
    assert told.value == pytest.approx(hamming_loss(truth[known], values[known] >= 0.5))
    assert told.low < told.value < told.high


def test_it_has_no_value_where_no_clip_is_known(own):
    values, truth, _, _ = clips()
    masked = np.ma.masked_array(truth, np.eye(3, dtype=bool)[np.arange(ROWS) % 3])
    told = metrics.evaluate(values, masked, GROUPS, "many", metrics=[own(hamming)], resamples=10)["hamming"]
    assert math.isnan(told.value) and math.isnan(told.low)


def test_reports_and_comparisons_say_what_is_left_out(own, tmp_path):
    values, truth, known, _ = clips()
    rows = {
        key: [[TAGS[i] for i in np.flatnonzero(row)] for row in cells]
        for key, cells in (("tags", truth & known), ("unknown", ~known))
    }
    manifest = build({"id": GROUPS, "path": [f"{name}.wav" for name in GROUPS], **rows}, tmp_path)
    scores = Scores(values.astype(np.float32), GROUPS, np.zeros(ROWS), np.ones(ROWS), TAGS)
    own(hamming)
    own(masked_hamming, masked=True)
    count = int((~known.all(1)).sum())
    note = f"hamming: {count} of 40 clips, of which some tag is unknown, are left out of it; a metric says with masked=True"
    told = report(scores, manifest, "many", resamples=0)
    assert [line[: len(note)] for line in told.notes if "hamming" in line] == [note]
    for name in "st":
        scores.save(tmp_path / f"{name}.csv")
    asked = {"task": "many", "resamples": 0, "permutations": 0}
    files = [tmp_path / "s.csv", tmp_path / "t.csv"]
    compared = compare(files, manifest, metrics=["hamming"], **asked)
    assert [line[: len(note)] for line in compared.notes if "hamming" in line] == [note]
    assert not [line for line in compare(files, manifest, metrics=["map"], **asked).notes if "hamming" in line]
    whole = build({"id": GROUPS, "path": [f"{name}.wav" for name in GROUPS], "tags": rows["tags"]}, tmp_path)
    assert not [line for line in report(scores, whole, "many", resamples=0).notes if "hamming" in line]


def percent(values, truth):
    """Right decisions in a hundred."""
    return 100 * float(((values >= 0.5) == truth).mean())


def test_a_value_beyond_the_range_is_refused_with_the_way_out(own):
    values, truth, _, _ = clips()
    name = own(percent, centred=True)
    told = r"the metric 'percent' gives \d+\.?\d*, but its values are said to lie in 0 to 1, .* as in range=\(0, 100\)"
    with pytest.raises(ScoresError, match=told):
        metrics.evaluate(values, truth, GROUPS, "many", metrics=[name])
    with pytest.raises(ScoresError, match=told):
        metrics.compare([values, values[::-1]], truth, GROUPS, "many", metrics=[name])


def test_the_interval_of_a_centred_metric_keeps_to_its_range(own):
    values, truth, _, _ = clips()
    name = own(percent, centred=True, range=(0, 100))
    asked = {"task": "many", "metrics": [name], "resamples": 200}
    told = metrics.evaluate(values, truth, GROUPS, **asked)[name]
    assert 0 < told.low < told.value < told.high < 100
    pair = metrics.compare([values, np.where(truth, 0.9, 0.1)], truth, GROUPS, permutations=0, **asked)[0].difference
    assert -100 < pair.low < pair.value < pair.high < -1
    sure = metrics.evaluate(np.where(truth, 0.9, 0.1), truth, GROUPS, **asked)[name]
    assert sure.value == sure.high == 100


@pytest.mark.parametrize("wrong", [(1,), (1, 0), (0, math.nan), "01", (0, 1, 2), 1])
def test_a_range_is_two_numbers(own, wrong):
    values, truth, _, _ = clips()
    with pytest.raises(
        ScoresError, match=r"registered with range=.*: give its least and greatest value, as in \(0, 100\)"
    ):
        metrics.evaluate(values, truth, GROUPS, "many", metrics=[own(percent, range=wrong)])


def test_every_interval_of_every_metric_holds_its_value():
    values, truth, _, masked = clips()
    values = values / values.sum(1, keepdims=True)
    own_tag = np.eye(3, dtype=bool)[np.arange(ROWS) % 3]
    for task, known in (("one", own_tag), ("many", truth), ("many", masked)):
        for name, told in metrics.evaluate(values, known, GROUPS, task, resamples=100).items():
            assert told.low <= told.value <= told.high, name
            limits = range_of(name) or (-math.inf, math.inf)
            assert limits[0] <= told.low and told.high <= limits[1], name


def test_a_metric_that_returns_no_number_is_told(own):
    values, truth, _, _ = clips()

    def nothing(values, truth):
        """Nothing."""

    with pytest.raises(ScoresError, match="the metric 'nothing' gives None, which is no number"):
        metrics.evaluate(values, truth, GROUPS, "many", metrics=[own(nothing)])


@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_that_draws_by_chance_is_told(own, weighted):
    values, truth, _, _ = clips()
    chance = np.random.default_rng(0)

    def chancy(values, truth):
        """Chance."""
        return chance.random()

    name = own(chancy, **({"weighted": lambda draw: np.full(1, chance.random())} if weighted else {}))
    with pytest.raises(
        ScoresError,
        match=r"'chancy' gives 0\.\d+ and, of the same clips, 0\.\d+: it draws by chance, .*default_rng\(0\)",
    ):
        metrics.evaluate(values, truth, GROUPS, "many", metrics=[name], resamples=3)


def test_an_infinite_metric_is_explained_by_its_own_reason():
    some = {"dprime": Interval(math.inf, 1.0, math.inf), "mine": Interval(math.inf, -math.inf, math.inf)}
    assert notes_on_figures(some, 5) == [
        "d′ is infinite, as the mean AUC is 1 or 0: null.",
        "The upper limit of d′ is infinite, as the mean AUC of some draws is 1 or 0: null.",
        "mine is infinite, as its function says: null.",
        "The lower and upper limits of mine are infinite, as its function says of some draws: null.",
    ]


def test_what_a_metric_does_to_its_arrays_stays_with_it(own):
    values, truth, _, masked = clips()

    def spoiling(values, truth):
        """Spoils what it is given."""
        values[:], truth[:] = 0, False
        return 1.0

    before = values.copy(), truth.copy()
    own(spoiling)
    for known in (truth, masked):
        with pytest.raises(ScoresError, match=r"'spoiling' of \S+: its function fails .*read-only.*: make a new array"):
            metrics.evaluate(values, known, GROUPS, "many", metrics=["spoiling", "map"], resamples=3)
        # nobody asked for it: the others are measured as without it
        with pytest.warns(UserWarning, match="'spoiling' .* fails .*The other metrics are measured"):
            told = metrics.evaluate(values, known, GROUPS, "many", resamples=3)
        assert "spoiling" not in told
        assert told["map"] == metrics.evaluate(values, known, GROUPS, "many", metrics=["map"], resamples=3)["map"]
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(truth, before[1])
