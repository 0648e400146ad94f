"""Trainings of claims: each in a folder of its own, named after its recipe and clips, so that claims share them.

out/trainings/NET-DIGEST/    a run folder of earmark; besides
  scores.parquet             of the clips that it is tested on
  epochs.parquet             of the same clips, the mean over its epochs' scores, where a claim asks for it
  done.json                  written last: seconds, of the clock and of the processor, and device. What has it is not done
                             again; a run without goes on.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.data import manifest, splits
from earmark.errors import EarmarkError
from earmark.files import write_text
from earmark.recipe import Recipe
from earmark.scores import Scores
from earmark.train.folder import versions

DONE = "done.json"
SCORES = "scores.parquet"
EPOCHS = "epochs.parquet"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A recipe, the manifest that it learns from, and its folder. epochs: by which rule its epochs are averaged too."""

    plan: Recipe
    clips: Path
    folder: Path
    epochs: str | None = None

    def ended(self) -> bool:
        wanted = [DONE, SCORES] + ([EPOCHS] if self.epochs else [])
        return all((self.folder / name).is_file() for name in wanted)


def training(plan: Recipe, clips: Path, out: Path, epochs: str | None = None) -> Training:
    """Its folder depends on the recipe, without name and summary, and on which clips are in which fold."""
    held = manifest.read(clips)
    told = {key: value for key, value in plan.as_dict().items() if key not in ("name", "summary")}
    by_fold = {name: splits.ClipSet.of(held.in_folds(name)).sha256 for name in held.fold_names()}
    digest = hashlib.sha256(json.dumps([told, by_fold], sort_keys=True).encode()).hexdigest()[:12]
    return Training(plan, clips, out / f"{plan.net.name}-{digest}", epochs)


def run_all(
    todo: Sequence[Training],
    device: str,
    jobs: int,
    workers: int,
    say: Say,
    ended: Callable[[Training], None] = lambda one: None,
) -> dict[Path, str]:
    """Train and score what has not ended; what went wrong, by folder. One that fails does not stop the others.

    ended: is given each that has.
    """
    waiting = list({one.folder: one for one in sorted(todo, key=lambda one: one.epochs or "")}.values())
    left = [one for one in waiting if not one.ended()]
    say(f"{len(waiting)} trainings, {len(waiting) - len(left)} of them done already")
    for one in waiting:
        if one.ended():
            ended(one)
    wrong: dict[Path, str] = {}
    for number, (one, problem) in enumerate(_each(left, device, jobs, workers), 1):
        if problem:
            wrong[one.folder] = problem
        else:
            ended(one)
        say(f"{number}/{len(left)} {one.folder.name}: {problem or _seconds(one)}")
    return wrong


def _each(left: Sequence[Training], device: str, jobs: int, workers: int) -> Any:
    """(training, what went wrong or nothing), as they end."""
    if jobs == 1:
        for one in left:
            yield one, _guarded(one, device, workers, 0)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    fresh = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads, and CUDA not at all
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=fresh) as pool:
        futures = {pool.submit(_guarded, one, device, workers, threads): one for one in left}
        for future in concurrent.futures.as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield (
                    futures[future],
                    "its process was killed, which the system does where memory is full: take fewer --jobs",
                )


def _guarded(one: Training, device: str, workers: int, threads: int) -> str:
    import torch

    if threads:
        torch.set_num_threads(threads)
    try:
        run(one, device, workers)
    except EarmarkError as error:
        return str(error)
    except Exception as error:  # one training that breaks down must not cost the others
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


def run(one: Training, device: str = "cpu", workers: int = 2) -> None:
    """Train, or go on, and score the test clips. Raises EarmarkError."""
    from earmark import train as training

    begin, worked = time.perf_counter(), time.process_time()
    if not (one.folder / DONE).is_file():
        before = (one.folder / "recipe.yaml").is_file()
        clips = manifest.read(one.clips)
        training.train(one.plan, clips, one.folder, resume=True, workers=workers, device=device)
        score(one.folder / "tagger.safetensors", one.clips, device, workers).save(one.folder / SCORES)
        told = {
            "seconds": round(time.perf_counter() - begin, 1),
            # of a machine that has other work, or on which it was halted, the clock tells little
            "processor seconds": round(time.process_time() - worked, 1),
            "device": device,
            "gone on": before,
            "made by": versions(),
        }
        write_text(one.folder / DONE, json.dumps(told) + "\n")
    if one.epochs and not (one.folder / EPOCHS).is_file():
        files = sorted((one.folder / "epochs").glob("*.safetensors"))
        if not files:
            raise EarmarkError(f"{one.folder}: has no epochs/ to average: its recipe needs train.keep=every")
        from earmark.scores.ensemble import combine

        heard = [score(file, one.clips, device, workers) for file in files]
        combine(heard, one.epochs, task=one.plan.task).save(one.folder / EPOCHS)  # type: ignore[arg-type]


def score(tagger: Path, clips: Path, device: str, workers: int) -> Scores:
    """Scores of the clips that the tagger is tested on. Raises ManifestError for leaks, as `earmark evaluate` does."""
    from earmark.evaluation.heldout import Request, score_held_out
    from earmark.evaluation.scoring import Settings

    request = Request(clips, settings=Settings(workers=workers, strict=True), device=device)
    return score_held_out(tagger, request).scores


def _seconds(one: Training) -> str:
    told = json.loads((one.folder / DONE).read_text(encoding="utf-8"))
    worked = f", {told['processor seconds']:.0f} s of its processor" if "processor seconds" in told else ""
    return f"{told['seconds']:.0f} s on {told['device']}{worked}"
