"""Made-up reports, and a browser that tells what a page does, shared by the tests of reports."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.data import manifest as manifests
from earmark.data.manifest import Manifest
from earmark.scores import Scores

TAGS = ("dog", "rain", "siren", "saw")


def scored(values: np.ndarray, ids: list[str], tags: tuple[str, ...] = TAGS) -> Scores:
    rows = len(ids)
    return Scores(values.astype(np.float32), np.array(ids), np.zeros(rows), np.ones(rows), tags)


def made(truth: list[list[str]], tags: tuple[str, ...] = TAGS, groups: list[str] | None = None) -> Manifest:
    ids = [f"c{i:02d}" for i in range(len(truth))]
    columns = {"id": ids, "path": [f"audio/{i}.wav" for i in ids], "tags": truth, "group": groups}
    return manifests.build(columns, "/recordings", vocabulary=tags)


def single(rows: int = 40, seed: int = 0, strength: float = 1.5) -> tuple[Scores, Manifest]:
    """A tagger of middling quality for one tag a clip; two clips a group."""
    rng = np.random.default_rng(seed)
    own = np.arange(rows) % len(TAGS)
    values = rng.normal(size=(rows, len(TAGS)))
    values[np.arange(rows), own] += strength
    manifest = made([[TAGS[i]] for i in own], groups=[f"g{i // 8}{i % 4}" for i in range(rows)])
    return scored(values, manifest.ids.tolist()), manifest


def several(rows: int = 60, seed: int = 1, tags: tuple[str, ...] = TAGS) -> tuple[Scores, Manifest]:
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, len(tags))) < 0.3
    truth[0] = True
    manifest = made([[tag for tag, t in zip(tags, row, strict=True) if t] for row in truth], tags)
    values = 1 / (1 + np.exp(-rng.normal(size=truth.shape) - 2.0 * truth + 1))
    return scored(values, manifest.ids.tolist(), tags), manifest


def recorded(folder: Path, manifest: Manifest, seconds: float = 1.0) -> Manifest:
    """The same clips with recordings: tones that differ."""
    (folder / "audio").mkdir()
    t = np.arange(round(8000 * seconds)) / 8000
    for i, path in enumerate(manifest.table["path"].to_pylist()):
        soundfile.write(folder / path, 0.3 * np.sin(2 * np.pi * (200 + 10 * i) * t), 8000)
    columns = {name: manifest.table[name] for name in ("id", "path", "tags", "group")}
    return manifests.build(columns, folder, vocabulary=manifest.vocabulary)


@dataclass(frozen=True)
class Seen:
    """found: what the script gave to `out`. console: what the browser complained of. asked: what it wanted to load."""

    found: list[Any]
    console: list[str]
    asked: list[str]


Look = Callable[..., Seen]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """look(page, script) opens the page from its file, without a network, and runs the script in it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium here: install it to test pages in a browser")

    def open_page(page: str, script: str = "", *flags: str) -> Seen:
        script = (
            "addEventListener('load', async () => { const out = []; "
            "const hidden = () => [...document.querySelectorAll('.clip')].filter((c) => c.hidden).length; "
            "const press = (to, key) => to.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})); "
            f"try {{ {script} }} catch (error) {{ out.push(String(error)) }} "
            "const asked = performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith('data:'));"
            "const pre = document.createElement('pre'); pre.id = 'found'; pre.textContent = JSON.stringify([out, asked]); "
            "document.body.append(pre) })"
        )
        known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        page = page.replace("script-src ", f"script-src 'sha256-{known}' ", 1)
        file = tmp_path / "page.html"
        file.write_text(page.replace("</head>", f"<script>{script}</script></head>", 1), encoding="utf-8")
        command = [browser, "--headless", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=5000"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", *flags]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # root cannot have one
        done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120)
        told = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
        assert told, done.stderr[-2000:]
        out, asked = json.loads(html.unescape(told[1]))
        return Seen(out, [line for line in done.stderr.splitlines() if "CONSOLE" in line], asked)

    return open_page
