"""A recording's picture: what it looks like and what is heard in it, over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark import pictures
from earmark.scores import Event
from earmark.tag import Heard

BANDS, WINDOW = pictures.BANDS, pictures.WINDOW
COLUMNS = 2000  # columns of the picture at most; a longer recording is sampled more coarsely
SHORTEST_HOP = 0.01  # seconds


def draw(
    heard: Heard, sample_rate: int, path: str | Path, *, reference: Sequence[Event] = (), salvage: bool = False
) -> None:
    """Write the PNG of a recording whose window scores were kept. sample_rate: Hz that the spectrogram covers half of.

    Raises AudioError.
    """
    if heard.windows is None:
        raise ValueError("the scores of the windows were not kept: ask for them with keep_windows")
    end = float(heard.windows.end.max())  # windows may leave out what follows
    recording = Path(heard.recording.path)
    spectrum, edges = pictures.spectrum(
        recording, sample_rate, 0.0, end, columns=COLUMNS, shortest_hop=SHORTEST_HOP, salvage=salvage
    )
    figure = pictures.timeline(spectrum, edges, heard.windows, recording.name, reference=reference)
    pictures.save(figure, path)
