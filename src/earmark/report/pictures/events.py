"""A picture of the events in a recording, as paper 003's Figure 2: the spectrogram above, the scores of tags below.

Between them a line for each tag: above what was found, below what is known, where it is. In the scores, events found are
shaded and thresholds dashed. Times are seconds of the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.events import EventRules, Track
from earmark.report import pictures
from earmark.report.pictures import GREY, INK, LINES, PALE
from earmark.report.pictures.style import short
from earmark.scores import Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORTEST_HOP = 0.005  # seconds
COLUMNS = 1000  # columns of the picture at most: a longer recording is sampled more coarsely
SHOWN = 6  # tags of a picture
# a tag has the colour of its place in the vocabulary, so that it has one in all pictures of a tagger
COLOURS = (*LINES, "#1b9e9e", "#c2a000", "#7a4b2a", "#e377c2", "#1f4e2c", "#4b3f8f")
DPI = 80  # pictures lie in pages


@dataclass(frozen=True)
class Scene:
    """What is drawn. start, duration: seconds; of a whole recording, start is 0. reference: None where nothing is known.

    strongest: draw just so many tags, those with the highest scores, as the figure in the paper has two; None draws all
    that are found or known.
    """

    path: Path
    start: float
    duration: float
    track: Track
    rules: EventRules
    found: Sequence[Event]
    reference: Sequence[Event] | None
    title: str
    strongest: int | None = None


def draw(scene: Scene, sample_rate: int, file: str | Path, *, salvage: bool = False) -> None:
    """Write the PNG. sample_rate: Hz, of which the spectrogram covers half. Raises AudioError."""
    spectrum, edges = pictures.spectrum(
        scene.path,
        sample_rate,
        scene.start,
        scene.duration,
        columns=COLUMNS,
        shortest_hop=SHORTEST_HOP,
        salvage=salvage,
    )
    pictures.save(figure(scene, spectrum, edges), file, DPI)


def figure(scene: Scene, spectrum: NDArray[np.float32], band_edges: Sequence[float]) -> Figure:
    """spectrum: (bands, columns) dB. band_edges: Hz, (bands + 1,)."""
    tags = shown(scene)
    colours = coloured(tags, scene.track.tags)
    fig = pictures.blank(10, 4.6 + 0.26 * len(tags))
    rows = fig.subplots(3, 1, sharex=True, height_ratios=[1.0, 0.14 * max(1, len(tags)), 1.0])
    pictures.spectrogram(rows[0], spectrum, band_edges, scene.duration)
    # the picture of the spectrogram begins at 0: time is told from the start of the clip
    rows[0].set_title(scene.title, color=INK, fontsize=11, loc="left", parse_math=False)
    _lines(rows[1], scene, colours)
    _scores(rows[2], scene, colours)
    for axes in rows:
        pictures.bare(axes, keep=("bottom",) if axes is rows[2] else ())
    rows[2].set_xlim(0, scene.duration)
    where = f", from {scene.start:g} s of the recording on" if scene.start else ""
    rows[2].set_xlabel(f"seconds{where}", color=GREY)
    return fig


def coloured(tags: Sequence[str], vocabulary: Sequence[str]) -> dict[str, str]:
    """A colour for each of the tags of a picture: that of its place in the vocabulary, or where another has it, a free one.

    >>> coloured(["rain", "owl"], ["frog", "owl", "rain"]) == {"rain": COLOURS[2], "owl": COLOURS[1]}
    True
    """
    places = {tag: place for place, tag in enumerate(vocabulary)}
    colours: dict[str, str] = {}
    for tag in sorted(tags, key=lambda tag: places.get(tag, len(places))):
        first = places.get(tag, len(places)) % len(COLOURS)
        free = [colour for colour in (*COLOURS[first:], *COLOURS[:first]) if colour not in colours.values()]
        colours[tag] = free[0]
    return {tag: colours[tag] for tag in tags}


def left_out(scene: Scene) -> list[str]:
    """Tags that are found or known and have no place in the picture, in the order of the alphabet."""
    return sorted({event.tag for event in [*scene.found, *(scene.reference or ())]} - set(shown(scene)))


def shown(scene: Scene) -> list[str]:
    """Tags that are found or known, then the strongest others, up to two at least; SHOWN at most. Or just the strongest."""
    values = np.nan_to_num(scene.track.values, nan=0.0)
    peaks = dict(zip(scene.track.tags, values.max(0, initial=0.0).tolist(), strict=True))
    if scene.strongest is not None:
        return sorted(peaks, key=lambda tag: (-peaks[tag], tag))[: min(scene.strongest, SHOWN)]
    seconds: dict[str, float] = {}
    for event in [*scene.found, *(scene.reference or ())]:
        seconds[event.tag] = seconds.get(event.tag, 0.0) + event.offset - event.onset
    first = sorted(seconds, key=lambda tag: (-seconds[tag], tag))
    others = sorted((tag for tag in peaks if tag not in seconds), key=lambda tag: (-peaks[tag], tag))
    return (first + others[: max(0, 2 - len(first))])[:SHOWN]


def _lines(axes: Axes, scene: Scene, colours: dict[str, str]) -> None:
    tags = list(colours)
    for events, place, colour in ((scene.found, -0.18, None), (scene.reference or (), 0.18, INK)):
        for event in events:
            if event.tag in colours:
                onset = event.onset - scene.start
                axes.barh(
                    tags.index(event.tag) + place,
                    event.offset - event.onset,
                    left=onset,
                    height=0.32,
                    color=colour or colours[event.tag],
                )
    axes.set_yticks(range(len(tags)), tags, fontsize=8.5, parse_math=False)
    axes.set_ylim(len(tags) - 0.5, -0.5)
    axes.grid(axis="x", color=PALE)
    axes.set_axisbelow(True)
    known = "coloured: found   black: known" if scene.reference is not None else "found"
    if more := left_out(scene):
        known += f"   not drawn: {', '.join(short(more[:3]))}" + (f" and {len(more) - 3} more" if more[3:] else "")
    axes.set_title(known, color=GREY, fontsize=8.5, loc="right", pad=2, parse_math=False)


def _scores(axes: Axes, scene: Scene, colours: dict[str, str]) -> None:
    track = scene.track
    for tag, colour in colours.items():
        if tag in track.tags:
            edges, values = thinned(track.edges - scene.start, track.values[:, track.tags.index(tag)])
            axes.stairs(values, edges, color=colour, linewidth=1.6, label=tag, baseline=None)
            axes.axhline(scene.rules.thresholds[tag], color=colour, linewidth=1, linestyle=(0, (4, 3)), alpha=0.7)
        for event in scene.found:
            if event.tag == tag:
                axes.axvspan(
                    event.onset - scene.start, event.offset - scene.start, color=colour, alpha=0.12, linewidth=0
                )
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("score", color=GREY)
    axes.grid(color=PALE)
    if any(tag in track.tags for tag in colours):  # known events may be of other tags alone
        axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1.005, 0.5))


def thinned(edges: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most COLUMNS cells, each with the highest value of those that it stands for, so that no peak is lost."""
    if len(values) <= COLUMNS:
        return edges, values
    first = np.unique(np.linspace(0, len(values), COLUMNS, endpoint=False).astype(int))
    highest = np.maximum.reduceat(np.nan_to_num(values, nan=-np.inf), first)
    return np.append(edges[first], edges[-1]), np.where(np.isinf(highest), np.nan, highest)
