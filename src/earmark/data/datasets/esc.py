"""ESC-50 and ESC-10: environmental sounds in five folds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from earmark.data.datasets import AUDIO, columns, complete, dataset, expect, recordings, refuse
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError

LAYOUT = {
    "meta/esc50.csv": (
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
        "2-100038-A-14.wav,2,14,chirping_birds,False,100038,A\n"
    ),
    "audio/1-100032-A-0.wav": AUDIO,
    "audio/2-100038-A-14.wav": AUDIO,
}


@dataset(licence="ESC-50: CC BY-NC 3.0; ESC-10: CC BY 3.0", clips=2000, tags=50, ids=r"\d-\d+-[A-Z]-\d+")
def esc(root: Path, subset: Literal["esc10"] | None = None) -> Manifest:
    """ESC-50: 2000 environmental recordings of 5 s, 50 tags, one a clip, 40 clips each; or ESC-10, its freer subset.

    Licence: CC BY-NC 3.0; ESC-10 (400 clips, 10 tags) CC BY 3.0. Each clip comes from Freesound with its own credit.
    From: https://github.com/karolpiczak/ESC-50 and https://github.com/karolpiczak/ESC-10.
    K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.
    Folds: the official five, "1" to "5". Groups: the Freesound upload, which the folds respect. Tags: in the order of
    the official numbers. subset="esc10": only the ESC-10 rows of ESC-50. Clips of ESC-10 are not exactly 5 s long.
    Takes meta/esc50.csv, or else meta/esc10.csv.
    """
    file = next((root / "meta" / name for name in ("esc50.csv", "esc10.csv") if (root / "meta" / name).is_file()), None)
    if file is None:
        refuse(root, LAYOUT, "neither meta/esc50.csv nor meta/esc10.csv found")
    expect(root, LAYOUT, "audio")
    if subset not in (None, "esc10"):
        raise ManifestError(f"subset is {subset!r}; it is 'esc10' or not given")
    table = load_table(file)
    wanted = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    cells = columns(table, file, *wanted)
    complete(file, cells, *wanted)
    rows = list(zip(*cells, strict=True))
    odd = [row[0] for row in rows if not row[2].isdecimal()]
    if odd:
        raise ManifestError(f"{file}: the target of {odd[0]} is not a whole number")
    if subset:
        rows = [row for row in rows if row[4].lower() == "true"]
    if not rows:
        raise ManifestError(f"{file}: holds no clips" + (" of ESC-10" if subset else ""))
    names, folds, targets, tags, _, uploads, takes = zip(*rows, strict=True)
    order = dict(sorted((int(target), tag) for target, tag in zip(targets, tags, strict=True)))
    return build(
        {
            "id": [Path(name).stem for name in names],
            "path": recordings(root, "audio", names),
            "tags": [[tag] for tag in tags],
            "fold": folds,
            "group": uploads,
            "source": [f"freesound {upload}, take {take}" for upload, take in zip(uploads, takes, strict=True)],
        },
        root,
        vocabulary=tuple(order.values()),
        name=str(file),
    )
