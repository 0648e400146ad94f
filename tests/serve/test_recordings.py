"""What a page shows of a recording: peaks, spectrogram and sound are those of its samples, whatever range is asked for."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE
from tests.serve.process import serving

from earmark.models import loading
from earmark.serve import drawing, playing
from earmark.serve.app import build
from earmark.serve.left import LOCK
from earmark.serve.settings import Settings
from earmark.serve.sounds import Sent

RATE = 32_000


@pytest.fixture(scope="module")
def held(service, tone) -> str:
    told = service.post("/v1/recordings", files={"file": ("tone.wav", tone.read_bytes())})
    assert told.status_code == 201
    facts = told.json()
    assert facts == {
        "id": facts["id"], "name": "tone.wav", "seconds": 4.0, "sample_rate": RATE, "channels": 2, "codec": "PCM_24",
        "container": "WAV", "held": True,
    }  # fmt: skip
    return f"/v1/recordings/{facts['id']}"


def shades(body: bytes) -> np.ndarray:
    """The pixels of a grey PNG without filters, by the specification."""
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(body):
        (size,) = struct.unpack(">I", body[at : at + 4])
        name, content = body[at + 4 : at + 8], body[at + 8 : at + 8 + size]
        assert struct.unpack(">I", body[at + 8 + size : at + 12 + size]) == (zlib.crc32(name + content),)
        parts[name] = content
        at += 12 + size
    width, height, *form = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert form == [8, 0, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


def test_the_picture_is_one_that_others_read():
    wanted = np.arange(60, dtype=np.uint8).reshape(5, 12)
    image = pytest.importorskip("PIL.Image")
    assert np.array_equal(np.asarray(image.open(io.BytesIO(drawing.png(wanted)))), wanted)
    assert np.array_equal(shades(drawing.png(wanted)), wanted)


def test_peaks(service, held):
    told = service.get(f"{held}/peaks", params={"points": 4}).json()
    assert (told["start"], told["end"]) == (0.0, 4.0)
    assert told["high"] == [64, 64, 0, 0] and told["low"] == [-64, -64, 0, 0]  # 0.5 of 127
    part = service.get(f"{held}/peaks", params={"start": 1.9, "end": 2.1, "points": 2}).json()
    assert (part["high"], part["low"]) == ([64, 0], [-64, 0])


class Long:
    """Silence of some length, with a click now and then, in blocks that fit nothing."""

    def __init__(self, seconds: float, clicks: tuple[float, ...]):
        self.seconds, self.clicks = seconds, clicks

    def decoded(self, rate: int):
        total = round(self.seconds * rate)
        places = np.array([round(click * rate) for click in self.clicks])
        for first in range(0, total, 1_234_567):
            block = np.zeros(min(1_234_567, total - first), np.float32)
            block[places[(places >= first) & (places < first + len(block))] - first] = 0.5
            yield block


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 1001])
def test_a_waveform_from_afar_keeps_its_time(rate):
    """At the start and the end of an hour, also where a tenth of a second is no whole number of samples."""
    clicks = (2.0, 1800.0, 3595.0, 3599.0)
    low, high, total = drawing.coarse(Long(3600, clicks), rate)
    assert total == 3600 * rate and len(low) == len(high) == 36_000 and not low.any()
    seen = np.flatnonzero(high) / drawing.COARSE
    assert seen.tolist() == pytest.approx(clicks)
    _, seen_ = drawing.far(low, high, 3590.05, 3600.0, 1000)
    assert len(seen_) == 100
    _, part = drawing.far(low, high, 1700.0, 1900.0, 100)
    assert np.flatnonzero(part).tolist() == [50] and len(part) == 100


def test_a_waveform_of_fewer_samples_than_tenths():
    low, high, total = drawing.coarse(Long(60, (30.0,)), 3)
    assert (total, len(low)) == (180, 600) and 30.0 in np.flatnonzero(high) / drawing.COARSE


def test_the_waveform_of_a_file_from_afar_keeps_its_time(service, tmp_path):
    rate = 11_025
    wave = np.zeros(100 * rate + 500)  # it ends within a tenth of a second
    wave[99 * rate : 99 * rate + 200] = wave[-3:] = 0.5
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="PCM_16")
    told = service.post("/v1/recordings", files={"file": ("a.wav", (tmp_path / "a.wav").read_bytes())}).json()
    seen = service.get(f"/v1/recordings/{told['id']}/peaks", params={"start": 20, "end": 100, "points": 800}).json()
    assert np.flatnonzero(seen["high"]).tolist() == [790]
    end = service.get(f"/v1/recordings/{told['id']}/peaks", params={"start": 20, "points": 4000}).json()
    assert end["high"][-1] == 64


def test_a_tone_is_where_it_sounds(service, held):
    """1 kHz at half of full scale: -6.02 dB in the row that holds 1 kHz, for the first half of the time."""
    body = service.get(f"{held}/spectrogram", params={"width": 40, "height": 64})
    assert body.headers["content-type"] == "image/png"
    pixels = shades(body.content)
    assert pixels.shape == (64, 40)
    row = 63 - int(1000 / 16_000 * 64)  # rows of 250 Hz, the highest first: 1 kHz lies on an edge
    strongest = pixels[:, 5].argmax()
    assert strongest in (row, row + 1)
    # 255 is 0 dB, 0 is -120 dB; a bin may lie up to half its width beside the tone: Hann loses 1.42 dB there
    levels = (pixels[strongest, 2:17].astype(float) / 255 - 1) * 120
    assert (levels < -5.7).all() and (levels > -6.02 - 1.42 - 0.3).all()
    assert (pixels[:, 23:] == 0).all()
    zoomed = shades(
        service.get(f"{held}/spectrogram", params={"width": 9, "height": 9, "low": 900, "high": 1100, "end": 2}).content
    )
    assert (zoomed.argmax(0) == 4).all()


def test_a_tile_is_as_the_whole(service, clips):
    """Frames at the edges of a part look at what lies around it: tiles have no seams."""
    told = service.post("/v1/recordings", files={"file": (clips[-1].name, clips[-1].read_bytes())}).json()
    at = f"/v1/recordings/{told['id']}/spectrogram"
    whole = shades(service.get(at, params={"end": 8, "width": 800, "height": 100}).content)
    part = shades(service.get(at, params={"start": 2, "end": 4, "width": 200, "height": 100}).content)
    assert np.abs(whole[:, 200:400].astype(int) - part).max() <= 1


def test_what_cannot_be_drawn(service, held):
    for question, said in (
        ({"start": 4}, "there is nothing from 4 s to 4 s: the recording lasts 4.000 s"),
        ({"start": 2, "end": 1}, "there is nothing from 2 s to 1 s"),
        ({"low": 500, "high": 400}, "low is 500 Hz and high is 400 Hz"),
        ({"width": 0}, "width: Input should be greater than or equal to 1"),
        ({"width": 100_000}, "width: Input should be less than or equal to 4096"),
    ):
        answer = service.get(f"{held}/spectrogram", params=question)
        assert answer.status_code == 422 and said in answer.json()["error"]


def test_the_sound(service, held, tone):
    wanted, _ = soundfile.read(tone)
    body = service.get(f"{held}/audio").content
    wave, rate = soundfile.read(io.BytesIO(body), dtype="int16")
    assert rate == RATE and np.array_equal(wave, np.rint(wanted[:, 0] * 32_767).astype(np.int16))
    part, _ = soundfile.read(
        io.BytesIO(service.get(f"{held}/audio", params={"start": 1.25, "end": 2.5}).content), dtype="int16"
    )
    assert np.array_equal(part, wave[round(1.25 * RATE) : round(2.5 * RATE)])


@pytest.mark.parametrize(
    "asked", ["0-", "0-0", "10-60", "43-44", "44-44", "45-45", "45-1000", "100001-", "-1", "-7", "0-999999999"]
)
def test_ranges(service, held, asked):
    body = service.get(f"{held}/audio").content
    first, _, last = asked.partition("-")
    wanted = body[-int(last) :] if not first else body[int(first) : int(last) + 1 if last else None]
    told = service.get(f"{held}/audio", headers={"Range": f"bytes={asked}"})
    assert told.status_code == 206 and told.content == wanted
    begin = len(body) - len(wanted) if not first else int(first)
    assert told.headers["content-range"] == f"bytes {begin}-{begin + len(wanted) - 1}/{len(body)}"
    assert told.headers["content-length"] == str(len(wanted))


def test_ranges_that_cannot_be(service, held):
    for none in ("99999999-", "-0", f"{44 + 2 * 4 * RATE}-"):
        answer = service.get(f"{held}/audio", headers={"Range": f"bytes={none}"})
        assert answer.status_code == 416 and answer.headers["content-range"] == f"bytes */{44 + 2 * 4 * RATE}", none
    assert service.get(f"{held}/audio", headers={"Range": f"bytes=0-{'9' * 5000}"}).status_code == 200
    assert service.get(f"{held}/audio", headers={"Range": "lines=1-2"}).status_code == 200


def test_a_wav_beyond_what_a_header_states(tone):
    wav = playing.Wav(None, 48_000, 0, 2**33)  # 50 hours
    assert wav.size == 2**32 - 2 and struct.unpack("<I", wav.header()[40:44])[0] == 2**32 - 46


def test_a_flac_that_was_cut_off_lasts_as_long_as_it_can_be_read(service, data, tmp_path):
    """Its header tells more, and its codec is told as that of a WAV, whose header is believed."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE)
    soundfile.write(tmp_path / "whole.flac", noise, RATE, subtype="PCM_16")
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    seconds = {}
    for path in (tmp_path / "whole.flac", tmp_path / "cut.flac", data / "nasty" / "files" / "made__truncated.flac"):
        told = service.post("/v1/recordings", params={"name": path.name}, content=path.read_bytes())
        facts = told.json()
        at = f"/v1/recordings/{facts['id']}"
        seconds[path.name] = facts["seconds"]
        wave, rate = soundfile.read(io.BytesIO(service.get(f"{at}/audio").content))
        assert len(wave) == round(facts["seconds"] * rate) and wave[-500:].any()  # no silence is put behind it
        seen = service.get(f"{at}/peaks", params={"points": 20}).json()
        assert seen["end"] == pytest.approx(facts["seconds"]) and all(seen["high"])
    assert seconds["whole.flac"] == 4.0 and 1.5 < seconds["cut.flac"] < 2.5
    assert seconds["made__truncated.flac"] == 0.256


