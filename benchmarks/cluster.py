"""Jobs on a Ray cluster against jobs of plain processes, kills at random moments, and many short files on one machine.

Speed is that of more sound: each way does a job and one of three times as much, and what the second takes longer is divided
by how much more it heard. So the start of a cluster, of processes and of taggers, which a day's job does not see, is told
apart. A process that has one core is bound to it, and with it all that it starts.

    python -m benchmarks.cluster --kills 20 --files 20000    # all
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import make_recording

RATE = 44_100
SECONDS = 150  # of a recording
FEW = 4  # recordings of the smaller job; the larger has three times as many
GOALS = {"one core": 0.85, "two nodes": 0.9}
WORDS = ("--tagger", "esc10", "--format", "csv", "--batch", "1")
STORE = 200 << 20  # bytes of a node's store

Say = Callable[[str], None]


def main(quick: bool = False, say: Say = lambda line: None, kills: int = 3, files: int = 2_000) -> dict[str, Any]:
    """Figures of all three."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        place = Path(folder)
        few = 2 if quick else FEW
        (place / "large").mkdir()
        for number in range(3 * few):
            make_recording(place / "large" / f"{number}.flac", SECONDS, RATE, highest=8000.0, level=0.4, pulse=4)
        (place / "small").mkdir()
        for path in sorted((place / "large").iterdir())[:few]:
            os.link(path, place / "small" / path.name)
        made = [speed(place, 2 * few * SECONDS, say)]
        made.append(killed(place, kills, say))
        made.append(many(place, files // 10 if quick else files, say))
    parts = ("tables", "goals", "missing", "notes")
    return {part: [each for one in made for each in one.get(part, [])] for part in parts}


def earmark(place: Path, cores: Sequence[int], *words: str) -> subprocess.Popen[str]:
    """A command in a process that has these cores."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(place / "r")}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "earmark.cli", *words], cwd=place, env=environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip


def took(*works: subprocess.Popen[str]) -> None:
    """Wait for all. Raises RuntimeError for one that failed."""
    for work in works:
        said = work.communicate()[1]
        if work.returncode not in (0, 1):
            raise RuntimeError(said[-500:])


def speed(place: Path, more: float, say: Say) -> dict[str, Any]:
    """Seconds of sound a second, of each way. more: seconds of sound that the larger job has more."""
    first, second = cores()
    ray = ("--on", "ray", "--cluster", "piece=1")

    def alone(what: str, job: str) -> None:
        took(earmark(place, [first], "tag", what, "--job", job, *WORDS, "--workers", "1"))

    def on_one(what: str, job: str) -> None:
        took(earmark(place, [first], "tag", what, "--job", job, *WORDS, *ray, "--cluster", "cpus=1"))

    def halves(what: str, job: str) -> None:
        both = enumerate((first, second), 1)
        took(
            *(
                earmark(place, [core], "tag", what, "--job", job, *WORDS, "--shard", f"{n}/2", "--workers", "1")
                for n, core in both
            )
        )

    def on_two(what: str, job: str) -> None:
        with nodes(place) as cluster:
            begun.append(time.perf_counter())
            took(earmark(place, [first, second], "tag", what, "--job", job, *WORDS, *ray, "--address", cluster.address))

    begun: list[float] = []
    ways = {"one core": (alone, on_one), "two nodes": (halves, on_two)}
    rows, goals = [], []
    for name, pair in ways.items():
        rates = []
        for way, label in zip(pair, ("plain", "Ray"), strict=True):
            seconds = {}
            for what in ("small", "large"):
                say(f"{name}, {label}, {what}")
                begun[:] = [time.perf_counter()]
                way(what, f"{name.replace(' ', '-')}-{label}-{what}")
                seconds[what] = time.perf_counter() - begun[-1]
            rates.append(more / (seconds["large"] - seconds["small"]))
            fixed = seconds["small"] - (seconds["large"] - seconds["small"]) / 2
            rows.append([name, label, rates[-1], rates[-1] / rates[0], fixed, seconds["large"]])
        goals.append(
            {"what": f"Ray over plain processes, {name}", "value": rates[1] / rates[0], "at_least": GOALS[name]}
        )
    columns = ["", "", "times as fast as it sounds", "ratio", "start, s", "the larger job, s"]
    same = all(
        (place / f"one-core-{way}-large" / "tags.csv").read_bytes()
        == (place / "one-core-plain-large" / "tags.csv").read_bytes()
        for way in ("plain", "Ray")
    )
    return {
        "tables": [{"title": "tagging with esc10, windows one by one", "columns": columns, "rows": rows}],
        "goals": [*goals, {"what": "the same bytes (1: yes)", "value": int(same), "at_least": 1}],
    }


def nodes(place: Path) -> Any:
    """Two nodes of a core each, on loopback."""
    from contextlib import contextmanager

    @contextmanager
    def started() -> Any:
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": str(place / "r")}
        from ray.cluster_utils import Cluster

        each = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE}
        cluster = Cluster(initialize_head=True, head_node_args=each)
        cluster.other = cluster.add_node(num_cpus=1, object_store_memory=STORE)
        try:
            yield cluster
        finally:
            cluster.shutdown()

    return started()


def killed(place: Path, times: int, say: Say) -> dict[str, Any]:
    """Jobs of which something is killed at a random moment: the bytes, and how many pieces were scored again."""
    words = ("tag", "small", *WORDS, "--on", "ray", "--cluster", "piece=0.5")
    took(earmark(place, cores(), "tag", "small", *WORDS, "--job", "undisturbed"))
    whole = (place / "undisturbed" / "tags.csv").read_bytes()
    rng, rows = random.Random(0), []
    kinds = ["driver", "worker", "node"]
    for number in range(times):
        what, job = kinds[number % len(kinds)], f"killed-{number}"
        with nodes(place) as cluster:
            work = earmark(place, cores(), *words, "--job", job, "--address", cluster.address)
            wanted = rng.randint(0, len(list((place / "small").iterdir())) * 4)
            while work.poll() is None and _there(place / job) < wanted:
                time.sleep(0.02)
            time.sleep(rng.random() * 0.5)
            seen = _there(place / job)
            say(f"kill {number + 1} of {times}: {what}, {seen} pieces and results there")
            if what == "driver":
                work.kill()
                work.communicate()
                work = earmark(place, cores(), *words, "--job", job, "--address", cluster.address)
            elif what == "node":
                cluster.remove_node(cluster.other, allow_graceful=False)
            elif workers := _below("ray::Map"):
                rng.choice(workers).kill()
            took(work)
        same = (place / job / "tags.csv").read_bytes() == whole
        rows.append([number + 1, what, seen, "yes" if same else "NO"])
        shutil.rmtree(place / job)
    count = sum(row[-1] == "yes" for row in rows)
    return {
        "tables": [
            {"title": "killed at random moments", "columns": ["", "what", "files there", "same bytes"], "rows": rows}
        ],
        "goals": [{"what": f"jobs with the same bytes, of {times} killed", "value": count, "at_least": times}],
    }


def many(place: Path, count: int, say: Say) -> dict[str, Any]:
    """Short files on one machine: what each costs, how memory grows, how long a job takes to see that all is done."""
    import soundfile

    rng = np.random.default_rng(0)
    for name, number in (("tenth", count // 10), ("all", count)):
        (place / name).mkdir()
        for n in range(number):
            soundfile.write(place / name / f"{n:06}.wav", rng.uniform(-0.3, 0.3, 8_000).astype(np.float32), 8_000)
    rows = []
    for name, job in (("tenth", "tenth"), ("all", "all"), ("all", "all")):
        say(f"{name} of {count} files{', again' if len(rows) == 2 else ''}")
        begin = time.perf_counter()
        work = earmark(place, cores()[:1], "tag", name, "--tagger", "digits", "--job", f"job-{job}", "--format", "csv")
        peak = 0.0
        while work.poll() is None:
            peak = max(peak, _megabytes(work.pid))
            time.sleep(0.1)
        took(work)
        spent = time.perf_counter() - begin
        number = len(list((place / name).iterdir()))
        rows.append([number, "again" if len(rows) == 2 else "", spent, 1000 * spent / number, peak])
    columns = ["files of 1 s", "", "seconds", "ms a file", "peak, MB"]
    goals = [
        {
            "what": f"MB that {count} files need more than {count // 10}",
            "value": rows[1][4] - rows[0][4],
            "at_most": 100,
        }
    ]
    return {"tables": [{"title": "short files, digits, one core", "columns": columns, "rows": rows}], "goals": goals}


def cores() -> list[int]:
    """Two of this process's."""
    mine = sorted(os.sched_getaffinity(0))
    return [mine[0], mine[-1]]


def _there(job: Path) -> int:
    return len(list(job.glob("pieces/*"))) + len(list(job.glob("results/*")))


def _below(word: str) -> list[Any]:
    """This process's children, whose command line begins with it."""
    import psutil

    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            found += [each] if (each.cmdline() or [""])[0].startswith(word) else []
        except psutil.Error:
            continue
    return found


def _megabytes(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024
    except (OSError, StopIteration):
        return 0.0


def _alone() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--files", type=int, default=2_000)
    asked = parser.parse_args()
    told = main(asked.quick, lambda line: print(line, file=sys.stderr, flush=True), asked.kills, asked.files)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    _alone()
