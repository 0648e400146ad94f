"""The page as somebody new meets it, given only the address: one long way through all of it, in headless Chromium.

Slow: it trains. Its screens become the pictures of the documentation, at 1400 and 400 px, light and dark, and show more recordings
and answers then, by

    EARMARK_SCREENS=docs python -m pytest -m slow tests/serve/test_journey.py
"""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.program import earmark
from tests.serve.browser import Browser
from tests.serve.process import Program, serving
from tests.serve.test_browser import READY, dropped, pressed

SCREENS = os.environ.get("EARMARK_SCREENS")
# recordings, clips of a tag to learn from, answers
SCENES, CLIPS_A_TAG, ANSWERS = (30, 4, 60) if SCREENS else (8, 1, 12)
TRAINED = 1500.0  # s, on a machine that has other things to do
WIDEST, MOST = 1000, 150_000  # px of a picture in the docs, bytes


@pytest.fixture(scope="module")
def truth(data) -> dict[str, list[tuple[float, float, str]]]:
    """What the soundscapes hold, by those who made them: onset, offset, tag."""
    found: dict[str, list[tuple[float, float, str]]] = {}
    for path in data.glob("esc10_soundscapes/metadata/*/strong.tsv"):
        with path.open(newline="") as table:
            for row in csv.reader(table, delimiter="\t"):
                if row[0] != "filename":
                    found.setdefault(Path(row[0]).name, []).append((float(row[1]), float(row[2]), row[3]))
    return found


@pytest.fixture(scope="module")
def program(data, tmp_path_factory) -> Iterator[Program]:
    root = tmp_path_factory.mktemp("journey")
    (root / "night").mkdir()
    for number, path in enumerate(sorted((data / "esc10_soundscapes").rglob("*.flac"))[:SCENES]):
        shutil.copy(path, root / "night" / f"{path.stem}_202605{14 + number // 24}_{number % 24:02}3000.flac")
    with (data / "esc10" / "meta" / "esc10.csv").open(newline="") as table:
        rows = [(row["category"], Path(row["filename"]).stem) for row in csv.DictReader(table)]
    lines = ["path,tags"]
    for tag in sorted({tag for tag, _ in rows}):
        stems = [stem for each, stem in rows if each == tag][: 5 * CLIPS_A_TAG : 5]
        lines += [f"{data}/esc10/audio/{stem}.ogg,{tag}" for stem in stems]
    (root / "clips.csv").write_text("\n".join(lines) + "\n")
    words = ["--recordings", root / "night", "--state", root / "state", "--clips", root / "clips.csv"]
    with serving(*words) as program:
        program.root = root
        yield program


@pytest.fixture
def page(program, chromium) -> Iterator[Browser]:
    with chromium.page() as browser:
        yield browser
        assert browser.console == []


def screen(page: Browser, name: str, *sizes: tuple[int, bool], top: str = "body") -> None:
    """Pictures of what is seen, where they are asked for. top: what they begin with."""
    page.tell("Emulation.setScrollbarsHidden", hidden=True)
    for width, dark in sizes:
        page.size(width, 900 if width > 600 else 800, dark=dark)
        page.run(f"document.querySelector({top!r}).scrollIntoView()")
        time.sleep(1.5 if SCREENS else 0.5)  # drawn anew for its width
        assert page.run("document.documentElement.scrollWidth") <= width
        if SCREENS:
            place = Path(SCREENS) / f"serve-{name}-{width}-{'dark' if dark else 'light'}.png"
            page.picture(place, whole=False)
            smaller(place)
    page.size(1400)


def smaller(place: Path) -> None:
    """Fewer pixels and colours, until a page of documentation may hold it."""
    from PIL import Image

    whole = Image.open(place).convert("RGB")
    for colours in (128, 64, 48, 32, 24, 16):
        scaled = whole.resize(
            (min(whole.width, WIDEST), round(whole.height * min(1, WIDEST / whole.width))), Image.Resampling.LANCZOS
        )
        scaled.quantize(colours, dither=Image.Dither.NONE).save(place, optimize=True)
        if place.stat().st_size < MOST:
            return
    raise AssertionError(f"{place} has {place.stat().st_size} bytes")


def told(page: Browser, selector: str) -> Any:
    return page.run(f"document.querySelector({selector!r}).textContent")


