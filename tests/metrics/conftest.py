"""Made-up and real clips and events, and the reference libraries, shared by the tests of metrics."""

from __future__ import annotations

import csv
import warnings
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from earmark.metrics import FrameScores, Timed, joined


def clips(seed: int, rows: int = 60, tags: int = 7, steps: int = 0, one: bool = False):
    """Random values (in `steps` steps: many ties) and truth in which every tag has both kinds of clips."""
    rng = np.random.default_rng(seed)
    if one:
        truth = np.eye(tags, dtype=bool)[rng.permutation(np.arange(rows) % tags)]
    else:
        truth = rng.random((rows, tags)) < rng.uniform(0.05, 0.6, tags)
        truth[0], truth[1] = True, False
    values = rng.random((rows, tags)) + 0.3 * truth
    return (np.round(values * steps) / steps if steps else values), truth


def right_or_wrong(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two tags; each clip answered rightly or not."""
    truth = np.tile([True, False], (len(right), 1))
    return np.stack([right, ~right], 1).astype(float), truth


TAGS = ("bell", "cat", "dog")


def scenes(
    seed: int, number: int = 12, tags: tuple[str, ...] = TAGS, seconds: float = 10.0
) -> tuple[dict[str, list[Timed]], dict[str, float]]:
    """Events of made-up clips, those of one tag apart from each other, and the clips' durations."""
    rng = np.random.default_rng(seed)
    events, durations = {}, {}
    for i in range(number):
        durations[f"clip{i}"] = float(rng.uniform(0.8, 1.2) * seconds)
        onset = rng.uniform(0, 0.8 * seconds, rng.integers(0, 9))
        made = [(str(rng.choice(tags)), float(t), float(t + rng.uniform(0.1, 2.0))) for t in onset]
        events[f"clip{i}"] = joined([(tag, on, min(off, durations[f"clip{i}"])) for tag, on, off in made])
    events["clip0"] = [(tag, 1.0 + i, 1.7 + i) for i, tag in enumerate(tags)]  # every tag is somewhere
    return events, durations


def perturbed(
    events: dict[str, list[Timed]], durations: dict[str, float], seed: int, spread: float = 0.15
) -> dict[str, list[Timed]]:
    """The events as a fair tagger would find them: edges off, some missed, some doubled, some with the wrong tag."""
    rng = np.random.default_rng(seed)
    tags = sorted({tag for found in events.values() for tag, *_ in found})
    result: dict[str, list[Timed]] = {}
    for clip, true in events.items():
        result[clip] = []
        for tag, onset, offset in true:
            for _ in range(rng.choice([0, 1, 1, 1, 2])):
                on = max(0.0, onset + rng.normal(0, spread))
                off = min(durations[clip], max(on + 0.02, offset + rng.normal(0, spread)))
                said = tag if rng.random() < 0.85 else str(rng.choice(tags))
                if on < off:
                    result[clip].append((said, float(on), float(off)))
    return result


def framed(
    events: dict[str, list[Timed]],
    durations: dict[str, float],
    tags: tuple[str, ...],
    seed: int,
    steps: int = 0,
    lift: float = 1.2,
) -> dict[str, FrameScores]:
    """Scores of frames that are noise lifted by the events; in `steps` steps: many equal scores."""
    rng = np.random.default_rng(seed)
    result = {}
    for clip, true in events.items():
        edges = np.append(np.arange(0, durations[clip], 0.16), durations[clip])
        values = rng.normal(0, 1, (len(edges) - 1, len(tags)))
        values = (values + np.roll(values, 1, 0) + np.roll(values, 2, 0)) / 3
        for tag, onset, offset in true:
            values[(edges[1:] > onset) & (edges[:-1] < offset), tags.index(tag)] += lift
        values = 1 / (1 + np.exp(-values))
        result[clip] = FrameScores(np.round(values * steps) / steps if steps else values, edges)
    return result


def real_events(data: Path, name: str) -> tuple[dict[str, list[Timed]], dict[str, float]]:
    """The events and durations of a data set of real recordings."""
    places = {
        "birdsong_strong": ("events.tsv", "durations.tsv"),
        "esc10_soundscapes": ("metadata/validation/strong.tsv", "metadata/validation/durations.tsv"),
    }
    rows = []
    for place in places[name]:
        with (data / name / place).open(encoding="utf-8", newline="") as file:
            rows.append(list(csv.DictReader(file, delimiter="\t")))
    durations = {row["filename"]: float(row["duration"]) for row in rows[1]}
    events = defaultdict(list, {clip: [] for clip in durations})
    for row in rows[0]:
        events[row["filename"]].append((row["event_label"], float(row["onset"]), float(row["offset"])))
    return {clip: joined(true) for clip, true in events.items()}, durations


@pytest.fixture(scope="session")
def sed_eval() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still imports pkg_resources
        return pytest.importorskip("sed_eval", reason="the oracle sed_eval is not installed")


@pytest.fixture(scope="session")
def sed_scores_eval() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sed_scores_eval", reason="the oracle sed_scores_eval is not installed")
