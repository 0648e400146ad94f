"""Recordings of any length → scores, in constant memory."""

from earmark.inference.engine import score
from earmark.inference.live import ENCODINGS, Microphone, Raw
from earmark.inference.recordings import Failure, Heard, Live, Part, Recording
from earmark.inference.scorer import Scorer, Several, Sharer, alike, check_alike

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
