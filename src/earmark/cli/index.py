"""`earmark index`: a data set's official layout → a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from earmark.cli.terminal import ours, written
from earmark.cli.terminal.needing import Needs
from earmark.errors import counted

PLACE = 10  # in `earmark --help`


def index(
    dataset: Annotated[str, typer.Argument(help="The layout: see `earmark list datasets`.")],
    root: Annotated[Path, typer.Argument(help="The folder (or table) of the data set.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The manifest to write: .csv, .tsv or .parquet."),
        written.Writes(ours.manifest),
    ],
    options: Annotated[list[str] | None, typer.Option("--set", help="key=value for the data set.")] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Of labelled: all that is heard in the recordings is labelled.")
    ] = False,
    folds: Annotated[int | None, typer.Option(help="Deal the clips into so many folds, groups kept together.")] = None,
    seed: Annotated[int, typer.Option(help="Of --folds."), Needs("--folds", of="dealing clips into folds")] = 0,
    hashes: Annotated[bool, typer.Option(help="Look for the same audio in several folds.")] = True,
) -> None:
    """Write the manifest of a data set, and warn of clips that lie on both sides of its split."""
    import yaml

    from earmark.cli.terminal.console import say
    from earmark.data import datasets, leaks, manifest, splits
    from earmark.errors import EarmarkError
    from earmark.recipe import text

    told: dict[str, Any] = {"complete": True} if complete else {}
    for option in options or []:
        key, equals, value = option.partition("=")
        if not equals:
            raise EarmarkError(f"--set {option}: has the form key=value")
        try:
            told[key] = text.plain(value)
        except text.Unfit as error:
            raise EarmarkError(f"--set {option}: {error}") from error
        except (yaml.YAMLError, ValueError) as error:
            # a regular expression that opens with a bracket is the usual case
            raise EarmarkError(
                f"--set {option}: {value} is no value in YAML. In quotes of its own it is text: --set \"{key}='{value}'\""
            ) from error
    clips = datasets.index(dataset, root, **told)
    if folds is not None:
        clips = splits.assign_folds(clips, folds, seed)
    found = leaks.leaks(clips, hashes=hashes)  # before anything is written: it reads recordings, and may refuse them
    out.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(clips, out)
    for key, value in clips.facts.items():
        say(f"{key}: {value}")
    for line in clips.told():
        if not line.startswith("columns left out"):  # that is among the facts
            say(line)
    for leak in found[:10]:
        say(f"warning: {leak.sentence}")
    if len(found) > 10:
        say(f"warning: and {len(found) - 10} more of the kind")
    if left := splits.without_fold(clips):
        say(left)
    names = clips.fold_names()
    say(
        f"{out}: {counted(len(clips), 'clip')}, {counted(len(clips.vocabulary), 'tag')}, "
        f"{counted(len(names), 'fold')}{': ' + ', '.join(names[:12]) if names else ''}"
    )
