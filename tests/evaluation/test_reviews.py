"""Reviews: what is chosen, tables as spreadsheets save them, the precision that answers tell, and the curve of scores."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from tests.program import earmark

from earmark.errors import ScoresError
from earmark.evaluation.reviews import answers, choosing, curve, precision
from earmark.evaluation.reviews.found import events_of, recordings_of
from earmark.metrics import shares
from earmark.models import loading
from earmark.scores import Event


def found(seed: int = 0, tags=("dog", "owl"), recordings: int = 10, each: int = 20) -> dict[str, list[Event]]:
    chance = np.random.default_rng(seed)
    return {
        f"{n}.wav": [
            Event(float(i), i + 0.5, tags[i % len(tags)], round(float(chance.uniform(0.3, 1)), 6)) for i in range(each)
        ]
        for n in range(recordings)
    }


def test_half_the_highest_a_quarter_near_the_threshold_a_quarter_at_random():
    events = found()
    picked = choosing.pick(events, 60, thresholds=0.5)
    assert Counter(each.chosen for each in picked) == {choosing.HIGHEST: 30, choosing.NEAR: 15, choosing.RANDOM: 15}
    assert Counter(each.event.tag for each in picked)["dog"] in (29, 30, 31)
    assert len({(each.recording, each.event) for each in picked}) == 60
    assert picked == choosing.pick(events, 60, thresholds=0.5) != choosing.pick(events, 60, thresholds=0.5, seed=1)
    sure = [each for each in picked if each.chosen != choosing.RANDOM]
    assert all(each.probability == 1 and each.of_tag == 100 for each in sure)
    for tag in ("dog", "owl"):
        drawn = [each for each in picked if each.chosen == choosing.RANDOM and each.event.tag == tag]
        rest = 100 - sum(each.event.tag == tag for each in sure)
        assert all(each.probability == len(drawn) / rest for each in drawn)
        # of each recording its best before any has its second
        best = [each for each in sure if each.event.tag == tag and each.chosen == choosing.HIGHEST]
        assert max(Counter(each.recording for each in best).values()) == 2
        tops = {name: max(e.score for e in heard if e.tag == tag) for name, heard in events.items()}
        assert {each.event.score for each in best} >= set(tops.values())
        near = [abs(each.event.score - 0.5) for each in sure if each.chosen == choosing.NEAR and each.event.tag == tag]
        assert max(near) < 0.1


def test_the_quarter_near_the_threshold_is_of_both_sides_where_candidates_are_given(tmp_path):
    """By hand: of 12 for one tag six have the highest scores, three lie nearest to 0.5, of which two were not told."""
    events = {"a.wav": [Event(n, n + 0.5, "dog", 0.6 + n / 50) for n in range(20)]}
    low = {"a.wav": [Event(30 + n, 30.5 + n, "dog", score) for n, score in enumerate((0.45, 0.43, 0.35, 0.3))]}
    picked = choosing.pick(events, 12, thresholds={"dog": 0.5}, candidates=low)
    assert Counter(each.chosen for each in picked) == {
        choosing.HIGHEST: 6,
        choosing.BELOW: 2,
        choosing.NEAR: 1,
        choosing.RANDOM: 3,
    }
    below = [each for each in picked if each.chosen == choosing.BELOW]
    assert sorted(each.event.score for each in below) == pytest.approx([0.43, 0.45])
    assert {each.of_tag for each in below} == {4} and {each.of_tag for each in picked if each not in below} == {20}
    assert len(choosing.pick({}, 12, candidates=low)) == 4  # where nothing was told, what was nearly told
    # they are read back, and say nothing of how many events are right
    (tmp_path / "r.csv").write_text(answers.table(picked))
    reviews = answers.read(tmp_path / "r.csv")
    assert [review.picked for review in reviews] == picked
    told = [replace(each, answer="wrong" if each.picked.chosen == choosing.BELOW else "right") for each in reviews]
    (dog, _) = precision.of_tags(told)
    assert (dog.events, dog.reviewed, dog.answers["wrong"]) == (20, 10, 0)


def test_rare_tags_are_chosen_whole_and_leave_their_share_to_others():
    events = {"a.wav": [Event(n, n + 0.5, "common", 0.5 + n / 1000) for n in range(100)] + [Event(0, 1, "rare", 0.4)]}
    picked = choosing.pick(events, 40)
    assert Counter(each.event.tag for each in picked) == {"common": 39, "rare": 1}
    few = choosing.pick({"a.wav": [Event(0, 1, "x", 0.5), Event(1, 2, "x", 0.6)]}, 60)
    assert len(few) == 2
    assert {each.event.tag for each in choosing.pick(events, 10, tags=["rare"])} == {"rare"}
    with pytest.raises(ScoresError, match="no event is of 'cat': those found are of common, rare"):
        choosing.pick(events, tags=["cat"])
    with pytest.raises(ScoresError, match="there is no event in 1 recording"):
        choosing.pick({"a.wav": []})
    with pytest.raises(ScoresError, match="2 events to listen to: give 4 or more"):
        choosing.pick(events, 2)


HEAD = ",".join(answers.COLUMNS) + "\n"


def row(
    answer="", tag="dog", right_tag="", onset="", offset="", chosen="random", at="1.0", probability="0.5", of_tag="20"
):
    return f"c.wav,a.wav,{at},{float(at) + 1},{tag},0.75,{answer},{right_tag},{onset},{offset},{chosen},{probability},{of_tag},,\n"


def test_what_is_written_is_read_back(tmp_path):
    picked = choosing.pick(found(), 60)
    (tmp_path / "r.csv").write_text(answers.table(picked))
    reviews = answers.read(tmp_path / "r.csv")
    assert [review.picked for review in reviews] == picked and {review.answer for review in reviews} == {None}


def test_answers(tmp_path):
    rows = [
        row("right", at="0"), row("WRONG", at="2"), row("other", right_tag="fox", at="4"), row(right_tag="fox", at="6"),
        row("moved", onset="8.5", at="8"), row("y", offset="10.25", at="10"), row("?", at="12"), row("", at="14"), row("0", at="16"),
        row("wrong", right_tag="fox", at="18"), row("right", right_tag="dog", at="20"),
    ]  # fmt: skip
    (tmp_path / "r.csv").write_text(HEAD + "".join(rows))
    told = [(review.answer, review.truth) for review in answers.read(tmp_path / "r.csv")]
    assert told == [
        ("right", Event(0, 1, "dog")), ("wrong", None), ("other", Event(4, 5, "fox")), ("other", Event(6, 7, "fox")),
        ("moved", Event(8.5, 9, "dog")), ("moved", Event(10, 10.25, "dog")), (None, None), (None, None), ("wrong", None),
        ("other", Event(18, 19, "fox")), ("right", Event(20, 21, "dog")),
    ]  # fmt: skip


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", ",")])
def test_tables_of_spreadsheets(separator, decimal, tmp_path):
    plain = HEAD + row("right", at="1.5") + row("Wrong", at="3.5")
    lines = []
    for line in plain.splitlines():
        cells = [cell.replace(".", decimal) if cell[:1].isdigit() else cell for cell in line.split(",")]
        lines.append(separator.join([*cells, "", "a note"]))
    (tmp_path / "r.csv").write_bytes(("\r\n".join([*lines, separator * 15]) + "\r\n").encode("utf-8-sig"))
    told = answers.read(tmp_path / "r.csv")
    assert [(r.picked.event.onset, r.picked.probability, r.answer) for r in told] == [
        (1.5, 0.5, "right"),
        (3.5, 0.5, "wrong"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD + row() + row("maybe", at="3"), "line 3: the answer is 'maybe': give right, wrong, other or moved"),
        (HEAD + row("other"), "line 2: the answer is other: name in right_tag what it is"),
        (HEAD + row("moved"), "line 2: the answer is moved: give right_onset, right_offset or both"),
        (HEAD + row("right", right_tag="fox"), "line 2: the answer is right, and right_tag is 'fox': take one out"),
        (HEAD + row("moved", onset="5"), "line 2: the right edges go from 5 to 2 s"),
        # as a player of its clip shows them
        (
            HEAD + row("moved", onset="1.0", offset="3.0", at="79.2"),
            "edges, 1 to 3 s, do not touch the event, 79.2 to 80.2 s",
        ),
        (HEAD + row("right", onset="81", offset="83", at="79.2"), "edges, 81 to 83 s, do not touch the event"),
        (
            HEAD + row("other", right_tag="fox", onset="1", offset="3", at="79.2"),
            "edges, 1 to 3 s, do not touch the event",
        ),
        (HEAD + row("moved", onset="soon"), "line 2: right_onset is 'soon': give a number"),
        (
            HEAD + row(chosen="by me"),
            "line 2: chosen is 'by me': highest, near the threshold, random or below the threshold",
        ),
        (HEAD + row(probability="0"), "line 2: probability is above 0, up to 1"),
        (HEAD + row() + row(), "line 3 is the event of line 2 again: it would count twice"),
        # with the score of another hearing
        (HEAD + row() + row().replace("0.75", "0.5"), "line 3 is the event of line 2 again: it would count twice"),
        (HEAD + row("other", right_tag="ow\0l"), r"line 2: right_tag is 'ow\x00l', with a control character (0x00)"),
        (HEAD + row(right_tag='"ow\nl"'), r"line 3: right_tag is 'ow\nl', with a control character (0x0A) that files"),
        (
            HEAD + row("wrong", right_tag="ow\tl"),
            "with a control character (0x09) that files of events cannot tell: leave it",
        ),
        ("a,b\n1,2\n", "has no column 'recording'"),
        (HEAD.replace("answer", "answr") + row(), "has no column 'answer', did you mean 'answr'?"),
        (HEAD + "".join(row("x", at=str(n)) for n in range(8)), "and 3 lines more. Correct them"),
    ],
)
def test_errors_are_told_by_line(content, said, tmp_path):
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(ScoresError) as error:
        answers.read(tmp_path / "r.csv")
    assert said in str(error.value)


def test_reviews_of_the_page(tmp_path):
    """Their columns are those of `earmark.serve.judging.COLUMNS`; how many events there were they do not tell."""
    rows = "recording,onset,offset,tag,score,answer,other,drawn,time\n"
    rows += "a.wav,1.0,2.0,dog,0.9,right,,surest,x\na.wav,3.0,4.0,dog,0.5,other,fox,doubtful,x\na.wav,5.0,6.0,dog,0.7,unsure,,random,x\n"
    (tmp_path / "r.csv").write_text(rows)
    told = answers.read(tmp_path / "r.csv")
    assert [(r.answer, r.picked.chosen, r.truth) for r in told] == [
        ("right", "highest", Event(1, 2, "dog")), ("other", "near the threshold", Event(3, 4, "fox")), (None, "random", None),
    ]  # fmt: skip
    one, whole = precision.of_tags(told)
    assert one.reviewed == 2 and math.isnan(one.precision.value) and math.isnan(whole.precision.value)
    assert "how many events there were" in earmark("review", "--summary", tmp_path / "r.csv").stderr


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "r.csv").write_bytes((HEAD + row("right", tag="Mücke")).encode("latin-1"))
    with pytest.raises(ScoresError, match="line 2 is not UTF-8"):
        answers.read(tmp_path / "r.csv")


def reviews(*told: tuple[str, str | None, str], of_tag: int) -> list[answers.Review]:
    """(tag, answer, chosen) each."""
    return [
        answers.Review(choosing.Picked("a.wav", Event(n, n + 1, tag, 0.5), chosen, 1.0, of_tag), answer, None, n + 2)
        for n, (tag, answer, chosen) in enumerate(told)
    ]


def test_a_precision_worked_by_hand():
    """20 events: 4 sure, of which 3 are right; of the 16 others 4 were drawn, and 2 of these are right: (3 + 16 · 2/4) / 20."""
    told = [("dog", "right", "highest")] * 2 + [("dog", "moved", "near the threshold"), ("dog", "other", "highest")]
    told += [("dog", answer, "random") for answer in ("right", "right", "wrong", "wrong", None)]
    one, whole = precision.of_tags(reviews(*told, of_tag=20))
    low, high = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert one.precision.value == pytest.approx(11 / 20)
    assert (one.precision.low, one.precision.high) == pytest.approx(((3 + 16 * low) / 20, (3 + 16 * high) / 20))
    assert (one.events, one.reviewed, one.random, one.unanswered) == (20, 8, 4, 1)
    assert one.answers == {"right": 4, "wrong": 2, "other": 1, "moved": 1}
    assert one.among == {"highest": (2, 3), "near the threshold": (1, 1), "random": (2, 4)}
    assert whole.precision.value == pytest.approx(11 / 20) and whole.tag == ""


def test_what_was_heard_in_full_has_no_interval_and_what_was_not_has_no_value():
    (one, _) = precision.of_tags(reviews(("dog", "right", "highest"), ("dog", "wrong", "random"), of_tag=2))
    assert (one.precision.value, one.precision.low, one.precision.high) == (0.5, 0.5, 0.5)
    (one, whole) = precision.of_tags(reviews(("dog", "right", "highest"), ("dog", None, "random"), of_tag=9))
    assert math.isnan(one.precision.value) and math.isnan(whole.precision.value)


OPEN = [("dog", "right", "highest"), ("dog", "wrong", "highest"), ("owl", "right", "highest")]


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        # by hand, of 4 events: the dogs and the owl were heard, 2 of 3 are right, and nobody heard the fourth: 2/4 or 3/4
        (OPEN, (2 / 4, 3 / 4)),
        # and of a fox, asked of and left open, the same
        ([*OPEN, ("fox", None, "random")], (2 / 4, 3 / 4)),
        ([("owl", "wrong", "highest")], (0, 3 / 4)),
        ([("owl", "right", "highest")], (1 / 4, 1)),
    ],
)
def test_what_nobody_heard_leaves_the_whole_open(told, limits, tmp_path):
    """Whichever tags were chosen: neither a value, nor limits that say more than is known. So does the table, read back."""
    counts = {"dog": 2, "owl": 1, "fox": 1}
    picked = [
        choosing.Picked("a.wav", Event(n, n + 1, tag, 0.5), chosen, 1.0, counts[tag], None, 4)
        for n, (tag, _, chosen) in enumerate(told)
    ]
    given = [
        answers.Review(each, said, None, n + 2) for n, (each, (_, said, _)) in enumerate(zip(picked, told, strict=True))
    ]
    (tmp_path / "r.csv").write_text(answers.table(picked, known={answers.key_of(each.picked): each for each in given}))
    for reviews in (given, answers.read(tmp_path / "r.csv")):
        whole = precision.of_tags(reviews)[-1]
        assert (whole.events, whole.left_out) == (4, 4 - sum({t: counts[t] for t, *_ in told}.values()))
        assert math.isnan(whole.precision.value)
        assert (whole.precision.low, whole.precision.high) == pytest.approx(limits)


def test_limits_of_what_nobody_heard_are_added_to_an_interval():
    """By hand: 20 dogs as above, 11/20 in an interval of its own, and 20 owls, from none of which to all are right."""
    told = [("dog", "right", "highest")] * 3 + [("dog", "wrong", "highest")]
    told += [("dog", answer, "random") for answer in ("right", "right", "wrong", "wrong")]
    alone = reviews(*told, of_tag=20)
    all_of_them = [replace(each, picked=replace(each.picked, of_all=40)) for each in alone]
    (dog, _), (_, whole) = precision.of_tags(alone), precision.of_tags(all_of_them)
    assert (whole.precision.low, whole.precision.high) == pytest.approx(
        (dog.precision.low / 2, dog.precision.high / 2 + 1 / 2)
    )
    assert precision.of_tags(alone)[-1].left_out is None  # a table of before does not tell it
    with pytest.raises(
        ScoresError, match="40 events in all .of_all., line 6 that there were 0: this is not one choice"
    ):
        precision.of_tags(all_of_them[:4] + alone[4:])


def test_no_interval_says_what_answers_rule_out():
    """4 of 5 others were heard, and all are right: 4/5 of them at least are, which Wilson's interval alone would not tell."""
    (dog, _) = precision.of_tags(reviews(*[("dog", "right", "random")] * 4, of_tag=5))
    assert (dog.precision.low, dog.precision.high) == (4 / 5, 1)
    (dog, _) = precision.of_tags(reviews(*[("dog", "wrong", "random")] * 4, of_tag=5))
    assert (dog.precision.low, dog.precision.high) == (0, 1 / 5)


