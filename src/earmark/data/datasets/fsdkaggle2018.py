"""FSDKaggle2018: the general-purpose tagging task of DCASE 2018."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from earmark.data.datasets import AUDIO, NO_CLIPS, choose, columns, complete, dataset, first, recordings, refuse
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError

LAYOUT = {
    "FSDKaggle2018.meta/train_post_competition.csv": (
        "fname,label,manually_verified,freesound_id,license\n"
        "00044347.wav,Hi-hat,0,28739,Attribution\n"
        "001ca53d.wav,Saxophone,1,358827,Attribution\n"
    ),
    "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv": (
        "fname,label,usage,freesound_id,license\n00326aa9.wav,Oboe,Private,355125,Attribution\n"
    ),
    "FSDKaggle2018.audio_train/00044347.wav": AUDIO,
    "FSDKaggle2018.audio_train/001ca53d.wav": AUDIO,
    "FSDKaggle2018.audio_test/00326aa9.wav": AUDIO,
}
# By whom a table was published: with the sounds at Zenodo, or at Kaggle, while the challenge ran and after it
FOLDERS = ("FSDKaggle2018.meta/", "meta/", "")
TRAIN = ("train_post_competition.csv", "train.csv")
TEST = ("test_post_competition_scoring_clips.csv", "test_post_competition.csv")
PLACEHOLDERS = "sample_submission.csv"
VERIFIED = ", verified"
PADDING = "Ignored"  # usage of the clips that the challenge did not count


@dataset(licence="CC BY 4.0; clips CC0 or CC BY", clips=11073, tags=41)
def fsdkaggle2018(
    root: Path, verified_only: bool = False, test: Literal["all", "public", "private"] = "all"
) -> Manifest:
    """FSDKaggle2018: 9473 training and 1600 test clips of 0.3 to 30 s, 41 tags, one a clip; DCASE 2018 task 2.

    Licence: CC BY 4.0; each clip is CC0 or CC BY, which `source` names. From: https://zenodo.org/records/2552860.
    E. Fonseca and others, "General-purpose tagging of Freesound audio with AudioSet labels", DCASE 2018.
    About 60 % of the training labels were not verified by people: `source` says which, and verified_only=True leaves
    them out. Groups: the Freesound clip. Folds: "test" for the test clips; there is none for training, so use
    `assign_folds` or `split` there. test="public" leaves the 301 clips of the public leaderboard in fold "test",
    "private" the 1299 others, as the column `usage` has it; "all" both.
    Also takes the names without "FSDKaggle2018.", tables in `root` itself, the training clips alone, and the layout of
    Kaggle: train.csv or train_post_competition.csv, audio_train/, test_post_competition.csv, audio_test/. Clips that
    this one calls Ignored were not counted, and are left out. The labels of sample_submission.csv stand for nothing:
    without another table of test clips there are none here, and `earmark tag audio_test --format submission` answers it.
    """
    choose("test", test, "all", "public", "private")
    train = _table(root, *TRAIN)
    if train is None:
        refuse(root, LAYOUT, f"neither {' nor '.join(TRAIN)} found")
    rows = _rows(root, train, "train", "manually_verified")
    if not rows:
        raise ManifestError(f"{train}: {NO_CLIPS}")
    facts: dict[str, Any] = {"training table": train.name}
    if verified_only:
        verified = [row for row in rows if row["source"].endswith(VERIFIED)]
        facts["clips left out as not verified"] = len(rows) - len(verified)
        rows = verified
    more, told = _test_rows(root, test)
    rows += more
    if not rows:
        raise ManifestError(f"{train}: holds no clips with verified labels")
    return build({name: [row[name] for row in rows] for name in rows[0]}, root, facts=told | facts, name=str(train))


def _test_rows(root: Path, part: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The test clips of a part of the leaderboard, and what is to be told of them."""
    file = _table(root, *TEST)
    if file is None:
        why = f"no {TEST[0]}"
        if _table(root, PLACEHOLDERS) is not None:
            why = f"the labels in {PLACEHOLDERS} are placeholders"
        if part != "all":
            raise ManifestError(f"{root}: test={part!r} needs the column usage of a table of test clips: {why}")
        return [], {"test clips": f"not there: {why}"}
    (usage,) = columns(load_table(file), file, "usage")
    uses = Counter(use for use in usage if use is not None)
    left_out = {use for use in uses if use == PADDING or part not in ("all", use.lower())}
    if not uses.keys() - left_out:
        raise ManifestError(f"{file}: holds no test clips of test={part!r}; usage is {', '.join(uses) or 'blank'}")
    told: dict[str, Any] = {"test clips": "included" if part == "all" else f"included: {part}"}
    if left_out:
        told["test clips left out, by usage"] = {use: uses[use] for use in sorted(left_out)}
    return _rows(root, file, "test", "usage", left_out), told


def _table(root: Path, *names: str) -> Path | None:
    return first(root, *(folder + name for name in names for folder in FOLDERS))


def _rows(root: Path, file: Path, part: str, remark: str, left_out: Container[str] = ()) -> list[dict[str, Any]]:
    """The clips of a table, but for those whose remark is among `left_out`.

    While the challenge ran, its tables told neither the Freesound clip nor the licence.
    """
    folder = first(root, f"FSDKaggle2018.audio_{part}", f"audio_{part}")
    if folder is None:
        refuse(root, LAYOUT, f"FSDKaggle2018.audio_{part} not found")
    raw = load_table(file)
    wanted = ["fname", "label", remark, *(name for name in ("freesound_id",) if name in raw.column_names)]
    kept = [mark not in left_out for mark in columns(raw, file, *wanted)[2]]
    raw = raw.filter(pa.array(kept, pa.bool_()))
    cells = columns(raw, file, *wanted)
    complete(file, cells, *wanted)
    names, labels, remarks, *sounds = cells
    if remark == "manually_verified":
        odd = [name for name, mark in zip(names, remarks, strict=True) if mark not in ("0", "1")]
        if odd:
            raise ManifestError(f"{file}: {remark} of {odd[0]} is neither 0 nor 1")
        remarks = ["verified" if mark == "1" else "not verified" for mark in remarks]
    licences = columns(raw, file, "license")[0] if sounds else [None] * len(names)
    return [
        {
            "id": Path(name).stem,
            "path": path,
            "tags": [label],
            "fold": "test" if part == "test" else None,
            "group": sound,
            "source": f"freesound {sound}, {licence}, {mark}" if sounds else f"freesound, {mark}",
        }
        for name, path, label, mark, sound, licence in zip(
            names,
            recordings(root, folder.name, names),
            labels,
            remarks,
            sounds[0] if sounds else [None] * len(names),
            licences,
            strict=True,
        )
    ]
