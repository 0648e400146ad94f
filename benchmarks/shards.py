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
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.memory import peak_megabytes, run_alone
from benchmarks.timing import compare

RATE = 16_000
MANY, FEW = 2_000_000, 20_000
RECIPE = "audioset-balanced-rawresnet"
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


def packed(folder: Path, data: Path, clips: int | None = None) -> Any:
    """ESC-10 at 16 kHz."""
    from earmark.data import datasets, packs

    manifest = datasets.index("esc", data / "esc10")
    packs.pack(
        manifest if clips is None else manifest.select(np.arange(clips)), folder, rate=RATE, shard_size=8_000_000
    )
    return packs.read(folder)


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


def synthetic(folder: Path, clips: int, data: Path, members: list[dict[str, Any]] | None = None) -> Path:
    """A pack of so many clips, with AudioSet's names and sets of tags. members: rows of a pack's index, whose bytes are used;
    without them the shards are files of holes.
    """
    import pyarrow as pa
    from pyarrow import parquet

    from earmark.data.datasets.audioset import class_names, segments, tags_of
    from earmark.data.packs.folder import COLUMNS
    from earmark.data.packs.packing import _name

    tables = data / "metadata" / "audioset"
    names = class_names(tables / "class_labels_indices.csv")
    sets = tags_of(segments(tables / "balanced_train_segments.csv")["mids"], names, tables)
    drawn = np.random.default_rng(0).integers(len(sets), size=clips)
    size, a_shard = 200_000, 1_000
    if members is None:
        shards = -(-clips // a_shard)
        for number in range(shards):
            with (folder / _name(number)).open("wb") as file:
                file.truncate(a_shard * (size + 512) + 512)
        numbers, places = np.divmod(np.arange(clips), a_shard)
        offsets = 512 + places * (size + 512)
        places = zip(numbers.tolist(), offsets.tolist(), strict=True)
        paths = [f"{n:05d}.tar/{o}+{size}/{row:09d}.flac" for row, (n, o) in enumerate(places)]
        facts = {
            "sha256": [row.to_bytes(32, "big") for row in range(clips)],
            "frames": np.full(clips, 160_000),
            "rate": np.full(clips, RATE),
            "level": np.full(clips, -3.0),
        }
    else:
        own = [members[row % len(members)] for row in range(clips)]
        paths = [each["path"] for each in own]
        facts = {key: [each[key] for each in own] for key in COLUMNS.names}
    ids = [f"{row:09d}xy" for row in range(clips)]
    held = set(np.random.default_rng(1).choice(clips, 200, replace=False).tolist())  # all over the manifest
    folds = ["valid" if row in held else "train" for row in range(clips)]
    table = pa.table(
        {
            "id": ids, "path": paths, "tags": sets.take(pa.array(drawn)), "fold": folds,
            "group": ids, "source": [f"youtube {name}, 30.000 40.000s" for name in ids],
            **{field.name: pa.array(facts[field.name], field.type) for field in COLUMNS},
        }
    )  # fmt: skip
    head = {"format": "earmark-manifest", "version": 1, "vocabulary": list(names.values()), "facts": {}}
    parquet.write_table(
        table.replace_schema_metadata({"earmark-manifest": json.dumps(head)}), folder / "index.parquet", 100_000
    )
    told = [
        {"name": file.name, "size": file.stat().st_size, "sha256": "", "clips": 0}
        for file in sorted(folder.glob("*.tar"))
    ]
    plain = {
        "format": "earmark-pack",
        "version": 1,
        "whole": True,
        "clips": {},
        "options": {},
        "unread": 0,
        "shards": told,
    }
    (folder / "pack.json").write_text(json.dumps(plain))
    return folder


def make(folder: Path, clips: int, data: Path) -> None:
    """`synthetic` in a process of its own, whose memory is not that of the training."""
    folder.mkdir()
    run_alone("benchmarks.shards", "make", str(folder), str(clips), str(data))


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


def of_ten_seconds(folder: Path, data: Path, clips: int) -> list[dict[str, Any]]:
    """Rows of a pack's index: recordings as long as AudioSet's, each two of ESC-10, at 16 kHz."""
    from earmark import audio
    from earmark.data import datasets, manifest, packs

    paths = datasets.index("esc", data / "esc10").paths()
    sounds = folder.parent / "sounds"
    sounds.mkdir()
    for number in range(clips):
        pair = (paths[(2 * number + at) % len(paths)] for at in range(2))
        wave = np.concatenate([audio.load(path, RATE, report=lambda note: None) for path in pair])
        soundfile.write(sounds / f"{number}.wav", wave, RATE)
    names = [f"{number}.wav" for number in range(clips)]
    own = manifest.build({"id": names, "path": names, "tags": [["sound"]] * clips}, sounds)
    packs.pack(own, folder, rate=RATE, shard_size=8_000_000)
    return packs.read(folder).table.select(("path", "sha256", "frames", "rate", "level")).to_pylist()


def audioset(data: Path, place: Path, quick: bool) -> Result:
    """20,000 clips with AudioSet's own sets of tags through a recipe for them: loader, step, draws, and a run to its end."""
    import torch

    from earmark.data import packs
    from earmark.models import tagger
    from earmark.recipe import during, load
    from earmark.train.packed import PackedWaves
    from earmark.train.phase import PhaseModule
    from earmark.train.state import State
    from earmark.train.steps import Steps

    members = of_ten_seconds(place / "pack", data, 20 if quick else 100)
    whole = packs.read(synthetic(place / "pack", 2_000 if quick else FEW, data, members))
    clips = whole.in_folds(["train"])
    plan = load(
        RECIPE,
        ["data.validation=[valid]", "data.test=[]", "train.precision=float32", "train.batch=4", "run=[mixtrain]"],
    )
    part = during(plan, "mixtrain")
    waves = PackedWaves(clips, RATE)
    module = PhaseModule(tagger.build(part, clips.vocabulary), waves, waves, place, State(), workers=1, plan=part)
    module.steps = Steps(module, module.optimiser(), "32-true")
    loaded, stepped = _loader_and_step(module, 32 if quick else 128, 1 if quick else 2)
    least, most, plain = _draws(clips, module.targets)
    done, seconds = _to_the_end(plan, whole, place)
    epoch = (loaded + stepped) * len(clips) / 3600
    rows = [
        ["loader alone", 1 / loaded, loaded * len(clips) / 3600],
        ["a step", 1 / stepped, stepped * len(clips) / 3600],
    ]
    title = f"{len(clips):,} clips of 10 s, {len(clips.vocabulary)} tags, {RECIPE}, torch {torch.__version__}, float32, one core"
    notes = [
        f"An epoch of {len(clips):,} clips takes {epoch:.3g} h on this core, from the step of a clip and its loading.",
        f"Of {len(clips):,} balanced draws the commonest tag is in {most:.1%} and the rarest in {least} clips (without balance "
        f"{plain} clips): tags take turns, and a clip brings its other tags along, so that they cannot come alike (paper 000).",
        f"A run of one epoch of 4 clips went to its end in {seconds:.0f} s, validation and all: a tagger of {done} tags.",
    ]
    goals = [
        {"what": f"loader alone over the step of {RECIPE}, one core each", "value": stepped / loaded, "at_least": 2.0},
        {
            "what": "clips with the rarest tag in an epoch of balanced draws, over the tag's turns",
            "value": least / (len(clips) // len(clips.vocabulary)),
            "at_least": 1.0,
        },
    ]
    return {
        "tables": [{"title": title, "columns": ["", "clips/s", "h an epoch"], "rows": rows}],
        "goals": goals,
        "notes": notes,
    }


def _loader_and_step(module: Any, loaded: int, steps: int) -> tuple[float, float]:
    """Processor seconds a clip of the loader alone, and of a step once its clips are there."""
    begin, count, batches = time.process_time(), 0, []
    for batch in module.epoch_batches():
        count += len(batch[0])
        batches.append(batch)
        if count >= loaded:
            break
    loader = (time.process_time() - begin) / count
    module._learn()
    module.steps.take(batches[0], 0, 1e-4, last=True)  # pays for what is made but once
    begin = time.process_time()
    for index in range(steps):
        module.steps.take(batches[index + 1], index + 1, 1e-4, last=True)
    return loader, (time.process_time() - begin) / sum(len(batch[0]) for batch in batches[1 : steps + 1])


def _draws(clips: Any, targets: Any) -> tuple[int, float, int]:
    """Of an epoch of balanced draws: clips with the rarest tag, and the share of those with the commonest; without balance, the rarest."""
    from earmark.train.order import draw_order

    rows = np.arange(len(clips))
    counts = []
    for balance in (True, False):
        drawn = draw_order(rows, targets, balance, None, 0, 1)
        counts.append(np.sum([targets[drawn[at : at + 1000]].sum(0) for at in range(0, len(drawn), 1000)], 0))
    there = counts[1] > 0  # tags that some clip has
    return int(counts[0][there].min()), float(counts[0].max() / len(rows)), int(counts[1][there].min())


def _to_the_end(plan: Any, whole: Any, place: Path) -> tuple[int, float]:
    """How many tags the tagger has of a training of four clips that four validate, and how long it took."""
    from earmark import load as load_tagger
    from earmark import train
    from earmark.recipe import parse

    raw = plan.as_dict()
    raw["train"] |= {"epochs": 1, "clips": 4, "accumulate": 1}
    few = np.concatenate([np.flatnonzero(whole.folds == "valid")[:4], np.flatnonzero(whole.folds == "train")])
    begin = time.perf_counter()
    file = train.train(parse(raw, plan.name), whole.select(few), place / "run", workers=1)
    return len(load_tagger(file).vocabulary), time.perf_counter() - begin


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


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server on loopback in a process of its own, and what the environment says of it; host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    told = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    os.environ.update(told | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


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
    if sys.argv[1:2] == ["make"]:
        synthetic(Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
        print("{}")
    elif sys.argv[1:2] == ["learn"]:
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
