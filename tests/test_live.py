"""Sound that is heard while it comes has the scores and the events of the file that it would be."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.program import alike, command

from earmark import audio
from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.inference import ENCODINGS, Failure, Microphone, Raw, Recording, Scored, score
from earmark.inference.live import Feed, decode
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.windows import Windows

RATE = 8000
RAW = {
    "u8": ("PCM_U8", "LITTLE"),
    "s16le": ("PCM_16", "LITTLE"),
    "s16be": ("PCM_16", "BIG"),
    "s24le": ("PCM_24", "LITTLE"),
    "s32le": ("PCM_32", "LITTLE"),
    "f32le": ("FLOAT", "LITTLE"),
    "f64le": ("DOUBLE", "LITTLE"),
}


class Listener:
    """Each window's mean and peak."""

    sample_rate, vocabulary, task, windows = RATE, ("mean", "peak"), "many", Windows(0.5, 0.2)

    def __init__(self):
        self.batches: list[int] = []

    def score(self, waves):
        self.batches.append(len(waves))
        return np.stack([np.abs(waves).mean(1), np.abs(waves).max(1)], 1).astype(np.float32)


class Chunks:
    """A pipe that gives its bytes in odd pieces."""

    def __init__(self, data: bytes, sizes=(1, 7, 1001, 4099)):
        self.data, self.sizes, self.turn = io.BytesIO(data), sizes, 0

    def read(self, count: int) -> bytes:
        self.turn += 1
        return self.data.read(min(count, self.sizes[self.turn % len(self.sizes)]))


def noise(seconds: float, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * RATE), channels))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (3, 11_025)])
def test_raw_samples_are_heard_as_libsndfile_reads_them(tmp_path, encoding, channels, rate):
    subtype, endian = RAW[encoding]
    soundfile.write(tmp_path / "a.raw", noise(2, channels), rate, subtype, endian, "RAW")
    facts = {"samplerate": rate, "channels": channels, "subtype": subtype, "endian": endian, "format": "RAW"}
    told, _ = soundfile.read(tmp_path / "a.raw", dtype="float32", always_2d=True, **facts)
    data = (tmp_path / "a.raw").read_bytes()
    np.testing.assert_array_equal(decode(data, encoding), told.ravel())
    soundfile.write(tmp_path / "a.wav", told, rate, "FLOAT")
    raw = Raw(reader=Chunks(data), rate=rate, channels=channels, encoding=encoding)
    notes: list[str] = []
    joined = np.concatenate(list(raw.blocks(RATE, 1.0, False, notes.append)))
    np.testing.assert_array_equal(joined, audio.load(tmp_path / "a.wav", RATE))
    assert notes == (["-: 3 channels mixed to one (mean)"] if channels == 3 else [])


def test_scores_are_those_of_the_file_and_come_at_once(tmp_path):
    wave = noise(3.33)[:, 0].astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT")
    (whole,) = score(Listener(), [Recording(tmp_path / "a.wav")], keep_windows=True)
    parts, listener, pipe = [], Listener(), queue.Queue()

    class Slow:
        """Gives a tenth of a second when asked for by the test."""

        def read(self, count: int) -> bytes:
            return pipe.get(timeout=30)

    blocks = np.split(wave, range(800, len(wave), 800))
    heard_by_then = []

    def on_part(part):
        parts.append(part)
        heard_by_then.append(sent)
        feed()

    sent = 0

    def feed():
        """Exactly what the next window asks for, then the rest: were more waited for, this would never end."""
        nonlocal sent
        need = 5 + 2 * len(parts) if len(parts) < 15 else len(blocks)
        while sent < min(need, len(blocks)):
            pipe.put(blocks[sent].tobytes())
            sent += 1
        if sent == len(blocks):
            pipe.put(b"")

    feed()
    (heard,) = score(
        listener, [Raw(reader=Slow(), rate=RATE, encoding="f32le")], prompt=True, on_part=on_part, workers=1
    )
    assert isinstance(heard, Scored) and heard.duration == pytest.approx(3.33)
    assert heard_by_then[:14] == [5 + 2 * number for number in range(14)]  # in tenths of a second
    np.testing.assert_allclose(np.concatenate([part.windows.values for part in parts]), whole.windows.values, atol=1e-7)
    np.testing.assert_allclose(heard.values, whole.values, atol=1e-7)
    assert [part.first for part in parts][:5] == [0, 1, 2, 3, 4]


