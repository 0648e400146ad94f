"""Sound that comes live over a WebSocket: tags of each window as soon as it is whole, and how late they are.

the client sends   first a text, {"rate": Hz, "encoding": "f32le" or "s16le"}, then samples of one channel as bytes, at last
                   the text "end"
it is told         texts: for each window what `earmark tag --format jsonl` prints of live sound, with `late`, seconds between
                   the arrival of the window's last sample and this line; at the end the tags of the whole, as of a file with
                   the same samples, and `notes`: what was done to the sound, as the header Earmark-Notes tells it of a file
it is refused      by a text {"error": …}, and the line is closed with 1008; so it is for a text that is not "end", and where
                   neither sound nor "end" comes for a minute: what has come is not the whole
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from bisect import bisect_left
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earmark.errors import EarmarkError, counted
from earmark.inference.engine import score
from earmark.inference.live import Raw
from earmark.inference.outputs import Choice, Format, piece, window_pieces
from earmark.inference.recordings import Failure, Part
from earmark.models.anytagger import AnyTagger
from earmark.serve.answers import How
from earmark.serve.api import Gain, Salvage
from earmark.serve.service import Here, Service
from earmark.serve.wording import over_http

KEPT = 4096  # messages whose arrival is remembered, at least
END = "end"
SHOWN = 60  # characters of a text that a refusal repeats
AHEAD = 200  # messages that may wait for the net; then the client waits
SIZES = {"f32le": 4, "s16le": 2}  # bytes of a sample
router = APIRouter()


class Opening(BaseModel):
    """What a client says first."""

    model_config = ConfigDict(extra="forbid")

    rate: Annotated[int, Field(ge=1000, le=384_000, description="Hz.")]
    encoding: Annotated[str, Field(pattern="^(f32le|s16le)$")] = "f32le"


@dataclass
class Coming:
    """Bytes on their way from the line to the tagger, as a file that blocks; and when which of them came."""

    rate: int
    size: int
    waiting: queue.Queue[bytes] = field(default_factory=lambda: queue.Queue(AHEAD))
    samples: list[float] = field(default_factory=list)  # seconds of sound that had come …
    times: list[float] = field(default_factory=list)  # … by then
    total: int = 0  # bytes
    over: threading.Event = field(default_factory=threading.Event)

    def read(self, count: int, /) -> bytes | None:
        """As `earmark.inference.live.Reader`."""
        try:
            return self.waiting.get(timeout=0.1)
        except queue.Empty:
            return b"" if self.over.is_set() else None

    def put(self, data: bytes) -> bool:
        """Whether there was room."""
        if not data:
            return True
        try:
            self.waiting.put_nowait(data)
        except queue.Full:
            return False
        self.total += len(data)
        self.samples.append(self.total / self.size / self.rate)
        self.times.append(time.monotonic())
        if len(self.times) > 2 * KEPT:  # days of it must not add up
            del self.times[:KEPT], self.samples[:KEPT]
        return True

    def late(self, end: float) -> float:
        """Seconds since the sound up to `end` had come."""
        at = min(bisect_left(self.samples, end - 1e-6), len(self.times) - 1)
        return max(0.0, time.monotonic() - self.times[at]) if self.times else 0.0


class Listener:
    """One line: a thread scores what comes, the line's own task sends what is said of it."""

    def __init__(self, tagger: AnyTagger, choice: Choice, opening: Opening, how: How, say: Any):
        self.tagger, self.choice, self.how, self.say = tagger, choice, how, say
        self.coming = Coming(opening.rate, SIZES[opening.encoding])
        self.sound = Raw(Path("live"), reader=self.coming, rate=opening.rate, encoding=opening.encoding)
        self.thread = threading.Thread(target=self._work, name="live", daemon=True)

    def _work(self) -> None:
        try:
            options: dict[str, Any] = {"workers": 1, "prompt": True, "on_part": self._part}
            options |= {"gain": self.how.gain, "salvage": self.how.salvage}
            with closing(score(self.tagger, [self.sound], **options)) as results:
                heard = next(iter(results))
            if isinstance(heard, Failure):
                self.say({"error": over_http(str(heard.error))})
            else:
                told = json.loads(piece(heard, self.choice.of(heard.values), Format.jsonl))
                self.say(told | {"notes": list(map(over_http, heard.notes))})
        except EarmarkError as error:
            self.say({"error": over_http(str(error))})
        except Exception as error:
            self.say({"error": f"a mistake in the service: {type(error).__name__}"})
            raise
        finally:
            self.say(None)

    def _part(self, part: Part) -> None:
        for line in window_pieces(part.windows, self.choice, Format.jsonl):
            told = json.loads(line)
            self.say(told | {"late": round(self.coming.late(told["end"]), 3)})

    def stop(self) -> None:
        self.coming.over.set()
        self.sound.stop()


