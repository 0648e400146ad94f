"""Recordings of any length → scores, in constant memory."""

from earmark.inference.asked import Answers
from earmark.inference.embedding import Embedder
from earmark.inference.engine import score
from earmark.inference.live import ENCODINGS, Microphone, Raw
from earmark.inference.recordings import Failure, Live, Part, Recording, Scored
from earmark.inference.scorer import Scorer, Several, Sharer, alike, check_alike
from earmark.inference.sounds import Encoded, Samples, Sound

__all__ = [
    "ENCODINGS",
    "Answers",
    "Embedder",
    "Encoded",
    "Failure",
    "Live",
    "Microphone",
    "Part",
    "Raw",
    "Recording",
    "Samples",
    "Scored",
    "Scorer",
    "Several",
    "Sharer",
    "Sound",
    "alike",
    "check_alike",
    "score",
]
