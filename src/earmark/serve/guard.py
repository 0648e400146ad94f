"""Who may ask, and what a browser may do with the answer: before and around everything else.

Host            must be an address, localhost or a name that the service was told: another site's name can be made to stand
                for this machine (DNS rebinding)
Origin          of what changes anything, and of a WebSocket, must be the service's own; no CORS header is ever sent
token           as `Authorization: Bearer TOKEN`, or the page's cookie; compared in constant time. Without one: /healthz,
                /readyz, the page's own files and where the page asks for the token
answers         no script, style or picture of another site, none within the page's text, no frame, no guessed type
"""

from __future__ import annotations

import hashlib
import hmac
import json
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.serve.settings import Settings

COOKIE = "earmark"  # and its port: browsers keep one for all ports of a host, where other services may be
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
OPEN = ("/", "/healthz", "/readyz", "/v1/session")  # and what lies in /page/
SAFE = ("GET", "HEAD", "OPTIONS")


def cookie_name(scope: Scope) -> str:
    """Of the page's cookie, by the port at which the service was reached, or a proxy reached it."""
    _, port = scope.get("server") or (None, None)
    return COOKIE if port is None else f"{COOKIE}-{port}"


def cookie_of(token: str) -> str:
    """What the page's cookie holds: the token itself is never sent back."""
    return hmac.new(token.encode(), b"the page of earmark", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """In a time that tells nothing."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, settings: Settings):
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refused = self.refused(scope)
        if refused is None:
            await self.app(scope, receive, self._guarded(scope, send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1][:120]})
        else:
            await _say(self._guarded(scope, send), *refused)

    def refused(self, scope: Scope) -> tuple[int, str] | None:
        """A status and why, of a request that is not let in."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.settings.known(host):
            return 421, (
                f"this service is not called {host!r}: ask for its address, or start it with --name for each name that it has"
            )
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changes and not _own(headers, host):
            return 403, "this was asked by a page of another site, which may not"
        if not self.admitted(scope, headers):
            return 401, "send the service's token, as the header `Authorization: Bearer TOKEN`"
        return None

    def admitted(self, scope: Scope, headers: Headers) -> bool:
        """Whether the token came with it, or none is needed."""
        token, path = self.settings.token, scope["path"].removeprefix(scope.get("root_path", ""))
        if token is None or path in OPEN or path.startswith("/page/"):
            return True
        kind, _, told = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and same(told.strip(), token):
            return True
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(cookie_name(scope))
        except CookieError:
            return False
        return held is not None and same(held.value, cookie_of(token))

    def _guarded(self, scope: Scope, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if not scope["path"].startswith("/page/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return guarded


def _own(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of this service asks; programs that are no browsers say nothing."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


async def _say(send: Send, status: int, told: str) -> None:
    body = json.dumps({"error": told}, ensure_ascii=False).encode("utf-8", "backslashreplace")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
