"""The clips of a claim: a data set's official layout as it is, dealt anew, or scenes mixed from it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from earmark.data import datasets, manifest, splits
from earmark.data.manifest import SCHEMA, Manifest
from earmark.data.soundscapes import make_scenes
from earmark.errors import EarmarkError


class Source(BaseModel):
    """Where the clips come from.

    folder: below the folder of the recordings (--data, or EARMARK_DATA). dataset, options: its layout. deal: so many
    folds instead of its own, groups whole, the same for every seed. parts: fold → a regular expression; clips whose id
    it matches are in this fold instead of their own. only: these folds, as if there were no others. scenes: of each fold,
    so many scenes are mixed from its single sounds, with these settings of `earmark soundscapes`
    (`scenes: {number: 300, snr: "6:30"}`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    folder: str
    dataset: str
    options: dict[str, Any] = Field(default_factory=dict)
    deal: int | None = Field(default=None, ge=2)
    parts: dict[str, str] = Field(default_factory=dict)
    only: list[str] = Field(default_factory=list)
    scenes: dict[str, Any] = Field(default_factory=dict)

    def key(self) -> str:
        """A name for what is made of it."""
        told = json.dumps(self.model_dump(exclude=None if self.only else {"only"}), sort_keys=True)
        return f"{Path(self.folder).name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"

    def layout(self) -> str:
        """The data set that a recipe has to name."""
        return "soundscapes" if self.scenes else self.dataset


def prepare(source: Source, root: Path, out: Path, workers: int = 2) -> Path:
    """The manifest's file, made anew; scenes are completed. Raises EarmarkError where the recordings are not there."""
    place = root / source.folder
    if not place.is_dir():
        raise EarmarkError(
            f"{place}: is not there. Name the folder that holds {source.folder!r} with --data or EARMARK_DATA"
        )
    clips = datasets.index(source.dataset, place, **source.options)
    if source.deal is not None:
        clips = splits.assign_folds(clips, source.deal, seed=0)
    clips = _into_parts(clips, source.parts)
    if source.only:
        clips = clips.in_folds(source.only)
    file = out / f"{source.key()}.parquet"
    out.mkdir(parents=True, exist_ok=True)
    if source.scenes:
        singles = out / f"{source.key()}-singles.parquet"
        manifest.write(clips, singles)
        clips = datasets.index("soundscapes", _mixed(source, singles, out / source.key(), workers))
    manifest.write(clips, file)
    return file


def _into_parts(clips: Manifest, parts: dict[str, str]) -> Manifest:
    folds = clips.folds.astype(object)
    for fold, pattern in parts.items():
        chosen = np.array([re.search(pattern, name) is not None for name in clips.ids.tolist()])
        if not chosen.any():
            raise EarmarkError(f"parts.{fold}: {pattern!r} matches no id, such as {str(clips.ids[0])!r}")
        folds[chosen] = fold
    place = SCHEMA.get_field_index("fold")
    names = pa.chunked_array([pa.array([name or None for name in folds], SCHEMA.field("fold").type)])
    return clips if not parts else _with(clips, clips.table.set_column(place, SCHEMA.field("fold"), names))


def _with(clips: Manifest, table: pa.Table) -> Manifest:
    from dataclasses import replace

    return replace(clips, table=table)


def _mixed(source: Source, singles: Path, folder: Path, workers: int) -> Path:
    """The folder of the scenes. Raises AudioError for a recording that cannot be used: a claim is about all of them."""
    told = dict(source.scenes)
    number = int(told.pop("number", 100))
    for name, kind in (("events", int), ("snr", float)):
        if name in told:
            low, _, high = str(told[name]).partition(":")
            told[name] = (kind(low), kind(high or low))
    if "folds" in told:
        told["folds"] = [fold.strip() for fold in str(told["folds"]).split(",")]
    make_scenes(singles, folder, number, workers=workers, strict=True, **told)
    return folder