def test_a_choice_tells_of_the_tags_that_it_leaves_out(tmp_path):
    """A few of many tags: what the command tells of all holds the others, and what is chosen by --tag is of that tag."""
    heard = {"a.wav": [Event(n, n + 0.5, tag, 0.5 + n / 50) for n, tag in enumerate("abcdefgh")]}
    picked = choosing.pick(heard, 4)
    assert {each.of_all for each in picked} == {8} and len({each.event.tag for each in picked}) == 4
    assert {each.of_all for each in choosing.pick(heard, 4, tags=["a", "b"])} == {2}
    more, _ = answers.carried(choosing.pick(heard, 4, tags=["a", "b"]), [
        answers.Review(each, "right", None, 2) for each in picked
    ], heard, ["a", "b"])  # fmt: skip
    assert {each.of_all for each in more} == {len({"a", "b", *(each.event.tag for each in picked)})}
    table = tmp_path / "r.csv"
    table.write_text(
        answers.table(picked, known={answers.key_of(p): answers.Review(p, "right", None, 2) for p in picked})
    )
    told = earmark("review", "--summary", table)
    (line,) = [line.split() for line in told.stdout.splitlines() if line.split()[:1] == ["all"]]
    assert line[1] == "8" and line[-3:] == ["–", "0.500", "1.000"]
    assert "4 events are of tags of which none was chosen" in told.stderr


