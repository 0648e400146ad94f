"""In which precision a tagger's training computed, phase by phase: what recipes call float32, bf16 or fp16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# by the names that run folders and tagger files have for them
WORDS = {"32-true": "float32", "bf16-mixed": "bf16", "16-mixed": "fp16"}


@dataclass(frozen=True)
class Computed:
    """phases: by the phase's name, in the order of training; of a training without phases by ""."""

    phases: Mapping[str, str]

    @staticmethod
    def read(plain: object) -> Computed:
        """Raises ValueError for what is neither a name nor names by phase."""
        told = {"": plain} if isinstance(plain, str) else plain
        if not isinstance(told, Mapping) or not all(isinstance(each, str) for each in told.values()):
            raise ValueError("neither a name nor names by phase")
        return Computed({str(phase): str(name) for phase, name in told.items()})

    def as_dict(self) -> str | dict[str, str]:
        """Of a training without phases the name alone."""
        return self.phases[""] if list(self.phases) == [""] else dict(self.phases)

    def words(self) -> str:
        """For people: float32; or mix float32, all bf16."""
        told = {phase: WORDS.get(name, name) for phase, name in self.phases.items()}
        if len(set(told.values())) == 1:
            return next(iter(told.values()))
        return ", ".join(f"{phase} {name}".strip() for phase, name in told.items())
