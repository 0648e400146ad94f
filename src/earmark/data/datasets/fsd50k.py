"""FSD50K: Freesound clips with the tags of AudioSet's ontology."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, NO_CLIPS, SHOWN, columns, dataset, expect, headless, recordings
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError, counted
from earmark.files import read_text

LAYOUT = {
    "FSD50K.ground_truth/vocabulary.csv": "0,Crushing,/m/07plct2\n1,Electric_guitar,/m/02sgy\n2,Music,/m/04rlf\n",
    "FSD50K.ground_truth/dev.csv": (
        'fname,labels,mids,split\n64760,"Electric_guitar,Music","/m/02sgy,/m/04rlf",train\n'
        "21914,Crushing,/m/07plct2,val\n"
    ),
    "FSD50K.ground_truth/eval.csv": "fname,labels,mids\n99,Music,/m/04rlf\n",
    "FSD50K.dev_audio/64760.wav": AUDIO,
    "FSD50K.dev_audio/21914.wav": AUDIO,
    "FSD50K.eval_audio/99.wav": AUDIO,
}
TRUTH = "FSD50K.ground_truth"


@dataset(licence="CC BY 4.0; clips CC0, CC BY, CC BY-NC or CC Sampling+", clips=51_197, tags=200)
def fsd50k(root: Path) -> Manifest:
    """FSD50K: 51,197 clips of 0.3 to 30 s from Freesound, 200 tags, several a clip, broader ones included.

    Licence: CC BY 4.0; each clip has its own: CC0, CC BY, CC BY-NC or CC Sampling+. From: https://zenodo.org/records/4060432.
    E. Fonseca and others, "FSD50K: An open dataset of human-labeled sound events", IEEE/ACM TASLP 2022.
    Folds: "train" and "val" (40,966 clips, the column split of dev.csv) and "eval" (10,231). Groups: the uploader, with
    the licence in `source`, where FSD50K.metadata/dev_clips_info_FSD50K.json and eval_clips_info_FSD50K.json are there.
    Tags: in the order of vocabulary.csv. Takes the development clips alone where FSD50K.eval_audio is not there.
    """
    expect(root, LAYOUT, *(f"{TRUTH}/{name}.csv" for name in ("vocabulary", "dev")), "FSD50K.dev_audio")
    mids = vocabulary(root / TRUTH / "vocabulary.csv")
    parts = ["dev"]
    facts: dict[str, Any] = {}
    if (root / "FSD50K.eval_audio").is_dir():
        expect(root, LAYOUT, f"{TRUTH}/eval.csv")
        parts.append("eval")
    else:
        facts["eval clips"] = "not there: no FSD50K.eval_audio"
    rows: dict[str, list[Any]] = {column: [] for column in ("id", "path", "tags", "fold", "group", "source")}
    for part in parts:
        names, tags, folds = clips(root / TRUTH / f"{part}.csv", mids)
        if not names:
            raise ManifestError(f"{root / TRUTH / f'{part}.csv'}: {NO_CLIPS}")
        about = _about(root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json")
        if not about:
            facts.setdefault("uploaders not known", []).append(part)
        rows["id"] += names
        rows["path"] += recordings(root, f"FSD50K.{part}_audio", [f"{name}.wav" for name in names])
        rows["tags"] += tags
        rows["fold"] += folds
        rows["group"] += [about.get(name, {}).get("uploader") for name in names]
        licences = [about.get(name, {}).get("license") for name in names]
        rows["source"] += [
            f"freesound {name}" + (f", {licence}" if licence else "")
            for name, licence in zip(names, licences, strict=True)
        ]
    return build(rows, root, vocabulary=tuple(mids), facts=facts, name=str(root / TRUTH))


def vocabulary(file: Path) -> dict[str, str]:
    """tag → mid, in the order of the file, which has no header."""
    table = headless(file, ["number", "tag", "mid"])
    tags, mids = table["tag"].to_pylist(), table["mid"].to_pylist()
    if None in tags or None in mids or len(set(tags)) < len(tags):
        raise ManifestError(f"{file}: a tag is missing or there twice")
    return dict(zip(tags, mids, strict=True))


def clips(file: Path, mids: dict[str, str]) -> tuple[list[str], list[list[str]], list[str]]:
    """(names, tags, folds) of dev.csv or eval.csv. Raises ManifestError for tags and mids that the vocabulary lacks."""
    table = load_table(file)
    names, labels, codes = columns(table, file, "fname", "labels", "mids")
    folds = columns(table, file, "split")[0] if file.stem == "dev" else ["eval"] * len(names)
    blank = [row for row, cells in enumerate(zip(names, labels, codes, strict=True), 1) if None in cells]
    if blank:
        raise ManifestError(f"{file}: row {blank[0]} lacks its fname, labels or mids")
    tags = [cell.split(",") for cell in labels]
    unknown = sorted({tag for clip_tags in tags for tag in clip_tags} - mids.keys())
    if unknown:
        shown = ", ".join(map(repr, unknown[:SHOWN])) + (" …" if len(unknown) > SHOWN else "")
        raise ManifestError(
            f"{file}: {counted(len(unknown), 'label is', 'labels are')} not among the {len(mids)} of vocabulary.csv: {shown}. "
            "Perhaps one of the two is an excerpt"
        )
    for name, clip_tags, cell in zip(names, tags, codes, strict=True):
        if [mids[tag] for tag in clip_tags] != cell.split(","):
            raise ManifestError(
                f"{file}: the mids of clip {name} are {cell}, which are not those of {', '.join(clip_tags)}"
            )
    odd = [name for name, fold in zip(names, folds, strict=True) if fold not in ("train", "val", "eval")]
    if odd:
        raise ManifestError(f"{file}: the split of clip {odd[0]} is neither train nor val")
    return names, tags, folds


def _about(file: Path) -> dict[str, dict[str, Any]]:
    if not file.is_file():
        return {}
    try:
        about: dict[str, dict[str, Any]] = json.loads(read_text(file, ManifestError))
        if not all(isinstance(each, dict) for each in about.values()):
            raise ValueError("an entry is no object")
    except (AttributeError, ValueError) as error:
        raise ManifestError(f"{file}: does not describe clips by their names: {error}") from error
    return about