def test_a_picture_is_asked_for_again_and_is_not_sent_again(esc10, tone, tmp_path):
    """Only where the recording is another one by now, whose name is the same."""
    (tmp_path / "sounds").mkdir()
    place = tmp_path / "sounds" / "a.wav"
    place.write_bytes(tone.read_bytes())
    settings = Settings(recordings=place.parent, state=tmp_path / "state")
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        at = f"/v1/recordings/{client.get('/v1/recordings').json()['recordings'][0]['id']}/spectrogram"
        first = client.get(at)
        assert first.status_code == 200 and first.headers["cache-control"] == "private, no-cache"
        mark = first.headers["etag"]
        for told in (mark, f'"x", W/{mark}', "*"):
            same = client.get(at, headers={"If-None-Match": told})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", mark)
        assert client.get(at, headers={"If-None-Match": '"x"'}).content == first.content
        soundfile.write(place, np.random.default_rng(0).uniform(-1, 1, 128_000), RATE, subtype="PCM_24")
        other = client.get(at, headers={"If-None-Match": mark})
        assert other.status_code == 200 and other.headers["etag"] != mark and other.content != first.content


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_is_gone_while_it_is_played_is_no_silence(tmp_path, gone):
    place, noise = tmp_path / "a.wav", np.full(60 * RATE, 0.5)
    soundfile.write(place, noise, RATE)
    sound = Sent(Path("a.wav"), file=place)
    body = playing.Wav(sound, RATE, 0, len(noise), sound.state()).read(0, 10**9)
    assert [len(next(body)) for _ in range(3)] == [44, *[2 * RATE * int(playing.STEP)] * 2]
    place.unlink()
    if not gone:
        soundfile.write(place, noise / 2, RATE)
    with pytest.raises(playing.Gone, match=r"a\.wav: was taken away or replaced while it was played"):
        next(body)


