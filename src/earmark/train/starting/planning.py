"""What was measured in clips → a recipe that suits them, with the reasons beside each choice."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.data.manifest import Manifest
from earmark.data.together import together
from earmark.errors import agreed, counted
from earmark.scores import Task
from earmark.train.starting.looking import LOUD, Look

MARK = "# earmark start wrote this ("
LIST = "# The list of clips as it was written: "
RATES = (8_000, 16_000, 32_000, 44_100)  # Hz
STEPS, BATCH = 1_200, 16  # of a training: ESC-10's recipes take as many
QUIETEST = -60.0  # dBFS, below which the ends of clips are cut off


@dataclass(frozen=True)
class Plan:
    """rate: Hz. length: seconds of a window; trim: dBFS. folds: dealt, 0 for none. fewest: groups of the rarest tag."""

    labels: bool
    task: Task
    rate: int
    length: float
    trim: float
    epochs: int
    folds: int
    fewest: int


def plan(clips: Manifest, look: Look, labels: bool) -> Plan:
    one = bool((clips.truth().sum(1) == 1).all())
    needed = 2 * float(np.quantile(look.highest, 0.9))
    fitting = [rate for rate in RATES if rate >= needed] or [RATES[-1]]
    rate = min(fitting[0], max([each for each in RATES if each <= look.rate] or [RATES[0]]))
    length = min(3.0, max(0.5, math.ceil(4 * float(np.quantile(look.loud, 0.75))) / 4))
    sounding = look.peak[np.isfinite(look.peak)]
    quietest = float(np.quantile(sounding, 0.01)) if len(sounding) else 0.0
    fewest = _fewest_groups(clips)
    return Plan(
        labels,
        "one" if one else "many",
        rate,
        length,
        min(QUIETEST, round(quietest) - 40.0),
        max(20, min(200, round(STEPS * BATCH / len(clips)))),
        5 if fewest >= 5 else 3 if fewest >= 3 else 0,
        fewest,
    )


def _fewest_groups(clips: Manifest) -> int:
    """Groups of the tag that has the fewest."""
    groups = together(clips)
    truth = clips.truth()
    return min(len(np.unique(groups[truth[:, tag]])) for tag in range(truth.shape[1]))


def text(plan: Plan, look: Look, clips: Path | None = None) -> str:
    """The recipe's file. Its first line tells a digest of the rest, so that a recipe that was changed is known as one's own.

    clips: the file of the clips, whose digest it tells too: a list that was corrected is one's own as well.
    """
    body = (f"{LIST}{_digest(clips.read_bytes())}\n" if clips is not None else "") + _body(plan, look)
    return f"{MARK}{_digest(body)}). Once it is changed it is yours, and is not written over.\n{body}"


def untouched(file: Path) -> bool:
    """Whether a recipe is as `text` made it."""
    try:
        first, _, body = file.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return False
    return first.startswith(f"{MARK}{_digest(body)})")


def corrected(recipe: Path, clips: Path) -> bool:
    """Whether a list of clips is another than the one that the recipe beside it was written with; False where nothing tells it."""
    try:
        told = next(
            (line for line in recipe.read_text(encoding="utf-8").splitlines()[:2] if line.startswith(LIST)), None
        )
        return told is not None and told != f"{LIST}{_digest(clips.read_bytes())}"
    except (OSError, UnicodeDecodeError):
        return False


def _digest(body: str | bytes) -> str:
    return hashlib.sha256(body.encode() if isinstance(body, str) else body).hexdigest()[:12]


def _body(plan: Plan, look: Look) -> str:
    def middle(values: object, digits: int = 1) -> str:
        low, half, high = np.quantile(np.asarray(values, float), [0.1, 0.5, 0.9])
        return f"{half:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    tags = ", ".join(f"{name} {count}" for name, count in list(look.tags.items())[:12]) + " …" * (len(look.tags) > 12)
    sounding = look.peak[np.isfinite(look.peak)]
    peaks = middle(sounding, 0) if len(sounding) else "none"
    held = f'test: ["{plan.folds}"], validation: ["{plan.folds - 1}"]' if plan.folds else "test: [], validation: []"
    why_held = (
        f"fold {plan.folds} is reported, fold {plan.folds - 1} chooses the epoch; groups are whole in their fold"
        if plan.folds
        else f"the rarest tag has {counted(plan.fewest, 'group')}: too few to hold some back, so all clips train"
    )
    silence = (
        f"{look.silent_clips:,} of {counted(look.heard, 'clip')} {agreed(look.silent_clips, 'is', 'are')} digitally silent for "
        "a tenth or more"
    )
    of = "the events" if plan.labels else agreed(look.clips, "it", "them")
    heard = f"Of {of} {look.heard:,} {agreed(look.heard, 'was', 'were')} heard"
    return f"""# Tags: {tags}.
# {counted(look.clips, "clip")}. {heard}; middle values (lowest to highest tenth):
# {middle(look.seconds)} s long, of which {middle(look.loud, 2)} s from the first to the last part within {LOUD:g} dB of the loudest;
# peaks {peaks} dBFS; 95 % of the energy below {middle(look.highest, 0)} Hz; most files have {look.rate:,} Hz.
# {silence}.
summary: A tagger of sounds of my own, in windows of {plan.length:g} s
task: {plan.task}  # {"every clip has one tag" if plan.task == "one" else "some clips have several tags, or none"}
sample_rate: {plan.rate}  # Hz: twice what holds 95 % of the energy of nine clips in ten, as far as the files go
data: {{dataset: {"labelled" if plan.labels else "folder"}, {held}}}  # {why_held}
windows: {{length: {plan.length:g}, hop: {plan.length / 2:g}}}  # three sounds in four fit; then the next
features: {{name: logmel, window: 0.032, hop: 0.016, bands: 64, mean: -30, deviation: 20}}
net: {{name: resnet_c_att, widths: [32, 64, 128], blocks: [1, 1, 1], momentum: 0.1}}  # small; it tells of moments
augment:
  - {{name: trim, below: {plan.trim:g}}}  # dBFS, 40 dB below the quietest clips or less: what is silent at the ends is not learnt
  - {{name: gain, db: 6}}  # another distance
  - {{name: speed, most: 1.1}}  # another animal, another machine
  - {{name: crop, loud: {LOUD:g}}}  # windows where something is heard: silence between two calls is not learnt either
  - {{name: mixup, share: 0.5, alpha: 1.0}}  # sums of two clips: sounds over each other
train:
  epochs: {plan.epochs}  # about {STEPS:,} steps of {BATCH} clips
  batch: {BATCH}
  optimiser: {{name: adam, lr: 1.0e-3}}
  schedule: {{name: cosine, lowest: 1.0e-6, warm_up: 1}}
  keep: {"best" if plan.folds else "last"}
  renew_statistics: true
"""
