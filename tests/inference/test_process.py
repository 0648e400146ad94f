"""What a process may use of its machine: no more threads than a container's quota has processors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from earmark.inference import process

V2 = "0::{}\n"
V1 = "12:memory:/docker/ab\n4:cpu,cpuacct:{}\n1:name=systemd:/docker/ab\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Sixteen processors, and control groups as files."""
    monkeypatch.setattr(process, "MOUNTED", tmp_path / "groups")
    monkeypatch.setattr(process, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(process, "_allowed", lambda: 16)

    def write(told: str, **files: str) -> None:
        (tmp_path / "cgroup").write_text(told)
        for name, text in files.items():
            place = tmp_path / "groups" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    return write


@pytest.mark.parametrize(
    ("told", "files", "cores"),
    [
        (V2.format("/"), {"cpu.max": "200000 100000\n"}, 2),
        (V2.format("/"), {"cpu.max": "150000 100000\n"}, 2),  # a thread too many costs less than one too few
        (V2.format("/"), {"cpu.max": "50000 100000\n"}, 1),
        (V2.format("/"), {"cpu.max": "max 100000\n"}, 16),
        (V2.format("/"), {"cpu.max": "9900000 100000\n"}, 16),  # more than there are
        (V2.format("/"), {"unified/cpu.max": "300000 100000\n"}, 3),
        (V2.format("/a/b"), {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "400000 100000\n"}, 4),  # of a group around it
        (V2.format("/a/b"), {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "400000 100000\n"}, 3),
        (V2.format("/its/host/knows"), {"cpu.max": "400000 100000\n"}, 4),
        (V1.format("/"), {"cpu,cpuacct/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 3),
        (V1.format("/docker/ab"), {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "50000\n"}, 2),
        (V1.format("/"), {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        (V1.format("/"), {"memory/cpu.cfs_quota_us": "100000\n", "memory/cpu.cfs_period_us": "100000\n"}, 16),
        (V2.format("/"), {}, 16),
        (V2.format("/"), {"cpu.max": "nonsense"}, 16),
        (V2.format("/"), {"cpu.max": "100000 0\n"}, 16),
        ("nonsense\n", {"cpu.max": "100000 100000\n"}, 16),
    ],
)
def test_a_quota_counts_as_processors(machine, told, files, cores):
    machine(told, **files)
    assert process.cores() == cores


def test_where_nothing_is_told_it_is_what_the_process_is_bound_to(machine):
    assert process.cores() == 16
    if hasattr(os, "sched_getaffinity"):
        one = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); from earmark.inference import process"
        subprocess.run([sys.executable, "-c", f"{one}; assert process.cores() == 1"], check=True)


@pytest.mark.parametrize("before", ["", "import torch"])
@pytest.mark.parametrize(
    ("quota", "given", "told", "threads"),
    [("100000 100000", None, "1", 1), ("max 100000", None, None, None), ("100000 100000", "2", "2", None)],
)
def test_a_command_has_no_more_threads(tmp_path, before, quota, given, told, threads):
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text(quota)
    code = f"""
import os
from pathlib import Path
{before}
from earmark.inference import process
process.GROUPS, process.MOUNTED = Path({str(tmp_path / "cgroup")!r}), Path({str(tmp_path)!r})
process._allowed = lambda: 16
process.take()
import torch
assert os.environ.get("OMP_NUM_THREADS") == {told!r}
assert {threads} is None or torch.get_num_threads() == {threads}
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run(
        [sys.executable, "-c", code], env=environment | ({"OMP_NUM_THREADS": given} if given else {}), check=True
    )
