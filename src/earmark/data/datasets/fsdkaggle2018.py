"""FSDKaggle2018: the general-purpose tagging task of DCASE 2018."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, columns, complete, dataset, recordings, refuse
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
TRAIN = "train_post_competition.csv"
TEST = "test_post_competition_scoring_clips.csv"


@dataset(licence="CC BY 4.0; clips CC0 or CC BY", clips=11073, tags=41)
def fsdkaggle2018(root: Path, verified_only: bool = False) -> Manifest:
    """FSDKaggle2018: 9473 training and 1600 test clips of 0.3 to 30 s, 41 tags, one a clip; DCASE 2018 task 2.

    Licence: CC BY 4.0; each clip is CC0 or CC BY, which `source` names. From: https://zenodo.org/records/2552860.
    E. Fonseca and others, "General-purpose tagging of Freesound audio with AudioSet labels", DCASE 2018.
    About 60 % of the training labels were not verified by people: `source` says which, and verified_only=True leaves
    them out. Groups: the Freesound clip. Folds: "test" for the test clips; there is none for training, so use
    `assign_folds` or `split` there. Also takes the names without "FSDKaggle2018.", the table of the training clips in
    `root` itself, and the training clips alone.
    """
    train = _find(root, f"FSDKaggle2018.meta/{TRAIN}", f"meta/{TRAIN}", TRAIN)
    if train is None:
        refuse(root, LAYOUT, f"{TRAIN} not found")
    rows = _rows(root, train, "train", "manually_verified")
    left_out = 0
    if verified_only:
        verified = [row for row in rows if row["source"].endswith(", verified")]
        left_out, rows = len(rows) - len(verified), verified
    test = _find(root, f"FSDKaggle2018.meta/{TEST}", f"meta/{TEST}", TEST)
    if test is not None:
        rows += _rows(root, test, "test", "usage")
    if not rows:
        raise ManifestError(f"{train}: holds no clips" + (" with verified labels" if verified_only else ""))
    facts: dict[str, Any] = {"test clips": "included" if test else f"not there: no {TEST}"}
    if verified_only:
        facts["clips left out as not verified"] = left_out
    return build({name: [row[name] for row in rows] for name in rows[0]}, root, facts=facts, name=str(train))


def _find(root: Path, *places: str) -> Path | None:
    return next((root / place for place in places if (root / place).exists()), None)


def _rows(root: Path, file: Path, part: str, remark: str) -> list[dict[str, Any]]:
    folder = _find(root, f"FSDKaggle2018.audio_{part}", f"audio_{part}")
    if folder is None:
        refuse(root, LAYOUT, f"FSDKaggle2018.audio_{part} not found")
    wanted = ("fname", "label", remark, "freesound_id")
    *cells, licences = columns(load_table(file), file, *wanted, "license")
    complete(file, cells, *wanted)
    names, labels, remarks, sounds = cells
    if remark == "manually_verified":
        odd = [name for name, mark in zip(names, remarks, strict=True) if mark not in ("0", "1")]
        if odd:
            raise ManifestError(f"{file}: {remark} of {odd[0]} is neither 0 nor 1")
        remarks = ["verified" if mark == "1" else "not verified" for mark in remarks]
    return [
        {
            "id": Path(name).stem,
            "path": path,
            "tags": [label],
            "fold": "test" if part == "test" else None,
            "group": sound,
            "source": f"freesound {sound}, {licence}, {mark}",
        }
        for name, path, label, mark, sound, licence in zip(
            names, recordings(root, folder.name, names), labels, remarks, sounds, licences, strict=True
        )
    ]
