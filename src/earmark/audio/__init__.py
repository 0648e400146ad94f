"""Recordings → float32 waves (samples,): find them, read them whole, in part or as a stream, at any sample rate.

containers → decoders → reading: load, blocks, info       walk: find       rates: resample
clocks: when a recording began
"""

from earmark.audio.clocks import Began, Clocks
from earmark.audio.decoders import Info, Report, Wave
from earmark.audio.rates import FILLED, HIGHEST, LOWEST, check_rate, length_at, masked, rate_changed, resample
from earmark.audio.reading import LARGEST, beyond, blocks, info, load
from earmark.audio.walk import EXTENSIONS, find, listing, walk_folder

__all__ = [
    "EXTENSIONS", "FILLED", "HIGHEST", "LARGEST", "LOWEST", "Began", "Clocks", "Info", "Report", "Wave", "beyond", "blocks", "check_rate",
    "find", "info", "length_at", "listing", "load", "masked", "rate_changed", "resample", "walk_folder",
]  # fmt: skip
