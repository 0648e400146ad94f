"""A folder of scenes, which the data set `soundscapes` reads.

    audio/<fold>/scene_<fold>_00000.flac     16 bit; 24 where an event or the background would lie below LEAST steps of 16
    metadata/<fold>/strong.tsv               filename, onset, offset, event_label, snr_db, clip
    metadata/<fold>/durations.tsv            filename, duration, scale, background
    metadata/<fold>/sources.tsv              filename, source_clip: the groups of the clips, and background recordings
    plans/<fold>/scene_<fold>_00000.json     the plan, and by how much the scene was scaled
    soundscapes.json                         the settings

Clips without folds lie in audio/, metadata/ and plans/ themselves. There is no weak.tsv: the tags are those of the
events, and may hold commas. A file appears under its name only once it is whole, a plan only once its scene is there.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data.leaks import leaks
from earmark.data.manifest import Manifest
from earmark.data.soundscapes.plan import Mix, ScenePlan
from earmark.data.soundscapes.render import FLOOR, render
from earmark.data.soundscapes.sound import BACKGROUND, threads
from earmark.errors import AudioError, EarmarkError, ManifestError
from earmark.files import parts, whole
from earmark.files.sound import write as write_sound
from earmark.files.tables import Rows

MARK = "soundscapes.json"
VERSION = 1  # of the scenes: raise it when the same settings would give other bytes
SHOWN = 5
WAY_OUT = "Name an empty or new folder"
LEAST = (
    4  # steps of an RMS: the error of rounding, 0.29 steps, then moves it by 0.02 dB; of half a step nothing is left
)
BITS = (16, 24)  # of a sample, the fewest that hold all levels of a scene; FLAC has no more


@dataclass(frozen=True)
class MixedScene:
    """A scene in the folder. made: now, not in an earlier run."""

    plan: ScenePlan
    scale: float
    made: bool


def groups_apart(clips: Manifest) -> list[str]:
    """What ties folds together and may be borne, a sentence each. Raises ManifestError for what may not.

    That is a group on several folds, overlapping clips of one recording there, and a fold that names no folder.
    """
    for fold in clips.fold_names():
        if why := parts.strange(fold):
            raise ManifestError(f"fold {fold!r} cannot be the name of a folder: {why}")
    found = leaks(clips.select(clips.folds != "") if clips.fold_names() else clips, hashes=False)
    for leak in found:
        if leak.kind in ("group", "overlap"):
            raise ManifestError(
                f"{leak.sentence}: scenes of several folds would share sounds. Deal folds that keep groups together "
                "with `earmark index --folds`"
            )
    return [leak.sentence for leak in found]


def claim(root: Path, mix: Mix, clips: Manifest) -> None:
    """Write down what the folder holds, or raise ManifestError where it holds something else."""
    if root.exists() and not root.is_dir():
        raise ManifestError(f"{root}: is a file. {WAY_OUT}")
    mark = {"format": "earmark-soundscapes", "version": VERSION, "clips": _digest(clips), **_plain(asdict(mix))}
    there = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
    if MARK in there:
        try:
            found = json.loads((root / MARK).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ManifestError(f"{root / MARK}: is damaged. {WAY_OUT}") from error
        if not isinstance(found, dict):
            raise ManifestError(f"{root / MARK}: is damaged. {WAY_OUT}")
        other = [key for key in mark if found.get(key) != mark[key]]
        if other:
            raise ManifestError(f"{root}: holds scenes mixed otherwise: {_differences(found, mark, other)}. {WAY_OUT}")
        return
    others = [name for name in there if not name.endswith(".part")]
    if others:
        more = " …" if len(others) > SHOWN else ""
        raise ManifestError(f"{root}: holds something else: {', '.join(others[:SHOWN])}{more}. {WAY_OUT}")
    root.mkdir(parents=True, exist_ok=True)
    with whole(root / MARK) as part:
        part.write_text(json.dumps(mark, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make(root: Path, plan: ScenePlan, paths: Mapping[str, Path], folder: Path | None = None) -> MixedScene:
    """Render a scene and write it with its plan, unless it is there with the same plan. Raises AudioError."""
    sound, told = root / "audio" / plan.fold / f"{plan.name}.flac", root / "plans" / plan.fold / f"{plan.name}.json"
    if (scale := _scale(told, sound, plan)) is not None:
        return MixedScene(plan, scale, made=False)
    wave, scale = render(plan, paths, folder)
    bits = bits_for(plan, scale)
    if bits is None:
        problem = (
            f"its quietest part would be at {_quietest(plan, scale):.0f} dB of full scale, since the loudest has to be below it, and "
            f"FLAC of {BITS[-1]} bits holds {_least(BITS[-1]):.0f} dB or more"
        )
        raise AudioError(sound, problem, "Mix with signal-to-noise ratios nearer to 0 (--snr)")
    told.parent.mkdir(parents=True, exist_ok=True)
    sound.parent.mkdir(parents=True, exist_ok=True)
    told.unlink(missing_ok=True)  # first: a plan beside a scene says that the scene is what it says
    whole_numbers = np.rint(wave * (1 << (bits - 1))).astype(np.int32) << (
        32 - bits
    )  # libsndfile takes the highest bits
    write_sound(sound, whole_numbers, plan.sample_rate, f"PCM_{bits}", "FLAC")
    with whole(told) as part:
        part.write_text(json.dumps({"plan": plan.as_dict(), "scale": scale}, ensure_ascii=False), encoding="utf-8")
    return MixedScene(plan, scale, made=True)


def check_levels(mix: Mix) -> None:
    """Raises EarmarkError for events that are too soft for any scene to hold."""
    lowest = math.ceil(_least(BITS[-1]) - FLOOR)
    if mix.snr[0] < lowest:
        raise EarmarkError(
            f"a signal-to-noise ratio of {mix.snr[0]:g} dB: the event would be at {FLOOR + mix.snr[0]:g} dB of full scale, and of that "
            f"{BITS[-1]} bits, the most that FLAC has, keep too little to be heard as loud as the tables say: give {lowest} or more"
        )


def bits_for(plan: ScenePlan, scale: float) -> int | None:
    """How many bits of a sample hold the levels of a scene as its tables tell them; None: more than there are."""
    return next((bits for bits in BITS if _quietest(plan, scale) >= _least(bits)), None)


def _least(bits: int) -> float:
    """dB of full scale: the lowest RMS that so many bits hold.

    >>> round(_least(16), 1), round(_least(24), 1)
    (-78.3, -126.4)
    """
    return 20 * math.log10(LEAST / (1 << (bits - 1)))


def _quietest(plan: ScenePlan, scale: float) -> float:
    """dB of full scale: the RMS of the softest of its events and its background; 0 where there is neither."""
    levels = [FLOOR + event.snr for event in plan.events] + ([] if plan.background == "none" else [FLOOR])
    return min(levels) + 20 * math.log10(scale) if levels else 0.0


def make_all(
    root: Path, plans: Sequence[ScenePlan], paths: Mapping[str, Path], folder: Path | None, workers: int
) -> Iterator[MixedScene | AudioError]:
    """`make` for each plan in order, on so many threads. What fails is given out, not raised."""

    def one(plan: ScenePlan) -> MixedScene | AudioError:
        try:
            return make(root, plan, paths, folder)
        except AudioError as error:
            return error

    with threads(workers) as pool:
        yield from pool.map(one, plans)


def save_tables(root: Path, fold: str, scenes: Sequence[MixedScene]) -> None:
    """The tables of a fold, from scenes in order; none where there are no scenes."""
    place = root / "metadata" / fold
    (place / "strong.tsv").unlink(missing_ok=True)  # and written last: without it the fold is none of the data set
    if not scenes:
        return
    place.mkdir(parents=True, exist_ok=True)
    strong: list[list[Any]] = []
    durations: list[list[Any]] = []
    sources: list[list[Any]] = []
    for scene in scenes:
        plan, name = scene.plan, f"{scene.plan.name}.flac"
        strong += [[name, e.onset, e.offset, e.tag, e.snr, e.clip] for e in plan.events] or [[name] + [""] * 5]
        durations.append([name, plan.seconds, scene.scale, plan.background])
        used = [event.group for event in plan.events]
        if plan.background_at is not None:
            used.append(BACKGROUND + plan.background)
        sources += [[name, source] for source in dict.fromkeys(used)]
    _table(place / "durations.tsv", ["filename", "duration", "scale", "background"], durations)
    _table(place / "sources.tsv", ["filename", "source_clip"], sources)
    _table(place / "strong.tsv", ["filename", "onset", "offset", "event_label", "snr_db", "clip"], strong)


def _scale(told: Path, sound: Path, plan: ScenePlan) -> float | None:
    """By how much a scene was scaled that is there already; None where it is not, or is another one."""
    import soundfile

    try:
        found = json.loads(told.read_text(encoding="utf-8"))
        header = soundfile.info(sound)
        if found["plan"] == plan.as_dict() and (header.frames, header.samplerate) == (plan.samples, plan.sample_rate):
            scale = float(found["scale"])
            return (
                scale if header.subtype == f"PCM_{bits_for(plan, scale)}" else None
            )  # earlier versions wrote 16 bits alone
    except (OSError, ValueError, KeyError, TypeError, soundfile.SoundFileError):
        pass
    return None


def _table(file: Path, header: list[str], rows: Iterable[Sequence[Any]]) -> None:
    with whole(file) as part, part.open("w", encoding="utf-8", newline="") as stream:
        Rows(stream, "\t").writerows([header, *rows])


def _digest(clips: Manifest) -> str:
    """Of which clips there are, and what they belong to and hold."""
    columns = [clips.table[name].to_pylist() for name in ("id", "tags", "events", "start", "end", "fold", "group")]
    rows = sorted(json.dumps(row) for row in zip(*columns, strict=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _differences(found: dict[str, Any], asked: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {found.get(key)}, not {asked[key]}" for key in keys)
