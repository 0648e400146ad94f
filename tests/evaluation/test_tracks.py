"""Events in an evaluation: which clips a report shows."""

from earmark.evaluation.events import Example
from earmark.evaluation.tracks import examples


def test_the_median_clip_and_the_ends_are_examples():
    told = examples({"a": 0.2, "b": None, "c": 0.9, "d": 0.5, "e": 0.1})
    assert told == [Example("best", "c", 0.9), Example("median", "a", 0.2), Example("worst", "e", 0.1)]
    assert examples({"a": 0.4}) == [Example("best", "a", 0.4)]
    assert examples({"a": None}) == []
