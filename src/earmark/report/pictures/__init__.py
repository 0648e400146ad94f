"""Pictures: a confusion matrix, the tags of a report as bars, a training's curves, a recording over time.

Each function returns a matplotlib figure of its own, without pyplot's state or a window system; `save` writes a PNG.
"""

from earmark.report.pictures.evaluation import BARS, bars, confusion
from earmark.report.pictures.recording import timeline
from earmark.report.pictures.spectrograms import BANDS, SHADES, shaded, spectrogram, spectrum
from earmark.report.pictures.style import BLUE, DPI, GREY, INK, LINES, ORANGE, PALE, bare, blank, save
from earmark.report.pictures.training import curves

__all__ = [
    "BANDS", "BARS", "BLUE", "DPI", "GREY", "INK", "LINES", "ORANGE", "PALE", "SHADES", "bare", "bars", "blank", "confusion",
    "curves", "save", "shaded", "spectrogram", "spectrum", "timeline",
]  # fmt: skip
