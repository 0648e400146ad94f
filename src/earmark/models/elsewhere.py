"""A tagger in other processes, on other machines: what they need to load the same one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earmark.errors import TaggerError
from earmark.files import write_bytes
from earmark.inference.cluster.scoring import Of, members
from earmark.inference.scorer import Scorer
from earmark.models import loading
from earmark.models.anytagger import AnyTagger


@dataclass(frozen=True)
class Elsewhere:
    """name: of a shipped tagger, or of the file that `data` is. identity: which it is. Others: of `loading.load`."""

    name: str
    identity: str
    device: str
    engine: str
    precision: str
    hop: str | None
    cores: int
    data: bytes | None = field(default=None, repr=False)

    @staticmethod
    def of(
        tagger: AnyTagger, name: str, device: str, engine: str, precision: str, hop: str | None, cores: int
    ) -> Elsewhere:
        """Of a tagger that was loaded so. Its file goes along: other machines need not see it."""
        path = loading.find(name)
        data = None if loading.shipped().get(name) == path else path.read_bytes()
        return Elsewhere(name, tagger.identity(), device, engine, precision, hop, cores, data)

    def scorers(self, of: Of) -> Callable[[], Sequence[Scorer]]:
        """What loads the tagger's scorers: of its tags, of its frames, or of its embeddings."""
        return _Load(self, of)

    def load(self) -> AnyTagger:
        """Raises TaggerError where another tagger is found by this name."""
        tagger = self._load()
        tagger = tagger if self.hop is None else tagger.every(self.hop)
        if tagger.identity() != self.identity:
            raise TaggerError(
                f"{self.name}: another tagger has this name in the process that scores ({tagger.identity()}, not {self.identity}). "
                "Install the same version of earmark on all machines"
            )
        return tagger

    def _load(self) -> AnyTagger:
        told = {"engine": self.engine, "precision": self.precision, "cores": self.cores}
        if self.data is None:
            return loading.load(self.name, self.device, **told)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(self.name).name
            write_bytes(path, self.data)
            return loading.load(path, self.device, **told)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Load:
    """It can be sent to other processes."""

    elsewhere: Elsewhere
    of: Of

    def __call__(self) -> Sequence[Scorer]:
        tagger = self.elsewhere.load()
        if self.of == "vectors":
            return [tagger.embedder()]
        scorer = tagger.framewise() if self.of == "frames" else None
        return members(scorer or tagger)[0]
