"""Engines beside PyTorch as it was: from file to tags, windows that share, a command from cold, and what decoding costs.

What was before engines is `--engine torch` with batches of 16: the code that runs then is the one that ran all nets, and plans
what windows share as it did. What is compared runs in turns within one process on one core, and that process has a
cache of its own, so that nothing is remembered from elsewhere. What this processor has no instructions for is told, not judged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import foldered
from benchmarks.bounds import Bound, gflop, rate, without_the_net
from benchmarks.memory import ROOT, run_alone
from benchmarks.rights import rights
from benchmarks.timing import in_turns, ratios

Result = dict[str, Any]
BATCH = 16  # of the commit before
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
TAGS_COLUMNS = ["", "ratio", "cpu", "clips/s", "first tags that differ", "largest difference"]
WINDOW, HOP = 2.0, 5120  # s, samples
BASE = "torch float32"
TIMED = 4  # every so manieth clip is timed: all are scored once by each way, for what differs


def main(data: Path, quick: bool = False, say: Callable[[str], None] = lambda line: None) -> Result:
    """data: a folder with esc10 in it. quick: a few clips, one round, and windows of the shipped tagger's own hop."""
    clips = sorted((data / "esc10" / "audio").glob("5-*.ogg"))  # the fold that esc10 is tested on
    told: Result = {"tables": [], "goals": [], "missing": [], "notes": [processor_line()]}
    parts: dict[str, Callable[[list[Path]], Result]] = {
        "esc10 from file to tags": lambda few: of_tags(few, rounds=1 if quick else 5),
        "windows that overlap": lambda _: of_shared(quick),
        "a command from cold": lambda few: of_cold(few[0], rounds=1 if quick else 5),
        "decoding when tagging": lambda few: foldered.section(
            alone("decoding", clips=few, rounds=2 if quick else 8), len(few), 2 if quick else 8
        ),
    }
    for name, part in parts.items():
        if not clips and name != "windows that overlap":
            told["missing"].append(f"{name} (no recordings in {data / 'esc10' / 'audio'}: set EARMARK_DATA)")
            continue
        say(name)
        found = part(clips[:3] if quick else clips)
        for key in told:
            told[key] += found.get(key, [])
    return told


def processor_line() -> str:
    from earmark.engines import processor

    here = processor.here()
    if here.flags is None:
        return f"Processor: {here.name}; its instructions are not told by this system."
    return f"Processor: {here.name}; " + ", ".join(f"{flag} {'yes' if flag in here.flags else 'no'}" for flag in FLAGS)


def alone(part: str, **asked: Any) -> dict[str, Any]:
    """A part in a process of its own, on one core."""
    told, _ = run_alone("benchmarks.engines", part, json.dumps(asked, default=str))
    return told


# ------------------------------------------------------------------------------------------------ from file to tags


def of_tags(clips: list[Path], rounds: int) -> Result:
    """The shipped esc10 over clips, one core: each engine and precision that is here against torch as it was."""
    told = alone("tags", clips=clips, rounds=rounds)
    rows = [[name, *row] for name, row in told["ways"].items()]
    goals = goals_of_tags(told["ways"], set(told["flags"]) if told["flags"] is not None else None)
    if (bound := told.get("bound")) is not None:
        limit = Bound(**bound["bound"])
        rows.append([limit.name(), limit.ratio, limit.ratio, bound["clips"] / limit.seconds, "-", "-"])
        for goal in goals:
            if goal["what"].endswith(f" float32 over {BASE}"):
                goal["bound"] = limit.ratio
        told["notes"].append(limit.note(f"{bound['clips']} clips", bound["way"], bound["taken"]))
    title = f"esc10, {len(clips[::TIMED])} clips of 5 s, from file to tags, one core, {rounds} rounds"
    return {
        "tables": [{"title": title, "columns": TAGS_COLUMNS, "rows": rows}],
        "goals": goals,
        "missing": told["missing"],
        "notes": [
            *unmeasured(set(told["flags"]) if told["flags"] is not None else None),
            f"{BASE}: in batches of {BATCH}, as every net was run before engines; `now` is the same code with the batch that is "
            f"chosen by measuring. Differences are of a recording's scores from the first row's, over {len(clips)} clips.",
            *told["notes"],
        ],
    }


