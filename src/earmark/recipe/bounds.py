"""How much a recipe may ask for, whoever wrote it: a file of its own, or one inside a tagger.

A few bytes can ask for nets of any size, windows of years and lists without end. All is held against these bounds while it
is plain values, before anything is built; what the numbers amount to together, such as a net's parameters, is counted on
shapes alone (`earmark.models.size`). Docs: bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earmark.errors import counted

RECIPE_BYTES = 100_000  # of a file; the longest that is shipped has 2,300
NODES = 20_000  # keys, values and entries of lists, aliases written out
DEPTH = 32  # lists and mappings within each other
CHARACTERS = 10_000  # of one key or value
WHOLE = 10**9  # of a whole number but the seed: what counts a thing is never larger
PARTS = 100  # augmentations, and phases
SIDE = 10_000  # bands, or frames, of a map that is resized
RATE = 1e30  # of a step of learning, and of weights that decay: beyond it float32 has no room for a step
WINDOW_SECONDS = 600.0
HOP_SECONDS = 86_400.0  # a day
WINDOW_SAMPLES = 1 << 25  # 128 MiB in float32: 12 minutes at 44,100 Hz
MAP = 1 << 25  # values that a feature may make of a window: 128 MiB in float32
HOPS = 1000  # windows that hear one sample
LARGE = (dict, list, tuple)


def excess(raw: object) -> list[str]:
    """What is too much in plain values, as mistakes with the path of the key: size, depth, numbers and texts.

    >>> excess({"net": {"name": "samplecnn", "hidden": 10**12}})
    ['net.hidden: 1,000,000,000,000 is beyond the largest number that a recipe may hold, 1,000,000,000']
    """
    mistakes: list[str] = []
    left: list[tuple[str, int, Any]] = [("", 0, raw)]
    seen = 0
    while left:
        path, depth, value = left.pop()
        seen += 1
        if seen > NODES:
            return [f"recipe: holds more than {NODES:,} keys and values: no recipe needs so many"]
        if isinstance(value, LARGE):
            if depth == DEPTH:
                return [f"{path[:60]}…: is nested more than {DEPTH} deep: no recipe needs that"]
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            left += [(f"{path}.{_short(key)}" if path else _short(key), depth + 1, each) for key, each in pairs]
        elif told := _too_large(path, value):
            mistakes.append(f"{path or 'recipe'}: {told}")
    return mistakes


def _short(key: object) -> str:
    text = str(key) if isinstance(key, str) else repr(key)[:60]
    return text if len(text) <= 60 else f"{text[:59]}…"


def _too_large(path: str, value: object) -> str:
    if isinstance(value, str) and len(value) > CHARACTERS:
        return f"a text of {counted(len(value), 'character')}, longer than {CHARACTERS:,}"
    if isinstance(value, int) and abs(value) > WHOLE and path != "seed":
        told = f"{value:,}" if abs(value) < 10**30 else f"a number of {counted(value.bit_length(), 'bit')}"
        return f"{told} is beyond the largest number that a recipe may hold, {WHOLE:,}"
    if path == "seed" and isinstance(value, int) and value.bit_length() > 64:  # its own message prints the number
        return f"a number of {counted(value.bit_length(), 'bit')}: a seed has 63 at most"
    return ""


def windows(length: float, hop: float, sample_rate: int) -> list[str]:
    """What is too much in a recipe's windows. length, hop: seconds.

    >>> windows(1e9, 1.0, 16_000)
    ['windows.length: 1e+09 s is longer than a window may be, 600 s: what is heard in a recording is heard in its windows']
    """
    if length > WINDOW_SECONDS:
        told = f"{length:g} s is longer than a window may be, {WINDOW_SECONDS:g} s"
        return [f"windows.length: {told}: what is heard in a recording is heard in its windows"]
    if length * sample_rate > WINDOW_SAMPLES:
        return [
            f"windows.length: {length:g} s are {length * sample_rate:,.0f} samples at {sample_rate:,} Hz, more than a "
            f"window may have, {WINDOW_SAMPLES:,}: take a shorter window or a lower sample_rate"
        ]
    if hop * HOPS < length:
        return [
            f"windows.hop: {hop:g} s is less than a thousandth of the length, {length:g} s, so that each moment would be "
            f"heard more than {HOPS:,} times: take a longer hop"
        ]
    return []


def maps(length: float, channels: int, bands: int, frames: int) -> list[str]:
    """What is too much in the map that a feature makes of a window of `length` seconds.

    >>> maps(600.0, 1, 128, 600_000)
    ['windows.length: 1 × 128 bands × 600,000 frames are 76,800,000 values a window, more than 33,554,432: make it shorter']
    """
    if (values := channels * bands * frames) <= MAP:
        return []
    told = f"{channels} × {counted(bands, 'band')} × {counted(frames, 'frame')} are {counted(values, 'value')}"
    return [f"windows.length: {told} a window, more than {MAP:,}: make it shorter"]
