"""Thresholds of tags as a tagger file tells them, and the tags that reach theirs. How they are chosen: `earmark.evaluation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError
from earmark.registry import did_you_mean

Floats = NDArray[np.float64]


def of_tags(facts: Mapping[str, Any], tags: Sequence[str]) -> Floats | None:
    """(tags,): the thresholds that a tagger file tells, None where it tells none. Raises ScoresError."""
    told = facts.get("tags", {}).get("thresholds")
    if not told:
        return None
    if missing := [tag for tag in tags if tag not in told]:
        raise ScoresError(
            f"the tagger's thresholds lack {len(missing)} of its {len(tags)} tags, first: {missing[0]!r}"
            f"{did_you_mean(missing[0], told)} Choose them anew with earmark calibrate"
        )
    return np.array([told[tag] for tag in tags], float)


def reached(values: Floats, tags: Sequence[str], thresholds: Floats) -> list[tuple[str, float]]:
    """Of one clip or window: the tags whose scores (tags,) reach their thresholds (tags,), the surest first."""
    found = [i for i in np.argsort(-np.asarray(values), kind="stable").tolist() if values[i] >= thresholds[i]]
    return [(tags[i], float(values[i])) for i in found]
