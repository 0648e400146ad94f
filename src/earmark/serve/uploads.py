"""What is sent: sound, from a request's body into a file, and JSON of a few values; both are counted while they are read, and given up
where they come no more. Nothing of it is ever run or unpacked.

A body of sound is the file itself, of a type that may hold sound (`SOUND`, `audio/…`, `video/…`) or of none, or a form
(multipart/form-data) with one file in the field `file`. Its name is a name for people: it names no place here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.errors import counted
from earmark.files.texts import control
from earmark.serve import left
from earmark.serve.settings import Settings
from earmark.serve.work import Busy, Left

JSON_BYTES = 1 << 16  # of a body that is no recording: of a few values
WHOLE = "earmark.receive"  # in a request's scope: what its body comes by, uncounted
UNNAMED = "recording"
LONGEST = 255  # characters of a name
FORM = "multipart/form-data"
# types that sound is sent by beside audio/… and video/…
SOUND = frozenset(
    f"application/{name}"
    for name in (
        "octet-stream", "ogg", "x-ogg", "flac", "x-flac", "wav", "x-wav", "mp4", "mp3", "matroska", "x-matroska", "mxf",
        "vnd.ms-asf", "vnd.rn-realmedia", "x-caf",
    )
) | {"", "binary/octet-stream"}  # fmt: skip


class Refused(Exception):
    """A request that is answered by a status of its own, and a sentence."""

    def __init__(self, status: int, told: str):
        self.status = status
        super().__init__(told)


class Brief:
    """An application whose requests have bodies of JSON, which FastAPI reads whole, whoever sends them. Who reads a recording counts it
    otherwise, and takes it from `whole`.
    """

    def __init__(self, app: ASGIApp, patience: float):
        self.app, self.patience = app, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(raw=scope.get("headers", [])).get("content-length", "")
        count, coming = int(told) if told.isdecimal() else 0, True
        seen = 0

        async def counted() -> Message:
            nonlocal seen, coming
            if not coming:  # there is but the end of the line to wait for
                return await receive()
            if count > JSON_BYTES:
                raise _too_large(count)
            message = await patient(receive, self.patience)
            seen += len(message.get("body", b""))
            coming = message["type"] == "http.request" and message.get("more_body", False)
            if seen > JSON_BYTES:
                raise _too_large(seen)
            return message

        scope[WHOLE] = receive
        await self.app(scope, counted, send)


def whole(request: Request) -> Receive:
    """What the body of a request comes by, for who counts it."""
    receive: Receive = request.scope.get(WHOLE, request.receive)
    return receive


async def patient(receive: Receive, seconds: float) -> Message:
    """What comes next of a body. Raises Refused where nothing does."""
    try:
        return await asyncio.wait_for(receive(), seconds)
    except TimeoutError as error:
        raise Refused(408, f"no byte came for {seconds:g} s: send it again") from error


def _too_large(count: int) -> Refused:
    return Refused(
        413,
        f"the body has {counted(count, 'byte')} or more, and {JSON_BYTES:,} are taken here, where it is JSON of a few values "
        "and no recording",
    )


@dataclass(frozen=True)
class Upload:
    """name: as it was sent. file: where it is, under a name that nobody sent. size: bytes."""

    name: str
    file: Path
    size: int


class Spool:
    """A folder for what is sent, empty when it begins, and how many bytes there may be at once."""

    def __init__(self, settings: Settings):
        self.settings = settings
        left.sweep(Path(tempfile.gettempdir()))
        self._lock: int | None
        self.folder, self._lock = left.begin()
        self.bytes = 0

    def take(self, count: int) -> None:
        """Raises Busy where there is no room for so many bytes more."""
        if self.bytes + count > self.settings.held_bytes:
            raise Busy(f"recordings of {self.bytes // 1_000_000:,} MB are held already", 30)
        self.bytes += count

    def drop(self, upload: Upload) -> None:
        upload.file.unlink(missing_ok=True)
        self.bytes -= upload.size

    def close(self) -> None:
        if self._lock is not None:  # once, for the number of its handle may be another file's afterwards
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[Upload]:
        """What a request sends, until the block ends. Raises Refused, Busy."""
        upload = await self.receive(request)
        try:
            yield upload
        finally:
            self.drop(upload)

    async def receive(self, request: Request) -> Upload:
        """What a request sends, until it is dropped. Raises Refused, Busy."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != FORM and kind not in SOUND and not kind.startswith(("audio/", "video/")):
            raise Refused(
                415,
                f"the body is {kind[:60]}: send the bytes of a recording, as audio/… or application/octet-stream, or a form ({FORM}) with "
                "a file",
            )
        self._check_length(request)
        before, count = self.bytes, [0]
        bounded = Request(request.scope, self._bounded(whole(request), count))
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            place = Path(file.name)
            try:
                name = await (_form(bounded, file) if kind == FORM else _body(bounded, file))
                file.flush()  # here, where a disk that is full leaves nothing behind
            except BaseException as error:
                place.unlink(missing_ok=True)
                self.bytes -= count[0]
                if isinstance(error, ClientDisconnect):
                    raise Left from error
                raise
        size = place.stat().st_size
        self.bytes += size - count[0]
        assert self.bytes >= 0, before
        return Upload(name, place, size)

    def _check_length(self, request: Request) -> None:
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self.settings.most_bytes:
            raise self._too_large(int(told))

    def _too_large(self, count: int) -> Refused:
        most = self.settings.most_bytes
        return Refused(
            413,
            f"the body has {counted(count, 'byte')} or more, and this service takes {most:,}. Send a part, or a FLAC of it",
        )

    def _bounded(self, whole: Receive, count: list[int]) -> Receive:
        async def receive() -> Message:
            message = await patient(whole, self.settings.patience)
            size = len(message.get("body", b""))
            if count[0] + size > self.settings.most_bytes:
                raise self._too_large(count[0] + size)
            self.take(size)
            count[0] += size
            return message

        return receive


async def _body(request: Request, file: Any) -> str:
    async for chunk in request.stream():
        file.write(chunk)
    return _name(request.query_params.get("name") or UNNAMED)


async def _form(request: Request, file: Any) -> str:
    try:
        async with request.form(max_files=1, max_fields=4) as form:
            sent = form.get("file")
            if not isinstance(sent, UploadFile):
                raise Refused(422, "the form has no file in its field `file`: send one recording there")
            if others := sorted(set(form) - {"file"}):
                raise Refused(
                    422,
                    f"the form has a field {others[0][:40]!r} beside `file`, which nobody reads: parameters stand in the address, ?top=5",
                )
            await run_in_threadpool(shutil.copyfileobj, sent.file, file)
            return _name(sent.filename or UNNAMED)
    except HTTPException as error:
        raise Refused(422, f"the form cannot be read: {error.detail}") from error


def _name(told: str) -> str:
    if len(told) > LONGEST:
        raise Refused(422, f"the name has {counted(len(told), 'character')}: give up to {LONGEST}")
    if (sign := control(told)) is not None:
        raise Refused(
            422, f"the name holds a control character ({sign}), which files of results cannot tell: leave it out"
        )
    return told
