"""`events --pictures --reference`: known events are drawn on the recording that they are of, and what is of none is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.report.pictures import events as eventpicture

NIGHT = "20211031_013000.wav"
HEADER = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Two recorders that began at one second; the table → what was run, and the known events in the picture of each folder's recording."""
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B"):
        (tmp_path / "rec" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "rec" / name / NIGHT, np.zeros(3 * 16_000), 16_000)
    known: dict[str, list[float] | None] = {}

    def draw(scene, *_, **__):
        known[Path(scene.path).parent.name] = scene.reference and [event.onset for event in scene.reference]

    monkeypatch.setattr(eventpicture, "draw", draw)

    def run(*rows: str, of: str = "rec"):
        known.clear()
        (tmp_path / "ref.tsv").write_text(HEADER + "".join("\t".join([*row.split(), "dog"]) + "\n" for row in rows))
        return earmark("events", of, "--pictures", "pic", "--reference", "ref.tsv", "--format", "csv"), known

    return run


@pytest.mark.parametrize("root", ["rec/", "", "/media/card/"])
def test_each_has_its_own(root, drawn):
    done, known = drawn(f"{root}A/{NIGHT} 1 2", f"{root}B/{NIGHT} 0.5 1")
    assert done.returncode == 0 and known == {"A": [1.0], "B": [0.5]}
    assert ("are taken from another folder" in done.stderr) == root.startswith(
        "/"
    ) and "drawn nowhere" not in done.stderr


@pytest.mark.parametrize("name", [NIGHT, Path(NIGHT).stem])
def test_a_name_of_several_is_refused_before_anything_is_heard(name, drawn, tmp_path):
    done, known = drawn(f"{name} 1 2")
    assert done.returncode == 2 and not known and not (tmp_path / "pic").exists()
    assert f"--reference ref.tsv: '{name}' is the name of 2 recordings" in done.stderr
    assert "give the folder of each in the table" in done.stderr
    done, known = drawn(f"{name} 1 2", of="rec/B")
    assert done.returncode == 0 and known == {"B": [1.0]}


def test_what_is_of_none_is_told(drawn):
    done, known = drawn("nope.wav 1 2", f"/elsewhere/{NIGHT} 1 2", f"A/{NIGHT} 0.5 1")
    assert done.returncode == 0 and known == {"A": [0.5], "B": None}
    assert (
        "ref.tsv: 2 of its 3 recordings are not among the 2 that are heard, such as 'nope.wav': their known events are drawn nowhere"
        in done.stderr
    )
    assert f"B/{NIGHT}: the table of known events does not name it" in done.stderr


def test_another_recorders_are_not_drawn(drawn):
    done, known = drawn(f"rec/B/{NIGHT} 1 2", of="rec/A")
    assert done.returncode == 0 and known == {"A": None}
    assert f"such as 'rec/B/{NIGHT}' (it is there, and rec/A/{NIGHT} is another file)" in done.stderr


def test_events_after_the_end_are_told(drawn):
    done, known = drawn(f"{NIGHT} 1 2", f"{NIGHT} 100 120", of="rec/A")
    assert done.returncode == 0 and known == {"A": [1.0]}
    assert f"{NIGHT}: 1 known event begins after its end, at 3.00 s, such as 'dog' from 100 s" in done.stderr
