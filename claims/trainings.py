"""Trainings of claims: each in a folder of its own, named after its recipe and clips, so that claims share them.

out/trainings/NET-DIGEST/    a run folder of earmark; besides
  scores.parquet             of the clips that it is tested on
  epochs.parquet             of the same clips, the mean over its epochs' scores, where a claim asks for it
  done.json                  written last: seconds, of the clock and of the processor, device and precision. What has it is
                             not done again; a run without goes on.
out/alike/NET-DIGEST/        in which precision all trainings of a recipe compute, where it is measured
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from earmark.data import manifest, splits
from earmark.errors import EarmarkError
from earmark.files import write_text
from earmark.models.facts import Facts
from earmark.models.file import read_head
from earmark.recipe import Recipe
from earmark.scores import Scores
from earmark.train.folder import TAGGER, versions

DONE = "done.json"
SCORES = "scores.parquet"
EPOCHS = "epochs.parquet"
ALIKE = "alike"
OWN = ("name", "summary", "seed", "data", "distil")  # what trainings differ in that are compared as those of one recipe
Say = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A recipe, the manifest that it learns from, and its folder. epochs: by which rule its epochs are averaged too. teachers: folders of
    the trainings whose taggers teach it.
    """

    plan: Recipe
    clips: Path
    folder: Path
    epochs: str | None = None
    teachers: tuple[Path, ...] = ()

    @property
    def alike(self) -> Path:
        """Of all trainings of its recipe, whatever their seeds and folds, who teaches them or not: they compute in one precision."""
        told = {name: value for name, value in self.plan.as_dict().items() if name not in OWN}
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
        return self.folder.parent.parent / ALIKE / f"{self.plan.net.name}-{digest}"

    def ended(self) -> bool:
        wanted = [DONE, SCORES] + ([EPOCHS] if self.epochs else [])
        return all((self.folder / name).is_file() for name in wanted)


def training(
    plan: Recipe, clips: Path, out: Path, epochs: str | None = None, teachers: Sequence[Training] = ()
) -> Training:
    """Its folder depends on the recipe, without name and summary, on which clips are in which fold, and on those of its teachers."""
    held = manifest.read(clips)
    told = {key: value for key, value in plan.as_dict().items() if key not in ("name", "summary")}
    by_fold = {name: splits.ClipSet.of(held.in_folds(name)).sha256 for name in held.fold_names()}
    by = [[one.folder.name for one in teachers]] if teachers else []
    digest = hashlib.sha256(json.dumps([told, by_fold, *by], sort_keys=True).encode()).hexdigest()[:12]
    folders = tuple(one.folder for one in teachers)
    return Training(plan, clips, out / f"{plan.net.name}-{digest}", epochs, folders)


def run_all(
    todo: Sequence[Training],
    device: str,
    jobs: int,
    workers: int,
    say: Say,
    ended: Callable[[Training], None] = lambda one: None,
) -> dict[Path, str]:
    """Train and score what has not ended; what went wrong, by folder. One that fails does not stop the others. Those that teach
    are trained again where they ended elsewhere: what is kept of them cannot teach.

    ended: is given each that has.
    """
    waiting = list({one.folder: one for one in sorted(todo, key=lambda one: one.epochs or "")}.values())
    teaching = {folder for one in waiting if not one.ended() for folder in one.teachers}
    left = [
        one for one in waiting if not one.ended() or (one.folder in teaching and not (one.folder / TAGGER).is_file())
    ]
    say(f"{len(waiting)} trainings, {len(waiting) - len(left)} of them done already")
    before = {one.folder for one in waiting if one.ended()}
    for one in waiting:
        if one.folder in before:
            ended(one)
    wrong: dict[Path, str] = {}
    for number, (one, problem) in enumerate(_each(left, device, jobs, workers), 1):
        if problem:
            wrong[one.folder] = problem
        elif one.folder not in before:
            ended(one)
        say(f"{number}/{len(left)} {one.folder.name}: {problem or _seconds(one)}")
    return wrong


def _each(left: Sequence[Training], device: str, jobs: int, workers: int) -> Iterator[tuple[Training, str]]:
    """(training, what went wrong or nothing), as they end. In their order, but nobody is taught by what is still learning."""
    if jobs > 1:
        yield from _together(list(left), device, jobs, workers)
        return
    waiting = list(left)
    while (one := _next(waiting, waiting)) is not None:
        waiting.remove(one)
        yield one, _guarded(one, device, workers, 0)


def _next(waiting: Sequence[Training], learning: Sequence[Training]) -> Training | None:
    """The first whose teachers are not among those that are learning; None where there is none."""
    folders = {one.folder for one in learning}
    return next((one for one in waiting if folders.isdisjoint(one.teachers)), None)


def _together(waiting: list[Training], device: str, jobs: int, workers: int) -> Iterator[tuple[Training, str]]:
    """The same, several at once."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    fresh = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads, and CUDA not at all
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=fresh, initializer=_end_with_parent) as pool:
        running: dict[concurrent.futures.Future[str], Training] = {}
        while waiting or running:
            while len(running) < jobs and (one := _next(waiting, [*waiting, *running.values()])) is not None:
                waiting.remove(one)
                running[_submitted(pool, one, device, workers, threads)] = one
            for future in concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                one = running.pop(future)
                try:
                    yield one, future.result()
                except BrokenProcessPool:
                    yield one, "its process was killed, which the system does where memory is full: take fewer --jobs"


def _end_with_parent() -> None:
    """Whoever ends the program, in whatever way, ends its trainings: else they would go on beside those of the next start. What an epoch
    left is whole.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _submitted(
    pool: concurrent.futures.Executor, one: Training, device: str, workers: int, threads: int
) -> concurrent.futures.Future[str]:
    """Where the pool is broken, a future that says so."""
    try:
        return pool.submit(_guarded, one, device, workers, threads)
    except BrokenProcessPool as error:
        future: concurrent.futures.Future[str] = concurrent.futures.Future()
        future.set_exception(error)
        return future


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
    from earmark.train.teaching import Teachers

    begin, worked = time.perf_counter(), time.process_time()
    if (one.folder / DONE).is_file() and not (one.folder / TAGGER).is_file():
        shutil.rmtree(one.folder)  # what was kept of it elsewhere, without its weights, which are asked for
    if not (one.folder / DONE).is_file():
        before = (one.folder / "recipe.yaml").is_file()
        clips = manifest.read(one.clips)
        plan, teachers = one.plan, None
        if one.teachers:
            teachers = Teachers.load(one.teachers, None, None, device)
            plan = teachers.recipe(plan)
        training.train(
            plan, clips, one.folder, resume=True, workers=workers, device=device, teachers=teachers, beside=one.alike
        )
        score(one.folder / TAGGER, one.clips, device, workers).save(one.folder / SCORES)
        told = {
            "seconds": round(time.perf_counter() - begin, 1),
            # of a machine that has other work, or on which it was halted, the clock tells little
            "processor seconds": round(time.process_time() - worked, 1),
            "device": device,
            "precision": _precision(one.folder / TAGGER),
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


def _precision(tagger: Path) -> str | None:
    computed = Facts.read(read_head(tagger)["facts"], str(tagger)).precision
    return None if computed is None else computed.words()


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
