"""Jobs on a Ray cluster against jobs of plain processes, kills at random moments, and many short files on one machine.

Speed is that of more sound: each way does a job and one of four times as much, and what the second takes longer is divided
by how much more it heard. So the start of a cluster, of processes and of taggers, which a day's job does not see, is told
apart. A process that has one core is bound to it, and with it all that it starts.

    python -m benchmarks.cluster    # all, some 30 minutes on two cores that have nothing else to do
    python -m benchmarks.cluster --part killed --keep k.jsonl    # one of speed, killed, many; again, it goes on
    python -m benchmarks.run --only cluster --keep k.jsonl --out results    # what is not kept is measured, and all is written

Each figure is told as it comes. With --keep it is kept as well, and not measured again.
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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import make_recording
from benchmarks.processor import Processor, psutil

RATE = 44_100
SECONDS = 150  # of a recording
MADE = 6  # recordings, each of which lies there by several names
FEW, MANY = 12, 48  # recordings of the smaller job and of the larger: half an hour, two hours
GOALS = {"one core": 0.85, "two nodes": 0.9}
WORDS = ("--tagger", "esc10", "--format", "csv", "--batch", "1")
STORE = 200 << 20  # bytes of a node's store
WAIT = 600.0  # s, for a job that was killed
NODES = 2
KILLS, FILES = 20, 20_000

Say = Callable[[str], None]


@dataclass
class Figures:
    """What was measured, by names; kept in a file where one is given."""

    say: Say
    file: Path | None = None
    known: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    loads: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            for line in self.file.read_text().splitlines():
                self.known |= json.loads(line)

    def of(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Measured, or what is known. load: of the machine, as it began: above one a core it had other work."""
        if name not in self.known:
            load = round(os.getloadavg()[0], 1)
            self.known[name] = measure() | {"load": load}
            if self.file is not None:
                with self.file.open("a") as out:
                    out.write(json.dumps({name: self.known[name]}) + "\n")
        self.say(f"{name}: {json.dumps(self.known[name])}")
        told: dict[str, Any] = self.known[name]
        self.loads[self.part] = max(self.loads.get(self.part, 0.0), told.get("load", 0.0))
        return told

    def busy(self) -> list[str]:
        """A note of each part that had not the machine for itself: a job of its own makes a load of about two."""
        return [
            f"{part}: measured while the machine had other work (load up to {load:g}), which the clock sees"
            for part, load in self.loads.items()
            if load > 3
        ]


