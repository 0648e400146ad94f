"""Nets with few channels: the same classes and kinds of layers as the nets of the papers, at a small part of the work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from earmark.registry import NETS

WIDE = re.compile(r"(^|_)(widths?|hidden|filters|pooled|middles)$")
DEEP = re.compile(r"(^|_)blocks$")


def narrow(name: str, share: int = 8) -> dict[str, Any]:
    """Arguments of the net with a part of its channels and hidden units, two of its repeated blocks, six of its stages and
    64 bands at most.

    It goes by the names of arguments: a net that calls its widths otherwise is tested as wide as it is.
    """
    told = {key: part.default for key, part in NETS[name].arguments().items()}
    less: dict[str, Any] = {}
    for key, value in told.items():
        if WIDE.search(key) and value is not None:
            less[key] = (
                [max(4, each // share) for each in value] if isinstance(value, Sequence) else max(4, value // share)
            )
        if DEEP.search(key):
            less[key] = [min(2, each) for each in value]
        if key == "bands":
            less[key] = min(64, value)
        if key == "groups" and "filters" in less:  # of the filters' bands, of which there must be as many
            less[key] = min(value, less["filters"])
    if told.get("sizes") and told.get("widths", ()) is None:  # by default they follow from the number of sizes
        less["sizes"] = told["sizes"][-6:]
        less["widths"] = [max(8, 256 // share)] * len(less["sizes"])
    return less
