"""What a service is told when it starts: where it listens, whom it lets in, and its bounds."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import EarmarkError, counted
from earmark.files.places import led_to

LONG = 16  # characters of a token: of hexadecimal digits 64 bits, which nobody guesses over a network


@dataclass(frozen=True)
class Settings:
    """host, port: where it listens. token: who does not have it is refused; None: nobody is asked. names: by which it is
    reached beside its address, such as a proxy's. recordings: a folder that can be listened to; state: a folder for jobs and
    reviews. clips: from which taggers learnt, as `earmark.data.datasets.open_data` opens them, in the layout `dataset`. workers:
    requests that are answered at once; waiting: that may wait for one. most_bytes, most_seconds: of one
    recording that is sent. held_bytes, held_seconds: of all that are kept for the page at once, and how long after they were
    last asked for. live: of listeners at once. patience: seconds without a byte after which an upload is given up.
    stop_seconds: from being stopped until requests that are worked on are cut off, with 503.

    >>> Settings(host="0.0.0.0").check()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    earmark.errors.EarmarkError: host 0.0.0.0 can be reached from other machines: set a token of 16 characters or more in ...
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    recordings: Path | None = None
    state: Path | None = None
    clips: Path | None = None
    dataset: str | None = None
    workers: int = 1
    waiting: int = 32
    most_bytes: int = 512_000_000
    most_seconds: float = 3600.0
    held_bytes: int = 4_000_000_000
    held_seconds: float = 3600.0
    live: int = 4
    patience: float = 60.0
    stop_seconds: int = 5

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or (_address(self.host) and ipaddress.ip_address(self.host).is_loopback)

    @property
    def kept(self) -> Path:
        """The folder for jobs and reviews: `state`, or a place of the user's by the folder of recordings."""
        if self.state is not None or self.recordings is None:
            return self.state or Path()
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "earmark"
        place = led_to(self.recordings)
        return home / f"{place.name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"

    def check(self) -> None:
        """Raises EarmarkError for what would let anybody in, and for bounds that are none."""
        if not self.loopback and self.token is None:
            raise EarmarkError(
                f"host {self.host} can be reached from other machines: set a token of {LONG} characters or more in "
                "EARMARK_TOKEN or with --token, such as `openssl rand -hex 16` prints, or leave --host out"
            )
        if self.token is not None and not (
            len(self.token) >= LONG and self.token.isascii() and self.token.isprintable()
        ):
            raise EarmarkError(
                f"the token has {counted(len(self.token), 'character')}: give {LONG} or more, of ASCII, such as `openssl rand "
                "-hex 16` prints"
            )
        for name in ("state", "clips"):
            if self.recordings is None and getattr(self, name) is not None:
                raise EarmarkError(
                    f"{name} is for jobs and reviews of a folder of recordings: name that too (recordings), or leave {name} out"
                )
        if self.dataset is not None and self.clips is None:
            raise EarmarkError("dataset is the layout of the clips: name those too (clips), or leave dataset out")
        if self.recordings is not None and not self.recordings.is_dir():
            raise EarmarkError(f"{self.recordings}: is no folder. Give the one that holds the recordings")
        for name in ("workers", "most_bytes", "most_seconds", "held_bytes", "held_seconds", "patience"):
            if getattr(self, name) <= 0:
                raise EarmarkError(f"{name} is {getattr(self, name)}: give more than 0")
        if self.stop_seconds < 0:
            raise EarmarkError(f"stop_seconds is {self.stop_seconds}: give 0 or more")

    def known(self, host: str) -> bool:
        """Whether a request's Host header names this service: an address, or one of its names.

        A page elsewhere can have its own name stand for this machine's address (DNS rebinding), but never an address.

        >>> Settings().known("127.0.0.1:8000"), Settings().known("[::1]"), Settings().known("evil.example:8000")
        (True, True, False)
        """
        name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
        return _address(name) or name.lower() in {"localhost", self.host.lower(), *map(str.lower, self.names)}


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