def test_the_precision_is_honest():
    """Over 300 choices of 60 among 400 events, high scores mostly right: the mean is the true precision, whose interval holds it."""
    chance = np.random.default_rng(1)
    events = found(recordings=20, each=20)
    right = {(name, e): chance.random() < e.score**3 for name, heard in events.items() for e in heard}
    true = np.mean(list(right.values()))
    values, held, highest = [], 0, []
    for seed in range(300):
        picked = choosing.pick(events, 60, seed=seed)
        told = [answers.Review(p, "right" if right[p.recording, p.event] else "wrong", None, 0) for p in picked]
        whole = precision.of_tags(told)[-1]
        values.append(whole.precision.value)
        held += whole.precision.low <= true <= whole.precision.high
        highest.append(np.mean([r.right for r in told if r.picked.chosen == choosing.HIGHEST]))
    assert np.mean(values) == pytest.approx(true, abs=4 * np.std(values) / math.sqrt(300))
    assert held / 300 > 0.93
    assert np.mean(highest) > true + 0.2  # what was chosen for its score would flatter


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (9, 10), (1, 3), (50, 200)])
def test_shares(right, count):
    low, high = stats.binomtest(right, count).proportion_ci(method="wilson")
    figure = shares.wilson(right, count)
    assert (figure.value, figure.low, figure.high) == pytest.approx((right / count, low, high), abs=1e-12)


