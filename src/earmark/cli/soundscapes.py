"""`earmark soundscapes`: clips in each of which one thing is heard → scenes in which it is known what is heard when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.data.manifest import Manifest
    from earmark.data.soundscapes import Mix, Plan, Scene, Sound
    from earmark.errors import AudioError

COLUMNS = ("fold", "scenes", "made now", "events", "tags", "seconds", "scaled down")


def soundscapes(
    manifest: Annotated[Path, typer.Argument(help="Made with `earmark index`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the scenes: new, or to be completed.")],
    scenes: Annotated[int, typer.Option(min=1, help="How many of each fold.")] = 100,
    length: Annotated[float, typer.Option(help="Of a scene, in seconds.")] = 10.0,
    events: Annotated[str, typer.Option(help="Fewest:most in a scene.")] = "1:5",
    overlap: Annotated[int, typer.Option(help="Events heard at once, at most.")] = 2,
    snr: Annotated[str, typer.Option(help="Lowest:highest RMS of an event over the background's, in dB.")] = "0:20",
    background: Annotated[str, typer.Option(help="brown, pink, white, none, or a folder of recordings.")] = "brown",
    folds: Annotated[str | None, typer.Option(help="Only these, joined by commas.")] = None,
    trim: Annotated[float, typer.Option(help="Ends of clips so many dB below their loudest 10 ms are cut off.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Another seed, other scenes.")] = 0,
    sample_rate: Annotated[int, typer.Option(help="Hz.")] = 16_000,
    workers: Annotated[int, typer.Option(min=1, help="Threads; the scenes are the same with any number.")] = 2,
    errors: Annotated[Path | None, typer.Option(help="CSV of the recordings that could not be used.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first recording that cannot be used.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The scenes as JSON on stdout.")] = False,
) -> None:
    """Mix scenes with known events from single-event clips, each fold from its own clips; `--dataset soundscapes` reads them."""
    from earmark.cli.console import print_table, progress, say, say_notes
    from earmark.data import soundscapes as mixing

    fewest, most = _pair("--events", events, int)
    low, high = _pair("--snr", snr, float)
    place = str(Path(background).resolve()) if Path(background).is_dir() and background not in _WORDS else background
    mix = mixing.Mix(length, (fewest, most), overlap, (low, high), place, sample_rate, seed, trim)
    clips, chosen = _read(manifest, folds)
    for sentence in mixing.groups_apart(clips):
        say(f"warning: {sentence}")
    with progress() as bar:
        sounds, paths, failures, notes = _locate(clips, chosen, mix, workers, bar, strict)
        plans, unfit = _draw(clips, chosen, sounds, mix, scenes, strict)
        mixing.claim(out, mix, clips)
        task = bar.add_task(f"{len(plans)} scenes", total=len(plans), told="")
        made: list[Scene] = []
        spoilt = []
        for outcome in mixing.make_all(out, plans, paths, mix.folder, workers):
            bar.advance(task)
            if isinstance(outcome, mixing.Scene):
                made.append(outcome)
            elif strict:
                raise outcome
            else:
                spoilt.append(outcome)
    for fold in chosen:
        mixing.save_tables(out, fold, [scene for scene in made if scene.plan.fold == fold])
    say_notes(notes)
    if as_json:
        print(json.dumps([_record(scene, out) for scene in made], indent=1, ensure_ascii=False))
    else:
        print_table(COLUMNS, [_row(fold, made) for fold in chosen])
    _tell(out, chosen, made)
    _report(errors, failures + unfit, spoilt)


_WORDS = ("white", "pink", "brown", "none")


def _pair(option: str, text: str, kind: type) -> tuple[Any, Any]:
    """lowest:highest, or one value for both."""
    from earmark.errors import EarmarkError

    low, colon, high = text.partition(":")
    try:
        return kind(low), kind(high if colon else low)
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise EarmarkError(f"{option} {text}: give two {what}, lowest:highest, or one for both") from error


def _read(file: Path, folds: str | None) -> tuple[Manifest, list[str]]:
    """The manifest and the folds whose scenes are asked for; one fold without a name where there are none."""
    from earmark.data import manifest as manifests
    from earmark.errors import EarmarkError

    if file.is_dir():
        raise EarmarkError(f"{file}: is a folder, not a manifest. Make one of it with `earmark index`")
    clips = manifests.read(file)
    known = clips.fold_names()
    if folds is None:
        return clips, known or [""]
    asked = list(dict.fromkeys(name.strip() for name in folds.split(",") if name.strip()))
    clips.in_folds(asked)  # says which are not there
    return clips, asked


def _locate(
    clips: Manifest, chosen: Sequence[str], mix: Mix, workers: int, bar: Any, strict: bool
) -> tuple[dict[str, list[Sound]], dict[str, Path], list[AudioError], list[str]]:
    """(sounds of each fold, recordings by clip, what could not be read, what was done to the audio)."""
    from earmark.cli.console import say
    from earmark.data import soundscapes as mixing

    listed, why = mixing.single(clips)
    for reason, count in sorted(why.items()):
        say(f"{count} clips with {reason} are left out: scenes are mixed from clips with one event")
    listed = [clip for clip in listed if clip.fold in chosen]
    task = bar.add_task(f"{len(listed)} clips", total=len(listed), told="")
    sounds: dict[str, list[Sound]] = {fold: [] for fold in chosen}
    paths: dict[str, Path] = {}
    failures: list[AudioError] = []
    notes: list[str] = []
    outcomes = mixing.locate_all(listed, mix.sample_rate, mix.trim, workers)
    for clip, (outcome, said) in zip(listed, outcomes, strict=True):
        bar.advance(task)
        notes += said
        if isinstance(outcome, mixing.Sound):
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
) -> tuple[list[Plan], list[AudioError]]:
    """The plans of all folds, so that nothing is made where one cannot be; and backgrounds that cannot be used."""
    from earmark.data import soundscapes as mixing

    dealt: dict[str, list[Sound]] = {}
    unfit: list[AudioError] = []
    if mix.folder is not None:
        # to all folds, so that a recording stays in its fold whichever folds are mixed
        dealt, unfit = mixing.backgrounds(mix.folder, clips.fold_names() or [""], mix.samples, mix.sample_rate)
        if unfit and strict:
            raise unfit[0]
    plans = []
    for fold in chosen:
        pool = mixing.pool(fold, sounds[fold], mix, dealt.get(fold, ()))
        plans += [mixing.draw(pool, mix, scene) for scene in range(scenes)]
    return plans, unfit


def _record(scene: Scene, out: Path) -> dict[str, Any]:
    plan = scene.plan
    path = (out / "audio" / plan.fold / f"{plan.name}.flac").as_posix()
    return {"path": path, "made": scene.made, "duration": plan.seconds, "scale": scene.scale, **plan.as_dict()}


def _row(fold: str, made: Sequence[Scene]) -> list[Any]:
    mine = [scene for scene in made if scene.plan.fold == fold]
    events = [event for scene in mine for event in scene.plan.events]
    return [
        fold or "(none)", len(mine), sum(scene.made for scene in mine), len(events), len({event.tag for event in events}),
        f"{sum(scene.plan.seconds for scene in mine):g}", sum(scene.scale < 1 for scene in mine),
    ]  # fmt: skip


def _tell(out: Path, chosen: Sequence[str], made: Sequence[Scene]) -> None:
    """What is in the folder, and what one might not expect."""
    from earmark.cli.console import say

    fewer = sum(len(scene.plan.events) < scene.plan.wanted for scene in made)
    if fewer:
        say(f"{fewer} scenes have fewer events than were drawn, since no more fit")
    names = {f"{scene.plan.name}.flac" for scene in made}
    there = [path for fold in chosen for path in (out / "audio" / fold).glob("scene_*.flac") if path.name not in names]
    if there:
        say(
            f"{len(there)} scenes of earlier runs lie in {out / 'audio'} and are not in the tables: --scenes is smaller"
        )
    say(f"{out}: {len(made)} scenes; read them with `earmark index soundscapes {out} -o scenes.parquet`")


def _report(file: Path | None, unread: Sequence[AudioError], spoilt: Sequence[AudioError]) -> None:
    """What could not be used; leaves with 1 where there is such."""
    from earmark.cli.console import say, write_errors

    failures = [*unread, *spoilt]
    write_errors(file, [(error.path, str(error).removeprefix(f"{error.path}: ")) for error in failures])
    if not failures:
        return
    for error in failures[:20] if file is None else ():
        say(str(error))
    say(f"{len(unread)} recordings could not be used and were left out; {len(spoilt)} scenes could not be made")
    raise typer.Exit(1)
