"""The two files of pins: all that users' packages resolve to, and what developers need beside; nothing that nobody needs."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEVELOPERS = ("dev", "bench", "docs")


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), lines
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines}


def closure(requirements: list[str]) -> dict[str, str | None]:
    """All packages that these bring, by the metadata of what is installed; None for the version of one that is not."""
    found: dict[str, str | None] = {}
    todo = [Requirement(text) for text in requirements]
    done = set()
    while todo:
        asked = todo.pop()
        name = canonicalize_name(asked.name)
        if (name, *sorted(asked.extras)) in done:
            continue
        done.add((name, *sorted(asked.extras)))
        try:
            there = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            found.setdefault(name, None)
            continue
        found[name] = there.version
        extras = asked.extras or {""}
        needs = [Requirement(text) for text in there.requires or []]
        todo += [need for need in needs if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras)]
    return found


def of_users() -> dict[str, str | None]:
    runtime = [line for extra, lines in EXTRAS.items() if extra not in DEVELOPERS for line in lines]
    return closure(PROJECT["dependencies"] + runtime)


def of_accelerators(name: str) -> bool:
    """What torch's wheels for GPUs bring, each at the one version that they name themselves."""
    return name.startswith(("nvidia-", "cuda-", "triton"))


def test_all_that_users_need_is_pinned_in_their_file():
    absent = sorted(name for name in of_users() if name not in pins("constraints.txt") and not of_accelerators(name))
    assert not absent, f"pin these in constraints.txt: {absent}"


def test_users_file_holds_nothing_else():
    needed = of_users()
    if missing := sorted(name for name, version in needed.items() if version is None and name != "sounddevice"):
        pytest.skip(f"what these need cannot be known, as they are not installed: {missing}")
    beside = sorted(set(pins("constraints.txt")) - set(needed))
    assert not beside, f"no core and no extra for users needs these: {beside}"


def test_developers_packages_are_pinned_in_one_file_or_the_other():
    both = {**pins("constraints.txt"), **pins("constraints-dev.txt")}
    needed = closure([line for extra in DEVELOPERS for line in EXTRAS[extra]] + ["hatchling"])
    assert not sorted(name for name in needed if name not in both and not of_accelerators(name))


def test_no_package_is_pinned_twice():
    assert not set(pins("constraints.txt")) & set(pins("constraints-dev.txt"))


def test_what_is_installed_satisfies_what_is_declared():
    """A bound above the pin would make the constraints useless."""
    both = {**pins("constraints.txt"), **pins("constraints-dev.txt")}
    for line in PROJECT["dependencies"] + [line for lines in EXTRAS.values() for line in lines]:
        asked = Requirement(line)
        assert asked.specifier.contains(both[canonicalize_name(asked.name)]), line
