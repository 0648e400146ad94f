"""Clips of a run that cannot be read: which they are, what is said and listed of them, and that they stay the same.

A run's readable clips are settled by the time that it first learns something: with others it would be another run.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from earmark import audio
from earmark.data import packs
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError, ManifestError, agreed, counted
from earmark.files import whole_text
from earmark.files.bounds import read_json
from earmark.files.tables import Rows
from earmark.train import began
from earmark.train.folder import Say, learnt, write_json
from earmark.train.packed import is_packed
from earmark.train.sources import WaveSource

ERRORS = "errors.csv"
LISTED = ["path", "reason", "part", "id"]


def left_out(folder: Path, clips: Manifest, sample_rate: int, salvage: bool = False) -> dict[str, str]:
    """Paths of a pack's clips that this run leaves out, and why: those that were known to be unreadable when it began.

    What others find out later must not change the order of the clips that are left. With salvage a clip that others could not read
    without is tried again.
    """
    file = folder / "left-out.json"
    if learnt(folder):
        return dict(read_json(file)) if file.is_file() else {}
    found = packs.unreadable(clips.root)
    if salvage:
        found = {path: why for path, why in found.items() if not _salvaged(clips.root / path, sample_rate)}
    file.unlink(missing_ok=True)
    if found:
        write_json(file, found)
    return found


def _salvaged(path: Path, sample_rate: int) -> bool:
    try:
        audio.load(path, sample_rate, salvage=True, report=lambda note: None)
    except AudioError:
        return False
    return True


def add_error(folder: Path, part: str, name: str, error: AudioError) -> None:
    """Add a clip that could not be read to the list, which several processes may do at once, once a run."""
    file = folder / ERRORS
    there = file.is_file()
    if there and (part, name) in _listed(file):
        return
    line = io.StringIO()
    values = Rows(line)
    if not there:
        values.writerow(LISTED)
    values.writerow([error.path, error.problem, part, name])
    with file.open("ab", buffering=0) as out:
        out.write(line.getvalue().encode("utf-8", "surrogateescape"))


def _listed(file: Path) -> set[tuple[str, str]]:
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as rows:
        return {(row.get("part") or "", row.get("id") or "") for row in csv.DictReader(rows)}


def report_audio(waves: dict[str, WaveSource], folder: Path, say: Say) -> None:
    """Say and list what could not be read, and say which clips are silent. Raises AudioError where nothing of a part can be read,
    ManifestError where there is nothing to learn from, EarmarkError where something else can be read than when the run began.
    """
    rows = []
    for name, part in waves.items():
        if part.notes:
            say(f"{counted(len(part.notes), 'note')} on the {name} clips' audio, the first: {part.notes[0]}")
        for row, error in part.failures:
            rows.append((error.path, error.problem, name, str(part.manifest.ids[row])))
        if part.failures and not len(part.readable):
            raise part.failures[0][1]
        if name == "train" and len(part.readable) == 1:
            raise ManifestError("one clip is left for train: batch normalisation needs two at least")
        _say_silent(name, part, say)
    # of a pack they are found while the run goes on, and what it leaves out from the start it keeps by itself
    settled = {name: part for name, part in waves.items() if not is_packed(part.manifest)}
    _settle(folder, {n: {str(part.manifest.ids[row]): e for row, e in part.failures} for n, part in settled.items()})
    if not rows and not learnt(folder):
        (folder / ERRORS).unlink(missing_ok=True)  # of a start before the clips were mended
    elif rows and not (learnt(folder) and (folder / ERRORS).is_file()):  # which tells more by now, of a pack
        with whole_text(folder / ERRORS) as file:
            writer = Rows(file)
            writer.writerow(LISTED)
            writer.writerows(rows)
    if rows:
        say(
            f"{counted(len(rows), 'clip')} could not be read and {agreed(len(rows), 'is', 'are')} left out: {folder / ERRORS}"
        )


def _say_silent(name: str, part: WaveSource, say: Say) -> None:
    silent = part.silent()
    if not len(silent):
        return
    if name == "train" and len(silent) == len(part.readable):
        raise ManifestError(
            f"all {counted(len(silent), 'training clip is', 'training clips are')} silent: nothing can be learnt. Check the recordings"
        )
    what = (
        counted(len(silent), "training clip is silent and teaches", "training clips are silent and teach")
        if name == "train"
        else counted(len(silent), f"{name} clip is silent and judges", f"{name} clips are silent and judge")
    )
    example = str(part.manifest.ids[silent[0]])
    it, stands = agreed(len(silent), "it", "them"), agreed(len(silent), "it stands", "they stand")
    say(f"{what} nothing, such as {example!r}: check {it}, and take {it} out unless {stands} for silence")


def _settle(folder: Path, unread: Mapping[str, Mapping[str, AudioError]]) -> None:
    """unread: by part, ids of the clips that cannot be read, and why. Raises EarmarkError where the run has learnt without others."""
    if not learnt(folder):
        began.settle(folder, {name: list(clips) for name, clips in unread.items()})
        return
    before = began.read(folder).get("unread")
    for name, clips in unread.items():
        if before is None:
            _check_count(folder, name, len(clips))
            continue
        now, then = set(clips), set(before.get(name, ()))
        if more := sorted(now - then):
            what = f"{more[0]!r} could be read then, and cannot be now: {clips[more[0]]}"
            raise EarmarkError(_otherwise(folder, name, what))
        if fewer := sorted(then - now):
            raise EarmarkError(_otherwise(folder, name, f"{fewer[0]!r} could not be read then, and can be now"))


def _check_count(folder: Path, name: str, now: int) -> None:
    """The same of a run of an earlier version, which tells how many there were."""
    try:
        split = json.loads((folder / "run.json").read_text(encoding="utf-8"))["split"]
        before = int(split[name].get("unread", 0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if before != now:
        raise EarmarkError(_otherwise(folder, name, f"{before} could not be read then, and {now} cannot be now"))


def _otherwise(folder: Path, part: str, what: str) -> str:
    return (
        f"{folder}: was started with other {part} clips than can be read now: {what}. Resume with --salvage or without it as then, and "
        "with the earmark of then, or take another --out"
    )
