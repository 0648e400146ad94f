"""What the benchmark of engines tells and judges, on figures worked by hand; its cheapest part in a process of its own."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("benchmarks", reason="run from the repository's root, as `python -m pytest`")
pytest.importorskip("torch")

from benchmarks import bounds, engines, foldered, panns, rights, run, speedgoals

# ratio, cpu, clips/s, first tags that differ, largest difference
WAYS = {
    "torch float32": [1.0, 1.0, 4.0, 0, 0.0],
    "torch now": [1.5, 1.5, 6.0, 0, 1e-7],
    "onnxruntime float32": [2.1, 2.0, 8.4, 0, 4e-7],
    "openvino float32": [1.9, 2.0, 7.6, 1, 5e-6],
    "openvino int8": [4.0, 4.0, 16.0, 2, 0.08],
    "openvino bf16": [11.0, 11.0, 44.0, 0, 0.01],
}


def lines(flags):
    return [run.goal_line(goal).split("engines: ") for goal in engines.goals_of_tags(WAYS, flags)]


def test_only_what_the_processor_can_do_is_judged():
    plain = lines({"avx2"})
    assert plain == [
        ["met: ", "esc10 from file to tags, onnxruntime float32 over torch float32: 2.10, goal ≥ 2"],
        ["missed: ", "float32, clips whose first tag differs: 1, goal ≤ 0"],
        ["met: ", "float32, millionths that a score differs at most: 5.00, goal ≤ 10"],
    ]
    assert lines(None) == plain
    assert lines({"avx512_vnni"})[3] == [
        "missed: ",
        "esc10 from file to tags, openvino int8 over torch float32: 4.00, goal ≥ 5",
    ]
    assert [line[0] for line in lines({"avx_vnni", "amx_int8", "amx_bf16"})[3:]] == ["missed: ", "met: ", "missed: "]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (None, ["VNNI", "AMX"]),
        ({"avx2"}, ["VNNI", "AMX"]),
        ({"avx512_vnni"}, ["AMX"]),
        ({"avx512_vnni", "amx_int8"}, []),
    ],
)
def test_what_cannot_be_measured_is_told(flags, told):
    found = engines.unmeasured(flags)
    assert [name for name in ("VNNI", "AMX") if any(name in line for line in found)] == told
    assert all(line.startswith("Not measurable here: ") for line in found)


def test_ratios_of_two_clocks_worked_by_hand():
    times = {"base": np.array([[4.0, 8.0], [6.0, 8.0]]), "ours": np.array([[2.0, 2.0], [3.0, 2.0]])}
    assert engines.ratios(times, "base") == {"base": (1.0, 1.0), "ours": (2.0, 4.0)}


def test_every_way_runs_once_before_it_counts():
    calls = []
    taken = engines.in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert "".join(calls) == "ab" + "ab" + "ba"
    assert taken["a"].shape == (2, 2)


def test_an_interval_of_pairs():
    assert rights.interval(np.zeros(10)) == (0.0, 0.0)
    # 100 clips, 10 of them won: 0.1 ± 1.96 · √(0.1 · 0.9 / 100) = 0.041 … 0.159
    low, high = rights.interval(np.repeat([1.0, 0.0], [10, 90]))
    assert low == pytest.approx(0.041, abs=0.015) and high == pytest.approx(0.159, abs=0.015)


def test_the_whole_part_from_figures(monkeypatch, tmp_path):
    """Every table and goal in the form that the report takes, without waiting for nets."""
    audio = tmp_path / "esc10" / "audio"
    audio.mkdir(parents=True)
    (audio / "5-1-A-0.ogg").touch()
    told = {
        "tags": {"ways": WAYS, "missing": ["onnxruntime int8: no graph"], "flags": ["avx2"], "notes": []},
        "shared": {"title": "shared", "ways": {"torch": [1.0, 1.0, 5.0, 0.0], "onnxruntime": [2.0, 2.0, 10.0, 1e-7]}},
        "decoding": {
            "soundfile + soxr": [1.0, 1.0, 100.0],
            foldered.DECODERS: [0.96, 0.97, 96.0],
            "tagging without a net": [0.9, 0.9, 90.0],
        },
    }
    monkeypatch.setattr(engines, "alone", lambda part, **asked: told[part])
    monkeypatch.setattr(engines, "command_seconds", lambda clip, more, cache: 6.0 if more else 1.2)
    result = engines.main(tmp_path)
    text = run.part_text("engines", {**result, "seconds": 1.0})
    assert [table["title"].split(",")[0] for table in result["tables"]] == [
        "esc10",
        "shared",
        "one clip from a cold process",
        "1 clips to 16 kHz",
    ]
    for line in (
        "shared, onnxruntime over shared in torch: 2.00, goal ≥ 1.8",
        "times less CPU than with torch in batches of 16: 5.00, goal ≥ 4",
        "over bare soundfile + soxr: 0.96, goal ≥ 0.95",
    ):
        assert line in text, line
    assert "left out: onnxruntime int8: no graph" in text
    assert "Processor: " in text


def test_without_recordings_only_windows_that_overlap_are_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "alone", lambda part, **asked: {"why": "export needs onnx"})
    result = engines.main(tmp_path)
    assert [line.split(" (")[0] for line in result["missing"]] == [
        "esc10 from file to tags",
        "windows that overlap",
        "a command from cold",
        "decoding when tagging",
    ]


def test_decoding_in_a_process_of_its_own(tmp_path):
    clip = tmp_path / "noise.wav"
    soundfile.write(clip, np.random.default_rng(0).normal(0, 0.1, 44_100), 44_100)
    told = engines.alone("decoding", clips=[clip], rounds=1)
    assert list(told) == ["soundfile + soxr", foldered.DECODERS, "tagging without a net"]
    assert all(len(row) == 3 and row[0] > 0 and row[2] > 0 for row in told.values())


def test_a_command_that_fails_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="tag .*missing.wav.* failed"):
        engines.command_seconds(Path("missing.wav"), [], tmp_path)


def test_each_line_that_is_asked_is_measured_or_says_why_not():
    machine = "2026-01-02, A CPU, 2 cores, PyTorch on 2 threads, Linux x86_64\nmore"
    parts = {
        "engines": {"goals": engines.goals_of_tags(WAYS, {"avx2"}), "machine": machine},
        "step": {
            "goals": [{"what": "training step of esc10-cnnspec, batch 16, 2 s", "value": 1.5, "at_least": 2.0}],
            "machine": machine,
        },
    }
    rows = {row[0]: row[3:] for row in speedgoals.table(parts)["rows"]}
    where = "2026-01-02, A CPU, 2 cores"
    assert rows["esc10 from file to tags, one core, float32"] == [2.1, "≥ 2", "met", where]
    assert rows["the same, int8 with VNNI"] == ["-", "-", "not measurable: this processor has no VNNI", where]
    assert rows["training step of esc10-cnnspec"] == [1.5, "≥ 2", "missed", where]
    assert rows["resnet_b, 10 s every 10 s, 527 tags, float32"][2] == "not run"
    assert rows["2 s every 5,120 samples, shared, float32"][2] == "not measured: see the part"


def test_the_lines_that_are_asked_are_goals_that_the_parts_tell():
    """Every engine's goal finds its line, so that a goal that is reworded does not vanish from the table."""
    told = engines.goals_of_tags(WAYS, {"avx512_vnni", "amx_int8", "amx_bf16"})
    told += [{"what": what, "value": 1.0, "at_least": 1.0} for what in (
        f"engines: {engines.WINDOW:g} s every {engines.HOP:,} samples, shared, onnxruntime over shared in torch",
        "engines: `earmark tag` of one clip, times less CPU than with torch in batches of 16",
        "engines: decoding when a folder is tagged over bare soundfile + soxr",
    )]  # fmt: skip
    rows = [speedgoals.row(line, {"engines": {"goals": told}}) for line in speedgoals.LINES if line.part == "engines"]
    assert len(rows) == 6 and all(isinstance(row[3], float) for row in rows)
    panns_goals = panns.goals([["earmark resnet_b, torch float32", 3.0], ["earmark resnet_b, openvino int8", 12.0]])
    rows = [
        speedgoals.row(line, {"panns": {"goals": panns_goals}}) for line in speedgoals.LINES if line.part == "panns"
    ]
    assert [row[3] for row in rows] == [3.0, 12.0]


