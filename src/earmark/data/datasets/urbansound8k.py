"""UrbanSound8K: sounds of a city in ten folds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from earmark.data.datasets import AUDIO, columns, dataset, expect, located, present
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError

LAYOUT = {
    "metadata/UrbanSound8K.csv": (
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
        "100648-1-0-0.wav,100648,4.823402,5.471927,2,10,1,car_horn\n"
    ),
    "audio/fold5/100032-3-0-0.wav": AUDIO,
    "audio/fold10/100648-1-0-0.wav": AUDIO,
}
TABLE = "metadata/UrbanSound8K.csv"
SALIENCE = {"1": "foreground", "2": "background"}


@dataset(licence="CC BY-NC 3.0", clips=8732, tags=10)
def urbansound8k(root: Path) -> Manifest:
    """UrbanSound8K: 8732 clips of up to 4 s, 10 tags, one a clip; sounds of a city from Freesound.

    Licence: CC BY-NC 3.0. From: https://urbansounddataset.weebly.com/urbansound8k.html.
    J. Salamon, C. Jacoby and J. P. Bello, "A dataset and taxonomy for urban sound research", ACM Multimedia 2014.
    Folds: the official ten, "1" to "10". Groups: the Freesound upload; 5 of the 1297 (106905, 132016, 176638,
    180937, 77751) have clips in two folds, which `leaks` says. Tags: in the order of the official numbers. The table's
    start and end are times in the upload; they are in `source`, with the salience.
    """
    file = root / TABLE
    expect(root, LAYOUT, TABLE, "audio")
    rows = clips(file)
    names = [f"fold{row['fold']}/{row['name']}" for row in rows]
    paths = located(root, "audio", names)
    present(root / "audio", names, paths)
    order = dict(sorted((int(row["number"]), row["tag"]) for row in rows))
    return build(
        {
            "id": [row["name"].rpartition(".")[0] for row in rows],
            "path": paths,
            "tags": [[row["tag"]] for row in rows],
            "fold": [row["fold"] for row in rows],
            "group": [row["upload"] for row in rows],
            "source": [row["source"] for row in rows],
        },
        root,
        vocabulary=tuple(order.values()),
        name=str(file),
    )


def clips(file: Path) -> list[dict[str, Any]]:
    """The rows of the table: name, upload, fold, number, tag, source."""
    table = load_table(file)
    wanted = ("slice_file_name", "fsID", "fold", "classID", "class", "start", "end", "salience")
    cells = list(zip(*columns(table, file, *wanted), strict=True))
    wrong = [row for row, row_cells in enumerate(cells, 1) if None in row_cells or not row_cells[3].isdecimal()]
    if wrong or not cells:
        raise ManifestError(f"{file}: " + (f"row {wrong[0]} is not complete" if wrong else "holds no clips"))
    tags = defaultdict(set)
    for row_cells in cells:
        tags[row_cells[3]].add(row_cells[4])
    torn = next((number for number, names in tags.items() if len(names) > 1), None)
    if torn is not None:
        raise ManifestError(f"{file}: classID {torn} is called {' and '.join(sorted(tags[torn]))}")
    return [
        {
            "name": name,
            "upload": upload,
            "fold": fold,
            "number": number,
            "tag": tag,
            "source": f"freesound {upload}, {start} to {end} s, {SALIENCE.get(salience, f'salience {salience}')}",
        }
        for name, upload, fold, number, tag, start, end, salience in cells
    ]
