"""What the library says to people at a command line, in the words of HTTP: its options are parameters here, or there are none of them.

Options of `earmark serve` itself stay: they are for who runs the service. The page has its own words for what is told here: `page/ways.js`.

>>> over_http("is cut off. Copy it again; to work with the part that is there, use --salvage (salvage=True)")
'is cut off. Copy it again; to work with the part that is there, ask with salvage=true'
"""

from __future__ import annotations

import re

# of routes, of bodies and of /v1/live, by the names that options of commands have
PARAMETERS = (
    "answer", "below", "download", "drawn", "end", "event", "first", "format", "gain", "gap", "heard", "height", "high", "hour", "job",
    "low", "median", "most", "offset", "only", "onset", "order", "other", "points", "recording", "retry", "salvage", "scale", "score",
    "shortest", "start", "tag", "tagger", "threshold", "top", "width",
)  # fmt: skip
SAID = (
    (
        re.compile(r"[Cc]hoose them on validation clips with `earmark calibrate`, or leave --heard out"),
        "Leave heard out",
    ),
    (re.compile(r"Choose them anew with earmark calibrate"), "Leave heard out"),
    (re.compile(r"leave --hop out, or leave --heard out"), "leave heard out"),
    (
        re.compile(r"Ask for those \(no --windows, no --pictures\)(, or) take members with the same windows"),
        r"Ask for those (/v1/tags)\1 for another tagger",
    ),
    (re.compile(r",? (and the file itself )?with `earmark check`"), ""),
    (re.compile(r"use --salvage \(salvage=True\)"), "ask with salvage=true"),
    (re.compile(r"salvage=True"), "salvage=true"),
    (re.compile(r"--gain (-?[\d.]+)"), r"gain=\1"),
    (re.compile(r"\bor --gain(?![\w-])"), "or ask with a gain"),
    (re.compile(r"(, or lower the level)? \(--floor\)"), ""),  # which nobody changes here
    (re.compile(r"choose one with --channel \(channel=\)"), "send one of them alone, or choose it at the command line"),
    (re.compile(r"--channels or --encoding may be wrong"), "the encoding may be another, or it is of several channels"),
    (re.compile(rf"--({'|'.join(PARAMETERS)})(?![\w-])"), r"\1"),
)


def over_http(text: str) -> str:
    """A message or a note as it is told over HTTP."""
    for option, parameter in SAID:
        text = option.sub(parameter, text)
    return text
