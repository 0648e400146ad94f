"""DESED and DCASE 2018 task 4: sounds at home, weakly and strongly labelled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from earmark.data.datasets import (
    AUDIO,
    NO_CLIPS,
    VANISHED,
    choose,
    columns,
    dataset,
    first,
    located,
    present,
    refuse,
    strong,
)
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError

LAYOUT = {
    "metadata/train/weak.tsv": "filename\tevent_labels\nYKK227gPpRn4_30.000_40.000.wav\tAlarm_bell_ringing,Cat\n",
    "metadata/validation/validation.tsv": (
        "filename\tonset\toffset\tevent_label\n"
        "Y0cH_NlhhMAs_30.000_40.000.wav\t1.710\t6.005\tCat\n"
        "Y0cH_NlhhMAs_30.000_40.000.wav\t6.1\t6.3\tCat\n"
    ),
    "audio/train/weak/YKK227gPpRn4_30.000_40.000.wav": AUDIO,
    "audio/validation/Y0cH_NlhhMAs_30.000_40.000.wav": AUDIO,
}


class Subset(NamedTuple):
    """A table in metadata without its ending, the folders of audio that may go with it, and the fold of its clips."""

    table: str
    audio: tuple[str, ...]
    fold: str


UNLABELLED = "unlabelled"
PARTS = {
    "weak": Subset("train/weak", ("train/weak",), "train"),
    "audioset_strong": Subset("train/audioset_strong", ("train/strong_label_real",), "train"),
    "synthetic": Subset("train/synthetic", ("train/synthetic",), "train"),
    "synthetic20": Subset("train/synthetic20/soundscapes", ("train/synthetic20/soundscapes",), "train"),
    "synthetic21_train": Subset(
        "train/synthetic21_train/soundscapes", ("train/synthetic21_train/soundscapes",), "train"
    ),
    "synthetic21_validation": Subset(
        "validation/synthetic21_validation/soundscapes",
        ("validation/synthetic21_validation/soundscapes",),
        "validation",
    ),
    "validation": Subset("validation/validation", ("validation/validation", "validation"), "validation"),
    "test": Subset("test/test", ("test",), "test"),
    "eval": Subset("eval/eval", ("eval",), "eval"),
    "public": Subset("eval/public", ("eval/public",), "eval"),
    "unlabel_in_domain": Subset("train/unlabel_in_domain", ("train/unlabel_in_domain",), UNLABELLED),
}
ROOTS = ("", "dataset", "real")  # where metadata and audio lie
VIDEO = re.compile(r"^Y(?P<video>.{11})_[\d.]+_[\d.]+$")


@dataset(
    licence="labels: MIT, AudioSet's CC BY 4.0; videos: their uploaders'; Freesound clips: each its own",
    clips=2746,
    tags=10,
)
def desed(root: Path, parts: str | None = None, missing: Literal["refuse", "skip"] = "refuse") -> Manifest:
    """DESED: clips of 10 s of sounds at home, 10 tags: 1578 with weak and 1168 with strong labels, and synthetic ones.

    Licence of the labels: MIT and, for the tags from AudioSet, CC BY 4.0; the videos belong to their uploaders.
    From: https://github.com/turpaultn/DESED; DCASE 2018 task 4: https://github.com/DCASE-REPO/dcase2018_baseline.
    N. Turpault and others, "Sound event detection in domestic environments with weakly labeled data and soundscape
    synthesis", DCASE 2019; R. Serizel and others, "Large-scale weakly labeled semi-supervised sound event detection in
    domestic environments", DCASE 2018.
    Takes metadata/ and audio/ in `root`, or in its folder dataset or real; tables may end in .tsv or .csv, and hold tabs.
    parts: which tables, separated by commas: weak, audioset_strong, synthetic, synthetic20, synthetic21_train (fold
    "train"), synthetic21_validation, validation (fold "validation"), test (DCASE 2018), eval, public (fold "eval") and
    unlabel_in_domain (fold "unlabelled", clips without tags). Without it, all labelled parts whose table and folder of
    audio are there; the facts name the others. Events: in strong tables; a row with a name alone says that nothing is
    heard. Groups: the video. Ids: the path in audio/ without its ending.
    missing: many videos are gone. "refuse" names the clips without a recording, "skip" leaves them out; the facts count.
    """
    choose("missing", missing, "refuse", "skip")
    base = next((root / place for place in ROOTS if (root / place / "metadata").is_dir()), None)
    if base is None or not (base / "audio").is_dir():
        refuse(root, LAYOUT, f"{'metadata' if base is None else 'audio'} not found")
    chosen = _chosen(base, parts)
    rows: dict[str, list[Any]] = {column: [] for column in ("id", "path", "tags", "events", "fold", "group")}
    facts: dict[str, Any] = {"parts": {}, "recordings that are not there": 0, "events without a length": 0}
    for name in chosen:
        table, folder = _found(base, PARTS[name])
        if table is None or folder is None:
            lost = f"metadata/{PARTS[name].table}.tsv" if table is None else f"audio/{PARTS[name].audio[0]}"
            refuse(root, LAYOUT, f"part {name!r} has no {lost}")
        files, tags, events, unclear = clips(table)
        if not files:
            raise ManifestError(f"{table}: {NO_CLIPS}")
        place = f"{folder.relative_to(root).as_posix()}"
        paths = located(root, place, files)
        kept = present(folder, files, paths, missing, VANISHED)
        inner = folder.relative_to(base / "audio").as_posix()
        stems = [files[row].rpartition(".")[0] or files[row] for row in kept]
        rows["id"] += [f"{inner}/{stem}" for stem in stems]
        rows["path"] += [paths[row] for row in kept]
        rows["tags"] += [tags[row] for row in kept]
        rows["events"] += [events[row] for row in kept]
        rows["fold"] += [PARTS[name].fold] * len(kept)
        rows["group"] += [video(stem) for stem in stems]
        facts["parts"][name] = len(kept)
        facts["recordings that are not there"] += len(files) - len(kept)
        facts["events without a length"] += unclear
    facts["parts left out"] = [name for name in PARTS if name not in chosen and _found(base, PARTS[name])[0]]
    return build(rows, root, facts=facts, name=str(base / "metadata"))


def clips(file: Path) -> tuple[list[str], list[list[str]], list[Any], int]:
    """(names, tags, events, events without a length) of a table: weak, strong, or of names alone.

    events: None where the table does not tell, or gives an event no length; else lists of (tag, onset, offset).
    """
    table = load_table(file)
    if "onset" in table.column_names:
        labels = strong(file, *columns(table, file, "filename", "onset", "offset", "event_label"))
        return list(labels.events), list(labels.tags.values()), list(labels.events.values()), labels.without_length
    (names,) = columns(table, file, "filename")
    if None in names:
        raise ManifestError(f"{file}: row {names.index(None) + 1} lacks its filename")
    if table.column_names == ["filename"]:
        return names, [[] for _ in names], [None] * len(names), 0
    (cells,) = columns(table, file, "event_labels")
    tags = [[tag.strip() for tag in (cell or "").split(",") if tag.strip()] for cell in cells]
    return names, tags, [None] * len(names), 0


def video(stem: str) -> str | None:
    """ "Y0cH_NlhhMAs_30.000_40.000" → "0cH_NlhhMAs"; None for a name of another form."""
    match = VIDEO.match(stem)
    return match["video"] if match else None


def _found(base: Path, part: Subset) -> tuple[Path | None, Path | None]:
    """The table and the folder of audio of a part."""
    return (
        first(base / "metadata", f"{part.table}.tsv", f"{part.table}.csv"),
        first(base / "audio", *part.audio),
    )


def _chosen(base: Path, parts: str | None) -> list[str]:
    if parts is not None:
        names = [name.strip() for name in parts.split(",") if name.strip()]
        for name in names:
            choose("a name in parts", name, *PARTS)
        if not names:
            raise ManifestError(f"parts is {parts!r}; it names one or more of {', '.join(PARTS)}")
        return list(dict.fromkeys(names))
    there = [name for name, part in PARTS.items() if part.fold != UNLABELLED and all(_found(base, part))]
    if not there:
        refuse(base, LAYOUT, "no table in metadata with a folder of its recordings in audio")
    return there
