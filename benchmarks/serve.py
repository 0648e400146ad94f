"""The service against the command on the same recordings: requests a second, how long they take, memory, slow and hostile clients.

    python -m benchmarks.serve CLIPS [--nasty FOLDER] [--out results/serve]          some 5 minutes on an idle machine of two cores
    python -m benchmarks.serve CLIPS --quick                                         a look whether it works

The command's time for a recording is that of all less that of one, so that its start does not count. Command and service are timed
in turns, and the median of the turns is told, with that of the ratios within a turn. The service runs as a program of its own on
loopback, and is ended by its id. Memory is that of its process (VmRSS), after 10,000 requests of the shortest clips. The slow
clients, 200 at once, each send a byte now and then, while another one is answered. Hostile uploads are the broken files, and ones
made of the clips: cut off, with bytes changed by chance, of nothing, of zeros, with headers that claim too much.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from earmark import audio
from earmark.engines import processor
from earmark.files import write_text

CLIENTS = (1, 8, 64)
TURNS = 3
SLOW, HOSTILE, LONG = 200, 500, 10_000  # clients, uploads, requests after which memory is looked at
EARMARK = [sys.executable, "-m", "earmark"]


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

    def slow(self, body: tuple[str, bytes], clients: int) -> dict[str, float]:
        """How long one waits for an answer alone, and while others send a byte of theirs now and then."""
        host, port = str(self.client.base_url).removeprefix("http://").rstrip("/").split(":")
        head = f"POST /v1/tags HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body[1])}\r\n\r\n".encode()
        alone = statistics.median(self.ask(body)[1] for _ in range(20))
        lines = [socket.create_connection((host, int(port))) for _ in range(clients)]
        try:
            for line in lines:
                line.sendall(head + body[1][:1000])
            times = []
            for turn in range(20):
                for line in lines:
                    line.sendall(body[1][1000 + turn : 1001 + turn])
                status, seconds = self.ask(body)
                assert status == 200, status
                times.append(seconds)
            lines[0].sendall(body[1][1020:])
            finished = lines[0].recv(100).startswith(b"HTTP/1.1 200")
        finally:
            for line in lines:
                line.close()
        return {"clients": clients, "alone": alone, "beside them": statistics.median(times), "one finished": finished}


def hostile(clips: list[tuple[str, bytes]], nasty: list[Path], count: int) -> Iterator[tuple[str, bytes]]:
    """Broken files, and more that are broken by chance."""
    for path in nasty[:count]:
        yield path.name, path.read_bytes()
    chance = random.Random(0)
    for number in range(max(0, count - len(nasty))):
        name, body = clips[number % len(clips)]
        made = bytearray(body)
        match number % 5:
            case 0:
                made = made[: chance.randrange(len(made))]
            case 1:
                for _ in range(50):
                    made[chance.randrange(len(made))] = chance.randrange(256)
            case 2:  # sizes and counts in the header
                made[4 : 4 + 40] = bytes(chance.randrange(256) for _ in range(40))
            case 3:
                made = made[:60] + bytes(chance.randrange(100_000))
            case 4:
                made = bytearray(chance.randbytes(chance.randrange(50_000)))
        yield name, bytes(made)


def measured(clips: list[Path], nasty: list[Path], asked: argparse.Namespace) -> dict[str, Any]:
    bodies = [(path.name, path.read_bytes()) for path in clips]
    rates: dict[str, list[Any]] = {"command": [], **{str(n): [] for n in CLIENTS}}
    turns = 1 if asked.quick else TURNS
    many, more, slow = (60, 200, 20) if asked.quick else (HOSTILE, LONG, SLOW)
    with Service() as service:
        service.round(bodies[:8], 2)
        memory = {"first": service.memory()}
        for _ in range(turns):
            rates["command"].append((len(clips) - 1) / (command(clips) - command(clips[:1])))
            for clients in CLIENTS:
                rates[str(clients)].append(service.round(bodies, clients))
        memory["after the turns"] = service.memory()
        short = [(f"{number}.wav", path.read_bytes()) for number, path in enumerate(asked.short or clips[:4])]
        for part in range(4):
            service.round([short[n % len(short)] for n in range(more // 4)], 8)
            memory[f"after {more // 4 * (part + 1):,} requests more"] = service.memory()
        waited = service.slow(bodies[0], slow)
        refused = Counter(service.ask(body)[0] for body in hostile(bodies, nasty, many))
        memory["at the end"] = service.memory()
        alive = service.client.get("/healthz").status_code
    told = {
        str(n): {key: statistics.median(turn[key] for turn in rates[str(n)]) for key in rates[str(n)][0]}
        | {
            "ratio": statistics.median(
                turn["requests a second"] / rate for turn, rate in zip(rates[str(n)], rates["command"], strict=True)
            )
        }
        for n in CLIENTS
    }
    return {
        "clips": len(clips),
        "turns": turns,
        "command": statistics.median(rates["command"]),
        "commands": rates["command"],
        "clients": told,
        "memory": memory,
        "slow": waited,
        "hostile": {str(status): count for status, count in sorted(refused.items())},
        "alive after": alive,
        "machine": {
            "processor": processor.here().name,
            "cores": processor.cores(),
            "load at the start": asked.load,
            "load at the end": os.getloadavg()[0],
            "python": platform.python_version(),
        },
    }


def page(told: dict[str, Any]) -> str:
    machine = told["machine"]
    lines = [
        "# The service against the command", "",
        f"{told['clips']} recordings, the tagger `esc10`; {machine['processor']}, {machine['cores']} cores, load "
        f"{machine['load at the start']:.1f} at the start and {machine['load at the end']:.1f} at the end, "
        f"Python {machine['python']}. Median of {told['turns']} turn{'s' if told['turns'] > 1 else ''}, each with its own run of "
        "the command.", "",
        "| | recordings a second | of the command's | p50 ms | p99 ms |", "| --- | --- | --- | --- | --- |",
        f"| `earmark tag`, its start left out | {told['command']:.1f} | 1.00 | | |",
    ]  # fmt: skip
    for clients, row in told["clients"].items():
        lines.append(
            f"| {clients} client{'s' if clients != '1' else ''} | {row['requests a second']:.1f} | {row['ratio']:.2f} "
            f"| {1000 * row['p50']:.0f} | {1000 * row['p99']:.0f} |"
        )
    lines += ["", "Memory (MB): " + ", ".join(f"{name} {value:.0f}" for name, value in told["memory"].items()) + "."]
    slow = told["slow"]
    lines += [
        "", f"Beside {slow['clients']} clients that send a byte now and then a request takes {1000 * slow['beside them']:.0f} ms, alone "
        f"{1000 * slow['alone']:.0f} ms (medians of 20); one of them that goes on is answered: {'yes' if slow['one finished'] else 'no'}.",
    ]  # fmt: skip
    refused = ", ".join(f"{count} × {status}" for status, count in told["hostile"].items())
    lines += [
        "",
        f"{sum(told['hostile'].values())} hostile uploads: {refused}; /healthz after them {told['alive after']}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--nasty", type=Path, help="a folder of broken files")
    parser.add_argument("--short", type=Path, help="a folder of short clips for the many requests of memory")
    parser.add_argument("--most", type=int, default=120, help="clips")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/serve"))
    asked = parser.parse_args()
    asked.load = os.getloadavg()[0]
    asked.short = audio.find([asked.short])[:50] if asked.short else None
    clips = audio.find([asked.clips])
    most = 16 if asked.quick else asked.most
    nasty = sorted(path for path in asked.nasty.rglob("*") if path.is_file()) if asked.nasty else []
    told = measured(clips[:: max(1, len(clips) // most)][:most], nasty, asked)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_text(asked.out / "serve.json", json.dumps(told, indent=1) + "\n")
    write_text(asked.out / "serve.md", page(told))
    print(page(told))


if __name__ == "__main__":
    main()
