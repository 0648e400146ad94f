"""Recordings of any length → scores, in constant memory.

What hears sound while it comes (`earmark.inference.live`) is imported when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from earmark.inference.asked import Answers
from earmark.inference.embedding import Embedder
from earmark.inference.engine import score
from earmark.inference.recordings import Failure, Live, Part, Recording, Scored
from earmark.inference.scorer import Scorer, Several, Sharer, alike, check_alike
from earmark.inference.sounds import Encoded, Samples, Sound

if TYPE_CHECKING:
    from earmark.inference.live import ENCODINGS, Microphone, Raw

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
LIVE = ("ENCODINGS", "Microphone", "Raw")


def __getattr__(name: str) -> Any:
    if name not in LIVE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.live"), name)