def heard(data: bytes, salvage: bool = False, **facts):
    (result,) = score(Listener(), [Raw(reader=Chunks(data), **{"rate": RATE, **facts})], salvage=salvage)
    return result


def test_what_is_wrong_with_raw_samples():
    assert isinstance(failed := heard(b""), Failure) and "no sound has come" in str(failed.error)
    assert isinstance(failed := heard(b"\0"), Failure) and "no sound has come" in str(failed.error)
    assert "begins as a file of WAV does" in str(heard(b"RIFF" + bytes(5000)).error)
    assert "is too short" in str(heard(bytes(4), rate=384_000).error)
    cut = heard(bytes(4 * RATE + 3), channels=2)
    assert cut.duration == 1 and "ends with 3 of the 4 bytes of a frame" in cut.notes[1]
    loud = heard(np.tile(np.float32([2.5, -2.5]), RATE // 2).tobytes(), encoding="f32le")
    assert loud.notes == ("-: reaches 2.5 times full scale; kept as it is",)
    broken = np.where(np.arange(RATE) == 4000, np.nan, 0.1).astype("<f4").tobytes()
    assert "a sample at 0.500 s is no usable number" in str(heard(broken, encoding="f32le").error)
    assert "1 sample is no usable number; 0 is used" in heard(broken, True, encoding="f32le").notes[0]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"rate": 10}, "10 Hz is no sample rate"),
        ({"encoding": "mp3"}, "mp3 is no encoding of samples: take one of u8, s16le"),
        ({"channels": 0}, "0 channels: give how many"),
    ],
)
def test_wrong_facts_are_refused(facts, message):
    with pytest.raises(EarmarkError, match=message):
        Raw(**{"rate": RATE, **facts})


def test_an_error_while_reading_is_a_failure():
    class Broken:
        def read(self, count):
            raise OSError("cable pulled")

    (result,) = score(Listener(), [Raw(reader=Broken(), rate=RATE)])
    assert isinstance(result, Failure) and "cannot be read (cable pulled)" in str(result.error)


def test_stopping_ends_it_though_nothing_comes():
    ready, never = threading.Event(), threading.Event()

    class Silent:
        turn = 0

        def read(self, count):
            self.turn += 1
            if self.turn == 1:
                return bytes(2 * RATE)
            ready.set()
            never.wait(30)
            return b""

    raw = Raw(reader=Silent(), rate=RATE)
    stopper = threading.Thread(target=lambda: (ready.wait(30), raw.stop()))
    stopper.start()
    (result,) = score(Listener(), [raw], prompt=True)
    never.set()
    stopper.join()
    assert isinstance(result, Scored) and result.duration == 1


def test_leaving_early_ends_the_threads():
    feed = Feed()
    raw = Raw(reader=Chunks(bytes(RATE)), rate=RATE, feed=feed)
    parts = []

    def fail(part):
        parts.append(part)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        list(score(Listener(), [raw], prompt=True, on_part=fail))
    assert not feed.put(b"") and len(parts) == 1  # nobody takes any more


# ------------------------------------------------------------------------------------------------------ microphone


class Card(types.ModuleType):
    """What earmark uses of sounddevice: an input that gives a wave in blocks of 100 samples."""

    class PortAudioError(Exception):
        pass

    def __init__(self, wave, rate=RATE, overflow=()):
        super().__init__("sounddevice")
        self.wave, self.rate, self.overflow, self.asked = wave, rate, overflow, {}

    def query_devices(self, kind):
        assert kind == "input"
        return {"default_samplerate": float(self.rate)}

    def InputStream(self, callback, **asked):
        self.asked = asked
        card = self

        class Stream:
            def __enter__(self):
                block = np.zeros((100, 1), np.float32)
                for number, first in enumerate(range(0, len(card.wave), 100)):
                    block[:, 0] = card.wave[first : first + 100]  # the same memory again, as PortAudio does it
                    callback(block, 100, None, number in card.overflow)
                card.done()

            def __exit__(self, *_):
                pass

        return Stream()


def test_a_microphone_is_heard_until_it_is_stopped(monkeypatch, tmp_path):
    wave = noise(1)[:, 0].astype(np.float32)
    card = Card(wave, overflow={3})
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    microphone = Microphone()
    card.done = microphone.stop
    (result,) = score(Listener(), [microphone], prompt=True)
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT")
    (whole,) = score(Listener(), [Recording(tmp_path / "a.wav")])
    np.testing.assert_allclose(result.values, whole.values, atol=1e-7)
    assert result.duration == 1 and card.asked == {"samplerate": RATE, "channels": 1, "dtype": "float32"}
    assert result.notes == (
        "microphone: sound was lost 1 time: the net is slower than the sound (0), or the system (1)",
    )


