"""The benchmarks' tables, ratios and verdicts, on figures worked by hand: nothing here depends on how fast a machine is."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("benchmarks", reason="run from the repository's root, as `python -m pytest`")

from benchmarks import logmel, memory, run, step, timing, windows

WAYS = {
    "soundfile + soxr, 1 thread": {"ratio": 1.0, "best": 1.0, "cpu": 1.0, "clips_per_second": 148.0},
    "earmark.audio.load, 1 thread": {"ratio": 0.96, "best": 0.97, "cpu": 0.95, "clips_per_second": 142.1},
}
DECODED = {
    "files": 80,
    "seconds_of_audio": 400.0,
    "rounds": 6,
    "missing": ["av"],
    "ways": WAYS,
    "two_threads_over_one": {"earmark.audio.load": {"ratio": 1.7, "best": 1.9, "cpu": 1.0}},
}
MACHINE = {
    "date": "2026-01-02",
    "system": "Linux x86_64",
    "cpu": "A CPU",
    "cores": 2,
    "torch threads": 2,
    "amx_bf16": True,
    "avx512_bf16": False,
    "load": 0.1,
    "versions": {"python": "3.11.0", "torch": "2.13.0"},
}


def test_every_way_is_called_in_every_round_and_the_order_turns():
    calls = []
    times = timing.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"  # the first two are not counted
    assert {name: taken.shape for name, taken in times.items()} == {"a": (3,), "b": (3,)}


def test_ratios_worked_by_hand():
    times = {"base": np.array([4.0, 2.0, 6.0]), "ours": np.array([1.0, 2.0, 4.0])}
    told = timing.compare(times, "base")
    assert told["base"] == {"median": 4.0, "min": 2.0, "spread": 0.5, "ratio": 1.0, "best": 1.0}
    assert told["ours"] == {"median": 2.0, "min": 1.0, "spread": 0.75, "ratio": 2.0, "best": 2.0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0.000"),
        (1.7e-5, "1.7e-05"),
        (0.0654, "0.065"),
        (0.93, "0.93"),
        (2.0, "2.00"),
        (77.21, "77.2"),
        (774.4, "774"),
        (8225.1, "8,225"),
        (-12.34, "-12.3"),
        ("a name", "a name"),
    ],
)
def test_cells(value, expected):
    assert run.cell(value) == expected


def test_tables_line_up():
    table = {
        "title": "speed",
        "columns": ["", "ratio", "clips/s"],
        "rows": [["one", 1.0, 1234.5], ["another", 0.5, 9.0]],
    }
    assert run.text_table(table).splitlines() == [
        "speed",
        "           ratio  clips/s",
        "  one       1.00    1,234",
        "  another   0.50     9.00",
    ]
    assert run.markdown_table(table).splitlines()[2:] == [
        "|  | ratio | clips/s |",
        "| --- | ---: | ---: |",
        "| one | 1.00 | 1,234 |",
        "| another | 0.50 | 9.00 |",
    ]


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ({"what": "speed", "value": 2.0, "at_least": 2.0}, "met: speed: 2.00, goal ≥ 2"),
        ({"what": "speed", "value": 1.99, "at_least": 2.0}, "missed: speed: 1.99, goal ≥ 2"),
        ({"what": "MB", "value": 1.38, "at_most": 100.0}, "met: MB: 1.38, goal ≤ 100"),
        ({"what": "MB", "value": 250.0, "at_most": 100.0}, "missed: MB: 250, goal ≤ 100"),
    ],
)
def test_goals(goal, expected):
    assert run.goal_line(goal) == expected


def test_decodes_figures_in_the_form_of_the_others():
    result = run.of_decode(DECODED)
    assert result["tables"][0]["rows"][1] == ["earmark.audio.load, 1 thread", 0.96, 0.97, 0.95, 142.1]
    assert [run.goal_line(goal).partition(":")[0] for goal in result["goals"]] == ["met", "missed"]
    told = run.part_text("decode", {**result, "seconds": 12.3})
    assert told.startswith("decode (12.3 s)\ndecode to 16 kHz: 80 files, 400 s of sound, 6 rounds\n")
    assert "left out: av" in told


def test_the_report(tmp_path):
    broken = {"tables": [], "goals": [], "missing": [], "notes": [], "seconds": 0.1, "error": "ValueError: no"}
    told = {"machine": MACHINE, "quick": True, "parts": {"decode": run.of_decode(DECODED), "step": broken}}
    run.write(told, argparse.Namespace(out=tmp_path / "results", only=None, quick=True))
    text = (tmp_path / "results" / "bench.md").read_text(encoding="utf-8")
    assert "2026-01-02, A CPU, 2 cores, PyTorch on 2 threads, Linux x86_64" in text
    assert "amx_bf16 yes, avx512_bf16 no; python 3.11.0, torch 2.13.0" in text
    assert "Quick: few rounds" in text
    assert "## step\n\n- broke down: ValueError: no" in text
    assert json.loads((tmp_path / "results" / "bench.json").read_text(encoding="utf-8")) == told


def test_parts_that_are_not_run_stay_as_they_were(tmp_path):
    told = {"machine": MACHINE, "quick": False, "parts": {"decode": run.of_decode(DECODED) | {"machine": "of old"}}}
    run.write(told, argparse.Namespace(out=tmp_path, only=None, quick=False))
    part = {"tables": [], "goals": [], "missing": [], "notes": ["a note"], "machine": "newer"}
    asked = argparse.Namespace(out=tmp_path, only=["step"], quick=False)
    run.write({"machine": MACHINE, "quick": False, "parts": {"step": part}}, asked)
    assert list(json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["parts"]) == ["decode", "step"]
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "## decode\n\nof old" in text and "## step\n\nnewer\n\n- a note" in text


def test_the_goals_of_windows_by_hand():
    rows = [[net, 44100, 9, 30.0, 2.0, 15.0, 16.0, 1e-7] for net in windows.OFTEN]
    rows += [["slow", 44100, 9, 3.0, 2.0, 1.5, 3.0, 2e-6], ["alone", 44100, 9, 3.0, 3.0, 1.0, 1.0, 0.0]]
    told = [run.goal_line(goal) for goal in windows.goals(rows)]
    assert told[0] == "met: cnnaudio: windows shared over one by one: 15.0, goal ≥ 12"
    assert told[3].startswith("missed: windows: speed-up over what counting operations allows")
    assert told[3].endswith("(slow): 0.50, goal ≥ 0.7")
    assert told[4] == "met: windows: millionths that a score differs at most: 2.00, goal ≤ 10"


def test_a_busy_machine_is_told():
    assert "busy" not in run.machine_lines(MACHINE, False)
    assert "The machine was busy when this began (load 1.5)" in run.machine_lines({**MACHINE, "load": 1.5}, False)


def test_a_part_of_the_run_is_written_nowhere_and_one_that_breaks_down_is_told(monkeypatch, capsys):
    def breaks(data, quick, say):
        raise ValueError("no such thing")

    monkeypatch.setitem(run.PARTS, "step", breaks)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: pytest.fail("nothing is to be written"))
    assert run.main(["--only", "step"]) == 1
    told = capsys.readouterr()
    assert "broke down: ValueError: no such thing" in told.out
    assert "written nowhere" in told.err


def test_without_recordings_decoding_is_left_out(tmp_path):
    result = run.decode(tmp_path / "none", True, print)
    assert "set EARMARK_DATA" in result["missing"][0]


@pytest.mark.parametrize(("named", "told"), [("", os.devnull), ("recordings", "recordings")])
def test_the_folder_of_recordings_is_the_one_that_is_named(monkeypatch, named, told):
    """Nothing is no folder: it is not taken for the working folder."""
    monkeypatch.setenv("EARMARK_DATA", named)
    asked = []

    def part(data, quick, say):
        asked.append(str(data))
        return {"tables": [], "goals": [], "missing": [], "notes": []}

    monkeypatch.setitem(run.PARTS, "decode", part)
    assert run.main(["--only", "decode"]) == 0
    assert asked == [told]


def test_the_machine():
    told = run.machine()
    assert told["cores"] >= 1
    assert told["versions"]["torch"].startswith("2.")
    assert run.machine_lines(told, False).count("\n") >= 1


def test_all_log_mels_are_of_one_kind():
    """They must agree to be compared, earmark's to a ten-thousandth of a decibel."""
    size = logmel.Size(16_000, 1, 400, 512, 160, 40)
    waves = logmel._waves(size, 2)
    exact = logmel._exact(size, waves)
    ways = logmel._ways(size, waves)
    assert exact.shape == (2, 40, 97)
    for name, (way, shape) in ways.items():
        got = shape(way())
        assert got.shape == exact.shape, name
        # in float32 some lose 0.1 dB beside a tone, which is what the benchmark is to show
        np.testing.assert_allclose(got, exact, atol=1e-4 if name == logmel.EARMARK else 1.0, err_msg=name)


