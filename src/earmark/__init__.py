"""earmark turns recordings into tags and says when each thing is heard.

    import earmark

    tagger = earmark.load("esc10")
    tagger.tag("dog.ogg")  # <Tags of dog.ogg (5.0 s): dog 0.97, ...>

The names below are imported when they are first used (PEP 562), so that `import earmark` is instant.
"""

from __future__ import annotations

import importlib
import os

# as that of typing, whose import takes longer than all else here: the program can be stopped the sooner
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from earmark import audio
    from earmark.data.manifest import Manifest
    from earmark.errors import AudioError, EarmarkError, ManifestError, RecipeError, ScoresError, TaggerError
    from earmark.evaluation.comparison import compare
    from earmark.evaluation.evaluation import evaluate
    from earmark.events.formats import read as read_events
    from earmark.models.loading import load
    from earmark.models.tagger import Tagger
    from earmark.scores import Embeddings, Event, Events, Scores, Tag, Tags

# ONNX Runtime (1.29 and later) gives a machine a number and tells its makers of every use, from when it is first imported on, whoever
# imports it; only this, before, keeps all of it off (its Privacy.md). Who wants it told sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "audio": "audio:.",  # the room: `earmark.audio.load` and `blocks`
    "load": "models.loading",
    "read_events": "events.formats:read",
    "evaluate": "evaluation.evaluation",
    "compare": "evaluation.comparison",
    "Tagger": "models.tagger",
    "Tag": "scores",
    "Scores": "scores",
    "Embeddings": "scores",
    "Event": "scores",
    "Events": "scores",
    "Tags": "scores",
    "Manifest": "data.manifest",
    "EarmarkError": "errors",
    "AudioError": "errors",
    "ManifestError": "errors",
    "RecipeError": "errors",
    "ScoresError": "errors",
    "TaggerError": "errors",
}
__all__ = [
    "AudioError",
    "EarmarkError",
    "Embeddings",
    "Event",
    "Events",
    "Manifest",
    "ManifestError",
    "RecipeError",
    "Scores",
    "ScoresError",
    "Tag",
    "Tagger",
    "TaggerError",
    "Tags",
    "audio",
    "compare",
    "evaluate",
    "load",
    "read_events",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark' has no attribute {name!r}")
    home, _, there = _HOMES[name].partition(":")
    module = importlib.import_module(f"earmark.{home}")
    return module if there == "." else getattr(module, there or name)


def __dir__() -> list[str]:
    return sorted(__all__)
