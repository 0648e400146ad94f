"""Run claims: data, trainings, comparison, verdict.

    python -m claims.run [--only ID …] [--full] [--device cuda] [--data DIR] [--out runs/claims] [--jobs N] [--list]
                         [--judge]

Without --device the trainings are small ones for a CPU; with --device cuda, or --full, they are those of the recipes. What
has ended is skipped, here or elsewhere (`claims.kept`), and what was stopped goes on. A claim that these recordings cannot
tell at any size is not run again, unless it is named; one of our own, which is about recipes at their own size, is run on a CPU
where it is named. --judge trains nothing: it judges the stored results by today's rule
and writes their pages. The exit status is 1 where a claim could not be run.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from claims import claim as claims
from claims import data, evidence, kept, trainings, verdict, writing
from claims.claim import Claim, Size
from earmark.errors import EarmarkError
from earmark.models import devices

ROOT = Path(__file__).parent.parent


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    asked = _arguments(arguments)
    try:
        wanted = _wanted(asked.only, Path(asked.claims))
        devices.check(asked.device)
    except EarmarkError as error:
        _say(str(error))
        return 2
    if asked.list:
        for one in wanted:
            print(f"{one.id}: {one.statement} ({writing.known(one, one.sized(asked.size), Path(asked.results))})")
        return 0
    if asked.judge:
        return _judge(wanted, Path(asked.results))
    wrong = []
    for one in wanted:
        if one.limit and not asked.only and (Path(asked.results) / f"{one.id}.json").is_file():
            _say(f"{one.id}: not run again: {one.limit}")
            continue
        if one.sized(asked.size) != asked.size and not asked.only:
            _say(
                f"{one.id}: not run: it is about recipes at their own size, which takes long here; --only {one.id} runs it"
            )
            continue
        _say(f"{one.id}: {one.statement}")
        try:
            told = run(one, asked)
        except EarmarkError as error:
            _say(f"{one.id}: {error}")
            wrong.append(one.id)
            continue
        except KeyboardInterrupt:
            _say(f"stopped: the same command goes on where this one was ({asked.out})")
            return 130
        print(f"{one.id}: {told}", flush=True)
    if wrong:
        _say(f"{len(wrong)} of {len(wanted)} claims could not be run: {', '.join(wrong)}")
    return int(bool(wrong))


def run(one: Claim, asked: argparse.Namespace) -> str:
    """A claim's verdict, with its files written. Raises EarmarkError."""
    out, size = Path(asked.out), one.sized(asked.size)
    clips = data.prepare(one.data, Path(asked.data), out / "data", asked.workers)
    planned = evidence.plan(one, size, clips, out / "trainings")
    # the first run of every system, then the second: what has ended by then is of all of them
    turns = itertools.zip_longest(*planned.values(), fillvalue=())
    todo = [training for runs in turns for run in runs for training in run]
    results = Path(asked.results)
    if brought := kept.bring(one, todo, results):
        _say(f"{len(brought)} trainings ended elsewhere, as {results / kept.FOLDER} tells")
    ended = functools.partial(kept.keep, results=results)
    problems = trainings.run_all(todo, asked.device, asked.jobs, asked.workers, _say, ended)
    if problems:
        folder, problem = next(iter(problems.items()))
        raise EarmarkError(f"{len(problems)} of {len(todo)} trainings failed, the first: {folder}: {problem}")
    gathered = evidence.gather(one, planned, clips, asked.device, asked.workers)
    figures = verdict.figures(gathered.runs, gathered.groups, one.metric)
    also = {name: verdict.figures(verdict.by(gathered.runs, name), gathered.groups, name) for name in one.also}
    pairs = verdict.compare(
        gathered.runs,
        one.pairs,
        gathered.groups,
        one.metric,
        turns=gathered.turns,
        permutations=asked.permutations,
    )
    told = writing.result(one, size, gathered, figures, pairs, planned, also)
    if not writing.write(told, results):
        _say(f"{results}: holds a full result of {one.id}, which a small one does not replace")
    return str(told["verdict"])


def _judge(wanted: Sequence[Claim], results: Path) -> int:
    """Judge what is stored; the exit status."""
    for one in wanted:
        told = writing.judge_stored(one, results)
        print(f"{one.id}: {told['verdict'] if told else 'not run yet'}", flush=True)
    return 0


def _wanted(only: list[str], folder: Path) -> list[Claim]:
    files = claims.shipped(folder)
    if unknown := [name for name in only if name not in files]:
        raise EarmarkError(f"there is no claim {unknown[0]!r} in {folder}; there are {', '.join(files) or 'none'}")
    return [claims.load(file) for name, file in files.items() if not only or name in only]


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m claims.run", description="The papers' claims, one command each.")
    # set to nothing it names no folder: Path("") would be the working folder
    recordings = os.environ.get("EARMARK_DATA", str(ROOT.parent / "shared" / "data")) or os.devnull
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these claims; default: all")
    parser.add_argument("--list", action="store_true", help="say which there are, and what they cost")
    parser.add_argument("--judge", action="store_true", help="judge the stored results anew, without training")
    parser.add_argument("--full", action="store_true", help="the recipes' own sizes; without: on cuda, not on cpu")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--data", default=recordings, metavar="DIR", help="the folder of the recordings (EARMARK_DATA)")
    parser.add_argument("--out", default=str(ROOT / "runs" / "claims"), metavar="DIR", help="trainings and data made")
    parser.add_argument("--results", default=str(ROOT / "results" / "claims"), metavar="DIR")
    parser.add_argument("--claims", default=str(claims.FOLDER), metavar="DIR", help="the folder of the claims' files")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    parser.add_argument("--workers", type=int, default=2, help="threads that decode, of each training")
    parser.add_argument("--permutations", type=int, default=10_000, help="of the test that gives the p-values")
    asked = parser.parse_args(arguments)
    if asked.jobs < 1 or asked.workers < 1:
        parser.error("--jobs and --workers must be at least 1")
    size: Size = "full" if asked.full or asked.device != "cpu" else "small"
    asked.size = size
    return asked


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