def test_the_peak_is_the_processs_own():
    pytest.importorskip("resource", reason="no measure of the peak on this system")
    code = (
        "from earmark.evaluation.filespeed import peak_memory; import numpy as np; a = peak_memory(); np.ones(25_000_000); "
        "print(a / 1e6, peak_memory() / 1e6)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=run.ROOT, capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert before > 0
    assert 190 < after - before < 230


@pytest.mark.slow
def test_a_step_in_a_process_of_its_own(tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "{task: one, sample_rate: 16000, data: {dataset: folder}, windows: {length: 0.5, hop: 0.5},"
        " features: {name: logmel, window: 0.064, hop: 0.016, bands: 32},"
        " net: {name: cnnspec, widths: [8, 8], kernels: [3, 3], band_pools: [2, 2], frame_pools: [2, 2], hidden: 8},"
        " augment: [crop], train: {epochs: 1, batch: 4}}"
    )
    ways = (), (step.LAST, step.KEPT), (step.LAST, step.KEPT, step.BF16)
    table, ratio, note, *_ = step._net(str(recipe), ways, 2)
    names = [row[0].removesuffix(" (earmark)") for row in table["rows"]]
    assert names == [*(step._name(way) for way in ways), step.BOUND]
    assert [row[1] for row in table["rows"] if row[0].endswith("(earmark)")] == [ratio]
    assert table["title"].endswith("batch 4, 0.5 s")
    assert "the probe says: a training step takes" in note
    assert re.search(r"are \d+\.\d GFLOP forward and backward, at \d+ GFLOP/s alone, and matrices of 1,024", note)


class Heard(SimpleNamespace):
    def __init__(self, net):
        super().__init__(net=net)

    def __call__(self, waves):
        return self.net(waves)


def test_the_work_of_a_step_is_counted_by_hand():
    """Of the first layer, whose input needs no gradient, twice the forward's operations; of others three times."""
    net = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    module = SimpleNamespace(tagger=Heard(net), epoch_batches=lambda: [(torch.randn(4, 1, 10),)])
    first, last = step._layers(module)
    assert first.gflop * 1e9 == pytest.approx(2 * 2 * (4 * 2 * 8) * 3)
    assert last.gflop * 1e9 == pytest.approx(3 * 2 * (4 * 5) * 16)
    first.take()
    last.take()


@pytest.mark.slow
def test_a_longer_recording_takes_no_more_memory(tmp_path):
    tagger = memory.make_tagger(tmp_path / "tiny.safetensors")
    short, long = (memory.measure(tagger, memory.make_recording(tmp_path / f"{s}.wav", s)) for s in (60, 1800))
    assert (short["duration"], long["duration"]) == (60, 1800)
    assert long["peak"] - short["peak"] < 50  # the samples alone are 115 MB as float32


def test_recordings_are_as_long_as_they_are_said_to_be(tmp_path):
    import soundfile

    path = memory.make_recording(tmp_path / "a.flac", 61, 1000, highest=400.0, level=0.4, pulse=4)
    wave, rate = soundfile.read(path)
    assert (len(wave), rate) == (61_000, 1000)
    seconds = np.sqrt((wave[:60_000].reshape(60, 1000) ** 2).mean(1))  # level of each: the tone comes for four and goes
    assert [level > 0.2 for level in seconds[:12].tolist()] == [True] * 4 + [False] * 4 + [True] * 4


def test_a_process_that_fails_is_told():
    with pytest.raises(RuntimeError, match="benchmarks.memory gone.safetensors gone.wav failed"):
        memory.measure(Path("gone.safetensors"), Path("gone.wav"))
