"""What the benchmark beside panns_inference judges and names, on figures worked by hand, and the work that it counts."""

import pytest

pytest.importorskip("benchmarks", reason="run from the repository's root, as `python -m pytest`")
pytest.importorskip("torch")

from benchmarks import panns, run

ROWS = [
    [panns.BASE, 1.0, 20.0, 42.3, 100.0],
    ["earmark resnet_b, 10 s every 10 s, torch float32", 2.5, 50.0, 20.7, 100.0],
    ["earmark resnet_b, 10 s every 10 s, onnxruntime float32", 4.5, 90.0, 20.7, 100.0],
    ["earmark cnnspec, 2 s every 1 s, torch float32", 9.0, 180.0, 26.7, 100.0],
]
INT8 = ["earmark resnet_b, 10 s every 10 s, openvino int8", 9.5, 190.0, 20.7, 100.0]


def test_goals_are_of_equal_windows_only():
    assert [run.goal_line(goal) for goal in panns.goals(ROWS)] == [
        "met: panns: resnet_b over panns_inference Cnn14, both 10 s every 10 s, float32: 4.50, goal ≥ 4"
    ]
    assert [run.goal_line(goal) for goal in panns.goals([*ROWS, INT8])][1] == (
        "missed: panns: resnet_b over panns_inference Cnn14, both 10 s every 10 s, int8 or bf16: 9.50, goal ≥ 10"
    )


def test_what_cannot_be_measured_is_told():
    assert sum("Not measurable here" in line for line in panns.notes(ROWS)) == 1
    assert not any("Not measurable here" in line for line in panns.notes([*ROWS, INT8]))


def test_windows_lie_as_the_peers_segments_do_and_their_work_is_counted(tmp_path):
    """Windows half as far apart are twice the work."""
    from earmark.models import loading

    apart = panns.make_tagger(tmp_path / "apart.safetensors", "convnet1d", 10.0, 10.0)
    often = panns.make_tagger(tmp_path / "often.safetensors", "convnet1d", 10.0, 5.0)
    windows = loading.load(apart).windows
    assert (windows.length, windows.hop) == (10.0, 10.0)
    assert panns.operations(often) == pytest.approx(2 * panns.operations(apart))
    assert len(loading.load(apart).vocabulary) == panns.TAGS
