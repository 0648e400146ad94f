"""The service against the command on the same recordings: requests a second, how long they take, memory, hostile uploads.

    python -m benchmarks.serve CLIPS [--nasty FOLDER] [--out results/serve]

The command's time for a recording is that of all less that of one, so that its start does not count. Both are timed in turns, and
the median of the turns is told. The service runs as a program of its own on loopback, and is ended by its id.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from earmark import audio
from earmark.engines import processor
from earmark.files import write_text

CLIENTS = (1, 8, 64)
TURNS = 2
EARMARK = [sys.executable, "-m", "earmark.cli"]


def command(paths: list[Path]) -> float:
    """Seconds that `earmark tag` takes."""
    began = time.perf_counter()
    subprocess.run([*EARMARK, "tag", *map(str, paths), "--json"], capture_output=True, check=True)
    return time.perf_counter() - began


class Service:
    """`earmark serve` on loopback."""

    def __enter__(self) -> Service:
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.process = subprocess.Popen([*EARMARK, "serve", "--port", "0", "--waiting", "200"], stderr=self.log)
        while (found := re.search(r"http://\S+/", Path(self.log.name).read_text())) is None:
            assert self.process.poll() is None, Path(self.log.name).read_text()
            time.sleep(0.05)
        limits = httpx.Limits(max_connections=max(CLIENTS))
        self.client = httpx.Client(base_url=found[0], timeout=600, trust_env=False, limits=limits)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    def memory(self) -> float:
        """MB that it holds."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1000  # type: ignore[index]

    def ask(self, body: tuple[str, bytes]) -> tuple[int, float]:
        began = time.perf_counter()
        answer = self.client.post("/v1/tags", files={"file": body})
        return answer.status_code, time.perf_counter() - began

    def round(self, bodies: list[tuple[str, bytes]], clients: int) -> dict[str, float]:
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            told = list(pool.map(self.ask, bodies))
        took = time.perf_counter() - began
        assert {status for status, _ in told} == {200}, Counter(status for status, _ in told)
        times = sorted(seconds for _, seconds in told)
        at = {"p50": times[len(times) // 2], "p99": times[min(len(times) - 1, round(0.99 * len(times)))]}
        return {"requests a second": len(bodies) / took, **at}


def measured(clips: list[Path], nasty: list[Path], more: int) -> dict[str, Any]:
    bodies = [(path.name, path.read_bytes()) for path in clips]
    rates: dict[str, list[Any]] = {"command": [], **{str(n): [] for n in CLIENTS}}
    with Service() as service:
        service.round(bodies[:8], 2)
        memory = [service.memory()]
        for _ in range(TURNS):
            rates["command"].append((len(clips) - 1) / (command(clips) - command(clips[:1])))
            for clients in CLIENTS:
                rates[str(clients)].append(service.round(bodies, clients))
        memory.append(service.memory())
        service.round([bodies[n % len(bodies)] for n in range(more)], 8)
        memory.append(service.memory())
        hostile = Counter(service.ask((path.name, path.read_bytes()))[0] for path in nasty)
        alive = service.client.get("/healthz").status_code
    told = {
        str(n): {key: statistics.median(turn[key] for turn in rates[str(n)]) for key in rates[str(n)][0]}
        for n in CLIENTS
    }
    return {
        "clips": len(clips),
        "command": statistics.median(rates["command"]),
        "clients": told,
        "memory": {"first": memory[0], "after the turns": memory[1], f"after {more} requests more": memory[2]},
        "hostile": {str(status): count for status, count in sorted(hostile.items())},
        "alive after": alive,
        "machine": {
            "processor": processor.here().name,
            "cores": processor.cores(),
            "load": os.getloadavg()[0],
            "python": platform.python_version(),
        },
    }


def page(told: dict[str, Any]) -> str:
    machine = told["machine"]
    lines = [
        "# The service against the command", "",
        f"{told['clips']} recordings, the tagger `esc10`; {machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f} at "
        f"the end, Python {machine['python']}. Median of {TURNS} turns.", "",
        "| | recordings a second | of the command's | p50 ms | p99 ms |", "| --- | --- | --- | --- | --- |",
        f"| `earmark tag`, its start left out | {told['command']:.1f} | 1.00 | | |",
    ]  # fmt: skip
    for clients, row in told["clients"].items():
        rate = row["requests a second"]
        lines.append(
            f"| {clients} client{'s' if clients != '1' else ''} | {rate:.1f} | {rate / told['command']:.2f} | {1000 * row['p50']:.0f} "
            f"| {1000 * row['p99']:.0f} |"
        )
    lines += ["", "Memory (MB): " + ", ".join(f"{name} {value:.0f}" for name, value in told["memory"].items()) + "."]
    hostile = ", ".join(f"{count} × {status}" for status, count in told["hostile"].items())
    lines += ["", f"Hostile uploads: {hostile or 'none'}; /healthz after them {told['alive after']}.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--nasty", type=Path)
    parser.add_argument("--most", type=int, default=60, help="clips")
    parser.add_argument("--more", type=int, default=500, help="requests after which memory is looked at")
    parser.add_argument("--out", type=Path, default=Path("results/serve"))
    asked = parser.parse_args()
    clips = audio.find([asked.clips])
    told = measured(
        clips[:: max(1, len(clips) // asked.most)][: asked.most],
        sorted(asked.nasty.iterdir()) if asked.nasty else [],
        asked.more,
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    write_text(asked.out / "serve.json", json.dumps(told, indent=1) + "\n")
    write_text(asked.out / "serve.md", page(told))
    print(page(told))


if __name__ == "__main__":
    main()
