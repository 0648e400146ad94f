"""What the service counts, for Prometheus: requests by path and status, how long they took, sound heard, tags and events told."""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)  # s


class Meters:
    """Counters of one service."""

    def __init__(self, taken: Callable[[], float]):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "earmark_requests", "Requests answered.", ("path", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "earmark_request_seconds", "Until the answer ended.", ("path",), buckets=BUCKETS, registry=self.registry
        )
        self.heard = Counter(
            "earmark_sound_seconds", "Seconds of sound heard.", ("path", "tagger"), registry=self.registry
        )
        self.labels = Counter(
            "earmark_labels", "Tags and events told.", ("path", "tagger", "tag"), registry=self.registry
        )
        Gauge("earmark_taken", "Requests that are worked on or wait.", registry=self.registry).set_function(taken)

    def answered(self, path: str, tagger: str, seconds: float, labels: Iterable[str]) -> None:
        """An answer of a tagger."""
        self.heard.labels(path, tagger).inc(seconds)
        for tag, count in Counted(labels).items():
            self.labels.labels(path, tagger, tag).inc(count)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Metered:
    """An ASGI application whose requests are counted, by the paths of routes: those that anybody makes up are all one."""

    def __init__(self, app: ASGIApp, meters: Meters):
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), [500]

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            path = getattr(scope.get("route"), "path", None) or "other"
            self.meters.requests.labels(path, scope["method"], str(status[0])).inc()
            self.meters.seconds.labels(path).observe(time.monotonic() - began)