def goals_of_tags(ways: Mapping[str, list[Any]], flags: set[str] | None) -> list[dict[str, Any]]:
    """ways: by name, what stands in the columns behind it. Of a precision the fastest engine counts."""
    goals = []
    known = flags or set()
    for precision, at_least, able in (
        ("float32", 2.0, True),
        ("int8", 5.0, bool(known & {"avx512_vnni", "avx_vnni"})),
        ("bf16", 10.0, "amx_bf16" in known),
    ):
        found = {name: row for name, row in ways.items() if name.endswith(f" {precision}") and name != BASE}
        if not (able and found):
            continue
        name, best = max(found.items(), key=lambda item: item[1][0])
        what = f"engines: esc10 from file to tags, {name} over {BASE}"
        goals.append({"what": what, "value": best[0], "at_least": at_least})
        if precision == "float32":
            most = max(row[4] for row in found.values())
            flips = max(row[3] for row in found.values())
            goals.append({"what": "engines: float32, clips whose first tag differs", "value": flips, "at_most": 0})
            goals.append(
                {
                    "what": "engines: float32, millionths that a score differs at most",
                    "value": most * 1e6,
                    "at_most": 10.0,
                }
            )
    if "amx_int8" in known and (found := {name: row for name, row in ways.items() if name.endswith(" int8")}):
        name, best = max(found.items(), key=lambda item: item[1][0])
        what = f"engines: esc10 from file to tags, {name} with AMX over {BASE}"
        goals.append({"what": what, "value": best[0], "at_least": 10.0})
    return goals


def unmeasured(flags: set[str] | None) -> list[str]:
    """The goals that this processor cannot tell anything of."""
    known = flags or set()
    lines = []
    if not known & {"avx512_vnni", "avx_vnni"}:
        lines.append("Not measurable here: int8 with VNNI (goal ≥ 5), which this processor has not.")
    if not known & {"amx_int8", "amx_bf16"}:
        lines.append("Not measurable here: bf16 or int8 with AMX (goal ≥ 10), which this processor has not.")
    return lines


def _tags(clips: list[str], rounds: int) -> dict[str, Any]:
    """What `of_tags` runs."""
    from earmark import inference
    from earmark.engines import processor
    from earmark.evaluation.engines import _loaded
    from earmark.models.graphtagger import GraphTagger

    loaded, left_out = _loaded("esc10")
    recordings = [inference.Recording(Path(clip)) for clip in clips]
    timed = recordings[::TIMED]
    values: dict[str, NDArray[np.float32]] = {}

    def way(name: str, tagger: Any, **how: Any) -> Callable[[], None]:
        results = list(inference.score(tagger, recordings, workers=1, **how))
        values[name] = np.stack([result.values for result in results if isinstance(result, inference.Scored)])
        return lambda: list(inference.score(tagger, timed, workers=1, **how)) and None

    ways = {}
    for (engine, precision), tagger in loaded.items():
        name = f"{engine} {precision}"
        if engine == "torch":
            ways[BASE] = way(BASE, tagger, batch=BATCH)
            ways["torch now"] = way("torch now", tagger)
        else:
            ways[name] = way(name, tagger)
    times = in_turns(ways, rounds)
    names = [Path(clip).stem for clip in clips]
    told = {}
    for name, (clock, cpu) in ratios(times, next(iter(ways))).items():
        far = np.abs(values[name] - values[next(iter(ways))])
        flips = int((values[name].argmax(1) != values[next(iter(ways))].argmax(1)).sum())
        speed = len(timed) / float(np.median(times[name][:, 0]))
        told[name] = [clock, cpu, speed, flips, float(far.max())]
    flags = processor.here().flags
    notes = rights(next(iter(loaded.values())).vocabulary, names, values, BASE)
    facts = {"ways": told, "missing": left_out, "flags": None if flags is None else sorted(flags), "notes": notes}
    graphed = next((each for each in loaded.values() if isinstance(each, GraphTagger)), None)
    if BASE not in ways or graphed is None:
        return facts
    rest = without_the_net(graphed, lambda tagger: list(inference.score(tagger, timed, workers=1)))
    fastest = min((name for name in ways if name.endswith(" float32")), key=lambda name: np.median(times[name][:, 1]))
    bound = Bound(
        min(
            rest.gflop, gflop(lambda: list(inference.score(loaded["torch", "float32"], timed, workers=1, batch=BATCH)))
        ),
        rate(),
        rest.seconds,
        float(np.median(times[BASE][:, 1])),
    )
    taken = float(np.median(times[fastest][:, 1]))
    return facts | {"bound": {"bound": bound.as_dict(), "clips": len(timed), "way": fastest, "taken": taken}}


