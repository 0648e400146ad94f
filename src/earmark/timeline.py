"""A recording's picture: what it looks like and what is heard in it, over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from earmark import audio, pictures
from earmark.features import LogMel
from earmark.features.mel import hz_to_mel, mel_to_hz
from earmark.scores import Event
from earmark.tag import Heard

BANDS, WINDOW = 96, 0.046  # mel bands; seconds
COLUMNS = 2000  # columns of the picture at most; a longer recording is sampled more coarsely
SHORTEST_HOP = 0.01  # seconds


def draw(
    heard: Heard, sample_rate: int, path: str | Path, *, reference: Sequence[Event] = (), salvage: bool = False
) -> None:
    """Write the PNG of a recording whose window scores were kept. sample_rate: Hz that the spectrogram covers half of."""
    if heard.windows is None:
        raise ValueError("the scores of the windows were not kept: ask for them with keep_windows")
    spectrum = spectrogram(heard, sample_rate, salvage)
    low, high = hz_to_mel(np.array([0.0, sample_rate / 2]))
    edges = mel_to_hz(np.linspace(low, high, BANDS + 1))
    name = Path(heard.recording.path).name
    figure = pictures.timeline(spectrum, edges.tolist(), heard.windows, name, reference=reference)
    pictures.save(figure, path)


def spectrogram(heard: Heard, sample_rate: int, salvage: bool = False) -> NDArray[np.float32]:
    """(bands, columns) dB of the whole recording, read in blocks, so that a long one takes no more memory."""
    hop = max(SHORTEST_HOP, heard.duration / COLUMNS)
    step = round(hop * sample_rate)
    feature = LogMel(sample_rate, WINDOW, step / sample_rate, BANDS)
    columns = []
    held = np.zeros(0, np.float32)
    for block in audio.blocks(heard.recording.path, sample_rate, 10.0, salvage=salvage):
        held = np.concatenate([held, block])
        ready = feature.frames(len(held)) if len(held) >= feature.shortest else 0
        if ready > 0:
            columns.append(feature(torch.from_numpy(held[: feature.samples(ready)])[None])[0, 0].numpy())
            held = held[ready * step :]
    if not columns:
        padded = np.pad(held, (0, max(0, feature.shortest - len(held))))
        columns.append(feature(torch.from_numpy(padded)[None])[0, 0].numpy())
    return np.concatenate(columns, 1)
