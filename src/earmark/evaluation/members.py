"""The members of an ensemble: their files, what tells them apart, and the file of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.data.manifest import natural
from earmark.errors import EarmarkError, counted
from earmark.files.places import led_to
from earmark.models import loading
from earmark.scores import SUFFIXES

RUNS = ("fold-*/", "seed-*/", "seed-*/fold-*/", "")  # where the taggers of a run lie in its folder


def files_of(inputs: Sequence[str], epochs: Sequence[Path]) -> list[Path]:
    """The members' files: score files, or taggers by file, shipped name, run folder (of folds, of seeds) or folder of epochs."""

    def within(folder: Path, pattern: str) -> list[Path]:
        return sorted(folder.glob(pattern), key=lambda path: natural(str(path)))

    files: list[Path] = []
    for name in inputs:
        path = Path(name)
        if path.suffix in SUFFIXES:
            files.append(path)
        elif not path.is_dir():
            files.append(loading.find(name))
        elif inside := next(filter(None, (within(path, place + "tagger.safetensors") for place in RUNS)), []):
            files += inside
        else:
            more = f"Its epochs are members with --epochs {name}" if within(path, "*.safetensors") else "Give the files"
            raise EarmarkError(
                f"{name}: is no run folder: it has no tagger.safetensors, and none in fold-* or seed-*. {more}"
            )
    for folder in epochs:
        inside = within(folder / "epochs", "*.safetensors") or within(folder, "[0-9]*.safetensors")
        if not inside:
            raise EarmarkError(f"{folder}: has no epochs (001.safetensors …): train with --set train.keep=every")
        files += inside
    if len(files) < 2:
        raise EarmarkError(
            f"an ensemble needs two members at least, and this has {len(files)}: give score files or taggers"
        )
    kinds = {path.suffix in SUFFIXES for path in files}
    if len(kinds) > 1:
        raise EarmarkError("give either score files or taggers: scores of some clips are no tagger of new ones")
    return files


def check_out(out: Path | None, files: list[Path]) -> None:
    """Raises EarmarkError for a file that cannot hold what is made of these, or that is one of them."""
    if out is None:
        return
    known = SUFFIXES if files[0].suffix in SUFFIXES else (".safetensors",)
    if out.suffix not in known:
        what = "of scores" if known == SUFFIXES else "of taggers"
        raise EarmarkError(
            f"{out}: an ensemble {what} is written as {' or '.join(known)}, not {out.suffix or 'without ending'}"
        )
    if led_to(out) in {led_to(file) for file in files}:
        raise EarmarkError(f"{out}: is one of the members: write the ensemble to another file")


def save(ensemble: Any, out: Path) -> None:
    """Scores or a tagger into their file, in a folder that is made where it is missing. Raises EarmarkError."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        ensemble.save(out)
    except OSError as error:
        why = error.strerror or str(error)
        raise EarmarkError(f"{out}: cannot be written ({why}). Take another -o, or make room for it") from error


def names_of(files: Sequence[Path]) -> list[str]:
    """What tells the members apart: of each path no more of its end than that takes, without names that all runs give."""
    parts = [file.with_suffix("").parts for file in files]
    parts = [part[:-1] if part[-1] in ("tagger", "scores") and len(part) > 1 else part for part in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{part[-1]} ({number})" for number, part in enumerate(parts, 1)]  # a file that is given twice


def summary(rule: str, weights: Sequence[float], names: Sequence[str], what: str = "") -> str:
    """The rule, the members and their weights, in words."""
    shares = [f" {weight:.3g}" for weight in weights] or [""] * len(names)
    shown = ", ".join(name + share for name, share in list(zip(names, shares, strict=True))[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{rule} mean of {what + ' of ' if what else ''}{counted(len(names), 'member')} ({shown}{more})"