def test_a_bound_worked_by_hand():
    # 90 GFLOP at 60 in a second are 1.5 s, with half a second before the net 2 s: twice as fast as 4 s
    bound = bounds.Bound(gflop=90.0, rate=60.0, before=0.5, base=4.0)
    assert (bound.seconds, bound.ratio) == (2.0, 2.0)
    told = bound.note("Clips", "an engine", 3.5)  # 90 GFLOP in the 3 s that are left are 30 in a second
    assert (
        "90.0 GFLOP" in told and "does at 30 GFLOP/s" in told and "a core does 60 here" in told and "2.00 times" in told
    )


def test_operations_are_counted_as_by_hand():
    import torch

    net = torch.nn.Conv2d(3, 8, 5, bias=False)
    maps = torch.zeros(2, 3, 20, 30)
    # two for each weight and output: 2 maps of 8 × 16 × 26 outputs, each of 3 × 5 × 5 weights
    assert bounds.gflop(lambda: net(maps)) == pytest.approx(2 * 2 * 8 * 16 * 26 * 75 / 1e9)


def test_a_goal_beyond_the_bound_is_told_as_such():
    goal = {"what": f"{speedgoals.TAGS}, x float32 over torch float32", "value": 1.5, "at_least": 2.0, "bound": 1.75}
    assert run.goal_line(goal).endswith("1.50, goal ≥ 2, and at most 1.75 can be reached here (bound)")
    assert "at most" not in run.goal_line(goal | {"value": 2.5})
    row = speedgoals.row(speedgoals.LINES[0], {"engines": {"goals": [goal]}})
    assert row[5] == "missed; at most 1.75 can be reached here, see the bound"


def test_operations_of_a_graph_are_those_of_its_net():
    """By ONNX Runtime's shapes and by PyTorch's count: a net of convolutions and dense layers."""
    torch = pytest.importorskip("torch")
    from earmark.models import loading

    tagger = loading.load("digits", engine="onnxruntime")
    torched = loading.load("digits", engine="torch").alone
    waves = torch.randn(3, tagger.length, generator=torch.Generator().manual_seed(0)).numpy()
    maps = torched.features(torch.from_numpy(waves))  # whose bands are a product too
    rest = bounds.without_the_net(tagger, lambda stub: stub.score_windows(waves))
    wanted = bounds.gflop(lambda: torched.net(maps))
    assert rest.gflop == pytest.approx(wanted, rel=1e-3) and rest.seconds >= 0
