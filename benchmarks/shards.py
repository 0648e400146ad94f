"""Learning from packs: how fast shards are read and decoded, what the loader costs a training, what two million clips take.

Times are of the processor, of this process, and taken in turns: on a machine with other work the clock tells nothing. The clips
are those of ESC-10, packed as FLAC at 16 kHz, 5 s each. Packs of many clips are an index alone, in which the same members of a
few shards come again and again, with sets of tags drawn from AudioSet's own table; in the measure of memory they are not even
read.

    python -m benchmarks.shards [--quick] [PART …]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.memory import peak_megabytes, run_alone
from benchmarks.shardpacks import RATE, make, packed, s3_server
from benchmarks.shardrecipe import audioset
from benchmarks.timing import compare

MANY, FEW = 2_000_000, 20_000
Say = Callable[[str], None]
Result = dict[str, Any]


def of_processor(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray[Any, Any]]:
    """Processor seconds of each way in each round, in turns; the first call of each is not counted."""
    times = {name: np.zeros(rounds) for name in ways}
    for name in ways:
        ways[name]()
    for turn in range(rounds):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            begin = time.process_time()
            ways[name]()
            times[name][turn] = time.process_time() - begin
    return times


def reading(data: Path, place: Path, quick: bool) -> Result:
    """Clips in the order of the shards, against bare soundfile on the same bytes in memory; and bytes alone, of tar and Parquet."""
    from earmark.audio import members
    from earmark.train.packed import PackedWaves

    clips = packed(place / "pack", data, 40 if quick else None)
    waves = PackedWaves(clips, RATE)
    shard, offset = waves.places
    order = np.lexsort((offset, shard)).tolist()
    found = [members.member_of(path) for path in clips.paths()]
    held = [members.fetch(found[row]) for row in order]
    ways = {
        "bare soundfile, bytes in memory": lambda: [soundfile.read(io.BytesIO(each), dtype="float32") for each in held],
        "the pack, shard after shard": lambda: [waves[row] for row in order],
        "the pack, clips from anywhere": lambda: [waves[row] for row in random.Random(0).sample(order, len(order))],
    }
    told = compare(of_processor(ways, 3 if quick else 9), next(iter(ways)))
    rows = [[name, each["ratio"], each["best"], len(order) / each["min"]] for name, each in told.items()]
    bytes_alone = _bytes(place, held, [found[row] for row in order], 3 if quick else 9)
    goal = {"what": "shards in order over bare soundfile, one core", "value": rows[1][2], "at_least": 0.95}
    title = f"{len(order)} clips of 5 s, FLAC at 16 kHz, decoded on one core"
    table = {"title": title, "columns": ["", "ratio", "best", "clips/s"], "rows": rows}
    return {"tables": [table, bytes_alone], "goals": [goal]}


def _bytes(place: Path, held: list[bytes], found: list[Any], rounds: int) -> Result:
    import pyarrow as pa
    from pyarrow import parquet

    from earmark.audio import members

    size = sum(map(len, held)) / 1e6
    anywhere = random.Random(0).sample(range(len(held)), min(40, len(held)))
    ways: dict[str, Callable[[], object]] = {
        "tar": lambda: [members.fetch(each) for each in found],
        "tar, from anywhere": lambda: [members.fetch(found[at]) for at in anywhere],
    }
    for rows in (10, 100):
        file = place / f"{rows}.parquet"
        parquet.write_table(
            pa.table({"audio": pa.array(held, pa.binary())}), file, rows, compression="none", use_dictionary=False
        )
        ways[f"Parquet, groups of {rows}"] = lambda file=file: [
            value.as_buffer().to_pybytes()
            for batch in parquet.ParquetFile(file).iter_batches(10)
            for value in batch["audio"]
        ]

        def one_by_one(file: Path = file, rows: int = rows) -> None:
            with parquet.ParquetFile(file) as table:
                for at in anywhere:
                    table.read_row_group(at // rows)["audio"][at % rows].as_buffer().to_pybytes()

        ways[f"Parquet, groups of {rows}, from anywhere"] = one_by_one
    times = of_processor(ways, rounds)
    of_some = sum(len(held[at]) for at in anywhere) / 1e6
    told = [[name, (of_some if "anywhere" in name else size) / times[name].min()] for name in ways]
    return {"title": "bytes alone, from the system's memory", "columns": ["", "MB a processor second"], "rows": told}


def training(data: Path, place: Path, quick: bool) -> Result:
    """An epoch of a training from the pack, against one from decoded clips in memory, the same batches."""
    from earmark.models import tagger
    from earmark.recipe import load
    from earmark.train.loader import Waves
    from earmark.train.packed import PackedWaves
    from earmark.train.phase import PhaseModule
    from earmark.train.state import State
    from earmark.train.steps import Steps

    clips = packed(place / "pack", data, 40 if quick else None)
    plan = load("esc10-resnet-c-att-narrow", ["train.precision=float32", f"train.clips={32 if quick else 128}"])
    sources = {"from memory": Waves(clips, RATE, workers=1), "from the pack": PackedWaves(clips, RATE)}
    ways: dict[str, Callable[[], object]] = {}
    for name, waves in sources.items():
        module = PhaseModule(tagger.build(plan, clips.vocabulary), waves, waves, place, State(), workers=1)
        module.tagger.net.to(memory_format=__import__("torch").channels_last)
        module.steps = Steps(module, module.optimiser(), "32-true")

        def epoch(module: PhaseModule = module) -> None:
            module.learn(lambda share: None)

        ways[name] = epoch
    alone = dict(ways)
    for name, waves in sources.items():
        module = PhaseModule(tagger.build(plan, clips.vocabulary), waves, waves, place, State(), workers=1)
        alone[f"loader alone, {name}"] = lambda module=module: [len(batch[0]) for batch in module.epoch_batches()]
    told = compare(of_processor(alone, 3 if quick else 7), "from memory")
    count = plan.train.clips or 0
    rows = [[name, each["ratio"], each["best"], count / each["min"]] for name, each in told.items()]
    goal = {
        "what": "a training from the pack over one from memory",
        "value": told["from the pack"]["best"],
        "at_least": 0.97,
    }
    title = "an epoch of esc10-resnet-c-att-narrow, float32, decoding and all on one core"
    return {"tables": [{"title": title, "columns": ["", "ratio", "best", "clips/s"], "rows": rows}], "goals": [goal]}


def memory(data: Path, place: Path, quick: bool) -> Result:
    """Peaks of a training on packs of 20,000 and of two million clips, and how long it takes to go on within an epoch."""
    counts = (2_000, FEW) if quick else (FEW, MANY)
    told = {}
    for clips in counts:
        make(place / str(clips), clips, data)
        told[clips] = [
            run_alone("benchmarks.shards", "learn", str(place / str(clips)), str(place / f"run{clips}"), more)[0]
            for more in ("stop", "resume")
        ]
    rows = [
        [f"{clips:,}", each[0]["peak"], each[0]["read"], each[0]["first"], each[1]["first"], each[1]["cpu"]]
        for clips, each in told.items()
    ]
    few, many = (told[clips][0]["peak"] for clips in counts)
    columns = [
        "clips",
        "peak, MB",
        "after the index, MB",
        "s to the first batch",
        "s to it, resumed",
        "of the processor",
    ]
    return {
        "tables": [
            {
                "title": "a training on 527 tags, balanced draws, a tiny net, clips not read",
                "columns": columns,
                "rows": rows,
            }
        ],
        "goals": [
            {
                "what": f"MB that {counts[1]:,} clips need more than {counts[0]:,}",
                "value": many - few,
                "at_most": 1500.0,
            },
            {"what": f"MB of a process that learns from {counts[1]:,} clips", "value": many, "at_most": 2000.0},
            {
                "what": f"s until {counts[0]:,} clips are gone on with within an epoch",
                "value": told[counts[0]][1]["cpu"],
                "at_most": 10.0,
            },
        ],
    }


def learn(folder: Path, out: Path, how: str) -> dict[str, float]:
    """What `memory` runs: a training that ends after two batches, and one that goes on with it."""
    from earmark import train
    from earmark.data import packs
    from earmark.recipe import parse
    from earmark.train.checkpoint import Every
    from earmark.train.packed import PackedWaves

    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    PackedWaves.__getitem__ = lambda self, row: wave  # type: ignore[method-assign]
    plan = parse(
        {
            "task": "many", "sample_rate": RATE, "data": {"dataset": "audioset", "train": ["train"], "validation": ["valid"]},
            "windows": {"length": 1.0, "hop": 1.0}, "net": {"name": "samplecnn", "sizes": [3, 3, 3], "widths": [8, 8, 8], "hidden": 8},
            "augment": ["crop"], "train": {"epochs": 1, "clips": 320, "batch": 64, "balance": "classes", "precision": "float32"},
        }
    )  # fmt: skip
    begin, cpu = time.perf_counter(), time.process_time()
    clips = packs.read(folder)
    told = {"read": peak_megabytes()}

    def stop(phase: str, epoch: int, epochs: int, share: float, row: dict[str, Any]) -> None:
        if "first" not in told:
            told["first"], told["cpu"] = time.perf_counter() - begin, time.process_time() - cpu
        if how == "stop" and 0.5 < share < 1:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        train.train(plan, clips, out, resume=how == "resume", every=Every(1), on_progress=stop)
    return told | {"peak": peak_megabytes()}


def store(data: Path, place: Path, quick: bool) -> Result:
    """Bytes of clips from the disk and from an S3 server on loopback, in order and from anywhere; the server is another process."""
    from pyarrow import fs, parquet

    if importlib.util.find_spec("moto") is None:
        return {"notes": ["left out: an S3 server (pip install 'moto[server]')"]}
    from earmark.audio import members
    from earmark.data import packs
    from earmark.files import stores
    from earmark.files.ranges import ReadAhead

    packed(place / "pack", data, 40 if quick else None)
    with s3_server() as url:
        system = fs.S3FileSystem(endpoint_override=url, scheme="http", region="us-east-1", allow_bucket_creation=True)
        system.create_dir("bucket")
        clips = packs.read(place / "pack")
        held = [members.fetch(each) for path in clips.paths() if (each := members.member_of(path))]
        for rows in (10, 100):
            _parquet(place / "pack" / f"{rows}.parquet", held, rows)
        for file in (place / "pack").iterdir():
            with system.open_output_stream(f"bucket/pack/{file.name}") as stream:
                stream.write(file.read_bytes())
        told = []
        for name, root in (("disk", place / "pack"), ("S3 server", stores.place("s3://bucket/pack"))):
            found = sorted(
                (each for path in packs.read(root).paths() if (each := members.member_of(path))),
                key=lambda each: (str(each.file), each.offset),
            )
            ways: dict[str, Callable[[], object]] = {
                "tar, from anywhere": lambda found=found: [members.fetch(each) for each in found]
            }

            def in_order(found: list[Any] = found, root: Path = root) -> None:
                ahead = ReadAhead(0) if stores.is_stored(root) else None
                for each in found:
                    data = ahead.read(each.file, each.offset, each.size) if ahead else members.fetch(each)
                    assert len(data) == each.size

            ways = {"tar, in order": in_order, **ways}
            for rows in (10, 100):
                opened = lambda rows=rows, root=root: (  # noqa: E731
                    parquet.ParquetFile(system.open_input_file(f"bucket/pack/{rows}.parquet"))
                    if stores.is_stored(root)
                    else parquet.ParquetFile(root / f"{rows}.parquet")
                )
                ways[f"Parquet, groups of {rows}, in order"] = lambda opened=opened: [
                    value.as_buffer().to_pybytes() for batch in opened().iter_batches(10) for value in batch["audio"]
                ]
            size = sum(map(len, held)) / 1e6
            clock = {way: _clock(ways[way]) for way in ways}
            times = of_processor(ways, 2 if quick else 5)
            told += [[f"{way}, {name}", size / times[way].min(), size / clock[way]] for way in ways]
    title = (
        f"{len(held)} clips, {size:.0f} MB: bytes alone; the server's own work is not counted in the processor's time"
    )
    return {"tables": [{"title": title, "columns": ["", "MB a processor second", "MB/s by the clock"], "rows": told}]}


def _clock(way: Callable[[], object]) -> float:
    begin = time.perf_counter()
    way()
    return time.perf_counter() - begin


def _parquet(file: Path, held: list[bytes], rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"audio": pa.array(held, pa.binary())})
    parquet.write_table(table, file, rows, compression="none", use_dictionary=False)


PARTS = {"reading": reading, "training": training, "memory": memory, "audioset": audioset, "store": store}


def main(data: Path, quick: bool = False, say: Say = lambda line: None, only: list[str] | None = None) -> Result:
    """All parts, or some."""
    told: Result = {"tables": [], "goals": [], "missing": [], "notes": ["Times are the processor's."]}
    if not data.is_dir():
        return told | {"missing": [f"recordings (no folder {data}: set EARMARK_DATA)"]}
    for name in only or PARTS:
        say(f"shards: {name}")
        with tempfile.TemporaryDirectory() as place:
            part = PARTS[name](data, Path(place), quick)
        for key in ("tables", "goals", "notes"):
            told[key] += part.get(key, [])
    return told


if __name__ == "__main__":
    if sys.argv[1:2] == ["learn"]:
        print(json.dumps(learn(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])))
    else:
        from benchmarks.run import part_text

        asked = argparse.ArgumentParser()
        asked.add_argument("--quick", action="store_true")
        asked.add_argument("parts", nargs="*", metavar="PART")
        options = asked.parse_args()
        recordings = Path(os.environ.get("EARMARK_DATA", "../shared/data"))
        begun = time.perf_counter()
        result = main(recordings, options.quick, lambda line: print(line, file=sys.stderr), options.parts)
        print(part_text("shards", result | {"seconds": round(time.perf_counter() - begun)}))
