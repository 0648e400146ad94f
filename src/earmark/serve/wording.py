"""What the library says to people at a command line, in the words of HTTP: its options are parameters here, or there are none of them.

>>> over_http("is cut off. Copy it again; to work with the part that is there, use --salvage (salvage=True)")
'is cut off. Copy it again; to work with the part that is there, ask with salvage=true'
"""

from __future__ import annotations

import re

SAID = (
    (re.compile(r"use --salvage \(salvage=True\)"), "ask with salvage=true"),
    (re.compile(r"salvage=True"), "salvage=true"),
    (re.compile(r"--gain (-?[\d.]+)"), r"gain=\1"),
    (re.compile(r"--gain\b"), "ask with a gain"),
    (re.compile(r"(, or lower the level)? \(--floor\)"), ""),  # which nobody changes here
    (re.compile(r"choose one with --channel \(channel=\)"), "send one of them alone, or choose it at the command line"),
    (re.compile(r"--channels or --encoding may be wrong"), "the encoding may be another, or it is of several channels"),
)


def over_http(text: str) -> str:
    """A message or a note as it is told over HTTP."""
    for option, parameter in SAID:
        text = option.sub(parameter, text)
    return text
