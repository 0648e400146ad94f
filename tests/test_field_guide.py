"""The page for those who type commands and write none: each of its lines does what the page says, in the page's order."""

from __future__ import annotations

import csv
import hashlib
import re
import shlex
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark
from tests.tflites import tiny

pytest.importorskip("torch")
from earmark.cli.terminal import adopting
from earmark.models.adopted import fetching

PAGE = Path(__file__).parent.parent / "docs" / "field-guide.md"
RATE = 16_000
SOUNDS = ("owl", "fox")
BEGAN = ("20260427_033000", "20260427_235950", "20260428_053000")
SECONDS, CALLS = 50, 12  # the last quarter has none: from somewhere background must be drawn

pytestmark = pytest.mark.usefixtures("sketched")


def lines() -> list[list[str]]:
    """The words of each line of its blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def call(tag: str, chance: np.random.Generator) -> np.ndarray:
    """A second that swells and dies away: of a fox hiss, of an owl hiss that is cut off eight times."""
    time = np.arange(RATE) / RATE
    cut = (time * 8 % 1 < 0.3) if tag == "owl" else 1.0
    return 0.3 * np.sin(np.pi * time) * cut * chance.normal(size=RATE) + 0.003 * chance.normal(size=RATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """What the page begins with, and what is heard in its recordings: a fox three times as often as an owl."""
    folder = tmp_path_factory.mktemp("field")
    chance = np.random.default_rng(0)
    for tag in SOUNDS:
        (folder / "sounds" / tag).mkdir(parents=True)
        for number in range(6):
            soundfile.write(folder / "sounds" / tag / f"{tag}{number}.wav", call(tag, chance), RATE)
    rows = [("recording", "onset", "tag")]
    for where in ("recordings", "winter"):
        (folder / where).mkdir()
        for began in BEGAN:
            wave = 0.01 * chance.normal(size=SECONDS * RATE)
            for number in range(CALLS if where == "recordings" else 0):
                onset, tag = 3 * number + 1, ("fox", "fox", "fox", "owl")[number % 4]
                wave[onset * RATE : (onset + 1) * RATE] += call(tag, chance)
                rows.append((f"MEADOW_{began}.wav", onset, tag))
            soundfile.write(folder / where / f"MEADOW_{began}.wav", wave, RATE)
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def fetched(tmp_path, monkeypatch) -> Iterator[None]:
    """What is fetched comes from this machine, and is a small net of YAMNet's layout."""
    made = {
        "net": tiny(widths=(8, 8, 96)).data,
        "labels": b"index,mid,display_name\n0,/m/1,Dog\n1,/m/2,Rain\n2,/m/3,Wind\n",
    }
    known = fetching.KNOWN["yamnet"]
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        homes = {}
        for name, data in made.items():
            (tmp_path / name).write_bytes(data)
            homes[name] = fetching.Home(
                getattr(known, name).name,
                (f"http://127.0.0.1:{server.server_port}/{name}",),
                hashlib.sha256(data).hexdigest(),
                len(data),
            )
        monkeypatch.setitem(fetching.KNOWN, "yamnet", replace(known, **homes))
        monkeypatch.setattr(adopting, "_add_graphs", lambda *_: False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def listen(place: Path) -> None:
    """Fill in the table as somebody would who hears the clips."""
    with (place / "truth.csv").open(newline="") as file:
        known = [(row["recording"], float(row["onset"]), row["tag"]) for row in csv.DictReader(file)]
    with (place / "review.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert (place / "review" / row["clip"]).is_file() or (place / row["clip"]).is_file()
        name, onset, offset = Path(row["recording"]).name, float(row["onset"]), float(row["offset"])
        right = any(n == name and t == row["tag"] and at < offset and onset < at + 1 for n, at, t in known)
        row["answer"] = "right" if right else "wrong"
    with (place / "review.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_its_lines_lead_from_recordings_to_a_table(place, fetched):
    said = {}
    for words in lines():
        told = earmark(*words, cwd=place)
        assert told.returncode == 0, (words, told.stderr)
        said.setdefault(words[0], told)
        if words[:2] == ["review", "heard"]:
            listen(place)
        if words[:2] == ["review", "--summary"]:
            rows = [line.split("\t") for line in told.stdout.splitlines()]
            assert rows[1][0] in SOUNDS
    with (place / "heard/events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["event_label"] for row in rows} <= set(SOUNDS) and len(rows) >= 20
    assert all(row["onset_time"].startswith("2026-04-2") for row in rows)
    assert "2026-04-28T00:00" in " ".join(row["onset_time"] for row in rows)  # over midnight
    assert list((place / "clips/owl").glob("*.wav")) and (place / "counts.png").stat().st_size
    assert "winter" in said["alarms"].stdout


def test_it_shows_every_verb_of_the_way_and_none_that_is_not():
    from earmark import cli

    verbs = [words[0] for words in lines()]
    assert list(dict.fromkeys(verbs)) == [
        "adopt",
        "start",
        "train",
        "events",
        "convert",
        "review",
        "calibrate",
        "retrain",
        "alarms",
    ]
    assert set(re.findall(r"`earmark (\w+)", PAGE.read_text(encoding="utf-8"))) <= {
        path.stem for path in Path(cli.__file__).parent.glob("*.py")
    }
