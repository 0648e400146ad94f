"""Nets from their public homes, only when somebody asks for one by name: over https, bounded, against a pinned digest.

A file is taken whole or not at all: what is too long, too slow, redirected to something other than https, or not the file
that was pinned, is refused. http is for a server on this very machine alone.
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from earmark.errors import EarmarkError, counted
from earmark.files import write_bytes

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SILENCE, WHOLE = 30.0, 600.0  # seconds: without a byte, for a file
BLOCK = 1 << 16


@dataclass(frozen=True)
class Home:
    """Where one file is had. addresses: tried in this order. sha256, bytes: of the file, both held."""

    name: str
    addresses: tuple[str, ...]
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Known:
    """A net by name. licence: of net and labels, in short and as a sentence; source: whose it is."""

    net: Home
    labels: Home
    licence: str
    terms: str
    source: str


RAW = "https://raw.githubusercontent.com"
KNOWN = {
    "yamnet": Known(
        Home(
            "yamnet_spectra_in.tflite",
            tuple(f"{RAW}/google-coral/coralmicro/{at}/models/yamnet_spectra_in.tflite" for at in ("c9f665b", "main")),
            "0a266465c46718f3fcc4137366be82882a8c93bfcc4f0278581a11d11dddcdf9",
            4_047_424,
        ),
        Home(
            "yamnet_class_map.csv",
            tuple(
                f"{RAW}/tensorflow/models/{at}/research/audioset/yamnet/yamnet_class_map.csv"
                for at in ("dbeeb148f10adf723067040eedcccda00bdce1e8", "master")
            ),
            "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
            14_096,
        ),
        "Apache-2.0",
        "weights and class names are Google's, under the Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0)",
        "https://github.com/google-coral/coralmicro",
    )
}


def fetch(home: Home, folder: Path, clock: Callable[[], float] = time.monotonic) -> Path:
    """The file, in this folder. Raises EarmarkError with what went wrong at each address."""
    wrong = []
    for address in home.addresses:
        try:
            data = _taken(address, home, clock)
        except EarmarkError as error:
            wrong.append(f"{address}: {error}")
            continue
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            wrong.append(f"{address}: {reason or type(error).__name__}")
            continue
        path = folder / home.name
        write_bytes(path, data)
        return path
    raise EarmarkError(
        f"{home.name} could not be fetched: {'; '.join(wrong)}. Fetch it by other means, and give its path: its sha256 is "
        f"{home.sha256}"
    )


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise EarmarkError(f"leads to {parts.scheme}://{parts.hostname or ''}, and nets are fetched over https alone")


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _taken(address: str, home: Home, clock: Callable[[], float]) -> bytes:
    """Raises EarmarkError for what is not the file, OSError and others for what the network does."""
    _check_address(address)
    opener = urllib.request.build_opener(_Redirects)
    request = urllib.request.Request(address, headers={"User-Agent": "earmark", "Accept-Encoding": "identity"})
    end = clock() + WHOLE
    data = bytearray()
    with opener.open(request, timeout=SILENCE) as answer:
        while block := answer.read1(BLOCK):
            data += block
            if len(data) > home.bytes:
                raise EarmarkError(f"is longer than the {counted(home.bytes, 'byte')} of {home.name}")
            if clock() > end:
                raise EarmarkError(
                    f"sent {len(data):,} of {counted(home.bytes, 'byte')} within {WHOLE:g} s, and is given up"
                )
    if len(data) < home.bytes:
        raise EarmarkError(f"sent {len(data):,} of {counted(home.bytes, 'byte')}")
    if (got := hashlib.sha256(data).hexdigest()) != home.sha256:
        raise EarmarkError(f"is another file: its sha256 is {got}, and {home.sha256} is {home.name}")
    return bytes(data)
