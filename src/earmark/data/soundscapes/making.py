"""`make_scenes`: clips in each of which one thing is heard → a folder of scenes in which it is known what is heard when."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from earmark.data import manifest as manifests
from earmark.data.manifest import Manifest
from earmark.data.soundscapes.folder import MixedScene, check_levels, claim, groups_apart, make_all, save_tables
from earmark.data.soundscapes.plan import Mix, ScenePlan, TooFew, draw, pool
from earmark.data.soundscapes.sound import Sound, backgrounds, locate_all, single
from earmark.errors import AudioError, ManifestError, agreed, counted
from earmark.files.places import led_to
from earmark.progress import QUIET, Progress, task

NOISES = ("white", "pink", "brown", "none")  # backgrounds that are not a folder


@dataclass(frozen=True, eq=False)
class Made:
    """scenes: those that are there now, made or found. folds: whose. unread: recordings that could not be used. spoilt:
    scenes that could not be made. notes: what was done to the audio, "path: what"."""

    folder: Path
    folds: tuple[str, ...]
    scenes: tuple[MixedScene, ...]
    unread: tuple[AudioError, ...]
    spoilt: tuple[AudioError, ...]
    notes: tuple[str, ...]

    def warnings(self) -> list[str]:
        """What one might not expect of the folder, in sentences."""
        told = []
        if fewer := sum(len(scene.plan.events) < scene.plan.wanted for scene in self.scenes):
            told.append(f"{counted(fewer, 'scene has', 'scenes have')} fewer events than were drawn, since no more fit")
        names = {f"{scene.plan.name}.flac" for scene in self.scenes}
        audio = self.folder / "audio"
        there = [path for fold in self.folds for path in (audio / fold).glob("scene_*.flac") if path.name not in names]
        if there:
            told.append(
                f"{counted(len(there), 'scene')} of earlier runs {agreed(len(there), 'lies', 'lie')} in {audio} and "
                f"{agreed(len(there), 'is', 'are')} not in the tables: --scenes is smaller"
            )
        return told


def make_scenes(
    clips: str | Path | Manifest,
    folder: str | Path,
    scenes: int = 100,
    *,
    length: float = 10.0,
    events: tuple[int, int] = (1, 5),
    overlap: int = 2,
    snr: tuple[float, float] = (0.0, 20.0),
    background: str = "brown",
    folds: Sequence[str] | None = None,
    trim: float = 40.0,
    seed: int = 0,
    sample_rate: int = 16_000,
    workers: int = 2,
    strict: bool = False,
    progress: Progress = QUIET,
) -> Made:
    """Mix so many scenes of each fold from its own clips. See the conventions of `earmark.data.soundscapes`.

    clips: a manifest or its file. folder: new, or to be completed. length: seconds of a scene. events: fewest and most in
    a scene. overlap: events heard at once, at most. snr: lowest and highest, dB. background: white, pink, brown, none, or
    a folder of recordings. folds: default all. trim: dB below its loudest 10 ms from which the ends of a clip are cut off.
    sample_rate: Hz. workers: threads; the scenes are the same with any number. strict: raise the first AudioError.
    Raises ManifestError, EarmarkError for settings that cannot be met, and TooFew, which tells the clips that cannot be used.
    """
    folder = Path(folder)
    place = str(led_to(Path(background))) if Path(background).is_dir() and background not in NOISES else background
    mix = Mix(length, events, overlap, snr, place, sample_rate, seed, trim)
    check_levels(mix)
    held, chosen = _read(clips, folds)
    for sentence in groups_apart(held):
        progress.say(f"warning: {sentence}")
    sounds, paths, unread, notes = _locate(held, chosen, mix, workers, strict, progress)
    try:
        plans, unfit = _draw(held, chosen, sounds, mix, scenes, strict)
    except TooFew as error:
        if not unread:
            raise
        raise TooFew(
            f"{error}; {counted(len(unread), 'clip')} cannot be used, the first: {unread[0]}", unread
        ) from error
    claim(folder, mix, held)
    made: list[MixedScene] = []
    spoilt: list[AudioError] = []
    with task(progress, counted(len(plans), "scene"), len(plans)) as step:
        for outcome in make_all(folder, plans, paths, mix.folder, workers):
            step()
            if isinstance(outcome, MixedScene):
                made.append(outcome)
            elif strict:
                raise outcome
            else:
                spoilt.append(outcome)
    for fold in chosen:
        save_tables(folder, fold, [scene for scene in made if scene.plan.fold == fold])
    return Made(folder, tuple(chosen), tuple(made), (*unread, *unfit), tuple(spoilt), tuple(notes))


def _read(clips: str | Path | Manifest, folds: Sequence[str] | None) -> tuple[Manifest, list[str]]:
    """The manifest and the folds whose scenes are asked for; one fold without a name where there are none."""
    if not isinstance(clips, Manifest):
        if Path(clips).is_dir():
            raise ManifestError(f"{clips}: is a folder, not a manifest. Make one of it with `earmark index`")
        clips = manifests.read(Path(clips))
    if folds is None:
        return clips, clips.fold_names() or [""]
    asked = list(dict.fromkeys(folds))
    clips.in_folds(asked)  # says which are not there
    return clips, asked


def _locate(
    clips: Manifest, chosen: Sequence[str], mix: Mix, workers: int, strict: bool, progress: Progress
) -> tuple[dict[str, list[Sound]], dict[str, Path], list[AudioError], list[str]]:
    """(sounds of each fold, recordings by clip, what could not be read, what was done to the audio)."""
    listed, why = single(clips)
    for reason, count in sorted(why.items()):
        progress.say(
            f"{counted(count, 'clip')} with {reason} {agreed(count, 'is', 'are')} left out: scenes are mixed from clips with one event"
        )
    listed = [clip for clip in listed if clip.fold in chosen]
    sounds: dict[str, list[Sound]] = {fold: [] for fold in chosen}
    paths: dict[str, Path] = {}
    failures: list[AudioError] = []
    notes: list[str] = []
    located = closing(locate_all(listed, mix.sample_rate, mix.trim, workers))
    with task(progress, counted(len(listed), "clip"), len(listed)) as step, located as outcomes:
        for clip, (outcome, said) in zip(listed, outcomes, strict=True):
            step()
            notes += said
            if isinstance(outcome, Sound):
                sounds[clip.fold].append(outcome)
                paths[clip.id] = clip.path
            elif strict:
                raise outcome
            else:
                failures.append(outcome)
    return sounds, paths, failures, notes


def _draw(
    clips: Manifest,
    chosen: Sequence[str],
    sounds: dict[str, list[Sound]],
    mix: Mix,
    scenes: int,
    strict: bool,
) -> tuple[list[ScenePlan], list[AudioError]]:
    """The plans of all folds, so that nothing is made where one cannot be; and backgrounds that cannot be used."""
    dealt: dict[str, list[Sound]] = {}
    unfit: list[AudioError] = []
    if mix.folder is not None:
        # to all folds, so that a recording stays in its fold whichever folds are mixed
        dealt, unfit = backgrounds(mix.folder, clips.fold_names() or [""], mix.samples, mix.sample_rate)
        if unfit and strict:
            raise unfit[0]
    plans = []
    for fold in chosen:
        pooled = pool(fold, sounds[fold], mix, dealt.get(fold, ()))
        plans += [draw(pooled, mix, scene) for scene in range(scenes)]
    return plans, unfit
