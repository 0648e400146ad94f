"""A recording from file to tags, beside panns_inference with its Cnn14: in windows as long and as far apart.

Beside every speed stands the work, the operations that the nets do for 10 s of audio, and what else differs is named.

The peer lives in an environment of its own, .bench/panns, because it brings packages that earmark does without. It
fetches its weights and its table of labels when it is imported; instead it finds random weights and numbered labels in a
home folder of its own, made here by its own classes: the time is the same. Every run is a process of its own, in turns,
so that memory can be told apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import make_recording, run_alone
from earmark.engines import processor

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench" / "panns"
PACKAGES = ["panns_inference==0.1.1", "soundfile"]
MINUTES = 2
TAGS = 527
SEGMENT = 10  # s
BASE = "panns_inference Cnn14, 10 s every 10 s"
WORK = "GFLOP for 10 s"

MAKE = """
import pathlib, torch
home = pathlib.Path.home() / "panns_data"
from panns_inference.models import Cnn14
torch.manual_seed(0)
net = Cnn14(sample_rate=32000, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=14000, classes_num=527)
torch.save({"model": net.state_dict()}, home / "Cnn14_mAP=0.431.pth")
"""

PEER = """
import json, sys, time
import librosa, numpy as np
from panns_inference import AudioTagging
def peak():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
tagging = AudioTagging(checkpoint_path=None, device="cpu")
before = peak()
tagging.inference(np.zeros((1, 320000), np.float32))
begin = time.perf_counter()
wave, _ = librosa.load(sys.argv[1], sr=32000, mono=True)
if sys.argv[2] == "count":
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter:
        tagging.inference(wave[None, :320000])
    print(json.dumps({"gflop": counter.get_total_flops() / 1e9}))
    sys.exit()
if sys.argv[2] == "whole":
    tagging.inference(wave[None])