@pytest.mark.parametrize("count", [0, 1, 5, 50])
def test_rates(count):
    """The exact interval of a Poisson count (Garwood 1936), which Byar's comes near to."""
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    high = stats.chi2.ppf(0.975, 2 * count + 2) / 2
    figure = shares.poisson(count, 2.0)
    assert figure.value == count / 2
    assert (figure.low, figure.high) == pytest.approx((low / 2, high / 2), abs=0.03)


def drawn(count: int, seed: int = 0, intercept: float = -1.0, slope: float = 1.5):
    chance = np.random.default_rng(seed)
    scores = chance.uniform(0.05, 0.95, count)
    p = 1 / (1 + np.exp(-(intercept + slope * np.log(scores / (1 - scores)))))
    return scores, chance.random(count) < p


def test_the_curve_is_that_of_scikit_learn_where_there_are_many():
    scores, right = drawn(5000)
    told = curve.fitted(scores, right)
    model = LogisticRegression(C=1e9, tol=1e-9).fit(curve.logit(scores)[:, None], right)
    assert (told.intercept, told.slope) == pytest.approx((model.intercept_[0], model.coef_[0, 0]), abs=2e-3)


def test_few_or_parted_reviews_have_a_curve_too():
    """Of one score the share alone is told: Firth's is (r + 1/2) / (n + 1)."""
    told = curve.fitted(np.full(20, 0.7), np.arange(20) < 17)
    assert told.at(0.7).value == pytest.approx(17.5 / 21, abs=1e-6)
    parted = curve.fitted(np.linspace(0.1, 0.9, 20), np.arange(20) >= 10)
    assert (
        np.isfinite([parted.intercept, parted.slope]).all() and parted.at(0.9).value > 0.9 > 0.1 > parted.at(0.1).value
    )
    assert 0.5 < parted.threshold(0.9) < 0.9
    every = curve.fitted(np.linspace(0.5, 0.9, 30), np.ones(30, bool))
    assert every.at(0.5).value == every.at(0.9).value == pytest.approx(30.5 / 31, abs=1e-6)


