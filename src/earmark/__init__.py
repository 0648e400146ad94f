"""earmark turns recordings into tags and says when each thing is heard.

    import earmark

    tagger = earmark.load("esc10")
    tagger.tag("dog.ogg")  # [Tag(label='dog', score=0.97), ...]

The names below are imported when they are first used (PEP 562), so that `import earmark` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.errors import AudioError, EarmarkError, ManifestError, RecipeError, ScoresError, TaggerError
    from earmark.models.loading import load
    from earmark.models.tagger import Tagger
    from earmark.scores import Event, Scores, Tag

_HOMES = {
    "load": "models.loading",
    "Tagger": "models.tagger",
    "Tag": "scores",
    "Scores": "scores",
    "Event": "scores",
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
    "Event",
    "Manifest",
    "ManifestError",
    "RecipeError",
    "Scores",
    "ScoresError",
    "Tag",
    "Tagger",
    "TaggerError",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark' has no attribute {name!r}")
    return getattr(importlib.import_module(f"earmark.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
