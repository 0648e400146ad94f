"""URBAN-SED: synthetic scenes of a city with their events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, SHOWN, Event, columns, dataset, headless, recordings, refuse, strong
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError
from earmark.files import read_text

LAYOUT = {
    "annotations/train/soundscape_train_uniform1736.txt": "0.02\t0.09\tgun_shot\n0.01\t0.05\tjackhammer\n",
    "annotations/test/soundscape_test_unimodal7.txt": "0.03\t0.06\tjackhammer\n",
    "audio/train/soundscape_train_uniform1736.wav": AUDIO,
    "audio/test/soundscape_test_unimodal7.wav": AUDIO,
}
FOLDS = ("train", "validate", "test")


@dataset(licence="CC BY 4.0", clips=10_000, tags=10)
def urbansed(root: Path) -> Manifest:
    """URBAN-SED: 10,000 clips of 10 s, 10 tags with events: scenes mixed by Scaper from sounds of UrbanSound8K.

    Licence: CC BY 4.0. From: https://zenodo.org/records/1324404.
    J. Salamon and others, "Scaper: A library for soundscape synthesis and augmentation", WASPAA 2017.
    Folds: the official "train" (6000), "validate" (2000) and "test" (2000); those whose annotations are there. A scene
    mixes sounds of several uploads, so there are no groups; the authors drew each fold from uploads of its own.
    Takes the .txt (onset, offset, tag) of each scene, or else its .jams.
    """
    meta = root / "annotations"
    rows: dict[str, list[Any]] = {column: [] for column in ("id", "path", "tags", "events", "fold")}
    for fold in FOLDS:
        if not (meta / fold).is_dir():
            continue
        if not (root / "audio" / fold).is_dir():
            refuse(root, LAYOUT, f"audio/{fold} not found")
        stems = sorted({file.stem for file in (meta / fold).iterdir() if file.suffix in (".txt", ".jams")})
        scenes = [scene(meta / fold / stem) for stem in stems]
        rows["id"] += stems
        rows["path"] += recordings(root, f"audio/{fold}", [f"{stem}.wav" for stem in stems])
        rows["tags"] += [tags for tags, _ in scenes]
        rows["events"] += [events for _, events in scenes]
        rows["fold"] += [fold] * len(stems)
    if not rows["id"]:
        refuse(root, LAYOUT, "no .txt and no .jams in annotations/train, annotations/validate and annotations/test")
    return build(rows, root, name=str(meta))


def scene(stem: Path) -> tuple[list[str], list[Event]]:
    """(tags, events) of a scene from `stem`.txt or else `stem`.jams; events in the order of their onsets."""
    text = stem.with_name(f"{stem.name}.txt")
    file = text if text.is_file() else stem.with_name(f"{stem.name}.jams")
    events = _text(file) if file == text else _jams(file)
    labels = strong(file, [stem.name] * len(events), *([event[n] for event in events] for n in (1, 2, 0)))
    known = labels.events.get(stem.name, [])
    if known is None:
        raise ManifestError(f"{file}: an event has no length")
    known = sorted(known, key=lambda event: event[1:])
    return list(dict.fromkeys(tag for tag, _, _ in known)), known


def _text(file: Path) -> list[tuple[Any, Any, Any]]:
    if not file.read_bytes().strip():
        return []  # a scene in which nothing is heard
    onsets, offsets, tags = columns(headless(file, ["onset", "offset", "tag"], "\t"), file, "onset", "offset", "tag")
    return list(zip(tags, onsets, offsets, strict=True))


def _jams(file: Path) -> list[tuple[Any, Any, Any]]:
    """The events in the foreground of Scaper's annotation. JAMS: E. Humphrey and others, ISMIR 2014."""
    try:
        annotations = json.loads(read_text(file, ManifestError))["annotations"]
        chosen = [annotation for annotation in annotations if annotation["namespace"] in ("scaper", "sound_event")]
        if not chosen:
            names = ", ".join(sorted({annotation["namespace"] for annotation in annotations})[:SHOWN])
            raise ManifestError(
                f"{file}: no annotation of namespace 'scaper' or 'sound_event'. It has {names or 'none'}"
            )
        return [
            (event["value"]["label"], event["time"], event["time"] + event["duration"])
            for event in chosen[0]["data"]
            if event["value"]["role"] == "foreground"
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{file}: is not an annotation by Scaper ({type(error).__name__}: {error})") from error
