"""Every number that a public function of metrics takes: one that makes no sense is refused, whatever the function."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import is_dataclass
from functools import partial

import numpy as np
import pytest
from tests.metrics.conftest import clips

import earmark
from earmark import metrics
from earmark.errors import EarmarkError, ScoresError, TaggerError
from earmark.metrics.calibration import calibration_of
from earmark.metrics.clips import Clips
from earmark.metrics.comparison import swaps

VALUES, TRUTH = clips(1, tags=3)
GROUPS = np.arange(len(VALUES))
EVENTS = {"a": [("dog", 0.0, 1.0)], "b": [("dog", 0.5, 2.0)]}
FRAMES = {clip: metrics.FrameScores(np.array([[0.2], [0.8], [0.5]]), np.array([0.0, 1.0, 2.0, 3.0])) for clip in EVENTS}
SECONDS = {"a": 3.0, "b": 3.0}
COUNTS = metrics.match_events(EVENTS, EVENTS)

# what each function is given beside the number in question
GIVEN = {
    "evaluate": partial(metrics.evaluate, VALUES, TRUTH, GROUPS, "many", metrics=["f1_macro"]),
    "compare": partial(metrics.compare, [VALUES, VALUES[::-1]], TRUTH, GROUPS, "many", metrics=["f1_macro"]),
    "per_tag": partial(metrics.per_tag, VALUES, TRUTH, "many"),
    **{
        name: partial(getattr(metrics, name), VALUES, TRUTH)
        for name in ("f1_micro", "f1_macro", "f1_clips", "map_at_k")
    },
    "Clips": partial(Clips, VALUES, TRUTH),
    "resample": lambda **asked: list(metrics.resample(GROUPS, **{"resamples": 3} | asked)),
    "swaps": lambda **asked: list(swaps(GROUPS, **{"permutations": 3} | asked)),
    "holm": metrics.holm,
    "calibration_of": partial(calibration_of, VALUES / 2, TRUTH, "many"),
    "match_segments": partial(metrics.match_segments, EVENTS, EVENTS, SECONDS),
    "match_intersections": partial(metrics.match_intersections, EVENTS, EVENTS),
    "detection_f1": partial(metrics.detection_f1, COUNTS),
    "psds": partial(metrics.psds, FRAMES, EVENTS, SECONDS, ("dog",), metrics.PSDS2),
    "Collars": metrics.Collars,
    "Criteria": partial(metrics.Criteria, **{"dtc": 0.5, "gtc": 0.5, "cttc": 0.3, "alpha_ct": 0.5}),
}
MADE = {"Interval", "Difference", "Counts", "DetectionF1", "PSDS", "f1_instance"}  # results, and a former name
COUNT = (-1, 2.5, math.nan, math.inf, "3", None)
SHARE = (-0.1, math.nan, "0.5")
WRONG = {
    **dict.fromkeys(("resamples", "permutations", "seed", "k", "bins"), COUNT),
    "threshold": [math.nan, "0.5", None, np.array([0.5, math.nan, 0.5]), np.array([0.5, 0.5])],
    "thresholds": [[math.nan, 0.5], [0.5, np.array([0.5, 0.5, math.nan])], [0.5], ["0.5", 0.5], 0.5],
    "p": [[1.5], [-0.1], ["0.5"]],
    "length": [0, -1, math.nan, math.inf, "1", None],
    **dict.fromkeys(("dtc", "gtc"), (0, 1.1, None, *SHARE)),
    "cttc": [0, 1.1, *SHARE],
    **dict.fromkeys(("onset", "share"), (math.inf, None, *SHARE)),
    "offset": [math.inf, *SHARE],
    "least": [1.1, None, *SHARE],
    **dict.fromkeys(("alpha_ct", "alpha_st", "max_efpr"), (math.inf, None, *SHARE)),
}


def numbers() -> set[tuple[str, str]]:
    """(function, parameter) of every number that a public function or class of metrics is given."""
    found = set()
    offered = {name: getattr(metrics, name) for name in metrics.__all__ if name not in MADE}
    for name, each in (offered | {"calibration_of": calibration_of, "swaps": swaps}).items():
        if inspect.isfunction(each) or (inspect.isclass(each) and (is_dataclass(each) or each is Clips)):
            for parameter in inspect.signature(each).parameters.values():
                if re.search(r"(?<!\[)\b(int|float)\b(?!\d)(?!\])", str(parameter.annotation)) or parameter.name in (
                    "p",
                    "thresholds",
                ):
                    found.add((name, parameter.name))
    return found


CASES = [(name, parameter, wrong) for name, parameter in sorted(numbers()) for wrong in WRONG[parameter]]


@pytest.mark.parametrize(("name", "parameter", "wrong"), CASES)
def test_a_number_that_makes_no_sense_is_refused(name, parameter, wrong):
    with pytest.raises(EarmarkError) as told:
        GIVEN[name](**{parameter: wrong})
    assert len(str(told.value)) > 30  # a sentence


@pytest.mark.parametrize("name", sorted({name for name, _ in numbers()}))
def test_what_makes_sense_is_taken(name):
    taken = {"p": [0.1, math.nan]} if name == "holm" else {}
    GIVEN[name](**taken)
    of_function = {parameter for function, parameter in numbers() if function == name}
    whole = {each: np.float64(2.0) for each in of_function & {"resamples", "permutations", "seed", "k", "bins"}}
    GIVEN[name](**taken, **whole)


def test_a_list_of_thresholds_and_an_infinite_one_are_taken():
    never = metrics.f1_macro(VALUES, TRUTH, [math.inf] * 3)
    assert never == 0 and metrics.f1_micro(VALUES, TRUTH, -math.inf) == metrics.f1_micro(VALUES, TRUTH, -1)


def test_the_messages():
    for name, asked, told in (
        (
            "evaluate",
            {"threshold": math.nan},
            "the threshold is nan, which no score reaches. Give a number, such as 0.5",
        ),
        ("f1_macro", {"threshold": [0.5, math.nan, 0.5]}, "the threshold of column 1 is nan"),
        ("map_at_k", {"k": 2.5}, "k of map@k must be a whole number of at least 1, not 2.5"),
        ("evaluate", {"resamples": -5}, "resamples must be at least 0, not -5"),
        ("evaluate", {"seed": -1}, "seed must be at least 0, not -1"),
        ("holm", {"p": [2.0]}, "a p-value lies in 0 to 1"),
    ):
        with pytest.raises(ScoresError, match=re.escape(told)):
            GIVEN[name](**asked)


@pytest.mark.parametrize("asked", [{"resamples": -1}, {"resamples": -1, "metrics": None}, {"permutations": -1}])
def test_a_report_and_a_comparison_refuse_it_before_the_work(asked):
    for verb, given in ((earmark.evaluate, "nowhere"), (earmark.compare, ["nowhere", "nothere"])):
        if set(asked) <= set(inspect.signature(verb).parameters):
            with pytest.raises(EarmarkError, match=r"(resamples|permutations) must be at least 0, not -1"):
                verb(given, "no data", **asked)


@pytest.mark.parametrize("cores", [0, -1])
def test_an_engine_takes_a_core_at_least(cores):
    with pytest.raises(TaggerError, match=rf"cores is {cores}: an engine takes at least 1\. Leave it out for all"):
        earmark.load("esc10", cores=cores)


def test_merged_truth_keeps_what_is_not_known():
    truth = np.ma.masked_array(
        [[True, True, False], [False, False, True]], [[False, True, False], [True, False, False]]
    )
    merged, tags = metrics.merge_truth(truth, ("a", "b", "c"), {"a": "x", "b": "x"})
    assert tags == ("x", "c") and np.ma.getdata(merged).tolist() == [[True, False], [False, True]]
    assert merged.mask.tolist() == [[False, False], [True, False]]
    alone, _ = metrics.merge_truth(truth, ("a", "b", "c"), {"b": "y"})
    assert alone.mask.tolist() == truth.mask.tolist()
