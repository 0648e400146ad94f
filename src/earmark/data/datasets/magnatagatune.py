"""MagnaTagATune: half a minute of music, tagged by players of a game."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.data.datasets import AUDIO, columns, dataset, first, located, present, refuse
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError

LAYOUT = {
    "annotations_final.csv": (
        '"clip_id"\t"rock"\t"opera"\t"mp3_path"\n'
        '"2"\t"1"\t"0"\t"0/one_band-one_record-01-one_song-30-59.mp3"\n'
        '"6"\t"1"\t"1"\t"c/two_bands-two_records-02-two_songs-0-29.mp3"\n'
        '"9"\t"0"\t"1"\t"f/six_bands-six_records-03-six_songs-59-88.mp3"\n'
    ),
    "0/one_band-one_record-01-one_song-30-59.wav": AUDIO,
    "c/two_bands-two_records-02-two_songs-0-29.wav": AUDIO,
    "f/six_bands-six_records-03-six_songs-59-88.wav": AUDIO,
}
TABLE = "annotations_final.csv"
FOLDS = {**dict.fromkeys("0123456789ab", "train"), "c": "validation", **dict.fromkeys("def", "test")}
TIMES = re.compile(r"-\d+-\d+$")  # of the clip in its song, at the end of a name
ABSENT = 'missing="skip" leaves out the clips without a recording, and counts them'


@dataset(licence="CC BY-NC-SA 3.0", clips=25863, tags=188)
def magnatagatune(root: Path, top: int = 50, missing: Literal["refuse", "skip"] = "refuse") -> Manifest:
    """MagnaTagATune: 25,863 clips of 29 s of music, 188 tags, several a clip; usually the 50 most frequent ones.

    Licence of the tags: CC BY-NC-SA 3.0; the music is Magnatune's, CC BY-NC-SA 1.0.
    From: https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset.
    E. Law and others, "Evaluation of algorithms using games: the case of music tagging", ISMIR 2009.
    top: how many tags, the most frequent in the table; of equally frequent ones the first. Clips without any of them
    are left out, and so are recordings of 0 bytes, of which the official archive has three; the facts count both.
    Folds: the split usual in the field, by the folder that the table's path begins with: 0 to b "train", c
    "validation", d to f "test" (S. Dieleman and B. Schrauwen, "End-to-end learning for music audio", ICASSP 2014; the
    15,244, 1529 and 4332 clips of T. Kim and others, ICASSP 2018, table 1, are its clips longer than 29.1 s).
    Groups: the song, by the file's name without the clip's times. missing: whether clips without a recording are
    refused or left out. The folders lie in `root`, or in its folder mp3 or audio.
    """
    if top < 1:
        raise ManifestError(f"top is {top}; the number of tags is 1 or more")
    table = first(root, TABLE, f"metadata/{TABLE}")
    if table is None:
        refuse(root, LAYOUT, f"{TABLE} not found")
    ids, names, tags, truth = clip_table(table)
    chosen = most_frequent(truth, top)
    kept = truth[:, chosen].any(1)
    folder = first(root, *(place + names[0].partition("/")[0] for place in ("", "mp3/", "audio/")))
    places = located(root, "." if folder is None else folder.parent.relative_to(root).as_posix(), names)
    there = np.zeros(len(names), bool)
    tagged = np.flatnonzero(kept)
    if not len(tagged):
        raise ManifestError(f"{table}: no clip has a tag")
    there[tagged[present(root, [names[row] for row in tagged], [places[r] for r in tagged], missing, ABSENT)]] = True
    empty = [row for row in np.flatnonzero(there) if (root / places[row]).stat().st_size == 0]
    rows = np.setdiff1d(np.flatnonzero(there), empty)
    facts: dict[str, Any] = {
        "clips left out without a tag": int((~kept).sum()),
        "recordings that are not there": int((kept & ~there).sum()),
        "recordings of 0 bytes left out": [names[row] for row in empty],
    }
    return build(
        {
            "id": [ids[row] for row in rows],
            "path": [places[row] for row in rows],
            "tags": [[tags[place] for place in chosen if truth[row, place]] for row in rows],
            "fold": [fold(names[row]) for row in rows],
            "group": [song(names[row]) for row in rows],
            "source": [names[row] for row in rows],
        },
        root,
        vocabulary=tuple(tags[place] for place in chosen),
        facts=facts,
        name=str(table),
    )


def clip_table(file: Path) -> tuple[list[str], list[str], list[str], NDArray[np.bool_]]:
    """(ids, paths, tags, truth (clips, tags)) of a table in the layout of annotations_final.csv."""
    table = load_table(file)
    ids, names = columns(table, file, "clip_id", "mp3_path")
    tags = [name for name in table.column_names if name not in ("clip_id", "mp3_path")]
    if not tags or not ids:
        raise ManifestError(f"{file}: holds no {'clips' if tags else 'tags'}")
    odd = [tag for tag in tags if not pc.all(pc.is_in(table[tag], value_set=pc.cast(["0", "1"], "string"))).as_py()]
    if odd:
        raise ManifestError(f"{file}: column {odd[0]!r} holds something other than 0 and 1")
    if None in ids or None in names:
        raise ManifestError(
            f"{file}: row {(ids if None in ids else names).index(None) + 1} lacks its clip_id or mp3_path"
        )
    return ids, names, tags, np.stack([pc.equal(table[tag], "1").to_numpy() for tag in tags], axis=1)


def most_frequent(truth: NDArray[np.bool_], top: int) -> list[int]:
    """The columns with the most clips, most first; of equal ones the first."""
    count = truth.sum(0)
    order = np.argsort(-count, kind="stable")[:top]
    return [int(place) for place in order if count[place]]


def fold(path: str) -> str:
    """ "c/a_band-a_song-30-59.mp3" → "validation"."""
    folder = path.partition("/")[0].lower()
    if "/" not in path or folder not in FOLDS:
        raise ManifestError(f"{path!r} lies in none of the folders 0 to f, by which clips are told into folds")
    return FOLDS[folder]


def song(path: str) -> str:
    """ "c/a_band-a_song-30-59.mp3" → "a_band-a_song"."""
    return TIMES.sub("", path.rpartition("/")[2].rpartition(".")[0])
