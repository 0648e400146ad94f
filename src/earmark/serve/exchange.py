"""What holds of every exchange over HTTP, whatever is asked: HEAD is answered as GET is, a refusal arrives though its request is still
coming, and who is cut off when the service ends is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.serve.work import Busy

LINGER = 10.0  # s that the rest of a refused body is read for, at most
IDLE = 2.0  # s without a byte of it
FAREWELL = 1.0  # s for the answers of who is cut off
AGAIN = 10  # s after which a service that was stopped may be there again


class Heads:
    """An application that is asked by GET where HEAD is asked, and whose body is left out."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        ended = False

        async def headless(message: Message) -> None:
            nonlocal ended
            if message["type"] != "http.response.body":
                await send(message)
            elif not ended:  # at the first piece, so that the rest of a long answer is not made for nobody
                ended = True
                await send({"type": "http.response.body", "body": b""})

        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, headless)
        finally:
            scope.update({name: asked[name] for name in ("route",) if name in asked})  # by which it is counted


class Lingering:
    """An application whose answer arrives where it does not wait for the whole request and the line is closed after it.

    A line that is closed while bytes still come is reset by the system, and an answer on its way is lost with it. So the rest is read
    and thrown away for a while once the answer is sent, until the client, which has it by then, ends or hangs up.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(raw=scope.get("headers", []))
        if scope["type"] != "http" or not (_length(headers) or "transfer-encoding" in headers):
            await self.app(scope, receive, send)
            return
        coming = True
        closes = scope.get("http_version") == "1.0" or _closes(headers)

        async def counted() -> Message:
            nonlocal coming
            message = await receive()
            coming = coming and message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def rest() -> None:
            until = time.monotonic() + LINGER
            while coming and time.monotonic() < until:
                try:
                    await asyncio.wait_for(counted(), IDLE)
                except TimeoutError:
                    return

        async def last(message: Message) -> None:
            nonlocal closes
            if message["type"] == "http.response.start":
                closes = closes or _closes(Headers(raw=message.get("headers", [])))
            if message["type"] != "http.response.body" or message.get("more_body") or not (coming and closes):
                await send(message)
                return
            await send({**message, "more_body": True})
            try:
                await rest()
            finally:
                await send({"type": "http.response.body", "body": b""})

        await self.app(scope, counted, last)


class Ending:
    """An application that is cancelled when the service was stopped and has waited long enough: who waits is told, with 503.

    under_way: the tasks of its requests.
    """

    def __init__(self, app: ASGIApp, under_way: set[asyncio.Task[Any]]):
        self.app, self.under_way = app, under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] == "lifespan" or task is None:
            await self.app(scope, receive, send)
            return
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except asyncio.CancelledError:  # the server's, which would take it for a mistake of the application
            if scope["type"] != "http" or begun:  # what has begun is cut off, and the client sees that it is not whole
                return
            with contextlib.suppress(asyncio.CancelledError):  # again, by an end that does not wait
                await _cut_off(send)


async def _cut_off(send: Send) -> None:
    body = json.dumps({"error": str(Busy("the service is stopping", AGAIN))}).encode()
    # nothing of closing the line, which a server that ends does anyway: what still comes would be waited for
    headers = {"content-type": "application/json", "content-length": len(body), "retry-after": AGAIN}
    raw = [(name.encode(), str(value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 503, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def told(under_way: set[asyncio.Task[Any]]) -> None:
    """Until those that were cut off have been told so, which takes no time unless they do not listen: a server ends at once."""
    if under_way:
        await asyncio.wait(under_way, timeout=FAREWELL)


def _length(headers: Headers) -> int:
    told = headers.get("content-length", "")
    return int(told) if told.isdecimal() else 0


def _closes(headers: Headers) -> bool:
    return "close" in [each.strip().lower() for each in headers.get("connection", "").split(",")]
