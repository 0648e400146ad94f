"""In which precision a net is trained, and which of two is the faster here.

What is the faster is measured, and comes out otherwise from one time to the next. So of runs that are compared, such as those of
seeds and folds or a student and the same net alone, the first alone measures: the others compute as it did, as does a run that is
gone on with. It stands in the run's run.json and, for runs beside each other, in precision.json in the folder of all.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from earmark import recipe as recipes
from earmark.errors import EarmarkError, RecipeError
from earmark.files import write_text
from earmark.inference import waiting
from earmark.models import tagger as taggers
from earmark.models.autocast import Autocast
from earmark.models.computedfacts import WORDS, Computed
from earmark.models.prediction import loss
from earmark.recipe import Recipe

NAMES = {word: name for name, word in WORDS.items()}  # as recipes say it: as run folders do
FILE = "precision.json"  # by phase, of runs beside each other
TOLD = "run.json"
ON_CPU = "train.precision: fp16 is for GPUs. Take bf16 or auto on the CPU"
GAIN = 1.1  # how much faster bf16 must be to be taken
FAR = 0.1  # of the loss, or of 1 where that is less: bf16 changed it by 0.0005 at most, of a small net of each kind


def check(recipe: Recipe, device: str, beside: Path) -> None:
    """Raises RecipeError for phases whose precision this device has not, and EarmarkError as `settled`, before a clip is read and a
    phase before them is trained.
    """
    mistakes = []
    for name in recipe.running() or [""]:
        plan = recipes.during(recipe, name).train if name else recipe.train
        own = name and "precision" in recipe.phases[name].train
        if plan.precision == "fp16" and device == "cpu":
            mistakes.append(f"{f'phases.{name}.' if own else ''}{ON_CPU}")
        if plan.precision == "auto":
            settled(beside, name)
    if mistakes:
        raise RecipeError(recipe.name, list(dict.fromkeys(mistakes)))


def choose(tagger: taggers.Tagger, waves: Tensor, targets: Tensor, asked: str, device: str = "cpu") -> tuple[str, str]:
    """(name in run folders, why). `auto` times steps of a copy of the net both ways on the CPU, and takes bf16 where it is faster and its
    loss is that of float32; on a GPU it is bf16.

    Raises EarmarkError for fp16 on the CPU, where there is nothing to keep its gradients from vanishing.
    """
    if asked == "fp16" and device == "cpu":
        raise EarmarkError(ON_CPU)
    if asked != "auto":
        return NAMES[asked], "asked for"
    if device != "cpu":
        return "bf16-mixed", f"on {device}"
    with waiting.unchanged():
        seconds = {bf16: _time_step(copy.deepcopy(tagger), waves, targets, bf16) for bf16 in (False, True)}
    ratio = seconds[False] / seconds[True]
    why = f"a training step takes {seconds[False]:.2f} s in float32, {seconds[True]:.2f} s in bf16 autocast ({ratio:.1f} times)"
    if ratio <= GAIN:
        return "32-true", why
    exact, short = (_loss_heard(copy.deepcopy(tagger), waves, targets, bf16) for bf16 in (False, True))
    if not abs(short - exact) <= FAR * max(abs(exact), 1):  # also of what is no number
        return (
            "32-true",
            f"{why}, but this processor errs in it: the loss of a batch is {short:.4g}, in float32 {exact:.4g}",
        )
    return "bf16-mixed", why


def settled(beside: Path, phase: str) -> tuple[str, str] | None:
    """(name in run folders, why), where the run of this folder, or one of those in it, has computed this phase already.

    Raises EarmarkError for a file that does not tell it.
    """
    for file in (
        beside / FILE,
        *sorted(each for depth in ("", "*/", "*/*/") for each in beside.glob(f"{depth}{TOLD}")),
    ):
        if file.is_file() and (name := _told(file).get(phase)):
            return name, f"as {file} tells of what was computed before"
    return None


def keep(beside: Path, phase: str, chosen: tuple[str, str]) -> tuple[str, str]:
    """For the other runs of the folder: chosen, unless one that began beside this one was there first; whose it is."""
    beside.mkdir(parents=True, exist_ok=True)
    if first := settled(beside, phase):
        return first
    file = beside / FILE
    told = {**(_told(file) if file.is_file() else {}), phase: chosen[0]}
    write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return chosen


def _told(file: Path) -> Mapping[str, str]:
    """By phase."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        if file.name == FILE:
            told = Computed.read(plain).phases
        elif isinstance(
            plain.get("precision"), str
        ):  # also of an earlier version, which told that of the last phase alone
            told = {plain.get("phase") or "": plain["precision"]}
        else:  # what was not trained, such as a head, tells none
            told = Computed.read(plain.get("precision") or {}).phases
        if strange := sorted(set(told.values()) - {*WORDS}):
            raise ValueError(f"{strange[0]!r} is none of {', '.join(WORDS)}")
    except (OSError, ValueError, AttributeError) as error:
        raise EarmarkError(
            f"{file}: does not tell in which precision was computed ({error}): altered or damaged. Say it for all runs that are "
            "compared with --set train.precision=float32, in a new --out, or mend the file"
        ) from error
    return told


def _time_step(tagger: taggers.Tagger, waves: Tensor, targets: Tensor, bf16: bool) -> float:
    tagger.train()
    if len(waves) < 2:  # a process's share of a small batch: batch normalisation by itself needs two
        waves, targets = waves.repeat(2, 1), targets.repeat(2, 1)
    best = math.inf
    for _ in range(3):  # the first is warming up
        started = time.perf_counter()
        with Autocast("cpu", torch.bfloat16 if bf16 else None):
            prediction = tagger(waves)
        loss(prediction, targets, tagger.task).backward()  # type: ignore[no-untyped-call]
        best = min(best, time.perf_counter() - started)
    return best


def _loss_heard(tagger: taggers.Tagger, waves: Tensor, targets: Tensor, bf16: bool) -> float:
    """In evaluation, where nothing is left to chance; the second time, as kernels that err do not always."""
    tagger.eval()
    value = math.nan
    for _ in range(2):
        with torch.no_grad(), Autocast("cpu", torch.bfloat16 if bf16 else None):
            prediction = tagger(waves)
        value = float(loss(prediction, targets, tagger.task))
    return value
