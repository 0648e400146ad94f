"""Last layers that were learnt on the embeddings of a net: which, and what chose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from earmark.errors import counted

Plain = Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """Last layers that were learnt on a net's embeddings. setting: kind, strength, how windows make a clip; plain values.

    by: what chose it, in words. folds: inner ones of the training clips, on which `tried` reached what it tells; 0: none.
    windows: of clips that were learnt from, those `loud` dB below their clip's loudest and more. background: unlabelled
    recordings, and how many windows of them count how much; None: none.
    """

    setting: Plain
    by: str
    folds: int = 0
    tried: Sequence[Plain] = ()
    windows: int = 0
    loud: float | None = None
    background: Plain | None = None

    @staticmethod
    def read(plain: Plain) -> Head:
        loud = None if plain.get("loud") is None else float(plain["loud"])
        tried = tuple(dict(each) for each in plain.get("tried", ()))
        background = dict(plain["background"]) if plain.get("background") else None
        return Head(
            dict(plain["setting"]), str(plain["by"]), int(plain.get("folds", 0)), tried, int(plain.get("windows", 0)), loud, background
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        told = {
            "setting": dict(self.setting),
            "by": self.by,
            "folds": self.folds,
            "tried": [dict(each) for each in self.tried],
            "windows": self.windows,
            "loud": self.loud,
            "background": None if self.background is None else dict(self.background),
        }
        return {key: value for key, value in told.items() if value is not None}

    def words(self) -> str:
        """For people: which layers, and what chose them."""
        strength = self.setting.get("strength")
        kind = str(self.setting.get("kind")) + (f" of strength {strength:g}" if strength is not None else "")
        return f"{kind} on embeddings of {counted(self.windows, 'window')}, chosen by {self.by}"

    def without_figures(self) -> Head:
        """Of a net that was trained on from there: how its last layers began."""
        return replace(self, tried=())

    def reached(self) -> Plain | None:
        """What the setting reached on the inner folds."""
        return next((each for each in self.tried if all(each.get(k) == v for k, v in self.setting.items())), None)