def test_the_interval_holds_the_true_probability():
    held = 0
    for seed in range(200):
        figure = curve.fitted(*drawn(60, seed)).at(0.7)
        true = 1 / (1 + math.exp(-(-1 + 1.5 * math.log(0.7 / 0.3))))
        held += figure.low <= true <= figure.high
    assert held / 200 > 0.92


def test_thresholds_of_a_precision():
    told = curve.fitted(*drawn(5000))
    threshold = told.threshold(0.9)
    assert told.at(threshold).value == pytest.approx(0.9)
    assert told.threshold(0.9999) is None
    assert told.threshold(0.001) == told.low
    falling = curve.fitted(*drawn(500, slope=-1.0))
    assert falling.threshold(0.99) is None and falling.slope == 0


@pytest.mark.parametrize("count", [20, 30, 60])
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_where_nearly_all_are_right_everything_that_was_reviewed_is_told(count, wrong):
    """No higher threshold is better there than the lowest: the penalty alone would let the curve fall, and nothing reach the goal."""
    scores = np.sort(np.random.default_rng(count).uniform(0.6, 1, count))
    right = np.ones(count, bool)
    right[count - wrong :] = False
    told = curve.fitted(scores, right)
    assert told.threshold(0.5) == told.low
    assert told.threshold(0.9) == (told.low if (right.sum() + 0.5) / (count + 1) >= 0.9 else None)
    # wrong ones at the bottom raise it above them, and not into the upper half
    assert curve.fitted(scores, right[::-1]).threshold(0.9) < np.median(scores)


def test_of_a_curve_that_does_not_rise():
    """Higher scores are no better there: the share of right ones is that at any score."""
    scores, right = drawn(500, slope=-1.0)
    told = curve.fitted(scores, right)
    assert told.at(0.2).value == told.at(0.8).value == pytest.approx((right.sum() + 0.5) / 501, abs=1e-6)


def test_few_reviews_have_no_curve():
    with pytest.raises(ScoresError, match="19 reviews are too few to tell .* 20 are needed"):
        curve.fit(reviews(*[("dog", "right", "random")] * 19, ("dog", None, "random"), of_tag=100))


def test_recordings_are_found_by_their_names():
    there = [Path("n/a.wav"), Path("s/a.wav"), Path("s/b.flac")]
    assert recordings_of(["n/a.wav", "b"], there) == {"n/a.wav": there[0], "b": there[2]}
    assert recordings_of(["n/a.wav", "other/b.flac"], there) == {"n/a.wav": there[0], "other/b.flac": there[2]}
    with pytest.raises(ScoresError, match="'a.wav' is the name of 2 recordings, such as n/a.wav and s/a.wav"):
        recordings_of(["a.wav"], there)
    with pytest.raises(ScoresError, match="1 recording is not among the 3 that are there, such as 'c.wav'"):
        recordings_of(["c.wav"], there)


@pytest.fixture
def heard(tmp_path) -> Path:
    text = "filename,onset,offset,event_label,score\n"
    for name, events in found(recordings=4).items():
        text += "".join(f"{name},{e.onset},{e.offset},{e.tag},{e.score}\n" for e in events)
    (tmp_path / "events.csv").write_text(text)
    return tmp_path / "events.csv"


