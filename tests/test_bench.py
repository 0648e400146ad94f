"""Measuring: what is told is what was done. How fast it was is not a test's business."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from earmark.cli import app
from earmark.engines import sessions
from earmark.errors import EarmarkError
from earmark.evaluation import filespeed, turns
from earmark.evaluation import speed as bench
from earmark.models import loading
from earmark.models.ensemble import Ensemble

run = CliRunner().invoke


def words(line):
    return shlex.split(line)


KEYS = {"net", "window", "hop", "one_by_one_s", "shared_s", "speedup", "bound", "max_abs_difference"}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for number, seconds in enumerate((3.0, 5.5)):
        wave = np.random.default_rng(number).normal(0, 0.1, round(seconds * 44100))
        soundfile.write(folder / f"{number}.wav", wave, 44100)
    return folder


def test_windows_of_a_net_both_ways():
    done = run(
        app,
        [
            "bench",
            "windows",
            "cnnaudio",
            "--window",
            "1",
            "--hop-samples",
            "5120",
            "--seconds",
            "4",
            "--rounds",
            "1",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert set(told) >= KEYS
    assert (told["net"], told["window"], told["hop"]) == ("cnnaudio", 1.0, 5120)
    assert told["windows"] == (4 * 44100 - 44100) // 5120 + 1
    assert told["together"] > 1
    assert told["bound"] > 5  # 8.6-fold overlap, less what stretches hear twice
    assert 0 <= told["max_abs_difference"] < 1e-5
    assert told["speedup"] == pytest.approx(told["one_by_one_s"] / told["shared_s"])


def test_windows_that_cannot_be_shared_say_why():
    done = run(
        app,
        [
            "bench",
            "windows",
            "cnnaudio",
            "--window",
            "0.5",
            "--hop-samples",
            "22050",
            "--seconds",
            "2",
            "--rounds",
            "1",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "scored one by one: windows do not overlap" in done.stderr


def test_windows_of_a_recording(recordings):
    order = f"bench windows cnnaudio --window 1 --seconds 2 --rounds 1 --json --audio {recordings / '1.wav'}"
    told = json.loads(run(app, words(order)).stdout)
    assert told["seconds"] == 2.0


def test_a_net_that_there_is_not():
    done = run(app, ["bench", "windows", "cnnaudi"])
    assert isinstance(done.exception, EarmarkError)
    assert "no net of that name" in str(done.exception) and "cnnaudio" in str(done.exception)


def test_too_little_audio():
    done = run(app, ["bench", "windows", "cnnaudio", "--seconds", "0.5", "--window", "1"])
    assert "0.5 s hold no window of 1 s" in str(done.exception)


WAYS = [("torch", "float32"), *((name, each) for name in sessions.installed() for each in ("float32", "int8"))]


@pytest.mark.parametrize(("engine", "precision"), WAYS)
def test_files_with_a_tagger(recordings, engine, precision):
    how = ("--engine", engine, "--precision", precision)
    done = run(app, ["bench", "esc10", str(recordings), "--json", *how])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["audio"] == pytest.approx(8.5)
    assert told["wall"] == pytest.approx(told["features"] + told["net"] + told["rest"])
    assert told["features"] > 0 and told["net"] > 0 and told["decoding"] > 0
    assert told["hours_per_minute"] == pytest.approx(8.5 / 60 / told["wall"])
    assert told["engine"].startswith(engine) and precision in told["engine"]
    assert told["windows_together"] > 1 or precision == "int8"


def test_files_are_run_as_tag_runs_them_unless_told(recordings):
    told = run(app, ["bench", "esc10", str(recordings)]).stdout
    assert "times real time" in told and f"run by {sessions.ENGINES[0]}" in told


def test_files_by_what_is_not_there(recordings, tmp_path):
    done = run(app, ["bench", "esc10", str(recordings), "--engine", "torch", "--precision", "int8"])
    assert "precision int8" in str(done.exception)
    one = loading.load("esc10")
    Ensemble([one, one]).save(tmp_path / "e.safetensors")
    done = run(app, ["bench", str(tmp_path / "e.safetensors"), str(recordings)])
    assert "is an ensemble of 2: measure its members' files one by one" in str(done.exception)


def test_where_the_time_goes_is_counted_in_the_parts(recordings, monkeypatch):
    """By a clock that the parts move: a second for each call of the feature, ten for each of the net."""
    clock = [0.0]
    tagger = loading.load("esc10", engine="onnxruntime")
    monkeypatch.setattr(filespeed.time, "perf_counter", lambda: clock[0])
    calls = []

    def slow(plain, seconds):
        def call(*given):
            clock[0] += seconds
            calls.append(seconds)
            return plain(*given)

        return call

    tagger.features.inputs = slow(tagger.features.inputs, 1)
    tagger.run = slow(tagger.run, 10)
    told, _ = filespeed.files(tagger, [recordings / "0.wav"], batch=4)
    assert told.features == calls.count(1) > 0 and told.net == 10 * calls.count(10) > 0
    assert told.wall == told.features + told.net and told.rest == 0


def test_files_that_cannot_be_read(recordings, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF nothing")
    done = run(app, ["bench", "esc10", str(recordings / "0.wav"), str(bad)])
    assert done.exit_code == 1
    assert "1 of 2 recordings could not be read" in done.stderr
    assert "none of the 1 recording could be read" in str(run(app, ["bench", "esc10", str(bad)]).exception)


def test_every_net_can_be_measured_by_its_name():
    for name in ("samplecnn", "resnet_a", "cnncomb"):
        made = bench.untrained(name, 2.0, 5120)
        assert made.recipe.net.name == name
        assert made.windows.samples(made.sample_rate) == (2 * made.sample_rate, 5120)


def test_the_median_leaves_out_the_first_call(monkeypatch):
    clock = iter([0, 100, 101, 101, 104, 104, 106])  # the first call is not timed; then 1, 3 and 2
    monkeypatch.setattr(turns.time, "perf_counter", lambda: next(clock))
    assert turns.in_turn({"way": lambda: None}, 3) == {"way": 2.0}


@pytest.mark.parametrize("seconds", [0.0, -3.0, float("nan"), float("inf")])
def test_lengths_that_are_none_are_refused(seconds):
    with pytest.raises(EarmarkError, match="give seconds above 0"):
        bench.noise(seconds, 8000)
    with pytest.raises(EarmarkError, match="give seconds above 0"):
        bench.untrained("cnnaudio", seconds, None)


def test_a_recording_shorter_than_was_asked_for_is_said(recordings):
    from earmark.cli.terminal.speed import wave_of as _wave

    done = run(
        app,
        [
            "bench",
            "windows",
            "cnnaudio",
            *words("--window 1 --rounds 1 --seconds 60"),
            "--audio",
            str(recordings / "0.wav"),
        ],
    )
    assert "lasts 3 s: all of it is taken, not 60 s" in done.stderr
    assert len(_wave(recordings / "1.wav", 2.5, 8000)) == 20000
    with pytest.raises(EarmarkError, match="--seconds nan: holds no sample"):
        _wave(recordings / "1.wav", float("nan"), 8000)
