"""Recordings of any length → scores, in constant memory."""

from earmark.tag.engine import score
from earmark.tag.recordings import Failure, Heard, Live, Part, Recording
from earmark.tag.scorer import Scorer, Several, Sharer, alike, check_alike

__all__ = [
    "Failure",
    "Heard",
    "Live",
    "Part",
    "Recording",
    "Scorer",
    "Several",
    "Sharer",
    "alike",
    "check_alike",
    "score",
]
