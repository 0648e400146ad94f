"""Which plug-ins a tagger file needs: told when it is written, looked for when it is read, never run from it.

In the head of the file `plugins` holds, for each, which it is (`file` and `sha256`, or `package` and `version`) and, as
`gives`, the kinds and names that the tagger has of it. What was registered by a program, such as a notebook, is of no plug-in: there
`module` is where it was defined. A tagger that is all earmark's own has no such key.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from earmark import plugins
from earmark.errors import TaggerError
from earmark.models.file import UNFIT
from earmark.plugins import Plugin
from earmark.registry import AUGMENTATIONS, DATASETS, FEATURES, KINDS, NETS, Registry

if TYPE_CHECKING:
    from earmark.recipe import Recipe  # and with it pydantic

OWN = "earmark"
log = logging.getLogger("earmark")


@dataclass(frozen=True)
class Need:
    """A plug-in, and what a tagger has of it, as (kind, name). which: as its file tells it. place: where the file lies; of others ''."""

    which: tuple[tuple[str, str], ...]
    gives: tuple[tuple[str, str], ...]
    place: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**dict(self.which), "gives": [list(each) for each in self.gives]}


def of(recipe: Recipe) -> tuple[Need, ...]:
    """Of the plug-ins as they are loaded now. What was built by them stays as it is, so whoever builds asks this at once."""
    found: dict[tuple[tuple[str, str], ...], tuple[Plugin | None, list[tuple[str, str]]]] = {}
    for kinds, name in _named(recipe):
        if name not in kinds:
            continue
        entry = kinds[name]
        module = entry.function.__module__
        if entry.plugin is None and module.partition(".")[0] == OWN:
            continue
        which = tuple((entry.plugin.as_dict() if entry.plugin else {"module": module}).items())
        if (part := (kinds.kind, name)) not in found.setdefault(which, (entry.plugin, []))[1]:
            found[which][1].append(part)
    return tuple(
        Need(which, tuple(gives), _place(plugin) if plugin else "") for which, (plugin, gives) in found.items()
    )


def warn_of_homeless(recipe: Recipe) -> None:
    """Before it is trained: what a recipe names and lies in no plug-in, nobody has who has the tagger's file. Goes to the log."""
    for need in of(recipe):
        which = dict(need.which)
        if "module" in which:
            names = " and ".join(f"the {kind} {name!r}" for kind, name in need.gives)
            log.warning(
                "%s of the module %s: of no plug-in, and no tagger file holds code, so that the commands and other programs cannot hear "
                "with what is trained. Put it into a file FILE.py, and load that with earmark.plugins.load('FILE.py') before you train",
                names, which["module"],
            )  # fmt: skip


def way_out(told: Iterable[Mapping[str, Any]], kinds: Registry, name: str) -> str:
    """'' or a sentence on the plug-in that has a name which is not found. told: what taggers' files tell of their plug-ins."""
    for need in told:
        if [kinds.kind, name] in need["gives"]:
            return f" The tagger was trained with that of {_which(need)}. {_remedy(need)}"
    return ""


def _place(plugin: Plugin) -> str:
    module = sys.modules.get(plugin.root)
    return str(module.__file__) if plugin.sha256 and module is not None else ""


def told(needs: Sequence[Need]) -> dict[str, Any]:
    """`{"plugins": [...]}` for the head of a tagger's file, or nothing."""
    return {"plugins": [need.as_dict() for need in needs]} if needs else {}