def test_who_hears_it_sees_that_it_is_not_whole(tmp_path):
    """The line is closed before all bytes that were told have come, and the log has a sentence."""
    (tmp_path / "sounds").mkdir()
    place = tmp_path / "sounds" / "a.wav"
    soundfile.write(place, np.zeros(40_000_000, np.int16), 96_000)  # more than waits in any socket
    with serving("--recordings", place.parent, "--state", tmp_path / "state") as program:
        (each,) = program.client.get("/v1/recordings").json()["recordings"]
        came = 0
        with program.client.stream("GET", f"/v1/recordings/{each['id']}/audio") as answer:
            assert answer.status_code == 200 and int(answer.headers["content-length"]) == 44 + 2 * 40_000_000
            blocks = answer.iter_raw()
            came += len(next(blocks))
            place.unlink()
            with pytest.raises(httpx.RemoteProtocolError):
                came += sum(map(len, blocks))
        assert 0 < came < 80_000_000
        assert program.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("form", ["json", "csv", "audacity", "raven"])
def test_events_are_those_of_the_file(service, clips, form):
    """Another threshold takes no net, and gives the same bytes as the file that is sent again."""
    for path in clips[::2]:
        sent = {"files": {"file": (path.name, path.read_bytes())}}
        at = f"/v1/recordings/{service.post('/v1/recordings', **sent).json()['id']}/events"
        for threshold in (0.1, 0.5, 0.9):
            question = {"threshold": threshold, "format": form}
            assert (
                service.get(at, params=question).content == service.post("/v1/events", params=question, **sent).content
            )


