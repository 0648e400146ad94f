"""How fast a net is on this machine: windows shared against windows one by one, in PyTorch.

Ways are timed in turn within one process, so that whatever else the machine does falls on all of them; times are medians
over rounds. What is measured is told with the figure: nothing here decides anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark import recipe
from earmark.errors import EarmarkError
from earmark.evaluation.turns import in_turn
from earmark.inference.scorer import Scorer, score_stretches
from earmark.models import tagger as taggers
from earmark.models.tagger import Tagger
from earmark.recipe import Recipe
from earmark.registry import NETS, did_you_mean
from earmark.windows import Stretch

Wave = NDArray[np.float32]

TAGS = 41  # of an untrained net: FSDKaggle2018's
PAPERS = 44_100  # Hz, of a net that no recipe names


@dataclass(frozen=True)
class Shared:
    """One comparison. window: seconds. hop: samples. bound: the speed-up that counting operations allows.

    max_abs_difference: between the scores of both ways. together: windows scored at once, 0 where none are shared. why:
    what they do not share. one_by_one_s, shared_s: seconds for all windows, from samples to scores.
    """

    net: str
    window: float
    hop: int
    one_by_one_s: float
    shared_s: float
    speedup: float
    bound: float
    max_abs_difference: float
    sample_rate: int
    windows: int
    seconds: float
    together: int
    why: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Apart:
    """A tagger without what makes it share."""

    def __init__(self, tagger: Tagger):
        self.sample_rate, self.vocabulary, self.windows = tagger.sample_rate, tagger.vocabulary, tagger.windows
        self.task, self.score = tagger.task, tagger.score


def shared(name: str, tagger: Tagger, wave: Wave, rounds: int = 3, batch: int = 16) -> Shared:
    """Both ways over the windows that lie in a wave (samples,) at the tagger's rate. batch: of windows one by one."""
    length, hop = tagger.windows.samples(tagger.sample_rate)
    count = (len(wave) - length) // hop + 1
    if count < 1:
        raise EarmarkError(
            f"{len(wave) / tagger.sample_rate:g} s hold no window of {tagger.windows.length:g} s: take more"
        )
    stretch = Stretch(wave[: (count - 1) * hop + length], hop * np.arange(count), length, hop)
    plan = tagger.sharing
    apart: Scorer = _Apart(tagger)
    values: dict[str, NDArray[np.float32]] = {}

    def run(way: str, scorer: Scorer) -> Callable[[], None]:
        def once() -> None:
            values[way] = score_stretches(scorer, [stretch], batch)[0]

        return once

    ways = {"apart": run("apart", apart)}
    if plan.together:  # otherwise it is the same thing: timing it twice would compare noise
        ways["together"] = run("together", tagger)
    times = in_turn(ways, rounds)
    one_by_one, together = times["apart"], times.get("together", times["apart"])
    difference = float(np.abs(values["apart"] - values.get("together", values["apart"])).max())
    return Shared(
        name,
        tagger.windows.length,
        hop,
        one_by_one,
        together,
        one_by_one / together,
        plan.bound if plan.together else 1.0,
        difference,
        tagger.sample_rate,
        count,
        len(wave) / tagger.sample_rate,
        plan.together,
        plan.why,
    )


def untrained(net: str, window: float | None, hop_samples: int | None) -> Tagger:
    """A net by its name with random weights, as the first recipe that names it has it: ESC-10's, if there is one."""
    if net not in NETS.names():
        raise EarmarkError(
            f"{net}: no tagger file or shipped tagger, and no net of that name{did_you_mean(net, NETS.names())} "
            f"Nets: {', '.join(NETS.names())}"
        )
    named = [
        chosen for name in sorted(recipe.shipped(), key=_esc_first) if (chosen := recipe.load(name)).net.name == net
    ]
    torch.manual_seed(0)
    chosen = named[0] if named else recipe.parse(_plain(net, window or 2.0), net)
    return taggers.build(rewindowed(chosen, window, hop_samples), [f"tag {number}" for number in range(TAGS)]).eval()


def _esc_first(name: str) -> tuple[bool, str]:
    return not name.startswith("esc10-"), name


def _plain(net: str, window: float) -> dict[str, Any]:
    features = {} if NETS[net].facts["input"] == "waves" else {"features": {"name": "logmel"}}
    return {
        "task": "many",
        "sample_rate": PAPERS,
        "data": {"dataset": "folder"},
        "windows": {"length": window, "hop": window},
        "net": {"name": net},
        "augment": ["crop"],
        "train": {"epochs": 1},
        **features,
    }


def rewindowed(settings: Recipe, window: float | None, hop_samples: int | None) -> Recipe:
    """A recipe with other windows. window: seconds. Raises EarmarkError for a length that is none."""
    if window is not None and not (math.isfinite(window) and round(window * settings.sample_rate) > 0):
        raise EarmarkError(
            f"a window of {window:g} s holds no sample at {settings.sample_rate} Hz: give seconds above 0, "
            f"such as {settings.windows.length:g}"
        )
    changes: dict[str, Any] = {}
    if window is not None:
        changes["length"] = window
        changes["hop"] = min(settings.windows.hop, window)
    if hop_samples is not None:
        changes["hop"] = hop_samples / settings.sample_rate
    return settings.model_copy(update={"windows": settings.windows.model_copy(update=changes)})


def noise(seconds: float, sample_rate: int) -> Wave:
    """(samples,): noise whose level changes every second, the same at each call. Raises EarmarkError."""
    if not (math.isfinite(seconds) and round(seconds * sample_rate) > 0):
        raise EarmarkError(f"{seconds:g} s of noise hold no sample at {sample_rate} Hz: give seconds above 0")
    chance = np.random.default_rng(0)
    levels = chance.uniform(0.01, 0.3, max(1, math.ceil(seconds)))
    samples = round(seconds * sample_rate)
    wave = chance.standard_normal(samples) * np.repeat(levels, sample_rate)[:samples]
    return np.asarray(np.clip(wave, -1, 1), np.float32)