def main(
    quick: bool = False,
    say: Say = lambda line: None,
    kills: int = KILLS,
    files: int = FILES,
    parts: Sequence[str] = ("speed", "killed", "many"),
    keep: Path | None = None,
) -> dict[str, Any]:
    """Figures of these parts."""
    figures = Figures(say, keep)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        place = Path(folder)
        few, many_ = (2, 6) if quick else (FEW, MANY)
        if set(parts) & {"speed", "killed"}:
            record(place, {"small": few, "large": many_, "few": 4})
        made = []
        if "speed" in parts:
            figures.part = "speed"
            made.append(speed(place, few * SECONDS, many_ * SECONDS, figures))
        if "killed" in parts:
            figures.part = "killed"
            made.append(killed(place, kills // 10 if quick else kills, figures))
        if "many" in parts:
            figures.part = "short files"
            made.append(many(place, files // 10 if quick else files, figures))
    told = ("tables", "goals", "missing", "notes")
    found = {part: [each for one in made for each in one.get(part, [])] for part in told}
    return found | {"notes": found["notes"] + figures.busy()}


def record(place: Path, folders: dict[str, int]) -> None:
    """Recordings, some minutes each, in folders of so many."""
    (place / "made").mkdir()
    for number in range(MADE):
        make_recording(place / "made" / f"{number}.flac", SECONDS, RATE, highest=8000.0, level=0.4, pulse=4)
    for name, count in folders.items():
        (place / name).mkdir()
        for number in range(count):
            os.link(place / "made" / f"{number % MADE}.flac", place / name / f"{number:02}.flac")


def earmark(place: Path, cores: Sequence[int], *words: str) -> subprocess.Popen[str]:
    """A command in a process that has these cores."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(place / "r")}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "earmark", *words], cwd=place, env=environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip


def took(*works: subprocess.Popen[str], seconds: float | None = None) -> None:
    """Wait for all. Raises RuntimeError for one that failed, or took longer."""
    for work in works:
        try:
            said = work.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired as error:
            work.kill()
            raise RuntimeError(f"nothing for {seconds} s: {work.communicate()[1][-500:]}") from error
        if work.returncode not in (0, 1):
            raise RuntimeError(said[-500:])


def speed(place: Path, less: float, more: float, figures: Figures) -> dict[str, Any]:
    """Seconds of sound a second, of each way. less, more: seconds of sound of the two jobs."""
    first, second = cores()
    ray = ("--on", "ray")

    def alone(what: str, job: str) -> float:
        return spent(earmark(place, [first], "tag", what, "--job", job, *WORDS, "--workers", "1"))

    def on_one(what: str, job: str) -> float:
        return spent(earmark(place, [first], "tag", what, "--job", job, *WORDS, *ray, "--cluster", "cpus=1"))

    def halves(what: str, job: str) -> float:
        both = enumerate((first, second), 1)
        shards = [(core, ("--shard", f"{n}/2", "--workers", "1")) for n, core in both]
        return spent(*(earmark(place, [core], "tag", what, "--job", job, *WORDS, *words) for core, words in shards))

    def on_two(what: str, job: str) -> float:
        with nodes(place) as cluster:
            words = ("tag", what, "--job", job, *WORDS, *ray, "--address", cluster.address)
            return spent(earmark(place, [first, second], *words))

    def measured(way: Callable[[str, str], float], what: str, job: str) -> Callable[[], dict[str, Any]]:
        def measure() -> dict[str, Any]:
            with Processor() as used:
                seconds = way(what, job)
            return {"seconds": round(seconds, 2), "cpu": round(used.seconds, 2), "of": used.most()}

        return measure

    ways = {"one core": (alone, on_one), "two nodes": (halves, on_two)}
    rows, goals = [], []
    for name, pair in ways.items():
        rates, costs, whole = [], [], []
        for way, label in zip(pair, ("plain", "Ray"), strict=True):
            small, large = (
                figures.of(
                    f"{name}, {label}, {what}, {sound:g} s of sound",
                    measured(way, what, f"{name.replace(' ', '-')}-{label}-{what}"),
                )
                for what, sound in (("small", less), ("large", more))
            )
            longer = large["seconds"] - small["seconds"]
            rates.append((more - less) / longer)
            costs.append((more - less) / (large["cpu"] - small["cpu"]))
            whole.append(more / large["seconds"])
            start = small["seconds"] - longer * less / (more - less)
            rows.append(
                [
                    name,
                    label,
                    rates[-1],
                    rates[-1] / rates[0],
                    costs[-1] / costs[0],
                    start,
                    large["seconds"],
                    whole[-1] / whole[0],
                ]
            )
        figures.say(
            f"Ray over plain processes, {name}: {rates[1] / rates[0]:.3f} ({costs[1] / costs[0]:.3f} by CPU seconds)"
        )
        goals.append(
            {"what": f"Ray over plain processes, {name}", "value": rates[1] / rates[0], "at_least": GOALS[name]}
        )
    columns = ["", "", "times as fast as it sounds", "ratio", "by CPU seconds", "start, s", "the larger job, s"]
    columns += ["ratio, start and all"]
    jobs = [place / f"one-core-{label}-large" / "tags.csv" for label in ("plain", "Ray")]
    jobs.append(place / "two-nodes-Ray-large" / "tags.csv")
    there = [job.read_bytes() for job in jobs if job.exists()]
    same = {"what": "the same bytes (1: yes)", "value": int(len(set(there)) == 1), "at_least": 1}
    return {
        "tables": [{"title": "tagging with esc10, windows one by one", "columns": columns, "rows": rows}],
        "goals": [*goals, *([same] if len(there) > 1 else [])],
    }


def spent(*works: subprocess.Popen[str]) -> float:
    """Seconds until all are done."""
    begin = time.perf_counter()
    took(*works)
    return time.perf_counter() - begin


@contextmanager
def nodes(place: Path) -> Any:
    """Two nodes of a core each, on loopback."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": str(place / "r")}
    from ray.cluster_utils import Cluster

    each = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args=each)
    cluster.other = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def killed(place: Path, times: int, figures: Figures) -> dict[str, Any]:
    """Jobs of which something is killed at a random moment: the bytes, and how many pieces were begun again."""
    took(earmark(place, cores(), "tag", "few", *WORDS, "--job", "undisturbed"))
    whole = (place / "undisturbed" / "tags.csv").read_bytes()
    rows = []
    for number in range(times):
        what = ("driver", "worker", "node")[number % 3]
        told = figures.of(
            f"kill {number + 1} of {times}, {what}", lambda what=what, n=number: one_killed(place, what, n, whole)
        )
        rows.append([number + 1, what, *(told[name] for name in ("there", "pieces", "again", "same", "seconds"))])
    same = sum(row[-2] for row in rows)
    most = max(
        (row[4] / (NODES if row[1] == "driver" else 1) for row in rows), default=0
    )  # each kind stops so many workers
    columns = ["", "what", "pieces and results there", "pieces", "begun again", "same bytes", "s"]
    figures.say(
        f"the same bytes in {same} of {times}; at most {most:g} pieces begun again of a worker that was stopped"
    )
    return {
        "tables": [{"title": "killed at random moments", "columns": columns, "rows": rows}],
        "goals": [
            {"what": f"jobs with the same bytes, of {times} killed", "value": same, "at_least": times},
            {"what": "pieces begun again, a worker that was stopped, at most", "value": most, "at_most": 1},
        ],
    }


def one_killed(place: Path, what: str, number: int, whole: bytes) -> dict[str, Any]:
    """A job, the kill, and what comes of it."""
    rng, job = random.Random(number), f"killed-{number}"
    words = ("tag", "few", *WORDS, "--on", "ray", "--cluster", "piece=0.5", "--job", job)
    begin = time.perf_counter()
    with nodes(place) as cluster:
        words = (*words, "--address", cluster.address)
        work = earmark(place, cores(), *words)
        wanted = rng.randint(0, len(list((place / "few").iterdir())) * 4)
        while work.poll() is None and _there(place / job) < wanted:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.5)
        seen = _there(place / job)
        if what == "driver":
            work.kill()
            work.communicate()
            work = earmark(place, cores(), *words)
        elif what == "node":
            cluster.remove_node(cluster.other, allow_graceful=False)
        elif workers := _below("ray::Map") + _below("ray::ReadingNet"):
            rng.choice(workers).kill()
        took(work, seconds=WAIT)
    tally = json.loads((place / job / "tally.json").read_text())
    same = (place / job / "tags.csv").read_bytes() == whole
    shutil.rmtree(place / job)
    told = {"there": seen, "pieces": tally["pieces"], "again": tally["again"], "same": int(same)}
    return told | {"seconds": round(time.perf_counter() - begin, 1)}


def many(place: Path, count: int, figures: Figures) -> dict[str, Any]:
    """Short files on one core: what each costs, how memory grows, how long a job takes to see that all is done."""
    import soundfile

    rng = np.random.default_rng(0)
    for name, number in (("tenth", count // 10), ("all", count)):
        (place / name).mkdir()
        for n in range(number):
            soundfile.write(place / name / f"{n:06}.wav", rng.uniform(-0.3, 0.3, 8_000).astype(np.float32), 8_000)
    rows, goals = [], []
    for label, ray in (("plain", ()), ("Ray", ("--on", "ray", "--cluster", "cpus=1"))):
        few, whole, again = (
            figures.of(
                f"{number} files of 1 s, {label}{', again' if more else ''}",
                lambda name=name, more=more, label=label, ray=ray: one_of_many(place, name, label, ray, more),
            )
            for name, number, more in (("tenth", count // 10, False), ("all", count, False), ("all", count, True))
        )
        for told, number, more in ((few, count // 10, ""), (whole, count, ""), (again, count, "again")):
            ms = [1000 * told[clock] / number for clock in ("seconds", "cpu")]
            rows.append([f"{label}{more and ', '}{more}", number, told["seconds"], *ms, told["peak"]])
        what = f"MB that {count} files need more than {count // 10}, {label}"
        goals.append({"what": what, "value": whole["peak"] - few["peak"], "at_most": 100})
    columns = ["", "files of 1 s", "seconds", "ms a file", "ms of the processor", "peak of the command, MB"]
    return {"tables": [{"title": "short files, digits, one core", "columns": columns, "rows": rows}], "goals": goals}


def one_of_many(place: Path, name: str, label: str, ray: Sequence[str], again: bool) -> dict[str, float]:
    """A job of short files. again: one that is done."""
    job = f"job-{name}-{label}"
    words = ("tag", name, "--tagger", "digits", "--job", job, "--format", "csv", *ray)
    if again and not (place / job / "tags.csv").exists():  # it was done in a run before this
        took(earmark(place, cores()[:1], *words))
    begin, peak = time.perf_counter(), 0.0
    with Processor() as used:
        work = earmark(place, cores()[:1], *words)
        while work.poll() is None:
            peak = max(peak, _megabytes(work.pid))
            time.sleep(0.1)
        took(work)
    return {
        "seconds": round(time.perf_counter() - begin, 2),
        "cpu": round(used.seconds, 2),
        "peak": round(peak),
    }


def cores() -> list[int]:
    """Two of this process's."""
    mine = sorted(os.sched_getaffinity(0))
    return [mine[0], mine[-1]]


def _there(job: Path) -> int:
    return len(list(job.glob("pieces/*.arrow"))) + len(list(job.glob("results/*")))


def _below(word: str) -> list[Any]:
    """This process's children, whose command line begins with it."""

    found = []
    for each in (system := psutil()).Process().children(recursive=True):
        try:
            found += [each] if (each.cmdline() or [""])[0].startswith(word) else []
        except system.Error:
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
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--part", action="append", choices=("speed", "killed", "many"))
    parser.add_argument("--keep", type=Path, help="a file of figures, which are not measured again")
    asked = parser.parse_args()
    begin = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - begin:6.0f} s  {line}", file=sys.stderr, flush=True)

    parts = asked.part or ("speed", "killed", "many")
    print(json.dumps(main(asked.quick, say, asked.kills, asked.files, parts, asked.keep), indent=1))


if __name__ == "__main__":
    _alone()
