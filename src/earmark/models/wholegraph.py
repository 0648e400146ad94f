"""A tagger as one graph from waves to scores, run as a program that knows nothing of earmark runs it: to judge what was exported."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from earmark.engines import sessions
from earmark.errors import TaggerError
from earmark.inference import Answers
from earmark.inference.finite import finite
from earmark.models.byrecipe import ByRecipe
from earmark.models.graphtagger import threads
from earmark.models.predicted import Predicted
from earmark.models.tagger import Tagger

NO_FILE = "a graph from waves to scores is no tagger file: `earmark export` writes both"


class WholeGraph(ByRecipe, Answers):
    """Scores windows one by one with a model that `earmark.models.export.whole` made of a tagger."""

    def __init__(self, tagger: Tagger, model: bytes, engine: str = sessions.REFERENCE):
        self.recipe, self.vocabulary, self.facts = tagger.recipe, tagger.vocabulary, tagger.facts
        self.session = sessions.open_session(engine, model, "float32", threads())
        self.precision = "float32"
        self.engine = f"{engine} {sessions.version(engine)}, {self.precision}, cpu"
        self._tagger, self._model = tagger, model

    @property
    def members(self) -> tuple[WholeGraph]:
        return (self,)

    @property
    def alone(self) -> Tagger:
        return self._tagger

    def trainable(self) -> Tagger:
        return self._tagger.trainable()

    def every(self, hop: float | str) -> WholeGraph:
        return WholeGraph(self._tagger.every(hop), self._model)

    def framewise(self) -> None:
        """It is asked for whole windows."""
        return None

    def identity(self) -> str:
        return self._tagger.identity()

    def score_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → probabilities (n, tags)."""
        return finite(self.session([waves])[0], waves, "scores")

    def predicted(self, waves: NDArray[np.float32]) -> Predicted:
        """Windows (n, samples) → scores, embeddings and, where the net has some, scores of frames."""
        scores, _, embedding, *frames = self.session([waves])
        return Predicted(scores, embedding, frames[0] if frames else None)

    def stored(self) -> NoReturn:
        raise TaggerError(NO_FILE)

    def save(self, path: str | Path) -> NoReturn:
        raise TaggerError(NO_FILE)
