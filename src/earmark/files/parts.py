"""Names of the user's that become folders, such as those of phases and folds: one plain part of a path on every file system."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable

from earmark.errors import counted
from earmark.files.whole import shortened

PLAIN = re.compile(r"\w([\w .,+=()-]*[\w)])?")
DEVICES = re.compile(
    r"(?i)(con|prn|aux|nul|com\d|lpt\d)"
)  # names that Windows keeps for devices, whatever ending follows
LONGEST = 200  # bytes: file systems take 255, with what earmark puts before it


def strange(name: str) -> str:
    """What keeps a name from being that of a folder, with the way out; '' where nothing does.

    >>> strange("../other"), strange("aux.1"), strange("mix (2 of 3), 1.0")
    ('give it letters, digits, - and _, with points and spaces only between them', 'Windows keeps such names for devices', '')
    """
    if not PLAIN.fullmatch(name):
        return "give it letters, digits, - and _, with points and spaces only between them"
    if DEVICES.fullmatch(name.partition(".")[0].strip()):
        return "Windows keeps such names for devices"
    if (length := len(os.fsencode(name))) > LONGEST:
        return f"it has {counted(length, 'byte')}, and {LONGEST} are the most: take a shorter one"
    return ""


def plain(name: str) -> str:
    """The name itself where it can be that of a folder; else one that can, with a digest that tells it from what others become.

    >>> plain("evaluation-fold-1-2"), plain("evaluation-fold-../site")
    ('evaluation-fold-1-2', 'evaluation-fold-.._site-281b7326')
    """
    if not strange(name):
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    told = re.sub(r"[^\w .,+=()-]", "_", name)
    made = f"{shortened(told, LONGEST - len(digest) - 2)}-{digest}"
    return f"_{made}" if strange(made) else made


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that a file system which does not tell large letters from small ones takes for one; None where there are none.

    >>> alike(["mix", "plain", "Mix"])
    ('mix', 'Mix')
    """
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen and seen[key] != name:
            return seen[key], name
        seen[key] = name
    return None