# ------------------------------------------------------------------------------------------- windows that overlap


def of_shared(quick: bool) -> Result:
    """Overlapping windows by each engine against torch, both sharing."""
    told = alone("shared", quick=quick)
    if "why" in told:
        return {"missing": [f"windows that overlap ({told['why']})"]}
    rows = [[name, *row] for name, row in told["ways"].items()]
    columns = ["", "ratio", "cpu", "audio seconds a second", "largest difference"]
    best = max((row for row in rows if not row[0].startswith("torch")), key=lambda row: row[1], default=None)
    goals, notes = [], []
    limit = Bound(**told["bound"]) if "bound" in told else None
    if limit is not None and best is not None:
        rows.append([limit.name(), limit.ratio, limit.ratio, told["audio"] / limit.seconds, "-"])
        notes.append(limit.note("Windows that share", best[0], told["taken"][best[0]]))
    if best is not None and not quick:
        what = f"engines: {WINDOW:g} s every {HOP:,} samples, shared, {best[0]} over shared in torch"
        goals.append({"what": what, "value": best[1], "at_least": 1.8} | ({"bound": limit.ratio} if limit else {}))
    return {"tables": [{"title": told["title"], "columns": columns, "rows": rows}], "goals": goals, "notes": notes}


def _shared(quick: bool) -> dict[str, Any]:
    """What `of_shared` runs. A net with random weights costs what a trained one does."""
    from earmark.engines import sessions
    from earmark.errors import TaggerError
    from earmark.evaluation import speed
    from earmark.inference.scorer import score_stretches
    from earmark.models import export, loading
    from earmark.models.graphtagger import GraphTagger
    from earmark.windows import Stretch

    taggers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        name = "esc10"
        if not quick:
            try:
                export.check_installed()
            except TaggerError as error:
                return {"why": str(error)}
            name = str(exported(speed.untrained("cnnspec", WINDOW, HOP), Path(folder) / "cnnspec.safetensors"))
        torched = loading.load(name, engine="torch")
        taggers["torch float32, windows at once as before"] = _Planned(torched)
        taggers["torch float32"] = torched
        for engine in sessions.installed():
            taggers[f"{engine} float32"] = loading.load(name, engine=engine, precision="float32")
    length, hop = torched.windows.samples(torched.sample_rate)
    wave = speed.noise(35.0 if quick else 60.0, torched.sample_rate)
    count = (len(wave) - length) // hop + 1
    stretch = Stretch(wave[: (count - 1) * hop + length], hop * np.arange(count), length, hop)
    values: dict[str, NDArray[np.float32]] = {}

    def way(name: str, tagger: Any) -> Callable[[], None]:
        def run() -> None:
            values[name] = score_stretches(tagger, [stretch], BATCH)[0]

        return run

    times = in_turns({name: way(name, tagger) for name, tagger in taggers.items()}, 1 if quick else 5)
    base = next(iter(taggers))
    ways = {}
    for name, (clock, cpu) in ratios(times, base).items():
        far = float(np.abs(values[name] - values[base]).max())
        ways[name] = [clock, cpu, len(wave) / torched.sample_rate / float(np.median(times[name][:, 0])), far]
    what = "the shipped esc10" if quick else "cnnspec with random weights"
    title = f"{what}: {count} windows of {length / torched.sample_rate:g} s every {hop:,} samples, shared, one core"
    taken = {name: float(np.median(seconds[:, 1])) for name, seconds in times.items()}
    graphed = next((each for each in taggers.values() if isinstance(each, GraphTagger)), None)
    facts = {"title": title, "ways": ways, "audio": len(wave) / torched.sample_rate, "taken": taken}
    if graphed is None:
        return facts
    rest = without_the_net(graphed, lambda tagger: score_stretches(tagger, [stretch], BATCH))
    work = min(rest.gflop, gflop(lambda: score_stretches(torched, [stretch], BATCH)))
    return facts | {"bound": Bound(work, rate(), rest.seconds, taken[base]).as_dict()}


