"""Tags that look alike: spellings of one word that became tags of their own."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from earmark.errors import counted
from earmark.files.tables import MISSING

SHOWN = 3  # groups of spellings that a sentence names


def spelt_alike(vocabulary: Sequence[str]) -> list[list[str]]:
    """Groups of tags that differ in case, form of letters (Unicode NFKC), blanks, hyphens, underscores or invisible signs only.

    >>> spelt_alike(["Owl", "dog", "owl", "sea bird", "sea_bird"])
    [['Owl', 'owl'], ['sea bird', 'sea_bird']]
    """
    groups: dict[str, list[str]] = {}
    for tag in vocabulary:
        groups.setdefault(_bare(tag), []).append(tag)
    return [group for group in groups.values() if len(group) > 1]


def doubts(vocabulary: Sequence[str]) -> list[str]:
    """What is to be said of the spelling of tags, one line each."""
    lines = []
    if groups := spelt_alike(vocabulary):
        shown = "; ".join(" and ".join(map(_shown, group)) for group in groups[:SHOWN])
        more = f" and {counted(len(groups) - SHOWN, 'more group')}" if len(groups) > SHOWN else ""
        lines.append(
            "warning: tags that differ in case, blanks, hyphens or the form of letters only are tags of their own: "
            f"{shown}{more}. If they are one, spell them alike"
        )
    # "none" is what some data sets call nothing that they know
    if empty := [tag for tag in vocabulary if tag.lower() in MISSING - {"none", ""}]:
        lines.append(
            f"warning: the tag {_shown(empty[0])} is how tools write a missing value: leave the cell empty if it is none"
        )
    return lines


def _bare(tag: str) -> str:
    """Without all that a reader does not see as another word."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())
    # Z: blanks, Pd: hyphens and dashes, Pc: underscores, C: signs of control and format, such as zero width
    kept = "".join(
        sign
        for sign in text
        if unicodedata.category(sign) not in ("Pd", "Pc") and unicodedata.category(sign)[0] not in "ZC"
    )
    return kept or tag


def _shown(tag: str) -> str:
    """In quotes; with the numbers of the signs where they are not plain, as two spellings may look the same."""
    return repr(tag) if tag.isascii() else f"{tag!r} ({ascii(tag)[1:-1]})"