def test_the_command_from_choice_to_precision(heard, tmp_path):
    out = tmp_path / "review.csv"
    told = earmark("review", heard, "-n", "40", "-o", out)
    assert (
        told.returncode == 0
        and "40 of 80 events to listen to: 20 highest, 10 near the threshold, 10 random" in told.stderr
    )
    assert events_of(heard.parent) == events_of(heard)
    assert earmark("review", heard, "-n", "40", "-o", out).returncode == 0  # nothing is answered yet
    lines = out.read_text().splitlines()
    filled = [lines[0]] + [line.replace(",,,,,", ",right,,,,", 1) for line in lines[1:]]
    out.write_text("\n".join(filled) + "\n")
    again = earmark("review", heard, "-o", out)
    assert again.returncode == 2 and "holds something else than --out writes" in again.stderr  # answers are work
    summed = earmark("review", "--summary", out)
    assert summed.returncode == 0
    assert summed.stdout.splitlines()[-1].split("\t")[:8] == ["all", "80", "40", "40", "0", "0", "0", "10"]
    calibrated = earmark(
        "calibrate", "esc10", "--reviews", out, "--precision", "0.9", "--out", tmp_path / "t.safetensors"
    )
    assert (
        calibrated.returncode == 2 and "the reviews are of 'owl', which this tagger does not know" in calibrated.stderr
    )


def test_what_was_answered_before_is_not_asked_again(heard, tmp_path):
    """Every kind of answer, in a table that asks for more; those that are not chosen any more stay, and count for themselves."""
    first, more = tmp_path / "first.csv", tmp_path / "more.csv"
    assert earmark("review", heard, "-n", "20", "-o", first, "--seed", "1").returncode == 0
    rows = list(csv.DictReader(first.read_text().splitlines()))
    kinds = [
        ("right", {}),
        ("wrong", {}),
        ("other", {"right_tag": "fox"}),
        ("moved", {"right_onset": "0.25"}),
        ("", {}),
    ]
    for n, each in enumerate(rows):
        answer, others = kinds[n % 5]
        each |= {
            "answer": answer,
            **(others if answer != "moved" else {"right_offset": str(float(each["offset"]) + 0.5)}),
        }
    with first.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    told = earmark("review", heard, "-n", "40", "-o", more, "--seed", "2", "--answered", first)
    assert told.returncode == 0, told.stderr
    before = {answers.key_of(each.picked): each for each in answers.read(first) if each.answer is not None}
    now = {answers.key_of(each.picked): each for each in answers.read(more)}
    chosen = {answers.key_of(each) for each in choosing.pick(events_of(heard), 40, seed=2)}
    assert len(before) == 16 and set(now) == chosen | set(before)
    for key, each in now.items():
        kept = before.get(key)
        assert (each.answer, each.truth) == ((kept.answer, kept.truth) if kept else (None, None))
        assert (each.picked.chosen == "") == (key not in chosen) and each.picked.of_tag == 40
    left = len(chosen - set(before))
    assert [each.answer is None for each in now.values()] == [True] * left + [
        False
    ] * 16  # what is left to do comes first
    assert (
        f"{len(chosen) - left} of them were, and {len(now) - 40} more were answered before: {left} are left"
        in told.stderr
    )
    second = tmp_path / "second.csv"
    second.write_text(first.read_text().replace(",right,", ",wrong,", 1))
    odds = earmark("review", heard, "-o", tmp_path / "n.csv", "--answered", first, "--answered", second)
    assert odds.returncode == 2 and "take one of these answers out" in odds.stderr


def test_the_precision_is_honest_where_answers_are_carried_over():
    """Over 300 choices of 20, then of 60 with these answers: the mean is the true precision, whose interval holds it."""
    chance = np.random.default_rng(1)
    events = found(recordings=20, each=20)
    right = {(name, e): chance.random() < e.score**3 for name, heard in events.items() for e in heard}
    true = np.mean(list(right.values()))
    values, held = [], 0
    for seed in range(300):

        def answered(picked):
            return [answers.Review(p, "right" if right[p.recording, p.event] else "wrong", None, 0) for p in picked]

        picked, known = answers.carried(
            choosing.pick(events, 60, seed=seed), answered(choosing.pick(events, 20, seed=seed))
        )
        assert len(known) == 20 and 60 < len(picked) < 80
        whole = precision.of_tags(answered(picked))[-1]
        values.append(whole.precision.value)
        held += whole.precision.low <= true <= whole.precision.high
    assert np.mean(values) == pytest.approx(true, abs=4 * np.std(values) / math.sqrt(300))
    assert held / 300 > 0.93


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a file of events, or a job's folder, to choose from; or --summary"),
        (["{heard}", "--clips", "c"], "--clips c: say with --recordings where the recordings are"),
        (["--summary", "{heard}", "-o", "x.csv"], "is told on stdout"),
        (["{folder}/none"], "cannot be read"),
    ],
)
def test_what_does_not_go_together_is_refused(words, said, heard):
    told = earmark("review", *(word.format(heard=heard, folder=heard.parent) for word in words))
    assert told.returncode == 2 and said in told.stderr


@pytest.fixture(scope="module")
def esc10() -> str:
    return loading.load("esc10").identity()