class _Planned:
    """A tagger whose windows share in stretches as long as its plan has them."""

    def __init__(self, tagger: Any):
        self.sample_rate, self.vocabulary, self.windows = tagger.sample_rate, tagger.vocabulary, tagger.windows
        self.task, self.score, self.score_overlapping = tagger.task, tagger.score, tagger.score_overlapping
        self.together = tagger.together


def exported(tagger: Any, path: Path) -> Path:
    """A tagger's file with its graphs."""
    from earmark.models import export

    stretches = [export.stretch(tagger, size) for size in export.sizes(tagger)]
    tagger.graphs = (export.body(tagger), *(graph for graph in stretches if graph is not None))
    tagger.save(path)
    return path


# --------------------------------------------------------------------------------------------- a command from cold


def of_cold(clip: Path, rounds: int) -> Result:
    """The processor's seconds of `earmark tag CLIP`, from the start of the process to its end."""
    ways = {
        "earmark tag --engine torch --batch 16": ["--engine", "torch", "--batch", str(BATCH)],
        "earmark tag": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        first = {name: command_seconds(clip, more, Path(folder)) for name, more in ways.items()}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
                taken[name].append(command_seconds(clip, ways[name], Path(folder)))
    middle = {name: float(np.median(seconds)) for name, seconds in taken.items()}
    base, ours = ways
    rows = [[name, middle[base] / middle[name], middle[name], first[name]] for name in ways]
    columns = ["", "ratio", "CPU seconds", "the very first time"]
    what = "engines: `earmark tag` of one clip, times less CPU than with torch in batches of 16"
    return {
        "tables": [{"title": f"one clip from a cold process, {rounds} rounds", "columns": columns, "rows": rows}],
        "goals": [{"what": what, "value": middle[base] / middle[ours], "at_least": 4.0}],
        "notes": [
            "CPU seconds: user and system, of the process and its threads. The very first time an engine's answers are looked "
            "at and its recipe is checked, and what was found out is remembered; modules are compiled then, and from then on read, as of "
            "what pip installs."
        ],
    }


def command_seconds(clip: Path, more: list[str], cache: Path) -> float:
    """Raises RuntimeError where the command fails."""
    import resource  # which Windows has not

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "EARMARK_CACHE": str(cache), "PYTHONPYCACHEPREFIX": str(cache / "compiled")}
    # pip compiles what it installs: nobody who tags compiles it anew each time
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    run = [sys.executable, "-m", "earmark", "tag", str(clip), *more]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=env, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(run)} failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"


if __name__ == "__main__":
    _on_one_core()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["EARMARK_CACHE"] = cache
        from earmark.inference.allocator import keep_freed_memory

        keep_freed_memory()  # as the commands do
        parts = {"tags": _tags, "shared": _shared, "decoding": foldered.timed}
        print(json.dumps(parts[sys.argv[1]](**json.loads(sys.argv[2]))))
