"""The service as an ASGI application, and as a program of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from earmark.errors import EarmarkError, UnknownName
from earmark.files.shown import written
from earmark.models import loading
from earmark.models.anytagger import AnyTagger
from earmark.serve import (
    api,
    causes,
    disks,
    examples,
    exchange,
    folder,
    live,
    questions,
    recordings,
    reviewing,
    session,
    teaching,
)
from earmark.serve.exchange import Ending, Heads, Lingering
from earmark.serve.guard import Guard
from earmark.serve.meters import Metered
from earmark.serve.service import Service
from earmark.serve.settings import Settings
from earmark.serve.sounds import TooLong
from earmark.serve.trainings import Load
from earmark.serve.uploads import Brief, Refused
from earmark.serve.wording import over_http
from earmark.serve.work import Busy, Left

log = logging.getLogger("earmark")
PAGE = Path(str(resources.files("earmark.serve"))) / "page"
LARGEST_MESSAGE = 1 << 20  # bytes, of a WebSocket: 5 s of sound
SHOWN = 60  # characters of a value that a refusal repeats
GONE = 499  # nginx's status for who left; nobody reads it


def build(settings: Settings, taggers: Mapping[str, AnyTagger], load: Load = loading.load) -> FastAPI:
    """The application. load: how the file of a tagger that was trained again becomes one that is served.

    Raises EarmarkError for settings that would let anybody in.
    """
    settings.check()
    service = Service.of(settings, taggers, load)

    under_way: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await exchange.told(under_way)
            service.close()

    app = FastAPI(
        title="earmark",
        summary="Recordings → tags, and when each thing is heard.",
        version=version("earmark"),
        docs_url=None,  # its pages load scripts from other sites
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(questions.check)],
    )
    app.state.service = service
    for router in (
        api.router,
        api.open_router,
        folder.router,
        reviewing.router,
        recordings.router,
        causes.router,
        examples.router,
        teaching.router,
        live.router,
        session.router,
    ):
        app.include_router(router)
    app.get("/", include_in_schema=False)(page)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    _answer_errors(app)
    app.add_middleware(Brief, patience=settings.patience)  # the innermost
    app.add_middleware(Ending, under_way=under_way)
    app.add_middleware(Heads)
    app.add_middleware(Metered, meters=service.meters)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Lingering)
    return app


def page() -> FileResponse:
    """The page for people."""
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


def _answer_errors(app: FastAPI) -> None:
    """What is raised → a status and {"error": a sentence}."""

    def refusal(status: int, told: str, headers: Mapping[str, str] | None = None) -> Response:
        body = json.dumps({"error": over_http(written(told))}, ensure_ascii=False).encode()
        return Response(body, status, headers, media_type="application/json")

    async def on_earmark(asked: Request | WebSocket, error: Exception) -> Response | None:
        if isinstance(asked, WebSocket):  # let in first: of a line that was not, nobody sees why
            await asked.accept()
            await live.refuse(asked, str(error), 1008)
            return None
        kinds = ((Busy, 503), (TooLong, 413), (UnknownName, 404), (EarmarkError, 422))
        status = next(status for kind, status in kinds if isinstance(error, kind))
        return refusal(status, str(error), {"Retry-After": str(error.seconds)} if isinstance(error, Busy) else None)

    async def on_refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return refusal(error.status, str(error), {"Connection": "close"})

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, Refused):  # while FastAPI read the body
            return await on_refused(_, error.__cause__)
        if error.status_code == 400:  # FastAPI's, of a body that is not even text
            return refusal(422, "the body cannot be read: send JSON, in UTF-8")
        return refusal(error.status_code, str(error.detail), error.headers)

    async def on_question(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return refusal(422, "; ".join(map(_wrong, error.errors())))

    async def on_line(line: WebSocket, error: Exception) -> None:
        assert isinstance(error, WebSocketRequestValidationError)
        await on_earmark(line, EarmarkError("; ".join(map(_wrong, error.errors()))))

    async def on_left(_: Request, error: Exception) -> Response:
        return refusal(GONE, "nobody waits for it")

    async def on_system(_: Request, error: Exception) -> Response:
        told = disks.told(error) if isinstance(error, OSError | sqlite3.Error) else None
        if told is not None:
            log.warning("a request failed: %s (%s)", told, error)
        else:
            log.exception("a request failed", exc_info=error)
            if isinstance(error, sqlite3.Error):
                return await on_mistake(_, error)
        told = told or f"the service has no room for this just now ({type(error).__name__})"
        return refusal(503, told, {"Retry-After": "30"})

    async def on_mistake(_: Request, error: Exception) -> Response:
        return refusal(500, f"a mistake in the service: {type(error).__name__}. Its log tells where")

    handlers: dict[Any, Any] = {
        EarmarkError: on_earmark, Refused: on_refused, HTTPException: on_http, RequestValidationError: on_question,
        WebSocketRequestValidationError: on_line,
        Left: on_left, OSError: on_system, MemoryError: on_system, sqlite3.Error: on_system, Exception: on_mistake,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _wrong(told: Mapping[str, Any]) -> str:
    """What is wrong with a value of a question, in pydantic's words, and which it was where that is a word or a number."""
    given, sentence = told.get("input"), str(told["msg"])
    short = isinstance(given, str | int | float) and len(str(given)) <= SHOWN and repr(given) not in sentence
    return f"{' '.join(map(str, told['loc'][1:])) or 'body'}: {sentence}" + (f". It is {given!r}" if short else "")


def run(
    settings: Settings,
    taggers: Mapping[str, AnyTagger],
    say: Callable[[str], None] = log.info,
    load: Load = loading.load,
) -> None:
    """Serve until it is stopped. Raises EarmarkError."""
    import uvicorn

    with _listening(settings) as listener:
        app = build(settings, taggers, load)
        host, port = listener.getsockname()[:2]
        place = f"[{host}]" if ":" in host else host
        say(f"earmark serves {', '.join(taggers)} at http://{place}:{port}/ · stop it with Ctrl-C")
        if settings.recordings is not None:
            say(f"recordings of {settings.recordings}; jobs and reviews are kept in {settings.kept}")
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            ws_max_size=LARGEST_MESSAGE,
            timeout_graceful_shutdown=settings.stop_seconds,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _listening(settings: Settings) -> socket.socket:
    """Raises EarmarkError where the place is taken or is none of this machine's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise EarmarkError(
            f"cannot listen at {settings.host}, port {settings.port} ({error.strerror}). Take another --port, such as 0 for one "
            "that is free, or another --host"
        ) from error
