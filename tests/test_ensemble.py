"""Ensembles: every rule on numbers worked out by hand, and what does not fit together is refused or left out as asked."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import rankdata

from earmark import metrics
from earmark.errors import ScoresError
from earmark.scores import Scores, concat
from earmark.scores.ensemble import OPTIMISTIC, agreement, align, combine, search_across, search_weights
from earmark.scores.ensemble.rules import ranks, shares

A = [[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]]
B = [[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]]
TRUTH = np.array([[True, False]] * 3)


def scores(values, ids=None, tags=("dog", "rain"), start=None, end=None, **facts) -> Scores:
    values = np.asarray(values, np.float32)
    n = len(values)
    ids = np.array(list("abcdefghijklmnop")[:n] if ids is None else ids, str)
    start = np.zeros(n) if start is None else np.asarray(start, float)
    end = np.full(n, 5.0) if end is None else np.asarray(end, float)
    return Scores(values, ids, start, end, tags, facts)


def close(got: Scores, expected, tolerance: float = 1e-6) -> None:
    assert got.values.dtype == np.float32
    np.testing.assert_allclose(got.values, expected, atol=tolerance)


# The rules


def test_arithmetic():
    close(combine([scores(A), scores(B)]), [[0.7, 0.3], [0.7, 0.3], [0.15, 0.85]])
    close(combine([scores(A), scores(B)], weights=[3, 1]), [[0.75, 0.25], [0.6, 0.4], [0.125, 0.875]])


def test_geometric():
    """√(0.8·0.6) : √(0.2·0.4) = √6 : 1, and √(0.5·0.9) : √(0.5·0.1) = 3 : 1, and √(0.1·0.2) : √(0.9·0.8) = 1 : 6."""
    plain = [[math.sqrt(a * b) for a, b in zip(x, y, strict=True)] for x, y in zip(A, B, strict=True)]
    close(combine([scores(A), scores(B)], "geometric"), plain)
    six = math.sqrt(6)
    one = [[six / (1 + six), 1 / (1 + six)], [3 / 4, 1 / 4], [1 / 7, 6 / 7]]
    close(combine([scores(A), scores(B)], "geometric", task="one"), one)
    # weights 2:1 → 0.8^(2/3) · 0.6^(1/3)
    assert combine([scores(A), scores(B)], "geometric", [2, 1]).values[0, 0] == pytest.approx(
        0.384 ** (1 / 3), abs=1e-6
    )


def test_geometric_mean_of_nought_is_small_but_a_number():
    got = combine([scores([[0.0, 1.0]]), scores([[1.0, 0.0]])], "geometric", task="one")
    close(got, [[0.5, 0.5]])
    close(combine([scores([[0.0, 0.0]])] * 2, "geometric"), [[1e-12, 1e-12]], 1e-15)


def test_rank_over_clips():
    """Within dog, A ranks the clips 1, ½, 0 and B ranks them ½, 1, 0; rain is the other way round."""
    close(combine([scores(A), scores(B)], "rank"), [[0.75, 0.25], [0.75, 0.25], [0, 1]])
    close(combine([scores(A), scores(B)], "rank", [3, 1]), [[0.875, 0.125], [0.625, 0.375], [0, 1]])


def test_rank_over_tags():
    """Within a clip of two tags the ranks are 0 and 1, or both a half where they are equal."""
    close(combine([scores(A), scores(B)], "rank", over="tags"), [[1, 0], [0.75, 0.25], [0, 1]])


def test_the_weights_of_paper_002():
    """Eight predictions, 3:3:2:2:2:1:1:1 of 15: those that rank clip a first have 3 + 2 + 1 = 6 parts."""
    first, second = [[0.9], [0.1]], [[0.2], [0.7]]
    members = [scores(first if i in (0, 2, 5) else second, tags=("x",)) for i in range(8)]
    close(combine(members, "rank", [3, 3, 2, 2, 2, 1, 1, 1]), [[6 / 15], [9 / 15]])


def test_ties_share_their_mean_rank():
    """0.1 < 0.3 = 0.3 < 0.9: places 0, 1½, 1½, 3 of 3."""
    np.testing.assert_array_equal(ranks(np.array([[0.3], [0.3], [0.1], [0.9]])), [[0.5], [0.5], [0], [1]])
    np.testing.assert_array_equal(ranks(np.full((4, 2), 0.7)), np.full((4, 2), 0.5))
    np.testing.assert_array_equal(ranks(np.array([[0.7, 0.1]])), [[0.5, 0.5]])  # ranked alone


def test_ranks_are_scipys():
    values = np.random.default_rng(0).integers(0, 12, (40, 7)) / 12
    np.testing.assert_allclose(ranks(values), (rankdata(values, axis=0) - 1) / 39, atol=1e-12)


def test_ranks_bring_scales_together():
    """A member a thousand times as loud has no more say."""
    loud = scores(np.asarray(B) * 1000)
    close(combine([scores(A), loud], "rank"), combine([scores(A), scores(B)], "rank").values)


LOUD = (np.asarray(B) * 100).tolist()
MADE = {
    "combine": lambda members, **how: combine(members, **how),
    "search_weights": lambda members, **how: search_weights(members, TRUTH, metrics.accuracy, **how),
    "search_across": lambda members, **how: search_across(members, TRUTH, ["1", "1", "2"], metrics.accuracy, **how),
    "agreement": lambda members, **how: agreement(members, TRUTH, metrics.accuracy, **how),
}  # all that makes a mean of members


@pytest.mark.parametrize("make", list(MADE))
@pytest.mark.parametrize(("other", "span"), [(LOUD, "10 to 90"), ([[-1.5, 0.5], [0.1, 0.2], [0.3, 4.0]], "-1.5 to 4")])
def test_an_arithmetic_mean_is_of_one_scale(make, other, span):
    members, names = [scores(A), scores(other)], ["net", "tree"]
    for order, called in ((members, names), (members[::-1], names[::-1])):
        told = rf"the scores of tree reach from {span}, those of net reach from 0.1 to 0.9: .*--rule rank"
        with pytest.raises(ScoresError, match=told):
            MADE[make](order, names=called)
    MADE[make](members, rule="rank")
    MADE[make]([scores(other), scores(other)])  # whether two that lie beyond have one scale nobody knows
    nearly = np.asarray(A) + np.array([[0.2004, -0.2004], [0, 0], [0, 0]])  # as a tool rounds 0 and 1
    MADE[make]([scores(nearly), scores(B)])


def test_a_member_without_weight_may_have_another_scale():
    close(combine([scores(A), scores(LOUD)], weights=[1, 0]), A)
    assert agreement([scores(A), scores(LOUD)], TRUTH, metrics.accuracy, weights=[1, 0]).value is not None
    assert agreement([scores(A), scores(LOUD)]).pairs  # no mean is made


def test_logits_that_lie_within_0_to_1_on_some_folds_are_logits():
    """Fold 2 is chosen for on fold 1, where the first member happens to look like probabilities."""
    mixed, other = scores([[0.9, 0.1], [0.2, 0.8], [3.0, -2.0]]), scores([[5.0, -1.0], [4.0, 1.0], [2.0, 0.0]])
    search_across([mixed, other], TRUTH, ["1", "1", "2"], metrics.accuracy, rounds=2)


def test_what_the_result_tells():
    got = combine([scores(A, tagger="x"), scores(B)], "rank", [3, 1], names=["p", "q"])
    assert got.facts["ensemble"] == {
        "rule": "rank", "over": "clips", "task": "many", "weights": [0.75, 0.25], "names": ["p", "q"], "members": [{"tagger": "x"}, {}],
    }  # fmt: skip
    assert "over" not in combine([scores(A)]).facts["ensemble"]


def test_one_member_is_itself():
    close(combine([scores(A)]), A, 0)


def test_the_order_of_members_does_not_matter():
    members = [scores(np.random.default_rng(i).random((5, 2))) for i in range(3)]
    for rule in ("arithmetic", "geometric", "rank"):
        forward, backward = combine(members, rule, [1, 2, 3]), combine(members[::-1], rule, [3, 2, 1])
        np.testing.assert_allclose(forward.values, backward.values, atol=1e-7)


def test_pooled_folds_are_averaged_on_new_clips():
    """Taggers of folds are members like others for new clips; their out-of-fold scores are pooled."""
    folds = [scores(A[:2], ["a", "b"]), scores(A[2:], ["c"])]
    pooled = concat(folds)
    close(combine([pooled, scores(B)]), [[0.7, 0.3], [0.7, 0.3], [0.15, 0.85]])
    with pytest.raises(ScoresError, match="no clip has scores of all 2 members"):
        combine(folds, only="common")


@pytest.mark.parametrize("weights", [[1], [1, 2, 3]])
def test_as_many_weights_as_members(weights):
    with pytest.raises(ScoresError, match=rf"{len(weights)} weights? for 2 members: give one a member, such as 1:1"):
        combine([scores(A), scores(B)], weights=weights)


@pytest.mark.parametrize(
    ("weights", "told"),
    [([1, -1], "a weight is -1"), ([1, math.nan], "a weight is nan"), ([0, 0], "all weights are 0")],
)
def test_weights_that_are_none(weights, told):
    with pytest.raises(ScoresError, match=f"{told}: weights are 0 or more"):
        combine([scores(A), scores(B)], weights=weights)


def test_a_member_without_weight_does_not_count():
    close(combine([scores(A), scores(B)], weights=[1, 0]), A)
    assert shares([5, 0], 2).tolist() == [1, 0]


def test_other_tools_scores_may_be_logits():
    logits = scores([[-1.2, 3], [0, 1], [2, 2]])
    with pytest.raises(ScoresError, match="a score is -1.2, and the geometric mean is of scores from 0"):
        combine([logits, scores(A)], "geometric")
    combine([logits, scores(A)], "rank")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"rule": "median"}, "rule is 'median': take one of arithmetic, geometric, rank"),
        ({"over": "rows"}, "over is 'rows': take one of clips, tags"),
        ({"task": "two"}, "task is 'two': take one of one, many"),
        ({"only": "some"}, "only is 'some': take one of same, common"),
        ({"names": ["x"]}, "1 name for 2 members"),
    ],
)
def test_unknown_words(arguments, told):
    with pytest.raises(ScoresError, match=told):
        combine([scores(A), scores(B)], **arguments)


def test_no_members():
    for function in (combine, align, agreement):
        with pytest.raises(ScoresError, match="no members"):
            function([])


# Matching


def test_other_orders_are_put_right():
    shuffled = scores([B[2][::-1], B[0][::-1], B[1][::-1]], ["c", "a", "b"], ("rain", "dog"))
    got = combine([scores(A), shuffled])
    assert got.ids.tolist() == ["a", "b", "c"]
    assert got.tags == ("dog", "rain")
    close(got, [[0.7, 0.3], [0.7, 0.3], [0.15, 0.85]])


def test_windows_of_one_recording_are_told_by_their_times():
    a = scores([[0.1], [0.3]], ["x", "x"], ("t",), [0, 1], [1, 2])
    b = scores([[0.5], [0.9]], ["x", "x"], ("t",), [1, 0], [2, 1])
    close(combine([a, b]), [[0.5], [0.4]])


def test_ends_that_sample_rates_round():
    """220,544 samples at 44.1 kHz and 80,016 at 16 kHz are one clip; a clip 2 ms longer is another."""
    a, b = (scores(A[:1], end=[end]) for end in (220_544 / 44_100, 80_016 / 16_000))
    assert a.end[0] != b.end[0]
    close(combine([a, b]), A[:1])
    with pytest.raises(ScoresError, match="such as a from 0 to 5 s. The clip is there with other times"):
        combine([scores(A[:1]), scores(B[:1], end=[5.002])])


@pytest.mark.parametrize("end", [5.0004, 5.0005, 5.0006, 4.9995])  # on both sides of where milliseconds are rounded
def test_the_tolerance_has_no_seams(end):
    close(combine([scores(A[:1], end=[5.0]), scores(A[:1], end=[end])]), A[:1])


def test_ends_that_are_not_told():
    theirs = scores(B, end=[math.nan] * 3)
    got = combine([scores(A), theirs])
    assert got.end.tolist() == [5, 5, 5]
    two = scores([[0.1], [0.2]], ["x", "x"], ("t",), [0, 0], [1, 2])
    combine([two, two])
    with pytest.raises(ScoresError, match=r"member 1: the clip x at 0 s has several rows \(the ends are not told"):
        combine([two, scores([[0.1], [0.2]], ["x", "y"], ("t",), end=[math.nan] * 2)])


def test_a_missing_clip():
    short = scores(B[:2])
    with pytest.raises(
        ScoresError, match="member 2 has no scores of 1 of the 3 rows of member 1, such as c from 0 to 5 s. Score"
    ):
        combine([scores(A), short])
    with pytest.raises(ScoresError, match="net has no scores of 1 of the 3 rows of tree, such as c"):
        combine([short, scores(A)], names=["net", "tree"])
    got = combine([scores(A), short], only="common")
    close(got, [[0.7, 0.3], [0.7, 0.3]])
    assert got.ids.tolist() == ["a", "b"]
    assert got.facts["ensemble"]["left out"] == {"rows": [1, 0], "tags": []}


def test_a_missing_tag():
    more = scores(np.column_stack([B, [0.3, 0.2, 0.1]]), tags=("dog", "rain", "sea"))
    with pytest.raises(ScoresError, match="member 1 has no scores of 1 tag that member 2 has, such as 'sea'"):
        combine([scores(A), more])
    with pytest.raises(ScoresError, match="member 2 has no scores of 1 tag that member 1 has, such as 'sea'"):
        combine([more, scores(A)])
    got = combine([more, scores(A)], only="common")
    assert got.tags == ("dog", "rain")
    assert got.facts["ensemble"]["left out"] == {"rows": [0, 0], "tags": ["sea"]}
    with pytest.raises(ScoresError, match="no tag is known to all 2 members"):
        combine([scores(A), scores(B, tags=("x", "y"))], only="common")


@pytest.mark.parametrize("only", ["same", "common"])
def test_duplicated_rows(only):
    twice = scores([*B, B[1]], ["a", "b", "c", "b"])
    with pytest.raises(
        ScoresError, match="member 2: the clip b at 0 s has several rows: it is not known which one counts"
    ):
        combine([scores(A), twice], only=only)


def test_no_rows():
    empty = scores(np.zeros((0, 2)))
    with pytest.raises(ScoresError, match="no clip has scores of all 2 members"):
        combine([empty, empty])


def test_a_start_that_is_no_number():
    with pytest.raises(ScoresError, match="member 1: the start of row 1 is no number"):
        combine([scores(A, start=[0, math.nan, 0])])


# The search for weights

LEFT, RIGHT = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], [[0.3, 0.7], [0.6, 0.4], [0.9, 0.1]]


def test_two_that_err_apart():
    """Each has two of three right, their mean has all: the first comes in, then the second, and more adds nothing."""
    found = search_weights([scores(LEFT), scores(RIGHT)], TRUTH, metrics.accuracy, rounds=5)
    assert [(step.member, round(step.value, 4)) for step in found.path[:2]] == [(0, 0.6667), (1, 1.0)]
    assert found.counts == (1, 1)
    assert found.weights == (0.5, 0.5)
    assert found.value == 1
    told = found.as_dict()
    assert told["note"] == OPTIMISTIC
    assert len(told["path"]) == 5


def test_a_member_that_only_harms_gets_no_weight():
    worse = scores([[0.1, 0.9]] * 3)
    found = search_weights([worse, scores(LEFT), scores(RIGHT)], TRUTH, metrics.accuracy)
    assert found.counts == (0, 1, 1)


def test_with_replacement():
    """The second errs once by much: only two parts of the first to one of it have all right.

    Clip a: (2 · 0.9 + 0) / 3 = 0.6; clip b: (2 · 0.4 + 0.9) / 3 = 0.567; one part each gives a 0.45.
    """
    first, second = scores([[0.9, 0.1], [0.4, 0.6]]), scores([[0.0, 1.0], [0.9, 0.1]])
    found = search_weights([first, second], TRUTH[:2], metrics.accuracy, rounds=6)
    assert found.counts == (2, 1)
    assert found.value == 1


def test_greedy_is_as_good_as_every_weight_in_a_small_case():
    """Against all weights on a grid of tenths, where they are within reach of the rounds."""
    generator = np.random.default_rng(3)
    truth = np.eye(4, dtype=bool)[generator.integers(0, 4, 60)]
    members = [scores_of(truth, generator, noise) for noise in (1.0, 1.3, 1.6)]
    found = search_weights(members, truth, metrics.mean_average_precision, rounds=40)
    grid = [w for w in itertools.product(range(11), repeat=3) if sum(w) == 10]
    best = max(metrics.mean_average_precision(combine(members, weights=weights).values, truth) for weights in grid)
    assert found.value >= best - 0.002
    assert found.value >= max(metrics.mean_average_precision(m.values, truth) for m in members)
    own = metrics.mean_average_precision(combine(members, weights=found.counts).values, truth)
    assert own == pytest.approx(found.value, abs=1e-6)
    assert found == search_weights(members, truth, metrics.mean_average_precision, rounds=40)


def scores_of(truth, generator, noise: float) -> Scores:
    logits = truth + noise * generator.standard_normal(truth.shape)
    ids = [f"clip {i}" for i in range(len(truth))]
    tags = tuple(f"tag {i}" for i in range(truth.shape[1]))
    values = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return scores(values, ids, tags)


@pytest.mark.parametrize("rule", ["arithmetic", "geometric", "rank"])
def test_the_search_goes_by_the_rule(rule):
    generator = np.random.default_rng(5)
    truth = np.eye(3, dtype=bool)[generator.integers(0, 3, 30)]
    members = [scores_of(truth, generator, noise) for noise in (1.0, 1.2)]
    found = search_weights(members, truth, metrics.mean_auc, rule, task="one", rounds=9)
    again = combine(members, rule, found.weights, task="one")
    assert metrics.mean_auc(again.values, truth) == pytest.approx(found.value, abs=1e-6)


def test_weights_that_the_other_folds_chose():
    """Fold 1 is right in the first member alone, fold 2 in the second alone: each is given the other's weights."""
    truth = np.array([[True, False]] * 4)
    good, bad = [[0.9, 0.1], [0.8, 0.2]], [[0.2, 0.8], [0.1, 0.9]]
    members = [scores(good + bad), scores(bad + good)]
    crossed = search_across(members, truth, ["1", "1", "2", "2"], metrics.accuracy, rounds=3)
    assert crossed.counts == {"1": (0, 1), "2": (1, 0)}
    assert crossed.value == 0
    close(crossed.scores, bad + bad)
    assert search_weights(members, truth, metrics.accuracy).value == 0.5
    with pytest.raises(ScoresError, match="1 fold for 4 clips"):
        search_across(members, truth, ["1"] * 4, metrics.accuracy)


