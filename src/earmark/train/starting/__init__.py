"""The first step from sounds of one's own to a tagger: a folder is looked at, and a manifest and a recipe that suit it are written.

The folder holds a folder a tag, or recordings with files of labels beside them. What is chosen is chosen from what was measured
in the clips, and the recipe says so in its comments. Nothing is trained here, and torch is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from earmark.audio import walk_folder
from earmark.data import datasets, labelfiles
from earmark.data.manifest import Manifest, write
from earmark.data.splits import assign_folds
from earmark.errors import EarmarkError, ManifestError, counted
from earmark.files import write_text
from earmark.progress import QUIET, Progress
from earmark.scores.reserved import RESERVED
from earmark.train.starting import copies, groups, looking, planning
from earmark.train.starting.looking import Look
from earmark.train.starting.planning import Plan

CLIPS, RECIPE = "clips.csv", "own.yaml"  # that are written
FEWEST = 2  # tags, the reserved ones among them


@dataclass(frozen=True)
class Started:
    """What was found and written. said: in sentences. next: the commands that train, the recommended first, with why."""

    clips: Manifest
    look: Look
    plan: Plan
    said: tuple[str, ...]
    next: tuple[tuple[str, str], ...]


def start(folder: Path, out: Path, *, complete: bool = False, progress: Progress = QUIET) -> Started:
    """Look at a folder, and write `clips.csv` and `own.yaml` into `out`.

    complete: of recordings with labels, all that is heard in them is labelled. Raises ManifestError for a folder that holds
    neither, and EarmarkError where there is nothing to tell apart, or where `out` holds a list that was corrected.
    """
    if planning.corrected(out / RECIPE, out / CLIPS):
        raise EarmarkError(
            f"{out / CLIPS}: was changed since it was written here, so it is yours and is not written over. Train from it, or take "
            "another --out"
        )
    labels = holds_labels(folder)
    clips, said = _labelled(folder, complete) if labels else _sorted(folder)
    # of recordings the events alone, without what is around them
    events = datasets.index("labelled", folder, margin=0.0) if labels else clips
    look = looking.look(events, progress)
    plan = planning.plan(clips, look, labels)
    if (
        labels
    ):  # clips at least as long as the windows that are heard, with the sound that was recorded around their events
        options = _options(complete, plan.length)
        clips = datasets.index("labelled", folder, **options)
        look, plan = looking.of(look, clips), planning.plan(clips, look, labels)
    if len(clips.vocabulary) < FEWEST:
        raise EarmarkError(_one_tag(folder, clips, labels))
    if plan.folds:
        clips = assign_folds(clips, plan.folds, seed=0)
    out.mkdir(parents=True, exist_ok=True)
    write(clips, out / CLIPS)
    write_text(out / RECIPE, planning.text(plan, look, out / CLIPS))
    return Started(
        clips, look, plan, (*clips.told(), *said, *copies.told(clips, labels=labels), *_said(clips, plan)), _next(out)
    )


def holds_labels(folder: Path) -> bool:
    """Whether recordings of a folder have files of labels, and are not sorted into one folder a tag. Raises ManifestError."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}. {_EXPECTED}")
    walked = walk_folder(folder, ManifestError)
    if not walked.recordings:
        raise ManifestError(f"{folder}: holds no recordings. {_EXPECTED}")
    try:
        labels = labelfiles.read(folder, walked.recordings, walked.others)
    except ManifestError:
        return True  # something is called as labels are: it is told what is wrong with it
    if any(labels.events.values()) or labels.lost:
        return True
    if any("/" not in name for name in walked.recordings):
        raise ManifestError(
            f"{folder}: {counted(len(walked.recordings), 'recording')}, of which nobody says what is heard in them. {_EXPECTED}"
        )
    return False


_EXPECTED = (
    "Give a folder with a folder of clips for each tag (owl/1.wav, background/2.wav), or recordings with files of labels beside them "
    "(night.wav and night.txt from Audacity, a selection table of Raven, a table of events)"
)


def _sorted(folder: Path) -> tuple[Manifest, list[str]]:
    """A folder a tag, with groups as the names tell them."""
    clips = datasets.index("folder", folder)
    guess = groups.guess(clips.table["path"].to_pylist(), [tags[0] for tags in clips.table["tags"].to_pylist()])
    if guess is None:
        return clips, ["groups: the names of the files do not tell which clips belong together, so that each is by itself. If some are "
                       "of one recording, of one animal or of one night, say so: earmark index folder … --set 'group=^(.*?)-'"]  # fmt: skip
    clips = datasets.index("folder", folder, group=guess.pattern)
    return clips, [guess.sentence]


def _options(complete: bool, shortest: float = 0.0) -> dict[str, Any]:
    return {"complete": complete, "shortest": shortest}


def _labelled(folder: Path, complete: bool) -> tuple[Manifest, list[str]]:
    clips = datasets.index("labelled", folder, **_options(complete))
    count = len(pc.unique(clips.table["group"]))
    said = [
        f"groups: each of the {counted(count, 'recording')} is one, so that no clip of it is on the other side of a split"
    ]
    if not complete:
        said.append(
            "what lies between the labels is taken to be unknown and teaches nothing; if all that is heard is labelled, say --complete: "
            "then it teaches background"
        )
    return clips, said


def _one_tag(folder: Path, clips: Manifest, labels: bool) -> str:
    kind = "labelled" if labels else "folder"
    ways = ["Say --complete if all that is heard in the recordings is labelled", "add"] if labels else ["Add"]
    return (
        f"{folder}: the only tag is {clips.vocabulary[0]!r}, and with nothing else there is nothing to tell it from. {', '.join(ways)} a "
        "folder `background` with clips of what else is heard there, or let recordings teach that: earmark index "
        f"{kind} {folder} -o own.csv, then earmark train own.csv --from TAGGER --recordings RECORDINGS"
    )


def _said(clips: Manifest, plan: Plan) -> list[str]:
    said = []
    if not set(RESERVED) & set(clips.vocabulary):
        said.append(
            "no clips of what is none of these: a tagger will take everything for one of its tags. Add a folder `background`, which is "
            "learnt and never told, or let recordings teach it (--recordings)"
        )
    if not plan.folds:
        said.append(
            f"too few groups to hold some back ({plan.fewest} of the rarest tag): all clips train, and nothing is measured"
        )
    return said


def _next(out: Path) -> tuple[tuple[str, str], ...]:
    clips, recipe = out / CLIPS, out / RECIPE
    return (
        (
            f"earmark train --from BASE.safetensors --data {clips} --recordings RECORDINGS --out {out / 'tagger'}",
            "recommended: a head on a net that knows many sounds (docs: adopting), which needs few clips; RECORDINGS, a folder of "
            "recordings of yours without labels, teaches what is none of these",
        ),
        (f"earmark train {recipe} --data {clips} --out {out / 'run'}", "from scratch, for hundreds of clips a tag"),
    )
