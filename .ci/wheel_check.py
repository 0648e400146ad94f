"""What `.ci/wheel` asks of an environment that holds the core alone. Run by its Python: wheel_check.py SOURCE MOST_MB."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile

NOT_HERE = ("torch", "matplotlib", "onnx", "onnxscript", "openvino", "av", "sounddevice", "pandas", "scipy")
TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack")  # of the environment itself
RATE = 44_100
CLIPS = 20


def earmark(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """A command, which has to end with this status."""
    done = subprocess.run(["earmark", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{words}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}"
    return done


def asks(extra: str, *words: object) -> None:
    """A command that cannot be done: one line that names the extra, and no traceback."""
    said = earmark(*words, status=2).stderr.strip()
    assert said.splitlines()[-1].startswith("earmark: ") and f"earmark[{extra}]" in said, f"{words}: {said}"
    assert "Traceback" not in said and len(said.splitlines()) == 1, f"{words}: {said}"


def sounds(folder: Path, tags: list[str]) -> Path:
    """Five-second clips, bursts of noise that die away over a hum, named with these tags; their manifest."""
    chance = np.random.default_rng(0)
    time = np.arange(5 * RATE) / RATE
    rows = [["id", "path", "tags", "fold"]]
    for number in range(CLIPS):
        beats = np.exp(-8 * np.mod(time, 0.3 + number / 40))
        wave = 0.3 * beats * chance.standard_normal(len(time)) + 0.01 * np.sin(2 * np.pi * 50 * time)
        soundfile.write(folder / f"{number:02}.ogg", np.clip(wave, -1, 1), RATE)
        rows.append([f"{number:02}", f"{number:02}.ogg", tags[number % len(tags)], "5"])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "clips.csv"


def size(folder: Path) -> float:
    """MB (1e6 bytes) of what is installed there, without the tools that installed it; what must not be there is not."""
    total = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(TOOLS):
            total += path.stat().st_size
    return total / 1e6


def cpu_of_a_tag(clip: Path) -> float:
    """CPU seconds, user and system, of `earmark tag` of a clip: the least of three programs."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        earmark("tag", clip)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def works(clip: Path, table: Path, tags: list[str]) -> None:
    """Tags, events, embeddings and figures."""
    assert re.match(r"\S*00\.ogg\s+0:05\.0\s+", earmark("tag", clip).stdout)
    told = json.loads(earmark("tag", clip, "--json", "--top", len(tags), "--engine", "onnxruntime").stdout)
    assert {each["label"] for each in told[0]["tags"]} == set(tags), told
    earmark("events", clip, "--threshold", 0.1)
    earmark("embed", clip, "--out", "embeddings.parquet")
    figures = json.loads(earmark("evaluate", "esc10", "--data", table, "--out", "report", "--json").stdout)
    assert Path("report/report.html").stat().st_size and figures["metrics"], figures
    files = ("a=report/scores.parquet", "b=report/scores.parquet")  # what was scored is judged without a tagger
    judged = json.loads(earmark("compare", *files, "--data", table, "--json").stdout)["systems"][0]["metrics"]
    assert judged["accuracy"] == figures["metrics"]["accuracy"], (judged, figures)
    ways = json.loads(earmark("bench", "engines", "esc10", clip, "--rounds", 1, "--json").stdout)
    assert any(way["engine"] == "onnxruntime" for way in (ways if isinstance(ways, list) else ways["engines"])), ways
    for words in ("show esc10", "list taggers", "list recipes", "list metrics", "list datasets", "schema tag"):
        assert earmark(*words.split()).stdout.strip()


def asks_for_the_rest(clip: Path, table: Path, plain: Path) -> None:
    """What the core does not do. plain: a tagger without graphs."""
    asks("train", "train", "synth-small", "--data", table, "--out", "run")
    asks("train", "explain", "esc10", "--out", "explained")
    asks("export", "export", "esc10", "--out", "e.safetensors")
    asks("train", "check", "synth-small")
    asks("train", "demo", "--out", "demo")
    asks("train", "tag", clip, "--engine", "torch")
    asks("openvino", "tag", clip, "--engine", "openvino")
    asks("pictures", "tag", clip, "--pictures", "pictures")
    for words in (("tag", clip, "--tagger", plain), ("evaluate", plain, "--data", table)):
        asks("train", *words)
    earmark("show", plain)


def without_graphs(file: Path) -> Path:
    """The shipped tagger as one is that was trained and never exported."""
    from earmark.models import file as taggerfile
    from earmark.models import loading

    head, weights = taggerfile.read(loading.find("esc10"))
    del head["graphs"], head["sha256"]
    taggerfile.write(file, weights, head)
    return file


def complete(source: Path) -> None:
    """All files of the source are in the wheel."""
    import earmark as package

    home = Path(package.__file__).parent
    assert source not in home.parents, f"{home} is the source, not the wheel"
    files = [
        path for path in (source / "src" / "earmark").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    absent = [str(path) for path in files if not (home / path.relative_to(source / "src" / "earmark")).is_file()]
    assert files and not absent, f"not in the wheel: {absent}"


def main(source: Path, most: float) -> None:
    from earmark.models import loading

    complete(source)
    here = [name for name in NOT_HERE if find_spec(name) is not None]
    assert not here, f"the core brings {here}"
    taken = size(Path(sysconfig.get_path("purelib")))
    tags = list(loading.load("esc10").vocabulary)
    table = sounds(Path.cwd(), tags)
    clip = Path(os.environ.get("CLIP", "00.ogg"))
    spent = cpu_of_a_tag(clip)
    works(clip, table, tags)
    asks_for_the_rest(clip, table, without_graphs(Path("plain.safetensors")))
    print(f"the core: {taken:.0f} MB of packages; first tag of a clip of five seconds: {spent:.2f} s of CPU")
    assert taken <= most, f"{taken:.0f} MB, more than {most:g}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
