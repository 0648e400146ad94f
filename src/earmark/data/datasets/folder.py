"""Recordings sorted into one folder a tag."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from earmark.data.datasets import AUDIO, SHOWN, choose, dataset, refuse
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError, agreed, counted

# what the parts of a split are called, with or without a number: train, test2, fold_1, split-3
SPLIT = re.compile(
    r"(?i)(train(ing|set)?|tests?|testing|testset|dev(elopment|test)?|valid(ation|ate)?|val|eval(uation)?|held[ _-]?out|"
    r"public|private|unseen|folds?|split|part(ition)?|subset|cv)[ _.-]?(set)?[ _.-]?\d*"
)
LAYOUT = {"cat/1.wav": AUDIO, "dog/1.wav": AUDIO, "dog/second dog/2.wav": AUDIO}


@dataset()
def folder(root: Path, group: str | None = None, splits: Literal["doubt", "folds", "tags"] = "doubt") -> Manifest:
    r"""Your own recordings, sorted into one folder a tag; folders within these are looked into.

    Clips: every file with the ending of an audio format. Tags: the names of the folders in `root`. Hidden files and
    folders are ignored. Other files, and folders without recordings, are named in the facts.
    splits: what folders are that are all called as the parts of a split are (train, test, fold1 …): "folds", with a folder a
    tag in each, or "tags". Without it they are taken for tags, with a warning.
    group: a regular expression; what its first pair of brackets matches in a file's name is the clip's group, as in
    r"^(.*?)_nohash_" for Speech Commands. Without it, every file is its own group.
    """
    from earmark.audio import walk_folder

    if not root.is_dir():
        refuse(root, LAYOUT, "is not a folder")
    walked = walk_folder(root, ManifestError)
    audio = sorted(walked.recordings)
    top = [file for file in audio if "/" not in file]
    if top:
        refuse(
            root,
            LAYOUT,
            f"{counted(len(top), 'recording lies', 'recordings lie')} outside of any tag's folder, such as {top[0]}. Move "
            f"{agreed(len(top), 'it', 'them')} into one",
        )
    if not audio:
        refuse(root, LAYOUT, "no recordings in folders of it")
    choose("splits", splits, "doubt", "folds", "tags")
    parts = sorted({file.partition("/")[0] for file in audio})
    of_splits = [part for part in parts if SPLIT.fullmatch(part)]
    folds = [file.partition("/")[0] for file in audio] if splits == "folds" else None
    tags = [_tag(root, file, splits == "folds") for file in audio]
    folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    others = sorted(walked.others)
    facts = {
        "files left out": {"count": len(others), "first": others[:SHOWN]},
        "folders without recordings": sorted(folders - set(parts)),
    }
    notes = [line] if (line := walked.passed_over()) else []
    if of_splits and splits == "doubt":
        notes.append(_doubt(of_splits, parts, audio))
    manifest = build(
        {"id": audio, "path": audio, "tags": [[tag] for tag in tags], "group": _groups(audio, group), "fold": folds},
        root,
        facts={name: fact for name, fact in facts.items() if fact and fact != {"count": 0, "first": []}},
        name=str(root),
    )
    return replace(manifest, notes=tuple(notes))


def _tag(root: Path, file: str, in_part: bool) -> str:
    """The folder that a recording is sorted into. in_part: within the folder of a part of a split."""
    folders = file.split("/")[:-1]
    if in_part and len(folders) < 2:
        raise ManifestError(
            f"{root}: {file} lies in a part of the split, but in no tag's folder there. Move it into one"
        )
    return folders[1] if in_part else folders[0]


def _doubt(of_splits: list[str], parts: list[str], audio: list[str]) -> str:
    """What is to be said of tags that are called as the parts of a split are."""
    if of_splits != parts:
        return f"warning: {_names(of_splits)} is called as a part of a split is, and taken for a tag: is it one?"
    inner = sorted({names[1] for file in audio if len(names := file.split("/")) > 2})
    within = f", and hold {_names(inner)}" if inner else ""
    return (
        f"warning: the tags are {_names(parts)}, which are called as the parts of a split are{within}. To take these folders "
        "for folds and those in them for tags say splits=folds (earmark index folder … --set splits=folds; in a recipe "
        "data.options.splits), or splits=tags if they are tags"
    )


def _names(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def _groups(files: list[str], pattern: str | None) -> list[str | None]:
    if pattern is None:
        return [None] * len(files)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ManifestError(f"group is {pattern!r}, which is no regular expression: {error}") from error
    if expression.groups < 1:
        raise ManifestError(
            f"group is {pattern!r}; put brackets around the part that names the group, as in '^([^_]*)_'"
        )
    matches = [expression.search(file.rpartition("/")[2]) for file in files]
    unmatched = [file for file, match in zip(files, matches, strict=True) if match is None]
    if unmatched:
        raise ManifestError(
            f"group {pattern!r} matches nothing in {len(unmatched):,} of {counted(len(files), 'name')}, such as {unmatched[0]}"
        )
    return [match[1] if match else None for match in matches]
