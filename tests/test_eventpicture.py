"""Pictures of events: what is drawn where, as matplotlib holds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.colors import to_hex

from earmark.cli.terminal.drawing import Artist
from earmark.errors import EarmarkError
from earmark.events import EventRules, Track
from earmark.report.pictures import INK, LINES, spectrum
from earmark.report.pictures.events import COLOURS, COLUMNS, Scene, coloured, draw, figure, left_out, shown, thinned
from earmark.scores import Event

TAGS = ("cat", "dog", "rain")


def scene(path: Path, start: float = 2.0, **changes) -> Scene:
    edges = start + np.linspace(0, 4, 41)
    values = np.tile([0.1, 0.2, 0.3], (40, 1))
    told = {
        "found": [Event(start + 1, start + 2, "dog", 0.9)],
        "reference": [Event(start + 1.5, start + 2.5, "dog", 1.0)],
    }
    rules = EventRules.alike(TAGS, 0.4)
    return Scene(path, start, 4.0, Track(edges, values, TAGS), rules, title="x", **(told | changes))


def test_found_above_known_at_the_times_of_the_clip():
    fig = figure(scene(Path("a.wav")), np.zeros((96, 50), np.float32), np.linspace(0, 4000, 97).tolist())
    _, lines, scores = fig.axes
    bars = [(bar.get_x(), bar.get_width(), to_hex(bar.get_facecolor())) for bar in lines.patches]
    assert np.allclose([bar[:2] for bar in bars], [(1, 1), (1.5, 1)])
    assert [bar[2] for bar in bars] == [LINES[1], INK]  # dog is the second of the vocabulary
    assert lines.patches[0].get_y() < lines.patches[1].get_y()
    assert [label.get_text() for label in lines.get_yticklabels()] == ["dog", "rain"]
    assert scores.get_xlim() == (0, 4) and scores.get_xlabel() == "seconds, from 2 s of the recording on"
    assert [line.get_ydata()[0] for line in scores.lines] == [0.4, 0.4]  # thresholds


def test_a_tag_has_one_colour_in_all_pictures():
    vocabulary = [f"t{number}" for number in range(len(COLOURS))]
    every = coloured(vocabulary, vocabulary)
    assert len(set(every.values())) == len(COLOURS)
    for tags in (["t3", "t9"], ["t9", "t0", "t3"]):
        assert coloured(tags, vocabulary) == {tag: every[tag] for tag in tags}
    more = [*vocabulary, "also"]  # more tags than colours: never two alike in one picture
    assert len(set(coloured(["also", "t0", "unknown"], more).values())) == 3


def test_tags_that_have_no_place_are_named():
    many = [Event(2, 3, f"tag {number}", 1.0) for number in range(10)]
    full = scene(Path("a.wav"), found=[], reference=many)
    assert len(shown(full)) == 6 and left_out(full) == [f"tag {number}" for number in (6, 7, 8, 9)]
    fig = figure(full, np.zeros((96, 50), np.float32), np.linspace(0, 4000, 97).tolist())
    assert fig.axes[1].get_title(loc="right").endswith("not drawn: tag 6, tag 7, tag 8 and 1 more")
    assert left_out(scene(Path("a.wav"))) == []


def test_tags_found_or_known_come_first_then_the_strongest():
    assert shown(scene(Path("a.wav"))) == ["dog", "rain"]
    assert shown(scene(Path("a.wav"), found=[], reference=None)) == ["rain", "dog"]
    longer = [Event(2, 3, "cat", 1.0), Event(2, 5, "dog", 1.0), Event(3, 4.5, "rain", 1.0)]
    assert shown(scene(Path("a.wav"), found=longer, reference=None)) == ["dog", "rain", "cat"]


def test_just_the_strongest_tags_are_drawn_where_that_is_asked_for():
    """Three tags are found; by their highest scores the two strongest are drawn, as in the figure of the paper."""
    longer = [Event(2, 3, "cat", 1.0), Event(2, 5, "dog", 1.0), Event(3, 4.5, "rain", 1.0)]
    drawn = scene(Path("a.wav"), found=longer, reference=None)
    peaks = dict(zip(drawn.track.tags, np.nan_to_num(drawn.track.values).max(0), strict=True))
    for count in (1, 2):
        assert shown(replace(drawn, strongest=count)) == sorted(peaks, key=lambda tag: -peaks[tag])[:count]


def test_the_strongest_tags_are_of_pictures():
    with pytest.raises(EarmarkError, match="--strongest 2: is of pictures: give a folder with --pictures"):
        Artist.of(None, None, 8000, 2)


def test_no_peak_is_lost_where_there_are_more_cells_than_columns():
    values = np.zeros(5 * COLUMNS + 3)
    values[1234], values[-1] = 0.8, 0.6
    edges, highest = thinned(np.arange(len(values) + 1) / 10, values)
    assert len(highest) <= COLUMNS and len(edges) == len(highest) + 1
    assert sorted(highest)[-2:] == [0.6, 0.8] and (edges[0], edges[-1]) == (0, len(values) / 10)
    cell = int(highest.argmax())
    assert edges[cell] <= 123.4 < edges[cell + 1]


def test_the_spectrogram_is_that_of_the_part(tmp_path):
    """A click at 5 s of a recording lies 3 s into the part that begins at 2 s, of 4 s: three quarters to the right."""
    wave = np.random.default_rng(0).normal(0, 1e-4, 8 * 8000)
    wave[40000:40400] = 0.5
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    part, _ = spectrum(tmp_path / "a.wav", 8000, 2.0, 4.0, columns=COLUMNS, shortest_hop=0.005)
    assert part.shape[1] == 800
    assert abs(part.sum(0).argmax() / part.shape[1] - 0.756) < 0.01
    draw(scene(tmp_path / "a.wav"), 8000, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
