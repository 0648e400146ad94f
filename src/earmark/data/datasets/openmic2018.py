"""OpenMIC-2018: instruments in music, tagged in part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, SHOWN, columns, dataset, expect, located, present
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError, agreed, counted
from earmark.files import read_text

LAYOUT = {
    "class-map.json": '{"clarinet": 0, "flute": 1}\n',
    "openmic-2018-aggregated-labels.csv": (
        "sample_key,instrument,relevance,num_responses\n"
        "000046_3840,clarinet,0.82895,3\n000046_3840,flute,0.0,3\n000178_3840,flute,1.0,3\n"
    ),
    "partitions/split01_train.csv": "000046_3840\n",
    "partitions/split01_test.csv": "000178_3840\n",
    "audio/000/000046_3840.ogg": AUDIO,
    "audio/000/000178_3840.ogg": AUDIO,
}
TABLE = "openmic-2018-aggregated-labels.csv"
PARTITIONS = {"train": "partitions/split01_train.csv", "test": "partitions/split01_test.csv"}
RELEVANT = 0.5


@dataset(licence="CC BY 4.0; recordings: Creative Commons, each its own", clips=20_000, tags=20)
def openmic2018(root: Path) -> Manifest:
    """OpenMIC-2018: 20,000 clips of 10 s from the Free Music Archive, 20 tags: instruments, each known of some clips.

    Licence of the tags: CC BY 4.0; each recording has a Creative Commons licence of its own.
    From: https://zenodo.org/records/1432913.
    E. Humphrey, S. Durand and B. McFee, "OpenMIC-2018: An open dataset for multiple instrument recognition", ISMIR 2018.
    A clip has a tag if its relevance, the listeners' mean, is 0.5 or more. Most pairs of a clip and an instrument were
    never asked about: they are unknown, and no loss or figure counts them; the facts count positive, negative and unknown
    pairs.
    Folds: the official "train" and "test" of split01. Groups: the track. Tags: in the order of class-map.json.
    """
    expect(root, LAYOUT, "class-map.json", TABLE, *PARTITIONS.values(), "audio")
    tags = class_names(root / "class-map.json")
    answers = relevance(root / TABLE, tags)
    parts = {fold: keys(root / name) for fold, name in PARTITIONS.items()}
    both = sorted(set.intersection(*map(set, parts.values())))
    if both:
        raise ManifestError(
            f"{root}: {counted(len(both), 'clip is', 'clips are')} in both partitions, such as {both[0]}"
        )
    folds = {key: fold for fold, part in parts.items() for key in part}
    names = [f"{key[:3]}/{key}.ogg" for key in answers]
    paths = located(root, "audio", names)
    present(root / "audio", names, paths)
    positive = sum(value >= RELEVANT for each in answers.values() for value in each.values())
    answered = sum(map(len, answers.values()))
    facts: dict[str, Any] = {
        "pairs": {
            "positive": positive,
            "negative": answered - positive,
            "unknown": len(answers) * len(tags) - answered,
        },
        "listed in a partition but without labels": sum(key not in answers for key in folds),
        "in no partition": sum(key not in folds for key in answers),
    }
    return build(
        {
            "id": list(answers),
            "path": paths,
            "tags": [[tag for tag in tags if each.get(tag, 0.0) >= RELEVANT] for each in answers.values()],
            "unknown": [[tag for tag in tags if tag not in each] for each in answers.values()],
            "fold": [folds.get(key) for key in answers],
            "group": [key.partition("_")[0] for key in answers],
        },
        root,
        vocabulary=tags,
        facts=facts,
        name=str(root / TABLE),
    )


def class_names(file: Path) -> tuple[str, ...]:
    """The instruments in the order of their numbers."""
    try:
        numbers: dict[str, int] = json.loads(read_text(file, ManifestError))
        order = sorted(numbers, key=lambda name: numbers[name])
        if sorted(numbers.values()) != list(range(len(numbers))) or not numbers:
            raise ValueError("the numbers are not 0, 1, 2 …")
    except (AttributeError, TypeError, ValueError) as error:
        raise ManifestError(f"{file}: does not number instruments: {error}") from error
    return tuple(order)


def relevance(file: Path, tags: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Clip → instrument → relevance in [0, 1], of the pairs that were asked about; clips in order of appearance."""
    answers: dict[str, dict[str, float]] = {}
    wrong = []
    table = load_table(file)
    for row, (key, tag, cell) in enumerate(
        zip(*columns(table, file, "sample_key", "instrument", "relevance"), strict=True), 1
    ):
        try:
            value = float(cell)
        except (TypeError, ValueError):
            value = -1.0
        if not key or tag not in tags or not 0 <= value <= 1 or tag in answers.get(key, {}):
            wrong.append(row)
            continue
        answers.setdefault(key, {})[tag] = value
    if wrong:
        raise ManifestError(
            f"{file}: {counted(len(wrong), 'row lacks', 'rows lack')} a clip, an instrument of class-map.json or a relevance "
            f"from 0 to 1, or {agreed(len(wrong), 'says', 'say')} the same again: "
            f"{', '.join(map(str, wrong[:SHOWN]))}{' …' if len(wrong) > SHOWN else ''}"
        )
    return answers


def keys(file: Path) -> list[str]:
    """The clips of a partition, one a line, without a header."""
    listed = [line.strip() for line in read_text(file, ManifestError).splitlines() if line.strip()]
    odd = [key for key in listed if "_" not in key or "," in key]
    if odd or len(set(listed)) < len(listed):
        raise ManifestError(
            f"{file}: {odd[0]!r} is not a clip such as 000046_3840" if odd else f"{file}: names a clip twice"
        )
    return listed