@pytest.mark.slow
def test_from_the_address_to_a_tagger_of_ones_own(page, program, data, truth):
    client = program.client
    page.size(1400)
    page.open(program.url)
    page.wait(READY)

    # drop a file
    scene = sorted((data / "esc10_soundscapes").rglob("*.flac"))[20]
    dropped(page, scene)
    screen(page, "listen", (1400, False), (400, True))

    # record
    page.run("document.querySelector('#record').click()")
    page.wait("document.querySelector('#record').textContent.startsWith('stop after 0:01')")
    page.run("document.querySelector('#record').click()")
    page.wait("document.querySelector('#what').textContent.startsWith('microphone ')")
    page.wait("document.querySelector('#events-told').textContent.length > 0")

    # find events in a folder
    page.run("location.hash = 'recordings'")
    page.wait("document.querySelectorAll('#files tbody tr').length > 0")
    page.run("document.querySelector('#begin').click()")
    page.wait("document.querySelector('#job-told').textContent.endsWith('.')", 300)
    job = client.get("/v1/jobs").json()["jobs"][0]
    assert (job["done"], job["unread"]) == (SCENES, 0) and job["events"] >= ANSWERS
    screen(page, "recordings", (1400, True), (400, False))

    # review by keyboard, as those who made the soundscapes would
    page.run("location.hash = 'review'")
    page.wait("document.querySelector('#question').textContent.startsWith('Is this')")
    for count in range(ANSWERS):
        asked = told(page, "#question-told")
        tag = told(page, "#question").removeprefix("Is this ").removesuffix("?").replace(" ", "_")
        name = asked.partition("_2026")[0] + ".flac"
        event = client.get(f"/v1/jobs/{job['id']}/next").json()["event"]
        assert event["name"] in asked and event["tag"] == tag
        right = any(
            onset < event["offset"] and event["onset"] < offset and tag == each for onset, offset, each in truth[name]
        )
        if count == ANSWERS // 2:
            page.wait("document.querySelectorAll('#examples li').length > 0")
            page.wait("document.querySelector('#cause-told').textContent.length > 0")
            screen(page, "review", (1400, False), (400, True))
        page.wait("document.activeElement.id === 'review-view' || !document.querySelector('#review-view .mark').hidden")
        pressed(
            page,
            "r" if right else "w",
            f"document.querySelector('#figures').textContent.includes('Answers {count + 1}r')",
        )
    assert client.get(f"/v1/jobs/{job['id']}/figures").json()["asked"] == ANSWERS

    # train again, and take the new tagger
    page.wait("!document.querySelector('#train').disabled")
    page.run("document.querySelector('#train').focus()")
    page.press("Enter")
    page.wait(
        "!!document.querySelector('#trainings article progress') || /failed/.test(document.querySelector('#trainings').textContent)",
        300,
    )
    assert "failed" not in told(page, "#trainings"), told(page, "#trainings")
    page.wait(
        "!!document.querySelector('#trainings article .main') "  # what changed may be told before it has ended
        "|| /failed/.test(document.querySelector('#trainings').textContent)", TRAINED,
    )  # fmt: skip
    training = client.get("/v1/training/1").json()
    assert training["state"] == "done" and training["answers"] == ANSWERS, training
    assert sum(row["events"] for row in training["changed"]) >= ANSWERS
    screen(page, "training", (1400, True), (400, False), top="#training")
    page.run("document.querySelector('#trainings .main').focus()")
    page.press("Enter")
    page.wait("document.querySelector('#trainings article').textContent.includes('was taken')")
    page.wait("document.querySelector('#tagger').options.length === 2")
    names = page.run("[...document.querySelector('#tagger').options].map((option) => option.value)")
    assert names == ["esc10", "esc10-before-1"]

    # what it says of a file, kept for Audacity, is what the command says with its file
    page.run("location.hash = 'listen'")
    dropped(page, scene)
    labels = page.run("fetch(document.querySelector('#as-audacity').href).then((answer) => answer.text())")
    (file,) = program.root.glob("state/trainings/1/run/*.safetensors")
    printed = earmark("events", scene.name, "--tagger", file, "--format", "audacity", cwd=scene.parent)
    assert labels == printed.stdout