def job(folder: Path, tagger: str, seed: int = 0) -> Path:
    """As `earmark events --job` leaves it."""
    text = "filename,onset,offset,event_label,score\n"
    for name, events in found(seed, tags=("dog", "rain"), recordings=4).items():
        text += "".join(f"{name},{e.onset},{e.offset},{e.tag},{e.score}\n" for e in events)
    folder.mkdir()
    (folder / "events.csv").write_text(text)
    told = {"job": 1, "earmark": "0", "told": {"command": "events", "tagger": tagger}}
    (folder / "journal.jsonl").write_text(json.dumps(told) + "\n")
    return folder


def answered(table: Path, answer: str = "right") -> Path:
    rows = list(csv.DictReader(table.read_text().splitlines()))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(each | {"answer": answer} for each in rows)
    return table


@pytest.mark.parametrize("whose", ["its own", "another", "nobody knows"])
def test_scores_of_another_tagger_are_taken_by_nothing_that_takes_scores(whose, esc10, tmp_path):
    """The job tells the tagger, the table keeps it; what does not tell it is taken, and said."""
    found_by = esc10 if whose == "its own" else "0123456789ab"
    heard, table, out = job(tmp_path / "job", found_by), tmp_path / "r.csv", tmp_path / "t.safetensors"
    source = heard
    if whose == "nobody knows":
        source = tmp_path / "events.csv"
        source.write_bytes((heard / "events.csv").read_bytes())
    assert earmark("review", source, "-n", "50", "-o", table).returncode == 0
    assert {each.picked.tagger for each in answers.read(answered(table))} == {
        None if whose == "nobody knows" else found_by
    }
    mine = job(tmp_path / "mine", esc10)
    runs = [
        earmark("calibrate", "esc10", "--reviews", table, "--precision", "0.9", "--out", out),
        earmark("review", mine, "-o", tmp_path / "more.csv", "--answered", table),
        earmark("review", source, "-o", tmp_path / "low.csv", "--tagger", "esc10", "--recordings", tmp_path),
    ]
    told = [" ".join(each.stderr.split()) for each in runs]
    if whose == "another":
        assert [each.returncode for each in runs] == [2, 2, 2], told
        assert "50 of 50 reviews, the first in line 2, are of events that the tagger 0123456789ab found" in told[0]
        assert f"was found by the tagger 0123456789ab, these were by {esc10}" in told[1]
        assert f"was found by the tagger 0123456789ab, and esc10 is {esc10}" in told[2]
        assert not out.exists()
        return
    # of the third the recordings are not there, which is told after all that
    assert [each.returncode for each in runs[:2]] == [0, 0] and "are not among the 0 that are there" in told[2], told
    said = [
        "50 of 50 reviews do not tell which tagger found their events: their scores are taken for this one's"
        in told[0],
        "does not tell which tagger found its events: they are taken for those of esc10" in told[2],
    ]
    assert said == [whose == "nobody knows"] * 2


def test_a_column_of_ones_own_that_is_called_tagger_is_left_alone(tmp_path):
    (tmp_path / "r.csv").write_text(HEAD.replace("\n", ",tagger\n") + row().replace("\n", ",esc10\n"))
    assert [each.picked.tagger for each in answers.read(tmp_path / "r.csv")] == [None]


def site(name: str, right: int, of: int = 40, highest: int = 10, drawn: int = 10) -> list[answers.Review]:
    """Of a tag's `of` events the highest ones, all right, and some drawn from the others, of which so many are right."""
    told = []
    for n in range(highest + drawn):
        chosen, share = ("highest", 1.0) if n < highest else ("random", drawn / (of - highest))
        picked = choosing.Picked(f"{name}.wav", Event(n, n + 1, "dog", 0.5), chosen, share, of)
        told.append(answers.Review(picked, "right" if n < highest + right else "wrong", None, n + 2))
    return told


def test_tables_of_several_choices_are_added():
    """By hand: 10 + 30 · 8/10 of 40 are right at one site, 10 + 90 · 3/10 of 100 at the other: 34 + 37 of 140."""
    one, other = site("a", 8), site("b", 3, of=100)
    dog, whole = precision.of_tags(one, other)
    assert (dog.events, dog.reviewed, dog.random, dog.tag, whole.tag) == (140, 40, 20, "dog", "")
    assert dog.precision.value == pytest.approx((34 + 37) / 140)
    apart = [precision.of_tags(each)[0].precision for each in (one, other)]
    spread = [(part.value - part.low) * events / 140 for part, events in zip(apart, (40, 100), strict=True)]
    assert dog.precision.low == pytest.approx(71 / 140 - math.hypot(*spread))
    assert dog.precision == whole.precision
    with pytest.raises(ScoresError, match="a.wav: its dog from 0 s is in line 2 of one table and in line 2 of another"):
        precision.of_tags(one, site("a", 8))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (site("b", 3, of=100), "line 2 tells that there were 40 events of 'dog' .of_tag., line 2 that there were 100"),
        (site("b", 3, of=0), "there were 40 events of 'dog' .of_tag., line 2 that there were 0"),
        (site("b", 8, highest=15), "45 events of 'dog' are answered, and there were 40"),
        (site("b", 8, highest=9), "20 events of 'dog' are there as drawn at random, .* no more than 13 of 40"),
    ],
)
def test_two_choices_in_one_table_are_refused(other, said):
    with pytest.raises(ScoresError, match=f"{said}.*: this is not one choice. .* --summary A.csv --summary B.csv"):
        precision.of_tags(site("a", 8) + other)


