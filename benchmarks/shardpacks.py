"""Packs to measure with: of ESC-10, of many clips that are an index alone, and an S3 server on loopback that they may lie in."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.memory import run_alone

RATE = 16_000


def packed(folder: Path, data: Path, clips: int | None = None) -> Any:
    """ESC-10 at 16 kHz."""
    from earmark.data import datasets, packs

    manifest = datasets.index("esc", data / "esc10")
    packs.pack(
        manifest if clips is None else manifest.select(np.arange(clips)), folder, rate=RATE, shard_size=8_000_000
    )
    return packs.read(folder)


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
    run_alone("benchmarks.shardpacks", str(folder), str(clips), str(data))


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


if __name__ == "__main__":
    synthetic(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    print("{}")
