"""DCASE 2017 task 4: sounds of traffic and warnings, weakly labelled for training, strongly for testing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from earmark.data.datasets import (
    AUDIO,
    VANISHED,
    Strong,
    below,
    choose,
    dataset,
    expect,
    first,
    headless,
    present,
    strong,
)
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError
from earmark.files import read_text

LAYOUT = {
    "sound_event_list_17_classes.txt": (
        "Class_ID\tConfidenceofAnnotation(by Google)\tClass_Label\n"
        "/m/0284vy3\t10\tTrain horn\n/m/05x_td\t9\tAir horn, truck horn\n/m/07jdr\t6\tTrain\n"
    ),
    "training_set.csv": '2ceUOv8A3FE,20.000,30.000,"Train horn,Train","/m/0284vy3,/m/07jdr"\n',
    "testing_set.csv": '-Gbohom8C4Q,30.000,40.000,"Train horn,Air horn, truck horn","/m/0284vy3,/m/05x_td"\n',
    "groundtruth_release/groundtruth_strong_label_testing_set.csv": (
        "-Gbohom8C4Q_30.000_40.000.wav\t0.776\t3.342\tTrain horn\n"
        "-Gbohom8C4Q_30.000_40.000.wav\t5.2\t6.05\tAir horn, truck horn\n"
    ),
    "training_set_audio_formatted_and_segmented_downloads/Y2ceUOv8A3FE_20.000_30.000.wav": AUDIO,
    "testing_set_audio_formatted_and_segmented_downloads/Y-Gbohom8C4Q_30.000_40.000.wav": AUDIO,
}
CLASSES = "sound_event_list_17_classes.txt"
TABLES = {"train": "training_set.csv", "test": "testing_set.csv"}
TRUTH = "groundtruth_strong_label_testing_set.csv"


@dataset(licence="labels: CC BY 4.0 (AudioSet); videos: their uploaders'", clips=51_660, tags=17)
def dcase2017task4(root: Path, missing: Literal["refuse", "skip"] = "refuse") -> Manifest:
    """DCASE 2017 task 4: 51,172 training and 488 test clips of 10 s from AudioSet, 17 tags, several a clip.

    Licence of the labels: CC BY 4.0, as AudioSet, from whose videos the clips are.
    From: https://github.com/ankitshah009/Task-4-Large-scale-weakly-supervised-sound-event-detection-for-smart-cars.
    A. Mesaros and others, "DCASE 2017 challenge setup: tasks, datasets and baseline system", DCASE 2017.
    Folds: "train" (weak labels) and "test"; with groundtruth_strong_label_testing_set.csv, in `root` or in
    groundtruth_release, the test clips have events too. Where that table gives a tag no length, as it does in 36 rows,
    the tag is known and its times are not: the events of such a clip are unknown as a whole, and the facts count them.
    Groups: the video. Tags: in the order of the list of classes; names hold commas, so that clips are read by their ids.
    Recordings lie anywhere below `root`, called YID_30.000_40.000 as by the official program, or ID_30.000_40.000.
    missing: many videos are gone. "refuse" names the clips without a recording, "skip" leaves them out; the facts count.
    """
    choose("missing", missing, "refuse", "skip")
    expect(root, LAYOUT, CLASSES, *TABLES.values())
    classes = class_names(root / CLASSES)
    rows = [(fold, *row) for fold, name in TABLES.items() for row in clips(root / name, classes)]
    names = [name for _, name, _, _ in rows]
    there, twice = below(root)
    places = [there.get(f"Y{name}") or there.get(name, "") for name in names]
    kept = [rows[row] for row in present(root, names, places, missing, VANISHED)]
    events: dict[str, Any] = {}
    facts: dict[str, Any] = {"recordings that are not there": len(rows) - len(kept)}
    facts |= {"recordings of a name that another has": twice} if twice else {}
    truth = first(root, TRUTH, f"groundtruth_release/{TRUTH}")
    if truth is None:
        facts["strong labels"] = f"not there: no {TRUTH}"
    else:
        labels = strong_labels(truth)
        events = _agreeing(labels, {name: tags for fold, name, _, tags in rows if fold == "test"}, truth)
        facts["events without a length"] = labels.without_length
        facts["clips whose events are unknown for that"] = sum(known is None for known in labels.events.values())
    return build(
        {
            "id": [name for _, name, _, _ in kept],
            "path": [there.get(f"Y{name}") or there[name] for _, name, _, _ in kept],
            "tags": [tags for _, _, _, tags in kept],
            "events": [events.get(name) for _, name, _, _ in kept],
            "fold": [fold for fold, _, _, _ in kept],
            "group": [video for _, _, video, _ in kept],
        },
        root,
        vocabulary=tuple(classes.values()),
        facts=facts,
        name=str(root),
    )


def class_names(file: Path) -> dict[str, str]:
    """mid → name, in the order of the list, whose columns are divided by tabs in all lines but the first."""
    rows = [line.split("\t") for line in read_text(file, ManifestError).splitlines()[1:] if line.strip()]
    odd = [row for row in rows if len(row) != 3]
    if odd or not rows:
        raise ManifestError(
            f"{file}: {' '.join(odd[0])!r} is not a mid, a number and a name" if odd else f"{file}: holds no classes"
        )
    return {mid.strip(): name.strip() for mid, _, name in rows}


def clips(file: Path, classes: dict[str, str]) -> list[tuple[str, str, list[str]]]:
    """(name, video, tags) of each row of a training or testing set; the name is ID_start_end."""
    table = headless(file, ["video", "start", "end", "names", "mids"])
    rows = list(zip(*(table[name].to_pylist() for name in ("video", "start", "end", "mids")), strict=True))
    wrong = [row for row, cells in enumerate(rows, 1) if None in cells]
    if wrong:
        raise ManifestError(f"{file}: row {wrong[0]} lacks a video, its times or its mids")
    labelled = []
    for video, start, end, mids in rows:
        try:
            tags = [classes[mid.strip()] for mid in mids.split(",")]
        except KeyError as error:
            raise ManifestError(f"{file}: {video} has the mid {error}, which {CLASSES} lacks") from error
        labelled.append((f"{video}_{start}_{end}", video, tags))
    return labelled


def strong_labels(file: Path) -> Strong:
    """The events of the test clips, by the name of the clip without its ending."""
    table = headless(file, ["name", "onset", "offset", "tag"], "\t")
    names: Sequence[str | None] = table["name"].to_pylist()
    return strong(
        file,
        [(name or "").removesuffix(".wav") for name in names],
        *(table[column].to_pylist() for column in ("onset", "offset", "tag")),
    )


def _agreeing(labels: Strong, tags: dict[str, list[str]], file: Path) -> dict[str, Any]:
    """The events; refused if a test clip has other tags than its events."""
    for name, weak in tags.items():
        if name in labels.tags and set(labels.tags[name]) != set(weak):
            raise ManifestError(
                f"{file}: {name} has events of {', '.join(labels.tags[name])}, but {TABLES['test']} tags it "
                f"{', '.join(weak)}. The two are not of one release"
            )
    return dict(labels.events)
