"""Whether an engine in fewer digits is as right as float32: clips of ESC-10's test fold, in pairs, with an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rights(
    vocabulary: tuple[str, ...], names: list[str], values: dict[str, NDArray[np.float32]], base: str
) -> list[str]:
    """Of int8, clips of the test fold that it gets right and float32 does not, and the other way about, with an interval."""
    if base not in values:
        return []
    target = [ESC10[int(name.rsplit("-", 1)[1])] for name in names]
    right = {name: np.array([vocabulary[k] for k in value.argmax(1)]) == target for name, value in values.items()}
    lines = []
    for name in values:
        if not name.endswith(" int8"):
            continue
        difference = right[name].astype(float) - right[base]
        low, high = interval(difference)
        lines.append(
            f"{name}: {right[name].mean():.4f} of {len(names)} clips of fold 5 right, {base} {right[base].mean():.4f}; difference "
            f"{difference.mean():+.4f}, 95 % {low:+.4f} to {high:+.4f} (clips drawn again in pairs)"
        )
    return lines


def interval(differences: NDArray[np.float64], draws: int = 2000) -> tuple[float, float]:
    """The middle 95 % of the mean of differences (clips,), clips drawn again."""
    chance = np.random.default_rng(0)
    means = differences[chance.integers(0, len(differences), (draws, len(differences)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


# ESC-50's numbers of ESC-10's classes, the last part of a clip's name
ESC10 = {
    0: "dog", 1: "rooster", 10: "rain", 11: "sea_waves", 12: "crackling_fire", 20: "crying_baby", 21: "sneezing",
    38: "clock_tick", 40: "helicopter", 41: "chainsaw",
}  # fmt: skip
