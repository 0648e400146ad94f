"""The queue: who comes when it is full is told when to come again, and who leaves is worked for no more."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE

from earmark.serve.app import build
from earmark.serve.settings import Settings
from earmark.serve.work import Busy, Desk, Left, Task


async def never() -> None:
    await asyncio.Event().wait()


def test_a_full_queue():
    desk, begun, free = Desk(1, 1), threading.Event(), threading.Event()

    def work(_: Task) -> str:
        begun.set()
        assert free.wait(30)
        return "done"

    async def all_of_them() -> None:
        first = asyncio.create_task(desk.run(work, never))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(desk.run(lambda _: "second", never))
        while desk.taken < 2:
            await asyncio.sleep(0.01)
        with pytest.raises(Busy, match="2 requests are worked on or wait already. Try again in"):
            desk.check()
        with pytest.raises(Busy) as told:
            await desk.run(lambda _: None, never)
        assert 1 <= told.value.seconds <= 120
        free.set()
        assert await asyncio.gather(first, second) == ["done", "second"]
        assert await desk.run(lambda _: "third", never) == "third"

    asyncio.run(all_of_them())
    desk.close()
    with pytest.raises(Busy, match="stopping"):
        desk.check()


def test_who_leaves_is_worked_for_no_more():
    desk, ended = Desk(1, 4), threading.Event()
    never_begun: list[int] = []

    def work(task: Task) -> None:
        try:
            while True:
                task.look()
                time.sleep(0.005)
        finally:
            ended.set()

    async def leaves() -> None:
        away = asyncio.Event()
        running = asyncio.create_task(desk.run(work, away.wait))
        waiting = asyncio.create_task(desk.run(lambda _: never_begun.append(1), away.wait))
        while desk.taken < 2:
            await asyncio.sleep(0.01)
        away.set()
        for each in (running, waiting):
            with pytest.raises(Left):
                await each
        assert await asyncio.to_thread(ended.wait, 30)

    asyncio.run(leaves())
    desk.close()
    assert never_begun == [] and desk.taken == 0


def test_a_full_service_says_when_to_come_again(esc10, tone):
    with TestClient(build(Settings(workers=1, waiting=0), {"esc10": esc10}), base_url=HERE) as client:
        here, free, begun = client.app.state.service, threading.Event(), threading.Event()
        blocked = threading.Thread(
            target=lambda: asyncio.run(here.desk.run(lambda _: begun.set() or free.wait(30), never))
        )
        blocked.start()
        assert begun.wait(30)
        try:
            answer = client.post("/v1/tags", content=tone.read_bytes())
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
            assert "1 request is worked on or waits already" in answer.json()["error"]
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()) == (503, {"status": "busy", "taken": 1, "room": 1, "told": None})
            assert client.get("/healthz").status_code == 200
        finally:
            free.set()
            blocked.join()
        while here.desk.taken:
            time.sleep(0.01)
        assert client.post("/v1/tags", content=tone.read_bytes()).status_code == 200
