"""FSDD: spoken digits."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from earmark.data.datasets import AUDIO, dataset, expect, refuse
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError, agreed, counted

LAYOUT = {
    "recordings/0_george_0.wav": AUDIO,
    "recordings/0_george_5.wav": AUDIO,
    "recordings/7_theo_12.wav": AUDIO,
}
NAME = re.compile(r"^(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<take>\d+)$")
TEST_TAKES = 5  # the first takes of every digit and speaker are the official test set


@dataset(licence="CC BY-SA 4.0", clips=3000, tags=10, ids=r"\d_[a-z]+_\d+")
def fsdd(root: Path, split: Literal["official", "speaker"] = "official") -> Manifest:
    """Free Spoken Digit Dataset: 3000 clips of 0.1 to 2.3 s at 8 kHz, 10 tags "0" … "9", 6 speakers.

    Licence: CC BY-SA 4.0. From: https://github.com/Jakobovski/free-spoken-digit-dataset (Z. Jackson and others).
    Groups: the speaker. split="official": folds "test" (takes 0 to 4 of every digit and speaker) and "train". Every
    speaker is on both sides of it, so that figures on it say nothing about new speakers: `leaks` says so, rightly.
    split="speaker": one fold a speaker.
    """
    expect(root, LAYOUT, "recordings")
    if split not in ("official", "speaker"):
        raise ManifestError(f"split is {split!r}; it is 'official' or 'speaker'")
    names = sorted(name for name in os.listdir(root / "recordings") if not name.startswith("."))
    matches = [NAME.match(Path(name).stem) for name in names]
    odd = [name for name, match in zip(names, matches, strict=True) if match is None]
    if odd or not names:
        what = (
            f"{counted(len(odd), 'file')} in recordings {agreed(len(odd), 'is', 'are')} not called digit_speaker_take, such as {odd[0]}"
            if odd
            else "no recordings"
        )
        refuse(root, LAYOUT, what)
    parts = [match.group("digit", "speaker", "take") for match in matches if match]
    official = ["test" if int(take) < TEST_TAKES else "train" for _, _, take in parts]
    return build(
        {
            "id": [Path(name).stem for name in names],
            "path": [f"recordings/{name}" for name in names],
            "tags": [[digit] for digit, _, _ in parts],
            "fold": official if split == "official" else [speaker for _, speaker, _ in parts],
            "group": [speaker for _, speaker, _ in parts],
        },
        root,
        vocabulary=tuple(sorted({digit for digit, _, _ in parts})),
        name=str(root),
    )