def test_searches_that_cannot_be():
    members = [scores(LEFT), scores(RIGHT)]
    with pytest.raises(ScoresError, match="rounds is 0"):
        search_weights(members, TRUTH, metrics.accuracy, rounds=0)
    with pytest.raises(
        ScoresError, match=r"truth is bool of the shape \(2, 2\); these scores need bool of the shape \(3, 2\)"
    ):
        search_weights(members, TRUTH[:2], metrics.accuracy)
    with pytest.raises(ScoresError, match="truth is int64"):
        search_weights(members, TRUTH.astype(np.int64), metrics.accuracy)
    with pytest.raises(ScoresError, match="the metric has no value"):
        search_weights(members, TRUTH, metrics.mean_auc)


# Agreement


def test_who_answers_like_whom():
    """Of four clips: both right on a, only the first on b, only the second on c, neither on d (one undecided)."""
    truth = np.array([[True, False]] * 4)
    one = scores([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.5, 0.5]])
    two = scores([[0.7, 0.3], [0.1, 0.9], [0.6, 0.4], [0.2, 0.8]])
    told = agreement([one, two], truth, metrics.accuracy, names=["net", "tree"], metric_name="accuracy")
    (pair,) = told.pairs
    assert (pair.a, pair.b) == ("net", "tree")
    assert (pair.alike, pair.both, pair.only_a, pair.only_b, pair.neither) == (0.25, 0.25, 0.25, 0.25, 0.25)
    assert pair.correlation == pytest.approx(np.corrcoef(one.values.ravel(), two.values.ravel())[0, 1])
    # means: a 0.8, b 0.45, c 0.45, d 0.35
    assert told.value == 0.25
    assert [(part.alone, part.without, part.gain) for part in told.parts] == [(0.5, 0.5, -0.25)] * 2
    text = told.text().splitlines()
    assert text[0].split() == [
        "A",
        "B",
        "alike",
        "both",
        "right",
        "only",
        "A",
        "only",
        "B",
        "both",
        "wrong",
        "correlation",
    ]
    assert text[1].split()[:4] == ["net", "tree", "25.0", "%"]
    assert text[4].split() == ["net", "0.500", "0.5000", "0.5000", "-0.2500"]
    assert told.as_dict()["pairs"][0]["only_a"] == 0.25


