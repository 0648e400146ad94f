"""The recordings that can be asked for by an id: sent and held for a while, of the folder, or clips that were given to learn from.

An id is drawn, or the digest of a name that was found in the folder: no request ever says a path. What lies in the folder
through a link that leads out of it is passed over, and looked at again each time that it is opened.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from earmark.audio.walk import walk_folder
from earmark.errors import AudioError, UnknownName
from earmark.files.shown import written
from earmark.files.texts import check_name
from earmark.serve.settings import Settings
from earmark.serve.sounds import Sent
from earmark.serve.uploads import Spool, Upload

FRESH = 30.0  # s for which a look into the folder counts


@dataclass
class Held:
    upload: Upload
    used: float


class Shelf:
    """See above."""

    def __init__(self, settings: Settings, spool: Spool):
        self.settings, self.spool = settings, spool
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._folder: dict[str, str] = {}  # id → name below the folder
        self._unnamed: dict[str, AudioError] = {}  # by a name that is shown in place of one that is no text
        self._clips: dict[str, Path] = {}
        self._looked = float("-inf")
        self.passed_over: str | None = None

    def hold(self, upload: Upload) -> str:
        """An id for what was sent, until it is dropped or nobody asks for it any more."""
        with self._lock:
            self._forget()
            name = secrets.token_urlsafe(12)
            self._held[name] = Held(upload, time.monotonic())
            return name

    def drop(self, name: str) -> bool:
        """Whether there was one."""
        with self._lock:
            held = self._held.pop(name, None)
            if held is not None:
                self.spool.drop(held.upload)
            return held is not None

    def find(self, name: str) -> tuple[Sent, bool]:
        """A recording, and whether it is one that was sent. Raises UnknownName."""
        with self._lock:
            self._forget()
            held = self._held.get(name)
            if held is not None:
                held.used = time.monotonic()
                most = self.settings.most_seconds
                return Sent(Path(held.upload.name), file=held.upload.file, most=most), True
        if (clip := self._clips.get(name)) is not None and clip.is_file():
            return Sent(Path(clip.name), file=clip), False
        told = self._folder.get(name) or self.folder().get(name)
        if told in self._unnamed:
            raise self._unnamed[told]
        if told is None or (file := self.inside(told)) is None:
            raise UnknownName(
                f"{name[:40]}: no such recording here: it was never sent, is held no more, or is not in the folder"
            )
        return Sent(Path(told), file=file), False

    def folder(self, fresh: bool = False) -> dict[str, str]:
        """The folder's recordings, name by id, in order. fresh: as they are now, not as they were half a minute ago. Those whose names
        are no text, as no answer and no database could tell them, stand there escaped, and are `unnamed`.
        """
        root = self.settings.recordings
        if root is None:
            return {}
        with self._lock:
            if fresh or time.monotonic() - self._looked > FRESH:
                found = walk_folder(root)
                self.passed_over = found.passed_over()
                inside = [name for name in found.recordings if self.inside(name) is not None]
                self._folder = {id_of(written(name)): written(name) for name in inside}
                self._unnamed = _unnamed(inside)
                self._looked = time.monotonic()
            return self._folder

    def unnamed(self) -> dict[str, AudioError]:
        """What is wrong with those whose names are no text, by the names that they have in `folder`."""
        return self._unnamed

    def add_clips(self, files: Iterable[Path]) -> None:
        """These can be asked for, too: whoever started the service gave them."""
        self._clips |= {id_of_clip(file): file for file in files}

    def inside(self, name: str) -> Path | None:
        """The file of a name, or None for one that lies elsewhere in truth."""
        root = self.settings.recordings
        if root is None:
            return None
        try:
            place = (root / name).resolve(strict=True)
            return place if place.is_relative_to(root.resolve(strict=True)) and place.is_file() else None
        except (OSError, ValueError):
            return None

    def _forget(self) -> None:
        """What nobody has asked for."""
        old = time.monotonic() - self.settings.held_seconds
        for name in [name for name, held in self._held.items() if held.used < old]:
            self.spool.drop(self._held.pop(name).upload)


def _unnamed(names: Iterable[str]) -> dict[str, AudioError]:
    found: dict[str, AudioError] = {}
    texts = set()
    for name in names:
        try:
            check_name(name)
            texts.add(name)
        except AudioError as error:
            shown = written(name)
            found[shown] = AudioError(shown, written(error.problem), written(error.remedy))
    # one that is really called as another is shown is heard
    return {shown: error for shown, error in found.items() if shown not in texts}


def id_of(name: str) -> str:
    """Of a recording in the folder."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def id_of_clip(file: Path) -> str:
    """Never that of a recording in the folder: no name holds the character 0."""
    return id_of(f"\0{file}")
