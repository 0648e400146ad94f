"""An augmentation of a recipe at work: what it is given cannot be written to, and what it gives is looked at, every time.

A clip that is held in memory is heard in every epoch, so that one which was changed in place would stay changed; and what is no
sound, or no target, would be learnt without a word. So arrays are read-only, tensors are looked at afterwards, and shape, kind,
finiteness and the range of targets are checked for every stage, and of a plug-in how loud it makes what it is given. Raises
EarmarkError, which names the augmentation and its file.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors import EarmarkError, agreed, counted
from earmark.registry import AUGMENTATIONS, STAGES, Entry, fixed
from earmark.train.augment.pool import ClipPool, Sum

Wave = NDArray[np.float32]
Target = NDArray[np.float32]
ROUNDING = 1e-5  # of targets: sums of a hundred weights in float32, each of which is rounded by 6e-8 at most
# Of full scale, or of what went in where that is louder: `gain` may add 60 dB. A wave in the steps of 16 bits is 32,768 times too loud
FAR = 1000.0
OWN = "make a new one of it, as `wave * 0.5` does, in place of `wave *= 0.5`"


@dataclass(frozen=True)
class Applied:
    """entry: as it is registered. does: it, with its arguments. windowed: whether the windows are made before it, or by it."""

    entry: Entry
    does: Any
    windowed: bool = True

    def draw(self, *given: Any, clips: NDArray[np.int64] | None = None) -> Any:
        """Its plan. clips: which clip each of a batch is, where its `draw` asks for them."""
        given = tuple(fixed(each) if isinstance(each, np.ndarray) else each for each in given)
        with self.entry.at_work("draw"):
            return self.does.draw(*given) if clips is None else draw_for(self.does, clips, *given)

    def to_clip(self, generator: np.random.Generator, wave: Wave, length: int) -> Wave:
        """Stage "clip": a wave (samples,) → a wave. length: of the window, samples."""
        wave = fixed(wave)
        plan = self.draw(generator, wave, length)
        with self.entry.at_work("apply"):
            got = self.does.apply(plan, wave)
        return self._wave(got, length if self.windowed else None, [wave])

    def draw_pair(self, generator: np.random.Generator, row: int, pool: ClipPool) -> Sum:
        """Stage "pair": the plan for the clip in a row of the pool."""
        plan: Sum = self.draw(generator, row, pool)
        rows = np.asarray(getattr(plan, "rows", ()))
        if rows.ndim != 1 or not len(rows) or rows.dtype.kind not in "iu" or rows[0] != row:
            raise self._wrong(
                f"its draw gives {shown(plan)}, and a plan has `rows`, whole numbers (clips,), of which the first is the clip's own, "
                f"{row}"
            )
        if rows.min() < 0 or rows.max() >= len(pool):
            raise self._wrong(
                f"its draw gives rows {rows.min()} to {rows.max()}, and the pool has 0 to {len(pool) - 1}"
            )
        return plan

    def to_pair(self, plan: Sum, waves: Sequence[Wave], targets: Sequence[Target]) -> tuple[Wave, Target]:
        """Stage "pair": windows (samples,) and targets (tags,) of the plan's rows → one window and its target."""
        waves, targets = [fixed(wave) for wave in waves], [fixed(target) for target in targets]
        with self.entry.at_work("apply"):
            got = self.does.apply(plan, waves, targets)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise self._wrong(f"its apply gives {shown(got)}, not two things: a wave and its target")
        wave, target = self._wave(got[0], len(waves[0]), waves), got[1]
        tags = targets[0].shape
        if not isinstance(target, np.ndarray) or target.shape != tags or target.dtype.kind != "f":
            raise self._wrong(
                f"its apply gives {shown(target)} for a target, which is an array of floats {_sides(tags)}"
            )
        if not (target.min() >= -ROUNDING and target.max() <= 1 + ROUNDING):
            self._check_targets(target, any(np.isnan(each).any() for each in targets))
        return wave, target.astype(np.float32, copy=False)

    def to_batch(self, plan: object, values: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Stages "batch" and "maps": values (batch, …) and targets (batch, tags) → the same shapes."""
        before = values._version, targets._version
        with self.entry.at_work("apply"):
            got = self.does.apply(plan, values, targets)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise self._wrong(f"its apply gives {shown(got)}, not two tensors: those of clips, and their targets")
        what = "maps" if self.entry.facts["stage"] == "maps" else "waves"
        for name, old, each, version in zip((what, "targets"), (values, targets), got, before, strict=True):
            if old._version != version:
                raise self._wrong(f"its apply writes into the {name} that it is given: {OWN}")
            if not isinstance(each, Tensor) or each.shape != old.shape or not each.is_floating_point():
                raise self._wrong(
                    f"its apply gives {shown(each)} for {name}, which stay a tensor of floats {_sides(old.shape)}"
                )
            if each.device != old.device:
                raise self._wrong(f"its apply gives {name} on {each.device}; they stay on {old.device}")
        made, wanted = got[0].to(values.dtype), got[1].to(targets.dtype)
        self._check_contents(made.detach(), values.detach(), wanted.detach(), targets, what)
        return made, wanted

    def _check_contents(self, values: Tensor, given: Tensor, targets: Tensor, before: Tensor, what: str) -> None:
        """given, before: values and targets as they were."""
        # a sum of what is finite is finite unless it overflows; asked at once, a GPU is waited for once
        fine = (targets.amin() >= -ROUNDING) & (targets.amax() <= 1 + ROUNDING) & values.sum().isfinite()
        if not self.entry.own:
            fine &= values.abs().amax() <= FAR * given.abs().amax().clamp(min=1)
        if bool(fine):
            return
        if wrong := int((~values.isfinite()).sum()):
            raise self._wrong(
                f"its apply gives {what} of which {wrong:,} of {counted(values.numel(), 'value')} "
                f"{agreed(wrong, 'is no finite number', 'are no finite numbers')}"
            )
        self._check_targets(targets.cpu().numpy(), bool(before.isnan().any()))
        if not self.entry.own:
            self._check_size(what, float(values.abs().amax()), float(given.abs().amax()))

    def _check_size(self, what: str, most: float, given: float) -> None:
        """most, given: the largest value of all that it gives, and that it was given."""
        if most <= FAR * max(1.0, given):
            return
        scale = (
            ": full scale is from -1 to 1, and 16 bits are 32,768 steps of it. Give what lies between -1 and 1"
            if what != "maps"
            else ": give maps of the same unit"
        )
        raise self._wrong(
            f"its apply gives {what} of which the largest value is {most:.3g}, where {given:.3g} went in; more than {FAR:,.0f} times as "
            f"much, or as 1, is refused{scale}"
        )

    def _check_targets(self, targets: NDArray[Any], unknown: bool) -> None:
        """unknown: whether some were not known before, so that some may be NaN."""
        if np.isnan(targets).any() and not unknown:
            raise self._wrong("its apply gives targets that are no numbers (NaN), where all were known")
        known = targets[~np.isnan(targets)]
        wrong = known[(known < -ROUNDING) | (known > 1 + ROUNDING)]
        if len(wrong):
            raise self._wrong(
                f"its apply gives targets from {known.min():g} to {known.max():g}; they lie between 0 and 1"
            )

    def _wave(self, got: Any, length: int | None, given: Sequence[Wave]) -> Wave:
        """length: that it must have, samples; None: any. given: the waves that it was made of, its own first."""
        if not isinstance(got, np.ndarray) or got.ndim != 1 or got.dtype.kind != "f":
            raise self._wrong(
                f"its apply gives {shown(got)}; a wave is an array of floats (samples,), full scale from -1 to 1"
            )
        if length is not None and len(got) != length:
            raise self._wrong(
                f"its apply gives {counted(len(got), 'sample')}, and the window has {length:,}: what changes the length of a clip is "
                "registered with resizes=True, and stands before the crop"
            )
        if not len(got) and len(given[0]):
            raise self._wrong(
                f"its apply leaves nothing of a wave of {counted(len(given[0]), 'sample')}, which would be heard as silence"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # of what is told here
            wave: Wave = got.astype(np.float32, copy=False)
            total = wave.sum()
        if not math.isfinite(total) and not (finite := np.isfinite(wave)).all():
            count = int((~finite).sum())
            raise self._wrong(
                f"its apply gives a wave of which {count:,} of {counted(len(wave), 'sample')} "
                f"{agreed(count, 'is no finite number', 'are no finite numbers')}"
            )
        if not self.entry.own:
            self._check_size("a wave", _largest(wave), max(_largest(each) for each in given))
        return wave

    def _wrong(self, what: str) -> EarmarkError:
        return EarmarkError(f"{self.entry.told}: {what}")


def staged(parts: Sequence[Any], sample_rate: int) -> Mapping[str, list[Applied]]:
    """The augmentations of a recipe, each with a `name` and its `arguments`, by their stage and in order."""
    found: dict[str, list[Applied]] = {stage: [] for stage in STAGES}
    windowed = False
    for part in parts:
        entry = AUGMENTATIONS[part.name]
        windowed = windowed or bool(entry.facts.get("crops"))
        found[entry.facts["stage"]].append(Applied(entry, build(part.name, part.arguments, sample_rate), windowed))
    return found


def build(name: str, arguments: Mapping[str, Any], sample_rate: int) -> Any:
    """A registered augmentation with its arguments; the sample rate where it asks for it."""
    entry = AUGMENTATIONS[name]
    given = {**arguments, "sample_rate": sample_rate} if "sample_rate" in entry.arguments() else arguments
    return entry.function(**given)


def draw_for(augmentation: Any, clips: NDArray[np.int64], *given: Any) -> object:
    """The plan of an augmentation of batches or maps; `clips` where its `draw` asks for them."""
    asked = {"clips": clips} if "clips" in inspect.signature(augmentation.draw).parameters else {}
    return augmentation.draw(*given, **asked)


def shown(value: Any) -> str:
    """What it is, in words: its kind and, of an array, its shape."""
    if isinstance(value, np.ndarray | Tensor):
        kind = "an array" if isinstance(value, np.ndarray) else "a tensor"
        return f"{kind} of {str(value.dtype).removeprefix('torch.')} {_sides(value.shape)}"
    return "nothing (None)" if value is None else f"what is of the type {type(value).__name__}"


def _largest(wave: Wave) -> float:
    return float(np.abs(wave).max(initial=0.0))


def _sides(shape: Sequence[int] | torch.Size) -> str:
    return str(tuple(shape))
