"""Whose weights an adopted tagger has: the file that they were taken from, what it may be used for and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Origin:
    """layout: of the file, whose net was recognised. file, sha256, bytes: of the file. weights: how they were stored there.

    licence, source: of the weights, in words or as an address, as who adopted them said. labels, labels_sha256: the file
    that its tags were named by.
    """

    layout: str
    file: str
    sha256: str
    bytes: int
    weights: str
    licence: str
    source: str
    labels: str
    labels_sha256: str

    @staticmethod
    def read(plain: Mapping[str, Any]) -> Origin:
        words = {
            name: str(plain[name])
            for name in ("layout", "file", "sha256", "weights", "licence", "source", "labels", "labels_sha256")
        }
        return Origin(**words, bytes=int(plain["bytes"]))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> str:
        """For people."""
        return (
            f"weights that others trained, of {self.file} ({self.layout}, {self.weights}; sha256 {self.sha256}), licence "
            f"{self.licence}, from {self.source}"
        )
