"""What a process may use of its machine, and what one is told that computes for a command or a training, and for nothing else."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from earmark.inference import waiting
from earmark.inference.allocator import keep_freed_memory

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


def take() -> None:
    """Freed memory is kept, threads give way where they should, and are no more than `cores`, unless OMP_NUM_THREADS says.

    A program that uses the library decides for itself.
    """
    keep_freed_memory()
    waiting.watch()
    mine = cores()
    if "OMP_NUM_THREADS" in os.environ or mine == _allowed():
        return
    os.environ["OMP_NUM_THREADS"] = str(mine)  # what computes in threads asks for it when it is loaded
    share(mine)


def share(threads: int) -> None:
    """torch, where it computes in this process, takes no more threads at once than that: others compute beside it."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(min(torch.get_num_threads(), threads))


def cores() -> int:
    """Processors that this process may use: those that it is bound to, or fewer where a container's quota is less.

    A quota is time: a container with 1.5 processors on a machine of 64 runs on all of them for a fortieth of each tenth of a
    second, and stands still for the rest. With a thread a processor most of that time is spent on waiting.
    """
    return min([_allowed(), *(max(1, math.ceil(quota)) for quota in _quotas())])


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """Processors' worth of time that control groups give this process: of its own, and of those around it (Linux)."""
    try:
        told = [line.split(":", 2) for line in GROUPS.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (each for each in told if len(each) == 3):
        if controllers and "cpu" not in controllers.split(","):
            continue
        roots = [MOUNTED / "cpu", MOUNTED / controllers] if controllers else [MOUNTED, MOUNTED / "unified"]
        inside = PurePosixPath(path.lstrip("/"))
        for root in roots:
            # a container may see the path that its host knows, of which nothing is mounted but the group itself
            for group in {root / inside, *(root / each for each in inside.parents)}:
                yield from _of_v1(group) if controllers else _of_v2(group)


def _of_v1(group: Path) -> Iterator[float]:
    try:
        quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    except (OSError, ValueError):
        return
    if quota > 0 and period > 0:
        yield quota / period


def _of_v2(group: Path) -> Iterator[float]:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        if quota != "max":
            yield int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return