@router.websocket("/v1/live")
async def live(
    line: WebSocket, here: Here, tagger: str | None = None, top: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    gain: Gain = 0.0, salvage: Salvage = False,
) -> None:  # fmt: skip
    """Tags of sound as it comes."""
    await line.accept()
    if here.listeners >= here.settings.live:
        await refuse(line, f"{counted(here.listeners, 'is', 'are')} listening live already: try again later", 1013)
        return
    here.listeners += 1
    try:
        await _listen(line, here, tagger, top, How(gain, salvage))
    finally:
        here.listeners -= 1


async def _listen(line: WebSocket, here: Service, tagger: str | None, top: int | None, how: How) -> None:
    try:
        _, asked = here.tagger(tagger)
        choice = Choice.asked(asked, top, False)
    except EarmarkError as error:  # of the question, not of what the client says first
        await refuse(line, str(error), 1008)
        return
    try:
        opening = Opening.model_validate_json(await asyncio.wait_for(line.receive_text(), here.settings.patience))
        out: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def say(told: Any) -> None:
            with suppress(RuntimeError):  # the loop's, which was closed when the service ended: nobody listens any more
                loop.call_soon_threadsafe(out.put_nowait, told)

        listener = Listener(asked, choice, opening, how, say)
    except (ValidationError, EarmarkError, KeyError, TimeoutError) as error:
        await refuse(
            line, f'first say {{"rate": Hz, "encoding": "f32le"}}: {_wrong(error, here.settings.patience)}', 1008
        )
        return
    except WebSocketDisconnect:
        return
    listener.thread.start()
    reading = asyncio.create_task(_take(line, listener, here.settings.patience, out))
    try:
        while (said := await out.get()) is not None:
            if isinstance(said, Broken):
                await refuse(line, str(said), 1008)
                return
            await line.send_text(json.dumps(said, ensure_ascii=False))
        await line.close()
    except (WebSocketDisconnect, RuntimeError):  # who listened is gone
        pass
    finally:
        listener.stop()
        reading.cancel()


def _wrong(error: Exception, patience: float) -> str:
    """Why there is no opening, in words."""
    match error:
        case ValidationError():
            return "; ".join(each["msg"] for each in error.errors())
        case TimeoutError():
            return f"nothing came for {patience:g} s"
        case KeyError():  # Starlette's, of a message that is no text
            return "bytes came before it"
    return str(error)


class Broken(EarmarkError):
    """Why a line is closed before all of the sound has come: a text that the client may not say, or nothing for too long."""


async def _take(line: WebSocket, listener: Listener, patience: float, out: asyncio.Queue[Any]) -> None:
    """What the client sends → the tagger, which may be slower: then the client waits. out: takes Broken for what means nothing, and
    where nothing comes any more.
    """
    try:
        while True:
            message = await asyncio.wait_for(line.receive(), patience)
            if message["type"] == "websocket.disconnect":
                listener.stop()
                return
            if (text := message.get("text")) == END:
                listener.coming.over.set()
                return
            if text is not None:
                shown = repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
                out.put_nowait(
                    Broken(f"{shown} is no text of this line: send samples as bytes, and at last the text {END}")
                )
                return
            while not listener.coming.put(message.get("bytes") or b""):
                await asyncio.sleep(0.05)
    except TimeoutError:
        out.put_nowait(
            Broken(
                f"neither sound nor the text {END} came for {patience:g} s: what has come is not the whole, of which nothing is told. "
                "Look why it stopped, and open the line again"
            )
        )


async def refuse(line: WebSocket, told: str, code: int) -> None:
    """Say why, and close the line."""
    await line.send_text(json.dumps({"error": over_http(told)}, ensure_ascii=False))
    await line.close(code)
