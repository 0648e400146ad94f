"""Medley-solos-DB: solo instruments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, columns, dataset, recordings, refuse
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError

LAYOUT = {
    "annotation/Medley-solos-DB_metadata.csv": (
        "subset,instrument,instrument_id,song_id,uuid4\n"
        "training,clarinet,0,7,0b361f3f-0520-50c2-fc6c-247600c03c95\n"
        "test,flute,3,101,0acdc953-162f-547b-fd5f-b90ab0cb9ced\n"
    ),
    "audio/Medley-solos-DB_training-0_0b361f3f-0520-50c2-fc6c-247600c03c95.wav": AUDIO,
    "audio/Medley-solos-DB_test-3_0acdc953-162f-547b-fd5f-b90ab0cb9ced.wav": AUDIO,
}
TABLES = "Medley-solos-DB_metadata*.csv"
SUBSETS = ("training", "validation", "test")


@dataset(licence="CC BY 4.0", clips=21_571, tags=8)
def medleysolosdb(root: Path) -> Manifest:
    """Medley-solos-DB: 21,571 clips of 2.97 s, 44.1 kHz, 8 tags, one a clip: a solo instrument each.

    Licence: CC BY 4.0. From: https://zenodo.org/records/3464194.
    V. Lostanlen and C.-E. Cella, "Deep convolutional networks on the pitch spiral for musical instrument recognition",
    ISMIR 2016.
    Folds: the official "training" (5841), "validation" (3494) and "test" (12,236). Groups: the song; where the table has
    no song_id every clip is its own group, and the facts say so. Tags: in the order of the official numbers.
    Takes the table in `root`, annotation or metadata, and recordings in audio.
    """
    tables = [file for place in (root, root / "annotation", root / "metadata") for file in sorted(place.glob(TABLES))]
    if len(tables) != 1:
        names = ", ".join(file.relative_to(root).as_posix() for file in tables)
        refuse(
            root, LAYOUT, f"several tables: {names}. Leave one" if tables else "Medley-solos-DB_metadata.csv not found"
        )
    if not (root / "audio").is_dir():
        refuse(root, LAYOUT, "audio not found")
    rows, songs = clips(tables[0])
    order = dict(sorted((row["number"], row["tag"]) for row in rows))
    return build(
        {
            "id": [row["uuid"] for row in rows],
            "path": recordings(root, "audio", [row["name"] for row in rows]),
            "tags": [[row["tag"]] for row in rows],
            "fold": [row["subset"] for row in rows],
            "group": [row["song"] for row in rows],
        },
        root,
        vocabulary=tuple(order.values()),
        facts={"groups": "songs" if songs else "clips: the table has no song_id"},
        name=str(tables[0]),
    )


def clips(file: Path) -> tuple[list[dict[str, Any]], bool]:
    """The rows of the table (name, subset, number, tag, song, uuid), and whether songs are known."""
    table = load_table(file)
    songs = "song_id" in table.column_names
    cells = columns(table, file, "subset", "instrument_id", "instrument", "uuid4", *(["song_id"] if songs else []))
    rows = []
    names: dict[int, str] = {}
    for line, (subset, number, tag, uuid, *song) in enumerate(zip(*cells, strict=True), 1):
        if subset not in SUBSETS or not tag or not uuid or not (number or "").isdecimal():
            raise ManifestError(
                f"{file}: row {line} is not of a subset ({', '.join(SUBSETS)}), an instrument's number and name and a uuid4"
            )
        if names.setdefault(int(number), tag) != tag:
            raise ManifestError(f"{file}: instrument {number} is called {names[int(number)]!r} and {tag!r}")
        rows.append(
            {
                "name": f"Medley-solos-DB_{subset}-{number}_{uuid}.wav",
                "subset": subset,
                "number": int(number),
                "tag": tag,
                "song": song[0] if song else None,
                "uuid": uuid,
            }
        )
    return rows, songs