else:
    for at in range(0, len(wave) - 320000 + 1, 8 * 320000):
        part = wave[at : at + 8 * 320000]
        tagging.inference(part[: len(part) // 320000 * 320000].reshape(-1, 320000))
print(json.dumps({"seconds": time.perf_counter() - begin, "peak": peak(), "before": before}))
"""


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """quick: one minute, once."""
    try:
        prepare(say)
    except (subprocess.CalledProcessError, OSError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        return {"tables": [], "goals": [], "missing": [f"panns_inference ({reason.strip()[-300:]})"], "notes": []}
    minutes, rounds = (1, 1) if quick else (MINUTES, 3)
    with tempfile.TemporaryDirectory() as folder:
        recording = make_recording(Path(folder) / "recording.wav", minutes * 60)
        ways, work, missing = ways_over(recording, Path(folder), say)
        told: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
                say(f"{name}, round {turn + 1}")
                told[name].append(ways[name]())
    middle = {name: float(np.median([run["seconds"] for run in runs])) for name, runs in told.items()}
    more = {name: max(run["peak"] - run["before"] for run in runs) for name, runs in told.items()}
    rows = [
        [name, middle[BASE] / middle[name], minutes * 60 / middle[name], work.get(name, "-"), more[name]]
        for name in ways
    ]
    return {
        "tables": [
            {
                "title": f"{minutes} minutes at 16 kHz, from file to {TAGS} tags, random weights, {rounds} rounds",
                "columns": ["", "ratio", "seconds of audio a second", WORK, "MB more than before"],
                "rows": rows,
            }
        ],
        "goals": goals(rows),
        "missing": missing,
        "notes": notes(rows),
    }


def ways_over(
    recording: Path, folder: Path, say: Callable[[str], None]
) -> tuple[dict[str, Callable[[], dict[str, float]]], dict[str, float], list[str]]:
    """(what is timed, GFLOP for 10 s of audio of each, what is left out)"""
    from earmark.engines import sessions

    often = make_tagger(folder / "cnnspec.safetensors", "cnnspec", 2.0, 1.0)
    say("exporting resnet_b")
    resnet, missing = make_graphs(make_tagger(folder / "resnet_b.safetensors", "resnet_b", 10.0, 10.0), recording)
    ways: dict[str, Callable[[], dict[str, float]]] = {
        BASE: lambda: peer(recording, "segments"),
        "panns_inference Cnn14, the whole at once": lambda: peer(recording, "whole"),
    }
    say("counting operations")
    work = {name: peer(recording, "count")["gflop"] for name in ways}
    of_resnet, of_often = operations(resnet), operations(often)
    runs = [("torch", "float32")]
    if not missing:
        runs += [(e, p) for e in sessions.installed() for p in sessions.ABLE[e] if p in able(e)]
    for engine, precision in runs:
        name = f"earmark resnet_b, 10 s every 10 s, {engine} {precision}"
        ways[name] = partial(ours, resnet, recording, engine, precision)
        work[name] = of_resnet
    name = "earmark cnnspec, 2 s every 1 s, torch float32"
    ways[name], work[name] = partial(ours, often, recording, "torch", "float32"), of_often
    return ways, work, missing


def able(engine: str) -> list[str]:
    """The precisions that are worth timing here: int8 and bf16 where the processor multiplies them."""
    here = processor.here()
    return ["float32", *(["int8"] if int8_here() else []), *(["bf16"] if here.bf16 else [])]


def int8_here() -> bool:
    """Whether the processor multiplies int8 by instructions of its own."""
    return processor.here().int8 in ("amx", "vnni")


def goals(rows: list[list[Any]]) -> list[dict[str, Any]]:
    """Of resnet_b in equal windows: the fastest engine in float32, and in int8 or bf16 where there is one."""
    found = []
    for what, precisions, at_least in (("float32", ("float32",), 4.0), ("int8 or bf16", ("int8", "bf16"), 10.0)):
        ratios = [row[1] for row in rows if row[0].startswith("earmark resnet_b") and row[0].endswith(precisions)]
        if ratios:
            name = f"panns: resnet_b over panns_inference Cnn14, both 10 s every 10 s, {what}"
            found.append({"what": name, "value": max(ratios), "at_least": at_least})
    return found


def notes(rows: list[list[Any]]) -> list[str]:
    """What differs beside speed, and what is not measured."""
    told = [
        "What differs beside the engine. Nets: Cnn14 has 81 million parameters, resnet_b 25, cnnspec 2.6; none is trained. Maps: "
        "Cnn14 hears 64 bands × 1,001 frames at 32 kHz, to which the recording is resampled; resnet_b hears its recipe's, at "
        "16 kHz. Batches: 8 segments for the peer, those that earmark chooses for itself. The peer reads the file with librosa, whole, "
        "and leaves out a rest below 10 s, of which there is none here.",
        f"{WORK}: multiplications and additions of nets, counted by PyTorch while they run; the peer's have its Fourier transform "
        "in them, which is a convolution there. Those of cnnspec are of windows one by one.",
        "Not counted: loading a net, and its first window.",
    ]
    if not any(row[0].endswith(("int8", "bf16")) for row in rows):
        told.append("Not measurable here: int8 or bf16 (goal ≥ 10), for which this processor has no instructions.")
    return told


def prepare(say: Callable[[str], None]) -> None:
    """The peer's environment and home, made once."""
    python = HOME / "venv" / "bin" / "python"
    if not (HOME / "ready").is_file():
        say("an environment for panns_inference, once")
        run([sys.executable, "-m", "venv", str(HOME / "venv")])
        run([str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), "torch"])
        run([str(python), "-m", "pip", "install", "-q", *PACKAGES])
        _labels()
        run([str(python), "-c", MAKE], env=_env())
        (HOME / "ready").touch()


def _labels() -> None:
    """The table that the peer reads as soon as it is imported."""
    folder = HOME / "home" / "panns_data"
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["index,mid,display_name", *(f"{i},/m/{i},tag {i}" for i in range(TAGS))]
    (folder / "class_labels_indices.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _env() -> dict[str, str]:
    return {**os.environ, "HOME": str(HOME / "home")}


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=ROOT)
    return done.stdout


def peer(recording: Path, way: str) -> dict[str, float]:
    """seconds, peak, before: MB. The peer prints more than that, the figures last."""
    printed = run([str(HOME / "venv" / "bin" / "python"), "-W", "ignore", "-c", PEER, str(recording), way], _env())
    told: dict[str, float] = json.loads(printed.strip().splitlines()[-1])
    return told


def ours(tagger: Path, recording: Path, engine: str, precision: str) -> dict[str, float]:
    told, _ = run_alone("benchmarks.panns", str(tagger), str(recording), engine, precision)
    return told


def make_tagger(path: Path, net: str, length: float, hop: float) -> Path:
    """Untrained, with as many tags as the peer. length, hop: of its windows, s."""
    from earmark.evaluation import speed as bench
    from earmark.models import tagger

    rate = bench.untrained(net, length, None).sample_rate
    made = bench.untrained(net, length, round(hop * rate))
    tagger.build(made.recipe, [f"tag {i}" for i in range(TAGS)]).save(path)
    return path


def make_graphs(tagger: Path, recording: Path) -> tuple[Path, list[str]]:
    """(the file, now with its graphs, why it has none). int8 too, where the processor multiplies that."""
    from earmark.errors import TaggerError
    from earmark.models import export, loading

    try:
        export.check_installed()
    except TaggerError as error:
        return tagger, [f"resnet_b by an engine ({error})"]
    loaded = loading.load(tagger, engine="torch").alone
    graphs = [export.body(loaded)]
    if int8_here():
        from earmark.models import proof, quantise

        shown = proof.inputs_of(loaded, proof.waves_of([recording], loaded, 4, lambda _: None))
        graph, loaded.quantised = quantise.quantised(graphs[0], loaded.stored()[0], shown)
        graphs.append(graph)
    loaded.graphs = tuple(graphs)
    loaded.save(tagger)
    return tagger, []


def operations(tagger: Path) -> float:
    """GFLOP of its net for 10 s of audio, as its windows lie, by PyTorch's count."""
    from torch.utils.flop_counter import FlopCounterMode

    from earmark.models import loading

    loaded = loading.load(tagger, engine="torch").alone
    length, hop = loaded.windows.samples(loaded.sample_rate)
    with FlopCounterMode(display=False) as counter:
        loaded.hear(np.zeros((1, length), np.float32))
    return float(counter.get_total_flops()) / 1e9 * SEGMENT * loaded.sample_rate / hop


def listen(tagger: Path, recording: Path, engine: str, precision: str) -> dict[str, float]:
    """What `ours` runs."""
    from benchmarks.memory import peak_megabytes
    from earmark import inference
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    keep_freed_memory()  # as `earmark tag` does
    heard_by = loading.load(tagger, engine=engine, precision=precision)
    before = peak_megabytes()
    length, _ = heard_by.windows.samples(heard_by.sample_rate)
    heard_by.score_windows(np.zeros((1, length), np.float32))  # opens the net, and looks at its answers once
    begin = time.perf_counter()
    (heard,) = inference.score(heard_by, [inference.Recording(recording)])
    seconds = time.perf_counter() - begin
    if isinstance(heard, inference.Failure):
        raise heard.error
    return {"peak": peak_megabytes(), "before": before, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(listen(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])))
