"""Augmentations that do what none may: each is told by its name, in every stage, and the clips stay as they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.errors import EarmarkError
from earmark.recipe.schema import Component
from earmark.registry import AUGMENTATIONS, STAGES
from earmark.train import augment
from earmark.train.augment import ClipPool
from earmark.train.augment.pool import Sum

RATE = 1000
LENGTH = 20
KNOWN = np.eye(3, dtype=np.float32)
TWO = Sum(np.array([1, 2]), np.full(2, 0.5, np.float32), np.full(2, 0.5, np.float32))


@pytest.fixture
def made():
    """Registers an augmentation that does as it is told, and gives it as a recipe has it."""
    names = []

    def make(stage, apply, draw=lambda *given: None, **facts):
        class Told:
            """For the test."""

            def draw(self, generator, first, second=None):
                return draw(first)

            def apply(self, *given):
                return apply(*given[1:])

        names.append(f"told_{stage}")
        AUGMENTATIONS.register(names[-1], stage=stage, **facts)(Told)
        return augment.staged([Component(name="crop"), Component(name=names[-1])], RATE)[stage][-1]

    yield make
    for name in names:
        AUGMENTATIONS._entries.pop(name, None)


def applied(stage, augmentation):
    """What it gives, put to work on what its stage is given."""
    generator = np.random.default_rng(0)
    if stage == "clip":
        return augmentation.to_clip(generator, np.linspace(-1, 1, LENGTH, dtype=np.float32), LENGTH)
    if stage == "pair":
        plan = augmentation.draw_pair(generator, 1, ClipPool(KNOWN))
        waves = [np.linspace(-1, 1, LENGTH, dtype=np.float32)] * 2
        return augmentation.to_pair(plan, waves, [KNOWN[1].copy(), KNOWN[2].copy()])
    sizes = (3, LENGTH) if stage == "batch" else (3, 1, 4, 5)
    plan = augmentation.draw(generator, *[sizes] * (stage == "maps"), KNOWN)
    return augmentation.to_batch(plan, torch.linspace(-1, 1, 3 * LENGTH).view(sizes), torch.from_numpy(KNOWN.copy()))


def one(change):
    """A pair's apply, of the first of each; `change` is given both."""
    return lambda waves, targets: change(waves[0], targets[0])


def write(values, *others):
    values *= 0.5
    return (values, *others) if others else values


WRONG = {
    "clip": [
        (write, r"its apply fails \(line \d+\): ValueError: .*read-only.* make a new array"),
        (lambda wave: None, r"its apply gives nothing \(None\); a wave is an array of floats \(samples,\)"),
        (lambda wave: (wave * 32767).astype(np.int16), r"its apply gives an array of int16 \(20,\); a wave is"),
        (lambda wave: wave[None], r"its apply gives an array of float32 \(1, 20\); a wave is"),
        (lambda wave: torch.from_numpy(wave.copy()), r"its apply gives a tensor of float32 \(20,\); a wave is"),
        (lambda wave: wave[:7], r"its apply gives 7 samples, and the window has 20: .*resizes=True"),
        (lambda wave: wave * np.float32(np.nan), r"a wave of which 20 of 20 samples are no finite numbers"),
        (lambda wave: np.where(np.arange(LENGTH) == 3, np.inf, wave), r"of which 1 of 20 samples is no finite"),
        (lambda wave: {}["x"], r"its apply fails \(line \d+\): KeyError: 'x'$"),
    ],
    "pair": [
        (one(lambda wave, target: (write(wave), target)), r"its apply fails .*read-only"),
        (one(lambda wave, target: (wave, write(target))), r"its apply fails .*read-only"),
        (one(lambda wave, target: wave), r"its apply gives an array of float32 \(20,\), not two things: a wave and"),
        (one(lambda wave, target: (wave[:7], target)), r"gives 7 samples, and the window has 20"),
        (one(lambda wave, target: (wave * np.inf, target)), r"samples are no finite numbers"),
        (one(lambda wave, target: (wave, target[:2])), r"gives an array of float32 \(2,\) for a target, .* \(3,\)"),
        (one(lambda wave, target: (wave, target > 0)), r"gives an array of bool \(3,\) for a target"),
        (one(lambda wave, target: (wave, target * 2)), r"gives targets from 0 to 2; they lie between 0 and 1"),
        (one(lambda wave, target: (wave, target * np.float32(np.nan))), r"targets that are no numbers \(NaN\)"),
    ],
    "batch": [
        (write, r"its apply writes into the waves that it is given: make a new one"),
        (lambda waves, targets: (waves, write(targets)), r"its apply writes into the targets that it is given"),
        (lambda waves, targets: waves, r"its apply gives a tensor of float32 \(3, 20\), not two tensors"),
        (lambda waves, targets: (waves[:-1], targets[:-1]), r"a tensor of float32 \(2, 20\) for waves, .* \(3, 20\)"),
        (lambda waves, targets: (waves, targets[:, :2]), r"a tensor of float32 \(3, 2\) for targets, .* \(3, 3\)"),
        (lambda waves, targets: (waves.int(), targets), r"a tensor of int32 \(3, 20\) for waves"),
        (lambda waves, targets: (waves * torch.nan, targets), r"waves of which 60 of 60 values are no finite"),
        (lambda waves, targets: (waves, targets * 2 - 3), r"gives targets from -3 to -1; they lie between 0 and 1"),
        (lambda waves, targets: (waves, targets * torch.nan), r"targets that are no numbers \(NaN\)"),
        (lambda waves, targets: {}["x"], r"its apply fails \(line \d+\): KeyError: 'x'$"),
    ],
}
WRONG["maps"] = [
    (apply, told.replace("waves", "maps").replace("(3, 20)", "(3, 1, 4, 5)").replace(r"\(3, 20\)", r"\(3, 1, 4, 5\)"))
    for apply, told in WRONG["batch"]
    if r"\(2, 20\)" not in told
]
EACH = [(stage, apply, told) for stage in STAGES for apply, told in WRONG[stage]]