def test_what_was_answered_of_other_detections_counts_in_no_precision(tmp_path):
    """Those of another job, or of lower thresholds, stay in the table: they are none of the events whose precision is told."""
    heard, table, more = job(tmp_path / "job", "0123456789ab"), tmp_path / "r.csv", tmp_path / "more.csv"
    assert earmark("review", job(tmp_path / "other", "0123456789ab", seed=1), "-n", "20", "-o", table).returncode == 0
    answered(table)
    text = table.read_text().replace("0.wav", "x.wav")
    table.write_text(text)
    strange = [key for key in map(answers.key_of, (each.picked for each in answers.read(table))) if key[0] == "x.wav"]
    told = earmark("review", heard, "-n", "20", "-o", more, "--answered", table)
    assert f"{len(strange)} that were answered before are not among these events: they stay" in " ".join(
        told.stderr.split()
    )
    kept = {answers.key_of(each.picked): each for each in answers.read(more)}
    assert strange and {kept[key].picked.chosen for key in strange} == {choosing.BELOW}
    assert {kept[key].answer for key in strange} == {"right"}
    assert sum(each.events for each in precision.of_tags(list(kept.values()))[:-1]) == 80


def test_the_command_sums_several_tables(tmp_path):
    tables = []
    for name in ("a", "b"):
        tables.append(tmp_path / f"{name}.csv")
        rows = [each.picked for each in site(name, 8)]
        known = {answers.key_of(each.picked): each for each in site(name, 8)}
        tables[-1].write_text(answers.table(rows, known=known))
    a, b = tables
    told = earmark("review", "--summary", a, "--summary", b)
    assert told.stdout.splitlines()[-1].split("\t")[:3] == ["all", "80", "40"] and told.returncode == 0, told.stderr
    wrong = earmark("review", "--summary", a, b)
    assert wrong.returncode == 2 and f"Several tables: --summary {a} --summary {b}" in wrong.stderr
    assert "in several of these tables" not in told.stderr
    b.write_text(b.read_text().replace("b.wav,0.000000,1.000000", "a.wav,70.000000,71.000000"))
    alike = earmark("review", "--summary", a, "--summary", b)
    assert alike.returncode == 0 and "1 recording is in several of these tables, such as a.wav" in alike.stderr
    b.write_text(b.read_text().replace("b.wav", "a.wav"))
    twice = earmark("review", "--summary", a, "--summary", b)
    assert twice.returncode == 2 and "it would count twice" in twice.stderr
    a.write_text(a.read_text() + b.read_text().split("\n", 1)[1].replace("a.wav", "c.wav"))
    joined = earmark("review", "--summary", a)
    assert joined.returncode == 2 and f"{a}: 20 events of 'dog' are there as drawn at random" in joined.stderr


@pytest.mark.parametrize(
    ("header", "cell"), [("Other", "traffic"), ("other", ""), ("drawing", "random"), ("note", "x")]
)
def test_columns_of_ones_own_are_left_alone(header, cell, tmp_path):
    lines = (HEAD + row("wrong") + row("other", right_tag="fox", at="3")).splitlines()
    (tmp_path / "plain.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "r.csv").write_text(
        "\n".join([f"{lines[0]},{header}", *(f"{line},{cell}" for line in lines[1:])]) + "\n"
    )
    assert answers.read(tmp_path / "r.csv") == answers.read(tmp_path / "plain.csv")
    # `other` is `right_tag` in the service's tables of before alone, which tell by `drawn` how each was chosen
    (tmp_path / "r.csv").write_text(
        f"recording,onset,offset,tag,score,answer,{header}\na.wav,1,2,dog,0.5,wrong,{cell}\n"
    )
    (told,) = answers.read(tmp_path / "r.csv")
    assert (told.answer, told.truth) == ("wrong", None)


@pytest.mark.parametrize("form", [str.upper, str.title, lambda word: f" {word} "])
def test_every_word_is_read_in_any_case(form, tmp_path):
    """The names of the columns, the answers, how each was chosen; not tags, which may differ by it."""
    words = [(answer, chosen) for answer in ("right", "WRONG", "yes", "n", "?", "unsure") for chosen in answers.CHOSEN]
    rows = [row(answer, chosen=chosen, at=str(2 * n)) for n, (answer, chosen) in enumerate(words)]
    (tmp_path / "plain.csv").write_text(HEAD + "".join(rows))
    table = list(csv.reader((HEAD + "".join(rows)).splitlines()))
    for line in table[1:]:
        for name in ("answer", "chosen"):
            line[answers.COLUMNS.index(name)] = form(line[answers.COLUMNS.index(name)])
    table[0] = [form(name) for name in table[0]]
    (tmp_path / "r.csv").write_text("".join(",".join(line) + "\n" for line in table))
    assert answers.read(tmp_path / "r.csv") == answers.read(tmp_path / "plain.csv")
