"""How a recording is cut into windows, and how the windows' scores become one score for the whole.

A window starts at every multiple of the hop that leaves it inside the recording. `last` says what happens to the rest
(align: one more window that ends with the recording; pad: one more that is zero-padded; drop: it is left out), `short`
what happens to a recording shorter than one window (pad: zeros behind it; centre: zeros on both sides; repeat: it is
repeated; slide: a window for every place that it can have among zeros, a hop apart, as paper 004 does). `weigh` says
how much a window counts: all the same, by its level (root-mean-square amplitude), so that the pauses of a recording,
which sound like the pauses of any other, have little say, or by its energy, the square of that, so that they have less.

Seconds outside, samples inside: both are rounded to whole samples once, in `Windows.samples`.
"""

from earmark.windows.cutting import Cutter, Stretch, fit, slides, starts
from earmark.windows.pooling import Pool, weights
from earmark.windows.settings import Combine, Last, Short, Weigh, Windows

__all__ = [
    "Combine", "Cutter", "Last", "Pool", "Short", "Stretch", "Weigh", "Windows", "fit", "slides", "starts", "weights",
]  # fmt: skip
