"""`--on ray`: the files of a job on a cluster are those of one process, whatever is killed on the way; and Ray tells nobody.

Clusters are of this machine, on loopback, and each process of theirs is a child of this one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

ray = pytest.importorskip("ray", reason="Ray is not here: pip install 'earmark[cluster]'")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray's clusters of one machine are of Linux and macOS")

RATE = 8_000
WORDS = ("tag", "in", "--tagger", "digits", "--format", "csv", "--batch", "1")
ROOM = 100 << 20  # bytes of a node's store


@pytest.fixture
def sessions():
    """Where Ray keeps its sockets, whose paths may have but 107 bytes."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Recordings, long enough for several pieces, short, damaged; and `whole`, what one process makes of them."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "in").mkdir()
    rng = np.random.default_rng(0)
    for name, seconds in (("long.flac", 95), ("a.wav", 2), ("b.wav", 3), ("far.flac", 70)):
        soundfile.write(folder / "in" / name, rng.uniform(-0.5, 0.5, seconds * RATE), RATE)
    data = (folder / "in" / "far.flac").read_bytes()
    (folder / "in" / "cut.flac").write_bytes(data[: len(data) // 2])
    made = earmark(*WORDS, "--job", "whole", cwd=folder)
    assert made.returncode == 1 and "1 of 5 recordings could not be read" in made.stderr
    return folder


def files(job: Path) -> dict[str, bytes]:
    return {path.relative_to(job).as_posix(): path.read_bytes() for path in [job / "tags.csv", *job.glob("results/*")]}


def start(place: Path, job: str, sessions: Path, *words: str, verb: tuple[str, ...] = WORDS) -> subprocess.Popen[str]:
    environment = os.environ | {"RAY_TMPDIR": str(sessions), "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    command = [
        sys.executable,
        "-m",
        "earmark",
        *verb,
        "--job",
        job,
        "--on",
        "ray",
        "--cluster",
        "piece=0.3",
        *words,
    ]
    return subprocess.Popen(
        command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def talk(work: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """What it printed and said; it is ended where it takes too long."""
    try:
        return work.communicate(timeout=seconds)
    finally:
        work.kill()


WAYS = {"read": "decoders=0", "fed": "decoders=1"}  # nets read for themselves, or others read for them


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_cluster_makes_the_files_of_one_process_and_tells_nobody(place, sessions, way):
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert "earmark tag recordings --job tagged --format csv --on ray\n" in page  # which is what is run here
    job = f"alone-{way}"
    work = start(place, job, sessions, "--cluster", "cpus=1", "--cluster", way)
    printed, said = talk(work, 300)
    assert work.returncode == 1 and printed == "", said
    assert files(place / job) == files(place / "whole")
    assert "in/cut.flac: is damaged" in said and "1 of 5 recordings could not be read" in said
    assert not (place / job / "pieces").exists()
    told = json.loads((place / job / "tally.json").read_text())
    assert (told["again"], told["processes"]) == (0, 1)
    assert told["pieces"] > 10  # of three recordings that are longer than one
    # what Ray writes where it reports its use, and the page that it would open
    (session,) = [path for path in sessions.glob("**/session_*") if path.is_dir() and not path.is_symlink()]
    assert not list(session.glob("**/usage_stats.json"))
    told = (session / "logs" / "dashboard.log").read_text()
    assert "http server disabled" in told and "Usage reporting is disabled" in told


def test_embeddings_of_a_cluster_are_those_of_one_process(place, sessions):
    words = ("embed", "in", "--tagger", "digits", "--batch", "1")
    alone = earmark(*words, "--job", "vectors", cwd=place)
    assert alone.returncode == 1, alone.stderr
    work = start(place, "far", sessions, "--cluster", "cpus=1", verb=words)
    printed, said = talk(work, 300)
    assert work.returncode == 1 and printed == "" and "far/embeddings.parquet: " in said, said
    names = ["embeddings.parquet", *(f"results/{path.name}" for path in (place / "vectors" / "results").iterdir())]
    assert len(names) == 5
    assert all((place / "far" / name).read_bytes() == (place / "vectors" / name).read_bytes() for name in names)


def test_a_cluster_that_is_not_there_is_told(place, sessions):
    work = start(place, "nowhere", sessions, "--address", "127.0.0.1:9")
    _, said = talk(work, 120)
    assert work.returncode == 2 and "--on ray: no cluster at 127.0.0.1:9" in said and "correct --address" in said, said


@pytest.fixture
def cluster(sessions, monkeypatch):
    """Two nodes of a core each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_TMPDIR", str(sessions))
    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": ROOM}
    )
    yield made
    made.shutdown()


def below(word: str) -> list:
    """This process's children, whose command line begins with it."""
    import psutil

    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            found += [each] if each.cmdline() and each.cmdline()[0].startswith(word) else []
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray's own processes and files, which it leaves open
@pytest.mark.parametrize("what", ["driver", "worker", "node"])
@pytest.mark.parametrize(("way", "seed"), [(WAYS["read"], 0), (WAYS["read"], 1), (WAYS["fed"], 0)])
def test_whatever_is_killed_at_any_moment_the_files_are_the_same(place, sessions, cluster, what, seed, way):
    rng = random.Random(f"{what} {seed}")
    node = cluster.add_node(num_cpus=1, object_store_memory=ROOM)
    job = f"{what}-{seed}-{way}"
    words = ("--address", cluster.address, "--cluster", way)
    work = start(place, job, sessions, *words)
    wanted = rng.randint(0, 7)
    while work.poll() is None and len(list((place / job).glob("pieces/*.arrow"))) < wanted:
        time.sleep(0.02)
    time.sleep(rng.random())
    if what == "driver":
        work.kill()
        work.communicate()
        work = start(place, job, sessions, *words)
    elif what == "node":
        cluster.remove_node(node, allow_graceful=False)
    elif workers := below("ray::MapWorker") + below("ray::MapBatches") + below("ray::ReadingNet"):
        rng.choice(workers).kill()
    _, said = talk(work, 400)
    assert work.returncode == 1, said
    assert files(place / job) == files(place / "whole")