def test_a_file_to_keep(service, clips):
    told = service.post("/v1/recordings", files={"file": ('né"e\r\n.wav', clips[0].read_bytes())}).json()
    answer = service.get(f"/v1/recordings/{told['id']}/events", params={"format": "raven", "download": True})
    said = answer.headers["content-disposition"]
    assert said.startswith('attachment; filename="n_') and "\r" not in said and said.isascii()


def test_scores_over_time(service, esc10, clips):
    path = clips[-1]
    told = service.post("/v1/recordings", files={"file": (path.name, path.read_bytes())}).json()
    seen = service.get(f"/v1/recordings/{told['id']}/scores").json()
    rows = esc10.score(path, windows=True).windows
    assert seen["times"] == pytest.approx(((rows.start + rows.end) / 2).tolist(), abs=1e-4)
    by_name = {tag["label"]: tag for tag in seen["tags"]}
    for column, name in enumerate(rows.tags):
        assert by_name[name]["values"] == pytest.approx(rows.values[:, column].tolist(), abs=6e-5)
    whole = esc10.tag(path, 1)[0]
    assert by_name[whole.label]["score"] == pytest.approx(whole.score, abs=1e-6)
    fewer = service.get(f"/v1/recordings/{told['id']}/scores", params={"points": 3, "most": 1}).json()
    assert len(fewer["times"]) == 3 and len(fewer["tags"]) == 1
    assert max(fewer["tags"][0]["values"]) == max(tag for each in seen["tags"] for tag in each["values"])


def test_what_is_held_is_dropped(service, tone):
    told = service.post("/v1/recordings", files={"file": ("tone.wav", tone.read_bytes())}).json()
    here = service.app.state.service
    before = here.spool.bytes
    assert service.delete(f"/v1/recordings/{told['id']}").status_code == 200
    assert here.spool.bytes == before - tone.stat().st_size
    assert service.get(f"/v1/recordings/{told['id']}").status_code == 404
    assert service.delete(f"/v1/recordings/{told['id']}").status_code == 404


def test_what_nobody_asks_for_is_dropped(esc10, tone):
    with TestClient(build(Settings(held_seconds=0.05), {"esc10": esc10}), base_url=HERE) as client:
        told = client.post("/v1/recordings", files={"file": ("tone.wav", tone.read_bytes())}).json()
        here = client.app.state.service
        next(iter(here.shelf._held.values())).used -= 1
        assert client.get(f"/v1/recordings/{told['id']}").status_code == 404
        assert here.spool.bytes == 0 and [file.name for file in here.spool.folder.iterdir()] == [LOCK]


def test_a_disk_that_is_full_of_them(esc10, tone):
    with TestClient(build(Settings(held_bytes=tone.stat().st_size + 1000), {"esc10": esc10}), base_url=HERE) as client:
        sent = {"params": {"name": "tone.wav"}, "content": tone.read_bytes()}
        assert client.post("/v1/recordings", **sent).status_code == 201
        answer = client.post("/v1/tags", **sent)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "30"


def test_what_cannot_be_read_is_not_held(service):
    here = service.app.state.service
    before = here.spool.bytes
    answer = service.post("/v1/recordings", content=b"no sound at all\n" * 100)
    assert answer.status_code == 422 and "is no recording: it is text" in answer.json()["error"]
    assert here.spool.bytes == before


def test_taggers_of_frames_are_heard_as_the_command_hears_them(tmp_path, clips):
    """A tagger with frames: its events are of frames, and its tags those of the whole."""
    pytest.importorskip("torch")
    from tests.small import tagger as small

    small("resnet_b_att", 2.0, 1.0).save(tmp_path / "f.safetensors")
    tagger = loading.load(tmp_path / "f.safetensors")
    assert tagger.framewise() is not None
    path = clips[0]
    with TestClient(build(Settings(), {"f": tagger}), base_url=HERE) as client:
        sent = {"files": {"file": (path.name, path.read_bytes())}}
        told = client.post("/v1/recordings", **sent).json()
        at = f"/v1/recordings/{told['id']}"
        assert client.get(f"{at}/events").content == client.post("/v1/events", **sent).content
        seen = {tag["label"]: tag["score"] for tag in client.get(f"{at}/scores").json()["tags"]}
        whole = {tag.label: tag.score for tag in tagger.tag(path, None)}
        assert seen == pytest.approx(whole, abs=1e-6)
