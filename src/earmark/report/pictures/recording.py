"""A recording's picture: what it looks like and what is heard in it, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.scores import Event, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
from earmark.inference import Scored
from earmark.report.pictures.spectrograms import spectrogram, spectrum
from earmark.report.pictures.style import GREY, INK, LINES, PALE, bare, blank, save, short

COLUMNS = 2000  # columns of the picture at most; a longer recording is sampled more coarsely
SHORTEST_HOP = 0.01  # seconds


def draw(
    heard: Scored, sample_rate: int, path: str | Path, *, reference: Sequence[Event] = (), salvage: bool = False
) -> None:
    """Write the PNG of a recording whose window scores were kept. sample_rate: Hz that the spectrogram covers half of.

    Raises AudioError.
    """
    if heard.windows is None:
        raise ValueError("the scores of the windows were not kept: ask for them with keep_windows")
    end = float(heard.windows.end.max())  # windows may leave out what follows
    recording = Path(heard.recording.path)
    levels, edges = spectrum(
        recording, sample_rate, 0.0, end, columns=COLUMNS, shortest_hop=SHORTEST_HOP, salvage=salvage
    )
    figure = timeline(levels, edges, heard.windows, recording.name, reference=reference)
    save(figure, path)


def timeline(
    spectrum: NDArray[np.float32],
    band_edges: Sequence[float],
    scores: Scores,
    title: str,
    *,
    strongest: int = 5,
    reference: Sequence[Event] = (),
) -> Figure:
    """A recording over time: its spectrogram above, the scores of its strongest tags below, and what is known of it.

    spectrum: (bands, frames) dB over the whole recording. band_edges: Hz, (bands + 1,). scores: its windows; a score is
    drawn over its window's middle. reference: events that are known, drawn as bars between the two.
    """
    duration = float(scores.end.max())
    figure = blank(10, 6 if reference else 5.4)
    heights = [1.0, 0.35, 1.0] if reference else [1.0, 1.0]
    rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    spectrogram(rows[0], spectrum, band_edges, duration)
    rows[0].set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    peak = scores.values.max(0)
    named = {event.tag for event in reference}
    order = np.argsort(-peak, kind="stable").tolist()[:strongest]
    order += [i for i, tag in enumerate(scores.tags) if tag in named and i not in order]
    colours = {scores.tags[i]: LINES[k % len(LINES)] for k, i in enumerate(order)}
    middle = (scores.start + scores.end) / 2
    for i in order:
        tag = scores.tags[i]
        rows[-1].plot(
            middle, scores.values[:, i], color=colours[tag], linewidth=1.8, marker=".", markersize=4, label=tag
        )
    rows[-1].set_ylim(-0.02, 1.02)
    rows[-1].set_ylabel("score", color=GREY)
    rows[-1].set_xlabel("seconds", color=GREY)
    rows[-1].grid(color=PALE)
    rows[-1].legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1.005, 0.5))
    if reference:
        _bars_of_events(rows[1], reference, colours)
    for axes in rows:
        bare(axes, keep=("bottom",) if axes is rows[-1] else ())
    rows[-1].set_xlim(0, duration)
    return figure


def _bars_of_events(axes: Axes, events: Sequence[Event], colours: Mapping[str, str]) -> None:
    """One bar an event, each tag on a line of its own."""
    tags = sorted({event.tag for event in events}, key=lambda tag: min(e.onset for e in events if e.tag == tag))
    for event in events:
        colour = colours.get(event.tag, GREY)
        axes.barh(tags.index(event.tag), event.offset - event.onset, left=event.onset, height=0.7, color=colour)
    axes.set_yticks(range(len(tags)), short(tags), fontsize=8.5, parse_math=False)
    axes.invert_yaxis()
    axes.set_ylabel("known", color=GREY)
