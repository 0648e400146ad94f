"""The recordings that can be asked for by an id: sent and held for a while, of the folder, or clips that were given to learn from.

An id is drawn, or the digest of a name that was found in the folder: no request ever says a path.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from earmark.errors import UnknownName
from earmark.serve.listing import Listing, id_of
from earmark.serve.settings import Settings
from earmark.serve.sounds import Sent
from earmark.serve.uploads import Spool, Upload


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
        self._clips: dict[str, Path] = {}
        self.listing = Listing(settings.recordings)

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

    async def find(self, name: str) -> tuple[Sent, bool]:
        """A recording, and whether it is one that was sent. Raises UnknownName."""
        if (held := self._sent(name)) is not None:
            return held, True
        told = self.listing.name(name)
        if told is None and name not in self._clips:
            told = (await self.listing.lately(whole=True)).names.get(name)
        if told is not None and (error := self.listing.unnamed(told)) is not None:
            raise error
        # a disk may be slow, and then nobody else should wait for it
        if (found := await run_in_threadpool(self._file, name, told)) is None:
            raise UnknownName(
                f"{name[:40]}: no such recording here: it was never sent, is held no more, or is not in the folder"
            )
        return found, False

    def _sent(self, name: str) -> Sent | None:
        with self._lock:
            self._forget()
            held = self._held.get(name)
            if held is None:
                return None
            held.used = time.monotonic()
            return Sent(Path(held.upload.name), file=held.upload.file, most=self.settings.most_seconds)

    def _file(self, name: str, told: str | None) -> Sent | None:
        """A clip, or what is called `told` in the folder, as far as it is there."""
        if (clip := self._clips.get(name)) is not None and clip.is_file():
            return Sent(Path(clip.name), file=clip)
        file = None if told is None else self.listing.inside(told)
        return None if told is None or file is None else Sent(Path(told), file=file)

    def add_clips(self, files: Iterable[Path]) -> None:
        """These can be asked for, too: whoever started the service gave them."""
        self._clips |= {id_of_clip(file): file for file in files}

    def _forget(self) -> None:
        """What nobody has asked for."""
        old = time.monotonic() - self.settings.held_seconds
        for name in [name for name, held in self._held.items() if held.used < old]:
            self.spool.drop(self._held.pop(name).upload)


def id_of_clip(file: Path) -> str:
    """Never that of a recording in the folder: no name holds the character 0."""
    return id_of(f"\0{file}")