def test_what_finds_no_room_is_counted(monkeypatch):
    card = Card(noise(1)[:, 0].astype(np.float32))
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    microphone = Microphone(rate=RATE, feed=Feed(20))
    card.done = microphone.stop
    (result,) = score(Listener(), [microphone])
    assert result.duration == 20 * 100 / RATE and "sound was lost 60 times" in result.notes[0]


def test_a_microphone_that_is_not_there(monkeypatch):
    card = Card(np.zeros(0))

    def absent(**_):
        raise Card.PortAudioError("Error querying device -1")

    card.InputStream = absent
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    (result,) = score(Listener(), [Microphone(rate=RATE)])
    assert isinstance(result, Failure) and "cannot be heard (Error querying device -1)" in str(result.error)


def test_without_the_package_or_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(EarmarkError, match=r"pip install 'earmark\[live\]'"):
        command("tag", "--live")
    monkeypatch.setattr(
        "importlib.import_module", lambda name: (_ for _ in ()).throw(OSError("PortAudio library not found"))
    )
    with pytest.raises(EarmarkError, match="needs the library PortAudio"):
        Microphone().blocks(RATE, 1.0, False, print).__next__()


# ---------------------------------------------------------------------------------------------------- the commands


@pytest.fixture(scope="module")
def tagger(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    recipe = {
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("tagger") / "t.safetensors"
    taggers.build(parse(recipe), ("dog", "rain", "sea")).save(path)
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "a.wav"
    soundfile.write(path, noise(3.33), RATE, "PCM_16")
    return path


def test_a_pipe_gives_the_tags_of_the_file_and_ctrl_c_the_summary(tagger, recording, tmp_path, capfd):
    wave, _ = soundfile.read(recording, dtype="int16")
    arguments = ["tag", "-", "--tagger", str(tagger), "--rate", str(RATE), "--format", "jsonl"]
    call = [sys.executable, "-m", "earmark", *arguments]
    data = wave.astype("<i2").tobytes()
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for first in range(0, len(data), 3333):
            process.stdin.write(data[first : first + 3333])
            process.stdin.flush()
        # as many windows as there are without an end; the pipe stays open
        lines = [json.loads(process.stdout.readline()) for _ in range(12)]
        process.send_signal(signal.SIGINT)
        lines += [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert command("tag", recording, "--tagger", tagger, "--format", "json", "--windows", tmp_path / "w.csv") == 0
    (whole,) = json.loads(capfd.readouterr().out)
    *windows, last = lines
    assert last["duration"] == whole["duration"] and [t["label"] for t in last["tags"]] == [
        t["label"] for t in whole["tags"]
    ]
    assert [t["score"] for t in last["tags"]] == pytest.approx([t["score"] for t in whole["tags"]], abs=1.1e-5)
    rows = (tmp_path / "w.csv").read_text().splitlines()[-len(windows) :]
    assert len(windows) == 13
    for window, row in zip(windows, rows, strict=True):
        scores = sorted((float(cell) for cell in row.split(",")[-3:]), reverse=True)
        assert [t["score"] for t in window["tags"]] == pytest.approx(scores, abs=1.1e-5)


@pytest.fixture
def piped(monkeypatch, recording):
    """Standard input: the samples of the recording, and a byte too many."""
    wave, _ = soundfile.read(recording, dtype="int16")
    read, write = os.pipe()

    def send():
        # What is refused reads nothing: whether the pipe is closed before the first byte is a matter of luck.
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write(wave.astype("<i2").tobytes() + b"\0")

    thread = threading.Thread(target=send)
    thread.start()
    with os.fdopen(read, "r") as file:
        monkeypatch.setattr(sys, "stdin", file)
        yield
    thread.join()


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_forms_of_tags(piped, tagger, recording, form, capsys):
    assert command("tag", "-", "--tagger", tagger, "--rate", RATE, "--format", form) == 0
    told = capsys.readouterr()
    assert "-: ends with 1 of the 2 bytes of a frame, which is left out" in told.err
    command("tag", recording, "--tagger", tagger, "--format", form)
    whole = capsys.readouterr().out.replace(str(recording), "-")
    if form == "table":
        *windows, last = told.out.splitlines()
        assert last == whole.strip() and len(windows) == 13 and windows[1].startswith("0:00.2  0:00.8  ")
    else:
        assert alike(told.out, whole)


@pytest.mark.parametrize("form", ["table", "tsv", "audacity"])
def test_events_of_a_pipe(piped, tagger, recording, form, capsys):
    arguments = ["--tagger", tagger, "--format", form, "--threshold", 0.35, "--median", 0.6]
    assert command("events", "-", "--rate", RATE, *arguments) == 0
    told = capsys.readouterr().out
    command("events", recording, *arguments)
    whole = capsys.readouterr().out
    if form == "table":
        assert sorted(told.splitlines()) == sorted(line.removeprefix("a.wav  ") for line in whole.splitlines())
    else:
        assert alike(told, whole.replace("a.wav", "-"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name recordings or folders, - for raw samples"),
        (["-"], "give --rate, such as --rate 16000"),
        (["-", "a.wav", "--rate", 8000], "- goes by itself"),
        (["--live", "a.wav"], "--live goes by itself"),
        (["-", "--rate", 8000, "--errors", "bad.csv"], "--errors is of recordings: - ends at the first error"),
        (["--live", "--strict"], "--strict is of recordings: --live ends at the first error"),
        (["a.wav", "--rate", 8000], "--rate is of raw samples"),
        (["a.wav", "--encoding", "u8"], "--encoding is of raw samples"),
        (["-", "--rate", 8000, "--pictures", "p"], "--pictures are of files"),
        (["-", "--rate", 8000, "--job", "j"], "sound that is heard while it comes does not go with --job"),
    ],
)
def test_what_live_sound_cannot_be_asked_for(piped, tagger, arguments, message):
    for verb in ("tag", "events"):
        with pytest.raises(EarmarkError, match=message):
            command(verb, *arguments, "--tagger", tagger)


def test_nothing_on_standard_input(tagger, monkeypatch):
    with Path(os.devnull).open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        for verb in ("tag", "events"):
            with pytest.raises(AudioError, match="no sound has come"):
                command(verb, "-", "--rate", RATE, "--tagger", tagger)


def test_a_pipe_that_does_not_block_is_heard_to_its_end():
    """Who made it may have asked not to wait in reads: nothing yet is not the end."""
    data = noise(1)[:, 0].astype("<f4").tobytes()

    class Hesitant:
        def __init__(self):
            self.turns = iter([None, data[:4000], None, None, data[4000:], None, b""])

        def read(self, count):
            return next(self.turns)

    (result,) = score(Listener(), [Raw(reader=Hesitant(), rate=RATE, encoding="f32le")])
    assert isinstance(result, Scored) and result.duration == 1


def test_a_reader_that_breaks_does_not_leave_the_net_waiting():
    class Broken:
        def read(self, count):
            raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        list(score(Listener(), [Raw(reader=Broken(), rate=RATE)]))


def test_a_file_is_known_though_its_first_bytes_come_one_by_one():
    (result,) = score(Listener(), [Raw(reader=Chunks(b"RIFF" + bytes(5000), (1,)), rate=RATE, encoding="u8")])
    assert "begins as a file of WAV does" in str(result.error)


def test_who_sends_more_after_a_failure_is_not_waited_for():
    feed = Feed()
    broken = np.full(RATE, np.nan).astype("<f4").tobytes()
    raw = Raw(reader=Chunks(broken * 9), rate=RATE, encoding="f32le", feed=feed)
    assert isinstance(next(score(Listener(), [raw])), Failure)
    assert not feed.rest()  # nobody takes any more


def test_what_is_shared_does_not_depend_on_how_the_samples_come():
    for recording in (Raw(rate=RATE), Microphone()):
        assert recording.lasts(0.1, 1.0) and recording.lasts(100.0, 1.0)


def test_members_that_hear_other_windows_cannot_share_what_comes_once(tmp_path):
    """Each would take half of the samples from the other."""

    class Longer(Listener):
        windows = Windows(0.7, 0.3)

    class Team:
        members, vocabulary = (Listener(), Longer()), Listener.vocabulary

        def combine(self, values):
            return np.mean(values, 0)

    with pytest.raises(TaggerError, match="-: comes once, but the members of this ensemble hear different windows"):
        list(score(Team(), [Raw(reader=Chunks(bytes(9 * RATE)), rate=RATE)]))
    soundfile.write(tmp_path / "a.wav", noise(2), RATE)
    (result,) = score(Team(), [Recording(tmp_path / "a.wav")])
    assert isinstance(result, Scored)
