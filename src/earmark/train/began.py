"""What a run began with beside its recipe and its clips: what the command alone says, and what is behind names.

    began.json    {"vocabulary": ["cat", "dog"], "salvage": false, "unread": {"train": ["a.wav"], "validation": []},
                   "merge": {"Bark": "dog", "Hiss": null}, "weights": {"big.safetensors": "5eb64e3da63c"}}

vocabulary: the tags in order. salvage: whether what can be read of damaged clips is learnt from. unread: ids of the clips that could not
be read, by part, of clips in files of their own. merge: the teachers' tags that a table merges, with what they become; null: left out.
weights: the identity of each tagger that the recipe loads weights from, by its name there. A run of an earlier version does not tell all
of this: what it tells is compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files import write_text
from earmark.models.file import read_head

FILE = "began.json"
TAGGER = "tagger.safetensors"  # in a run folder
SHOWN = 3  # tags that a message tells


@dataclass(frozen=True)
class Began:
    """See the module's docstring; what is not known before clips are read comes later."""

    vocabulary: tuple[str, ...]
    salvage: bool = False
    merge: Mapping[str, str | None] | None = None
    weights: Mapping[str, str] = field(default_factory=dict)  # those that are not in the run yet

    def write(self, folder: Path) -> None:
        _write(folder, {name: value for name, value in asdict(self).items() if value is not None})

    def check(self, folder: Path) -> None:
        """Raises EarmarkError where the run in a folder began otherwise."""
        before = read(folder)
        vocabulary = before.get("vocabulary") or _vocabulary(folder) or self.vocabulary
        if list(vocabulary) != list(self.vocabulary):
            raise EarmarkError(
                f"{folder}: was started with {_other_tags(vocabulary, self.vocabulary)}. Give the data that it was started with, or take "
                "another --out"
            )
        salvage = before.get("salvage", self.salvage)
        if salvage != self.salvage:
            how = "with" if salvage else "without"
            raise EarmarkError(
                f"{folder}: was started {how} --salvage, which decides what of damaged clips is learnt from: resume {how} it, or take "
                "another --out"
            )
        # under other names, or without a table, it is another recipe
        merge = self.merge if self.merge is None else before.get("merge", self.merge)
        if merge is not None and merge != self.merge:
            raise EarmarkError(
                f"{folder}: was started with another table behind --merge ({_apart(merge, self.merge or {})}): resume with the table of "
                "then, or take another --out"
            )
        for source, identity in before.get("weights", {}).items():
            check_weights(folder, source, identity, self.weights.get(source, identity))


def check_weights(folder: Path, source: str, before: str, now: str) -> None:
    """Raises EarmarkError where another tagger is where weights are loaded from than when the run began. before, now: identities."""
    if before != now:
        raise EarmarkError(
            f"{folder}: was started with another tagger to load weights from: {source} was {before}, now {now}. Put that one back, or "
            "take another --out"
        )


def _vocabulary(folder: Path) -> list[str]:
    """Of a run that does not tell it: the tags of a tagger that it kept; none where it kept none."""
    return next((list(read_head(file)["vocabulary"]) for file in sorted(folder.rglob(TAGGER))), [])


def _other_tags(before: Sequence[str], now: Sequence[str]) -> str:
    """How the tags differ, in words.

    >>> _other_tags(["cat", "dog"], ["dog", "cat"]), _other_tags(["cat", "dog"], ["cat"])
    ('the same tags in another order', "other tags than --data gives now: 'dog' was one and is none")
    """
    for tags, others, what in ((before, now, "was one and is none"), (now, before, "is one and was none")):
        if more := [tag for tag in tags if tag not in set(others)]:
            return f"other tags than --data gives now: {more[0]!r} {what}"
    return "the same tags in another order"


def _apart(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> str:
    """What differs between two tables of tags, in words.

    >>> _apart({"Bark": "dog", "Hiss": None}, {"Bark": "cat", "Howl": "dog"})
    "'Bark' was 'dog', now 'cat'; 'Hiss' was left out, now not in it; 'Howl' was not in it, now 'dog'"
    """
    told = [dict.fromkeys((*before, *now), "not in it") | {
        tag: "left out" if name is None else repr(name) for tag, name in table.items()
    } for table in (before, now)]  # fmt: skip
    found = [f"{tag!r} was {told[0][tag]}, now {told[1][tag]}" for tag in told[0] if told[0][tag] != told[1][tag]]
    return "; ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def read(folder: Path) -> dict[str, Any]:
    """What a run tells of its beginning; nothing where it is of an earlier version. Raises EarmarkError where it cannot be read."""
    file = folder / FILE
    try:
        told = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise EarmarkError(
            f"{file}: cannot be read ({error}), and tells what the run began with: take another --out"
        ) from error
    return dict(told)


def settle(folder: Path, unread: Mapping[str, list[str]]) -> None:
    """Keep which clips could not be read."""
    _write(folder, read(folder) | {"unread": dict(unread)})


def _write(folder: Path, told: Mapping[str, Any]) -> None:
    write_text(folder / FILE, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
