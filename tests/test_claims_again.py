"""Old reports get today's metrics, and nothing that stood in them changes."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("claims", reason="run from the repository's root, as `python -m pytest`")
pytest.importorskip("torch")

from claims import again

ROOT = Path(__file__).parent.parent


@pytest.fixture
def old(data, tmp_path):
    """A report from before log loss, with the scores that it is of."""
    for name in ("report.json", "scores.parquet"):
        (tmp_path / "one").mkdir(exist_ok=True)
        shutil.copy(ROOT / "results" / "esc10-shipped" / name, tmp_path / "one" / name)
    told = json.loads((tmp_path / "one" / "report.json").read_text())
    for name in ("log_loss", "brier"):
        told["metrics"].pop(name)
    (tmp_path / "one" / "report.json").write_text(json.dumps(told))
    return tmp_path, told


def test_metrics_are_added_and_the_rest_stays(old, data, capsys):
    place, before = old
    assert again.main(["--results", str(place), "--data", str(data)]) == 0
    assert capsys.readouterr().out == "one: with log_loss, brier\n"
    told = json.loads((place / "one" / "report.json").read_text())
    assert {name: told["metrics"][name] for name in before["metrics"]} == before["metrics"]
    assert told["metrics"].keys() - before["metrics"].keys() == {"log_loss", "brier"}
    assert (told["protocol"], told["notes"]) == (before["protocol"], before["notes"])


def test_a_report_that_would_say_something_else_is_left_as_it_was(old, data, capsys):
    place, before = old
    before["metrics"]["accuracy"]["value"] = 0.99
    (place / "one" / "report.json").write_text(json.dumps(before))
    assert again.main(["--results", str(place), "--data", str(data)]) == 1
    assert "accuracy was 0.99, now 0.91" in capsys.readouterr().err
    assert json.loads((place / "one" / "report.json").read_text()) == before


def test_what_is_not_here_is_left_out(tmp_path, capsys):
    for name, events in (("far", None), ("scenes", {"rows": []})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.parquet").touch()
        (tmp_path / name / "report.json").write_text(json.dumps({"events": events, "protocol": {"data": "desed"}}))
    assert again.main(["--results", str(tmp_path), "--data", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "far: left out: its clips are not here (desed)" in told and "scenes: left out: events" in told