@dataclass(frozen=True)
class Brought:
    """Files of plug-ins, (path, SHA-256), that are loaded where it is unpickled, before what stands behind it in the pickle.

    Pickled it is only while they are what was loaded: of another process nobody would hear that they are not.
    """

    files: tuple[tuple[str, str], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        for path, sha256 in self.files:
            plugins.check_same(path, sha256)
        return _bring, (self.files,)

    def __deepcopy__(self, memo: Any) -> Brought:
        return self  # within a process the plug-ins are there


def _bring(files: tuple[tuple[str, str], ...]) -> Brought:
    plugins.load_again(files)
    return Brought(files)


def brought(needs: Sequence[Need]) -> Brought:
    """The files by which a net and its features are built: their classes can be imported by nobody else."""
    built = {NETS.kind, FEATURES.kind}
    return Brought(
        tuple(
            (need.place, dict(need.which)["sha256"])
            for need in needs
            if need.place and built & {kind for kind, _ in need.gives}
        )
    )


def check_same(needs: Sequence[Need], recipe: Recipe) -> None:
    """Raises TaggerError where a plug-in is another now than that which its net was built by."""
    now = {part: need.which for need in of(recipe) for part in need.gives}
    for need in needs:
        for kind, name in need.gives:
            if kind in (NETS.kind, FEATURES.kind) and now.get((kind, name)) != need.which:
                other = "none" if (kind, name) not in now else _which(dict(now[kind, name]))
                raise TaggerError(
                    f"this tagger's {kind} {name!r} was built by {_which(dict(need.which))}, and what is loaded now is {other}: its "
                    "weights would go into another net. Load the plug-in as it was, or the tagger anew"
                )


def _named(recipe: Recipe) -> Iterator[tuple[Registry, str]]:
    """What a recipe names: parts of the tagger, and what it is trained with, for whoever trains or judges it again."""
    phases = [*recipe.phases.values()]
    nets = [recipe.net, *(phase.net for phase in phases)]
    features = [recipe.features, *(phase.features for phase in phases)]
    augment = [*recipe.augment, *(part for phase in phases for part in phase.augment or [])]
    for registry, parts in ((NETS, nets), (FEATURES, features), (AUGMENTATIONS, augment)):
        yield from ((registry, part.name) for part in parts if part is not None)
    yield DATASETS, recipe.data.dataset


def _built(head: Mapping[str, Any], kinds: Registry, name: str) -> bool:
    """Whether a tagger cannot be built without what has this name; of another, such as a data set, it was trained with it."""
    if "recipe" not in head:
        return True
    part = head["recipe"].get({NETS.kind: "net", FEATURES.kind: "features"}.get(kinds.kind, ""))
    return bool(part) and name == (part.get("name") if isinstance(part, Mapping) else part)


def _told(head: Mapping[str, Any], where: str) -> list[tuple[dict[str, Any], list[tuple[Registry, str]]]]:
    """(a plug-in, what a file has of it). Raises TaggerError for nonsense."""
    try:
        return [
            (dict(each), [(KINDS[kind], str(name)) for kind, name in each["gives"]]) for each in head.get("plugins", [])
        ]
    except UNFIT as error:
        raise TaggerError(
            f"{where}: what it tells of its plug-ins is damaged ({type(error).__name__}: {error})"
        ) from error


def kept(needs: Sequence[Need], head: Mapping[str, Any]) -> tuple[Need, ...]:
    """With what a file tells of plug-ins that are not loaded, which it was trained with: it is told when it is saved again."""
    more = []
    for told, parts in _told(head, "the tagger"):
        left = tuple((kinds.kind, name) for kinds, name in parts if name not in kinds)
        which = tuple((str(key), str(value)) for key, value in told.items() if key != "gives")
        more += [Need(which, left)] if left else []
    return (*needs, *more)


def features(head: Mapping[str, Any], where: str) -> frozenset[str]:
    """The features that a file has of plug-ins. Raises TaggerError for nonsense."""
    return frozenset(name for _, parts in _told(head, where) for kinds, name in parts if kinds is FEATURES)


def check(head: Mapping[str, Any], path: str) -> None:
    """Raises TaggerError where a plug-in with its net or its features is not there; warns where the plug-in is another.

    What it was trained with beside, such as a data set, nobody needs to hear with it. head: of a tagger, or of a member of an ensemble.
    """
    for need, gives in _told(head, path):
        parts = [(kinds, name) for kinds, name in gives if _built(head, kinds, name)]
        missing = [f"the {kinds.kind} {name!r}" for kinds, name in parts if name not in kinds]
        if missing:
            raise TaggerError(f"{path}: needs {' and '.join(missing)} of {_which(need)}. {_remedy(need)}")
        for kinds, name in parts:
            if (other := _other(need, kinds[name].plugin)) is not None:
                warnings.warn(
                    f"{path}: its {kinds.kind} {name!r} is of {_which(need)}, and here it is {other}: its scores may be "
                    "others than they were",
                    stacklevel=3,
                )


def _which(need: Mapping[str, Any]) -> str:
    if "module" in need:
        return f"the module {need['module']} of the program that made it, and of no plug-in"
    if "file" in need:
        return f"the plug-in {need['file']} (SHA-256 {str(need.get('sha256'))[:12]}…)"
    return f"the plug-in {need.get('package')} {need.get('version')}"


def _remedy(need: Mapping[str, Any]) -> str:
    if "module" in need:
        return (
            "Nobody has it but whoever made the tagger: put its source into a file FILE.py, and add --plugin FILE.py to the command "
            "(in Python: earmark.plugins.load('FILE.py'))"
        )
    if "file" in need:
        return (
            f"A tagger file never runs one by itself: get that file from whoever made the tagger, read it, and add "
            f"--plugin {need['file']} to the command (in Python: earmark.plugins.load({str(need['file'])!r}))"
        )
    return f"Install it, if you trust it: pip install '{need.get('package')}=={need.get('version')}'"


def _other(need: Mapping[str, Any], plugin: Plugin | None) -> str | None:
    """What is there in place of the plug-in that was needed; None where it is that one, or where nobody can tell."""
    if "module" in need:
        return None
    if plugin is None:
        return "earmark's own"
    here = plugin.as_dict()
    # a file may have been renamed: its bytes are what counts
    same = here["sha256"] == need.get("sha256") if "sha256" in here else all(need.get(k) == v for k, v in here.items())
    if same:
        return None
    return f"of {plugin.place} (SHA-256 {plugin.sha256[:12]}…)" if plugin.sha256 else f"of {plugin.place}"
