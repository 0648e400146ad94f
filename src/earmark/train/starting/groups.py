"""Which clips belong together, as the names of their files tell it: recordings of one recorder and night, takes of one sound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.errors import counted

# in the order in which they are tried: what in words, and a pattern whose first brackets match the group in a file's name
PATTERNS = (
    ("one recorder and day", r"^(.*?(?:19|20)\d{6})[T_ -]?\d{4,6}"),
    ("one recording, of which these are parts", r"^(.+?)[@_-]\d+(?:\.\d+)?[_-]\d+(?:\.\d+)?\.[^.]*$"),
    ("one sound in several takes", r"^(.+?)[-_ .]\(?\d+[a-zA-Z]?\)?\.[^.]*$"),
    ("one sound in several takes", r"^(.+?)-[A-Z](?:-\d+)?\.[^.]*$"),
)
SHOWN = 3


@dataclass(frozen=True)
class Guess:
    """pattern: for `group=`. sentence: what was guessed, how many groups there are, and an example."""

    pattern: str
    sentence: str


def guess(paths: Sequence[str], tags: Sequence[str]) -> Guess | None:
    """The first pattern that fits all names and parts the clips of every tag into several groups, some of several clips.

    paths: of the clips; tags: of each. None where no pattern does.

    >>> print(guess(["owl/a_1.wav", "owl/a_2.wav", "owl/b_1.wav"], ["owl"] * 3).sentence)
    groups: 2 by the names, each of one sound in several takes, such as 'a' of 2 clips. If that is wrong, say how: --set 'group=…'
    >>> guess(["owl/1.wav", "owl/2.wav"], ["owl", "owl"]) is None
    True
    """
    for words, pattern in PATTERNS:
        matches = [re.search(pattern, path.rpartition("/")[2]) for path in paths]
        members: dict[str, int] = defaultdict(int)
        by_tag: dict[str, set[str]] = defaultdict(set)
        for match, tag in zip(matches, tags, strict=True):
            if match is None:
                break
            members[match[1]] += 1
            by_tag[tag].add(match[1])
        else:
            if min(map(len, by_tag.values())) > 1 and len(members) < len(paths):
                name, count = max(members.items(), key=lambda item: item[1])
                told = f"groups: {len(members):,} by the names, each of {words}, such as {name!r} of {counted(count, 'clip')}. "
                return Guess(pattern, f"{told}If that is wrong, say how: --set 'group=…'")
    return None
