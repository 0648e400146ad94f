"""A headless Chromium that a test leads: it opens a page, runs scripts in it, presses keys, drops files and takes pictures.

It is led through its own protocol (DevTools) over a WebSocket on loopback, so that nothing but the browser is needed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0  # s, for what a test waits for
# to a browser that nobody speaks with for minutes, on a machine that is busy: no answer to a ping is no reason to leave it
LINE: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None}
SILENT_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # Chromium's own beeps


def installed() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page. console: what it complained of. asked: the addresses that it loaded."""

    def __init__(self, line: ClientConnection):
        self.line, self.number = line, 0
        self.console: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **values: Any) -> dict[str, Any]:
        """What the browser answers to a command."""
        self.number += 1
        self.line.send(json.dumps({"id": self.number, "method": method, "params": values}))
        while True:
            told = json.loads(self.line.recv(timeout=PATIENCE))
            if told.get("id") == self.number:
                assert "error" not in told, (method, told)
                return told["result"]
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        match told.get("method"):
            case "Runtime.exceptionThrown":
                self.console.append(json.dumps(told["params"]["exceptionDetails"])[:800])
            case "Log.entryAdded" if told["params"]["entry"]["level"] in ("error", "warning"):
                self.console.append(told["params"]["entry"]["text"] + " " + told["params"]["entry"].get("url", ""))
            case "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])

    def size(self, width: int, height: int = 900, dark: bool = False) -> None:
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.tell("Emulation.setEmulatedMedia", features=scheme)

    def open(self, url: str) -> None:
        self.tell("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; of a promise what it comes to."""
        told = self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, condition: str, seconds: float = PATIENCE) -> Any:
        """The value of an expression once it is true."""
        until = time.monotonic() + seconds
        while not (value := self.run(condition)):
            assert time.monotonic() < until, f"never came true: {condition}; complaints: {self.console}"
            time.sleep(0.05)
        return value

    def press(self, key: str, text: str = "", shift: bool = False) -> None:
        """A key down and up, as a keyboard sends it."""
        codes = {
            "Tab": 9,
            "Enter": 13,
            " ": 32,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
            "Escape": 27,
        }
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = text or ("\r" if key == "Enter" else key if len(key) == 1 else "")
        told = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **told, **({"text": text} if text else {}))
        self.tell("Input.dispatchKeyEvent", type="keyUp", **told)

    def choose(self, selector: str, *files: Path) -> None:
        """Files for an input of files, as its dialogue gives them."""
        root = self.tell("DOM.getDocument")["root"]["nodeId"]
        node = self.tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.tell("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop(self, selector: str, *files: Path) -> None:
        """Files dropped onto the middle of an element."""
        box = self.run(
            f"((b) => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.tell("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)

    def middle(self, selector: str) -> tuple[float, float]:
        """Of what is seen of an element, in the window."""
        x, y = self.run(
            f"((b) => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        return x, y

    def drag(self, selector: str, right: float, finger: bool = False) -> None:
        """From the middle of an element so many pixels to the right, with the mouse or a finger."""
        x, y = self.middle(selector)
        steps = [(x + right * share, y) for share in (0, 0.3, 0.7, 1)]
        if finger:
            for kind, at in zip(("touchStart", *["touchMove"] * 3), steps, strict=True):
                points = [{"x": at[0], "y": at[1]}]
                self.tell("Input.dispatchTouchEvent", type=kind, touchPoints=points)
            self.tell("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            return
        for kind, at in zip(("mousePressed", *["mouseMoved"] * 3, "mouseReleased"), [*steps, steps[-1]], strict=True):
            more = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1, "clickCount": 1}
            self.tell("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)

    def picture(self, path: Path, whole: bool = True) -> None:
        told = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))


class Chromium:
    """A browser that runs: each of its pages has cookies, storage and cache of its own, as in a browser that was just started."""

    def __init__(self, line: ClientConnection, port: str):
        self.line, self.port, self.number = line, port, 0

    def tell(self, method: str, **values: Any) -> dict[str, Any]:
        self.number += 1
        self.line.send(json.dumps({"id": self.number, "method": method, "params": values}))
        while (told := json.loads(self.line.recv(timeout=PATIENCE))).get("id") != self.number:
            continue
        assert "error" not in told, (method, told)
        return told["result"]

    @contextmanager
    def page(self) -> Iterator[Browser]:
        own = self.tell("Target.createBrowserContext")["browserContextId"]
        try:
            page = self.tell("Target.createTarget", url="about:blank", browserContextId=own)["targetId"]
            place = f"ws://127.0.0.1:{self.port}/devtools/page/{page}"
            with connect(place, **LINE) as line:
                browser = Browser(line)
                browser.tell("Page.bringToFront")
                yield browser
        finally:
            self.tell("Target.disposeBrowserContext", browserContextId=own)


@contextmanager
def started(*flags: str) -> Iterator[Chromium]:
    """The process is ended by its id."""
    # a browser that has been ended may still write into its profile for a moment
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield from _started(Path(folder), flags)


def _started(folder: Path, flags: Sequence[str]) -> Iterator[Chromium]:
    """folder: for its profile."""
    program = installed()
    assert program is not None
    words = [
        program,
        "--headless=new",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        "--mute-audio",
    ]
    words += [
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
        "--autoplay-policy=no-user-gesture-required",
    ]
    words += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", *flags]
    words += ["--no-sandbox"] if os.geteuid() == 0 else []  # root cannot have one
    process = subprocess.Popen([*words, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        place = folder / "profile" / "DevToolsActivePort"
        until = time.monotonic() + PATIENCE
        while not (place.exists() and place.read_text().count("\n")):
            assert process.poll() is None and time.monotonic() < until, "the browser did not start"
            time.sleep(0.05)
        port, path = place.read_text().split("\n")[:2]
        with connect(f"ws://127.0.0.1:{port}{path}", **LINE) as line:
            yield Chromium(line, port)
    finally:
        process.terminate()
        process.wait(30)
