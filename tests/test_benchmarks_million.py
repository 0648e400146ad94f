"""A million hours on paper, from figures that were worked by hand; the parts that they come from, small."""

import pytest

pytest.importorskip("benchmarks", reason="run from the repository's root, as `python -m pytest`")

from benchmarks import million, planner, run

PLANNER = {
    planner.LISTED: [1000, 0.002, 0.002, 2.0, 1.0],
    planner.JOURNALED: [20, 0.01, 0.2, 500.0, 0.0],
    planner.RESUMED: [20, 0.001, 0.001, 50.0, 0.0],
    planner.JOINED: [20, 0.001, 0.001, 50.0, 0.0],
    planner.ALL: [1000, 0.02, 0.02, 20.0, 0.5],
}
PARTS = {
    "planner": {"tables": [{"rows": [[name, *row] for name, row in PLANNER.items()]}]},
    "engines": {
        "tables": [
            {
                "title": "esc10, 20 clips",
                "columns": ["", "clips/s"],
                "rows": [["torch float32", 1.0], ["onnxruntime float32", 2.0], ["openvino int8", 9.0]],
            }
        ]
    },
    "store": {
        "tables": [
            {
                "columns": ["", "measured"],
                "rows": [["events", 1e6], ["bytes an event", 10.0], ["counts by site and hour, s of CPU", 0.1]],
            }
        ]
    },
}


def figures(parts):
    paper = million.section(parts)
    return {row[0]: row[1] for row in paper["table"]["rows"]}, " ".join(paper["remarks"])


def test_figures_worked_by_hand():
    told, said = figures(PARTS)
    # 2 clips of 5 s a second: a core hears ten hours in one
    assert told["core-hours from file to tags, esc10 in onnxruntime float32"] == 100_000
    assert told["days on 10 machines of 2 cores"] == pytest.approx(100_000 / 20 / 24)
    # 3,600 s × 48,000 × 2 bytes × 10⁶
    assert told["recordings, TB (16-bit samples of one channel at 48 kHz)"] == pytest.approx(345.6)
    assert told["requests to read them, millions, 8 MB each"] == pytest.approx(43.2)
    assert told["store of 25 events an hour, GB"] == pytest.approx(0.25)
    assert told["the question how many events a site and hour, s of CPU"] == pytest.approx(2.5)
    # 50 parts list all, 2 µs each; 500 + 50 + 50 + 20 µs for each recording once: 720 s
    assert told["planning: CPU minutes of all parts, without a net"] == pytest.approx(12)
    assert told["planning: MB of the machine that joins"] == pytest.approx(1500)  # 1 and 0.5 MB a thousand
    assert "16 GB hold the journal and the list of 11 million recordings" in said  # 1,500 bytes each
    assert "takes 10.0 ms of the clock" in said


def test_what_was_not_measured_is_told():
    told, _ = figures({"planner": PARTS["planner"]})
    assert told["core-hours from file to tags, esc10 in float32"] == "not measured yet"
    assert million.section({}) is None


def test_the_planner_small():
    """Every step runs, on the real journal and list."""
    told = planner.measure(5_000)
    assert [told["steps"][name][0] for name in PLANNER] == [5_000, 100, 100, 100, 5_000]
    text = run.markdown_table({"title": "", "columns": [""] * 6, "rows": [[n, *r] for n, r in told["steps"].items()]})
    assert len(text.splitlines()) == 9