def test_a_weaker_member_that_helps():
    """Alone it has one of three right and the others two; with it all three are right."""
    weak = scores([[0.4, 0.6], [0.4, 0.6], [0.95, 0.05]])
    strong = scores([[0.7, 0.3], [0.7, 0.3], [0.2, 0.8]])
    told = agreement([strong, weak], TRUTH, metrics.accuracy)
    assert [part.alone for part in told.parts] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert told.parts[1].gain == pytest.approx(1 / 3)


def test_agreement_without_truth_and_of_many_tags():
    one, two = scores([[0.9, 0.6], [0.2, 0.1]]), scores([[0.7, 0.4], [0.3, 0.1]])
    (pair,) = agreement([one, two], task="many").pairs
    assert pair.alike == 0.5  # {dog, rain} and {dog}; none and none
    assert pair.both is None
    assert "both right" not in agreement([one, two], task="many").text()
    (pair,) = agreement([one, scores([[0.5, 0.5]] * 2)], task="one").pairs
    assert pair.correlation is None
    assert pair.alike == 0  # undecided is like no other answer


def test_agreement_by_the_weights():
    told = agreement([scores(LEFT), scores(RIGHT)], TRUTH, metrics.accuracy, weights=[1, 0])
    assert told.parts[0].without is None  # nothing is left without it
    assert told.parts[1].gain == 0


def test_agreements_that_cannot_be():
    with pytest.raises(ScoresError, match="two members at least"):
        agreement([scores(A)])
    with pytest.raises(ScoresError, match="the clip a has 2 tags: task one needs exactly 1"):
        agreement([scores(A), scores(B)], np.ones((3, 2), bool), metrics.accuracy)
