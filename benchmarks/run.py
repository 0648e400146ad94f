"""All benchmarks, one after another: tables as they are made, then results/bench.json and results/bench.md.

    python -m benchmarks.run [--only NAME …] [--quick] [--out FOLDER]

Every figure is a ratio to something else that ran in turns with it. A benchmark tells; it does not fail where a goal is
missed. The recordings are those in the folder that EARMARK_DATA names, default ../shared/data.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import million, speedgoals

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "earmark",
    "torch",
    "numpy",
    "soundfile",
    "soxr",
    "librosa",
    "torchlibrosa",
    "av",
    "onnxruntime",
    "openvino",
    "duckdb",
)
FLAGS = "amx_bf16", "avx512_bf16"  # without either, bf16 is slower than float32
BUSY = 0.3  # load a core; above it the machine has other work

Result = dict[str, Any]  # tables, goals, missing, notes
Say = Callable[[str], None]


def decode(data: Path, quick: bool, say: Say) -> Result:
    """`benchmarks.decode`, in the form of the others."""
    from benchmarks import decode as part

    if not data.is_dir():
        return {"tables": [], "goals": [], "missing": [f"recordings (no folder {data}: set EARMARK_DATA)"], "notes": []}
    return of_decode(part.main(data, rounds=2, files=20) if quick else part.main(data))


def of_decode(figures: dict[str, Any]) -> Result:
    columns = ["", "ratio", "best", "cpu", "clips/s"]
    ways = [[name, r["ratio"], r["best"], r["cpu"], r["clips_per_second"]] for name, r in figures["ways"].items()]
    threads = [[name, r["ratio"], r["best"], r["cpu"]] for name, r in figures["two_threads_over_one"].items()]
    what = f"{figures['files']} files, {figures['seconds_of_audio']:g} s of sound, {figures['rounds']} rounds"
    ours = figures["ways"]["earmark.audio.load, 1 thread"]["ratio"]
    twice = figures["two_threads_over_one"]["earmark.audio.load"]["ratio"]
    return {
        "tables": [
            {"title": f"decode to 16 kHz: {what}", "columns": columns, "rows": ways},
            {"title": "decode with two threads over one", "columns": columns[:4], "rows": threads},
        ],
        "goals": [
            {"what": "decode: earmark over bare soundfile + soxr, one core", "value": ours, "at_least": 0.95},
            {"what": "decode: two threads over one", "value": twice, "at_least": 1.8},
        ],
        "missing": figures["missing"],
        "notes": ["cpu: the ratio of the processor's time instead of the clock's."],
    }


def logmel(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import logmel as part

    return part.main(quick, say)


def step(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import step as part

    return part.main(quick, say)


def memory(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import memory as part

    return part.main(quick, say)


def windows(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import windows as part

    return part.main(quick, say)


def panns(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import panns as part

    return part.main(quick, say)


def long(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import long as part

    return part.main(quick, say)


def engines(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import engines as part

    return part.main(data, quick, say)


def cluster(data: Path, quick: bool, say: Say, keep: Path | None = None) -> Result:
    from benchmarks import cluster as part

    return part.main(quick, say, keep=keep)


def shards(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import shards as part

    return part.main(data, quick, say)


def store(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import store as part

    return part.main(quick, say)


def planner(data: Path, quick: bool, say: Say) -> Result:
    from benchmarks import planner as part

    return part.main(quick, say)


PARTS: dict[str, Callable[..., Result]] = {
    "decode": decode,
    "logmel": logmel,
    "step": step,
    "memory": memory,
    "windows": windows,
    "panns": panns,
    "long": long,
    "engines": engines,
    "cluster": cluster,
    "shards": shards,
    "store": store,
    "planner": planner,
}


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 where a part broke down."""
    asked = _arguments(arguments)
    told: dict[str, Any] = {"machine": machine(), "quick": asked.quick, "parts": {}}
    # set to nothing it names no folder: Path("") would be the working folder
    recordings = Path(os.environ.get("EARMARK_DATA", ROOT.parent / "shared" / "data") or os.devnull)
    print(machine_lines(told["machine"], asked.quick), flush=True)
    for name in asked.only or PARTS:
        _say(name)
        begin = time.perf_counter()
        try:
            kept = {"keep": asked.keep} if name == "cluster" and asked.keep else {}
            result = PARTS[name](recordings, asked.quick, _say, **kept)
        except Exception as error:  # one part that breaks down must not cost the others
            traceback.print_exc()
            result = {
                "tables": [],
                "goals": [],
                "missing": [],
                "notes": [],
                "error": f"{type(error).__name__}: {error}",
            }
        result["seconds"] = round(time.perf_counter() - begin, 1)
        result["machine"] = machine_lines(told["machine"], asked.quick)
        told["parts"][name] = result
        print("\n" + part_text(name, result), flush=True)
    write(told, asked)
    return int(any("error" in result for result in told["parts"].values()))


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="How fast earmark is, beside others.")
    parser.add_argument(
        "--only", action="append", choices=list(PARTS), metavar="NAME", help=f"a part: {', '.join(PARTS)}"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: whether it runs, not how fast")
    parser.add_argument(
        "--out",
        type=Path,
        help="default results/, and nowhere with --only or --quick; parts not run stay as they are there",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="a file of figures of `cluster`, which takes half an hour: those in it are not measured again",
    )
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    print(f"… {line}", file=sys.stderr, flush=True)


def write(told: dict[str, Any], asked: argparse.Namespace) -> None:
    """bench.json and bench.md. Parts that were not run stay as they were, with the machine that they ran on."""
    folder = asked.out or (None if asked.only or asked.quick else ROOT / "results")
    if folder is None:
        _say("part of the benchmark, or a quick one: written nowhere (--out FOLDER writes it)")
        return
    folder.mkdir(parents=True, exist_ok=True)
    old = folder / "bench.json"
    if asked.only and old.is_file():
        parts = json.loads(old.read_text(encoding="utf-8"))["parts"] | told["parts"]
        told = {**told, "parts": {name: parts[name] for name in PARTS if name in parts}}
    (folder / "bench.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "bench.md").write_text(report(told), encoding="utf-8")
    _say(f"written: {folder / 'bench.json'}, {folder / 'bench.md'}")


# ------------------------------------------------------------------------------------------------------- machine


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    cpu = _cpu()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu.get("model name") or platform.processor() or "unknown",
        "cores": os.cpu_count(),
        "torch threads": torch.get_num_threads(),
        **{flag: flag in cpu.get("flags", "").split() for flag in FLAGS},
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _cpu() -> dict[str, str]:
    """The first processor's entry in Linux's table."""
    table = Path("/proc/cpuinfo")
    text = table.read_text(encoding="utf-8", errors="replace") if table.is_file() else ""
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine_lines(told: dict[str, Any], quick: bool) -> str:
    flags = ", ".join(f"{flag} {'yes' if told[flag] else 'no'}" for flag in FLAGS)
    lines = [
        f"{told['date']}, {told['cpu']}, {told['cores']} cores, PyTorch on {told['torch threads']} threads, {told['system']}",
        f"{flags}; {', '.join(f'{name} {version}' for name, version in told['versions'].items())}",
    ]
    if told["load"] is not None and told["load"] > BUSY * (told["cores"] or 1):
        lines.append(f"The machine was busy when this began (load {told['load']:g}): take the ratios with care.")
    if quick:
        lines.append("Quick: few rounds. This shows that it runs, not how fast.")
    return "\n".join(lines)


# -------------------------------------------------------------------------------------------------------- tables


def cell(value: Any) -> str:
    """Three digits that count; whole from a thousand on; tiny ones as powers of ten."""
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return (
        f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}" if abs(value) >= 0.1 else f"{value:.3f}"
    )


def text_table(table: dict[str, Any]) -> str:
    """Names to the left, figures to the right."""
    rows = [table["columns"], *[[cell(value) for value in row] for row in table["rows"]]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table["columns"]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *[value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]]
        )
        for row in rows
    ]
    return "\n".join([table["title"], *[f"  {line.rstrip()}" for line in lines]])


