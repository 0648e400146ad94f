"""The clips of a pack as a training hears them: read and decoded when they are asked for, nothing before the first step.

A clip that turns out to be unreadable is left out where it comes: the next one in the pack's rows that can be read stands in
for it, whichever process or thread meets it and however often, so that an epoch that is gone on with is the same. It is told,
and remembered in the pack for those who begin later. Where the disk fails and not the clip, the training stops. A store that fails
is asked again after each of PAUSES, which is told, beside the attempts of `earmark.files.stores`.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import soundfile
from numpy.typing import NDArray

from earmark import audio
from earmark.audio import members
from earmark.audio.members import Member
from earmark.data import packs
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError, counted
from earmark.files.ranges import ReadAhead
from earmark.files.stores import is_stored
from earmark.inference.silence import SILENT
from earmark.train.sources import Wave

MOST = 0.01  # of the clips may turn out to be unreadable
FEW = 10  # may of any number
QUIETEST = 0.01  # see `earmark.train.loader`
PAUSES = (1.0, 5.0, 20.0)  # s
LONGEST = 1 << 26  # frames that are decoded in one go
PLACE = r"^(?P<shard>\d+\.tar)/(?P<offset>\d+)\+(?P<size>\d+)/"


def is_packed(manifest: Manifest) -> bool:
    """Whether the clips are those of a pack."""
    return "sha256" in manifest.table.column_names


class PackedWaves:
    """See `earmark.train.sources.WaveSource`. left_out: paths in the pack of clips that are known to be unreadable, and why.

    strict: raise at the first clip that cannot be read. on_unreadable: is given its id, the
    error and a sentence, once a process. say: is told what a store does not give at once.
    """

    def __init__(
        self,
        manifest: Manifest,
        sample_rate: int,
        *,
        left_out: Mapping[str, str] | None = None,
        salvage: bool = False,
        strict: bool = False,
        on_unreadable: Callable[[str, AudioError, str], None] = lambda name, error, line: None,
        say: Callable[[str], None] = lambda line: None,
    ):
        self.manifest, self.sample_rate = manifest, sample_rate
        self.notes: list[str] = []
        self.failures: list[tuple[int, AudioError]] = []
        self._salvage, self._strict, self._tell, self._say = salvage, strict, on_unreadable, say
        self._ahead: ReadAhead | None = None
        self._lock = threading.Lock()
        self._paths = manifest.table["path"]
        self._find()
        readable = np.ones(len(manifest), bool)
        for row in self._rows_of(left_out or {}):
            path = self._paths[row].as_py()
            self.failures.append((row, AudioError(Path(path), (left_out or {})[path], "It was left out")))
            readable[row] = False
        self.readable = np.flatnonzero(readable)
        self._before = len(self.failures)
        self._broken: set[int] = set()
        self._frames, rates = (manifest.table[key].to_numpy().astype(np.int64) for key in ("frames", "rate"))
        self._flac = pc.ends_with(self._paths, ".flac").to_numpy() & (rates == sample_rate) & (self._frames <= LONGEST)
        self.samples = (2 * self._frames * sample_rate + rates) // (2 * rates)  # as `audio.length_at`

    def _rows_of(self, left_out: Mapping[str, str]) -> list[int]:
        known = pa.array(list(left_out), pa.string())
        return np.flatnonzero(pc.is_in(self._paths, value_set=known).to_numpy()).tolist()

    @property
    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(rows,) which shard each clip lies in, counted from 0, and the byte at which it begins."""
        return self._shards, self._offsets

    def _find(self) -> None:
        """Which file each clip lies in, from which byte on, and how many: a part of the table at a time."""
        count = len(self.manifest)
        self._shards, self._offsets, self._sizes = (np.zeros(count, np.int64) for _ in range(3))
        names: dict[str, int] = {}
        first = 0
        for chunk in self._paths.chunks:
            parts = pc.extract_regex(chunk, PLACE)
            own = pc.struct_field(parts, "shard").dictionary_encode()
            codes = np.array([names.setdefault(name, len(names)) for name in own.dictionary.to_pylist()], np.int64)
            rows = slice(first, first := first + len(chunk))
            self._shards[rows] = codes[own.indices.to_numpy()]
            self._offsets[rows], self._sizes[rows] = (
                pc.struct_field(parts, key).cast(pa.int64()).to_numpy() for key in ("offset", "size")
            )
        ordered = sorted(names)
        self._files = [self.manifest.root / name for name in ordered]
        ranks = {name: rank for rank, name in enumerate(ordered)}
        self._shards = np.array([ranks[name] for name in names], np.int64)[self._shards]

    def level(self) -> float | None:
        """As their sound is stored: see `earmark.train.sources.WaveSource`."""
        levels = self.manifest.table["level"].to_numpy()[self.readable].astype(np.float64)
        sounding = levels[np.isfinite(levels)]
        return round(float(np.quantile(sounding, QUIETEST, method="lower")), 1) if len(sounding) else None

    def silent(self) -> NDArray[np.int64]:
        """As their sound is stored: see `earmark.train.sources.WaveSource`."""
        quiet = np.flatnonzero(self.manifest.table["level"].to_numpy() <= SILENT)
        return np.intersect1d(self.readable, quiet)

    def __getitem__(self, row: int) -> Wave:
        """(samples,) of the clip in a row of the manifest. Raises AudioError."""
        member = self._member(row)
        if not is_stored(member.file):
            return self._decoded(row, None)
        try:
            data = self._fetched(member)
        except ValueError as error:
            raise AudioError(self._path(row), str(error), members.AGAIN, 0.0) from error
        with members.given(member, data):
            return self._decoded(row, data)

    def _path(self, row: int) -> Path:
        return self.manifest.root / str(self._paths[row].as_py())

    def _decoded(self, row: int, data: bytes | None) -> Wave:
        wave = self._straight(row, data) if self._flac[row] else None
        if wave is None:
            wave = audio.load(self._path(row), self.sample_rate, salvage=self._salvage, report=lambda note: None)
        return wave

    def in_order(self, buffer: int) -> None:
        """Shards will be read in order, of which `buffer` clips are mixed: of a store large ranges are fetched, ahead of their use."""
        if self._ahead is None and is_stored(self.manifest.root):
            self._ahead = ReadAhead(int(2 * buffer * (self._sizes.mean() + 1024)))

    def _fetched(self, member: Member) -> bytes:
        """A member's bytes from its store. Raises ValueError where its file ends before, EarmarkError where the store fails."""
        for pause in (*PAUSES, None):
            try:
                if self._ahead is None:
                    return members.fetch(member)
                return members.checked(member, self._ahead.read(member.file, member.offset, member.size))
            except OSError as error:
                if pause is None or isinstance(error, (FileNotFoundError, PermissionError)):
                    raise EarmarkError(
                        f"{member.file}: a clip that lies in it cannot be fetched ({error.strerror}), which is its store's fault and "
                        "not the clip's. See to it, and go on with --resume"
                    ) from error
                self._say(f"{member.file}: {error.strerror}; it is asked again in {pause:g} s")
                time.sleep(pause)
        raise AssertionError  # the last one returns or raises

    def _straight(self, row: int, data: bytes | None = None) -> Wave | None:
        """What `audio.load` gives, of what earmark has looked at and written itself: FLAC of one channel that is as the index tells.

        None where anything is otherwise, and `audio.load` finds out what it is. Its questions take a fifth of the time that decoding
        five seconds does.
        """
        frames = int(self._frames[row])
        try:
            data = members.fetch(self._member(row)) if data is None else data
            with soundfile.SoundFile(io.BytesIO(data)) as sound:
                if (sound.frames, sound.channels, sound.samplerate) != (frames, 1, self.sample_rate):
                    return None
                wave: Wave = sound.read(dtype="float32")
        except (OSError, ValueError, soundfile.SoundFileError):
            return None
        return wave if len(wave) == frames else None

    def _member(self, row: int) -> Member:
        shard, offset = self.places
        return Member(self._files[shard[row]], int(offset[row]), int(self._sizes[row]))

    def heard(self, row: int) -> tuple[Wave, int]:
        """The clip, and its row; or the first one after it that can be read, beginning anew behind the last."""
        place = int(np.searchsorted(self.readable, row))
        for step in range(len(self.readable)):
            taken = int(self.readable[(place + step) % len(self.readable)])
            if taken in self._broken:
                continue
            try:
                return self[taken], taken
            except AudioError as error:
                self._leave_out(taken, error)
        raise EarmarkError(f"{self.manifest.root}: none of its clips can be read")

    def _leave_out(self, row: int, error: AudioError) -> None:
        if self._strict:
            raise error
        path, member = self._paths[row].as_py(), self._member(row)
        try:
            members.fetch(member)
        except (OSError, ValueError) as gone:
            raise EarmarkError(
                f"{member.file}: a clip that lies in it cannot be fetched ({gone}), which is the disk's fault and not the clip's. "
                "See to it, and go on with --resume"
            ) from gone
        with self._lock:
            if row in self._broken:
                return
            self._broken.add(row)
            self.failures.append((row, error))
            most = max(FEW, int(MOST * len(self.manifest)))
            if len(self._broken) > most:
                raise EarmarkError(
                    f"{self.manifest.root}: {counted(len(self._broken), 'clip')} turned out to be unreadable, more than are "
                    f"borne ({most} of {len(self.manifest)}), the last: {error}. Look at the pack with `earmark check`, and "
                    "pack it again"
                )
        name = str(self.manifest.table["id"][row].as_py())
        kept = packs.remember(self.manifest.root, name, path, error.problem)
        where = f"remembered in {self.manifest.root / packs.UNREADABLE}" if kept else "the pack cannot be written to"
        self._tell(name, error, f"{name} cannot be read and is left out: {error.problem} ({where})")
