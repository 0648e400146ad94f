"""`earmark demo`: the whole path on sounds made on the spot, each step with the command that does it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal.written import OwnFolder

PLACE = 130  # in `earmark --help`

SCENES = 3  # new recordings that are tagged
SEED = 2026  # of the new recordings: any but the training set's


def demo(
    out: Annotated[Path, typer.Option(help="A new folder for everything that is made."), OwnFolder()] = Path("demo"),
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the training; default: the recipe's.")] = None,
) -> None:
    """Make sounds, train a small tagger, evaluate it, tag new recordings: in about five minutes, with no download."""
    from earmark.cli.terminal.console import say
    from earmark.data import datasets
    from earmark.errors import EarmarkError
    from earmark.errors.words import lacking

    if find_spec("torch") is None:  # before sounds are made for a training that cannot be
        raise EarmarkError("the demo trains a tagger, which needs torch: `pip install 'earmark[train]'`")
    if find_spec("matplotlib") is None:
        raise EarmarkError(f"the demo draws what it hears, which needs {lacking('matplotlib')}")
    if out.exists() and not out.is_dir():
        raise EarmarkError(f"{out}: is a file. Take another --out, or remove it")
    if out.exists() and any(out.iterdir()):
        raise EarmarkError(f"{out}: is not empty. Take another --out, or remove it")
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    sounds, table, run = out / "sounds", out / "sounds.csv", out / "run"
    tagger = run / "tagger.safetensors"
    more: list[object] = ["--set", f"train.epochs={epochs}"] if epochs else []
    step("1. Make twelve kinds of sound, 360 clips in noise, and index them", "index", "synth", sounds, "-o", table)
    trained = ["train", "synth-small", "--data", table, "--out", run, *more]
    step("2. Train a small tagger on folds 1-3; fold 4 chooses the epoch", *trained)
    step("3. Evaluate it on fold 5, which it has not seen", "evaluate", tagger, "--data", table)
    say("")
    say("4. Make new recordings, scenes with several sounds, and say what is heard when")
    scenes = datasets.index("synth_scenes", out / "new", clips=SCENES, seed=SEED)
    for path, tags in zip(scenes.paths(), scenes.table["tags"].to_pylist(), strict=True):
        say(f"   {path.name} holds: {', '.join(tags)}")
    written = ["--windows", out / "windows.csv", "--pictures", out / "pictures"]
    step("", "tag", *sorted(scenes.paths()), "--tagger", tagger, "--top", 5, *written)
    step("5. What the shipped tagger knows", "show", "esc10")
    say("")
    say(f"Done in {time.monotonic() - started:.0f} s. Look at:")
    for made in (run / "curves.png", run / "evaluation-fold-5" / "report.md", out / "windows.csv", out / "pictures"):
        say(f"   {made}")


def step(title: str, *arguments: object) -> None:
    """Say what is done and the command for it, then run the command."""
    from earmark.cli.terminal.console import say

    words = [str(argument) for argument in arguments]
    if title:
        say("")
        say(title)
    say(f"   $ earmark {shlex.join(words)}")
    done = subprocess.run([sys.executable, "-m", "earmark", *words], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