def markdown_table(table: dict[str, Any]) -> str:
    rows = [table["columns"], ["---", *["---:"] * (len(table["columns"]) - 1)]]
    rows += [[cell(value) for value in row] for row in table["rows"]]
    return "\n".join([f"**{table['title']}**", "", *[f"| {' | '.join(row)} |" for row in rows]])


def goal_line(goal: dict[str, Any]) -> str:
    """'met' or 'missed', and by what."""
    lower = "at_least" in goal
    limit = goal["at_least" if lower else "at_most"]
    met = goal["value"] >= limit if lower else goal["value"] <= limit
    told = (
        f"{'met' if met else 'missed'}: {goal['what']}: {cell(goal['value'])}, goal {'≥' if lower else '≤'} {limit:g}"
    )
    if not met and "bound" in goal:
        told += f", and at most {cell(goal['bound'])} can be reached here (bound)"
    return told


def remarks(result: Result) -> list[str]:
    """Goals, what was left out, notes and breakdowns, a line each."""
    lines = [goal_line(goal) for goal in result["goals"]]
    lines += [f"left out: {name}" for name in result["missing"]]
    lines += result["notes"]
    return lines + ([f"broke down: {result['error']}"] if "error" in result else [])


def part_text(name: str, result: Result) -> str:
    tables = [text_table(table) for table in result["tables"]]
    return "\n".join([f"{name} ({result['seconds']:g} s)", *tables, *[f"  {line}" for line in remarks(result)]])


def report(told: dict[str, Any]) -> str:
    """The whole as Markdown."""
    blocks = [
        "# Benchmarks",
        "Written by `make bench`; nothing here is typed by hand. `ratio` is median ÷ median against the first way of a "
        "table, in turns within one run, `best` fastest ÷ fastest; above 1 is faster. `spread` is the range of the "
        "middle half of the rounds over their median.",
        machine_lines(told["machine"], told["quick"]),
    ]
    if {"engines", "panns", "step"} & set(told["parts"]):
        blocks += ["## asked", markdown_table(speedgoals.table(told["parts"]))]
    if (paper := million.section(told["parts"])) is not None:
        blocks += ["## million", markdown_table(paper["table"]), "\n".join(f"- {line}" for line in paper["remarks"])]
    for name, result in told["parts"].items():
        blocks.append(f"## {name}")
        if (other := result.get("machine", blocks[2])) != blocks[2]:
            blocks.append(other)
        blocks += [markdown_table(table) for table in result["tables"]]
        blocks.append("\n".join(f"- {line}" for line in remarks(result)))
    return "\n\n".join(block for block in blocks if block) + "\n"


if __name__ == "__main__":
    sys.exit(main())
