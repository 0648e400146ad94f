"""The service answers as the commands do, to the byte; what it refuses it refuses with a sentence."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests import small
from tests.program import earmark
from tests.serve.conftest import HERE

from earmark.serve import app
from earmark.serve.app import build
from earmark.serve.left import LOCK
from earmark.serve.settings import Settings


def sent(path: Path) -> dict:
    return {"files": {"file": (path.name, path.read_bytes())}}


def test_tags_are_those_of_the_command(service, clips):
    for path in clips:
        for options, words in (({}, []), ({"top": 10, "gain": 6}, ["--top", "10", "--gain", "6"])):
            told = service.post("/v1/tags", params=options, **sent(path))
            printed = earmark("tag", path.name, "--json", *words, cwd=path.parent)
            assert told.status_code == 200, told.text
            assert told.content == printed.stdout.encode(), path


@pytest.mark.parametrize("form", ["json", "csv", "tsv", "audacity", "raven"])
def test_events_are_those_of_the_command(service, clips, form):
    for path in clips if form == "json" else clips[:1]:  # of one recording in every form: what is written is the same
        told = service.post(
            "/v1/events", params={"threshold": 0.2, "gap": 0.5, "low": 0.05, "format": form}, **sent(path)
        )
        words = ["--threshold", "0.2", "--gap", "0.5", "--low", "0.05", "--format", form]
        printed = earmark("events", path.name, *words, cwd=path.parent)
        assert told.status_code == 200, told.text
        assert told.content == printed.stdout.encode(), path


def test_a_share_of_a_threshold_is_above_nought(service, clips):
    told = service.post("/v1/events", params={"low": 0}, **sent(clips[0]))
    assert told.status_code == 422 and "low" in told.text


def test_embeddings_are_the_file_of_the_command(service, clips, tmp_path):
    path = clips[0]
    told = service.post("/v1/embeddings", params={"format": "parquet"}, **sent(path))
    earmark("embed", path.name, "-o", tmp_path / "e.parquet", cwd=path.parent)
    assert told.content == (tmp_path / "e.parquet").read_bytes()
    table = pyarrow.parquet.read_table(tmp_path / "e.parquet")
    rows = service.post("/v1/embeddings", **sent(path)).json()["rows"]
    assert [row["vector"] for row in rows] == table["vector"].to_pylist()
    assert [row["start"] for row in rows] == table["start"].to_pylist()


def test_the_body_may_be_the_file_itself(service, tone):
    by_form = service.post("/v1/tags", **sent(tone))
    for kind in ("audio/wav", "application/octet-stream"):
        plain = service.post(
            "/v1/tags", params={"name": "tone.wav"}, content=tone.read_bytes(), headers={"Content-Type": kind}
        )
        assert plain.content == by_form.content
    assert service.post("/v1/tags", content=tone.read_bytes()).json()[0]["path"] == "recording"


def test_what_was_done_to_the_sound_is_told(service, tone):
    notes = json.loads(service.post("/v1/tags", **sent(tone)).headers["Earmark-Notes"])
    assert notes == [
        "tone.wav: 2 channels mixed to one (mean)",
        "tone.wav: has digital silence in part of it, where nothing is heard",
    ]


def test_integers_as_floats_are_told(service, tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.full(44_100, 20_000, np.float32), 44_100, subtype="FLOAT")
    for question in ("tags", "events", "embeddings"):
        told = service.post(f"/v1/{question}", **sent(tmp_path / "loud.wav")).headers["Earmark-Notes"]
        assert "as integers do that nobody divided by 32768" in told


def test_a_name_is_no_place(service, tone, tmp_path):
    name = f'../..{tmp_path}/é\u202e"x.wav'
    (told,) = service.post("/v1/tags", params={"name": name}, content=tone.read_bytes()).json()
    assert told["path"] == name
    assert list(tmp_path.iterdir()) == []
    assert service.post("/v1/tags", params={"name": "x" * 256}, content=tone.read_bytes()).status_code == 422


REFUSED = [
    ("/v1/tags", {"content": b"{}", "headers": {"Content-Type": "application/json"}}, 415, "the body is application/json: send"),
    ("/v1/tags", {"content": b""}, 422, "recording: is empty (0 bytes)"),
    ("/v1/tags", {"content": b"no sound\n" * 9}, 422, "recording: is no recording: it is text"),
    ("/v1/tags", {"files": {"other": b"RIFF"}}, 422, "the form has no file in its field `file`"),
    ("/v1/tags", {"files": {"file": b"RIFF"}, "data": {"top": "5"}}, 422, "the form has a field 'top' beside `file`"),
    ("/v1/tags", {"data": {"file": "text"}, "files": {}}, 415, "application/x-www-form-urlencoded"),
    ("/v1/tags", {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 422, "the form cannot be read"),
    ("/v1/tags?tagger=esc1", {"content": b"RIFF"}, 404, "esc1: no such tagger here, did you mean 'esc10'?"),
    ("/v1/tags?top=0", {"content": b"RIFF"}, 422, "top: Input should be greater than or equal to 1. It is '0'"),
    ("/v1/tags?top=three", {"content": b"RIFF"}, 422, "unable to parse string as an integer. It is 'three'"),
    ("/v1/tags?gain=nan", {"content": b"RIFF"}, 422, "gain"),
    ("/v1/events?threshold=0", {"content": b"RIFF"}, 422, "threshold: Input should be greater than 0. It is '0'"),
    ("/v1/events?format=doc", {"content": b"RIFF"}, 422, "It is 'doc'"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "how", "status", "told"), REFUSED)
def test_refusals(service, path, how, status, told):
    answer = service.post(path, **how)
    assert answer.status_code == status and set(answer.json()) == {"error"}
    assert told in answer.json()["error"]


@pytest.mark.parametrize("kind", [
    "application/zip", "application/pdf", "application/xml", "application/json", "application/x-www-form-urlencoded", "text/html",
    "image/png", "model/stl", "font/ttf", "multipart/mixed", "nonsense", "APPLICATION/ZIP; charset=x",
])  # fmt: skip
def test_types_that_are_no_sound(service, tone, kind):
    """Though the body were one."""
    for path in ("/v1/tags", "/v1/recordings"):
        answer = service.post(path, content=tone.read_bytes(), headers={"Content-Type": kind})
        told = kind.partition(";")[0].lower()
        assert answer.status_code == 415 and answer.json()["error"].startswith(f"the body is {told}: send the bytes"), (
            path
        )


@pytest.mark.parametrize(
    "kind", ["audio/ogg", "Audio/WAV; rate=1", "video/mp4", "application/octet-stream", "application/ogg", None]
)
def test_types_that_may_be_sound(service, tone, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    assert service.post("/v1/tags", content=tone.read_bytes(), headers=headers).status_code == 200


def test_thresholds_that_were_never_chosen(service, tone):
    answer = service.post("/v1/tags", params={"heard": True}, **sent(tone))
    assert (answer.status_code, answer.json()["error"][:30]) == (422, "heard: this tagger knows no th")


@pytest.fixture
def little(esc10):
    """Takes 100,000 bytes, and a second of sound."""
    with TestClient(
        app.build(Settings(most_bytes=100_000, most_seconds=1.0), {"esc10": esc10}), base_url=HERE
    ) as client:
        yield client


def test_too_large_and_too_long(little, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(40_000), 32_000)
    told = little.post("/v1/tags", **sent(tmp_path / "long.wav"))
    assert (
        told.status_code == 413
        and "long.wav: lasts longer than the 1 s that this service hears" in told.json()["error"]
    )
    told = little.post("/v1/tags", content=bytes(100_001))
    assert (
        told.status_code == 413
        and "the body has 100,001 bytes or more, and this service takes 100,000" in told.json()["error"]
    )

    def drops():  # without a length that is told before
        for _ in range(11):
            yield bytes(10_000)

    assert little.post("/v1/tags", content=drops()).status_code == 413
    form = little.post("/v1/tags", files={"file": ("x.wav", bytes(100_000))})
    assert form.status_code == 413
    spool = little.app.state.service.spool
    assert spool.bytes == 0 and [file.name for file in spool.folder.iterdir()] == [LOCK]


def test_sound_that_unfolds_is_stopped(little, tmp_path):
    """An hour of silence is a few bytes of FLAC: it is counted as it is decoded, whatever its header says."""
    soundfile.write(tmp_path / "bomb.flac", np.zeros(3600 * 8000, np.int16), 8000)
    data = bytearray((tmp_path / "bomb.flac").read_bytes())
    assert len(data) < 100_000
    assert little.post("/v1/tags", content=bytes(data)).status_code == 413
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # STREAMINFO: the number of samples is not known
    assert little.post("/v1/tags", content=bytes(data)).status_code == 413


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAV", "PCM_U8"), ("AIFF", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
     ("AU", "ULAW"), ("CAF", "PCM_32"), ("MP3", "MPEG_LAYER_III")],
)  # fmt: skip
def test_what_is_too_long_is_refused_in_every_format(little, tmp_path, container, subtype):
    """Whatever is asked, also where its header alone tells how long it is; what is not is taken."""
    spool = little.app.state.service.spool
    for seconds, status in ((1.2, 413), (0.9, 200)):
        wave = 0.1 * np.sin(np.arange(round(seconds * 8000)) / 5)
        soundfile.write(tmp_path / "a", wave, 8000, format=container, subtype=subtype)
        for path in ("/v1/tags", "/v1/events", "/v1/embeddings", "/v1/recordings"):
            told = little.post(path, content=(tmp_path / "a").read_bytes(), params={"name": "a"})
            wanted = 201 if (path, status) == ("/v1/recordings", 200) else status
            assert told.status_code == wanted, (path, seconds, told.text)
            if status == 413:
                assert told.json()["error"].startswith("a: lasts longer than the 1 s that this service hears at once")
                assert spool.bytes == 0


@pytest.fixture
def small_service() -> Iterator[TestClient]:
    """With a tagger that takes a hundredth of the time."""
    taggers = {"small": small.tagger("convnet1d", 0.5, 0.25)}
    with TestClient(build(Settings(workers=2), taggers), base_url=HERE) as client:
        yield client


def test_nasty_files_are_answered_or_refused(small_service, data):
    """Each as the command answers it: never a mistake of the service."""
    service = small_service
    folder = data / "nasty"
    with (folder / "manifest.csv").open(newline="") as table:
        names = [row["file"] for row in csv.DictReader(table)]
    files = [folder / "files" / name for name in names if (folder / "files" / name).is_file()]
    assert len(files) > 50
    seen = {}
    for path in files:
        told = service.post("/v1/tags", **sent(path))
        seen[told.status_code] = seen.get(told.status_code, 0) + 1
        assert told.status_code in (200, 413, 422), (path.name, told.status_code, told.text)
        if told.status_code == 422:
            assert set(told.json()) == {"error"} and str(service.app.state.service.spool.folder) not in told.text, (
                told.text
            )
            assert path.name in told.json()["error"]
    assert set(seen) == {200, 422}


def test_taggers_and_health(service, esc10):
    told = service.get("/v1/taggers").json()
    assert told["limits"] == {"bytes": 512_000_000, "seconds": 3600.0}
    (tagger,) = told["taggers"]
    assert (tagger["name"], tuple(tagger["tags"])) == ("esc10", esc10.vocabulary)
    assert (tagger["identity"], tagger["calibrated"]) == (esc10.identity(), False)
    assert service.get("/healthz").json() == {"status": "ok"}
    assert service.get("/readyz").json() == {"status": "ok", "taken": 0, "room": 34, "told": None}


def test_what_is_counted(service, tone):
    service.post("/v1/events", params={"threshold": 0.01}, **sent(tone))
    text = service.get("/metrics").text
    assert 'earmark_requests_total{method="POST",path="/v1/events",status="200"}' in text
    assert 'earmark_sound_seconds_total{path="/v1/events",tagger="esc10"}' in text
    assert 'earmark_labels_total{path="/v1/events",tag="' in text
    service.get("/made/up")
    assert "/made/up" not in service.get("/metrics").text
