"""`earmark serve` as a program of its own, on loopback, ended by its id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass
class Program:
    process: subprocess.Popen[bytes]
    url: str
    client: httpx.Client

    def end(self, how: int = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


@contextmanager
def serving(*words: object, **environment: str) -> Iterator[Program]:
    command = [sys.executable, "-m", "earmark", "serve", "--port", "0", *map(str, words)]
    log = Path(tempfile.mkstemp(prefix="serving-")[1])  # a pipe that nobody reads would stop it
    with log.open("w") as out:
        process = subprocess.Popen(command, stderr=out, env=os.environ | environment)
    try:
        while (found := re.search(r"http://\S+/", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        with httpx.Client(base_url=found[0], timeout=60, trust_env=False) as client:
            yield Program(process, found[0], client)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        said = log.read_text()
        log.unlink()
    assert "Traceback" not in said, said[:3000]
