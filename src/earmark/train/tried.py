"""An augmentation of a plug-in tried on sounds: what it leaves of them, and whether all its chance comes from its generator.

What can be seen of one answer `Applied` sees every time. What is seen of several together is looked at here, once, before a run:
silence whatever is drawn, another answer for the same generator, and waves that change places while their targets stay.
Raises EarmarkError, which names the augmentation and its file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError
from earmark.train.augment import Applied

Values = NDArray[Any]
DRAWS = 4  # of each sound: one that leaves silence now and then, as a dropout does, is not refused
FAINT = 1e-4  # of the loudest sample that went in: 80 dB less. `gain` may take 60
ROUNDING = 1e-5  # of the largest value: threads sum in another order


def check(
    each: Applied,
    given: Sequence[Values],
    run: Callable[[np.random.Generator], Sequence[Values]],
    known: Sequence[Values] = (),
) -> None:
    """What is told of it.

    given: waves (samples,) or maps (channels, bands, frames), that sound; known: their targets, at the stages at which these may
    change. run: what it makes of all of them with a generator, in their order; behind them the targets where `known` is not empty.
    """
    heard = []
    for seed in range(DRAWS):
        made, again = (run(np.random.default_rng(seed)) for _ in range(2))
        if not all(map(_alike, made, again)):
            raise _wrong(
                each,
                "gives something else of the same sound and the same generator the second time, so that a run that goes on after a stop "
                "would learn from other sounds: draw all chance in `draw`, from the generator that it is given, and "
                "none of np.random, torch.rand or random",
            )
        values, targets = made[: len(given)], made[len(given) :]
        heard.append(values)
        if known:
            _check_places(each, given, known, values, targets)
    _check_silence(each, given, heard)


def _alike(one: Values, other: Values) -> bool:
    if one.shape != other.shape:
        return False
    return bool(np.allclose(one, other, rtol=0, atol=ROUNDING * float(np.abs(one).max(initial=0)), equal_nan=True))


def _check_silence(each: Applied, given: Sequence[Values], heard: Sequence[Sequence[Values]]) -> None:
    maps = each.entry.facts["stage"] == "maps"
    sounding = [at for at, one in enumerate(given) if _size(one, maps) > 0]
    if not sounding or any(_size(made[at], maps) > FAINT * _size(given[at], maps) for made in heard for at in sounding):
        return
    most = max(_size(made[at], maps) for made in heard for at in sounding)
    before = max(_size(given[at], maps) for at in sounding)
    raise _wrong(
        each,
        (
            f"its apply leaves nothing on a map: its values differ by {most:.1g}, where {before:.1g} went in"
            if maps
            else f"its apply gives silence: of noise and tones the loudest sample is {most:.1g}, where {before:.1g} went in"
        )
        + f", in each of {DRAWS} draws. Of that nothing can be learnt: give what is still heard",
    )


def _size(values: Values, maps: bool) -> float:
    """How much there is to hear: of a wave its loudest sample, of maps by how much they differ."""
    return float(np.ptp(values) if maps else np.abs(values).max(initial=0))


def _check_places(
    each: Applied, given: Sequence[Values], known: Sequence[Values], made: Sequence[Values], targets: Sequence[Values]
) -> None:
    for at, (values, target) in enumerate(zip(made, targets, strict=True)):
        if np.array_equal(values, given[at]) or not np.array_equal(target, known[at]):
            continue
        for other, one in enumerate(given):
            if np.array_equal(values, one) and not np.array_equal(known[other], known[at]):
                raise _wrong(
                    each,
                    f"its apply gives clip {at + 1} of a batch the sound of clip {other + 1}, and leaves it its own target: what changes "
                    "places does so with its target",
                )


def _wrong(each: Applied, what: str) -> EarmarkError:
    return EarmarkError(f"{each.entry.told}: {what}")
