"""The embeddings of clips, computed once: Parquet files in a folder, by the digest of the sound and by what embedded it.

    STORE/5eb64e3da63c-1f0c/….parquet    of one tagger in one kind of windows; as `earmark.scores.embeddings` tells, with levels

The id of a row is the SHA-256 of its file's bytes, with the seconds of the part that was heard, so that a clip keeps its embeddings
when it is moved, renamed or given other tags. What was embedded stays when the rest is stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.data import sounds
from earmark.errors import EarmarkError, ScoresError
from earmark.inference import Failure, Recording, score
from earmark.inference.embedding import Embedder, of_recording
from earmark.progress import QUIET, Progress, task
from earmark.scores import embeddings as tables
from earmark.scores.embeddings import Embeddings

PART = 256  # clips of a file: what is lost by a kill at most
DIGITS = 24  # of a digest
OURS = re.compile(r"[0-9a-f]{12}-[0-9a-f]{4}")  # what a folder of embeddings holds


@dataclass(frozen=True, eq=False)
class Heard:
    """The windows of one clip. vectors: (windows, width). levels: (windows,), root mean squares."""

    vectors: NDArray[np.float32]
    levels: NDArray[np.float32]


def digests(paths: Sequence[Path], workers: int = 2) -> dict[Path, str]:
    """Of each file's bytes; "" of what cannot be read."""
    found = sounds.digests(paths, workers)
    return {path: "" if digest == sounds.NONE else digest[:DIGITS] for path, digest in found.items()}


class Store:
    """Embeddings by a tagger (`AnyTagger`) in a folder. Raises TaggerError for several that answer together."""

    def __init__(self, folder: Path, tagger: Any, *, workers: int = 2, batch: int | None = None, salvage: bool = False):
        tagger.embedder()  # refuses what has none
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        if names and not any(OURS.fullmatch(name) for name in names):
            raise EarmarkError(
                f"{folder}: is not empty and holds no embeddings of earmark: take another folder for them"
            )
        self.tagger, self.workers, self.batch, self.salvage = tagger, workers, batch, salvage
        self.facts = {
            **tagger.embedding_facts(),
            "salvage": salvage,
            "id": "sha256 of the file, with seconds of a part",
        }
        windows = json.dumps([self.facts["windows"], salvage], sort_keys=True)
        kind = hashlib.sha256(windows.encode()).hexdigest()[:4]
        self.folder = folder / f"{self.facts['tagger']}-{kind}"
        self._known: dict[str, Heard] | None = None

    def of(
        self, recordings: Sequence[Recording], progress: Progress = QUIET
    ) -> tuple[list[Heard | None], list[Failure], list[str]]:
        """(what was heard of each, None where it cannot be read; those; notes on the audio of those that were embedded now).

        recordings: whose `id` is that of `keyed`.
        """
        known = self._read()
        todo = {each.id: each for each in recordings if each.id not in known}
        failures: list[Failure] = []
        notes: list[str] = []
        if todo:
            self._embed(list(todo.values()), known, failures, notes, progress)
        return [known.get(each.id) for each in recordings], failures, notes

    def _embed(
        self,
        todo: list[Recording],
        known: dict[str, Heard],
        failures: list[Failure],
        notes: list[str],
        progress: Progress,
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        embedder = Embedder(self.tagger, levels=True)
        with task(progress, f"embedding with {self.tagger.engine}", len(todo)) as step:
            for first in range(0, len(todo), PART):
                part = todo[first : first + PART]
                done: list[Embeddings] = []
                results = score(
                    embedder, part, batch=self.batch, workers=self.workers, salvage=self.salvage, keep_windows=True, hear_silence=True
                )  # fmt: skip
                with closing(results):
                    for heard in results:
                        step()
                        if isinstance(heard, Failure):
                            failures.append(heard)
                            continue
                        notes += heard.notes
                        done.append(of_recording(heard, self.facts))
                if done:
                    self._write(done)
                    known |= {name: told for each in done for name, told in _rows(each)}

    def _write(self, parts: list[Embeddings]) -> None:
        names = hashlib.sha256("\n".join(str(each.ids[0]) for each in parts).encode()).hexdigest()[:16]
        with tables.Writer(self.folder / f"{names}.parquet", self.facts) as writer:
            for each in parts:
                writer.add(each)
                writer.commit()

    def _read(self) -> dict[str, Heard]:
        if self._known is None:
            self._known = {}
            for file in sorted(self.folder.glob("*.parquet")) if self.folder.is_dir() else ():
                for block in tables.blocks(file):
                    if block.facts.get("tagger") != self.facts["tagger"] or block.levels is None:
                        raise ScoresError(f"{file}: holds other embeddings than those of its folder: take it away")
                    self._known |= dict(_rows(block))
        return self._known


def _rows(table: Embeddings) -> Iterator[tuple[str, Heard]]:
    """The windows of each recording, which stand together."""
    assert table.levels is not None
    cuts = [0, *(np.flatnonzero(table.ids[1:] != table.ids[:-1]) + 1).tolist(), len(table)]
    for first, end in itertools.pairwise(cuts):
        if end > first:
            yield str(table.ids[first]), Heard(table.vectors[first:end], table.levels[first:end])


def keyed(recordings: Iterable[Recording], digest: dict[Path, str]) -> list[Recording]:
    """The same recordings, called by their sound: the digest of the file, and which part of it."""
    told = []
    for each in recordings:
        part = (
            ""
            if each.start is None and each.end is None
            else f"@{each.start or 0:.6f}-{'' if each.end is None else f'{each.end:.6f}'}"
        )
        told.append(replace(each, id=(digest[each.path] or str(each.path)) + part))
    return told