@pytest.mark.parametrize(("stage", "apply", "told"), EACH, ids=[f"{stage}-{told[:40]}" for stage, _, told in EACH])
def test_what_none_may_give_is_told_with_its_name(made, stage, apply, told):
    augmentation = made(stage, apply, lambda first: TWO)
    with pytest.raises(
        EarmarkError, match=rf"^the augmentation 'told_{stage}' of tests\.augment\.test_applied: .*{told}"
    ):
        applied(stage, augmentation)


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_as_it_should_be_goes_through(made, stage):
    own = {"clip": lambda wave: wave * 0.5, "pair": one(lambda wave, target: (wave * 0.5, target * 0.5))}
    augmentation = made(
        stage, own.get(stage, lambda values, targets: (values.double() * 0.5, targets * 0.5)), lambda first: TWO
    )
    got = applied(stage, augmentation)
    for each in got if isinstance(got, tuple) else [got]:
        assert str(each.dtype).removeprefix("torch.") == "float32"
    assert float(np.asarray(got[0] if isinstance(got, tuple) else got).max()) == 0.5


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (None, r"its draw gives nothing \(None\), and a plan has `rows`"),
        (Sum(np.array([2, 1]), TWO.weights, TWO.labels), r"of which the first is the clip's own, 1"),
        (Sum(np.array([1, 9]), TWO.weights, TWO.labels), r"its draw gives rows 1 to 9, and the pool has 0 to 2"),
    ],
)
def test_a_plan_of_clips_that_are_not_there_is_told(made, plan, told):
    with pytest.raises(EarmarkError, match=told):
        applied("pair", made("pair", one(lambda wave, target: (wave, target)), lambda first: plan))


def test_an_empty_clip_before_the_crop_is_told(made):
    made("clip", lambda wave: wave[:0], resizes=True)
    before = augment.staged([Component(name="told_clip"), Component(name="crop")], RATE)["clip"][0]
    with pytest.raises(EarmarkError, match=r"leaves nothing of a wave of 20 samples, which would be heard as silence"):
        applied("clip", before)


def test_targets_that_are_not_known_stay_so(made):
    """In task many some are NaN."""
    augmentation = made("batch", lambda waves, targets: (waves, targets.roll(1, 0)))
    targets = torch.tensor([[0.0, torch.nan], [1.0, 0.0]])
    _, got = augmentation.to_batch(None, torch.zeros(2, 5), targets)
    assert got.isnan().tolist() == [[False, False], [False, True]]


def test_sums_that_overflow_are_no_infinite_values(made):
    values = torch.full((2, 1, 3, 4), 3e38)
    got, _ = made("maps", lambda maps, targets: (maps, targets)).to_batch(None, values, torch.ones(2, 1))
    assert torch.equal(got, values)
