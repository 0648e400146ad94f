"""Sound that comes live is answered as the same samples in a file are, window by window and as a whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE

from earmark.serve.app import build
from earmark.serve.settings import Settings


def listened(
    service, wave: np.ndarray, rate: int, encoding: str = "f32le", step: int = 5000, query: str = ""
) -> list[dict]:
    """What is told of a wave that comes in pieces."""
    body = wave.astype("<f4").tobytes() if encoding == "f32le" else np.rint(wave * 32768).astype("<i2").tobytes()
    told = []
    with service.websocket_connect(f"ws://localhost/v1/live{query}") as line:
        line.send_text(json.dumps({"rate": rate, "encoding": encoding}))
        for first in range(0, len(body), step):
            line.send_bytes(body[first : first + step])
        line.send_text("end")
        while not told or "start" in told[-1]:
            told.append(json.loads(line.receive_text()))
            if "error" in told[-1]:
                break
    return told


@pytest.mark.parametrize("encoding", ["f32le", "s16le"])
def test_live_is_as_offline(service, esc10, clips, tmp_path, encoding):
    wave, rate = soundfile.read(clips[-1], dtype="float32")
    path = tmp_path / "same.wav"
    soundfile.write(path, wave, rate, subtype="FLOAT" if encoding == "f32le" else "PCM_16")
    *windows, whole = listened(service, wave, rate, encoding, query="?top=10")
    offline = esc10.score(path, windows=True)
    (tags,) = service.post("/v1/tags", params={"top": 10}, files={"file": ("live", path.read_bytes())}).json()
    assert {tag["label"] for tag in whole["tags"]} == {tag["label"] for tag in tags["tags"]}
    assert whole["duration"] == tags["duration"]
    for one, other in zip(whole["tags"], tags["tags"], strict=True):
        assert one["score"] == pytest.approx(
            other["score"], abs=1.1e-5
        )  # 1e-5 is what is promised, and six digits are told
    assert [row["start"] for row in windows] == pytest.approx(offline.windows.start.tolist(), abs=1e-6)
    for row, values in zip(windows, offline.windows.values, strict=True):
        by_name = {tag["label"]: tag["score"] for tag in row["tags"]}
        assert [by_name[name] for name in esc10.vocabulary] == pytest.approx(values.tolist(), abs=1.1e-5)
        assert row["late"] >= 0


def test_pieces_of_samples_do_not_matter(service, clips):
    wave, rate = soundfile.read(clips[-1], dtype="float32")
    one, other = (listened(service, wave[: 3 * rate], rate, step=step) for step in (997, 40_000))
    for row in (*one, *other):
        row.pop("late", None)
    assert one == other


@pytest.mark.parametrize(
    ("first", "told"),
    [("{}", "Field required"), ("no", "Invalid JSON"), ('{"rate": 10}', "greater than or equal to 1000"),
     ('{"rate": 16000, "encoding": "mp3"}', "String should match")],
)  # fmt: skip
def test_what_is_said_first(service, first, told):
    with service.websocket_connect("ws://localhost/v1/live") as line:
        line.send_text(first)
        said = json.loads(line.receive_text())["error"]
    assert said.startswith('first say {"rate": Hz') and told in said


@pytest.mark.parametrize(
    ("query", "told"),
    [("?topp=3", "topp: /v1/live takes no such parameter, did you mean 'top'? It takes tagger, top"),
     ("?top=1&top=2", "top: is given 2 times"),
     ("?top=0", "top: Input should be greater than or equal to 1")],
)  # fmt: skip
def test_what_is_asked_in_the_address(service, query, told):
    with service.websocket_connect(f"ws://localhost/v1/live{query}") as line:
        assert json.loads(line.receive_text())["error"].startswith(told)
        assert line.receive()["code"] == 1008


@pytest.fixture
def hasty(esc10):
    """It waits for nobody."""
    with TestClient(build(Settings(patience=0.3), {"esc10": esc10}), base_url=HERE) as client:
        yield client


@pytest.mark.parametrize("seconds", [0, 0.2, 6])
def test_sound_that_stops_without_an_end_is_no_whole(hasty, seconds):
    """A stall is told, however much has come by then: windows that were whole, then why there is no more."""
    told = []
    with hasty.websocket_connect("ws://localhost/v1/live") as line:
        line.send_text(json.dumps({"rate": 16_000}))
        line.send_bytes(np.zeros(round(seconds * 16_000), "<f4").tobytes())
        while not told or "error" not in told[-1]:
            told.append(json.loads(line.receive_text()))
        assert line.receive()["code"] == 1008
    assert told[-1]["error"].startswith("neither sound nor the text end came for 0.3 s: what has come is not the whole")
    assert all("start" in each for each in told[:-1])


def test_nothing_is_said_first(hasty):
    with hasty.websocket_connect("ws://localhost/v1/live") as line:
        assert json.loads(line.receive_text())["error"].endswith(": nothing came for 0.3 s")
    with hasty.websocket_connect("ws://localhost/v1/live") as line:
        line.send_bytes(bytes(8))
        assert json.loads(line.receive_text())["error"].endswith(": bytes came before it")


def test_nothing_comes(service):
    (told,) = listened(service, np.zeros(0), 16_000)
    assert told["error"].startswith("live: no sound has come")


def test_values_that_are_no_numbers(service):
    told = listened(service, np.full(16_000, np.nan), 16_000)
    assert "no usable number" in told[-1]["error"]


def test_only_so_many_listen(service):
    for_all = service.app.state.service.settings.live
    service.app.state.service.listeners = for_all
    try:
        with service.websocket_connect("ws://localhost/v1/live") as line:
            assert "are listening live already" in json.loads(line.receive_text())["error"]
    finally:
        service.app.state.service.listeners = 0


@pytest.mark.parametrize("text", ["END", "end ", '"end"', '{"rate": 16000}', "", "x" * 5000])
def test_a_text_that_is_not_the_end(service, text):
    """It ends nothing by a slip of the pen: it is refused with the way out, and the line is closed."""
    with service.websocket_connect("ws://localhost/v1/live") as line:
        line.send_text(json.dumps({"rate": 16_000}))
        line.send_bytes(np.zeros(100, "<f4").tobytes())
        line.send_text(text)
        told = json.loads(line.receive_text())["error"]
        assert (
            told.endswith("is no text of this line: send samples as bytes, and at last the text end")
            and len(told) < 200
        )
        assert text[:60] in told
        assert line.receive()["code"] == 1008


@pytest.mark.parametrize("level", [0.5, 4.0])
def test_what_was_done_to_the_sound_is_told_as_of_a_file(service, tmp_path, level):
    """Such as that it goes beyond full scale, which makes scores of little worth."""
    wave = (level * np.sin(np.arange(16_000) / 5)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    sent = service.post("/v1/tags", files={"file": ("live", (tmp_path / "a.wav").read_bytes())})
    notes = json.loads(sent.headers.get("earmark-notes", "[]"))
    assert bool(notes) is (level > 1)
    assert listened(service, wave, 16_000)[-1]["notes"] == notes
