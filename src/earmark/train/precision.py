"""In which precision a net is trained, and which of two is the faster here."""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import Tensor

from earmark.errors import EarmarkError
from earmark.inference import waiting
from earmark.models import tagger as taggers
from earmark.models.prediction import loss

# as recipes say it: as run folders do
NAMES = {"float32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
GAIN = 1.1  # how much faster bf16 must be to be taken


def choose(tagger: taggers.Tagger, waves: Tensor, targets: Tensor, asked: str, device: str = "cpu") -> tuple[str, str]:
    """(name in run folders, why). `auto` times steps of a copy of the net both ways on the CPU; on a GPU it is bf16.

    Raises EarmarkError for fp16 on the CPU, where there is nothing to keep its gradients from vanishing.
    """
    if asked == "fp16" and device == "cpu":
        raise EarmarkError("train.precision: fp16 is for GPUs. Take bf16 or auto on the CPU")
    if asked != "auto":
        return NAMES[asked], "asked for"
    if device != "cpu":
        return "bf16-mixed", f"on {device}"
    with waiting.unchanged():
        seconds = {bf16: _time_step(copy.deepcopy(tagger), waves, targets, bf16) for bf16 in (False, True)}
    ratio = seconds[False] / seconds[True]
    why = f"a training step takes {seconds[False]:.2f} s in float32, {seconds[True]:.2f} s in bf16 autocast ({ratio:.1f} times)"
    return ("bf16-mixed" if ratio > GAIN else "32-true"), why


def _time_step(tagger: taggers.Tagger, waves: Tensor, targets: Tensor, bf16: bool) -> float:
    tagger.train()
    if len(waves) < 2:  # a process's share of a small batch: batch normalisation by itself needs two
        waves, targets = waves.repeat(2, 1), targets.repeat(2, 1)
    best = math.inf
    for _ in range(3):  # the first is warming up
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            prediction = tagger(waves)
        loss(prediction, targets, tagger.task).backward()  # type: ignore[no-untyped-call]
        best = min(best, time.perf_counter() - started)
    return best
