"""Which classes lie below others: trees of classes by their names, one shipped file each.

audioset    the 632 classes of AudioSet's ontology, of which 527 are its tags; a class may have several parents.
            Gemmeke and others: Audio Set: an ontology and human-labeled dataset for audio events, 2017; CC BY-SA 4.0
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

from earmark.errors import ManifestError
from earmark.registry import did_you_mean

Tree = Mapping[str, tuple[str, ...]]


@cache
def tree(name: str) -> Tree:
    """Class → its children, of a shipped tree. Raises KeyError.

    >>> tree("audioset")["Dog"]
    ('Bark', 'Yip', 'Howl', 'Bow-wow', 'Growling', 'Whimper (dog)', 'Bay')
    """
    if name not in names():
        raise KeyError(name)
    children: dict[str, list[str]] = {}
    text = (resources.files("earmark.evaluation") / "ontologies" / f"{name}.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        children.setdefault(row["class"], [])
        children.setdefault(row["parent"], []).append(row["class"])
    return {key: tuple(below) for key, below in children.items()}


def names() -> list[str]:
    folder = resources.files("earmark.evaluation") / "ontologies"
    return sorted(each.name.removesuffix(".csv") for each in folder.iterdir() if each.name.endswith(".csv"))


def below(classes: Tree, head: str) -> dict[str, int]:
    """All classes below one, each with its distance, the shortest where there are several ways.

    >>> below({"a": ("b", "c"), "b": ("d",), "c": (), "d": ()}, "a")
    {'b': 1, 'c': 1, 'd': 2}
    """
    found: dict[str, int] = {}
    level, distance = [head], 0
    while level:
        distance += 1
        level = [child for each in level for child in classes[each] if child not in found and child != head]
        found |= dict.fromkeys(level, distance)
    return found


def grown(mapping: Mapping[str, str | None], trees: Mapping[str, str | None], place: str) -> dict[str, str | None]:
    """A table's tags → merged, with all classes below those that have a tree. place: of the table, for errors.

    A class below two tags of the table, neither of which lies below the other, is refused unless both go to the same.
    """
    heads = {tag: name for tag, name in trees.items() if name}
    reached: dict[str, dict[str, None]] = {}
    for head, name in heads.items():
        if name not in names():
            raise ManifestError(
                f"{place}: below {head!r} is {name!r}: there is no such tree of classes{did_you_mean(str(name), names())} "
                f"Known: {', '.join(names())}"
            )
        if head not in tree(name):
            raise ManifestError(f"{place}: {head!r} is no class of {name}{did_you_mean(head, tree(name))}")
        for each in below(tree(name), head):
            reached.setdefault(each, {})[head] = None
    whole = dict(mapping)
    for each, over in reached.items():
        if each in mapping:
            continue
        nearest = [head for head in over if not any(other in below(tree(str(heads[head])), head) for other in over)]
        goals = {mapping[head] for head in nearest}
        if len(goals) > 1:
            raise ManifestError(
                f"{place}: {each!r} lies below {' and '.join(map(repr, nearest))}, which are merged into different tags: give it a "
                "line of its own"
            )
        whole[each] = goals.pop()
    return whole
