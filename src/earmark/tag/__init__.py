"""Recordings of any length → scores, in constant memory."""

from earmark.tag.engine import score
from earmark.tag.live import ENCODINGS, Microphone, Raw
from earmark.tag.recordings import Failure, Heard, Live, Part, Recording
from earmark.tag.scorer import Scorer, Several, Sharer, alike, check_alike

__all__ = [
    "ENCODINGS",
    "Failure",
    "Heard",
    "Live",
    "Microphone",
    "Part",
    "Raw",
    "Recording",
    "Scorer",
    "Several",
    "Sharer",
    "alike",
    "check_alike",
    "score",
]
