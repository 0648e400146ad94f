"""Recordings of any length → scores, in constant memory."""

from earmark.inference.engine import score
from earmark.inference.live import ENCODINGS, Microphone, Raw
from earmark.inference.recordings import Failure, Live, Part, Recording, Scored
from earmark.inference.scorer import Scorer, Several, Sharer, alike, check_alike

__all__ = [
    "ENCODINGS",
    "Failure",
    "Live",
    "Microphone",
    "Part",
    "Raw",
    "Recording",
    "Scored",
    "Scorer",
    "Several",
    "Sharer",
    "alike",
    "check_alike",
    "score",
]
